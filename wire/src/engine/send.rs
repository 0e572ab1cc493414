//! A job's sending side: builds the frames that the sending machine plans. Each frame is one blocking job: read, hash, seal.

mod acknowledgement;
mod compressing;
mod deltas;
mod large_file;
mod offers;
mod pack;
mod pull;

pub(crate) use deltas::REQUESTS_OF_A_FILE_MAX;

use super::active::ActiveCount;
use super::compression::Backoff;
use super::memory::{JobMemory, SessionMemory};
use super::reading::{Broken, OpenFile, Reading};
use super::source::Source;
use super::{Exchange, JobObserver, Pacer, lock};
use crate::checksum::Checksum;
use crate::control::Envelope;
use crate::disk::Disk;
use crate::failure::{Failure, FailureCode};
use crate::frame::{FrameHead, FrameKind};
use crate::ids::{FileNo, FrameNo, JobId, LaneNo};
use crate::message::{Changing, Compress};
use crate::metadata::Timestamp;
use crate::net::control::Outbox;
use crate::sender::{Content, Plan, Sender};
use crate::transport::FrameBuffer;
use deltas::Deltas;
use large_file::ChunkRef;
use pull::Turns;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

/// A job that sends.
pub struct SendJob {
    pub(crate) id: JobId,
    pub(crate) pacer: Option<Pacer>,
    machine: Mutex<Sender>,
    source: Arc<dyn Source>,
    turns: Turns,
    reading: Reading,
    files: Mutex<HashMap<FileNo, Arc<OpenFile>>>,
    observer: Arc<dyn JobObserver>,
    changed: Notify,
    failed: OnceLock<Failure>,
    /// The receiver makes holes.
    holes: bool,
    /// Acknowledgements that are being reported to the observer.
    active: ActiveCount,
    /// Locked while an offer is made, so that offers are sent in order.
    offering: Mutex<()>,
    /// The words that say where the receiver's failures happened, as "on the server"; `None` adds none.
    receiver: Option<&'static str>,
    /// Start of the transfer's first attempt, if known: a source that has changed since counts as another file.
    begun: Option<Timestamp>,
    /// The disk on which its files are closed.
    disk: OnceLock<Arc<Disk>>,
    memory: JobMemory,
    compress: Compress,
    /// Which of its packs are worth compressing.
    backoff: Mutex<Backoff>,
    deltas: Deltas,
}

/// A frame for a lane to encode. Its payload is in the buffer.
pub(crate) struct FrameToEncode {
    pub(crate) head: FrameHead,
    pub(crate) extra: Vec<u8>,
    /// Length of the content of a block or pack, before it was compressed; otherwise, and of a recipe, 0.
    pub(crate) content_len: usize,
}

/// The parts of a frame besides its payload, which is in the buffer, and its numbers.
struct Built {
    kind: FrameKind,
    extra: Vec<u8>,
    payload_len: usize,
}

impl SendJob {
    /// A job with the id `id`, whose items come from `source`.
    #[must_use]
    pub fn new(
        id: JobId,
        machine: Sender,
        source: Arc<dyn Source>,
        observer: Arc<dyn JobObserver>,
        pacer: Option<Pacer>,
    ) -> Self {
        Self {
            id,
            pacer,
            machine: Mutex::new(machine),
            reading: Reading::new(source.clone(), Changing::default()),
            source,
            turns: Turns::default(),
            files: Mutex::default(),
            holes: false,
            observer,
            changed: Notify::new(),
            failed: OnceLock::new(),
            active: ActiveCount::default(),
            offering: Mutex::new(()),
            receiver: None,
            begun: None,
            disk: OnceLock::new(),
            memory: JobMemory::default(),
            compress: Compress::default(),
            backoff: Mutex::default(),
            deltas: Deltas::default(),
        }
    }

    /// Sets the disk that its files are read from.
    pub(crate) fn is_on(&self, disk: &Arc<Disk>) {
        let _ = self.disk.set(disk.clone()); // a job belongs to one exchange
    }

