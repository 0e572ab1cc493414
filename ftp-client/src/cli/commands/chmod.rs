//! `chmod`: changes permissions.

mod tree;

use super::{each_done, in_turn};
use crate::cli::output::Output;
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::cell::Cell;
use std::ffi::OsString;
use tree::TreeChange;
use wire::RemotePath;
use wire::message::{Done, SetMetadata};
use wire::metadata::{Kind, MODE_BITS, Metadata};
use wire::modes::{self, PERMISSIONS};

/// Change permissions
#[derive(Clone, Args)]
#[command(
    after_help = "With -R, links stay as they are, and X is execution for folders and for files that somebody may execute.\n\n\
                  Example:\n  ftp-client chmod u+x,go-w ann@files.example.org::run.sh\n  \
                  ftp-client chmod -R u=rwX,go=rX ann@files.example.org::/photos"
)]
pub(crate) struct ChmodArgs {
    /// Include folders and everything in them
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Octal as 644, or symbolic as u+x,go-w (after -- if it begins with a dash)
    mode: String,
    /// The files and folders
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct ChmodCommand {
    remotes: Vec<Remote>,
    change: ModeChange,
    recursive: bool,
}

/// A change of permissions.
struct ModeChange {
    changes: modes::Chmod,
    /// An octal mode that names set-id and sticky bits, with a fifth digit or one that is not 0.
    is_whole: bool,
}

impl ChmodArgs {
    pub(super) fn is_recursive(&self) -> bool {
        self.recursive
    }
}

impl ChmodCommand {
    pub(crate) fn new(typed: ChmodArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.existing(&typed.remotes)?;
        let changes = modes::Chmod::parse(&typed.mode)
            .filter(|_| !typed.mode.contains(['D', 'F']))
            .ok_or_else(|| Error::Usage(format!("{:?} is not a mode as 644 or u+x,go-w", typed.mode)))?;
        let special = changes.absolute().is_some_and(|mode| mode & !PERMISSIONS != 0);
        let change = ModeChange { changes, is_whole: special || typed.mode.len() > 4 };
        Ok((server, Self { remotes, change, recursive: typed.recursive }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { remotes, change, recursive } = self;
        if recursive {
            let is_incomplete = Cell::new(false);
            let code = in_turn(remotes, output, async |remote: Remote| {
                let path = places::meant(session, &remote).await?;
                let tree = TreeChange::new(session, output, &change);
                is_incomplete.set(is_incomplete.get() | tree.make(&path).await?);
                Ok(())
            });
            return Ok(code.await?.max(is_incomplete.get().into()));
        }
        each_done(remotes, output, async |remote| {
            let path = places::meant(session, remote).await?;
            let mode = match change.changes.absolute().filter(|_| change.is_whole) {
                Some(mode) => mode,
                None => change.mode(&session.stat(&path, true).await?.metadata),
            };
            change.make(session, &path, mode).await
        })
        .await
    }
}

impl ModeChange {
    /// Returns the new mode of an entry. As with chmod, a folder keeps its set-id bits unless they are named.
    fn mode(&self, metadata: &Metadata) -> u32 {
        let is_folder = metadata.kind == Kind::Folder;
        match self.changes.absolute() {
            Some(mode) if self.is_whole => mode,
            Some(_) if is_folder => self.changes.apply(metadata.mode, is_folder) | metadata.mode & SET_ID,
            Some(_) | None => self.changes.apply(metadata.mode, is_folder) & MODE_BITS,
        }
    }

    async fn make(&self, session: &Session, path: &RemotePath, mode: u32) -> Result<(), Error> {
        let change = SetMetadata { path: path.clone(), modified: None, mode: Some(mode), create: false };
        session.call(change).await.map(|Done| ())
    }
}

const SET_ID: u32 = 0o6000;
