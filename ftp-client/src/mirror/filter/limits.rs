//! Limits of size and age.

use super::FilterVerdict;
use wire::metadata::Timestamp;

/// Which files are large, small, new and old enough. Folders and links have no limits: do not ask about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileLimits {
    /// Fewest bytes.
    pub size_min: Option<u64>,
    /// Most bytes.
    pub size_max: Option<u64>,
    /// Modified after this.
    pub newer_than: Option<Timestamp>,
    /// Modified before this.
    pub older_than: Option<Timestamp>,
}

impl FileLimits {
    /// True if a file of `size` bytes, last modified at `modified`, is within the limits.
    #[must_use]
    pub fn verdict(&self, size: u64, modified: Timestamp) -> FilterVerdict {
        let within = self.size_min.is_none_or(|min| size >= min)
            && self.size_max.is_none_or(|max| size <= max)
            && self.newer_than.is_none_or(|limit| modified > limit)
            && self.older_than.is_none_or(|limit| modified < limit);
        if within { FilterVerdict::Included } else { FilterVerdict::Excluded }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(limits: FileLimits, size: u64, seconds: i64) -> bool {
        limits.verdict(size, Timestamp { seconds, nanos: 0 }) == FilterVerdict::Included
    }

    #[test]
    fn sizes_include_the_limit_itself() {
        let limits = FileLimits { size_min: Some(10), size_max: Some(20), ..FileLimits::default() };
        let taken: Vec<u64> = (0..30).filter(|size| takes(limits, *size, 0)).collect();
        assert_eq!(taken, (10..=20).collect::<Vec<_>>());
    }

    #[test]
    fn times_do_not() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let limits = FileLimits { newer_than: at(-5), older_than: at(5), ..FileLimits::default() };
        let taken: Vec<i64> = (-9..9).filter(|seconds| takes(limits, 0, *seconds)).collect();
        assert_eq!(taken, (-4..=4).collect::<Vec<_>>());
    }

    #[test]
    fn no_limits_take_everything() {
        assert!(takes(FileLimits::default(), u64::MAX, i64::MIN));
    }
}
