//! Where values of options come from: the command line, else the environment, else the profile, else a default.
//!
//! A profile's options become the parser's own defaults and the command line is parsed once more. So they are checked and
//! understood as if they had been typed, and typed options override them.

use crate::cli::args::{ProfileOption, of_profile, profile_options};
use crate::cli::commands::{Cli, Command as Typed};
use crate::cli::parse;
use crate::cli::profiles::{Profile, Profiles};
use crate::cli::server::ServerTarget;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory};
use ftp_client::Error;
use std::env;
use std::ffi::{OsStr, OsString};

/// The typed command line, completed by a profile.
pub(crate) struct Completed<T> {
    pub(crate) typed: T,
    /// Lists the origin of each value, one line each, for `--verbose`.
    pub(crate) origins: Vec<String>,
}

/// Returns the command line as typed, without a profile.
pub(crate) fn as_typed(typed: Cli) -> Completed<Cli> {
    Completed { typed, origins: Vec::new() }
}

/// The profile that a command line names by its paths.
pub(crate) fn profile<'a>(
    matches: &ArgMatches,
    profiles: &'a Profiles,
) -> Result<Option<&'a Profile>, Error> {
    matches.subcommand().map_or(Ok(None), |(_, sub)| of_paths(sub, profiles))
}

/// Completes a command line that names no path but a file with a server in it: the profile is that of the server, if it has one.
pub(crate) fn of_file(words: &[OsString], server: &ServerTarget, profiles: &Profiles) -> Completed<Cli> {
    parsed(words, profiles.of_server(server).as_ref())
}

/// True for commands whose file names the server.
pub(crate) fn is_of_file(typed: &Typed) -> bool {
    matches!(typed, Typed::Apply(_) | Typed::Retry(_))
}

/// A command line once more, with another profile.
pub(crate) fn again(words: &[OsString], profile: Option<&Profile>) -> Cli {
    parsed(words, profile).typed
}

fn parsed(words: &[OsString], profile: Option<&Profile>) -> Completed<Cli> {
    let matches = parse::matches(Cli::command(), words);
    complete(words, &matches, parse::typed(&matches, words), profile)
}

/// Completes a command line that was parsed. Without a profile it is not parsed again: it may have many words.
pub(crate) fn complete(
    words: &[OsString],
    matches: &ArgMatches,
    typed: Cli,
    profile: Option<&Profile>,
) -> Completed<Cli> {
    let Some((name, sub)) = matches.subcommand() else { return as_typed(typed) };
    let typed = match profile {
        Some(profile) => {
            let matches = parse::matches(with_profile(Cli::command(), name, sub, profile), words);
            parse::typed(&matches, words)
        }
        None => typed,
    };
    Completed { typed, origins: origins(sub, profile, &|id| takes(&Cli::command(), name, id)) }
}

/// The parser of a command line or of a script's line, with a profile's options as its defaults.
pub(crate) fn with_profile(command: Command, name: &str, sub: &ArgMatches, profile: &Profile) -> Command {
    let wanted = options_of(profile).into_iter().filter(|(option, _)| !overruled(option, sub));
    wanted.fold(command, |command, (option, values)| {
        let id = of_profile(&option.id).unwrap_or(&option.id);
        // A common option belongs to the whole command line, others to the command, if it has them.
        if has(&command, id) {
            with_default(command, id, values)
        } else {
            command.mut_subcommand(name, |sub| with_default(sub, id, values))
        }
    })
}

fn takes(command: &Command, name: &str, id: &str) -> bool {
    has(command, id) || command.find_subcommand(name).is_some_and(|sub| has(sub, id))
}

fn with_default(command: Command, id: &str, values: &[String]) -> Command {
    if has(&command, id) {
        command.mut_arg(id, |argument| argument.default_values(values.to_vec()))
    } else {
        command
    }
}

fn has(command: &Command, id: &str) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == id)
}

