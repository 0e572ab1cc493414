//! Keeps what strangers can cause as often as they like from filling the log: of lines of one kind from one address, the first few of an
//! interval are written, and at its end how many more there were.
//!
//! The machine has no clock and does no I/O.

use crate::admission::Full;
use crate::source::PeerNetwork;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A kind of line that is logged again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RepeatKind {
    /// Connections for which there was no place, by this limit.
    Full(Full),
    /// Connections that were rejected.
    Rejected,
}

/// Lines of the present interval.
#[derive(Default)]
pub(crate) struct Repeats {
    entries: HashMap<(RepeatKind, Option<PeerNetwork>), RepeatCount>,
}

struct RepeatCount {
    begin: Instant,
    lines: u32,
}

/// Lines that were not written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HeldBack {
    pub(crate) kind: RepeatKind,
    /// The network that caused the lines; `None` if there were too many to distinguish.
    pub(crate) source: Option<PeerNetwork>,
    pub(crate) count: u32,
}

impl Repeats {
    /// True if a line about `peer` is to be written; otherwise it is counted.
    pub(crate) fn is_news(&mut self, kind: RepeatKind, peer: IpAddr, now: Instant) -> bool {
        let key = (kind, Some(PeerNetwork::from(peer)));
        let is_crowd = self.entries.len() >= SOURCES_MAX && !self.entries.contains_key(&key);
        let key = if is_crowd { (kind, None) } else { key };
        let entry = self.entries.entry(key).or_insert(RepeatCount { begin: now, lines: 0 });
        entry.lines = entry.lines.saturating_add(1);
        entry.lines <= kind.lines_max()
    }

    /// Returns the counts of intervals that are over by `now`, and all of them without it.
    pub(crate) fn ended(&mut self, now: Option<Instant>) -> Vec<HeldBack> {
        let is_over = |entry: &RepeatCount| now.is_none_or(|now| now.duration_since(entry.begin) >= INTERVAL);
        let ended = self.entries.extract_if(|_, entry| is_over(entry));
        let held_back = ended.filter_map(|((kind, source), entry)| {
            let count = entry.lines.saturating_sub(kind.lines_max());
            (count > 0).then_some(HeldBack { kind, source, count })
        });
        held_back.collect()
    }
}

impl RepeatKind {
    /// Lines of one address in an interval.
    fn lines_max(self) -> u32 {
        match self {
            // A flood: each line is as good as another.
            Self::Full(_) => 1,
            // Each may have another cause, and tools that watch for guessed passwords count them.
            Self::Rejected => 50,
        }
    }
}

/// How long lines are counted together.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Addresses that are distinguished in an interval.
const SOURCES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_makes_one_line_and_a_count() {
        let (mut repeats, begin) = (Repeats::default(), Instant::now());
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let written =
            (0..1000).filter(|_| repeats.is_news(RepeatKind::Full(Full::All(9)), one, begin)).count();
        assert_eq!(written, 1);
        assert!(repeats.is_news(RepeatKind::Full(Full::All(9)), other, begin));
        assert!(repeats.is_news(RepeatKind::Rejected, one, begin));
        assert_eq!(repeats.ended(Some(begin)), []);
        let held_back =
            HeldBack { kind: RepeatKind::Full(Full::All(9)), source: Some(one.into()), count: 999 };
        assert_eq!(repeats.ended(Some(begin + INTERVAL)), [held_back]);
        assert!(repeats.is_news(RepeatKind::Full(Full::All(9)), one, begin + INTERVAL));
    }

    #[test]
    fn many_addresses_are_counted_together() {
        let (mut repeats, begin) = (Repeats::default(), Instant::now());
        let written = (0..100_000_u32)
            .filter(|number| {
                repeats.is_news(RepeatKind::Full(Full::All(9)), IpAddr::from(number.to_be_bytes()), begin)
            })
            .count();
        assert_eq!(written, SOURCES_MAX + 1);
        let held_back = repeats.ended(None);
        assert!(repeats.entries.is_empty());
        assert_eq!(held_back.iter().map(|held_back| held_back.count).collect::<Vec<_>>(), [99_935]);
        assert_eq!(held_back[0].source, None);
    }
}
