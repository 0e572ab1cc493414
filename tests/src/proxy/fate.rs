//! The treatment of a connection: how its bytes travel each way, and the fault after a number of them.

use std::time::Duration;

/// A fault at some point of a connection's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed towards both ends.
    Cut,
    /// It is reset towards both ends: data in transit is lost too.
    Reset,
    /// All connections are reset.
    ResetAll,
    /// This direction stops for this time, then continues.
    Stall(Duration),
    /// All connections stop for this time, then continue; new ones wait too.
    StallAll(Duration),
    /// The connection is silently carried no further, either way.
    Swallow,
    /// All open connections are silently carried no further; new ones wait for this time.
    SwallowAll(Duration),
    /// The lowest bit of the next byte is flipped.
    Flip,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Road {
    pub(super) fault: Option<(u64, Fault)>,
    /// Most bytes carried at a time; 0 for any number.
    pub(super) piece: usize,
    /// Number of bytes after which pieces are no longer limited; 0 for never.
    pub(super) pieces_end: u64,
    /// Pause between two pieces.
    pub(super) pause: Duration,
    /// Minimum travel time of each piece, and the most that is added at random.
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
}

impl Road {
    /// Returns how many bytes are carried at a time behind the first `passed`.
    pub(super) fn piece_len(&self, passed: u64) -> usize {
        let cut = self.piece > 0 && (self.pieces_end == 0 || passed < self.pieces_end);
        if cut { self.piece } else { PIECE_LEN_MAX }
    }
}

/// The treatment of a connection, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    pub(super) up: Road,
    pub(super) down: Road,
}

impl Fate {
    /// Carries everything unchanged.
    #[must_use]
    pub fn forward() -> Self {
        Self::default()
    }

    /// Injects the fault after exactly `bytes` towards the server.
    #[must_use]
    pub fn up(bytes: u64, fault: Fault) -> Self {
        let mut fate = Self::default();
        fate.up.fault = Some((bytes, fault));
        fate
    }

    /// Injects the fault after exactly `bytes` towards the client.
    #[must_use]
    pub fn down(bytes: u64, fault: Fault) -> Self {
        let mut fate = Self::default();
        fate.down.fault = Some((bytes, fault));
        fate
    }

    /// Carries at most `piece` bytes at a time both ways, each as a segment of its own, with `pause` in between.
    #[must_use]
    pub fn in_pieces(mut self, piece: usize, pause: Duration) -> Self {
        for road in [&mut self.up, &mut self.down] {
            (road.piece, road.pause) = (piece, pause);
        }
        self
    }

    /// Limits the pieces to the first `bytes` of each way.
    #[must_use]
    pub fn first(mut self, bytes: u64) -> Self {
        for road in [&mut self.up, &mut self.down] {
            road.pieces_end = bytes;
        }
        self
    }

    /// Delays each piece, both ways, by `delay` and up to `jitter` more.
    #[must_use]
    pub fn delayed(mut self, delay: Duration, jitter: Duration) -> Self {
        for road in [&mut self.up, &mut self.down] {
            (road.delay, road.jitter) = (delay, jitter);
        }
        self
    }
}

/// Longest piece, as a socket would return it.
pub(super) const PIECE_LEN_MAX: usize = 64 * 1024;
