//! Breaks each rule of `ReceiverViolation` by a sender that follows all the others, and checks similar input that is no
//! violation.

use crate::tree::path;
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::frame::{Announcement, BlockExtra, FrameHead, FrameKind, SealEnd};
use wire::ids::{FileNo, FrameNo, JobId};
use wire::limits::{ATTEMPTS_MAX, CHUNK_LEN, LARGE_FILES_MAX};
use wire::message::{Ack, End, FrameRange};
use wire::metadata::SourceId;
use wire::receiver::ReceiverViolation as Violation;
use wire::receiver::{Begin, FolderEntry, Receiver, Verdict};
use wire::verified::VerifiedChunk;
use wire::{Failure, FailureCode};

#[test]
fn frames_end_at_the_window() {
    let mut receiver = receiver();
    assert_eq!(receiver.begin(&pack(WINDOW - 1)), Ok(Begin::Process));
    assert_eq!(receiver.begin(&pack(WINDOW)), Err(Violation::Window));
    receiver.begin(&pack(0)).unwrap();
    receiver.packed(FrameNo(0), vec![], vec![]);
    assert_eq!(receiver.begin(&pack(WINDOW)), Ok(Begin::Process));
    assert_eq!(receiver.begin(&pack(u64::MAX)), Err(Violation::Window));
}

#[test]
fn no_frame_comes_behind_the_end() {
    let mut receiver = receiver();
    receiver.end(End { frames: 2 }).unwrap();
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Process));
    assert_eq!(receiver.begin(&pack(2)), Err(Violation::BeyondEnd));
}

#[test]
fn there_is_one_end() {
    let mut receiver = receiver();
    receiver.begin(&pack(1)).unwrap();
    assert_eq!(receiver.end(End { frames: 1 }), Err(Violation::End));
    let mut receiver = self::receiver();
    assert_eq!(receiver.end(End { frames: 1 }), Ok(()));
    assert_eq!(receiver.end(End { frames: 1 }), Ok(()));
    assert_eq!(receiver.end(End { frames: 2 }), Err(Violation::End));
}

#[test]
fn a_job_without_frames_ends_with_its_end() {
    let mut receiver = receiver();
    assert!(!receiver.is_finished());
    receiver.end(End { frames: 0 }).unwrap();
    assert!(receiver.is_finished() && receiver.take_ack().is_none());
}

#[test]
fn large_files_are_begun_up_to_a_number() {
    let mut receiver = Receiver::new(Checksum::Blake3, 256);
    for file in 0..LARGE_FILES_MAX as u32 {
        write(&mut receiver, u64::from(file), file, 0, Some(3)).unwrap();
    }
    let next = LARGE_FILES_MAX as u32;
    assert_eq!(begin_block(&mut receiver, 100, next, 0, Some(3)), Err(Violation::Files));
    let given_up = receiver.seal(&seal(101, 0, 0, true), announcement(Some(3)), Some(loss()));
    assert!(matches!(given_up, Ok(Verdict::Discard(..))));
    assert_eq!(begin_block(&mut receiver, 102, next, 0, Some(3)), Ok(Begin::Process));
}

#[test]
fn blocks_lie_within_the_announced_size() {
    for (offset, len, last, size) in [
        (CHUNK, CHUNK_LEN, false, CHUNK),
        (0, CHUNK_LEN, true, CHUNK + 1),
        (0, CHUNK_LEN, false, CHUNK),
        (0, 4, true, 5),
        (0, 5, true, 4),
        (CHUNK, 1, true, CHUNK + 2),
    ] {
        let mut receiver = receiver();
        let head = block(0, 0, offset, len, last);
        receiver.begin(&head).unwrap();
        let begun = receiver.block(&head, extra(&head, announcement(Some(size))));
        assert_eq!(begun, Err(Violation::OutsideFile), "{len} at {offset} of {size}, {last}");
    }
}

