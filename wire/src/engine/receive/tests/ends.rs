//! The end of a job: no item is placed, set or committed after it, and it comes after all that runs; memory until then.

use super::*;
use crate::budget::Budget;
use crate::checksum::Digest;
use crate::engine::Exchange;
use crate::message::{ChunkRange, HeldItem};
use crate::metadata::Metadata;
use crate::net::control::outbox;

#[test]
fn nothing_is_placed_after_the_jobs_end() {
    let world = World::new(Faults::default());
    world.job.fail(FailureCode::Cancelled.into());
    world.take(0, &[Entry::file("a")]).unwrap();
    assert_eq!((world.log(), world.ack()), (vec![], None));
}

#[test]
fn the_rest_of_a_pack_is_not_placed_after_the_jobs_end() {
    let world = World::new(Faults { ends_job_at: Some("a"), ..Faults::default() });
    world.take(0, &[Entry::file("a"), Entry::file("b"), Entry::folder("c")]).unwrap();
    assert_eq!(world.log(), ["place /a", "item /a: ok"]);
    assert_eq!(world.ack(), None);
}

#[test]
fn what_waits_when_the_job_ends_is_not_committed() {
    let world = World::new(Faults { waits: true, ..Faults::default() });
    world.take(0, &[Entry::file("a")]).unwrap();
    world.job.fail(FailureCode::Cancelled.into());
    world.log();
    world.job.commit();
    assert_eq!((world.log(), world.ack()), (vec![], None));
}

/// A later job may write into the folder by then.
#[test]
fn no_folder_is_set_after_the_jobs_end() {
    let world = World::new(Faults { waits: true, ..Faults::default() });
    world.take(0, &[Entry::file("f/a"), Entry::folder("f")]).unwrap();
    world.job.commit();
    world.log();
    world.job.fail(FailureCode::Cancelled.into());
    world.job.set_folders();
    assert_eq!(world.log(), Vec::<String>::new());
}

/// Otherwise the sender ends, and the last items are never reported.
#[test]
fn a_job_is_not_finished_while_something_of_it_runs() {
    let world = World::new(Faults::default());
    world.take(0, &[Entry::file("a")]).unwrap();
    assert!(!world.job.is_finished());
    world.job.told(Message::End(End { frames: 1 }), Charge::default()).unwrap();
    assert!(world.job.is_finished());
    let running = world.job.active.enter(&world.job.changed);
    assert!(!world.job.is_finished());
    drop(running);
    assert!(world.job.is_finished());
}

#[test]
fn the_totals_that_the_sender_tells_are_reported() {
    let world = World::new(Faults::default());
    let totals = Totals { files: 3, bytes: 5, complete: true };
    world.job.told(Message::Totals(totals), Charge::default()).unwrap();
    assert_eq!(world.log(), ["3 files"]);
}

#[test]
fn items_that_wait_for_a_commit_are_counted_at_the_jobs_session() {
    let (world, budget) = (World::new(Faults { waits: true, ..Faults::default() }), Budget::new(8 << 20));
    world.job.keep_within(&SessionMemory::new(budget.clone()));
    world.take(0, &[Entry::file("a")]).unwrap();
    assert!(budget.used() > 0);
    world.job.commit();
    assert_eq!(budget.used(), 0);
}

/// They keep memory until then.
#[test]
fn a_job_keeps_its_overdraft_until_its_failures_are_acknowledged() {
    let world = World::new(Faults { files_fail: true, ..Faults::default() });
    let (other, session) = (World::new(Faults::default()), SessionMemory::new(Budget::new(1)));
    world.job.keep_within(&session);
    other.job.keep_within(&session);
    world.take(0, &[Entry::file("a")]).unwrap();
    world.job.count_kept();
    assert!(other.job.memory.take_overdraft().is_none());
    assert_eq!(world.ack().unwrap().failed.len(), 1);
    world.job.count_kept();
    assert!(other.job.memory.take_overdraft().is_some());
}

/// Everything in the session may be waiting for each other.
#[test]
fn a_job_that_finds_no_memory_for_long_ends() {
    for is_freed in [false, true] {
        let (world, other) = (World::new(Faults::default()), World::new(Faults::default()));
        let session = SessionMemory::new(Budget::new(1));
        world.job.keep_within(&session);
        other.job.keep_within(&session);
        assert!(other.job.memory.take_overdraft().is_some());
        let mut stuck = Some(Instant::now());
        assert!(!world.job.ask_again(&mut stuck) && stuck.is_none(), "nothing waits");
        world.take(0, &[Entry::file("a")]).unwrap();
        assert!(!world.job.ask_again(&mut stuck));
        assert!(stuck.is_some() && world.job.failed.get().is_none());
        stuck = Instant::now().checked_sub(ROOM_PATIENCE + Duration::from_secs(1));
        if is_freed {
            other.job.memory.count(|| 0, || true);
        }
        assert_eq!(world.job.ask_again(&mut stuck), is_freed);
        let failed = world.job.failed.get().map(|failure| failure.code);
        assert_eq!((stuck.is_none(), failed.is_none()), (is_freed, is_freed), "{failed:?}");
        assert!(failed.is_none_or(|code| code == FailureCode::LimitExceeded));
    }
}

