//! Misuse of the mirror's messages: selections, listings in pages, exclusive jobs. Each misuse is refused, and an honest
//! session beside it is unaffected.

use crate::hostile::check_logged;
use crate::support::PATIENCE;
use crate::support::fake_client::Session;
use std::fs;
use std::time::Instant;
use tests::world::World;
use wire::checksum::Checksum;
use wire::message::{
    Cancel, Continue, Details, Durability, JobOptions, List, Message, Overwrite, Put, Select, Wanted,
    WantedItem,
};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::{Failure, FailureCode, RemotePath};

#[tokio::test(flavor = "multi_thread")]
async fn wanting_what_no_filesystem_has_or_too_much_or_after_the_last_ends_the_session() {
    let world = serving("read");
    let mut honest = Session::open(&world).await;
    let nanos = Timestamp { seconds: 0, nanos: 1_000_000_000 };
    let impossible = [
        Metadata { modified: nanos, ..FILE },
        Metadata { mode: 0o10_000, ..FILE },
        Metadata { kind: Kind::Symlink, size: 5000, ..FILE },
    ];
    let mut cases: Vec<(Vec<Wanted>, &str)> =
        impossible.map(|metadata| (vec![wanted(1, metadata, false)], "out of range")).into();
    let mut too_many = vec![wanted(1024, FILE, false); 16];
    too_many.push(wanted(1, FILE, false));
    cases.push((too_many, "more items"));
    cases.push((vec![wanted(0, FILE, true), wanted(1, FILE, false)], "more items"));
    for (messages, reason) in cases {
        let mut session = Session::open(&world).await;
        session.send(2, select(1)).await;
        assert!(matches!(session.next().await.unwrap().message, Message::Opened(_)));
        for message in messages {
            session.send(2, message).await;
        }
        session.check_ended().await;
        check_logged(&world, session.own, reason);
    }
    // Items of a job that is over, or never existed, cannot be requested; trying is not a violation.
    honest.send(9, wanted(1, FILE, true)).await;
    for (id, window) in [(10, 0), (11, u32::MAX)] {
        honest.send(id, select(window)).await;
        assert_eq!(refusal(honest.next().await.unwrap().message).code, FailureCode::LimitExceeded);
        honest.check_alive().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_goes_no_further_than_its_reader_and_no_reader_runs_ahead_of_it() {
    let world = serving("read");
    for number in 0..9000 {
        fs::write(world.root().join(format!("{number:0250}")), "").unwrap();
    }
    for too_many in [17, u32::MAX] {
        let mut session = Session::open(&world).await;
        session.send(2, list()).await;
        for _ in 0..16 {
            let page = session.next().await.unwrap();
            assert!(page.more && matches!(page.message, Message::Listing(_)), "{page:?}");
        }
        session.check_alive().await; // its answer comes at once: no page is before it
        session.send(2, Continue { pages: 1 }).await;
        assert!(matches!(session.next().await.unwrap().message, Message::Listing(_)));
        session.check_alive().await;
        session.send(2, Continue { pages: too_many }).await;
        session.check_ended().await;
        check_logged(&world, session.own, "more pages taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_exclusive_job_is_told_busy_until_the_first_is_over() {
    let world = serving("write");
    let (mut one, mut other) = (Session::open(&world).await, Session::open(&world).await);
    one.send(2, exclusive("target")).await;
    assert!(matches!(one.next().await.unwrap().message, Message::Opened(_)));
    other.send(2, exclusive("target")).await;
    assert_eq!(refusal(other.next().await.unwrap().message).code, FailureCode::Busy);
    one.send(3, exclusive("target")).await;
    assert_eq!(refusal(one.next().await.unwrap().message).code, FailureCode::Busy);
    other.send(3, exclusive("beside")).await;
    assert!(matches!(other.next().await.unwrap().message, Message::Opened(_)));
    one.send(2, Cancel).await;
    assert_eq!(refusal(one.next().await.unwrap().message).code, FailureCode::Cancelled);
    one.send(4, exclusive("target")).await;
    assert!(matches!(one.next().await.unwrap().message, Message::Opened(_)));
    drop(one); // a client that dies
    let begin = Instant::now();
    for id in 4.. {
        other.send(id, exclusive("target")).await;
        if let Message::Opened(_) = other.next().await.unwrap().message {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "the lock stays"); // each look is a round trip, so this is no busy loop
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_add_cannot_keep_mirrors_from_a_folder() {
    let world = serving("drop");
    fs::create_dir(world.root().join("target")).unwrap();
    let mut session = Session::open(&world).await;
    for (id, target) in [(2, "target"), (3, ""), (4, "missing")] {
        session.send(id, exclusive(target)).await;
        assert_eq!(refusal(session.next().await.unwrap().message).code, FailureCode::AccessDenied);
    }
    assert!(!world.root().join("missing").exists());
}

/// A world whose `tester` has this access.
pub(crate) fn serving(access: &str) -> World {
    let mut world = World::empty();
    world.add_user("tester", access);
    world.serve(&[]);
    world
}

pub(crate) fn path(text: &str) -> RemotePath {
    RemotePath::from_user(text.as_bytes()).unwrap()
}

fn select(window: u32) -> Select {
    Select {
        path: path(""),
        window,
        rate_limit: 0,
        changing: wire::message::Changing::Retry,
        compress: Default::default(),
        options: JobOptions { resume: wire::message::Resume::Never, ..JobOptions::of(Checksum::Sha256) },
    }
}

fn list() -> List {
    List {
        path: path(""),
        recursive: true,
        pattern: RemotePath::root(),
        digests: None,
        details: Details::default(),
        follow: Default::default(),
    }
}

fn exclusive(target: &str) -> Put {
    let (overwrite, checksum) = (Overwrite::Always, Checksum::Sha256);
    Put {
        path: path(target),
        into: None,
        overwrite,
        exclusive: true,
        durability: Durability::Process,
        modes_of_new: false,
        folder_mode: 0o700,
        options: JobOptions::of(checksum),
    }
}

fn wanted(count: usize, metadata: Metadata, last: bool) -> Wanted {
    Wanted { items: vec![WantedItem { path: path("item"), metadata }; count], last }
}

pub(crate) fn refusal(answer: Message) -> Failure {
    let Message::Failure(failure) = answer else { panic!("{answer:?}") };
    failure
}

const FILE: Metadata =
    Metadata { kind: Kind::File, size: 1, modified: Timestamp { seconds: 0, nanos: 0 }, mode: 0o644 };