#[test]
fn a_stream_has_one_end_and_nothing_behind_it() {
    let mut receiver = receiver();
    assert_eq!(begin(&mut receiver, &block(0, 0, CHUNK, 5, true), None), Ok(Begin::Process));
    assert_eq!(begin(&mut receiver, &block(1, 0, CHUNK, 6, true), None), Err(Violation::OutsideFile));
    assert_eq!(
        begin(&mut receiver, &block(2, 0, 2 * CHUNK, CHUNK_LEN, false), None),
        Err(Violation::OutsideFile)
    );
    assert_eq!(begin(&mut receiver, &block(3, 0, 0, 1, true), None), Err(Violation::OutsideFile));
    assert_eq!(begin(&mut receiver, &block(4, 0, 0, CHUNK_LEN, false), None), Ok(Begin::Process));
}

/// Otherwise the file would contain more than its root covers.
#[test]
fn a_stream_does_not_end_before_what_it_has() {
    let far_and_end = |receiver: &mut Receiver, far_first: bool| {
        let end = block(0, 0, CHUNK, 5, true);
        let far = block(1, 0, 3 * CHUNK, CHUNK_LEN, false);
        begin(receiver, &far, None).unwrap();
        begin(receiver, &end, None).unwrap();
        let order = if far_first { [&far, &end] } else { [&end, &far] };
        order.map(|head| written(receiver, head))
    };
    for far_first in [true, false] {
        let [first, second] = far_and_end(&mut receiver(), far_first);
        assert!(first == Err(Violation::OutsideFile) || second == Err(Violation::OutsideFile));
    }
    let mut receiver = receiver();
    write(&mut receiver, 1, 0, 3 * CHUNK, None).unwrap();
    let end = block(0, 0, CHUNK, 5, true);
    let begun = begin(&mut receiver, &end, None);
    assert_eq!(begun.and_then(|_| written(&mut receiver, &end)), Err(Violation::OutsideFile));
}

#[test]
fn the_last_block_of_a_stream_may_come_again_when_it_was_damaged() {
    let mut receiver = receiver();
    let last = block(0, 0, 0, 5, true);
    for _ in 1..ATTEMPTS_MAX {
        assert_eq!(begin(&mut receiver, &last, None), Ok(Begin::Process));
        assert!(!receiver.damaged(FrameNo(0)));
    }
    assert_eq!(begin(&mut receiver, &last, None), Ok(Begin::Process));
    assert_eq!(written(&mut receiver, &last), Ok(Verdict::Incomplete));
}

#[test]
fn a_chunk_has_one_frame() {
    let mut receiver = receiver();
    write(&mut receiver, 0, 0, 0, Some(2 * CHUNK)).unwrap();
    assert_eq!(begin_block(&mut receiver, 1, 0, 0, Some(2 * CHUNK)), Err(Violation::SameBlock));

    let mut receiver = self::receiver();
    for frame in [0, 1] {
        assert_eq!(begin_block(&mut receiver, frame, 0, 0, Some(2 * CHUNK)), Ok(Begin::Process));
    }
    assert!(written(&mut receiver, &block(0, 0, 0, CHUNK_LEN, false)).is_ok());
    assert_eq!(written(&mut receiver, &block(1, 0, 0, CHUNK_LEN, false)), Err(Violation::SameBlock));
}

#[test]
fn a_file_has_one_seal() {
    let mut receiver = receiver();
    write(&mut receiver, 0, 0, 0, Some(2 * CHUNK)).unwrap();
    assert_eq!(seal_file(&mut receiver, 1, 2 * CHUNK, Some(2 * CHUNK)), Ok(Verdict::Incomplete));
    assert_eq!(seal_file(&mut receiver, 2, 2 * CHUNK, Some(2 * CHUNK)), Err(Violation::SecondSeal));
}

#[test]
fn a_seal_agrees_with_what_was_announced_and_sent() {
    assert_eq!(seal_file(&mut receiver(), 0, CHUNK, Some(CHUNK + 1)), Err(Violation::Seal));

    let mut receiver = receiver();
    let last = block(0, 0, 0, 5, true);
    begin(&mut receiver, &last, None).unwrap();
    written(&mut receiver, &last).unwrap();
    assert_eq!(seal_file(&mut receiver, 1, 6, None), Err(Violation::Seal));

    let mut receiver = self::receiver();
    assert_eq!(seal_file(&mut receiver, 1, 6, None), Ok(Verdict::Incomplete));
    begin(&mut receiver, &last, None).unwrap();
    assert_eq!(written(&mut receiver, &last), Err(Violation::Seal));
}

