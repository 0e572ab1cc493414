//! An upload into memory: its chunks are kept apart until it is committed.

use super::MemoryTree;
use super::folder::publish;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use wire::store::{Publication, Upload};
use wire::verified::VerifiedChunk;

/// A large file in progress.
pub(super) struct MemoryUpload {
    tree: Arc<MemoryTree>,
    folder: u64,
    /// Chunks by their offsets.
    parts: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl MemoryUpload {
    pub(super) fn new(tree: Arc<MemoryTree>, folder: u64) -> Self {
        tree.lock().uploads += 1;
        Self { tree, folder, parts: Mutex::default() }
    }
}

impl Upload for MemoryUpload {
    fn write(&self, chunk: &VerifiedChunk<'_>) -> io::Result<()> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(chunk.offset(), chunk.pieces().concat());
        Ok(())
    }

    fn commit(&self, size: u64, publication: &Publication<'_>) -> io::Result<()> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        for (offset, part) in &*parts {
            if *offset != bytes.len() as u64 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a part is missing"));
            }
            bytes.extend_from_slice(part);
        }
        if bytes.len() as u64 != size {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the parts have another length"));
        }
        publish(&self.tree, self.folder, bytes, publication)
    }

    fn abort(&self) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        self.tree.lock().uploads -= 1;
    }
}
