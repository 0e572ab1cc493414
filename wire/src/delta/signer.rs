//! Signs an old file for the sender of the file that replaces it.

use super::FileContent;
use super::cutting::Cutter;
use super::piece_reader::PieceReader;
use super::signature::{
    COARSE_LEN, CoarsePiece, SignatureKey, page_len, put_coarse, put_fine_piece, put_page,
};
use crate::limits::{COARSE_WINDOW_LEN, FINE_RUNS_LEN_MAX, OLD_PIECES_MAX, PIECE_SIGNED_LEN_MIN};
use crate::message::{FineCut, FineRun};
use std::io;

/// The signing of one old file. It signs each part of it coarsely once, in order; and finely only whole coarse pieces, so that
/// the one who asks cannot choose what single bytes are in a signature.
#[derive(Debug)]
pub struct Signer {
    key: SignatureKey,
    cutter: Cutter,
    len: u64,
    /// Ends of the coarse pieces so far.
    ends: Vec<u64>,
    reader: PieceReader,
}

/// The coarse pieces of the next window.
#[derive(Debug)]
pub struct CoarseWindow {
    /// The pieces, encoded.
    pub pieces: Vec<u8>,
    /// Others follow.
    pub more: bool,
}

impl Signer {
    /// Begins with a file of `len` bytes.
    #[must_use]
    pub fn new(key: SignatureKey, len: u64) -> Self {
        let cutter = Cutter::coarse(len);
        Self { key, cutter, len, ends: Vec::new(), reader: PieceReader::of_file(cutter.max()) }
    }

    /// Returns the memory that another window may add.
    #[must_use]
    pub fn window_len() -> usize {
        COARSE_WINDOW_LEN / COARSE_PIECE_LEN_MIN * (size_of::<u64>() + COARSE_LEN)
    }

    /// Returns the memory that it takes so far.
    #[must_use]
    pub fn kept_len(&self) -> usize {
        self.ends.capacity() * size_of::<u64>() + PieceReader::kept_len(self.cutter.max())
    }

    /// Signs the next window of the file coarsely.
    ///
    /// # Errors
    /// Of `content`.
    pub fn next_window(&mut self, content: &dyn FileContent) -> io::Result<CoarseWindow> {
        let mut at = self.ends.last().copied().unwrap_or(0);
        let mut pieces = Vec::new();
        let mut data = 0;
        while at < self.len && data < COARSE_WINDOW_LEN && self.ends.len() < OLD_PIECES_MAX {
            let piece = match hole(content, at, self.len) {
                Some(len) => CoarsePiece::Hole { len },
                None => {
                    let bytes = self.reader.until(content, at, self.len, self.cutter.max())?;
                    if bytes.is_empty() {
                        self.len = at; // it was cut meanwhile
                        break;
                    }
                    let len = self.cutter.cut(bytes);
                    let signature = if len < PIECE_SIGNED_LEN_MIN { 0 } else { self.key.sign(&bytes[..len]) };
                    data += len;
                    CoarsePiece::Data { len: u32::try_from(len).unwrap_or(u32::MAX), signature }
                }
            };
            put_coarse(&mut pieces, piece);
            at += match piece {
                CoarsePiece::Data { len, .. } => len.into(),
                CoarsePiece::Hole { len } => len,
            };
            self.ends.push(at);
        }
        Ok(CoarseWindow { pieces, more: at < self.len && self.ends.len() < OLD_PIECES_MAX })
    }

    /// Signs runs of coarse pieces finely; returns `None` if one of them is not there, or if they are too long together.
    ///
    /// # Errors
    /// Of `content`.
    pub fn fine(&self, content: &dyn FileContent, runs: &[FineRun]) -> io::Result<Option<Vec<u8>>> {
        let (mut signatures, mut total, mut reader) = (Vec::new(), 0, PieceReader::of_stretch());
        for run in runs {
            let Some((begin, end)) = self.range(*run) else { return Ok(None) };
            total += end - begin;
            if total > FINE_RUNS_LEN_MAX {
                return Ok(None);
            }
            let mut at = begin;
            while at < end {
                let len = match run.cut {
                    FineCut::Pages => page_len(at, end),
                    FineCut::Content => {
                        Cutter::FINE.max().min(usize::try_from(end - at).unwrap_or(usize::MAX))
                    }
                };
                let bytes = reader.until(content, at, end, len)?;
                if bytes.len() < len {
                    return Ok(None); // it was cut meanwhile
                }
                at += match run.cut {
                    FineCut::Pages => put_page(&mut signatures, &self.key, &bytes[..len]),
                    FineCut::Content => put_fine_piece(&mut signatures, &self.key, bytes),
                } as u64;
            }
        }
        Ok(Some(signatures))
    }

    /// Returns where a run begins and ends.
    fn range(&self, FineRun { first, count, .. }: FineRun) -> Option<(u64, u64)> {
        let first = usize::try_from(first).ok()?;
        let last =
            first.checked_add(usize::try_from(count).ok()?)?.checked_sub(1).filter(|last| *last >= first)?;
        let begin = if first == 0 { 0 } else { *self.ends.get(first - 1)? };
        Some((begin, *self.ends.get(last)?))
    }
}

/// Returns the length of the hole at `at`, if there is one that is worth it.
pub(super) fn hole(content: &dyn FileContent, at: u64, len: u64) -> Option<u64> {
    let end = content.next_data(at).min(len);
    end.checked_sub(at).filter(|hole| *hole >= HOLE_LEN_MIN)
}

/// Shorter holes are read.
const HOLE_LEN_MIN: u64 = 64 * 1024;
/// Shortest coarse piece, but for the last before a hole or the end.
const COARSE_PIECE_LEN_MIN: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::testing::noise;

    fn signer(len: usize) -> Signer {
        Signer::new(SignatureKey([1; 32]), len as u64)
    }

    #[test]
    fn only_whole_coarse_pieces_are_signed_finely() {
        let content = noise(3, 1_000_000);
        let mut signer = signer(content.len());
        let run = |first, count| FineRun { first, count, cut: FineCut::Pages };
        assert_eq!(signer.fine(&content, &[run(0, 1)]).unwrap(), None, "before it was signed coarsely");
        assert!(!signer.next_window(&content).unwrap().more);
        let pieces = u32::try_from(signer.ends.len()).unwrap();
        assert!(signer.fine(&content, &[run(0, pieces)]).unwrap().is_some());
        for wrong in [run(0, 0), run(0, pieces + 1), run(pieces, 1), run(u32::MAX, u32::MAX)] {
            assert_eq!(signer.fine(&content, &[wrong]).unwrap(), None, "{wrong:?}");
        }
        assert_eq!(signer.fine(&content, &[run(0, pieces); 5]).unwrap(), None, "too much at once");
    }

    #[test]
    fn windows_cover_the_file_and_end_where_it_was_cut() {
        let content = noise(4, 40_000_000);
        let mut signer = signer(content.len());
        assert!(signer.next_window(&content).unwrap().more);
        assert!(signer.next_window(&content).unwrap().more);
        assert!(!signer.next_window(&content).unwrap().more);
        assert_eq!(signer.ends.last(), Some(&40_000_000));
        let mut cut = self::signer(content.len());
        let shorter = content[..100_000].to_vec();
        let window = cut.next_window(&shorter).unwrap();
        assert!(!window.more && cut.ends.last() == Some(&100_000));
    }
}
