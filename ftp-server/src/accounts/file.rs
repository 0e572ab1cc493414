//! The shape of `users.toml`, and the changes made to it.
//!
//! One table per user, so that people can read it and tools can compare it:
//!
//! ```toml
//! [users.alice]
//! root = "/srv/alice"
//! access = "write"
//! umask = "027"
//! force_mode = "2660"
//! password = "$argon2id$v=19$..."
//! keys = ["from=\"192.0.2.0/24\" ssh-ed25519 AAAA... alice@laptop"]
//! ```

use super::key::KeyLine;
use super::mode::{ForceMode, Umask};
use super::name::UserName;
use crate::password::PasswordHash;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use toml::Spanned;
use wire::Access;
use wire::modes::ModePolicy;

/// The record of one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// The user's own `/`, an absolute path; without it the server's default root is used.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "absolute")]
    pub root: Option<PathBuf>,
    /// The access of the user there.
    pub access: Access,
    /// Permission bits to remove from everything that the user makes or changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<Umask>,
    /// Permission bits to add to everything that the user makes or changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_mode: Option<ForceMode>,
    /// The hash that a password is checked against; without it no password is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordHash>,
    /// Keys that log in as this user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyLine>,
}

impl UserRecord {
    /// The rules for permissions of what the user makes and changes.
    #[must_use]
    pub fn modes(&self) -> ModePolicy {
        ModePolicy {
            umask: self.umask.map_or(0, Umask::bits),
            force: self.force_mode.map_or(0, ForceMode::bits),
        }
    }
}

/// The file's text is invalid, or cannot be written as TOML.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// Not TOML, or not of the expected shape.
    #[error("line {line}: {message}")]
    Parse {
        /// Counted from 1.
        line: usize,
        /// The reason; never the line itself, which may hold a password hash.
        message: String,
    },
    /// A key is none: its place and the reason.
    #[error("{0}")]
    Key(String),
    /// A root is not UTF-8, which TOML cannot hold.
    #[error("a user cannot be written down: {0}")]
    Write(#[from] toml::ser::Error),
}

/// All users.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Users {
    #[serde(default)]
    users: BTreeMap<UserName, UserRecord>,
    /// The first key that is none: it admits no login, while everything else in the file is in force.
    #[serde(skip)]
    damaged_key: Option<String>,
}

impl Users {
    pub(super) fn parse(text: &str) -> Result<Self, UsersError> {
        let users: Self = toml::from_str(text).map_err(|error| UsersError::Parse {
            line: error.span().map_or(1, |span| line_at(text, span.start)),
            message: error.message().to_owned(),
        })?;
        users.check_passwords(text)?;
        let damaged_key = users.damaged_key(text);
        Ok(Self { damaged_key, ..users })
    }

    /// Checks the password hashes. An unusable hash is an error of the file.
    fn check_passwords(&self, text: &str) -> Result<(), UsersError> {
        for (name, account) in &self.users {
            if let Some(Err(error)) = account.password.as_ref().map(PasswordHash::check) {
                let message = format!(
                    "the password of {name}: {error}; remove the line, and set a new one with `ftp-server user passwd {name}`"
                );
                return Err(UsersError::Parse { line: line_of_password(text, name).unwrap_or(1), message });
            }
        }
        Ok(())
    }

    /// Returns the place of the first key that cannot be understood, or has an unknown option, and why. The file stays in force: what
    /// was removed in the same change must admit nobody any more.
    fn damaged_key(&self, text: &str) -> Option<String> {
        let keys = self.users.iter().flat_map(|(name, account)| {
            account.keys.iter().enumerate().map(move |(index, line)| (name, index, line.key()))
        });
        let (name, index, error) =
            keys.filter_map(|(name, index, key)| Some((name, index, key.err()?))).next()?;
        let line = line_of_key(text, name, index).unwrap_or(1);
        Some(format!("line {line}: key {} of {name}: {error}", index + 1))
    }

    /// The first damaged key, by its place in the file.
    pub(super) fn mistake(&self) -> Option<&str> {
        self.damaged_key.as_deref()
    }

    pub(super) fn to_toml(&self) -> Result<String, UsersError> {
        Ok(format!("{HEADING}{}", toml::to_string(self)?))
    }

    pub(super) fn get(&self, name: &UserName) -> Option<&UserRecord> {
        self.users.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &UserName) -> Option<&mut UserRecord> {
        self.users.get_mut(name)
    }

