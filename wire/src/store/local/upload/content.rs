//! Writing verified content to a file of a filesystem: as it is, or with holes where it is zero.

use crate::store::placing::BLOCK_LEN;
use crate::store::{TargetFile, write_fully};
use std::io::{self, IoSlice};

pub(in crate::store) fn write_pieces(file: &dyn TargetFile, pieces: &[&[u8]], offset: u64) -> io::Result<()> {
    let mut slices = [IoSlice::new(&[]); PIECES_AT_ONCE];
    let mut offset = offset;
    for pieces in pieces.chunks(PIECES_AT_ONCE) {
        let mut len = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
            len += piece.len() as u64;
        }
        write_fully(file, &mut slices[..pieces.len()], offset)?;
        offset += len;
    }
    Ok(())
}

/// Writes the parts that are not zero. The file is empty there, so unwritten parts become holes. Zeros count where they fill a
/// block of the file between two pieces' borders, so a few blocks of a hole are written after all. Returns whether there is a
/// hole.
pub(in crate::store) fn write_with_holes(
    file: &dyn TargetFile,
    pieces: &[&[u8]],
    offset: u64,
) -> io::Result<bool> {
    let (mut offset, mut has_holes) = (offset, false);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let (run, zeros) = next_run(rest, offset);
            if !zeros {
                write_fully(file, &mut [IoSlice::new(run)], offset)?;
            }
            has_holes |= zeros;
            offset += run.len() as u64;
            rest = &rest[run.len()..];
        }
    }
    Ok(has_holes)
}

/// Returns the blocks at the beginning of `bytes` that are all zeros, or that all are not.
fn next_run(bytes: &[u8], offset: u64) -> (&[u8], bool) {
    let block = |at: usize| {
        let into_block = usize::try_from((offset + at as u64) % HOLE_LEN as u64).unwrap_or(0);
        &bytes[at..bytes.len().min(at + HOLE_LEN - into_block)]
    };
    let is_hole = |block: &[u8]| block.len() == HOLE_LEN && block.iter().all(|byte| *byte == 0);
    let hole = is_hole(block(0));
    let mut end = block(0).len();
    while end < bytes.len() && is_hole(block(end)) == hole {
        end += block(end).len();
    }
    (&bytes[..end], hole)
}

/// A chunk in full records has 32 pieces, or one more if its first record is shared.
const PIECES_AT_ONCE: usize = 40;

/// A smaller run of zeros saves no space.
pub(in crate::store) const HOLE_LEN: usize = BLOCK_LEN;
