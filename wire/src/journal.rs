//! The journal of a staged file: which of its chunks are written and verified, so that the next run can resume.
//!
//! ```text
//! head:   "ftpx journal v1\n" | checksum u8, 7 x 0 | size u64 | modified i64, u32, 4 x 0 | source 16 | origin 16
//!         | boot 16 | mount u64 | inode u64 | tag 16
//! record: chunk u64 | digest 32 | tag 16                              (all integers little-endian)
//! ```
//!
//! A record is appended after its chunk's bytes were written and before the chunk is acknowledged. Records have one length and
//! a tag each, so a torn record, or a gap left by a crash, costs its chunk and nothing more.
//!
//! Tags are BLAKE3 under a key that only this end's programs can read. Someone who can write beside a staged file but cannot
//! read the key cannot forge a journal. Chunks without a valid record are sent again.

use crate::checksum::{Checksum, Digest, RootBuilder};
use crate::limits::CHUNK_LEN;
use crate::metadata::{SourceId, Timestamp};
use crate::ranges::RangeSet;

/// Length of a journal's head.
pub const JOURNAL_HEAD_LEN: usize = 128;
/// Length of a record.
pub const JOURNAL_RECORD_LEN: usize = 56;

/// The secret under which an end's journals are tagged.
#[derive(Clone)]
pub struct JournalKey([u8; 32]);

impl JournalKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key derived from another secret of this end.
    #[must_use]
    pub fn derived(secret: &[u8]) -> Self {
        Self(blake3::derive_key("ftpx 2026-11-22 journal key", secret))
    }

    fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        parts.iter().for_each(|part| {
            hasher.update(part);
        });
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&hasher.finalize().as_bytes()[..TAG_LEN]);
        tag
    }
}

/// Never shows the secret.
impl std::fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JournalKey")
    }
}

/// Identifies a sender by a hash of `parts`, which distinguish it from others.
#[must_use]
pub fn origin_of(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    let mut origin = [0; 16];
    origin.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    origin
}

type Tag = [u8; TAG_LEN];

/// The file and the attempt that a journal describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalHead {
    /// The algorithm of the chunks' digests.
    pub checksum: Checksum,
    /// Length of the file.
    pub size: u64,
    /// Modification time of the source.
    pub modified: Timestamp,
    /// The state of the source file that the chunks come from.
    pub source: SourceId,
    /// The sender of the chunks: chunks of another sender prove nothing.
    pub origin: [u8; 16],
    /// Boot id of this machine when they were written: chunks that were not synced before a power failure may be lost.
    pub boot: [u8; 16],
    /// The mount of the staged file: chunks that were not synced before a disk went away may be lost. Zero if unknown.
    pub mount: u64,
    /// The staged file's inode number there.
    pub inode: u64,
}

impl JournalHead {
    /// Encodes the head.
    #[must_use]
    pub fn encode(&self, key: &JournalKey) -> [u8; JOURNAL_HEAD_LEN] {
        let mut bytes = [0; JOURNAL_HEAD_LEN];
        let checksum = match self.checksum {
            Checksum::Sha256 => 0,
            Checksum::Blake3 => 1,
        };
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(MAGIC);
        put(&[checksum, 0, 0, 0, 0, 0, 0, 0]);
        put(&self.size.to_le_bytes());
        put(&self.modified.seconds.to_le_bytes());
        put(&self.modified.nanos.to_le_bytes());
        put(&[0; 4]);
        put(&self.source.0);
        put(&self.origin);
        put(&self.boot);
        put(&self.mount.to_le_bytes());
        put(&self.inode.to_le_bytes());
        let tag = key.tag(&[&bytes[..JOURNAL_HEAD_LEN - TAG_LEN]]);
        bytes[JOURNAL_HEAD_LEN - TAG_LEN..].copy_from_slice(&tag);
        bytes
    }

