//! Typed paths: the forms of a path on a server, and how it is distinguished from a local path.
//!
//! Over ssh a path is written `user@host:path`, as for scp, or as a URL, `ssh://user@host:port/path`. On a standing server it is written
//! `user@host::path`, as for rsync, or `ftpx://user@host:port/path`. URLs are percent-encoded. As with scp, a `/`
//! before the first `:` makes a path local, so `./a:b` is how to name a local file that looks remote.

mod url;

use crate::fingerprint::ServerKey;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::net::Ipv6Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use wire::escape::Escaped;
use wire::path::PathError;
use wire::stdio::HOME;
use wire::{Name, RemotePath};

/// The port of servers that are named without one.
pub const DEFAULT_PORT: u16 = 2121;

/// Stands for the port that ssh's configuration names.
const PORT_OF_SSH_CONFIG: u16 = 0;

/// A path on a server, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// How its server is reached.
    pub way: Way,
    /// The user, where one was typed.
    pub user: Option<String>,
    /// Host name in lower case, or an address without brackets.
    pub host: String,
    /// Port; over ssh 0 for the one that ssh's configuration names.
    pub port: u16,
    /// The path below the user's root.
    pub path: RemotePath,
    /// How the path ended, which `RemotePath` does not keep.
    pub ending: PathEnding,
    /// The server's key, where the URL pins it.
    pub pin: Option<ServerKey>,
}

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// At its port.
    #[default]
    Ftpx,
    /// Over ssh, which starts it.
    Ssh,
}

impl Way {
    /// True for the way that files leave out.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// How a typed path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathEnding {
    /// With a name.
    Name,
    /// With a `/`, or it is the root: the path must be a folder.
    Slash,
    /// With a component `.`: the folder's contents are meant, as `cp -r folder/. target` has it.
    Dot,
}

/// A path of this machine or of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypedPath {
    /// A path of this machine.
    Local(PathBuf),
    /// A path of a server.
    Remote(Remote),
}

/// Why a text is no path on a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}: {reason}")]
pub struct RemoteError {
    /// The typed text, escaped.
    text: String,
    /// The reason why it is refused.
    reason: RemotePathFault,
}

/// An error in a typed remote path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RemotePathFault {
    #[error("not a remote path; write HOST:PATH (over ssh), HOST::PATH or ftpx://HOST/PATH")]
    IsLocal,
    #[error("only ftpx:// and ssh:// URLs are understood")]
    Scheme,
    #[error("the host is missing or not a host name")]
    Host,
    #[error("the port must be a number from 1 to 65535")]
    Port,
    #[error("a port needs a URL: write ftpx://[USER@]HOST:PORT/PATH, or ssh://… for sshd's port")]
    PortInScp,
    #[error(
        "is {port} a port or a folder? a server's port is written ftpx://{place}:{port}/PATH, sshd's ssh://{place}:{port}/PATH, the folder {place}{colon}./{port}"
    )]
    PortOrFolder { place: String, port: u16, colon: &'static str },
    #[error(
        "the user's name is empty or not UTF-8, or over ssh holds characters that a shell might take for its own"
    )]
    User,
    #[error(
        "a password in a URL can be read by everyone on this machine; use --password-file or FTPX_PASSWORD"
    )]
    Password,
    #[error("'%' must be followed by two hexadecimal digits; a plain '%' is written %25")]
    Percent,
    #[error("a '#' in a URL's path is written %23")]
    Fragment,
    #[error("after '?' only pin=sha256:HEX is understood; a '?' in a URL's path is written %3F")]
    Query,
    #[error("a folder '~' of the root cannot be named over ssh: there '~' is the home folder")]
    Home,
    #[error("the pin must be sha256: and 64 hexadecimal digits")]
    Pin,
    #[error("{0}")]
    Path(#[from] PathError),
}

impl TypedPath {
    /// Tells what was typed.
    ///
    /// # Errors
    /// It looks remote and is wrong.
    pub fn parse(text: &OsStr) -> Result<Self, RemoteError> {
        let bytes = text.as_bytes();
        let remote = match (url::scheme(bytes), colon(bytes)) {
            (Some(_), _) => url::parse(bytes),
            (None, Some(colon)) => scp(&bytes[..colon], &bytes[colon + 1..]),
            (None, None) => return Ok(Self::Local(PathBuf::from(text))),
        };
        remote.map(Self::Remote).map_err(|reason| RemoteError::new(text, reason))
    }
}

