//! The meaning of typed paths: which are on a server, and where they begin.
//!
//! On a command line, a path is on a server if it says so: `NAME:path` with a profile's name,
//! `[user@]host:path`, `[user@]host::path`, a URL.
//! In a script or shell one server is open, and a command's own rule decides which of its words are remote. Those
//! need no prefix and begin in the server's current folder. `:path` marks a remote path where both are possible.

use crate::cli::local_patterns;
use crate::cli::profiles::Profiles;
use crate::cli::server::ServerTarget;
use ftp_client::Error;
use ftp_client::remote::{PathEnding, Remote, TypedPath};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use wire::RemotePath;
use wire::glob::may_be_pattern;

/// The place that relative paths begin at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    profiles: Arc<Profiles>,
    open: Option<CurrentFolders>,
    patterns: Patterns,
    /// The folder of this machine that relative paths begin in, if a line was read there; otherwise the current one.
    folder: Option<PathBuf>,
}

/// How patterns among remote paths are taken.
#[derive(Debug, Clone, Default)]
enum Patterns {
    /// As names.
    Literal,
    /// As names for now.
    #[default]
    Open,
    /// They are noted, and left out for now.
    Noted(Arc<Mutex<NotedPatterns>>),
    /// As the paths that they match.
    Known(Arc<PatternMatches>),
}

/// The patterns of a command.
#[derive(Debug, Clone, Default)]
pub(crate) struct NotedPatterns {
    pub(crate) remotes: Vec<Remote>,
    /// Some are of local files.
    pub(crate) has_local: bool,
}

/// The paths that patterns match; of those with a `/` at the end, folders only.
pub(crate) type PatternMatches = HashMap<(RemotePath, PathEnding), Vec<RemotePath>>;

/// Folders of the open server.
#[derive(Debug, Clone)]
struct CurrentFolders {
    /// The current one.
    here: Remote,
    /// The current one when the server was opened.
    home: Remote,
    /// The current one before.
    previous: Option<Remote>,
}

impl Scope {
    /// The scope of a command line.
    pub(crate) fn new(profiles: Profiles) -> Self {
        Self { profiles: Arc::new(profiles), ..Self::default() }
    }

    pub(crate) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The same, where no path is a pattern.
    pub(crate) fn literal(self) -> Self {
        Self { patterns: Patterns::Literal, ..self }
    }

