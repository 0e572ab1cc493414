//! Clients that make the server keep as much as possible: data that waits for earlier frames, for acknowledgements, or in
//! unread answers. In every case a session stays within its limit, and all sessions together within the server's.
//!
//! `FTPX_FLOOD=SESSIONS,JOBS,FRAMES` makes the flood of folders larger than what fits into a few seconds.

use crate::support::fake_client::{HandLane, Session};
use crate::support::fake_frames::{Frames, PackEntry};
use crate::support::limits::{handles, memory_kib};
use std::time::{Duration, Instant};
use tests::world::{PASSWORD, World};
use tokio::time::timeout;
use wire::RemotePath;
use wire::budget::OPEN_FOLDER_LEN;
use wire::checksum::Checksum;
use wire::frame::EntryKind;
use wire::limits::{
    JOBS_MAX, LARGE_FILES_MAX, OFFER_ITEMS_MAX, PACK_ENTRIES_MAX, SERVER_MEMORY_MAX, SESSION_MEMORY_MAX,
};
use wire::message::{
    Batch, Change, Details, Digests, Durability, Hash, JobOptions, List, Offer, OfferedItem, Overwrite, Ping,
    Put, Stat,
};
use wire::metadata::{Kind, Metadata, SourceId, Timestamp};

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_wait_for_a_frame_that_never_comes_take_no_more_than_their_sum() {
    let (sessions, jobs, frames) = flood_size();
    let mut world = World::empty();
    world.add_user("tester", "drop");
    world.serve(&[]);
    let mut tasks = tokio::task::JoinSet::new();
    let mut open = Vec::new();
    let payload = folders_pack(1);
    for _ in 0..sessions {
        let (mut session, mut lane) = session_and_lane(&world).await;
        for job in 0..jobs {
            session.send(2 + job, put(&format!("flood-{job}"))).await;
        }
        let payload = payload.clone();
        tasks.spawn(async move {
            for frame in 1..=frames {
                for job in 0..jobs {
                    let frames = Frames { job: 2 + job, checksum: Checksum::Sha256 };
                    lane.send(&frames.pack_claiming(frame, PACK_ENTRIES_MAX as u32, &payload)).await;
                }
            }
            lane
        });
        open.push(session);
    }
    let mut lanes = Vec::new();
    while let Some(lane) = tasks.join_next().await {
        lanes.push(lane.unwrap());
    }
    if sessions == 1 {
        alive(&mut open[0]).await; // if there are many, the first have been silent for too long by now
    }
    let bound = if sessions == 1 { SESSION_MEMORY_MAX } else { SERVER_MEMORY_MAX };
    check_memory(&world, bound);
}

