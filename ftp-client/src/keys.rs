//! OpenSSH keys that log in: from files or from an ssh-agent. The forms are those of the ssh-key crate, the signatures are
//! made by aws-lc or by the agent.

mod agent;
mod file;
mod secret;

pub use agent::Agent;
pub use file::{KeyFile, LockedKey};

use secret::Secret;
use ssh_encoding::Encode;
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey, Signature, SshSig};
use std::sync::Arc;
use wire::escape::Escaped;
use wire::login::NAMESPACE;

/// A key that can sign. Cheap to clone.
#[derive(Clone)]
pub struct SshKey {
    public: PublicKey,
    /// Where it is, for messages.
    origin: String,
    signer: Arc<Signer>,
}

enum Signer {
    Secret(Secret),
    Agent(Agent),
}

impl SshKey {
    /// `SHA256:` and base64, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.public.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// True if it is the same key, wherever it is kept.
    #[must_use]
    pub fn is(&self, public: &PublicKey) -> bool {
        self.public.key_data() == public.key_data()
    }

    /// The proof that a login carries for this key, see [`wire::login`]. May ask an agent, and that its user; so it blocks.
    pub(crate) fn prove(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |reason: String| format!("{self}: {reason}");
        let signed =
            SshSig::signed_data(NAMESPACE, HashAlg::Sha512, message).map_err(|e| failed(e.to_string()))?;
        let signature = self.sign(&signed).map_err(failed)?;
        self.proof(signature).map_err(|error| failed(error.to_string()))
    }

    fn sign(&self, signed: &[u8]) -> Result<Signature, String> {
        match &*self.signer {
            Signer::Secret(secret) => secret.sign(signed),
            Signer::Agent(agent) => agent.sign(self.public.key_data(), signed),
        }
    }

    fn proof(&self, signature: Signature) -> Result<Vec<u8>, ssh_key::Error> {
        let proof = SshSig::new(self.public.key_data().clone(), NAMESPACE, HashAlg::Sha512, signature)?;
        let mut bytes = Vec::new();
        proof.encode(&mut bytes)?;
        Ok(bytes)
    }
}

/// Fingerprint, type and where it is: what people compare with `ssh-add -l`.
impl std::fmt::Display for SshKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.fingerprint(), self.public.algorithm(), self.origin)
    }
}

impl std::fmt::Debug for SshKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Why a kind of key cannot log in; `None` if it can.
fn unsupported(key: &KeyData) -> Option<String> {
    let algorithm = key.algorithm();
    #[allow(clippy::wildcard_enum_match_arm, reason = "the crate's kinds grow; others are not supported")]
    let reason = match &algorithm {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => return None,
        Algorithm::Rsa { .. } | Algorithm::Dsa => "RSA and DSA keys are not accepted by servers",
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {
            "keys that live in a security key are not supported"
        }
        _ => "this kind of key is not supported",
    };
    Some(format!(
        "{}: {reason}; make one with `ssh-keygen -t ed25519`",
        Escaped(algorithm.as_str().as_bytes())
    ))
}

#[cfg(test)]
mod tests;
