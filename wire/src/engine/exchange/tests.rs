//! Tests of jobs that begin when they, or the session, are over.

use super::*;
use crate::checksum::Checksum;
use crate::control::Envelope;
use crate::engine::{NoopObserver, StreamSource};
use crate::frame::{Announcement, EntryHead};
use crate::ids::JobId;
use crate::message::End;
use crate::net::control::outbox;
use crate::path::RemotePath;
use crate::receiver::Receiver;
use crate::sender::{Asking, Sender};
use crate::store::{Placed, Sink, Staged};
use crate::verified::VerifiedContent;

#[tokio::test]
async fn a_job_that_begins_when_the_session_is_over_ends_at_once() {
    let exchange = exchange();
    exchange.fail_all(&FailureCode::Cancelled.into());
    let [sent, received] = both_ends(&exchange).await;
    assert_eq!(sent.unwrap_err().code, FailureCode::Cancelled);
    assert_eq!(received.unwrap_err().code, FailureCode::Cancelled);
}

#[tokio::test]
async fn a_job_that_the_peer_refused_before_it_began_ends_at_once_and_the_request_is_answered() {
    let exchange = exchange();
    exchange.opening(JobId(1), Role::Sender);
    exchange.opening(JobId(2), Role::Receiver);
    for (id, code) in [(1, FailureCode::NoSpace), (2, FailureCode::NotFound)] {
        let refused = Envelope::new(id, Failure::from(code));
        let back = exchange.handle(refused.clone()).unwrap();
        assert_eq!(back.expect("whoever waits for the answer is told").message, refused.message);
    }
    let [sent, received] = both_ends(&exchange).await;
    assert_eq!(sent.unwrap_err().code, FailureCode::NoSpace);
    assert_eq!(received.unwrap_err().code, FailureCode::NotFound);
}

#[tokio::test]
async fn a_job_that_was_cancelled_before_it_began_ends_at_once() {
    let exchange = exchange();
    exchange.opening(JobId(1), Role::Sender);
    exchange.opening(JobId(2), Role::Receiver);
    exchange.cancel(JobId(1));
    exchange.cancel(JobId(2));
    for ended in both_ends(&exchange).await {
        assert_eq!(ended.unwrap_err().code, FailureCode::Cancelled);
    }
}

#[test]
fn a_requested_job_that_will_not_run_is_over() {
    let exchange = exchange();
    exchange.opening(JobId(1), Role::Receiver);
    assert!(exchange.job_count() == 1 && matches!(exchange.lookup(JobId(1)), Lookup::NotYet));
    exchange.dropped(JobId(1));
    assert!(exchange.job_count() == 0 && matches!(exchange.lookup(JobId(1)), Lookup::Over));
}

#[test]
fn an_end_is_told_by_the_sender_of_a_job_and_late_ends_are_no_violation() {
    let exchange = exchange();
    let end = |id| exchange.handle(Envelope::new(id, End { frames: 0 })).map(drop);
    assert_eq!(end(1), Ok(()), "a job that is over");
    let _running = [1, 3].map(|id| exchange.send(Arc::new(sending(JobId(id)))));
    assert!(end(1).is_err() && end(3).is_err());
    assert_eq!(end(5), Ok(()));
}

#[test]
fn bytes_are_counted_once() {
    let exchange = exchange();
    for (more, counted) in [(0, 0), (5, 10), (0, 0), (7, 14)] {
        exchange.lane_bytes.fetch_add(more, Ordering::Relaxed);
        exchange.signature_bytes.fetch_add(more, Ordering::Relaxed);
        assert_eq!(exchange.count_transferred_bytes(), counted);
    }
}

#[test]
fn the_shortest_round_trip_counts() {
    let exchange = exchange();
    assert_eq!(exchange.round_trip(), Duration::ZERO);
    for (took, shortest) in [(5, 5), (8, 5), (3, 3), (4, 3)] {
        exchange.saw_round_trip(Duration::from_millis(took));
        assert_eq!(exchange.round_trip(), Duration::from_millis(shortest));
    }
}

#[test]
fn a_job_that_ends_leaves_the_others() {
    let exchange = exchange();
    let [one, _other] = [1, 3].map(|id| exchange.send(Arc::new(sending(JobId(id)))));
    assert_eq!(exchange.job_count(), 2);
    drop(one);
    let left: Vec<JobId> = exchange.senders().iter().map(|job| job.id).collect();
    assert_eq!(left, [JobId(3)]);
}

#[test]
fn a_job_has_no_more_items_than_the_session_has_memory_for() {
    for (memory, waits) in [(Budget::new(0), [false, true]), (Budget::unlimited(), [false, false])] {
        let exchange = exchange_within(memory);
        let jobs = [1, 3].map(|id| Arc::new(sending(JobId(id))));
        let _running = jobs.clone().map(|job| exchange.send(job));
        assert_eq!(jobs.map(|job| job.waits_for_room()), waits, "one job goes on in any case");
    }
}

fn exchange() -> Arc<Exchange> {
    exchange_within(Budget::unlimited())
}

fn exchange_within(memory: Budget) -> Arc<Exchange> {
    Exchange::new(outbox().0, Arc::default(), Disk::alone(), memory)
}

/// A job whose items are to come.
fn sending(id: JobId) -> SendJob {
    let machine = Sender::new(Checksum::Blake3, 8, Asking::Never);
    let source = Arc::new(StreamSource::new(Box::new(std::io::empty()), 0o644));
    SendJob::new(id, machine, source, Arc::new(NoopObserver), None)
}

/// Runs a sending job 1 and a receiving job 2; both must end.
async fn both_ends(exchange: &Exchange) -> [JobEnd; 2] {
    let sending = sending(JobId(1));
    let machine = Receiver::new(Checksum::Blake3, 8);
    let receiving = ReceiveJob::new(JobId(2), machine, Box::new(Nowhere), Arc::new(NoopObserver));
    let both =
        async { [exchange.send(Arc::new(sending)).await, exchange.receive(Arc::new(receiving)).await] };
    let ended = tokio::time::timeout(Duration::from_secs(10), both).await.expect("they end");
    assert_eq!(exchange.job_count(), 0);
    ended
}

struct Nowhere;

impl Sink for Nowhere {
    fn stage(&self, _: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        Err(FailureCode::Unsupported.into())
    }

    fn file(&self, _: &RemotePath, _: &EntryHead, _: &VerifiedContent<'_>) -> Result<Placed, Failure> {
        Err(FailureCode::Unsupported.into())
    }
}
