//! The users of the server: kept in `users.toml` of the state folder, changed by `ftp-server user`, asked at each login.
//!
//! The file is read again whenever it looks different from when it was read last, so that a user who was added while
//! the server runs may log in at once, and one who was removed may not. When it cannot be read, nobody may.

mod file;
mod key;
mod name;
mod source;

pub use file::{Account, UsersError};
pub use key::{AuthorizedKey, KeyError, KeyLine};
pub use name::{BadUserName, UserName};

use crate::auth::{Authenticator, Claim, Principal, Refusal};
use crate::password::{PasswordHash, pretend_to_verify};
use crate::proof;
use crate::state::{FileStamp, StateError, StateFolder};
use file::Users;
use key::Forbidden;
use ssh_key::HashAlg;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use wire::message::Login;

/// The users in a state folder, and the authenticator that knows them.
#[derive(Debug)]
pub struct Accounts {
    state: StateFolder,
    default_root: Option<PathBuf>,
    seen: Mutex<Option<Seen>>,
}

/// The users as they were when the file had this stamp.
#[derive(Debug, Clone)]
struct Seen {
    stamp: FileStamp,
    users: Arc<Users>,
}

/// Why users could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The state folder could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file is there but cannot be understood.
    #[error("{path}: {source}")]
    File {
        /// The users file.
        path: PathBuf,
        /// Where and what.
        source: UsersError,
    },
    /// The name is taken.
    #[error("there is a user {0} already; `ftp-server user passwd {0}` sets a new password")]
    Exists(UserName),
    /// Nobody has the name.
    #[error("there is no user {0}; `ftp-server user list` shows who there is")]
    Missing(UserName),
    /// The user has the key already, perhaps with other options.
    #[error("{0} has the key {1} already; `ftp-server user remove-key` removes it")]
    KeyExists(UserName, String),
    /// The user has no such key.
    #[error("{0} has no key {1}; `ftp-server user list` shows the fingerprints")]
    KeyMissing(UserName, String),
}

impl Accounts {
    /// The users in a state folder. Those without a root of their own get `default_root`, if there is one.
    #[must_use]
    pub fn new(state: StateFolder, default_root: Option<PathBuf>) -> Self {
        Self { state, default_root, seen: Mutex::new(None) }
    }

