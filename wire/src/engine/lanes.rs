//! A lane's two tasks. They only move bytes between transport and buffers; expensive work is one blocking job per frame.

use super::SendJob;
use super::compression::SentFrame;
use super::exchange::Exchange;
use super::memory::{LaneDirection, MemoryGrant};
use super::pace::PORTION_LEN;
use super::receive::ReceiveFault;
use crate::failure::Failure;
use crate::ids::{JobId, LaneNo};
use crate::limits::LANE_PATIENCE;
use crate::transport::{Drained, FrameBuffer, Lane, LaneFault, LaneReader, LaneWriter};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
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
/// If `retire` is cancelled, or the lane is worn, or the peer closes its direction, the lane ends in an orderly way: it
/// finishes the frame in progress, closes this direction, and reads the other one to its end.
pub async fn run_lane(
    lane: impl Lane,
    exchange: Arc<Exchange>,
    stop: CancellationToken,
    retire: CancellationToken,
) -> LaneEnd {
    let number = lane.number();
    let (reader, writer) = lane.split();
    let stop = LaneStop { over: stop.child_token(), retire: retire.child_token() };
    let over = &stop.over;
    let heard_all = CancellationToken::new();
    let reading = async {
        let end = read(reader, &exchange, over).await;
        if end.is_err() {
            over.cancel();
        }
        stop.retire.cancel();
        heard_all.cancel();
        end
    };
    let writing = async {
        let end = write(writer, number, &exchange, &stop).await;
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
                (Err(LaneFault::Violation(rule)), _) => LaneEnd::Violation(rule),
                (Err(LaneFault::Lost(error)), _) | (_, Err(LaneFault::Lost(error))) => LaneEnd::Lost(error),
                (Ok(()), _) => LaneEnd::Closed,
            }
        }
    }
}

