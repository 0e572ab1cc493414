//! Signatures of an old file's pieces, as they are computed and as they travel.
//!
//! A signature is short: a match that is none gives a chunk whose digest does not match. The key is chosen anew for each old
//! file, so that nobody can prepare content with equal signatures.

use super::cutting::Cutter;
use crate::limits::PIECE_SIGNED_LEN_MIN;

/// The key of the signatures of one old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureKey(pub [u8; 32]);

impl SignatureKey {
    /// Returns the signature of a coarse piece.
    #[must_use]
    pub fn sign(&self, piece: &[u8]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *blake3::keyed_hash(&self.0, piece).as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Returns the signature of a fine piece.
    #[must_use]
    pub fn sign_fine(&self, piece: &[u8]) -> u64 {
        self.sign(piece) & FINE_MASK
    }
}

/// A coarse piece of an old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoarsePiece {
    /// Data, with its signature.
    Data {
        /// Its length.
        len: u32,
        /// Its signature.
        signature: u64,
    },
    /// A hole of the file.
    Hole {
        /// Its length.
        len: u64,
    },
}

/// Signatures are not what they should be. The receiver is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed signatures")]
pub struct SignatureFault;

/// Appends a coarse piece.
pub fn put_coarse(bytes: &mut Vec<u8>, piece: CoarsePiece) {
    let (len, rest) = match piece {
        CoarsePiece::Data { len, signature } => (len, signature),
        CoarsePiece::Hole { len } => (0, len),
    };
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&rest.to_le_bytes());
}

/// Decodes coarse pieces.
///
/// # Errors
/// If they are cut off, or one is longer than a piece may be.
pub fn coarse(bytes: &[u8], cutter: &Cutter) -> Result<Vec<CoarsePiece>, SignatureFault> {
    let (pieces, rest) = bytes.as_chunks::<COARSE_LEN>();
    if !rest.is_empty() {
        return Err(SignatureFault);
    }
    let piece = |[a, b, c, d, rest @ ..]: &[u8; COARSE_LEN]| {
        let (len, rest) = (u32::from_le_bytes([*a, *b, *c, *d]), u64::from_le_bytes(*rest));
        match (len, rest) {
            (0, 0) => Err(SignatureFault),
            (0, len) => Ok(CoarsePiece::Hole { len }),
            (len, _) if len as usize > cutter.max() => Err(SignatureFault),
            (len, signature) => Ok(CoarsePiece::Data { len, signature }),
        }
    };
    pieces.iter().map(piece).collect()
}

/// A fine piece of an old file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinePiece {
    /// Its length.
    pub len: usize,
    /// Its signature; `None` for a piece that is too short to have one.
    pub signature: Option<u64>,
}

/// Returns the length of the page at `at` of content that ends at `end`: pages of a file begin at multiples of their length.
#[must_use]
pub fn page_len(at: u64, end: u64) -> usize {
    let next = (at / PAGE_LEN + 1).saturating_mul(PAGE_LEN).min(end);
    usize::try_from(next.saturating_sub(at)).unwrap_or(0)
}

/// Appends the signature of a page; returns its length.
pub fn put_page(bytes: &mut Vec<u8>, key: &SignatureKey, page: &[u8]) -> usize {
    put_fine(bytes, key, page);
    page.len()
}

/// Appends length and signature of the first fine piece of `content`, which is as long as the longest piece or ends there;
/// returns its length.
pub fn put_fine_piece(bytes: &mut Vec<u8>, key: &SignatureKey, content: &[u8]) -> usize {
    let piece = &content[..Cutter::FINE.cut(content)];
    bytes.extend_from_slice(&u16::try_from(piece.len()).unwrap_or(u16::MAX).to_le_bytes());
    put_fine(bytes, key, piece);
    piece.len()
}

fn put_fine(bytes: &mut Vec<u8>, key: &SignatureKey, piece: &[u8]) {
    if piece.len() >= PIECE_SIGNED_LEN_MIN {
        bytes.extend_from_slice(&key.sign_fine(piece).to_le_bytes()[..FINE_LEN]);
    }
}

/// Takes the signatures of the pages of `len` bytes at `offset` from the beginning of `bytes`.
///
/// # Errors
/// If they are cut off.
pub fn take_pages(bytes: &mut &[u8], offset: u64, len: u64) -> Result<Vec<FinePiece>, SignatureFault> {
    let (mut at, end, mut pages) = (offset, offset.saturating_add(len), Vec::new());
    while at < end {
        let len = page_len(at, end);
        pages.push(FinePiece { len, signature: take_signature(bytes, len)? });
        at += len as u64;
    }
    Ok(pages)
}

