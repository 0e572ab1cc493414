//! Paths as candidates: of this machine, of servers, and names of profiles.

use crate::cli::args::Common;
use crate::cli::commands::Cli;
use crate::cli::connect;
use crate::cli::defaults;
use crate::cli::output::Output;
use crate::cli::profiles::Profiles;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use crate::cli::settings::Settings;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use ftp_client::Session;
use ftp_client::remote::{Remote, TypedPath};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use wire::RemotePath;
use wire::metadata::Kind;

/// The places that paths of a command line may lie in.
pub(super) struct Places {
    words: Vec<String>,
    scope: Scope,
}

impl Places {
    /// With the configuration that the command line names.
    pub(super) fn of(words: &[String], last: &str) -> Self {
        let words: Vec<String> = words.iter().cloned().chain([last.to_owned()]).collect();
        let config = matches(Cli::command(), &words)
            .and_then(|matches| common(&matches))
            .and_then(|common| common.config);
        let profiles = Profiles::load(config.as_deref()).unwrap_or_default();
        Self { words, scope: Scope::new(profiles) }
    }

    /// Returns all candidates that begin with the typed text.
    pub(super) fn candidates(&self, typed: &str) -> Vec<String> {
        match self.folder_on_a_server(typed) {
            Some((head, remote)) => {
                let is_url = head.contains("://");
                let names = self.listed(OsStr::new(head), &remote).unwrap_or_default();
                fitting(names, &decoded(&typed[head.len()..], is_url))
                    .map(|name| self.placed(head, &encoded(&name, is_url)))
                    .collect()
            }
            None if typed.contains(':') => local(typed, ""),
            None => self.profiles(typed, ":").into_iter().chain(local(typed, "")).collect(),
        }
    }

    /// Returns the path of a name behind `head`. Where it would be taken for a port, it begins with `./`, which is the same folder.
    fn placed(&self, head: &str, name: &str) -> String {
        let path = format!("{head}{name}");
        if self.scope.place(OsStr::new(&path)).is_err() { format!("{head}./{name}") } else { path }
    }

    /// Names of profiles, each with this at its end.
    pub(super) fn profiles(&self, typed: &str, end: &str) -> Vec<String> {
        profile_names(self.scope.profiles(), typed, end)
    }

    /// The typed part of a path on a server, up to the name that is being typed, and the folder that it means.
    fn folder_on_a_server<'a>(&self, typed: &'a str) -> Option<(&'a str, Remote)> {
        let path = match typed.find("://") {
            Some(scheme) => scheme + 3 + typed[scheme + 3..].find('/')?,
            None => typed.find(':')?,
        };
        let end = typed.rfind('/').filter(|slash| *slash > path).unwrap_or(path);
        let head = &typed[..=end];
        match self.scope.place(OsStr::new(head)) {
            Ok(TypedPath::Remote(remote)) => Some((head, remote)),
            Ok(TypedPath::Local(_)) | Err(_) => None,
        }
    }

    /// Returns the names in a folder of a server. Uses only credentials at hand, and does not trust an unknown server.
    fn listed(&self, head: &OsStr, remote: &Remote) -> Option<Vec<String>> {
        let typed = matches(Cli::command(), &self.words)?;
        let profile = self.scope.profiles().named(head).map(|(profile, _)| profile);
        let (name, sub) = typed.subcommand()?;
        let completed = match profile {
            Some(profile) => {
                matches(defaults::with_profile(Cli::command(), name, sub, profile), &self.words)?
            }
            None => typed,
        };
        let common = Common { accept_new: false, quiet: true, json: false, ..common(&completed)? };
        let output = Arc::new(Output::new(&common));
        let mut settings =
            Settings { retry: Some(0), give_up_after: Duration::ZERO, ..Settings::new(common).ok()? };
        settings.ssh = settings.ssh.unattended(Duration::from_secs(2));
        let connecting = connect::options(&ServerTarget::of(remote), &settings, &output).ok()?;
        let runtime = Runtime::new().ok()?;
        let names = runtime.block_on(Box::pin(async {
            let session = connect::session(connecting).await.ok()?;
            let names = names_in(&session, &remote.path).await;
            session.close().await;
            names
        }));
        runtime.shutdown_background();
        names
    }
}

