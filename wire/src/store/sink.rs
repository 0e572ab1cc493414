//! Places received items: staged beside their target or without a name, verified, given their metadata, and then their name.

mod base;
mod options;
mod tree;

pub use base::{Base, Find};
pub use options::TreeSinkOptions;
pub use tree::TreeSink;

use super::SourceFile;
use super::local::upload::Chunks;
use super::placing::{PendingCommit, Placed, Staged};
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, EntryHead};
use crate::message::OfferedItem;
use crate::path::RemotePath;
use crate::receiver::FolderEntry;
use crate::verified::VerifiedContent;

/// The target of a receiving job. All methods block; every error is that item's alone.
#[allow(clippy::missing_errors_doc)]
pub trait Sink: Send + Sync {
    /// Starts a large file.
    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure>;
    /// Takes a whole small file.
    fn file(
        &self,
        path: &RemotePath,
        head: &EntryHead,
        content: &VerifiedContent<'_>,
    ) -> Result<Placed, Failure>;
    /// Takes a link, except in a sink for content only.
    fn link(&self, _: &RemotePath, _: &EntryHead, _target: &[u8]) -> Result<Placed, Failure> {
        Err(FailureCode::SpecialFile.into())
    }
    /// Makes a folder if it is missing, and sets its metadata, except in a sink for content only.
    fn folder(&self, _: &FolderEntry) -> Result<Placed, Failure> {
        Err(FailureCode::IsAFolder.into())
    }
    /// Makes waiting items durable and gives them their names; returns the result of each. A sink without commits has none
    /// waiting. An item without a name once `is_over` gets none: the successor of an ended job may have written there since.
    fn commit(&self, batch: Vec<PendingCommit>, _is_over: &dyn Fn() -> bool) -> Vec<Result<(), Failure>> {
        batch.iter().map(|_| Err(FailureCode::Unsupported.into())).collect()
    }
    /// True if items get their names only by a commit.
    fn has_commits(&self) -> bool {
        false
    }
    /// Returns the approximate memory of the sink as far as it depends on the input.
    fn kept(&self) -> usize {
        0
    }
    /// Looks for a part, left by an earlier run, of an item that is about to be sent.
    fn look(&self, _: &OfferedItem) -> ResumeState {
        ResumeState::None
    }
    /// Returns the length of the old file that an item about to be sent will replace, if the sender may learn what of it is the
    /// same.
    fn old_len(&self, _: &OfferedItem) -> Option<u64> {
        None
    }
    /// Opens the old file that a large file of this path will replace, under the same condition.
    fn open_old(&self, _: &RemotePath) -> Option<Box<dyn SourceFile>> {
        None
    }
    /// Prepares for a large file that was started and is sent again from its beginning.
    fn again(&self, _: &RemotePath) {}
    /// Checks, when all items are in their places, that the job's path still leads there: somebody may have moved or replaced the folder
    /// that they went into.
    fn check_place(&self) -> Result<(), Failure> {
        Ok(())
    }
    /// Makes durable the files found in their place since the last call, if acknowledged items must be durable.
    fn sync_found(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The part of an item left by an earlier run.
pub enum ResumeState {
    /// No part that could be proven.
    None,
    /// It is in its place.
    Complete,
    /// Chunks, in growing order.
    Partial(Box<dyn Staged>, Chunks),
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of tests are short")]
mod tests;
