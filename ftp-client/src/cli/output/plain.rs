//! Progress where there is no terminal: a line now and then, for logs.

use super::tally::Snapshot;
use super::text;
use std::time::{Duration, Instant};

/// Decides when a progress line is due.
pub(super) struct Plain {
    next: Instant,
}

impl Plain {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL }
    }

    /// A line, if it is time for one.
    pub(super) fn line(&mut self, now: Instant, snapshot: &Snapshot) -> Option<String> {
        if now < self.next {
            return None;
        }
        self.next = now + INTERVAL;
        Some(text::standing(snapshot))
    }
}

const INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_now_and_then() {
        let start = Instant::now();
        let mut plain = Plain::new(start);
        let lines =
            (0..=350).filter_map(|tenth| plain.line(start + INTERVAL * tenth / 100, &Snapshot::default()));
        assert_eq!(lines.count(), 3);
    }
}
