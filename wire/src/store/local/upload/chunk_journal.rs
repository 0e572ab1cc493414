//! The journal of a staged file: records each chunk that is written.

use crate::checksum::Digest;
use crate::journal::{JOURNAL_HEAD_LEN, JOURNAL_RECORD_LEN, JournalHead, JournalKey, encode_record};
use crate::limits::CHUNK_LEN;
use crate::store::{DiskFolder, StagedName, TargetFile, write_fully};
use crate::verified::VerifiedChunk;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Journal {
    key: JournalKey,
    head: [u8; JOURNAL_HEAD_LEN],
    file: Box<dyn TargetFile>,
    /// Offset of the next record.
    end: AtomicU64,
}

impl Journal {
    /// Goes on with a journal whose next record is to be at `end`.
    pub(super) fn reopened(
        key: &JournalKey,
        head: [u8; JOURNAL_HEAD_LEN],
        file: Box<dyn TargetFile>,
        end: u64,
    ) -> Self {
        Self { key: key.clone(), head, file, end: AtomicU64::new(end) }
    }

    /// Creates one beside a staged file, replacing an existing one.
    pub(super) fn create(
        folder: &dyn DiskFolder,
        staged: &StagedName,
        key: &JournalKey,
        head: &JournalHead,
        chunks: &[(u64, Digest)],
    ) -> io::Result<Self> {
        let file = folder.create_journal(staged)?;
        let head = head.encode(key);
        let mut bytes = head.to_vec();
        for (chunk, digest) in chunks {
            bytes.extend_from_slice(&encode_record(key, &head, *chunk, *digest));
        }
        if let Err(error) = write_fully(&*file, &mut [IoSlice::new(&bytes)], 0) {
            let _ = folder.remove_journal(staged); // a remaining staged file has no journal
            return Err(error);
        }
        Ok(Self { key: key.clone(), head, file, end: AtomicU64::new(bytes.len() as u64) })
    }

    pub(super) fn add(&self, chunk: &VerifiedChunk<'_>) -> io::Result<()> {
        let record = encode_record(&self.key, &self.head, chunk.offset() / CHUNK_LEN as u64, chunk.digest());
        let at = self.end.fetch_add(JOURNAL_RECORD_LEN as u64, Ordering::Relaxed);
        write_fully(&*self.file, &mut [IoSlice::new(&record)], at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end.load(Ordering::Relaxed) <= JOURNAL_HEAD_LEN as u64
    }
}

/// Upper bound of a journal's length: one record per chunk, plus a few more after crashes.
pub(super) fn journal_len_max(size: u64) -> u64 {
    let records = size.div_ceil(CHUNK_LEN as u64).saturating_mul(2);
    records.saturating_mul(JOURNAL_RECORD_LEN as u64).saturating_add(JOURNAL_HEAD_LEN as u64)
}
