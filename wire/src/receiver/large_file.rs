//! The state of one large file being received: its chunks, and its seal.

use crate::budget::OPEN_FILE_LEN;
use crate::checksum::{Checksum, Digest, RootBuilder};
use crate::failure::Failure;
use crate::frame::Announcement;
use crate::ids::FrameNo;
use crate::journal::CHUNK_KEPT_LEN;
use crate::limits::CHUNK_LEN;
use crate::ranges::RangeSet;

#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) announcement: Announcement,
    pub(super) chunks: RangeSet,
    /// End of the last chunk, once it has arrived.
    pub(super) end: Option<u64>,
    pub(super) root: RootBuilder,
    pub(super) seal: Option<Seal>,
    pub(super) failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Seal {
    pub(super) frame: FrameNo,
    pub(super) size: u64,
    pub(super) root: Digest,
    pub(super) as_is: bool,
}

impl Receiving {
    pub(super) fn new(announcement: Announcement, checksum: Checksum) -> Self {
        Self {
            announcement,
            chunks: RangeSet::default(),
            end: None,
            root: RootBuilder::new(checksum),
            seal: None,
            failure: None,
        }
    }

    pub(super) fn kept_len(&self) -> usize {
        let chunks = self.chunks.range_count() + self.root.kept();
        file_kept_len(self.announcement.path.as_bytes().len()) + CHUNK_KEPT_LEN * chunks
    }
}

/// Returns the approximate memory of a large file in progress, here and where it is staged, plus the charge for its handles.
#[must_use]
pub fn file_kept_len(path_len: usize) -> usize {
    OPEN_FILE_LEN + 1024 + 4 * path_len
}

/// Returns the number of chunks of a file of `len` bytes; an empty one has one, of no bytes.
pub(super) fn chunks_of(len: u64) -> u64 {
    len.div_ceil(CHUNK_LEN as u64).max(1)
}
