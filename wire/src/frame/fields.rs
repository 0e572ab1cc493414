//! Fields common to heads, entries and announcements.

use super::FrameError;
use crate::metadata::{MODE_BITS, Timestamp};

/// Returns the flags if only allowed ones are set.
pub(super) fn only(flags: u8, allowed: u8, of: &'static str) -> Result<u8, FrameError> {
    match flags & !allowed {
        0 => Ok(flags),
        flags => Err(FrameError::UnknownFlags { of, flags }),
    }
}

/// Returns the length of a plain content: the payload must have the same length.
pub(super) fn plain(content_len: u32, payload_len: u32, of: &'static str) -> Result<u32, FrameError> {
    if content_len == payload_len {
        Ok(content_len)
    } else {
        Err(FrameError::UnknownEncoding { of, content_len, payload_len })
    }
}

pub(super) fn encode_time(time: Option<Timestamp>, bytes: &mut Vec<u8>) {
    let time = time.unwrap_or(Timestamp { seconds: 0, nanos: u32::MAX });
    bytes.extend_from_slice(&time.seconds.to_le_bytes());
    bytes.extend_from_slice(&time.nanos.to_le_bytes());
}

pub(super) fn decode_time(seconds: u64, nanos: u32) -> Result<Option<Timestamp>, FrameError> {
    match nanos {
        u32::MAX => Ok(None),
        0..1_000_000_000 => Ok(Some(Timestamp { seconds: seconds.cast_signed(), nanos })),
        _ => Err(FrameError::Metadata),
    }
}

pub(super) fn decode_mode(mode: u32) -> Result<u32, FrameError> {
    match mode & !MODE_BITS {
        0 => Ok(mode),
        _ => Err(FrameError::Metadata),
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