    /// True if no path is a pattern.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(self.patterns, Patterns::Literal)
    }

    /// The same, where no server is open.
    pub(crate) fn closed(&self) -> Self {
        Self { open: None, ..self.clone() }
    }

    /// The same, in a folder of a server that was opened.
    pub(crate) fn opened(&self, here: Remote) -> Self {
        Self { open: Some(CurrentFolders { home: here.clone(), here, previous: None }), ..self.clone() }
    }

    /// The same, in another folder of the open server.
    pub(crate) fn moved(&self, there: Remote) -> Self {
        let moved =
            |open: CurrentFolders| CurrentFolders { here: there, previous: Some(open.here), home: open.home };
        Self { open: self.open.clone().map(moved), ..self.clone() }
    }

    /// The same, where patterns among the paths of what exists are noted.
    pub(crate) fn noting_patterns(&self) -> Self {
        let patterns = if self.is_literal() { Patterns::Literal } else { Patterns::Noted(Arc::default()) };
        // A job in the background goes on where its line was typed.
        Self { patterns, folder: std::env::current_dir().ok(), ..self.clone() }
    }

    /// The patterns that were noted.
    pub(crate) fn noted_patterns(&self) -> NotedPatterns {
        match &self.patterns {
            Patterns::Noted(noted) => noted.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Patterns::Literal | Patterns::Open | Patterns::Known(_) => NotedPatterns::default(),
        }
    }

    /// The same, where it is known what the patterns match.
    pub(crate) fn with_matches(&self, matches: PatternMatches) -> Self {
        Self { patterns: Patterns::Known(Arc::new(matches)), ..self.clone() }
    }

    /// True if some of the paths are what a pattern matches: then a target is a folder, however many there are today.
    pub(crate) fn has_matched(&self) -> bool {
        match &self.patterns {
            Patterns::Known(matches) => {
                matches.iter().any(|((pattern, _), paths)| paths.iter().any(|path| path != pattern))
            }
            Patterns::Literal | Patterns::Open | Patterns::Noted(_) => false,
        }
    }

    /// As [`matched`](Self::matched), for what is removed or moved away. A path whose only special characters are brackets is a name
    /// there: once `photo[1].jpg` is gone, the same command must not mean `photo1.jpg`.
    pub(crate) fn matched_to_remove(&self, remotes: Vec<Remote>) -> Vec<Remote> {
        let is_name = |remote: &Remote| !remote.path.as_bytes().iter().any(|byte| b"*?{".contains(byte));
        let (names, patterns): (Vec<_>, Vec<_>) = remotes.into_iter().partition(is_name);
        [names, self.matched(patterns)].concat()
    }

    /// The paths that are meant by paths of what exists: patterns mean what they match. One of them stays where there is no other path.
    pub(crate) fn matched(&self, remotes: Vec<Remote>) -> Vec<Remote> {
        match &self.patterns {
            Patterns::Literal | Patterns::Open => remotes,
            Patterns::Noted(noted) => {
                let is_pattern = |remote: &Remote| may_be_pattern(remote.path.as_bytes());
                let (patterns, mut others): (Vec<_>, Vec<_>) = remotes.into_iter().partition(is_pattern);
                if others.is_empty() {
                    others.extend(patterns.first().cloned());
                }
                noted.lock().unwrap_or_else(PoisonError::into_inner).remotes.extend(patterns);
                others
            }
            Patterns::Known(matches) => {
                let matched = |remote: Remote| {
                    let paths = matches.get(&(remote.path.clone(), remote.ending));
                    match paths.filter(|paths| !paths.is_empty()) {
                        Some(paths) => {
                            paths.iter().map(|path| Remote { path: path.clone(), ..remote.clone() }).collect()
                        }
                        None => vec![remote],
                    }
                };
                remotes.into_iter().flat_map(matched).collect()
            }
        }
    }

    /// The local paths that a typed one means. In scripts and the shell that may be a pattern; on a command line, the user's own shell has
    /// expanded it.
    pub(crate) fn local_matches(&self, typed: OsString) -> Result<Vec<OsString>, Error> {
        let is_pattern = self.here().is_some() && may_be_pattern(typed.as_bytes());
        match &self.patterns {
            Patterns::Noted(noted) if is_pattern => {
                noted.lock().unwrap_or_else(PoisonError::into_inner).has_local = true;
                Ok(Vec::new())
            }
            Patterns::Known(_) if is_pattern => local_patterns::expand(typed, &self.local_folder()?),
            Patterns::Literal | Patterns::Open | Patterns::Noted(_) | Patterns::Known(_) => Ok(vec![typed]),
        }
    }

    /// The folder of the open server that `cd` means: without a path the first one, and by `-` the one before.
    pub(crate) fn folder(&self, typed: Option<&OsStr>) -> Result<Remote, Error> {
        let Some(CurrentFolders { here, home, previous }) = &self.open else { return Err(nothing_open()) };
        match typed {
            None => Ok(home.clone()),
            Some(typed) if typed == "-" => previous.clone().ok_or_else(|| {
                Error::Usage("there is no folder to go back to: `cd -` comes after another cd".to_owned())
            }),
            Some(typed) => Ok(here.at(typed)?),
        }
    }

    /// The current folder of the open server.
    pub(crate) fn here(&self) -> Option<&Remote> {
        self.open.as_ref().map(|open| &open.here)
    }

    /// One path, which must be remote.
    pub(crate) fn remote(&self, typed: &OsStr) -> Result<(ServerTarget, Remote), Error> {
        let remote = self.must_be_remote(typed)?;
        Ok((ServerTarget::of(&remote), remote))
    }

    /// Paths of what exists on a server, all on the same; they may be patterns.
    pub(crate) fn existing(&self, typed: &[OsString]) -> Result<(ServerTarget, Vec<Remote>), Error> {
        let (server, remotes) = self.remotes(typed)?;
        Ok((server, self.matched(remotes)))
    }

    /// Paths that must all be on the same server.
    pub(crate) fn remotes(&self, typed: &[OsString]) -> Result<(ServerTarget, Vec<Remote>), Error> {
        let remotes = typed.iter().map(|text| self.must_be_remote(text)).collect::<Result<Vec<_>, _>>()?;
        Ok((ServerTarget::of_all(&remotes)?, remotes))
    }

    /// A path that may be either.
    pub(crate) fn place(&self, typed: &OsStr) -> Result<TypedPath, Error> {
        match (self.here(), typed.as_bytes()) {
            (Some(here), [b':', path @ ..]) => Ok(TypedPath::Remote(here.at(OsStr::from_bytes(path))?)),
            (Some(_), _) => match self.elsewhere(typed)? {
                Some(remote) => Ok(TypedPath::Remote(remote)),
                None => self.local(typed),
            },
            (None, _) => match self.profiles.resolve(typed)? {
                Some(remote) => Ok(TypedPath::Remote(remote)),
                None => Ok(TypedPath::parse(typed)?),
            },
        }
    }

    /// The paths of `get`: all are remote, the last one may be local. In a session, the last of several is.
    pub(crate) fn sources_and_local(&self, typed: &[OsString]) -> Result<Vec<TypedPath>, Error> {
        let Some(_) = self.here() else { return typed.iter().map(|text| self.place(text)).collect() };
        let last = typed.len().saturating_sub(1);
        let place = |(index, text): (usize, &OsString)| match index {
            index if index == last && last > 0 => self.place(text),
            _ => self.must_be_remote(text).map(TypedPath::Remote),
        };
        typed.iter().enumerate().map(place).collect()
    }

    /// The target of `put`, taken off its paths: the last. In a session, a single path goes to the current folder.
    pub(crate) fn target(&self, typed: &mut Vec<OsString>) -> Result<(ServerTarget, Remote), Error> {
        match self.here() {
            Some(_) if typed.len() == 1 => self.remote(OsStr::new("")),
            _ => self.remote(&typed.pop().unwrap_or_default()),
        }
    }

    fn must_be_remote(&self, typed: &OsStr) -> Result<Remote, Error> {
        let Some(here) = self.here() else {
            return match self.profiles.resolve(typed)? {
                Some(remote) => Ok(remote),
                None => Remote::parse(typed).map_err(|error| self.meant(typed, error.into())),
            };
        };
        match self.elsewhere(typed)? {
            Some(remote) => Ok(remote),
            None => {
                Ok(here
                    .at(OsStr::from_bytes(typed.as_bytes().strip_prefix(b":").unwrap_or(typed.as_bytes())))?)
            }
        }
    }

    /// A profile's name says where something is only with its colon.
    fn meant(&self, typed: &OsStr, error: Error) -> Error {
        match typed.to_str().and_then(|name| self.profiles.get(name)) {
            Some(profile) => Error::Usage(format!("{error}; did you mean {}:?", profile.name)),
            None => error,
        }
    }

    /// A whole remote path in a session: it must be on the open server.
    fn elsewhere(&self, typed: &OsStr) -> Result<Option<Remote>, Error> {
        let is_url = [&b"ftpx://"[..], b"ssh://"].iter().any(|scheme| typed.as_bytes().starts_with(scheme));
        let remote = match self.profiles.resolve(typed)? {
            None if is_url => Some(Remote::parse(typed)?),
            remote => remote,
        };
        if let (Some(here), Some(remote)) = (self.here(), &remote) {
            ServerTarget::of_all([here, remote]).map_err(|_| {
                let (there, open) = (remote.address(), here.address());
                Error::Usage(format!("this is on {there}, and {open} is open: `open` the other first"))
            })?;
        }
        Ok(remote)
    }

    /// A file of this machine that a command reads or writes later.
    pub(crate) fn file(&self, typed: PathBuf) -> Result<PathBuf, Error> {
        match (self.here(), self.local(typed.as_os_str())?) {
            (Some(_), TypedPath::Local(path)) => Ok(path),
            (None, _) | (_, TypedPath::Remote(_)) => Ok(typed),
        }
    }

    /// A file of this machine, by its name as typed.
    pub(crate) fn local_file(&self, typed: &OsStr) -> Result<PathBuf, Error> {
        if self.here().is_none() {
            return Ok(typed.into()); // the folder does not change
        }
        Ok(self.local_folder()?.join(typed))
    }

    /// A job in the background must not mean another file after the local folder was changed.
    fn local(&self, typed: &OsStr) -> Result<TypedPath, Error> {
        match typed.as_bytes() {
            b"-" | b"" => Ok(TypedPath::Local(typed.into())),
            _ => Ok(TypedPath::Local(self.local_folder()?.join(typed))),
        }
    }

    fn local_folder(&self) -> Result<PathBuf, Error> {
        match &self.folder {
            Some(folder) => Ok(folder.clone()),
            None => std::env::current_dir().map_err(|error| Error::local(Path::new("."), error)),
        }
    }
}

/// There is no server that a line could be about.
pub(crate) fn nothing_open() -> Error {
    Error::Usage("no server is open: `open REMOTE` comes first".to_owned())
}
