//! Requests that change or examine single files and folders, and their answers.

use crate::checksum::Digest;
use crate::metadata::Timestamp;
use crate::path::{Name, RemotePath};
use serde::{Deserialize, Serialize};

/// Makes a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeFolder {
    /// The folder.
    pub path: RemotePath,
    /// Make missing folders above it, and succeed if it exists.
    pub parents: bool,
}

/// Removes an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// The file, link or folder.
    pub path: RemotePath,
    /// With everything in it, if it is a folder; otherwise a folder is refused.
    pub recursive: bool,
}

/// Renames an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// From here.
    pub from: RemotePath,
    /// To here; or, if this is a folder and `into` is given, to that name within it.
    pub to: RemotePath,
    /// See `to`.
    pub into: Option<Name>,
    /// Replace a file that exists there.
    pub replace: bool,
}

/// Changes metadata; `None` leaves a value unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMetadata {
    /// The file, link or folder.
    pub path: RemotePath,
    /// New modification time.
    pub modified: Option<Timestamp>,
    /// New permission bits.
    pub mode: Option<u32>,
    /// Make an empty file if there is none.
    pub create: bool,
}

/// Makes a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The link.
    pub path: RemotePath,
    /// Its target; stored unchanged, followed only within the root.
    #[serde(with = "super::byte_string")]
    pub target: Vec<u8>,
}

/// Asks for the SHA-256 of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hash {
    /// The file.
    pub path: RemotePath,
}

/// SHA-256 of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// The digest, as printed by sha256sum.
    pub digest: Digest,
    /// Bytes that were hashed.
    pub bytes: u64,
}

/// Asks for free and used space of a path's filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// The path.
    pub path: RemotePath,
}

/// Space in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceReport {
    /// The filesystem's size.
    pub total: u64,
    /// Unused bytes.
    pub free: u64,
    /// Unused bytes available to the server's user.
    pub available: u64,
}

/// Asks to remove leftovers of interrupted transfers in a folder and everything below it, except those in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The folder.
    pub path: RemotePath,
    /// Remove only files that have not changed for this many seconds.
    pub idle: u64,
}

/// Counts what was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Swept {
    /// Staged files.
    pub files: u64,
    /// Their total length in bytes.
    pub bytes: u64,
    /// Staged files that stay: in use, too young, or impossible to remove.
    pub kept: u64,
}

/// Asks how precisely a folder keeps times and permissions, which requires a scratch file there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    /// The folder.
    pub path: RemotePath,
}
