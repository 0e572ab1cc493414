//! Each rule of `SenderViolation`, and the sender's behaviour where it cannot know what has arrived.

use crate::tree::path;
use wire::checksum::{Checksum, Digest};
use wire::ids::{FileNo, FrameNo, LaneNo};
use wire::limits::{CHUNK_LEN, PACKED_FILE_LEN_MAX};
use wire::message::{Ack, ChunkRange, End, FrameRange, HeldItem, ItemFailure};
use wire::metadata::{Kind, Metadata};
use wire::sender::{
    Asking, Content, Item, ItemKind, Packed, Plan, Sender, SenderViolation as Violation, Settled,
};
use wire::{Failure, FailureCode};

#[test]
fn frames_that_were_never_sent_are_not_acknowledged() {
    let ranges = |first, count| Ack { done: vec![FrameRange { first, count }], ..Ack::default() };
    let damaged = |frame| Ack { damaged: vec![frame], ..Ack::default() };
    for ack in [
        ranges(FrameNo(1), 1),
        ranges(FrameNo(0), 2),
        ranges(FrameNo(u64::MAX), 1),
        ranges(FrameNo(0), u32::MAX),
        damaged(FrameNo(1)),
        damaged(FrameNo(u64::MAX)),
        failed(1, 0),
    ] {
        let (mut sender, _) = small(2);
        assert_eq!(sender.acked(&ack), Err(Violation::UnknownFrame), "{ack:?}");
    }
    let (mut sender, _) = small(2);
    assert!(sender.acked(&ranges(FrameNo(0), 1)).is_ok());
    assert!(sender.acked(&ranges(FrameNo(0), 1)).is_ok(), "an acknowledgement may come again");
    assert!(
        sender.acked(&damaged(FrameNo(0))).is_ok() && sender.next(LaneNo(1)).is_none(),
        "what is done is not damaged"
    );
}

#[test]
fn entries_that_a_frame_does_not_have_do_not_fail() {
    let (mut sender, _) = small(2);
    assert!(sender.acked(&failed(0, 1)).is_ok());
    assert_eq!(sender.acked(&failed(0, 2)), Err(Violation::UnknownEntry));
    let (mut sender, _) = large(1);
    assert!(sender.acked(&failed(0, 0)).is_ok());
    assert_eq!(sender.acked(&failed(0, 1)), Err(Violation::UnknownEntry));
}

#[test]
fn a_failure_counts_that_came_before_the_frame_was_done() {
    let (mut sender, _) = small(2);
    sender.packed(FrameNo(0), vec![sent(1), sent(2)]);
    sender.acked(&failed(0, 1)).unwrap();
    let settled = sender.acked(&done(0)).unwrap().settled;
    assert_eq!(settled[0].result, Ok(()));
    assert_eq!(settled[1].result, Err(FailureCode::NoSpace.into()));
    assert_eq!(sender.end(), Some(End { frames: 1 }));
    assert!(sender.is_finished() && sender.end().is_none());
}

#[test]
fn a_frame_is_queued_once_however_often_it_is_missed() {
    let (mut sender, _) = small(1);
    sender.acked(&Ack { damaged: vec![FrameNo(0), FrameNo(0)], ..Ack::default() }).unwrap();
    sender.lane_lost(LaneNo(0));
    assert!(sender.next(LaneNo(1)).is_some());
    assert!(sender.next(LaneNo(2)).is_none());
}

#[test]
fn a_block_that_never_went_out_leaves_its_number_to_the_seal() {
    let (mut sender, plan) = large(2);
    give_up(&mut sender, &plan);
    assert!(sender.next(LaneNo(0)).is_none());
    assert_eq!(sender.end(), Some(End { frames: 1 }));
    let settled = sender.acked(&done(0)).unwrap().settled;
    assert_eq!(settled[0].result, Err(FailureCode::Io.into()));
    assert!(sender.is_finished());
}

