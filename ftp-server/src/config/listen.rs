//! Addresses to listen on: one or a list of them, the port optional.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The port of servers and URLs that name none.
pub const DEFAULT_PORT: u16 = 2121;

/// The text is not an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address to listen on; write it as 127.0.0.1:2121, [::1]:2121 or 192.168.1.5")]
pub struct BadListen(String);

/// Parses `ADDRESS:PORT`, `[ADDRESS]:PORT` and a bare address, which gets the default port.
///
/// # Errors
/// The text is none of these. Names are not looked up: where a server listens should not depend on DNS.
pub fn parse_listen(text: &str) -> Result<SocketAddr, BadListen> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse()
        .or_else(|_| bare.parse().map(|address: IpAddr| SocketAddr::new(address, DEFAULT_PORT)))
        .map_err(|_| BadListen(text.to_owned()))
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct ListenList(pub(super) Vec<SocketAddr>);

impl ListenList {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for ListenList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore)
    }
}

/// Not an untagged enum, whose errors would not name the reason.
struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = ListenList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address such as \"127.0.0.1:2121\", or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ListenList, E> {
        parse_listen(text).map(|address| ListenList(vec![address])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ListenList, A::Error> {
        let mut addresses = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            addresses.push(parse_listen(&text).map_err(de::Error::custom)?);
            if addresses.len() > LISTEN_COUNT_MAX {
                return Err(de::Error::custom(format!("at most {LISTEN_COUNT_MAX} addresses")));
            }
        }
        Ok(ListenList(addresses))
    }
}

/// Each takes a socket and a task.
const LISTEN_COUNT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_port_are_understood() {
        for (text, meant) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::]:2121", "[::]:2121"),
            ("192.168.1.5", "192.168.1.5:2121"),
            ("::1", "[::1]:2121"),
            ("[::1]", "[::1]:2121"),
        ] {
            assert_eq!(parse_listen(text).unwrap(), meant.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn names_and_nonsense_are_refused() {
        for text in ["", "localhost:2121", ":2121", "2121", "1.2.3.4:", "1.2.3.4:99999", "[::1", "::1]:5"] {
            assert!(parse_listen(text).is_err(), "{text}");
        }
    }
}
