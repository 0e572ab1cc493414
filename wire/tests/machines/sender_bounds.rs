//! Limits and counts of the sender: items it wants and keeps, files in progress, full packs, offers, and stalled lanes.

use crate::sender_rules::{done, item, large, names, sent, small};
use wire::checksum::{Checksum, Digest};
use wire::frame::ENTRY_HEAD_LEN;
use wire::ids::LaneNo;
use wire::limits::{
    CHUNK_LEN, LARGE_FILES_MAX, OFFER_ITEMS_MAX, PACK_ENTRIES_MAX, PACK_LEN_MAX, PACKED_FILE_LEN_MAX,
};
use wire::message::{ChunkRange, HeldItem};
use wire::metadata::Kind;
use wire::sender::{Asking, Content, Packed, Plan, Sender, SenderViolation as Violation, packed_len};
use wire::{Failure, FailureCode};

const FAST: LaneNo = LaneNo(0);
const SLOW: LaneNo = LaneNo(1);

/// A sender whose walk goes on.
fn walking(asking: Asking) -> Sender {
    Sender::new(Checksum::Blake3, 256, asking)
}

/// Sends an item over a lane, and has it acknowledged.
fn exchange(sender: &mut Sender, lane: LaneNo) {
    sender.add(item(b"quick", Kind::File, 5));
    let plan = sender.next(lane).unwrap();
    sender.packed(plan.frame, vec![sent(5)]);
    sender.acked(&done(plan.frame.0)).unwrap();
}

#[test]
fn items_are_wanted_until_they_fill_a_pack_and_never_after_the_walk() {
    let mut sender = walking(Asking::Never);
    let mut len = 0;
    while sender.wants_items() {
        let next = item(b"file", Kind::File, 100_000);
        len += packed_len(&next);
        sender.add(next);
        assert!(len < 2 * PACK_LEN_MAX, "{len} bytes");
    }
    let mut sender = walking(Asking::Never);
    for number in 0..PACK_ENTRIES_MAX {
        assert!(sender.wants_items(), "{number}");
        sender.add(item(b"file", Kind::File, 0));
    }
    assert!(!sender.wants_items());
    let mut sender = walking(Asking::Never);
    sender.set_room(false);
    assert!(!sender.wants_items() && sender.waits_for_room());
    sender.set_room(true);
    assert!(sender.wants_items() && !sender.waits_for_room());
    sender.end_items();
    assert!(!sender.wants_items());
    sender.set_room(false);
    assert!(!sender.waits_for_room(), "nothing is to come");
}

#[test]
fn the_peer_is_waited_for_only_if_the_window_is_full() {
    let mut sender = Sender::new(Checksum::Blake3, 1, Asking::Never);
    sender.add(item(b"a", Kind::File, 5));
    assert!(!sender.waits_for_peer() && sender.may_have_work());
    let plan = sender.next(FAST).unwrap();
    sender.add(item(b"b", Kind::File, 5));
    assert!(sender.waits_for_peer() && !sender.may_have_work());
    sender.acked(&done(plan.frame.0)).unwrap();
    assert!(!sender.waits_for_peer() && sender.may_have_work());
}

#[test]
fn a_pack_is_filled_to_its_last_byte() {
    let size = (PACK_LEN_MAX / 4 - ENTRY_HEAD_LEN - 1) as u64;
    for (more, expected) in [(0, vec!["a", "b", "c", "d"]), (1, vec!["a", "b", "c"])] {
        let mut sender = walking(Asking::Never);
        for name in [b"a", b"b", b"c"] {
            sender.add(item(name, Kind::File, size));
        }
        sender.add(item(b"d", Kind::File, size + more));
        assert_eq!(names(&sender.next(FAST).unwrap()), expected, "{more} bytes more");
    }
}

/// Otherwise the walk would wait until large files are sent.
/// The size of a link means nothing: it may even be the largest number.
#[test]
fn a_link_of_any_size_fits_a_pack() {
    let mut sender = walking(Asking::Never);
    sender.add(item(b"link", Kind::Symlink, u64::MAX));
    assert_eq!(names(&sender.next(FAST).unwrap()), ["link"]);
}

#[test]
fn a_full_pack_goes_before_the_blocks_of_large_files() {
    let mut sender = walking(Asking::Never);
    sender.add(item(b"large", Kind::File, CHUNK_LEN as u64));
    for _ in 0..PACK_ENTRIES_MAX {
        sender.add(item(b"small", Kind::File, 0));
    }
    assert_eq!(names(&sender.next(FAST).unwrap()).len(), PACK_ENTRIES_MAX);
    assert!(matches!(sender.next(FAST).unwrap().content, Content::Block { .. }));
}

