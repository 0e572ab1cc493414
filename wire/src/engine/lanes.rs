//! A lane's two tasks. They only move ciphertext between socket and buffers; expensive work is one blocking job per frame.

use super::buffer::BUFFER_LEN;
use super::congestion::Congestion;
use super::deframer::{DeframeError, Deframer, Drained};
use super::exchange::Exchange;
use super::memory::{LaneDirection, MemoryGrant};
use super::pace::PORTION_LEN;
use super::receive::ReceiveFault;
use super::{ChunkBuffer, SendJob};
use crate::failure::Failure;
use crate::ids::{JobId, LaneNo};
use crate::limits::{FRAME_RECORDS_LEN_MAX, LANE_PATIENCE};
use crate::net::lane::Lane;
use crate::net::record::{Opener, RecordError, Sealer};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Why a lane ended.
#[derive(Debug, thiserror::Error)]
pub enum LaneEnd {
    /// One of the ends closed it in an orderly way.
    #[error("closed")]
    Closed,
    /// The connection broke; the session's other lanes go on.
    #[error("{0}")]
    Lost(#[from] io::Error),
    /// The peer violated the protocol; the session ends.
    #[error("{0}")]
    Violation(String),
}

/// The two signals by which a lane is made to end.
struct LaneStop {
    /// It ends at once.
    over: CancellationToken,
    /// It ends in an orderly way, after the frame in progress.
    retire: CancellationToken,
}

/// Runs a lane until it ends or `stop` is cancelled. Its undelivered frames are then left to other lanes.
///
/// If `retire` is cancelled, or the lane's key is worn, or the peer closes its direction, the lane ends in an orderly way: it
/// finishes the frame in progress, closes this direction, and reads the other one to its end.
pub async fn run_lane(
    lane: Lane,
    exchange: Arc<Exchange>,
    stop: CancellationToken,
    retire: CancellationToken,
) -> LaneEnd {
    let Lane { number, socket, sealer, opener } = lane;
    let stop = LaneStop { over: stop.child_token(), retire: retire.child_token() };
    let over = &stop.over;
    let heard_all = CancellationToken::new();
    let reading = async {
        let end = read(&socket, opener, &exchange, over).await;
        if end.is_err() {
            over.cancel();
        }
        stop.retire.cancel();
        heard_all.cancel();
        end
    };
    let writing = async {
        let end = write(&socket, sealer, number, &exchange, &stop).await;
        if end.is_err() {
            over.cancel();
        }
        tokio::select! {
            () = heard_all.cancelled() => {}
            () = over.cancelled() => {}
            () = tokio::time::sleep(LANE_PATIENCE) => over.cancel(), // time enough for the peer to close its direction
        }
        end
    };
    let (read, written) = tokio::join!(reading, writing);
    match (read, written) {
        (Ok(()), Ok(())) if !over.is_cancelled() => {
            exchange.lane_closed(number);
            LaneEnd::Closed
        }
        (read, written) => {
            exchange.lane_lost(number);
            match (read, written) {
                (Err(violation @ LaneEnd::Violation(_)), _) => violation,
                (Err(LaneEnd::Lost(error)), _) | (_, Err(LaneEnd::Lost(error))) => LaneEnd::Lost(error),
                _ => LaneEnd::Closed,
            }
        }
    }
}

async fn read(
    socket: &Arc<TcpStream>,
    opener: Opener,
    exchange: &Arc<Exchange>,
    over: &CancellationToken,
) -> Result<(), LaneEnd> {
    let mut arriving = Arriving { deframer: Deframer::new(opener), memory: None };
    loop {
        while !arriving.deframer.is_ready() {
            arriving.rest();
            if arriving.deframer.needs_memory() {
                tokio::select! {
                    taken = exchange.memory.lane(LaneDirection::Reading, FRAME_RECORDS_LEN_MAX) => arriving.enlarge(taken),
                    () = over.cancelled() => return Ok(()),
                }
            }
            let waiting = exchange.is_receiving().then(Instant::now);
            tokio::select! {
                ready = socket.readable() => ready?,
                () = over.cancelled() => return Ok(()),
            }
            if let Some(since) = waiting {
                exchange.lane_timers.socket.add(since);
            }
            read_some(socket, &mut arriving, exchange)?;
        }
        let (socket, for_job, since) = (socket.clone(), exchange.clone(), Instant::now());
        let taking = exchange.disk.run_until(over, move || {
            let drained = take_frames(&mut arriving, &socket, &for_job);
            (arriving, drained)
        });
        let (back, drained) = match taking.await {
            Err(_) if over.is_cancelled() => return Ok(()),
            taken => taken.map_err(io::Error::from)?,
        };
        exchange.lane_timers.here.add(since);
        arriving = back;
        match drained? {
            Drained::NeedsMore => {}
            Drained::Closed => return Ok(()),
            Drained::Wait(job) => wait_for_job(job, exchange, over).await?,
        }
    }
}

/// A lane's received bytes, and their memory beyond the little that every lane has.
struct Arriving {
    deframer: Deframer,
    memory: Option<MemoryGrant>,
}

impl Arriving {
    fn enlarge(&mut self, taken: MemoryGrant) {
        self.memory = Some(taken);
        self.deframer.enlarge();
    }

