//! From what the engine tells of a job to what the library tells of a transfer, with its counts.

use crate::observer::{FileReport, Observer, Outcome, Summary};
use std::sync::{Arc, Mutex, PoisonError};
use wire::checksum::Checksum;
use wire::engine::Item;
use wire::message::Totals;
use wire::{FailureCode, RemotePath};

/// Hears the engine, counts, and tells an [`Observer`].
pub(crate) struct Reporter {
    observer: Arc<dyn Observer>,
    checksum: Checksum,
    summary: Mutex<Summary>,
}

impl Reporter {
    pub(crate) fn new(observer: Arc<dyn Observer>, checksum: Checksum) -> Arc<Self> {
        Arc::new(Self { observer, checksum, summary: Mutex::default() })
    }

    /// The counts so far.
    pub(crate) fn summary(&self, bytes_transferred: u64) -> Summary {
        Summary { bytes_transferred, ..*self.summary.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl wire::engine::Observer for Reporter {
    fn begun(&self, path: &RemotePath, bytes: Option<u64>) {
        self.observer.file_started(path, bytes);
    }

    fn progress(&self, path: Option<&RemotePath>, bytes: u64) {
        self.observer.progress(path, bytes);
    }

    fn settled(&self, item: &Item<'_>) {
        let outcome = match item.failure {
            None => Outcome::Done,
            Some(failure) if failure.code == FailureCode::Skipped => Outcome::Skipped,
            Some(failure) => Outcome::Failed(failure),
        };
        {
            let mut summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Outcome::Done => {
                    summary.files += u64::from(!item.folder);
                    summary.bytes += item.bytes;
                }
                Outcome::Skipped => summary.skipped += 1,
                Outcome::Failed(failure) => {
                    summary.failed += 1;
                    summary.gravest = graver(summary.gravest, failure.code);
                }
            }
        }
        let digest = item.digest.map(|digest| (self.checksum, digest));
        self.observer.file_finished(&FileReport {
            path: item.path,
            folder: item.folder,
            bytes: item.bytes,
            digest,
            outcome,
        });
    }

    fn totals(&self, totals: Totals) {
        self.observer.totals(totals.files, totals.bytes, totals.complete);
    }
}

/// The failure that says more about the whole run: its storage, then its integrity, then whatever came first.
fn graver(known: Option<FailureCode>, new: FailureCode) -> Option<FailureCode> {
    let stops =
        |code| matches!(code, FailureCode::NoSpace | FailureCode::QuotaExceeded | FailureCode::ReadOnly);
    let rank = |code: FailureCode| (stops(code), code == FailureCode::Integrity);
    match known {
        Some(known) if rank(known) >= rank(new) => Some(known),
        _ => Some(new),
    }
}
