//! `ls`: a folder, or with -R a whole tree, as its pages come.

use super::in_turn;
use super::matching::split;
use super::unlisted::show_failures;
use crate::cli::args::LongHelp;
use crate::cli::output::{Lister, LsColors, Order, Output, SortKey, Style};
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use jiff::tz::TimeZone;
use std::cell::Cell;
use std::env;
use std::ffi::OsString;
use tokio::task::block_in_place;
use wire::escape::Escaped;
use wire::glob::may_be_pattern;
use wire::message::{Details, Listing, Stat};
use wire::metadata::Kind;
use wire::{FailureCode, RemotePath};

/// List a folder
#[derive(Clone, Args)]
#[command(
    disable_help_flag = true,
    after_help = "On a terminal, names are in columns, and in the colours of LS_COLORS (see --color). With a pattern, what matches is listed, folders as themselves.\n\n\
                  Example:\n  ftp-client ls -lh ann@files.example.org::/photos\n  \
                  ftp-client ls 'ann@files.example.org::/photos/*.{jpg,png}'"
)]
pub(crate) struct LsArgs {
    /// Show type, mode, owner, group, size and time
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
    /// One name a line, also on a terminal
    #[arg(short = '1')]
    one_a_line: bool,
    #[command(flatten)]
    help: LongHelp,
    /// Ignored, for compatibility with ls: names that begin with a dot are always listed
    #[arg(short, long, hide = true)]
    all: bool,
    /// The folders or files
    #[arg(value_name = "REMOTE", required = true)]
    remotes: Vec<OsString>,
}

pub(crate) struct LsCommand {
    /// Each is listed by itself.
    places: Vec<ListedPlace>,
    style: Style,
    /// Names may be in columns.
    may_have_columns: bool,
}

/// A path to list.
struct ListedPlace {
    remote: Remote,
    /// The path may be a pattern.
    is_pattern: bool,
    recursive: bool,
    itself: bool,
    details: Details,
    /// It is one of several: its name stands above its entries, and files are shown as they were typed.
    heading: Option<Heading>,
}

/// The name above the entries of one of several folders.
struct Heading {
    text: String,
    is_first: bool,
}

impl LsCommand {
    pub(crate) fn new(typed: LsArgs, scope: &Scope) -> Result<(ServerTarget, Self), Error> {
        let (server, remotes) = scope.remotes(&typed.remotes)?;
        let by = if typed.by_time {
            SortKey::Time
        } else if typed.by_size {
            SortKey::Size
        } else {
            SortKey::Name
        };
        let order = Order { by, reverse: typed.reverse };
        let style =
            Style { long: typed.long, human_readable: typed.human_readable, order, ..Style::default() };
        let may_have_columns = !typed.long && !typed.one_a_line && !typed.recursive;
        let details = Details { owner: typed.long, ..Details::default() };
        let is_single = remotes.len() == 1;
        let place = |(index, remote): (usize, Remote)| {
            let text = Escaped(&places::rooted(&remote.path)).to_string();
            ListedPlace {
                is_pattern: !scope.is_literal() && may_be_pattern(remote.path.as_bytes()),
                remote,
                recursive: typed.recursive,
                itself: typed.directory,
                details,
                heading: (!is_single).then_some(Heading { text, is_first: index == 0 }),
            }
        };
        let places = remotes.into_iter().enumerate().map(place).collect();
        Ok((server, Self { places, style, may_have_columns }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        let columns = output.result_columns().filter(|_| self.may_have_columns);
        let style = Style { json: output.json(), columns, ..self.style };
        let colors = || LsColors::new(env::var("LS_COLORS").ok().filter(|text| !text.is_empty()).as_deref());
        let failed = Cell::new(0);
        let code = in_turn(self.places, output, async |place: ListedPlace| {
            let mut lister =
                Lister::new(style, TimeZone::system()).colored(output.has_colored_results().then(colors));
            let code = place.list(session, output, &mut lister).await?;
            output.print(&lister.finish())?;
            failed.set(failed.get().max(code));
            Ok(())
        });
        Ok(code.await?.max(failed.get()))
    }
}

impl ListedPlace {
    async fn list(&self, session: &Session, output: &Output, lister: &mut Lister) -> Result<u8, Error> {
        if self.is_pattern {
            self.list_matching(session, output, lister).await
        } else {
            self.list_path(session, output, lister).await
        }
    }

    /// Shows the name of one of several folders.
    fn head(&self, output: &Output) -> Result<(), Error> {
        match &self.heading {
            Some(Heading { text, is_first }) if !output.json() => {
                let space = if *is_first { "" } else { "\n" };
                output.print(format!("{space}{text}:\n").as_bytes())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The folder in front of the names of entries: programs see the whole path of entries of several folders.
    fn front(&self, folder: &RemotePath, output: &Output) -> Vec<u8> {
        if self.heading.is_some() && output.json() { places::rooted(folder) } else { Vec::new() }
    }

    async fn list_path(&self, session: &Session, output: &Output, lister: &mut Lister) -> Result<u8, Error> {
        if self.itself {
            places::require_as_typed(session, &self.remote).await?;
            return self.show_itself(session, output, lister).await;
        }
        let folder = &self.remote.path;
        let mut pages = session.list_with(folder, self.recursive, self.details).await?;
        let listed = async {
            let (mut failed, front) = (false, self.front(folder, output));
            let mut is_first = true;
            while let Some(page) = pages.next().await? {
                if std::mem::take(&mut is_first) {
                    self.head(output)?;
                }
                failed |= show_page(folder, &front, page, output, lister)?;
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
        let mut pages = session.list_matching_with(&folder, &pattern, self.recursive, self.details).await?;
        let front = self.front(&folder, output);
        let (mut is_empty, mut failed) = (true, false);
        while let Some(mut page) = pages.next().await? {
            if is_empty && page.entries.first().is_some_and(|entry| entry.path == pattern) {
                return self.list_path(session, output, lister).await;
            }
            if self.remote.must_be_folder() && !self.recursive {
                page.entries.retain(|entry| entry.metadata.kind == Kind::Folder);
            }
            if is_empty && !page.entries.is_empty() {
                self.head(output)?;
            }
            is_empty &= page.entries.is_empty();
            failed |= show_page(&folder, &front, page, output, lister)?;
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
        let (path, details) = (self.remote.path.clone(), self.details);
        let entry = session.call(Stat { path: path.clone(), follow: false, details }).await?;
        match self.heading {
            Some(_) => lister.add(&places::rooted(&path), &entry),
            None => lister.add(name_of(&path), &entry),
        }
        output.print(&lister.take())?;
        Ok(0)
    }
}

/// Shows a page of the listing of `folder`; true if some entries could not be listed.
fn show_page(
    folder: &RemotePath,
    front: &[u8],
    page: Listing,
    output: &Output,
    lister: &mut Lister,
) -> Result<bool, Error> {
    // Standard output may stand still (a pager); the session must not.
    block_in_place(|| {
        for entry in &page.entries {
            match front {
                b"" => lister.add(entry.path.as_bytes(), entry),
                front => lister.add(&places::joined(front, entry.path.as_bytes()), entry),
            }
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
