//! Decides about large files: which may be published, and which have failed.

use super::Receiver;
use super::large_file::{Seal, chunks_of};
use super::violation::ReceiverViolation;
use crate::checksum::Digest;
use crate::failure::{Failure, FailureCode};
use crate::frame::Announcement;
use crate::ids::{FileNo, FrameNo};

/// The machine's decision about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No decision yet.
    Incomplete,
    /// It is complete and its root is right: publish it, then call [`Receiver::published`].
    Publish(Publish),
    /// It failed: discard its staged data.
    Discard(Announcement, Failure),
    /// It will be sent again from its beginning: discard its staged data, then call [`Receiver::forgotten`].
    Again(Announcement),
}

/// Proof that a staged file is complete and its root digest right; only the machine can construct it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    file: FileNo,
    announcement: Announcement,
    size: u64,
    root: Digest,
    as_is: bool,
}

impl Publish {
    /// The file's number.
    #[must_use]
    pub fn file(&self) -> FileNo {
        self.file
    }

    /// The announcement of its frames.
    #[must_use]
    pub fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// Its length.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// True if it changed while it was read, and has the content as read.
    #[must_use]
    pub fn is_as_is(&self) -> bool {
        self.as_is
    }

    /// Its root digest.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }
}

impl Receiver {
    /// Decides about a file with a seal: complete and right, complete and wrong, or incomplete.
    pub(super) fn judge(&mut self, file: FileNo) -> Result<Verdict, ReceiverViolation> {
        let Some(receiving) = self.files.get(&file) else { return Ok(Verdict::Incomplete) };
        let Some(seal) = receiving.seal else { return Ok(Verdict::Incomplete) };
        if receiving.end.is_some_and(|end| end != seal.size) {
            return Err(ReceiverViolation::Seal);
        }
        if receiving.end.is_none() || receiving.chunks.first_missing() < chunks_of(seal.size) {
            return Ok(Verdict::Incomplete);
        }
        if receiving.root.root(seal.size) != Some(seal.root) {
            let failure = Failure::from(FailureCode::Integrity);
            self.fail_item(seal.frame, 0, failure.clone());
            return Ok(self.finish(file, seal.frame, failure));
        }
        let announcement = receiving.announcement.clone();
        let Seal { size, root, as_is, .. } = seal;
        Ok(Verdict::Publish(Publish { file, announcement, size, root, as_is }))
    }

    /// Ends a file that has failed; this also completes a seal that waited for its blocks.
    pub(super) fn finish(&mut self, file: FileNo, frame: FrameNo, failure: Failure) -> Verdict {
        let receiving = self.files.remove(&file);
        if let Some(receiving) = &receiving {
            self.note_over(file, frame, &receiving.announcement);
        }
        if let Some(seal) = receiving.as_ref().and_then(|receiving| receiving.seal) {
            self.frame_done(seal.frame);
        }
        match receiving {
            Some(receiving) if receiving.failure.is_none() => {
                Verdict::Discard(receiving.announcement, failure)
            }
            Some(_) | None => Verdict::Incomplete,
        }
    }

    /// Records that a chunk of `file` could not be staged or written: the file fails, its other frames are dropped as they
    /// arrive.
    pub fn file_failed(&mut self, file: FileNo, frame: FrameNo, failure: Failure) -> Verdict {
        self.frame_done(frame);
        if !self.files.contains_key(&file) {
            return Verdict::Incomplete; // it has ended; one that is sent again has not failed
        }
        self.fail_item(frame, 0, failure.clone());
        let Some(receiving) = self.files.get_mut(&file) else { return Verdict::Incomplete };
        if let Some(seal) = receiving.seal {
            return self.finish(file, seal.frame, failure);
        }
        if receiving.failure.is_some() {
            return Verdict::Incomplete;
        }
        receiving.failure = Some(failure.clone());
        Verdict::Discard(receiving.announcement.clone(), failure)
    }

    /// Records that the file of a [`Publish`] is in its place, or could not be put there.
    pub fn published(&mut self, publish: &Publish, result: Result<(), Failure>) {
        let Some(receiving) = self.files.remove(&publish.file) else { return };
        if let Some(seal) = receiving.seal {
            self.note_over(publish.file, seal.frame, &receiving.announcement);
            if let Err(failure) = result {
                self.fail_item(seal.frame, 0, failure);
            }
            self.frame_done(seal.frame);
        }
    }
}
