//! Control frames: a fixed header, then a message's body.
//!
//! ```text
//! 0       4      6       8            12
//! | length | kind | flags | request id | body: `length` bytes
//! | u32    | u16  | u16   | u32        |          all little-endian
//! ```

use crate::codec::CodecError;
use crate::limits::CONTROL_BODY_MAX;
use crate::message::Message;

/// Length of a control frame's header.
pub const CONTROL_HEADER_LEN: usize = 12;

/// Flag: more answers to the same request follow.
pub const FLAG_MORE: u16 = 1;

/// The header of a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlHeader {
    /// Length of the body in bytes.
    pub body_len: u32,
    /// The message's kind.
    pub kind: u16,
    /// [`FLAG_MORE`] or 0.
    pub flags: u16,
    /// Chosen by the client; answers carry the same. A job's id is that of the request that opened it.
    pub request: u32,
}

/// A message with the fields of its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// See [`ControlHeader::request`].
    pub request: u32,
    /// True if more answers to the same request follow.
    pub more: bool,
    /// The message.
    pub message: Message,
}

/// Why bytes are not a control frame. The sender is at fault, and the connection ends.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The header announces a longer body than is allowed in this state.
    #[error("a control frame of {len} bytes is over the limit of {max}")]
    TooLong {
        /// Announced length.
        len: u32,
        /// Allowed length.
        max: usize,
    },
    /// An undefined flag is set.
    #[error("unknown flags {0:#06x} in a control frame")]
    UnknownFlags(u16),
    /// The body does not decode as this kind.
    #[error("kind {kind}: {source}")]
    Body {
        /// The frame's kind.
        kind: u16,
        /// The decoding error.
        source: CodecError,
    },
}

impl ControlHeader {
    /// Reads a header and checks it against the longest body allowed in this state of the connection.
    ///
    /// # Errors
    /// If the announced length is over `body_len_max`, or a flag is undefined.
    pub fn decode(bytes: [u8; CONTROL_HEADER_LEN], body_len_max: usize) -> Result<Self, ControlError> {
        let [l0, l1, l2, l3, k0, k1, f0, f1, r0, r1, r2, r3] = bytes;
        let header = Self {
            body_len: u32::from_le_bytes([l0, l1, l2, l3]),
            kind: u16::from_le_bytes([k0, k1]),
            flags: u16::from_le_bytes([f0, f1]),
            request: u32::from_le_bytes([r0, r1, r2, r3]),
        };
        if header.body_len as usize > body_len_max {
            return Err(ControlError::TooLong { len: header.body_len, max: body_len_max });
        }
        if header.flags & !FLAG_MORE != 0 {
            return Err(ControlError::UnknownFlags(header.flags));
        }
        Ok(header)
    }

    /// Decodes the body that belongs to this header; returns `None` if the kind is unknown to this version.
    ///
    /// # Errors
    /// If the body does not decode as this kind.
    pub fn decode_body(&self, body: &[u8]) -> Result<Option<Envelope>, ControlError> {
        let message = Message::decode_body(self.kind, body)
            .map_err(|source| ControlError::Body { kind: self.kind, source })?;
        Ok(message.map(|message| Envelope {
            request: self.request,
            more: self.flags & FLAG_MORE != 0,
            message,
        }))
    }
}

impl Envelope {
    /// The only message of its request, or the last one.
    pub fn new(request: u32, message: impl Into<Message>) -> Self {
        Self { request, more: false, message: message.into() }
    }

    /// Appends the whole frame to `bytes`.
    ///
    /// # Errors
    /// If the body is longer than [`CONTROL_BODY_MAX`]; then `bytes` is unchanged.
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), ControlError> {
        let begin = bytes.len();
        bytes.extend_from_slice(&[0; CONTROL_HEADER_LEN]);
        let kind = self.message.kind();
        if let Err(source) = self.message.encode_body(bytes) {
            bytes.truncate(begin);
            return Err(ControlError::Body { kind, source });
        }
        let body_len = bytes.len() - begin - CONTROL_HEADER_LEN;
        let Some(len) = u32::try_from(body_len).ok().filter(|_| body_len <= CONTROL_BODY_MAX) else {
            bytes.truncate(begin);
            return Err(ControlError::TooLong { len: u32::MAX, max: CONTROL_BODY_MAX });
        };
        let flags = if self.more { FLAG_MORE } else { 0 };
        bytes[begin..begin + 4].copy_from_slice(&len.to_le_bytes());
        bytes[begin + 4..begin + 6].copy_from_slice(&kind.to_le_bytes());
        bytes[begin + 6..begin + 8].copy_from_slice(&flags.to_le_bytes());
        bytes[begin + 8..begin + 12].copy_from_slice(&self.request.to_le_bytes());
        Ok(())
    }
}