/// The receiver may have the block, and then drops a seal in its place.
#[test]
fn a_block_that_went_out_before_does_not_leave_its_number_to_the_seal() {
    let (mut sender, plan) = large(2);
    sender.hashed(plan.frame, Digest([1; 32])).unwrap();
    sender.lane_lost(LaneNo(0));
    let again = sender.next(LaneNo(1)).unwrap();
    assert_eq!(again.frame, FrameNo(0));
    let instead = sender.hashed(again.frame, Digest([2; 32])).unwrap_err();
    assert!(matches!(instead, Content::Seal { result: Err(_), .. }));
    assert_eq!(sender.end(), None);
    let seal = sender.next(LaneNo(1)).unwrap();
    assert!(matches!(seal, Plan { frame: FrameNo(1), content: Content::Seal { result: Err(_), .. } }));
    assert_eq!(sender.end(), Some(End { frames: 2 }));
    assert!(sender.acked(&done(0)).unwrap().settled.is_empty());
    let settled = sender.acked(&done(1)).unwrap().settled;
    assert_eq!(settled[0].result, Err(FailureCode::SourceChanged.into()));
    assert!(sender.is_finished());
}

/// A frame that was acknowledged while it was built again must still be readable by a receiver.
#[test]
fn what_was_acknowledged_meanwhile_is_given_up_as_a_seal() {
    let (mut sender, plan) = large(1);
    sender.hashed(plan.frame, Digest([1; 32])).unwrap();
    sender.lane_lost(LaneNo(0));
    let again = sender.next(LaneNo(1)).unwrap();
    sender.acked(&done(0)).unwrap();
    assert!(matches!(give_up(&mut sender, &again), Content::Seal { result: Err(_), .. }));
}

/// Both ways to a seal at once: the receiver reported a failure, and a block could not be read.
#[test]
fn a_file_that_fails_in_two_ways_has_one_seal_and_the_job_one_end() {
    let (mut sender, first) = large(3);
    sender.hashed(first.frame, Digest([1; 32])).unwrap();
    let second = sender.next(LaneNo(0)).unwrap();
    sender.acked(&failed(0, 0)).unwrap();
    sender.acked(&done(0)).unwrap();
    give_up(&mut sender, &second);
    assert_eq!(sender.end(), Some(End { frames: 2 }));
    assert!(sender.next(LaneNo(0)).is_none(), "a frame beyond the end");
    let settled = sender.acked(&done(1)).unwrap().settled;
    assert_eq!(settled[0].result, Err(FailureCode::NoSpace.into()));
    assert!(sender.is_finished());
}

#[test]
fn a_folder_waits_for_the_numbers_of_what_is_in_it() {
    let (mut sender, first) =
        offering(&[item(b"a/b", Kind::File, PACKED_FILE_LEN_MAX + 1), item(b"a", Kind::Folder, 0)]);
    assert!(matches!(first.content, Content::Block { .. }));
    assert!(sender.next(LaneNo(0)).is_none() && sender.end().is_none());
    sender.hashed(first.frame, Digest([1; 32])).unwrap();
    assert!(matches!(sender.next(LaneNo(0)).unwrap().content, Content::Seal { result: Ok(_), .. }));
    assert!(sender.next(LaneNo(0)).is_none(), "while the seal is built, the file may have to come once more");
    sender.sealed(FrameNo(1)).unwrap();
    let pack = sender.next(LaneNo(0)).unwrap();
    assert!(matches!(pack.content, Content::Pack(_)));
    assert_eq!(sender.end(), None, "what is in the pack may come later");
    sender.packed(pack.frame, vec![sent(0)]);
    assert_eq!(sender.end(), Some(End { frames: 3 }));
}

#[test]
fn a_folder_waits_for_the_packs_before_it_and_for_what_comes_later() {
    let mut sender = Sender::new(Checksum::Blake3, 8, Asking::Never);
    [b"a/1", b"a/2"].into_iter().for_each(|name| sender.add(item(name, Kind::File, 5)));
    let first = sender.next(LaneNo(0)).unwrap();
    [item(b"a", Kind::Folder, 0), item(b"b", Kind::File, 5)].into_iter().for_each(|item| sender.add(item));
    sender.end_items();
    let second = sender.next(LaneNo(1)).unwrap();
    assert_eq!(names(&second), ["b"], "the first is built meanwhile");
    sender.packed(second.frame, vec![sent(5)]);
    assert!(sender.next(LaneNo(1)).is_none());
    sender.packed(first.frame, vec![sent(5), Packed::Later(metadata(Kind::File, CHUNK_LEN as u64))]);
    let block = sender.next(LaneNo(1)).unwrap();
    sender.hashed(block.frame, Digest([1; 32])).unwrap();
    let seal = sender.next(LaneNo(1)).unwrap();
    assert!(sender.next(LaneNo(1)).is_none() && sender.end().is_none());
    sender.sealed(seal.frame).unwrap();
    assert_eq!(names(&sender.next(LaneNo(1)).unwrap()), ["a"]);
}

