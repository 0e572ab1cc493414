//! A user's OpenSSH key: a line as in `authorized_keys`, with the options that the server supports.

use super::source::{BadSource, Sources};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey};
use std::net::IpAddr;
use std::time::SystemTime;

/// A line of a key: options, type, the key itself in base64, comment. In a users file that was edited by hand it may be
/// anything; an invalid key, or one with an unknown option, is told as a mistake, and admits no login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct KeyLine {
    text: String,
    /// Parsed once and not at each login, since the time for it would reveal how many keys a user has.
    key: Result<AuthorizedKey, KeyError>,
}

/// A key, with the time and the addresses of its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    public: PublicKey,
    options: String,
    from: Option<Sources>,
    expires_at: Option<SystemTime>,
}

/// The reason why a line is not a key for logins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another kind of text.
    #[error(
        "this is not a public key; a line is `[options] ssh-ed25519 AAAA… [comment]`, as in ~/.ssh/id_ed25519.pub"
    )]
    NotAKey,
    /// A private key, which must not be handed out.
    #[error(
        "this is a private key, which belongs on its owner's machine only; give the public one (FILE.pub)"
    )]
    Private,
    /// A kind of key that cannot be checked here.
    #[error("{kind}: {reason}")]
    Unsupported {
        /// As OpenSSH calls it.
        kind: String,
        /// The reason, and the remedy.
        reason: &'static str,
    },
    /// An option that would mean something to sshd.
    #[error("the option `{0}` is not known here; only from=\"…\" and expiry-time=\"…\" are")]
    UnknownOption(String),
    /// An option without its value, or twice.
    #[error("the option `{0}` must stand there once, as {0}=\"…\"")]
    BadOption(&'static str),
    /// A pattern of `from`.
    #[error(transparent)]
    Source(#[from] BadSource),
    /// A time of `expiry-time`.
    #[error(
        "expiry-time: {0:?} is not a time; write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z for UTC"
    )]
    Expiry(String),
}

/// The reason why a key may not be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forbidden {
    Address,
    Expired,
}

impl KeyLine {
    /// Parses a line, which must be a key with known options.
    ///
    /// # Errors
    /// The line is not such a key.
    pub fn new(line: &str) -> Result<Self, KeyError> {
        let key = AuthorizedKey::parse(line)?;
        Ok(Self { text: line.trim().to_owned(), key: Ok(key) })
    }

    /// The content of the line.
    ///
    /// # Errors
    /// The line is not a key, or has an unknown option.
    pub fn key(&self) -> Result<&AuthorizedKey, &KeyError> {
        self.key.as_ref()
    }
}

impl From<String> for KeyLine {
    fn from(text: String) -> Self {
        Self { key: AuthorizedKey::parse(&text), text }
    }
}

impl From<KeyLine> for String {
    fn from(line: KeyLine) -> Self {
        line.text
    }
}

impl AuthorizedKey {
    fn parse(line: &str) -> Result<Self, KeyError> {
        let line = line.trim();
        if line.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        if let Some(public) = public_key(line)? {
            return Ok(Self { public, options: String::new(), from: None, expires_at: None });
        }
        let (options, rest) = split_options(line).ok_or(KeyError::NotAKey)?;
        let public = public_key(rest)?.ok_or(KeyError::NotAKey)?;
        let mut key = Self { public, options: options.to_owned(), from: None, expires_at: None };
        for option in split_unquoted(options, ',') {
            key.apply(option)?;
        }
        Ok(key)
    }

    fn apply(&mut self, option: &str) -> Result<(), KeyError> {
        let (name, value) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let value = value.and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
        match name.to_ascii_lowercase().as_str() {
            "from" => match value {
                Some(value) if self.from.is_none() => self.from = Some(Sources::parse(value)?),
                _ => return Err(KeyError::BadOption("from")),
            },
            "expiry-time" => match value {
                Some(value) if self.expires_at.is_none() => self.expires_at = Some(expiry(value)?),
                _ => return Err(KeyError::BadOption("expiry-time")),
            },
            _ => return Err(KeyError::UnknownOption(name.to_owned())),
        }
        Ok(())
    }

