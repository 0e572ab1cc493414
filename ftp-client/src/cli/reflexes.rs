//! Options and commands of other programs, which people type before they know ours: rsync's, scp's, lftp's, rclone's.
//!
//! Each has a row in the tables of `options` and `commands`. The parser learns the options as hidden arguments. An option that
//! means something here becomes our own words, and the line is parsed once more. One that is not needed is accepted with a
//! note. What cannot be is refused with our word for it.

mod commands;
mod find;
mod followed;
mod options;

pub(crate) use commands::{answer_to_command, answer_to_path};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use options::{OPTIONS, OptionRow, Reading, Takes};
use std::ffi::{OsStr, OsString};

/// Parses words, among which may be options of other programs.
pub(crate) fn parse(command: Command, words: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let parser = taught(command);
    let words = &followed::translated(&find::translated(words))[..];
    let matches = match parser.clone().try_get_matches_from(words) {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            let without_h = without_h_in_clusters(words).ok_or(error)?;
            return parse_again(parser, without_h);
        }
        matches => matches.map_err(|error| explained(error, &parser, words))?,
    };
    settled(parser, matches, words)
}

/// Returns the note about options that were typed and are not needed.
pub(crate) fn note(matches: &ArgMatches) -> Option<String> {
    let notes: Vec<String> = typed_rows(matches)
        .filter_map(|(_, row)| match row.reading {
            Reading::NotNeeded(reason) => Some(format!("{} is not needed: {reason}", row.names[0])),
            Reading::Means(_) | Reading::Named(..) | Reading::Answered(_) => None,
        })
        .collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

fn parse_again(parser: Command, words: Vec<OsString>) -> Result<ArgMatches, clap::Error> {
    let matches = parser.clone().try_get_matches_from(&words);
    settled(parser.clone(), matches.map_err(|error| with_command_of_option(error, &parser))?, &words)
}

/// Puts our own words in place of other programs' options, and refuses those that have none.
fn settled(parser: Command, matches: ArgMatches, words: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let mut ours: Vec<OsString> = Vec::new();
    for (id, row) in typed_rows(&matches) {
        match row.reading {
            Reading::NotNeeded(_) => {}
            Reading::Means(words) => ours.extend(words.iter().map(OsString::from)),
            Reading::Named(option, of_value) => {
                let typed = value(&matches, &id).unwrap_or_default();
                ours.extend(match typed.to_str() {
                    Some(text) => of_value(text).map(|value| format!("{option}={value}").into()),
                    None => Some([OsStr::new(option), OsStr::new("="), &typed].into_iter().collect()),
                });
            }
            Reading::Answered(answer) => {
                let text = format!("{} is not an option here: {answer}\n", row.names.join(", "));
                return Err(clap::Error::raw(ErrorKind::UnknownArgument, text).with_cmd(&parser));
            }
        }
    }
    if ours.is_empty() {
        return Ok(matches);
    }
    // In front of all that was typed: our own options decide.
    let named = |word: &OsString| parser.find_subcommand(word.to_str()?).map(Command::get_name);
    let command = words
        .iter()
        .position(|word| matches.subcommand_name().is_some() && named(word) == matches.subcommand_name());
    let begin = command.map_or(words.len(), |command| command + 1);
    let words = [&words[..begin], &ours, &words[begin..]].concat();
    parser.clone().try_get_matches_from(words).map_err(|error| with_command_of_option(error, &parser))
}

/// The rows whose options were typed, with their ids.
fn typed_rows(matches: &ArgMatches) -> impl Iterator<Item = (String, &'static OptionRow)> {
    let sub = matches.subcommand().map(|(_, sub)| sub);
    let typed = move |id: &str| {
        sub.is_some_and(|sub| {
            sub.ids().any(|known| known == id) && sub.value_source(id) == Some(ValueSource::CommandLine)
        })
    };
    OPTIONS.iter().enumerate().map(|(index, row)| (id(index), row)).filter(move |(id, _)| typed(id))
}

fn value(matches: &ArgMatches, id: &str) -> Option<OsString> {
    let (_, sub) = matches.subcommand()?;
    sub.get_many::<OsString>(id)?.next_back().cloned()
}

/// The parser, with the options of all rows that its commands do not have. An option may be repeated, as elsewhere.
fn taught(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let of_all: Vec<Arg> = command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    names.into_iter().fold(command.args_override_self(true), |command, name| {
        let rows = || OPTIONS.iter().enumerate().filter(|(_, row)| row.commands.contains(&name.as_str()));
        if rows().next().is_none() {
            return command;
        }
        command.mut_subcommand(&name, |sub| {
            let known: Vec<Arg> = sub.get_arguments().chain(&of_all).cloned().collect();
            rows().filter_map(|(index, row)| argument(index, row, &known)).fold(sub, Command::arg)
        })
    })
}

/// The hidden argument of a row, under those of its names that are not known.
fn argument(index: usize, row: &OptionRow, known: &[Arg]) -> Option<Arg> {
    let mut argument = Arg::new(id(index)).hide(true);
    for name in row.names.iter().filter(|name| !known.iter().any(|known| has_name(known, name))) {
        argument = match (name.strip_prefix("--"), name.chars().nth(1)) {
            (Some(long), _) if argument.get_long().is_none() => argument.long(long),
            (Some(long), _) => argument.alias(long),
            (None, Some(short)) if argument.get_short().is_none() => argument.short(short),
            (None, Some(short)) => argument.short_alias(short),
            (None, None) => argument,
        };
    }
    if argument.get_long().is_none() && argument.get_short().is_none() {
        return None;
    }
    let with_value = |argument: Arg| argument.action(ArgAction::Append).value_parser(value_parser!(OsString));
    Some(match row.takes {
        Takes::Nothing => argument.action(ArgAction::Count),
        Takes::Value => with_value(argument).num_args(1),
        Takes::MaybeValue => with_value(argument).num_args(0..=1),
    })
}

fn has_name(argument: &Arg, name: &str) -> bool {
    match name.strip_prefix("--") {
        Some(long) => {
            let aliases = argument.get_all_aliases().unwrap_or_default();
            argument.get_long() == Some(long) || aliases.contains(&long)
        }
        None => {
            let aliases = argument.get_all_short_aliases().unwrap_or_default();
            argument.get_short().into_iter().chain(aliases).any(|short| name.chars().nth(1) == Some(short))
        }
    }
}

/// The words without the `h` of clusters such as `-avh`, where rsync's users mean sizes and not help. `None` if help was asked for.
fn without_h_in_clusters(words: &[OsString]) -> Option<Vec<OsString>> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    if words[..end].iter().any(|word| word == "-h" || word == "--help" || word == "help") {
        return None;
    }
    let mut found = false;
    let without = |(index, word): (usize, &OsString)| {
        let cluster = word.to_str().and_then(|word| word.strip_prefix('-')).filter(|_| index < end);
        match cluster.filter(|letters| letters.bytes().all(|letter| letter.is_ascii_alphabetic())) {
            Some(letters) if letters.contains('h') => {
                found = true;
                format!("-{}", letters.replace('h', "")).into()
            }
            Some(_) | None => word.clone(),
        }
    };
    let words = words.iter().enumerate().map(without).collect();
    found.then_some(words)
}

