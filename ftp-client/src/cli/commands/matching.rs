//! A command with patterns among its remote paths. The server tells what they match, and the command runs with those paths, as it
//! does where a shell has written them out. A pattern that matches nothing stays a path, which does not exist.

use super::unlisted::show_failures;
use super::{Command, CommandContext, OnlineCommand, Task};
use crate::cli::output::Output;
use crate::cli::scope::{PatternMatches, Scope};
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use wire::glob::may_be_pattern;
use wire::metadata::Kind;
use wire::{Failure, FailureCode, RemotePath};

pub(crate) struct MatchingCommand {
    typed: Command,
    scope: Scope,
    json: bool,
    patterns: Vec<Remote>,
    is_transfer: bool,
}

impl MatchingCommand {
    /// `first` is the command as it was typed, whose patterns the scope has met.
    pub(super) fn new(
        typed: Command,
        scope: Scope,
        json: bool,
        patterns: Vec<Remote>,
        first: &OnlineCommand,
    ) -> Self {
        Self { typed, scope, json, patterns, is_transfer: first.is_transfer() }
    }

    pub(super) fn is_transfer(&self) -> bool {
        self.is_transfer
    }

    pub(super) async fn run(self, context: CommandContext<'_>) -> Result<u8, Error> {
        let CommandContext { session, output, .. } = context;
        let (mut matches, mut code) = (PatternMatches::new(), 0);
        for pattern in self.patterns {
            let Matches { mut paths, is_incomplete } =
                matching(session, &pattern.path, pattern.must_be_folder(), output).await?;
            if self.typed.is_recursive() {
                paths.dedup_by(|path, folder| path.strip_prefix(folder).is_some()); // they come with their folder
            }
            code = code.max(u8::from(is_incomplete));
            matches.insert((pattern.path, pattern.ending), paths);
        }
        match Task::of_paths(self.typed, &self.scope.with_matches(matches), self.json)? {
            Task::Online(_, command) => Ok(code.max(Box::pin(command.run(context)).await?)),
            Task::Offline(_) => Ok(code),
        }
    }
}

/// The paths that a pattern matches, in the order of a walk.
struct Matches {
    paths: Vec<RemotePath>,
    /// Some folders could not be read, which were complained of.
    is_incomplete: bool,
}

async fn matching(
    session: &Session,
    path: &RemotePath,
    only_folders: bool,
    output: &Output,
) -> Result<Matches, Error> {
    let (folder, pattern) = split(path)?;
    let mut pages = session.list_matching(&folder, &pattern, false).await?;
    let mut found = Matches { paths: Vec::new(), is_incomplete: false };
    while let Some(page) = pages.next().await? {
        for entry in page.entries {
            if !only_folders || entry.metadata.kind == Kind::Folder {
                let path = folder.join_path(&entry.path);
                found.paths.push(path.map_err(|error| Error::remote(&folder, error))?);
            }
        }
        if found.paths.len() > MATCHES_MAX {
            return Err(Error::Usage(format!("{path} matches more than {MATCHES_MAX} paths")));
        }
        found.is_incomplete |= show_failures(&folder, &page.failures, output);
    }
    Ok(found)
}

/// Returns the folder that a pattern matches; the path itself if it matches nothing.
///
/// # Errors
/// If it matches several, or not all folders could be read.
pub(super) async fn one_folder(
    session: &Session,
    path: &RemotePath,
    output: &Output,
) -> Result<RemotePath, Error> {
    let Matches { mut paths, is_incomplete } = matching(session, path, true, output).await?;
    if is_incomplete {
        let reason = "it is not known what this matches: some folders could not be read";
        return Err(Error::remote(path, Failure::new(FailureCode::AccessDenied, reason)));
    }
    match (paths.pop(), paths.len()) {
        (None, _) => Ok(path.clone()),
        (Some(only), 0) => Ok(only),
        (Some(_), others) => {
            Err(Error::Usage(format!("{path} matches {} folders: mirror takes one SOURCE", others + 1)))
        }
    }
}

/// The folder that all matches are in, and the pattern below it.
pub(super) fn split(path: &RemotePath) -> Result<(RemotePath, RemotePath), Error> {
    let (mut folder, mut pattern) = (RemotePath::root(), RemotePath::root());
    for name in path.names() {
        let is_literal = pattern.is_root() && !may_be_pattern(name.as_bytes());
        let part = if is_literal { &mut folder } else { &mut pattern };
        *part = part.join(name).map_err(|error| Error::remote(path, error))?;
    }
    Ok((folder, pattern))
}

/// About 100 MB of memory.
const MATCHES_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_pattern_has_none() {
        for (path, folder, pattern) in [
            ("a/b/*.jpg", "a/b", "*.jpg"),
            ("*/b/c", "", "*/b/c"),
            ("a/{b/c,d}/e", "a", "{b/c,d}/e"),
            ("a", "a", ""),
        ] {
            let [path, folder, pattern] =
                [path, folder, pattern].map(|text| RemotePath::from_wire(text.as_bytes()).unwrap());
            assert_eq!(split(&path).unwrap(), (folder, pattern));
        }
    }
}