/// Its folders were free by then, and none had been sent.
#[test]
fn folders_wait_for_a_file_whose_seal_shows_that_it_comes_once_more() {
    let file = item(b"a/b/c", Kind::File, CHUNK_LEN as u64);
    let (mut sender, block) = offering(&[file, item(b"a/b", Kind::Folder, 0), item(b"a", Kind::Folder, 0)]);
    let Content::Block { file, .. } = &block.content else { panic!("{block:?}") };
    sender.hashed(block.frame, Digest([1; 32])).unwrap();
    let seal = sender.next(LaneNo(0)).unwrap();
    assert!(sender.next(LaneNo(1)).is_none());
    sender.begin_again(seal.frame, file, metadata(Kind::File, 7));
    assert!(sender.next(LaneNo(1)).is_none());
    sender.acked(&done(seal.frame.0)).unwrap();
    let pack = sender.next(LaneNo(1)).unwrap();
    assert_eq!(names(&pack), ["a/b/c", "a/b", "a"], "it is a small one now");
}

/// Names of a pack's items.
pub(crate) fn names(plan: &Plan) -> Vec<String> {
    let Content::Pack(items) = &plan.content else { panic!("{plan:?}") };
    items.iter().map(|item| String::from_utf8_lossy(item.path.as_bytes()).into_owned()).collect()
}

/// A sender of small files whose first frame is in progress on lane 0.
pub(crate) fn small(count: u8) -> (Sender, Plan) {
    let items: Vec<Item> = (0..count).map(|n| item(&[b'a' + n], Kind::File, 5)).collect();
    offering(&items)
}

/// A sender of one large file whose first block is in progress on lane 0.
pub(crate) fn large(chunks: u64) -> (Sender, Plan) {
    offering(&[item(b"large", Kind::File, chunks * CHUNK_LEN as u64)])
}

pub(crate) fn offering(items: &[Item]) -> (Sender, Plan) {
    let mut sender = Sender::new(Checksum::Blake3, 8, Asking::Never);
    items.iter().for_each(|item| sender.add(item.clone()));
    sender.end_items();
    let plan = sender.next(LaneNo(0)).unwrap();
    (sender, plan)
}

fn give_up(sender: &mut Sender, plan: &Plan) -> Content {
    let Content::Block { file, .. } = &plan.content else { unreachable!() };
    sender.give_up(plan.frame, file, FailureCode::Io.into())
}

pub(crate) fn item(name: &[u8], kind: Kind, size: u64) -> Item {
    let metadata = Metadata { kind, size, modified: Default::default(), mode: 0o644 };
    Item { path: path(name), kind: ItemKind::Present(metadata) }
}

pub(crate) fn done(frame: u64) -> Ack {
    Ack { done: vec![FrameRange { first: FrameNo(frame), count: 1 }], ..Ack::default() }
}

fn failed(frame: u64, entry: u32) -> Ack {
    let failure = Failure::from(FailureCode::NoSpace);
    Ack { failed: vec![ItemFailure { frame: FrameNo(frame), entry, failure }], ..Ack::default() }
}