    /// `SHA256:` and base64, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.public.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The type, as OpenSSH calls it.
    #[must_use]
    pub fn kind(&self) -> String {
        self.public.algorithm().to_string()
    }

    /// The options as they were given.
    #[must_use]
    pub fn options(&self) -> &str {
        &self.options
    }

    /// The text behind the key; it came from the maker of the key.
    #[must_use]
    pub fn comment(&self) -> &str {
        self.public.comment()
    }

    pub(super) fn public(&self) -> &KeyData {
        self.public.key_data()
    }

    pub(super) fn permit(&self, peer: IpAddr, now: SystemTime) -> Result<(), Forbidden> {
        if self.expires_at.is_some_and(|end| now >= end) {
            Err(Forbidden::Expired)
        } else if self.from.as_ref().is_some_and(|from| !from.permit(peer)) {
            Err(Forbidden::Address)
        } else {
            Ok(())
        }
    }
}

/// Parses a public key without options; `None` if the text does not begin with a type of key.
fn public_key(text: &str) -> Result<Option<PublicKey>, KeyError> {
    let mut words = text.splitn(3, [' ', '\t']).map(str::trim);
    let (Some(kind), Some(base64)) = (words.next(), words.next()) else { return Ok(None) };
    let Ok(algorithm) = kind.parse::<Algorithm>() else { return Ok(None) };
    if let Some(reason) = unsupported(kind, &algorithm) {
        return Err(KeyError::Unsupported { kind: kind.to_owned(), reason });
    }
    let mut key = PublicKey::from_openssh(&format!("{kind} {base64}")).map_err(|_| KeyError::NotAKey)?;
    key.set_comment(words.next().unwrap_or_default());
    Ok(Some(key))
}

fn unsupported(kind: &str, algorithm: &Algorithm) -> Option<&'static str> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the crate's kinds grow; others are not supported")]
    match algorithm {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => None,
        Algorithm::Rsa { .. } | Algorithm::Dsa => {
            Some("RSA and DSA keys are not accepted; make one with `ssh-keygen -t ed25519`")
        }
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {
            Some("keys that live in a security key are not supported; make one with `ssh-keygen -t ed25519`")
        }
        _ if kind.contains("-cert-") => Some("certificates are not supported; give the key itself"),
        _ => Some("this kind of key is not supported; make one with `ssh-keygen -t ed25519`"),
    }
}

/// Splits a line into its options and the rest: options end at the first unquoted blank.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let end = unquoted(line, |byte| matches!(byte, b' ' | b'\t')).next()?;
    Some((&line[..end], line[end..].trim_start()))
}

fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for end in unquoted(text, |byte| char::from(byte) == separator) {
        parts.push(&text[begin..end]);
        begin = end + 1;
    }
    parts.push(&text[begin..]);
    parts
}

/// Returns the positions of the wanted bytes outside quotes. A `\"` within quotes does not end them.
fn unquoted(text: &str, wanted: impl Fn(u8) -> bool) -> impl Iterator<Item = usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().enumerate().filter_map(move |(index, byte)| {
        let found = !quoted && wanted(byte);
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        found.then_some(index)
    })
}

/// Parses a time. Without a `Z` it is in this machine's zone, as in OpenSSH.
fn expiry(text: &str) -> Result<SystemTime, KeyError> {
    let (digits, utc) = text.strip_suffix('Z').map_or((text, false), |digits| (digits, true));
    let time = civil(digits).ok_or_else(|| KeyError::Expiry(text.to_owned()))?;
    let zone = if utc { TimeZone::UTC } else { TimeZone::system() };
    let zoned = time.to_zoned(zone).map_err(|_| KeyError::Expiry(text.to_owned()))?;
    Ok(zoned.timestamp().into())
}

