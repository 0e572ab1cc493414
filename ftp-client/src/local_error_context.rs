//! Marks local failures of a download. Reports carry the server's path, so a failure of the local file is prefixed `on this machine`.

use wire::frame::{Announcement, EntryHead};
use wire::message::OfferedItem;
use wire::receiver::{FolderEntry, Publish};
use wire::store::{PendingCommit, Placed, ResumeState, SharedPart, Sink, SourceFile, Staged};
use wire::verified::{VerifiedChunk, VerifiedContent};
use wire::{Failure, RemotePath};

/// A sink whose failures say that they are of this machine.
pub(crate) struct LocalErrorContext<S>(pub(crate) S);

impl Sink for LocalErrorContext<Box<dyn Sink>> {
    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        self.0.stage(announcement).map(wrapped).map_err(here)
    }

    fn file(
        &self,
        path: &RemotePath,
        head: &EntryHead,
        content: &VerifiedContent<'_>,
    ) -> Result<Placed, Failure> {
        self.0.file(path, head, content).map_err(here)
    }

    fn link(&self, path: &RemotePath, head: &EntryHead, target: &[u8]) -> Result<Placed, Failure> {
        self.0.link(path, head, target).map_err(here)
    }

    fn folder(&self, entry: &FolderEntry) -> Result<Placed, Failure> {
        self.0.folder(entry).map_err(here)
    }

    fn commit(&self, batch: Vec<PendingCommit>, is_over: &dyn Fn() -> bool) -> Vec<Result<(), Failure>> {
        self.0.commit(batch, is_over).into_iter().map(|result| result.map_err(here)).collect()
    }

    fn look(&self, item: &OfferedItem) -> ResumeState {
        match self.0.look(item) {
            ResumeState::Partial(staged, chunks) => ResumeState::Partial(wrapped(staged), chunks),
            found @ (ResumeState::None | ResumeState::Complete) => found,
        }
    }

    fn again(&self, path: &RemotePath) {
        self.0.again(path);
    }

    fn old_len(&self, item: &OfferedItem) -> Option<u64> {
        self.0.old_len(item)
    }

    fn open_old(&self, path: &RemotePath) -> Option<Box<dyn SourceFile>> {
        self.0.open_old(path)
    }

    fn check_place(&self) -> Result<(), Failure> {
        self.0.check_place().map_err(here)
    }

    fn sync_found(&self) -> Result<(), Failure> {
        self.0.sync_found().map_err(here)
    }
}

impl Staged for LocalErrorContext<Box<dyn Staged>> {
    fn write(&self, chunk: &VerifiedChunk<'_>) -> Result<(), Failure> {
        self.0.write(chunk).map_err(here)
    }

    fn write_sharing(
        &self,
        chunk: &VerifiedChunk<'_>,
        old: &dyn SourceFile,
        parts: &[SharedPart],
    ) -> Result<(), Failure> {
        self.0.write_sharing(chunk, old, parts).map_err(here)
    }

    fn hole(&self, offset: u64, len: u64) -> Result<(), Failure> {
        self.0.hole(offset, len).map_err(here)
    }

    fn publish(&self, publish: &Publish) -> Result<Placed, Failure> {
        self.0.publish(publish).map_err(here)
    }

    fn discard(&self) {
        self.0.discard();
    }
}

fn wrapped(staged: Box<dyn Staged>) -> Box<dyn Staged> {
    Box::new(LocalErrorContext(staged))
}

fn here(failure: Failure) -> Failure {
    failure.at("on this machine")
}
