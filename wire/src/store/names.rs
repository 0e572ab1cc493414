//! The sorted names of one folder, in one block of memory, so that a folder of a million files does not cost a million
//! allocations.

use crate::failure::{Failure, FailureCode};
use crate::limits::NAME_LEN_MAX;
use crate::path::NameRef;
use std::ops::Range;

/// Names of a folder, sorted bytewise.
#[derive(Debug, Default)]
pub struct Names {
    bytes: Vec<u8>,
    places: Vec<NameSpan>,
    left_out: Option<LeftOut>,
}

/// Names too long for a path.
#[derive(Debug)]
struct LeftOut {
    count: u64,
    /// The beginning of the first of them.
    begin: String,
}

/// The kind of an entry as the folder reports it along with the name, without examining the entry itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// A folder.
    Folder,
    /// A file, link or special file.
    Other,
    /// Not reported by the filesystem.
    Unknown,
}

/// Position of a name in the text.
#[derive(Debug, Clone, Copy)]
struct NameSpan {
    begin: u32,
    len: u8,
    kind: NameKind,
}

impl Names {
    /// Adds a name. Names beyond 4 GiB of text are left out.
    pub fn push(&mut self, name: NameRef<'_>, kind: NameKind) {
        let name = name.as_bytes();
        if let (Ok(begin), Ok(len)) = (u32::try_from(self.bytes.len()), u8::try_from(name.len())) {
            self.bytes.extend_from_slice(name);
            self.places.push(NameSpan { begin, len, kind });
        } else {
            self.leave_out(name);
        }
    }

    /// Counts a name that cannot be added: some filesystems have longer ones (NTFS and exFAT: 255 characters of up to 3 bytes).
    pub fn leave_out(&mut self, name: &[u8]) {
        let begin = || String::from_utf8_lossy(&name[..name.len().min(BEGIN_LEN)]).into_owned();
        self.left_out.get_or_insert_with(|| LeftOut { count: 0, begin: begin() }).count += 1;
    }

    /// Returns, once, the failure for the names that were left out; `None` if there are none.
    pub fn take_left_out(&mut self) -> Option<Failure> {
        let LeftOut { count, begin } = self.left_out.take()?;
        let reason = match count {
            1 => format!("a name in it is longer than {NAME_LEN_MAX} bytes: {begin}…"),
            _ => format!("{count} names in it are longer than {NAME_LEN_MAX} bytes; the first one: {begin}…"),
        };
        Some(Failure::new(FailureCode::InvalidPath, reason))
    }

    /// Sorts the names; to be called once after the last [`push`](Self::push).
    pub fn sort(&mut self) {
        let bytes = &self.bytes;
        self.places.sort_unstable_by(|a, b| bytes[a.range()].cmp(&bytes[b.range()]));
    }

    /// True if `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: NameRef<'_>) -> bool {
        self.places.binary_search_by(|place| self.bytes[place.range()].cmp(name.as_bytes())).is_ok()
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The name at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<NameRef<'_>> {
        NameRef::new(&self.bytes[self.places.get(index)?.range()]).ok()
    }

    /// Returns the kind of the entry at `index`, as the folder reports it.
    #[must_use]
    pub fn kind(&self, index: usize) -> NameKind {
        self.places.get(index).map_or(NameKind::Unknown, |place| place.kind)
    }
}

impl NameSpan {
    fn range(self) -> Range<usize> {
        self.begin as usize..self.begin as usize + usize::from(self.len)
    }
}

/// Bytes shown of a long name.
const BEGIN_LEN: usize = 40;
