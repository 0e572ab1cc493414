//! The interface between a session and the authority that decides about logins.
//!
//! Only an [`Authenticator`] should make a [`Principal`], after it has checked a login: having one is the proof that the
//! login succeeded. A [`LoginRefusal`] is for the log alone; the peer gets one sentence for every reason, so that
//! it cannot find out which users exist.
//!
//! A login is not decided for ever: an authenticator is asked again and again about the logins that sessions run under, and its
//! [`Revocation`] ends the session.

use crate::password::PasswordHash;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wire::login::Channel;
use wire::message::Login;
use wire::modes::ModePolicy;
use wire::stdio::HOME;
use wire::{Access, Failure, FailureCode, RemotePath};

/// A login, with the facts that its check may depend on.
#[derive(Debug, Clone)]
pub struct LoginClaim {
    /// The user and the proof.
    pub login: Login,
    /// The connection that it came on, to which a key's proof is bound.
    pub channel: Channel,
    /// Address of the client.
    pub peer: IpAddr,
    /// Time of the login.
    pub now: SystemTime,
}

/// Decides logins.
pub trait Authenticator: Send + Sync {
    /// Decides a login.
    ///
    /// Blocks, by design for some milliseconds of computing and some megabytes of memory: call it from the blocking
    /// pool, and let no more than a few run at once.
    ///
    /// # Errors
    /// The login is refused; the reason must not reach the peer.
    fn authenticate(&self, claim: &LoginClaim) -> Result<Principal, LoginRefusal>;

    /// Decides again about logins that it has accepted, each in its place: true as long as the same login would have the same
    /// effect now, or more.
    ///
    /// Called about twice a second, so it should look before it reads. It may block, but nothing goes on meanwhile.
    fn review(&self, grants: &[&Grant], now: SystemTime) -> Vec<Result<(), Revocation>>;
}

/// An accepted login, with the facts that it depends on.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The user of the login.
    pub principal: Principal,
    /// Where the login came from.
    pub peer: IpAddr,
}

/// The user that a connection acts for, with their access and their root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    root: PathBuf,
    access: Access,
    proof: Proof,
    modes: ModePolicy,
    home: Option<RemotePath>,
    only: Option<RemotePath>,
}

/// The proof of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The password of this hash.
    Password(PasswordHash),
    /// The key of this fingerprint.
    Key(String),
    /// The token of this SHA-256.
    Token([u8; 32]),
    /// A proof that the authenticator has not recorded here.
    Unrecorded,
}

impl Principal {
    /// Makes the principal of a login that was accepted. Without [`with_key`](Self::with_key) and
    /// [`with_modes`](Self::with_modes) it has no key to show, and items get the permissions that clients ask for. Its sessions do not end with a changed password or a removed
    /// key: an authenticator whose users have these must keep the principal that the accounts have made.
    #[must_use]
    pub fn new(name: impl Into<String>, root: impl Into<PathBuf>, access: Access) -> Self {
        let (proof, modes) = (Proof::Unrecorded, ModePolicy::default());
        Self { name: name.into(), root: root.into(), access, proof, modes, home: None, only: None }
    }

    /// Records the fingerprint of the key that the login was made with.
    #[must_use]
    pub fn with_key(self, fingerprint: impl Into<String>) -> Self {
        self.proven_by(Proof::Key(fingerprint.into()))
    }

    /// Sets the folder below the root that `~` stands for at the beginning of a path; `None` for a name as any other.
    #[must_use]
    pub fn at_home(self, home: Option<RemotePath>) -> Self {
        Self { home, ..self }
    }

    /// Sets the only file that may be seen; `None` for all of the root.
    #[must_use]
    pub fn confined_to(self, only: Option<RemotePath>) -> Self {
        Self { only, ..self }
    }

