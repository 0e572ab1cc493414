//! Parses command lines with clap. An invalid one ends the program here, before the output exists:
//! people get clap's message, and programs that asked for events get the last event.

use crate::cli::advice::{sentence, with_command_meant};
use crate::cli::commands::Cli;
use crate::cli::help;
use crate::cli::output::Object;
use crate::cli::reflexes;
use clap::error::ErrorKind;
use clap::{ArgMatches, ColorChoice, Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Duration;

/// Parses words with a parser of the command line, and options of other programs among them.
pub(crate) fn matches(command: Command, words: &[OsString]) -> ArgMatches {
    let command = command.color(color(words));
    let parsed = reflexes::parse(command.clone(), words).map_err(|error| {
        if error.kind() == ErrorKind::DisplayHelp && is_of_command(&command, words) {
            reflexes::parse(help::parser(command), words).err().unwrap_or(error)
        } else {
            error
        }
    });
    parsed.unwrap_or_else(|error| refuse(&with_command_meant(error, &Cli::command(), words), words))
}

/// Returns true if one of the words is the name of a command.
fn is_of_command(command: &Command, words: &[OsString]) -> bool {
    let is_name = |word: &str| word != "help" && command.find_subcommand(word).is_some();
    options(words).skip(1).any(is_name)
}

/// The command line that was parsed.
pub(crate) fn typed(matches: &ArgMatches, words: &[OsString]) -> Cli {
    Cli::from_arg_matches(matches).unwrap_or_else(|error| refuse(&error, words))
}

/// Help and version are no errors, and are for people only.
fn refuse(error: &clap::Error, words: &[OsString]) -> ! {
    if error.use_stderr() && options(words).any(|word| word == "--json") {
        let finished = Object::event("finished").seconds("seconds", Duration::ZERO);
        let finished = finished.number("exit_code", EXIT_USAGE).text("error", &sentence(error));
        let _ = io::stdout().write_all(&finished.into_line()); // the exit code reports it too
    }
    error.exit()
}

/// The value of `--color`, looked for before the rest is parsed.
fn color(words: &[OsString]) -> ColorChoice {
    let mut values = options(words).skip_while(|word| !word.starts_with("--color"));
    let value = match values.next().and_then(|word| word.strip_prefix("--color")) {
        Some("") => values.next(),
        Some(value) => value.strip_prefix('='),
        None => None,
    };
    match value {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        Some(_) | None => ColorChoice::Auto,
    }
}

/// The words before `--`.
fn options(words: &[OsString]) -> impl Iterator<Item = &str> {
    words.iter().take_while(|word| *word != "--").filter_map(|word| word.to_str())
}

const EXIT_USAGE: u64 = 2;
