//! Rules of PROTOCOL.md that a peer may break one by one, over real sockets: which end the session, which fail alone, and the
//! log's message.

use crate::hostile::check_logged;
use crate::hostile::server::{answer_usual, entry, path};
use crate::support::content;
use crate::support::fake_client::{Session, connect, login, until_closed};
use crate::support::fake_server::{Against, Peer};
use std::fs;
use std::time::Duration;
use tests::world::{PASSWORD, World};
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::features::Features;
use wire::ids::FrameNo;
use wire::limits::{ACK_ITEMS_MAX, CHUNK_LEN, LISTING_PAGE_ENTRIES_MAX};
use wire::message::{
    Ack, Details, Durability, End, Extension, Get, Held, HeldItem, JobOptions, Listing, LoginRequest,
    Message, Offer, OfferedItem, Opened, Overwrite, Put, Resume, Select, SetMetadata, Stat,
};
use wire::metadata::{Kind, Metadata, SourceId, Timestamp};
use wire::net::control::{Incoming, MessageReader, send};
use wire::{FailureCode, RemotePath};

const JOB: u32 = 2;

/// The rules themselves are tested in process.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_other_end_of_a_job_says_ends_the_session() {
    let world = World::serving();
    fs::write(world.root().join("file"), content(1, 3 * CHUNK_LEN)).unwrap();
    let mut honest = Session::open(&world).await;
    for (job, message, reason) in [
        (put("target"), Message::from(Held { answers: vec![HeldItem::Nothing] }), "Held from the wrong end"),
        (get(None), End { frames: 1 }.into(), "End from the wrong end"),
    ] {
        let mut session = opened(&world, job).await;
        session.send(JOB, message).await;
        session.check_ended().await;
        check_logged(&world, session.own, reason);
    }
    honest.check_alive().await;
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
        compress: Default::default(),
        options: options.clone(),
    };
    let select = Select {
        path: RemotePath::root(),
        window,
        rate_limit,
        changing,
        compress: Default::default(),
        options: options.clone(),
    };
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
async fn no_login_forges_what_the_log_says() {
    let world = World::serving();
    let (mut connection, own) = connect(world.server().address).await;
    let mut request = login("tester", PASSWORD);
    request.agent = "x user=\"root\" key=\"forged\"\nINFO login".into();
    send(&mut connection, &Envelope::new(1, request)).await.unwrap();
    check_logged(&world, own, r#"agent="x user=\"root\" key=\"forged\""#);
    assert!(!world.server().log().lines().any(|line| line.starts_with("INFO login")));
}

/// A pattern is no leave to choose names: `get '*.txt'` must not write what else the server likes.
#[tokio::test(flavor = "multi_thread")]
async fn entries_that_do_not_match_a_pattern_end_the_session() {
    let against = Against::new().await;
    let url = against.url_of("*.txt");
    for name in ["profile", "sub/a.txt", "a.txt/b"] {
        for command in [&["get", &url, "target"][..], &["rm", &url], &["ls", &url]] {
            let outcome = against.run(command, async |peer| {
                let request = until_list_or_put(peer).await;
                let entries = vec![entry("a.txt", Kind::File), entry(name, Kind::File)];
                peer.send(request, Listing { entries, failures: Vec::new() }).await;
                while peer.next().await.is_some() {}
            });
            outcome.await.expect(7, "an entry of a listing that was not asked for");
        }
    }
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
        compress: Default::default(),
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