/// The one profile that paths of a command name.
pub(crate) fn of_paths<'a>(sub: &ArgMatches, profiles: &'a Profiles) -> Result<Option<&'a Profile>, Error> {
    let typed = PATHS.iter().filter_map(|id| sub.try_get_raw(id).ok().flatten()).flatten();
    let mut found: Option<&Profile> = None;
    for (profile, _) in typed.filter_map(|path: &OsStr| profiles.named(path)) {
        if found.is_some_and(|found| found.name != profile.name) {
            return Err(Error::Usage(
                "the paths are of two profiles: one command speaks with one server".to_owned(),
            ));
        }
        found = Some(profile);
    }
    Ok(found)
}

fn options_of(profile: &Profile) -> Vec<(ProfileOption, &[String])> {
    let kept = &profile.defaults.0;
    let find = |option: ProfileOption| {
        let (_, values) = kept.iter().find(|(key, _)| *key == option.key)?;
        Some((option, &values[..]))
    };
    profile_options().into_iter().filter_map(find).collect()
}

/// Options that exclude each other: one that was typed, or a login in the environment, goes before all of them.
fn overruled(option: &ProfileOption, sub: &ArgMatches) -> bool {
    let mut groups = EXCLUSIVE.iter().filter(|group| group.contains(&option.id.as_str()));
    let typed = groups.any(|group| group.iter().any(|id| was_typed(sub, id)));
    typed || (LOGINS.contains(&option.id.as_str()) && login_variable().is_some())
}

/// Not by `try_contains_id`, whose errors are for debug builds only.
fn was_typed(sub: &ArgMatches, id: &str) -> bool {
    sub.ids().any(|known| known == id) && sub.value_source(id) == Some(ValueSource::CommandLine)
}

fn login_variable() -> Option<&'static str> {
    ["FTPX_TOKEN", "FTPX_PASSWORD"]
        .into_iter()
        .find(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn origins(sub: &ArgMatches, profile: Option<&Profile>, takes: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for option in profile_options() {
        let key = &option.key;
        let kept = profile.and_then(|profile| {
            let (_, values) = profile.defaults.0.iter().find(|(kept, _)| kept == key)?;
            Some((values.join(" "), &profile.name))
        });
        if was_typed(sub, &option.id) {
            let typed = sub.get_raw(&option.id).into_iter().flatten().map(|value| value.to_string_lossy());
            lines.push(format!("{key}: {} (command line)", typed.collect::<Vec<_>>().join(" ")));
            if of_profile(&option.id).is_none() {
                continue;
            }
        }
        if let Some((value, name)) = kept
            && takes(&option.id)
            && (of_profile(&option.id).is_some() || !overruled(&option, sub))
        {
            lines.push(format!("{key}: {value} (profile {name})"));
        }
    }
    if let Some(name) = login_variable()
        && !LOGINS.iter().any(|id| was_typed(sub, id))
    {
        lines.push(format!("login: {name} (environment)"));
    }
    lines
}

/// Where commands keep paths that may be remote.
pub(crate) const PATHS: [&str; 6] = ["remote", "remotes", "paths", "source", "target", "folders"];
/// Options that say how to log in.
const LOGINS: [&str; 3] = ["password_file", "identity", "token"];
const EXCLUSIVE: [&[&str]; 3] = [&LOGINS, &["quiet", "verbose"], &["resume", "no_resume"]];

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a link leads is no place that is spoken with.
    #[test]
    fn every_argument_that_may_be_remote_names_a_profile() {
        let mut checked = 0;
        for command in Cli::command().get_subcommands() {
            for argument in command.get_positionals() {
                let names = argument.get_value_names().unwrap_or_default();
                if names.iter().any(|name| PLACES.contains(&name.as_str())) {
                    let (command, id) = (command.get_name(), argument.get_id().as_str());
                    assert!(PATHS.contains(&id) || id == "leads_to", "{command} {id}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 15, "{checked}");
    }

    const PLACES: [&str; 5] = ["REMOTE", "PATH", "SOURCE", "TARGET", "FOLDER"];
}
