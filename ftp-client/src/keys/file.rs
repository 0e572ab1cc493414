//! Key files as ssh has them: private ones in OpenSSH's form (PROTOCOL.key), perhaps under a passphrase, and public ones.

use super::secret::Secret;
use super::{Signer, SshKey, unsupported};
use crate::Error;
use ssh_encoding::pem::PemLabel;
use ssh_encoding::{Decode, DecodePem, Reader};
use ssh_key::public::KeyData;
use ssh_key::{Cipher, Kdf, PublicKey};
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The content of a key file.
pub enum KeyFile {
    /// A key that can sign.
    Open(SshKey),
    /// A key under a passphrase.
    Locked(LockedKey),
    /// The public half: the other one may be in an agent.
    Public(PublicKey),
}

/// A private key under a passphrase.
pub struct LockedKey {
    path: PathBuf,
    container: Container,
}

/// A private key's file, decoded as far as that is possible without its passphrase.
struct Container {
    cipher: Cipher,
    kdf: Kdf,
    public: KeyData,
    secret: Vec<u8>,
    tag: Option<[u8; 16]>,
}

impl KeyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, others can read it, or it holds no key that can log in.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let shown = Error::shown_path(path);
        let word = shlex::try_quote(&shown).unwrap_or(Cow::Borrowed(&shown));
        let (text, exposed) = read(path).map_err(|source| Error::local(path, source))?;
        if !text.contains("PRIVATE KEY") {
            let public = PublicKey::from_openssh(&text).map_err(|_| usage(&shown, "is no OpenSSH key"))?;
            return match unsupported(public.key_data()) {
                Some(reason) => Err(usage(&shown, &format!("cannot log in: {reason}"))),
                None => Ok(Self::Public(public)),
            };
        }
        if exposed {
            return Err(usage(
                &shown,
                &format!("is a private key that others can read; run: chmod go= {word}"),
            ));
        }
        if !text.contains(Container::PEM_LABEL) {
            let advice = format!("is not in OpenSSH's form; `ssh-keygen -p -f {word}` rewrites it so");
            return Err(usage(&shown, &advice));
        }
        let container = Container::decode_pem(text.trim_start())
            .map_err(|error| usage(&shown, &format!("is a damaged key: {error}")))?;
        if let Some(reason) = unsupported(&container.public) {
            return Err(usage(&shown, &format!("cannot log in: {reason}")));
        }
        let locked = LockedKey { path: path.to_owned(), container };
        if locked.container.cipher.is_some() {
            Ok(Self::Locked(locked))
        } else {
            locked.key(&locked.container.secret).map(Self::Open).map_err(|e| usage(&shown, &e))
        }
    }
}

impl LockedKey {
    /// Where the key is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public half, which needs no passphrase.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::from(self.container.public.clone())
    }

    /// Opens the key; `None` if the passphrase is wrong. Takes a moment, by design.
    #[must_use]
    pub fn open(&self, passphrase: &str) -> Option<SshKey> {
        let Container { cipher, kdf, secret, tag, .. } = &self.container;
        let (key, iv) = kdf.derive_key_and_iv(*cipher, passphrase).ok()?;
        let mut opened = secret.clone();
        cipher.decrypt(&key, &iv, &mut opened, *tag).ok()?;
        self.key(&opened).ok()
    }

    fn key(&self, opened: &[u8]) -> Result<SshKey, String> {
        let damaged = |error: ssh_key::Error| format!("is a damaged key: {error}");
        let (secret, comment) = self.container.decode_opened(&mut &*opened).map_err(damaged)?;
        let public = PublicKey::new(self.container.public.clone(), comment);
        let origin = Error::shown_path(&self.path);
        Ok(SshKey { public, origin, signer: Arc::new(Signer::Secret(secret)) })
    }
}

impl Container {
    /// Two equal numbers, which a wrong passphrase does not leave equal; the key; its comment; padding.
    fn decode_opened(&self, reader: &mut &[u8]) -> Result<(Secret, String), ssh_key::Error> {
        if u32::decode(reader)? != u32::decode(reader)? {
            return Err(ssh_key::Error::Crypto);
        }
        let secret = Secret::decode(reader, &self.public)?;
        Ok((secret, String::decode(reader).unwrap_or_default()))
    }
}

impl Decode for Container {
    type Error = ssh_key::Error;

    fn decode(reader: &mut impl Reader) -> Result<Self, Self::Error> {
        let mut magic = [0; MAGIC.len()];
        reader.read(&mut magic)?;
        if magic != *MAGIC {
            return Err(ssh_key::Error::FormatEncoding);
        }
        let (cipher, kdf) = (Cipher::decode(reader)?, Kdf::decode(reader)?);
        if u32::decode(reader)? != 1 {
            return Err(ssh_key::Error::FormatEncoding); // OpenSSH writes one key a file, too
        }
        let public = reader.read_prefixed(KeyData::decode)?;
        let secret = Vec::decode(reader)?;
        let mut tag = [0; 16];
        if cipher.has_tag() {
            reader.read(&mut tag)?;
        }
        Ok(Self { cipher, kdf, public, secret, tag: cipher.has_tag().then_some(tag) })
    }
}

impl PemLabel for Container {
    const PEM_LABEL: &'static str = "OPENSSH PRIVATE KEY";
}

/// The text, and whether others than its owner can read it. As with ssh, that counts in a file of the user's own: one of
/// somebody else's (a secret that is mounted into a container) is theirs to guard.
fn read(path: &Path) -> std::io::Result<(String, bool)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let own = metadata.uid() == rustix::process::getuid().as_raw();
    let mut text = String::new();
    file.take(FILE_LEN_MAX).read_to_string(&mut text)?;
    Ok((text, metadata.is_file() && own && metadata.mode() & 0o077 != 0))
}

fn usage(path: &str, reason: &str) -> Error {
    Error::Usage(format!("{path} {reason}"))
}

const MAGIC: &[u8; 15] = b"openssh-key-v1\0";

/// A key takes some 500 bytes, RSA's largest some 13 KB.
const FILE_LEN_MAX: u64 = 64 * 1024;