/// The error, with advice about options that have another meaning elsewhere.
fn explained(mut error: clap::Error, parser: &Command, words: &[OsString]) -> clap::Error {
    let has = |typed: &str| words.iter().any(|word| word == typed);
    let tip = if error.kind() != ErrorKind::MissingRequiredArgument {
        None
    } else if has("-i") {
        Some("'-i FILE' names a key; for rsync's -i, use mirror -n, or -v")
    } else if has("mirror") && has("-R") {
        Some("for lftp's 'mirror -R DIR', which has no TARGET, use put -r DIR")
    } else {
        None
    };
    if let Some(tip) = tip {
        let tip = StyledStr::from(tip.to_owned());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    with_command_of_option(error, parser)
}

/// The error about an unknown option without clap's advice to type it as a path, and with the commands that have the option.
fn with_command_of_option(mut error: clap::Error, parser: &Command) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    error.remove(ContextKind::Suggested);
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg).cloned() else { return error };
    let has = |command: &&Command| {
        let mut arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
        !command.is_hide_set() && arguments.any(|argument| has_name(argument, &typed))
    };
    let commands: Vec<&str> = parser.get_subcommands().filter(has).map(Command::get_name).collect();
    if typed.starts_with('-') && !commands.is_empty() {
        let tip = StyledStr::from(format!("'{typed}' is an option of: {}", commands.join(", ")));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        error.remove(ContextKind::SuggestedArg);
    }
    error
}

fn id(index: usize) -> String {
    format!("reflex-{index}")
}

#[cfg(test)]
mod tests;
