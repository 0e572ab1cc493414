//! `cat`: files to standard output, each chunk verified before it is written.

use super::in_turn;
use crate::cli::output::{Output, STDOUT, again, of_transfer};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use wire::message::Compress;
use wire::{Failure, FailureCode, RemotePath};

/// Write files to standard output
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client cat ann@files.example.org::backup.tar | tar t")]
pub(crate) struct CatArgs {
    /// The files
    #[arg(value_name = "REMOTE", required = true)]
    pub(super) remotes: Vec<OsString>,
    /// As `get -o -` has it.
    #[arg(skip)]
    pub(super) compress: Compress,
}

pub(crate) struct CatCommand {
    remotes: Vec<Remote>,
    compress: Compress,
}

/// Standard output without std's line buffer, which would look for line ends in data.
struct Raw {
    file: File,
    /// The first write error.
    failed: Arc<OnceLock<io::Error>>,
}

impl CatCommand {
    pub(crate) fn new(typed: CatArgs, scope: &Scope, json: bool) -> Result<(ServerTarget, Self), Error> {
        if json {
            return Err(Error::Usage("cat writes content to standard output: there is no --json".to_owned()));
        }
        let (server, remotes) = scope.existing(&typed.remotes)?;
        Ok((server, Self { remotes, compress: typed.compress }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        in_turn(self.remotes, output, async |remote| {
            places::require_as_typed(session, &remote).await?;
            cat(session, &remote.path, self.compress).await
        })
        .await
    }
}

async fn cat(session: &Session, path: &RemotePath, compress: Compress) -> Result<(), Error> {
    let failed = Arc::new(OnceLock::new());
    let raw = Raw::new(&failed).map_err(stdout_failed)?;
    let result = session.cat(path, compress, Box::new(raw)).await;
    if let Some(error) = failed.get() {
        return Err(stdout_failed(again(error)));
    }
    let summary = result?;
    match summary.gravest {
        _ if of_transfer(&summary, true, false) == 0 => Ok(()),
        code => Err(Error::remote(path, Failure::from(code.unwrap_or(FailureCode::Io)))),
    }
}

impl Raw {
    fn new(failed: &Arc<OnceLock<io::Error>>) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { file, failed: Arc::clone(failed) })
    }

    fn notice<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            let _ = self.failed.set(again(error)); // the first error is the one to report
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