    /// Frees memory while no bytes arrive; a lane that had it without room lets others have theirs.
    fn rest(&mut self) {
        self.deframer.rest();
        if matches!(self.memory, Some(MemoryGrant::Overdraft(_))) {
            self.deframer.shrink();
        }
        if !self.deframer.is_large() {
            self.memory = None;
        }
    }
}

/// Takes all complete frames. While the socket has more, reads that at once too, without waking another task.
fn take_frames(
    arriving: &mut Arriving,
    socket: &TcpStream,
    exchange: &Arc<Exchange>,
) -> Result<Drained<JobId>, LaneEnd> {
    for _ in 0..FRAMES_A_TURN {
        let drained = arriving.deframer.drain(|head, extra, payload| {
            let not_yet = exchange.take(head, extra, payload).map_err(LaneEnd::from)?;
            Ok::<_, LaneEnd>(not_yet.then_some(head.job))
        })?;
        if drained != Drained::NeedsMore {
            return Ok(drained);
        }
        read_some(socket, arriving, exchange)?;
        if !arriving.deframer.is_ready() {
            break;
        }
    }
    Ok(Drained::NeedsMore)
}

/// Reads from the socket up to the bytes that the deframer wants and has memory for.
fn read_some(socket: &TcpStream, arriving: &mut Arriving, exchange: &Exchange) -> Result<(), LaneEnd> {
    while !arriving.deframer.is_ready() {
        if arriving.deframer.needs_memory() {
            let Some(taken) = exchange.memory.try_lane(LaneDirection::Reading, FRAME_RECORDS_LEN_MAX) else {
                break;
            };
            arriving.enlarge(taken);
        }
        let deframer = &mut arriving.deframer;
        match socket.try_read(deframer.room()) {
            Ok(0) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, deframer.end_of_stream()).into());
            }
            Ok(len) => {
                deframer.add_filled(len);
                exchange.lane_bytes.fetch_add(len as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn wait_for_job(job: JobId, exchange: &Exchange, over: &CancellationToken) -> Result<(), LaneEnd> {
    tokio::select! {
        () = exchange.wait_for(job) => Ok(()),
        () = over.cancelled() => Ok(()),
        () = tokio::time::sleep(LANE_PATIENCE) => Err(LaneEnd::Violation(format!("frames of job {job}, which nobody asked for"))),
    }
}

async fn write(
    socket: &Arc<TcpStream>,
    mut sealer: Sealer,
    lane: LaneNo,
    exchange: &Arc<Exchange>,
    stop: &LaneStop,
) -> Result<(), LaneEnd> {
    let LaneStop { over, retire } = stop;
    let mut congestion = Congestion::default();
    loop {
        let work = exchange.work.notified();
        let freed = exchange.memory.budget.freed();
        tokio::pin!(work, freed);
        work.as_mut().enable();
        freed.as_mut().enable();
        if over.is_cancelled() || retire.is_cancelled() || sealer.is_worn() {
            let record = sealer.close()?;
            return write_all(socket, &record, over).await;
        }
        congestion.adapt(socket, exchange.round_trip());
        let built = if exchange.senders().iter().any(|job| job.may_have_work()) {
            let memory = tokio::select! {
                taken = exchange.memory.lane(LaneDirection::Writing, BUFFER_LEN) => taken,
                () = over.cancelled() => continue,
                () = retire.cancelled() => continue,
            };
            let since = Instant::now();
            let (back, built) = match build(socket, sealer, lane, exchange, memory, over).await {
                Err(_) if over.is_cancelled() => return Ok(()),
                built => built.map_err(io::Error::from)?,
            };
            sealer = back;
            let built = built?;
            if built.is_some() {
                exchange.lane_timers.here.add(since);
            }
            built
        } else {
            None
        };
        if let Some(built) = built {
            deliver(socket, built, exchange, over).await?;
            continue;
        }
        let waiting = exchange.senders().iter().any(|job| job.waits_for_peer()).then(Instant::now);
        let wants_room = exchange.senders().iter().any(|job| job.waits_for_room());
        tokio::select! {
            () = work => {}
            () = freed, if wants_room => {}
            () = over.cancelled() => {}
            () = retire.cancelled() => {}
        }
        if let Some(since) = waiting {
            exchange.lane_timers.peer.add(since);
        }
    }
}

/// Writes the rest of a frame, and gives its buffer and memory back.
async fn deliver(
    socket: &TcpStream,
    built: BuiltFrame,
    exchange: &Exchange,
    over: &CancellationToken,
) -> Result<(), LaneEnd> {
    exchange.lane_bytes.fetch_add(built.whole as u64, Ordering::Relaxed);
    let since = Instant::now();
    let sent = finish_writing(socket, &built, over).await;
    match built.job.pacer {
        None => exchange.lane_timers.socket.add(since),
        Some(_) => exchange.lane_timers.paced.add(since),
    }
    exchange.buffers.put(built.buffer);
    drop(built.memory);
    sent
}

/// A sealed frame, of which `left` is still to be written.
struct BuiltFrame {
    job: Arc<SendJob>,
    buffer: ChunkBuffer,
    left: Range<usize>,
    whole: usize,
    /// The memory of the buffer.
    memory: MemoryGrant,
}

/// Builds the next frame of the first job that has one, and immediately writes as much as the socket takes.
async fn build(
    socket: &Arc<TcpStream>,
    mut sealer: Sealer,
    lane: LaneNo,
    exchange: &Arc<Exchange>,
    memory: MemoryGrant,
    over: &CancellationToken,
) -> Result<(Sealer, Result<Option<BuiltFrame>, LaneEnd>), Failure> {
    let (socket, disk, exchange) = (socket.clone(), exchange.disk.clone(), exchange.clone());
    let building = disk.run_until(over, move || {
        let mut buffer = exchange.buffers.take();
        for job in exchange.senders() {
            match job.build(lane, &mut buffer, &mut sealer, &exchange) {
                Ok(None) => {}
                Err(error) => return (sealer, Err(LaneEnd::from(error))),
                Ok(Some(left)) => {
                    let mut built = BuiltFrame { job, buffer, whole: left.len(), left, memory };
                    let written =
                        if built.job.pacer.is_some() { Ok(()) } else { write_some(&socket, &mut built) };
                    return (sealer, written.map(|()| Some(built)).map_err(LaneEnd::from));
                }
            }
        }
        exchange.buffers.put(buffer);
        (sealer, Ok(None))
    });
    building.await
}

fn write_some(socket: &TcpStream, built: &mut BuiltFrame) -> io::Result<()> {
    while !built.left.is_empty() {
        match socket.try_write(built.buffer.sealed(built.left.clone())) {
            Ok(len) => built.left.start += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn finish_writing(
    socket: &TcpStream,
    built: &BuiltFrame,
    over: &CancellationToken,
) -> Result<(), LaneEnd> {
    match &built.job.pacer {
        None => write_all(socket, built.buffer.sealed(built.left.clone()), over).await,
        Some(pacer) => {
            for portion in built.buffer.sealed(built.left.clone()).chunks(PORTION_LEN) {
                tokio::select! {
                    () = pacer.take(portion.len()) => {}
                    () = over.cancelled() => return Ok(()),
                }
                write_all(socket, portion, over).await?;
            }
            Ok(())
        }
    }
}

async fn write_all(socket: &TcpStream, bytes: &[u8], over: &CancellationToken) -> Result<(), LaneEnd> {
    let mut rest = bytes;
    while !rest.is_empty() {
        tokio::select! {
            ready = socket.writable() => ready?,
            () = over.cancelled() => return Ok(()),
        }
        match socket.try_write(rest) {
            Ok(len) => rest = &rest[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl From<RecordError> for LaneEnd {
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

impl From<ReceiveFault> for LaneEnd {
    fn from(fault: ReceiveFault) -> Self {
        Self::Violation(fault.to_string())
    }
}

impl From<DeframeError> for LaneEnd {
    fn from(error: DeframeError) -> Self {
        match error {
            DeframeError::Truncated => Self::Lost(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
            DeframeError::Record(error) => error.into(),
            DeframeError::Frame(_) | DeframeError::RecordsTooSmall => Self::Violation(error.to_string()),
        }
    }
}

/// Frames that a lane takes before it lets another lane use its thread.
const FRAMES_A_TURN: usize = 16;
