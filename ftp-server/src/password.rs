//! Password hashes: argon2id in PHC strings, made and checked with bounded cost.
//!
//! Parameters follow the OWASP Password Storage Cheat Sheet's minimum for argon2id: 19 MiB of memory, 2 passes, 1 lane
//! (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id>).

use argon2::password_hash::phc;
use argon2::password_hash::{self, PasswordHasher};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Mutex;
use subtle::ConstantTimeEq;
use wire::limits::SECRET_LEN_MAX;
use wire::sync::lock;

/// Memory of one hash, in KiB.
pub const MEMORY_KIB: u32 = 19 * 1024;

/// A stored password hash. A users file may hold any text in its place: [`PasswordHash::check`] tells when it is read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

/// Why a password could not be hashed, or a hash not be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// An empty password gives no protection.
    #[error("the password is empty")]
    Empty,
    /// Longer than a login can carry.
    #[error("the password is longer than {SECRET_LEN_MAX} bytes")]
    TooLong,
    /// The stored text is not an argon2id hash.
    #[error("the stored hash is not argon2id in PHC form")]
    NotArgon2id,
    /// The stored hash would take too much memory or time to check.
    #[error(
        "the stored hash asks for more than {MEMORY_KIB_MAX} KiB, {PASSES_MAX} passes or {LANES_MAX} lanes"
    )]
    TooCostly,
    /// The library failed, for instance for want of memory.
    #[error("argon2 failed: {0}")]
    Failed(password_hash::Error),
}

impl PasswordHash {
    /// Hashes a new password with a fresh random salt.
    ///
    /// # Errors
    /// The password is empty or too long, or no memory or randomness is to be had.
    pub fn new(password: &str) -> Result<Self, PasswordError> {
        if password.is_empty() {
            return Err(PasswordError::Empty);
        }
        if password.len() > SECRET_LEN_MAX {
            return Err(PasswordError::TooLong);
        }
        let hash = hasher().hash_password(password.as_bytes()).map_err(PasswordError::Failed)?;
        Ok(Self(hash.to_string()))
    }

    /// Tells if passwords can be checked against it.
    ///
    /// # Errors
    /// It is damaged, of another kind or too costly.
    pub fn check(&self) -> Result<(), PasswordError> {
        self.understood().map(|_| ())
    }

    /// True if the password is the one that was hashed.
    ///
    /// # Errors
    /// The stored hash is damaged or too costly, or no memory is to be had.
    pub fn verify(&self, password: &str) -> Result<bool, PasswordError> {
        let hash = self.understood()?;
        let (Some(salt), Some(stored)) = (&hash.salt, &hash.hash) else {
            return Err(PasswordError::NotArgon2id);
        };
        let params = Params::try_from(&hash).map_err(|_| PasswordError::NotArgon2id)?;
        let mut computed = vec![0; stored.as_bytes().len()];
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        compute(&hasher, password, salt.as_ref(), &mut computed)?;
        Ok(stored.as_bytes().ct_eq(&computed).into())
    }

    fn understood(&self) -> Result<phc::PasswordHash, PasswordError> {
        let hash = phc::PasswordHash::new(&self.0).map_err(|_| PasswordError::NotArgon2id)?;
        check_cost(&hash)?;
        Ok(hash)
    }
}

/// Takes as long as checking a password does, for users that do not exist.
pub fn pretend_to_verify(password: &str) {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    // Failing would need memory to have run out, and then the real check fails as fast.
    let _ = compute(&hasher(), password, PRETENDED_SALT, &mut output);
    std::hint::black_box(output);
}

/// The hash itself is a secret too: it can be attacked offline.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// Bounds what a users file from elsewhere may cost, before anything is allocated for it.
fn check_cost(hash: &phc::PasswordHash) -> Result<(), PasswordError> {
    if hash.algorithm.as_str() != Algorithm::Argon2id.as_str() || hash.salt.is_none() || hash.hash.is_none() {
        return Err(PasswordError::NotArgon2id);
    }
    let params = Params::try_from(hash).map_err(|_| PasswordError::NotArgon2id)?;
    let bounded =
        params.m_cost() <= MEMORY_KIB_MAX && params.t_cost() <= PASSES_MAX && params.p_cost() <= LANES_MAX;
    if bounded { Ok(()) } else { Err(PasswordError::TooCostly) }
}

/// Hashes in memory that is kept for the next time: freed and allocated anew by one thread after another, 19 MiB a time
/// would stay with each of them.
fn compute(hasher: &Argon2<'_>, password: &str, salt: &[u8], output: &mut [u8]) -> Result<(), PasswordError> {
    static KEPT: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());
    let kept = || lock(&KEPT);
    let blocks = kept().pop();
    let mut blocks = blocks.unwrap_or_default();
    blocks.resize(hasher.params().block_count(), Block::default());
    let result = hasher.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut blocks);
    if blocks.len() == PARAMS.block_count() {
        kept().push(blocks);
    }
    result.map_err(|error| PasswordError::Failed(error.into()))
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
}

const PASSES: u32 = 2;
const LANES: u32 = 1;
const PARAMS: Params = match Params::new(MEMORY_KIB, PASSES, LANES, None) {
    Ok(params) => params,
    Err(_) => panic!("checked while compiling"),
};

/// OWASP's and RFC 9106's larger choices (64 MiB, 3 passes, 4 lanes) fit below these with room to spare.
const MEMORY_KIB_MAX: u32 = 128 * 1024;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 8;

const PRETENDED_SALT: &[u8; 16] = b"nobody's salt...";

#[cfg(test)]
mod tests;