#[test]
fn a_file_is_announced_in_one_way() {
    let other = [
        Announcement { path: path(b"other"), ..announcement(Some(CHUNK)) },
        Announcement { size: None, ..announcement(Some(CHUNK)) },
        Announcement { mode: 0o600, ..announcement(Some(CHUNK)) },
        Announcement { modified: Some(Default::default()), ..announcement(Some(CHUNK)) },
    ];
    for other in other {
        let mut receiver = receiver();
        write(&mut receiver, 0, 0, 0, Some(CHUNK)).unwrap();
        receiver.begin(&seal(1, 0, CHUNK, false)).unwrap();
        let sealed = receiver.seal(&seal(1, 0, CHUNK, false), other, None);
        assert_eq!(sealed, Err(Violation::Announcement));
    }
}

#[test]
fn a_wrong_root_fails_the_file_and_no_more() {
    let mut receiver = receiver();
    write(&mut receiver, 0, 0, 0, Some(CHUNK)).unwrap();
    let verdict = seal_file(&mut receiver, 1, CHUNK, Some(CHUNK));
    assert!(matches!(verdict, Ok(Verdict::Discard(_, Failure { code: FailureCode::Integrity, .. }))));
    let ack = receiver.take_ack().unwrap();
    assert_eq!((ack.done, ack.failed.len()), (frames(0, 2), 1));
}

#[test]
fn a_right_root_publishes_the_file() {
    for checksum in [Checksum::Sha256, Checksum::Blake3] {
        let mut receiver = Receiver::new(checksum, WINDOW as u32);
        let head = block(0, 0, 0, CHUNK_LEN, true);
        let digest = checksum.of_chunk(ChunkPlace::Only, [CONTENT]);
        begin(&mut receiver, &head, Some(CHUNK)).unwrap();
        let pieces = [CONTENT];
        let chunk = VerifiedChunk::verify(checksum, 0, true, digest, &pieces).unwrap();
        receiver.written(FileNo(0), FrameNo(0), &chunk).unwrap();
        let mut root = RootBuilder::new(checksum);
        root.add(0, digest);
        let kind = FrameKind::Seal {
            file: FileNo(0),
            size: CHUNK,
            root: root.root(CHUNK).unwrap(),
            end: SealEnd::Whole,
        };
        let head = FrameHead { kind, ..seal(1, 0, CHUNK, false) };
        receiver.begin(&head).unwrap();
        let verdict = receiver.seal(&head, announcement(Some(CHUNK)), None);
        let Ok(Verdict::Publish(publish)) = verdict else { panic!("{verdict:?}") };
        assert_eq!(
            receiver.take_ack().unwrap().done,
            frames(0, 1),
            "a seal is done when the file is in its place"
        );
        receiver.published(&publish, Ok(()));
        assert_eq!(receiver.take_ack(), Some(Ack { done: frames(1, 1), ..Ack::default() }));
    }
}

/// Its blocks and its seal may arrive afterwards.
#[test]
fn a_file_that_comes_once_more_is_forgotten_without_a_word() {
    let mut receiver = receiver();
    assert_eq!(begin_block(&mut receiver, 0, 0, 0, Some(2 * CHUNK)), Ok(Begin::Process));
    let again = |frame, file| {
        let kind = FrameKind::Seal { file, size: 0, root: Digest::default(), end: SealEnd::Again };
        FrameHead { kind, ..seal(frame, file.0, 0, false) }
    };
    receiver.begin(&again(1, FileNo(0))).unwrap();
    let verdict = receiver.begun_again(&again(1, FileNo(0)), announcement(Some(2 * CHUNK)));
    assert!(matches!(verdict, Ok(Verdict::Again(_))), "{verdict:?}");
    assert_eq!(receiver.take_ack(), None, "the next attempt's frames may come at once");
    receiver.forgotten(FrameNo(1));
    assert_eq!(begin_block(&mut receiver, 2, 0, CHUNK, Some(2 * CHUNK)), Ok(Begin::Drop));
    receiver.begin(&again(3, FileNo(1))).unwrap();
    let verdict = receiver.begun_again(&again(3, FileNo(1)), announcement(Some(2 * CHUNK)));
    assert_eq!(verdict, Ok(Verdict::Incomplete), "one that never began");
    let ack = receiver.take_ack().unwrap();
    assert_eq!((ack.done, ack.failed.len()), (frames(1, 3), 0));
    assert_eq!(begin_block(&mut receiver, 4, 1, 0, Some(2 * CHUNK)), Ok(Begin::Drop), "its late block");
}

