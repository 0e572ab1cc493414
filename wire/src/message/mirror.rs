//! Messages that only mirrors need: items chosen one by one, digests, and batches of small changes.

use super::{Changing, Durability, JobOptions, Owner, Xattr};
use crate::bounded::sequence;
use crate::checksum::{Checksum, Digest};
use crate::failure::Failure;
use crate::limits::{BATCH_CHANGES_MAX, WANTED_AHEAD_MAX};
use crate::metadata::{Metadata, Timestamp};
use crate::path::RemotePath;
use serde::{Deserialize, Serialize};

/// Opens a job that sends from the server what [`Wanted`] messages name; the job's id is the request id.
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
    /// How it transfers. The client has compared already, so that large files alone are offered.
    pub options: JobOptions,
}

/// Items that a job of [`Select`] is to send. At most [`WANTED_AHEAD_MAX`](crate::limits::WANTED_AHEAD_MAX) that have not
/// come may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// In the order of a walk, a folder after all that is in it.
    #[serde(deserialize_with = "sequence::<WANTED_AHEAD_MAX, _, _>")]
    pub items: Vec<WantedItem>,
    /// Nothing more will be asked for.
    pub last: bool,
}

/// An item to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedItem {
    /// Where it is, below the job's path.
    pub path: RemotePath,
    /// Its metadata, as a listing told it.
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
}

/// Root digests of files, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digested {
    /// Nothing for a file that could not be read.
    pub digests: Vec<Option<Digest>>,
}

/// Asks for many small changes, made one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Paths of the changes are below this folder.
    pub path: RemotePath,
    /// The folder that [`Change::SetAside`] moves to.
    pub backup: Option<RemotePath>,
    /// At most [`BATCH_CHANGES_MAX`](crate::limits::BATCH_CHANGES_MAX).
    #[serde(deserialize_with = "sequence::<BATCH_CHANGES_MAX, _, _>")]
    pub changes: Vec<Change>,
    /// The loss that the changes must have been made safe against before they are answered.
    pub durability: Durability,
}

impl Batch {
    /// Changes below `path`, of which a loss of power undoes nothing if `power`, and the end of a process in any case.
    #[must_use]
    pub fn new(path: RemotePath, changes: Vec<Change>, power: bool) -> Self {
        let durability = if power { Durability::Power } else { Durability::Process };
        Self { path, backup: None, changes, durability }
    }
}

/// A change of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A file, link or special file goes.
    RemoveFile {
        /// The path.
        path: RemotePath,
        /// It goes only if kind, size and modification time are still these; without them, whatever it is.
        was: Option<Metadata>,
    },
    /// An empty folder goes.
    RemoveFolder {
        /// The path.
        path: RemotePath,
    },
    /// A folder is made; one that exists is fine.
    MakeFolder {
        /// The path.
        path: RemotePath,
    },
    /// Metadata changes; what is not given stays. The path may be the batch's own.
    SetMetadata {
        /// The path.
        path: RemotePath,
        /// New modification time.
        modified: Option<Timestamp>,
        /// New permission bits.
        mode: Option<u32>,
    },
    /// Another path for a file, if it is still the same; nothing may be there.
    Move {
        /// From here.
        from: RemotePath,
        /// To here.
        to: RemotePath,
        /// Its metadata when that was decided.
        was: Metadata,
    },
    /// A file goes to the backup folder, under the same path, if it is still the same. What is there already stays: the
    /// name gets a number.
    SetAside {
        /// The path.
        path: RemotePath,
        /// Its metadata when that was decided.
        was: Metadata,
        /// It stays where it is as well, until it is replaced.
        keep: bool,
    },
    /// The path becomes another name of a file; what is there is replaced.
    HardLink {
        /// The path.
        path: RemotePath,
        /// The file.
        of: RemotePath,
    },
    /// The owner changes, by name where that is known, else by number.
    SetOwner {
        /// The path; may be the batch's own.
        path: RemotePath,
        /// The new owner.
        owner: Owner,
    },
    /// Extended attributes become these, and no others of the namespaces that listings tell of.
    SetXattrs {
        /// The path; may be the batch's own.
        path: RemotePath,
        /// Sorted by name.
        xattrs: Vec<Xattr>,
    },
    /// All that is at the path and below it is synced, whoever wrote it and whenever; the batch's durability does not matter.
    Sync {
        /// The path; may be the batch's own.
        path: RemotePath,
    },
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
    /// Which one of its batch, counted from 0.
    pub index: u32,
    /// Why.
    pub failure: Failure,
}
