//! Content that does not match its digest is asked for again, and given up after three attempts; what is there stays.

use crate::in_process::receiving_end::ReceivingEnd;
use crate::support::{content, leftovers, names_below, wait_until};
use std::fs;
use wire::FailureCode;
use wire::checksum::Digest;
use wire::frame::EntryKind;
use wire::ids::FrameNo;
use wire::limits::CHUNK_LEN;
use wire::message::End;

const CHUNK: u64 = CHUNK_LEN as u64;

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_with_a_bad_digest_is_asked_for_three_times_and_then_given_up() {
    let mut end = ReceivingEnd::running().await;
    let (mut lane, _ended) = end.lane(1);
    let (good, bad): (&[u8], &[u8]) = (b"good", b"bad");
    let entries = [(EntryKind::File, good, &b"good content"[..]), (EntryKind::File, bad, b"bad content")];
    let frame = spoilt(end.frames.pack(0, &entries));
    for _ in 0..2 {
        lane.send(&frame).await;
        assert_eq!(end.next_ack().await.damaged, [FrameNo(0)]);
    }
    lane.send(&frame).await;
    let ack = end.next_ack().await;
    assert!(ack.damaged.is_empty() && ack.done[0].first == FrameNo(0), "{ack:?}");
    let failed: Vec<_> =
        ack.failed.iter().map(|failed| (failed.frame, failed.entry, failed.failure.code)).collect();
    assert_eq!(failed, [(FrameNo(0), 1, FailureCode::Integrity)]);
    end.tell(End { frames: 1 });
    assert_eq!(fs::read_to_string(end.path("good")).unwrap(), "good content");
    assert_eq!(names_below(&end.path("")).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_a_bad_digest_is_asked_for_three_times_and_then_given_up() {
    let mut end = ReceivingEnd::running().await;
    fs::write(end.path("target"), "the old content").unwrap();
    let (mut lane, _ended) = end.lane(1);
    let frame = spoilt(end.frames.block(0, "target", Some(CHUNK), 0, true, &content(1, CHUNK_LEN)));
    for _ in 0..2 {
        lane.send(&frame).await;
        assert_eq!(end.next_ack().await.damaged, [FrameNo(0)]);
    }
    lane.send(&frame).await;
    let ack = end.next_ack().await;
    assert_eq!(ack.failed.first().map(|failed| failed.failure.code), Some(FailureCode::Integrity), "{ack:?}");
    assert_eq!(fs::read_to_string(end.path("target")).unwrap(), "the old content");
    wait_until("nothing staged", || leftovers(&end.path("")).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_comes_whole_when_it_is_asked_for_again_is_taken() {
    let mut end = ReceivingEnd::running().await;
    let (mut lane, _ended) = end.lane(1);
    let chunk = content(1, CHUNK_LEN);
    let frame = end.frames.block(0, "target", Some(CHUNK), 0, true, &chunk);
    lane.send(&spoilt(frame.clone())).await;
    assert_eq!(end.next_ack().await.damaged, [FrameNo(0)]);
    lane.send(&frame).await;
    lane.send(&end.frames.seal(1, "target", CHUNK, end.frames.root(&chunk))).await;
    assert_eq!(failures_until(&mut end, 2).await, []);
    assert!(fs::read(end.path("target")).unwrap() == chunk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_that_does_not_fit_its_blocks_publishes_nothing() {
    let chunk = content(1, CHUNK_LEN);
    for is_wrong in [true, false] {
        let mut end = ReceivingEnd::running().await;
        fs::write(end.path("target"), "the old content").unwrap();
        let (mut lane, _ended) = end.lane(1);
        let root = if is_wrong { Digest([1; 32]) } else { end.frames.root(&chunk) };
        lane.send(&end.frames.block(0, "target", Some(CHUNK), 0, true, &chunk)).await;
        lane.send(&end.frames.seal(1, "target", CHUNK, root)).await;
        end.tell(End { frames: 2 });
        let failed = failures_until(&mut end, 2).await;
        if is_wrong {
            assert_eq!(failed, [FailureCode::Integrity]);
            assert_eq!(fs::read_to_string(end.path("target")).unwrap(), "the old content");
        } else {
            assert!(failed.is_empty() && fs::read(end.path("target")).unwrap() == chunk, "{failed:?}");
        }
        wait_until("nothing staged", || leftovers(&end.path("")).is_empty());
    }
}

/// Returns the failures that are acknowledged until all `frames` are done.
async fn failures_until(end: &mut ReceivingEnd, frames: u64) -> Vec<FailureCode> {
    let mut failed = Vec::new();
    loop {
        let ack = end.next_ack().await;
        failed.extend(ack.failed.iter().map(|failed| failed.failure.code));
        if ack.done.iter().any(|range| range.first.0 + u64::from(range.count) == frames) {
            return failed;
        }
    }
}

/// Alters the last byte of a frame's payload.
fn spoilt(mut frame: Vec<u8>) -> Vec<u8> {
    *frame.last_mut().unwrap() ^= 1;
    frame
}
