//! Checks that `PROTOCOL.md` matches the code: its examples, and its tables of kinds, commands, codes and limits.

use crate::store::Golden;
use crate::{goldens, store};
use wire::FailureCode;
use wire::limits::*;
use wire::message::{Message, SPECS};

#[test]
fn its_examples_are_the_golden_bytes() {
    let document = document();
    let blocks = store::blocks(&document);
    for (name, block) in &blocks {
        assert_eq!(*block, store::shown(name), "the document's block {name}");
    }
    let shown = |prefix: &str| blocks.iter().filter(|(name, _)| name.starts_with(prefix)).count();
    for kind in Message::KINDS {
        assert!(shown(&format!("message-{kind:02}-")) > 0, "the document shows no message of kind {kind}");
    }
    // One message of each kind is enough, and all entries are in `frame-pack`.
    let is_shown =
        |golden: &&Golden| !golden.name.starts_with("message-") && !golden.name.starts_with("entry-");
    for golden in goldens().iter().filter(is_shown) {
        assert_eq!(shown(&golden.name).min(1), 1, "the document does not show {}", golden.name);
    }
}

#[test]
fn it_names_every_kind_command_and_code() {
    for kind in Message::KINDS {
        has_row(&format!("| {kind} | `{}` |", Message::kind_name(*kind).unwrap()));
    }
    for spec in SPECS {
        let kind = Message::kind_name(spec.kind).unwrap();
        has_row(&format!("| {} | `{kind}` | {:?} | {:?} |", spec.name, spec.needs, spec.flow));
    }
    for code in FailureCode::ALL {
        has_row(&format!("| {} | `{code:?}` | {} |", u16::from(*code), code.meaning()));
    }
}

#[test]
fn it_names_every_limit() {
    let limits = limits();
    let defined = include_str!("../../src/limits.rs").matches("\npub const ").count();
    assert_eq!(limits.len(), defined, "limits.rs has other limits than this test knows");
    for (name, value) in limits {
        has_row(&format!("| `{name}` | {value} |"));
    }
}

/// Returns the document, rewritten before if requested.
fn document() -> String {
    goldens();
    store::document()
}

fn has_row(row: &str) {
    assert!(
        store::document().lines().any(|line| line.starts_with(row)),
        "PROTOCOL.md has no row that begins {row:?}"
    );
}

macro_rules! named {
    ($($name:ident $(.$seconds:ident())?),+ $(,)?) => {
        vec![$((stringify!($name), grouped(u64::try_from($name$(.$seconds())?).unwrap()))),+]
    };
}

/// Names and values; times in seconds.
fn limits() -> Vec<(&'static str, String)> {
    named![
        CHUNK_LEN,
        NAME_LEN_MAX,
        PATH_LEN_MAX,
        PATH_DEPTH_MAX,
        CONTROL_BODY_BEFORE_LOGIN_MAX,
        SHELL_NOISE_LEN_MAX,
        CONTROL_BODY_MAX,
        LISTING_PAGE_LEN,
        LISTING_PAGE_ENTRIES_MAX,
        LISTING_PAGES_AHEAD,
        ALTERNATIVES_LEN_MAX,
        FAILURE_MESSAGE_LEN_MAX,
        USER_LEN_MAX,
        SECRET_LEN_MAX,
        LOGIN_KEYS_MAX,
        JOB_EXTENSIONS_MAX,
        EXTENSION_LEN_MAX,
        KEY_PROOF_LEN_MAX,
        AGENT_LEN_MAX,
        PACKED_FILE_LEN_MAX,
        PACK_LEN_MAX,
        PACK_ENTRIES_MAX,
        FRAME_RECORDS_LEN_MAX,
        COMPRESSION_LEVEL_MAX,
        WINDOW_FRAMES_MAX,
        LARGE_FILES_MAX,
        HOLE_LEN_MAX,
        UNSIZED_FILE_LEN_MAX,
        UNSIZED_FILES_LEN_MAX,
        ITEMS_AHEAD_MAX,
        ATTEMPTS_MAX,
        ACK_ITEMS_MAX,
        JOBS_MAX,
        REQUESTS_MAX,
        BATCH_CHANGES_MAX,
        WANTED_AHEAD_MAX,
        WANTED_AHEAD_LEN_MAX,
        OFFER_ITEMS_MAX,
        OFFERED_AHEAD_MAX,
        HELD_DIGESTS_MAX,
        OFFERED_FILE_LEN_MIN,
        DELTA_FILE_LEN_MIN,
        OLD_FILES_MAX,
        SIGNATURE_REQUESTS_MAX,
        OLD_PIECES_MAX,
        COARSE_WINDOW_LEN,
        FINE_RUNS_LEN_MAX,
        FINE_RUNS_MAX,
        SIGNATURES_LEN_MAX,
        PIECE_SIGNED_LEN_MIN,
        RECIPE_MISMATCHES_MAX,
        RECIPE_STEPS_MAX,
        READ_LEN_MAX,
        XATTRS_LEN_MAX,
        SESSION_MEMORY_MAX,
        USER_MEMORY_MAX,
        SERVER_MEMORY_MAX,
        SESSION_MEMORY_MIN,
        CLIENT_MEMORY_MAX,
        ROOM_PATIENCE.as_secs(),
        LANES_MAX,
        LOGIN_TIMEOUT.as_secs(),
        BYTES_BEFORE_LOGIN_MAX,
        LANE_PATIENCE.as_secs(),
        KEEPALIVE_INTERVAL.as_secs(),
        STALL_TOLD_AFTER.as_secs(),
        DISK_PATIENCE.as_secs(),
        PEER_SILENCE_MAX.as_secs(),
        LANE_SILENCE_MAX.as_secs(),
        LANE_RECORDS_MAX,
    ]
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
