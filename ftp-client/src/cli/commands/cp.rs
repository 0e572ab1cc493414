//! `cp`: copies files on the server.

use super::{About, UNDER_WAY_MAX, each};
use crate::cli::args::OverwriteArg;
use crate::cli::output::{Object, Output};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use wire::message::{Copied, CopyFile, Overwrite};
use wire::{Failure, FailureCode, Name, RemotePath};

/// Copy files on the server
#[derive(Clone, Args)]
#[command(
    override_usage = "ftp-client cp [OPTIONS] <REMOTE>... <REMOTE>",
    after_help = "The last argument is the target: an existing folder receives the copies, another path is the copy's name. \
                  A copy has the permissions and the time of its source. No content goes over the network; where the server's \
                  filesystem can, the copy shares the source's blocks. A link is followed. Folders are not copied.\n\n\
                  Example:\n  ftp-client cp ann@files.example.org:report.pdf ann@files.example.org:/final/"
)]
pub(crate) struct CpArgs {
    /// When to replace files that exist
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always")]
    overwrite: OverwriteArg,
    /// Never replace a file: as --overwrite never
    #[arg(short, long, conflicts_with = "overwrite")]
    no_clobber: bool,
    /// Ignored, for compatibility with cp: permissions and times are always kept
    #[arg(short, long, hide = true)]
    preserve: bool,
    /// Files to copy, and the target
    #[arg(value_name = "REMOTE", num_args = 2.., required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct CpCommand {
    sources: Vec<CopySource>,
    /// The sources are what a pattern matches, so the target is a folder.
    from_pattern: bool,
    target: Remote,
    overwrite: Overwrite,
}

/// A source, with the copy's name in a folder.
struct CopySource {
    remote: Remote,
    name: Name,
}

impl CpCommand {
    pub(crate) fn new(typed: CpArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, mut remotes) = scope.remotes(&typed.remotes)?;
        let target = remotes.pop().ok_or_else(|| Error::Usage("cp needs a target".to_owned()))?;
        let remotes = scope.matched(remotes);
        let sources = remotes.into_iter().map(CopySource::new).collect::<Result<Vec<_>, _>>()?;
        places::no_name_twice(sources.iter().map(|source| Some(&source.name)))?;
        let overwrite = if typed.no_clobber { Overwrite::Never } else { typed.overwrite.into() };
        Ok((server, Self { sources, from_pattern: scope.has_matched(), target, overwrite }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { sources, from_pattern, target, overwrite } = self;
        let into_folder = from_pattern || sources.len() > 1 || target.must_be_folder();
        if into_folder {
            places::require_folder(session, &target.path).await?;
        }
        let copy = async |CopySource { remote, name }: &CopySource| {
            places::require_as_typed(session, remote).await?;
            let (to, into) = if into_folder {
                (places::within(&target.path, name)?, None)
            } else {
                (target.path.clone(), Some(name.clone()))
            };
            let copy = CopyFile { from: remote.path.clone(), to: to.clone(), into, overwrite };
            match session.call(copy).await {
                Err(error) => kept(explained(error, &remote.path), &to, overwrite),
                copied => copied.map(Some),
            }
        };
        let tell = |source: &CopySource, copied: Option<Copied>| {
            if let Some(Copied { path, bytes }) = copied {
                let event = Object::event("copied").path(&places::rooted(&source.remote.path));
                output.event(
                    event.bytes("target", "target_hex", &places::rooted(&path)).number("bytes", bytes),
                );
            }
            Ok(())
        };
        each(sources, output, copy, tell).await
    }
}

/// Says of a folder that it is none of what `cp` copies.
fn explained(error: Error, path: &RemotePath) -> Error {
    match error.failure_code() {
        Some(code @ FailureCode::IsAFolder) => Error::remote(
            path,
            Failure::new(code, "the source or the target is a folder: cp copies files only"),
        ),
        _ => error,
    }
}

/// A file that stays by the rule is no failure, unless the rule is to replace none.
fn kept(error: Error, target: &RemotePath, overwrite: Overwrite) -> Result<Option<Copied>, Error> {
    if error.failure_code() != Some(FailureCode::Skipped) {
        return Err(error);
    }
    if overwrite == Overwrite::Never {
        Err(Error::Refused(format!("{target}: exists, and was left alone (--overwrite never)")))
    } else {
        Ok(None)
    }
}

impl About for CopySource {
    fn path(&self) -> &RemotePath {
        &self.remote.path
    }

    /// A few of them keep the server's disk busy.
    fn weight(&self) -> usize {
        UNDER_WAY_MAX / 4
    }
}

impl CopySource {
    fn new(remote: Remote) -> Result<Self, Error> {
        match remote.path.split_last() {
            Some((_, name)) => Ok(Self { remote, name }),
            None => Err(Error::Usage("the root itself cannot be copied: cp copies files only".to_owned())),
        }
    }
}
