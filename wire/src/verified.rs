//! Proofs that bytes match their digest. Storage writes only verified bytes, and only this file can construct the proofs.

use crate::checksum::{Checksum, ChunkPlace, Digest};

/// Bytes did not match their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the data did not match its checksum")]
pub struct Damaged;

/// A chunk of a large file that matched its digest.
#[derive(Debug, Clone, Copy)]
pub struct VerifiedChunk<'a> {
    offset: u64,
    digest: Digest,
    pieces: &'a [&'a [u8]],
}

impl<'a> VerifiedChunk<'a> {
    /// Hashes `pieces`, the content of the chunk at `offset`, and compares with `digest`.
    ///
    /// # Errors
    /// If the digests differ.
    pub fn verify(
        checksum: Checksum,
        offset: u64,
        last: bool,
        digest: Digest,
        pieces: &'a [&'a [u8]],
    ) -> Result<Self, Damaged> {
        let computed = checksum.of_chunk(ChunkPlace::at(offset, last), pieces.iter().copied());
        (computed == digest).then_some(Self { offset, digest, pieces }).ok_or(Damaged)
    }

    /// Returns the offset of the chunk in the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the chunk's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the chunk's bytes.
    #[must_use]
    pub fn pieces(&self) -> &'a [&'a [u8]] {
        self.pieces
    }
}

/// The whole content of a small file that matched its digest.
#[derive(Debug, Clone, Copy)]
pub struct VerifiedContent<'a> {
    pieces: &'a [&'a [u8]],
}

impl<'a> VerifiedContent<'a> {
    /// Hashes `pieces` and compares with `digest`.
    ///
    /// # Errors
    /// If the digests differ.
    pub fn verify(checksum: Checksum, digest: Digest, pieces: &'a [&'a [u8]]) -> Result<Self, Damaged> {
        let computed = checksum.of_small_file(pieces.iter().copied());
        (computed == digest).then_some(Self { pieces }).ok_or(Damaged)
    }

    /// Returns the content's bytes.
    #[must_use]
    pub fn pieces(&self) -> &'a [&'a [u8]] {
        self.pieces
    }
}
