//! Lanes in memory: plain frames over bounded pipes of bytes. The engine runs on them as on the lanes of the network.
//!
//! ```text
//! MemoryLane ─ MemoryWriter ─► pipe ─► MemoryReader ─ MemoryLane
//!                                  └─► HandLane, whose test sends and receives the bytes itself
//! ```
//!
//! An end that is dropped without a close has lost the connection: what was in the pipes is gone, as with a reset.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use wire::frame::{EXTRA_LEN_MAX, FrameHead, HEAD_LEN};
use wire::ids::{JobId, LaneNo};
use wire::limits::CHUNK_LEN;
use wire::sync::lock;
use wire::transport::{Drained, FrameBuffer, FrameLayout, Lane, LaneFault, LaneReader, LaneWriter};

/// Returns the two ends of a lane.
#[must_use]
pub(crate) fn lanes(number: LaneNo) -> (MemoryLane, MemoryLane) {
    let (one, other) = connections();
    (MemoryLane { number, connection: one }, MemoryLane { number, connection: other })
}

/// Returns an end of a lane for the engine, and the other one for the test.
#[must_use]
pub(crate) fn lane_by_hand(number: LaneNo) -> (MemoryLane, HandLane) {
    let (one, other) = connections();
    (MemoryLane { number, connection: one }, HandLane { connection: other, bytes: Vec::new() })
}

fn connections() -> (Connection, Connection) {
    let (there, back) = (Arc::<Pipe>::default(), Arc::<Pipe>::default());
    let one = Connection { outgoing: there.clone(), incoming: back.clone() };
    (one, Connection { outgoing: back, incoming: there })
}

/// An end of a lane.
pub(crate) struct MemoryLane {
    number: LaneNo,
    connection: Connection,
}

impl Lane for MemoryLane {
    type Reader = MemoryReader;
    type Writer = MemoryWriter;

    fn number(&self) -> LaneNo {
        self.number
    }

    fn split(self) -> (MemoryReader, MemoryWriter) {
        let connection = Arc::new(self.connection);
        let reader = MemoryReader {
            connection: connection.clone(),
            bytes: Vec::new(),
            is_closed: false,
            is_large: false,
        };
        (reader, MemoryWriter { connection })
    }
}

/// The sending half of a lane.
pub(crate) struct MemoryWriter {
    connection: Arc<Connection>,
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
        self.connection.outgoing.write(bytes)
    }

    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.connection.outgoing.write_all(bytes).await
    }

    async fn close(&mut self) -> Result<(), LaneFault> {
        self.connection.outgoing.end(PipeEnd::Closed);
        Ok(())
    }
}

/// The receiving half of a lane.
pub(crate) struct MemoryReader {
    connection: Arc<Connection>,
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
        self.connection.incoming.readable().await;
        Ok(())
    }

    fn try_read(&mut self) -> Result<usize, LaneFault> {
        let room = if self.is_large { Self::FRAME_MEMORY_LEN } else { SMALL_LEN };
        match self.connection.incoming.read(room - self.bytes.len().min(room), &mut self.bytes) {
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
    connection: Connection,
    bytes: Vec<u8>,
}

impl HandLane {
    /// Sends bytes; an engine that has ended the lane does not take them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.connection.outgoing.write_all(bytes).await; // the other end may have cut the lane
    }

    /// Closes this direction in an orderly way.
    pub(crate) fn close(&mut self) {
        self.connection.outgoing.end(PipeEnd::Closed);
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
            self.connection.incoming.readable().await;
            self.connection.incoming.read(usize::MAX, &mut self.bytes).ok()?;
        }
    }
}

/// The two pipes of a lane, at one of its ends.
struct Connection {
    outgoing: Arc<Pipe>,
    incoming: Arc<Pipe>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outgoing.end(PipeEnd::Broken);
        self.incoming.end(PipeEnd::Broken);
    }
}

/// One direction of a lane.
#[derive(Default)]
struct Pipe {
    state: Mutex<PipeState>,
    changed: Notify,
}

#[derive(Default)]
struct PipeState {
    bytes: VecDeque<u8>,
    end: Option<PipeEnd>,
}

/// How a pipe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PipeEnd {
    Closed,
    Broken,
}

impl Pipe {
    /// Writes what there is room for; returns how many bytes that are.
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = bytes.len().min(PIPE_LEN - state.bytes.len());
        state.bytes.extend(&bytes[..len]);
        drop(state);
        self.changed.notify_waiters();
        Ok(len)
    }

    async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.until(|state| state.end.is_some() || state.bytes.len() < PIPE_LEN).await;
            rest = &rest[self.write(rest)?..];
        }
        Ok(())
    }

    async fn readable(&self) {
        self.until(|state| state.end.is_some() || !state.bytes.is_empty()).await;
    }

    /// Appends up to `len` bytes to `to`; returns how many were there, or the pipe's end behind the last one.
    fn read(&self, len: usize, to: &mut Vec<u8>) -> Result<usize, PipeEnd> {
        let mut state = lock(&self.state);
        let len = len.min(state.bytes.len());
        match state.end {
            Some(end) if state.bytes.is_empty() => return Err(end),
            Some(_) | None => {
                let (front, back) = state.bytes.as_slices();
                to.extend_from_slice(&front[..len.min(front.len())]);
                to.extend_from_slice(&back[..len - len.min(front.len())]);
                state.bytes.drain(..len);
            }
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(len)
    }

    /// Ends the pipe; the first end counts, except that bytes on their way are lost when it breaks.
    fn end(&self, end: PipeEnd) {
        let mut state = lock(&self.state);
        if state.end.is_none() {
            state.end = Some(end);
            if end == PipeEnd::Broken {
                state.bytes.clear();
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    async fn until(&self, is_so: impl Fn(&PipeState) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if is_so(&lock(&self.state)) {
                return;
            }
            changed.await;
        }
    }
}

/// Bytes that a pipe has room for: less than a block, so that writers wait in the middle of frames.
const PIPE_LEN: usize = 200_000;
/// Memory of every reader.
const SMALL_LEN: usize = 32 * 1024;
