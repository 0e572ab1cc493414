//! Peers that violate the protocol on lanes: lanes of other sessions, inconsistent frames, data that does not match.

use crate::hostile::{check_logged, put_to};
use crate::support::fake_client::{HandLane, Session, lane_connection, until_closed};
use crate::support::fake_frames::Frames;
use crate::support::{content, leftovers, picture};
use std::fs;
use tests::world::World;
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::frame::EntryKind;
use wire::ids::LaneNo;
use wire::limits::CHUNK_LEN;
use wire::message::{LaneHello, Message};
use wire::net::control::send;

const JOB: u32 = 2;
const FRAMES: Frames = Frames { job: JOB, checksum: Checksum::Sha256 };

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

/// The rules themselves are tested in process.
#[tokio::test(flavor = "multi_thread")]
async fn frames_that_lie_end_the_session() {
    let world = World::serving();
    let mut honest = Session::open(&world).await;
    let chunk = content(1, CHUNK_LEN);
    let block = |frame| FRAMES.block(frame, "", Some(3 * CHUNK_LEN as u64), 0, false, &chunk);
    for (frames, reason) in [
        (vec![vec![9; 64]], "unknown kind 9"),
        (vec![FRAMES.pack(0, &[(EntryKind::File, b"/etc/cron.d/x", b"x")])], "bad path"),
        (vec![block(0), block(1)], "the same block twice"),
    ] {
        let mut session = Session::open(&world).await;
        open_put(&mut session, "target").await;
        let mut lane = session.lane(1).await;
        for frame in frames {
            lane.send(&frame).await;
        }
        session.check_ended().await;
        lane.check_ended().await;
        check_logged(&world, session.own, reason);
    }
    honest.check_alive().await;
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
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    open_put(&mut session, "target").await;
    let mut lane: HandLane = session.lane(1).await;
    lane.send(&FRAMES.block(0, "", Some(3 * CHUNK_LEN as u64), 0, false, &content(1, CHUNK_LEN))).await;
    crate::support::wait_until("a staged file", || !leftovers(&world.root()).is_empty());
    drop((session, lane));
    crate::support::wait_until("nothing staged", || crate::support::names_below(&world.root()).is_empty());
}

async fn open_put(session: &mut Session, path: &str) {
    session.send(JOB, put_to(path)).await;
    let answer = session.next().await.unwrap();
    assert!(matches!(answer.message, Message::Opened(_)), "{answer:?}");
}
