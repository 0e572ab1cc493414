//! An upload into a store of whole objects.

use crate::metadata::Timestamp;
use crate::path::NameRef;
use crate::verified::VerifiedChunk;
use std::io;

/// A large file in progress. Dropping it before it is committed discards it.
#[allow(clippy::missing_errors_doc)] // all errors are the store's
pub trait Upload: Send + Sync {
    /// Takes a chunk. Chunks arrive in any order, from several threads, and a chunk may arrive again.
    fn write(&self, chunk: &VerifiedChunk<'_>) -> io::Result<()>;
    /// Gives the file, which has `size` bytes, its name in one step. `AlreadyExists` if the name is taken and may not be
    /// replaced; the upload can be committed again then.
    fn commit(&self, size: u64, publication: &Publication<'_>) -> io::Result<()>;
    /// Discards all chunks.
    fn abort(&self);
}

/// How an object gets its name.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// The name in its folder.
    pub name: NameRef<'a>,
    /// The modification time; `None` for the time of the commit.
    pub modified: Option<Timestamp>,
    /// The permissions, if the store keeps them.
    pub mode: u32,
    /// An existing file or link of that name is replaced.
    pub replace: bool,
}
