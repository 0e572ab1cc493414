//! The sorted names of one folder, in one block of memory: a folder of a million files must not cost a million allocations.

use crate::path::NameRef;
use std::ops::Range;

/// Names of a folder, sorted bytewise.
#[derive(Debug, Default)]
pub struct Names {
    bytes: Vec<u8>,
    ranges: Vec<(u32, u8)>,
}

impl Names {
    /// Adds a name. Names beyond 4 GiB of text are left out, which no folder has.
    pub fn push(&mut self, name: NameRef<'_>) {
        let name = name.as_bytes();
        if let (Ok(begin), Ok(len)) = (u32::try_from(self.bytes.len()), u8::try_from(name.len())) {
            self.bytes.extend_from_slice(name);
            self.ranges.push((begin, len));
        }
    }

    /// Sorts the names; to be called once after the last [`push`](Self::push).
    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        self.ranges.sort_unstable_by(|a, b| bytes[range(*a)].cmp(&bytes[range(*b)]));
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The name at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<NameRef<'_>> {
        NameRef::new(&self.bytes[range(*self.ranges.get(index)?)]).ok()
    }
}

fn range((begin, len): (u32, u8)) -> Range<usize> {
    begin as usize..begin as usize + usize::from(len)
}
