//! Tests of jobs that begin when they, or the session, are over.

use super::*;
use crate::checksum::Checksum;
use crate::control::Envelope;
use crate::engine::{NoopObserver, StreamSource};
use crate::frame::{Announcement, EntryHead};
use crate::ids::JobId;
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

fn exchange() -> Arc<Exchange> {
    Exchange::new(outbox().0, Arc::default(), Disk::alone(), Budget::unlimited())
}

/// Runs a sending job 1 and a receiving job 2; both must end.
async fn both_ends(exchange: &Exchange) -> [JobEnd; 2] {
    let machine = Sender::new(Checksum::Blake3, 8, Asking::Never);
    let source = Arc::new(StreamSource::new(Box::new(std::io::empty()), 0o644));
    let sending = SendJob::new(JobId(1), machine, source, Arc::new(NoopObserver), None);
    let machine = Receiver::new(Checksum::Blake3, 8);
    let receiving = ReceiveJob::new(JobId(2), machine, Box::new(Nowhere), Arc::new(NoopObserver));
    let both =
        async { [exchange.send(Arc::new(sending)).await, exchange.receive(Arc::new(receiving)).await] };
    tokio::time::timeout(Duration::from_secs(10), both).await.expect("they end")
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