#[test]
fn so_many_large_files_are_in_progress_and_no_more() {
    let mut sender = walking(Asking::Never);
    for _ in 0..=LARGE_FILES_MAX {
        sender.add(item(b"large", Kind::File, PACKED_FILE_LEN_MAX + 1));
    }
    let begun = std::iter::from_fn(|| sender.next(FAST)).count();
    assert_eq!(begun, LARGE_FILES_MAX);
}

/// The receiver may have the block.
#[test]
fn a_block_that_was_sent_becomes_no_hole() {
    let (mut sender, plan) = large(2);
    sender.hashed(plan.frame, Digest([1; 32])).unwrap();
    sender.lane_lost(FAST);
    let again = sender.next(SLOW).unwrap();
    assert!(sender.found_zeros(again.frame, CHUNK_LEN as u64).is_none());
    let (mut sender, plan) = large(2);
    assert!(matches!(sender.found_zeros(plan.frame, CHUNK_LEN as u64), Some(Content::Hole { .. })));
}

#[test]
fn a_failure_that_a_second_copy_of_a_pack_tells_is_kept_and_given_back() {
    let (mut sender, plan) = small(1);
    assert!(sender.packed(plan.frame, vec![sent(5)]).is_none());
    let before = sender.kept();
    sender.lane_lost(FAST);
    let again = sender.next(SLOW).unwrap();
    let failure = Failure::new(FailureCode::Io, "no");
    assert!(sender.packed(again.frame, vec![Packed::Unreadable(failure)]).is_none());
    assert!(sender.kept() > before);
    let settled = sender.acked(&done(again.frame.0)).unwrap().settled;
    assert!(settled[0].result.is_err() && !settled[0].as_is);
    assert_eq!(sender.kept(), 0);
}

#[test]
fn only_large_files_are_offered_unless_all_are() {
    let size = PACKED_FILE_LEN_MAX + 1;
    let cases = [
        (Asking::Never, 0),
        (Asking::Large(0), 1),
        (Asking::Large(size), 1),
        (Asking::Large(size + 1), 0),
        (Asking::All, 2),
    ];
    for (asking, offered) in cases {
        let mut sender = walking(asking);
        sender.add(item(b"large", Kind::File, size));
        sender.add(item(b"small", Kind::File, 5));
        sender.end_items();
        assert_eq!(sender.next_offer().map_or(0, |items| items.len()), offered, "{asking:?}");
    }
}

#[test]
fn of_an_offered_file_all_is_sent_that_the_receiver_lacks() {
    for (held, missing) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        let mut sender = walking(Asking::All);
        sender.add(item(b"small", Kind::File, 5));
        sender.add(item(b"large", Kind::File, 3 * CHUNK_LEN as u64));
        sender.end_items();
        assert_eq!(sender.next_offer().unwrap().len(), 2);
        sender.held(HeldItem::Nothing).unwrap();
        assert_eq!(names(&sender.next(FAST).unwrap()), ["small"]);
        let bytes = sender.held(chunks(held, vec![Digest([1; 32])])).unwrap().1;
        assert_eq!(bytes, CHUNK_LEN as u64);
        let rest: Vec<u64> = std::iter::from_fn(|| sender.next(FAST)).map(|plan| offset_of(&plan)).collect();
        assert_eq!(rest, missing.map(|chunk| chunk * CHUNK_LEN as u64));
    }
}

#[test]
fn an_offered_file_of_which_the_receiver_has_nothing_or_all_comes_with_its_seal() {
    for (has_all, blocks) in [(false, 3), (true, 0)] {
        let mut sender = walking(Asking::All);
        sender.add(item(b"large", Kind::File, 3 * CHUNK_LEN as u64));
        sender.end_items();
        assert_eq!(sender.next_offer().unwrap().len(), 1);
        let chunks = vec![ChunkRange { first: 0, count: 3 }];
        let all = HeldItem::Chunks { chunks, digests: vec![Digest([1; 32]); 3], more: false };
        sender.held(if has_all { all } else { HeldItem::Nothing }).unwrap();
        for chunk in 0..blocks {
            let block = sender.next(FAST).unwrap();
            assert_eq!(offset_of(&block), chunk * CHUNK_LEN as u64);
            sender.hashed(block.frame, Digest([1; 32])).unwrap();
        }
        let seal = sender.next(FAST).unwrap();
        assert!(matches!(seal.content, Content::Seal { result: Ok(_), .. }), "{seal:?}");
        sender.sealed(seal.frame).unwrap();
        (0..=blocks).for_each(|frame| drop(sender.acked(&done(frame)).unwrap()));
        assert_eq!(sender.kept(), 0);
    }
}

