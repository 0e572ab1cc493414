//! Rules of PROTOCOL.md that a peer may break one by one, over real sockets: which end the session, which fail alone, and the
//! log's message.

use crate::hostile::check_logged;
use crate::hostile::server::{answer_usual, entry, path};
use crate::support::content;
use crate::support::fake_client::{Session, connect, login, until_closed};
use crate::support::fake_frames::Frames;
use crate::support::fake_server::{Against, Peer};
use std::fs;
use std::time::Duration;
use tests::world::{PASSWORD, World};
use wire::checksum::{Checksum, Digest};
use wire::control::Envelope;
use wire::features::Features;
use wire::frame::{Announcement, FrameHead, FrameKind, SealEnd, encode_loss};
use wire::ids::{FileNo, FrameNo, JobId};
use wire::limits::{ACK_ITEMS_MAX, CHUNK_LEN, LISTING_PAGE_ENTRIES_MAX, OFFER_ITEMS_MAX};
use wire::message::{
    Ack, Details, Durability, End, Extension, FrameRange, Get, Held, HeldItem, JobOptions, Listing,
    LoginRequest, Message, Offer, OfferedItem, Opened, Overwrite, Put, Resume, Select, SetMetadata, Stat,
    Totals,
};
use wire::metadata::{Kind, Metadata, SourceId, Timestamp};
use wire::net::control::{Incoming, MessageReader, send};
use wire::{Failure, FailureCode, RemotePath};

