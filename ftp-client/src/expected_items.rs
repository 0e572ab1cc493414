//! Restricts a download to the items that were requested. A hostile server can neither write other paths nor send an item twice.

use crate::control::Control;
use crate::error::Error;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::frame::{Announcement, EntryHead};
use wire::message::OfferedItem;
use wire::receiver::FolderEntry;
use wire::store::{PendingCommit, Placed, ResumeState, Sink, SourceFile, Staged};
use wire::sync::lock;
use wire::verified::VerifiedContent;
use wire::{Failure, FailureCode, RemotePath};

/// Paths that were requested and have not ended, and whether they have arrived. A server can write no other path,
/// and none twice.
#[derive(Default)]
pub(crate) struct ExpectedItems(Mutex<HashMap<RemotePath, Arrival>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    Pending,
    /// Some of its chunks are here: the rest arrives, or all of it if they are of no use.
    Partial,
    Complete,
}

impl ExpectedItems {
    fn lock(&self) -> MutexGuard<'_, HashMap<RemotePath, Arrival>> {
        lock(&self.0)
    }

    pub(crate) fn add(&self, path: &RemotePath) {
        self.lock().insert(path.clone(), Arrival::Pending);
    }

    pub(crate) fn take(&self, path: &RemotePath) -> Result<(), Failure> {
        match self.lock().get_mut(path) {
            Some(arrival @ (Arrival::Pending | Arrival::Partial)) => {
                *arrival = Arrival::Complete;
                Ok(())
            }
            Some(Arrival::Complete) | None => Err(not_asked()),
        }
    }

    fn is_waited_for(&self, path: &RemotePath) -> bool {
        self.lock().get(path) == Some(&Arrival::Pending)
    }

    /// True if it may still come, whole or in part.
    fn may_come(&self, path: &RemotePath) -> bool {
        matches!(self.lock().get(path), Some(Arrival::Pending | Arrival::Partial))
    }

    fn found(&self, path: &RemotePath, arrival: Arrival) {
        if let Some(known) = self.lock().get_mut(path) {
            *known = arrival;
        }
    }

    /// It has come to an end; false if it was not asked for.
    pub(crate) fn end(&self, path: &RemotePath) -> bool {
        self.lock().remove(path).is_some()
    }
}

fn not_asked() -> Failure {
    Failure::new(FailureCode::BadState, "was not asked for")
}

/// The error for a job that ended as if all were done, and was not.
pub(crate) fn not_all(control: &Control) -> Error {
    Error::Protocol {
        address: control.address.clone(),
        reason: "a job that ended before all that was asked for came".to_owned(),
    }
}

/// Takes only what was asked for.
pub(crate) struct AllowListSink {
    sink: Box<dyn Sink>,
    expected: Arc<ExpectedItems>,
    /// A file or link was asked for, and no folder.
    no_folder: bool,
}

impl AllowListSink {
    pub(crate) fn new(sink: Box<dyn Sink>, expected: Arc<ExpectedItems>) -> Self {
        Self { sink, expected, no_folder: false }
    }

    /// A sink that takes the job's own path, once, and no folder.
    pub(crate) fn one(sink: Box<dyn Sink>) -> Self {
        let expected = ExpectedItems::default();
        expected.add(&RemotePath::root());
        Self { no_folder: true, ..Self::new(sink, Arc::new(expected)) }
    }
}

impl Sink for AllowListSink {
    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        self.expected.take(&announcement.path)?;
        self.sink.stage(announcement)
    }

    fn look(&self, item: &OfferedItem) -> ResumeState {
        if !self.expected.is_waited_for(&item.path) {
            return ResumeState::None;
        }
        let found = self.sink.look(item);
        match &found {
            ResumeState::None => {}
            ResumeState::Complete => self.expected.found(&item.path, Arrival::Complete),
            ResumeState::Partial(..) => self.expected.found(&item.path, Arrival::Partial),
        }
        found
    }

    fn file(
        &self,
        path: &RemotePath,
        head: &EntryHead,
        content: &VerifiedContent<'_>,
    ) -> Result<Placed, Failure> {
        self.expected.take(path)?;
        self.sink.file(path, head, content)
    }

    fn link(&self, path: &RemotePath, head: &EntryHead, target: &[u8]) -> Result<Placed, Failure> {
        self.expected.take(path)?;
        self.sink.link(path, head, target)
    }

    fn folder(&self, entry: &FolderEntry) -> Result<Placed, Failure> {
        if self.no_folder {
            return Err(not_asked());
        }
        self.expected.take(&entry.path)?;
        self.sink.folder(entry)
    }

    fn commit(&self, batch: Vec<PendingCommit>, is_over: &dyn Fn() -> bool) -> Vec<Result<(), Failure>> {
        self.sink.commit(batch, is_over)
    }

    fn again(&self, path: &RemotePath) {
        self.expected.found(path, Arrival::Partial);
        self.sink.again(path);
    }

    fn old_len(&self, item: &OfferedItem) -> Option<u64> {
        if self.expected.may_come(&item.path) { self.sink.old_len(item) } else { None }
    }

    fn open_old(&self, path: &RemotePath) -> Option<Box<dyn SourceFile>> {
        if self.expected.may_come(path) { self.sink.open_old(path) } else { None }
    }

    fn check_place(&self) -> Result<(), Failure> {
        self.sink.check_place()
    }

    fn sync_found(&self) -> Result<(), Failure> {
        self.sink.sync_found()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_in_part_may_come_whole_and_once() {
        let (expected, path) = (ExpectedItems::default(), RemotePath::root());
        assert!(expected.take(&path).is_err() && !expected.is_waited_for(&path));
        expected.add(&path);
        assert!(expected.is_waited_for(&path));
        expected.found(&path, Arrival::Partial);
        assert!(!expected.is_waited_for(&path), "it is looked for once");
        assert!(expected.take(&path).is_ok() && expected.take(&path).is_err());
        expected.add(&path);
        expected.found(&path, Arrival::Complete);
        assert!(expected.take(&path).is_err(), "all of it is there");
    }
}
