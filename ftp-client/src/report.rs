//! Turns the events of a job into those of a transfer, and counts its items.

use crate::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver, TransferSummary};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use wire::checksum::Checksum;
use wire::engine::{Exchange, SettledItem};
use wire::message::Totals;
use wire::sync::lock;
use wire::{FailureCode, RemotePath};

/// Counts the items of jobs, and reports them to a [`TransferObserver`].
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

    /// Counts what an attempt has moved over lanes.
    pub(crate) fn transferred(&self, exchange: &Exchange) {
        let mut summary = lock(&self.summary);
        summary.bytes_transferred += exchange.count_transferred_bytes();
        let compressed = exchange.count_compressed_bytes();
        summary.bytes_compressed += compressed.contents;
        summary.bytes_saved += compressed.saved;
        summary.bytes_copied += compressed.copied;
    }

    /// True if no item has come to an end.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.summary).items() == 0
    }

    /// Returns true if this path is reported for the first time, as far as paths are remembered.
    fn is_new(&self, path: &RemotePath) -> bool {
        let hash = blake3::hash(path.as_bytes());
        let mut number = [0; 8];
        number.copy_from_slice(&hash.as_bytes()[..8]);
        let number = u64::from_le_bytes(number);
        let mut reported = lock(&self.reported);
        if reported.len() < REPORTED_MAX { reported.insert(number) } else { !reported.contains(&number) }
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
        self.observer.on_event(&TransferEvent::FileStarted { path, bytes });
    }

    fn progress(&self, path: Option<&RemotePath>, bytes: u64) {
        self.observer.on_event(&TransferEvent::Progress { path, bytes });
    }

    fn already_there(&self, path: Option<&RemotePath>, bytes: u64) {
        if !self.repeated.load(Ordering::Relaxed) {
            self.observer.on_event(&TransferEvent::AlreadyThere { path, bytes });
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
        let report = FileReport {
            path: item.path,
            folder: item.folder,
            bytes: item.bytes,
            digest: item.digest.map(|digest| (self.checksum, digest)),
            as_is: item.as_is,
            outcome,
        };
        lock(&self.summary).count(&report);
        self.observer.on_event(&TransferEvent::FileFinished(report));
    }

    fn totals(&self, totals: Totals) {
        self.observer.on_event(&TransferEvent::Totals(totals));
    }
}

/// True for a folder that has all that was sent, but is somebody else's: only the owner may change its metadata.
pub(crate) fn is_not_owned(item: &SettledItem<'_>) -> bool {
    item.folder && item.failure.as_ref().is_some_and(|failure| failure.code == FailureCode::NotOwner)
}

/// Paths that are remembered, in at most some 80 MB of memory. If the connection of a transfer of more items is lost, the
/// outcome of items that are not remembered may be reported and counted once more.
const REPORTED_MAX: usize = 1 << 22;
