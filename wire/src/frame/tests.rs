//! Tests of the lengths and flags that heads may have, and that accepted bytes are encoded the same.

use super::entry::LOST_LEN_MAX;
use super::*;
use crate::checksum::Digest;
use crate::features::Features;
use crate::ids::{FileNo, FrameNo, JobId};
use crate::limits::{CHUNK_LEN, PACK_LEN_MAX};
use crate::metadata::{SourceId, Timestamp};
use crate::path::RemotePath;
use proptest::prelude::*;

fn block(offset: u64, len: u32, last: bool) -> FrameHead {
    let kind = FrameKind::Block {
        file: FileNo(1),
        offset,
        last,
        digest: Digest([7; 32]),
        encoding: Default::default(),
    };
    FrameHead { job: JobId(2), frame: FrameNo(3), extra_len: 46, payload_len: len, kind }
}

/// The describing part of a block, whose chunk has `content_len` bytes.
fn block_extra(content_len: u32) -> BlockExtra {
    let (path, modified, source) = (RemotePath::from_user(b"ab").unwrap(), None, SourceId::default());
    BlockExtra { content_len, announcement: Announcement { path, size: None, modified, mode: 0o644, source } }
}

/// Decodes such a block whose chunk has `content_len` bytes.
fn decoded(head: FrameHead, content_len: u32) -> Result<BlockExtra, FrameError> {
    let mut extra = Vec::new();
    block_extra(content_len).encode(&mut extra);
    BlockExtra::decode(&FrameHead::decode(&head.encode())?, &extra)
}

#[test]
fn blocks_are_chunks() {
    let chunk = CHUNK_LEN as u64;
    for (head, fits) in [
        (block(0, 524_288, false), true),
        (block(chunk, 5, true), true),
        (block(chunk, 5, false), false),
        (block(5, 524_288, false), false),
        (block(0, 0, true), true),
        (block(chunk, 0, true), false),
        (block(u64::MAX - chunk + 1, 524_288, true), false),
        (block(0, 524_289, true), false),
    ] {
        let extra = decoded(head, head.payload_len);
        assert_eq!(extra.ok(), fits.then(|| block_extra(head.payload_len)), "{head:?}");
    }
}

#[test]
fn a_block_in_an_encoding_is_refused_by_name() {
    let of = "block";
    for (content_len, payload_len) in
        [(524_288, 5), (5, 524_288), (524_288, 524_287), (1, 0), (0, 1), (524_289, 524_288), (u32::MAX, 5)]
    {
        let error = decoded(block(0, payload_len, true), content_len).unwrap_err();
        assert_eq!(error, FrameError::UnknownEncoding { of, content_len, payload_len });
        assert!(error.to_string().contains("an encoding that was not agreed on"), "{error}");
    }
}

/// A payload that fits no chunk is refused before it is read.
#[test]
fn the_head_bounds_what_is_read_of_a_block() {
    assert_eq!(decoded(block(0, 524_289, true), 524_288), Err(FrameError::Length));
    let seal = FrameKind::Seal { file: FileNo(1), size: 0, root: Digest::default(), end: SealEnd::Whole };
    assert!(BlockExtra::decode(&FrameHead { kind: seal, ..block(0, 0, true) }, &[0; 46]).is_err());
    assert!(BlockExtra::decode(&block(0, 0, true), &[0; 3]).is_err());
    assert!(BlockExtra::decode(&block(0, 0, true), &[0; BLOCK_EXTRA_LEN - 1]).is_err());
    assert!(BlockExtra::decode(&block(0, 0, true), &[0; BLOCK_EXTRA_LEN]).is_ok());
}

