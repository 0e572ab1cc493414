//! Advice about misspelled names: clap's tips in one line, and the same kind of tip for names that clap does not know.

use crate::cli::args::Common;
use crate::cli::output::shown;
use crate::cli::reflexes;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command};
use std::ffi::OsString;

/// The error of clap in one line, with its tips and without the usage.
pub(crate) fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let mut paragraphs = text.split("\n\n");
    let told = paragraphs.next().unwrap_or_default();
    let told = told.strip_prefix("error: ").unwrap_or(told);
    let tips = paragraphs.filter(|paragraph| paragraph.trim_start().starts_with("tip: "));
    let parts: Vec<String> = [told].into_iter().chain(tips).map(one_line).collect();
    shown(parts.join("; ").as_bytes())
}

/// The same error, with the command that was meant: what to type for another program's command; or where letters are swapped, which
/// clap does not see; and without commands that are for completions only, which clap does see.
pub(crate) fn with_command_meant(
    mut error: clap::Error,
    parser: &Command,
    words: &[OsString],
) -> clap::Error {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand).cloned() else {
        return error;
    };
    let found = words.iter().take_while(|word| **word != *typed).fold(parser, |command, word| {
        word.to_str().and_then(|word| command.find_subcommand(word)).unwrap_or(command)
    });
    if found.get_name() == parser.get_name() {
        let answer = reflexes::answer_to_command(&typed, parser)
            .or_else(|| reflexes::answer_to_path(&typed, words, parser));
        if let Some(answer) = answer {
            return clap::Error::raw(error.kind(), format!("{answer}\n")).with_cmd(parser);
        }
    }
    let shown: Vec<&str> =
        found.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name).collect();
    let mut names = match error.remove(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(names)) => names,
        _ => Vec::new(),
    };
    names.retain(|name| shown.contains(&name.as_str()));
    if names.is_empty() {
        names.extend(similar(&typed, shown.iter().copied()).map(str::to_owned));
    }
    if !names.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
    }
    error
}

/// Adds advice if the unknown option of a line is one of the command line, which applies to all lines.
pub(crate) fn with_place_of_option(error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument || !is_common(typed) {
        return error;
    }
    let line = match typed.as_str() {
        "--limit-rate" => ", or write a line: limit RATE",
        "--lanes" => ", or write a line: lanes N",
        _ => "",
    };
    let text = format!("'{typed}' belongs to the whole script or shell: give it when that is started{line}");
    clap::Error::raw(error.kind(), text)
}

fn is_common(typed: &str) -> bool {
    Common::augment_args(Command::new("")).get_arguments().any(|argument| {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        [long, short].into_iter().flatten().any(|name| name == typed)
    })
}

/// `text`, and which of the known names may have been meant.
pub(crate) fn meant<'a>(text: &str, typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match similar(typed, known) {
        Some(name) => format!("{text}; did you mean {name}?"),
        None => text.to_owned(),
    }
}

/// Returns the known name most similar to the typed one, with at most every third letter wrong, or one of two. `None` for a known name.
pub(crate) fn similar<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let measured = known.into_iter().map(|name| (strsim::osa_distance(typed, name), name));
    let (wrong, name) = measured.min()?;
    (wrong > 0 && wrong <= typed.chars().count().div_ceil(3).min(typed.chars().count() / 2)).then_some(name)
}

fn one_line(paragraph: &str) -> String {
    paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_similar_where_letters_are_swapped_or_missing() {
        for typed in ["wrok", "wor", "wrk", "Work"] {
            assert_eq!(similar(typed, ["home", "work"]), Some("work"), "{typed}");
        }
        assert_eq!(similar("work", ["work", "works"]), None);
        assert_eq!(similar("pt", ["put", "get"]), Some("put"));
        assert_eq!(similar("h", ["hh"]), None);
        assert_eq!(similar("work.example.org", ["work", "home"]), None);
        assert_eq!(meant("no", "hoem", ["home"]), "no; did you mean home?");
        assert_eq!(meant("no", "zzz", ["home"]), "no");
    }
}
