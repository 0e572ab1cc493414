//! The users of the server: kept in `users.toml` of the state folder, changed by `ftp-server user`, asked at each login.
//!
//! The file is read again whenever it looks different from when it was read last, so that a user who was added while
//! the server runs may log in at once, and one who was removed may not. When it cannot be read, nobody may.

mod file;
mod name;

pub use file::{Account, UsersError};
pub use name::{BadUserName, UserName};

use crate::auth::{Authenticator, Principal, Refusal};
use crate::password::{PasswordHash, pretend_to_verify};
use crate::state::{FileStamp, StateError, StateFolder};
use file::Users;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
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

    /// Gives a user another password.
    ///
    /// # Errors
    /// Nobody has the name, or the file cannot be read or written.
    pub fn set_password(&self, name: &UserName, password: PasswordHash) -> Result<(), AccountsError> {
        self.change(|users| match users.get_mut(name) {
            Some(account) => {
                account.password = password;
                Ok(())
            }
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
        let found =
            user.parse().ok().and_then(|name: UserName| users.get(&name).map(|account| (name, account)));
        let Some((name, account)) = found else {
            pretend_to_verify(password);
            return Err(Refusal::UnknownUser);
        };
        match account.password.verify(password) {
            Ok(true) => self.principal(&name, account),
            Ok(false) => Err(Refusal::WrongPassword),
            Err(_) => {
                pretend_to_verify(password);
                Err(Refusal::UnusableHash)
            }
        }
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
    fn authenticate(&self, login: &Login, _now: SystemTime) -> Result<Principal, Refusal> {
        match login {
            Login::Password { user, password } => self.check_password(user, password),
            Login::Token { .. } => Err(Refusal::NotOffered),
        }
    }
}

const USERS_FILE: &str = "users.toml";

/// Some 50,000 users; a server for more than that wants another authenticator.
const USERS_LEN_MAX: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
