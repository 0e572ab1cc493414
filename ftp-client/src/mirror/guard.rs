//! The guard that keeps a mirror from wiping a backup by accident. Pure.

use std::fmt;

/// How many deletions are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeleteLimit {
    /// As many as a wrong path would cause: more than half of a target of 20 entries or more.
    #[default]
    Careful,
    /// More than this.
    Count(u64),
    /// More than this share of the target's entries, in hundredths.
    Percent(u8),
}

/// The content of a source, as the guard sees it. An empty source is more often a disk that is not mounted than a wish, so no limit
/// on the number of deletions permits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceContent {
    /// Entries, or a part of a source, which may become empty.
    Present,
    /// No entry takes part.
    Empty,
    /// No entry takes part, and the user has said that this is right.
    EmptyOnPurpose,
}

/// Why deletions are refused, and what was done before that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteRefusal {
    /// Why.
    pub reason: RefusalReason,
    /// Files that were sent before. A tree of moderate size is compared to its end first, so there are none.
    pub copied: u64,
    /// Nothing at all was done.
    pub is_first: bool,
    /// Nothing was to be done: a run would refuse the deletions that were shown.
    pub is_dry: bool,
}

/// Why deletions are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// No entry of the source takes part.
    EmptySource,
    /// There is no source.
    MissingSource,
    /// Too much would go.
    TooMany {
        /// Entries that would go.
        deletions: u64,
        /// Entries that the target has.
        entries: u64,
    },
}

impl DeleteRefusal {
    /// A refusal before anything was done.
    pub(super) fn first(reason: RefusalReason) -> Self {
        Self { reason, copied: 0, is_first: true, is_dry: false }
    }

    /// The refusal that a run would give where deletions were only shown.
    pub(super) fn of_dry_run(reason: RefusalReason) -> Self {
        Self { is_dry: true, ..Self::first(reason) }
    }
}

impl fmt::Display for DeleteRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            RefusalReason::EmptySource => f.write_str("the source is empty, or all of it is excluded")?,
            RefusalReason::MissingSource => f.write_str("the source is missing")?,
            RefusalReason::TooMany { deletions, entries } => {
                write!(f, "{deletions} of the target's {entries} entries would be deleted")?;
            }
        }
        match self.copied {
            _ if self.is_dry => f.write_str("; a run would refuse that, and do nothing")?,
            _ if self.is_first => f.write_str("; nothing was copied or deleted")?,
            0 => f.write_str("; nothing was deleted")?,
            1 => f.write_str("; 1 file was copied before, and nothing was deleted")?,
            count => write!(f, "; {count} files were copied before, and nothing was deleted")?,
        }
        match self.reason {
            RefusalReason::EmptySource => f.write_str(" (if that is right, say --allow-empty-source)"),
            RefusalReason::MissingSource => Ok(()),
            RefusalReason::TooMany { deletions, .. } => {
                write!(f, " (if that is right, say --max-delete {deletions})")
            }
        }
    }
}

impl DeleteLimit {
    /// Decides about `deletions` of a target that has `entries`.
    ///
    /// # Errors
    /// The reason why deletions are refused.
    pub(super) fn check(
        self,
        deletions: u64,
        entries: u64,
        source: SourceContent,
    ) -> Result<(), RefusalReason> {
        let too_many = match (self, source) {
            _ if deletions == 0 => false,
            (_, SourceContent::Empty) => return Err(RefusalReason::EmptySource),
            (Self::Careful, SourceContent::EmptyOnPurpose) => false,
            (Self::Careful, SourceContent::Present) => entries >= CAREFUL_ENTRIES && deletions > entries / 2,
            (Self::Count(max), _) => deletions > max,
            (Self::Percent(max), _) => u128::from(deletions) * 100 > u128::from(entries) * u128::from(max),
        };
        if too_many { Err(RefusalReason::TooMany { deletions, entries }) } else { Ok(()) }
    }
}

/// In a small target half is soon reached.
const CAREFUL_ENTRIES: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    use SourceContent::{Empty, EmptyOnPurpose, Present};

    #[test]
    fn half_of_a_target_is_too_much() {
        let check = |deletions, entries| DeleteLimit::Careful.check(deletions, entries, Present).is_ok();
        assert!(check(0, 0) && check(19, 19) && check(10, 20) && check(500, 1000));
        assert!(!check(11, 20) && !check(501, 1000) && !check(1000, 1000));
    }

    #[test]
    fn an_empty_source_deletes_nothing_whatever_the_limit() {
        for limit in [DeleteLimit::Careful, DeleteLimit::Count(100), DeleteLimit::Percent(100)] {
            assert_eq!(limit.check(1, 1, Empty), Err(RefusalReason::EmptySource), "{limit:?}");
            assert_eq!(limit.check(0, 0, Empty), Ok(()), "{limit:?}");
            assert_eq!(limit.check(30, 30, EmptyOnPurpose), Ok(()), "{limit:?}");
        }
        assert!(DeleteLimit::Count(1).check(2, 2, EmptyOnPurpose).is_err());
    }

    #[test]
    fn a_number_or_a_share_can_be_said() {
        let (count, percent) = (DeleteLimit::Count, DeleteLimit::Percent);
        assert!(count(5).check(5, 5, Present).is_ok() && count(5).check(6, 100, Present).is_err());
        assert!(count(0).check(1, 100, Present).is_err() && count(0).check(0, 100, Present).is_ok());
        assert!(percent(10).check(10, 100, Present).is_ok());
        assert!(percent(10).check(11, 100, Present).is_err());
        assert!(percent(100).check(u64::MAX, u64::MAX, Present).is_ok());
    }
}
