//! Data frames of lanes: a fixed head, a describing part, then the payload. Encoded by hand, because they are the hot path.
//!
//! ```text
//! 0    1     2          4           8   12            16    24     32     64
//! kind flags extra_len  payload_len job file/entries  frame offset digest | extra | payload
//! u8   u8    u16        u32         u32 u32           u64   u64    32 B   | (all integers little-endian)
//! ```
//!
//! The describing part of a block begins with the length of its chunk; that of any other frame except a pack is an
//! announcement. A pack has none, unless it is compressed: then it is the length of the entries.
//!
//! Every frame describes itself, so lanes need no order among themselves, and a frame that was lost with its lane is simply
//! sent again over another. `frame` numbers the job's frames from 0; sending again keeps the number.

mod announcement;
mod block;
mod encoding;
mod entry;
mod fields;
mod head;

pub use announcement::Announcement;
pub use block::BlockExtra;
pub use encoding::{Encoding, content_len, encode_pack_extra};
pub use entry::{EntryHead, EntryKind, decode_loss, encode_loss};
pub use head::{FrameHead, FrameKind, SealEnd};

use crate::delta::recipe::RecipeFault;
use crate::limits::PATH_LEN_MAX;
use crate::path::PathError;
use std::fmt;

/// Length of a frame's fixed head.
pub const HEAD_LEN: usize = 64;
/// Length of an announcement without its path.
pub const ANNOUNCEMENT_LEN: usize = 40;
/// Length of a block's describing part without the path: the length of the chunk, and the announcement.
pub const BLOCK_EXTRA_LEN: usize = 4 + ANNOUNCEMENT_LEN;
/// Longest describing part of a frame: that of a block with the longest path.
pub const EXTRA_LEN_MAX: usize = BLOCK_EXTRA_LEN + PATH_LEN_MAX;
/// Length of the describing part of a compressed pack: the length of its entries.
pub const PACK_EXTRA_LEN: usize = 4;
/// Length of a pack entry without path and content.
pub const ENTRY_HEAD_LEN: usize = 60;

/// Flag of blocks and holes: the file ends with it.
const LAST: u8 = 1 << 0;
/// Flag of seals: the sender gives the file up.
const GIVEN_UP: u8 = 1 << 1;
/// Flag of seals: the file is sent again from its beginning.
const AGAIN: u8 = 1 << 2;
/// Flag of seals and of files in packs: the file changed while it was read, and is sent as read.
const AS_IS: u8 = 1 << 3;
/// Flag of blocks and packs: the payload is a zstd frame.
const COMPRESSED: u8 = 1 << 4;
/// Flag of blocks: the payload is a zstd frame of a recipe.
const RECIPE: u8 = 1 << 5;

/// Why bytes are not a frame. The sender is at fault, and the session ends: over another lane they would be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No frame or entry has this kind.
    #[error("unknown kind {0} of a lane frame or pack entry")]
    UnknownKind(u8),
    /// Flags that this kind of frame or entry cannot have, each a bit.
    #[error("unknown flags of a {of}: {}", FlagNames(*flags))]
    UnknownFlags {
        /// The kind.
        of: &'static str,
        /// The flags that it cannot have.
        flags: u8,
    },
    /// The payload's length differs from its content's, but no flag says that it is an encoding.
    #[error(
        "a {of} has an encoding that was not agreed on: {payload_len} bytes for a content of {content_len}"
    )]
    UnknownEncoding {
        /// The kind.
        of: &'static str,
        /// Length of the content.
        content_len: u32,
        /// Length of the payload.
        payload_len: u32,
    },
    /// The frame is compressed, but the session lacks the feature.
    #[error("a compressed {of}, and compression was not agreed on")]
    NotAgreed {
        /// The kind.
        of: &'static str,
    },
    /// A compressed payload that is no allowed encoding of a content of the announced length.
    #[error("a bad compressed payload of a lane frame: {0}")]
    Compressed(CompressedFault),
    /// The block is a recipe, but the session lacks the feature.
    #[error("a recipe, and deltas were not agreed on")]
    DeltaNotAgreed,
    /// The block is a recipe, and the receiver has signed no old file for it.
    #[error("a recipe of a file without an old one")]
    NoOldFile,
    /// The payload is no recipe of the chunk.
    #[error("{0}")]
    Recipe(#[from] RecipeFault),
    /// A length that this kind of frame cannot have.
    #[error("a lane frame lies about its length")]
    Length,
    /// A block that does not start at a chunk's border or does not have a chunk's length.
    #[error("a block is not a chunk of its file")]
    NotAChunk,
    /// An invalid path.
    #[error("bad path in a lane frame: {0}")]
    Path(#[from] PathError),
    /// Undefined bits of metadata.
    #[error("metadata out of range in a lane frame")]
    Metadata,
}

/// The fault of a compressed payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressedFault {
    /// It does not begin as a zstd frame.
    #[error("it is no zstd frame")]
    NotZstd,
    /// It needs a dictionary.
    #[error("it needs a dictionary")]
    Dictionary,
    /// It has flags or a window that are not allowed, so that it could need more memory than its content.
    #[error("its header has a window, a checksum or a reserved bit")]
    Header,
    /// Its header has another length of the content than the lane frame.
    #[error("it has another content length than the lane frame")]
    ContentLength,
    /// It is cut off, or is followed by other bytes.
    #[error("it is cut off, or something follows it")]
    Length,
    /// It cannot be decompressed to a content of that length.
    #[error("it cannot be decompressed")]
    Content,
}

/// Displays flags for people.
struct FlagNames(u8);

impl fmt::Display for FlagNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for bit in (0..u8::BITS).filter(|bit| self.0 & (1 << bit) != 0) {
            f.write_str(separator)?;
            match 1 << bit {
                LAST => f.write_str("last")?,
                GIVEN_UP => f.write_str("given up")?,
                AGAIN => f.write_str("again")?,
                AS_IS => f.write_str("as it is")?,
                COMPRESSED => f.write_str("compressed")?,
                RECIPE => f.write_str("recipe")?,
                _ => write!(f, "bit {bit}")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "limits fit their fields")]
mod tests;