const JOB: u32 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_other_end_of_a_job_says_ends_the_session() {
    let world = World::serving();
    fs::write(world.root().join("file"), content(1, 3 * CHUNK_LEN)).unwrap();
    let mut honest = Session::open(&world).await;
    let range = FrameRange { first: FrameNo(0), count: 1 };
    let ack = Ack { done: vec![range], failed: Vec::new(), damaged: Vec::new() };
    for (job, message, reason) in [
        (put("target"), Message::from(ack), "Ack from the wrong end"),
        (put("target"), Held { answers: vec![HeldItem::Nothing] }.into(), "Held from the wrong end"),
        (get(None), offer(1).into(), "Offer from the wrong end"),
        (get(None), End { frames: 1 }.into(), "End from the wrong end"),
        (get(None), Totals::default().into(), "Totals from the wrong end"),
    ] {
        let mut session = opened(&world, job).await;
        session.send(JOB, message).await;
        session.check_ended().await;
        check_logged(&world, session.own, reason);
    }
    honest.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_items_than_a_message_may_have_end_the_session_whatever_the_job_does() {
    let world = World::serving();
    fs::write(world.root().join("file"), content(1, 3 * CHUNK_LEN)).unwrap();
    let mut running = opened(&world, put("target")).await;
    running.send(JOB, offer(OFFER_ITEMS_MAX)).await;
    assert!(matches!(running.next().await.unwrap().message, Message::Held(_)), "as many as may be");
    running.send(JOB, offer(OFFER_ITEMS_MAX + 1)).await;
    running.check_ended().await;
    check_logged(&world, running.own, "Offer with more items");
    let mut over = Session::open(&world).await;
    over.send(JOB, offer(OFFER_ITEMS_MAX + 1)).await;
    over.check_ended().await;
    check_logged(&world, over.own, "Offer with more items");
    let mut early = Session::open(&world).await;
    early.send(JOB, put("missing/target")).await;
    early.send_if_open(JOB, offer(OFFER_ITEMS_MAX + 1)).await;
    early.check_ended().await;
    let mut acking = opened(&world, get(None)).await;
    let damaged = vec![FrameNo(0); ACK_ITEMS_MAX + 1];
    acking.send(JOB, Ack { done: Vec::new(), failed: Vec::new(), damaged }).await;
    acking.check_ended().await;
    check_logged(&world, acking.own, "Ack with more items");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_id_0_is_no_requests() {
    let world = World::serving();
    let stat = Stat { path: RemotePath::root(), follow: false, details: Details::default() };
    for message in [Message::from(stat), put("target"), get(None)] {
        let mut session = Session::open(&world).await;
        session.send(0, message).await;
        session.check_ended().await;
        check_logged(&world, session.own, "request id 0");
    }
    let (mut connection, own) = connect(world.server().address).await;
    send(&mut connection, &Envelope::new(0, login("tester", PASSWORD))).await.unwrap();
    assert_eq!(until_closed(&mut connection).await, b"");
    check_logged(&world, own, "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_there_are_not_are_refused_and_the_session_goes_on() {
    let world = World::serving();
    fs::write(world.root().join("file"), "content").unwrap();
    let mut session = Session::open(&world).await;
    let never = Some(Timestamp { seconds: 0, nanos: 2_000_000_000 });
    let set = SetMetadata { path: path("file"), modified: never, mode: None, create: false };
    for (id, message) in [
        Message::from(Put {
            options: JobOptions { begun: never, ..put_request("target").options },
            ..put_request("target")
        }),
        get(never),
        set.into(),
    ]
    .into_iter()
    .enumerate()
    {
        let id = 2 + id as u32;
        session.send(id, message).await;
        let answer = session.next().await.unwrap();
        let Message::Failure(failure) = answer.message else { panic!("{answer:?}") };
        assert_eq!((answer.request, failure.code), (id, FailureCode::BadMessage));
    }
    session.check_alive().await;
}

/// Extensions of later versions are refused by their number, not misread.
#[tokio::test(flavor = "multi_thread")]
async fn extensions_that_the_server_does_not_know_fail_their_request() {
    let world = World::serving();
    fs::write(world.root().join("file"), "content").unwrap();
    let mut session = Session::open(&world).await;
    let extensions = vec![Extension { number: 4711, value: vec![1, 2, 3] }];
    let options = JobOptions { extensions, ..JobOptions::of(Checksum::Sha256) };
    let (window, rate_limit, changing) = (8, 0, wire::message::Changing::Retry);
    let get = Get {
        path: path("file"),
        recursive: false,
        window,
        rate_limit,
        totals: false,
        changing,
        options: options.clone(),
    };
    let select = Select { path: RemotePath::root(), window, rate_limit, changing, options: options.clone() };
    let put = Put { options, ..put_request("target") };
    for (id, message) in (2..).zip([Message::from(get), select.into(), put.into()]) {
        session.send(id, message).await;
        let answer = session.next().await.unwrap();
        let Message::Failure(failure) = answer.message else { panic!("{answer:?}") };
        assert_eq!((answer.request, failure.code), (id, FailureCode::Unsupported));
        assert!(failure.message.contains("4711"), "{failure}");
    }
    session.check_alive().await;
    assert!(!world.root().join("target").exists());
}

/// A client of a later version offers features unknown to this server.
#[tokio::test(flavor = "multi_thread")]
async fn features_that_the_server_does_not_know_do_not_hold() {
    let world = World::serving();
    let (mut connection, _) = connect(world.server().address).await;
    let request = LoginRequest { features: Features::of_bits(u64::MAX), ..login("tester", PASSWORD) };
    send(&mut connection, &Envelope::new(1, request)).await.unwrap();
    let Incoming::Message(answer) = MessageReader::new(connection).next().await.unwrap() else {
        panic!("no answer")
    };
    let Message::Welcome(welcome) = answer.message else { panic!("{answer:?}") };
    assert_eq!(welcome.features, Features::KNOWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_that_gives_up_has_no_root() {
    let world = World::serving();
    for (root, ends) in [(Digest([0; 32]), false), (Digest([1; 32]), true)] {
        let mut session = opened(&world, put("target")).await;
        let mut lane = session.lane(1).await;
        lane.send(&given_up(0, 0, "", root)).await;
        if ends {
            session.check_ended().await;
            check_logged(&world, session.own, "lies about its length");
        } else {
            assert!(matches!(session.next().await.unwrap().message, Message::Ack(_)));
            session.check_alive().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_files_number_is_no_other_files() {
    let world = World::serving();
    let frames = Frames { job: JOB, checksum: Checksum::Sha256 };
    let whole = content(1, CHUNK_LEN);
    let size = Some(CHUNK_LEN as u64);
    for is_given_up in [false, true] {
        let mut session = opened(&world, put("")).await;
        let mut lane = session.lane(1).await;
        if is_given_up {
            lane.send(&given_up(1, 0, "one", Digest([0; 32]))).await
        } else {
            lane.send(&frames.block(0, "one", size, 0, true, &whole)).await;
            lane.send(&frames.seal(1, "one", CHUNK_LEN as u64, frames.root(&whole))).await;
        }
        until_done(&mut session, 1).await;
        lane.send(&frames.block(2, "other", size, 0, true, &whole)).await;
        session.check_ended().await;
        check_logged(&world, session.own, "two announcements of one file that differ");
    }
    assert!(fs::read(world.root().join("one")).unwrap() == whole && !world.root().join("other").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_ends_once() {
    let world = World::serving();
    let mut session = opened(&world, put("target")).await;
    session.send(JOB, End { frames: 5 }).await;
    session.send(JOB, End { frames: 6 }).await;
    session.check_ended().await;
    check_logged(&world, session.own, "a job's end that contradicts");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_forges_what_the_log_says() {
    let world = World::serving();
    let (mut connection, own) = connect(world.server().address).await;
    let mut request = login("tester", PASSWORD);
    request.agent = "x user=\"root\" key=\"forged\"\nINFO login".into();
    send(&mut connection, &Envelope::new(1, request)).await.unwrap();
    check_logged(&world, own, r#"agent="x user=\"root\" key=\"forged\""#);
    assert!(!world.server().log().lines().any(|line| line.starts_with("INFO login")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_takes_no_more_from_its_server() {
    let against = Against::new().await;
    fs::write(against.world.local().join("target/file"), content(1, 1000)).unwrap();
    let entries: Vec<_> =
        (0..=LISTING_PAGE_ENTRIES_MAX).map(|n| entry(&format!("{n:06}"), Kind::File)).collect();
    let listed = against.run(&["ls", "URL"], async |peer| {
        let request = until_list_or_put(peer).await;
        peer.send(request, Listing { entries: entries.clone(), failures: Vec::new() }).await;
        while peer.next().await.is_some() {}
    });
    listed.await.expect(7, "a page of a listing with more entries than it may have");
    let damaged = vec![FrameNo(0); ACK_ITEMS_MAX + 1];
    for (message, reason) in [
        (Message::from(Ack { done: Vec::new(), failed: Vec::new(), damaged }), "Ack with more items"),
        (End { frames: 0 }.into(), "End from the wrong end"),
        (offer(1).into(), "Offer from the wrong end"),
    ] {
        let put = against.run(&["put", "target/file", "URL"], async |peer| {
            let job = until_list_or_put(peer).await;
            let at = Timestamp { seconds: 0, nanos: 0 };
            peer.send(job, Opened { path: path("file"), folder: false, at }).await;
            // Until the client has the job among those that it sends, this has no effect.
            loop {
                peer.send(job, message.clone()).await;
                if let Ok(None) = tokio::time::timeout(Duration::from_millis(50), peer.next()).await {
                    break;
                }
            }
        });
        put.await.expect(7, reason);
    }
}

/// Opens a session with the open job `job`.
async fn opened(world: &World, job: Message) -> Session {
    let mut session = Session::open(world).await;
    session.send(JOB, job).await;
    let answer = session.next().await.unwrap();
    assert!(matches!(answer.message, Message::Opened(_)), "{answer:?}");
    session
}

/// Lets a client log in, and answers its requests before it lists or sends; returns the id of that.
async fn until_list_or_put(peer: &mut Peer) -> u32 {
    peer.welcome().await;
    while let Some(envelope) = peer.next().await {
        if let Message::List(_) | Message::Put(_) = envelope.message {
            return envelope.request;
        }
        assert!(answer_usual(peer, &envelope).await, "{envelope:?}");
    }
    0
}

async fn until_done(session: &mut Session, frame: u64) {
    loop {
        let answer = session.next().await.expect("an acknowledgement");
        let Message::Ack(ack) = answer.message else { panic!("{answer:?}") };
        assert!(ack.failed.is_empty(), "{ack:?}");
        if ack.done.iter().any(|range| range.first.0 + u64::from(range.count) > frame) {
            return;
        }
    }
}

/// The seal of file 0 that gives it up.
fn given_up(frame: u64, file: u32, to: &str, root: Digest) -> Vec<u8> {
    let mut extra = Vec::new();
    let announcement = Announcement {
        path: path(to),
        size: Some(CHUNK_LEN as u64),
        modified: None,
        mode: 0o644,
        source: SourceId::default(),
    };
    announcement.encode(&mut extra);
    let loss = encode_loss(&Failure::from(FailureCode::SourceChanged));
    let kind = FrameKind::Seal { file: FileNo(file), size: 0, root, end: SealEnd::GivenUp };
    let (extra_len, payload_len) = (extra.len() as u16, loss.len() as u32);
    let head = FrameHead { job: JobId(JOB), frame: FrameNo(frame), extra_len, payload_len, kind };
    [&head.encode()[..], &extra, &loss].concat()
}

fn offer(items: usize) -> Offer {
    let modified = Timestamp { seconds: 0, nanos: 0 };
    let metadata = Metadata { kind: Kind::File, size: 1, modified, mode: 0o644 };
    let item = |number: usize| OfferedItem {
        path: path(&number.to_string()),
        metadata,
        source: SourceId::default(),
        changed: true,
    };
    Offer { items: (0..items).map(item).collect() }
}

fn get(begun: Option<Timestamp>) -> Message {
    let (checksum, resume) = (Checksum::Sha256, Resume::Never);
    Get {
        path: path("file"),
        recursive: false,
        window: 8,
        rate_limit: 0,
        totals: false,
        changing: wire::message::Changing::Retry,
        options: JobOptions { resume, begun, ..JobOptions::of(checksum) },
    }
    .into()
}

fn put(to: &str) -> Message {
    put_request(to).into()
}

fn put_request(to: &str) -> Put {
    Put {
        path: path(to),
        into: None,
        overwrite: Overwrite::Always,
        exclusive: false,
        modes_of_new: false,
        folder_mode: 0o700,
        durability: Durability::Process,
        options: JobOptions { resume: Resume::New, ..JobOptions::of(Checksum::Sha256) },
    }
}
