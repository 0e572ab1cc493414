//! Tests of jobs that begin when the session is over.

use super::*;
use crate::checksum::Checksum;
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
    let (outbox, _messages) = outbox();
    let exchange = Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
    exchange.fail_all(&FailureCode::Cancelled.into());
    let machine = Sender::new(Checksum::Blake3, 8, Asking::Never);
    let source = Arc::new(StreamSource::new(Box::new(std::io::empty()), 0o644));
    let sending = SendJob::new(JobId(1), machine, source, Arc::new(NoopObserver), None);
    let machine = Receiver::new(Checksum::Blake3, 8);
    let receiving = ReceiveJob::new(JobId(2), machine, Box::new(Nowhere), Arc::new(NoopObserver));
    let both =
        async { (exchange.send(Arc::new(sending)).await, exchange.receive(Arc::new(receiving)).await) };
    let (sent, received) = tokio::time::timeout(Duration::from_secs(10), both).await.expect("they end");
    assert_eq!(sent.unwrap_err().code, FailureCode::Cancelled);
    assert_eq!(received.unwrap_err().code, FailureCode::Cancelled);
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
