//! `du`: how many bytes are in folders, counted as the listing of their trees comes.

use super::in_turn;
use super::unlisted::show_failures;
use crate::cli::args::LongHelp;
use crate::cli::output::{Object, Output};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use indicatif::HumanBytes;
use std::cell::Cell;
use std::ffi::OsString;
use tokio::task::block_in_place;
use wire::escape::Escaped;
use wire::message::Entry;
use wire::metadata::Kind;
use wire::{FailureCode, RemotePath};

/// Show how many bytes folders contain
#[derive(Clone, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Sizes are those of the files' content, whatever room they take on the server's disk.\n\n\
                  Example:\n  ftp-client du -sh ann@files.example.org::/photos"
)]
pub(crate) struct DuArgs {
    /// Show only the total of each REMOTE
    #[arg(short, long, conflicts_with = "max_depth")]
    summarize: bool,
    /// Show folders down to this depth
    #[arg(short = 'd', long, value_name = "N")]
    max_depth: Option<usize>,
    /// Sizes as 1.5 MiB
    #[arg(short = 'h', long)]
    human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// The folders or files
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct DuCommand {
    remotes: Vec<Remote>,
    depth_max: usize,
    human_readable: bool,
}

impl DuCommand {
    pub(crate) fn new(typed: DuArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.existing(&typed.remotes)?;
        let depth_max = if typed.summarize { 0 } else { typed.max_depth.unwrap_or(usize::MAX) };
        Ok((server, Self { remotes, depth_max, human_readable: typed.human_readable }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let Self { remotes, depth_max, human_readable } = self;
        let failed = Cell::new(false);
        let code = in_turn(remotes, output, async |remote: Remote| {
            let usage = Usage { root: remote.path.clone(), depth_max, human_readable, open: Vec::new() };
            failed.set(failed.get() | count(session, &remote, usage, output).await?);
            Ok(())
        });
        Ok(code.await?.max(failed.get().into()))
    }
}

/// Counts one path; true if some of it could not be read.
async fn count(session: &Session, remote: &Remote, mut usage: Usage, output: &Output) -> Result<bool, Error> {
    places::require_as_typed(session, remote).await?;
    let mut pages = session.list(&remote.path, true).await?;
    let mut failed = false;
    usage.open.push(FolderUsage::default());
    loop {
        let page = match pages.next().await {
            Ok(None) => break,
            Ok(Some(page)) => page,
            Err(error) if error.failure_code() == Some(FailureCode::NotAFolder) => {
                usage.add(&session.stat(&remote.path, true).await?);
                break;
            }
            Err(error) => return Err(error),
        };
        block_in_place(|| page.entries.iter().try_for_each(|entry| usage.visit(entry, output)))?;
        failed |= show_failures(&remote.path, &page.failures, output);
    }
    while !usage.open.is_empty() {
        usage.leave(output)?;
    }
    Ok(failed)
}

/// The folders that a walk is in, the outermost first.
struct Usage {
    root: RemotePath,
    depth_max: usize,
    human_readable: bool,
    open: Vec<FolderUsage>,
}

/// A folder, with all that was counted in it.
#[derive(Default)]
struct FolderUsage {
    path: RemotePath,
    bytes: u64,
    files: u64,
}

impl Usage {
    /// Counts the next entry of the walk, which shows folders that it has left.
    fn visit(&mut self, entry: &Entry, output: &Output) -> Result<(), Error> {
        let is_below = |folder: &FolderUsage| {
            entry.path != folder.path && entry.path.strip_prefix(&folder.path).is_some()
        };
        while self.open.last().is_some_and(|folder| !is_below(folder)) {
            self.leave(output)?;
        }
        if entry.metadata.kind == Kind::Folder {
            self.open.push(FolderUsage { path: entry.path.clone(), ..FolderUsage::default() });
        } else {
            self.add(entry);
        }
        Ok(())
    }

    fn add(&mut self, entry: &Entry) {
        if let (Some(folder), Kind::File) = (self.open.last_mut(), entry.metadata.kind) {
            folder.bytes = folder.bytes.saturating_add(entry.metadata.size); // a server may claim anything
            folder.files += 1;
        }
    }

    fn leave(&mut self, output: &Output) -> Result<(), Error> {
        let Some(FolderUsage { path, bytes, files }) = self.open.pop() else { return Ok(()) };
        if let Some(above) = self.open.last_mut() {
            above.bytes = above.bytes.saturating_add(bytes);
            above.files += files;
        }
        if self.open.len() > self.depth_max {
            return Ok(());
        }
        let path = places::rooted(&self.root.join_path(&path).map_err(|error| Error::remote(&path, error))?);
        if output.json() {
            output.event(Object::event("usage").path(&path).number("bytes", bytes).number("files", files));
            return Ok(());
        }
        let size = if self.human_readable { HumanBytes(bytes).to_string() } else { bytes.to_string() };
        output.print(format!("{size:>12}  {}\n", Escaped(&path)).as_bytes())
    }
}
