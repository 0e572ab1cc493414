//! Reads a file in order, with enough bytes ahead for the next piece.

use super::FileContent;
use std::io;

/// A window of a file that moves forward.
#[derive(Debug)]
pub(super) struct PieceReader {
    /// Empty until it is first used.
    bytes: Vec<u8>,
    window_len: usize,
    /// Offset of the first byte of the window.
    offset: u64,
    filled: usize,
}

impl PieceReader {
    /// A reader of a whole file, for pieces of at most `piece_len_max` bytes.
    pub(super) fn of_file(piece_len_max: usize) -> Self {
        Self::with_window(Self::kept_len(piece_len_max))
    }

    /// A reader of a short stretch, for fine pieces.
    pub(super) fn of_stretch() -> Self {
        Self::with_window(WINDOW_OF_STRETCH_LEN)
    }

    fn with_window(window_len: usize) -> Self {
        Self { bytes: Vec::new(), window_len, offset: 0, filled: 0 }
    }

    /// Returns the memory that a reader of a whole file takes.
    pub(super) fn kept_len(piece_len_max: usize) -> usize {
        piece_len_max + WINDOW_OF_FILE_LEN
    }

    /// Returns the bytes from `offset` on: at least `len`, or those up to the end of the content.
    ///
    /// # Errors
    /// Of `content`.
    pub(super) fn at(&mut self, content: &dyn FileContent, offset: u64, len: usize) -> io::Result<&[u8]> {
        let begin = offset.checked_sub(self.offset).and_then(|begin| usize::try_from(begin).ok());
        let begin = begin.filter(|begin| *begin <= self.filled).unwrap_or(self.filled);
        if self.filled - begin < len {
            self.bytes.resize(self.window_len, 0);
            self.bytes.copy_within(begin..self.filled, 0);
            self.filled -= begin;
            self.offset = offset;
            let read = content.read(&mut self.bytes[self.filled..], offset + self.filled as u64)?;
            self.filled += read;
            return Ok(&self.bytes[..self.filled]);
        }
        Ok(&self.bytes[begin..self.filled])
    }

    /// Returns the bytes from `at` to `end`: all of them, or at least `len`; fewer if the content ends before.
    ///
    /// # Errors
    /// Of `content`.
    pub(super) fn until(
        &mut self,
        content: &dyn FileContent,
        at: u64,
        end: u64,
        len: usize,
    ) -> io::Result<&[u8]> {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let bytes = self.at(content, at, len.min(left))?;
        Ok(&bytes[..bytes.len().min(left)])
    }
}

/// Bytes that a reader of a whole file has beside the next piece: enough for few system calls.
const WINDOW_OF_FILE_LEN: usize = 1024 * 1024;
/// Stretches are some 100 KiB long.
const WINDOW_OF_STRETCH_LEN: usize = 128 * 1024;