    /// Decodes a head; returns `None` if the bytes are not a head written with this key.
    #[must_use]
    pub fn decode(bytes: &[u8], key: &JournalKey) -> Option<Self> {
        let bytes = bytes.first_chunk::<JOURNAL_HEAD_LEN>()?;
        let mut rest = &bytes[MAGIC.len()..];
        let checksum = match take::<8>(&mut rest)?[0] {
            0 => Checksum::Sha256,
            1 => Checksum::Blake3,
            _ => return None,
        };
        let size = u64::from_le_bytes(take(&mut rest)?);
        let seconds = i64::from_le_bytes(take(&mut rest)?);
        let nanos = u32::from_le_bytes(take(&mut rest)?);
        let _: [u8; 4] = take(&mut rest)?;
        let head = Self {
            checksum,
            size,
            modified: Timestamp { seconds, nanos },
            source: SourceId(take(&mut rest)?),
            origin: take(&mut rest)?,
            boot: take(&mut rest)?,
            mount: u64::from_le_bytes(take(&mut rest)?),
            inode: u64::from_le_bytes(take(&mut rest)?),
        };
        // A head that encodes to other bytes was not written with this key.
        let same = subtle::ConstantTimeEq::ct_eq(&head.encode(key)[..], &bytes[..]);
        bool::from(same).then_some(head)
    }

    /// True if chunks of `self` are chunks of the same source state as `other`'s, wherever and whenever they were written.
    #[must_use]
    pub fn is_of_same_source(&self, other: &Self) -> bool {
        let source = |head: &Self| (head.checksum, head.size, head.modified, head.source, head.origin);
        source(self) == source(other) && self.source != SourceId::default()
    }

    /// True if data written for `self` is certainly there: the same file, no reboot since, and its disk was not away. Unknown
    /// values never count as the same.
    #[must_use]
    pub fn is_of_same_boot(&self, other: &Self) -> bool {
        let place = |head: &Self| (head.boot, head.mount, head.inode);
        place(self) == place(other) && self.boot != [0; 16] && self.mount != 0
    }
}

/// Encodes the record of a chunk. `head` is the journal's encoded head.
#[must_use]
pub fn encode_record(
    key: &JournalKey,
    head: &[u8; JOURNAL_HEAD_LEN],
    chunk: u64,
    digest: Digest,
) -> [u8; JOURNAL_RECORD_LEN] {
    let mut bytes = [0; JOURNAL_RECORD_LEN];
    bytes[..8].copy_from_slice(&chunk.to_le_bytes());
    bytes[8..40].copy_from_slice(&digest.0);
    let tag = key.tag(&[&head[JOURNAL_HEAD_LEN - TAG_LEN..], &bytes[..40]]);
    bytes[40..].copy_from_slice(&tag);
    bytes
}

/// Returns the chunks recorded in a journal, each once. Torn or foreign records and chunks beyond the file are left out.
#[must_use]
pub fn decode_records(journal: &[u8], key: &JournalKey) -> Vec<(u64, Digest)> {
    let Some(head) = JournalHead::decode(journal, key) else { return Vec::new() };
    let Some((head_bytes, records)) = journal.split_first_chunk::<JOURNAL_HEAD_LEN>() else {
        return Vec::new();
    };
    let (mut chunks, mut seen) = (Vec::new(), RangeSet::default());
    for record in records.chunks_exact(JOURNAL_RECORD_LEN) {
        let mut rest = record;
        let Some((chunk, digest)) = take::<8>(&mut rest).zip(take::<32>(&mut rest)) else { break };
        let (chunk, digest) = (u64::from_le_bytes(chunk), Digest(digest));
        let expected = encode_record(key, head_bytes, chunk, digest);
        let own = bool::from(subtle::ConstantTimeEq::ct_eq(&expected[..], record));
        if own && chunk < head.size.div_ceil(CHUNK_LEN as u64) && seen.insert(chunk) {
            chunks.push((chunk, digest));
        }
    }
    chunks
}

/// Chunks of a large file that its receiver has from an earlier run, with their digests added to its root.
#[derive(Debug)]
pub struct HeldChunks {
    chunks: RangeSet,
    root: RootBuilder,
    size: u64,
    bytes: u64,
}

impl HeldChunks {
    /// No chunks yet, for a file of `size` bytes.
    #[must_use]
    pub fn new(checksum: Checksum, size: u64) -> Self {
        Self { chunks: RangeSet::default(), root: RootBuilder::new(checksum), size, bytes: 0 }
    }

    /// Adds a chunk; returns false if it is a duplicate or beyond the file.
    pub fn add(&mut self, chunk: u64, digest: Digest) -> bool {
        let Some(begin) = chunk.checked_mul(CHUNK_LEN as u64).filter(|begin| *begin < self.size) else {
            return false;
        };
        if !self.chunks.insert(chunk) {
            return false;
        }
        self.bytes += (self.size - begin).min(CHUNK_LEN as u64);
        self.root.add(chunk, digest);
        true
    }

