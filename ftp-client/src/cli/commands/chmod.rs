//! `chmod`: changes permissions.

use super::each;
use super::mode::Mode;
use crate::cli::args;
use crate::cli::output::Output;
use crate::cli::places::Server;
use crate::cli::scope::Scope;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use wire::RemotePath;
use wire::message::SetMetadata;
use wire::metadata::Kind;

pub(crate) struct Chmod {
    remotes: Vec<Remote>,
    mode: Mode,
}

impl Chmod {
    pub(crate) fn new(typed: args::Chmod, scope: &Scope) -> Result<(Server, Self), Error> {
        let (server, remotes) = scope.remotes(&typed.remotes)?;
        let mode = Mode::parse(&typed.mode)
            .ok_or_else(|| Error::Usage(format!("{:?} is not a mode as 644 or u+x,go-w", typed.mode)))?;
        Ok((server, Self { remotes, mode }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { remotes, mode } = self;
        each(remotes, output, async |remote| {
            let mode = Some(new_mode(session, &remote.path, &mode).await?);
            let change = SetMetadata { path: remote.path, modified: None, mode, create: false };
            session.set_metadata(change).await
        })
        .await
    }
}

/// Changes need to know what was there before.
async fn new_mode(session: &Session, path: &RemotePath, mode: &Mode) -> Result<u32, Error> {
    match mode {
        Mode::Absolute(mode) => Ok(*mode),
        Mode::Changes(changes) => {
            let metadata = session.stat(path, true).await?.metadata;
            let folder = metadata.kind == Kind::Folder;
            Ok(changes.iter().fold(metadata.mode, |mode, change| change.apply(mode, folder)))
        }
    }
}
