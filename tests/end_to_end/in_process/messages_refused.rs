//! Messages about jobs that break a rule of the protocol. The exchange returns the rule, and the session ends by it.

use crate::in_process::receiving_end::{JOB, ReceivingEnd};
use wire::RemotePath;
use wire::control::Envelope;
use wire::engine::Role;
use wire::ids::{FrameNo, JobId};
use wire::limits::{ACK_ITEMS_MAX, OFFER_ITEMS_MAX};
use wire::message::{Ack, End, FrameRange, Held, HeldItem, Message, Offer, OfferedItem, Totals};
use wire::metadata::{Kind, Metadata, SourceId, Timestamp};

#[tokio::test]
async fn messages_of_a_job_come_from_the_end_that_may_send_them() {
    let end = ReceivingEnd::requested();
    let sent = JobId(JOB + 1);
    end.exchange.opening(sent, Role::Sender);
    let range = FrameRange { first: FrameNo(0), count: 1 };
    for (job, message, name) in [
        (JOB, Message::from(Ack { done: vec![range], failed: Vec::new(), damaged: Vec::new() }), "Ack"),
        (JOB, Held { answers: vec![HeldItem::Nothing] }.into(), "Held"),
        (sent.0, offer(1).into(), "Offer"),
        (sent.0, End { frames: 1 }.into(), "End"),
        (sent.0, Totals::default().into(), "Totals"),
    ] {
        let rule = end.exchange.handle(Envelope::new(job, message)).unwrap_err();
        assert_eq!(rule, format!("{name} from the wrong end of job {job}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_has_more_items_than_it_may_have_whatever_the_job_does() {
    let mut end = ReceivingEnd::running().await;
    let opening = JobId(JOB + 1);
    end.exchange.opening(opening, Role::Receiver);
    end.tell(offer(OFFER_ITEMS_MAX));
    assert!(matches!(end.next_message().await, Message::Held(_)), "as many as may be");
    let running_opening_and_unknown = [JOB, opening.0, 1_000];
    for job in running_opening_and_unknown {
        let rule = end.exchange.handle(Envelope::new(job, offer(OFFER_ITEMS_MAX + 1))).unwrap_err();
        assert_eq!(rule, "Offer with more items than it may have");
        let damaged = vec![FrameNo(0); ACK_ITEMS_MAX + 1];
        let ack = Ack { done: Vec::new(), failed: Vec::new(), damaged };
        let rule = end.exchange.handle(Envelope::new(job, ack)).unwrap_err();
        assert_eq!(rule, "Ack with more items than it may have");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once() {
    let end = ReceivingEnd::running().await;
    end.tell(End { frames: 5 });
    end.tell(End { frames: 5 });
    let rule = end.exchange.handle(Envelope::new(JOB, End { frames: 6 })).unwrap_err();
    assert!(rule.contains("a job's end that contradicts"), "{rule}");
}

fn offer(items: usize) -> Offer {
    let modified = Timestamp { seconds: 0, nanos: 0 };
    let metadata = Metadata { kind: Kind::File, size: 1, modified, mode: 0o644 };
    let item = |number: usize| OfferedItem {
        path: RemotePath::from_wire(number.to_string().as_bytes()).unwrap(),
        metadata,
        source: SourceId::default(),
        changed: true,
    };
    Offer { items: (0..items).map(item).collect() }
}
