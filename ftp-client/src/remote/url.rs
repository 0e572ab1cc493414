//! The URL spelling of a remote path: `ftpx://[user@]host[:port]/path[?pin=sha256:HEX]`, or `ssh://[user@]host[:port]/path`, where
//! `/~/path` is in the home folder.
//!
//! Not the `url` crate: it would turn `..`, empty components and bytes that are no UTF-8 into something else.

use super::{
    DEFAULT_PORT, PORT_OF_SSH_CONFIG, PathEnding, Remote, RemotePathFault, Way, is_plain_user, parse_host_of,
    parse_port, parse_user, split_user,
};
use crate::fingerprint::{self, ServerKey};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode, utf8_percent_encode};
use wire::RemotePath;
use wire::path::PathError;

/// The scheme, if this is a URL of any kind: `letters://`.
pub(super) fn scheme(text: &[u8]) -> Option<&[u8]> {
    let end = text.windows(3).position(|window| window == b"://")?;
    let (first, rest) = text[..end].split_first()?;
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    (first.is_ascii_alphabetic() && rest.iter().all(allowed)).then_some(&text[..end])
}

/// The URL of a place.
pub(super) fn of(remote: &Remote) -> String {
    let user = remote.user.as_ref().map(|user| format!("{}@", utf8_percent_encode(user, ENCODED)));
    let (scheme, usual) = match remote.way {
        Way::Ftpx => ("ftpx", DEFAULT_PORT),
        Way::Ssh => ("ssh", PORT_OF_SSH_CONFIG),
    };
    let port = if remote.port == usual { String::new() } else { format!(":{}", remote.port) };
    let host = if remote.host.contains(':') { format!("[{}]", remote.host) } else { remote.host.clone() };
    let host = host.replace('%', "%25");
    let path = percent_encode(remote.path.as_bytes(), ENCODED);
    let pin = remote.pin.map(|pin| format!("?pin={}", fingerprint::show(&pin)));
    format!("{scheme}://{}{host}{port}/{path}{}", user.unwrap_or_default(), pin.unwrap_or_default())
}

/// All but letters, digits and what stands for itself in a path.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn parse(text: &[u8]) -> Result<Remote, RemotePathFault> {
    let scheme = scheme(text).ok_or(RemotePathFault::Scheme)?;
    let (way, usual) = match &*scheme.to_ascii_lowercase() {
        b"ftpx" => (Way::Ftpx, DEFAULT_PORT),
        b"ssh" => (Way::Ssh, PORT_OF_SSH_CONFIG),
        _ => return Err(RemotePathFault::Scheme),
    };
    let rest = &text[scheme.len() + 3..];
    if rest.contains(&b'#') {
        return Err(RemotePathFault::Fragment);
    }
    let (rest, query) = split_once(rest, b'?');
    let (authority, path) = split_once(rest, b'/');
    let (user, host, port) = parse_authority(authority, way, usual)?;
    let path = path.unwrap_or_default();
    let pin = query.map(parse_query).transpose()?;
    if way == Way::Ssh && pin.is_some() {
        return Err(RemotePathFault::Query); // ssh decides about hosts
    }
    Ok(Remote { way, user, host, port, path: parse_path(path)?, ending: PathEnding::of(path), pin })
}

fn parse_authority(
    authority: &[u8],
    way: Way,
    usual: u16,
) -> Result<(Option<String>, String, u16), RemotePathFault> {
    let (user, place) = split_user(authority);
    if user.is_some_and(|user| user.contains(&b':')) {
        return Err(RemotePathFault::Password);
    }
    let user = user.map(|user| decode(user).and_then(parse_user)).transpose()?;
    if way == Way::Ssh && !user.as_deref().is_none_or(is_plain_user) {
        return Err(RemotePathFault::User);
    }
    let (host, port) = split_port(place);
    let host = String::from_utf8(decode(host)?)
        .ok()
        .and_then(|host| parse_host_of(way, &host))
        .ok_or(RemotePathFault::Host)?;
    let port = match port {
        Some(port) => str::from_utf8(port).ok().and_then(parse_port).ok_or(RemotePathFault::Port)?,
        None => usual,
    };
    Ok((user, host, port))
}

/// The port stands after the last `:` that is not within brackets.
fn split_port(place: &[u8]) -> (&[u8], Option<&[u8]>) {
    let host_end = place.iter().position(|byte| *byte == b']').unwrap_or(0);
    match place[host_end..].iter().position(|byte| *byte == b':') {
        Some(colon) => (&place[..host_end + colon], Some(&place[host_end + colon + 1..])),
        None => (place, None),
    }
}

/// Decoded name by name: an encoded `/` would change which names there are.
fn parse_path(path: &[u8]) -> Result<RemotePath, RemotePathFault> {
    let mut names = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        let name = decode(part)?;
        if name.contains(&b'/') {
            return Err(PathError::Slash.into());
        }
        names.push(name);
    }
    Ok(RemotePath::from_user(&names.join(&b'/'))?)
}

fn parse_query(query: &[u8]) -> Result<ServerKey, RemotePathFault> {
    let value = query.strip_prefix(b"pin=").ok_or(RemotePathFault::Query)?;
    let value = String::from_utf8(decode(value)?).map_err(|_| RemotePathFault::Pin)?;
    fingerprint::parse(&value).ok_or(RemotePathFault::Pin)
}

fn decode(text: &[u8]) -> Result<Vec<u8>, RemotePathFault> {
    let mut rest = text;
    while let (_, Some(after)) = split_once(rest, b'%') {
        if after.len() < 2 || !after[..2].iter().all(u8::is_ascii_hexdigit) {
            return Err(RemotePathFault::Percent);
        }
        rest = &after[2..];
    }
    Ok(percent_decode(text).collect())
}

fn split_once(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == separator) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}
