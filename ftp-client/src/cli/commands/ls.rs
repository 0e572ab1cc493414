//! `ls`: a folder, or with -R a whole tree, as its pages come.

use super::matching::split;
use super::unlisted::show_failures;
use crate::cli::args::LongHelp;
use crate::cli::output::{Lister, Order, Output, SortKey, Style};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use jiff::tz::TimeZone;
use std::ffi::OsString;
use tokio::task::block_in_place;
use wire::glob::may_be_pattern;
use wire::message::Listing;
use wire::metadata::Kind;
use wire::{FailureCode, RemotePath};

/// List a folder
#[derive(Clone, Args)]
#[command(
    disable_help_flag = true,
    after_help = "With a pattern, what matches is listed, folders as themselves.\n\n\
                  Example:\n  ftp-client ls -lh ann@files.example.org::/photos\n  \
                  ftp-client ls 'ann@files.example.org::/photos/*.{jpg,png}'"
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
    /// Newest first
    #[arg(short = 't', conflicts_with = "by_size")]
    by_time: bool,
    /// Largest first
    #[arg(short = 'S')]
    by_size: bool,
    /// In reverse order
    #[arg(short, long)]
    reverse: bool,
    /// List a folder itself, not what is in it
    #[arg(short, long, conflicts_with = "recursive")]
    directory: bool,
    #[command(flatten)]
    help: LongHelp,
    /// Ignored, for compatibility with ls: names that begin with a dot are always listed
    #[arg(short, long, hide = true)]
    all: bool,
    /// Ignored, for compatibility with ls: it is always one a line
    #[arg(short = '1', hide = true)]
    one_a_line: bool,
    /// The folder
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

pub(crate) struct LsCommand {
    remote: Remote,
    /// The path may be a pattern.
    is_pattern: bool,
    recursive: bool,
    itself: bool,
    style: Style,
}

impl LsCommand {
    pub(crate) fn new(typed: LsArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remote) = scope.remote(&typed.remote)?;
        let by = if typed.by_time {
            SortKey::Time
        } else if typed.by_size {
            SortKey::Size
        } else {
            SortKey::Name
        };
        let order = Order { by, reverse: typed.reverse };
        let style = Style { long: typed.long, human_readable: typed.human_readable, order, json: false };
        let is_pattern = !scope.is_literal() && may_be_pattern(remote.path.as_bytes());
        Ok((server, Self { remote, is_pattern, recursive: typed.recursive, itself: typed.directory, style }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let style = Style { json: output.json(), ..self.style };
        let mut lister = Lister::new(style, TimeZone::system());
        let code = if self.is_pattern {
            self.list_matching(session, output, &mut lister).await?
        } else {
            self.list_path(session, output, &mut lister).await?
        };
        output.print(&lister.finish())?;
        Ok(code)
    }

    async fn list_path(&self, session: &Session, output: &Output, lister: &mut Lister) -> Result<u8, Error> {
        if self.itself {
            places::require_as_typed(session, &self.remote).await?;
            return self.show_itself(session, output, lister).await;
        }
        let folder = &self.remote.path;
        let mut pages = session.list(folder, self.recursive).await?;
        let listed = async {
            let mut failed = false;
            while let Some(page) = pages.next().await? {
                failed |= show_page(folder, page, output, lister)?;
            }
            Ok::<u8, Error>(failed.into())
        };
        match listed.await {
            Err(error)
                if error.failure_code() == Some(FailureCode::NotAFolder) && !self.remote.must_be_folder() =>
            {
                self.show_itself(session, output, lister).await
            }
            result => result,
        }
    }

    /// Where a name is as the pattern has it, or nothing matches, the path is listed as any other.
    async fn list_matching(
        &self,
        session: &Session,
        output: &Output,
        lister: &mut Lister,
    ) -> Result<u8, Error> {
        let (folder, pattern) = split(&self.remote.path)?;
        let mut pages = session.list_matching(&folder, &pattern, self.recursive).await?;
        let (mut is_empty, mut failed) = (true, false);
        while let Some(mut page) = pages.next().await? {
            if is_empty && page.entries.first().is_some_and(|entry| entry.path == pattern) {
                return self.list_path(session, output, lister).await;
            }
            if self.remote.must_be_folder() && !self.recursive {
                page.entries.retain(|entry| entry.metadata.kind == Kind::Folder);
            }
            is_empty &= page.entries.is_empty();
            failed |= show_page(&folder, page, output, lister)?;
        }
        if is_empty && !failed { self.list_path(session, output, lister).await } else { Ok(failed.into()) }
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

/// Shows a page of the listing of `folder`; true if some entries could not be listed.
fn show_page(
    folder: &RemotePath,
    page: Listing,
    output: &Output,
    lister: &mut Lister,
) -> Result<bool, Error> {
    // Standard output may stand still (a pager); the session must not.
    block_in_place(|| {
        for entry in &page.entries {
            lister.add(entry.path.as_bytes(), entry);
        }
        output.print(&lister.take())?;
        let failed = show_failures(folder, &page.failures, output);
        output.flush()?;
        Ok(failed)
    })
}

fn name_of(path: &RemotePath) -> &[u8] {
    path.parent_and_name().map_or(b"/", |(_, name)| name.as_bytes())
}
