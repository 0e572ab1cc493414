//! The items that a job has asked for: a server gets to write no others, and each once.

use crate::control::Control;
use crate::error::Error;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::engine::{Found, Placed, Sink, Staged, Waiting};
use wire::frame::{Announcement, EntryHead};
use wire::message::OfferedItem;
use wire::receiver::FolderEntry;
use wire::sync::lock;
use wire::verified::VerifiedContent;
use wire::{Failure, FailureCode, RemotePath};

/// Paths that were asked for and have not come to an end, and whether they have come: a server gets to write nothing else,
/// and nothing twice.
#[derive(Default)]
pub(crate) struct Asked(Mutex<HashMap<RemotePath, Come>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Come {
    NotYet,
    /// Something of it is held: the rest comes, or all of it if that is of no use.
    InPart,
    Once,
}

impl Asked {
    fn lock(&self) -> MutexGuard<'_, HashMap<RemotePath, Come>> {
        lock(&self.0)
    }

    pub(crate) fn add(&self, path: &RemotePath) {
        self.lock().insert(path.clone(), Come::NotYet);
    }

    pub(crate) fn take(&self, path: &RemotePath) -> Result<(), Failure> {
        match self.lock().get_mut(path) {
            Some(come @ (Come::NotYet | Come::InPart)) => {
                *come = Come::Once;
                Ok(())
            }
            Some(Come::Once) | None => Err(not_asked()),
        }
    }

    fn is_waited_for(&self, path: &RemotePath) -> bool {
        self.lock().get(path) == Some(&Come::NotYet)
    }

    fn found(&self, path: &RemotePath, come: Come) {
        if let Some(known) = self.lock().get_mut(path) {
            *known = come;
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
pub(crate) struct AskedSink {
    sink: Box<dyn Sink>,
    asked: Arc<Asked>,
    /// A file or link was asked for, and no folder.
    no_folder: bool,
}

impl AskedSink {
    pub(crate) fn new(sink: Box<dyn Sink>, asked: Arc<Asked>) -> Self {
        Self { sink, asked, no_folder: false }
    }

    /// A sink that takes the job's own path, once, and no folder.
    pub(crate) fn one(sink: Box<dyn Sink>) -> Self {
        let asked = Asked::default();
        asked.add(&RemotePath::root());
        Self { no_folder: true, ..Self::new(sink, Arc::new(asked)) }
    }
}

impl Sink for AskedSink {
    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        self.asked.take(&announcement.path)?;
        self.sink.stage(announcement)
    }

    fn look(&self, item: &OfferedItem) -> Found {
        if !self.asked.is_waited_for(&item.path) {
            return Found::Nothing;
        }
        let found = self.sink.look(item);
        match &found {
            Found::Nothing => {}
            Found::All => self.asked.found(&item.path, Come::Once),
            Found::Chunks(..) => self.asked.found(&item.path, Come::InPart),
        }
        found
    }

    fn file(
        &self,
        path: &RemotePath,
        head: &EntryHead,
        content: &VerifiedContent<'_>,
    ) -> Result<Placed, Failure> {
        self.asked.take(path)?;
        self.sink.file(path, head, content)
    }

    fn link(&self, path: &RemotePath, head: &EntryHead, target: &[u8]) -> Result<Placed, Failure> {
        self.asked.take(path)?;
        self.sink.link(path, head, target)
    }

    fn folder(&self, entry: &FolderEntry) -> Result<Placed, Failure> {
        if self.no_folder {
            return Err(not_asked());
        }
        self.asked.take(&entry.path)?;
        self.sink.folder(entry)
    }

    fn commit(&self, batch: Vec<Waiting>, is_over: &dyn Fn() -> bool) -> Vec<Result<(), Failure>> {
        self.sink.commit(batch, is_over)
    }

    fn again(&self, path: &RemotePath) {
        self.asked.found(path, Come::InPart);
        self.sink.again(path);
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
        let (asked, path) = (Asked::default(), RemotePath::root());
        assert!(asked.take(&path).is_err() && !asked.is_waited_for(&path));
        asked.add(&path);
        assert!(asked.is_waited_for(&path));
        asked.found(&path, Come::InPart);
        assert!(!asked.is_waited_for(&path), "it is looked for once");
        assert!(asked.take(&path).is_ok() && asked.take(&path).is_err());
        asked.add(&path);
        asked.found(&path, Come::Once);
        assert!(asked.take(&path).is_err(), "all of it is there");
    }
}
