//! The jobs of one session: what lanes ask for work, and what control messages about jobs are told to.

use super::memory::SessionMemory;
use super::receive::ReceiveFault;
use super::spent::{LaneTime, Spent};
use super::{BufferPool, ItemQueue, ReceiveJob, SendJob, lock};
use crate::budget::{Budget, Charge};
use crate::control::Envelope;
use crate::disk::Disk;
use crate::failure::{Failure, FailureCode};
use crate::frame::FrameHead;
use crate::limits::{ACK_ITEMS_MAX, HELD_DIGESTS_MAX, OFFER_ITEMS_MAX};
use crate::message::{HeldItem, Message};
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
    pub(crate) spent: Spent,
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
    /// What its sender has said already, with what is charged for it.
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

/// What a frame's job is.
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
            spent: Spent::default(),
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
            jobs.over.iter().for_each(|failure| job.fail(failure.clone()));
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
            jobs.over.iter().for_each(|failure| job.fail(failure.clone()));
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

    /// What lanes have spent their time with so far.
    #[must_use]
    pub fn lane_time(&self) -> LaneTime {
        self.spent.so_far()
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

    /// Takes a message about a job. Others are none of its business; it gives them back.
    ///
    /// # Errors
    /// If the peer did what the protocol forbids, with the rule that it broke; the session ends.
    pub fn handle(&self, envelope: Envelope) -> Result<Option<Envelope>, String> {
        self.handle_charged(envelope, Charge::none()).map(|back| back.map(|(envelope, _)| envelope))
    }

    /// As [`handle`](Self::handle), for a message with what is charged for it.
    ///
    /// # Errors
    /// As there.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever is not about a job is given back, also what is to come"
    )]
    pub fn handle_charged(
        &self,
        envelope: Envelope,
        charge: Charge,
    ) -> Result<Option<(Envelope, Charge)>, String> {
        let id = envelope.request;
        self.check(id, &envelope.message)?;
        let (sender, receiver) = self.find(id);
        match &envelope.message {
            Message::Ack(ack) => {
                if let Some(job) = sender {
                    let done = ack.done.iter().map(|range| u64::from(range.count)).sum();
                    self.frames_through.fetch_add(done, Ordering::Relaxed);
                    job.acked(ack).map_err(|violation| violation.to_string())?;
                    self.work.notify_waiters();
                }
            }
            Message::Held(held) => {
                if let Some(job) = sender {
                    job.held(held).map_err(|violation| violation.to_string())?;
                    self.work.notify_waiters();
                }
            }
            Message::Offer(_) | Message::End(_) | Message::Totals(_) => match receiver {
                Some(job) => {
                    job.told(envelope.message, charge).map_err(|violation| violation.to_string())?;
                }
                None => self.told_early(id, envelope.message, charge)?,
            },
            Message::Failure(failure) if sender.is_some() || receiver.is_some() => self.fail(id, failure),
            Message::Cancel(_) => self.fail(id, &FailureCode::Cancelled.into()),
            _ => return Ok(Some((envelope, charge))),
        }
        Ok(None)
    }

    /// What is wrong with a message about a job whether the job is open, or over, or not.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever is not about a job has nothing to be checked"
    )]
    fn check(&self, id: u32, message: &Message) -> Result<(), String> {
        let (from, is_short) = match message {
            Message::Ack(ack) => {
                (Role::Receiver, ack.failed.len() <= ACK_ITEMS_MAX && ack.damaged.len() <= ACK_ITEMS_MAX)
            }
            Message::Held(held) => (Role::Receiver, held.answers.iter().all(has_few_digests)),
            Message::Offer(offer) => (Role::Sender, offer.items.len() <= OFFER_ITEMS_MAX),
            Message::End(_) | Message::Totals(_) => (Role::Sender, true),
            _ => return Ok(()),
        };
        let name = Message::kind_name(message.kind()).unwrap_or("message");
        if !is_short {
            return Err(format!("{name} with more items than it may have"));
        }
        match self.role(id) {
            Some(role) if role == from => Err(format!("{name} from the wrong end of job {id}")),
            Some(_) | None => Ok(()),
        }
    }

    fn role(&self, id: u32) -> Option<Role> {
        let jobs = lock(&self.jobs);
        match jobs.opening.get(&id) {
            Some(opening) => Some(opening.role),
            None if jobs.receivers.contains_key(&id) => Some(Role::Receiver),
            None => jobs.senders.iter().any(|job| job.id == id).then_some(Role::Sender),
        }
    }

    /// A sender need not wait until its job is open here.
    fn told_early(&self, id: u32, message: Message, charge: Charge) -> Result<(), String> {
        let mut jobs = lock(&self.jobs);
        let Some(job) = jobs.receivers.get(&id).cloned() else {
            return match jobs.opening.get_mut(&id) {
                Some(Opening { early, .. }) if early.len() >= EARLY_MAX => {
                    Err("too much said of a job that is not open".into())
                }
                Some(Opening { early, .. }) => {
                    early.push((message, charge));
                    Ok(())
                }
                None => Ok(()), // it is over
            };
        };
        drop(jobs);
        job.told(message, charge).map_err(|violation| violation.to_string()) // it was opened this moment
    }

    /// Ends a job.
    pub fn fail(&self, id: u32, failure: &Failure) {
        let (sender, receiver) = self.find(id);
        sender.into_iter().for_each(|job| job.fail(failure.clone()));
        receiver.into_iter().for_each(|job| job.fail(failure.clone()));
    }

    /// Ends all jobs, also those that are about to begin: the session is over.
    pub fn fail_all(&self, failure: &Failure) {
        let (senders, receivers) = {
            let mut jobs = lock(&self.jobs);
            jobs.over.get_or_insert_with(|| failure.clone());
            (jobs.senders.clone(), jobs.receivers.values().cloned().collect::<Vec<_>>())
        };
        senders.iter().for_each(|job| job.fail(failure.clone()));
        receivers.iter().for_each(|job| job.fail(failure.clone()));
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
        self.senders().iter().for_each(|job| job.lane_lost(lane));
        self.work.notify_waiters();
    }

    pub(crate) fn lane_closed(&self, lane: u16) {
        self.senders().iter().for_each(|job| job.lane_closed(lane));
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

fn has_few_digests(item: &HeldItem) -> bool {
    match item {
        HeldItem::Nothing | HeldItem::All => true,
        HeldItem::Chunks { digests, .. } => digests.len() <= HELD_DIGESTS_MAX,
    }
}

/// Messages about a job that is being opened: its offers, and that it ends.
const EARLY_MAX: usize = 32;

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
mod tests {
    use super::*;
    use crate::checksum::Checksum;
    use crate::engine::{Deaf, Sink, StreamSource};
    use crate::frame::{Announcement, EntryHead};
    use crate::net::control::outbox;
    use crate::path::RemotePath;
    use crate::receiver::Receiver;
    use crate::sender::{Asking, Sender};
    use crate::verified::VerifiedContent;

    #[tokio::test]
    async fn a_job_that_begins_when_the_session_is_over_ends_at_once() {
        let (outbox, _messages) = outbox();
        let exchange = Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
        exchange.fail_all(&FailureCode::Cancelled.into());
        let machine = Sender::new(Checksum::Blake3, 8, Asking::Never);
        let source = Arc::new(StreamSource::new(Box::new(std::io::empty()), 0o644));
        let sending = SendJob::new(1, machine, source, Arc::new(Deaf), None);
        let machine = Receiver::new(Checksum::Blake3, 8);
        let receiving = ReceiveJob::new(2, machine, Box::new(Nowhere), Arc::new(Deaf));
        let both =
            async { (exchange.send(Arc::new(sending)).await, exchange.receive(Arc::new(receiving)).await) };
        let (sent, received) = tokio::time::timeout(Duration::from_secs(10), both).await.expect("they end");
        assert_eq!(sent.unwrap_err().code, FailureCode::Cancelled);
        assert_eq!(received.unwrap_err().code, FailureCode::Cancelled);
    }

    struct Nowhere;

    impl Sink for Nowhere {
        fn stage(&self, _: &Announcement) -> Result<Box<dyn crate::engine::Staged>, Failure> {
            Err(FailureCode::Unsupported.into())
        }

        fn file(
            &self,
            _: &RemotePath,
            _: &EntryHead,
            _: &VerifiedContent<'_>,
        ) -> Result<crate::engine::Placed, Failure> {
            Err(FailureCode::Unsupported.into())
        }
    }
}
