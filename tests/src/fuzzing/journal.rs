//! Journals: whatever is changed in one, it never yields a chunk that was not written, nor another digest.

use wire::checksum::{Checksum, Digest};
use wire::journal::{HeldChunks, JournalHead, JournalKey, decode_records, encode_record};
use wire::metadata::{SourceId, Timestamp};

/// A journal of some records, with changes taken from the input: each three bytes give a place and a value to XOR; the first
/// byte says where it is cut.
pub fn journal(bytes: &[u8]) {
    let key = JournalKey::new([7; 32]);
    let head = head().encode(&key);
    let written: Vec<(u64, Digest)> = (0..RECORDS).map(|chunk| (chunk, digest(chunk))).collect();
    let mut journal = head.to_vec();
    for (chunk, digest) in &written {
        journal.extend_from_slice(&encode_record(&key, &head, *chunk, *digest));
    }
    let Some((cut, changes)) = bytes.split_first() else { return };
    journal.truncate(journal.len().saturating_sub(usize::from(*cut)));
    for change in changes.as_chunks::<3>().0 {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % journal.len();
        journal[place] ^= change[2];
    }
    for journal in [&journal[..], bytes] {
        let records = decode_records(journal, &key);
        assert!(records.iter().all(|record| written.contains(record)), "{records:?}");
        let mut held = HeldChunks::new(Checksum::Blake3, u64::MAX);
        for (chunk, digest) in &records {
            let _ = held.add(*chunk, *digest); // a chunk may be there twice
        }
        assert!(decode_records(journal, &JournalKey::new([8; 32])).is_empty(), "of another key");
    }
}

fn head() -> JournalHead {
    JournalHead {
        checksum: Checksum::Blake3,
        size: 1 << 30,
        modified: Timestamp::default(),
        source: SourceId::default(),
        origin: [1; 16],
        boot: [2; 16],
        mount: 3,
        inode: 4,
    }
}

fn digest(chunk: u64) -> Digest {
    Digest([u8::try_from(chunk).unwrap_or(u8::MAX); 32])
}

/// Few, so that changes hit them.
const RECORDS: u64 = 4;
