//! Reads a file in order, with enough bytes ahead for the next piece.

use super::FileContent;
use std::io;

/// A window of a file that moves forward.
#[derive(Debug)]
pub(super) struct PieceReader {
    /// Empty until it is first used.
    bytes: Vec<u8>,
    len: usize,
    /// Offset of the first byte of the window.
    offset: u64,
    filled: usize,
}

impl PieceReader {
    /// A reader for pieces of at most `piece_len_max` bytes.
    pub(super) fn new(piece_len_max: usize) -> Self {
        Self { bytes: Vec::new(), len: Self::kept_len(piece_len_max), offset: 0, filled: 0 }
    }

    /// Returns the memory that one takes.
    pub(super) fn kept_len(piece_len_max: usize) -> usize {
        (2 * piece_len_max).max(WINDOW_LEN_MIN)
    }

    /// Returns the bytes from `offset` on: at least `len`, or those up to the end of the content.
    ///
    /// # Errors
    /// Of `content`.
    pub(super) fn at(&mut self, content: &dyn FileContent, offset: u64, len: usize) -> io::Result<&[u8]> {
        let begin = offset.checked_sub(self.offset).and_then(|begin| usize::try_from(begin).ok());
        let begin = begin.filter(|begin| *begin <= self.filled).unwrap_or(self.filled);
        if self.filled - begin < len {
            self.bytes.resize(self.len, 0);
            self.bytes.copy_within(begin..self.filled, 0);
            self.filled -= begin;
            self.offset = offset;
            let read = content.read(&mut self.bytes[self.filled..], offset + self.filled as u64)?;
            self.filled += read;
            return Ok(&self.bytes[..self.filled]);
        }
        Ok(&self.bytes[begin..self.filled])
    }
}

/// Shortest window: long enough for few system calls.
const WINDOW_LEN_MIN: usize = 1024 * 1024;
