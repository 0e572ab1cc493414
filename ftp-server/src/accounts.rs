//! The users of the server: kept in `users.toml` of the state folder, changed by `ftp-server user`, asked at each login.
//!
//! The file is read again whenever it looks different from when it was read last, so that a user who was added while
//! the server runs may log in at once, and one who was removed may not, and loses the sessions that are open. A file that cannot
//! be used has no effect: see `current.rs`.

mod current;
mod file;
mod key;
mod mode;
mod name;
mod source;

pub use file::{UserRecord, UsersError};
pub use key::{AuthorizedKey, KeyError, KeyLine};
pub use mode::{BadMode, ForceMode, Umask};
pub use name::{BadUserName, UserName};

use crate::auth::{Authenticator, Grant, LoginClaim, LoginRefusal, Principal, Proof, Revocation};
use crate::password::{PasswordHash, pretend_to_verify};
use crate::proof;
use crate::state::{FileStamp, StateError, StateFolder};
use current::Current;
use file::Users;
use key::Forbidden;
use ssh_key::HashAlg;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;
use wire::message::Login;
use wire::sync::lock;

/// The users in a state folder, and the authenticator that knows them.
#[derive(Debug)]
pub struct Accounts {
    state: StateFolder,
    default_root: Mutex<Option<PathBuf>>,
    current: Mutex<Current>,
}

/// The reason why users could not be read or changed.
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
        /// The line and the reason.
        source: UsersError,
    },
    /// The name is taken.
    #[error("there is a user {0} already; `ftp-server user passwd {0}` sets a new password")]
    Exists(UserName),
    /// There is no user of that name.
    #[error("there is no user {0}; `ftp-server user list` shows who there is")]
    Missing(UserName),
    /// The user has the key already, perhaps with other options.
    #[error("{0} has the key {1} already; `ftp-server user remove-key` removes it")]
    KeyExists(UserName, String),
    /// The user has no such key.
    #[error("{0} has no key {1}; `ftp-server user list` shows the fingerprints")]
    KeyMissing(UserName, String),
}

impl AccountsError {
    /// Returns true if the users file must be corrected.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::State(error) => error.is_mistake(),
            Self::File { .. } => true,
            Self::Exists(_) | Self::Missing(_) | Self::KeyExists(..) | Self::KeyMissing(..) => false,
        }
    }
}

impl Accounts {
    /// The users in a state folder. Those without a root of their own get `default_root`, if there is one.
    #[must_use]
    pub fn new(state: StateFolder, default_root: Option<PathBuf>) -> Self {
        Self { state, default_root: Mutex::new(default_root), current: Mutex::default() }
    }

    /// Sets the root of users without their own. Sessions with another root end.
    pub fn set_default_root(&self, default_root: Option<PathBuf>) {
        *lock(&self.default_root) = default_root;
    }

    /// The root of users that have none of their own.
    #[must_use]
    pub fn default_root(&self) -> Option<PathBuf> {
        lock(&self.default_root).clone()
    }

