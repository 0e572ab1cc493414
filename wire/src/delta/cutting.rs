//! Cuts content into pieces by its bytes, so that equal content has equal pieces wherever it lies (FastCDC).
//!
//! Both ends must find the same cuts: the parameters, and the crate's version, are part of the protocol.

use crate::limits::OLD_PIECES_MAX;
use fastcdc::v2020::{FastCDC, Normalization};

/// The lengths of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutter {
    average: usize,
    min: usize,
    max: usize,
}

impl Cutter {
    /// Small pieces, for stretches where content was inserted or removed.
    pub const FINE: Self = Self { average: 512, min: 256, max: 4 * 1024 };

    /// Pieces of an old file of `len` bytes: of 32 KiB on average, and longer for a file of many.
    #[must_use]
    pub fn coarse(len: u64) -> Self {
        let average = len.div_ceil(OLD_PIECES_MAX as u64).next_power_of_two();
        let average = usize::try_from(average).unwrap_or(usize::MAX).clamp(COARSE_LEN_MIN, COARSE_LEN_MAX);
        Self { average, min: average / 4, max: average * 8 }
    }

    /// Length of the longest piece.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Returns the length of the first piece of `bytes`, which are the rest of the content, or at least as long as the longest
    /// piece.
    #[must_use]
    pub fn cut(&self, bytes: &[u8]) -> usize {
        let Self { average, min, max } = *self;
        let cutter = FastCDC::with_level(bytes, min, average, max, Normalization::Level1);
        cutter.cut(0, bytes.len()).1
    }
}

/// Shortest and longest average of coarse pieces.
const COARSE_LEN_MIN: usize = 32 * 1024;
const COARSE_LEN_MAX: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::testing::noise;

    /// Cuts are part of the protocol: these must never change.
    #[test]
    fn cuts_are_those_of_the_protocol() {
        let bytes = noise(1, 600_000);
        let cuts = |cutter: Cutter, count: usize| -> Vec<usize> {
            let mut rest = &bytes[..];
            let mut lens = Vec::new();
            while !rest.is_empty() && lens.len() < count {
                let len = cutter.cut(rest);
                lens.push(len);
                rest = &rest[len..];
            }
            lens
        };
        assert_eq!(cuts(Cutter::coarse(600_000), 6), [34830, 48574, 68346, 39685, 42356, 40534]);
        assert_eq!(cuts(Cutter::FINE, 6), [502, 697, 460, 905, 1010, 314]);
    }

    #[test]
    fn a_long_file_has_longer_pieces_and_not_too_many() {
        for (len, average) in
            [(0, 32_768), (1 << 33, 32_768), ((1 << 33) + 1, 65_536), (100_000_000_000, 524_288)]
        {
            assert_eq!(Cutter::coarse(len).average, average, "{len}");
        }
        assert_eq!(Cutter::coarse(u64::MAX).max(), 4 << 20);
    }
}
