//! Digests of chunks, and the root digest of a file, computed from them without reading a byte twice.
//!
//! With BLAKE3 a chunk is an aligned subtree of the file's hash tree, its digest the subtree's chaining value, and the root is
//! the standard BLAKE3 hash of the file. SHA-256 has no tree, so the root is a hash over chunk digests and length.

pub use crate::digest::Digest;
use crate::limits::CHUNK_LEN;
use crate::sha256::Sha256;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// The algorithm of a job's digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Checksum {
    /// SHA-256, which every peer implements.
    Sha256,
    /// BLAKE3, used where it is the faster one at both ends.
    Blake3,
}

impl Checksum {
    /// The faster algorithm on this machine: BLAKE3 on x86-64 with AVX2, else SHA-256.
    #[must_use]
    pub fn fastest_here() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            return Self::Blake3;
        }
        Self::Sha256
    }

    /// Returns the root digest of a file of at most one chunk, whose content is the concatenation of `pieces`.
    pub fn of_small_file<'a>(self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        match self {
            Self::Sha256 => {
                let (digest, len) = sha256(pieces);
                sha256_root(&[digest], len)
            }
            Self::Blake3 => {
                let mut hasher = blake3::Hasher::new();
                update_gathered(&mut hasher, pieces);
                Digest(*hasher.finalize().as_bytes())
            }
        }
    }

    /// Returns the digest of the chunk at `place`, whose content is the concatenation of `pieces`.
    pub fn of_chunk<'a>(self, place: ChunkPlace, pieces: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        match (self, place) {
            (Self::Sha256, _) => sha256(pieces).0,
            (Self::Blake3, ChunkPlace::Only) => self.of_small_file(pieces),
            (Self::Blake3, ChunkPlace::Among { index }) => {
                let mut hasher = blake3::Hasher::new();
                hasher.set_input_offset(index * CHUNK_LEN as u64);
                pieces.into_iter().for_each(|piece| {
                    hasher.update(piece);
                });
                Digest(hasher.finalize_non_root())
            }
        }
    }
}

/// Hashes pieces with arbitrary borders. BLAKE3 is only fast if it gets many of its own chunks (1 KiB) at once and whole: 12
/// KiB in two pieces take twice as long as in one, far longer than copying them together.
fn update_gathered<'a>(hasher: &mut blake3::Hasher, pieces: impl IntoIterator<Item = &'a [u8]>) {
    let mut pieces = pieces.into_iter();
    let (first, second) = (pieces.next().unwrap_or_default(), pieces.next());
    let Some(second) = second else {
        hasher.update(first);
        return;
    };
    let mut gathered = Vec::with_capacity(GATHERED_LEN);
    for piece in [first, second].into_iter().chain(pieces) {
        let mut rest = piece;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(GATHERED_LEN - gathered.len()));
            gathered.extend_from_slice(now);
            rest = later;
            if gathered.len() == GATHERED_LEN {
                hasher.update(&gathered);
                gathered.clear();
            }
        }
    }
    hasher.update(&gathered);
}

/// Position of a chunk in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkPlace {
    /// The chunk is the whole file.
    Only,
    /// The chunk is one of several.
    Among {
        /// Its number, from 0.
        index: u64,
    },
}

impl ChunkPlace {
    /// Returns the place of the chunk at `offset`; `last` if the file ends with it.
    #[must_use]
    pub fn at(offset: u64, last: bool) -> Self {
        if offset == 0 && last { Self::Only } else { Self::Among { index: offset / CHUNK_LEN as u64 } }
    }
}

/// Collects the digests of a file's chunks, in any order, and computes the root from them.
///
/// Finished subtrees are merged as they complete, so the number of digests kept grows with the logarithm of the file's length
/// and with the number of chunks that are ahead of their neighbours.
#[derive(Debug)]
pub struct RootBuilder(Gathered);

#[derive(Debug)]
enum Gathered {
    Sha256 {
        hashed: Sha256,
        next: u64,
        /// Digests of runs of chunks, by the number of the first: the run's length and the digest of each.
        ahead: BTreeMap<u64, (u64, Digest)>,
    },
    /// Chaining values of finished subtrees, by level (0: a chunk) and index within the level.
    Blake3 { subtrees: BTreeMap<(u32, u64), Digest> },
}

impl RootBuilder {
    /// A builder without chunks.
    #[must_use]
    pub fn new(checksum: Checksum) -> Self {
        Self(match checksum {
            Checksum::Sha256 => {
                Gathered::Sha256 { hashed: sha256_root_begin(), next: 0, ahead: BTreeMap::new() }
            }
            Checksum::Blake3 => Gathered::Blake3 { subtrees: BTreeMap::new() },
        })
    }

    /// Adds the digest of chunk `index`; each chunk exactly once.
    pub fn add(&mut self, index: u64, digest: Digest) {
        match &mut self.0 {
            Gathered::Sha256 { hashed, next, ahead } => {
                ahead.insert(index, (1, digest));
                take_next(hashed, next, ahead);
            }
            Gathered::Blake3 { subtrees } => add_subtree(subtrees, index, digest),
        }
    }

