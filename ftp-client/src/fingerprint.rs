//! How a server's key is written: `sha256:` and 64 hexadecimal digits, in URLs, files and messages alike.

use wire::checksum::Digest;

/// The SHA-256 of a server's public key (SPKI, DER).
pub type ServerKey = [u8; 32];

/// The key as people see and pin it.
#[must_use]
pub fn show(key: &ServerKey) -> String {
    format!("{PREFIX}{}", Digest(*key))
}

/// Reads what [`show`] writes; the digits may be of either case.
#[must_use]
pub fn parse(text: &str) -> Option<ServerKey> {
    let digits = text.strip_prefix(PREFIX)?.as_bytes();
    let mut key = ServerKey::default();
    if digits.len() != key.len() * 2 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

const PREFIX: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read() {
        let mut key = [0xa5; 32];
        key[1] = 0x0f;
        assert_eq!(parse(&show(&key)), Some(key));
        assert_eq!(parse(&format!("sha256:{}", "Ab".repeat(32))), Some([0xab; 32]));
    }

    #[test]
    fn nothing_else_can() {
        for text in ["", "sha256:", "sha256:ab", &"ab".repeat(32), &format!("sha256:{}g", "a".repeat(63))] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&format!("sha256:{}", "ü".repeat(32))), None);
    }
}
