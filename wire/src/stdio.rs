//! A session over ssh: the server's first bytes on its standard output, behind whatever a login shell has printed there.
//!
//! ```text
//! ssh HOST ftp-server stdio ─► noise ─ MAGIC ─ length, StdioHello ─► TLS of the control connection, in both directions
//! ssh HOST ftp-server pipe ─► noise ─ MAGIC ─────────────────────► TLS of a lane, in both directions
//! ```

use crate::codec::{self, CodecError};
use crate::digest::Digest;
use crate::limits::{CONTROL_BODY_BEFORE_LOGIN_MAX, SHELL_NOISE_LEN_MAX};
use serde::{Deserialize, Serialize};

/// The bytes behind the noise. They begin with the end of a line, which the noise may lack.
pub const MAGIC: &[u8] = b"\nftpx stdio 1\n";

/// The name that stands for the user's home folder, where a path of a session over ssh begins with it.
pub const HOME: &[u8] = b"~";

/// All that a client needs for the session. Only ssh brings it, so it proves the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdioHello {
    /// SHA-256 of the server's public key.
    pub server_key: Digest,
    /// The token of the login.
    pub token: String,
    /// Where the server also accepts connections over TCP, as `ADDRESS:PORT`.
    pub addresses: Vec<String>,
    /// The word that names this server to `ftp-server pipe`.
    pub pipe: String,
}

impl StdioHello {
    /// Returns the bytes: the magic ones, the length as u32, and the body.
    ///
    /// # Errors
    /// If it cannot be expressed, which cannot happen.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut body = Vec::new();
        codec::encode(self, &mut body)?;
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
        Ok([MAGIC, &len, &body].concat())
    }

    /// Reads the body.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn decode(body: &[u8]) -> Result<Self, CodecError> {
        codec::decode(body)
    }

    /// Returns the length that its four bytes tell; `None` if none is so long.
    #[must_use]
    pub fn body_len(bytes: [u8; 4]) -> Option<usize> {
        let len = u32::from_le_bytes(bytes) as usize;
        (len <= CONTROL_BODY_BEFORE_LOGIN_MAX).then_some(len)
    }
}

/// Finds the magic bytes in a stream, byte by byte.
#[derive(Debug, Default)]
pub struct MagicFinder {
    noise: Vec<u8>,
}

/// The stream is longer than any shell's greeting, and the magic bytes have not come.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it printed more than {SHELL_NOISE_LEN_MAX} bytes, and no greeting of ftp-server among them")]
pub struct NoMagic;

impl MagicFinder {
    /// Takes the next byte; returns the noise once the magic bytes are complete.
    ///
    /// # Errors
    /// If there was too much noise.
    pub fn push(&mut self, byte: u8) -> Result<Option<Vec<u8>>, NoMagic> {
        if self.noise.len() == SHELL_NOISE_LEN_MAX {
            return Err(NoMagic);
        }
        self.noise.push(byte);
        if !self.noise.ends_with(MAGIC) {
            return Ok(None);
        }
        self.noise.truncate(self.noise.len() - MAGIC.len());
        Ok(Some(std::mem::take(&mut self.noise)))
    }

    /// The noise so far.
    #[must_use]
    pub fn noise(&self) -> &[u8] {
        &self.noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_magic_bytes_are_found_behind_any_noise() {
        for noise in [&b""[..], b"Welcome!\n", b"no end", b"\n\nftpx stdio 2\n"] {
            let mut finder = MagicFinder::default();
            let stream = [noise, MAGIC, b"rest"].concat();
            let found = stream.iter().position(|byte| finder.push(*byte).unwrap().is_some());
            assert_eq!(found, Some(noise.len() + MAGIC.len() - 1), "{noise:?}");
        }
    }

    #[test]
    fn noise_has_a_bound() {
        let mut finder = MagicFinder::default();
        let error = std::iter::repeat(b'x').find_map(|byte| finder.push(byte).err());
        assert_eq!((error, finder.noise().len()), (Some(NoMagic), SHELL_NOISE_LEN_MAX));
    }
}