/// Otherwise the sender would take it for the failure of the file, and not send it again.
#[test]
fn a_block_that_fails_behind_the_back_of_a_file_that_comes_once_more_tells_no_failure() {
    let mut receiver = receiver();
    assert_eq!(begin_block(&mut receiver, 0, 0, 0, Some(2 * CHUNK)), Ok(Begin::Process));
    let kind = FrameKind::Seal { file: FileNo(0), size: 0, root: Digest::default(), end: SealEnd::Again };
    let again = FrameHead { kind, ..seal(1, 0, 0, false) };
    receiver.begin(&again).unwrap();
    receiver.begun_again(&again, announcement(Some(2 * CHUNK))).unwrap();
    receiver.forgotten(FrameNo(1));
    assert_eq!(receiver.file_failed(FileNo(0), FrameNo(0), FailureCode::NoSpace.into()), Verdict::Incomplete);
    assert_eq!(receiver.take_ack(), Some(Ack { done: frames(0, 2), ..Ack::default() }));
}

#[test]
fn a_failure_behind_the_seal_discards_the_file() {
    let mut receiver = receiver();
    assert_eq!(seal_file(&mut receiver, 1, CHUNK, Some(CHUNK)), Ok(Verdict::Incomplete));
    assert_eq!(begin_block(&mut receiver, 0, 0, 0, Some(CHUNK)), Ok(Begin::Process));
    let verdict = receiver.file_failed(FileNo(0), FrameNo(0), FailureCode::NoSpace.into());
    assert!(matches!(verdict, Verdict::Discard(..)));
    assert_eq!(receiver.take_ack().unwrap().done, frames(0, 2));
}

#[test]
fn a_file_that_is_given_up_takes_its_seal_along() {
    let mut receiver = receiver();
    assert_eq!(seal_file(&mut receiver, 1, CHUNK, Some(CHUNK)), Ok(Verdict::Incomplete));
    let in_place_of_a_block = seal(0, 0, 0, true);
    receiver.begin(&in_place_of_a_block).unwrap();
    let verdict = receiver.seal(&in_place_of_a_block, announcement(Some(CHUNK)), Some(loss()));
    assert!(matches!(verdict, Ok(Verdict::Discard(..))));
    assert_eq!(receiver.take_ack(), Some(Ack { done: frames(0, 2), ..Ack::default() }), "and nobody is told");
}

#[test]
fn frames_of_a_file_that_is_over_are_dropped_and_acknowledged() {
    let mut receiver = receiver();
    receiver.begin(&seal(0, 0, 0, true)).unwrap();
    receiver.seal(&seal(0, 0, 0, true), announcement(Some(CHUNK)), Some(loss())).unwrap();
    assert_eq!(begin_block(&mut receiver, 1, 0, 0, Some(CHUNK)), Ok(Begin::Drop));
    assert_eq!(seal_file(&mut receiver, 2, CHUNK, Some(CHUNK)), Ok(Verdict::Incomplete));
    assert_eq!(receiver.take_ack().unwrap().done, frames(0, 3));
}

#[test]
fn nothing_is_done_twice() {
    let mut receiver = receiver();
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Process));
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Drop), "it is worked on");
    receiver.packed(FrameNo(1), vec![], vec![folder()]);
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Drop), "its folder waits for frame 0");
    assert_eq!((receiver.next_folders(), receiver.take_ack()), (None, None));
    receiver.begin(&pack(0)).unwrap();
    receiver.packed(FrameNo(0), vec![], vec![]);
    assert_eq!(receiver.next_folders(), Some((FrameNo(1), vec![folder()])));
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Drop), "its folder is being set");
    assert_eq!(receiver.take_ack().unwrap().done, frames(0, 1));
    receiver.folders_set(FrameNo(1), vec![]);
    assert_eq!(receiver.take_ack().unwrap().done, frames(1, 1));
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Drop), "it is done");
    assert_eq!(receiver.take_ack().unwrap().done, frames(1, 1), "and acknowledged again");
}

