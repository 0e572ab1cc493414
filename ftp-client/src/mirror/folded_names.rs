//! Names as a target has them that takes upper and lower case for the same.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Names of one folder's items that are sent, as hashes of what is the same in upper and lower case: few bytes for each.
#[derive(Default)]
pub(super) struct FoldedNames(HashSet<u64>);

impl FoldedNames {
    /// True if none of the names so far differs from this one in case alone.
    pub(super) fn insert(&mut self, name: &[u8]) -> bool {
        self.0.insert(folded(name))
    }
}

/// Only letters of ASCII: all that fold case fold those, and others not everywhere.
fn folded(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.to_ascii_lowercase().hash(&mut hasher);
    hasher.finish()
}
