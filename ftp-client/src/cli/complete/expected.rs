//! The words that are possible at a position of a command line, by the definitions of the arguments.

use crate::cli::commands::Cli;
use crate::cli::defaults::PATHS;
use clap::{Arg, Command, CommandFactory};

/// The kind of word that may stand there.
pub(crate) enum Expected {
    /// One of these.
    Words(Vec<String>),
    /// A path, here or on a server: the command's path with this number.
    Place(usize),
    /// The name of a profile.
    Profile,
    /// A path here, behind this.
    File(String),
}

/// Returns what may follow the complete words `before`, given what has been typed of it.
pub(crate) fn expected(program: &Command, before: &[String], last: &str) -> Expected {
    let place = LinePosition::after(program, before);
    if let Some(option) = place.option {
        return of_value(option, "");
    }
    if last.starts_with('-') && !place.only_paths {
        return match last.split_once('=') {
            Some((name, _)) => match named(place.command, name) {
                Some(option) => of_value(option, &format!("{name}=")),
                None => Expected::Words(Vec::new()),
            },
            None => Expected::Words(options(place.command)),
        };
    }
    if place.command.has_subcommands() {
        return Expected::Words(if place.paths == 0 { commands(place.command) } else { Vec::new() });
    }
    let positionals: Vec<&Arg> = place.command.get_positionals().collect();
    match positionals.get(place.paths).or(positionals.last()) {
        Some(argument) => of_positional(argument, place.paths),
        None => Expected::Words(Vec::new()),
    }
}

/// Where in a command line something is.
struct LinePosition<'a> {
    command: &'a Command,
    /// The option whose value comes next.
    option: Option<&'a Arg>,
    /// How many words there are that belong to no option.
    paths: usize,
    /// `--` was typed.
    only_paths: bool,
}

impl<'a> LinePosition<'a> {
    fn after(program: &'a Command, before: &[String]) -> Self {
        let mut place = Self { command: program, option: None, paths: 0, only_paths: false };
        for word in before {
            place.pass(word);
        }
        place
    }

    fn pass(&mut self, word: &str) {
        if self.option.take().is_some() {
            return;
        }
        match word {
            "--" if !self.only_paths => self.only_paths = true,
            option if option.starts_with('-') && option != "-" && !self.only_paths => {
                self.option = named(self.command, option).filter(|option| takes_next_word(option));
            }
            word => match self.command.find_subcommand(word).filter(|_| self.paths == 0) {
                Some(command) => self.command = command,
                None => self.paths += 1,
            },
        }
    }
}

/// The option of a word: `--name`, `-n`, or the last of several short ones.
fn named<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let mut arguments = command.get_arguments();
    match word.strip_prefix("--") {
        Some(long) => arguments.find(|argument| argument.get_long() == Some(long)),
        None => arguments
            .find(|argument| argument.get_short().is_some() && argument.get_short() == word.chars().last()),
    }
}

fn takes_next_word(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

fn of_value(option: &Arg, head: &str) -> Expected {
    let values = values(option);
    if values.is_empty() && is_called(option, &FILES) {
        Expected::File(head.to_owned())
    } else {
        Expected::Words(values.into_iter().map(|value| format!("{head}{value}")).collect())
    }
}

fn of_positional(argument: &Arg, index: usize) -> Expected {
    match argument.get_id().as_str() {
        "command" => Expected::Words(commands(&Cli::command())),
        "names" => Expected::Profile,
        id if PATHS.contains(&id) || is_called(argument, &["REMOTE"]) => Expected::Place(index),
        _ => of_value(argument, ""),
    }
}

/// True if help texts call its value one of these.
fn is_called(argument: &Arg, known: &[&str]) -> bool {
    argument.get_value_names().is_some_and(|names| names.iter().any(|name| known.contains(&name.as_str())))
}

fn values(argument: &Arg) -> Vec<String> {
    let shown = argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    shown.map(|value| value.get_name().to_owned()).collect()
}

fn options(command: &Command) -> Vec<String> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    shown.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
}

fn commands(command: &Command) -> Vec<String> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| command.get_name().to_owned()).collect()
}

/// How help texts call files.
const FILES: [&str; 3] = ["FILE", "DIR", "LOCAL"];