#[test]
fn a_file_that_changed_comes_once_more_behind_its_folders_back_and_settles_once() {
    let (mut sender, plan) = large(2);
    let Content::Block { file, .. } = &plan.content else { panic!("{plan:?}") };
    let grown = Metadata { size: 3 * CHUNK_LEN as u64, ..metadata(Kind::File, 2 * CHUNK_LEN as u64) };
    assert!(matches!(sender.begin_again(plan.frame, file, grown), Content::Again { .. }));
    assert!(sender.next(LaneNo(0)).is_none(), "nothing until the receiver has forgotten it");
    assert_eq!(sender.end(), None);
    let progress = sender.acked(&done(0)).unwrap();
    assert!(progress.settled.is_empty() && progress.again == [FileNo(0)]);
    let blocks: Vec<Plan> = std::iter::from_fn(|| sender.next(LaneNo(0))).collect();
    assert_eq!(blocks.len(), 3);
    let sizes = blocks.iter().map(|plan| {
        let Content::Block { file, .. } = &plan.content else { panic!("{plan:?}") };
        (file.number, file.announcement.size)
    });
    assert!(sizes.into_iter().all(|file| file == (FileNo(1), Some(3 * CHUNK_LEN as u64))));
}

/// A block moves to another lane, and its first copy is acknowledged while it is read again.
#[test]
fn a_file_that_breaks_in_a_frame_that_was_acknowledged_meanwhile_gets_its_seal() {
    let (mut sender, plan) = large(2);
    let Content::Block { file, .. } = &plan.content else { panic!("{plan:?}") };
    sender.hashed(plan.frame, Digest([1; 32])).unwrap();
    sender.lane_lost(LaneNo(0));
    let again = sender.next(LaneNo(1)).unwrap();
    assert_eq!(again.frame, plan.frame);
    sender.acked(&done(plan.frame.0)).unwrap();
    sender.give_up(again.frame, file, FailureCode::Io.into());
    let seal = sender.next(LaneNo(1)).unwrap();
    assert!(matches!(seal.content, Content::Seal { result: Err(_), .. }), "{seal:?}");
    assert_eq!(sender.end(), Some(End { frames: seal.frame.0 + 1 }));
    let settled = sender.acked(&done(seal.frame.0)).unwrap().settled;
    assert!(matches!(&settled[..], [Settled { result: Err(_), .. }]), "{settled:?}");
    assert!(sender.is_finished());
}

/// It is the last thing to send then.
#[test]
fn the_end_is_not_told_before_the_seal_of_a_file_that_comes_once_more() {
    let (mut sender, plan) = large(1);
    let Content::Block { file, .. } = &plan.content else { panic!("{plan:?}") };
    sender.hashed(plan.frame, Digest([1; 32])).unwrap();
    let seal = sender.next(LaneNo(0)).unwrap();
    assert!(matches!(seal.content, Content::Seal { result: Ok(_), .. }));
    assert!(matches!(
        sender.begin_again(seal.frame, file, metadata(Kind::File, CHUNK_LEN as u64)),
        Content::Again { .. }
    ));
    for frame in [0, 1] {
        assert_eq!(sender.end(), None);
        sender.acked(&done(frame)).unwrap();
    }
    assert_eq!(sender.end(), None, "its blocks are still to come");
    let block = sender.next(LaneNo(0)).unwrap();
    sender.hashed(block.frame, Digest([2; 32])).unwrap();
    assert_eq!(sender.end(), None);
    let seal = sender.next(LaneNo(0)).unwrap();
    sender.sealed(seal.frame).unwrap();
    assert_eq!(sender.end(), Some(End { frames: 4 }));
}

#[test]
fn what_has_outgrown_its_pack_comes_later_and_an_empty_pack_says_nothing() {
    let (mut sender, _) = small(2);
    let grown = metadata(Kind::File, PACKED_FILE_LEN_MAX + 1);
    assert!(sender.packed(FrameNo(0), vec![sent(1), Packed::Later(grown)]).is_none());
    assert_eq!(sender.acked(&failed(0, 1)), Err(Violation::UnknownEntry), "the pack has one entry");
    let plan = sender.next(LaneNo(0)).unwrap();
    assert!(matches!(plan.content, Content::Block { .. }), "{plan:?}");
    assert_eq!(sender.acked(&done(0)).unwrap().settled.len(), 1);

    let (mut sender, _) = small(1);
    let instead = sender.packed(FrameNo(0), vec![Packed::Later(metadata(Kind::File, 2))]);
    assert!(matches!(instead, Some(Content::Again { .. })));
    assert!(sender.acked(&done(0)).unwrap().settled.is_empty());
    assert!(matches!(sender.next(LaneNo(0)).unwrap().content, Content::Pack(items) if items.len() == 1));
}

