//! `chmod`: changes permissions.

use super::each_done;
use crate::cli::output::Output;
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use wire::RemotePath;
use wire::message::SetMetadata;
use wire::metadata::{Kind, MODE_BITS};
use wire::modes::{self, PERMISSIONS};

/// Change permissions
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client chmod u+x,go-w ann@files.example.org:run.sh")]
pub(crate) struct ChmodArgs {
    /// Octal as 644, or symbolic as u+x,go-w (after -- if it begins with a dash)
    mode: String,
    /// The files and folders
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct ChmodCommand {
    remotes: Vec<Remote>,
    changes: modes::Chmod,
    /// An octal mode that names set-id and sticky bits, with a fifth digit or one that is not 0.
    is_whole: bool,
}

impl ChmodCommand {
    pub(crate) fn new(typed: ChmodArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.existing(&typed.remotes)?;
        let changes = modes::Chmod::parse(&typed.mode)
            .filter(|_| !typed.mode.contains(['D', 'F']))
            .ok_or_else(|| Error::Usage(format!("{:?} is not a mode as 644 or u+x,go-w", typed.mode)))?;
        let special = changes.absolute().is_some_and(|mode| mode & !PERMISSIONS != 0);
        Ok((server, Self { remotes, changes, is_whole: special || typed.mode.len() > 4 }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { remotes, changes, is_whole } = self;
        each_done(remotes, output, async |remote| {
            let path = places::meant(session, remote).await?;
            let mode = match changes.absolute().filter(|_| is_whole) {
                Some(mode) => mode,
                None => new_mode(session, &path, &changes).await?,
            };
            let change = SetMetadata { path, modified: None, mode: Some(mode), create: false };
            session.call(change).await
        })
        .await
    }
}

/// Returns the new mode; symbolic changes need the old one. As with chmod, a folder keeps its set-id bits unless they are named.
async fn new_mode(session: &Session, path: &RemotePath, changes: &modes::Chmod) -> Result<u32, Error> {
    let metadata = session.stat(path, true).await?.metadata;
    let is_folder = metadata.kind == Kind::Folder;
    let mode = changes.apply(metadata.mode, is_folder);
    match changes.absolute() {
        Some(_) if is_folder => Ok(mode | metadata.mode & SET_ID),
        Some(_) | None => Ok(mode & MODE_BITS),
    }
}

const SET_ID: u32 = 0o6000;
