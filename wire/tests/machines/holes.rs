//! Files that are zeros from some chunk on: both ends handle them, and their roots equal those of the same bytes.

use crate::tree::path;
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::frame::{Announcement, BlockExtra, FrameHead, FrameKind, SealEnd};
use wire::ids::{FileNo, FrameNo, JobId, LaneNo};
use wire::journal::HeldChunks;
use wire::limits::CHUNK_LEN;
use wire::metadata::{Kind, Metadata, SourceId};
use wire::receiver::{Begin, Receiver, ReceiverViolation, Verdict};
use wire::sender::{Asking, Content, Item, ItemKind, Sender};
use wire::verified::VerifiedChunk;

const CHUNK: u64 = CHUNK_LEN as u64;
const CHECKSUM: Checksum = Checksum::Sha256;
static ZEROS: [u8; CHUNK_LEN] = [0; CHUNK_LEN];

#[test]
fn a_file_of_zeros_has_the_root_of_its_bytes_at_both_ends() {
    for size in [CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 4096, 4 * CHUNK - 1, 4 * CHUNK] {
        let mut sender = Sender::new(CHECKSUM, 8, Asking::Never);
        let metadata = Metadata { kind: Kind::File, size, modified: Default::default(), mode: 0o644 };
        sender.add(Item { path: path(b"file"), kind: ItemKind::Present(metadata) });
        sender.end_items();
        let mut receiver = Receiver::new(CHECKSUM, 8).with_holes(true);
        let first = sender.next(LaneNo(0)).unwrap();
        let mut next = Some((first.frame, sender.found_zeros(first.frame, size).unwrap()));
        let mut until = 0;
        while let Some((frame, content)) = next {
            match content {
                Content::Hole { offset, len, last, .. } => {
                    assert_eq!((offset, last), (until, offset + len == size), "{size} bytes");
                    until += len;
                    let head = head(frame.0, FrameKind::Hole { file: FileNo(0), offset, len, last });
                    assert_eq!(receiver.begin(&head), Ok(Begin::Process));
                    assert_eq!(receiver.hole(&head, announcement(size)), Ok(Begin::Process));
                    assert_eq!(receiver.holed(&head), Ok(Verdict::Incomplete));
                }
                Content::Seal { result, .. } => {
                    assert_eq!(result, Ok((size, root_of_zeros(size))), "{size} bytes");
                    assert!(is_published(&mut receiver, frame.0, size), "{size} bytes");
                }
                other @ (Content::Pack(_) | Content::Block { .. } | Content::Again { .. }) => {
                    panic!("{other:?}")
                }
            }
            next = sender.next(LaneNo(0)).map(|plan| (plan.frame, plan.content));
        }
        assert_eq!(until, size);
    }
}

#[test]
fn a_hole_ends_where_the_file_does() {
    for (offset, len, last, fits) in [
        (CHUNK, CHUNK, true, true),
        (0, CHUNK, false, true),
        (CHUNK, CHUNK, false, false),
        (0, CHUNK, true, false),
        (CHUNK, 2 * CHUNK, true, false),
        (CHUNK, 2 * CHUNK, false, false),
    ] {
        let mut receiver = Receiver::new(CHECKSUM, 8).with_holes(true);
        let head = head(0, FrameKind::Hole { file: FileNo(0), offset, len, last });
        receiver.begin(&head).unwrap();
        let begun = receiver.hole(&head, announcement(2 * CHUNK));
        let expected = if fits { Ok(Begin::Process) } else { Err(ReceiverViolation::OutsideFile) };
        assert_eq!(begun, expected, "{offset} {len} {last}");
    }
}

/// In this case no block with the file's end is sent.
#[test]
fn a_file_whose_last_chunk_is_held_is_whole_with_the_others() {
    for held_chunk in [0, 1, 2] {
        let size = 3 * CHUNK;
        let mut receiver = Receiver::new(CHECKSUM, 8);
        let mut held = HeldChunks::new(CHECKSUM, size);
        assert!(held.add(held_chunk, digest(held_chunk, size)) && !held.add(3, digest(2, size)));
        receiver.hold(announcement(size), held).unwrap();
        for (frame, chunk) in (0..3).filter(|chunk| *chunk != held_chunk).enumerate() {
            let (offset, last, digest) = (chunk * CHUNK, chunk == 2, digest(chunk, size));
            let kind =
                FrameKind::Block { file: FileNo(0), offset, last, digest, encoding: Default::default() };
            let head = FrameHead { payload_len: CHUNK_LEN as u32, ..head(frame as u64, kind) };
            receiver.begin(&head).unwrap();
            let (content_len, announcement) = (head.payload_len, announcement(size));
            receiver.block(&head, BlockExtra { content_len, announcement }).unwrap();
            let pieces = [&ZEROS[..]];
            let chunk = VerifiedChunk::verify(CHECKSUM, offset, last, digest, &pieces).unwrap();
            receiver.written(FileNo(0), head.frame, &chunk).unwrap();
        }
        assert!(is_published(&mut receiver, 2, size), "chunk {held_chunk} was held");
    }
}

fn is_published(receiver: &mut Receiver, frame: u64, size: u64) -> bool {
    let head = head(
        frame,
        FrameKind::Seal { file: FileNo(0), size, root: root_of_zeros(size), end: SealEnd::Whole },
    );
    receiver.begin(&head).unwrap();
    matches!(receiver.seal(&head, announcement(size), None), Ok(Verdict::Publish(_)))
}

fn root_of_zeros(size: u64) -> Digest {
    let mut root = RootBuilder::new(CHECKSUM);
    (0..size.div_ceil(CHUNK)).for_each(|chunk| root.add(chunk, digest(chunk, size)));
    root.root(size).unwrap()
}

fn digest(chunk: u64, size: u64) -> Digest {
    let (offset, end) = (chunk * CHUNK, size.min((chunk + 1) * CHUNK));
    CHECKSUM.of_chunk(ChunkPlace::at(offset, end == size), [&ZEROS[..(end - offset) as usize]])
}

fn head(frame: u64, kind: FrameKind) -> FrameHead {
    FrameHead { job: JobId(1), frame: FrameNo(frame), extra_len: 28, payload_len: 0, kind }
}

fn announcement(size: u64) -> Announcement {
    let modified = Some(Default::default());
    Announcement { path: path(b"file"), size: Some(size), modified, mode: 0o644, source: SourceId::default() }
}
