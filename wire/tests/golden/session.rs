//! A whole session in bytes: everything that a small client and the server send each other from `Login` to `Bye`.

use crate::frames::{Extra, LaneFrame, PackEntry, Payload};
use crate::parts::Parts;
use crate::store::Golden;
use crate::vectors::{LANE, SESSION, lane_proof};
use wire::checksum::{Checksum, Digest};
use wire::control::{CONTROL_HEADER_LEN, Envelope};
use wire::features::Features;
use wire::frame::{ENTRY_HEAD_LEN, EntryHead, EntryKind, FrameHead, FrameKind, HEAD_LEN};
use wire::ids::{FrameNo, JobId, LaneNo};
use wire::message::*;
use wire::metadata::Timestamp;
use wire::{Access, RemotePath};

/// Sends and fetches a file: one lane, SHA-256, no resuming.
pub(crate) fn example() -> Golden {
    let file = entry(EntryKind::File, "hello", 0o644, b"hello\n");
    let folder = entry(EntryKind::Folder, "", 0o755, b"");
    let fetched = entry(EntryKind::File, "", 0o644, b"hello\n");
    let steps = [
        message("client", 1, login()),
        message("server", 1, welcome()),
        message("server", 0, Ping),
        message("client", 0, Pong),
        message(
            "client on the lane",
            0,
            LaneHello { session: SESSION, lane: LaneNo(LANE), proof: lane_proof() },
        ),
        message("client", 2, put()),
        message("server", 2, Opened { path: path("notes"), folder: false, at: AT }),
        pack("client on the lane", 2, vec![file, folder]),
        message("client", 2, End { frames: 1 }),
        message("server", 2, ack()),
        message("client", 3, get()),
        message("server", 3, Opened { path: path("notes/hello"), folder: false, at: AT }),
        message("server", 3, End { frames: 1 }),
        pack("server on the lane", 3, vec![fetched]),
        message("client", 3, ack()),
        message("client", 0, Bye),
        message("server", 0, Bye),
    ];
    Golden {
        name: "session".into(),
        comment: "a small client sends `notes/hello` and fetches it again",
        parts: steps.into_iter().fold(Parts::default(), Parts::then),
    }
}

fn login() -> LoginRequest {
    let login = Login::Password { user: "alice".into(), password: "correct horse".into() };
    LoginRequest { agent: "small client".into(), features: Features::default(), login }
}

fn welcome() -> Welcome {
    Welcome {
        agent: "ftp-server/0.1.0".into(),
        features: Features::default(),
        user: "alice".into(),
        access: Access::Full,
        lanes_max: 16,
        jobs_max: 64,
        window: 256,
        memory: 64 * 1024 * 1024,
    }
}

fn put() -> Put {
    Put {
        path: path("notes"),
        into: None,
        overwrite: Overwrite::Always,
        exclusive: false,
        durability: Durability::Process,
        modes_of_new: false,
        folder_mode: 0o700,
        options: JobOptions::of(Checksum::Sha256),
    }
}

fn get() -> Get {
    Get {
        path: path("notes/hello"),
        recursive: false,
        window: 64,
        rate_limit: 0,
        totals: false,
        changing: Changing::Retry,
        compress: Compress::Auto,
        options: JobOptions::of(Checksum::Sha256),
    }
}

fn ack() -> Ack {
    Ack { done: vec![FrameRange { first: FrameNo(0), count: 1 }], failed: Vec::new(), damaged: Vec::new() }
}

/// A control frame: its head on one line, its body below.
fn message(sender: &str, request: u32, message: impl Into<Message>) -> Parts {
    let message = message.into();
    let name = Message::kind_name(message.kind()).unwrap();
    let mut bytes = Vec::new();
    Envelope::new(request, message).encode(&mut bytes).unwrap();
    let (head, body) = bytes.split_at(CONTROL_HEADER_LEN);
    let head = [&head[..4], &head[4..6], &head[6..8], &head[8..]];
    Parts::default().line(&head, &format!("{sender}: {name}, id {request}")).raw(body, "")
}

/// A data frame, the first of its job: its head, and at least one line per entry.
fn pack(sender: &str, job: u32, entries: Vec<PackEntry>) -> Parts {
    let label = format!("{sender}: pack, frame 0 of job {job}");
    let payloads: Vec<Vec<u8>> = entries.iter().map(PackEntry::encode).collect();
    let head = FrameHead {
        job: JobId(job),
        frame: FrameNo(0),
        extra_len: 0,
        payload_len: u32::try_from(payloads.concat().len()).unwrap(),
        kind: FrameKind::Pack {
            entries: u32::try_from(entries.len()).unwrap(),
            encoding: Default::default(),
        },
    };
    let frame = LaneFrame { head, extra: Extra::Nothing, payload: Payload::Entries(entries) };
    let parts = Parts::default().raw(&frame.encode()[..HEAD_LEN], &label);
    payloads.iter().fold(parts, |parts, payload| {
        let (head, content) = payload.split_at(ENTRY_HEAD_LEN);
        parts.raw(head, "an entry's head").raw(content, "its path and content")
    })
}

fn entry(kind: EntryKind, name: &str, mode: u32, content: &[u8]) -> PackEntry {
    let digest = match kind {
        EntryKind::File => Checksum::Sha256.of_small_file([content]),
        EntryKind::Folder | EntryKind::Symlink | EntryKind::Lost => Digest::default(),
    };
    let content_len = u32::try_from(content.len()).unwrap();
    let head = EntryHead {
        kind,
        path_len: u16::try_from(name.len()).unwrap(),
        payload_len: content_len,
        content_len,
        modified: Some(MODIFIED),
        mode,
        digest,
        as_is: false,
    };
    PackEntry { head, path: path(name), content: content.to_vec() }
}

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

const MODIFIED: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 0 };
const AT: Timestamp = Timestamp { seconds: 1_800_000_000, nanos: 0 };
