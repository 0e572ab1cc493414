//! Data frames of lanes: a fixed head, a describing part, then the payload. Encoded by hand, because they are the hot path.
//!
//! ```text
//! 0    1     2          4           8   12            16    24     32     64
//! kind flags extra_len  payload_len job file/entries  frame offset digest | extra | payload
//! u8   u8    u16        u32         u32 u32           u64   u64    32 B   | (all integers little-endian)
//! ```
//!
//! The describing part of a block begins with the length of its chunk; that of any other frame except a pack is an
//! announcement.
//!
//! Every frame describes itself, so lanes need no order among themselves, and a frame that was lost with its lane is simply
//! sent again over another. `frame` numbers the job's frames from 0; sending again keeps the number.

mod announcement;
mod block;
mod entry;
mod fields;
mod head;

pub use announcement::Announcement;
pub use block::BlockExtra;
pub use entry::{EntryHead, EntryKind, decode_loss, encode_loss};
pub use head::{FrameHead, FrameKind, SealEnd};

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
    /// The payload's length differs from its content's, so it is an encoding, but both ends know none.
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