#[test]
fn entries_of_a_pack_have_lengths_that_fit_their_kind() {
    let lost = LOST_LEN_MAX as u32;
    for (kind, content_len, path_len, as_is, fits) in [
        (EntryKind::File, PACK_LEN_MAX as u32, 1, false, true),
        (EntryKind::File, PACK_LEN_MAX as u32 + 1, 1, false, false),
        (EntryKind::File, 0, PATH_LEN_MAX as u16, true, true),
        (EntryKind::File, 0, PATH_LEN_MAX as u16 + 1, false, false),
        (EntryKind::Folder, 0, 0, false, true),
        (EntryKind::Folder, 1, 0, false, false),
        (EntryKind::Folder, 0, 0, true, false),
        (EntryKind::Symlink, 1, 1, false, true),
        (EntryKind::Symlink, 0, 1, false, false),
        (EntryKind::Symlink, PATH_LEN_MAX as u32, 1, false, true),
        (EntryKind::Symlink, PATH_LEN_MAX as u32 + 1, 1, false, false),
        (EntryKind::Lost, 1, 1, false, false),
        (EntryKind::Lost, 2, 1, false, true),
        (EntryKind::Lost, lost, 1, false, true),
        (EntryKind::Lost, lost + 1, 1, false, false),
    ] {
        let head = entry(kind, path_len, content_len, as_is);
        assert_eq!(EntryHead::decode(&head.encode()).ok(), fits.then_some(head), "{head:?}");
    }
}

fn entry(kind: EntryKind, path_len: u16, content_len: u32, as_is: bool) -> EntryHead {
    let (payload_len, modified, mode, digest) = (content_len, None, 0, Digest([3; 32]));
    EntryHead { kind, path_len, payload_len, content_len, modified, mode, digest, as_is }
}

#[test]
fn an_entry_in_an_encoding_is_refused_by_name() {
    for kind in [EntryKind::File, EntryKind::Folder, EntryKind::Symlink, EntryKind::Lost] {
        for (content_len, payload_len) in [(9, 5), (5, 9), (0, 2), (2, 0), (5, u32::MAX), (u32::MAX, 5)] {
            let head = EntryHead { payload_len, ..entry(kind, 1, content_len, false) };
            let error = EntryHead::decode(&head.encode()).unwrap_err();
            let of = "pack's entry";
            assert_eq!(error, FrameError::UnknownEncoding { of, content_len, payload_len }, "{kind:?}");
            assert!(error.to_string().contains("an encoding that was not agreed on"), "{error}");
        }
    }
}

#[test]
fn a_pack_of_nothing_or_too_much_is_refused() {
    for (entries, payload_len) in [(0, 0), (2, 119), (1, 524_289), (1025, 524_288), (u32::MAX, 524_288)] {
        let head = FrameHead {
            job: JobId(1),
            frame: FrameNo(0),
            extra_len: 0,
            payload_len,
            kind: FrameKind::Pack { entries, encoding: Default::default() },
        };
        assert_eq!(FrameHead::decode(&head.encode()), Err(FrameError::Length));
    }
    for (entries, payload_len) in [(1, 60), (2, 120), (1024, 1024 * 60), (1, 524_288)] {
        let kind = FrameKind::Pack { entries, encoding: Default::default() };
        let head = FrameHead { job: JobId(1), frame: FrameNo(0), extra_len: 0, payload_len, kind };
        assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
    }
}

#[test]
fn holes_are_chunks() {
    let chunk = CHUNK_LEN as u64;
    for (offset, len, last, fits) in [
        (0, chunk, false, true),
        (chunk, 3 * chunk, false, true),
        (chunk, 5, true, true),
        (chunk, 5, false, false),
        (5, chunk, false, false),
        (5, chunk, true, false),
        (u64::MAX - chunk + 1, chunk, true, false),
        (u64::MAX - chunk + 1, chunk, false, false),
    ] {
        let kind = FrameKind::Hole { file: FileNo(1), offset, len, last };
        let extra_len = ANNOUNCEMENT_LEN as u16 + 2;
        let head = FrameHead { job: JobId(1), frame: FrameNo(0), extra_len, payload_len: 0, kind };
        assert_eq!(FrameHead::decode(&head.encode()).is_ok(), fits, "{head:?}");
    }
}

