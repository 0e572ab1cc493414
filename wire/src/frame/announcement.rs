//! The describing part of a large file's frames.

use super::fields::{decode_mode, decode_time, encode_time, u32_at, u64_at};
use super::{ANNOUNCEMENT_LEN, FrameError};
use crate::metadata::{SourceId, Timestamp};
use crate::path::RemotePath;

/// The description of a large file that each of its blocks and its seal repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The target of the file, below the job's path.
    pub path: RemotePath,
    /// Its length, unless it is read from a stream that has not ended.
    pub size: Option<u64>,
    /// Its modification time; `None` if it has none, like a stream.
    pub modified: Option<Timestamp>,
    /// Its permission bits.
    pub mode: u32,
    /// The state of it that is sent; zero in a seal of a file that could not be opened, and for a stream.
    pub source: SourceId,
}

impl Announcement {
    /// True if both are of one file of a job.
    #[must_use]
    pub fn is_of_same_file(&self, other: &Self) -> bool {
        let what = |it: &Self| (it.size, it.modified, it.mode);
        what(self) == what(other) && self.path == other.path
    }

    /// Appends the announcement to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.size.unwrap_or(u64::MAX).to_le_bytes());
        encode_time(self.modified, bytes);
        bytes.extend_from_slice(&self.mode.to_le_bytes());
        bytes.extend_from_slice(&self.source.0);
        bytes.extend_from_slice(self.path.as_bytes());
    }

    /// Decodes an announcement that is all of `bytes`.
    ///
    /// # Errors
    /// If it is too short, or its metadata or path is out of range.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let (fixed, path) = bytes.split_at_checked(ANNOUNCEMENT_LEN).ok_or(FrameError::Length)?;
        let mut source = SourceId::default();
        source.0.copy_from_slice(&fixed[24..40]);
        Ok(Self {
            path: RemotePath::from_wire(path)?,
            size: Some(u64_at(fixed, 0)).filter(|size| *size != u64::MAX),
            modified: decode_time(u64_at(fixed, 8), u32_at(fixed, 16))?,
            mode: decode_mode(u32_at(fixed, 20))?,
            source,
        })
    }
}
