//! Peers that violate the protocol on lanes: lanes of other sessions, inconsistent frames, data that does not match.

use crate::hostile::check_logged;
use crate::support::fake_client::{HandLane, Session, lane_connection, until_closed};
use crate::support::{content, leftovers, picture};
use std::fs;
use tests::world::World;
use wire::checksum::{Checksum, ChunkPlace, Digest};
use wire::control::Envelope;
use wire::frame::{Announcement, BlockExtra, EntryHead, EntryKind, FrameHead, FrameKind, HEAD_LEN, SealEnd};
use wire::ids::{FileNo, FrameNo, JobId, LaneNo};
use wire::limits::CHUNK_LEN;
use wire::message::{Ack, Durability, End, JobOptions, LaneHello, Message, Overwrite, Put};
use wire::net::control::send;
use wire::{FailureCode, RemotePath};

const JOB: u32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_needs_the_proof_of_its_own_session_and_connection() {
    let world = World::serving();
    let (mut session, mut other) = (Session::open(&world).await, Session::open(&world).await);
    let attempt = async |id, lane, proof: &dyn Fn(&[u8; 32]) -> [u8; 32], reason: &str| {
        let (mut connection, exported, own) = lane_connection(world.server().address).await;
        let proof = proof(&exported);
        send(&mut connection, &Envelope::new(0, LaneHello { session: id, lane, proof })).await.unwrap();
        assert_eq!(until_closed(&mut connection).await, b"");
        check_logged(&world, own, reason);
        proof
    };
    attempt(session.id, LaneNo(1), &|_| [0; 32], "wrong proof").await;
    let (id, secret) = (session.id, session.secret.clone());
    attempt(id, LaneNo(1), &|exported| other.secret.prove(&id, LaneNo(1), exported), "wrong proof").await;
    attempt(other.id, LaneNo(1), &|exported| secret.prove(&other.id, LaneNo(1), exported), "wrong proof")
        .await;
    attempt(id, LaneNo(1), &|exported| secret.prove(&id, LaneNo(2), exported), "wrong proof").await;
    // A proof that was valid on another connection.
    let (_connection, exported, _) = lane_connection(world.server().address).await;
    let right = secret.prove(&id, LaneNo(1), &exported);
    attempt(id, LaneNo(1), &|_| right, "wrong proof").await;
    let _lane = session.lane(1).await;
    session.check_alive().await;
    attempt(id, LaneNo(1), &|exported| secret.prove(&id, LaneNo(1), exported), "for the second time").await;
    session.check_alive().await;
    other.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_lanes_than_a_session_may_have_are_refused() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    let config = world.local().join("config.toml");
    fs::write(&config, "[limits]\nlanes_per_session = 2\n").unwrap();
    world.serve(&["--config", config.to_str().unwrap()]);
    let mut session = Session::open(&world).await;
    let [one, two, three] = [session.lane(1).await, session.lane(2).await, session.lane(3).await];
    tokio::select! { // the one that the server handled last
        () = one.check_ended() => {}
        () = two.check_ended() => {}
        () = three.check_ended() => {}
    }
    session.check_alive().await;
    fs::write(world.local().join("file"), content(1, 2_000_000)).unwrap();
    world.check(["put", "--lanes=8", "file", &world.url("file")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_lie_end_the_session() {
    let world = World::serving();
    let mut honest = Session::open(&world).await;
    let good = block(0, 0, 600_000, &content(1, CHUNK_LEN), false).0;
    let altered = |at: usize, bytes: &[u8]| {
        let mut frame = good[..300].to_vec();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let whole = content(1, CHUNK_LEN);
    let (short, mut encoded) = (100_u32.to_le_bytes(), good.clone());
    encoded[HEAD_LEN..HEAD_LEN + 4].copy_from_slice(&short);
    let mut encoded_entry = pack(0, &[(b"a", b"xyz", true)]);
    encoded_entry[HEAD_LEN + 8] = 2;
    let mut too_short = altered(HEAD_LEN, &short);
    too_short[4..8].copy_from_slice(&short);
    for (frame, reason) in [
        (altered(0, &[9]), "unknown kind 9"),
        (altered(1, &[0x80]), "unknown flags"),
        (altered(2, &[0, 0]), "lies about its length"),
        (altered(2, &[255, 255]), "lies about its length"),
        (altered(4, &u32::MAX.to_le_bytes()), "lies about its length"),
        (altered(4, &(CHUNK_LEN as u32 + 1).to_le_bytes()), "lies about its length"),
        (altered(4, &short), "an encoding that was not agreed on: 100 bytes for a content of 524288"),
        (encoded, "an encoding that was not agreed on: 524288 bytes for a content of 100"),
        (encoded_entry, "an encoding that was not agreed on: 3 bytes for a content of 2"),
        (too_short, "not a chunk"),
        (altered(24, &7_u64.to_le_bytes()), "not a chunk"),
        (altered(24, &u64::MAX.to_le_bytes()), "not a chunk"),
        (block(0, CHUNK_LEN as u64, 600_000, &whole, false).0, "outside its file"),
        (block(0, 1 << 40, 600_000, &whole, false).0, "outside its file"),
        (block(0, 0, 600_000, &whole, true).0, "outside its file"),
        (block(100_000, 0, 600_000, &whole, false).0, "beyond the window"),
        (pack(0, &[(b"..", b"x", true)]), "bad path"),
        (pack(0, &[(b"a/../../b", b"x", true)]), "bad path"),
        (pack(0, &[(b"/etc/cron.d/x", b"x", true)]), "bad path"),
        (pack(0, &[(b"nul\0", b"x", true)]), "bad path"),
    ] {
        let mut session = Session::open(&world).await;
        open_put(&mut session, "target").await;
        let mut lane = session.lane(1).await;
        lane.send(&frame).await;
        session.check_ended().await;
        lane.check_ended().await;
        check_logged(&world, session.own, reason);
    }
    honest.check_alive().await;
    assert_eq!(picture(&world.root()).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_block_twice_ends_the_session() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    open_put(&mut session, "target").await;
    let mut lane = session.lane(1).await;
    lane.send(&block(0, 0, 3 * CHUNK_LEN as u64, &content(1, CHUNK_LEN), false).0).await;
    lane.send(&block(1, 0, 3 * CHUNK_LEN as u64, &content(2, CHUNK_LEN), false).0).await;
    session.check_ended().await;
    check_logged(&world, session.own, "the same block twice");
    assert_eq!(picture(&world.root()).len(), 0, "what was staged is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_records_end_the_lane_and_not_the_session() {
    let world = World::serving();
    let mut honest = Session::open(&world).await;
    for garbage in [
        &content(3, 2000)[..],
        b"\x17\x03\x03\x00\x20garbage that does not decrypt....",
        b"\x16\x03\x03\x00\x04abcd",
        b"\x17\x03\x03\xff\xff",
    ] {
        let mut session = Session::open(&world).await;
        let lane = session.lane(1).await;
        lane.send_unsealed(garbage).await;
        lane.check_ended().await;
        check_logged(&world, session.own, "lane lost");
        session.check_alive().await;
    }
    honest.check_alive().await;
    world.check(["ls", &world.url("")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_with_a_bad_digest_is_asked_for_three_times_and_then_given_up() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    open_put(&mut session, "").await;
    let mut lane = session.lane(1).await;
    let frame = pack(0, &[(b"good", b"good content", true), (b"bad", b"bad content", false)]);
    for _ in 0..2 {
        lane.send(&frame).await;
        assert_eq!(next_ack(&mut session).await.damaged, [FrameNo(0)]);
    }
    lane.send(&frame).await;
    let ack = next_ack(&mut session).await;
    assert!(ack.damaged.is_empty() && ack.done[0].first == FrameNo(0), "{ack:?}");
    let failed: Vec<_> =
        ack.failed.iter().map(|failed| (failed.frame, failed.entry, failed.failure.code)).collect();
    assert_eq!(failed, [(FrameNo(0), 1, FailureCode::Integrity)]);
    session.send(JOB, End { frames: 1 }).await;
    session.check_alive().await;
    assert_eq!(fs::read_to_string(world.root().join("good")).unwrap(), "good content");
    assert_eq!(picture(&world.root()).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_a_bad_digest_is_asked_for_three_times_and_then_given_up() {
    let world = World::serving();
    fs::write(world.root().join("target"), "the old content").unwrap();
    let mut session = Session::open(&world).await;
    open_put(&mut session, "target").await;
    let mut lane = session.lane(1).await;
    let (mut frame, _) = block(0, 0, CHUNK_LEN as u64, &content(1, CHUNK_LEN), true);
    *frame.last_mut().unwrap() ^= 1;
    for _ in 0..2 {
        lane.send(&frame).await;
        assert_eq!(next_ack(&mut session).await.damaged, [FrameNo(0)]);
    }
    lane.send(&frame).await;
    let ack = next_ack(&mut session).await;
    assert_eq!(ack.failed.first().map(|failed| failed.failure.code), Some(FailureCode::Integrity), "{ack:?}");
    assert_eq!(fs::read_to_string(world.root().join("target")).unwrap(), "the old content");
    assert!(leftovers(&world.root()).is_empty());
    session.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_that_does_not_fit_its_blocks_publishes_nothing() {
    let world = World::serving();
    fs::write(world.root().join("target"), "the old content").unwrap();
    for wrong_root in [true, false] {
        let mut session = Session::open(&world).await;
        open_put(&mut session, "target").await;
        let mut lane = session.lane(1).await;
        let (frame, root) = block(0, 0, CHUNK_LEN as u64, &content(1, CHUNK_LEN), true);
        lane.send(&frame).await;
        lane.send(&seal(1, CHUNK_LEN as u64, if wrong_root { Digest([1; 32]) } else { root })).await;
        session.send(JOB, End { frames: 2 }).await;
        let mut failed = Vec::new();
        while let Some(Envelope { message: Message::Ack(ack), .. }) = session.next().await {
            failed.extend(ack.failed.iter().map(|failed| failed.failure.code));
            if ack.done.iter().any(|range| range.first.0 + u64::from(range.count) == 2) {
                break;
            }
        }
        if wrong_root {
            assert_eq!(failed, [FailureCode::Integrity]);
            assert_eq!(fs::read_to_string(world.root().join("target")).unwrap(), "the old content");
        } else {
            assert!(fs::read(world.root().join("target")).unwrap() == content(1, CHUNK_LEN), "{failed:?}")
        }
        assert!(leftovers(&world.root()).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    open_put(&mut session, "target").await;
    let mut lane: HandLane = session.lane(1).await;
    lane.send(&block(0, 0, 3 * CHUNK_LEN as u64, &content(1, CHUNK_LEN), false).0).await;
    crate::support::wait_until("a staged file", || !leftovers(&world.root()).is_empty());
    drop((session, lane));
    crate::support::wait_until("nothing staged", || crate::support::names_below(&world.root()).is_empty());
}

async fn open_put(session: &mut Session, path: &str) {
    let path = RemotePath::from_user(path.as_bytes()).unwrap();
    session
        .send(
            JOB,
            Put {
                path,
                into: None,
                overwrite: Overwrite::Always,
                exclusive: false,
                durability: Durability::Process,
                modes_of_new: false,
                folder_mode: 0o700,
                options: JobOptions::of(Checksum::Sha256),
            },
        )
        .await;
    let answer = session.next().await.unwrap();
    assert!(matches!(answer.message, Message::Opened(_)), "{answer:?}");
}

async fn next_ack(session: &mut Session) -> Ack {
    match session.next().await.expect("an acknowledgement").message {
        Message::Ack(ack) => ack,
        other => panic!("{other:?}"),
    }
}

/// A block of file 0, and the root of a file that is this block.
fn block(frame: u64, offset: u64, size: u64, payload: &[u8], last: bool) -> (Vec<u8>, Digest) {
    let digest = Checksum::Sha256.of_chunk(ChunkPlace::at(offset, last), [payload]);
    let kind = FrameKind::Block { file: FileNo(0), offset, last, digest };
    let mut extra = Vec::new();
    let content_len = u32::try_from(payload.len()).unwrap();
    BlockExtra { content_len, announcement: announcement(size) }.encode(&mut extra);
    (framed(frame, kind, &extra, payload), Checksum::Sha256.of_small_file([payload]))
}

fn seal(frame: u64, size: u64, root: Digest) -> Vec<u8> {
    let mut extra = Vec::new();
    announcement(size).encode(&mut extra);
    framed(frame, FrameKind::Seal { file: FileNo(0), size, root, end: SealEnd::Whole }, &extra, &[])
}

/// A pack of files: path, content, and whether the digest is right.
fn pack(frame: u64, files: &[(&[u8], &[u8], bool)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (path, content, right) in files {
        let digest = if *right { Checksum::Sha256.of_small_file([*content]) } else { Digest([1; 32]) };
        let (path_len, content_len) =
            (u16::try_from(path.len()).unwrap(), u32::try_from(content.len()).unwrap());
        let head = EntryHead {
            kind: EntryKind::File,
            path_len,
            payload_len: content_len,
            content_len,
            modified: None,
            mode: 0o644,
            digest,
            as_is: false,
        };
        payload.extend_from_slice(&[&head.encode()[..], path, content].concat());
    }
    framed(frame, FrameKind::Pack { entries: u32::try_from(files.len()).unwrap() }, &[], &payload)
}

fn framed(frame: u64, kind: FrameKind, extra: &[u8], payload: &[u8]) -> Vec<u8> {
    let (extra_len, payload_len) =
        (u16::try_from(extra.len()).unwrap(), u32::try_from(payload.len()).unwrap());
    let head = FrameHead { job: JobId(JOB), frame: FrameNo(frame), extra_len, payload_len, kind };
    [&head.encode()[..], extra, payload].concat()
}

fn announcement(size: u64) -> Announcement {
    Announcement {
        path: RemotePath::root(),
        size: Some(size),
        modified: None,
        mode: 0o644,
        source: Default::default(),
    }
}
