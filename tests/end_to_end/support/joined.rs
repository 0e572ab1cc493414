//! The real sending and receiving engines, joined in this process: lanes in memory, and directly forwarded control messages.

use crate::support::memory_lane::lanes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::budget::Budget;
use wire::checksum::Checksum;
use wire::disk::Disk;
use wire::engine::{
    Exchange, JobEnd, JobObserver, LaneEnd, NoopObserver, ReceiveJob, SendJob, SettledItem, Source, run_lane,
};
use wire::features::Features;
use wire::ids::{JobId, LaneNo};
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::{Compress, Durability, Overwrite, Totals};
use wire::modes::Modes;
use wire::net::control::{OutboxMessages, outbox};
use wire::receiver::Receiver;
use wire::sender::{Asking, Sender};
use wire::store::{Sink, TreeSinkOptions};
use wire::transport::Lane;
use wire::{Failure, RemotePath};

/// The result of a transfer.
pub(crate) struct Ended {
    pub(crate) sender: Result<(), Failure>,
    pub(crate) receiver: Result<(), Failure>,
    /// The result of each item, as reported to the sender.
    pub(crate) told: BTreeMap<String, Result<(), Failure>>,
}

/// Sends all of `source` to `sink`, after offering `asking` of it. Calls `on_told` with each path reported to the sender.
pub(crate) async fn transfer(
    source: Arc<dyn Source>,
    sink: Box<dyn Sink>,
    asking: Asking,
    on_told: impl Fn(&str) + Send + Sync + 'static,
) -> Ended {
    let ends = JoinedEnds::new();
    (0..LANES).for_each(|number| drop(ends.add_lane(number)));
    let ended = ends.transfer(source, sink, asking, on_told).await;
    ends.close().await;
    ended
}

/// A session without control connection: each end's messages are handed to the other.
pub(crate) struct JoinedEnds {
    pub(crate) sending: Arc<Exchange>,
    pub(crate) receiving: Arc<Exchange>,
    over: CancellationToken,
    tasks: TaskTracker,
}

/// Both ends of a lane at work.
pub(crate) struct JoinedLane {
    pub(crate) sending: JoinHandle<LaneEnd>,
    pub(crate) receiving: JoinHandle<LaneEnd>,
    /// Ends the sender's end after the frame in progress.
    pub(crate) retire: CancellationToken,
}

impl JoinedEnds {
    /// Two ends without a lane.
    pub(crate) fn new() -> Self {
        let (sending_outbox, from_sender) = outbox();
        let (receiving_outbox, from_receiver) = outbox();
        let exchange = |outbox| Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
        let (sending, receiving) = (exchange(sending_outbox), exchange(receiving_outbox));
        let (over, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(pass_on(from_sender, receiving.clone(), over.clone()));
        tasks.spawn(pass_on(from_receiver, sending.clone(), over.clone()));
        Self { sending, receiving, over, tasks }
    }

    /// Lets the sender compress frames.
    pub(crate) fn agree_on_compression(&self) {
        for exchange in [&self.sending, &self.receiving] {
            exchange.agree(Features::COMPRESSION);
        }
    }

    /// Opens a lane between the ends.
    pub(crate) fn add_lane(&self, number: u16) -> JoinedLane {
        let (one, other) = lanes(LaneNo(number));
        let retire = CancellationToken::new();
        let sending = self.run(one, &self.sending, &retire);
        let receiving = self.run(other, &self.receiving, &CancellationToken::new());
        JoinedLane { sending, receiving, retire }
    }

    /// Runs one end of a lane.
    pub(crate) fn run(
        &self,
        lane: impl Lane,
        exchange: &Arc<Exchange>,
        retire: &CancellationToken,
    ) -> JoinHandle<LaneEnd> {
        self.tasks.spawn(run_lane(lane, exchange.clone(), self.over.clone(), retire.clone()))
    }

    /// Sends all of `source` to `sink`, as [`transfer`] does.
    pub(crate) async fn transfer(
        &self,
        source: Arc<dyn Source>,
        sink: Box<dyn Sink>,
        asking: Asking,
        on_told: impl Fn(&str) + Send + Sync + 'static,
    ) -> Ended {
        let told = Arc::new(Told { told: Mutex::default(), on_told: Box::new(on_told) });
        let machine = Sender::new(Checksum::Blake3, WINDOW_FRAMES_MAX, asking);
        let send =
            Arc::new(SendJob::new(JOB, machine, source, told.clone(), None).compressing(Compress::Level(1)));
        let (sender, receiver) = tokio::time::timeout(PATIENCE, async {
            // The receiver starts first: an offer without a receiver is dropped.
            let (receiver, sender) = tokio::join!(biased; self.receive(sink), self.sending.send(send));
            (sender, receiver)
        })
        .await
        .expect("the transfer ends");
        let told = std::mem::take(&mut *told.told.lock().unwrap());
        Ended { sender, receiver, told }
    }

    fn receive(&self, sink: Box<dyn Sink>) -> impl Future<Output = JobEnd> {
        let machine = Receiver::new(Checksum::Blake3, WINDOW_FRAMES_MAX);
        self.receiving.receive(Arc::new(ReceiveJob::new(JOB, machine, sink, Arc::new(NoopObserver))))
    }

    /// Ends the lanes, and waits for that.
    pub(crate) async fn close(self) {
        self.over.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn pass_on(mut messages: OutboxMessages, to: Arc<Exchange>, over: CancellationToken) {
    while let Some(Some(outgoing)) = over.run_until_cancelled(messages.recv()).await {
        assert!(to.handle(outgoing.envelope).expect("no violation").is_none());
    }
}

struct Told {
    told: Mutex<BTreeMap<String, Result<(), Failure>>>,
    on_told: Box<dyn Fn(&str) + Send + Sync>,
}

impl JobObserver for Told {
    fn file_started(&self, _: &RemotePath, _: Option<u64>) {}
    fn progress(&self, _: Option<&RemotePath>, _: u64) {}
    fn already_there(&self, _: Option<&RemotePath>, _: u64) {}
    fn settled(&self, item: &SettledItem<'_>) {
        let path = String::from_utf8_lossy(item.path.as_bytes()).into_owned();
        (self.on_told)(&path);
        let before = self.told.lock().unwrap().insert(path, item.failure.cloned().map_or(Ok(()), Err));
        assert!(before.is_none(), "{} was settled twice", item.path);
    }
    fn totals(&self, _: Totals) {}
}

/// How targets are written.
pub(crate) const OPTIONS: TreeSinkOptions = TreeSinkOptions {
    overwrite: Overwrite::Always,
    add_only: false,
    takes_over: true,
    modes: Modes::CARRIED,
    sparse: true,
    durability: Durability::Process,
    keeping: None,
    begun: None,
};
const LANES: u16 = 2;
const JOB: JobId = JobId(7);
const PATIENCE: Duration = Duration::from_secs(60);