fn civil(digits: &str) -> Option<DateTime> {
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |at: usize| digits.get(at..at + 2).map_or(Some(0), |two| two.parse().ok());
    DateTime::new(digits[..4].parse().ok()?, two(4)?, two(6)?, two(8)?, two(10)?, two(12)?, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const KEY: &str = include_str!("../../../fixtures/keys/id_ed25519.pub");

    fn error(line: &str) -> String {
        KeyLine::new(line).unwrap_err().to_string()
    }

    fn key(options: &str) -> AuthorizedKey {
        KeyLine::new(&format!("{options} {KEY}")).unwrap().key().unwrap().clone()
    }

    #[test]
    fn a_line_is_a_key_with_or_without_options_and_comment() {
        let plain = KeyLine::new(KEY).unwrap();
        let bare = KEY.rsplit_once(' ').unwrap().0;
        for line in [
            bare.to_owned(),
            format!("from=\"192.0.2.0/24\" {bare}"),
            format!(
                "expiry-time=\"20300101\",from=\"192.0.2.0/24, ::1\"\t{bare}  a comment \"with\" more, words"
            ),
        ] {
            let line = KeyLine::new(&line).unwrap();
            assert_eq!(line.key().unwrap().public(), plain.key().unwrap().public());
        }
        assert_eq!(plain.key().unwrap().comment(), "throw-away");
        assert_eq!(plain.key().unwrap().kind(), "ssh-ed25519");
    }

    #[test]
    fn an_option_that_is_not_honoured_is_refused_by_name() {
        for option in ["command=\"ls -l\"", "no-pty", "restrict", "cert-authority", "permitopen=\"a:1\""] {
            let name = option.split('=').next().unwrap();
            assert!(error(&format!("{option} {KEY}")).contains(&format!("`{name}`")), "{option}");
            let known = format!("from=\"192.0.2.1\",{option} {KEY}");
            assert!(error(&known).contains(&format!("`{name}`")), "{option}");
            assert!(KeyLine::from(known).key().is_err(), "it is refused when read, too");
        }
        assert!(error(&format!("from=192.0.2.1 {KEY}")).contains("from=\"…\""));
        assert!(error(&format!("from=\"::1\",from=\"::2\" {KEY}")).contains("once"));
        assert!(error(&format!("from=\"*.example.com\" {KEY}")).contains("not looked up"));
    }

    #[test]
    fn other_kinds_of_keys_are_refused_with_the_reason() {
        assert!(error("ssh-rsa AAAAB3NzaC1yc2E= x").contains("RSA"));
        assert!(error("sk-ssh-ed25519@openssh.com AAAA x").contains("security key"));
        assert!(error("ssh-ed25519-cert-v01@openssh.com AAAA x").contains("certificates"));
        assert!(error("-----BEGIN OPENSSH PRIVATE KEY-----").contains("FILE.pub"));
        for text in ["", "hello", "hello you there", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !!!! x"]
        {
            assert_eq!(KeyLine::new(text), Err(KeyError::NotAKey), "{text:?}");
        }
    }

    #[test]
    fn a_key_ends_at_its_time() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let anywhere = "192.0.2.1".parse().unwrap();
        let end = 1_893_456_000; // 2030-01-01T00:00:00Z
        for option in
            ["expiry-time=\"20300101Z\"", "expiry-time=\"203001010000Z\"", "expiry-time=\"20300101000000Z\""]
        {
            assert_eq!(key(option).permit(anywhere, at(end - 1)), Ok(()));
            assert_eq!(key(option).permit(anywhere, at(end)), Err(Forbidden::Expired));
        }
        let local = key("expiry-time=\"20300101\""); // at most 14 hours away from UTC's
        assert_eq!(local.permit(anywhere, at(end - 15 * 3600)), Ok(()));
        assert_eq!(local.permit(anywhere, at(end + 15 * 3600)), Err(Forbidden::Expired));
        for text in ["", "2030", "20301301", "2030010", "20300101T00", "203001010000z", "+0300101"] {
            assert!(error(&format!("expiry-time=\"{text}\" {KEY}")).contains("YYYYMMDD"), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_good_from_its_addresses_only() {
        let key = key("from=\"!192.0.2.7,192.0.2.0/24\"");
        let permit = |address: &str| key.permit(address.parse().unwrap(), SystemTime::UNIX_EPOCH);
        assert_eq!(permit("192.0.2.1"), Ok(()));
        assert_eq!(permit("192.0.2.7"), Err(Forbidden::Address));
        assert_eq!(permit("198.51.100.1"), Err(Forbidden::Address));
    }
}
