//! Clients that request far too much: a session's resources at the server are bounded, cancelled work stops, and honest clients
//! still get their share during a flood.

use crate::hostile::check_logged;
use crate::support::fake_client::Session;
use crate::support::limits::{handles, memory_kib};
use crate::support::{PATIENCE, content, wait_until};
use std::fs::{self, File};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tests::world::World;
use tokio::time::timeout;
use wire::checksum::Checksum;
use wire::command::Needs;
use wire::limits::LISTING_PAGES_AHEAD;
use wire::message::{
    Cancel, Details, Digests, Durability, Hash, JobOptions, List, Message, Opened, Overwrite, Ping, Put,
    SPECS, Select, Stat, Wanted, WantedItem,
};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::{FailureCode, RemotePath};

/// Fraction of the throughput without a flood. The flood's own client runs on the same cores, unlike a real one's: half is
/// usual, less if the machine is shared.
const SHARE_MIN: f64 = 1.0 / 3.0;
/// Peak memory allowed for a server, whatever its clients do here; an honest transfer takes some 45 MiB.
const MEMORY_MAX_KIB: u64 = 256 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn every_message_in_a_session_is_admitted_dropped_or_ends_it_as_the_tables_say() {
    let mut world = World::empty();
    world.add_user("tester", "drop");
    world.serve(&[]);
    let mut honest = Session::open(&world).await;
    for (kind, frame) in crate::hostile::server::golden_messages() {
        let name = Message::kind_name(kind).unwrap();
        let spec = SPECS.iter().find(|spec| spec.kind == kind);
        let mut session = Session::open(&world).await;
        let body = &frame[12..];
        session.send_raw(body.len() as u32, kind, 0, 9, body).await;
        match (name, spec) {
            ("Ping", _) => assert!(matches!(session.next().await.unwrap().message, Message::Pong(_))),
            ("Bye", _) => session.check_ended().await,
            (_, Some(spec)) if matches!(spec.needs, Needs::See | Needs::Change | Needs::Remove) => {
                let answer = session.next().await.unwrap();
                let Message::Failure(failure) = answer.message else { panic!("{name}: {answer:?}") };
                assert_eq!((answer.request, failure.code), (9, FailureCode::AccessDenied), "{name}");
                session.check_alive().await;
            }
            // Messages for jobs that are over or never existed. PUT is allowed to this user.
            (
                "Failure" | "Pong" | "Ack" | "End" | "Totals" | "Wanted" | "Continue" | "Cancel" | "Offer"
                | "Held" | "SignatureRequest" | "Signatures",
                _,
            ) => session.check_alive().await,
            ("Replace", _) => {
                session.next().await.unwrap();
                session.check_alive().await;
            }
            ("Put", _) => drop(session.next().await.unwrap()),
            _ => {
                session.check_ended().await;
                check_logged(&world, session.own, &format!("{name} is not for a server in a session"));
            }
        }
    }
    honest.check_alive().await;
}

