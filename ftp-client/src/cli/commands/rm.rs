//! `rm`: removes files, links and, with -r, folders.

use super::{advise_recursive, each_done};
use crate::cli::args;
use crate::cli::output::Output;
use crate::cli::places::{self, Server};
use crate::cli::scope::Scope;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use wire::FailureCode;

pub(crate) struct Rm {
    remotes: Vec<Remote>,
    recursive: bool,
    force: bool,
}

impl Rm {
    pub(crate) fn new(typed: args::Rm, scope: &Scope) -> Result<(Server, Self), Error> {
        let (server, remotes) = scope.remotes(&typed.remotes)?;
        if remotes.iter().any(|remote| remote.path.is_root()) {
            return Err(Error::Usage("the root itself is never removed".to_owned()));
        }
        places::none_is_dot(&remotes, "rm")?;
        Ok((server, Self { remotes, recursive: typed.recursive, force: typed.force }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { remotes, recursive, force } = self;
        each_done(remotes, output, async |remote| match remove(session, remote, recursive).await {
            Err(error) if force && error.failure_code() == Some(FailureCode::NotFound) => Ok(()),
            result if recursive => result,
            result => result.map_err(|error| advise_recursive(error, &remote.path)),
        })
        .await
    }
}

/// A link is never removed by the name of the folder that it leads to.
async fn remove(session: &Session, remote: &Remote, recursive: bool) -> Result<(), Error> {
    if remote.must_be_folder() {
        session.require_own_folder(&remote.path).await?;
    }
    session.remove(&remote.path, recursive).await
}
