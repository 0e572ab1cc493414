//! Root digests of files as they lie on the disk.

use super::{SourceFile, read_fully};
use crate::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use crate::failure::{Failure, FailureCode};
use crate::limits::CHUNK_LEN;
use std::io::IoSliceMut;

/// True once nobody wants to know any more. It is asked between two chunks.
pub type Stop<'a> = &'a dyn Fn() -> bool;

/// Reads a file and computes its root digest.
///
/// # Errors
/// If it cannot be read, or changes meanwhile, or nobody wants to know any more.
pub fn of_file(file: &dyn SourceFile, checksum: Checksum, stop: Stop<'_>) -> Result<Digest, Failure> {
    let identity = file.identity()?;
    let size = identity.metadata.size;
    let mut root = RootBuilder::new(checksum);
    let mut chunk = vec![0; CHUNK_LEN.min(usize::try_from(size).unwrap_or(CHUNK_LEN))];
    let mut offset = 0;
    loop {
        let len = usize::try_from(size - offset).unwrap_or(CHUNK_LEN).min(CHUNK_LEN);
        if read_fully(file, &mut [IoSliceMut::new(&mut chunk[..len])], offset)? < len {
            return Err(FailureCode::SourceChanged.into());
        }
        if stop() {
            return Err(FailureCode::Cancelled.into());
        }
        let last = offset + len as u64 == size;
        root.add(offset / CHUNK_LEN as u64, checksum.of_chunk(ChunkPlace::at(offset, last), [&chunk[..len]]));
        offset += len as u64;
        if last {
            if file.identity()? != identity {
                return Err(FailureCode::SourceChanged.into());
            }
            return root.root(size).ok_or_else(|| FailureCode::SourceChanged.into());
        }
    }
}
