//! Lanes in memory: plain frames over bounded pipes of bytes. The engine runs on them as on the lanes of the network.
//!
//! ```text
//! MemoryLane ─ MemoryWriter ─► pipe ─► MemoryReader ─ MemoryLane
//!                                  └─► HandLane, whose test sends and receives the bytes itself
//! ```

use crate::support::memory_pipe::{PipeEnd, PipePair};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use wire::frame::{EXTRA_LEN_MAX, FrameHead, HEAD_LEN};
use wire::ids::{JobId, LaneNo};
use wire::limits::CHUNK_LEN;
use wire::transport::{Drained, FrameBuffer, FrameLayout, Lane, LaneFault, LaneReader, LaneWriter};

/// Returns the two ends of a lane.
#[must_use]
pub(crate) fn lanes(number: LaneNo) -> (MemoryLane, MemoryLane) {
    let (one, other) = PipePair::joined();
    (MemoryLane { number, pipes: one }, MemoryLane { number, pipes: other })
}

/// Returns an end of a lane for the engine, and the other one for the test.
#[must_use]
pub(crate) fn lane_by_hand(number: LaneNo) -> (MemoryLane, HandLane) {
    let (one, other) = PipePair::joined();
    (MemoryLane { number, pipes: one }, HandLane { pipes: other, bytes: Vec::new() })
}

/// An end of a lane.
pub(crate) struct MemoryLane {
    pub(crate) number: LaneNo,
    pub(crate) pipes: PipePair,
}

impl Lane for MemoryLane {
    type Reader = MemoryReader;
    type Writer = MemoryWriter;

    fn number(&self) -> LaneNo {
        self.number
    }

    fn split(self) -> (MemoryReader, MemoryWriter) {
        let pipes = Arc::new(self.pipes);
        let reader =
            MemoryReader { pipes: pipes.clone(), bytes: Vec::new(), is_closed: false, is_large: false };
        (reader, MemoryWriter { pipes })
    }
}

/// The sending half of a lane.
pub(crate) struct MemoryWriter {
    pipes: Arc<PipePair>,
}

impl LaneWriter for MemoryWriter {
    const LAYOUT: FrameLayout = FrameLayout { piece_len: CHUNK_LEN, room_before: 0, room_behind: 0 };

    fn is_worn(&self) -> bool {
        false
    }

    fn adapt(&mut self, _: Duration) {}

    fn encode(
        &mut self,
        head: &FrameHead,
        extra: &[u8],
        buffer: &mut FrameBuffer,
    ) -> Result<Range<usize>, LaneFault> {
        buffer.encode(head, extra, |_, _| Ok(()))
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipes.outgoing.write(bytes)
    }

    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.pipes.outgoing.write_all(bytes).await
    }

    async fn close(&mut self) -> Result<(), LaneFault> {
        self.pipes.outgoing.end(PipeEnd::Closed);
        Ok(())
    }
}

/// The receiving half of a lane.
pub(crate) struct MemoryReader {
    pipes: Arc<PipePair>,
    bytes: Vec<u8>,
    is_closed: bool,
    is_large: bool,
}

impl MemoryReader {
    /// Returns the length of the frame that `bytes` begin with, if they tell.
    fn frame_len(bytes: &[u8]) -> Option<Result<usize, LaneFault>> {
        let head = FrameHead::decode(bytes.first_chunk::<HEAD_LEN>()?);
        Some(match head {
            Ok(head) => Ok(HEAD_LEN + usize::from(head.extra_len) + head.payload_len as usize),
            Err(error) => Err(LaneFault::Violation(error.to_string())),
        })
    }
}

impl LaneReader for MemoryReader {
    const FRAME_MEMORY_LEN: usize = HEAD_LEN + EXTRA_LEN_MAX + CHUNK_LEN;

    fn is_ready(&self) -> bool {
        let is_whole = |len: Result<usize, LaneFault>| len.map_or(true, |len| len <= self.bytes.len());
        self.is_closed || Self::frame_len(&self.bytes).is_some_and(is_whole)
    }

    fn needs_memory(&self) -> bool {
        let is_long = |len: Result<usize, LaneFault>| len.is_ok_and(|len| len > SMALL_LEN);
        !self.is_large && Self::frame_len(&self.bytes).is_some_and(is_long)
    }

    fn enlarge(&mut self) {
        self.is_large = true;
    }

    fn rest(&mut self, others_wait: bool) -> bool {
        if self.bytes.is_empty() || (others_wait && self.bytes.len() <= SMALL_LEN) {
            self.is_large = false;
        }
        !self.is_large
    }

    async fn readable(&mut self) -> io::Result<()> {
        self.pipes.incoming.readable().await;
        Ok(())
    }

    fn try_read(&mut self) -> Result<usize, LaneFault> {
        let room = if self.is_large { Self::FRAME_MEMORY_LEN } else { SMALL_LEN };
        match self.pipes.incoming.read(room - self.bytes.len().min(room), &mut self.bytes) {
            Ok(len) => Ok(len),
            Err(PipeEnd::Closed) => {
                self.is_closed = true;
                Ok(0)
            }
            Err(PipeEnd::Broken) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    fn drain(
        &mut self,
        mut take: impl FnMut(&FrameHead, &[u8], &[&[u8]]) -> Result<Option<JobId>, LaneFault>,
    ) -> Result<Drained<JobId>, LaneFault> {
        let mut taken = 0;
        let mut waiting = None;
        while waiting.is_none()
            && let rest = &self.bytes[taken..]
            && let Some(len) = Self::frame_len(rest).transpose()?
            && let Some(frame) = rest.get(..len)
        {
            let (head, behind) = frame.split_at(HEAD_LEN);
            let head = head.first_chunk().and_then(|head| FrameHead::decode(head).ok());
            let head = head.ok_or_else(|| LaneFault::Violation("no head".into()))?;
            let (extra, payload) = behind.split_at(usize::from(head.extra_len));
            waiting = take(&head, extra, &[payload])?;
            taken += if waiting.is_none() { len } else { 0 };
        }
        self.bytes.drain(..taken);
        match waiting {
            Some(job) => Ok(Drained::Wait(job)),
            None if !self.is_closed => Ok(Drained::NeedsMore),
            None if self.bytes.is_empty() => Ok(Drained::Closed),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

/// The end of a lane that a test has in its hands: it can send any bytes. Dropping it loses the lane.
pub(crate) struct HandLane {
    pipes: PipePair,
    bytes: Vec<u8>,
}

impl HandLane {
    /// Sends bytes; an engine that has ended the lane does not take them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.pipes.outgoing.write_all(bytes).await; // the other end may have cut the lane
    }

    /// Breaks the other direction: the other end can send no more, and hears nothing of it.
    pub(crate) fn refuse(&mut self) {
        self.pipes.incoming.end(PipeEnd::Broken);
    }

    /// Closes this direction in an orderly way.
    pub(crate) fn close(&mut self) {
        self.pipes.outgoing.end(PipeEnd::Closed);
    }

    /// Returns the next frame; `None` once the other end has closed or lost the lane.
    pub(crate) async fn next_frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(Ok(len)) = MemoryReader::frame_len(&self.bytes)
                && len <= self.bytes.len()
            {
                let rest = self.bytes.split_off(len);
                return Some(std::mem::replace(&mut self.bytes, rest));
            }
            self.pipes.incoming.readable().await;
            self.pipes.incoming.read(usize::MAX, &mut self.bytes).ok()?;
        }
    }
}

/// Memory of every reader.
const SMALL_LEN: usize = 32 * 1024;