impl Remote {
    /// Takes a text that must be remote.
    ///
    /// # Errors
    /// It is local, or wrong.
    pub fn parse(text: &OsStr) -> Result<Self, RemoteError> {
        match TypedPath::parse(text)? {
            TypedPath::Remote(remote) => Ok(remote),
            TypedPath::Local(_) => Err(RemoteError::new(text, RemotePathFault::IsLocal)),
        }
    }

    /// Another path on the same server, as it is typed by somebody who is here: from the root if it begins with `/`,
    /// otherwise from here. `..` is understood by the path's text, and the root is its own parent.
    ///
    /// # Errors
    /// It is no path.
    pub fn at(&self, path: &OsStr) -> Result<Self, RemoteError> {
        let bytes = path.as_bytes();
        if bytes.is_empty() {
            return Ok(Self { ending: PathEnding::Slash, ..self.clone() });
        }
        let is_whole = bytes.starts_with(b"/") || (self.way == Way::Ssh && is_in_home(bytes));
        let base = if is_whole { &b""[..] } else { self.path.as_bytes() };
        let ending = if bytes == HOME { PathEnding::Slash } else { PathEnding::of(bytes) };
        let mut names: Vec<&[u8]> = Vec::new();
        for name in base.split(|byte| *byte == b'/').chain(bytes.split(|byte| *byte == b'/')) {
            match name {
                // What is above the home folder only the server knows.
                b".." if self.way == Way::Ssh && names == [HOME] => {
                    return Err(RemoteError::new(path, PathError::Dots.into()));
                }
                b".." => drop(names.pop()),
                b"" | b"." => {}
                name => names.push(name),
            }
        }
        let path = RemotePath::from_user(&names.join(&b'/'))
            .map_err(|error| RemoteError::new(path, RemotePathFault::Path(error)))?;
        Ok(Self { path, ending, ..self.clone() })
    }

    /// Host and port as people write them.
    #[must_use]
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }

    /// The URL of this place.
    #[must_use]
    pub fn url(&self) -> String {
        url::of(self)
    }

    /// The last name of the path; `None` for the root and the home folder, and where contents are meant.
    #[must_use]
    pub fn last_name(&self) -> Option<Name> {
        match self.ending {
            _ if self.is_top() => None,
            PathEnding::Name | PathEnding::Slash => self.path.split_last().map(|(_, name)| name),
            PathEnding::Dot => None,
        }
    }

    /// True for the user's root, and over ssh for the home folder.
    #[must_use]
    pub fn is_top(&self) -> bool {
        self.path.is_root() || (self.way == Way::Ssh && self.path.as_bytes() == HOME)
    }

    /// The name that the item keeps in its target if it is fetched with everything in it, by rsync's rule: with a `/` at the end,
    /// the folder's contents are meant.
    #[must_use]
    pub fn name_of_tree(&self) -> Option<Name> {
        match self.ending {
            PathEnding::Name => self.last_name(),
            PathEnding::Slash | PathEnding::Dot => None,
        }
    }

    /// True if the path was typed as that of a folder.
    #[must_use]
    pub fn must_be_folder(&self) -> bool {
        match self.ending {
            PathEnding::Name => false,
            PathEnding::Slash | PathEnding::Dot => true,
        }
    }
}

impl RemoteError {
    fn new(text: &OsStr, reason: RemotePathFault) -> Self {
        Self { text: Escaped(text.as_bytes()).to_string(), reason }
    }
}

