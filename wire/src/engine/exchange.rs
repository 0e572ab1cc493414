//! The jobs of one session: lanes ask them for work, and messages about jobs are passed to them.

mod messages;

use super::compression::{CompressedBytes, FrameCompression};
use super::lane_timers::{LaneTime, LaneTimers};
use super::memory::SessionMemory;
use super::receive::ReceiveFault;
use super::send::REQUESTS_OF_A_FILE_MAX;
use super::{ItemQueue, ReceiveJob, SendJob, lock};
use crate::budget::{Budget, Charge};
use crate::disk::Disk;
use crate::failure::{Failure, FailureCode};
use crate::features::Features;
use crate::frame::{Encoding, FrameError, FrameHead, content_len};
use crate::ids::{JobId, LaneNo};
use crate::limits::SIGNATURE_REQUESTS_MAX;
use crate::message::Message;
use crate::net::control::Outbox;
use crate::transport::BufferPool;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// The result of a job.
pub type JobEnd = Result<(), Failure>;

/// A session's jobs.
pub struct Exchange {
    pub(crate) outbox: Outbox,
    pub(crate) buffers: Arc<BufferPool>,
    pub(crate) compression: FrameCompression,
    /// The disk that jobs read and write.
    pub(crate) disk: Arc<Disk>,
    pub(crate) memory: SessionMemory,
    /// Signals that there may be new data to send.
    pub(crate) work: Notify,
    /// Signals that a job may have arrived that lanes wait for.
    arrived: Notify,
    jobs: Mutex<JobTable>,
    pub(crate) lane_bytes: AtomicU64,
    pub(crate) signature_bytes: AtomicU64,
    /// How many of both were counted.
    counted: AtomicU64,
    pub(crate) lane_timers: LaneTimers,
    /// Our frames that the peer has finished, plus complete frames received from it.
    frames_through: AtomicU64,
    /// The shortest round trip measured, in microseconds; 0 for none.
    round_trip_us: AtomicU64,
    /// Turns of jobs that plan what of a file the receiver has.
    pub(crate) planners: Semaphore,
    /// Held while an old file is signed: the memory for that is taken once in a session.
    pub(crate) signing: tokio::sync::Mutex<()>,
}

/// The end of a job at this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It sends.
    Sender,
    /// It receives.
    Receiver,
}

/// A job that was requested and is not open.
struct PendingJob {
    role: Role,
    /// Messages that its sender has sent already, with their memory charges.
    early: Vec<(Message, Charge)>,
    /// Why it has ended already.
    failed: Option<Failure>,
}

#[derive(Default)]
struct JobTable {
    senders: Vec<Arc<SendJob>>,
    receivers: HashMap<JobId, Arc<ReceiveJob>>,
    /// Jobs requested and not yet opened.
    opening: BTreeMap<JobId, PendingJob>,
    greatest: Option<JobId>,
    /// The reason why no job can run any more.
    over: Option<Failure>,
}

/// The result of looking up a frame's job.
pub(crate) enum Lookup {
    Running(Arc<ReceiveJob>),
    /// The job has ended; its frames are dropped.
    Over,
    /// The job's request is still in progress.
    NotYet,
}

