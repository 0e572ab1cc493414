//! The code of a share: a token and the key of the server that issued it, in one word. Who is given the code needs no other pin.

use crate::checksum::Digest;
use base64ct::{Base64UrlUnpadded, Encoding};

/// A token with the key of its server.
#[derive(Clone, PartialEq, Eq)]
pub struct ShareCode {
    /// The token of the login.
    pub token: String,
    /// SHA-256 of the server's public key.
    pub server_key: Digest,
}

impl ShareCode {
    /// The code as it is typed: the token, a full stop, and the key in URL-safe base64. It is safe in shells.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}.{}", self.token, Base64UrlUnpadded::encode_string(&self.server_key.0))
    }

    /// Reads a code; returns `None` for a text that is none, such as a token alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (token, key) = text.trim().rsplit_once('.')?;
        let mut server_key = Digest::default();
        let decoded = Base64UrlUnpadded::decode(key, &mut server_key.0).ok()?;
        let is_whole = decoded.len() == Digest::default().0.len() && !token.is_empty();
        is_whole.then(|| Self { token: token.to_owned(), server_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_written() {
        let code = ShareCode { token: "0123abcd".into(), server_key: Digest([0xfb; 32]) };
        let text = code.text();
        assert_eq!(text, "0123abcd.-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
        assert!(ShareCode::parse(&format!(" {text}\n")) == Some(code));
        let cut = &text[..text.len() - 2];
        for bad in ["", ".", "0123abcd", "0123abcd.", cut, &text[8..], &format!("{text}AAAA"), "a.%%%"] {
            assert!(ShareCode::parse(bad).is_none(), "{bad}");
        }
    }
}
