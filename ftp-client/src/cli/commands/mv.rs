//! `mv`: renames on the server.

use super::{About, each_done};
use crate::cli::output::Output;
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use wire::message::Rename;
use wire::{FailureCode, Name, RemotePath};

/// Rename or move on the server
#[derive(Clone, Args)]
#[command(
    override_usage = "ftp-client mv [OPTIONS] <REMOTE>... <REMOTE>",
    after_help = "The last argument is the target: an existing folder receives the items, another path is the new name.\n\n\
                  Example:\n  ftp-client mv ann@files.example.org::draft.txt ann@files.example.org::/final/report.txt"
)]
pub(crate) struct MvArgs {
    /// Never replace a file
    #[arg(short, long)]
    no_clobber: bool,
    /// Ignored, for compatibility with mv
    #[arg(short, long, hide = true, conflicts_with = "no_clobber")]
    force: bool,
    /// Paths to move, and the target
    #[arg(value_name = "REMOTE", num_args = 2.., required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct MvCommand {
    sources: Vec<MoveSource>,
    /// The sources are what a pattern matches, so the target is a folder.
    from_pattern: bool,
    target: Remote,
    replace: bool,
}

/// The source, and its name.
struct MoveSource {
    path: RemotePath,
    name: Name,
    must_be_folder: bool,
}

impl MvCommand {
    pub(crate) fn new(typed: MvArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, mut remotes) = scope.remotes(&typed.remotes)?;
        let target = remotes.pop().ok_or_else(|| Error::Usage("mv needs a target".to_owned()))?;
        let remotes = scope.matched_to_remove(remotes);
        places::none_is_dot(&remotes, "mv")?;
        let sources = remotes.into_iter().map(MoveSource::new).collect::<Result<Vec<_>, _>>()?;
        places::no_name_twice(sources.iter().map(|source| Some(&source.name)))?;
        Ok((server, Self { sources, from_pattern: scope.has_matched(), target, replace: !typed.no_clobber }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { sources, from_pattern, target, replace } = self;
        let into_folder = from_pattern || sources.len() > 1 || target.must_be_folder();
        if into_folder {
            places::require_folder(session, &target.path).await?;
        }
        each_done(sources, output, async |MoveSource { path: from, name, must_be_folder }| {
            if *must_be_folder {
                session.require_own_folder(from).await?;
            }
            let (to, into) = if into_folder {
                (places::within(&target.path, name)?, None)
            } else {
                (target.path.clone(), Some(name.clone()))
            };
            let renamed = session.rename(Rename { from: from.clone(), to, into, replace }).await;
            renamed.map_err(|error| if replace { error } else { kept(error) })
        })
        .await
    }
}

/// Returns the error for an existing target that was kept, as requested.
fn kept(error: Error) -> Error {
    if error.failure_code() == Some(FailureCode::Exists) { Error::Refused(error.to_string()) } else { error }
}

impl About for MoveSource {
    fn path(&self) -> &RemotePath {
        &self.path
    }
}

impl MoveSource {
    fn new(remote: Remote) -> Result<Self, Error> {
        match remote.path.split_last() {
            Some((_, name)) if !remote.is_top() => {
                Ok(Self { name, must_be_folder: remote.must_be_folder(), path: remote.path })
            }
            Some(_) | None => Err(Error::Usage("the root or home folder itself cannot be moved".to_owned())),
        }
    }
}
