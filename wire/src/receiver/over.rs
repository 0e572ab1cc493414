//! Files that are finished or given up, as long as frames of them may arrive.

use super::Receiver;
use super::violation::ReceiverViolation;
use crate::frame::Announcement;
use crate::ids::{FileNo, FrameNo};
use crate::metadata::SourceId;
use std::hash::BuildHasher;

/// A file that is finished or given up.
#[derive(Debug)]
pub(super) struct Over {
    /// The frame that it ended with.
    pub(super) frame: FrameNo,
    /// A hash of its announcement.
    pub(super) announced: u64,
}

impl Receiver {
    /// True if the file is finished or given up.
    pub(super) fn is_over(
        &self,
        file: FileNo,
        announcement: &Announcement,
    ) -> Result<bool, ReceiverViolation> {
        match self.over.get(&file) {
            None => Ok(false),
            Some(over) if over.announced == self.hash(announcement) => Ok(true),
            Some(_) => Err(ReceiverViolation::Announcement),
        }
    }

    /// Records that a file has ended with `frame`. Its frames have numbers within two windows of that, so files that ended
    /// earlier are forgotten.
    pub(super) fn note_over(&mut self, file: FileNo, frame: FrameNo, announcement: &Announcement) {
        let announced = self.hash(announcement);
        self.over.insert(file, Over { frame, announced });
        if self.over.len() as u64 > 4 * self.window {
            let missing = self.first_missing().0;
            self.over.retain(|_, over| over.frame.0 + 2 * self.window >= missing);
        }
    }

    fn hash(&self, announcement: &Announcement) -> u64 {
        let mut bytes = Vec::new();
        Announcement { source: SourceId::default(), ..announcement.clone() }.encode(&mut bytes);
        self.hasher.hash_one(bytes)
    }
}