/// Otherwise a round trip would be waited for each time.
#[test]
fn items_are_offered_at_once_if_no_answer_is_awaited_and_then_by_full_messages() {
    let mut sender = walking(Asking::All);
    let add = |sender: &mut Sender, count| {
        (0..count).for_each(|_| sender.add(item(b"file", Kind::File, 5)));
    };
    let offered = |sender: &mut Sender| sender.next_offer().map(|items| items.len());
    assert_eq!(offered(&mut sender), None);
    add(&mut sender, 1);
    assert_eq!(offered(&mut sender), Some(1));
    add(&mut sender, OFFER_ITEMS_MAX - 1);
    assert_eq!(offered(&mut sender), None, "the first is not answered");
    add(&mut sender, 2);
    assert_eq!(offered(&mut sender), Some(OFFER_ITEMS_MAX));
    assert_eq!(offered(&mut sender), None);
    sender.end_items();
    assert_eq!(offered(&mut sender), Some(1), "no more come");
}

#[test]
fn an_answer_has_a_digest_for_each_of_its_chunks() {
    for (digests, is_right) in [(0, false), (1, true), (2, false)] {
        let mut sender = walking(Asking::All);
        sender.add(item(b"large", Kind::File, 3 * CHUNK_LEN as u64));
        sender.end_items();
        assert!(sender.next_offer().is_some());
        let answer = sender.held(chunks(1, vec![Digest([1; 32]); digests]));
        assert_eq!(answer.is_ok(), is_right, "{digests} digests");
        assert!(is_right || answer == Err(Violation::Held));
    }
}

fn chunks(first: u64, digests: Vec<Digest>) -> HeldItem {
    HeldItem::Chunks { chunks: vec![ChunkRange { first, count: 1 }], digests, more: false }
}

fn offset_of(plan: &Plan) -> u64 {
    let Content::Block { offset, .. } = &plan.content else { panic!("{plan:?}") };
    *offset
}

#[test]
fn a_lane_that_is_silent_for_more_than_five_seconds_while_others_go_on_is_stalled() {
    for was_heard in [true, false] {
        let mut sender = walking(Asking::Never);
        if was_heard {
            exchange(&mut sender, SLOW);
        }
        sender.add(item(b"slow", Kind::File, 5));
        let slow = sender.next(SLOW).unwrap();
        for second in 1..=5 {
            assert!(!sender.tick(), "second {second}");
            exchange(&mut sender, FAST);
        }
        assert!(sender.tick());
        let again = sender.next(FAST).unwrap();
        assert_eq!(again.frame, slow.frame);
    }
}

/// A lane whose connection takes bytes and delivers none would swallow the last frames for ever.
#[test]
fn frames_of_a_stalled_lane_go_to_others_and_silence_is_enough_from_then_on() {
    let mut sender = walking(Asking::Never);
    sender.add(item(b"slow", Kind::File, 5));
    let slow = sender.next(SLOW).unwrap();
    exchange(&mut sender, FAST);
    assert!((0..6).any(|_| sender.tick()));
    assert!(sender.next(SLOW).is_none(), "it has swallowed this frame");
    let again = sender.next(FAST).unwrap();
    assert_eq!(again.frame, slow.frame);
    sender.packed(again.frame, vec![sent(5)]);
    sender.acked(&done(again.frame.0)).unwrap();
    sender.tick();
    sender.add(item(b"last", Kind::File, 5));
    let last = sender.next(SLOW).expect("it may have recovered");
    assert!((0..10).any(|_| sender.tick()), "nothing else is under way");
    assert!(sender.next(SLOW).is_none());
    assert_eq!(sender.next(FAST).unwrap().frame, last.frame);
    sender.lane_lost(FAST);
    assert_eq!(sender.next(SLOW).expect("there is no other").frame, last.frame);
}

#[test]
fn a_lane_is_not_stalled_while_nothing_else_is_acknowledged() {
    let mut sender = walking(Asking::Never);
    exchange(&mut sender, FAST);
    sender.tick();
    sender.add(item(b"slow", Kind::File, 5));
    sender.next(SLOW).unwrap();
    assert!((0..100).all(|_| !sender.tick()));
}

/// A network that was slow once is not waited for as long for ever.
#[test]
fn patience_with_lanes_follows_the_recent_time_to_an_acknowledgement() {
    let mut sender = walking(Asking::Never);
    sender.add(item(b"late", Kind::File, 5));
    let late = sender.next(SLOW).unwrap();
    assert!((0..7).all(|_| !sender.tick()));
    sender.packed(late.frame, vec![sent(5)]);
    sender.acked(&done(late.frame.0)).unwrap();
    sender.add(item(b"slow", Kind::File, 5));
    sender.next(SLOW).unwrap();
    let stalled_after = |sender: &mut Sender| {
        (1..100).find(|_| {
            exchange(sender, FAST);
            sender.tick()
        })
    };
    (0..50).for_each(|_| exchange(&mut sender, FAST));
    assert_eq!(stalled_after(&mut sender), Some(6));
}
