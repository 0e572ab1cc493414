//! Preallocates disk space for a large file ahead of its writes: this gives fewer extents and cheaper writes.

use crate::store::TargetFile;
use crate::sync::lock;
use crate::verified::VerifiedChunk;
use std::ops::Range;
use std::sync::Mutex;

/// Preallocates space once a certain amount is written, but no more than that amount again, whatever length the sender has
/// announced.
pub(super) struct Preallocator {
    size: u64,
    state: Mutex<Preallocation>,
}

#[derive(Default)]
struct Preallocation {
    written: u64,
    until: u64,
}

impl Preallocator {
    pub(super) fn new(size: u64) -> Self {
        Self { size, state: Mutex::default() }
    }

    /// Preallocates for `chunk` and some that follow. A full disk shows up at the write.
    pub(super) fn reserve_ahead(&self, file: &dyn TargetFile, chunk: &VerifiedChunk<'_>) {
        let len = chunk.pieces().iter().map(|piece| piece.len() as u64).sum();
        let mut state = lock(&self.state);
        if let Some(ahead) = state.ahead(self.size, chunk.offset(), len)
            && file.reserve(ahead.start, ahead.end - ahead.start).is_err()
        {
            state.until = u64::MAX;
        }
    }
}

impl Preallocation {
    /// Returns the range to preallocate, now that `len` bytes are written at `offset`; `None` for chunks far ahead of the
    /// others.
    fn ahead(&mut self, size: u64, offset: u64, len: u64) -> Option<Range<u64>> {
        self.written += len;
        let end = offset.saturating_add(len);
        let bound = self.written.saturating_mul(2);
        let until = size.min(bound).min(self.until.max(end).saturating_add(AHEAD_LEN_MAX));
        let is_due = self.written >= AHEAD_LEN_MIN && self.until < end && end <= until;
        is_due.then(|| offset.max(std::mem::replace(&mut self.until, until))..until)
    }
}

/// Amount written before preallocation starts, and the amount per step.
const AHEAD_LEN_MIN: u64 = 8 << 20;
const AHEAD_LEN_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CHUNK_LEN;

    const LEN: u64 = CHUNK_LEN as u64;

    #[test]
    fn room_is_found_for_most_of_a_file_a_few_times() {
        let (size, mut state, mut times, mut room) = (1 << 30, Preallocation::default(), 0, 0);
        for chunk in 0..size / LEN {
            if let Some(ahead) = state.ahead(size, chunk * LEN, LEN) {
                (times, room) = (times + 1, room + ahead.end - ahead.start);
                assert!(ahead.start >= chunk * LEN && ahead.end <= 2 * (chunk + 1) * LEN);
            }
            assert_eq!(room == 0, (chunk + 1) * LEN < AHEAD_LEN_MIN);
        }
        assert!(size - room < AHEAD_LEN_MIN && times < 25, "{room}, {times} times");
    }

    #[test]
    fn nobody_is_given_more_room_than_they_have_filled() {
        let mut state = Preallocation { written: AHEAD_LEN_MIN - LEN, until: 0 };
        assert_eq!(
            state.ahead(u64::MAX, 2 * AHEAD_LEN_MIN - LEN, LEN),
            Some(2 * AHEAD_LEN_MIN - LEN..2 * AHEAD_LEN_MIN)
        );
        assert_eq!(state.ahead(u64::MAX, u64::MAX - LEN, LEN), None, "too far ahead");
        assert_eq!(state.ahead(u64::MAX, 0, LEN), None, "there is room already");
        let mut state = Preallocation { written: 1 << 40, until: 0 };
        assert_eq!(state.ahead(u64::MAX, 0, LEN), Some(0..LEN + AHEAD_LEN_MAX));
        let mut state = Preallocation { written: 1 << 40, until: 0 };
        assert_eq!(state.ahead(3 * LEN, 0, LEN), Some(0..3 * LEN), "no more than the file has");
    }
}