    /// Refuses a request about another path than the only one that may be seen.
    pub(crate) fn check_path(&self, path: Option<&RemotePath>) -> Result<(), Failure> {
        match &self.only {
            Some(only) if path.is_some_and(|path| path != only) => {
                Err(Failure::new(FailureCode::AccessDenied, format!("only the file {only} is shared here")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the whole path of one that begins with `~`, where that stands for a folder; others as they are.
    pub(crate) fn whole_path(&self, path: &RemotePath) -> RemotePath {
        let home = RemotePath::from_wire(HOME).ok();
        let below = home.and_then(|home| path.strip_prefix(&home));
        let whole = self.home.as_ref().zip(below).and_then(|(home, below)| home.join_path(&below).ok());
        whole.unwrap_or_else(|| path.clone())
    }

    /// Sets the rules for the permissions of all that the principal makes or changes.
    #[must_use]
    pub fn with_modes(self, modes: ModePolicy) -> Self {
        Self { modes, ..self }
    }

    pub(crate) fn proven_by(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }

    pub(crate) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The fingerprint of the key that the login was made with, for logs.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match &self.proof {
            Proof::Key(fingerprint) => Some(fingerprint),
            Proof::Password(_) | Proof::Token(_) | Proof::Unrecorded => None,
        }
    }

    /// The name for logs and limits; it came from the operator, not from the peer.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that is `/` for this principal.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Rules for the permissions of all that the principal makes or changes.
    #[must_use]
    pub fn modes(&self) -> ModePolicy {
        self.modes
    }

    /// The access that the principal has below the root.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }
}

/// The reason why a login was refused; for the log only.
#[derive(Debug, thiserror::Error)]
pub enum LoginRefusal {
    /// No such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The user exists, the password is another.
    #[error("the password is wrong")]
    WrongPassword,
    /// The user logs in by key only.
    #[error("the user has no password")]
    NoPassword,
    /// No proof is a signature for this very login.
    #[error("no signature is good for this user on this connection")]
    NoProof,
    /// None of the keys belongs to this user.
    #[error("none of the keys is the user's: {0}")]
    OtherKeys(String),
    /// The key is not for the peer's address.
    #[error("the key {0} may not be used from this address (from=)")]
    KeyElsewhere(String),
    /// The key has expired.
    #[error("the key {0} has expired (expiry-time=)")]
    ExpiredKey(String),
    /// No password can be checked against the stored hash now, for instance for want of memory.
    #[error("the password cannot be checked against the user's stored hash")]
    UnusableHash,
    /// Password or key is right, but neither the user nor the server has a root.
    #[error("the user has no root folder and the server has no default one (--root)")]
    NoRoot,
    /// No such token was issued.
    #[error("there is no such token")]
    UnknownToken,
    /// The token has expired.
    #[error("the token has expired")]
    ExpiredToken,
    /// The token was for one login and has been used.
    #[error("the token was for one login and has been used")]
    SpentToken,
    /// This server does not take this kind of login.
    #[error("this kind of login is not offered here")]
    NotOffered,
    /// Logins cannot be checked now.
    #[error("logins cannot be checked: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The reason why a session was revoked. Its text is shown to the client too, which has proven to be that user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Revocation {
    /// The user no longer exists.
    #[error("the user was removed")]
    UserRemoved,
    /// The password of the login was changed.
    #[error("the user's password was changed")]
    PasswordChanged,
    /// The key of the login was removed from the user.
    #[error("the key of this login was removed")]
    KeyRemoved,
    /// The key may no longer be used from the client's address.
    #[error("the key of this login may not be used from this address any more (from=)")]
    KeyElsewhere,
    /// The key has expired.
    #[error("the key of this login has expired (expiry-time=)")]
    KeyExpired,
    /// The token has expired.
    #[error("the token of this login has expired")]
    TokenExpired,
    /// The session has more access than the user has now.
    #[error("the user's access was reduced")]
    AccessReduced,
    /// The session's root is no longer the user's.
    #[error("the user's root folder was changed")]
    RootChanged,
}

#[cfg(test)]
impl LoginClaim {
    /// A login from 192.0.2.1 on the channel of the protocol's example.
    pub(crate) fn example(login: Login, now: SystemTime) -> Self {
        let counting = |first: u8| std::array::from_fn(|index| first + u8::try_from(index).unwrap());
        let server_key = wire::checksum::Digest(counting(0x80));
        let channel = Channel { exported: counting(0x60), server_key };
        Self { login, channel, peer: IpAddr::from([192, 0, 2, 1]), now }
    }
}
