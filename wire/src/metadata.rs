//! Metadata of a file, as used by listings, transfers and comparisons.

use crate::limits::PATH_LEN_MAX;
use serde::{Deserialize, Serialize};

/// A point in time as filesystems store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1,000,000,000.
    pub nanos: u32,
}

/// Identifies a state of a source file: 16 bytes that change as soon as the file may have changed. All zero means unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceId(pub [u8; 16]);

/// The kind of an entry.
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

/// Metadata of one file, folder or link; for a link, of the link itself, not of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The kind of the entry.
    pub kind: Kind,
    /// Length in bytes of a file's content or of a link's target; 0 for others.
    pub size: u64,
    /// When the content changed last.
    pub modified: Timestamp,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
}

impl Timestamp {
    /// True if the value is a valid time: a peer may claim anything.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.nanos < 1_000_000_000
    }
}

impl Metadata {
    /// True if a filesystem can have such metadata: a peer may claim anything.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let link_fits = self.kind != Kind::Symlink || self.size <= PATH_LEN_MAX as u64;
        link_fits && self.modified.is_possible() && self.mode & !MODE_BITS == 0
    }

    /// True if kind, size and modification time are equal, so that the content is unchanged as far as can be known without
    /// reading it.
    #[must_use]
    pub fn is_unchanged_since(&self, before: &Self) -> bool {
        (self.kind, self.size, self.modified) == (before.kind, before.size, before.modified)
    }
}

/// The permission bits of a mode.
pub const MODE_BITS: u32 = 0o7777;
