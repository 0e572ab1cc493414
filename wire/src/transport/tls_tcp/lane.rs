//! A lane: a connection whose handshake is done by rustls, and whose records are then sealed and opened in place.

use super::congestion::Congestion;
use super::deframer::{DeframeError, Deframer};
use super::record::{Opener, RECORD_CONTENT_MAX, RECORD_HEADER_LEN, RECORD_TRAILER_LEN, RecordError, Sealer};
use super::socket::Socket;
use crate::frame::FrameHead;
use crate::ids::{JobId, LaneNo};
use crate::limits::FRAME_RECORDS_LEN_MAX;
use crate::transport::{Drained, FrameBuffer, FrameLayout, Lane, LaneFault, LaneReader, LaneWriter};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// The layout of frames as TLS records.
pub const RECORD_LAYOUT: FrameLayout = FrameLayout {
    piece_len: RECORD_CONTENT_MAX,
    room_before: RECORD_HEADER_LEN,
    room_behind: RECORD_TRAILER_LEN,
};

/// A lane that is bound to its session.
pub struct TlsLane {
    /// Its number within the session.
    pub number: LaneNo,
    /// Its socket, for both directions.
    pub socket: Arc<Socket>,
    /// Seals outgoing records.
    pub sealer: Sealer,
    /// Opens incoming records.
    pub opener: Opener,
}

impl Lane for TlsLane {
    type Reader = TlsReader;
    type Writer = TlsWriter;

    fn number(&self) -> LaneNo {
        self.number
    }

    fn split(self) -> (TlsReader, TlsWriter) {
        let Self { socket, sealer, opener, .. } = self;
        let reader = TlsReader { socket: socket.clone(), deframer: Deframer::new(opener) };
        (reader, TlsWriter { socket, sealer, congestion: Congestion::default() })
    }
}

/// The sending half of a lane.
pub struct TlsWriter {
    socket: Arc<Socket>,
    sealer: Sealer,
    congestion: Congestion,
}

impl LaneWriter for TlsWriter {
    const LAYOUT: FrameLayout = RECORD_LAYOUT;

    fn is_worn(&self) -> bool {
        self.sealer.is_worn()
    }

    fn adapt(&mut self, round_trip: Duration) {
        if let Some(socket) = self.socket.tcp() {
            self.congestion.adapt(socket, round_trip);
        }
    }

    fn encode(
        &mut self,
        head: &FrameHead,
        extra: &[u8],
        buffer: &mut FrameBuffer,
    ) -> Result<Range<usize>, LaneFault> {
        Ok(buffer.encode(head, extra, |record, content_len| self.sealer.seal(record, content_len))?)
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.socket.writable().await?;
            rest = &rest[self.try_write(rest)?..];
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), LaneFault> {
        let record = self.sealer.close()?;
        Ok(self.write_all(&record).await?)
    }
}

/// The receiving half of a lane.
pub struct TlsReader {
    socket: Arc<Socket>,
    deframer: Deframer,
}

impl LaneReader for TlsReader {
    const FRAME_MEMORY_LEN: usize = FRAME_RECORDS_LEN_MAX;

    fn is_ready(&self) -> bool {
        self.deframer.is_ready()
    }

    fn needs_memory(&self) -> bool {
        self.deframer.needs_memory()
    }

    fn enlarge(&mut self) {
        self.deframer.enlarge();
    }

    fn rest(&mut self, others_wait: bool) -> bool {
        self.deframer.rest();
        if others_wait {
            self.deframer.shrink();
        }
        !self.deframer.is_large()
    }

    async fn readable(&mut self) -> io::Result<()> {
        self.socket.readable().await
    }

    fn try_read(&mut self) -> Result<usize, LaneFault> {
        match self.socket.try_read(self.deframer.room()) {
            Ok(0) => Err(DeframeError::Truncated.into()),
            Ok(len) => {
                self.deframer.add_filled(len);
                Ok(len)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn drain(
        &mut self,
        take: impl FnMut(&FrameHead, &[u8], &[&[u8]]) -> Result<Option<JobId>, LaneFault>,
    ) -> Result<Drained<JobId>, LaneFault> {
        self.deframer.drain(take)
    }
}

impl From<RecordError> for LaneFault {
    fn from(error: RecordError) -> Self {
        match error {
            // Anyone who can write to the connection can produce such bytes, so they do not prove a fault of the peer.
            RecordError::Forged | RecordError::NoRecord => {
                Self::Lost(io::Error::new(io::ErrorKind::InvalidData, error))
            }
            RecordError::CipherSuite
            | RecordError::Unexpected
            | RecordError::Alert(_)
            | RecordError::UsedUp => Self::Violation(error.to_string()),
        }
    }
}

impl From<DeframeError> for LaneFault {
    fn from(error: DeframeError) -> Self {
        match error {
            DeframeError::Truncated => Self::Lost(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
            DeframeError::Record(error) => error.into(),
            DeframeError::Frame(_) | DeframeError::RecordsTooSmall => Self::Violation(error.to_string()),
        }
    }
}
