use super::*;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

fn wrong(line: &str) -> clap::Error {
    parse(line).err().unwrap_or_else(|| panic!("accepted: {line}"))
}

#[test]
fn the_definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in Cli::command().get_subcommands_mut() {
        let name = command.get_name().to_owned();
        let help = command.render_long_help().to_string();
        assert!(help.contains(&format!("Example:\n  ftp-client {name}")), "{name}:\n{help}");
        assert!(command.get_about().is_some(), "{name}");
    }
}

#[test]
fn options_stand_before_or_after_the_paths() {
    for line in [
        "ftp-client --json --lanes 3 get h:a b",
        "ftp-client get --json h:a b --lanes 3",
        "ftp-client get h:a --lanes=3 b --json",
    ] {
        let typed = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(typed.common.json && typed.common.lanes == Some(3), "{line}");
    }
}

#[test]
fn two_dashes_end_the_options() {
    let typed = parse("ftp-client get h:a -- --json").unwrap();
    let Command::Get(get) = typed.command else { panic!("not get") };
    assert_eq!(get.paths, ["h:a", "--json"]);
}

/// People have these in their fingers, and scripts go on after help with exit code 0.
#[test]
fn a_short_h_is_about_sizes_where_there_are_sizes() {
    let typed = parse("ftp-client ls -lh h:a").unwrap();
    assert!(matches!(typed.command, Command::Ls(ls) if ls.long && ls.human_readable));
    assert!(matches!(parse("ftp-client df -h h:a").unwrap().command, Command::Df(_)));
    assert!(matches!(parse("ftp-client mirror -h a h:a").unwrap().command, Command::Mirror(_)));
    assert_eq!(wrong("ftp-client ls -h").exit_code(), 2, "a path is missing");
    for line in
        ["ftp-client ls --help", "ftp-client df --help", "ftp-client mirror --help", "ftp-client rm -h"]
    {
        assert_eq!(wrong(line).kind(), ErrorKind::DisplayHelp, "{line}");
    }
}

#[test]
fn wrong_values_are_usage_errors() {
    for line in [
        "ftp-client ls h: --lanes 0",
        "ftp-client ls h: --lanes 65",
        "ftp-client ls h: --lanes many",
        "ftp-client ls h: --limit-rate 0",
        "ftp-client ls h: --limit-rate 10X",
        "ftp-client ls h: --pin sha256:00",
        "ftp-client ls h: --timeout never",
        "ftp-client ls h: --timeout 0s",
        "ftp-client ls h: --checksum md5",
        "ftp-client ls h: --token a --password-file b",
        "ftp-client get h:a --overwrite perhaps",
        "ftp-client get",
        "ftp-client ls",
        "ftp-client mv h:a",
        "ftp-client nonsense",
        "ftp-client ls h: --nonsense",
    ] {
        assert_eq!(wrong(line).exit_code(), 2, "{line}");
    }
    assert_eq!(wrong("ftp-client --version").kind(), ErrorKind::DisplayVersion);
}

#[test]
fn a_secret_is_not_in_the_help() {
    let mut command = Cli::command();
    let matches =
        command.clone().try_get_matches_from(["ftp-client", "ls", "h:", "--token", "s3cret"]).unwrap();
    assert_eq!(Cli::from_arg_matches(&matches).unwrap().common.token.as_deref(), Some("s3cret"));
    assert!(!command.render_long_help().to_string().contains("s3cret"));
}
