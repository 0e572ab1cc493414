//! Which entries of a tree are mirrored: rsync's include and exclude rules, its list of files, and limits of size and
//! age. People bring their rule files along, so what rsync decides is decided here too, and a test asks rsync.
//!
//! Nothing here looks at a filesystem. Whoever walks a tree asks about each entry, top down, and does not descend into
//! an excluded folder: no rule brings back what lies below one.
//!
//! Three questions are kept apart because rsync answers them apart:
//!
//! 1. [`FileList`]: was the entry asked for? The parents of what was asked for come along, whatever the rules say
//!    ([`FileList::is_parent`]).
//! 2. [`FilterRules`]: is the entry sent, and may its namesake on the target be deleted?
//! 3. [`FileLimits`]: is the file's content sent? They make no entry deletable: a file outside the limits still exists.

#[cfg(test)]
mod against_rsync;
mod age;
mod entries;
mod file_list;
mod gitignore;
mod limits;
mod pattern;
mod rule;
mod rules;
mod size;

pub use age::{AgeError, parse_age};
pub use entries::Separator;
pub use file_list::{FileList, ListError, ListFault};
pub use gitignore::rules_of_ignore_file;
pub use limits::FileLimits;
pub use pattern::{PATTERN_LEN_MAX, PathPattern, PatternError};
pub use rule::RuleFault;
pub use rules::{FilterRules, RuleError};
pub use size::{SizeError, parse_size};

/// The decision about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterVerdict {
    /// It takes part.
    Included,
    /// It does not, nor does anything below it.
    Excluded,
}
