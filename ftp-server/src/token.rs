//! Tokens for `share`: random words that stand for a folder and an access for a while, kept in memory only.
//!
//! Only a token's SHA-256 is kept, and compared in constant time, so neither a memory dump nor timing gives a token
//! away. Unlike a password a token has 128 bits of randomness, so a fast hash is enough.

use crate::auth::{Authenticator, Grant, LoginClaim, LoginRefusal, Principal, Proof, Revocation};
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;
use subtle::ConstantTimeEq;
use wire::message::Login;
use wire::sync::lock;
use wire::{Access, RemotePath};

/// The login that a token stands for.
#[derive(Debug, Clone)]
pub struct TokenGrant {
    /// The name that logs show.
    pub name: String,
    /// The folder that is `/`.
    pub root: PathBuf,
    /// The access of the login.
    pub access: Access,
    /// The time from which the token is invalid.
    pub expires_at: SystemTime,
    /// True if the first login uses the token up.
    pub once: bool,
    /// The only file that may be seen, if not all of the root.
    pub only: Option<RemotePath>,
    /// The folder below the root that `~` stands for at the beginning of a path, if it does.
    pub home: Option<RemotePath>,
}

/// A freshly made token; the only place where its text exists on the server.
#[derive(Clone, PartialEq, Eq)]
pub struct ShareToken(String);

/// The tokens that were issued, and the authenticator that honours them.
#[derive(Debug, Default)]
pub struct Tokens {
    issued: Mutex<Vec<Issued>>,
}

/// The system had no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a token: {0}")]
pub struct NoRandomness(getrandom::Error);

#[derive(Debug)]
struct Issued {
    digest: TokenDigest,
    principal: Principal,
    expires_at: SystemTime,
    once: bool,
    spent: bool,
}

type TokenDigest = [u8; 32];

impl ShareToken {
    fn random() -> Result<Self, NoRandomness> {
        Self::filled_by(getrandom::fill)
    }

    fn filled_by(fill: impl FnOnce(&mut [u8]) -> Result<(), getrandom::Error>) -> Result<Self, NoRandomness> {
        let mut bytes = [0_u8; RANDOM_LEN];
        fill(&mut bytes).map_err(NoRandomness)?;
        let mut text = String::with_capacity(2 * RANDOM_LEN);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The text to hand to the one who may log in: letters and digits, safe in URLs and shells.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShareToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Tokens {
    /// No tokens yet: every login is refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a token.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn issue(&self, grant: TokenGrant) -> Result<ShareToken, NoRandomness> {
        let token = ShareToken::random()?;
        let digest = digest_of(token.text());
        self.lock().push(Issued {
            digest,
            principal: Principal::new(grant.name, grant.root, grant.access)
                .at_home(grant.home)
                .confined_to(grant.only)
                .proven_by(Proof::Token(digest)),
            expires_at: grant.expires_at,
            once: grant.once,
            spent: false,
        });
        Ok(token)
    }

    fn redeem(&self, text: &str, now: SystemTime) -> Result<Principal, LoginRefusal> {
        let digest = digest_of(text);
        let mut issued = self.lock();
        let found = issued.iter_mut().find(|issued| bool::from(issued.digest.ct_eq(&digest)));
        let token = found.ok_or(LoginRefusal::UnknownToken)?;
        if token.expires_at <= now {
            return Err(LoginRefusal::ExpiredToken);
        }
        if token.spent {
            return Err(LoginRefusal::SpentToken);
        }
        token.spent = token.once;
        Ok(token.principal.clone())
    }

    /// Each change under the lock is one assignment, so a panic elsewhere cannot have left half of one.
    fn lock(&self) -> MutexGuard<'_, Vec<Issued>> {
        lock(&self.issued)
    }
}

impl Authenticator for Tokens {
    fn authenticate(&self, claim: &LoginClaim) -> Result<Principal, LoginRefusal> {
        match &claim.login {
            Login::Token { token } => self.redeem(token, claim.now),
            Login::Password { .. } | Login::Keys { .. } => Err(LoginRefusal::NotOffered),
        }
    }

    /// A token that is spent was spent by the session itself.
    fn review(&self, grants: &[&Grant], now: SystemTime) -> Vec<Result<(), Revocation>> {
        let issued = self.lock();
        let judge = |grant: &&Grant| {
            let is_good = |token: &Issued| token.principal == grant.principal && now < token.expires_at;
            if issued.iter().any(is_good) { Ok(()) } else { Err(Revocation::TokenExpired) }
        };
        grants.iter().map(judge).collect()
    }
}

fn digest_of(text: &str) -> TokenDigest {
    let mut bytes = TokenDigest::default();
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// 128 bits: more than anybody can guess, 32 characters to paste.
const RANDOM_LEN: usize = 16;

#[cfg(test)]
mod tests;
