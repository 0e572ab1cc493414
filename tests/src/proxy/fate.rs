//! What is done to a connection: how its bytes travel each way, and what happens after so many of them.

use std::time::Duration;

/// What happens at some point of a connection's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed towards both ends.
    Cut,
    /// It is reset towards both ends: what is on its way is lost too.
    Reset,
    /// All connections are reset.
    ResetAll,
    /// This direction stands still for so long, then goes on.
    Stall(Duration),
    /// All connections stand still for so long, then go on; new ones wait too.
    StallAll(Duration),
    /// The connection is carried no further, either way, and nobody is told.
    Swallow,
    /// All connections that are open are carried no further and nobody is told; new ones wait for so long.
    SwallowAll(Duration),
    /// The lowest bit of the next byte is turned.
    Flip,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Road {
    pub(super) fault: Option<(u64, Fault)>,
    /// Most bytes carried at a time; 0 if any number is.
    pub(super) piece: usize,
    /// After so many bytes they are carried as they come; never if 0.
    pub(super) pieces_end: u64,
    /// What passes between two pieces.
    pub(super) pause: Duration,
    /// How long each piece is under way, at least, and by how much more at most.
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
}

impl Road {
    /// How many bytes are carried at a time behind the first `passed`.
    pub(super) fn piece_len(&self, passed: u64) -> usize {
        let cut = self.piece > 0 && (self.pieces_end == 0 || passed < self.pieces_end);
        if cut { self.piece } else { PIECE_LEN_MAX }
    }
}

/// What is done to a connection, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fate {
    pub(super) up: Road,
    pub(super) down: Road,
}

impl Fate {
    /// All is carried as it comes.
    #[must_use]
    pub fn forward() -> Self {
        Self::default()
    }

    /// After exactly `bytes` towards the server the fault happens.
    #[must_use]
    pub fn up(bytes: u64, fault: Fault) -> Self {
        let mut fate = Self::default();
        fate.up.fault = Some((bytes, fault));
        fate
    }

    /// After exactly `bytes` towards the client the fault happens.
    #[must_use]
    pub fn down(bytes: u64, fault: Fault) -> Self {
        let mut fate = Self::default();
        fate.down.fault = Some((bytes, fault));
        fate
    }

    /// Both ways at most `piece` bytes are carried at a time, as a segment of their own, and `pause` passes in between.
    #[must_use]
    pub fn in_pieces(mut self, piece: usize, pause: Duration) -> Self {
        for road in [&mut self.up, &mut self.down] {
            (road.piece, road.pause) = (piece, pause);
        }
        self
    }

    /// Only the first `bytes` of each way are carried in pieces.
    #[must_use]
    pub fn first(mut self, bytes: u64) -> Self {
        for road in [&mut self.up, &mut self.down] {
            road.pieces_end = bytes;
        }
        self
    }

    /// Both ways each piece is under way for `delay` and up to `jitter` more.
    #[must_use]
    pub fn delayed(mut self, delay: Duration, jitter: Duration) -> Self {
        for road in [&mut self.up, &mut self.down] {
            (road.delay, road.jitter) = (delay, jitter);
        }
        self
    }
}

/// Longest piece, as a socket would give it.
pub(super) const PIECE_LEN_MAX: usize = 64 * 1024;
