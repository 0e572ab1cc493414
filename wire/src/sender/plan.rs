//! The values that the sending machine and its caller exchange: frames to build, and the outcome of items.

use super::items::Item;
use crate::checksum::Digest;
use crate::failure::Failure;
use crate::frame::Announcement;
use crate::ids::{FileNo, FrameNo};
use crate::metadata::Metadata;
use crate::path::RemotePath;
use std::sync::Arc;

/// A large file that is being sent.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeFile {
    /// Its number within the job.
    pub number: FileNo,
    /// The announcement of its frames. The source id is filled in when the file is first opened, or earlier if it was offered.
    pub announcement: Announcement,
}

/// A frame to build and send.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The frame's number.
    pub frame: FrameNo,
    /// Its content.
    pub content: Content,
}

/// The content of a frame.
#[derive(Debug, Clone)]
pub enum Content {
    /// These items.
    Pack(Arc<[Item]>),
    /// This part of a file.
    Block {
        /// The file.
        file: Arc<LargeFile>,
        /// Offset of the part.
        offset: u64,
        /// Its length, at most a chunk.
        len: usize,
        /// The file ends with it.
        last: bool,
    },
    /// A part of a file that is all zeros.
    Hole {
        /// The file.
        file: Arc<LargeFile>,
        /// Offset of the part.
        offset: u64,
        /// Its length.
        len: u64,
        /// The file ends with it.
        last: bool,
    },
    /// The end of a file: its length and root, or the reason for giving it up.
    Seal {
        /// The file.
        file: Arc<LargeFile>,
        /// Length and root.
        result: Result<(u64, Digest), Failure>,
    },
    /// The file is sent again from its beginning, under another number.
    Again {
        /// The file.
        file: Arc<LargeFile>,
    },
}

/// The outcome of one item of a pack when the pack was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packed {
    /// It is in the pack.
    Sent {
        /// Length of its content.
        bytes: u64,
        /// Root digest of its content; `None` for folders and links.
        digest: Option<Digest>,
        /// It changed while it was read, and was sent as read.
        as_is: bool,
    },
    /// It could not be read.
    Unreadable(Failure),
    /// It is not in the pack: it has outgrown its place there, and is sent later, in its current state.
    Later(Metadata),
}

impl Packed {
    /// Joins the outcomes of an entry that was built twice: the receiver has one of both copies.
    pub(super) fn or_again(self, now: Self) -> Self {
        match (self, now) {
            (Self::Sent { digest: before, .. }, Self::Sent { bytes, digest, as_is }) => {
                Self::Sent { bytes, digest: digest.filter(|digest| Some(*digest) == before), as_is }
            }
            (Self::Sent { .. }, lost) => lost,
            (before, _) => before,
        }
    }
}

/// An item that is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Its path, below the job's path.
    pub path: RemotePath,
    /// True for folders.
    pub folder: bool,
    /// Length of its content.
    pub bytes: u64,
    /// Root digest of its content, if it is a file.
    pub digest: Option<Digest>,
    /// It changed while it was read, and was sent as read.
    pub as_is: bool,
    /// The reason, if it failed.
    pub result: Result<(), Failure>,
    /// Its number, if it was sent as a large file.
    pub file: Option<FileNo>,
}

/// The effects of an acknowledgement.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AckProgress {
    /// Items that are settled now.
    pub settled: Vec<Settled>,
    /// Parts of large files that the receiver has: file, offset, length.
    pub held: Vec<(Arc<LargeFile>, u64, u64)>,
    /// Numbers of large files that are sent again under others.
    pub again: Vec<FileNo>,
}

/// The receiver violated the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SenderViolation {
    /// It named a frame that was never sent.
    #[error("acknowledgement of a frame that was never sent")]
    UnknownFrame,
    /// It named an entry that the frame does not have.
    #[error("failure of an entry that the frame does not have")]
    UnknownEntry,
    /// It answered an item that was not offered, or gave an answer that is impossible for it.
    #[error("an answer that no offer can have")]
    Held,
}
