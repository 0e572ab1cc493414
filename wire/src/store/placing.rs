//! Placing an item, in any storage: a large file in progress, and the outcome for an item, which may wait for a commit.

mod staged_entry;

pub use staged_entry::StagedEntry;
pub(crate) use staged_entry::Unsynced;

use crate::failure::{Failure, FailureCode};
use crate::receiver::Publish;
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
    /// Records chunks of zeros; called only for a sink that makes holes.
    fn hole(&self, _offset: u64, _len: u64) -> Result<(), Failure> {
        Err(FailureCode::Unsupported.into())
    }
    /// Sets its metadata and gives it its name.
    fn publish(&self, publish: &Publish) -> Result<Placed, Failure>;
    /// Discards the file, including anything a later run could resume from.
    fn discard(&self) {}
}

/// The last check before a change becomes visible.
pub(in crate::store) fn check_going(over: &CancellationToken) -> Result<(), Failure> {
    if over.is_cancelled() { Err(FailureCode::Cancelled.into()) } else { Ok(()) }
}
