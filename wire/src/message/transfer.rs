//! Requests that open jobs, and their options.

use super::Delta;
use crate::bounded::sequence;
use crate::checksum::Checksum;
use crate::failure::{Failure, FailureCode};
use crate::limits::{COMPRESSION_LEVEL_MAX, EXTENSION_LEN_MAX, JOB_EXTENSIONS_MAX};
use crate::metadata::Timestamp;
use crate::path::{Name, RemotePath};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Opens a job that sends from the server; the job's id is the request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// A file, or with `recursive` also a folder or a link. Paths of the job's items are below it.
    pub path: RemotePath,
    /// A whole tree.
    pub recursive: bool,
    /// Most unacknowledged frames that the client takes, 1 to [`WINDOW_FRAMES_MAX`](crate::limits::WINDOW_FRAMES_MAX).
    pub window: u32,
    /// Most bytes of lane data per second, over all lanes; 0 for no limit.
    pub rate_limit: u64,
    /// Send `Totals` while the job runs.
    pub totals: bool,
    /// The treatment of a file that changes while it is read.
    pub changing: Changing,
    /// The rule for compressing frames, if the session has that feature.
    pub compress: Compress,
    /// How it transfers. Files that have changed since `begun` are offered as such.
    pub options: JobOptions,
}

/// Opens a job that sends to the server; the job's id is the request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The target of the job's items. Their paths are below it; an empty one is this path itself.
    pub path: RemotePath,
    /// If `path` is a folder already: the name within it to use instead of `path` itself.
    pub into: Option<Name>,
    /// The treatment of existing files.
    pub overwrite: Overwrite,
    /// `path` is a folder, made if it is missing, and no other exclusive job may write to it at the same time.
    pub exclusive: bool,
    /// The kind of loss that an item must survive before it is acknowledged.
    pub durability: Durability,
    /// Permissions apply to new items only, less the server's umask; existing ones keep theirs.
    pub modes_of_new: bool,
    /// Permissions, at most, of a missing folder when it is made; its own are set when all of its content is done.
    pub folder_mode: u32,
    /// How it transfers. Files that were put in their place since `begun` need not be sent again.
    pub options: JobOptions,
}

/// How a job transfers: the options common to `Get`, `Put` and `Select`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOptions {
    /// The checksum of the job's frames.
    pub checksum: Checksum,
    /// How the receiver treats the leftovers of an interrupted run.
    pub resume: Resume,
    /// The field `at` of the first attempt's [`Opened`], if this is a later attempt and it was received.
    pub begun: Option<Timestamp>,
    /// The receiver makes holes where a file has them, so they need not be sent.
    pub sparse: bool,
    /// The rule for large files that replace others, if the session has that feature.
    pub delta: Delta,
    /// The treatment of symbolic links in the server's tree.
    pub follow: FollowLinks,
    /// Options of later versions. One that the server does not know fails the request with `Unsupported`.
    #[serde(deserialize_with = "sequence::<JOB_EXTENSIONS_MAX, _, _>")]
    pub extensions: Vec<Extension>,
}

impl JobOptions {
    /// Only a checksum: no resuming, links are links, holes are sent, and large files are sent whole.
    #[must_use]
    pub fn of(checksum: Checksum) -> Self {
        let (resume, delta, follow) = (Resume::Never, Delta::Never, FollowLinks::Never);
        Self { checksum, resume, begun: None, sparse: false, delta, follow, extensions: Vec::new() }
    }

    /// Checks for options of later versions; this version knows no extension.
    ///
    /// # Errors
    /// `Unsupported`, with the number of the first extension.
    pub fn check_extensions(&self) -> Result<(), Failure> {
        match self.extensions.first() {
            None => Ok(()),
            Some(Extension { number, .. }) => {
                Err(Failure::new(FailureCode::Unsupported, format!("extension {number} of a job's options")))
            }
        }
    }
}

/// The treatment of symbolic links that are found in a tree. None is followed out of the user's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FollowLinks {
    /// Each is a link.
    #[default]
    Never,
    /// One that leads to a folder is that folder, as far as entries in it are concerned; every other one is a link.
    Folders,
    /// Each is the file or folder that it leads to.
    Always,
}

/// An option added by a later version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its number, which is never reused.
    pub number: u16,
    /// Its value, in a form of its own.
    #[serde(deserialize_with = "sequence::<EXTENSION_LEN_MAX, _, _>")]
    pub value: Vec<u8>,
}

/// The treatment of a file that changes while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Changing {
    /// It is read again, a few times; if it changes each time it fails with `SourceChanged`.
    #[default]
    Retry,
    /// It is given up with `Skipped`.
    Skip,
    /// It is sent as it was read, with its length at the time of opening, and its seal or entry says so.
    AsIs,
}

/// The rule by which the sender of a job compresses its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compress {
    /// Where that makes the transfer faster.
    #[default]
    Auto,
    /// Never.
    Never,
    /// Always, at this level of zstd, 1 to [`COMPRESSION_LEVEL_MAX`]; except for data that does not become shorter.
    Level(#[serde(deserialize_with = "level")] u16),
}

/// Decodes a level of zstd.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let level = u16::deserialize(deserializer)?;
    if (1..=COMPRESSION_LEVEL_MAX).contains(&level) {
        Ok(level)
    } else {
        Err(D::Error::custom("a level of compression that there is not"))
    }
}

/// The treatment of leftovers of an interrupted run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// None are kept or used: each run starts over.
    Never,
    /// They are kept. No earlier run is known, so only the largest files are offered before they are sent.
    New,
    /// They are kept. An earlier run was interrupted, so everything is offered before it is sent.
    Again,
}

/// The losses that acknowledged items survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The process is killed. If the power fails, a replaced file has its old content or its new one.
    #[default]
    Process,
    /// The power fails, or the system crashes: content and names are synced to the disk first.
    Power,
    /// The process is killed. If the power fails, a replaced file may have neither content: it may be empty.
    None,
}

/// The treatment of a file that exists at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overwrite {
    /// It is replaced.
    Always,
    /// It stays.
    Never,
    /// It is replaced if the source was modified later.
    Newer,
    /// It is replaced if size or modification time differ.
    Different,
}

/// The job has been opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The path that the job works on.
    pub path: RemotePath,
    /// True if the source (of a `Get`) is a folder.
    pub folder: bool,
    /// The time of opening, by the clock that dates the server's files.
    pub at: Timestamp,
}