impl Exchange {
    /// An exchange without jobs, which sends messages to `outbox`, has its files on `disk`, and limits the memory of its lanes
    /// and jobs to `transfers`.
    #[must_use]
    pub fn new(outbox: Outbox, buffers: Arc<BufferPool>, disk: Arc<Disk>, transfers: Budget) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            buffers,
            compression: FrameCompression::default(),
            disk,
            memory: SessionMemory::new(transfers),
            work: Notify::new(),
            arrived: Notify::new(),
            jobs: Mutex::default(),
            lane_bytes: AtomicU64::new(0),
            signature_bytes: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            lane_timers: LaneTimers::default(),
            frames_through: AtomicU64::new(0),
            round_trip_us: AtomicU64::new(0),
            planners: Semaphore::new(PLANNERS),
            signing: tokio::sync::Mutex::default(),
        })
    }

    /// Sets the features that hold for the session. A client that waits for the answer to its login sets those that it offered,
    /// since frames may overtake that answer.
    pub fn agree(&self, features: Features) {
        self.compression.agree(features);
    }

    /// Registers a requested job: its frames, its messages and its failure wait until it is run or dropped. To be called in the
    /// order of the requests, and before the peer can say anything about it.
    pub fn opening(&self, id: JobId, role: Role) {
        let mut jobs = lock(&self.jobs);
        jobs.opening.insert(id, PendingJob { role, early: Vec::new(), failed: None });
        jobs.greatest = jobs.greatest.max(Some(id));
    }

    /// Records that a requested job will not run.
    pub fn dropped(&self, id: JobId) {
        lock(&self.jobs).opening.remove(&id);
        self.arrived.notify_waiters();
    }

    /// Adds a sending job; the returned future runs it to its end.
    pub fn send(&self, job: Arc<SendJob>) -> impl Future<Output = JobEnd> {
        job.keep_within(&self.memory);
        job.begin_deltas(self);
        {
            let mut jobs = lock(&self.jobs);
            let opening = jobs.opening.remove(&job.id);
            job.is_on(&self.disk);
            jobs.senders.push(job.clone());
            let failed = opening.and_then(|opening| opening.failed);
            if let Some(failure) = failed.or_else(|| jobs.over.clone()) {
                job.fail(failure);
            }
        }
        self.work.notify_waiters();
        let registered = Registered { exchange: self, id: job.id };
        async move {
            let end = tokio::select! {
                end = job.drive(&self.outbox, &self.work) => end,
                end = job.plan_deltas(self) => end,
            };
            drop(registered);
            job.close(&self.disk).await;
            end
        }
    }

    /// Adds a receiving job; the returned future runs it to its end.
    pub fn receive(&self, job: Arc<ReceiveJob>) -> impl Future<Output = JobEnd> {
        job.keep_within(&self.memory);
        let early = {
            let mut jobs = lock(&self.jobs);
            job.is_on(&self.disk);
            jobs.receivers.insert(job.id, job.clone());
            let opening = jobs.opening.remove(&job.id);
            let (early, failed) = opening.map(|opening| (opening.early, opening.failed)).unwrap_or_default();
            if let Some(failure) = failed.or_else(|| jobs.over.clone()) {
                job.fail(failure);
            }
            early.into_iter().try_for_each(|(message, charge)| job.told(message, charge))
        };
        if let Err(violation) = early {
            job.fail(Failure::new(FailureCode::BadState, violation.to_string()));
        }
        self.arrived.notify_waiters();
        let registered = Registered { exchange: self, id: job.id };
        async move {
            let end = tokio::select! {
                end = job.drive(&self.outbox, &self.disk) => end,
                end = job.answer_offers(self) => end,
                end = job.answer_requests(self) => end,
            };
            drop(registered);
            job.close(&self.disk).await;
            end
        }
    }

    /// Takes memory for `len` bytes from that of lanes and jobs, once there is room.
    pub async fn room(&self, len: usize) -> Charge {
        self.memory.budget.take(len).await
    }

    /// Creates a queue for a job's items, within the session's memory.
    #[must_use]
    pub fn item_queue(&self) -> Arc<ItemQueue> {
        Arc::new(ItemQueue::new(&self.memory.budget))
    }

    /// Signals that a job's source has new data.
    pub fn has_work(&self) {
        self.work.notify_waiters();
    }

    /// Returns the disk that its jobs read and write.
    #[must_use]
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Returns the bytes transferred over lanes so far, in both directions.
    #[must_use]
    pub fn lane_bytes(&self) -> u64 {
        self.lane_bytes.load(Ordering::Relaxed)
    }

    /// Returns the bytes over lanes and of signatures that were not counted yet. Jobs that run at the same time each count some,
    /// and together they count all, once.
    pub fn count_transferred_bytes(&self) -> u64 {
        let bytes = self.lane_bytes() + self.signature_bytes.load(Ordering::Relaxed);
        bytes.saturating_sub(self.counted.fetch_max(bytes, Ordering::Relaxed))
    }

    /// Returns what was compressed and not counted yet; see
    /// [`count_transferred_bytes`](Self::count_transferred_bytes).
    pub fn count_compressed_bytes(&self) -> CompressedBytes {
        self.compression.count()
    }

    /// Returns the time that lanes have spent so far, by activity.
    #[must_use]
    pub fn lane_time(&self) -> LaneTime {
        self.lane_timers.total()
    }

    /// True if data is expected.
    pub(crate) fn is_receiving(&self) -> bool {
        !lock(&self.jobs).receivers.is_empty()
    }

    /// Returns the frames that got through so far, in both directions. While this number stands still, lanes make no progress,
    /// however many bytes they carry.
    #[must_use]
    pub fn frames_through(&self) -> u64 {
        self.frames_through.load(Ordering::Relaxed)
    }

    /// Records a measured round trip to the peer. The shortest counts: the others include waiting.
    pub fn saw_round_trip(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let shorter = |known| (known == 0 || took < known).then_some(took);
        let _ = self.round_trip_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shorter); // longer: no update
    }

    /// Returns the shortest round trip measured; zero if there is none.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip_us.load(Ordering::Relaxed))
    }

    /// Ends all jobs, including those about to start: the session is over.
    pub fn fail_all(&self, failure: &Failure) {
        let (senders, receivers) = {
            let mut jobs = lock(&self.jobs);
            jobs.over.get_or_insert_with(|| failure.clone());
            (jobs.senders.clone(), jobs.receivers.values().cloned().collect::<Vec<_>>())
        };
        for job in senders {
            job.fail(failure.clone());
        }
        for job in receivers {
            job.fail(failure.clone());
        }
    }

    /// Returns how many jobs run or are about to.
    #[must_use]
    pub fn job_count(&self) -> usize {
        let jobs = lock(&self.jobs);
        jobs.senders.len() + jobs.receivers.len() + jobs.opening.len()
    }

    pub(crate) fn senders(&self) -> Vec<Arc<SendJob>> {
        lock(&self.jobs).senders.clone()
    }

    pub(crate) fn lane_lost(&self, lane: LaneNo) {
        for job in self.senders() {
            job.lane_lost(lane);
        }
        self.work.notify_waiters();
    }

    pub(crate) fn lane_closed(&self, lane: LaneNo) {
        for job in self.senders() {
            job.lane_closed(lane);
        }
    }

    pub(crate) fn lookup(&self, id: JobId) -> Lookup {
        let jobs = lock(&self.jobs);
        match jobs.receivers.get(&id) {
            Some(job) => Lookup::Running(job.clone()),
            None if jobs.opening.contains_key(&id) || jobs.greatest < Some(id) => Lookup::NotYet,
            None => Lookup::Over,
        }
    }

    /// Passes a frame to its job; returns true if the job is not there yet.
    pub(crate) fn take(
        &self,
        head: &FrameHead,
        extra: &[u8],
        payload: &[&[u8]],
    ) -> Result<bool, ReceiveFault> {
        self.compression.check(head)?;
        match self.lookup(head.job) {
            Lookup::Running(job) => {
                self.frames_through.fetch_add(1, Ordering::Relaxed);
                match head.kind.encoding() {
                    Encoding::Plain => job.take(head, extra, payload)?,
                    Encoding::Recipe => {
                        let len = content_len(head, extra)? as usize;
                        let recipe = self.buffers.codecs().decode_recipe(payload, len);
                        let copied = job.take_recipe(head, extra, recipe.map_err(FrameError::Compressed)?)?;
                        self.compression.add_copied(copied);
                    }
                    Encoding::Zstd => {
                        let codecs = self.buffers.codecs();
                        let (head, content) = self.compression.decode(codecs, head, extra, payload)?;
                        let extra = &extra[..head.extra_len.into()];
                        job.take(&head, extra, &[&content])?;
                    }
                }
                Ok(false)
            }
            Lookup::Over => Ok(false),
            Lookup::NotYet => Ok(true),
        }
    }

    /// Waits until a job named by a frame is there, or is over.
    pub(crate) async fn wait_for(&self, id: JobId) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if !matches!(self.lookup(id), Lookup::NotYet) {
                return;
            }
            arrived.await;
        }
    }

    fn find(&self, id: JobId) -> (Option<Arc<SendJob>>, Option<Arc<ReceiveJob>>) {
        let jobs = lock(&self.jobs);
        (jobs.senders.iter().find(|job| job.id == id).cloned(), jobs.receivers.get(&id).cloned())
    }
}

/// Files of a session whose deltas are planned at the same time. Each has at most [`REQUESTS_OF_A_FILE_MAX`] requests for
/// signatures under way.
const PLANNERS: usize = SIGNATURE_REQUESTS_MAX / REQUESTS_OF_A_FILE_MAX;

/// Unregisters a job in whatever way its run ends.
struct Registered<'a> {
    exchange: &'a Exchange,
    id: JobId,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut jobs = lock(&self.exchange.jobs);
        jobs.senders.retain(|job| job.id != self.id);
        jobs.receivers.remove(&self.id);
        drop(jobs);
        self.exchange.arrived.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
