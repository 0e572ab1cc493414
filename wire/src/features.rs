//! Features: optional abilities of later versions. A client lists those that it knows, and the server answers with those that
//! apply to the session: the ones known to both.

use serde::{Deserialize, Serialize};

/// A set of features, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Features(u64);

impl Features {
    /// Blocks and packs may be compressed.
    pub const COMPRESSION: Self = Self(1 << 0);
    /// Only what is new of large files that replace others is sent.
    pub const DELTA: Self = Self(1 << 1);
    /// Parts of files may be read.
    pub const READING: Self = Self(1 << 2);
    /// The features known to this version.
    pub const KNOWN: Self = Self(Self::COMPRESSION.0 | Self::DELTA.0 | Self::READING.0);

    /// The features whose bits are set in `bits`, known or not.
    #[must_use]
    pub fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the set's bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Returns the features in both sets.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True if `other` contains all of them.
    #[must_use]
    pub fn are_all_in(self, other: Self) -> bool {
        self.common(other) == self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_use_what_both_know() {
        let (one, other) = (Features::of_bits(0b0110), Features::of_bits(0b1010));
        let both = one.common(other);
        assert_eq!(both, Features::of_bits(0b0010));
        assert!(both.are_all_in(one) && both.are_all_in(other) && !one.are_all_in(other));
    }
}
