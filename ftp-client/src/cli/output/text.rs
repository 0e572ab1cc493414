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
    let mut parts = parts(snapshot);
    parts.push(format!("{}/s", HumanBytes(snapshot.rate)));
    if let Some(left) = time_left(snapshot) {
        parts.push(format!("{} left", duration_text(left)));
    }
    parts.join(", ")
}

fn parts(snapshot: &Snapshot) -> Vec<String> {
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
    parts
}

/// Progress of a transfer: `3 of 12 files, 1.5 MiB of 6.0 MiB`.
pub(super) fn arrived(snapshot: &Snapshot) -> String {
    parts(snapshot).join(", ")
}

/// The same in fewer columns, what can be missed most at its end: `1.50 MiB of 6.00 MiB, 512 KiB/s, 0:09 left, 3/12 files`.
pub(super) fn standing_short(snapshot: &Snapshot) -> String {
    if let Some(outage) = &snapshot.outage {
        return outage.clone();
    }
    let (bytes, total) = (short_bytes(snapshot.bytes), short_bytes(snapshot.total_bytes));
    let mut parts = match snapshot.total_bytes {
        0 => vec![bytes],
        _ => vec![of(&bytes, &total, snapshot.counted)],
    };
    parts.push(format!("{}/s", short_bytes(snapshot.rate)));
    parts.extend(time_left(snapshot).map(|left| format!("{} left", duration_text(left))));
    if snapshot.total_files > 1 {
        let more = if snapshot.counted { "" } else { "+" };
        parts.push(format!("{}/{}{more} files", snapshot.files, snapshot.total_files));
    }
    parts.join(", ")
}

/// Three digits and a unit.
pub(super) fn short_bytes(bytes: u64) -> String {
    let text = HumanBytes(bytes).to_string();
    let Some((number, unit)) = text.split_once(' ') else { return text };
    let number = number.replace(',', "");
    let short = match number.find('.') {
        Some(point) if point >= 3 => &number[..point],
        Some(_) => &number[..number.len().min(4)],
        None => &number,
    };
    format!("{short} {unit}")
}

/// Returns the remaining time; `None` while nothing moves or counting continues.
fn time_left(snapshot: &Snapshot) -> Option<Duration> {
    if let Some(left) = snapshot.left {
        return Some(left).filter(|left| left.as_secs() < TIME_LEFT_MAX);
    }
    let bytes = snapshot.total_bytes.saturating_sub(snapshot.bytes);
    let seconds = bytes.div_ceil(snapshot.rate.max(1));
    (snapshot.counted && snapshot.rate > 0 && snapshot.total_bytes > 0 && seconds < TIME_LEFT_MAX)
        .then(|| Duration::from_secs(seconds))
}

/// A total that is still being counted is at least that.
fn of(done: &str, total: &str, counted: bool) -> String {
    if counted { format!("{done} of {total}") } else { format!("{done} of {total}+") }
}

/// Columns of the bar, and of the percentage behind it.
#[cfg(test)]
const BEFORE_STANDING: usize = "[==========] 100% ".len();
/// Estimates beyond some days are not shown.
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
    fn short_amounts_have_three_digits() {
        let text = |bytes| short_bytes(bytes);
        assert_eq!(text(0), "0 B");
        assert_eq!(text(999), "999 B");
        assert_eq!(text(1 << 20), "1.00 MiB");
        assert_eq!(text(15 << 19), "7.50 MiB");
        assert_eq!(text(1_000 << 20), "1000 MiB");
        assert_eq!(text(123_456_789), "117 MiB");
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
            ..Snapshot::default()
        };
        assert_eq!(standing(&snapshot), "3 of 12 files, 1.00 MiB of 4.00 MiB, 1.00 MiB/s, 0:03 left");
        let counting = Snapshot { counted: false, ..snapshot.clone() };
        assert_eq!(standing(&counting), "3 of 12+ files, 1.00 MiB of 4.00 MiB+, 1.00 MiB/s");
        let many = Snapshot {
            files: 51_234,
            bytes: 284 << 20,
            total_files: 51_906,
            total_bytes: 530 << 20,
            rate: 59_800_000,
            ..snapshot.clone()
        };
        let short = standing_short(&many);
        assert_eq!(short, "284 MiB of 530 MiB, 57.0 MiB/s, 0:05 left, 51234/51906 files");
        assert!(BEFORE_STANDING + short.len() <= 80, "it is cut on most terminals");
        let stream = Snapshot { total_files: 1, total_bytes: 0, ..snapshot };
        assert_eq!(standing(&stream), "1.00 MiB, 1.00 MiB/s");
    }
}
