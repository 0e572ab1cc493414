//! Splits a lane's incoming bytes into frames: ciphertext is opened in place, and frames are made of its pieces.

use super::record::{
    OpenedRecord, Opener, RECORD_CONTENT_MAX, RECORD_HEADER_LEN, RECORD_OVERHEAD, RecordError, record_len,
};
use crate::frame::{FrameError, FrameHead, HEAD_LEN};
use crate::limits::FRAME_RECORDS_LEN_MAX;
use crate::transport::Drained;
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes read beyond the current frame's end: usually the next frame's head, and little to move to the front.
const READ_AHEAD: usize = 4 * 1024;
/// Space while the lane has sent little so far.
const DEFRAMER_LEN_MIN: usize = 32 * 1024;

/// Why the bytes are not a stream of frames. The lane ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeframeError {
    #[error("{0}")]
    Record(#[from] RecordError),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("the records of one frame take more than {FRAME_RECORDS_LEN_MAX} bytes")]
    RecordsTooSmall,
    #[error("the lane was closed within a frame")]
    Truncated,
}

/// Received bytes of one lane.
pub(crate) struct Deframer {
    opener: Opener,
    bytes: Vec<u8>,
    /// Bytes that the socket has filled.
    filled: usize,
    /// Bytes whose records are opened.
    opened: usize,
    /// Plaintext not yet used by a frame.
    pieces: VecDeque<Range<usize>>,
    plain_len: usize,
    closed: bool,
    /// Number of filled bytes that makes the next attempt worthwhile.
    needed: usize,
    /// There is memory for a frame of any length.
    is_large: bool,
}