pub(crate) fn sent(bytes: u64) -> Packed {
    Packed::Sent { bytes, digest: None, as_is: false }
}

fn metadata(kind: Kind, size: u64) -> Metadata {
    Metadata { kind, size, modified: Default::default(), mode: 0o644 }
}

/// The receiver may have the first copy: an entry missing there has failed, whatever the second one contains.
#[test]
fn an_entry_that_was_lost_in_one_copy_of_its_pack_is_lost_in_each() {
    let (mut sender, plan) = small(2);
    let failure = Failure::from(FailureCode::PermissionDenied);
    assert!(sender.packed(plan.frame, vec![sent(1), Packed::Unreadable(failure.clone())]).is_none());
    sender.lane_lost(LaneNo(0));
    let again = sender.next(LaneNo(1)).unwrap();
    let Content::Pack(items) = &again.content else { panic!("{again:?}") };
    assert!(matches!(items[1].kind, ItemKind::Unreadable(_)), "{items:?}");
    let instead = sender.packed(again.frame, vec![sent(1), sent(2)]);
    assert!(matches!(instead, Some(Content::Pack(_))), "one that was planned before: {instead:?}");
    assert!(sender.packed(again.frame, vec![sent(1), Packed::Unreadable(failure)]).is_none());
    let settled = sender.acked(&done(again.frame.0)).unwrap().settled;
    assert!(settled[0].result.is_ok() && settled[1].result.is_err(), "{settled:?}");
    assert_eq!(sender.kept(), 0);
}

#[test]
fn an_entry_that_was_sent_in_one_copy_of_its_pack_comes_no_more_later() {
    let (mut sender, plan) = small(1);
    assert!(!sender.is_built(plan.frame));
    assert!(sender.packed(plan.frame, vec![sent(1)]).is_none());
    assert!(sender.is_built(plan.frame));
    assert_eq!(sender.end(), Some(End { frames: 1 }));
    sender.lane_lost(LaneNo(0));
    let again = sender.next(LaneNo(1)).unwrap();
    let later = || vec![Packed::Later(metadata(Kind::File, 2))];
    assert!(matches!(sender.packed(again.frame, later()), Some(Content::Pack(_))));
    assert!(sender.next(LaneNo(1)).is_none(), "a frame beyond the end");
    sender.acked(&done(again.frame.0)).unwrap();
    assert!(sender.is_built(again.frame), "nothing of what is done comes later");
    let nothing = sender.packed(again.frame, later());
    assert!(matches!(nothing, Some(Content::Again { .. })), "a pack without entries: {nothing:?}");
}

/// The receiver may have either of them.
#[test]
fn a_pack_whose_copies_differ_tells_no_digest() {
    let with = |digest| Packed::Sent { bytes: 1, digest: Some(Digest([digest; 32])), as_is: false };
    for (second, told) in [(1, Some(Digest([1; 32]))), (2, None)] {
        let (mut sender, plan) = small(1);
        sender.packed(plan.frame, vec![with(1)]);
        sender.packed(plan.frame, vec![with(second)]);
        assert_eq!(sender.acked(&done(0)).unwrap().settled[0].digest, told);
    }
}

/// Two lanes build one pack at once, and the first finds it empty.
#[test]
fn a_pack_that_another_lane_has_emptied_is_not_sent() {
    let (mut sender, plan) = small(1);
    sender.packed(plan.frame, vec![Packed::Later(metadata(Kind::File, 2))]);
    assert!(matches!(sender.packed(plan.frame, vec![sent(2)]), Some(Content::Again { .. })));
}

/// Two lanes build one block at once, and the first finds that it cannot be read.
#[test]
fn a_block_whose_number_became_a_seals_is_not_sent() {
    let (mut sender, plan) = large(2);
    give_up(&mut sender, &plan);
    let instead = sender.hashed(plan.frame, Digest([1; 32]));
    assert!(matches!(instead, Err(Content::Seal { result: Err(_), .. })), "{instead:?}");
}

