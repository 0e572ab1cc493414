//! Access levels: the operations that a user may perform below their root.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A user's access level below their root. Each command's row in [`SPECS`](crate::message::SPECS) names the level it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// List and fetch.
    Read,
    /// `Read`, and add and replace files.
    Write,
    /// `Write`, and remove and rename.
    Full,
    /// Only add new files; listings and content are refused.
    Drop,
}

impl Access {
    /// All access levels, in the order in which help texts name them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Full, Self::Drop];

    /// True if this level includes everything that `other` allows.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        match (self, other) {
            (Self::Full, _) | (Self::Write, Self::Read | Self::Write | Self::Drop) => true,
            (Self::Read, Self::Read) | (Self::Drop, Self::Drop) => true,
            (Self::Write, Self::Full)
            | (Self::Read, Self::Write | Self::Full | Self::Drop)
            | (Self::Drop, Self::Read | Self::Write | Self::Full) => false,
        }
    }

    /// The word used in configuration files and on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Full => "full",
            Self::Drop => "drop",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text is not `read`, `write`, `full` or `drop`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("access must be read, write, full or drop, not {0:?}")]
pub struct UnknownAccess(String);

impl FromStr for Access {
    type Err = UnknownAccess;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|access| access.word() == text)
            .ok_or_else(|| UnknownAccess(text.to_owned()))
    }
}
