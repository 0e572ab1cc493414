//! Transports: how messages and frames get from one end to the other.
//!
//! The programs get their [connections](Connection) by an [`Acceptor`] or a [`Dialer`]; one of them stays the control connection
//! of a session, and the others become lanes. The engine knows lanes by the traits of this module only. A transport knows frames, and neither jobs nor storage nor memory
//! budgets. [`tls_tcp`] is the transport of the programs.
//!
//! ```text
//! job ─ payload ─► FrameBuffer ─► LaneWriter::encode ─► its bytes ─ try_write, write_all ─► network
//!                  (layout of the transport: the payload is encoded where it lies)            │
//! job ◄─ head, extra, pieces of payload ◄─ LaneReader::drain ◄─ received bytes ◄─ try_read ◄──┘
//! ```
//!
//! **What flows.** A [`Lane`] carries frames in both directions, in order, unaltered, and each once. A frame arrives as a whole
//! or not at all. The engine sees only frames; encryption, for example, is between the two ends of the transport. A lane ends by
//! a [close](LaneWriter::close), which the other end can tell from a lost connection.
//!
//! **Who owns what.** A lane splits into two halves with one owner each: the two tasks of the engine for that lane. Blocking
//! work on a frame ([`encode`](LaneWriter::encode), [`drain`](LaneReader::drain), and the reading and writing that goes at once)
//! moves the half into a thread of the disk and back. Outgoing bytes are in a [`FrameBuffer`] of the engine's pool: the job
//! fills in the payload, the writer encodes it in place, and then the engine writes the bytes portion by portion, so that it
//! can pace them and stop in between. Incoming bytes are in a buffer of the reader, and jobs see pieces of it.
//!
//! **What bounds it.** A writer has no queue: it writes from the frame's buffer, and waits while the other end does not read.
//! A reader keeps a little for each lane. To receive a frame that needs more, it asks for room for
//! [`FRAME_MEMORY_LEN`](LaneReader::FRAME_MEMORY_LEN) bytes, which the engine charges to the session's budget, and
//! [gives it back](LaneReader::rest) between frames. Lengths that a frame's head claims are checked against
//! [`limits`](crate::limits) before anything is reserved for them.

mod connection;
mod frame_buffer;
pub mod tls_tcp;

pub use connection::{Accepted, Acceptor, Connection, Dialer};
pub use frame_buffer::{BufferPool, FrameBuffer, FrameLayout};

use crate::frame::FrameHead;
use crate::ids::{JobId, LaneNo};
use std::io;
use std::ops::Range;
use std::time::Duration;

/// A connection that carries frames in both directions, and belongs to a session.
pub trait Lane: Send + Sized + 'static {
    /// Its receiving half.
    type Reader: LaneReader;
    /// Its sending half.
    type Writer: LaneWriter;

    /// Returns its number within the session.
    fn number(&self) -> LaneNo;
    /// Splits it. The connection lasts until both halves are dropped.
    fn split(self) -> (Self::Reader, Self::Writer);
}

/// The sending half of a lane.
pub trait LaneWriter: Send + 'static {
    /// Where the payload lies in a frame's buffer.
    const LAYOUT: FrameLayout;

    /// True once the lane should be replaced by another: its keys are used up.
    fn is_worn(&self) -> bool;
    /// Adapts the connection to the path, whose shortest round trip is known; zero means unknown.
    fn adapt(&mut self, round_trip: Duration);
    /// Encodes a frame whose payload is in `buffer`, in place; returns the range of its bytes. They must all be written before
    /// those of the next frame.
    ///
    /// # Errors
    /// If the lane cannot encode any more.
    fn encode(
        &mut self,
        head: &FrameHead,
        extra: &[u8],
        buffer: &mut FrameBuffer,
    ) -> Result<Range<usize>, LaneFault>;
    /// Writes what can be written at once; returns how many bytes that were.
    ///
    /// # Errors
    /// If the connection is broken.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes all `bytes`.
    ///
    /// # Errors
    /// If the connection breaks.
    fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    /// Closes this direction in an orderly way, between two frames.
    ///
    /// # Errors
    /// If the connection breaks.
    fn close(&mut self) -> impl Future<Output = Result<(), LaneFault>> + Send;
}

/// The receiving half of a lane.
pub trait LaneReader: Send + 'static {
    /// Memory for receiving a frame of any length.
    const FRAME_MEMORY_LEN: usize;

    /// True once enough has arrived for [`drain`](Self::drain) to find something: a frame, or the lane's end.
    fn is_ready(&self) -> bool;
    /// True if the next frame needs more memory than every lane has. Then [`enlarge`](Self::enlarge) comes before reading on.
    fn needs_memory(&self) -> bool;
    /// Allows up to [`FRAME_MEMORY_LEN`](Self::FRAME_MEMORY_LEN) bytes, until it [rests](Self::rest).
    fn enlarge(&mut self);
    /// Frees that memory if no byte has arrived; with `others_wait`, also if the bytes that have arrived fit in less. Returns
    /// whether it has only the memory of every lane now.
    fn rest(&mut self, others_wait: bool) -> bool;
    /// Waits until there may be bytes to read, or the connection's end. Cancel-safe.
    ///
    /// # Errors
    /// If the connection is broken.
    fn readable(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    /// Reads what has arrived, as far as there is memory; returns the number of bytes, zero if there are none now.
    ///
    /// # Errors
    /// If the connection is broken, or has ended without a close.
    fn try_read(&mut self) -> Result<usize, LaneFault>;
    /// Passes head, extra and payload of each complete frame to `take`, in order. If that returns the frame's job, the frame
    /// cannot be taken yet, and stays.
    ///
    /// # Errors
    /// If the bytes are no frames, or of `take`.
    fn drain(
        &mut self,
        take: impl FnMut(&FrameHead, &[u8], &[&[u8]]) -> Result<Option<JobId>, LaneFault>,
    ) -> Result<Drained<JobId>, LaneFault>;
}

/// Why a lane cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LaneFault {
    /// The connection broke, or somebody on the way altered its bytes; the session's other lanes go on.
    #[error("{0}")]
    Lost(#[from] io::Error),
    /// The peer violated the protocol; the session ends.
    #[error("{0}")]
    Violation(String),
}

/// Why a reader has stopped passing frames on.
#[derive(Debug, PartialEq, Eq)]
pub enum Drained<W> {
    /// More bytes are needed.
    NeedsMore,
    /// The peer closed its direction.
    Closed,
    /// The first frame cannot be taken yet.
    Wait(W),
}