    /// Reads the file, whether it changed or not.
    ///
    /// # Errors
    /// The file cannot be used; the previous users stay in force.
    pub fn reload(&self) -> Result<(), Arc<AccountsError>> {
        let mut current = self.current();
        current.forget();
        current.users(self)?;
        current.problem().map_or(Ok(()), Err)
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
    pub fn list(&self) -> Result<Vec<(UserName, UserRecord)>, AccountsError> {
        Ok(self.read()?.0.into_entries())
    }

    /// Checks that each key in the file is one.
    ///
    /// # Errors
    /// Names the first that is none, or has an unknown option; or the file cannot be read.
    pub fn check_key_lines(&self) -> Result<(), AccountsError> {
        match self.read()?.0.mistake() {
            Some(place) => Err(self.bad_file(UsersError::Key(place.to_owned()))),
            None => Ok(()),
        }
    }

    /// Adds a user.
    ///
    /// # Errors
    /// The name is taken, or the file cannot be read or written.
    pub fn add(&self, name: UserName, account: UserRecord) -> Result<(), AccountsError> {
        self.change(|users| users.add(name, account).map_err(AccountsError::Exists))
    }

    /// Removes a user. A running server ends the sessions that are open.
    ///
    /// # Errors
    /// There is no user of that name, or the file cannot be read or written.
    pub fn remove(&self, name: &UserName) -> Result<(), AccountsError> {
        self.change(|users| match users.remove(name) {
            Some(_) => Ok(()),
            None => Err(AccountsError::Missing(name.clone())),
        })
    }

    /// Gives a user another password, or none.
    ///
    /// # Errors
    /// There is no user of that name, or the file cannot be read or written.
    pub fn set_password(&self, name: &UserName, password: Option<PasswordHash>) -> Result<(), AccountsError> {
        self.change_one(name, |account| {
            account.password = password;
            Ok(())
        })
    }

    /// Changes the rules for permissions of what a user makes and changes; rules that are not given stay.
    ///
    /// # Errors
    /// There is no user of that name, or the file cannot be read or written.
    pub fn set_modes(
        &self,
        name: &UserName,
        umask: Option<Option<Umask>>,
        force_mode: Option<Option<ForceMode>>,
    ) -> Result<(), AccountsError> {
        self.change_one(name, |account| {
            account.umask = umask.unwrap_or(account.umask);
            account.force_mode = force_mode.unwrap_or(account.force_mode);
            Ok(())
        })
    }

    /// Gives a user more keys: all of them or, with an error, none.
    ///
    /// # Errors
    /// There is no user of that name, the user has one of the keys already, or the file cannot be read or written.
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

    /// Removes a key of a user by its fingerprint. A running server ends the sessions that were opened with it.
    ///
    /// # Errors
    /// There is no user of that name, the user has no such key, or the file cannot be read or written.
    pub fn remove_key(&self, name: &UserName, fingerprint: &str) -> Result<(), AccountsError> {
        self.change_one(name, |account| {
            let before = account.keys.len();
            account.keys.retain(|key| self::fingerprint(key).as_deref() != Some(fingerprint));
            if account.keys.len() < before {
                Ok(())
            } else {
                Err(AccountsError::KeyMissing(name.clone(), fingerprint.to_owned()))
            }
        })
    }

    fn change_one(
        &self,
        name: &UserName,
        edit: impl FnOnce(&mut UserRecord) -> Result<(), AccountsError>,
    ) -> Result<(), AccountsError> {
        self.change(|users| match users.get_mut(name) {
            Some(account) => edit(account),
            None => Err(AccountsError::Missing(name.clone())),
        })
    }

    /// Reads, changes and writes under the folder's lock, so that concurrent changes are not lost.
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

    /// Locks the state. A panic under the lock leaves at worst a file that is read once more.
    fn current(&self) -> MutexGuard<'_, Current> {
        lock(&self.current)
    }

    /// The users now.
    fn users(&self) -> Result<Arc<Users>, LoginRefusal> {
        self.current().users(self).map_err(|error| LoginRefusal::Unavailable(Box::new(error)))
    }

    fn check_password(&self, user: &str, password: &str) -> Result<Principal, LoginRefusal> {
        let users = self.users()?;
        let pretended = |refusal| {
            pretend_to_verify(password);
            Err(refusal)
        };
        let Some((name, account)) = find(&users, user) else { return pretended(LoginRefusal::UnknownUser) };
        let Some(hash) = &account.password else { return pretended(LoginRefusal::NoPassword) };
        match hash.verify(password) {
            Ok(true) => self.principal(&name, account, Proof::Password(hash.clone())),
            Ok(false) => Err(LoginRefusal::WrongPassword),
            Err(_) => pretended(LoginRefusal::UnusableHash),
        }
    }

