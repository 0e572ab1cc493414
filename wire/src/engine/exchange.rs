//! The jobs of one session: what lanes ask for work, and what control messages about jobs are told to.

mod messages;

use super::lane_timers::{LaneTime, LaneTimers};
use super::memory::SessionMemory;
use super::receive::ReceiveFault;
use super::{BufferPool, ItemQueue, ReceiveJob, SendJob, lock};
use crate::budget::{Budget, Charge};
use crate::disk::Disk;
use crate::failure::{Failure, FailureCode};
use crate::frame::FrameHead;
use crate::message::Message;
use crate::net::control::Outbox;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// How a job ended.
pub type JobEnd = Result<(), Failure>;

/// A session's jobs.
pub struct Exchange {
    pub(crate) outbox: Outbox,
    pub(crate) buffers: Arc<BufferPool>,
    /// Where jobs read and write.
    pub(crate) disk: Arc<Disk>,
    pub(crate) memory: SessionMemory,
    /// There may be something new to send.
    pub(crate) work: Notify,
    /// A job that lanes wait for may be there.
    arrived: Notify,
    jobs: Mutex<Jobs>,
    pub(crate) lane_bytes: AtomicU64,
    /// How many of them were counted.
    counted: AtomicU64,
    pub(crate) lane_timers: LaneTimers,
    /// Frames of ours that the peer is done with, and whole frames of its that have come.
    frames_through: AtomicU64,
    /// The shortest round trip seen, in microseconds; 0 for none.
    round_trip_us: AtomicU64,
}

/// Which end of a job this one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It sends.
    Sender,
    /// It receives.
    Receiver,
}

/// A job that was requested and is not open.
struct Opening {
    role: Role,
    /// Messages that its sender has sent already, with what is charged for them.
    early: Vec<(Message, Charge)>,
}

#[derive(Default)]
struct Jobs {
    senders: Vec<Arc<SendJob>>,
    receivers: HashMap<u32, Arc<ReceiveJob>>,
    /// Requested and not yet opened.
    opening: BTreeMap<u32, Opening>,
    greatest: Option<u32>,
    /// Why no job can run any more.
    over: Option<Failure>,
}

/// The job that a frame belongs to.
pub(crate) enum Lookup {
    Running(Arc<ReceiveJob>),
    /// It has ended; its frames are dropped.
    Over,
    /// Its request is still under way.
    NotYet,
}

impl Exchange {
    /// An exchange without jobs, whose messages go to `outbox`, whose files are on `disk`, and whose lanes and jobs keep no more than
    /// `transfers` has room for.
    #[must_use]
    pub fn new(outbox: Outbox, buffers: Arc<BufferPool>, disk: Arc<Disk>, transfers: Budget) -> Arc<Self> {
        Arc::new(Self {
            outbox,
            buffers,
            disk,
            memory: SessionMemory::new(transfers),
            work: Notify::new(),
            arrived: Notify::new(),
            jobs: Mutex::default(),
            lane_bytes: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            lane_timers: LaneTimers::default(),
            frames_through: AtomicU64::new(0),
            round_trip_us: AtomicU64::new(0),
        })
    }

    /// A job was requested: frames of it wait until it is run or dropped. To be called in the order of the requests.
    pub fn opening(&self, id: u32, role: Role) {
        let mut jobs = lock(&self.jobs);
        jobs.opening.insert(id, Opening { role, early: Vec::new() });
        jobs.greatest = jobs.greatest.max(Some(id));
    }

    /// A job that was requested will not run.
    pub fn dropped(&self, id: u32) {
        lock(&self.jobs).opening.remove(&id);
        self.arrived.notify_waiters();
    }