/// Otherwise a receiver would have to read a missing announcement.
#[test]
fn a_frame_of_a_large_file_has_an_announcement_and_a_pack_has_none() {
    let digest = Digest::default();
    let seal = |end| FrameKind::Seal { file: FileNo(1), size: 0, root: digest, end };
    for (kind, payload_len) in [
        (seal(SealEnd::Whole), 0),
        (seal(SealEnd::AsIs), 0),
        (seal(SealEnd::Again), 0),
        (seal(SealEnd::GivenUp), 2),
        (
            FrameKind::Block { file: FileNo(1), offset: 0, last: true, digest, encoding: Default::default() },
            5,
        ),
        (FrameKind::Hole { file: FileNo(1), offset: 0, len: CHUNK_LEN as u64, last: true }, 0),
    ] {
        let fixed_len =
            if matches!(kind, FrameKind::Block { .. }) { BLOCK_EXTRA_LEN } else { ANNOUNCEMENT_LEN };
        for (extra_len, fits) in [
            (0, false),
            (fixed_len - 1, false),
            (fixed_len, true),
            (fixed_len + PATH_LEN_MAX, true),
            (fixed_len + PATH_LEN_MAX + 1, false),
        ] {
            let extra_len = u16::try_from(extra_len).unwrap();
            let head = FrameHead { job: JobId(1), frame: FrameNo(0), extra_len, payload_len, kind };
            assert_eq!(FrameHead::decode(&head.encode()).is_ok(), fits, "{head:?}");
        }
    }
    let kind = FrameKind::Pack { entries: 1, encoding: Default::default() };
    for (extra_len, fits) in [(0, true), (1, false)] {
        let head = FrameHead { job: JobId(1), frame: FrameNo(0), extra_len, payload_len: 61, kind };
        assert_eq!(FrameHead::decode(&head.encode()).is_ok(), fits, "{head:?}");
    }
}

#[test]
fn blocks_and_packs_may_be_compressed_and_nothing_else() {
    let (file, encoding, digest) = (FileNo(1), Encoding::Zstd, Digest::default());
    let chunk = CHUNK_LEN as u32;
    let compressed = |payload_len| {
        let kind = FrameKind::Block { file, offset: 0, last: false, digest, encoding };
        FrameHead { kind, ..block(0, payload_len, false) }
    };
    for (content_len, payload_len, fits) in [
        (chunk, 1, true),
        (chunk, chunk - 1, true),
        (chunk, chunk, false),
        (5, 9, false),
        (0, 0, false),
        (chunk + 1, chunk, false),
        (u32::MAX, 5, false),
        (chunk - 1, 5, false), // it is not the last one
    ] {
        let head = compressed(payload_len);
        assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
        assert_eq!(decoded(head, content_len).is_ok(), fits, "{content_len} as {payload_len}");
    }
    assert_eq!(
        compressed(5).kind.check_agreed(Features::default()),
        Err(FrameError::NotAgreed { of: "block" })
    );

    let pack = |entries, extra_len, payload_len| {
        let kind = FrameKind::Pack { entries, encoding };
        FrameHead { job: JobId(1), frame: FrameNo(0), extra_len, payload_len, kind }
    };
    for (head, content_len, fits) in [
        (pack(2, 4, 1), 120, true),
        (pack(2, 4, 119), 120, true),
        (pack(2, 4, 120), 120, false),
        (pack(2, 4, 1), 119, false),
        (pack(1, 4, 1), PACK_LEN_MAX as u32, true),
        (pack(1, 4, 1), PACK_LEN_MAX as u32 + 1, false),
        (pack(1, 4, 1), u32::MAX, false),
    ] {
        assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
        let len = super::content_len(&head, &encode_pack_extra(content_len));
        assert_eq!(len.ok(), fits.then_some(content_len), "{head:?}");
    }
    assert_eq!(
        pack(1, 4, 1).kind.check_agreed(Features::default()),
        Err(FrameError::NotAgreed { of: "pack" })
    );
    for head in
        [pack(1, 0, 61), pack(1, 3, 61), pack(1, 5, 61), pack(1, 4, 0), pack(1, 4, 524_289), pack(0, 4, 9)]
    {
        assert_eq!(FrameHead::decode(&head.encode()), Err(FrameError::Length), "{head:?}");
    }

    let hole = FrameKind::Hole { file, offset: 0, len: CHUNK_LEN as u64, last: true };
    let seal = FrameKind::Seal { file, size: 0, root: digest, end: SealEnd::Whole };
    for kind in [hole, seal] {
        let mut bytes = FrameHead { kind, ..block(0, 0, true) }.encode();
        assert!(FrameHead::decode(&bytes).is_ok() && kind.check_agreed(Features::default()).is_ok());
        bytes[1] |= 16;
        let error = FrameHead::decode(&bytes).unwrap_err();
        assert!(error.to_string().ends_with(": compressed"), "{error}");
    }
}

