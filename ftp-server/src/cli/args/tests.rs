//! Tests of accepted and refused command lines.

use super::*;
use clap::CommandFactory;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split(' '))
}

#[test]
fn the_definitions_are_consistent() {
    Args::command().debug_assert();
}

#[test]
fn every_command_shows_an_example() {
    fn check(command: &clap::Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Example"), "{}", command.get_name());
        command.get_subcommands().for_each(check);
    }
    check(&Args::command());
}

#[test]
fn options_stand_before_or_after_a_users_command() {
    for line in ["ftp-server user --state /s add alice", "ftp-server user add alice --state /s"] {
        let ServerCommand::User(args) = parse(line).unwrap().command else { panic!("{line}") };
        assert_eq!(args.place.state, Some("/s".into()), "{line}");
    }
}

#[test]
fn a_new_user_may_only_read_unless_told_otherwise() {
    for (line, meant) in [
        ("ftp-server user add alice", Access::Read),
        ("ftp-server user add alice --access drop", Access::Drop),
    ] {
        let ServerCommand::User(args) = parse(line).unwrap().command else { panic!("{line}") };
        let UserCommand::Add(args) = args.command else { panic!("{line}") };
        assert_eq!(args.access, meant, "{line}");
    }
}

#[test]
fn a_share_is_read_only_and_for_an_hour_unless_told_otherwise() {
    let ServerCommand::Share(args) = parse("ftp-server share dir").unwrap().command else { panic!() };
    assert_eq!((args.write, args.once, args.time), (false, false, Duration::from_secs(3600)));
    let ServerCommand::Share(args) = parse("ftp-server share dir --for 90s --once --write").unwrap().command
    else {
        panic!()
    };
    assert_eq!((args.write, args.once, args.time), (true, true, Duration::from_secs(90)));
}

#[test]
fn wrong_values_are_usage_errors() {
    for line in [
        "ftp-server share dir --for 0s",
        "ftp-server share dir --for soon",
        "ftp-server share dir --listen localhost",
        "ftp-server user add a/b",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (ErrorKind::ValueValidation, 2), "{line}");
    }
    assert_eq!(parse("ftp-server user add a --access all").unwrap_err().exit_code(), 2);
    assert_eq!(parse("ftp-server share dir --state /s").unwrap_err().exit_code(), 2);
}
