//! A real receiving end, whose sender is the test: lanes and messages by hand.

use crate::support::joined::OPTIONS;
use crate::support::memory_lane::{HandLane, lane_by_hand};
use crate::support::{PATIENCE, fake_frames::Frames};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wire::budget::Budget;
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::disk::Disk;
use wire::engine::{Exchange, JobEnd, LaneEnd, NoopObserver, ReceiveJob, Role, run_lane};
use wire::ids::{JobId, LaneNo};
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::{Ack, Message};
use wire::net::control::{OutboxMessages, outbox};
use wire::receiver::Receiver;
use wire::store::{Base, FolderCache, LocalFolder, TreeSink, TreeSinkOptions};

/// A receiving end with one job, which puts everything into a folder of its own.
pub(crate) struct ReceivingEnd {
    pub(crate) exchange: Arc<Exchange>,
    /// Makes frames of the job.
    pub(crate) frames: Frames,
    folder: TempDir,
    messages: OutboxMessages,
    over: CancellationToken,
}

impl ReceivingEnd {
    /// A receiving end whose job has been requested.
    pub(crate) fn requested() -> Self {
        Self::within(Budget::unlimited())
    }

    /// The same, with so much memory for lanes and jobs.
    pub(crate) fn within(memory: Budget) -> Self {
        let (outbox, messages) = outbox();
        let exchange = Exchange::new(outbox, Arc::default(), Disk::alone(), memory);
        exchange.opening(JobId(JOB), Role::Receiver);
        let frames = Frames { job: JOB, checksum: Checksum::Sha256 };
        let (folder, over) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        Self { exchange, frames, folder, messages, over }
    }

    /// A receiving end whose job runs.
    pub(crate) async fn running() -> Self {
        let end = Self::requested();
        drop(end.run().await);
        end
    }

    /// Runs the job, which is open when this returns.
    pub(crate) async fn run(&self) -> JoinHandle<JobEnd> {
        let folder = Arc::new(LocalFolder::open_ambient(self.folder.path()).unwrap());
        let options = TreeSinkOptions { sparse: false, ..OPTIONS };
        let sink = Box::new(TreeSink::new(Base::Folder(FolderCache::new(folder)), options));
        let machine = Receiver::new(Checksum::Sha256, WINDOW_FRAMES_MAX);
        let job = ReceiveJob::new(JobId(JOB), machine, sink, Arc::new(NoopObserver));
        let job = Arc::new(job.with_deltas(true));
        let (exchange, over) = (self.exchange.clone(), self.over.clone());
        let (opened, is_open) = oneshot::channel();
        let running = tokio::spawn(async move {
            let receiving = exchange.receive(job);
            let _ = opened.send(());
            over.run_until_cancelled(receiving).await.unwrap_or(Ok(()))
        });
        is_open.await.unwrap();
        running
    }

    /// Opens a lane; returns the sender's end of it, and how the receiver's end ends.
    pub(crate) fn lane(&self, number: u16) -> (HandLane, JoinHandle<LaneEnd>) {
        let (lane, by_hand) = lane_by_hand(LaneNo(number));
        let (exchange, over) = (self.exchange.clone(), self.over.clone());
        (by_hand, tokio::spawn(run_lane(lane, exchange, over, CancellationToken::new())))
    }

    /// Says something about the job.
    pub(crate) fn tell(&self, message: impl Into<Message>) {
        let back = self.exchange.handle(Envelope::new(JOB, message)).expect("no violation");
        assert!(back.is_none(), "{back:?}");
    }

    /// Returns the next message about the job.
    pub(crate) async fn next_message(&mut self) -> Message {
        let next = timeout(PATIENCE, self.messages.recv()).await.expect("a message in time");
        next.expect("a session").envelope.message
    }

    /// Returns the next message, which must be an acknowledgement.
    pub(crate) async fn next_ack(&mut self) -> Ack {
        match self.next_message().await {
            Message::Ack(ack) => ack,
            other => panic!("{other:?}"),
        }
    }

    /// Returns a path in the job's folder; the empty name is the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for ReceivingEnd {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// Returns how a lane ended.
pub(crate) async fn end_of(lane: JoinHandle<LaneEnd>) -> LaneEnd {
    timeout(PATIENCE, lane).await.expect("the lane ends in time").unwrap()
}

/// The job's id.
pub(crate) const JOB: u32 = 2;
