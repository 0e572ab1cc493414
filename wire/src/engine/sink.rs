//! Where received items go: staged beside their place or without a name, verified, given their metadata, and then their name.

mod base;
mod tree;

pub use base::Base;
pub use tree::{TreeSink, TreeSinkOptions};

use super::commit::{Placed, Waiting};
use super::placing::Staged;
use super::staged::Chunks;
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, EntryHead};
use crate::message::OfferedItem;
use crate::path::RemotePath;
use crate::receiver::FolderEntry;
use crate::verified::VerifiedContent;

/// The target of a receiving job. All methods block; every error is that item's alone.
#[allow(clippy::missing_errors_doc)]
pub trait Sink: Send + Sync {
    /// Begins a large file.
    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure>;
    /// Takes a small file, whole.
    fn file(
        &self,
        path: &RemotePath,
        head: &EntryHead,
        content: &VerifiedContent<'_>,
    ) -> Result<Placed, Failure>;
    /// Takes a link, unless it is a sink for content alone.
    fn link(&self, _: &RemotePath, _: &EntryHead, _target: &[u8]) -> Result<Placed, Failure> {
        Err(FailureCode::SpecialFile.into())
    }
    /// Makes a folder if it is missing, and sets its metadata, unless it is a sink for content alone.
    fn folder(&self, _: &FolderEntry) -> Result<Placed, Failure> {
        Err(FailureCode::IsAFolder.into())
    }
    /// Makes durable what waits for it, and gives it its names; the result of each. Without it nothing waits. What has no name
    /// once `is_over` gets none: a job that has ended may have a successor that has written there since.
    fn commit(&self, batch: Vec<Waiting>, _is_over: &dyn Fn() -> bool) -> Vec<Result<(), Failure>> {
        batch.iter().map(|_| Err(FailureCode::Unsupported.into())).collect()
    }
    /// True if items have their names only after a commit.
    fn has_commits(&self) -> bool {
        false
    }
    /// About how many bytes of memory it keeps by what came.
    fn kept(&self) -> usize {
        0
    }
    /// Looks for what an earlier run has left of an item that is about to be sent.
    fn look(&self, _: &OfferedItem) -> Found {
        Found::Nothing
    }
    /// A large file that was begun comes once more, from its beginning.
    fn again(&self, _: &RemotePath) {}
    /// Makes durable what was found in its place since this was asked last, if that is what is to be acknowledged.
    fn sync_found(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The part of an item that an earlier run has left.
pub enum Found {
    /// Nothing that could be proven.
    Nothing,
    /// It is in its place.
    All,
    /// Chunks, in growing order.
    Chunks(Box<dyn Staged>, Chunks),
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of tests are short")]
mod tests;
