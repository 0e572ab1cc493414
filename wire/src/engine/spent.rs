//! What lanes that have something to do spend their time with: the cheapest sign of what limits a transfer.
//!
//! A lane reads, hashes and seals, or opens, hashes and writes, which is work here; or waits for its socket, which is the
//! network's or the other end's doing; or may send no more until the other end has acknowledged some of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Time of all lanes together; they spend it side by side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneTime {
    /// Working here.
    pub here: Duration,
    /// Waiting for the socket: for the network, or for the other end that does not read or write it.
    pub socket: Duration,
    /// Waiting for acknowledgements, with something to send.
    pub peer: Duration,
    /// Sending no faster than a bound that was asked for.
    pub paced: Duration,
}

/// Counts it, in microseconds.
#[derive(Default)]
pub(crate) struct Spent {
    pub(crate) here: Stopwatch,
    pub(crate) socket: Stopwatch,
    pub(crate) peer: Stopwatch,
    pub(crate) paced: Stopwatch,
}

#[derive(Default)]
pub(crate) struct Stopwatch(AtomicU64);

impl Spent {
    pub(crate) fn so_far(&self) -> LaneTime {
        LaneTime {
            here: self.here.get(),
            socket: self.socket.get(),
            peer: self.peer.get(),
            paced: self.paced.get(),
        }
    }
}

impl Stopwatch {
    /// Adds the time since then.
    pub(crate) fn add(&self, since: Instant) {
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_add(micros, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
