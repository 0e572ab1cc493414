//! `tail`: the end of a file, and with -f what is added to it. Only the parts that are shown are read, over the control
//! connection.

mod followed;
mod lines;

use super::{About, each};
use crate::cli::args::values;
use crate::cli::output::Output;
use crate::cli::places;
use crate::cli::scope::Scope;
use crate::cli::server::ServerTarget;
use clap::Args;
use followed::Followed;
use ftp_client::remote::Remote;
use ftp_client::{Error, Session};
use lines::LineScan;
use std::cell::RefCell;
use std::ffi::OsString;
use std::time::Duration;
use tokio::task::block_in_place;
use tokio::time::sleep;
use wire::RemotePath;
use wire::limits::READ_LEN_MAX;
use wire::message::FilePart;

/// Show the end of a file, and with -f what is added to it
#[derive(Clone, Args)]
#[command(
    after_help = "-f asks the server each second, and goes on when the connection is lost and made again. It follows the name: a file that \
                  replaces the old one, as when a log is rotated, is shown from its beginning. Ctrl-C ends it.\n\n\
                  Example:\n  ftp-client tail -f ann@files.example.org::/logs/today.log\n  \
                  ftp-client tail -n 100 ann@files.example.org::/photos/notes.txt"
)]
pub(crate) struct TailArgs {
    /// Show so many lines [default: 10]
    #[arg(short = 'n', long, value_name = "LINES", conflicts_with = "bytes", allow_hyphen_values = true, value_parser = lines)]
    lines: Option<u64>,
    /// Show so many bytes, as 500, 64K or 1M
    #[arg(short = 'c', long, value_name = "BYTES", value_parser = values::size)]
    bytes: Option<u64>,
    /// Go on with what is added to the file
    #[arg(short, long, visible_short_alias = 'F')]
    follow: bool,
    /// The file
    #[arg(value_name = "REMOTE")]
    remote: OsString,
}

pub(crate) struct TailCommand {
    remote: Remote,
    extent: Extent,
    follow: bool,
}

/// How much of the end is shown.
#[derive(Clone, Copy)]
enum Extent {
    Lines(u64),
    Bytes(u64),
}

/// A file that is read from its end.
struct Tail<'a> {
    session: &'a Session,
    output: &'a Output,
    path: RemotePath,
}

impl TailCommand {
    pub(crate) fn new(typed: TailArgs, scope: &Scope, json: bool) -> Result<(ServerTarget, Self), Error> {
        if json {
            return Err(Error::Usage(
                "tail writes content to standard output: there is no --json".to_owned(),
            ));
        }
        let (server, mut remotes) = scope.existing(&[typed.remote])?;
        let (Some(remote), true) = (remotes.pop(), remotes.is_empty()) else {
            return Err(Error::Usage(
                "tail takes one file, and this pattern matches several: name one".to_owned(),
            ));
        };
        let lines = typed.lines.unwrap_or(LINES_DEFAULT);
        let extent = typed.bytes.map_or(Extent::Lines(lines), Extent::Bytes);
        Ok((server, Self { remote, extent, follow: typed.follow }))
    }

    pub(crate) async fn run(self, session: &Session, output: &Output) -> Result<u8, Error> {
        places::require_as_typed(session, &self.remote).await?;
        let tail = Tail { session, output, path: self.remote.path };
        let followed = tail.show_end(self.extent).await?;
        if self.follow { tail.follow(followed).await } else { Ok(0) }
    }
}

