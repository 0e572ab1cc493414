//! Reports to the person who shares: what was fetched, by whom, and that the share is over.

use crate::cli::output;
use ftp_server::activity::{Activity, ActivityKind, Moved};
use serde::Serialize;
use std::net::IpAddr;

/// The reason why a share is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ending {
    /// The one login of `--once` has ended.
    Used,
    /// The one login of `--once` has ended in the middle of something.
    Broken,
    /// Its time is over.
    Expired,
    /// It was stopped.
    Stopped,
}

/// A report as a JSON event.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum ReportEvent {
    Fetched(MovedEvent),
    Received(MovedEvent),
    Over { reason: Ending },
}

#[derive(Serialize)]
struct MovedEvent {
    peer: IpAddr,
    path: String,
    files: u64,
    bytes: u64,
    complete: bool,
}

/// Reports an activity. `name` is that of what is shared.
pub(super) fn tell(activity: &Activity, name: &str, json: bool) {
    let (verb, moved, event): (_, _, fn(MovedEvent) -> ReportEvent) = match &activity.kind {
        ActivityKind::Fetched(moved) => ("fetched", moved, ReportEvent::Fetched),
        ActivityKind::Received(moved) => ("sent", moved, ReportEvent::Received),
        ActivityKind::Left { .. } => return,
    };
    if json {
        let path = moved.path.to_string();
        let Moved { files, bytes, is_complete: complete, .. } = *moved;
        let _ = output::json_line(&event(MovedEvent { peer: activity.peer, path, files, bytes, complete })); // a share goes on without a reader
    } else {
        output::say(line(activity.peer, verb, moved, name));
    }
}

/// Reports the end.
pub(super) fn over(ending: Ending, json: bool) {
    if json {
        let _ = output::json_line(&ReportEvent::Over { reason: ending }); // nobody may be left to read it
        return;
    }
    let reason = match ending {
        Ending::Used => "it was used",
        Ending::Broken => "its only session has ended too early",
        Ending::Expired => "its time has passed",
        Ending::Stopped => "it was stopped",
    };
    output::say(format_args!("The share is over: {reason}."));
}

fn line(peer: IpAddr, verb: &str, moved: &Moved, name: &str) -> String {
    let path = if moved.path.is_root() { name.to_owned() } else { moved.path.to_string() };
    let part = if moved.is_complete { "" } else { "a part of " };
    let files = match moved.files {
        0 => String::new(),
        1 => "1 file, ".to_owned(),
        files => format!("{files} files, "),
    };
    format!("{peer} {verb} {part}{path}: {files}{}", size_text(moved.bytes))
}

/// `640 B`, `1.5 MB`.
fn size_text(bytes: u64) -> String {
    let (mut unit, mut tenths) = (0, bytes.saturating_mul(10));
    while tenths >= 10_000 && unit < UNITS.len() - 1 {
        tenths /= 1000;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];

#[cfg(test)]
mod tests {
    use super::*;
    use wire::RemotePath;

    #[test]
    fn lines_say_who_fetched_what() {
        let peer = "192.0.2.7".parse().unwrap();
        let path = RemotePath::from_user(b"a/\x1bb").unwrap();
        let moved = Moved { path, files: 2, bytes: 2_860_000, is_complete: true };
        assert_eq!(line(peer, "fetched", &moved, "photos"), "192.0.2.7 fetched /a/\\x1bb: 2 files, 2.8 MB");
        let part = Moved { path: RemotePath::root(), files: 1, bytes: 999, is_complete: false };
        assert_eq!(line(peer, "sent", &part, "inbox"), "192.0.2.7 sent a part of inbox: 1 file, 999 B");
    }

    #[test]
    fn sizes_have_units() {
        for (bytes, text) in
            [(0, "0 B"), (1_000, "1.0 kB"), (999_999, "999.9 kB"), (u64::MAX, "1844674.4 TB")]
        {
            assert_eq!(size_text(bytes), text);
        }
    }
}
