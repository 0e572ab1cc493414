//! Decides whether a session's frames are compressed, and how hard: by what the lanes wait for, and by what was carried.
//!
//! Time is cut into windows. A window in which lanes wait for the network shows its rate, and compressing pays if one processor
//! compresses faster than that. While frames are compressed and lanes still wait for the network, it pays for sure. If they do
//! not, compressing may be the limit: it goes on if more content gets through than the network could carry plain, and else the
//! faster way is taken, for which plain frames are tried for a window. What was measured counts for a while.
//!
//! Before the first window the round trip decides: a short one means a fast network.

use std::time::{Duration, Instant};

/// A frame that a lane has sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentFrame {
    /// Length of its content.
    pub(crate) content_len: usize,
    /// Bytes sent for it.
    pub(crate) sent_len: usize,
    /// Time that it took here: to read, hash, compress and seal it.
    pub(crate) here: Duration,
    /// Time that the lane waited for the network, or for its turn by a rate limit.
    pub(crate) waiting: Duration,
}

/// The state of the decision.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    mode: Option<FrameMode>,
    window: Option<SentWindow>,
    /// Bytes of content that one processor compresses in a second; 0 if unknown.
    encode_rate: f64,
    /// Content in plain and in compressed frames.
    plain: Remembered,
    compressed: Remembered,
    /// The rate of the network while lanes waited for it.
    network: Remembered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameMode {
    Plain,
    Compressed { level: i32 },
}

impl Decision {
    /// Returns the level for the next frame, or `None` if it goes plain.
    pub(crate) fn level(&mut self, round_trip: Duration) -> Option<i32> {
        let is_near = !round_trip.is_zero() && round_trip < NEAR;
        let first = if is_near { FrameMode::Plain } else { FrameMode::Compressed { level: LEVEL_USUAL } };
        match *self.mode.get_or_insert(first) {
            FrameMode::Plain => None,
            FrameMode::Compressed { level } => Some(level),
        }
    }

    /// Returns the rate of the network in bytes per second, if lanes waited for it lately.
    pub(crate) fn network_rate(&self) -> Option<f64> {
        self.network.get()
    }

    /// Records how long a content took to compress.
    pub(crate) fn on_encoded(&mut self, len: usize, took: Duration) {
        let rate = len as f64 / took.as_secs_f64().max(1e-6);
        let known = self.encode_rate();
        self.encode_rate = known + (rate - known) / 8.0;
    }

    /// Records a frame that was sent.
    pub(crate) fn on_sent(&mut self, frame: SentFrame, now: Instant) {
        let window = self.window.get_or_insert(SentWindow::begin(now));
        let is_idle = now.duration_since(window.last) > IDLE + frame.here + frame.waiting;
        if is_idle || window.begin == now {
            self.window = Some(SentWindow::begin(now));
            return;
        }
        if let Some(measured) = window.add(frame, now) {
            self.window = Some(SentWindow::begin(now));
            self.mode = self.mode.map(|mode| self.next(mode, measured));
        }
    }

    fn next(&mut self, mode: FrameMode, measured: WindowRates) -> FrameMode {
        [&mut self.plain, &mut self.compressed, &mut self.network].into_iter().for_each(Remembered::age);
        if measured.waits_for_network {
            self.network.set(measured.sent_rate);
        }
        let pays = match mode {
            FrameMode::Plain => {
                self.plain.set(measured.content_rate);
                measured.waits_for_network
                    && measured.sent_rate < 0.8 * self.encode_rate()
                    && self.compressed.get().is_none_or(|compressed| compressed > 1.1 * measured.content_rate)
            }
            FrameMode::Compressed { .. } => {
                self.compressed.set(measured.content_rate);
                let other = self.plain.get().or(self.network.get());
                measured.waits_for_network || other.is_some_and(|other| other <= measured.content_rate)
            }
        };
        if pays {
            FrameMode::Compressed { level: self.level_for(measured.sent_rate) }
        } else {
            FrameMode::Plain
        }
    }

    /// Returns the level for a network of this rate. The bounds are such that another level does not lead to another answer.
    fn level_for(&self, sent_rate: f64) -> i32 {
        if sent_rate < (self.encode_rate() / 16.0).min(5e6) {
            LEVEL_SMALL
        } else if sent_rate < (self.encode_rate() / 8.0).min(20e6) {
            LEVEL_USUAL
        } else {
            LEVEL_FAST
        }
    }

    fn encode_rate(&self) -> f64 {
        if self.encode_rate > 0.0 { self.encode_rate } else { USUAL_ENCODE_RATE }
    }
}

/// The frames that lanes sent in a while.
#[derive(Debug)]
struct SentWindow {
    begin: Instant,
    last: Instant,
    frames: u32,
    content_len: usize,
    sent_len: usize,
    here: Duration,
    waiting: Duration,
}

/// The result of a window.
#[derive(Debug, Clone, Copy)]
struct WindowRates {
    content_rate: f64,
    sent_rate: f64,
    waits_for_network: bool,
}

impl SentWindow {
    fn begin(now: Instant) -> Self {
        let (here, waiting) = (Duration::ZERO, Duration::ZERO);
        Self { begin: now, last: now, frames: 0, content_len: 0, sent_len: 0, here, waiting }
    }

    /// Adds a frame; returns the result if the window is full.
    fn add(&mut self, frame: SentFrame, now: Instant) -> Option<WindowRates> {
        self.last = now;
        self.frames += 1;
        self.content_len += frame.content_len;
        self.sent_len += frame.sent_len;
        self.here += frame.here;
        self.waiting += frame.waiting;
        let took = now.duration_since(self.begin);
        (took >= WINDOW && self.frames >= WINDOW_FRAMES).then(|| WindowRates {
            content_rate: self.content_len as f64 / took.as_secs_f64(),
            sent_rate: self.sent_len as f64 / took.as_secs_f64(),
            waits_for_network: 4 * self.waiting >= self.here,
        })
    }
}

/// A rate that was measured some windows ago.
#[derive(Debug, Default)]
struct Remembered {
    rate: f64,
    windows_left: u32,
}

impl Remembered {
    fn set(&mut self, rate: f64) {
        *self = Self { rate, windows_left: MEMORY };
    }

    fn age(&mut self) {
        self.windows_left = self.windows_left.saturating_sub(1);
    }

    fn get(&self) -> Option<f64> {
        (self.windows_left > 0).then_some(self.rate)
    }
}

/// Shortest and fewest of what makes a window.
const WINDOW: Duration = Duration::from_millis(100);
const WINDOW_FRAMES: u32 = 8;
/// Windows for which a rate is remembered.
const MEMORY: u32 = 32;
/// A pause between frames after which a window begins anew.
const IDLE: Duration = Duration::from_secs(1);
/// A shorter round trip is that of a fast network.
const NEAR: Duration = Duration::from_millis(1);
/// The levels: where compressing has much time, some, and little. Of C headers, 17.5, 19.4 and 21 % are left.
const LEVEL_SMALL: i32 = 6;
const LEVEL_USUAL: i32 = 3;
const LEVEL_FAST: i32 = 1;
/// The rate of zstd's level 1 with binaries on one processor, until it was measured.
const USUAL_ENCODE_RATE: f64 = 250e6;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of tests are short")]
mod tests;
