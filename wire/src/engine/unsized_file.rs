//! Files whose size does not match their content: most of procfs and sysfs, and some of FUSE. Such a file is read into memory
//! first, in one go and in order, because it may be generated while it is read; then it is treated like any other.

use crate::failure::{Failure, FailureCode};
use crate::limits::{UNSIZED_FILE_LEN_MAX, UNSIZED_FILES_LEN_MAX};
use crate::metadata::Metadata;
use crate::store::{Identity, SourceFile, read_fully};
use std::io::{self, IoSliceMut, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The content of a file, in memory.
pub(super) struct UnsizedFile {
    bytes: Vec<u8>,
    identity: Identity,
    _reserved: MemoryReservation,
}

/// A reservation of this process's memory for such files, released when dropped.
struct MemoryReservation(usize);

impl MemoryReservation {
    /// Reserves `len` bytes more, if available.
    fn add(&mut self, len: usize) -> Result<(), Failure> {
        let taken = IN_MEMORY.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |taken| {
            Some(taken + len).filter(|taken| *taken <= UNSIZED_FILES_LEN_MAX)
        });
        self.0 += if taken.is_ok() { len } else { 0 };
        if taken.is_ok() && self.0 <= UNSIZED_FILE_LEN_MAX {
            Ok(())
        } else {
            Err(Failure::new(
                FailureCode::LimitExceeded,
                "its content is too long, and does not match its size",
            ))
        }
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        IN_MEMORY.fetch_sub(self.0, Ordering::SeqCst);
    }
}

/// Reads a whole file, and returns its identity with its true size.
pub(super) fn read(file: &dyn SourceFile, identity: &Identity) -> Result<(UnsizedFile, Identity), Failure> {
    let (mut bytes, mut reserved) = (Vec::new(), MemoryReservation(0));
    loop {
        reserved.add(STEP_LEN)?;
        let begin = bytes.len();
        bytes.resize(begin + STEP_LEN, 0);
        let read = read_fully(file, &mut [IoSliceMut::new(&mut bytes[begin..])], begin as u64)?;
        if read < STEP_LEN {
            bytes.truncate(begin + read);
            break;
        }
    }
    let metadata = Metadata { size: bytes.len() as u64, ..identity.metadata };
    let identity = Identity { metadata, ..*identity };
    Ok((UnsizedFile { bytes, identity, _reserved: reserved }, identity))
}

impl SourceFile for UnsizedFile {
    fn identity(&self) -> io::Result<Identity> {
        Ok(self.identity)
    }

    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let mut rest = &self.bytes[begin..];
        pieces.iter_mut().try_fold(0, |read, piece| Ok(read + rest.read(piece)?))
    }
}

static IN_MEMORY: AtomicUsize = AtomicUsize::new(0);
/// Bytes read at once.
const STEP_LEN: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_free_again_once_a_file_is_read() {
        for _ in 0..=UNSIZED_FILES_LEN_MAX / STEP_LEN {
            MemoryReservation(0).add(STEP_LEN).unwrap();
        }
    }
}