impl Tail<'_> {
    async fn read(&self, offset: u64) -> Result<FilePart, Error> {
        self.session.read_part(&self.path, offset, READ_LEN_MAX).await
    }

    /// Shows the end of the file. Returns the place at which it stopped.
    async fn show_end(&self, extent: Extent) -> Result<Followed, Error> {
        let first = self.read(0).await?;
        let begin_of = |bytes: &[u8]| match extent {
            Extent::Bytes(count) => bytes.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX)),
            Extent::Lines(count) => LineScan::new(count).begin_in(bytes).unwrap_or(0),
        };
        if first.bytes.len() < PART_LEN {
            self.print(&first.bytes[begin_of(&first.bytes)..])?;
            return Ok(Followed::new(first.bytes.len() as u64, first.file));
        }
        let end = self.end(&first).await?;
        let last = self.read(end.saturating_sub(READ_LEN_MAX.into())).await?;
        let in_last = match extent {
            Extent::Bytes(count) => count <= last.bytes.len() as u64,
            Extent::Lines(count) => LineScan::new(count).begin_in(&last.bytes).is_some(),
        };
        if in_last {
            // The usual case, of a single part.
            self.print(&last.bytes[begin_of(&last.bytes)..])?;
            let position = end.saturating_sub(READ_LEN_MAX.into()) + last.bytes.len() as u64;
            return Ok(Followed::new(position, last.file));
        }
        let begin = match extent {
            Extent::Bytes(count) => end.saturating_sub(count),
            Extent::Lines(count) => self.begin_of_lines(end, count).await?,
        };
        Ok(Followed::new(self.show(begin, end).await?, last.file))
    }

    /// Returns the length of a file of which the first part is full. Some files, as in /proc, have more content than they say.
    async fn end(&self, first: &FilePart) -> Result<u64, Error> {
        let mut end = READ_LEN_MAX.into();
        if first.size >= end {
            return Ok(first.size);
        }
        loop {
            let read = self.read(end).await?.bytes.len();
            end += read as u64;
            if read < PART_LEN {
                return Ok(end);
            }
        }
    }

    /// Returns the offset at which the last lines before `end` begin.
    async fn begin_of_lines(&self, end: u64, count: u64) -> Result<u64, Error> {
        let (mut scan, mut from) = (LineScan::new(count), end);
        while from > 0 {
            let length = from.min(READ_LEN_MAX.into());
            from -= length;
            let mut bytes = self.read(from).await?.bytes;
            bytes.truncate(usize::try_from(length).unwrap_or(PART_LEN));
            if let Some(begin) = scan.begin_in(&bytes) {
                return Ok(from + begin as u64);
            }
        }
        Ok(0)
    }

    /// Shows what is between two offsets. Several parts are under way at the same time. Returns the offset of the end, which
    /// comes early if the file has become shorter.
    async fn show(&self, begin: u64, end: u64) -> Result<u64, Error> {
        let mut from = begin;
        while from < end {
            let until = end.min(from.saturating_add(SHOWN_TOGETHER));
            let starts = (from..until).step_by(PART_LEN);
            let parts = starts.map(|offset| PartRequest { path: self.path.clone(), offset }).collect();
            let (failure, shown) = (RefCell::new(None), RefCell::new(from));
            let ask = async |part: &PartRequest| Ok(self.read(part.offset).await);
            let tell = |part: &PartRequest, answer: Result<FilePart, Error>| {
                let is_next = failure.borrow().is_none() && *shown.borrow() == part.offset;
                match answer {
                    Ok(read) if is_next => {
                        let length = usize::try_from(until - part.offset).unwrap_or(PART_LEN);
                        let bytes = &read.bytes[..read.bytes.len().min(length)];
                        *shown.borrow_mut() += bytes.len() as u64;
                        self.print(bytes)
                    }
                    Ok(_) => Ok(()),
                    Err(error) => {
                        failure.borrow_mut().get_or_insert(error);
                        Ok(())
                    }
                }
            };
            each(parts, self.output, ask, tell).await?;
            if let Some(error) = failure.into_inner() {
                return Err(error);
            }
            from = shown.into_inner();
            if from < until {
                break;
            }
        }
        Ok(from)
    }

    /// Shows what is added, until the user ends it.
    async fn follow(&self, mut followed: Followed) -> Result<u8, Error> {
        loop {
            let is_more_there = match self.read(followed.position()).await {
                Ok(part) => {
                    let seen = followed.on_part(&part);
                    self.say(seen.notice);
                    if seen.is_added {
                        self.print(&part.bytes)?;
                    }
                    !seen.is_added || part.bytes.len() == PART_LEN
                }
                Err(error) if error.concerns_one_item() => {
                    if followed.on_failure() {
                        self.output.complain(&format!("{error}; waiting until it can be read again"));
                    }
                    false
                }
                Err(error) => return Err(error),
            };
            if !is_more_there {
                sleep(INTERVAL).await;
            }
        }
    }

    fn say(&self, notice: Option<&str>) {
        if let Some(notice) = notice {
            self.output.complain(&format!("{}: {notice}", self.path));
        }
    }

    /// Standard output may stand still, as a pager does; the session must not.
    fn print(&self, bytes: &[u8]) -> Result<(), Error> {
        block_in_place(|| {
            self.output.print(bytes)?;
            self.output.flush()
        })
    }
}

/// A part of the file that is asked for.
struct PartRequest {
    path: RemotePath,
    offset: u64,
}

impl About for PartRequest {
    fn path(&self) -> &RemotePath {
        &self.path
    }

    /// Reading changes nothing.
    fn is_beside(&self, _: &Self) -> bool {
        true
    }

    /// Eight at a time: 512 KiB under way.
    fn weight(&self) -> usize {
        4
    }
}

/// Parses a number of lines. tail's users also write it with a `-` in front.
fn lines(text: &str) -> Result<u64, String> {
    if text.starts_with('+') {
        return Err(
            "tail counts from the end; for the rest from a line on: cat REMOTE | tail -n +N".to_owned()
        );
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.parse().map_err(|_| "must be a number of lines".to_owned())
}

const LINES_DEFAULT: u64 = 10;
const PART_LEN: usize = READ_LEN_MAX as usize;
/// Bytes for which requests are made together.
const SHOWN_TOGETHER: u64 = 4 * 1024 * 1024;
/// Between two looks at a file that is followed, as with tail: a reader does not notice less, and a server not so much.
const INTERVAL: Duration = Duration::from_secs(1);
