//! What a listing, a transfer and a comparison know of a file beside its bytes.

use serde::{Deserialize, Serialize};

/// A point in time as filesystems keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1,000,000,000.
    pub nanos: u32,
}

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

/// The permission bits of a mode.
pub const MODE_BITS: u32 = 0o7777;
