//! Computes root digests of files on the disk.

use super::{SourceFile, read_fully};
use crate::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use crate::failure::{Failure, FailureCode};
use crate::limits::CHUNK_LEN;
use std::io::IoSliceMut;

/// Returns true once the digest is no longer wanted. Checked between two chunks.
pub type StopCheck<'a> = &'a dyn Fn() -> bool;

/// Reads a file to its end and computes its root digest, regardless of its reported size.
///
/// # Errors
/// If it cannot be read, changes meanwhile, or `stop` returns true.
pub fn of_file(file: &dyn SourceFile, checksum: Checksum, stop: StopCheck<'_>) -> Result<Digest, Failure> {
    let identity = file.identity()?;
    let mut root = RootBuilder::new(checksum);
    let size = usize::try_from(identity.metadata.size).unwrap_or(CHUNK_LEN);
    let mut chunk = vec![0; CHUNK_LEN.min(size.saturating_add(1))];
    let mut read = read_fully(file, &mut [IoSliceMut::new(&mut chunk)], 0)?;
    if read == chunk.len() {
        chunk.resize(CHUNK_LEN, 0); // the reported size is unknown or wrong
        read += read_fully(file, &mut [IoSliceMut::new(&mut chunk[read..])], read as u64)?;
    }
    let (mut next, mut offset) = (Vec::new(), 0);
    loop {
        // After a full chunk, only reading the next one shows whether the file ends there.
        let mut read_next = 0;
        if read == CHUNK_LEN {
            next.resize(CHUNK_LEN, 0);
            read_next = read_fully(file, &mut [IoSliceMut::new(&mut next)], offset + read as u64)?;
        }
        if stop() {
            return Err(FailureCode::Cancelled.into());
        }
        let place = ChunkPlace::at(offset, read_next == 0);
        root.add(offset / CHUNK_LEN as u64, checksum.of_chunk(place, [&chunk[..read]]));
        offset += read as u64;
        if read_next == 0 {
            break;
        }
        std::mem::swap(&mut chunk, &mut next);
        read = read_next;
    }
    if file.identity()?.has_content_of(&identity) {
        root.root(offset).ok_or_else(|| FailureCode::SourceChanged.into())
    } else {
        Err(FailureCode::SourceChanged.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::NameRef;
    use crate::store::{Folder, LocalFolder};

    #[test]
    fn the_digest_of_a_file_is_the_root_of_its_chunks() {
        let place = tempfile::tempdir().unwrap();
        let folder = LocalFolder::open_ambient(place.path()).unwrap();
        for len in [0, 5, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN] {
            let content: Vec<u8> = (0..=250).cycle().take(len).collect();
            std::fs::write(place.path().join("file"), &content).unwrap();
            let mut root = RootBuilder::new(Checksum::Blake3);
            let chunks = content.len().div_ceil(CHUNK_LEN).max(1);
            for chunk in 0..chunks {
                let offset = chunk * CHUNK_LEN;
                let place = ChunkPlace::at(offset as u64, chunk + 1 == chunks);
                let bytes = &content[offset..len.min(offset + CHUNK_LEN)];
                root.add(chunk as u64, Checksum::Blake3.of_chunk(place, [bytes]));
            }
            let file = folder.open_file(NameRef::new(b"file").unwrap()).unwrap();
            let digest = of_file(&*file, Checksum::Blake3, &|| false);
            assert_eq!(digest, Ok(root.root(len as u64).unwrap()), "{len} bytes");
        }
    }
}