    /// Returns the set of chunk numbers.
    #[must_use]
    pub fn chunks(&self) -> &RangeSet {
        &self.chunks
    }

    /// Returns the total length of the chunks in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the approximate memory use in bytes.
    #[must_use]
    pub fn kept_len(&self) -> usize {
        CHUNK_KEPT_LEN * (self.chunks.range_count() + self.root.kept())
    }

    pub(crate) fn into_parts(self) -> (RangeSet, RootBuilder) {
        (self.chunks, self.root)
    }
}

fn take<const LEN: usize>(bytes: &mut &[u8]) -> Option<[u8; LEN]> {
    let (first, rest) = bytes.split_first_chunk::<LEN>()?;
    *bytes = rest;
    Some(*first)
}

const MAGIC: &[u8; 16] = b"ftpx journal v1\n";
const TAG_LEN: usize = 16;
/// Approximate memory of a range or a digest in its tree.
pub(crate) const CHUNK_KEPT_LEN: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(size: u64) -> JournalHead {
        JournalHead {
            checksum: Checksum::Blake3,
            size,
            modified: Timestamp { seconds: -5, nanos: 7 },
            source: SourceId([1; 16]),
            origin: [2; 16],
            boot: [3; 16],
            mount: 4,
            inode: 5,
        }
    }

    fn journal(key: &JournalKey, chunks: &[u64]) -> Vec<u8> {
        let head = head(100 * CHUNK_LEN as u64).encode(key);
        let record = |chunk: &u64| encode_record(key, &head, *chunk, Digest([chunk.to_le_bytes()[0]; 32]));
        head.into_iter().chain(chunks.iter().flat_map(record)).collect()
    }

    #[test]
    fn a_journal_is_read_back() {
        let key = JournalKey::new([9; 32]);
        let bytes = journal(&key, &[7, 3, 7, 99]);
        assert_eq!(JournalHead::decode(&bytes, &key), Some(head(100 * CHUNK_LEN as u64)));
        let chunks: Vec<u64> = decode_records(&bytes, &key).into_iter().map(|(chunk, _)| chunk).collect();
        assert_eq!(chunks, [7, 3, 99]);
    }

    #[test]
    fn chunks_are_of_the_same_source_only_if_all_that_is_known_of_it_agrees() {
        let one = head(7);
        let elsewhere = JournalHead { boot: [9; 16], mount: 9, inode: 9, ..one };
        assert!(one.is_of_same_source(&elsewhere) && !one.is_of_same_boot(&elsewhere));
        for other in [
            JournalHead { checksum: Checksum::Sha256, ..one },
            JournalHead { size: 8, ..one },
            JournalHead { modified: Timestamp { seconds: -5, nanos: 8 }, ..one },
            JournalHead { source: SourceId([9; 16]), ..one },
            JournalHead { origin: [9; 16], ..one },
        ] {
            assert!(!one.is_of_same_source(&other), "{other:?}");
        }
        let unknown = JournalHead { source: SourceId::default(), ..one };
        assert!(!unknown.is_of_same_source(&unknown), "it may be any state of the file");
    }

    #[test]
    fn senders_differ_in_each_part_of_what_is_known_of_them() {
        let origins = [
            &[&b"ab"[..], b"c"][..],
            &[b"a", b"bc"],
            &[b"abc"],
            &[b"ab", b"d"],
            &[b"ab"],
            &[b"ab", b"c", b""],
        ];
        let different: std::collections::HashSet<_> = origins.iter().map(|parts| origin_of(parts)).collect();
        assert_eq!(different.len(), origins.len());
        assert_eq!(origin_of(&[b"ab", b"c"]), origin_of(&[b"ab", b"c"]));
    }

    /// A later version must be able to read the journals of this one.
    #[test]
    fn a_journals_bytes_are_pinned() {
        let key = JournalKey::new([9; 32]);
        let head = JournalHead { checksum: Checksum::Blake3, ..head(0x0102) };
        let bytes = head.encode(&key);
        let mut expected = b"ftpx journal v1\n\x01\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0".to_vec();
        expected.extend_from_slice(&(-5_i64).to_le_bytes());
        expected.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend_from_slice(&[[1; 16], [2; 16], [3; 16]].concat());
        expected.extend_from_slice(&[4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[..JOURNAL_HEAD_LEN - TAG_LEN], expected);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&bytes[JOURNAL_HEAD_LEN - TAG_LEN..]), "ae5a9a24c2c95acba94e3f662df17698");
        let record = encode_record(&key, &bytes, 0x0304, Digest([6; 32]));
        assert_eq!(hex(&record[..40]), format!("0403000000000000{}", "06".repeat(32)));
        assert_eq!(hex(&record[40..]), "03c1f821a694882560927c8789ae5dc9");
        let sha256 = JournalHead { checksum: Checksum::Sha256, ..head }.encode(&key);
        assert_eq!((sha256[16], JournalHead::decode(&sha256, &key).unwrap().checksum), (0, Checksum::Sha256));
    }

    /// A disk that was away and came back has the same device number, and may have lost unsynced data.
    #[test]
    fn what_is_not_known_of_boot_or_mount_is_never_the_same() {
        let known = head(1);
        assert!(known.is_of_same_boot(&known));
        for other in [
            JournalHead { boot: [0; 16], ..known },
            JournalHead { mount: 0, ..known },
            JournalHead { boot: [4; 16], ..known },
            JournalHead { mount: 5, ..known },
            JournalHead { inode: 6, ..known },
        ] {
            assert!(!known.is_of_same_boot(&other) && !other.is_of_same_boot(&known));
            assert_eq!(other.is_of_same_boot(&other), other.boot != [0; 16] && other.mount != 0);
        }
    }

    #[test]
    fn another_keys_journal_and_records_of_another_journal_say_nothing() {
        let (key, other) = (JournalKey::new([9; 32]), JournalKey::new([8; 32]));
        let bytes = journal(&key, &[1, 2]);
        assert!(JournalHead::decode(&bytes, &other).is_none() && decode_records(&bytes, &other).is_empty());
        let mut mixed = head(7 * CHUNK_LEN as u64).encode(&key).to_vec();
        mixed.extend_from_slice(&bytes[JOURNAL_HEAD_LEN..]);
        assert!(decode_records(&mixed, &key).is_empty(), "tags are bound to the head");
    }

    #[test]
    fn a_chunk_beyond_the_file_is_none() {
        let key = JournalKey::new([9; 32]);
        assert!(decode_records(&journal(&key, &[100, u64::MAX]), &key).is_empty());
        let mut held = HeldChunks::new(Checksum::Blake3, CHUNK_LEN as u64 + 1);
        assert!(held.add(1, Digest::default()) && !held.add(1, Digest::default()));
        assert!(!held.add(2, Digest::default()) && !held.add(u64::MAX, Digest::default()));
        assert_eq!(held.bytes(), 1);
    }

    proptest! {
        #[test]
        fn damage_costs_the_chunks_that_it_hits(
            chunks in proptest::collection::btree_set(0_u64..100, 1..20),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
            cut in any::<prop::sample::Index>(),
        ) {
            let key = JournalKey::new([9; 32]);
            let chunks: Vec<u64> = chunks.into_iter().collect();
            let whole = journal(&key, &chunks);
            let mut bytes = whole.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let cut = cut.index(bytes.len() + 1);
            bytes.truncate(cut);
            let read: Vec<u64> = decode_records(&bytes, &key).into_iter().map(|(chunk, _)| chunk).collect();
            let expected: Vec<u64> = match (at >= cut, at < JOURNAL_HEAD_LEN || cut < JOURNAL_HEAD_LEN) {
                (false, true) => Vec::new(),
                (true, true) if cut < JOURNAL_HEAD_LEN => Vec::new(),
                _ => {
                    let whole_records = (cut - JOURNAL_HEAD_LEN) / JOURNAL_RECORD_LEN;
                    let hit = at.checked_sub(JOURNAL_HEAD_LEN).map(|at| at / JOURNAL_RECORD_LEN);
                    let kept = |index: &usize| *index < whole_records && Some(*index) != hit;
                    (0..chunks.len()).filter(kept).map(|index| chunks[index]).collect()
                }
            };
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(decode_records(&bytes, &JournalKey::new([9; 32])).is_empty());
        }
    }
}