/// A row in the table of commands without code behind it is found here: the compiler cannot see it.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_table_has_a_command_behind_it() {
    let world = World::serving();
    let mut checked = 0;
    for (kind, frame) in crate::hostile::server::golden_messages() {
        let Some(spec) = SPECS.iter().find(|spec| spec.kind == kind) else { continue };
        checked += 1;
        if spec.needs == Needs::Login {
            continue; // answered by the session itself, or not at all
        }
        let mut session = Session::open(&world).await;
        let body = &frame[12..];
        session.send_raw(body.len() as u32, kind, 0, 9, body).await;
        if let Message::Failure(failure) = session.next().await.unwrap().message {
            let is_option = failure.message.contains("extension"); // golden options have one, which no version knows
            assert!(failure.code != FailureCode::Unsupported || is_option, "{}: {failure:?}", spec.name);
        }
    }
    assert_eq!(checked, SPECS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_bounded_in_bytes_and_not_only_in_items() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    let select = Select {
        path: RemotePath::root(),
        window: 1,
        rate_limit: 0,
        changing: wire::message::Changing::Retry,
        compress: Default::default(),
        options: JobOptions { resume: wire::message::Resume::Never, ..JobOptions::of(Checksum::Sha256) },
    };
    session.send(2, select).await;
    assert!(matches!(session.next().await.unwrap().message, Message::Opened(Opened { .. })));
    let metadata =
        Metadata { kind: Kind::File, size: 1, modified: Timestamp { seconds: 0, nanos: 0 }, mode: 0o644 };
    let long = vec!["n".repeat(200); 20].join("/");
    for batch in 0..8 {
        let item = |number| WantedItem { path: path(&format!("{batch}-{number}/{long}")), metadata };
        session.send_if_open(2, Wanted { items: (0..220).map(item).collect(), last: false }).await;
    }
    session.check_ended().await;
    check_logged(&world, session.own, "more items requested than allowed");
    check_memory(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_that_nobody_takes_hold_few_folders_open() {
    let world = World::serving();
    let deepest = world.root().join(vec!["d"; 60].join("/"));
    fs::create_dir_all(&deepest).unwrap();
    // More than the pages sent ahead, so that listings wait with all their folders open.
    for number in 0..9000 {
        File::create(deepest.join(format!("{number:0200}"))).unwrap();
    }
    let mut session = Session::open(&world).await;
    let before = handles(&world);
    for id in 2..50 {
        session.send(id, list_tree(None)).await;
    }
    // Each waits behind its unconsumed pages.
    for _ in 0..4 * LISTING_PAGES_AHEAD {
        let answer = session.next().await.expect("the session goes on");
        assert!(matches!(answer.message, Message::Listing(_)), "{answer:?}");
    }
    let most = handles(&world);
    println!("{before} handles before, {most} with 48 listings");
    assert!(most < before + 5 * 61, "{most} handles are open");
    for id in 2..50 {
        session.send(id, Cancel).await;
    }
    let mut cancelled = 0;
    while cancelled < 48 {
        let answer = session.next().await.expect("the session goes on");
        cancelled += u32::from(matches!(answer.message, Message::Failure(_)));
    }
    wait_until("the folders are closed", || handles(&world) <= before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn hashing_one_file_without_end_stops_when_it_is_cancelled() {
    let mut world = World::serving();
    File::create(world.root().join("huge")).unwrap().set_len(1 << 42).unwrap(); // sparse: takes hours to read, and no disk space
    let mut session = Session::open(&world).await;
    let digests = Digests {
        path: RemotePath::root(),
        checksum: Checksum::Sha256,
        paths: vec![path("huge")],
        follow: Default::default(),
    };
    session.send(2, list_tree(Some(Checksum::Sha256))).await;
    session.send(3, digests).await;
    session.send(4, Hash { path: path("huge") }).await;
    session.check_alive().await;
    for id in 2..5 {
        session.send(id, Cancel).await;
    }
    for _ in 2..5 {
        let answer = session.next().await.expect("the session goes on");
        let Message::Failure(failure) = answer.message else { panic!("{answer:?}") };
        assert_eq!(failure.code, FailureCode::Cancelled);
    }
    // No work continues in the background: a server ends only when its threads have.
    let begin = Instant::now();
    assert_eq!(world.server_mut().terminate(), Some(0));
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_works_beside_a_flood_keeps_their_share_of_the_throughput() {
    let world = Arc::new(World::serving());
    fs::write(world.root().join("file"), content(1, 48 << 20)).unwrap();
    for number in 0..2000 {
        fs::write(world.root().join(format!("{number:0100}")), "").unwrap();
    }
    // On a shared machine one fair comparison of several is proof enough.
    let mut shares = Vec::new();
    for _ in 0..5 {
        let calm = fetch(&world);
        let stop = Arc::new(AtomicBool::new(false));
        let floods: Vec<_> = [Flood::Pings, Flood::Requests, Flood::Listings, Flood::Jobs]
            .map(|flood| tokio::spawn(flood.run(world.clone(), stop.clone())))
            .into();
        let for_fetch = world.clone();
        let flooded = tokio::task::spawn_blocking(move || fetch(&for_fetch)).await.unwrap();
        stop.store(true, Ordering::Relaxed);
        for flood in floods {
            flood.await.unwrap();
        }
        shares.push(calm.as_secs_f64() / flooded.as_secs_f64());
        if shares.last().is_some_and(|share| *share >= SHARE_MIN) {
            break;
        }
    }
    println!("throughput beside a flood: {shares:.2?} of that without");
    assert!(shares.last().is_some_and(|share| *share >= SHARE_MIN), "{shares:?}");
    check_memory(&world);
}

#[derive(Clone, Copy)]
enum Flood {
    /// Answered one by one, and the answers are not read.
    Pings,
    /// The same, with a disk access for each.
    Requests,
    /// Pages that are not read.
    Listings,
    /// Opened and cancelled.
    Jobs,
}

impl Flood {
    async fn run(self, world: Arc<World>, stop: Arc<AtomicBool>) {
        let mut session = Session::open(&world).await;
        let mut id = 2;
        while !stop.load(Ordering::Relaxed) {
            // Some thousand messages a second each: the flood shares this machine's cores with its victims.
            tokio::time::sleep(Duration::from_millis(4)).await;
            for _ in 0..16 {
                id += 1;
                // A server that stops reading blocks us, which is as good.
                let sending = async {
                    match self {
                        Self::Pings => session.send_if_open(id, Ping).await,
                        Self::Requests => session.send_if_open(id, stat()).await,
                        Self::Listings => session.send_if_open(id, list_tree(None)).await,
                        Self::Jobs => {
                            session.send_if_open(id, put()).await;
                            session.send_if_open(id, Cancel).await;
                        }
                    }
                };
                if timeout(Duration::from_millis(50), sending).await.is_err() {
                    // A message was cut off; anything sent after it would be garbage.
                    while !stop.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
                    }
                    return;
                }
            }
        }
    }
}

/// Measures how long an honest client takes.
fn fetch(world: &World) -> Duration {
    let begin = Instant::now();
    world.check(["get", "-q", &world.url("file"), "got"]);
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_tiny_records_and_frames_takes_no_memory() {
    let world = World::serving();
    let mut session = Session::open(&world).await;
    session.send(2, put()).await;
    assert!(matches!(session.next().await.unwrap().message, Message::Opened(_)));
    let mut lane = session.lane(1).await;
    let frames = crate::support::fake_frames::Frames { job: 2, checksum: Checksum::Sha256 };
    // One byte per record: more record than frame, up to a bound.
    let block = frames.block(0, "", Some(1 << 30), 0, false, &content(1, wire::limits::CHUNK_LEN));
    for byte in block.chunks(1).take(60_000) {
        lane.send(byte).await;
    }
    session.check_ended().await;
    check_logged(&world, session.own, "the records of one frame take more than");
    check_memory(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_never_log_in_give_their_places_back() {
    let world = World::serving_with("[limits]\nconnections = 40\nlogin_timeout = \"1s\"\n");
    let address = world.server().address;
    let mut strangers = Vec::new();
    for _ in 0..60 {
        strangers.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    wait_until("some are refused", || world.server().log().contains("connection refused: too many"));
    let let_in = || world.client(["ls", &world.url("")]).code == Some(0);
    wait_until("an honest client is let in again", let_in);
    drop(strangers);
}

fn list_tree(digests: Option<Checksum>) -> List {
    List {
        path: RemotePath::root(),
        recursive: true,
        pattern: RemotePath::root(),
        digests,
        details: Details::default(),
        follow: Default::default(),
    }
}

fn stat() -> Stat {
    Stat { path: RemotePath::root(), follow: false, details: Details::default() }
}

fn put() -> Put {
    let (path, checksum) = (path("put"), Checksum::Sha256);
    Put {
        path,
        into: None,
        overwrite: Overwrite::Always,
        exclusive: false,
        modes_of_new: false,
        folder_mode: 0o700,
        durability: Durability::Process,
        options: JobOptions::of(checksum),
    }
}

fn path(text: &str) -> RemotePath {
    RemotePath::from_user(text.as_bytes()).unwrap()
}

fn check_memory(world: &World) {
    let peak = memory_kib(world, "VmHWM:");
    println!("the server took {peak} KiB at its peak");
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
}