#[test]
fn only_a_file_that_was_given_up_has_a_reason() {
    let seal = |end, payload_len| {
        let kind = FrameKind::Seal { file: FileNo(1), size: 0, root: Digest::default(), end };
        let head = FrameHead { job: JobId(1), frame: FrameNo(0), extra_len: 46, payload_len, kind };
        FrameHead::decode(&head.encode()).is_ok()
    };
    for end in [SealEnd::Whole, SealEnd::AsIs, SealEnd::Again] {
        assert!(seal(end, 0) && !seal(end, 1) && !seal(end, 2), "{end:?}");
    }
    let longest = u32::try_from(LOST_LEN_MAX).unwrap();
    assert!(seal(SealEnd::GivenUp, 2) && seal(SealEnd::GivenUp, longest));
    assert!(!seal(SealEnd::GivenUp, 1) && !seal(SealEnd::GivenUp, longest + 1));
}

proptest! {
    #[test]
    fn heads_that_are_accepted_are_written_the_same(bytes in any::<[u8; 64]>(), kind in 1_u8..5, flags in 0_u8..32) {
        let mut bytes = bytes;
        (bytes[0], bytes[1]) = (kind, flags);
        if kind == 2 {
            bytes[24..].fill(0);
        }
        if kind == 4 {
            bytes[37..].fill(0);
        }
        if let Ok(head) = FrameHead::decode(&bytes) {
            prop_assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
        }
    }

    #[test]
    fn entries_that_are_accepted_are_written_the_same(seed in any::<[u8; 28]>(), digest in any::<[u8; 32]>(), kind in 1_u8..5) {
        let mut bytes = [0; 60];
        bytes[..28].copy_from_slice(&seed);
        bytes[28..].copy_from_slice(&digest);
        (bytes[0], bytes[1]) = (kind, 0);
        bytes[3] &= 15;
        bytes[6..8].fill(0);
        bytes.copy_within(4..8, 8);
        bytes[22..28].fill(0);
        if let Ok(head) = EntryHead::decode(&bytes) {
            prop_assert_eq!(head.encode(), bytes);
        }
    }

    #[test]
    fn announcements_survive(size in any::<Option<u32>>(), seconds in any::<i64>(), mode in 0_u32..0o10000) {
        let modified = Some(Timestamp { seconds, nanos: 999_999_999 });
        let path = RemotePath::from_user(b"a/\xff").unwrap();
        let source = SourceId([mode.to_le_bytes()[0]; 16]);
        let announcement = Announcement { path, size: size.map(u64::from), modified, mode, source };
        let mut bytes = Vec::new();
        announcement.encode(&mut bytes);
        prop_assert_eq!(Announcement::decode(&bytes), Ok(announcement));
    }
}