/// The receiver may have published it: it would arrive twice, or after the job's end.
#[test]
fn a_file_whose_seal_was_built_fails_instead_of_coming_once_more() {
    let (mut sender, plan) = large(1);
    let Content::Block { file, .. } = &plan.content else { panic!("{plan:?}") };
    sender.hashed(plan.frame, Digest([1; 32])).unwrap();
    let seal = sender.next(LaneNo(0)).unwrap();
    sender.sealed(seal.frame).unwrap();
    assert_eq!(sender.end(), Some(End { frames: 2 }));
    let instead = sender.begin_again(plan.frame, file, metadata(Kind::File, CHUNK_LEN as u64));
    assert!(matches!(instead, Content::Seal { result: Err(_), .. }), "{instead:?}");
    assert!(sender.next(LaneNo(0)).is_none(), "a frame beyond the end");
    let settled = [0, 1].map(|frame| sender.acked(&done(frame)).unwrap().settled).concat();
    assert!(matches!(&settled[..], [Settled { result: Err(_), .. }]), "{settled:?}");
    assert!(sender.is_finished());
}

/// Otherwise the receiver could publish it, and then get it again.
#[test]
fn a_seal_is_not_built_once_a_block_has_shown_that_the_file_comes_once_more() {
    let (mut sender, plan) = large(1);
    let Content::Block { file, .. } = &plan.content else { panic!("{plan:?}") };
    sender.hashed(plan.frame, Digest([1; 32])).unwrap();
    let seal = sender.next(LaneNo(0)).unwrap();
    sender.begin_again(plan.frame, file, metadata(Kind::File, CHUNK_LEN as u64));
    assert!(matches!(sender.sealed(seal.frame), Err(Content::Again { .. })));
    assert!(sender.acked(&done(0)).unwrap().again.is_empty());
    assert_eq!(sender.acked(&done(1)).unwrap().again, [FileNo(0)]);
}

/// The receiver has reported it, and expects no more of it.
#[test]
fn a_file_whose_block_failed_at_the_receiver_does_not_come_once_more() {
    for seal_first in [false, true] {
        let (mut sender, plan) = large(2);
        let Content::Block { file, .. } = &plan.content else { panic!("{plan:?}") };
        sender.hashed(plan.frame, Digest([1; 32])).unwrap();
        sender.lane_lost(LaneNo(0));
        let again = sender.next(LaneNo(1)).unwrap();
        sender.begin_again(again.frame, file, metadata(Kind::File, CHUNK_LEN as u64));
        let seal = sender.next(LaneNo(1)).unwrap();
        assert!(matches!(seal.content, Content::Again { .. }));
        sender.acked(&failed(plan.frame.0, 0)).unwrap();
        let order = if seal_first { [seal.frame, plan.frame] } else { [plan.frame, seal.frame] };
        let settled = order.map(|frame| sender.acked(&done(frame.0)).unwrap().settled).concat();
        assert!(matches!(&settled[..], [Settled { result: Err(_), .. }]), "{settled:?}");
        assert!(sender.next(LaneNo(1)).is_none(), "it comes once more");
        assert_eq!(sender.end(), Some(End { frames: 2 }));
        assert!(sender.is_finished() && sender.kept() == 0);
    }
}

/// Otherwise it would start as a large file, which the receiver does not expect.
#[test]
fn chunks_are_no_answer_for_a_small_file_and_all_is_none_unless_all_were_asked_for() {
    let chunks = || {
        let (chunks, digests) = (vec![ChunkRange { first: 0, count: 1 }], vec![Digest([1; 32])]);
        HeldItem::Chunks { chunks, digests, more: false }
    };
    let offer = |size, asking| {
        let mut sender = Sender::new(Checksum::Blake3, 8, asking);
        sender.add(item(b"a", Kind::File, size));
        sender.end_items();
        assert_eq!(sender.next_offer().unwrap().len(), 1);
        sender
    };
    let large = PACKED_FILE_LEN_MAX + 1;
    assert_eq!(offer(5, Asking::All).held(chunks()), Err(Violation::Held));
    assert!(offer(large, Asking::All).held(chunks()).is_ok());
    assert!(offer(large, Asking::Large(1)).held(chunks()).is_ok());
    assert_eq!(offer(large, Asking::Large(1)).held(HeldItem::All), Err(Violation::Held));
    assert!(offer(5, Asking::All).held(HeldItem::All).unwrap().0.is_some());
}
