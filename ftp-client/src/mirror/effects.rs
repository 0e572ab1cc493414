//! The effects of a mirror's decisions: changes of the target, or only words about them.

use super::action::MirrorAction;
use super::deferred::FolderMetadata;
use super::{MirrorListener, MirrorSummary};
use crate::error::Error;
use std::sync::Arc;
use wire::checksum::Digest;
use wire::fidelity::FidelityReport;
use wire::message::Entry;
use wire::{Failure, RemotePath};

/// Does what was decided. All methods may block; an error ends the run, a failed item does not.
pub(crate) trait Effects {
    /// Does this, or begins to; false if it is not to be done. A folder's metadata is set when it is left.
    fn act(&mut self, action: MirrorAction) -> Result<bool, Error>;
    /// All of a folder of the source was seen: makes it if it is missing, and sets its metadata.
    fn leave(&mut self, folder: &Entry) -> Result<(), Error>;
    /// Sets a folder's metadata once more.
    fn touch(&mut self, path: RemotePath, touch: FolderMetadata) -> Result<(), Error>;
    /// Sets owner and attributes of the mirrored folder itself, if they are carried.
    fn own(&mut self, folder: &Entry) -> Result<(), Error>;
    /// A folder of the target is read-only: it is opened for the time if something in it is changed. Its metadata is set
    /// once more in any case then.
    fn read_only(&mut self, folder: &Entry);
    /// A folder of the target is open to others than the source's: it gets these permissions before something in or below it is changed. Its
    /// metadata is set once more in any case.
    fn narrow(&mut self, _folder: &Entry) {}
    /// All was compared: beside what was chosen so far, only so many files with so many bytes may still be sent.
    fn counted(&mut self, files: u64, bytes: u64);
    /// Waits until all that was begun is done.
    fn settle(&mut self) -> Result<(), Error>;
    /// Something could not be looked at, or not be carried.
    fn failed(&mut self, path: &RemotePath, failure: &Failure);
    /// Something of the source was removed before it could be looked at.
    fn vanished(&mut self, path: &RemotePath);
    /// A pipe, socket or device of the source, which is not sent.
    fn left_out(&mut self, path: &RemotePath);
    /// A file of the target that might have been lost has the source's content: this is noted at the file.
    fn proven(&mut self, _target: &Entry) -> Result<(), Error> {
        Ok(())
    }
    /// So many entries were not deleted, because the source could not be read whole.
    fn not_deleted(&mut self, count: u64);
    /// Items that failed so far.
    fn failures(&self) -> u64;
    /// Does what was held back until all was compared, if anything was; from here on, actions are done at once.
    fn release(&mut self) -> Result<(), Error> {
        Ok(())
    }
    /// Forgets what was held back. True if no action was done so far.
    fn abandon(&mut self) -> bool {
        true
    }
    /// True if it only tells what would be done.
    fn is_dry(&self) -> bool {
        false
    }
    /// True if what is held back is more than the target has room for.
    fn lacks_room(&self) -> Result<bool, Error> {
        Ok(false)
    }
    /// Items of those that failed which failed for lack of room, and were not reported yet.
    fn short_of_room(&self) -> u64 {
        0
    }
    /// Items that failed for lack of room are tried again: they have not failed.
    fn try_again(&mut self) {}
    /// From here on, lack of room is a failure like any other.
    fn tell_short_of_room(&mut self) {}
    /// Files that were sent so far.
    fn copied(&self) -> u64 {
        0
    }
}

/// Root digests of files; `None` for those that cannot be read.
pub(crate) type FileDigests = Vec<Option<Digest>>;

/// Reads files of both sides, and knows the ways of the target.
pub(crate) trait Digester {
    /// Digests of files of the source and of the target, in the order of the paths.
    fn digests(
        &self,
        source: Vec<RemotePath>,
        target: Vec<RemotePath>,
    ) -> Result<(FileDigests, FileDigests), Error>;
    /// How faithfully a folder of the target keeps times and permissions; none if that cannot be found out.
    fn fidelity(&self, _folder: &RemotePath) -> Result<Option<FidelityReport>, Error> {
        Ok(None)
    }
}

/// Only tells what would be done.
pub(crate) struct DryRun {
    listener: Arc<dyn MirrorListener>,
    summary: MirrorSummary,
}

impl DryRun {
    pub(crate) fn new(listener: Arc<dyn MirrorListener>) -> Self {
        Self { listener, summary: MirrorSummary::default() }
    }

    /// Counts of what would be done.
    pub(crate) fn summary(&self) -> MirrorSummary {
        self.summary
    }
}

impl Effects for DryRun {
    fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        self.listener.planned(&action)?;
        self.summary.count(&action);
        if let MirrorAction::New { .. } | MirrorAction::Changed { .. } = action {
            self.summary.transfer.files += 1;
            self.summary.transfer.bytes += action.bytes();
        }
        Ok(true)
    }

    fn leave(&mut self, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn touch(&mut self, _: RemotePath, _: FolderMetadata) -> Result<(), Error> {
        Ok(())
    }

    fn own(&mut self, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn read_only(&mut self, _: &Entry) {}

    fn counted(&mut self, _: u64, _: u64) {}

    fn settle(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn failed(&mut self, path: &RemotePath, failure: &Failure) {
        self.summary.fail(failure);
        self.listener.failed(path, failure);
    }

    fn vanished(&mut self, path: &RemotePath) {
        self.summary.transfer.vanished += 1;
        self.listener.vanished(path);
    }

    fn left_out(&mut self, path: &RemotePath) {
        self.listener.left_out(path);
    }

    fn not_deleted(&mut self, count: u64) {
        self.listener.not_deleted(count);
    }

    fn failures(&self) -> u64 {
        self.summary.transfer.failed
    }

    fn is_dry(&self) -> bool {
        true
    }
}
