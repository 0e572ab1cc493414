//! `rm`: removes files, links and, with -r, folders.

use super::{About, UNDER_WAY_MAX, advise_recursive, each};
use crate::cli::output::Output;
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::cell::Cell;
use std::ffi::OsString;
use wire::message::{Done, Remove};
use wire::{Failure, FailureCode, RemotePath};

/// Remove files and, with -r, folders
#[derive(Clone, Args)]
#[command(
    after_help = "A path with *, ? or { that does not exist as it is typed is a pattern. With --no-glob none is: use it where \
                  names come from elsewhere.\n\n\
                  Example:\n  ftp-client rm -r ann@files.example.org::/photos/old"
)]
pub(crate) struct RmArgs {
    /// Include folders and everything in them
    #[arg(short, long, visible_short_alias = 'R')]
    recursive: bool,
    /// Ignore paths that do not exist
    #[arg(short, long)]
    force: bool,
    /// The files and folders to remove
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

impl RmArgs {
    pub(super) fn is_recursive(&self) -> bool {
        self.recursive
    }
}

pub(crate) struct RmCommand {
    remotes: Vec<Remote>,
    recursive: bool,
    force: bool,
}

impl RmCommand {
    pub(crate) fn new(typed: RmArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.remotes(&typed.remotes)?;
        let remotes = scope.matched_to_remove(remotes);
        if remotes.iter().any(Remote::is_top) {
            return Err(Error::Usage("the root or home folder itself cannot be removed".to_owned()));
        }
        places::none_is_dot(&remotes, "rm")?;
        Ok((server, Self { remotes, recursive: typed.recursive, force: typed.force }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { remotes, recursive, force } = self;
        let wanted = |error: &Error| force && error.failure_code() == Some(FailureCode::NotFound);
        let is_incomplete = Cell::new(false);
        let ask = async |removal: &Removal| match &removal.remotes[..] {
            [remote] => match remove(session, remote, recursive).await {
                Err(error) if wanted(&error) => Ok(Vec::new()),
                result if recursive => result.map(|()| Vec::new()),
                result => result.map(|()| Vec::new()).map_err(|error| advise_recursive(error, &remote.path)),
            },
            remotes => remove_files(session, &removal.path, remotes).await,
        };
        let tell = |_: &Removal, failed: Vec<Error>| {
            for error in failed.iter().filter(|error| !wanted(error)) {
                output.complain(error);
                is_incomplete.set(true);
            }
            Ok(())
        };
        let code = each(removals(remotes, recursive), output, ask, tell).await?;
        Ok(code.max(is_incomplete.get().into()))
    }
}

/// One request.
#[derive(Debug)]
struct Removal {
    /// The folder of several files, or the path of a single thing.
    path: RemotePath,
    /// One thing, or files and links of one folder.
    remotes: Vec<Remote>,
}

impl About for Removal {
    fn path(&self) -> &RemotePath {
        &self.path
    }

    /// Files of one folder do not depend on each other's removal.
    fn is_beside(&self, other: &Self) -> bool {
        self.remotes.len() > 1 && other.remotes.len() > 1 && self.path == other.path
    }

    /// A few of them keep the server busy; each takes memory there.
    fn weight(&self) -> usize {
        if self.remotes.len() > 1 { UNDER_WAY_MAX / 4 } else { 1 }
    }
}

/// Files of the same folder that come one after the other share requests.
fn removals(remotes: Vec<Remote>, recursive: bool) -> Vec<Removal> {
    let folder_of = |remote: &Remote| {
        if recursive || remote.must_be_folder() {
            None
        } else {
            remote.path.split_last().map(|(folder, _)| folder)
        }
    };
    let mut removals: Vec<Removal> = Vec::new();
    let mut last = None;
    for remote in remotes {
        let folder = folder_of(&remote);
        match (removals.last_mut(), &folder) {
            (Some(removal), Some(path))
                if last.as_ref() == Some(path) && removal.remotes.len() < FILES_PER_REQUEST =>
            {
                removal.path = path.clone();
                removal.remotes.push(remote);
            }
            _ => removals.push(Removal { path: remote.path.clone(), remotes: vec![remote] }),
        }
        last = folder;
    }
    removals
}

/// Removes files of a folder; returns why some of them are still there.
async fn remove_files(
    session: &Session,
    folder: &RemotePath,
    remotes: &[Remote],
) -> Result<Vec<Error>, Error> {
    let name = |remote: &Remote| remote.path.strip_prefix(folder).unwrap_or_default();
    let failed = |remote: &Remote, failure: Failure| {
        advise_recursive(Error::remote(&remote.path, failure), &remote.path)
    };
    let failures = session.remove_files(folder, remotes.iter().map(name).collect()).await?;
    let told = failures.into_iter();
    Ok(told.filter_map(|(at, failure)| Some(failed(remotes.get(at)?, failure))).collect())
}

/// A link is never removed by the name of the folder that it leads to.
async fn remove(session: &Session, remote: &Remote, recursive: bool) -> Result<(), Error> {
    if remote.must_be_folder() {
        session.require_own_folder(&remote.path).await?;
    }
    session.call(Remove { path: remote.path.clone(), recursive }).await.map(|Done| ())
}

/// Enough that round trips and the reading of requests cost little; few enough that the server works on several at a time.
const FILES_PER_REQUEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::Cli;
    use clap::Parser;
    use std::cell::RefCell;
    use std::ffi::OsStr;
    use tokio::task::yield_now;

    /// The begins and ends of requests, in order. Each takes longer than those after it.
    async fn log(paths: &[&str]) -> Vec<String> {
        let remote = |path: &&str| Remote::parse(OsStr::new(&format!("h::{path}"))).unwrap();
        let removals = removals(paths.iter().map(remote).collect(), false);
        let output = Output::new(&Cli::parse_from(["ftp-client", "ls", "h:", "-q"]).common);
        let (log, begun) = (RefCell::new(Vec::new()), Cell::new(0));
        let ask = async |removal: &Removal| {
            begun.set(begun.get() + 1);
            let paths: Vec<_> = removal.remotes.iter().map(|remote| remote.path.to_string()).collect();
            log.borrow_mut().push(format!("+{}", paths.join(" ")));
            for _ in begun.get()..9 {
                yield_now().await;
            }
            log.borrow_mut().push(format!("-{}", paths.join(" ")));
            Ok(())
        };
        each(removals, &output, ask, |_, ()| Ok(())).await.unwrap();
        log.into_inner()
    }

    /// `a/link` may be a link to a folder: whether `a/link/x` is there depends on which of the two is removed first.
    #[tokio::test]
    async fn what_is_below_a_removed_link_is_removed_in_the_order_that_was_typed() {
        assert_eq!(log(&["a/link", "a/link/x"]).await, ["+/a/link", "-/a/link", "+/a/link/x", "-/a/link/x"]);
        assert_eq!(log(&["a/link/x", "a/link"]).await, ["+/a/link/x", "-/a/link/x", "+/a/link", "-/a/link"]);
        assert_eq!(
            log(&["a/b", "a/link", "a/link/x", "a/link/y"]).await,
            ["+/a/b /a/link", "-/a/b /a/link", "+/a/link/x /a/link/y", "-/a/link/x /a/link/y"]
        );
    }
}
