//! Reads a frame's payload, which lies in several pieces, without copying them together.

use crate::frame::FrameError;

/// Reads through a payload's pieces.
pub(super) struct Cursor<'a> {
    pieces: &'a [&'a [u8]],
    /// Bytes of the first piece that were read.
    skip: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(pieces: &'a [&'a [u8]]) -> Self {
        Self { pieces, skip: 0 }
    }

    pub(super) fn read(&mut self, target: &mut [u8]) -> Result<(), FrameError> {
        let mut filled = 0;
        while filled < target.len() {
            let piece = self.next(target.len() - filled)?;
            target[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        }
        Ok(())
    }

    pub(super) fn pieces(&mut self, len: usize) -> Result<Vec<&'a [u8]>, FrameError> {
        let mut pieces = Vec::with_capacity(2);
        let mut left = len;
        while left > 0 {
            let piece = self.next(left)?;
            left -= piece.len();
            pieces.push(piece);
        }
        Ok(pieces)
    }

    pub(super) fn skip(&mut self, len: usize) -> Result<(), FrameError> {
        let mut left = len;
        while left > 0 {
            left -= self.next(left)?.len();
        }
        Ok(())
    }

    /// Returns up to `len` bytes, as many as lie together.
    fn next(&mut self, len: usize) -> Result<&'a [u8], FrameError> {
        let (first, rest) = self.pieces.split_first().ok_or(FrameError::Length)?;
        let piece = &first[self.skip..];
        if piece.len() > len {
            self.skip += len;
            return Ok(&piece[..len]);
        }
        (self.pieces, self.skip) = (rest, 0);
        Ok(piece)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}
