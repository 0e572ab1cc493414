//! The events of a transfer while it runs. Observers are called from several threads; implementations must be quick.

use crate::error::graver;
use wire::checksum::{Checksum, Digest};
use wire::message::Totals;
use wire::{Failure, RemotePath};

/// Receives the events of a transfer.
pub trait TransferObserver: Send + Sync {
    /// Called for each event.
    fn on_event(&self, event: &TransferEvent<'_>);
}

/// An event of a transfer.
#[derive(Debug, Clone, Copy)]
pub enum TransferEvent<'a> {
    /// How much there is to do, as far as it has been counted.
    Totals(Totals),
    /// A large file has begun.
    FileStarted {
        /// Its path, below the path that was asked for.
        path: &'a RemotePath,
        /// Its length; `None` for a stream of unknown length.
        bytes: Option<u64>,
    },
    /// Content was verified.
    Progress {
        /// The large file that it belongs to; `None` for small files.
        path: Option<&'a RemotePath>,
        /// Its length.
        bytes: u64,
    },
    /// Content was there already: an earlier attempt has brought it.
    AlreadyThere {
        /// The large file that it belongs to; `None` for whole files.
        path: Option<&'a RemotePath>,
        /// Its length.
        bytes: u64,
    },
    /// A file, folder or link has ended.
    FileFinished(FileReport<'a>),
    /// The source of an item was removed, after its target was proven.
    SourceRemoved {
        /// The item's path, below the path that was asked for.
        path: &'a RemotePath,
    },
    /// The source of an item was to be removed, and stays.
    SourceKept {
        /// The item's path, below the path that was asked for.
        path: &'a RemotePath,
        /// The reason.
        failure: &'a Failure,
    },
}

impl<'a> TransferEvent<'a> {
    /// Returns the path of the event's item, if it concerns one.
    pub fn path(&self) -> Option<&'a RemotePath> {
        match *self {
            Self::Totals(_) => None,
            Self::FileStarted { path, .. } | Self::SourceRemoved { path } | Self::SourceKept { path, .. } => {
                Some(path)
            }
            Self::Progress { path, .. } | Self::AlreadyThere { path, .. } => path,
            Self::FileFinished(report) => Some(report.path),
        }
    }

    /// Returns the event with another path of its item. Totals have none.
    #[must_use]
    pub fn at(self, path: &'a RemotePath) -> Self {
        match self {
            Self::Totals(_) => self,
            Self::FileStarted { bytes, .. } => Self::FileStarted { path, bytes },
            Self::Progress { bytes, .. } => Self::Progress { path: Some(path), bytes },
            Self::AlreadyThere { bytes, .. } => Self::AlreadyThere { path: Some(path), bytes },
            Self::FileFinished(report) => Self::FileFinished(FileReport { path, ..report }),
            Self::SourceRemoved { .. } => Self::SourceRemoved { path },
            Self::SourceKept { failure, .. } => Self::SourceKept { path, failure },
        }
    }
}

/// The report of a file, folder or link that ended.
#[derive(Debug, Clone, Copy)]
pub struct FileReport<'a> {
    /// Where it is, below the path that was asked for.
    pub path: &'a RemotePath,
    /// True for folders: scripts count files and links only.
    pub folder: bool,
    /// Length of its content.
    pub bytes: u64,
    /// Root digest of its content, where it is a file and was transferred.
    pub digest: Option<(Checksum, Digest)>,
    /// It changed while it was read: it is what was read.
    pub as_is: bool,
    /// The outcome.
    pub outcome: FileOutcome<'a>,
}

impl<'a> FileReport<'a> {
    /// Returns the report of an item that has no content in its place.
    pub fn without_content(path: &'a RemotePath, outcome: FileOutcome<'a>) -> Self {
        Self { path, folder: false, bytes: 0, digest: None, as_is: false, outcome }
    }
}

/// The outcome of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileOutcome<'a> {
    /// It is in its place, verified.
    Done,
    /// It was left alone, as asked (`--overwrite`).
    Skipped,
    /// It was removed before it could be read: it counts as not there.
    Vanished,
    /// It is a pipe, socket or device, which is never sent.
    LeftOut,
    /// It could not be read, sent or published; what was there before is untouched.
    Failed(&'a Failure),
}

/// Counts of a finished transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferSummary {
    /// Files and links in their place.
    pub files: u64,
    /// Files and links left alone, as asked, and pipes, sockets and devices, which are never sent.
    pub skipped: u64,
    /// Those of `files` that changed while they were read, and are what was read.
    pub as_is: u64,
    /// Items that were removed before they could be read.
    pub vanished: u64,
    /// Items that failed.
    pub failed: u64,
    /// Folders and files of other users of the target's system, whose times and permissions stay as they are.
    pub not_owned: u64,
    /// Bytes of content of `files`.
    pub bytes: u64,
    /// Bytes that went over lanes in this run.
    pub bytes_transferred: u64,
    /// Bytes of content that went over lanes compressed.
    pub bytes_compressed: u64,
    /// By how many bytes they were shorter.
    pub bytes_saved: u64,
    /// Bytes of content that were copied from the files that were replaced.
    pub bytes_copied: u64,
    /// The failure that decides the exit code if `failed` is not 0: the gravest.
    pub gravest: Option<wire::FailureCode>,
}

impl TransferSummary {
    /// Counts an item.
    pub fn count(&mut self, report: &FileReport<'_>) {
        match report.outcome {
            FileOutcome::Done if report.folder => {}
            FileOutcome::Done => {
                self.files += 1;
                self.as_is += u64::from(report.as_is);
                self.bytes += report.bytes;
            }
            FileOutcome::Skipped | FileOutcome::LeftOut => self.skipped += 1,
            FileOutcome::Vanished => self.vanished += 1,
            FileOutcome::Failed(failure) => {
                self.failed += 1;
                self.gravest = graver(self.gravest, Some(failure.code));
            }
        }
    }

    /// Adds the counts of another transfer.
    pub fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.skipped += other.skipped;
        self.as_is += other.as_is;
        self.vanished += other.vanished;
        self.failed += other.failed;
        self.not_owned += other.not_owned;
        self.bytes += other.bytes;
        self.bytes_transferred += other.bytes_transferred;
        self.bytes_compressed += other.bytes_compressed;
        self.bytes_saved += other.bytes_saved;
        self.bytes_copied += other.bytes_copied;
        self.gravest = graver(self.gravest, other.gravest);
    }

    /// Returns the number of items that have ended.
    pub fn items(&self) -> u64 {
        self.files + self.skipped + self.vanished + self.failed
    }
}

/// Ignores all events.
#[derive(Debug, Clone, Copy)]
pub struct NoopTransferObserver;

impl TransferObserver for NoopTransferObserver {
    fn on_event(&self, _: &TransferEvent<'_>) {}
}
