//! Memory for frames: computes how much of a frame may be kept before any work on it, and takes memory for that.

use super::{ReceiveFault, ReceiveJob};
use crate::engine::commits::waiting_kept_len;
use crate::engine::cursor::Cursor;
use crate::engine::lock;
use crate::engine::memory::MemoryGrant;
use crate::frame::{ENTRY_HEAD_LEN, EntryHead, EntryKind, FrameError, FrameHead, FrameKind};
use crate::limits::{PACK_ENTRIES_MAX, PACK_LEN_MAX};
use crate::receiver::{file_kept_len, folder_kept_len};

impl ReceiveJob {
    /// Takes memory for the part of a frame that is kept; without it the frame is postponed.
    pub(super) fn admit(
        &self,
        head: &FrameHead,
        extra: &[u8],
        payload: &[&[u8]],
    ) -> Result<Option<MemoryGrant>, ReceiveFault> {
        let FrameNeeds { own, folders } = self.needs(head, extra, payload)?;
        let is_next = lock(&self.machine).is_next(head.frame);
        // Folders of the frame that all others wait for are set at once.
        let taken = match self.memory.take(if is_next { own } else { own + folders }) {
            None if is_next => self.memory.take_overdraft(),
            taken => taken,
        };
        if taken.is_none() {
            lock(&self.machine).postpone(head.frame);
        }
        Ok(taken)
    }

    /// Computes how many bytes of a frame may be kept.
    fn needs(&self, head: &FrameHead, extra: &[u8], payload: &[&[u8]]) -> Result<FrameNeeds, ReceiveFault> {
        let file = match head.kind {
            FrameKind::Pack { entries, .. } => return self.pack_needs(entries, payload),
            FrameKind::Block { file, .. } | FrameKind::Hole { file, .. } | FrameKind::Seal { file, .. } => {
                file
            }
        };
        let own = if lock(&self.machine).has_begun(file) {
            FAILED_LEN
        } else {
            FAILED_LEN + file_kept_len(extra.len())
        };
        Ok(FrameNeeds { own, folders: 0 })
    }

    fn pack_needs(&self, entries: u32, payload: &[&[u8]]) -> Result<FrameNeeds, ReceiveFault> {
        let mut cursor = Cursor::new(payload);
        let mut needs = FrameNeeds { own: 0, folders: 0 };
        let has_commits = self.sink.has_commits();
        for _ in 0..entries {
            let mut head = [0; ENTRY_HEAD_LEN];
            cursor.read(&mut head)?;
            let head = EntryHead::decode(&head)?;
            let path_len = usize::from(head.path_len);
            cursor.skip(path_len + head.payload_len as usize)?;
            needs.own += FAILED_LEN + if has_commits { waiting_kept_len(path_len) } else { 0 };
            if head.kind == EntryKind::Folder {
                needs.folders += folder_kept_len(path_len);
            }
        }
        if cursor.is_empty() { Ok(needs) } else { Err(FrameError::Length.into()) }
    }
}

/// The memory that a frame may need in bytes.
struct FrameNeeds {
    /// For its failures, for items that wait for a sync, for a file that begins with it.
    own: usize,
    /// For folders that wait for earlier frames.
    folders: usize,
}
/// Memory of a failure: most have a short sentence or none.
const FAILED_LEN: usize = 128;
/// The most that may be kept of one frame, except for a sync.
pub(super) const FRAME_KEPT_MAX: usize = PACK_LEN_MAX + PACK_ENTRIES_MAX * (FAILED_LEN + 160);
