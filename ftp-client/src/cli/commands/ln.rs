//! `ln -s`: makes a symbolic link. Its target is stored as it is typed: it need not exist.

use crate::cli::output::Output;
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use wire::message::Link;
use wire::{Name, RemotePath};

/// Make a symbolic link
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client ln -s 2026/may ann@files.example.org::/photos/latest")]
pub(crate) struct LnArgs {
    /// Make a symbolic link, the only supported kind
    #[arg(short, long, required = true)]
    symbolic: bool,
    /// The target of the link, relative to the link's folder
    #[arg(id = "leads_to", value_name = "TARGET")]
    target: OsString,
    /// The link
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

pub(crate) struct LnCommand {
    target: Vec<u8>,
    link: RemotePath,
}

impl LnCommand {
    pub(crate) fn new(typed: LnArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remote) = scope.remote(&typed.remote)?;
        let link = link(&remote, &typed.target)?;
        Ok((server, Self { target: typed.target.into_vec(), link }))
    }

    pub(crate) async fn run(self, session: &Session, _: &Output) -> Result<u8, Error> {
        session.call(Link { path: self.link, target: self.target }).await?;
        Ok(0)
    }
}

/// In a folder, the link has its target's last name.
fn link(remote: &Remote, target: &OsString) -> Result<RemotePath, Error> {
    if !remote.must_be_folder() {
        return Ok(remote.path.clone());
    }
    let name = std::path::Path::new(target).file_name().map(|name| Name::new(name.as_encoded_bytes()));
    match name {
        Some(Ok(name)) => places::within(&remote.path, &name),
        Some(Err(_)) | None => Err(Error::Usage("the link needs a name: give its full path".to_owned())),
    }
}
