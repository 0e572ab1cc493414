//! Passes on to a mirror's listener what its jobs tell.

use super::MirrorListener;
use crate::observer::{FileReport, TransferObserver};
use crate::report::Reporter;
use std::sync::Arc;
use wire::RemotePath;
use wire::checksum::Checksum;

/// The reporter of a mirror's jobs.
pub(crate) fn reporter(listener: &Arc<dyn MirrorListener>, checksum: Checksum) -> Arc<Reporter> {
    Reporter::new(Arc::new(Relay(listener.clone())), checksum)
}

/// Passes on everything but totals, which the mirror counts itself.
struct Relay(Arc<dyn MirrorListener>);

impl TransferObserver for Relay {
    fn totals(&self, _: u64, _: u64, _: bool) {}

    fn file_started(&self, path: &RemotePath, bytes: Option<u64>) {
        self.0.file_started(path, bytes);
    }

    fn progress(&self, path: Option<&RemotePath>, bytes: u64) {
        self.0.progress(path, bytes);
    }

    fn held(&self, path: Option<&RemotePath>, bytes: u64) {
        self.0.held(path, bytes);
    }

    fn file_finished(&self, report: &FileReport<'_>) {
        self.0.file_finished(report);
    }
}
