//! Peers that violate the protocol on control connections and before login. Each is refused, the log names the peer and the
//! reason, and an honest session beside it is unaffected.

mod floods;
mod lanes;
mod memory;
mod mirrors;
mod mirrors_batches;
mod mirrors_down;
mod rules;
pub(crate) mod server;
mod server_lanes;

use crate::server::session_ends::fill_with_long_paths;
use crate::support::fake_client::{Session, connect, lane_connection, login, raw_frame, until_closed};
use crate::support::{PATIENCE, content, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use tests::world::{PASSWORD, World};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::ids::LaneNo;
use wire::limits::REQUESTS_MAX;
use wire::message::{
    Bye, Cancel, Details, Durability, JobOptions, LaneHello, List, Message, Overwrite, Ping, Put, Stat,
};
use wire::net::control::send;
use wire::{FailureCode, RemotePath};

#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_tls_is_refused() {
    let world = World::serving();
    let mut honest = Session::open(&world).await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &content(1, 100_000),
        b"\x16\x03\x01\xff\xff\xff",
        &[0; 200_000],
        b"SSH-2.0-x\r\n",
    ] {
        let mut socket = TcpStream::connect(world.server().address).await.unwrap();
        let own = socket.local_addr().unwrap();
        let _ = socket.write_all(garbage).await; // the server may cut it meanwhile
        let _ = socket.shutdown().await;
        until_closed(&mut socket).await;
        check_logged(&world, own, "rejected");
    }
    honest.check_alive().await;
    world.check(["ls", &world.url("")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_is_cut_off_at_the_deadline() {
    let world = impatient();
    let mut silent = TcpStream::connect(world.server().address).await.unwrap();
    let (mut half, half_own) = connect(world.server().address).await;
    let (mut slow, slow_own) = connect(world.server().address).await;
    slow.write_all(&raw_frame(1000, 1, 0, 1, &[0; 10])).await.unwrap();
    slow.flush().await.unwrap();
    let (mut lane, exported, lane_own) = lane_connection(world.server().address).await;
    send(&mut lane, &Envelope::new(0, LaneHello { session: [7; 16], lane: LaneNo(1), proof: exported }))
        .await
        .unwrap();
    let silent_own = silent.local_addr().unwrap();
    until_closed(&mut silent).await;
    for stream in [&mut half, &mut slow, &mut lane] {
        until_closed(stream).await;
    }
    for own in [silent_own, half_own, slow_own, lane_own] {
        check_logged(&world, own, "rejected");
    }
    world.check(["ls", &world.url("")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn before_login_only_a_login_or_a_lane_is_listened_to() {
    let world = World::serving();
    let stat = |path| Message::from(Stat { path, follow: false, details: Details::default() });
    let mut frames = vec![
        (raw_frame(16 * 1024 + 1, 1, 0, 1, &[]), "over the limit"),
        (raw_frame(u32::MAX, 1, 0, 1, &[]), "over the limit"),
        (raw_frame(0, 1, 0, 1, &[]), "kind 1"),
        (raw_frame(8, 1, 0, 1, &[255; 8]), "kind 1"),
        (raw_frame(0, 999, 0, 1, &[]), "neither a login"),
        (raw_frame(0, 49, 8, 1, &[]), "unknown flags"),
    ];
    for message in [stat(RemotePath::root()), Ping.into(), Bye.into(), Cancel.into()] {
        let mut bytes = Vec::new();
        Envelope::new(1, message).encode(&mut bytes).unwrap();
        frames.push((bytes, "neither a login"));
    }
    let mut login_and_more = Vec::new();
    Envelope::new(1, login("tester", PASSWORD)).encode(&mut login_and_more).unwrap();
    let body_len = u32::try_from(login_and_more.len() - 12 + 1).unwrap().to_le_bytes();
    login_and_more[..4].copy_from_slice(&body_len);
    login_and_more.push(0);
    frames.push((login_and_more, "kind 1"));
    let mut honest = Session::open(&world).await;
    for (bytes, reason) in frames {
        let (mut connection, own) = connect(world.server().address).await;
        connection.write_all(&bytes).await.unwrap();
        connection.flush().await.unwrap();
        let answer = until_closed(&mut connection).await;
        assert!(answer.len() < 1000, "{} bytes", answer.len());
        check_logged(&world, own, reason);
    }
    honest.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_unknown_kinds_are_answered_and_the_session_goes_on() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    for (kind, body) in [(15, &b""[..]), (999, b"whatever"), (u16::MAX, &[0; 100_000])] {
        session.send_raw(u32::try_from(body.len()).unwrap(), kind, 0, 77, body).await;
        let answer = session.next().await.unwrap();
        let Message::Failure(failure) = answer.message else { panic!("{answer:?}") };
        assert_eq!((answer.request, failure.code), (77, FailureCode::Unsupported));
    }
    session.send_raw(3, 15, 0, 0, b"abc").await; // an answer with id 0 would be the session's end
    session.check_alive().await;
    session.send(78, Stat { path: RemotePath::root(), follow: false, details: Details::default() }).await;
    assert!(matches!(session.next().await.unwrap().message, Message::Status(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_breaks_a_rule_is_ended_and_the_log_says_which() {
    let world = World::serving();
    let mut honest = Session::open(&world).await;
    let path = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes()[..], bytes, &[0]].concat();
    let mut cases = vec![
        (1024 * 1024 + 1, 49, 0, vec![], "over the limit"),
        (u32::MAX, 999, 0, vec![], "over the limit"),
        (0, 49, 2, vec![], "unknown flags"),
        (3, 49, 0, vec![1, 2, 3], "kind 49"),
        (0, 18, 0, vec![], "kind 18"),
        (8, 18, 0, vec![255; 8], "kind 18"),
        (0, 3, 0, vec![], "kind 3"),
    ];
    for bad in
        [&b".."[..], b"a/../b", b"/absolute", b"a//b", b"a/", b".", b"nul\0", &[b'n'; 256], &[b'p'; 5000]]
    {
        let body = path(bad);
        cases.push((u32::try_from(body.len()).unwrap(), 18, 0, body, "kind 18"));
    }
    for (len, kind, flags, body, reason) in cases {
        let mut session = Session::open(&world).await;
        session.send_raw(len, kind, flags, 5, &body).await;
        session.check_ended().await;
        check_logged(&world, session.own, reason);
    }
    honest.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_and_a_lanes_hello_within_a_session_end_it() {
    let world = World::serving();
    for message in [
        Message::from(login("tester", PASSWORD)),
        LaneHello { session: [0; 16], lane: LaneNo(0), proof: [0; 32] }.into(),
    ] {
        let mut session = Session::open(&world).await;
        session.send(2, message).await;
        session.check_ended().await;
        check_logged(&world, session.own, "is not for a server in a session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_are_used_once_and_jobs_grow() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    session.send(7, put_to("a")).await;
    assert!(matches!(session.next().await.unwrap().message, Message::Opened(_)));
    session.send(6, put_to("b")).await;
    session.check_ended().await;
    check_logged(&world, session.own, "does not grow");
    let mut session = Session::open(&world).await;
    session.send(7, put_to("a")).await;
    session.send(7, Stat { path: RemotePath::root(), follow: false, details: Details::default() }).await;
    session.check_ended().await;
    check_logged(&world, session.own, "in use");
    assert_eq!(fs::read_dir(world.root()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_cut_off_ends_its_session_only() {
    let world = World::serving();
    let mut honest = Session::open(&world).await;
    let mut session = Session::open(&world).await;
    session.send_raw(100, 18, 0, 2, &[0; 50]).await;
    let own = session.own;
    drop(session);
    check_logged(&world, own, "session ended");
    honest.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_cancelled_at_once_end() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    for id in 2..102 {
        session.send(id, put_to("target")).await;
        session.send(id, Cancel).await;
    }
    let mut ended = 0;
    while ended < 100 {
        match session.next().await.expect("the session goes on").message {
            Message::Opened(_) => {}
            Message::Failure(failure) => {
                assert!(
                    matches!(failure.code, FailureCode::Cancelled | FailureCode::LimitExceeded),
                    "{failure:?}"
                );
                ended += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    session.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_cannot_hold_its_session() {
    let world = World::serving();
    for number in 0..3000 {
        fs::write(world.root().join(format!("{number:0200}")), "").unwrap();
    }
    let mut session = Session::open(&world).await;
    list_all(&mut session, 2..60).await;
    session.send_raw(0, 49, 2, 1, &[]).await;
    check_logged(&world, session.own, "unknown flags");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_requests_than_a_session_may_have_are_refused_one_by_one() {
    let world = World::serving();
    fill_with_long_paths(&world); // a listing waits for its client, and those behind it for a slot
    let mut session = Session::open(&world).await;
    list_all(&mut session, 2..202).await;
    let refused = timeout(PATIENCE, refusals(&mut session, 200 - REQUESTS_MAX)).await.expect("refusals");
    let mut running: BTreeSet<u32> = (2..202).filter(|id| !refused.contains(id)).collect();
    for id in &running {
        session.send(*id, Cancel).await;
    }
    while !running.is_empty() {
        let answer = session.next().await.expect("the session goes on");
        if let Message::Failure(failure) = &answer.message {
            assert_eq!(failure.code, FailureCode::Cancelled, "another request was refused");
            running.remove(&answer.request);
        }
    }
    session.check_alive().await;
}

/// Returns the first requests that are refused, while listings wait for their client.
async fn refusals(session: &mut Session, count: usize) -> BTreeSet<u32> {
    let mut refused = BTreeSet::new();
    while refused.len() < count {
        let answer = session.next().await.expect("the session goes on");
        match answer.message {
            Message::Failure(failure) => {
                assert_eq!(failure.code, FailureCode::LimitExceeded);
                refused.insert(answer.request);
            }
            Message::Listing(_) => assert!(answer.more, "a listing has ended that waits for its client"),
            other => panic!("{other:?}"),
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_cannot_shut_out_the_others() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    world.add_user("other", "full");
    let config = world.local().join("config.toml");
    fs::write(&config, "[limits]\nsessions_per_user = 2\nlogin_timeout = \"2s\"\n").unwrap();
    world.serve(&["--config", config.to_str().unwrap()]);
    let (_one, _two) = (Session::open(&world).await, Session::open(&world).await);
    let ran = world.client(["ls", "--retry=0", &world.url("")]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("sessions_per_user"), "{}", ran.stderr);
    world.check(["ls", &world.url_of("other", "")]);
}

pub(crate) fn put_to(path: &str) -> Put {
    let path = RemotePath::from_user(path.as_bytes()).unwrap();
    Put {
        path,
        into: None,
        overwrite: Overwrite::Always,
        exclusive: false,
        durability: Durability::Process,
        modes_of_new: false,
        folder_mode: 0o700,
        options: JobOptions::of(Checksum::Sha256),
    }
}

/// A server that waits at most a second for a login.
fn impatient() -> World {
    let mut world = World::empty();
    world.add_user("tester", "full");
    let config = world.local().join("config.toml");
    fs::write(&config, "[limits]\nlogin_timeout = \"1s\"\n").unwrap();
    world.serve(&["--config", config.to_str().unwrap()]);
    world
}

/// Checks that a line of the log names the peer and the reason.
pub(crate) fn check_logged(world: &World, peer: SocketAddr, reason: &str) {
    let peer = peer.to_string();
    let is_logged = || {
        let log = world.server().log();
        log.lines().any(|line| line.contains(&peer) && line.contains(reason))
    };
    wait_until(&format!("the log says {reason:?} of {peer}"), is_logged);
}

/// Lists the whole tree, once for each id, and reads no answer.
async fn list_all(session: &mut Session, ids: std::ops::Range<u32>) {
    for id in ids {
        let (path, details) = (RemotePath::root(), Details::default());
        session
            .send(
                id,
                List {
                    path,
                    recursive: true,
                    pattern: RemotePath::root(),
                    digests: None,
                    details,
                    follow: Default::default(),
                },
            )
            .await;
    }
}