impl From<RemoteError> for crate::Error {
    fn from(error: RemoteError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl PathEnding {
    fn of(path: &[u8]) -> Self {
        match path.rsplit(|byte| *byte == b'/').next() {
            Some(b"") | None => Self::Slash,
            Some(b"." | b"..") => Self::Dot,
            Some(_) => Self::Name,
        }
    }
}

/// Host and port as people write them: an IPv6 address stands in brackets, and port 0 is none.
#[must_use]
pub fn address(host: &str, port: u16) -> String {
    if port == 0 {
        return host.to_owned();
    }
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Reads what [`address`] writes; the port may be left out, and then the brackets too.
#[must_use]
pub fn parse_address(text: &str) -> Option<(String, u16)> {
    if let Some(host) = parse_host(text).or_else(|| parse_host(&format!("[{text}]"))) {
        return Some((host, DEFAULT_PORT));
    }
    let (host, port) = text.rsplit_once(':')?;
    Some((parse_host(host)?, parse_port(port)?))
}

/// True if the path begins in the home folder.
fn is_in_home(path: &[u8]) -> bool {
    path == HOME || path.starts_with(b"~/")
}

/// A path over ssh, which begins in the home folder unless it begins with `/`.
fn over_ssh(path: &[u8]) -> Result<(RemotePath, PathEnding), RemotePathFault> {
    if path.starts_with(b"/")
        && RemotePath::from_user(path)?.names().next().is_some_and(|first| first.as_bytes() == HOME)
    {
        return Err(RemotePathFault::Home);
    }
    let whole = if path.starts_with(b"/") || is_in_home(path) { path } else { &[HOME, b"/", path].concat() };
    let ending = if path == HOME { PathEnding::Slash } else { PathEnding::of(path) };
    Ok((RemotePath::from_user(whole)?, ending))
}

fn scp(authority: &[u8], path: &[u8]) -> Result<Remote, RemotePathFault> {
    let (way, path, colon) = match path.strip_prefix(b":") {
        Some(path) => (Way::Ftpx, path, "::"),
        None => (Way::Ssh, path, ":"),
    };
    if path
        .iter()
        .position(|byte| *byte == b':')
        .is_some_and(|end| end > 0 && path[..end].iter().all(u8::is_ascii_digit))
    {
        return Err(RemotePathFault::PortInScp);
    }
    if let Some(port) = path.split(|byte| *byte == b'/').next().and_then(|first| str::from_utf8(first).ok())
        && let Some(port) = parse_port(port)
    {
        let place = String::from_utf8_lossy(authority).into_owned();
        return Err(RemotePathFault::PortOrFolder { place, port, colon });
    }
    let (user, host) = split_user(authority);
    let user = user.map(|user| parse_user(user.to_vec())).transpose()?;
    let host =
        str::from_utf8(host).ok().and_then(|host| parse_host_of(way, host)).ok_or(RemotePathFault::Host)?;
    if way == Way::Ssh && !user.as_deref().is_none_or(is_plain_user) {
        return Err(RemotePathFault::User);
    }
    let (port, (path, ending)) = match way {
        Way::Ftpx => (DEFAULT_PORT, (RemotePath::from_user(path)?, PathEnding::of(path))),
        Way::Ssh => (PORT_OF_SSH_CONFIG, over_ssh(path)?),
    };
    Ok(Remote { way, user, host, port, path, ending, pin: None })
}

/// Where host and path are separated; the same rule as scp's `colon()`.
fn colon(text: &[u8]) -> Option<usize> {
    let slash = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
    let head = &text[..slash];
    let bracket = if head.starts_with(b"[") { Some(0) } else { find(head, b"@[") };
    match bracket.and_then(|_| find(head, b"]:")) {
        Some(end) => Some(end + 1),
        None => head.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0),
    }
}

fn find(text: &[u8], pair: &[u8; 2]) -> Option<usize> {
    text.windows(2).position(|window| window == pair)
}

/// A user's name may hold an `@`, a host may not.
fn split_user(authority: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
        None => (None, authority),
    }
}

fn parse_user(bytes: Vec<u8>) -> Result<String, RemotePathFault> {
    String::from_utf8(bytes).ok().filter(|user| !user.is_empty()).ok_or(RemotePathFault::User)
}

fn parse_host(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        return parse_ipv6(inner.strip_suffix(']')?);
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (!text.is_empty() && !text.starts_with('-') && text.bytes().all(allowed))
        .then(|| text.to_ascii_lowercase())
}

/// ssh's configuration tells upper and lower case of its aliases apart.
fn parse_host_of(way: Way, text: &str) -> Option<String> {
    let host = parse_host(text)?;
    Some(if way == Way::Ssh && host.eq_ignore_ascii_case(text) { text.to_owned() } else { host })
}

/// True for a user whom no shell takes for anything else: ssh's configuration may put the name into commands.
fn is_plain_user(user: &str) -> bool {
    !user.starts_with('-')
        && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@+\\".contains(&byte))
}

/// With an interface after `%`, as link-local addresses need it.
fn parse_ipv6(text: &str) -> Option<String> {
    let (address, interface) =
        text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let address: Ipv6Addr = address.parse().ok()?;
    match interface {
        None => Some(address.to_string()),
        Some(zone)
            if !zone.is_empty()
                && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) =>
        {
            Some(format!("{address}%{zone}"))
        }
        Some(_) => None,
    }
}

fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

#[cfg(test)]
mod tests;
