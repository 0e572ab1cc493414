//! `stat`: shows details of paths.

use super::each;
use crate::cli::output::{Output, entry_object, full_time, kind_word, mode_text, shown};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use indicatif::HumanBytes;
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::fmt::Write;
use wire::message::Entry;
use wire::metadata::Kind;
use wire::{FailureCode, RemotePath};

/// Show details of paths
#[derive(Clone, Args)]
#[command(after_help = "Example:\n  ftp-client stat ann@files.example.org::/photos/cat.jpg")]
pub(crate) struct StatArgs {
    /// Follow symbolic links
    #[arg(short = 'L', long)]
    follow: bool,
    /// The paths
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct StatCommand {
    remotes: Vec<Remote>,
    follow: bool,
}

impl StatCommand {
    pub(crate) fn new(typed: StatArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.existing(&typed.remotes)?;
        Ok((server, Self { remotes, follow: typed.follow }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let follow = self.follow;
        let ask = async |remote: &Remote| {
            let entry = session.stat(&remote.path, follow || remote.must_be_folder()).await?;
            if remote.must_be_folder() && entry.metadata.kind != Kind::Folder {
                return Err(Error::remote(&remote.path, FailureCode::NotAFolder));
            }
            Ok(entry)
        };
        let tell = |remote: &Remote, entry: Entry| {
            if output.json() {
                output.print(&entry_object(&places::rooted(&remote.path), &entry).into_line())
            } else {
                output.print(block(&remote.path, &entry).as_bytes())
            }
        };
        each(self.remotes, output, ask, tell).await
    }
}

fn block(path: &RemotePath, entry: &Entry) -> String {
    let metadata = &entry.metadata;
    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = writeln!(text, "    Path: {path}");
    let _ = writeln!(text, "    Kind: {}", kind_word(metadata.kind));
    let _ = writeln!(text, "    Size: {} ({})", metadata.size, HumanBytes(metadata.size));
    let _ = writeln!(text, "    Mode: {:04o} ({})", metadata.mode, mode_text(metadata.kind, metadata.mode));
    let _ = writeln!(text, "Modified: {}", full_time(metadata.modified, TimeZone::system()));
    if metadata.kind == Kind::Symlink {
        let _ = writeln!(text, "Leads to: {}", shown(&entry.link_target));
    }
    text
}