    /// Returns the number of digests that are kept because others are missing.
    #[must_use]
    pub fn kept(&self) -> usize {
        match &self.0 {
            Gathered::Sha256 { ahead, .. } => ahead.len(),
            Gathered::Blake3 { subtrees } => subtrees.len(),
        }
    }

    /// Adds the digests of the `count` chunks from `index` on, each `len` zeros. With SHA-256 this costs a small part of
    /// hashing them; the digests of BLAKE3's chunks depend on their position, so there it costs as much.
    pub fn add_zeros(&mut self, index: u64, count: u64, len: usize) {
        match &mut self.0 {
            Gathered::Sha256 { hashed, next, ahead } => {
                ahead.insert(index, (count, sha256_of_zeros(len)));
                take_next(hashed, next, ahead);
            }
            Gathered::Blake3 { .. } => {
                for index in index..index + count {
                    let place = ChunkPlace::Among { index };
                    self.add(index, Checksum::Blake3.of_chunk(place, zeros(len)));
                }
            }
        }
    }

    /// Returns the root of a file of `len` bytes; `None` if a chunk is missing.
    #[must_use]
    pub fn root(&self, len: u64) -> Option<Digest> {
        let chunks = len.div_ceil(CHUNK_LEN as u64);
        match &self.0 {
            Gathered::Sha256 { hashed, next, .. } => {
                let mut hashed = hashed.clone();
                let mut next = *next;
                if len == 0 && next == 0 {
                    hashed.update(&sha256([]).0.0); // an empty file has one chunk, of no bytes
                    next = 1;
                }
                hashed.update(&len.to_le_bytes());
                (next == chunks.max(1)).then(|| hashed.finish())
            }
            Gathered::Blake3 { .. } if chunks == 0 => Some(Checksum::Blake3.of_small_file([])),
            Gathered::Blake3 { subtrees } if chunks == 1 => subtrees.get(&(0, 0)).copied(),
            Gathered::Blake3 { subtrees } => {
                let top = u64::BITS - (chunks - 1).leading_zeros();
                let left = subtree(subtrees, top - 1, 0, chunks)?;
                let right = subtree(subtrees, top - 1, 1, chunks)?;
                Some(Digest(*merge_subtrees_root(&left.0, &right.0, Mode::Hash).as_bytes()))
            }
        }
    }
}

/// Hashes the digests whose turn it is.
fn take_next(hashed: &mut Sha256, next: &mut u64, ahead: &mut BTreeMap<u64, (u64, Digest)>) {
    while let Some((count, digest)) = ahead.remove(next) {
        let several = digest.0.repeat(usize::try_from(count).unwrap_or(usize::MAX).min(DIGESTS_AT_ONCE));
        let mut left = count.saturating_mul(digest.0.len() as u64);
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(several.len());
            hashed.update(&several[..len]);
            left -= len as u64;
        }
        *next += count;
    }
}

/// `len` zeros, at most a chunk, in pieces.
fn zeros(len: usize) -> impl Iterator<Item = &'static [u8]> {
    let pieces = len.div_ceil(ZEROS.len());
    (0..pieces).map(move |piece| &ZEROS[..(len - piece * ZEROS.len()).min(ZEROS.len())])
}

fn sha256_of_zeros(len: usize) -> Digest {
    static OF_A_CHUNK: OnceLock<Digest> = OnceLock::new();
    match len {
        CHUNK_LEN => *OF_A_CHUNK.get_or_init(|| sha256(zeros(CHUNK_LEN)).0),
        _ => sha256(zeros(len)).0,
    }
}

/// Adds a finished subtree and merges it with its neighbours, except along the left edge: a node there may be the root, which
/// is hashed differently, and this is known only with the file's length.
fn add_subtree(subtrees: &mut BTreeMap<(u32, u64), Digest>, index: u64, digest: Digest) {
    let (mut level, mut index, mut digest) = (0, index, digest);
    while index > 1 {
        let Some(sibling) = subtrees.remove(&(level, index ^ 1)) else { break };
        let (left, right) = if index % 2 == 0 { (digest, sibling) } else { (sibling, digest) };
        digest = Digest(merge_subtrees_non_root(&left.0, &right.0, Mode::Hash));
        (level, index) = (level + 1, index / 2);
    }
    subtrees.insert((level, index), digest);
}

/// Returns the chaining value of a subtree that is not the root, in a file of `chunks` chunks.
fn subtree(subtrees: &BTreeMap<(u32, u64), Digest>, level: u32, index: u64, chunks: u64) -> Option<Digest> {
    if let Some(digest) = subtrees.get(&(level, index)) {
        return Some(*digest);
    }
    let below = level.checked_sub(1)?;
    let left = subtree(subtrees, below, index * 2, chunks)?;
    let right_begins = (index * 2 + 1) << below;
    if right_begins >= chunks {
        return Some(left);
    }
    let right = subtree(subtrees, below, index * 2 + 1, chunks)?;
    Some(Digest(merge_subtrees_non_root(&left.0, &right.0, Mode::Hash)))
}

