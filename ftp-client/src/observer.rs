//! The events of a transfer while it runs. Observers are called from several threads; implementations must be quick.

use wire::checksum::{Checksum, Digest};
use wire::{Failure, RemotePath};

/// Hears of a transfer's progress.
pub trait TransferObserver: Send + Sync {
    /// How much there is to do, as far as it has been counted; `complete` once all has been.
    fn totals(&self, files: u64, bytes: u64, complete: bool);
    /// A large file has begun; `bytes` is `None` for a stream of unknown length.
    fn file_started(&self, path: &RemotePath, bytes: Option<u64>);
    /// So many bytes of content were verified; of the large file `path`, or of small files.
    fn progress(&self, path: Option<&RemotePath>, bytes: u64);
    /// So many bytes of content were there already: an earlier attempt has brought them.
    fn held(&self, path: Option<&RemotePath>, bytes: u64) {
        self.progress(path, bytes);
    }
    /// A file, folder or link is done.
    fn file_finished(&self, report: &FileReport<'_>);
}

/// The report of a file, folder or link that ended.
#[derive(Debug)]
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
    /// The failure that decides the exit code if `failed` is not 0: the gravest.
    pub gravest: Option<wire::FailureCode>,
}

/// Ignores all events.
#[derive(Debug, Clone, Copy)]
pub struct NoopTransferObserver;

impl TransferObserver for NoopTransferObserver {
    fn totals(&self, _: u64, _: u64, _: bool) {}
    fn file_started(&self, _: &RemotePath, _: Option<u64>) {}
    fn progress(&self, _: Option<&RemotePath>, _: u64) {}
    fn file_finished(&self, _: &FileReport<'_>) {}
}