#[test]
fn damaged_frames_are_asked_for_until_it_was_often_enough() {
    let mut receiver = receiver();
    for _ in 1..ATTEMPTS_MAX {
        assert_eq!(receiver.begin(&pack(0)), Ok(Begin::Process));
        assert!(!receiver.damaged(FrameNo(0)));
        receiver.entries_failed(FrameNo(0), vec![(3, loss())]);
        let ack = receiver.take_ack().unwrap();
        assert_eq!((ack.damaged, ack.failed.len(), ack.done), (vec![FrameNo(0)], 1, vec![]));
    }
    assert_eq!(receiver.begin(&pack(0)), Ok(Begin::Process));
    assert!(receiver.damaged(FrameNo(0)));
}

#[test]
fn a_frame_without_room_is_asked_for_again_and_is_as_good_then() {
    let mut receiver = receiver();
    for frame in [2, 1] {
        assert_eq!(receiver.begin(&pack(frame)), Ok(Begin::Process));
        receiver.postpone(FrameNo(frame));
    }
    assert_eq!((receiver.postponed(), receiver.is_next(FrameNo(0))), ((true, false), true));
    assert_eq!(receiver.begin(&pack(0)), Ok(Begin::Process));
    receiver.packed(FrameNo(0), Vec::new(), Vec::new());
    assert_eq!(receiver.postponed(), (true, true), "all others wait for frame 1");
    receiver.ask_again(1);
    assert_eq!(receiver.take_ack().unwrap().damaged, [FrameNo(1)]);
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Process));
    receiver.packed(FrameNo(1), Vec::new(), Vec::new());
    assert_eq!(receiver.begin(&pack(2)), Ok(Begin::Process), "it comes by itself");
    assert_eq!(receiver.postponed(), (false, false));
}

#[test]
fn what_waits_is_counted_until_it_is_gone() {
    let mut receiver = receiver();
    assert_eq!(receiver.kept(), 0);
    let folder = |entry| FolderEntry { entry, path: path(b"folder"), modified: None, mode: 0 };
    assert_eq!(receiver.begin(&pack(1)), Ok(Begin::Process));
    receiver.packed(FrameNo(1), vec![(0, loss())], vec![folder(1), folder(2)]);
    let all = receiver.kept();
    assert!(all > 2 * 160);
    assert!(receiver.has_failures() && receiver.take_ack().is_some() && !receiver.has_failures());
    assert!(receiver.kept() < all && receiver.kept() >= 2 * 160);
    assert_eq!(receiver.begin(&pack(0)), Ok(Begin::Process));
    receiver.packed(FrameNo(0), Vec::new(), Vec::new());
    assert!(receiver.next_folders().is_some());
    assert_eq!(receiver.kept(), 0);
    write(&mut receiver, 2, 0, 0, Some(3)).unwrap();
    assert!(receiver.kept() > 0, "a file that has begun");
}

#[test]
fn numbers_of_files_that_are_over_are_forgotten_once_no_frame_of_them_can_come() {
    let mut receiver = receiver();
    let give_up = |receiver: &mut Receiver, frame: u64, file: u32| {
        let head = seal(frame, file, 0, true);
        assert_eq!(receiver.begin(&head), Ok(Begin::Process));
        receiver.seal(&head, announcement(Some(3)), Some(loss()))
    };
    for frame in 0..100 * WINDOW {
        assert!(matches!(give_up(&mut receiver, frame, 2 * frame as u32), Ok(Verdict::Discard(..))));
        receiver.take_ack();
    }
    let frame = 100 * WINDOW;
    assert!(receiver.has_begun(FileNo(2 * (frame - 1) as u32)), "its frames may still come");
    assert!(!receiver.has_begun(FileNo(0)), "long ago");
    let other = Announcement { path: path(b"other"), ..announcement(Some(3)) };
    let head = block(frame, 2 * (frame - 1) as u32, 0, 3, true);
    receiver.begin(&head).unwrap();
    assert_eq!(receiver.block(&head, extra(&head, other)), Err(Violation::Announcement));
}