    /// The file that holds the users, for messages.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.state.file(USERS_FILE)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn list(&self) -> Result<Vec<(UserName, Account)>, AccountsError> {
        Ok(self.read()?.0.into_entries())
    }

    /// Adds a user.
    ///
    /// # Errors
    /// The name is taken, or the file cannot be read or written.
    pub fn add(&self, name: UserName, account: Account) -> Result<(), AccountsError> {
        self.change(|users| users.add(name, account).map_err(AccountsError::Exists))
    }

    /// Removes a user; sessions that are open stay open.
    ///
    /// # Errors
    /// Nobody has the name, or the file cannot be read or written.
    pub fn remove(&self, name: &UserName) -> Result<(), AccountsError> {
        self.change(|users| match users.remove(name) {
            Some(_) => Ok(()),
            None => Err(AccountsError::Missing(name.clone())),
        })
    }

    /// Gives a user another password, or none.
    ///
    /// # Errors
    /// Nobody has the name, or the file cannot be read or written.
    pub fn set_password(&self, name: &UserName, password: Option<PasswordHash>) -> Result<(), AccountsError> {
        self.change_one(name, |account| {
            account.password = password;
            Ok(())
        })
    }

    /// Gives a user more keys: all of them or, with an error, none.
    ///
    /// # Errors
    /// Nobody has the name, the user has one of the keys already, or the file cannot be read or written.
    pub fn add_keys(&self, name: &UserName, keys: Vec<KeyLine>) -> Result<(), AccountsError> {
        self.change_one(name, |account| {
            for key in keys {
                let fingerprint = fingerprint(&key).unwrap_or_default();
                if account.keys.iter().any(|known| self::fingerprint(known).as_ref() == Some(&fingerprint)) {
                    return Err(AccountsError::KeyExists(name.clone(), fingerprint));
                }
                account.keys.push(key);
            }
            Ok(())
        })
    }

    /// Removes a key of a user by its fingerprint; sessions that are open stay open.
    ///
    /// # Errors
    /// Nobody has the name, the user has no such key, or the file cannot be read or written.
    pub fn remove_key(&self, name: &UserName, fingerprint: &str) -> Result<(), AccountsError> {
        self.change_one(name, |account| {
            let before = account.keys.len();
            account.keys.retain(|key| self::fingerprint(key).as_deref() != Some(fingerprint));
            match account.keys.len() < before {
                true => Ok(()),
                false => Err(AccountsError::KeyMissing(name.clone(), fingerprint.to_owned())),
            }
        })
    }

    fn change_one(
        &self,
        name: &UserName,
        edit: impl FnOnce(&mut Account) -> Result<(), AccountsError>,
    ) -> Result<(), AccountsError> {
        self.change(|users| match users.get_mut(name) {
            Some(account) => edit(account),
            None => Err(AccountsError::Missing(name.clone())),
        })
    }

    /// Reads, changes and writes under the folder's lock, so that of two changes at once none is lost.
    fn change(
        &self,
        edit: impl FnOnce(&mut Users) -> Result<(), AccountsError>,
    ) -> Result<(), AccountsError> {
        let lock = self.state.lock()?;
        let (mut users, _) = self.read()?;
        edit(&mut users)?;
        let text = users.to_toml().map_err(|source| self.bad_file(source))?;
        Ok(self.state.replace(&lock, USERS_FILE, text.as_bytes())?)
    }

    fn read(&self) -> Result<(Users, Option<FileStamp>), AccountsError> {
        match self.state.read(USERS_FILE, USERS_LEN_MAX)? {
            Some(file) => {
                let users = Users::parse(&file.text).map_err(|source| self.bad_file(source))?;
                Ok((users, Some(file.stamp)))
            }
            None => Ok((Users::default(), None)),
        }
    }

    /// The users now; parses the file only when it changed.
    fn current(&self) -> Result<Arc<Users>, AccountsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.state.stamp(USERS_FILE)?;
        if let Some(known) = seen.as_ref().filter(|known| Some(known.stamp) == stamp) {
            return Ok(Arc::clone(&known.users));
        }
        *seen = None;
        let (users, stamp) = self.read()?;
        let users = Arc::new(users);
        *seen = stamp.map(|stamp| Seen { stamp, users: Arc::clone(&users) });
        Ok(users)
    }

    fn check_password(&self, user: &str, password: &str) -> Result<Principal, Refusal> {
        let users = self.current().map_err(|error| Refusal::Unavailable(Box::new(error)))?;
        let pretended = |refusal| {
            pretend_to_verify(password);
            Err(refusal)
        };
        let Some((name, account)) = find(&users, user) else { return pretended(Refusal::UnknownUser) };
        let Some(hash) = &account.password else { return pretended(Refusal::NoPassword) };
        match hash.verify(password) {
            Ok(true) => self.principal(&name, account),
            Ok(false) => Err(Refusal::WrongPassword),
            Err(_) => pretended(Refusal::UnusableHash),
        }
    }

    /// All signatures are verified before the user is looked for: who cannot sign learns nothing from the time it takes.
    fn check_keys(&self, user: &str, proofs: &[Vec<u8>], claim: &Claim) -> Result<Principal, Refusal> {
        let message = claim.channel.message(user);
        let signers: Vec<_> = proofs.iter().filter_map(|proof| proof::signer(proof, &message)).collect();
        let users = self.current().map_err(|error| Refusal::Unavailable(Box::new(error)))?;
        let (name, account) = find(&users, user).ok_or(Refusal::UnknownUser)?;
        if signers.is_empty() {
            return Err(Refusal::NoProof);
        }
        let mut refusal = None;
        let known = account.keys.iter().filter_map(|line| line.key().ok());
        for key in known.filter(|key| signers.contains(key.public())) {
            match key.permit(claim.peer, claim.now) {
                Ok(()) => return Ok(self.principal(&name, account)?.by_key(key.fingerprint())),
                Err(Forbidden::Address) => refusal = Some(Refusal::KeyElsewhere(key.fingerprint())),
                Err(Forbidden::Expired) => refusal = Some(Refusal::ExpiredKey(key.fingerprint())),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            let shown: Vec<_> =
                signers.iter().map(|key| key.fingerprint(HashAlg::Sha256).to_string()).collect();
            Refusal::OtherKeys(shown.join(", "))
        }))
    }

    fn principal(&self, name: &UserName, account: &Account) -> Result<Principal, Refusal> {
        let root = account.root.as_deref().or(self.default_root.as_deref()).ok_or(Refusal::NoRoot)?;
        Ok(Principal::new(name.as_str(), Path::to_owned(root), account.access))
    }

    fn bad_file(&self, source: UsersError) -> AccountsError {
        AccountsError::File { path: self.path(), source }
    }
}

impl Authenticator for Accounts {
    fn authenticate(&self, claim: &Claim) -> Result<Principal, Refusal> {
        match &claim.login {
            Login::Password { user, password } => self.check_password(user, password),
            Login::Keys { user, proofs } => self.check_keys(user, proofs, claim),
            Login::Token { .. } => Err(Refusal::NotOffered),
        }
    }
}

fn find<'a>(users: &'a Users, user: &str) -> Option<(UserName, &'a Account)> {
    let name: UserName = user.parse().ok()?;
    users.get(&name).map(|account| (name, account))
}

fn fingerprint(key: &KeyLine) -> Option<String> {
    key.key().ok().map(AuthorizedKey::fingerprint)
}

const USERS_FILE: &str = "users.toml";

/// Some 50,000 users; a server for more than that wants another authenticator.
const USERS_LEN_MAX: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
