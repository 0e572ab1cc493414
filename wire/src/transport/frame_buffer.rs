//! A frame's bytes as they are sent, laid out as the transport encodes them from the start: file data is read to the place
//! where it is encoded.
//!
//! ```text
//! [ unused | head, extra ][ payload piece 0 ][ payload piece 1 ] … [ last payload piece | unused ]
//!          ^ begin         ^ head_room        ^ + stride                                ^ end
//! ```
//!
//! Each piece, and the head with its extra, has room around it for what the transport adds.

use crate::compression::Codecs;
use crate::frame::{EXTRA_LEN_MAX, FrameHead, HEAD_LEN};
use crate::limits::CHUNK_LEN;
use crate::sync::lock;
use std::ops::Range;
use std::sync::Mutex;

/// Where a transport keeps the pieces of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    /// Longest piece of a payload.
    pub piece_len: usize,
    /// Room before each piece.
    pub room_before: usize,
    /// Room behind each piece.
    pub room_behind: usize,
}

impl FrameLayout {
    /// Returns the length of a buffer for a frame of any length.
    #[must_use]
    pub const fn buffer_len(self) -> usize {
        self.head_room() + CHUNK_LEN.div_ceil(self.piece_len) * self.stride()
    }

    const fn around(self) -> usize {
        self.room_before + self.room_behind
    }

    const fn stride(self) -> usize {
        self.piece_len + self.around()
    }

    const fn head_room(self) -> usize {
        HEAD_LEN + EXTRA_LEN_MAX + self.around()
    }
}

/// Space for one frame.
pub struct FrameBuffer {
    bytes: Box<[u8]>,
    layout: FrameLayout,
}

impl FrameBuffer {
    fn new(layout: FrameLayout) -> Self {
        Self { bytes: vec![0; layout.buffer_len()].into(), layout }
    }

    /// Returns `len` payload bytes from `from` on, in pieces, to fill.
    pub fn payload_mut(&mut self, from: usize, len: usize) -> impl Iterator<Item = &mut [u8]> {
        let FrameLayout { piece_len, room_before, .. } = self.layout;
        let (first, mut skip, mut left) = (from / piece_len, from % piece_len, len);
        let pieces = self.bytes[self.layout.head_room()..].chunks_mut(self.layout.stride());
        pieces.skip(first).map_while(move |room| {
            let piece = left.min(piece_len - skip);
            let begin = room_before + std::mem::take(&mut skip);
            left -= piece;
            (piece > 0).then(|| &mut room[begin..begin + piece])
        })
    }

    /// Returns `len` payload bytes from `from` on, in pieces.
    pub fn payload(&self, from: usize, len: usize) -> impl Iterator<Item = &[u8]> {
        let FrameLayout { piece_len, room_before, .. } = self.layout;
        let (first, mut skip, mut left) = (from / piece_len, from % piece_len, len);
        let pieces = self.bytes[self.layout.head_room()..].chunks(self.layout.stride());
        pieces.skip(first).map_while(move |room| {
            let piece = left.min(piece_len - skip);
            let begin = room_before + std::mem::take(&mut skip);
            left -= piece;
            (piece > 0).then(|| &room[begin..begin + piece])
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

    /// Puts head and extra before a payload that is in place, and has `protect` finish each piece: it gets the piece with the
    /// room around it, and the piece's own length. Returns the range of the frame's bytes.
    ///
    /// # Errors
    /// Of `protect`.
    pub fn encode<E>(
        &mut self,
        head: &FrameHead,
        extra: &[u8],
        mut protect: impl FnMut(&mut [u8], usize) -> Result<(), E>,
    ) -> Result<Range<usize>, E> {
        let FrameLayout { piece_len, room_before, .. } = self.layout;
        let (around, head_room) = (self.layout.around(), self.layout.head_room());
        let content_len = HEAD_LEN + extra.len();
        let begin = head_room - content_len - around;
        let room = &mut self.bytes[begin..head_room];
        room[room_before..][..HEAD_LEN].copy_from_slice(&head.encode());
        room[room_before + HEAD_LEN..][..extra.len()].copy_from_slice(extra);
        protect(room, content_len)?;
        let mut left = head.payload_len as usize;
        let mut end = head_room;
        for room in self.bytes[head_room..].chunks_mut(self.layout.stride()) {
            let content_len = left.min(piece_len);
            if content_len == 0 {
                break;
            }
            protect(&mut room[..content_len + around], content_len)?;
            left -= content_len;
            end += content_len + around;
        }
        Ok(begin..end)
    }

    /// Returns encoded bytes.
    #[must_use]
    pub fn encoded(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// Used buffers for reuse, and what compresses their payloads.
#[derive(Default)]
pub struct BufferPool {
    free: Mutex<Vec<FrameBuffer>>,
    codecs: Codecs,
}

impl BufferPool {
    /// Returns a buffer with this layout and arbitrary content.
    #[must_use]
    pub fn take(&self, layout: FrameLayout) -> FrameBuffer {
        let free = lock(&self.free).pop();
        free.filter(|buffer| buffer.layout == layout).unwrap_or_else(|| FrameBuffer::new(layout))
    }

    pub(crate) fn codecs(&self) -> &Codecs {
        &self.codecs
    }

    /// Returns a buffer to the pool.
    pub fn put(&self, buffer: FrameBuffer) {
        let mut free = lock(&self.free);
        if free.len() < FREE_MAX {
            free.push(buffer);
        }
    }
}

/// Most buffers that a pool keeps: about 4 MiB.
const FREE_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Digest;
    use crate::frame::FrameKind;
    use crate::ids::{FileNo, FrameNo, JobId};
    use std::convert::Infallible;

    #[test]
    fn a_frame_is_the_same_in_every_layout() {
        let payload: Vec<u8> = (0..100_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        let kind = FrameKind::Block {
            file: FileNo(1),
            offset: 0,
            last: true,
            digest: Digest([7; 32]),
            encoding: Default::default(),
        };
        let head = FrameHead { job: JobId(1), frame: FrameNo(2), extra_len: 5, payload_len: 100_000, kind };
        let whole = [&head.encode()[..], b"extra", &payload].concat();
        for (piece_len, room_before, room_behind) in [(CHUNK_LEN, 0, 0), (16_384, 5, 17), (1000, 0, 3)] {
            let layout = FrameLayout { piece_len, room_before, room_behind };
            let pool = BufferPool::default();
            pool.put(FrameBuffer::new(FrameLayout { piece_len: 999, ..layout }));
            let mut buffer = pool.take(layout);
            buffer.put(0, &payload[..70_001]);
            buffer.put(70_001, &payload[70_001..]);
            assert_eq!(buffer.payload(69_990, 20).collect::<Vec<_>>().concat(), payload[69_990..70_010]);
            let mut contents = Vec::new();
            let mut sent_len = 0;
            let sent = buffer.encode(&head, b"extra", |room, len| {
                assert_eq!(room.len(), room_before + len + room_behind);
                contents.extend_from_slice(&room[room_before..][..len]);
                sent_len += room.len();
                Ok::<_, Infallible>(())
            });
            let Ok(sent) = sent;
            assert!(contents == whole && buffer.encoded(sent).len() == sent_len, "{layout:?}");
        }
    }
}
