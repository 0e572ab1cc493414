//! A job's sending side: builds the frames that the sending machine plans. Each frame is one blocking job: read, hash, seal.

mod acknowledgement;
mod large_file;
mod offers;
mod pack;

use super::active::ActiveCount;
use super::memory::{JobMemory, SessionMemory};
use super::reading::{Broken, OpenFile, Reading};
use super::source::Source;
use super::{Exchange, JobObserver, Pacer, lock};
use crate::checksum::Checksum;
use crate::control::Envelope;
use crate::disk::Disk;
use crate::engine::ChunkBuffer;
use crate::failure::{Failure, FailureCode};
use crate::frame::{FrameHead, FrameKind};
use crate::message::Changing;
use crate::metadata::Timestamp;
use crate::net::control::Outbox;
use crate::net::record::{RecordError, Sealer};
use crate::sender::{Content, Plan, Sender};
use large_file::ChunkRef;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

/// A job that sends.
pub struct SendJob {
    pub(crate) id: u32,
    pub(crate) pacer: Option<Pacer>,
    machine: Mutex<Sender>,
    source: Arc<dyn Source>,
    reading: Reading,
    files: Mutex<HashMap<u32, Arc<OpenFile>>>,
    observer: Arc<dyn JobObserver>,
    changed: Notify,
    failed: OnceLock<Failure>,
    /// The receiver makes holes.
    holes: bool,
    /// Acknowledgements that are being reported to the observer.
    active: ActiveCount,
    /// Held while an offer is made, so that they go out in order.
    offering: Mutex<()>,
    /// The words that say where the receiver's failures happened, as "on the server"; `None` adds none.
    receiver: Option<&'static str>,
    /// When the first attempt of the transfer began, if that is known: what has changed since is another file.
    begun: Option<Timestamp>,
    /// Where its files are closed.
    disk: OnceLock<Arc<Disk>>,
    memory: JobMemory,
}

/// A frame's payload is in the buffer; this is the rest.
struct Built {
    kind: FrameKind,
    extra: Vec<u8>,
    payload_len: usize,
}

impl SendJob {
    /// A job with the id `id`, whose items come from `source`.
    #[must_use]
    pub fn new(
        id: u32,
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
        }
    }

    /// Its files are read there.
    pub(crate) fn is_on(&self, disk: &Arc<Disk>) {
        let _ = self.disk.set(disk.clone()); // a job belongs to one exchange
    }

    /// Closes what is open, once it has ended.
    pub(crate) async fn close(&self, disk: &Arc<Disk>) {
        self.dispose();
        disk.disposed().await;
    }

    /// A filesystem may hold up whoever closes a file.
    fn dispose(&self) {
        let (files, kept) = (std::mem::take(&mut *lock(&self.files)), self.reading.take_kept());
        if let Some(disk) = self.disk.get().filter(|_| !files.is_empty() || !kept.is_empty()) {
            disk.dispose((files, kept));
        }
    }

    /// The same job, whose observer hears of the receiver's failures with the words `receiver`, as "on the server".
    #[must_use]
    pub fn naming_receiver(mut self, receiver: &'static str) -> Self {
        self.receiver = Some(receiver);
        self
    }

    /// The same job as another attempt of a transfer whose first one began then, by the clock that dates the files.
    #[must_use]
    pub fn since(mut self, begun: Option<Timestamp>) -> Self {
        self.begun = begun;
        self
    }

    /// From now on the job takes only items that there is room for.
    pub(crate) fn keep_within(&self, session: &SessionMemory) {
        self.memory.keep_within(session);
        self.look_for_room();
    }

    /// Takes room for some items more, or lets the machine wait.
    fn look_for_room(&self) {
        let has_room = self.memory.count_and_take(|| lock(&self.machine).kept(), ITEMS_KEPT_LEN);
        lock(&self.machine).set_room(has_room);
    }

    fn count_kept(&self) {
        let kept = || lock(&self.machine).kept();
        self.memory.count(kept, || kept() == 0);
    }

    /// True if items wait for room.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.failed.get().is_none() && lock(&self.machine).waits_for_room()
    }

    /// The same job, which tells the receiver where a file has holes. Only jobs with SHA-256 do: elsewhere the digests of so many
    /// zeros would cost too much.
    #[must_use]
    pub fn with_holes(mut self, holes: bool) -> Self {
        self.holes = holes && lock(&self.machine).checksum() == Checksum::Sha256;
        self
    }

    /// The same job, which does this with files that change while they are read.
    #[must_use]
    pub fn changing(mut self, changing: Changing) -> Self {
        self.reading.changing = changing;
        self
    }

    /// Ends the job: it cannot go on, or need not.
    pub fn fail(&self, failure: Failure) {
        let _ = self.failed.set(failure); // the first reason is the one to tell
        self.changed.notify_one();
    }

    /// Tells the receiver how many frames there are, and waits until it has them all.
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
                let sent = outbox.send(Envelope::new(self.id, end)).await;
                sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
            }
            if finished {
                return Ok(());
            }
            tokio::select! {
                () = self.changed.notified() => {}
                _ = ticks.tick() => {
                    // A paced job's lanes wait for each other, which is no stall.
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

    pub(crate) fn lane_lost(&self, lane: u16) {
        lock(&self.machine).lane_lost(lane);
    }

    pub(crate) fn lane_closed(&self, lane: u16) {
        lock(&self.machine).lane_closed(lane);
    }

    /// Builds the next frame for `lane` in `buffer`; tells where its ciphertext lies, or that there is none now.
    pub(crate) fn build(
        &self,
        lane: u16,
        buffer: &mut ChunkBuffer,
        sealer: &mut Sealer,
        exchange: &Exchange,
    ) -> Result<Option<Range<usize>>, RecordError> {
        self.look_for_room();
        if self.source.refill(&self.machine) {
            exchange.work.notify_waiters();
        }
        self.count_kept();
        self.offer(&exchange.outbox);
        let plan = lock(&self.machine).next(lane);
        let Some(Plan { frame, content }) = plan else {
            self.changed.notify_one();
            return Ok(None);
        };
        let built = self.content(frame, &content, buffer);
        let head = FrameHead {
            job: self.id,
            frame,
            extra_len: u16::try_from(built.extra.len()).unwrap_or(u16::MAX),
            payload_len: u32::try_from(built.payload_len).unwrap_or(u32::MAX),
            kind: built.kind,
        };
        let sealed = buffer.seal(&head, &built.extra, sealer)?;
        self.changed.notify_one();
        Ok(Some(sealed))
    }

    fn content(&self, frame: u64, content: &Content, buffer: &mut ChunkBuffer) -> Built {
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

impl Drop for SendJob {
    fn drop(&mut self) {
        self.dispose(); // whoever has it last may be a task that serves everybody
    }
}

/// Room that is taken before a source is asked for items: for as many as a walk gives at once, with paths of usual length.
const ITEMS_KEPT_LEN: usize = 64 * 1024;
/// How often the machine looks for stalled lanes.
const TICK: Duration = Duration::from_secs(1);
