//! The seam between a session and whatever decides who may log in.
//!
//! A [`Principal`] can only be made in this crate, and only authenticators make one: holding it is the proof that a
//! login succeeded. A [`Refusal`] is for the log alone; the peer hears one sentence whatever the reason was, so that
//! it cannot find out which users exist.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wire::Access;
use wire::login::Channel;
use wire::message::Login;

/// A login, with what it may depend on.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who, and the proof.
    pub login: Login,
    /// The connection that it came on, to which a key's proof is bound.
    pub channel: Channel,
    /// Where it came from.
    pub peer: IpAddr,
    /// When.
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
    fn authenticate(&self, claim: &Claim) -> Result<Principal, Refusal>;
}

/// Who a connection acts for, and what they may do where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: String,
    root: PathBuf,
    access: Access,
    key: Option<String>,
}

impl Principal {
    pub(crate) fn new(name: impl Into<String>, root: impl Into<PathBuf>, access: Access) -> Self {
        Self { name: name.into(), root: root.into(), access, key: None }
    }

    pub(crate) fn by_key(self, fingerprint: String) -> Self {
        Self { key: Some(fingerprint), ..self }
    }

    /// The fingerprint of the key that the login was made with, for logs.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
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

    /// What the principal may do below the root.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }
}

/// Why a login was refused; for the log only.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
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
    /// The keys are not this user's.
    #[error("none of the keys is the user's: {0}")]
    OtherKeys(String),
    /// The key is not for the peer's address.
    #[error("the key {0} may not be used from this address (from=)")]
    KeyElsewhere(String),
    /// The key's time is over.
    #[error("the key {0} has expired (expiry-time=)")]
    ExpiredKey(String),
    /// The stored password hash is damaged, of another kind, or asks for more memory or time than is allowed.
    #[error("the user's stored password hash cannot be used; set a new one with `ftp-server user passwd`")]
    UnusableHash,
    /// Password or key is right, but neither the user nor the server has a root.
    #[error("the user has no root folder and the server has no default one (--root)")]
    NoRoot,
    /// No such token was issued.
    #[error("there is no such token")]
    UnknownToken,
    /// The token's time is over.
    #[error("the token has expired")]
    ExpiredToken,
    /// The token was for one login, and that has been.
    #[error("the token was for one login and has been used")]
    SpentToken,
    /// This server does not take this kind of login.
    #[error("this kind of login is not offered here")]
    NotOffered,
    /// Nobody can be checked now.
    #[error("logins cannot be checked: {0}")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(test)]
impl Claim {
    /// A login from 192.0.2.1 on the channel of the protocol's example.
    pub(crate) fn example(login: Login, now: SystemTime) -> Self {
        let counting = |first: u8| std::array::from_fn(|index| first + u8::try_from(index).unwrap());
        let server_key = wire::checksum::Digest(counting(0x80));
        let channel = Channel { exported: counting(0x60), server_key };
        Self { login, channel, peer: IpAddr::from([192, 0, 2, 1]), now }
    }
}
