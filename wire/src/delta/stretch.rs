//! Stretches of a new file that match no coarse piece, and their fine comparison with the old bytes at their place.

use super::FileContent;
use super::cutting::Cutter;
use super::piece_reader::PieceReader;
use super::runs::{CopyRun, CopyRuns};
use super::signature::{FinePiece, SignatureFault, SignatureKey, take_fine_pieces, take_pages};
use crate::message::FineCut;
use std::collections::HashMap;
use std::io;
use std::ops::Range;

/// A stretch of a new file, and the old pieces that it may have come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Its bytes.
    pub(super) new: Range<u64>,
    /// Numbers of the old pieces.
    pub(super) pieces: Range<usize>,
    /// Their bytes.
    pub(super) old: Range<u64>,
    pub(super) cut: FineCut,
}

/// The result of a fine comparison.
#[derive(Debug)]
pub(super) enum Compared {
    /// Its runs, and how many bytes they have.
    Runs(u64),
    /// Most pages differ: something was inserted and something removed. It is to be compared by content.
    NotInPlace,
}

/// Why signatures cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlanFault {
    /// They are malformed: the receiver is at fault.
    #[error("{0}")]
    Signatures(#[from] SignatureFault),
    /// The new file cannot be read. It fails when it is sent, or is sent whole.
    #[error("{0}")]
    Content(#[from] io::Error),
}

impl Stretch {
    /// Chooses how it is compared: a stretch that is as long as the old one was changed in its place.
    pub(super) fn new(new: Range<u64>, pieces: Range<usize>, old: Range<u64>) -> Self {
        let is_in_place = new.end - new.start == old.end - old.start;
        let cut = if is_in_place { FineCut::Pages } else { FineCut::Content };
        Self { new, pieces, old, cut }
    }

    pub(super) fn old_len(&self) -> u64 {
        self.old.end - self.old.start
    }

    /// Compares it with the old pieces' fine signatures, which are taken from the beginning of `signatures`.
    pub(super) fn compare(
        &self,
        key: &SignatureKey,
        content: &dyn FileContent,
        signatures: &mut &[u8],
        runs: &mut CopyRuns,
    ) -> Result<Compared, PlanFault> {
        let pieces = match self.cut {
            FineCut::Pages => take_pages(signatures, self.old.start, self.old_len())?,
            FineCut::Content => take_fine_pieces(signatures, self.old_len())?,
        };
        Ok(match self.cut {
            FineCut::Pages => self.compare_pages(key, content, &pieces, runs)?,
            FineCut::Content => Compared::Runs(self.compare_pieces(key, content, &pieces, runs)?),
        })
    }

    fn compare_pages(
        &self,
        key: &SignatureKey,
        content: &dyn FileContent,
        pages: &[FinePiece],
        runs: &mut CopyRuns,
    ) -> io::Result<Compared> {
        let (mut reader, mut at, mut equal) = (PieceReader::of_stretch(), 0, Vec::new());
        for page in pages {
            let new = self.new.start + at;
            let bytes = reader.until(content, new, self.new.end, page.len)?;
            let Some(here) = bytes.get(..page.len) else { break };
            if page.signature.is_some_and(|signature| signature == key.sign_fine(here)) {
                equal.push(CopyRun { new, old: self.old.start + at, len: page.len as u64 });
            }
            at += page.len as u64;
        }
        let len: u64 = equal.iter().map(|run| run.len).sum();
        if 2 * len < self.old_len() {
            return Ok(Compared::NotInPlace);
        }
        equal.into_iter().for_each(|run| runs.add(run));
        Ok(Compared::Runs(len))
    }

    fn compare_pieces(
        &self,
        key: &SignatureKey,
        content: &dyn FileContent,
        pieces: &[FinePiece],
        runs: &mut CopyRuns,
    ) -> io::Result<u64> {
        let mut offset = self.old.start;
        let mut old = Vec::with_capacity(pieces.len());
        let mut by_signature = HashMap::with_capacity(pieces.len());
        for piece in pieces {
            if let Some(signature) = piece.signature {
                by_signature.entry(signature).or_insert(old.len());
            }
            old.push((offset, *piece));
            offset += piece.len as u64;
        }
        let (mut reader, mut at, mut expected, mut matched) =
            (PieceReader::of_stretch(), self.new.start, 0, 0);
        while at < self.new.end {
            let bytes = reader.until(content, at, self.new.end, Cutter::FINE.max())?;
            if bytes.is_empty() {
                break; // it was cut meanwhile, which shows when it is sent
            }
            let here = &bytes[..Cutter::FINE.cut(bytes)];
            let signature = key.sign_fine(here);
            let is_same = |number: &usize| {
                old.get(*number)
                    .is_some_and(|(_, old)| old.len == here.len() && old.signature == Some(signature))
            };
            let found = Some(expected).filter(is_same);
            let found = found.or_else(|| by_signature.get(&signature).copied().filter(is_same));
            if let Some(number) = found {
                runs.add(CopyRun { new: at, old: old[number].0, len: here.len() as u64 });
                matched += here.len() as u64;
                expected = number;
            }
            expected += 1;
            at += here.len() as u64;
        }
        Ok(matched)
    }
}
