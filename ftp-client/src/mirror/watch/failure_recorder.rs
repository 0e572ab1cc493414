//! The events of a run that a watch needs: failures and refusals. All else goes to whoever listens.

use super::agenda::Report;
use crate::error::Error;
use crate::mirror::{DeleteRefusal, MirrorAction, MirrorListener};
use crate::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use wire::sync::lock;
use wire::{Failure, FailureCode, RemotePath};

/// Listens to a run.
pub(super) struct FailureRecorder {
    listener: Arc<dyn MirrorListener>,
    /// The folder that is compared. In a part of the tree, what is refused may be right in the whole.
    scope: RemotePath,
    made_scope: AtomicBool,
    report: Mutex<Report>,
}

impl FailureRecorder {
    pub(super) fn new(listener: Arc<dyn MirrorListener>, scope: RemotePath) -> Self {
        Self { listener, scope, made_scope: AtomicBool::new(false), report: Mutex::default() }
    }

    /// True if the target did not have the folder, and it is not the whole.
    pub(super) fn made_scope(&self) -> bool {
        self.made_scope.load(Ordering::Relaxed)
    }

    /// Returns the report of a run that took so long.
    pub(super) fn report(&self, took: Duration) -> Report {
        Report { took, ..std::mem::take(&mut *self.lock()) }
    }

    /// A failed item is tried again with the folder that it is in. A pipe or socket stays one.
    fn note(&self, path: &RemotePath, failure: &Failure) {
        if failure.code != FailureCode::SpecialFile {
            self.lock().failed.add(path.split_last().map(|(folder, _)| folder).unwrap_or_default());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        lock(&self.report)
    }
}

impl TransferObserver for FailureRecorder {
    fn on_event(&self, event: &TransferEvent<'_>) {
        if let TransferEvent::FileFinished(FileReport {
            path, outcome: FileOutcome::Failed(failure), ..
        }) = event
        {
            self.note(path, failure);
        }
        self.listener.on_event(event);
    }
}

impl MirrorListener for FailureRecorder {
    fn planned(&self, action: &MirrorAction) -> Result<(), Error> {
        if matches!(action, MirrorAction::Folder { .. })
            && *action.path() == self.scope
            && !self.scope.is_root()
        {
            self.made_scope.store(true, Ordering::Relaxed);
        }
        self.listener.planned(action)
    }

    fn done(&self, action: &MirrorAction) {
        self.listener.done(action);
    }

    fn not_deleted(&self, count: u64) {
        self.lock().held_back = true;
        self.listener.not_deleted(count);
    }

    fn refused(&self, refusal: DeleteRefusal) {
        if self.scope.is_root() {
            self.listener.refused(refusal);
        }
    }
}
