//! Compressed frames by hand: they come as their content, and whatever else they could be is refused by name.

use crate::in_process::receiving_end::{ReceivingEnd, end_of};
use crate::support::fake_frames::Frames;
use std::fs;
use wire::engine::LaneEnd;
use wire::features::Features;
use wire::frame::{EntryKind, HEAD_LEN};
use wire::ids::FrameNo;
use wire::limits::CHUNK_LEN;

const CHUNK: u64 = CHUNK_LEN as u64;
static CONTENT: [u8; CHUNK_LEN] = [b'x'; CHUNK_LEN];

/// A receiving end of a session with compression.
async fn agreed() -> ReceivingEnd {
    let end = ReceivingEnd::running().await;
    end.exchange.agree(Features::COMPRESSION);
    end
}

/// A large file of one chunk in a compressed block, with this payload.
fn block(frames: Frames, payload: &[u8]) -> Vec<u8> {
    Frames::compressed(&frames.block(0, "a", Some(CHUNK), 0, true, &CONTENT), payload)
}

/// A pack of one file of 200 bytes in plain form.
fn pack(frames: Frames) -> Vec<u8> {
    frames.pack(0, &[(EntryKind::File, b"a", &[b'x'; 200])])
}

/// The pack's content as a zstd frame: its head and path as they are, and the repeated byte.
fn zstd_of_pack(plain: &[u8]) -> Vec<u8> {
    let entries = &plain[HEAD_LEN..];
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 5, 0, 0xe8, 1, 0]; // 256 + 5 bytes; 61 as they are
    let repeated = 200_u32 << 3 | 1 << 1 | 1;
    [&header[..], &entries[..61], &repeated.to_le_bytes()[..3], b"x"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_packs_come_as_their_content() {
    let mut end = agreed().await;
    let (frames, (mut lane, _ended)) = (end.frames, end.lane(1));
    lane.send(&block(frames, &Frames::zstd_of_repeated(&CONTENT))).await;
    lane.send(&frames.seal(1, "a", CHUNK, frames.root(&CONTENT))).await;
    let mut plain = frames.pack(2, &[(EntryKind::File, b"b", &[b'x'; 200])]);
    lane.send(&Frames::compressed(&plain, &zstd_of_pack(&plain))).await;
    plain[16] = 3; // the frame's number
    plain[HEAD_LEN + 60] = b'c';
    lane.send(&plain).await;
    let mut done = 0;
    while done < 4 {
        let ack = end.next_ack().await;
        assert!(ack.failed.is_empty() && ack.damaged.is_empty(), "{ack:?}");
        done += ack.done.iter().map(|range| range.count).sum::<u32>();
    }
    assert_eq!(fs::read(end.path("a")).unwrap(), CONTENT);
    assert_eq!(
        (fs::read(end.path("b")).unwrap(), fs::read(end.path("c")).unwrap()),
        (vec![b'x'; 200], vec![b'x'; 200])
    );
    let counted = end.exchange.count_compressed_bytes();
    assert_eq!((counted.contents, counted.saved), (CHUNK + 261, CHUNK - 25 + 261 - 75));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_feature_they_are_violations() {
    for is_pack in [false, true] {
        let end = ReceivingEnd::running().await;
        let frame = if is_pack {
            Frames::compressed(&pack(end.frames), &zstd_of_pack(&pack(end.frames)))
        } else {
            block(end.frames, &Frames::zstd_of_repeated(&CONTENT))
        };
        let kind = if is_pack { "pack" } else { "block" };
        check(end, &frame, &format!("a compressed {kind}, and compression was not agreed on")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_that_are_not_allowed_are_refused_by_name() {
    let good = Frames::zstd_of_repeated(&CONTENT);
    let altered = |at: usize, byte: u8| {
        let mut payload = good.clone();
        payload[at] = byte;
        payload
    };
    for (payload, words) in [
        (altered(0, 0x29), "it is no zstd frame"),
        (altered(4, 0x80), "its header has a window, a checksum or a reserved bit"),
        (altered(4, 0xa4), "its header has a window, a checksum or a reserved bit"),
        (altered(4, 0xa1), "it needs a dictionary"),
        (altered(8, 0xff), "it has another content length than the lane frame"),
        (altered(7, 7), "it has another content length than the lane frame"),
        (vec![0; CHUNK_LEN], "it is cut off, or something follows it"), // not shorter than its content
        (good[..5].to_vec(), "it is cut off, or something follows it"),
    ] {
        let damaged_is_enough = payload.len() == 5;
        let end = agreed().await;
        let frame = block(end.frames, &payload);
        if damaged_is_enough {
            check_damaged(end, &frame).await;
        } else {
            check(end, &frame, words).await;
        }
    }
    let plain = pack(agreed().await.frames);
    let payload = zstd_of_pack(&plain);
    let bad_content = |at: usize, byte: u8| {
        let mut payload = payload.clone();
        payload[at] = byte;
        payload
    };
    for (payload, words) in [
        (payload[..payload.len() - 1].to_vec(), "it is cut off, or something follows it"),
        ([&payload[..], b"x"].concat(), "it is cut off, or something follows it"),
        (bad_content(71, 0x3b), "it cannot be decompressed"), // one byte too few
        (bad_content(5, 6), "it has another content length than the lane frame"),
    ] {
        let end = agreed().await;
        check(end, &Frames::compressed(&plain, &payload), words).await;
    }
    let mut too_long = Frames::compressed(&plain, &payload);
    too_long[HEAD_LEN..HEAD_LEN + 4].copy_from_slice(&(CHUNK_LEN as u32 + 1).to_le_bytes());
    check(agreed().await, &too_long, "lies about its length").await;
    let mut too_long = block(agreed().await.frames, &good);
    too_long[HEAD_LEN..HEAD_LEN + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    check(agreed().await, &too_long, "not a chunk").await;
}

/// As if a bit was turned in a memory: the chunk comes again.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_cannot_be_decompressed_is_damaged() {
    let good = Frames::zstd_of_repeated(&CONTENT);
    let [mut other, mut reserved, mut shorter, mut longer] = [(); 4].map(|()| good.clone());
    other[12] = b'y'; // decompresses to something else
    reserved[9] |= 6; // a reserved kind of block
    shorter[10] = 0x08;
    longer[good.len() - 4] &= 0xfe; // the last block is not the last
    let trailing = [&good[..], &good].concat();
    for payload in [other, reserved, shorter, longer, trailing, good[..good.len() - 1].to_vec()] {
        let end = agreed().await;
        let frame = block(end.frames, &payload);
        check_damaged(end, &frame).await;
    }
}

async fn check_damaged(mut end: ReceivingEnd, frame: &[u8]) {
    let (mut lane, _ended) = end.lane(1);
    lane.send(frame).await;
    assert_eq!(end.next_ack().await.damaged, [FrameNo(0)]);
    lane.send(&block(end.frames, &Frames::zstd_of_repeated(&CONTENT))).await;
    assert_eq!(end.next_ack().await.done[0].first, FrameNo(0));
}

/// Sends the frame, which must end the lane by a violation with these words, without an effect.
async fn check(end: ReceivingEnd, frame: &[u8], words: &str) {
    let (mut lane, ended) = end.lane(1);
    lane.send(frame).await;
    let ended = end_of(ended).await;
    assert!(matches!(&ended, LaneEnd::Violation(rule) if rule.contains(words)), "{words}: {ended:?}");
    assert!(!end.path("a").exists());
}
