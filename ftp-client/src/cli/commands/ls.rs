//! `ls`: a folder, or with -R a whole tree, as its pages come.

use crate::cli::args::LongHelp;
use crate::cli::output::{Lister, Object, Output, Style};
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use jiff::tz::TimeZone;
use std::ffi::OsString;
use tokio::task::block_in_place;
use wire::message::{Listing, PathFailure};
use wire::{FailureCode, RemotePath};

/// List a folder
#[derive(Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example:\n  ftp-client ls -lh ann@files.example.org:/photos"
)]
pub(crate) struct LsArgs {
    /// Show type, mode, size and time
    #[arg(short, long)]
    pub(super) long: bool,
    /// List the whole tree, one path a line
    #[arg(short = 'R', long)]
    recursive: bool,
    /// With -l: sizes as 1.5 MiB
    #[arg(short = 'h', long)]
    pub(super) human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// Ignored, for compatibility with ls: names that begin with a dot are always listed
    #[arg(short, long, hide = true)]
    all: bool,
    /// The folder
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

pub(crate) struct LsCommand {
    remote: Remote,
    recursive: bool,
    style: Style,
}

impl LsCommand {
    pub(crate) fn new(typed: LsArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remote) = scope.remote(&typed.remote)?;
        let style = Style { long: typed.long, human_readable: typed.human_readable, json: false };
        Ok((server, Self { remote, recursive: typed.recursive, style }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let style = Style { json: output.json(), ..self.style };
        let mut lister = Lister::new(style, TimeZone::system());
        match self.list(session, output, &mut lister).await {
            Err(error)
                if error.failure_code() == Some(FailureCode::NotAFolder) && !self.remote.must_be_folder() =>
            {
                self.show_itself(session, output, &mut lister).await
            }
            result => result,
        }
    }

    async fn list(&self, session: &Session, output: &Output, lister: &mut Lister) -> Result<u8, Error> {
        let mut pages = session.list(&self.remote.path, self.recursive).await?;
        let mut failed = false;
        while let Some(mut page) = pages.next().await? {
            page.failures.retain(|item| item.failure.code != FailureCode::Vanished); // it is not there
            failed |= !page.failures.is_empty();
            // Standard output may stand still (a pager); the session must not.
            block_in_place(|| self.show_page(&page, output, lister))?;
        }
        Ok(failed.into())
    }

    fn show_page(&self, page: &Listing, output: &Output, lister: &mut Lister) -> Result<(), Error> {
        for entry in &page.entries {
            lister.add(entry.path.as_bytes(), entry);
        }
        output.print(&lister.take())?;
        for failure in &page.failures {
            self.show_failure(failure, output);
        }
        output.flush()
    }

    fn show_failure(&self, item: &PathFailure, output: &Output) {
        let path = self.remote.path.join_path(&item.path).unwrap_or_else(|_| item.path.clone());
        output.complain(&Error::remote(&path, item.failure.clone()));
        let event = Object::event("failure").path(item.path.as_bytes());
        output.event(event.text("reason", &item.failure.to_string()));
    }

    /// As ls does with a file.
    async fn show_itself(
        &self,
        session: &Session,
        output: &Output,
        lister: &mut Lister,
    ) -> Result<u8, Error> {
        let entry = session.stat(&self.remote.path, false).await?;
        lister.add(name_of(&self.remote.path), &entry);
        output.print(&lister.take())?;
        Ok(0)
    }
}

fn name_of(path: &RemotePath) -> &[u8] {
    path.parent_and_name().map_or(b"/", |(_, name)| name.as_bytes())
}
