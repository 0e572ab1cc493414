//! `mv`: renames on the server.

use super::each;
use crate::cli::args;
use crate::cli::output::Output;
use crate::cli::places::{self, Server};
use crate::cli::scope::Scope;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use wire::message::Rename;
use wire::{Name, RemotePath};

pub(crate) struct Mv {
    sources: Vec<(RemotePath, Name)>,
    target: Remote,
    replace: bool,
}

impl Mv {
    pub(crate) fn new(typed: args::Mv, scope: &Scope) -> Result<(Server, Self), Error> {
        let (server, mut remotes) = scope.remotes(&typed.remotes)?;
        let target = remotes.pop().ok_or_else(|| Error::Usage("mv needs a target".to_owned()))?;
        let sources = remotes.into_iter().map(source).collect::<Result<Vec<_>, _>>()?;
        places::no_name_twice(sources.iter().map(|(_, name)| Some(name)))?;
        Ok((server, Self { sources, target, replace: !typed.no_clobber }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { sources, target, replace } = self;
        let into_folder = sources.len() > 1 || target.must_be_folder();
        if into_folder {
            places::require_folder(session, &target.path).await?;
        }
        each(sources, output, async |(from, name)| {
            let (to, into) = match into_folder {
                true => (places::within(&target.path, &name)?, None),
                false => (target.path.clone(), Some(name)),
            };
            session.rename(Rename { from, to, into, replace }).await
        })
        .await
    }
}

fn source(remote: Remote) -> Result<(RemotePath, Name), Error> {
    match remote.path.split_last() {
        Some((_, name)) => Ok((remote.path, name)),
        None => Err(Error::Usage("the root itself cannot be moved".to_owned())),
    }
}
