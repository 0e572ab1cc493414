//! What a lane has received: ciphertext that becomes plaintext where it lies, and frames made of its pieces.

use crate::frame::{FrameError, FrameHead, HEAD_LEN};
use crate::limits::FRAME_RECORDS_LEN_MAX;
use crate::net::record::{Opened, Opener, RECORD_CONTENT_MAX, RECORD_HEADER_LEN, RECORD_OVERHEAD, RecordError, record_len};
use std::collections::VecDeque;
use std::ops::Range;

/// Read beyond the current frame's end: the next frame's head, most of the time, and little to move to the front.
const READ_AHEAD: usize = 4 * 1024;
/// Room of an inbox whose lane has sent little so far.
const INBOX_LEN_MIN: usize = 32 * 1024;

/// Why what came is no stream of frames. The peer is at fault, and the lane ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InboxError {
    #[error("{0}")]
    Record(#[from] RecordError),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("the records of one frame take more than {FRAME_RECORDS_LEN_MAX} bytes")]
    RecordsTooSmall,
    #[error("the lane was closed within a frame")]
    Truncated,
}

/// What became of the inbox's bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Drained<W> {
    /// More bytes are needed.
    NeedsMore,
    /// The peer closed its direction.
    Closed,
    /// The first frame cannot be taken yet.
    Wait(W),
}

/// Received bytes of one lane.
pub(crate) struct Inbox {
    opener: Opener,
    bytes: Vec<u8>,
    /// Bytes that the socket has filled.
    filled: usize,
    /// Bytes whose records are opened.
    opened: usize,
    /// Plaintext that no frame has used yet.
    pieces: VecDeque<Range<usize>>,
    plain_len: usize,
    closed: bool,
    /// Filled bytes that make another look worth it.
    needed: usize,
}

impl Inbox {
    pub(crate) fn new(opener: Opener) -> Self {
        Self {
            opener,
            bytes: Vec::new(),
            filled: 0,
            opened: 0,
            pieces: VecDeque::new(),
            plain_len: 0,
            closed: false,
            needed: RECORD_OVERHEAD,
        }
    }