/// Each file in progress is open at the server, whose open files are limited: they count as memory.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_begin_and_do_not_go_on_leave_others_their_handles() {
    let mut world = World::empty();
    world.add_user("tester", "drop");
    world.serve_with("[limits]\nmemory_per_session = \"40 MiB\"\n", &[]);
    let (mut session, mut lane) = session_and_lane(&world).await;
    let before = handles(&world);
    let jobs = 2..2 + JOBS_MAX as u32;
    for id in jobs.clone() {
        let request = put(&format!("tree-{id}"));
        session.send(id, Put { options: JobOptions { sparse: true, ..request.options }, ..request }).await;
    }
    for job in jobs {
        let frames = Frames { job, checksum: Checksum::Sha256 };
        for file in 0..LARGE_FILES_MAX as u32 {
            lane.send(&frames.hole(file, &format!("folder-{file}/file"))).await;
        }
    }
    // A lane is processed in order: when these bytes, which are not a record, have ended it, all before them have been handled.
    lane.send_unsealed(&[0; 64]).await;
    lane.check_ended().await;
    alive(&mut session).await;
    let opened = handles(&world) - before;
    println!("{opened} handles");
    assert!(opened > JOBS_MAX, "the files were opened");
    // The part of the memory for transfers is half.
    assert!(opened < (20 << 20) / OPEN_FOLDER_LEN, "{opened} handles");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_nobody_reads_take_no_more_than_their_sum() {
    let mut world = World::empty();
    world.add_user("tester", "drop");
    world.serve(&[]);
    let (mut session, mut lane) = session_and_lane(&world).await;
    let names: Vec<String> = (0..PACK_ENTRIES_MAX).map(|n| format!(".ftpx-{n:016x}.part")).collect();
    let entries: Vec<PackEntry<'_>> =
        names.iter().map(|name| (EntryKind::File, name.as_bytes(), &b""[..])).collect();
    let job = |job| Frames { job, checksum: Checksum::Sha256 };
    let payload = job(0).payload(&entries);
    for id in 2..10 {
        session.send(id, put(&format!("failing-{id}"))).await;
    }
    // Some 100 bytes for each of 1.6 million failures.
    for frame in 0..200 {
        for id in 2..10 {
            lane.send(&job(id).pack_claiming(frame, PACK_ENTRIES_MAX as u32, &payload)).await;
        }
    }
    // A frame behind all of them has been handled as well.
    session.send(20, Ping).await;
    check_memory(&world, SESSION_MEMORY_MAX);
    alive(&mut session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_and_answers_that_nobody_reads_take_no_more_than_their_sum() {
    let world = World::serving();
    for number in 0..500 {
        std::fs::write(world.root().join(format!("{number:0200}")), "").unwrap();
    }
    let mut sessions = Vec::new();
    for flood in [
        Flood::Batches,
        Flood::Digests,
        Flood::Lists,
        Flood::Stats,
        Flood::Hashes,
        Flood::Offers,
        Flood::Early,
    ] {
        for _ in 0..2 {
            let mut session = Session::open(&world).await;
            flood.run(&mut session).await;
            sessions.push(session);
        }
    }
    check_memory(&world, SERVER_MEMORY_MAX / 2);
    world.check(["ls", &world.url("")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_takes_all_there_is_leaves_others_their_speed() {
    let mut world = World::empty();
    world.add_user("greedy", "drop");
    world.add_user("tester", "full");
    world.serve(&[]);
    std::fs::write(world.local().join("file"), crate::support::content(1, 32 << 20)).unwrap();
    let payload = folders_pack(1);
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let mut session = Session::open_as(&world, "greedy", PASSWORD).await;
        let mut lane = session.lane(1).await;
        for job in 2..4 {
            session.send(job, put(&format!("flood-{job}"))).await;
            let frames = Frames { job, checksum: Checksum::Sha256 };
            for frame in 1..=30 {
                lane.send(&frames.pack_claiming(frame, PACK_ENTRIES_MAX as u32, &payload)).await;
            }
        }
        greedy.push((session, lane));
    }
    world.check(["put", "-q", "file", &world.url("there")]);
    world.check(["get", "-q", &world.url("there"), "back"]);
    drop(greedy);
}

#[derive(Clone, Copy)]
enum Flood {
    /// The longest messages allowed.
    Batches,
    Digests,
    Lists,
    Stats,
    Hashes,
    /// For running jobs.
    Offers,
    /// For jobs that cannot be opened yet, or not at all.
    Early,
}

impl Flood {
    /// Runs until the server stops reading, or the session has ended.
    async fn run(self, session: &mut Session) {
        let begin = Instant::now();
        for id in 2..66 {
            let sending = async {
                match self {
                    Self::Batches => session.send_if_open(id, batch()).await,
                    Self::Digests => session.send_if_open(id, digests()).await,
                    Self::Lists => session.send_if_open(id, list()).await,
                    Self::Stats => session.send_if_open(id, stat()).await,
                    Self::Hashes => {
                        session.send_if_open(id, Hash { path: path(&format!("{:0200}", id)) }).await
                    }
                    Self::Offers | Self::Early => {
                        let target = if matches!(self, Self::Offers) { "put" } else { "missing/put" };
                        session.send_if_open(id, put(target)).await;
                        for _ in 0..8 {
                            session.send_if_open(id, offer()).await;
                        }
                    }
                }
            };
            if timeout(Duration::from_millis(300), sending).await.is_err()
                || begin.elapsed() > Duration::from_secs(3)
            {
                return; // a message was cut off, or enough was sent
            }
        }
    }
}

fn flood_size() -> (u32, u32, u64) {
    let Ok(size) = std::env::var("FTPX_FLOOD") else { return (1, 6, 40) };
    let numbers: Vec<u32> = size.split(',').map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1], numbers[2].into())
}

/// A pack filled with folders.
fn folders_pack(frame: u64) -> Vec<u8> {
    let names: Vec<String> = (0..PACK_ENTRIES_MAX).map(|n| format!("{frame:0255}/{n:0196}")).collect();
    let entries: Vec<PackEntry<'_>> =
        names.iter().map(|name| (EntryKind::Folder, name.as_bytes(), &b""[..])).collect();
    Frames { job: 0, checksum: Checksum::Sha256 }.payload(&entries)
}

async fn session_and_lane(world: &World) -> (Session, HandLane) {
    let session = Session::open(world).await;
    let lane = session.lane(1).await;
    (session, lane)
}

/// Checks that the session still answers; reports about earlier jobs do not matter.
async fn alive(session: &mut Session) {
    session.send(4_000_000, Ping).await;
    loop {
        let answer = session.next().await.expect("the session goes on");
        if answer.request == 4_000_000 {
            return;
        }
    }
}

fn check_memory(world: &World, bound: usize) {
    let peak = memory_kib(world, "VmHWM:");
    println!("the server took {peak} KiB at its peak, of {}", bound / 1024);
    assert!(peak < bound as u64 / 1024, "{peak} KiB");
}

fn batch() -> Batch {
    let long = vec!["n".repeat(200); 5].join("/");
    let change = |number: u32| Change::RemoveFolder { path: path(&format!("{number}/{long}")) };
    Batch {
        path: RemotePath::root(),
        backup: None,
        versions: None,
        changes: (0..1000).map(change).collect(),
        durability: Durability::Process,
        follow: Default::default(),
    }
}

fn digests() -> Digests {
    let long = vec!["n".repeat(200); 5].join("/");
    let paths = (0..1000).map(|number| path(&format!("{number}/{long}"))).collect();
    Digests { path: RemotePath::root(), checksum: Checksum::Sha256, paths, follow: Default::default() }
}

fn list() -> List {
    List {
        path: RemotePath::root(),
        recursive: true,
        pattern: RemotePath::root(),
        digests: None,
        details: Details::default(),
        follow: Default::default(),
    }
}

fn stat() -> Stat {
    let details = Details { xattrs: true, ..Details::default() };
    Stat { path: RemotePath::root(), follow: false, details }
}

fn offer() -> Offer {
    let long = vec!["n".repeat(200); 9].join("/");
    let modified = Timestamp { seconds: 0, nanos: 0 };
    let metadata = Metadata { kind: Kind::File, size: 1, modified, mode: 0o644 };
    let item = |number: usize| OfferedItem {
        path: path(&format!("{number}/{long}")),
        metadata,
        source: SourceId::default(),
        changed: true,
    };
    Offer { items: (0..OFFER_ITEMS_MAX).map(item).collect() }
}

fn put(to: &str) -> Put {
    Put {
        path: path(to),
        into: None,
        overwrite: Overwrite::Always,
        exclusive: false,
        modes_of_new: false,
        folder_mode: 0o700,
        durability: Durability::Process,
        options: JobOptions { resume: wire::message::Resume::New, ..JobOptions::of(Checksum::Sha256) },
    }
}

fn path(text: &str) -> RemotePath {
    RemotePath::from_user(text.as_bytes()).unwrap()
}
