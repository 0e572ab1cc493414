//! Numbers for people.

use super::tally::Snapshot;
use indicatif::HumanBytes;
use std::time::Duration;

/// `12 files`.
pub(crate) fn files_text(files: u64) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// `0:07`, `12:34`, `1:02:03`.
pub(crate) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// Where a transfer stands: `3 of 12 files, 1.5 MiB of 6.0 MiB, 512 KiB/s, 0:09 left`.
pub(super) fn standing(snapshot: &Snapshot) -> String {
    let mut parts = Vec::new();
    if snapshot.total_files > 1 {
        parts.push(
            of(&snapshot.files.to_string(), &snapshot.total_files.to_string(), snapshot.counted) + " files",
        );
    }
    let (bytes, total) =
        (HumanBytes(snapshot.bytes).to_string(), HumanBytes(snapshot.total_bytes).to_string());
    match snapshot.total_bytes {
        0 => parts.push(bytes),
        _ => parts.push(of(&bytes, &total, snapshot.counted)),
    }
    parts.push(format!("{}/s", HumanBytes(snapshot.rate)));
    if let Some(left) = time_left(snapshot) {
        parts.push(format!("{} left", duration_text(left)));
    }
    parts.join(", ")
}

/// Nothing while it stands still, or is still being counted.
fn time_left(snapshot: &Snapshot) -> Option<Duration> {
    let bytes = snapshot.total_bytes.saturating_sub(snapshot.bytes);
    let seconds = bytes.div_ceil(snapshot.rate.max(1));
    (snapshot.counted && snapshot.rate > 0 && snapshot.total_bytes > 0 && seconds < TIME_LEFT_MAX)
        .then(|| Duration::from_secs(seconds))
}

/// A total that is still being counted is at least that.
fn of(done: &str, total: &str, counted: bool) -> String {
    if counted { format!("{done} of {total}") } else { format!("{done} of {total}+") }
}

/// Beyond some days the guess is worth nothing.
const TIME_LEFT_MAX: u64 = 100 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let text = |seconds| duration_text(Duration::from_secs(seconds));
        assert_eq!((text(7), text(754), text(3723)), ("0:07".into(), "12:34".into(), "1:02:03".into()));
    }

    #[test]
    fn where_it_stands() {
        let snapshot = Snapshot {
            files: 3,
            bytes: 1 << 20,
            total_files: 12,
            total_bytes: 4 << 20,
            counted: true,
            rate: 1 << 20,
            running: Vec::new(),
        };
        assert_eq!(standing(&snapshot), "3 of 12 files, 1.00 MiB of 4.00 MiB, 1.00 MiB/s, 0:03 left");
        let counting = Snapshot { counted: false, ..snapshot.clone() };
        assert_eq!(standing(&counting), "3 of 12+ files, 1.00 MiB of 4.00 MiB+, 1.00 MiB/s");
        let stream = Snapshot { total_files: 1, total_bytes: 0, ..snapshot };
        assert_eq!(standing(&stream), "1.00 MiB, 1.00 MiB/s");
    }
}
