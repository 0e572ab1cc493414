//! Messages between the two ends of a job: acknowledgements, totals, and offers with their answers.

use crate::bounded::sequence;
use crate::checksum::Digest;
use crate::failure::Failure;
use crate::frame::Announcement;
use crate::ids::FrameNo;
use crate::limits::{ACK_ITEMS_MAX, OFFER_ITEMS_MAX, OFFERED_AHEAD_MAX};
use crate::metadata::{Metadata, SourceId};
use crate::path::RemotePath;
use serde::{Deserialize, Serialize};

/// Reports what a job's receiver has done since its last acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ack {
    /// Frames whose effect is final: blocks written, packs and seals published or failed.
    pub done: Vec<FrameRange>,
    /// Items of done frames that failed.
    #[serde(deserialize_with = "sequence::<ACK_ITEMS_MAX, _, _>")]
    pub failed: Vec<ItemFailure>,
    /// Frames to send again, because their data did not match their digests.
    #[serde(deserialize_with = "sequence::<ACK_ITEMS_MAX, _, _>")]
    pub damaged: Vec<FrameNo>,
}

/// Consecutive frames of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRange {
    /// Number of the first.
    pub first: FrameNo,
    /// Number of frames.
    pub count: u32,
}

/// An item that failed at the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemFailure {
    /// The frame that it came in.
    pub frame: FrameNo,
    /// The entry's number in a pack; 0 for a block or seal.
    pub entry: u32,
    /// The reason.
    pub failure: Failure,
}

/// All frames of a job have a number now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Number of frames of the job.
    pub frames: u64,
}

/// Amount of data that a job has to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Files and links.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Everything has been counted.
    pub complete: bool,
}

/// Items that a job's sender is about to send. The receiver answers which parts it has, and the missing parts are sent after
/// the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Files, at most [`OFFER_ITEMS_MAX`].
    #[serde(deserialize_with = "sequence::<OFFER_ITEMS_MAX, _, _>")]
    pub items: Vec<OfferedItem>,
}

/// An item that a job's sender is about to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedItem {
    /// Its target path, below the job's path.
    pub path: RemotePath,
    /// Its kind, size, time and permissions.
    pub metadata: Metadata,
    /// The state of it that will be sent, if it is a large file; otherwise zero.
    pub source: SourceId,
    /// It may have changed since the first attempt began, regardless of its size and time: an entry in its place does not count
    /// as it.
    pub changed: bool,
}

impl OfferedItem {
    /// The announcement of the item's frames, if it is a large file.
    #[must_use]
    pub fn announcement(&self) -> Announcement {
        Announcement {
            path: self.path.clone(),
            size: Some(self.metadata.size),
            modified: Some(self.metadata.modified),
            mode: self.metadata.mode,
            source: self.source,
        }
    }
}

/// Answers offers, in their order, with the parts that a job's receiver has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// One answer per item; those with `more` are continued by the next.
    #[serde(deserialize_with = "sequence::<OFFERED_AHEAD_MAX, _, _>")]
    pub answers: Vec<HeldItem>,
}

/// The part of an item that a job's receiver has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldItem {
    /// No part that could be proven.
    Nothing,
    /// All of it, in its place: it is done.
    All,
    /// Chunks of a large file, staged.
    Chunks {
        /// The chunks, in growing order.
        chunks: Vec<ChunkRange>,
        /// The digest of each chunk.
        digests: Vec<Digest>,
        /// The next answer is about the same item.
        more: bool,
    },
    /// An old file that a large file will replace. The next answer is about the same item.
    Old {
        /// Its length.
        len: u64,
    },
}

/// Consecutive chunks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRange {
    /// Number of the first.
    pub first: u64,
    /// Number of chunks.
    pub count: u32,
}
