//! The one file that knows bincode: how the bodies of control messages become bytes.
//!
//! The layout is that of bincode 1: integers little-endian in their own width, lengths as u64, enum variants as u32.
//! bincode is unmaintained (RUSTSEC-2025-0141); the golden bytes in `fixtures/` let another codec take its place.

use crate::limits::CONTROL_BODY_MAX;
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A decoding or encoding failure.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The bytes do not decode to this type.
    #[error("malformed message body: {0}")]
    Malformed(#[from] bincode::error::DecodeError),
    /// Bytes follow the end of the message.
    #[error("{0} bytes too many behind the message body")]
    Trailing(usize),
    /// The message cannot be encoded, or is over the limit.
    #[error("message cannot be encoded: {0}")]
    Unencodable(#[from] bincode::error::EncodeError),
}

/// Appends `body` to `bytes`.
///
/// # Errors
/// If the body cannot be expressed, which is possible for none of our messages.
pub(crate) fn encode<T: Serialize>(body: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(body, bytes, CONFIG)?;
    Ok(())
}

/// Decodes a body that must use all of `bytes`.
///
/// # Errors
/// If the bytes are malformed, would need more memory than [`CONTROL_BODY_MAX`], or continue behind the body.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (body, consumed) = bincode::serde::decode_from_slice(bytes, CONFIG)?;
    match bytes.len() - consumed {
        0 => Ok(body),
        trailing => Err(CodecError::Trailing(trailing)),
    }
}

/// The limit makes bincode check a length before it reserves memory for it.
const CONFIG: Configuration<LittleEndian, Fixint, Limit<CONTROL_BODY_MAX>> =
    bincode::config::legacy().with_limit::<CONTROL_BODY_MAX>();
