//! The rate over the last seconds, which follows changes without jumping.

use super::tally::Snapshot;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes counted over time.
pub(super) struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Starts counting at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { samples: VecDeque::from([(now, 0)]) }
    }

    /// Bytes per second, given that `bytes` have been counted by `now`.
    pub(super) fn at(&mut self, now: Instant, bytes: u64) -> u64 {
        self.samples.push_back((now, bytes));
        // One sample of the window's age or more stays, to measure from.
        while self.samples.get(1).is_some_and(|(time, _)| now.duration_since(*time) >= WINDOW) {
            self.samples.pop_front();
        }
        let (since, before) = self.samples.front().copied().unwrap_or((now, bytes));
        let millis = now.duration_since(since).as_millis().max(1);
        u64::try_from(u128::from(bytes.saturating_sub(before)) * 1000 / millis).unwrap_or(u64::MAX)
    }
}

/// The remaining time: files cost time too, so it is what bytes or files need, whichever is longer, and changes gently.
pub(super) struct TimeLeft {
    files: Rate,
    estimate: Option<(Instant, f64)>,
}

impl TimeLeft {
    /// Starts at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self { files: Rate::new(now), estimate: None }
    }

    /// Returns the remaining time; `None` while totals are not known, or nothing moves.
    pub(super) fn at(&mut self, now: Instant, snapshot: &Snapshot) -> Option<Duration> {
        let file_rate = self.files.at(now, snapshot.files.saturating_mul(FILE_UNIT));
        let bytes = snapshot.total_bytes.saturating_sub(snapshot.bytes);
        let files = snapshot.total_files.saturating_sub(snapshot.files).saturating_mul(FILE_UNIT);
        // The last file is on its way, and its bytes tell when it ends.
        let files = if files > FILE_UNIT { seconds(files, file_rate) } else { Some(0.0) };
        let raw = seconds(bytes, snapshot.rate)?.max(files?);
        if !snapshot.counted || snapshot.total_bytes == 0 {
            self.estimate = None;
            return None;
        }
        let estimate = match self.estimate {
            Some((then, before)) => {
                let passed = now.duration_since(then).as_secs_f64();
                let expected = (before - passed).max(0.0);
                expected + (raw - expected) * (passed / SMOOTHING).min(1.0)
            }
            None => raw,
        };
        self.estimate = Some((now, estimate));
        Duration::try_from_secs_f64(estimate.ceil()).ok()
    }
}

/// The time that an amount takes at a rate; `None` if that is no time to tell.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
fn seconds(amount: u64, rate: u64) -> Option<f64> {
    match (amount, rate) {
        (0, _) => Some(0.0),
        (_, 0) => None,
        (amount, rate) => Some(amount as f64 / rate as f64),
    }
}

/// Files are counted in thousandths, since there may be less than one a second.
const FILE_UNIT: u64 = 1000;
/// Seconds in which an estimate follows a change.
const SMOOTHING: f64 = 3.0;
const WINDOW: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_count() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let second = Duration::from_secs(1);
        assert_eq!(rate.at(start + second / 2, 500), 1000);
        for seconds in 1..20 {
            rate.at(start + second * seconds, u64::from(seconds) * 1000);
        }
        assert_eq!(rate.at(start + second * 20, 20_000), 1000);
        for seconds in 21..25 {
            rate.at(start + second * seconds, 20_000);
        }
        assert_eq!(rate.at(start + second * 25, 20_000), 0);
    }

    #[test]
    fn the_time_left_counts_files_and_changes_gently() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let snapshot = |files, bytes, rate| Snapshot {
            files,
            bytes,
            rate,
            total_files: 100,
            total_bytes: 1000,
            counted: true,
            ..Snapshot::default()
        };
        let mut left = TimeLeft::new(start);
        assert_eq!(
            left.at(start + second, &snapshot(10, 500, 500)),
            Some(second * 9),
            "90 files at 10 a second"
        );
        let next = left.at(start + second * 2, &snapshot(20, 990, 490)).unwrap();
        assert!(next >= second * 7 && next <= second * 9, "{next:?}");
        let mut bytes = TimeLeft::new(start);
        assert_eq!(bytes.at(start + second, &snapshot(99, 500, 50)), Some(second * 10));
        assert_eq!(bytes.at(start + second, &Snapshot { counted: false, ..snapshot(99, 500, 50) }), None);
        assert_eq!(bytes.at(start + second, &snapshot(99, 500, 0)), None);
    }

    #[test]
    fn no_time_is_no_division_by_zero() {
        let start = Instant::now();
        assert_eq!(Rate::new(start).at(start, 7), 7000);
    }
}