    /// Fails with the name when it is taken.
    pub(super) fn add(&mut self, name: UserName, account: UserRecord) -> Result<(), UserName> {
        match self.users.entry(name) {
            Entry::Vacant(place) => {
                place.insert(account);
                Ok(())
            }
            Entry::Occupied(place) => Err(place.key().clone()),
        }
    }

    pub(super) fn remove(&mut self, name: &UserName) -> Option<UserRecord> {
        self.users.remove(name)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn into_entries(self) -> Vec<(UserName, UserRecord)> {
        self.users.into_iter().collect()
    }
}

/// Reads an absolute path. A relative root would depend on the folder in which the server is started.
fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let root = PathBuf::deserialize(deserializer)?;
    if root.is_absolute() {
        Ok(Some(root))
    } else {
        Err(serde::de::Error::custom("root must be an absolute path"))
    }
}

/// Returns the line of a user's password. Reads the text again, since parsed records keep no positions.
fn line_of_password(text: &str, name: &UserName) -> Option<usize> {
    type Fields = BTreeMap<String, Spanned<toml::Value>>;
    let tables: BTreeMap<String, BTreeMap<String, Fields>> = toml::from_str(text).ok()?;
    let place = tables.get("users")?.get(name.as_str())?.get("password")?.span();
    Some(line_at(text, place.start))
}

/// Returns the line of a user's key by its number, counted from 0.
fn line_of_key(text: &str, name: &UserName, index: usize) -> Option<usize> {
    #[derive(Deserialize)]
    struct Tables {
        users: BTreeMap<String, Fields>,
    }
    #[derive(Deserialize)]
    struct Fields {
        #[serde(default)]
        keys: Vec<Spanned<String>>,
    }
    let tables: Tables = toml::from_str(text).ok()?;
    let place = tables.users.get(name.as_str())?.keys.get(index)?.span();
    Some(line_at(text, place.start))
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

const HEADING: &str = "# Written by `ftp-server user`, which also replaces comments.\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_has_no_users() {
        assert!(Users::parse("").unwrap().into_entries().is_empty());
    }

    #[test]
    fn errors_name_the_line_but_quote_no_secret() {
        let text = "[users.alice]\naccess = \"read\"\npassword = \"secret\"\ncolour = \"blue\"\n";
        let message = Users::parse(text).unwrap_err().to_string();
        assert!(message.starts_with("line 4: unknown field `colour`"), "{message}");
        assert!(!message.contains("secret"));
    }

    #[test]
    fn a_damaged_password_hash_is_told_with_its_user_and_line_but_not_quoted() {
        let bob = "[users.bob]\naccess = \"read\"\n";
        for damaged in
            ["secret", "", "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZWhhc2hzb21laGFzaA"]
        {
            let text = format!("{bob}\n[users.ann]\naccess = \"read\"\npassword = \"{damaged}\"\n");
            let message = Users::parse(&text).unwrap_err().to_string();
            assert!(message.starts_with("line 6: the password of ann: the stored hash "), "{message}");
            assert!(damaged.is_empty() || !message.contains(damaged), "{message}");
        }
    }

    #[test]
    fn a_damaged_key_is_told_with_its_user_and_line_but_not_quoted() {
        let good = include_str!("../../../fixtures/keys/id_ed25519.pub").trim();
        let text = |key: &str| {
            format!(
                "[users.bob]\naccess = \"read\"\n\n[users.ann]\naccess = \"read\"\nkeys = [\n'{good}',\n'{key}',\n]\n"
            )
        };
        assert!(Users::parse(&text(good)).unwrap().mistake().is_none());
        for damaged in ["", "ssh-ed25519 AAAAtruncated", "no-such-option ssh-ed25519 AAAA", &good[..40]] {
            let users = Users::parse(&text(damaged)).unwrap();
            let message = users.mistake().unwrap();
            assert!(message.starts_with("line 8: key 2 of ann: "), "{message}");
            assert!(damaged.is_empty() || !message.contains(damaged), "{message}");
        }
    }

    #[test]
    fn what_is_not_a_users_file_is_refused() {
        let broken = [
            "[user.alice]",
            "[users.alice]\npassword = \"x\"",
            "[users.alice]\naccess = \"admin\"\npassword = \"x\"",
            "[users.\"a b\"]\naccess = \"read\"\npassword = \"x\"",
            "[users.alice]\naccess = \"read\"\npassword = \"x\"\nroot = \"srv\"",
            "[users",
        ];
        for text in broken {
            assert!(Users::parse(text).is_err(), "{text}");
        }
    }
}
