//! The rate over the last seconds, which follows changes without jumping.

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
    fn no_time_is_no_division_by_zero() {
        let start = Instant::now();
        assert_eq!(Rate::new(start).at(start, 7), 7000);
    }
}
