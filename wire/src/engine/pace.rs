//! A token bucket that all lanes of a job share, for `--limit-rate`.

use super::lock;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Limits the rate to a number of bytes per second.
pub struct Pacer {
    bytes_per_second: f64,
    /// Time at which all bytes let through so far are due.
    due: Mutex<Instant>,
}

/// Bytes are paced in portions of this size, so that a slow lane is smooth.
pub(crate) const PORTION_LEN: usize = 32 * 1024;
/// Time that may be caught up after a pause.
const BURST: Duration = Duration::from_millis(100);

impl Pacer {
    /// A pacer; `None` for a rate of 0, which means no limit.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Option<Self> {
        #[allow(clippy::cast_precision_loss)] // a rate
        let rate = bytes_per_second as f64;
        (bytes_per_second > 0).then(|| Self { bytes_per_second: rate, due: Mutex::new(Instant::now()) })
    }

    /// Waits until `len` more bytes are due.
    pub async fn take(&self, len: usize) {
        tokio::time::sleep_until(self.book(len, Instant::now())).await;
    }

    /// Books `len` bytes and returns the time at which they may be sent.
    fn book(&self, len: usize, now: Instant) -> Instant {
        #[allow(clippy::cast_precision_loss)]
        let cost = Duration::from_secs_f64(len as f64 / self.bytes_per_second);
        let mut due = lock(&self.due);
        let begin = (*due).max(now.checked_sub(BURST).unwrap_or(now));
        *due = begin + cost;
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_rate_holds_over_any_number_of_takers() {
        let pacer = Pacer::new(1_000_000).unwrap();
        let begin = Instant::now();
        let mut last = begin;
        for _ in 0..1000 {
            last = pacer.book(10_000, begin);
        }
        let seconds = (last - begin).as_secs_f64();
        assert!((9.8..=10.0).contains(&seconds), "{seconds}");
        assert!(Pacer::new(0).is_none());
    }
}
