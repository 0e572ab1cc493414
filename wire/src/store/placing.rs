//! Placing an item, in any storage: a large file in progress, and the outcome for an item, which may wait for a commit.

mod staged_entry;

pub use staged_entry::StagedEntry;
pub(crate) use staged_entry::Unsynced;

use crate::failure::{Failure, FailureCode};
use crate::receiver::Publish;
use crate::store::SourceFile;
use crate::verified::VerifiedChunk;
use tokio_util::sync::CancellationToken;

/// The outcome for an item that a sink took.
pub enum Placed {
    /// It is in its place.
    Done,
    /// It will be in its place when [`Sink::commit`](super::Sink::commit) reports it.
    Pending(PendingCommit),
}

impl Placed {
    /// `entry` will be in its place after a commit.
    pub(crate) fn pending(entry: StagedEntry) -> Self {
        Self::Pending(PendingCommit::Staged(Box::new(entry)))
    }
}

/// An item that waits for a sync.
pub enum PendingCommit {
    /// A staged file or link. Dropping it discards it.
    Staged(Box<StagedEntry>),
    /// A folder whose metadata was set; its filesystem is to be synced.
    Folder,
}

/// A large file in progress. Dropping it before it is published discards it, or leaves it for the next run.
#[allow(clippy::missing_errors_doc)]
pub trait Staged: Send + Sync {
    /// Writes a chunk.
    fn write(&self, chunk: &VerifiedChunk<'_>) -> Result<(), Failure>;
    /// Writes a chunk, of which these parts are also in `old`: the filesystem may let both files share the blocks.
    fn write_sharing(
        &self,
        chunk: &VerifiedChunk<'_>,
        _old: &dyn SourceFile,
        _parts: &[SharedPart],
    ) -> Result<(), Failure> {
        self.write(chunk)
    }
    /// Records chunks of zeros; called only for a sink that makes holes.
    fn hole(&self, _offset: u64, _len: u64) -> Result<(), Failure> {
        Err(FailureCode::Unsupported.into())
    }
    /// Sets its metadata and gives it its name.
    fn publish(&self, publish: &Publish) -> Result<Placed, Failure>;
    /// Discards the file, including anything a later run could resume from.
    fn discard(&self) {}
}

/// Whole blocks of a new file that are also in an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedPart {
    /// Their offset in the new file.
    pub offset: u64,
    /// Their offset in the old one.
    pub old_offset: u64,
    /// Their number of bytes.
    pub len: u64,
}

impl SharedPart {
    /// Returns the whole blocks of `len` bytes that lie at `offset` in the new file, and at `old_offset` in the old one; `None`
    /// where a block of the one has parts of two blocks of the other.
    #[must_use]
    pub fn blocks_of(offset: u64, old_offset: u64, len: u64) -> Option<Self> {
        let block = BLOCK_LEN as u64;
        let begin = offset.next_multiple_of(block);
        let end = (offset + len) / block * block;
        let is_aligned = offset % block == old_offset % block;
        (is_aligned && begin < end).then(|| Self {
            offset: begin,
            old_offset: old_offset + (begin - offset),
            len: end - begin,
        })
    }
}

/// The block size of most filesystems.
pub(in crate::store) const BLOCK_LEN: usize = 4096;

/// The last check before a change becomes visible.
pub(in crate::store) fn check_going(over: &CancellationToken) -> Result<(), Failure> {
    if over.is_cancelled() { Err(FailureCode::Cancelled.into()) } else { Ok(()) }
}
