//! What a listing, a transfer and a comparison know of a file beside its bytes.

use crate::limits::PATH_LEN_MAX;
use serde::{Deserialize, Serialize};

/// A point in time as filesystems keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1,000,000,000.
    pub nanos: u32,
}

/// Which state of which file it is: 16 bytes that are others as soon as the file may have changed. All zero says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceId(pub [u8; 16]);

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A device, pipe or socket; listed, never transferred.
    Special,
}

/// Metadata of one file, folder or link; of the link itself, not of what it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes of a file's content or of a link's target; 0 for others.
    pub size: u64,
    /// When the content changed last.
    pub modified: Timestamp,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
}

impl Timestamp {
    /// True if there is such a time: a peer may claim anything.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.nanos < 1_000_000_000
    }
}

impl Metadata {
    /// True if this is what a filesystem can hold: a peer may claim anything.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let link_fits = self.kind != Kind::Symlink || self.size <= PATH_LEN_MAX as u64;
        link_fits && self.modified.is_possible() && self.mode & !MODE_BITS == 0
    }

    /// True if kind, size and modification time are the same: the content is, as far as can be told without reading it.
    #[must_use]
    pub fn is_unchanged_since(&self, before: &Self) -> bool {
        (self.kind, self.size, self.modified) == (before.kind, before.size, before.modified)
    }
}

/// The permission bits of a mode.
pub const MODE_BITS: u32 = 0o7777;
