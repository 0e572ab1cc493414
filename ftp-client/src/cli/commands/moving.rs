//! `--remove-source`: remembers which items of a transfer have a target, and has their sources removed at its end.

use crate::cli::output::MirrorWatcher;
use ftp_client::mirror::{DeleteRefusal, MirrorAction, MirrorListener, MirrorOutcome, MirrorRequest};
use ftp_client::observer::{FileOutcome, TransferEvent, TransferObserver, TransferSummary};
use ftp_client::source_removal::TransferEnds;
use ftp_client::{Error, Session};
use std::sync::{Arc, Mutex};
use wire::sync::lock;
use wire::{Failure, FailureCode, RemotePath};

/// Passes events on, and remembers files and links that were sent or are there already.
pub(super) struct MovedItems<O: ?Sized> {
    observer: Arc<O>,
    moved: Mutex<Vec<MovedItem>>,
}

/// A file or link.
struct MovedItem {
    path: RemotePath,
    /// It was left alone, so the target may be another.
    is_skipped: bool,
}

impl<O: TransferObserver + ?Sized> MovedItems<O> {
    pub(super) fn of(observer: Arc<O>) -> Arc<Self> {
        Arc::new(Self { observer, moved: Mutex::default() })
    }

    /// Removes the sources. Returns the counts of the transfer, with those that could not be removed.
    pub(super) async fn remove_sources(
        &self,
        session: &Session,
        ends: &TransferEnds,
        mut summary: TransferSummary,
    ) -> Result<TransferSummary, Error> {
        let moved = std::mem::take(&mut *lock(&self.moved));
        let (skipped, sent): (Vec<_>, Vec<_>) = moved.into_iter().partition(|item| item.is_skipped);
        for (items, must_be_equal) in [(sent, true), (skipped, false)] {
            let paths = items.into_iter().map(|item| item.path).collect();
            let report = |path: &RemotePath, removed: Result<(), Failure>| match &removed {
                Ok(()) => self.observer.on_event(&TransferEvent::SourceRemoved { path }),
                // The rule has kept a target that is another file.
                Err(failure) if !must_be_equal && failure.code == FailureCode::Drifted => {}
                Err(failure) => {
                    summary.failed += 1;
                    summary.gravest.get_or_insert(failure.code);
                    self.observer.on_event(&TransferEvent::SourceKept { path, failure });
                }
            };
            session.remove_sources(ends, paths, report).await?;
        }
        Ok(summary)
    }
}

impl<O: TransferObserver + ?Sized> TransferObserver for MovedItems<O> {
    fn on_event(&self, event: &TransferEvent<'_>) {
        if let TransferEvent::FileFinished(report) = event
            && !report.folder
            && !report.as_is
            && matches!(report.outcome, FileOutcome::Done | FileOutcome::Skipped)
        {
            let is_skipped = report.outcome == FileOutcome::Skipped;
            lock(&self.moved).push(MovedItem { path: report.path.clone(), is_skipped });
        }
        self.observer.on_event(event);
    }
}

/// Makes a mirror, and removes the sources of what it sent.
pub(super) async fn mirror(
    session: &Session,
    request: MirrorRequest,
    watcher: Arc<MirrorWatcher>,
    ends: &TransferEnds,
) -> Result<MirrorOutcome, Error> {
    let moved = MovedItems::of(watcher);
    let mut outcome = session.mirror(request, Arc::clone(&moved) as Arc<dyn MirrorListener>).await?;
    outcome.summary.transfer = moved.remove_sources(session, ends, outcome.summary.transfer).await?;
    Ok(outcome)
}

impl MirrorListener for MovedItems<MirrorWatcher> {
    fn planned(&self, action: &MirrorAction) -> Result<(), Error> {
        self.observer.planned(action)
    }

    fn done(&self, action: &MirrorAction) {
        self.observer.done(action);
    }

    fn not_deleted(&self, count: u64) {
        self.observer.not_deleted(count);
    }

    fn refused(&self, refusal: DeleteRefusal) {
        self.observer.refused(refusal);
    }
}
