//! The entries of a pack, and the reasons of losses.

use super::fields::{decode_mode, decode_time, encode_time, only, plain, u32_at, u64_at};
use super::{AS_IS, ENTRY_HEAD_LEN, FrameError};
use crate::checksum::Digest;
use crate::failure::{Failure, FailureCode};
use crate::limits::{PACK_LEN_MAX, PATH_LEN_MAX};
use crate::metadata::{Kind, Timestamp};

/// The fixed part of a pack's entry. Its path and its payload follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead {
    /// The kind of the entry.
    pub kind: EntryKind,
    /// Length of its path.
    pub path_len: u16,
    /// Length of its payload: its content as stored in the pack.
    pub payload_len: u32,
    /// Length of its content: a file's bytes, a link's target, or the reason of a loss.
    pub content_len: u32,
    /// Modification time.
    pub modified: Option<Timestamp>,
    /// Permission bits.
    pub mode: u32,
    /// Root digest of the content.
    pub digest: Digest,
    /// A file that changed while it was read, and is sent as read.
    pub as_is: bool,
}

/// The kinds of entries of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, whole.
    File,
    /// A folder whose items all have smaller frame numbers, or come before it in this frame. It is made if it is missing, and
    /// its metadata is set once all of those are done.
    Folder,
    /// A symbolic link.
    Symlink,
    /// An entry that the sender could not read; content: see [`encode_loss`].
    Lost,
}

impl EntryHead {
    /// Encodes the head.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_HEAD_LEN] {
        let mut time = Vec::with_capacity(12);
        encode_time(self.modified, &mut time);
        let mut bytes = [0; ENTRY_HEAD_LEN];
        bytes[0] = match self.kind {
            EntryKind::File => 1,
            EntryKind::Folder => 2,
            EntryKind::Symlink => 3,
            EntryKind::Lost => 4,
        };
        bytes[1] = if self.as_is { AS_IS } else { 0 };
        bytes[2..4].copy_from_slice(&self.path_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.content_len.to_le_bytes());
        bytes[12..24].copy_from_slice(&time);
        bytes[24..28].copy_from_slice(&self.mode.to_le_bytes());
        bytes[28..60].copy_from_slice(&self.digest.0);
        bytes
    }

    /// Decodes a head.
    ///
    /// # Errors
    /// If no sender that follows the protocol encodes such a head.
    pub fn decode(bytes: &[u8; ENTRY_HEAD_LEN]) -> Result<Self, FrameError> {
        let kind = match bytes[0] {
            1 => EntryKind::File,
            2 => EntryKind::Folder,
            3 => EntryKind::Symlink,
            4 => EntryKind::Lost,
            other => return Err(FrameError::UnknownKind(other)),
        };
        let allowed = if kind == EntryKind::File { AS_IS } else { 0 };
        let as_is = only(bytes[1], allowed, "pack's entry")? == AS_IS;
        let payload_len = u32_at(bytes, 4);
        let mut digest = Digest::default();
        digest.0.copy_from_slice(&bytes[28..60]);
        let head = Self {
            kind,
            path_len: u16::from_le_bytes([bytes[2], bytes[3]]),
            payload_len,
            content_len: plain(u32_at(bytes, 8), payload_len, "pack's entry")?,
            modified: decode_time(u64_at(bytes, 12), u32_at(bytes, 20))?,
            mode: decode_mode(u32_at(bytes, 24))?,
            digest,
            as_is,
        };
        let content = head.content_len as usize;
        let fits = match kind {
            EntryKind::File => content <= PACK_LEN_MAX,
            EntryKind::Folder => content == 0,
            EntryKind::Symlink => (1..=PATH_LEN_MAX).contains(&content),
            EntryKind::Lost => (2..=LOST_LEN_MAX).contains(&content),
        };
        if fits && usize::from(head.path_len) <= PATH_LEN_MAX { Ok(head) } else { Err(FrameError::Length) }
    }
}

impl From<Kind> for Option<EntryKind> {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Some(EntryKind::File),
            Kind::Folder => Some(EntryKind::Folder),
            Kind::Symlink => Some(EntryKind::Symlink),
            Kind::Special => None,
        }
    }
}

/// Encodes the reason why an entry could not be read: the failure's code, then its message.
#[must_use]
pub fn encode_loss(failure: &Failure) -> Vec<u8> {
    let failure = Failure::new(failure.code, failure.message.clone());
    [&u16::from(failure.code).to_le_bytes()[..], failure.message.as_bytes()].concat()
}

/// Decodes the output of [`encode_loss`].
///
/// # Errors
/// If it is too short.
pub fn decode_loss(bytes: &[u8]) -> Result<Failure, FrameError> {
    let (code, message) = bytes.split_first_chunk::<2>().ok_or(FrameError::Length)?;
    let code = FailureCode::from(u16::from_le_bytes(*code));
    Ok(Failure::new(code, String::from_utf8_lossy(message)))
}
/// Longest loss: a failure's code and message.
pub(super) const LOST_LEN_MAX: usize = 2 + crate::limits::FAILURE_MESSAGE_LEN_MAX;