/// Takes the fine pieces of `len` bytes from the beginning of `bytes`.
///
/// # Errors
/// If they are cut off, or are not as long together.
pub fn take_fine_pieces(bytes: &mut &[u8], len: u64) -> Result<Vec<FinePiece>, SignatureFault> {
    let mut left = usize::try_from(len).map_err(|_| SignatureFault)?;
    let mut pieces = Vec::new();
    while left > 0 {
        let (piece_len, rest) = bytes.split_first_chunk::<2>().ok_or(SignatureFault)?;
        *bytes = rest;
        let piece_len = usize::from(u16::from_le_bytes(*piece_len));
        let is_last = piece_len == left;
        if piece_len == 0 || piece_len > left || (piece_len < PIECE_SIGNED_LEN_MIN && !is_last) {
            return Err(SignatureFault);
        }
        pieces.push(FinePiece { len: piece_len, signature: take_signature(bytes, piece_len)? });
        left -= piece_len;
    }
    Ok(pieces)
}

fn take_signature(bytes: &mut &[u8], len: usize) -> Result<Option<u64>, SignatureFault> {
    if len < PIECE_SIGNED_LEN_MIN {
        return Ok(None);
    }
    let ([a, b, c, d, e], rest) = bytes.split_first_chunk::<FINE_LEN>().ok_or(SignatureFault)?;
    *bytes = rest;
    Ok(Some(u64::from_le_bytes([*a, *b, *c, *d, *e, 0, 0, 0])))
}

/// Bytes of a coarse piece: its length and its signature.
pub const COARSE_LEN: usize = 12;
/// Bytes of a fine signature.
const FINE_LEN: usize = 5;
const FINE_MASK: u64 = (1 << (8 * FINE_LEN)) - 1;
/// Length of a page: what filesystems and images change at once.
const PAGE_LEN: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::testing::noise;
    use proptest::prelude::*;

    const KEY: SignatureKey = SignatureKey([7; 32]);

    #[test]
    fn pieces_survive_their_encoding() {
        let pieces = [CoarsePiece::Data { len: 9, signature: 7 }, CoarsePiece::Hole { len: 1 << 40 }];
        let mut bytes = Vec::new();
        pieces.into_iter().for_each(|piece| put_coarse(&mut bytes, piece));
        assert_eq!(coarse(&bytes, &Cutter::coarse(0)).unwrap(), pieces);
        assert!(coarse(&bytes[1..], &Cutter::coarse(0)).is_err());
        let content = noise(2, 30_100);
        let (mut in_pages, mut in_pieces) = (Vec::new(), Vec::new());
        let (mut at, mut rest) = (0, &content[..]);
        while at < content.len() {
            let len = page_len(5000 + at as u64, 5000 + content.len() as u64);
            at += put_page(&mut in_pages, &KEY, &content[at..at + len]);
        }
        while !rest.is_empty() {
            rest = &rest[put_fine_piece(&mut in_pieces, &KEY, rest)..];
        }
        let (mut pages, mut pieces) = (&in_pages[..], &in_pieces[..]);
        let decoded = [
            take_pages(&mut pages, 5000, content.len() as u64).unwrap(),
            take_fine_pieces(&mut pieces, content.len() as u64).unwrap(),
        ];
        assert!(pages.is_empty() && pieces.is_empty());
        assert_eq!(decoded[0][..2].iter().map(|page| page.len).collect::<Vec<_>>(), [3192, 4096]);
        for decoded in decoded {
            let mut rest = &content[..];
            for FinePiece { len, signature } in decoded {
                assert_eq!(signature, (len >= PIECE_SIGNED_LEN_MIN).then(|| KEY.sign_fine(&rest[..len])));
                rest = &rest[len..];
            }
            assert!(rest.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..200), len in 0..5000_u64) {
            let _ = coarse(&bytes, &Cutter::coarse(0));
            for pieces in [take_pages(&mut &bytes[..], len, len), take_fine_pieces(&mut &bytes[..], len)].into_iter().flatten() {
                prop_assert_eq!(pieces.iter().map(|piece| piece.len as u64).sum::<u64>(), len);
            }
        }
    }
}