/// Chunks that cannot be of the file prove nothing, and no chunk is none.
#[tokio::test]
async fn what_is_there_of_an_offered_item_is_told_if_it_can_be_of_that_item() {
    let digest = Digest([1; 32]);
    let chunks = vec![ChunkRange { first: 0, count: 1 }];
    let partial = HeldItem::Chunks { chunks, digests: vec![digest], more: false };
    let cases: [(Find, HeldItem); 5] = [
        (|_| ResumeState::None, HeldItem::Nothing),
        (|_| ResumeState::Complete, HeldItem::All),
        (|staged| ResumeState::Partial(staged, vec![(0, Digest([1; 32]))]), partial),
        (|staged| ResumeState::Partial(staged, Vec::new()), HeldItem::Nothing),
        (
            |staged| ResumeState::Partial(staged, vec![(0, Digest([1; 32])), (9, Digest([1; 32]))]),
            HeldItem::Nothing,
        ),
    ];
    for (found, expected) in cases {
        let world = World::new(Faults { found: Some(found), ..Faults::default() });
        let (outbox, mut messages) = outbox();
        let exchange = Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
        let (path, source) = (RemotePath::from_wire(b"a").unwrap(), SourceId([1; 16]));
        let metadata =
            Metadata { kind: Kind::File, size: 1 << 20, modified: Timestamp::default(), mode: 0o644 };
        let offer = Offer { items: vec![OfferedItem { path, metadata, source, changed: false }] };
        world.job.told(Message::Offer(offer), Charge::default()).unwrap();
        let held = tokio::select! {
            ended = world.job.answer_offers(&exchange) => panic!("{ended:?}"),
            message = messages.recv() => message.unwrap().envelope.message,
        };
        let Message::Held(held) = held else { panic!("{held:?}") };
        assert_eq!(held.answers, [expected]);
    }
}

/// No staged file is prepared for an item that will be refused.
#[tokio::test]
async fn an_offered_item_that_no_filesystem_can_have_is_not_looked_up() {
    let world = World::new(Faults::default());
    let (outbox, mut messages) = outbox();
    let exchange = Exchange::new(outbox, Arc::default(), Disk::alone(), Budget::unlimited());
    let offered = |nanos| {
        let (path, source) = (RemotePath::from_wire(b"a").unwrap(), SourceId([1; 16]));
        let modified = Timestamp { seconds: 0, nanos };
        let metadata = Metadata { kind: Kind::File, size: 1 << 20, modified, mode: 0o644 };
        Offer { items: vec![OfferedItem { path, metadata, source, changed: false }] }
    };
    for (nanos, looks) in [(1_000_000_000, &[][..]), (999_999_999, &["look /a"])] {
        world.job.told(Message::Offer(offered(nanos)), Charge::default()).unwrap();
        tokio::select! {
            ended = world.job.answer_offers(&exchange) => panic!("{ended:?}"),
            message = messages.recv() => assert!(matches!(message.unwrap().envelope.message, Message::Held(_))),
        }
        assert_eq!(world.log(), looks);
    }
}

/// Only what the sender could not read is lost there.
#[test]
fn a_large_file_that_cannot_be_written_fails_at_this_end() {
    let world = World::new(Faults { chunks_fail: true, ..Faults::default() });
    let (path, size) = (RemotePath::from_wire(b"a").unwrap(), Some(2 * CHUNK_LEN as u64));
    let announcement = Announcement { path, size, modified: None, mode: 0o644, source: SourceId::default() };
    let (mut extra, chunk) = (Vec::new(), vec![1; CHUNK_LEN]);
    BlockExtra { content_len: CHUNK_LEN as u32, announcement }.encode(&mut extra);
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::Among { index: 0 }, [&chunk[..]]);
    let kind =
        FrameKind::Block { file: FileNo(0), offset: 0, last: false, digest, encoding: Default::default() };
    let (extra_len, payload_len) = (extra.len() as u16, CHUNK_LEN as u32);
    let head = FrameHead { job: JobId(1), frame: FrameNo(0), extra_len, payload_len, kind };
    world.job.take(&head, &extra, &[&chunk]).unwrap();
    assert_eq!(world.log(), ["started /a", "discard", "item /a: NoSpace"]);
    assert_eq!(world.ack().unwrap().failed.len(), 1);
}