    /// Adds a sending job; the returned future runs it to its end.
    pub fn send(&self, job: Arc<SendJob>) -> impl Future<Output = JobEnd> {
        job.keep_within(&self.memory);
        {
            let mut jobs = lock(&self.jobs);
            jobs.opening.remove(&job.id);
            job.is_on(&self.disk);
            jobs.senders.push(job.clone());
            if let Some(failure) = &jobs.over {
                job.fail(failure.clone());
            }
        }
        self.work.notify_waiters();
        let registered = Registered { exchange: self, id: job.id };
        async move {
            let end = job.drive(&self.outbox, &self.work).await;
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
            if let Some(failure) = &jobs.over {
                job.fail(failure.clone());
            }
            let early = jobs.opening.remove(&job.id).map(|opening| opening.early).unwrap_or_default();
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
                end = job.answer_offers(&self.outbox, &self.disk) => end,
            };
            drop(registered);
            job.close(&self.disk).await;
            end
        }
    }

    /// Room for `len` bytes among what lanes and jobs keep, once there is some.
    pub async fn room(&self, len: usize) -> Charge {
        self.memory.budget.take(len).await
    }

    /// A queue of what a job is to send, within the session's memory.
    #[must_use]
    pub fn item_queue(&self) -> Arc<ItemQueue> {
        Arc::new(ItemQueue::new(&self.memory.budget))
    }

    /// A job's source has something new.
    pub fn has_work(&self) {
        self.work.notify_waiters();
    }

    /// Where its jobs read and write.
    #[must_use]
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Bytes that went over lanes so far, in both directions.
    #[must_use]
    pub fn lane_bytes(&self) -> u64 {
        self.lane_bytes.load(Ordering::Relaxed)
    }

    /// The bytes that nobody has counted yet. Of jobs that run at the same time each counts some, and together they count all, once.
    pub fn count_lane_bytes(&self) -> u64 {
        let bytes = self.lane_bytes();
        bytes.saturating_sub(self.counted.fetch_max(bytes, Ordering::Relaxed))
    }

    /// The time that lanes have spent so far, by what they did.
    #[must_use]
    pub fn lane_time(&self) -> LaneTime {
        self.lane_timers.total()
    }

    /// True if something is to come.
    pub(crate) fn is_receiving(&self) -> bool {
        !lock(&self.jobs).receivers.is_empty()
    }

    /// Frames that got through so far, in both directions. While this stands still, lanes are of no use, however many bytes
    /// they carry.
    #[must_use]
    pub fn frames_through(&self) -> u64 {
        self.frames_through.load(Ordering::Relaxed)
    }

    /// A round trip to the peer took this long. The shortest counts: the others had to wait for something.
    pub fn saw_round_trip(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let shorter = |known| (known == 0 || took < known).then_some(took);
        let _ = self.round_trip_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, shorter); // longer: nothing to do
    }

    /// The shortest round trip seen; zero if none was.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        Duration::from_micros(self.round_trip_us.load(Ordering::Relaxed))
    }

    /// Ends a job.
    pub fn fail(&self, id: u32, failure: &Failure) {
        let (sender, receiver) = self.find(id);
        if let Some(job) = sender {
            job.fail(failure.clone());
        }
        if let Some(job) = receiver {
            job.fail(failure.clone());
        }
    }

    /// Ends all jobs, also those that are about to begin: the session is over.
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

    /// How many jobs run or are about to.
    #[must_use]
    pub fn job_count(&self) -> usize {
        let jobs = lock(&self.jobs);
        jobs.senders.len() + jobs.receivers.len() + jobs.opening.len()
    }

    pub(crate) fn senders(&self) -> Vec<Arc<SendJob>> {
        lock(&self.jobs).senders.clone()
    }

    pub(crate) fn lane_lost(&self, lane: u16) {
        for job in self.senders() {
            job.lane_lost(lane);
        }
        self.work.notify_waiters();
    }

    pub(crate) fn lane_closed(&self, lane: u16) {
        for job in self.senders() {
            job.lane_closed(lane);
        }
    }

    pub(crate) fn lookup(&self, id: u32) -> Lookup {
        let jobs = lock(&self.jobs);
        match jobs.receivers.get(&id) {
            Some(job) => Lookup::Running(job.clone()),
            None if jobs.opening.contains_key(&id) || jobs.greatest < Some(id) => Lookup::NotYet,
            None => Lookup::Over,
        }
    }

    /// Gives a frame to its job; true if the job is not there yet.
    pub(crate) fn take(
        &self,
        head: &FrameHead,
        extra: &[u8],
        payload: &[&[u8]],
    ) -> Result<bool, ReceiveFault> {
        match self.lookup(head.job) {
            Lookup::Running(job) => {
                self.frames_through.fetch_add(1, Ordering::Relaxed);
                job.take(head, extra, payload).map(|()| false)
            }
            Lookup::Over => Ok(false),
            Lookup::NotYet => Ok(true),
        }
    }

    /// Waits until a job that a frame named is there, or is over.
    pub(crate) async fn wait_for(&self, id: u32) {
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

    fn find(&self, id: u32) -> (Option<Arc<SendJob>>, Option<Arc<ReceiveJob>>) {
        let jobs = lock(&self.jobs);
        (jobs.senders.iter().find(|job| job.id == id).cloned(), jobs.receivers.get(&id).cloned())
    }
}

/// Takes a job off the list however its run ends.
struct Registered<'a> {
    exchange: &'a Exchange,
    id: u32,
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
