//! Servers that violate the protocol on the control connection, or send impossible data, to the real client.

use crate::support::fake_client::raw_frame;
use crate::support::fake_server::{Against, Outcome, Peer, welcome};
use std::collections::BTreeMap;
use std::fs;
use wire::checksum::Digest;
use wire::control::Envelope;
use wire::features::Features;
use wire::ids::FrameNo;
use wire::limits::{CONTROL_BODY_MAX, FAILURE_MESSAGE_LEN_MAX};
use wire::message::{
    Ack, End, Entry, FrameRange, Hashed, Listing, Message, PathFailure, Ping, Pong, SpaceReport, Totals,
    Welcome,
};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::{Failure, FailureCode, RemotePath};

/// The point of a session at which an unsolicited message arrives.
#[derive(Debug, Clone, Copy)]
enum When {
    InsteadOfWelcome,
    AsAnswer,
    BesideTheRequest,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_in_every_state_ends_the_client_in_order() {
    let messages = golden_messages();
    assert!(messages.len() > 25, "{}", messages.len());
    // Several worlds, as each runs one client at a time.
    let shares: Vec<Vec<_>> = (0..4).map(|share| messages.iter().skip(share).step_by(4).collect()).collect();
    let mut running = Vec::new();
    for share in shares {
        let share: Vec<(u16, Vec<u8>)> =
            share.into_iter().map(|(kind, bytes)| (*kind, bytes.clone())).collect();
        running.push(async move {
            let against = Against::new().await;
            for (kind, bytes) in share {
                for when in [When::InsteadOfWelcome, When::AsAnswer, When::BesideTheRequest] {
                    let outcome =
                        against.run(&["stat", "URL"], async |peer| misplace(peer, &bytes, when).await).await;
                    check_misplaced(kind, when, &outcome);
                }
            }
        });
    }
    let mut tasks = running.into_iter().map(Box::pin);
    let [one, two, three, four] = std::array::from_fn(|_| tasks.next().unwrap());
    tokio::join!(one, two, three, four);
}

async fn misplace(peer: &mut Peer, frame: &[u8], when: When) {
    let with_id = |id: u32| [&frame[..8], &id.to_le_bytes(), &frame[12..]].concat();
    match when {
        When::InsteadOfWelcome => peer.send_bytes(&with_id(1)).await,
        When::AsAnswer => {
            let request = peer.request().await.request;
            peer.send_bytes(&with_id(request)).await;
        }
        When::BesideTheRequest => {
            let request = peer.request().await.request;
            peer.send_bytes(&with_id(request + 77)).await;
        }
    }
    peer.close().await;
}

/// Checks the client's reaction: it ignores messages it can do without, and ends at impossible ones.
fn check_misplaced(kind: u16, when: When, outcome: &Outcome) {
    let allowed: &[i32] = match (when, Message::kind_name(kind).unwrap()) {
        (When::AsAnswer, "Status") => &[0],
        (When::InsteadOfWelcome | When::AsAnswer, "Failure") => &[1, 4, 5, 8],
        (
            When::AsAnswer,
            "Done" | "Listing" | "Opened" | "Hashed" | "SpaceReport" | "Digested" | "BatchDone",
        ) => &[7],
        _ => &[3, 7],
    };
    let code = outcome.code.unwrap();
    assert!(allowed.contains(&code), "kind {kind} {when:?}: {code}, {}", outcome.stderr);
    assert!(code == 0 || outcome.stderr.lines().count() == 1, "kind {kind} {when:?}: {}", outcome.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_welcome_with_limits_out_of_range_is_a_violation() {
    let against = Against::new().await;
    fs::write(against.world.local().join("target/file"), "content").unwrap();
    for bad in [
        Welcome { lanes_max: 0, ..welcome() },
        Welcome { lanes_max: u16::MAX, ..welcome() },
        Welcome { jobs_max: 0, ..welcome() },
        Welcome { jobs_max: u16::MAX, ..welcome() },
        Welcome { window: 0, ..welcome() },
        Welcome { window: u32::MAX, ..welcome() },
        Welcome { memory: 0, ..welcome() },
        Welcome { features: Features::of_bits(1 << 63), ..welcome() },
    ] {
        let outcome =
            against.run(&["put", "target/file", "URL"], async |peer| peer.send(1, bad.clone()).await).await;
        outcome.expect(7, "a welcome with ");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_messages_end_the_client_and_it_says_why() {
    let against = Against::new().await;
    for (len, kind, flags, body, words) in [
        (u32::MAX, 17, 0, vec![], "over the limit"),
        (CONTROL_BODY_MAX as u32 + 1, 999, 0, vec![], "over the limit"),
        (0, 17, 2, vec![], "unknown flags"),
        (0, 19, 0, vec![], "kind 19"),
        (8, 17, 0, vec![255; 8], "kind 17"),
        (16, 17, 0, [&[0; 15][..], &[1]].concat(), "kind 17"),
        (3, 5, 0, vec![0; 3], "kind 5"),
        (1000, 19, 0, vec![0; 1000], "kind 19"),
    ] {
        let outcome = against.run(&["stat", "URL"], async |peer| {
            let request = peer.request().await.request;
            peer.send_raw(len, kind, flags, request, &body).await;
        });
        outcome.await.expect(7, words);
    }
    let cut = against.run(&["stat", "URL"], async |peer| {
        let request = peer.request().await.request;
        peer.send_raw(100, 19, 0, request, &[0; 50]).await;
        peer.close().await;
    });
    cut.await.expect(3, "lost the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_needs_a_further_step_ends_with_a_sentence() {
    let against = Against::new().await;
    let outcome = against.run(&["stat", "URL"], async |peer| {
        peer.send_raw(0, Message::LOGIN_CHALLENGE, 0, 1, &[]).await;
    });
    outcome.await.expect(4, "more than this version of the client can answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_path_may_have_are_refused_in_listings() {
    let against = Against::new().await;
    for bad in [&b"../a"[..], b"a/..", b"/abs", b"a//b", b"dir/", b"a\0bc", b"./ab", b"a/./"] {
        let page = Listing { entries: vec![entry(&"Q".repeat(bad.len()), Kind::File)], failures: Vec::new() };
        let body = replaced(&page.into(), &b"Q".repeat(bad.len()), bad);
        for arguments in [&["ls", "-lR", "URL"][..], &["mirror", "URL", "target"]] {
            let outcome = against.run(arguments, async |peer| answer_list(peer, &body).await).await;
            outcome.expect(7, "kind 17");
        }
    }
    for len in [256, 5000] {
        let long = "n".repeat(len);
        let page = Listing { entries: vec![entry("Q", Kind::File)], failures: Vec::new() };
        let body = replaced(&page.into(), b"Q", long.as_bytes());
        let outcome = against.run(&["ls", "URL"], async |peer| answer_list(peer, &body).await).await;
        outcome.expect(7, "kind 17");
    }
    assert_eq!(fs::read_dir(against.target()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_takes_no_listing_on_trust_that_no_walk_makes() {
    let against = Against::new().await;
    fs::write(against.target().join("mine"), "stays").unwrap();
    let (file, folder) = (Kind::File, Kind::Folder);
    for entries in [
        vec![("", folder)],
        vec![("", folder), ("a", file)],
        vec![("b", file), ("a", file)],
        vec![("a", file), ("a", file)],
        vec![("a", folder), ("a/b", file), ("a", folder)],
        vec![("a/b", file)],
        vec![("a", file), ("a/b", file)],
        vec![("a", Kind::Symlink), ("a/b", file)],
        vec![("a", folder), ("a/b/c", file)],
        vec![("a", folder), ("aa", folder), ("aa/b", folder), ("a/b", file)],
    ] {
        let entries: Vec<_> = entries.iter().map(|(path, kind)| entry(path, *kind)).collect();
        let body = body_of(&Listing { entries: entries.clone(), failures: Vec::new() }.into());
        let arguments = ["mirror", "--delete", "--max-delete", "100%", "URL", "target"];
        let outcome = against.run(&arguments, async |peer| answer_list(peer, &body).await).await;
        outcome.expect(7, "a listing that is not in order");
        assert_eq!(fs::read_to_string(against.target().join("mine")).unwrap(), "stays", "{entries:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_reaches_the_terminal_escaped_and_in_bounds() {
    let against = Against::new().await;
    let link = Entry {
        link_target: b"\x1b]0;owned\x07\x1b[2J".to_vec(),
        ..entry("\u{1b}[31mred\n\r\u{202e}", Kind::Symlink)
    };
    let failure = PathFailure { path: path("a\u{1b}[0m"), failure: failing(&"\u{1b}[31m\n".repeat(100)) };
    let body = body_of(&Listing { entries: vec![link], failures: vec![failure] }.into());
    let outcome = against.run(&["ls", "-l", "URL"], async |peer| answer_list(peer, &body).await).await;
    outcome.expect(1, "\\x1b[31m\\n");
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("\\x1b]0;owned"), "{:?}", outcome.stdout);
    // Longer than allowed for any failure, so our own encoder cannot produce it.
    let mut long = body_of(&failing("Q").into());
    let text = "\u{1b}x".repeat(400_000);
    long = substitute(&long, b"Q", text.as_bytes());
    let outcome = against.run(&["stat", "URL"], async |peer| {
        let request = peer.request().await.request;
        peer.send_raw(u32::try_from(long.len()).unwrap(), 4, 0, request, &long).await;
    });
    let outcome = outcome.await;
    outcome.expect(4, "\\x1bx");
    assert!(outcome.stderr.len() < 8 * FAILURE_MESSAGE_LEN_MAX, "{} bytes", outcome.stderr.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_make_no_sense_are_shown_or_refused_and_nothing_breaks() {
    let against = Against::new().await;
    let times = [(i64::MAX, 0), (i64::MIN, 999_999_999), (0, u32::MAX), (-1, 1_000_000_000)];
    for (at, (seconds, nanos)) in times.into_iter().enumerate() {
        let modified = Timestamp { seconds, nanos };
        let metadata = Metadata { kind: Kind::File, size: u64::MAX - at as u64, modified, mode: u32::MAX };
        let body = body_of(
            &Listing { entries: vec![Entry { metadata, ..entry("a", Kind::File) }], failures: Vec::new() }
                .into(),
        );
        for arguments in
            [&["ls", "-l", "URL"][..], &["ls", "--json", "URL"], &["mirror", "-n", "URL", "target"]]
        {
            let outcome = against.run(arguments, async |peer| answer_list(peer, &body).await).await;
            assert!(
                matches!(outcome.code, Some(0 | 1 | 7)),
                "{arguments:?}: {:?} {}",
                outcome.code,
                outcome.stderr
            );
        }
    }
    let all = u64::MAX;
    for report in [
        SpaceReport { total: all, free: all, available: all },
        SpaceReport { total: 0, free: all, available: all },
    ] {
        let outcome = against.run(&["df", "URL"], async |peer| answer(peer, report).await).await;
        outcome.expect(0, "");
    }
    let hashed = Hashed { digest: Digest([7; 32]), bytes: all };
    against.run(&["hash", "URL"], async |peer| answer(peer, hashed).await).await.expect(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_messages_that_nobody_asked_for_cost_no_memory() {
    let against = Against::new().await;
    let outcome = against.run(&["stat", "URL"], async |peer| {
        let request = peer.request().await.request;
        let mut flood = Vec::new();
        let ack = Ack {
            done: vec![FrameRange { first: FrameNo(0), count: u32::MAX }],
            failed: Vec::new(),
            damaged: vec![FrameNo(1); 512],
        };
        // With the request's own id they would be answers, and wrong ones.
        for id in (0..5000).filter(|id| *id != request) {
            let messages: [Message; 5] = [
                Ping.into(),
                Pong.into(),
                ack.clone().into(),
                End { frames: u64::MAX }.into(),
                Totals { files: u64::MAX, bytes: u64::MAX, complete: true }.into(),
            ];
            for message in messages {
                Envelope::new(id, message).encode(&mut flood).unwrap();
            }
            flood.extend(raw_frame(8, 40_000, 0, id, &[9; 8]));
        }
        // Pages of an unknown listing.
        let page =
            body_of(&Listing { entries: vec![entry("a", Kind::File); 1000], failures: Vec::new() }.into());
        for id in 0..200 {
            flood.extend(raw_frame(u32::try_from(page.len()).unwrap(), 17, 1, 1000 + id, &page));
        }
        peer.send_bytes(&flood).await;
        peer.send(request, entry("x", Kind::File)).await;
    });
    outcome.await.expect(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_end_that_nobody_waits_for_cost_no_memory() {
    let against = Against::new().await;
    for arguments in [&["ls", "-R", "URL"][..], &["mirror", "-n", "URL", "target"]] {
        let outcome = against.run(arguments, async |peer| {
            let request = until_list(peer).await;
            // Ignoring the client's pace: all at once, 60 MiB of them, and never a last one.
            for page in 0..110 {
                let entry = |number| entry(&format!("{page:03}-{number:05}-{}", "n".repeat(200)), Kind::File);
                let entries = (0..2000).map(entry).collect();
                peer.send_more(request, Listing { entries, failures: Vec::new() }).await;
            }
            peer.close().await;
        });
        let outcome = outcome.await;
        match outcome.code {
            // It read them as fast as they came.
            Some(3) => outcome.expect(3, "lost the connection"),
            _ => outcome.expect(7, "more pages of a listing than may be under way"),
        };
    }
}

/// Answers the first request.
async fn answer(peer: &mut Peer, message: impl Into<Message>) {
    let request = peer.request().await.request;
    peer.send(request, message).await;
}

/// Answers the client's requests until it lists, and answers that with one page.
async fn answer_list(peer: &mut Peer, body: &[u8]) {
    let request = until_list(peer).await;
    peer.send_raw(u32::try_from(body.len()).unwrap(), 17, 0, request, body).await;
    while let Some(envelope) = peer.next().await {
        let _ = answer_usual(peer, &envelope).await; // the client need not wait for requests that a hostile server leaves unanswered
    }
}

/// Answers a mirror's requests other than its listing; returns false for anything else.
pub(crate) async fn answer_usual(peer: &mut Peer, envelope: &Envelope) -> bool {
    match envelope.message {
        Message::Stat(_) => peer.send(envelope.request, entry("x", Kind::Folder)).await,
        Message::Space(_) => {
            let report = SpaceReport { total: 9, free: 9, available: 9 };
            peer.send(envelope.request, report).await;
        }
        _ => return false,
    }
    true
}

/// Answers a mirror's first requests; returns the id of its LIST.
pub(crate) async fn until_list(peer: &mut Peer) -> u32 {
    peer.welcome().await;
    while let Some(envelope) = peer.next().await {
        if let Message::List(_) = envelope.message {
            return envelope.request;
        }
        assert!(answer_usual(peer, &envelope).await, "{envelope:?}");
    }
    0
}

pub(crate) fn entry(at: &str, kind: Kind) -> Entry {
    let metadata = Metadata { kind, size: 1, modified: Timestamp { seconds: 1, nanos: 0 }, mode: 0o644 };
    let link_target = if kind == Kind::Symlink { b"nowhere".to_vec() } else { Vec::new() };
    Entry { path: path(at), metadata, link_target, digest: None, details: None }
}

pub(crate) fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

fn failing(message: &str) -> Failure {
    Failure { code: FailureCode::PermissionDenied, message: message.to_owned() }
}

/// Encodes a message's body.
fn body_of(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    Envelope::new(0, message.clone()).encode(&mut bytes).unwrap();
    bytes.split_off(12)
}

/// Encodes a message's body with a text replaced, which no honest end could write.
fn replaced(message: &Message, text: &[u8], by: &[u8]) -> Vec<u8> {
    substitute(&body_of(message), text, by)
}

/// Replaces a text and the length before it.
fn substitute(body: &[u8], text: &[u8], by: &[u8]) -> Vec<u8> {
    let at = body.windows(text.len()).rposition(|window| window == text).unwrap();
    [&body[..at - 8], &(by.len() as u64).to_le_bytes(), by, &body[at + text.len()..]].concat()
}

/// One message of each kind, as shown in PROTOCOL.md.
pub(crate) fn golden_messages() -> Vec<(u16, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/golden");
    let mut messages = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("message-") {
            let text = fs::read_to_string(path).unwrap();
            let digits: String = text.lines().filter_map(|line| line.split('#').next()).collect();
            let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
            messages.entry(u16::from_le_bytes([bytes[4], bytes[5]])).or_insert(bytes);
        }
    }
    messages.into_iter().collect()
}
