//! Many sessions at once: all are served, and their resources at the server are freed.

use crate::support::fake_client::Session;
use crate::support::limits::{handles, memory_kib};
use crate::support::wait_until;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tests::world::World;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use wire::RemotePath;
use wire::checksum::Checksum;
use wire::ids::FrameNo;
use wire::message::{Ack, Details, FrameRange, Get, JobOptions, List, Message};

const CONFIG: &str = "[limits]\nconnections = 8192\nsessions_per_user = 8192\nlogins_waiting = 4096\nlogin_timeout = \"10m\"\n";

const FILES: usize = 200;
/// Memory that may remain after a crowd: partly free pages. A thousand sessions need 200 MiB.
const GROWTH_MAX_KIB: u64 = 16 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_served_and_leaves_nothing_behind() {
    serve(48).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a thousand passwords take half a minute to check"]
async fn a_thousand_sessions_are_served_and_leave_nothing_behind() {
    serve(1000).await;
}

async fn serve(sessions: usize) {
    let world = Arc::new(World::serving_with(CONFIG));
    for number in 0..FILES {
        fs::write(world.root().join(format!("file-{number}")), format!("content of {number}")).unwrap();
    }
    // Memory kept after the first sessions is no leak: above all, that for two logins at a time.
    crowd(&world, 8).await;
    let handles_before = handles(&world);
    let before = memory_kib(&world, "VmRSS:");
    for _ in 0..2 {
        crowd(&world, sessions).await;
        wait_until("all handles are given back", || handles(&world) <= handles_before);
        wait_until("the memory is given back", || memory_kib(&world, "VmRSS:") < before + GROWTH_MAX_KIB);
    }
    let (peak, after) = (memory_kib(&world, "VmHWM:"), memory_kib(&world, "VmRSS:"));
    println!(
        "{sessions} sessions, twice: {before} KiB before, {peak} KiB at the peak, {after} KiB after; {handles_before} handles"
    );
    let log = world.server().log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

/// Opens this many sessions, all logged in before the first one continues.
async fn crowd(world: &Arc<World>, sessions: usize) {
    let all = Arc::new(Barrier::new(sessions));
    let mut running = JoinSet::new();
    for number in 0..sessions {
        let (world, all) = (world.clone(), all.clone());
        running.spawn(async move { one(&world, &all, number % FILES).await });
    }
    assert_eq!(running.join_all().await.len(), sessions);
}

/// Runs a session that lists the folder and fetches a file.
async fn one(world: &World, all: &Barrier, number: usize) {
    let mut session = Session::open(world).await;
    let mut logged_in = std::pin::pin!(all.wait());
    // A session that is silent for long is ended.
    while tokio::time::timeout(Duration::from_secs(5), &mut logged_in).await.is_err() {
        session.check_alive().await;
    }
    let list = List {
        path: RemotePath::root(),
        recursive: true,
        pattern: RemotePath::root(),
        digests: None,
        details: Details::default(),
        follow: Default::default(),
    };
    session.send(2, list).await;
    let answer = session.next().await.expect("a listing");
    assert!(
        matches!(&answer.message, Message::Listing(listing) if listing.entries.len() == FILES),
        "{answer:?}"
    );
    let path = RemotePath::from_user(format!("file-{number}").as_bytes()).unwrap();
    let checksum = Checksum::Sha256;
    session
        .send(
            3,
            Get {
                path,
                recursive: false,
                window: 8,
                rate_limit: 0,
                totals: false,
                changing: wire::message::Changing::Retry,
                compress: Default::default(),
                options: JobOptions { resume: wire::message::Resume::Never, ..JobOptions::of(checksum) },
            },
        )
        .await;
    let mut lane = session.lane(0).await;
    let answer = session.next().await.expect("a job");
    assert!(matches!(answer.message, Message::Opened(_)), "{answer:?}");
    let content = format!("content of {number}");
    let frame = lane.next_frame().await;
    assert!(frame.ends_with(content.as_bytes()), "{frame:?}");
    session
        .send(
            3,
            Ack {
                done: vec![FrameRange { first: FrameNo(0), count: 1 }],
                failed: Vec::new(),
                damaged: Vec::new(),
            },
        )
        .await;
    while !matches!(session.next().await.expect("the job's end").message, Message::End(_)) {}
    session.check_alive().await;
}
