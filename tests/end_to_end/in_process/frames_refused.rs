//! Frames that contradict themselves, their limits, or each other are violations. They end the lane, and by that the session.

use crate::in_process::receiving_end::{JOB, ReceivingEnd, end_of};
use crate::support::fake_frames::{Frames, PackEntry};
use crate::support::{content, names_below};
use std::fs;
use std::path::Path;
use wire::checksum::Digest;
use wire::engine::LaneEnd;
use wire::frame::{EntryKind, HEAD_LEN};
use wire::ids::FrameNo;
use wire::limits::CHUNK_LEN;

const CHUNK: u64 = CHUNK_LEN as u64;
const A: PackEntry<'_> = (EntryKind::File, b"a", b"content");
const B: PackEntry<'_> = (EntryKind::File, b"b", b"content");

type Make<'a> = &'a dyn Fn(Frames) -> Vec<Vec<u8>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_none_is_a_violation() {
    let whole = content(1, CHUNK_LEN);
    let altered = |at: usize, bytes: &[u8]| {
        let whole = whole.clone();
        let bytes = bytes.to_vec();
        move |frames: Frames| {
            let mut frame = frames.block(0, "a", Some(600_000), 0, false, &whole);
            frame[at..at + bytes.len()].copy_from_slice(&bytes);
            frame.truncate(300);
            vec![frame]
        }
    };
    let short = 100_u32.to_le_bytes();
    let too_long = (CHUNK_LEN as u32 + 1).to_le_bytes();
    let too_short = |frames: Frames| {
        let mut frame = altered(HEAD_LEN, &short)(frames);
        frame[0][4..8].copy_from_slice(&short);
        frame
    };
    check(&[
        ("unknown kind 9", &altered(0, &[9])),
        ("unknown flags", &altered(1, &[0x80])),
        ("lies about its length", &altered(2, &[0, 0])),
        ("lies about its length", &altered(2, &[255, 255])),
        ("lies about its length", &altered(4, &u32::MAX.to_le_bytes())),
        ("lies about its length", &altered(4, &too_long)),
        ("an encoding that was not agreed on: 100 bytes for a content of 524288", &altered(4, &short)),
        ("not a chunk", &too_short),
        ("not a chunk", &altered(24, &7_u64.to_le_bytes())),
        ("not a chunk", &altered(24, &u64::MAX.to_le_bytes())),
        ("", &|_| vec![vec![0; 64]]),
        ("", &|_| vec![vec![255; 4096]]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_contradict_their_file_are_violations() {
    let chunk = content(1, CHUNK_LEN);
    let encoded_as = |len: [u8; 4], size: u64| {
        let chunk = chunk.clone();
        move |frames: Frames| {
            let mut block = frames.block(0, "a", Some(size), 0, false, &chunk);
            block[HEAD_LEN..HEAD_LEN + 4].copy_from_slice(&len);
            vec![block]
        }
    };
    check(&[
        ("a block outside its file", &|f| vec![f.block(0, "a", Some(600_000), CHUNK, false, &chunk)]),
        ("a block outside its file", &|f| vec![f.block(0, "a", Some(600_000), 1 << 40, false, &chunk)]),
        ("a block outside its file", &|f| vec![f.block(0, "a", Some(600_000), 0, true, &chunk)]),
        ("a block outside its file", &|f| vec![f.block(0, "a", Some(CHUNK), CHUNK, true, b"more")]),
        ("a block outside its file", &|f| vec![f.block(0, "a", Some(3 * CHUNK), 0, true, &chunk)]),
        ("the same block twice", &|f| {
            [0, 1].map(|frame| f.block(frame, "a", Some(3 * CHUNK), 0, false, &chunk)).to_vec()
        }),
        ("two announcements of one file that differ", &|f| {
            vec![
                f.block(0, "a", Some(3 * CHUNK), 0, false, &chunk),
                f.block(1, "b", Some(3 * CHUNK), CHUNK, false, &chunk),
            ]
        }),
        ("contradicts", &|f| {
            let mut seal = f.seal(1, "a", 2 * CHUNK, Digest([1; 32]));
            seal[24..32].copy_from_slice(&CHUNK.to_le_bytes());
            vec![f.block(0, "a", Some(2 * CHUNK), 0, false, &chunk), seal]
        }),
        (
            "an encoding that was not agreed on: 524288 bytes for a content of 100",
            &encoded_as([100, 0, 0, 0], 600_000),
        ),
        ("a block has an encoding that was not agreed on", &encoded_as([1, 0, 8, 0], 3 * CHUNK)),
        ("a frame beyond the window", &|f| vec![f.block(100_000, "a", Some(600_000), 0, false, &chunk)]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_contradict_themselves_are_violations() {
    let file = |path: &'static [u8]| move |f: Frames| vec![f.pack(0, &[(EntryKind::File, path, b"x")])];
    let longer_by = |at: usize| {
        move |f: Frames| {
            let mut payload = f.payload(&[A, B]);
            payload[at..at + 4].copy_from_slice(&500_000_u32.to_le_bytes());
            vec![f.pack_claiming(0, 2, &payload)]
        }
    };
    check(&[
        ("a frame beyond the window", &|f| vec![f.pack(256, &[A])]),
        ("a frame beyond the window", &|f| vec![f.pack(u64::MAX, &[A])]),
        ("length", &|f| vec![f.pack_claiming(0, 2, &f.payload(&[A]))]),
        ("length", &|f| vec![f.pack_claiming(0, 1, &f.payload(&[A, B]))]),
        ("length", &|f| vec![f.pack_claiming(0, 1024, &f.payload(&[A]))]),
        ("length", &|f| {
            let mut payload = f.payload(&[A, B]);
            payload[4..8].copy_from_slice(&500_000_u32.to_le_bytes());
            payload[8..12].copy_from_slice(&500_000_u32.to_le_bytes());
            vec![f.pack_claiming(0, 2, &payload)]
        }),
        ("a pack's entry has an encoding that was not agreed on: 500000 bytes", &longer_by(4)),
        (
            "a pack's entry has an encoding that was not agreed on: 7 bytes for a content of 500000",
            &longer_by(8),
        ),
        ("", &|f| vec![f.pack_claiming(0, 0, &[])]),
        ("", &|f| vec![f.pack_claiming(0, u32::MAX, &f.payload(&[A]))]),
        ("bad path", &file(b"..")),
        ("bad path", &file(b"../outside")),
        ("bad path", &file(b"a/../../b")),
        ("bad path", &file(b"/etc/cron.d/x")),
        ("bad path", &file(b"nul\0")),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_that_gives_up_has_no_root() {
    check(&[("lies about its length", &|f| vec![f.given_up(0, 0, "a", Digest([1; 32]))])]).await;
    let mut end = ReceivingEnd::running().await;
    let (mut lane, _ended) = end.lane(1);
    lane.send(&end.frames.given_up(0, 0, "a", Digest([0; 32]))).await;
    assert_eq!(end.next_ack().await.done[0].first, FrameNo(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_files_number_is_no_other_files() {
    let whole = content(1, CHUNK_LEN);
    for is_given_up in [false, true] {
        let mut end = ReceivingEnd::running().await;
        let (frames, (mut lane, ended)) = (end.frames, end.lane(1));
        if is_given_up {
            lane.send(&frames.given_up(1, 0, "one", Digest([0; 32]))).await;
        } else {
            lane.send(&frames.block(0, "one", Some(CHUNK), 0, true, &whole)).await;
            lane.send(&frames.seal(1, "one", CHUNK, frames.root(&whole))).await;
        }
        until_done(&mut end, 1).await;
        lane.send(&frames.block(2, "other", Some(CHUNK), 0, true, &whole)).await;
        let ended = end_of(ended).await;
        let words = "two announcements of one file that differ";
        assert!(matches!(&ended, LaneEnd::Violation(rule) if rule.contains(words)), "{ended:?}");
        assert!(end.path("one").exists() != is_given_up && !end.path("other").exists());
    }
}

async fn until_done(end: &mut ReceivingEnd, frame: u64) {
    loop {
        let ack = end.next_ack().await;
        assert!(ack.failed.is_empty(), "{ack:?}");
        if ack.done.iter().any(|range| range.first.0 + u64::from(range.count) > frame) {
            return;
        }
    }
}

/// Sends the frames of each case over a lane, and checks that it ends by a violation whose text has the case's words. Entries
/// of a pack that were complete before the invalid one may be in their place; no others are.
async fn check(cases: &[(&str, Make<'_>)]) {
    for (words, make) in cases {
        let end = ReceivingEnd::running().await;
        let (mut lane, ended) = end.lane(1);
        for frame in make(end.frames) {
            lane.send(&frame).await;
        }
        match end_of(ended).await {
            LaneEnd::Violation(rule) => assert!(rule.contains(words), "{words}: {rule}"),
            other @ (LaneEnd::Closed | LaneEnd::Lost(_)) => panic!("{words}: {other:?}"),
        }
        let is_placed = |path: &Path| path.extension().is_none_or(|it| it != "part" && it != "held");
        for found in names_below(&end.path("")).into_iter().filter(|path| is_placed(path)) {
            assert!(found.ends_with("a") && fs::read(&found).unwrap() == b"content", "{words}: {found:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_a_job_that_is_over_are_dropped_and_those_of_one_that_opens_wait() {
    let mut end = ReceivingEnd::requested();
    let (mut lane, ended) = end.lane(1);
    let earlier = Frames { job: JOB - 1, ..end.frames };
    lane.send(&earlier.pack(0, &[A])).await;
    lane.send(&end.frames.pack(0, &[B])).await;
    let job = end.run().await;
    assert!(end.next_ack().await.failed.is_empty());
    end.tell(wire::message::End { frames: 1 });
    lane.close();
    assert!(matches!(end_of(ended).await, LaneEnd::Closed));
    job.await.unwrap().unwrap();
    assert_eq!(names_below(&end.path("")), [end.path("b")]);
}
