//! Limits and counts of the receiver: frames to acknowledge, files in progress, and memory; and files that end early.

use crate::receiver_rules::{
    CHUNK, announcement, begin, begin_block, block, frames, pack, receiver, seal, seal_file, write, written,
};
use crate::tree::path;
use wire::FailureCode;
use wire::checksum::{Checksum, Digest};
use wire::frame::{Announcement, FrameHead, FrameKind, SealEnd};
use wire::ids::{FileNo, FrameNo};
use wire::journal::HeldChunks;
use wire::limits::{CHUNK_LEN, LARGE_FILES_MAX};
use wire::metadata::SourceId;
use wire::receiver::{Begin, ReceiverViolation as Violation, Verdict};

#[test]
fn frames_are_to_be_acknowledged_until_they_are() {
    let mut receiver = receiver();
    assert_eq!(receiver.unreported(), 0);
    for frame in [0, 1, 3] {
        assert_eq!(receiver.begin(&pack(frame)), Ok(Begin::Process));
        receiver.packed(FrameNo(frame), Vec::new(), Vec::new());
    }
    assert_eq!(receiver.begin(&pack(2)), Ok(Begin::Process));
    assert!(!receiver.damaged(FrameNo(2)));
    assert_eq!(receiver.unreported(), 4, "and one is to be asked for");
    assert!(receiver.take_ack().is_some());
    assert_eq!(receiver.unreported(), 0);
}

/// Its last block may be under way.
#[test]
fn a_stream_is_not_whole_before_its_last_block() {
    let mut receiver = receiver();
    let first = block(0, 0, 0, CHUNK_LEN, false);
    begin(&mut receiver, &first, None).unwrap();
    assert_eq!(written(&mut receiver, &first), Ok(Verdict::Incomplete));
    assert_eq!(seal_file(&mut receiver, 1, CHUNK, None), Ok(Verdict::Incomplete));
}

#[test]
fn chunks_that_wait_for_those_before_them_are_counted() {
    let mut receiver = receiver();
    let size = Some(8 * CHUNK);
    write(&mut receiver, 0, 0, CHUNK, size).unwrap();
    let one = receiver.kept();
    for (frame, chunk) in (1..).zip([2, 3, 4, 6]) {
        write(&mut receiver, frame, 0, chunk * CHUNK, size).unwrap();
    }
    assert!(receiver.kept() > one);
}

#[test]
fn so_many_files_of_an_earlier_run_are_kept_and_no_more() {
    let mut receiver = receiver();
    let mut files = 0;
    while receiver.may_hold() {
        let mut held = HeldChunks::new(Checksum::Blake3, 3 * CHUNK);
        assert!(held.add(0, Digest([1; 32])));
        let path = path(files.to_string().as_bytes());
        let (size, source) = (Some(3 * CHUNK), SourceId([1; 16]));
        let announcement = Announcement { path, size, modified: None, mode: 0o644, source };
        receiver.hold(announcement, held).unwrap();
        files += 1;
    }
    assert_eq!(files, LARGE_FILES_MAX);
}

/// Its chunks of the earlier run are of another content.
#[test]
fn what_is_held_of_a_file_that_comes_once_more_is_discarded() {
    let kind = FrameKind::Seal { file: FileNo(0), size: 0, root: Digest::default(), end: SealEnd::Again };
    let again = FrameHead { kind, ..seal(0, 0, 0, false) };
    for (size, is_same) in [(2 * CHUNK, true), (3 * CHUNK, false)] {
        let mut receiver = receiver();
        let mut held = HeldChunks::new(Checksum::Blake3, 2 * CHUNK);
        assert!(held.add(0, Digest([1; 32])));
        receiver.hold(announcement(Some(2 * CHUNK)), held).unwrap();
        receiver.begin(&again).unwrap();
        let verdict = receiver.begun_again(&again, announcement(Some(size)));
        match is_same {
            true => assert!(matches!(verdict, Ok(Verdict::Again(_))), "{verdict:?}"),
            false => assert_eq!(verdict, Err(Violation::Announcement)),
        }
    }
}

#[test]
fn the_other_blocks_of_a_file_that_failed_are_dropped() {
    let mut receiver = receiver();
    assert_eq!(begin_block(&mut receiver, 0, 0, 0, Some(2 * CHUNK)), Ok(Begin::Process));
    let verdict = receiver.file_failed(FileNo(0), FrameNo(0), FailureCode::NoSpace.into());
    assert!(matches!(verdict, Verdict::Discard(..)), "{verdict:?}");
    assert_eq!(begin_block(&mut receiver, 1, 0, CHUNK, Some(2 * CHUNK)), Ok(Begin::Drop));
    assert_eq!(receiver.take_ack().unwrap().done, frames(0, 2));
}
