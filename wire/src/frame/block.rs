//! The describing part of a block: the length of its chunk, and the announcement of its file.

use super::encoding::content_len;
use super::{Announcement, FrameError, FrameHead, FrameKind};
use crate::limits::CHUNK_LEN;

/// The describing part of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockExtra {
    /// Length of the chunk, which the payload encodes.
    pub content_len: u32,
    /// The file's description.
    pub announcement: Announcement,
}

impl BlockExtra {
    /// Appends the describing part to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.content_len.to_le_bytes());
        self.announcement.encode(bytes);
    }

    /// Decodes the describing part, which is all of `bytes`, of the block with this head, and checks that the block is a chunk.
    ///
    /// # Errors
    /// If it is not a chunk of a file, or the payload no encoding of one; or if its announcement is invalid.
    pub fn decode(head: &FrameHead, bytes: &[u8]) -> Result<Self, FrameError> {
        let FrameKind::Block { offset, last, .. } = head.kind else { return Err(FrameError::Length) };
        let (_, announcement) = bytes.split_first_chunk::<4>().ok_or(FrameError::Length)?;
        let content_len = content_len(head, bytes)?;
        let len = content_len as usize;
        let is_chunk = len == CHUNK_LEN || (last && len < CHUNK_LEN && (len > 0 || offset == 0));
        if !is_chunk {
            return Err(FrameError::NotAChunk);
        }
        Ok(Self { content_len, announcement: Announcement::decode(announcement)? })
    }
}
