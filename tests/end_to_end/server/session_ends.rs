//! The end of sessions: long jobs and requests keep one open, and each end is reported with request id 0.

use crate::hostile::put_to;
use crate::support::fake_client::Session;
use crate::support::wait_until;
use std::fs;
use tests::world::{World, signal};
use wire::limits::LISTING_PAGES_AHEAD;
use wire::message::{Bye, Cancel, Details, List, Message};
use wire::{FailureCode, RemotePath};

fn serving(limits: &str) -> World {
    let mut world = World::empty();
    world.add_user("tester", "full");
    let config = world.local().join("config.toml");
    fs::write(&config, format!("[limits]\n{limits}\n")).unwrap();
    world.serve(&["--config", config.to_str().unwrap()]);
    world
}

/// Makes a folder whose listing has so many pages that it waits for its client.
pub(crate) fn fill_with_long_paths(world: &World) {
    let folder = world.root().join(vec!["x".repeat(250); 15].join("/"));
    fs::create_dir_all(&folder).unwrap();
    for number in 0..40 * LISTING_PAGES_AHEAD {
        fs::write(folder.join(format!("{number}")), "").unwrap();
    }
}

/// A session with a listing that waits for its client.
async fn listing(world: &World) -> Session {
    let mut session = Session::open(world).await;
    let (path, details) = (RemotePath::root(), Details::default());
    session
        .send(
            2,
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
    for _ in 0..LISTING_PAGES_AHEAD {
        let page = session.next().await.unwrap();
        assert!(page.more && matches!(page.message, Message::Listing(_)));
    }
    session
}

/// A client that is not heard for long is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_pinged() {
    let world = serving("");
    let mut session = Session::open(&world).await;
    session.check_pinged().await;
    session.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_as_many_jobs_as_it_may_have_and_not_one_more() {
    let world = serving("jobs_per_session = 2");
    let mut session = Session::open(&world).await;
    for (id, path) in [(2, "a"), (3, "b")] {
        session.send(id, put_to(path)).await;
        let answer = session.next().await.unwrap();
        assert!(matches!(answer.message, Message::Opened(_)), "{answer:?}");
    }
    session.send(4, put_to("c")).await;
    let answer = session.next().await.unwrap();
    let Message::Failure(failure) = answer.message else { panic!("{answer:?}") };
    assert_eq!((answer.request, failure.code), (4, FailureCode::LimitExceeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_requests_that_take_long_are_no_idleness_and_hold_up_a_polite_stop() {
    let mut world = serving("idle_timeout = \"1s\"");
    fill_with_long_paths(&world);
    let mut job = Session::open(&world).await;
    job.send(2, put_to("a")).await;
    assert!(matches!(job.next().await.unwrap().message, Message::Opened(_)));
    let mut request = listing(&world).await;
    let mut idle = Session::open(&world).await;
    idle.check_ended().await; // later than the others would have
    job.check_alive().await;
    request.check_alive().await;

    signal(world.server().id(), "TERM");
    wait_until("the server drains", || world.server().log().contains("draining"));
    let mut begun_later = Vec::new();
    for session in [&mut job, &mut request] {
        session.send(5, put_to("b")).await;
        begun_later.push(session.next().await.unwrap().message);
        session.check_alive().await;
    }
    for answer in begun_later {
        let Message::Failure(failure) = answer else { panic!("{answer:?}") };
        assert_eq!(failure.code, FailureCode::ShuttingDown);
    }
    for session in [&mut job, &mut request] {
        session.send(2, Cancel).await;
        session.check_ended().await;
    }
    assert_eq!(world.server_mut().wait(), Some(0));
}

/// With a request's id it would be the answer to that.
#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_sessions_end_is_no_answer_to_a_request() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    session.send(7, put_to("a")).await;
    assert!(matches!(session.next().await.unwrap().message, Message::Opened(_)));
    session.send(6, put_to("b")).await;
    let mut last = None;
    while let Some(answer) = session.next().await {
        last = Some(answer);
    }
    let last = last.expect("a reason");
    let Message::Failure(failure) = last.message else { panic!("{last:?}") };
    assert_eq!((last.request, failure.code), (0, FailureCode::BadState));
}

/// It would count among those that the server, or the address, may have.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_closes_does_not_keep_the_connection_of_a_session_that_has_ended() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    assert_eq!(connections_of(&world), 1);
    session.send(0, Bye).await;
    session.check_ended().await;
    wait_until("the server closes the connection", || connections_of(&world) == 0);
    drop(session);
}

/// Returns the number of the server's connections, as listed by the system.
fn connections_of(world: &World) -> usize {
    let port = format!(":{:04X}", world.server().address.port());
    let holds = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields[1], fields[3], fields[9]);
        local.ends_with(&port) && state != "0A" && inode != "0" // listening; closed by its process
    };
    fs::read_to_string("/proc/net/tcp").unwrap().lines().skip(1).filter(holds).count()
}
