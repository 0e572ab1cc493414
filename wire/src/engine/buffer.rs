//! A frame's bytes as they go to the socket, laid out in records from the start: file data is read to the place where it is
//! sealed.
//!
//! ```text
//! [ unused | head record ][ payload record 0 ][ payload record 1 ] … [ last payload record | unused ]
//!          ^ begin         ^ HEAD_ROOM        ^ + STRIDE                                   ^ end
//! ```

use super::lock;
use crate::frame::{EXTRA_LEN_MAX, FrameHead, HEAD_LEN};
use crate::limits::CHUNK_LEN;
use crate::net::record::{RECORD_CONTENT_MAX, RECORD_HEADER_LEN, RECORD_OVERHEAD, RecordError, Sealer};
use std::ops::Range;
use std::sync::Mutex;

/// Space for one frame, in records.
pub struct ChunkBuffer {
    bytes: Box<[u8]>,
}

impl ChunkBuffer {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER_LEN].into() }
    }

    /// Returns `len` payload bytes from `from` on, in pieces, to fill.
    pub fn payload_mut(&mut self, from: usize, len: usize) -> impl Iterator<Item = &mut [u8]> {
        let (first, mut skip, mut left) = (from / RECORD_CONTENT_MAX, from % RECORD_CONTENT_MAX, len);
        self.bytes[HEAD_ROOM..].chunks_mut(STRIDE).skip(first).map_while(move |record| {
            let piece = left.min(RECORD_CONTENT_MAX - skip);
            let begin = RECORD_HEADER_LEN + std::mem::take(&mut skip);
            left -= piece;
            (piece > 0).then(|| &mut record[begin..begin + piece])
        })
    }

    /// Returns `len` payload bytes from `from` on, in pieces.
    pub fn payload(&self, from: usize, len: usize) -> impl Iterator<Item = &[u8]> {
        let (first, mut skip, mut left) = (from / RECORD_CONTENT_MAX, from % RECORD_CONTENT_MAX, len);
        self.bytes[HEAD_ROOM..].chunks(STRIDE).skip(first).map_while(move |record| {
            let piece = left.min(RECORD_CONTENT_MAX - skip);
            let begin = RECORD_HEADER_LEN + std::mem::take(&mut skip);
            left -= piece;
            (piece > 0).then(|| &record[begin..begin + piece])
        })
    }

    /// Copies `bytes` into the payload at `at`.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        let mut rest = bytes;
        for piece in self.payload_mut(at, bytes.len()) {
            let (now, later) = rest.split_at(piece.len());
            piece.copy_from_slice(now);
            rest = later;
        }
    }

    /// Seals a frame whose payload is in place, and returns the range of its ciphertext.
    ///
    /// # Errors
    /// If the key is used up.
    pub fn seal(
        &mut self,
        head: &FrameHead,
        extra: &[u8],
        sealer: &mut Sealer,
    ) -> Result<Range<usize>, RecordError> {
        let payload_len = head.payload_len as usize;
        let content_len = HEAD_LEN + extra.len();
        let begin = HEAD_ROOM - content_len - RECORD_OVERHEAD;
        let record = &mut self.bytes[begin..HEAD_ROOM];
        record[RECORD_HEADER_LEN..][..HEAD_LEN].copy_from_slice(&head.encode());
        record[RECORD_HEADER_LEN + HEAD_LEN..][..extra.len()].copy_from_slice(extra);
        sealer.seal(record, content_len)?;
        let mut left = payload_len;
        let mut end = HEAD_ROOM;
        for record in self.bytes[HEAD_ROOM..].chunks_mut(STRIDE) {
            let content_len = left.min(RECORD_CONTENT_MAX);
            if content_len == 0 {
                break;
            }
            sealer.seal(&mut record[..content_len + RECORD_OVERHEAD], content_len)?;
            left -= content_len;
            end += content_len + RECORD_OVERHEAD;
        }
        Ok(begin..end)
    }

    /// Returns sealed bytes.
    #[must_use]
    pub fn sealed(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// Used buffers for reuse.
#[derive(Default)]
pub struct BufferPool {
    free: Mutex<Vec<ChunkBuffer>>,
}

impl BufferPool {
    /// Returns a buffer with arbitrary content.
    #[must_use]
    pub fn take(&self) -> ChunkBuffer {
        lock(&self.free).pop().unwrap_or_else(ChunkBuffer::new)
    }

    /// Returns a buffer to the pool.
    pub fn put(&self, buffer: ChunkBuffer) {
        let mut free = lock(&self.free);
        if free.len() < FREE_MAX {
            free.push(buffer);
        }
    }
}

const STRIDE: usize = RECORD_CONTENT_MAX + RECORD_OVERHEAD;
const HEAD_ROOM: usize = HEAD_LEN + EXTRA_LEN_MAX + RECORD_OVERHEAD;
/// Length of a buffer in bytes.
pub(super) const BUFFER_LEN: usize = HEAD_ROOM + CHUNK_LEN / RECORD_CONTENT_MAX * STRIDE;
/// Most buffers that a pool keeps: about 4 MiB.
const FREE_MAX: usize = 8;
