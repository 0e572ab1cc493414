//! `mkdir`: makes folders.

use super::each_done;
use crate::cli::output::Output;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use wire::message::MakeFolder;

/// Make folders
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client mkdir -p ann@files.example.org::/photos/2026/may")]
pub(crate) struct MkdirArgs {
    /// Make missing parent folders too, and accept folders that exist
    #[arg(short, long)]
    parents: bool,
    /// The folders
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct MkdirCommand {
    remotes: Vec<Remote>,
    parents: bool,
}

impl MkdirCommand {
    pub(crate) fn new(typed: MkdirArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.remotes(&typed.remotes)?;
        Ok((server, Self { remotes, parents: typed.parents }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let parents = self.parents;
        let make =
            async |remote: &Remote| session.call(MakeFolder { path: remote.path.clone(), parents }).await;
        each_done(self.remotes, output, make).await
    }
}
