//! User names: short and plain, so that they are safe in a URL, a log line, a file and a shell.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use wire::limits::USER_LEN_MAX;

/// A user's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter, a digit or `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

/// The text is not a user name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a user name: use 1 to {USER_LEN_MAX} letters, digits, '.', '_' or '-', \
     beginning with a letter, a digit or '_'"
)]
pub struct BadUserName(String);

impl UserName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = BadUserName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let begins_well =
            text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain && begins_well && text.len() <= USER_LEN_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadUserName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for UserName {
    type Error = BadUserName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UserName> for String {
    fn from(name: UserName) -> Self {
        name.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_names() {
        for text in ["a", "alice", "Alice.B-c_d", "_backup", "0", &"x".repeat(64)] {
            assert_eq!(text.parse::<UserName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_could_confuse_a_shell_a_log_or_a_url_is_no_name() {
        for text in
            ["", "-rf", ".", "..", ".hidden", "a b", "a/b", "a@b", "a:b", "a\n", "ä", "a\0", &"x".repeat(65)]
        {
            assert!(text.parse::<UserName>().is_err(), "{text:?}");
        }
    }
}