    /// Closes open files, once the job has ended.
    pub(crate) async fn close(&self, disk: &Arc<Disk>) {
        self.dispose();
        disk.disposed().await;
    }

    /// Closes files at the disk, since a filesystem may block the closing thread.
    fn dispose(&self) {
        let (files, kept) = (std::mem::take(&mut *lock(&self.files)), self.reading.take_kept());
        if let Some(disk) = self.disk.get().filter(|_| !files.is_empty() || !kept.is_empty()) {
            disk.dispose((files, kept));
        }
    }

    /// Adds the words `receiver`, such as "on the server", to the receiver's failures before they are reported to the observer.
    #[must_use]
    pub fn naming_receiver(mut self, receiver: &'static str) -> Self {
        self.receiver = Some(receiver);
        self
    }

    /// Makes the job another attempt of a transfer whose first one began at this time, by the clock that dates the files.
    #[must_use]
    pub fn since(mut self, begun: Option<Timestamp>) -> Self {
        self.begun = begun;
        self
    }

    /// Limits the job's items to the memory of `session` from now on.
    pub(crate) fn keep_within(&self, session: &SessionMemory) {
        self.memory.keep_within(session);
        self.look_for_room();
    }

    /// Takes memory for more items, or makes the machine wait for it.
    fn look_for_room(&self) {
        let has_room = self.memory.count_and_take(|| lock(&self.machine).kept(), ITEMS_KEPT_LEN);
        lock(&self.machine).set_room(has_room);
    }

    fn count_kept(&self) {
        let kept = || lock(&self.machine).kept();
        self.memory.count(kept, || kept() == 0);
    }

