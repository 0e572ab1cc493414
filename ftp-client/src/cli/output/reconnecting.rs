//! The state of a lost connection, as people are shown it.

use super::text::duration_text;
use std::time::{Duration, Instant};

/// A connection that is made again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reconnecting {
    since: Instant,
    /// Tries that have failed.
    failed: u32,
}

impl Reconnecting {
    /// The connection is lost now.
    pub(super) fn begin() -> Self {
        Self { since: Instant::now(), failed: 0 }
    }

    /// The same, after so many tries that have failed.
    pub(super) fn after(self, failed: u32) -> Self {
        Self { failed, ..self }
    }

    /// `reconnecting (3rd try, 0:12)…`
    pub(super) fn text(&self) -> String {
        text(self.failed + 1, self.since.elapsed())
    }

    /// `connected again after 0:12`
    pub(super) fn end_text(&self) -> String {
        format!("connected again after {}", duration_text(self.since.elapsed()))
    }
}

fn text(number: u32, elapsed: Duration) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("reconnecting ({number}{ending} try, {})…", duration_text(elapsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_as_people_do() {
        let said = |number| text(number, Duration::from_secs(12));
        assert_eq!(said(3), "reconnecting (3rd try, 0:12)…");
        for (number, expected) in
            [(1, "1st"), (2, "2nd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")]
        {
            assert!(said(number).contains(expected), "{number}");
        }
    }
}