    /// All signatures are verified before the user is looked up, so that the time taken reveals no users without a valid signature.
    fn check_keys(
        &self,
        user: &str,
        proofs: &[Vec<u8>],
        claim: &LoginClaim,
    ) -> Result<Principal, LoginRefusal> {
        let message = claim.channel.message(user);
        let signers: Vec<_> = proofs.iter().filter_map(|proof| proof::signer(proof, &message)).collect();
        let users = self.users()?;
        let (name, account) = find(&users, user).ok_or(LoginRefusal::UnknownUser)?;
        if signers.is_empty() {
            return Err(LoginRefusal::NoProof);
        }
        let mut refusal = None;
        let known = account.keys.iter().filter_map(|line| line.key().ok());
        for key in known.filter(|key| signers.contains(key.public())) {
            match key.permit(claim.peer, claim.now) {
                Ok(()) => return self.principal(&name, account, Proof::Key(key.fingerprint())),
                Err(Forbidden::Address) => refusal = Some(LoginRefusal::KeyElsewhere(key.fingerprint())),
                Err(Forbidden::Expired) => refusal = Some(LoginRefusal::ExpiredKey(key.fingerprint())),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            let shown: Vec<_> =
                signers.iter().map(|key| key.fingerprint(HashAlg::Sha256).to_string()).collect();
            LoginRefusal::OtherKeys(shown.join(", "))
        }))
    }

    fn principal(
        &self,
        name: &UserName,
        account: &UserRecord,
        proof: Proof,
    ) -> Result<Principal, LoginRefusal> {
        let root = self.root_of(account).ok_or(LoginRefusal::NoRoot)?;
        let principal = Principal::new(name.as_str(), root, account.access);
        Ok(principal.proven_by(proof).with_modes(account.modes()))
    }

    fn root_of(&self, account: &UserRecord) -> Option<PathBuf> {
        account.root.clone().or_else(|| self.default_root())
    }

    /// Decides again about a login. Additional access does not end it, and takes effect at the next login.
    fn review_one(&self, users: &Users, grant: &Grant, now: SystemTime) -> Result<(), Revocation> {
        let Grant { principal, peer } = grant;
        let (_, account) = find(users, principal.name()).ok_or(Revocation::UserRemoved)?;
        match principal.proof() {
            Proof::Password(hash) if account.password.as_ref() != Some(hash) => {
                return Err(Revocation::PasswordChanged);
            }
            Proof::Password(_) | Proof::Token(_) | Proof::Unrecorded => {}
            Proof::Key(fingerprint) => {
                let mut keys = account.keys.iter().filter_map(|line| line.key().ok());
                let key = keys.find(|key| key.fingerprint() == *fingerprint);
                key.ok_or(Revocation::KeyRemoved)?.permit(*peer, now).map_err(
                    |forbidden| match forbidden {
                        Forbidden::Address => Revocation::KeyElsewhere,
                        Forbidden::Expired => Revocation::KeyExpired,
                    },
                )?;
            }
        }
        if !account.access.covers(principal.access()) {
            return Err(Revocation::AccessReduced);
        }
        if self.root_of(account).as_deref() != Some(principal.root()) {
            return Err(Revocation::RootChanged);
        }
        Ok(())
    }

    fn bad_file(&self, source: UsersError) -> AccountsError {
        AccountsError::File { path: self.path(), source }
    }
}

impl Authenticator for Accounts {
    fn authenticate(&self, claim: &LoginClaim) -> Result<Principal, LoginRefusal> {
        match &claim.login {
            Login::Password { user, password } => self.check_password(user, password),
            Login::Keys { user, proofs } => self.check_keys(user, proofs, claim),
            Login::Token { .. } => Err(LoginRefusal::NotOffered),
        }
    }

    fn review(&self, grants: &[&Grant], now: SystemTime) -> Vec<Result<(), Revocation>> {
        let users = self.current().settled(self);
        let judge =
            |grant: &&Grant| users.as_ref().map_or(Ok(()), |users| self.review_one(users, grant, now));
        grants.iter().map(judge).collect()
    }
}

fn find<'a>(users: &'a Users, user: &str) -> Option<(UserName, &'a UserRecord)> {
    let name: UserName = user.parse().ok()?;
    users.get(&name).map(|account| (name, account))
}

fn fingerprint(key: &KeyLine) -> Option<String> {
    key.key().ok().map(AuthorizedKey::fingerprint)
}

const USERS_FILE: &str = "users.toml";

/// Some 50,000 users; a larger server needs another authenticator.
const USERS_LEN_MAX: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
