//! Observes a comparison: each difference is a line, or an event.

use super::Output;
use super::mirror::{event, line, named};
use super::tally::Tally;
use super::watcher::Watcher;
use ftp_client::Error;
use ftp_client::mirror::{DeleteRefusal, MirrorAction, MirrorListener};
use ftp_client::observer::{TransferEvent, TransferObserver};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The listener of a comparison.
pub(crate) struct CheckWatcher {
    watcher: Watcher,
    output: Arc<Output>,
    /// Times and permissions are not compared.
    content_only: bool,
    differences: AtomicU64,
    /// Differences that only were of times and permissions, where these are not compared.
    ignored: AtomicU64,
}

impl CheckWatcher {
    pub(crate) fn new(output: &Arc<Output>, content_only: bool) -> Self {
        let watcher = Watcher::new(&Arc::new(Tally::of_jobs(1)), output, 0, Vec::new());
        let (differences, ignored) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { watcher, output: Arc::clone(output), content_only, differences, ignored }
    }

    pub(crate) fn differences(&self) -> u64 {
        self.differences.load(Relaxed)
    }

    /// Entries that are equal but for what is not compared.
    pub(crate) fn ignored(&self) -> u64 {
        self.ignored.load(Relaxed)
    }
}

impl TransferObserver for CheckWatcher {
    fn on_event(&self, event: &TransferEvent<'_>) {
        self.watcher.on_event(event);
    }
}

impl MirrorListener for CheckWatcher {
    fn planned(&self, action: &MirrorAction) -> Result<(), Error> {
        if self.content_only && matches!(action, MirrorAction::Metadata { .. }) {
            self.ignored.fetch_add(1, Relaxed);
            return Ok(());
        }
        self.differences.fetch_add(1, Relaxed);
        if self.output.json() {
            self.output.event(event("difference", action, &named(action.path())));
        } else if !self.output.quiet() {
            self.output.print(format!("{}\n", line(action)).as_bytes())?;
        }
        Ok(())
    }

    fn done(&self, _: &MirrorAction) {}

    fn not_deleted(&self, count: u64) {
        self.output.complain(&format!(
            "{count} entries of TARGET may be in SOURCE or not: some of SOURCE could not be read"
        ));
    }

    fn refused(&self, _: DeleteRefusal) {}
}
