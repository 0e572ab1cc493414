//! Content for tests of deltas.

use super::FileContent;
use std::io;

impl FileContent for Vec<u8> {
    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let len = bytes.len().min(self.len() - begin);
        bytes[..len].copy_from_slice(&self[begin..begin + len]);
        Ok(len)
    }

    fn next_data(&self, offset: u64) -> u64 {
        offset
    }
}

/// Returns `len` bytes that look random, from a seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}
