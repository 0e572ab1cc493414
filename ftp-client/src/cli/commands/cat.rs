//! `cat`: files to standard output, each chunk verified before it is written.

use super::each;
use crate::cli::args;
use crate::cli::output::{Output, STDOUT, of_transfer};
use crate::cli::places::Server;
use crate::cli::scope::Scope;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use wire::{Failure, FailureCode, RemotePath};

pub(crate) struct Cat {
    remotes: Vec<Remote>,
}

/// Standard output without std's line buffer, which would look for line ends in data.
struct Raw {
    file: File,
    gone: Arc<AtomicBool>,
}

impl Cat {
    pub(crate) fn new(typed: args::Cat, scope: &Scope, json: bool) -> Result<(Server, Self), Error> {
        if json {
            return Err(Error::Usage("cat writes content to standard output: there is no --json".to_owned()));
        }
        let (server, remotes) = scope.remotes(&typed.remotes)?;
        Ok((server, Self { remotes }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        each(self.remotes, output, async |remote| cat(session, &remote.path).await).await
    }
}

async fn cat(session: &Session, path: &RemotePath) -> Result<(), Error> {
    let gone = Arc::new(AtomicBool::new(false));
    let raw = Raw::new(&gone).map_err(stdout_failed)?;
    let result = session.cat(path, Box::new(raw)).await;
    if gone.load(Relaxed) {
        return Err(stdout_failed(io::ErrorKind::BrokenPipe.into()));
    }
    let summary = result?;
    match summary.gravest {
        _ if of_transfer(&summary, true, false) == 0 => Ok(()),
        code => Err(Error::remote(path, Failure::from(code.unwrap_or(FailureCode::Io)))),
    }
}

impl Raw {
    fn new(gone: &Arc<AtomicBool>) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { file, gone: Arc::clone(gone) })
    }

    fn notice<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            self.gone.store(true, Relaxed);
        }
        result
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.file.write(bytes);
        self.notice(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.file.flush();
        self.notice(result)
    }
}

fn stdout_failed(source: io::Error) -> Error {
    Error::Local { path: STDOUT.to_owned(), source }
}
