//! The server's identity: a private key and the certificate clients pin or verify.
//!
//! The server makes its own on first start and keeps it in one file of the state folder, `identity.pem`. One file and
//! not two, because one file can be replaced atomically: there is never a key without its certificate. A damaged or
//! exposed identity is an error to be looked at, never a reason to make a new one quietly: every client that pinned
//! the old one would report an attack.

use crate::state::{StateError, StateFolder, StateLock};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use wire::checksum::Digest;
use wire::sha256::Sha256;

/// A key pair with its certificate chain, known to belong together.
pub struct HostIdentity {
    certificates: Vec<CertificateDer<'static>>,
    private_key: PrivateKeyDer<'static>,
    key: Digest,
    fingerprint: String,
}

/// The reason why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The state folder could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A PEM file could not be read or holds something else.
    #[error("cannot read {what} from {path}: {source}; {}", advice(.path))]
    Pem {
        /// `a private key` or `a certificate`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason why it cannot be used.
        source: pem::Error,
    },
    /// Key and certificate are of different identities, or of a kind that TLS cannot use.
    #[error("the certificate in {certificate} and the key in {key} cannot be used together: {source}")]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
    /// The key's kind has no public key to make a fingerprint of.
    #[error("the public key of {0} cannot be determined")]
    NoPublicKey(PathBuf),
    /// Making a new identity failed.
    #[error("cannot make a new identity: {0}")]
    Generate(#[from] rcgen::Error),
}

impl IdentityError {
    /// Returns true if an existing file must be corrected.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::State(error) => error.is_mistake(),
            Self::Pem { .. } | Self::Unusable { .. } | Self::NoPublicKey(_) => true,
            Self::Generate(_) => false,
        }
    }
}

impl HostIdentity {
    /// Makes an identity that lives in memory only: an ECDSA P-256 key and a self-signed certificate.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate() -> Result<Self, IdentityError> {
        Generated::new()?.into_identity()
    }

    /// Loads the state folder's identity; `None` if there is none yet.
    ///
    /// # Errors
    /// The file is there but damaged or open to others.
    pub fn load(state: &StateFolder) -> Result<Option<Self>, IdentityError> {
        let Some(file) = state.read(IDENTITY_FILE, IDENTITY_LEN_MAX)? else { return Ok(None) };
        let (path, text) = (state.file(IDENTITY_FILE), file.text.as_bytes());
        let certificates = collect_certificates(CertificateDer::pem_slice_iter(text))
            .map_err(bad_pem("a certificate", &path))?;
        let private_key = PrivateKeyDer::from_pem_slice(text).map_err(bad_pem("a private key", &path))?;
        Self::from_parts(certificates, private_key, &path, &path).map(Some)
    }

    /// Loads the state folder's identity, or makes it if there is none.
    ///
    /// # Errors
    /// The file is there but damaged or open to others, or a new one cannot be written.
    pub fn load_or_create(state: &StateFolder) -> Result<Self, IdentityError> {
        if let Some(identity) = Self::load(state)? {
            return Ok(identity);
        }
        let lock = state.lock()?;
        // Another process may have made one while this one waited for the lock.
        match Self::load(state)? {
            Some(identity) => Ok(identity),
            None => Self::create(state, &lock),
        }
    }

    /// Loads a certificate chain, the server's own certificate first, and its key from PEM files.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let certificates = CertificateDer::pem_file_iter(certificate)
            .and_then(collect_certificates)
            .map_err(bad_pem("a certificate", certificate))?;
        let private_key = PrivateKeyDer::from_pem_file(key).map_err(bad_pem("a private key", key))?;
        Self::from_parts(certificates, private_key, certificate, key)
    }

    /// `sha256:` and the SHA-256 of the public key (SPKI, DER) in hexadecimal: what clients pin.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The SHA-256 itself.
    #[must_use]
    pub fn key(&self) -> Digest {
        self.key
    }

    /// The chain to show to clients, own certificate first.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The private key of the first certificate.
    #[must_use]
    pub fn private_key(&self) -> &PrivateKeyDer<'static> {
        &self.private_key
    }

    fn create(state: &StateFolder, lock: &StateLock) -> Result<Self, IdentityError> {
        let generated = Generated::new()?;
        state.replace(lock, IDENTITY_FILE, generated.pem().as_bytes())?;
        generated.into_identity()
    }

    fn from_parts(
        certificates: Vec<CertificateDer<'static>>,
        private_key: PrivateKeyDer<'static>,
        certificate_path: &Path,
        key_path: &Path,
    ) -> Result<Self, IdentityError> {
        let certified = CertifiedKey::from_der(certificates, private_key.clone_key(), &default_provider())
            .map_err(|source| IdentityError::Unusable {
                certificate: certificate_path.to_owned(),
                key: key_path.to_owned(),
                source,
            })?;
        let public_key =
            certified.key.public_key().ok_or_else(|| IdentityError::NoPublicKey(key_path.to_owned()))?;
        let key = Sha256::digest(&public_key);
        Ok(Self { certificates: certified.cert, private_key, key, fingerprint: fingerprint_of(&key) })
    }
}

impl Clone for HostIdentity {
    fn clone(&self) -> Self {
        Self {
            certificates: self.certificates.clone(),
            private_key: self.private_key.clone_key(),
            key: self.key,
            fingerprint: self.fingerprint.clone(),
        }
    }
}

/// Shows which identity it is, never the key.
impl fmt::Debug for HostIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostIdentity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// A new key pair and certificate, before it is decided whether they are written down.
struct Generated {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Generated {
    fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        // Clients pin the key; the name is for people who look at the certificate, and does not expire.
        let mut params = CertificateParams::new([SUBJECT.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, SUBJECT);
        let certificate = params.self_signed(&key)?;
        Ok(Self { key, certificate })
    }

    fn pem(&self) -> String {
        format!("{}{}", self.certificate.pem(), self.key.serialize_pem())
    }

    fn into_identity(self) -> Result<HostIdentity, IdentityError> {
        let private_key = PrivatePkcs8KeyDer::from(self.key.serialize_der()).into();
        let memory = Path::new("memory");
        HostIdentity::from_parts(vec![self.certificate.der().clone()], private_key, memory, memory)
    }
}

fn collect_certificates(
    found: impl Iterator<Item = Result<CertificateDer<'static>, pem::Error>>,
) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let certificates = found.collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(certificates) }
}

fn bad_pem(what: &'static str, path: &Path) -> impl FnOnce(pem::Error) -> IdentityError {
    move |source| IdentityError::Pem { what, path: path.to_owned(), source }
}

/// Returns advice about a damaged file. Replacing the server's own identity must be a decision of the operator.
fn advice(path: &Path) -> &'static str {
    if path.ends_with(IDENTITY_FILE) {
        "restore it from a backup, or remove it to get a new identity, which every client must then trust anew"
    } else {
        "it must be a PEM file"
    }
}

fn fingerprint_of(key: &Digest) -> String {
    let mut text = String::from("sha256:");
    for byte in key.0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

const IDENTITY_FILE: &str = "identity.pem";

/// A certificate and a key take about 1 KiB; a chain with RSA keys fits too.
const IDENTITY_LEN_MAX: u64 = 64 * 1024;

const SUBJECT: &str = "ftp-server";

#[cfg(test)]
mod tests;
