//! Every row of both tables: an option is accepted or answered, and a command answered by a line that can be typed.

use super::*;
use crate::cli::commands::Cli;
use crate::cli::line::line_parser;
use clap::CommandFactory;

fn words(command: &str, options: &[&str]) -> Vec<OsString> {
    let paths: &[&str] = match command {
        "ls" | "cat" | "shell" => &["h:a"],
        "get" => &["h:a", "b"],
        "cp" => &["h:a", "h:b"],
        _ => &["a", "h:b"],
    };
    ["ftp-client", command].iter().chain(paths).chain(options).map(OsString::from).collect()
}

fn parsed(command: &str, options: &[&str]) -> Result<ArgMatches, clap::Error> {
    parse(Cli::command(), &words(command, options))
}

/// Our own options and their values.
fn ours(matches: &ArgMatches) -> Vec<(String, Vec<OsString>)> {
    let (_, sub) = matches.subcommand().unwrap();
    let ids = sub.ids().map(ToString::to_string).filter(|id| !id.starts_with("reflex-"));
    let mut found: Vec<_> = ids
        .filter_map(|id| {
            let mut values: Vec<OsString> = sub.try_get_raw(&id).ok()??.map(OsString::from).collect();
            values.sort(); // a group names its options in the order in which they were typed
            Some((id, values))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn the_taught_parsers_are_consistent() {
    taught(Cli::command()).debug_assert();
    taught(line_parser()).debug_assert();
}

#[test]
fn every_option_is_read_as_its_row_says() {
    for row in OPTIONS {
        for (command, name) in row.commands.iter().flat_map(|command| pairs(row, command)) {
            let options: &[&str] = match row.takes {
                Takes::Nothing => &[name],
                Takes::Value | Takes::MaybeValue => &[name, "5"],
            };
            let result = parsed(command, options);
            match (row.reading, result) {
                (Reading::Means(same), Ok(matches)) => {
                    assert_eq!(ours(&matches), ours(&parsed(command, same).unwrap()), "{command} {name}");
                    assert_eq!(note(&matches), None, "{command} {name}");
                }
                (Reading::Named(option, of_value), Ok(matches)) => {
                    let same = format!("{option}={}", of_value("5").unwrap());
                    assert_eq!(ours(&matches), ours(&parsed(command, &[&same]).unwrap()), "{command} {name}");
                }
                (Reading::NotNeeded(reason), Ok(matches)) => {
                    assert_eq!(ours(&matches), ours(&parsed(command, &[]).unwrap()), "{command} {name}");
                    assert!(note(&matches).unwrap().contains(reason), "{command} {name}");
                }
                (Reading::Answered(answer), Err(error)) => {
                    let text = error.to_string();
                    assert!(error.exit_code() == 2 && text.contains(answer), "{command} {name}: {text}");
                }
                (_, Err(error)) => panic!("{command} {name}: {error}"),
                (Reading::Answered(_), Ok(_)) => panic!("{command} {name} is accepted"),
            }
        }
    }
}

fn pairs(row: &OptionRow, command: &'static str) -> Vec<(&'static str, &'static str)> {
    row.names.iter().map(|name| (command, *name)).collect()
}

/// A row whose option a command has got itself says something that is not true any more.
#[test]
fn no_option_of_ours_is_in_the_table() {
    let program = Cli::command();
    for row in OPTIONS {
        for (command, name) in row.commands.iter().flat_map(|command| pairs(row, command)) {
            let known = program.find_subcommand(command).unwrap();
            let mut arguments = known.get_arguments().chain(program.get_arguments());
            assert!(!arguments.any(|argument| has_name(argument, name)), "{command} {name}");
        }
    }
}

#[test]
fn clusters_and_repeated_options_are_as_elsewhere() {
    let is_set = |line: &[&str], id: &str| {
        let matches = parsed(line[0], &line[1..]).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        matches.subcommand().unwrap().1.get_flag(id)
    };
    assert!(is_set(&["put", "-avzP"], "recursive"));
    assert!(is_set(&["put", "-avzh"], "recursive") && is_set(&["get", "-ahr"], "recursive"));
    assert!(is_set(&["get", "-vvv", "-r", "-r"], "verbose"));
    assert!(is_set(&["mirror", "-avzh", "--delete-after"], "delete"));
    assert_eq!(parsed("put", &["-h"]).unwrap_err().kind(), ErrorKind::DisplayHelp);
    assert_eq!(parsed("put", &["-a", "--help"]).unwrap_err().kind(), ErrorKind::DisplayHelp);
    let zero = parsed("put", &["--bwlimit=0"]).unwrap();
    assert_eq!(ours(&zero), ours(&parsed("put", &[]).unwrap()));
    for (theirs, ours) in [("1000", "1000K"), ("1.5m", "1.5m"), ("10MiB", "10M"), ("2G", "2G")] {
        let Reading::Named(_, of_value) =
            OPTIONS.iter().find(|row| row.names.contains(&"--bwlimit")).unwrap().reading
        else {
            panic!("no rate")
        };
        assert_eq!(of_value(theirs).as_deref(), Some(ours));
    }
}

#[test]
fn an_unknown_option_is_never_taken_for_a_path() {
    for (command, option) in [("put", "-Q"), ("put", "--nonsense"), ("put", "--detect-moves"), ("ls", "-x")] {
        let text = parsed(command, &[option]).unwrap_err().to_string();
        assert!(!text.contains("as a value"), "{text}");
    }
    let text = parsed("put", &["--detect-moves"]).unwrap_err().to_string();
    assert!(text.contains("'--detect-moves' is an option of: mirror"), "{text}");
}

/// What is answered can be typed: the commands in it are ours.
#[test]
fn every_command_is_answered_by_commands_of_ours() {
    let (program, lines) = (Cli::command(), line_parser());
    for name in commands::names() {
        let in_line = answer_to_command(name, &lines).unwrap();
        assert!(!in_line.contains("ftp-client"), "{in_line}");
        let answer = answer_to_command(name, &program).unwrap();
        let Some((_, typed)) = answer.split_once("type: ") else { continue };
        for line in typed.split("  or  ") {
            let mut words = line.split(' ');
            if let ("ftp-client", Some(command)) = (words.next().unwrap(), words.next()) {
                let ours = command.starts_with("--")
                    || program.find_subcommand(command).is_some()
                    || lines.find_subcommand(command).is_some();
                assert!(ours, "{name}: {answer}");
            }
        }
    }
}

#[test]
fn a_path_in_place_of_a_command_is_answered() {
    let answer = |words: &[&str]| {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        answer_to_path(words[1].to_str().unwrap(), &words, &Cli::command())
    };
    assert!(answer(&["ftp-client", "work:"]).unwrap().contains("ftp-client shell work:"));
    assert!(answer(&["ftp-client", "work:a", "b"]).unwrap().contains("ftp-client get -r work:a b"));
    assert!(answer(&["ftp-client", ".", "work:b"]).unwrap().contains("ftp-client put -r . work:b"));
    assert_eq!(answer(&["ftp-client", "nonsense"]), None);
}
