//! Observes a transfer that is only planned: shows what would be sent.

use super::Output;
use super::mirror::{event, line_of};
use super::tally::Tally;
use super::watcher::Watcher;
use crate::cli::places::joined;
use ftp_client::Error;
use ftp_client::mirror::{DeleteRefusal, MirrorAction, MirrorListener};
use ftp_client::observer::{TransferEvent, TransferObserver};
use std::sync::Arc;

/// The listener of a planned transfer.
pub(crate) struct PreviewWatcher {
    watcher: Watcher,
    output: Arc<Output>,
    /// The source, in front of the items' paths.
    source: Vec<u8>,
}

impl PreviewWatcher {
    pub(crate) fn new(output: &Arc<Output>, source: Vec<u8>) -> Self {
        let watcher = Watcher::new(&Arc::new(Tally::of_jobs(1)), output, 0, source.clone());
        Self { watcher, output: Arc::clone(output), source }
    }
}

impl TransferObserver for PreviewWatcher {
    fn on_event(&self, event: &TransferEvent<'_>) {
        self.watcher.on_event(event);
    }
}

impl MirrorListener for PreviewWatcher {
    fn planned(&self, action: &MirrorAction) -> Result<(), Error> {
        let path = joined(&self.source, action.path().as_bytes());
        if self.output.json() {
            self.output.event(event("planned", action, &path));
            Ok(())
        } else if self.output.quiet() {
            Ok(())
        } else {
            self.output.print(format!("{}\n", line_of(action, &path)).as_bytes())
        }
    }

    fn done(&self, _: &MirrorAction) {}

    fn not_deleted(&self, _: u64) {}

    fn refused(&self, _: DeleteRefusal) {}
}
