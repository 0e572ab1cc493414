//! `find`: the entries of a tree with a name, kind, size or age. The server matches the names; the rest is looked at here.

use super::in_turn;
use super::unlisted::show_failures;
use crate::cli::args::{LongHelp, values};
use crate::cli::output::{Lister, Output, Style};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::{Args, ValueEnum};
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use jiff::tz::TimeZone;
use std::cell::Cell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use tokio::task::block_in_place;
use wire::glob::Glob;
use wire::message::{Details, Entry};
use wire::metadata::{Kind, Metadata};
use wire::{FailureCode, RemotePath};

/// Find files by name, kind, size and age
#[derive(Clone, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Paths are shown from REMOTE on, one a line. Where REMOTE is a pattern, they are shown from the root on.\n\n\
                  Example:\n  ftp-client find ann@files.example.org::/photos --name '*.{jpg,png}' --min-size 1M\n  \
                  ftp-client find ann@files.example.org::/photos --type f --older-than 30d"
)]
pub(crate) struct FindArgs {
    /// Only names that match PATTERN, as '*.jpg'; with a '/', paths from REMOTE on
    #[arg(long, value_name = "PATTERN")]
    name: Option<OsString>,
    /// Only entries of this kind
    #[arg(long = "type", value_enum, value_name = "KIND")]
    kind: Option<KindWord>,
    /// Only files that are not smaller than this, as 10K
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    min_size: Option<u64>,
    /// Only files that are not larger than this, as 1.5G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,
    /// Only what was modified since: an age as 2d, or a time as 2026-05-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    newer_than: Option<values::Moment>,
    /// Only what was not modified since: an age as 2d, or a time
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    older_than: Option<values::Moment>,
    /// Show type, mode, owner, group, size and time
    #[arg(short, long)]
    long: bool,
    /// With -l: sizes as 1.5 MiB
    #[arg(short = 'h', long)]
    human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// The folder, or a pattern of folders
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

/// `--type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindWord {
    /// Files
    #[value(name = "f", alias = "file")]
    File,
    /// Folders
    #[value(name = "d", alias = "folder")]
    Folder,
    /// Symbolic links
    #[value(name = "l", alias = "symlink")]
    Symlink,
}

pub(crate) struct FindCommand {
    remotes: Vec<Remote>,
    /// The folders are what a pattern matches.
    from_pattern: bool,
    /// The root for all entries.
    pattern: RemotePath,
    wanted: Wanted,
    style: Style,
}

/// The entries to show.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    kind: Option<KindWord>,
    size_min: Option<u64>,
    size_max: Option<u64>,
    newer_than: Option<values::Moment>,
    older_than: Option<values::Moment>,
}

impl FindCommand {
    pub(crate) fn new(typed: FindArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.existing(&[typed.remote])?;
        let pattern = typed.name.map_or(Ok(RemotePath::root()), |name| {
            let anywhere: &[u8] = if name.as_bytes().contains(&b'/') { b"" } else { b"**/" };
            RemotePath::from_user(&[anywhere, name.as_bytes()].concat())
                .map_err(|error| Error::Usage(format!("--name: {error}")))
        })?;
        let wanted = Wanted {
            kind: typed.kind,
            size_min: typed.min_size,
            size_max: typed.max_size,
            newer_than: typed.newer_than,
            older_than: typed.older_than,
        };
        let style = Style { long: typed.long, human_readable: typed.human_readable, ..Style::default() };
        Ok((server, Self { remotes, from_pattern: scope.has_matched(), pattern, wanted, style }))
    }

    pub(crate) async fn run(mut self, session: &Session, output: &Output) -> Result<u8, Error> {
        let mut remotes = std::mem::take(&mut self.remotes);
        if self.from_pattern {
            remotes.dedup_by(|remote, above| remote.path.strip_prefix(&above.path).is_some()); // it comes with the folder
        }
        let failed = Cell::new(false);
        let code = in_turn(remotes, output, async |remote: Remote| {
            failed.set(failed.get() | self.search(session, &remote, output).await?);
            Ok(())
        });
        Ok(code.await?.max(failed.get().into()))
    }

    /// Shows what is found in one folder; true if some of it could not be read.
    async fn search(&self, session: &Session, remote: &Remote, output: &Output) -> Result<bool, Error> {
        let folder = &remote.path;
        places::require_as_typed(session, remote).await?;
        let mut lister = Lister::new(Style { json: output.json(), ..self.style }, TimeZone::system());
        let all = self.pattern.is_root();
        let details = Details { owner: self.style.long, ..Details::default() };
        let mut pages = session.list_matching_with(folder, &self.pattern, all, details).await?;
        let mut failed = false;
        loop {
            let page = match pages.next().await {
                Ok(None) => break,
                Ok(Some(page)) => page,
                // A pattern matches files too.
                Err(error) if self.from_pattern && error.failure_code() == Some(FailureCode::NotAFolder) => {
                    let entry = session.stat(folder, false).await?;
                    if self.includes_file(folder, &entry)? {
                        lister.add(&places::rooted(folder), &entry);
                        output.print(&lister.take())?;
                    }
                    break;
                }
                Err(error) => return Err(error),
            };
            // Standard output may stand still (a pager); the session must not.
            block_in_place(|| {
                for entry in page.entries.iter().filter(|entry| self.wanted.includes(entry)) {
                    let path = entry.path.as_bytes();
                    if self.from_pattern {
                        lister.add(&places::joined(&places::rooted(folder), path), entry);
                    } else {
                        lister.add(path, entry);
                    }
                }
                output.print(&lister.take())?;
                failed |= show_failures(folder, &page.failures, output);
                output.flush()
            })?;
        }
        Ok(failed)
    }
}

impl FindCommand {
    /// True if a file that is no folder's is to be shown.
    fn includes_file(&self, path: &RemotePath, entry: &Entry) -> Result<bool, Error> {
        let glob = Glob::new(&self.pattern).map_err(|error| Error::Usage(format!("--name: {error}")))?;
        let name =
            path.split_last().map_or(Ok(RemotePath::root()), |(_, name)| RemotePath::root().join(&name));
        let name = name.map_err(|error| Error::remote(path, error))?;
        let has_name = self.pattern.is_root() || glob.look(&name).is_match;
        Ok(has_name && self.wanted.includes(entry))
    }
}

impl Wanted {
    fn includes(&self, entry: &Entry) -> bool {
        let Metadata { kind, size, modified, .. } = entry.metadata;
        let time = (modified.seconds, modified.nanos);
        let has_size = self.size_min.is_some() || self.size_max.is_some();
        self.kind.is_none_or(|wanted| wanted.kind() == kind)
            && (!has_size || kind == Kind::File)
            && self.size_min.is_none_or(|min| size >= min)
            && self.size_max.is_none_or(|max| size <= max)
            && self.newer_than.is_none_or(|then| time >= then)
            && self.older_than.is_none_or(|then| time <= then)
    }
}

impl KindWord {
    fn kind(self) -> Kind {
        match self {
            Self::File => Kind::File,
            Self::Folder => Kind::Folder,
            Self::Symlink => Kind::Symlink,
        }
    }
}
