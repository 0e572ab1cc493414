//! Follows the items of a mirror's job: counts them, gives credit back, and remembers failures.

use crate::error::Error;
use crate::expected_items::ExpectedItems;
use crate::mirror::room::{SHORT_MAX, is_lack_of_room};
use crate::observer::TransferSummary;
use crate::report::{Reporter, is_not_owned};
use crate::requested_job::RequestedJob;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::engine::{Credit, JobEnd, JobObserver, SettledItem};
use wire::message::Totals;
use wire::sync::lock;
use wire::{Failure, FailureCode, RemotePath};

/// The observer of the job's items.
pub(super) struct ItemTracker {
    reporter: Arc<Reporter>,
    pub(super) credit: Credit,
    failed: Mutex<FailedItems>,
    /// The items that were asked for, if a server chooses what it tells of.
    expected: Option<Arc<ExpectedItems>>,
}

/// Items that failed or vanished. Of more than [`FAILED_MAX`] it is only known that there are some.
#[derive(Default)]
pub(super) struct FailedItems {
    /// Those that may be there all the same, so that deletions cannot be decided.
    pub(super) failed: usize,
    pub(super) missed: usize,
    pub(super) paths: HashMap<RemotePath, FailureCode>,
    /// Those that failed for lack of room and were not reported; `None` if they are reported like all others.
    pub(super) short: Option<Vec<(RemotePath, Failure)>>,
}

impl FailedItems {
    fn add(&mut self, path: &RemotePath, code: FailureCode) {
        self.missed += 1;
        self.failed += usize::from(!is_seen(code));
        if self.paths.len() < FAILED_MAX {
            self.paths.insert(path.clone(), code);
        }
    }

    /// Where too many failed, any may have.
    pub(super) fn has(&self, path: &RemotePath) -> bool {
        self.missed > FAILED_MAX || self.paths.contains_key(path)
    }
}

/// True if a failure is no sign of a source that could not be read: the item was seen, and was removed or changed since.
fn is_seen(code: FailureCode) -> bool {
    matches!(code, FailureCode::Vanished | FailureCode::SourceChanged | FailureCode::Skipped)
}

impl ItemTracker {
    pub(super) fn new(
        reporter: Arc<Reporter>,
        expected: Option<Arc<ExpectedItems>>,
        makes_room: bool,
    ) -> Self {
        let short = makes_room.then(Vec::new);
        let failed = Mutex::new(FailedItems { short, ..FailedItems::default() });
        Self { reporter, credit: Credit::default(), failed, expected }
    }

    /// Keeps a failure for lack of room, if there may be more room later.
    fn is_short(&self, item: &SettledItem<'_>) -> bool {
        let mut failed = self.failed();
        match (item.failure, &mut failed.short) {
            (Some(failure), Some(short)) if is_lack_of_room(failure.code) && short.len() < SHORT_MAX => {
                short.push((item.path.clone(), failure.clone()));
                true
            }
            _ => false,
        }
    }

    pub(super) fn failed(&self) -> MutexGuard<'_, FailedItems> {
        lock(&self.failed)
    }

    /// Ends the job with its session's error, if that tells more.
    pub(super) fn end(&self, requested: &mut RequestedJob, end: JobEnd) -> Result<TransferSummary, Error> {
        self.credit.abandon();
        self.reporter.transferred(&requested.control.exchange);
        requested.ended(end)?;
        Ok(self.reporter.summary())
    }
}

impl JobObserver for ItemTracker {
    fn file_started(&self, path: &RemotePath, bytes: Option<u64>) {
        self.reporter.file_started(path, bytes);
    }

    fn progress(&self, path: Option<&RemotePath>, bytes: u64) {
        self.reporter.progress(path, bytes);
    }

    fn already_there(&self, path: Option<&RemotePath>, bytes: u64) {
        self.reporter.already_there(path, bytes);
    }

    fn settled(&self, item: &SettledItem<'_>) {
        let is_asked = self.expected.as_ref().is_none_or(|expected| expected.end(item.path));
        if !is_asked || !self.is_short(item) {
            self.reporter.settled(item);
        }
        if !is_asked {
            return; // a server may tell of anything: it neither fails what was asked for nor makes room for more
        }
        if let Some(failure) = item.failure.filter(|_| !is_not_owned(item)) {
            self.failed().add(item.path, failure.code);
        }
        self.credit.settle(item.path);
    }

    /// A mirror counts itself.
    fn totals(&self, _: Totals) {}
}

/// Paths of failed items that are remembered.
const FAILED_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_what_was_asked_for_comes_once_and_ends_once() {
        let expected = ExpectedItems::default();
        expected.add(&path("a"));
        assert!(expected.take(&path("b")).is_err() && !expected.end(&path("b")));
        assert!(expected.take(&path("a")).is_ok());
        assert!(expected.take(&path("a")).is_err());
        assert!(expected.end(&path("a")) && !expected.end(&path("a")));
    }

    #[test]
    fn what_failed_is_remembered_as_far_as_memory_goes() {
        let mut failed = FailedItems::default();
        for number in 0..FAILED_MAX {
            failed.add(&path(&number.to_string()), FailureCode::Vanished);
        }
        assert!(failed.has(&path("7")) && !failed.has(&path("other")));
        failed.add(&path("one more"), FailureCode::Io);
        assert!(failed.has(&path("other")), "it may be one that was forgotten");
        assert_eq!((failed.failed, failed.missed, failed.paths.len()), (1, FAILED_MAX + 1, FAILED_MAX));
    }
}