/// Names of profiles that begin so, each with this at its end.
pub(crate) fn profile_names(profiles: &Profiles, typed: &str, end: &str) -> Vec<String> {
    let names = profiles.iter().map(|profile| format!("{}{end}", profile.name));
    names.filter(|name| name.starts_with(typed)).collect()
}

/// The names in a folder of a server, folders with a `/`.
pub(crate) async fn names_in(session: &Session, folder: &RemotePath) -> Option<Vec<String>> {
    let mut pages = session.list(folder, false).await.ok()?;
    let mut names = Vec::new();
    while names.len() < NAMES_MAX
        && let Some(page) = pages.next().await.ok()?
    {
        names.extend(page.entries.iter().filter_map(|entry| {
            let name = str::from_utf8(entry.path.as_bytes()).ok()?;
            Some(ended(name, entry.metadata.kind == Kind::Folder))
        }));
    }
    names.sort();
    Some(names)
}

/// The names in a folder here, folders with a `/`.
fn local_names(folder: &str) -> Vec<String> {
    let path = match folder {
        "" => PathBuf::from("."),
        folder => PathBuf::from(folder),
    };
    let entries = fs::read_dir(path).into_iter().flatten().flatten().take(NAMES_MAX);
    let named = entries.filter_map(|entry| {
        let folder = entry.path().is_dir();
        Some(ended(entry.file_name().to_str()?, folder))
    });
    let mut names: Vec<String> = named.collect();
    names.sort();
    names
}

/// Paths here that begin with what was typed behind `head`.
pub(crate) fn local(typed: &str, head: &str) -> Vec<String> {
    let typed = typed.strip_prefix(head).unwrap_or(typed);
    let (folder, begun) = typed.split_at(typed.rfind('/').map_or(0, |slash| slash + 1));
    fitting(local_names(folder), begun).map(|name| format!("{head}{folder}{name}")).collect()
}

/// Offers hidden names only after a typed dot.
pub(crate) fn fitting(names: Vec<String>, begun: &str) -> impl Iterator<Item = String> {
    let hidden = begun.starts_with('.');
    names.into_iter().filter(move |name| name.starts_with(begun) && (hidden || !name.starts_with('.')))
}

/// The options of a command line that is not complete, as far as they can be parsed.
fn matches(command: Command, words: &[String]) -> Option<ArgMatches> {
    command.ignore_errors(true).try_get_matches_from(words).ok()
}

fn common(matches: &ArgMatches) -> Option<Common> {
    Common::from_arg_matches(matches).ok()
}

fn ended(name: &str, folder: bool) -> String {
    format!("{name}{}", if folder { "/" } else { "" })
}

fn decoded(text: &str, is_url: bool) -> String {
    if is_url { percent_decode_str(text).decode_utf8_lossy().into_owned() } else { text.to_owned() }
}

fn encoded(name: &str, is_url: bool) -> String {
    if is_url { utf8_percent_encode(name, &ENCODED).to_string() } else { name.to_owned() }
}

/// Characters without a meaning of their own in a URL's path stay as they are.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
/// A longer list would not be read.
const NAMES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_candidate_is_refused_as_a_port() {
        let places = Places { words: Vec::new(), scope: Scope::default() };
        for (head, name, expected) in [
            ("h:", "photos/", "h:photos/"),
            ("h:", "2026/", "h:./2026/"),
            ("ann@h::", "2026", "ann@h::./2026"),
            ("h:/", "2026/", "h:/2026/"),
            ("ftpx://h/", "2026/", "ftpx://h/2026/"),
        ] {
            assert_eq!(places.placed(head, name), expected);
        }
    }
}
