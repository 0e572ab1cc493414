//! Measures how busy lanes spend their time: the cheapest indication of what limits a transfer.
//!
//! A lane works here: it reads, hashes and seals, or opens, hashes and writes. Or it waits for its socket, which depends on the
//! network or the other end. Or it waits for the other end to acknowledge some of the data before it may send more.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time of all lanes together, added up although they run in parallel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneTime {
    /// Working at this end.
    pub here: Duration,
    /// Waiting for the socket: for the network, or for the other end to read or write it.
    pub socket: Duration,
    /// Waiting for acknowledgements, with data to send.
    pub peer: Duration,
    /// Waiting because of the requested rate limit.
    pub paced: Duration,
}

/// Counters of these times, in microseconds.
#[derive(Default)]
pub(crate) struct LaneTimers {
    pub(crate) here: Stopwatch,
    pub(crate) socket: Stopwatch,
    pub(crate) peer: Stopwatch,
    pub(crate) paced: Stopwatch,
}

#[derive(Default)]
pub(crate) struct Stopwatch(AtomicU64);

impl LaneTimers {
    pub(crate) fn total(&self) -> LaneTime {
        LaneTime {
            here: self.here.get(),
            socket: self.socket.get(),
            peer: self.peer.get(),
            paced: self.paced.get(),
        }
    }
}

impl Stopwatch {
    /// Adds the time elapsed since `since`.
    pub(crate) fn add(&self, since: Instant) {
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(micros, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