pub(crate) fn receiver() -> Receiver {
    Receiver::new(Checksum::Blake3, WINDOW as u32)
}

pub(crate) fn begin(
    receiver: &mut Receiver,
    head: &FrameHead,
    size: Option<u64>,
) -> Result<Begin, Violation> {
    assert_eq!(receiver.begin(head), Ok(Begin::Process));
    receiver.block(head, extra(head, announcement(size)))
}

/// Begins a full chunk, the last one if the announced size says so.
pub(crate) fn begin_block(
    receiver: &mut Receiver,
    frame: u64,
    file: u32,
    offset: u64,
    size: Option<u64>,
) -> Result<Begin, Violation> {
    begin(receiver, &block_of(frame, file, offset, size), size)
}

/// Begins and writes such a chunk.
pub(crate) fn write(
    receiver: &mut Receiver,
    frame: u64,
    file: u32,
    offset: u64,
    size: Option<u64>,
) -> Result<Verdict, Violation> {
    assert_eq!(begin_block(receiver, frame, file, offset, size), Ok(Begin::Process));
    written(receiver, &block_of(frame, file, offset, size))
}

pub(crate) fn written(receiver: &mut Receiver, head: &FrameHead) -> Result<Verdict, Violation> {
    let FrameKind::Block { file, offset, last, .. } = head.kind else { unreachable!() };
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::at(offset, last), [CONTENT]);
    let pieces = [CONTENT];
    let chunk = VerifiedChunk::verify(Checksum::Blake3, offset, last, digest, &pieces).unwrap();
    receiver.written(file, head.frame, &chunk)
}

pub(crate) fn seal_file(
    receiver: &mut Receiver,
    frame: u64,
    size: u64,
    announced: Option<u64>,
) -> Result<Verdict, Violation> {
    let head = seal(frame, 0, size, false);
    assert_eq!(receiver.begin(&head), Ok(Begin::Process));
    receiver.seal(&head, announcement(announced), None)
}

fn block_of(frame: u64, file: u32, offset: u64, size: Option<u64>) -> FrameHead {
    let len = size.map_or(CHUNK, |size| (size - offset).min(CHUNK));
    block(frame, file, offset, len as usize, size == Some(offset + len))
}

pub(crate) fn block(frame: u64, file: u32, offset: u64, len: usize, last: bool) -> FrameHead {
    let kind = FrameKind::Block {
        file: FileNo(file),
        offset,
        last,
        digest: Digest::default(),
        encoding: Default::default(),
    };
    FrameHead { job: JobId(1), frame: FrameNo(frame), extra_len: 28, payload_len: len as u32, kind }
}

pub(crate) fn seal(frame: u64, file: u32, size: u64, abandoned: bool) -> FrameHead {
    let kind = FrameKind::Seal {
        file: FileNo(file),
        size,
        root: Digest::default(),
        end: if abandoned { SealEnd::GivenUp } else { SealEnd::Whole },
    };
    FrameHead {
        job: JobId(1),
        frame: FrameNo(frame),
        extra_len: 28,
        payload_len: 2 * u32::from(abandoned),
        kind,
    }
}

pub(crate) fn pack(frame: u64) -> FrameHead {
    FrameHead {
        job: JobId(1),
        frame: FrameNo(frame),
        extra_len: 0,
        payload_len: 61,
        kind: FrameKind::Pack { entries: 1, encoding: Default::default() },
    }
}

pub(crate) fn announcement(size: Option<u64>) -> Announcement {
    Announcement { path: path(b"file"), size, modified: None, mode: 0o644, source: SourceId::default() }
}

fn extra(head: &FrameHead, announcement: Announcement) -> BlockExtra {
    BlockExtra { content_len: head.payload_len, announcement }
}

fn folder() -> FolderEntry {
    FolderEntry { entry: 0, path: path(b"folder"), modified: None, mode: 0o755 }
}

fn loss() -> Failure {
    FailureCode::SourceChanged.into()
}

pub(crate) fn frames(first: u64, count: u32) -> Vec<FrameRange> {
    vec![FrameRange { first: FrameNo(first), count }]
}

const WINDOW: u64 = 8;
pub(crate) const CHUNK: u64 = CHUNK_LEN as u64;
const CONTENT: &[u8] = b"stands for a chunk";
