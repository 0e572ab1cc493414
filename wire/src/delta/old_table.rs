//! The coarse pieces of an old file, as its sender knows them.

use super::signature::CoarsePiece;
use crate::limits::{OLD_PIECES_MAX, PIECE_SIGNED_LEN_MIN};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// Pieces, in the order of the file, and by their signatures.
#[derive(Debug, Default)]
pub(super) struct OldTable {
    pieces: Vec<OldPiece>,
    /// The first piece with a signature, and whether it is the only one.
    by_signature: HashMap<u64, (u32, bool)>,
    end: u64,
}

/// A piece of an old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OldPiece {
    pub(super) offset: u64,
    pub(super) len: u64,
    /// `None` for a hole, and for a piece that is too short.
    pub(super) signature: Option<u64>,
}

impl OldTable {
    /// Returns the offset up to which the pieces are known.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Returns the memory that the table may take with `pieces` more.
    pub(super) fn kept_len(&self, pieces: usize) -> usize {
        (self.pieces.len() + pieces) * PIECE_KEPT_LEN
    }

    /// Adds the next pieces; returns false if they are beyond the end of a file of `len` bytes, or too many.
    pub(super) fn add(&mut self, pieces: &[CoarsePiece], len: u64) -> bool {
        if self.pieces.len() + pieces.len() > OLD_PIECES_MAX {
            return false;
        }
        for piece in pieces {
            let (piece_len, signature) = match *piece {
                CoarsePiece::Data { len, signature } => (u64::from(len), Some(signature)),
                CoarsePiece::Hole { len } => (len, None),
            };
            let signature = signature.filter(|_| piece_len >= PIECE_SIGNED_LEN_MIN as u64);
            let Some(end) = self.end.checked_add(piece_len).filter(|end| *end <= len) else { return false };
            let number = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
            if let Some(signature) = signature {
                match self.by_signature.entry(signature) {
                    Entry::Vacant(entry) => drop(entry.insert((number, true))),
                    Entry::Occupied(mut entry) => entry.get_mut().1 = false,
                }
            }
            self.pieces.push(OldPiece { offset: self.end, len: piece_len, signature });
            self.end = end;
        }
        true
    }

    /// Returns the piece that begins at `offset`.
    pub(super) fn at(&self, offset: u64) -> Option<OldPiece> {
        let number = self.pieces.binary_search_by_key(&offset, |piece| piece.offset).ok()?;
        Some(self.pieces[number])
    }

    /// Returns the first piece with this length and signature, and whether it is the only one with the signature.
    pub(super) fn find(&self, len: u64, signature: u64) -> Option<(OldPiece, bool)> {
        let (number, is_only) = *self.by_signature.get(&signature)?;
        let piece = self.pieces[number as usize];
        (piece.len == len).then_some((piece, is_only))
    }

    /// Returns the numbers of the pieces that begin in a range, up to the first hole, and at most `len_max` bytes of them.
    pub(super) fn run(&self, range: Range<u64>, len_max: u64) -> Range<usize> {
        let begin = self.pieces.partition_point(|piece| piece.offset < range.start);
        let end = self.pieces.partition_point(|piece| piece.offset < range.end).max(begin);
        let from = self.pieces.get(begin).map_or(0, |piece| piece.offset);
        let run = self.pieces[begin..end].iter();
        let count = run
            .take_while(|piece| piece.signature.is_some() && piece.offset + piece.len - from <= len_max)
            .count();
        begin..begin + count
    }

    /// Returns the bytes of a run of pieces.
    pub(super) fn bytes(&self, run: &Range<usize>) -> Range<u64> {
        match (self.pieces.get(run.start), self.pieces.get(run.end.wrapping_sub(1))) {
            (Some(first), Some(last)) if !run.is_empty() => first.offset..last.offset + last.len,
            _ => 0..0,
        }
    }
}

/// Memory of a piece, with its share of the index.
const PIECE_KEPT_LEN: usize = 96;
