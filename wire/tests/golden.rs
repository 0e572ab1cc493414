//! Pins the protocol's bytes: compares every message and frame with `fixtures/golden`, and those with `PROTOCOL.md`.
//!
//! Expectations are put together by hand (`golden/parts.rs`) and not by the codec, so that it can be replaced, and a change of
//! its output is noticed. `UPDATE_GOLDEN=1` rewrites the fixtures and the document's examples; `GOLDEN_SEED=n` repeats
//! mutations.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may stop at once")]

#[path = "golden/document.rs"]
mod document;
#[path = "golden/frames.rs"]
mod frames;
#[path = "golden/hostile.rs"]
mod hostile;
#[path = "golden/messages.rs"]
mod messages;
#[path = "golden/parts.rs"]
mod parts;
#[path = "golden/session.rs"]
mod session;
#[path = "golden/store.rs"]
mod store;
#[path = "golden/vectors.rs"]
mod vectors;

use frames::{LaneFrame, PackEntry};
use std::sync::OnceLock;
use store::Golden;
use wire::control::{CONTROL_HEADER_LEN, ControlHeader, Envelope};
use wire::limits::CONTROL_BODY_MAX;
use wire::message::Message;

#[test]
fn golden_files_are_as_expected() {
    for golden in goldens() {
        golden.check();
    }
}

#[test]
fn every_kind_has_a_golden_file_and_no_file_is_left_over() {
    let mut expected: Vec<&str> = goldens().iter().map(|golden| &golden.name[..]).collect();
    expected.sort_unstable();
    assert_eq!(store::names(), expected);
    for kind in Message::KINDS {
        let prefix = format!("message-{kind:02}-");
        assert!(expected.iter().any(|name| name.starts_with(&prefix)), "kind {kind} has no golden file");
    }
}

#[test]
fn messages_are_written_and_read_as_the_golden_bytes() {
    for example in messages::examples() {
        let (name, golden) = (&example.name, example.parts().bytes());
        assert_eq!(encode_control(&example.envelope).unwrap(), golden, "{name} is written otherwise");
        assert_eq!(decode_control(&golden).unwrap(), example.envelope, "{name} is read otherwise");
    }
}

#[test]
fn frames_are_written_and_read_as_the_golden_bytes() {
    for example in frames::examples() {
        let (name, golden) = (example.name, example.parts.bytes());
        assert_eq!(example.frame.encode(), golden, "{name} is written otherwise");
        assert_eq!(LaneFrame::decode(&golden).unwrap(), example.frame, "{name} is read otherwise");
    }
    for example in frames::entries() {
        let (name, golden) = (example.name, example.parts.bytes());
        assert_eq!(example.entry.encode(), golden, "{name} is written otherwise");
        assert_eq!(PackEntry::decode(&mut &golden[..]).unwrap(), example.entry, "{name} is read otherwise");
    }
}

/// Everything that has a golden file. The first call rewrites the files if requested.
fn goldens() -> &'static [Golden] {
    static GOLDENS: OnceLock<Vec<Golden>> = OnceLock::new();
    GOLDENS.get_or_init(|| {
        let messages = messages::examples().into_iter();
        let messages = messages.map(|e| Golden { parts: e.parts(), name: e.name, comment: e.comment });
        let frames = frames::examples().into_iter();
        let frames = frames.map(|e| Golden { name: e.name.into(), comment: e.comment, parts: e.parts });
        let entries = frames::entries().into_iter();
        let entries = entries.map(|e| Golden { name: e.name.into(), comment: e.comment, parts: e.parts });
        let others = vectors::examples().into_iter().chain([session::example()]);
        let goldens: Vec<Golden> = messages.chain(frames).chain(entries).chain(others).collect();
        if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1") {
            store::rewrite(&goldens);
        }
        goldens
    })
}

fn encode_control(envelope: &Envelope) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    envelope.encode(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Decodes a control frame that is all of `bytes`.
fn decode_control(bytes: &[u8]) -> Result<Envelope, String> {
    let (header, body) = bytes.split_first_chunk::<CONTROL_HEADER_LEN>().ok_or("no whole header")?;
    let header = ControlHeader::decode(*header, CONTROL_BODY_MAX).map_err(|error| error.to_string())?;
    if body.len() != header.body_len as usize {
        return Err("another body than was announced".into());
    }
    header.decode_body(body).map_err(|error| error.to_string())?.ok_or_else(|| "unknown kind".into())
}