impl Deframer {
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
            is_large: false,
        }
    }

    /// True if the next frame needs more memory than every lane has: call [`Self::enlarge`] before reading on.
    pub(crate) fn needs_memory(&self) -> bool {
        !self.is_large && self.end() > DEFRAMER_LEN_MIN
    }

    /// Reserves memory for [`FRAME_RECORDS_LEN_MAX`] bytes, until the lane [rests](Self::rest).
    pub(crate) fn enlarge(&mut self) {
        self.is_large = true;
    }

    /// True once there is memory for a frame of any length.
    pub(crate) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Returns the end of the bytes to read.
    fn end(&self) -> usize {
        (self.needed + READ_AHEAD).clamp(DEFRAMER_LEN_MIN, FRAME_RECORDS_LEN_MAX)
    }

    /// Returns the space that the socket reads into.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let end = self.end();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.filled..end.max(self.filled)]
    }

    /// Records that the socket has filled `len` bytes of [`room`](Self::room).
    pub(crate) fn add_filled(&mut self, len: usize) {
        self.filled += len;
    }

    /// True once enough has arrived for an attempt: the next frame, or a record that is too short to begin one, such as the
    /// lane's end.
    pub(crate) fn is_ready(&self) -> bool {
        let unopened = &self.bytes[self.opened..self.filled];
        let is_short = |len: usize| len < HEAD_LEN + RECORD_OVERHEAD && len <= unopened.len();
        self.filled >= self.needed || record_len(unopened).map_or(true, |len| len.is_some_and(is_short))
    }

    /// Frees memory while no bytes arrive.
    pub(crate) fn rest(&mut self) {
        if self.filled == 0 && self.bytes.len() > DEFRAMER_LEN_MIN {
            self.bytes = Vec::new();
            self.is_large = false;
        }
    }

    /// Frees memory not needed for the next frame, even if a part of that has arrived: others need it more.
    pub(crate) fn shrink(&mut self) {
        if self.is_large && self.end() <= DEFRAMER_LEN_MIN && self.filled <= DEFRAMER_LEN_MIN {
            self.bytes.truncate(DEFRAMER_LEN_MIN);
            self.bytes.shrink_to_fit();
            self.is_large = false;
        }
    }

    /// Opens complete records and passes their frames to `take`, which may answer that it cannot take one yet.
    pub(crate) fn drain<W, E: From<DeframeError>>(
        &mut self,
        mut take: impl FnMut(&FrameHead, &[u8], &[&[u8]]) -> Result<Option<W>, E>,
    ) -> Result<Drained<W>, E> {
        self.open_records().map_err(DeframeError::from)?;
        let mut extra = Vec::new();
        let drained = loop {
            let Some(head) = self.head().map_err(DeframeError::from)? else { break Drained::NeedsMore };
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
            return if self.plain_len == 0 {
                Ok(Drained::Closed)
            } else {
                Err(DeframeError::Truncated.into())
            };
        }
        self.set_needed().map_err(E::from)?;
        if matches!(drained, Drained::Wait(_)) {
            self.needed = self.filled; // the frame has arrived, but its job has not
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
                OpenedRecord::Closed => self.closed = true,
                OpenedRecord::Data(0) => {}
                OpenedRecord::Data(content_len) => {
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

    /// Returns `len` bytes of unused plaintext from `skip` on, in pieces.
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

    /// Moves unused bytes to the front. They are few, since reading stops shortly behind a frame's end.
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

    /// Sets how many bytes must be there before the next frame can be complete. Never too many: a record has at most 16 KiB.
    fn set_needed(&mut self) -> Result<(), DeframeError> {
        let frame_len = match self.head()? {
            Some(head) => HEAD_LEN + usize::from(head.extra_len) + head.payload_len as usize,
            None => HEAD_LEN,
        };
        let missing = frame_len.saturating_sub(self.plain_len);
        self.needed = self.opened + missing + missing.div_ceil(RECORD_CONTENT_MAX) * RECORD_OVERHEAD;
        if self.needed <= self.filled {
            self.needed = self.filled + 1; // there is no complete record yet
        }
        if self.needed > FRAME_RECORDS_LEN_MAX { Err(DeframeError::RecordsTooSmall) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Digest;
    use crate::frame::{ANNOUNCEMENT_LEN, BLOCK_EXTRA_LEN, FrameKind, SealEnd};
    use crate::ids::{FileNo, FrameNo, JobId};
    use crate::limits::CHUNK_LEN;
    use crate::transport::tls_tcp::record::Sealer;
    use rustls::ConnectionTrafficSecrets;
    use rustls::crypto::cipher::{AeadKey, Iv};

    #[test]
    fn frames_may_be_split_anywhere() {
        let frames = [seal(0, ANNOUNCEMENT_LEN + 6), block(1, 40), seal(2, ANNOUNCEMENT_LEN), block(3, 1)];
        let plain = frames.concat();
        for at in 0..=plain.len() {
            for step in [1, usize::MAX] {
                let records = records(&plain, |from| if from < at { at - from } else { plain.len() - from });
                assert_eq!(received(&records, step).unwrap(), frames, "split at {at}, read by {step}");
            }
        }
    }

    #[test]
    fn records_may_have_any_length() {
        let frames = [
            block(0, CHUNK_LEN),
            seal(1, 1000),
            block(2, 300_000),
            block(3, CHUNK_LEN),
            seal(4, ANNOUNCEMENT_LEN),
        ];
        for len in [701, 1500, 5000, 16_383, RECORD_CONTENT_MAX] {
            for step in [997, 60_000, usize::MAX] {
                let records = records(&frames.concat(), |_| len);
                assert!(received(&records, step).unwrap() == frames, "records of {len}, read by {step}");
            }
        }
    }

    #[test]
    fn empty_records_are_nothing() {
        let frames = [seal(0, ANNOUNCEMENT_LEN + 6), block(1, 40)];
        let mut sealer = Sealer::new(secrets()).unwrap();
        let mut bytes = Vec::new();
        for piece in frames.concat().chunks(7) {
            bytes.extend(record(&mut sealer, b""));
            bytes.extend(record(&mut sealer, piece));
        }
        bytes.extend(sealer.close().unwrap());
        assert_eq!(received(&bytes, usize::MAX).unwrap(), frames);
    }

    #[test]
    fn records_that_are_absurdly_small_are_refused() {
        for len in [0, 1, 50, 80] {
            let records = records(&block(0, CHUNK_LEN), |from| if from == 0 { 500 } else { len });
            assert!(matches!(received(&records, 8192), Err(DeframeError::RecordsTooSmall)), "{len}");
        }
    }

    #[test]
    fn a_lane_that_is_closed_within_a_frame_has_lost_it() {
        let frame = block(0, 100);
        for len in 1..frame.len() {
            let records = records(&frame[..len], |_| 16);
            assert!(matches!(received(&records, usize::MAX), Err(DeframeError::Truncated)), "{len}");
        }
        assert_eq!(received(&records(b"", |_| 1), usize::MAX).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn bytes_that_are_no_frame_are_refused() {
        let records = records(&[9; HEAD_LEN], |_| 64);
        assert!(matches!(received(&records, usize::MAX), Err(DeframeError::Frame(_))));
        let mut sealed = self::records(&seal(0, ANNOUNCEMENT_LEN + 6), |_| 64);
        sealed[20] ^= 1;
        assert!(matches!(received(&sealed, usize::MAX), Err(DeframeError::Record(RecordError::Forged))));
    }

    #[test]
    fn a_frame_that_cannot_be_taken_yet_stays() {
        let frames = [seal(0, ANNOUNCEMENT_LEN + 6), block(1, 40)];
        let mut deframer = Deframer::new(Opener::new(secrets()).unwrap());
        let records = records(&frames.concat(), |_| 50);
        deframer.room()[..records.len()].copy_from_slice(&records);
        deframer.add_filled(records.len());
        let mut waited = 0_u32;
        let mut taken = Vec::new();
        let drained = loop {
            assert!(deframer.is_ready());
            let drained = deframer.drain(|head, extra, payload| {
                waited += 1;
                let not_yet = !waited.is_multiple_of(3);
                if !not_yet {
                    taken.push(whole(head, extra, payload));
                }
                Ok::<_, DeframeError>(not_yet.then_some(head.frame))
            });
            match drained.unwrap() {
                Drained::Wait(frame) => assert_eq!(frame, FrameNo(taken.len() as u64)),
                end @ (Drained::NeedsMore | Drained::Closed) => break end,
            }
        };
        assert_eq!((drained, taken), (Drained::Closed, frames.to_vec()));
    }

    /// Feeds `bytes` like a socket that returns at most `step` at a time, and returns the resulting frames.
    fn received(bytes: &[u8], step: usize) -> Result<Vec<Vec<u8>>, DeframeError> {
        let mut deframer = Deframer::new(Opener::new(secrets()).unwrap());
        let (mut rest, mut frames) = (bytes, Vec::new());
        loop {
            while !deframer.is_ready() {
                let len = deframer.room().len().min(rest.len()).min(step);
                assert!(len > 0, "wants more than there is, or has no room for it");
                deframer.room()[..len].copy_from_slice(&rest[..len]);
                deframer.add_filled(len);
                rest = &rest[len..];
            }
            let drained = deframer.drain(|head, extra, payload| {
                frames.push(whole(head, extra, payload));
                Ok::<_, DeframeError>(None::<()>)
            });
            if drained? == Drained::Closed {
                assert!(rest.is_empty());
                return Ok(frames);
            }
        }
    }

    fn whole(head: &FrameHead, extra: &[u8], payload: &[&[u8]]) -> Vec<u8> {
        [&head.encode(), extra, &payload.concat()].concat()
    }

    /// Returns `plain` in records, each with the length that `len` returns for its offset, followed by a close.
    fn records(plain: &[u8], len: impl Fn(usize) -> usize) -> Vec<u8> {
        let mut sealer = Sealer::new(secrets()).unwrap();
        let (mut bytes, mut from) = (Vec::new(), 0);
        while from < plain.len() && bytes.len() < 4 * FRAME_RECORDS_LEN_MAX {
            let end = plain.len().min(from + len(from).min(RECORD_CONTENT_MAX));
            bytes.extend(record(&mut sealer, &plain[from..end]));
            from = end;
        }
        bytes.extend(sealer.close().unwrap());
        bytes
    }

    fn record(sealer: &mut Sealer, content: &[u8]) -> Vec<u8> {
        let mut record = vec![0; content.len() + RECORD_OVERHEAD];
        record[RECORD_HEADER_LEN..][..content.len()].copy_from_slice(content);
        sealer.seal(&mut record, content.len()).unwrap();
        record
    }

    fn block(frame: u64, len: usize) -> Vec<u8> {
        let kind = FrameKind::Block {
            file: FileNo(1),
            offset: 0,
            last: true,
            digest: Digest([7; 32]),
            encoding: Default::default(),
        };
        frame_of(frame, kind, BLOCK_EXTRA_LEN, len)
    }

    fn seal(frame: u64, extra_len: usize) -> Vec<u8> {
        let kind = FrameKind::Seal { file: FileNo(1), size: 5, root: Digest([8; 32]), end: SealEnd::Whole };
        frame_of(frame, kind, extra_len, 0)
    }

    fn frame_of(frame: u64, kind: FrameKind, extra_len: usize, len: usize) -> Vec<u8> {
        let (extra_len, payload_len) = (u16::try_from(extra_len).unwrap(), u32::try_from(len).unwrap());
        let head = FrameHead { job: JobId(1), frame: FrameNo(frame), extra_len, payload_len, kind };
        let rest = (0..usize::from(extra_len) + len).map(|at| (at * 7).to_le_bytes()[0]);
        head.encode().into_iter().chain(rest).collect()
    }

    fn secrets() -> (u64, ConnectionTrafficSecrets) {
        (0, ConnectionTrafficSecrets::Aes256Gcm { key: AeadKey::from([3; 32]), iv: Iv::from([4; 12]) })
    }
}
