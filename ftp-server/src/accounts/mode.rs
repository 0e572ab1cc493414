//! Octal modes of users.toml and the command line, each within its bounds.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Permission bits that are never set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Umask(u32);

/// Permission bits that are always set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ForceMode(u32);

/// The text is not a valid mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMode {
    /// No umask.
    #[error(
        "write a umask as 027: octal, at most 077, since the server itself must read and write the files"
    )]
    Umask,
    /// No mode.
    #[error("write bits that are always set as 0660 or 2770: octal, without set-user-id (at most 3777)")]
    ForceMode,
}

impl Umask {
    /// The bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl ForceMode {
    /// The bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for Umask {
    type Err = BadMode;

    fn from_str(text: &str) -> Result<Self, BadMode> {
        octal(text).filter(|bits| bits & !0o077 == 0).map(Self).ok_or(BadMode::Umask)
    }
}

impl FromStr for ForceMode {
    type Err = BadMode;

    fn from_str(text: &str) -> Result<Self, BadMode> {
        octal(text).filter(|bits| bits & !0o3777 == 0).map(Self).ok_or(BadMode::ForceMode)
    }
}

impl TryFrom<String> for Umask {
    type Error = BadMode;

    fn try_from(text: String) -> Result<Self, BadMode> {
        text.parse()
    }
}

impl TryFrom<String> for ForceMode {
    type Error = BadMode;

    fn try_from(text: String) -> Result<Self, BadMode> {
        text.parse()
    }
}

impl From<Umask> for String {
    fn from(umask: Umask) -> Self {
        umask.to_string()
    }
}

impl From<ForceMode> for String {
    fn from(mode: ForceMode) -> Self {
        mode.to_string()
    }
}

impl fmt::Display for Umask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

impl fmt::Display for ForceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

fn octal(text: &str) -> Option<u32> {
    let is_octal = (1..=5).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    is_octal.then(|| u32::from_str_radix(text, 8).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_within_bounds() {
        assert_eq!("027".parse::<Umask>().map(Umask::bits), Ok(0o027));
        assert_eq!("2660".parse::<ForceMode>().map(|mode| mode.to_string()), Ok("2660".to_owned()));
        for text in ["", "8", "0o22", "277", "-22", "000022"] {
            assert_eq!(text.parse::<Umask>(), Err(BadMode::Umask), "{text}");
        }
        for text in ["4755", "u+w", "10000"] {
            assert_eq!(text.parse::<ForceMode>(), Err(BadMode::ForceMode), "{text}");
        }
    }
}
