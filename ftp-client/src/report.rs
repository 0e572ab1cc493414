//! From what the engine tells of a job to what the library tells of a transfer, with its counts.

use crate::error::graver;
use crate::observer::{FileOutcome, FileReport, TransferObserver, TransferSummary};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use wire::checksum::Checksum;
use wire::engine::SettledItem;
use wire::message::Totals;
use wire::sync::lock;
use wire::{FailureCode, RemotePath};

/// Hears the engine, counts, and tells an [`TransferObserver`].
pub(crate) struct Reporter {
    observer: Arc<dyn TransferObserver>,
    checksum: Checksum,
    summary: Mutex<TransferSummary>,
    /// Items that were reported: one whose acknowledgement was lost with its connection comes twice.
    reported: Mutex<HashSet<u64>>,
    /// An earlier attempt of this run has reported what is there already.
    repeated: AtomicBool,
}

impl Reporter {
    pub(crate) fn new(observer: Arc<dyn TransferObserver>, checksum: Checksum) -> Arc<Self> {
        Arc::new(Self {
            observer,
            checksum,
            summary: Mutex::default(),
            reported: Mutex::default(),
            repeated: AtomicBool::new(false),
        })
    }

    /// Another attempt begins.
    pub(crate) fn begin(&self) {
        let before = !lock(&self.reported).is_empty() || lock(&self.summary).bytes_transferred > 0;
        self.repeated.store(before, Ordering::Relaxed);
    }

    /// An attempt has moved so many bytes over lanes.
    pub(crate) fn transferred(&self, bytes: u64) {
        lock(&self.summary).bytes_transferred += bytes;
    }

    /// True if no item has come to an end.
    pub(crate) fn is_idle(&self) -> bool {
        let summary = lock(&self.summary);
        summary.files + summary.skipped + summary.vanished + summary.failed == 0
    }

    /// True if this path is reported for the first time.
    fn is_new(&self, path: &RemotePath) -> bool {
        let hash = blake3::hash(path.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        lock(&self.reported).insert(u64::from_le_bytes(number))
    }

    /// Times and permissions of somebody else's folder or file stay as they are.
    pub(crate) fn not_owned(&self, path: &RemotePath) {
        if self.is_new(path) {
            lock(&self.summary).not_owned += 1;
        }
    }

    /// The counts so far.
    pub(crate) fn summary(&self) -> TransferSummary {
        *lock(&self.summary)
    }
}

impl wire::engine::JobObserver for Reporter {
    fn file_started(&self, path: &RemotePath, bytes: Option<u64>) {
        self.observer.file_started(path, bytes);
    }

    fn progress(&self, path: Option<&RemotePath>, bytes: u64) {
        self.observer.progress(path, bytes);
    }

    fn already_there(&self, path: Option<&RemotePath>, bytes: u64) {
        if !self.repeated.load(Ordering::Relaxed) {
            self.observer.held(path, bytes);
        }
    }

    fn settled(&self, item: &SettledItem<'_>) {
        if !self.is_new(item.path) {
            return;
        }
        let outcome = match item.failure {
            None => FileOutcome::Done,
            Some(_) if is_not_owned(item) => {
                lock(&self.summary).not_owned += 1;
                FileOutcome::Done
            }
            Some(failure) if failure.code == FailureCode::Skipped => FileOutcome::Skipped,
            // What was asked for by its name has to be there.
            Some(failure) if failure.code == FailureCode::Vanished && !item.path.is_root() => {
                FileOutcome::Vanished
            }
            Some(failure) if failure.code == FailureCode::LeftOut && !item.path.is_root() => {
                FileOutcome::LeftOut
            }
            Some(failure) => FileOutcome::Failed(failure),
        };
        {
            let mut summary = lock(&self.summary);
            match outcome {
                FileOutcome::Done => {
                    summary.files += u64::from(!item.folder);
                    summary.as_is += u64::from(item.as_is);
                    summary.bytes += item.bytes;
                }
                FileOutcome::Skipped | FileOutcome::LeftOut => summary.skipped += 1,
                FileOutcome::Vanished => summary.vanished += 1,
                FileOutcome::Failed(failure) => {
                    summary.failed += 1;
                    summary.gravest = graver(summary.gravest, Some(failure.code));
                }
            }
        }
        let digest = item.digest.map(|digest| (self.checksum, digest));
        self.observer.file_finished(&FileReport {
            path: item.path,
            folder: item.folder,
            bytes: item.bytes,
            digest,
            as_is: item.as_is,
            outcome,
        });
    }

    fn totals(&self, totals: Totals) {
        self.observer.totals(totals.files, totals.bytes, totals.complete);
    }
}

/// True for a folder that has all that was sent, but is somebody else's: only the owner may change its metadata.
pub(crate) fn is_not_owned(item: &SettledItem<'_>) -> bool {
    item.folder && item.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::NotOwner)
}