    /// True if items wait for memory.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.failed.get().is_none() && lock(&self.machine).waits_for_room()
    }

    /// Reports holes of files to the receiver. Only for jobs with SHA-256: with another checksum the digests of so many zeros
    /// would cost too much.
    #[must_use]
    pub fn with_holes(mut self, holes: bool) -> Self {
        self.holes = holes && lock(&self.machine).checksum() == Checksum::Sha256;
        self
    }

    /// Sets the treatment of files that change while they are read.
    #[must_use]
    pub fn changing(mut self, changing: Changing) -> Self {
        self.reading.changing = changing;
        self
    }

    /// Sets whether frames are compressed, where the session has that feature.
    #[must_use]
    pub fn compressing(mut self, compress: Compress) -> Self {
        self.compress = compress;
        self
    }

    /// Ends the job early.
    pub fn fail(&self, failure: Failure) {
        let _ = self.failed.set(failure); // the first reason is the one to report
        self.changed.notify_one();
    }

    /// Reports the number of frames to the receiver, and waits until it has them all.
    ///
    /// # Errors
    /// If the job was ended before.
    pub(crate) async fn drive(&self, outbox: &Outbox, work: &Notify) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (end, finished) = {
                let mut machine = lock(&self.machine);
                (machine.end(), machine.is_finished() && self.active.is_idle())
            };
            if let Some(failure) = self.failed.get().filter(|_| !finished) {
                return Err(failure.clone());
            }
            if let Some(end) = end {
                let sent = outbox.send(Envelope::new(self.id.0, end)).await;
                sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
            }
            if finished {
                return Ok(());
            }
            tokio::select! {
                () = self.changed.notified() => {}
                _ = ticks.tick() => {
                    // A paced job's lanes wait for each other, which is not a stall.
                    if self.pacer.is_none() && lock(&self.machine).tick() {
                        work.notify_waiters();
                    }
                }
            }
        }
    }

    pub(crate) fn may_have_work(&self) -> bool {
        if self.waits_for_room() {
            self.look_for_room();
        }
        self.failed.get().is_none() && lock(&self.machine).may_have_work()
    }

    pub(crate) fn waits_for_peer(&self) -> bool {
        self.failed.get().is_none() && lock(&self.machine).waits_for_peer()
    }

    pub(crate) fn lane_lost(&self, lane: LaneNo) {
        lock(&self.machine).lane_lost(lane);
    }

    pub(crate) fn lane_closed(&self, lane: LaneNo) {
        lock(&self.machine).lane_closed(lane);
    }

    /// Builds the next frame for `lane`, its payload in `buffer`; returns the rest of it, or `None` if there is no frame now.
    pub(crate) fn build(
        &self,
        lane: LaneNo,
        buffer: &mut FrameBuffer,
        exchange: &Exchange,
    ) -> Option<FrameToEncode> {
        self.look_for_room();
        self.pull(&exchange.work);
        self.count_kept();
        self.offer(&exchange.outbox);
        let plan = lock(&self.machine).next(lane);
        self.wake_planners();
        let Some(Plan { frame, content }) = plan else {
            self.changed.notify_one();
            return None;
        };
        let built = self.content(frame, &content, buffer);
        let (content_len, built) = match self.as_recipe(&built, buffer, exchange) {
            Some(recipe) => (0, recipe), // it says nothing of how well frames compress
            None => (content_len(&built), self.compressed(built, buffer, exchange)),
        };
        let head = FrameHead {
            job: self.id,
            frame,
            extra_len: u16::try_from(built.extra.len()).unwrap_or(u16::MAX),
            payload_len: u32::try_from(built.payload_len).unwrap_or(u32::MAX),
            kind: built.kind,
        };
        self.changed.notify_one();
        Some(FrameToEncode { head, extra: built.extra, content_len })
    }

    fn content(&self, frame: FrameNo, content: &Content, buffer: &mut FrameBuffer) -> Built {
        match content {
            Content::Pack(items) => self.pack(frame, items, buffer),
            Content::Block { file, offset, len, last } => {
                let chunk = ChunkRef { offset: *offset, len: *len, last: *last };
                match self.block(frame, file, chunk, buffer) {
                    Ok(built) => built,
                    Err(instead) => self.content(frame, &instead, buffer),
                }
            }
            Content::Hole { file, offset, len, last } => {
                let (number, offset, len, last) = (file.number, *offset, *len, *last);
                let kind = FrameKind::Hole { file: number, offset, len, last };
                Built { kind, extra: self.announcement(file), payload_len: 0 }
            }
            Content::Seal { file, result } => match self.seal_end(file, result.clone()) {
                Ok(((size, root), end)) => {
                    let sealed = lock(&self.machine).sealed(frame);
                    if let Err(instead) = sealed {
                        return self.content(frame, &instead, buffer);
                    }
                    let kind = FrameKind::Seal { file: file.number, size, root, end };
                    Built { kind, extra: self.announcement(file), payload_len: 0 }
                }
                Err(Broken::Failed(failure)) => match lock(&self.machine).give_up(frame, file, failure) {
                    Content::Seal { result: Err(failure), .. } => self.given_up(file, &failure, buffer),
                    Content::Pack(_)
                    | Content::Block { .. }
                    | Content::Hole { .. }
                    | Content::Seal { .. }
                    | Content::Again { .. } => self.begun_again(file),
                },
                Err(broken) => {
                    let instead = self.instead(frame, file, broken);
                    self.content(frame, &instead, buffer)
                }
            },
            Content::Again { file } => self.begun_again(file),
        }
    }
}

/// Returns the length of the content of a block or pack that is not encoded; otherwise 0.
fn content_len(built: &Built) -> usize {
    match built.kind {
        FrameKind::Block { .. } | FrameKind::Pack { .. } => built.payload_len,
        FrameKind::Hole { .. } | FrameKind::Seal { .. } => 0,
    }
}

impl Drop for SendJob {
    fn drop(&mut self) {
        self.dispose(); // its last owner may be a task that serves all sessions
    }
}

/// Memory taken before a source is asked for items: enough for a batch of a walk, with paths of usual length.
const ITEMS_KEPT_LEN: usize = 64 * 1024;
/// Interval of the checks for stalled lanes.
const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
