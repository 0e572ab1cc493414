//! Messages that only mirrors need: items chosen one by one, digests, and batches of small changes.

use super::{Changing, Compress, Durability, FollowLinks, JobOptions, Owner, Xattr};
use crate::bounded::sequence;
use crate::checksum::{Checksum, Digest};
use crate::command::Needs;
use crate::failure::Failure;
use crate::limits::{BATCH_CHANGES_MAX, WANTED_AHEAD_MAX};
use crate::metadata::{Metadata, Timestamp};
use crate::path::RemotePath;
use serde::{Deserialize, Serialize};

/// Opens a job that sends from the server the items named by [`Wanted`] messages; the job's id is the request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Select {
    /// A folder. Paths of the job's items are below it.
    pub path: RemotePath,
    /// As in [`Get`](super::Get).
    pub window: u32,
    /// As in [`Get`](super::Get).
    pub rate_limit: u64,
    /// As in [`Get`](super::Get).
    pub changing: Changing,
    /// As in [`Get`](super::Get).
    pub compress: Compress,
    /// How it transfers. The client has compared already, so only large files are offered.
    pub options: JobOptions,
}

/// Items that a job of [`Select`] is to send. At most [`WANTED_AHEAD_MAX`](crate::limits::WANTED_AHEAD_MAX) may be requested
/// and not have arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// In the order of a walk, a folder after all of its content.
    #[serde(deserialize_with = "sequence::<WANTED_AHEAD_MAX, _, _>")]
    pub items: Vec<WantedItem>,
    /// No more items will be requested.
    pub last: bool,
}

/// An item to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedItem {
    /// Its path, below the job's path.
    pub path: RemotePath,
    /// Its metadata, as listed.
    pub metadata: Metadata,
}

/// Asks for the root digests of files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// Paths are below this folder.
    pub path: RemotePath,
    /// The checksum to use.
    pub checksum: Checksum,
    /// The files, at most [`BATCH_CHANGES_MAX`](crate::limits::BATCH_CHANGES_MAX).
    #[serde(deserialize_with = "sequence::<BATCH_CHANGES_MAX, _, _>")]
    pub paths: Vec<RemotePath>,
    /// The treatment of symbolic links on the way to the files, and of those that have their paths.
    pub follow: FollowLinks,
}

/// Root digests of files, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digested {
    /// `None` for a file that could not be read.
    pub digests: Vec<Option<Digest>>,
}

/// Asks for many small changes, made one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Paths of the changes are below this folder.
    pub path: RemotePath,
    /// The folder that [`Change::SetAside`] moves to.
    pub backup: Option<RemotePath>,
    /// The versions of each file that stay in `backup`; `None` for all, numbered in the order in which they came.
    pub versions: Option<KeptVersions>,
    /// The changes, at most [`BATCH_CHANGES_MAX`](crate::limits::BATCH_CHANGES_MAX).
    #[serde(deserialize_with = "sequence::<BATCH_CHANGES_MAX, _, _>")]
    pub changes: Vec<Change>,
    /// The kind of loss that the changes must survive before they are answered.
    pub durability: Durability,
    /// The treatment of symbolic links on the way to the paths.
    pub follow: FollowLinks,
}

impl Batch {
    /// Changes below `path`, of which a loss of power undoes nothing if `power`, and the end of a process in any case.
    #[must_use]
    pub fn new(path: RemotePath, changes: Vec<Change>, power: bool) -> Self {
        let durability = if power { Durability::Power } else { Durability::Process };
        Self { path, backup: None, versions: None, changes, durability, follow: FollowLinks::Never }
    }
}

/// The versions of a file that stay in a backup folder: those that at least one of the rules keeps. Without a rule all stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptVersions {
    /// The newest so many; 0 for no rule.
    pub count: u32,
    /// Those that came within so many seconds; 0 for no rule.
    pub seconds: u64,
}

/// A change of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Removes a file, link or special file.
    RemoveFile {
        /// The path.
        path: RemotePath,
        /// Remove it only if kind, size and modification time are still these; `None` removes it unconditionally.
        was: Option<Metadata>,
    },
    /// Removes an empty folder.
    RemoveFolder {
        /// The path.
        path: RemotePath,
    },
    /// Makes a folder; an existing one is accepted.
    MakeFolder {
        /// The path.
        path: RemotePath,
    },
    /// Changes metadata; `None` leaves a value unchanged. The path may be the batch's own.
    SetMetadata {
        /// The path.
        path: RemotePath,
        /// New modification time.
        modified: Option<Timestamp>,
        /// New permission bits.
        mode: Option<u32>,
    },
    /// Moves a file, if it is still the same, to a path that must be free.
    Move {
        /// From here.
        from: RemotePath,
        /// To here.
        to: RemotePath,
        /// Its metadata at the time of the decision.
        was: Metadata,
    },
    /// Moves a file to the backup folder, under the same path, if it is still the same. An entry there stays: the new name gets
    /// a number.
    SetAside {
        /// The path.
        path: RemotePath,
        /// Its metadata at the time of the decision.
        was: Metadata,
        /// Keep it at its place as well, until it is replaced.
        keep: bool,
    },
    /// Makes the path a hard link to a file, replacing an existing entry.
    HardLink {
        /// The path.
        path: RemotePath,
        /// The file.
        of: RemotePath,
    },
    /// Sets the owner, by name if that is known, else by number.
    SetOwner {
        /// The path; may be the batch's own.
        path: RemotePath,
        /// The new owner.
        owner: Owner,
    },
    /// Replaces the extended attributes of the namespaces that listings include.
    SetXattrs {
        /// The path; may be the batch's own.
        path: RemotePath,
        /// Sorted by name.
        xattrs: Vec<Xattr>,
    },
    /// Syncs everything at the path and below it, whoever wrote it and whenever; independent of the batch's durability.
    Sync {
        /// The path; may be the batch's own.
        path: RemotePath,
    },
    /// Removes the versions of files that [`Batch::versions`] does not keep, at the path below the backup folder and in all folders there.
    Prune {
        /// The path, below the backup folder; the root for all of it.
        path: RemotePath,
    },
}

impl Change {
    /// Returns the permission for a change of a batch, the same as for the equivalent single command. Moving a file to the backups
    /// is a rename, even where its old name stays until a new file replaces it; and a file in the way of a backup's folder is
    /// renamed for good.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::RemoveFile { .. }
            | Self::RemoveFolder { .. }
            | Self::Move { .. }
            | Self::SetAside { .. }
            | Self::Prune { .. }
            | Self::SetOwner { .. } => Needs::Remove,
            Self::MakeFolder { .. }
            | Self::SetMetadata { .. }
            | Self::HardLink { .. }
            | Self::SetXattrs { .. }
            | Self::Sync { .. } => Needs::Change,
        }
    }
}

/// The outcome of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchDone {
    /// Changes that failed; the others are made.
    pub failures: Vec<ChangeFailure>,
}

/// A change that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeFailure {
    /// Its number in the batch, counted from 0.
    pub index: u32,
    /// The reason.
    pub failure: Failure,
}