    /// Where the socket reads to.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let end = (self.needed + READ_AHEAD).clamp(INBOX_LEN_MIN, FRAME_RECORDS_LEN_MAX);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.filled..end.max(self.filled)]
    }

    /// The socket has filled so many bytes of [`room`](Self::room).
    pub(crate) fn add_filled(&mut self, len: usize) {
        self.filled += len;
    }

    /// True once enough has come for a look to be worth it.
    pub(crate) fn is_ready(&self) -> bool {
        self.filled >= self.needed
    }

    /// The socket's stream has ended.
    pub(crate) fn end_of_stream(&self) -> InboxError {
        InboxError::Truncated
    }

    /// Gives memory back while nothing comes.
    pub(crate) fn rest(&mut self) {
        if self.filled == 0 && self.bytes.len() > INBOX_LEN_MIN {
            self.bytes = Vec::new();
        }
    }

    /// Opens what is whole and hands its frames to `take`, which may say that it cannot take one yet.
    pub(crate) fn drain<W, E: From<InboxError>>(
        &mut self,
        mut take: impl FnMut(&FrameHead, &[u8], &[&[u8]]) -> Result<Option<W>, E>,
    ) -> Result<Drained<W>, E> {
        self.open_records().map_err(InboxError::from)?;
        let mut extra = Vec::new();
        let drained = loop {
            let Some(head) = self.head().map_err(InboxError::from)? else { break Drained::NeedsMore };
            let (extra_len, payload_len) = (usize::from(head.extra_len), head.payload_len as usize);
            if self.plain_len < HEAD_LEN + extra_len + payload_len {
                break Drained::NeedsMore;
            }
            extra.clear();
            self.slices(HEAD_LEN, extra_len).for_each(|slice| extra.extend_from_slice(slice));
            let payload: Vec<&[u8]> = self.slices(HEAD_LEN + extra_len, payload_len).collect();
            if let Some(wait) = take(&head, &extra, &payload)? {
                break Drained::Wait(wait);
            }
            self.use_up(HEAD_LEN + extra_len + payload_len);
        };
        self.compact();
        if self.closed && matches!(drained, Drained::NeedsMore) {
            return if self.plain_len == 0 { Ok(Drained::Closed) } else { Err(InboxError::Truncated.into()) };
        }
        self.set_needed().map_err(E::from)?;
        if matches!(drained, Drained::Wait(_)) {
            self.needed = self.filled; // the frame is there; it is the job that is not
        }
        Ok(drained)
    }

    fn open_records(&mut self) -> Result<(), RecordError> {
        while !self.closed {
            let Some(len) = record_len(&self.bytes[self.opened..self.filled])? else { break };
            if self.filled - self.opened < len {
                break;
            }
            match self.opener.open(&mut self.bytes[self.opened..self.opened + len])? {
                Opened::Closed => self.closed = true,
                Opened::Data(0) => {}
                Opened::Data(content_len) => {
                    let begin = self.opened + RECORD_HEADER_LEN;
                    self.pieces.push_back(begin..begin + content_len);
                    self.plain_len += content_len;
                }
            }
            self.opened += len;
        }
        Ok(())
    }

    fn head(&self) -> Result<Option<FrameHead>, FrameError> {
        if self.plain_len < HEAD_LEN {
            return Ok(None);
        }
        let mut bytes = [0; HEAD_LEN];
        let mut at = 0;
        for slice in self.slices(0, HEAD_LEN) {
            bytes[at..at + slice.len()].copy_from_slice(slice);
            at += slice.len();
        }
        FrameHead::decode(&bytes).map(Some)
    }

    /// Unused plaintext from `skip` on, `len` bytes of it, in pieces.
    fn slices(&self, skip: usize, len: usize) -> impl Iterator<Item = &[u8]> {
        let (mut skip, mut left) = (skip, len);
        self.pieces.iter().filter_map(move |piece| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            let taken = left.min(piece.len() - skipped);
            left -= taken;
            let begin = piece.start + skipped;
            (taken > 0).then(|| &self.bytes[begin..begin + taken])
        })
    }

    fn use_up(&mut self, len: usize) {
        self.plain_len -= len;
        let mut left = len;
        while let Some(piece) = self.pieces.front_mut() {
            let used = left.min(piece.len());
            piece.start += used;
            left -= used;
            if piece.start < piece.end {
                break;
            }
            self.pieces.pop_front();
        }
    }

    /// Moves what is not used up to the front. Little, since reading stops shortly behind a frame's end.
    fn compact(&mut self) {
        let begin = self.pieces.front().map_or(self.opened, |piece| piece.start);
        if begin == 0 {
            return;
        }
        self.bytes.copy_within(begin..self.filled, 0);
        self.pieces.iter_mut().for_each(|piece| *piece = piece.start - begin..piece.end - begin);
        self.opened -= begin;
        self.filled -= begin;
    }

    /// How many bytes must be there before the next frame can be whole. Never too many: a record has at most 16 KiB.
    fn set_needed(&mut self) -> Result<(), InboxError> {
        let frame_len = match self.head()? {
            Some(head) => HEAD_LEN + usize::from(head.extra_len) + head.payload_len as usize,
            None => HEAD_LEN,
        };
        let missing = frame_len.saturating_sub(self.plain_len);
        self.needed = self.opened + missing + missing.div_ceil(RECORD_CONTENT_MAX) * RECORD_OVERHEAD;
        if self.needed <= self.filled {
            self.needed = self.filled + 1; // what is there holds no whole record
        }
        match self.needed > FRAME_RECORDS_LEN_MAX {
            true => Err(InboxError::RecordsTooSmall),
            false => Ok(()),
        }
    }
}