async fn read(
    reader: impl LaneReader,
    exchange: &Arc<Exchange>,
    over: &CancellationToken,
) -> Result<(), LaneFault> {
    let mut arriving = Arriving { reader, memory: None };
    loop {
        while !arriving.reader.is_ready() {
            if over.run_until_cancelled(arriving.more(exchange)).await.transpose()?.is_none() {
                return Ok(());
            }
        }
        let (for_job, since) = (exchange.clone(), Instant::now());
        let taking = exchange.disk.run_until(over, move || {
            let drained = arriving.take_frames(&for_job);
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

/// A lane's receiving half, and its memory beyond the little that every lane has.
struct Arriving<R> {
    reader: R,
    memory: Option<MemoryGrant>,
}

impl<R: LaneReader> Arriving<R> {
    /// Waits for bytes, and reads them.
    async fn more(&mut self, exchange: &Exchange) -> Result<(), LaneFault> {
        self.rest();
        if self.reader.needs_memory() {
            self.enlarge(exchange.memory.lane(LaneDirection::Reading, Self::memory_len(exchange)).await);
        }
        let waiting = exchange.is_receiving().then(Instant::now);
        self.reader.readable().await?;
        if let Some(since) = waiting {
            exchange.lane_timers.socket.add(since);
        }
        self.read_some(exchange)
    }

    /// Returns the memory for a frame, and for its content if it may be compressed.
    fn memory_len(exchange: &Exchange) -> usize {
        R::FRAME_MEMORY_LEN + exchange.compression.content_memory_len()
    }

    fn enlarge(&mut self, taken: MemoryGrant) {
        self.memory = Some(taken);
        self.reader.enlarge();
    }

    /// Frees memory while no bytes arrive; a lane that had it without room lets others have theirs.
    fn rest(&mut self) {
        let others_wait = matches!(self.memory, Some(MemoryGrant::Overdraft(_)));
        if self.reader.rest(others_wait) {
            self.memory = None;
        }
    }

    /// Takes all complete frames. While there is more to read, reads that at once too, without waking another task.
    fn take_frames(&mut self, exchange: &Exchange) -> Result<Drained<JobId>, LaneFault> {
        for _ in 0..FRAMES_A_TURN {
            let drained = self.reader.drain(|head, extra, payload| {
                let not_yet = exchange.take(head, extra, payload)?;
                Ok(not_yet.then_some(head.job))
            })?;
            if drained != Drained::NeedsMore {
                return Ok(drained);
            }
            self.read_some(exchange)?;
            if !self.reader.is_ready() {
                break;
            }
        }
        Ok(Drained::NeedsMore)
    }

    /// Reads what has arrived, up to the bytes that the reader wants and has memory for.
    fn read_some(&mut self, exchange: &Exchange) -> Result<(), LaneFault> {
        while !self.reader.is_ready() {
            if self.reader.needs_memory() {
                let taken = exchange.memory.try_lane(LaneDirection::Reading, Self::memory_len(exchange));
                let Some(taken) = taken else { break };
                self.enlarge(taken);
            }
            match self.reader.try_read()? {
                0 => break,
                len => exchange.lane_bytes.fetch_add(len as u64, Ordering::Relaxed),
            };
        }
        Ok(())
    }
}

async fn wait_for_job(job: JobId, exchange: &Exchange, over: &CancellationToken) -> Result<(), LaneFault> {
    tokio::select! {
        () = exchange.wait_for(job) => Ok(()),
        () = over.cancelled() => Ok(()),
        () = tokio::time::sleep(LANE_PATIENCE) => {
            Err(LaneFault::Violation(format!("frames of job {job}, which nobody asked for")))
        }
    }
}

async fn write<W: LaneWriter>(
    mut writer: W,
    lane: LaneNo,
    exchange: &Arc<Exchange>,
    stop: &LaneStop,
) -> Result<(), LaneFault> {
    let LaneStop { over, retire } = stop;
    loop {
        let work = exchange.work.notified();
        let freed = exchange.memory.budget.freed();
        tokio::pin!(work, freed);
        work.as_mut().enable();
        freed.as_mut().enable();
        if over.is_cancelled() {
            return Ok(());
        }
        if retire.is_cancelled() || writer.is_worn() {
            return over.run_until_cancelled(writer.close()).await.unwrap_or(Ok(()));
        }
        writer.adapt(exchange.round_trip());
        if exchange.senders().iter().any(|job| job.may_have_work()) {
            let memory = tokio::select! {
                taken = exchange.memory.lane(LaneDirection::Writing, W::LAYOUT.buffer_len()) => taken,
                () = over.cancelled() => continue,
                () = retire.cancelled() => continue,
            };
            let since = Instant::now();
            let (back, built) = match build(writer, lane, exchange, memory, over).await {
                Err(_) if over.is_cancelled() => return Ok(()),
                built => built.map_err(io::Error::from)?,
            };
            writer = back;
            if let Some(built) = built? {
                exchange.lane_timers.here.add(since);
                deliver(&mut writer, built, since.elapsed(), exchange, over).await?;
                continue;
            }
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
    writer: &mut impl LaneWriter,
    built: BuiltFrame,
    here: Duration,
    exchange: &Exchange,
    over: &CancellationToken,
) -> Result<(), LaneFault> {
    exchange.lane_bytes.fetch_add(built.whole as u64, Ordering::Relaxed);
    let since = Instant::now();
    let sent = over.run_until_cancelled(finish_writing(writer, &built)).await;
    let (content_len, sent_len) = (built.content_len, built.whole);
    exchange.compression.on_sent(SentFrame { content_len, sent_len, here, waiting: since.elapsed() });
    match built.job.pacer {
        None => exchange.lane_timers.socket.add(since),
        Some(_) => exchange.lane_timers.paced.add(since),
    }
    exchange.buffers.put(built.buffer);
    drop(built.memory);
    Ok(sent.unwrap_or(Ok(()))?)
}

/// An encoded frame, of which `left` is still to be written.
struct BuiltFrame {
    job: Arc<SendJob>,
    buffer: FrameBuffer,
    left: Range<usize>,
    whole: usize,
    /// Length of its content; 0 if it has none.
    content_len: usize,
    /// The memory of the buffer.
    memory: MemoryGrant,
}

/// Builds the next frame of the first job that has one, and immediately writes as much as the transport takes.
async fn build<W: LaneWriter>(
    mut writer: W,
    lane: LaneNo,
    exchange: &Arc<Exchange>,
    memory: MemoryGrant,
    over: &CancellationToken,
) -> Result<(W, Result<Option<BuiltFrame>, LaneFault>), Failure> {
    let (disk, exchange) = (exchange.disk.clone(), exchange.clone());
    let building = disk.run_until(over, move || {
        let mut buffer = exchange.buffers.take(W::LAYOUT);
        for job in exchange.senders() {
            if let Some(frame) = job.build(lane, &mut buffer, &exchange) {
                let built = writer.encode(&frame.head, &frame.extra, &mut buffer).and_then(|left| {
                    let (whole, content_len) = (left.len(), frame.content_len);
                    let mut built = BuiltFrame { job, buffer, whole, left, content_len, memory };
                    if built.job.pacer.is_none() {
                        write_some(&mut writer, &mut built)?;
                    }
                    Ok(Some(built))
                });
                return (writer, built);
            }
        }
        exchange.buffers.put(buffer);
        (writer, Ok(None))
    });
    building.await
}

fn write_some(writer: &mut impl LaneWriter, built: &mut BuiltFrame) -> io::Result<()> {
    while !built.left.is_empty() {
        match writer.try_write(built.buffer.encoded(built.left.clone()))? {
            0 => break,
            len => built.left.start += len,
        }
    }
    Ok(())
}

async fn finish_writing(writer: &mut impl LaneWriter, built: &BuiltFrame) -> io::Result<()> {
    let left = built.buffer.encoded(built.left.clone());
    match &built.job.pacer {
        None => writer.write_all(left).await,
        Some(pacer) => {
            for portion in left.chunks(PORTION_LEN) {
                pacer.take(portion.len()).await;
                writer.write_all(portion).await?;
            }
            Ok(())
        }
    }
}

impl From<ReceiveFault> for LaneFault {
    fn from(fault: ReceiveFault) -> Self {
        Self::Violation(fault.to_string())
    }
}

/// Frames that a lane takes before it lets another lane use its thread.
const FRAMES_A_TURN: usize = 16;
