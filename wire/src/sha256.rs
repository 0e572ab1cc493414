//! SHA-256 by the fastest implementation: with `net` aws-lc is linked anyway, and on processors without SHA instructions it is
//! twice as fast as the sha2 crate (AVX2 assembly; measured 400 to 200 MB/s); with them the two are equal.

use crate::digest::Digest;

/// A SHA-256 computation in progress.
#[derive(Clone)]
pub struct Sha256(Sha256State);

#[cfg(feature = "net")]
type Sha256State = aws_lc_rs::digest::Context;
#[cfg(not(feature = "net"))]
type Sha256State = sha2::Sha256;

impl Sha256 {
    /// A computation without input yet.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(feature = "net")]
        return Self(Sha256State::new(&aws_lc_rs::digest::SHA256));
        #[cfg(not(feature = "net"))]
        return Self(sha2::Digest::new());
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        #[cfg(feature = "net")]
        self.0.update(bytes);
        #[cfg(not(feature = "net"))]
        sha2::Digest::update(&mut self.0, bytes);
    }

    /// Returns the digest of all bytes added.
    #[must_use]
    pub fn finish(self) -> Digest {
        let mut digest = Digest::default();
        #[cfg(feature = "net")]
        digest.0.copy_from_slice(self.0.finish().as_ref());
        #[cfg(not(feature = "net"))]
        digest.0.copy_from_slice(&sha2::Digest::finalize(self.0));
        digest
    }

    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn digest(bytes: &[u8]) -> Digest {
        let mut hasher = Self::new();
        hasher.update(bytes);
        hasher.finish()
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sha256() {
        // FIPS 180-4, example of one block
        let digest = Sha256::digest(b"abc").to_string();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