fn sha256<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Digest, u64) {
    let mut hasher = Sha256::new();
    let mut len = 0;
    for piece in pieces {
        hasher.update(piece);
        len += piece.len() as u64;
    }
    (hasher.finish(), len)
}

fn sha256_root(digests: &[Digest], len: u64) -> Digest {
    let mut hasher = sha256_root_begin();
    digests.iter().for_each(|digest| hasher.update(&digest.0));
    hasher.update(&len.to_le_bytes());
    hasher.finish()
}

fn sha256_root_begin() -> Sha256 {
    let mut hasher = Sha256::new();
    hasher.update(SHA256_ROOT_DOMAIN);
    hasher
}

/// Keeps SHA-256 roots apart from every other use of SHA-256.
const SHA256_ROOT_DOMAIN: &[u8] = b"ftpx sha256 root v1\n";

/// Digests that are hashed in one call: 4 KiB.
const DIGESTS_AT_ONCE: usize = 128;
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Bytes gathered before they are hashed: as many as BLAKE3 hashes at full speed.
const GATHERED_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn root(checksum: Checksum, data: &[u8], order: &[usize]) -> Option<Digest> {
        let chunks: Vec<&[u8]> = data.chunks(CHUNK_LEN).collect();
        let mut builder = RootBuilder::new(checksum);
        for index in order.iter().copied() {
            let offset = (index * CHUNK_LEN) as u64;
            let place = ChunkPlace::at(offset, index + 1 == chunks.len());
            builder.add(index as u64, checksum.of_chunk(place, [chunks[index]]));
        }
        builder.root(data.len() as u64)
    }

    fn data(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn blake3_roots_are_the_standard_hash() {
        for len in
            [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, 5 * CHUNK_LEN + 7, 8 * CHUNK_LEN]
        {
            let data = data(len);
            let order: Vec<usize> = (0..len.div_ceil(CHUNK_LEN)).rev().collect();
            assert_eq!(
                root(Checksum::Blake3, &data, &order).unwrap().0,
                *blake3::hash(&data).as_bytes(),
                "{len}"
            );
        }
    }

    #[test]
    fn a_small_files_root_is_the_same_either_way() {
        for checksum in [Checksum::Sha256, Checksum::Blake3] {
            for len in [0, 1, 70_000] {
                let data = data(len);
                let order: Vec<usize> = (0..len.div_ceil(CHUNK_LEN)).collect();
                assert_eq!(root(checksum, &data, &order), Some(checksum.of_small_file(data.chunks(1000))));
            }
        }
    }

    #[test]
    fn an_empty_file_may_have_a_chunk_of_no_bytes_or_none() {
        for checksum in [Checksum::Sha256, Checksum::Blake3] {
            let mut builder = RootBuilder::new(checksum);
            assert_eq!(builder.root(0), Some(checksum.of_small_file([])));
            builder.add(0, checksum.of_chunk(ChunkPlace::at(0, true), []));
            assert_eq!(builder.root(0), Some(checksum.of_small_file([])));
        }
    }

    #[test]
    fn zeros_need_not_be_there_to_be_hashed() {
        let len = 9 * CHUNK_LEN + 70_000;
        let data = vec![0; len];
        for checksum in [Checksum::Sha256, Checksum::Blake3] {
            let order: Vec<usize> = (0..10).collect();
            let expected = root(checksum, &data, &order);
            let mut builder = RootBuilder::new(checksum);
            builder.add_zeros(9, 1, 70_000);
            builder.add_zeros(4, 5, CHUNK_LEN);
            let place = ChunkPlace::Among { index: 0 };
            builder.add(0, checksum.of_chunk(place, [&data[..CHUNK_LEN]]));
            builder.add_zeros(1, 3, CHUNK_LEN);
            assert_eq!(builder.root(len as u64), expected);
        }
    }

    #[test]
    fn a_missing_chunk_gives_no_root() {
        let data = data(5 * CHUNK_LEN);
        for checksum in [Checksum::Sha256, Checksum::Blake3] {
            assert_eq!(root(checksum, &data, &[0, 1, 2, 4]), None);
            assert_eq!(root(checksum, &data, &[0, 1, 2, 3]), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn order_does_not_matter(chunks in 1_usize..20, tail in 1_usize..CHUNK_LEN, seed in any::<u64>()) {
            let data = data((chunks - 1) * CHUNK_LEN + tail);
            let mut order: Vec<usize> = (0..chunks).collect();
            order.sort_by_key(|index| blake3::hash(&(seed ^ *index as u64).to_le_bytes()).as_bytes()[0]);
            prop_assert_eq!(root(Checksum::Blake3, &data, &order).unwrap().0, *blake3::hash(&data).as_bytes());
            let sorted: Vec<usize> = (0..chunks).collect();
            prop_assert_eq!(root(Checksum::Sha256, &data, &order), root(Checksum::Sha256, &data, &sorted));
        }
    }
}
