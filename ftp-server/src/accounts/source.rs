//! `from="…"` of a key: the addresses from which it may be used, as OpenSSH reads them, but addresses only. A host's name
//! would depend on DNS, which others may control.

use ipnet::IpNet;
use std::net::IpAddr;

/// A list of patterns, some of them negated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources(Vec<AddressRule>);

/// A pattern cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("from=: {pattern:?} {reason}")]
pub struct BadSource {
    pattern: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct AddressRule {
    negated: bool,
    pattern: AddressPattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AddressPattern {
    Net(IpNet),
    /// With `*` and `?`, compared with the address as it is written.
    Wildcard(String),
}

impl Sources {
    /// Parses a comma-separated list.
    pub(super) fn parse(text: &str) -> Result<Self, BadSource> {
        text.split(',').map(AddressRule::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Returns true if a pattern matches and no negated one does.
    pub(super) fn permit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical(); // a socket for IPv6 shows IPv4 peers as ::ffff:192.0.2.1
        let any = |negated| self.0.iter().any(|s| s.negated == negated && s.pattern.matches(address));
        any(false) && !any(true)
    }
}

impl AddressRule {
    fn parse(text: &str) -> Result<Self, BadSource> {
        let (negated, pattern) = match text.trim().strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text.trim()),
        };
        let bad = |reason| BadSource { pattern: pattern.to_owned(), reason };
        Ok(Self { negated, pattern: AddressPattern::parse(pattern).map_err(bad)? })
    }
}

impl AddressPattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(IpNet::from(address.to_canonical())));
        }
        if text.contains('/') {
            let net: IpNet = text.parse().map_err(|_| "is not a network; write it as 192.0.2.0/24")?;
            return if net == net.trunc() {
                Ok(Self::Net(net))
            } else {
                Err("has bits set behind its length; write it as 192.0.2.0/24")
            };
        }
        let wildcard = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'?');
        let ipv4 = text.bytes().all(|byte| wildcard(byte) || byte == b'.');
        let ipv6 = text.contains(':')
            && text.bytes().all(|byte| wildcard(byte) || byte.is_ascii_hexdigit() || byte == b':');
        if !text.is_empty() && text.contains(['*', '?']) && (ipv4 || ipv6) {
            Ok(Self::Wildcard(text.to_ascii_lowercase()))
        } else {
            Err("is not an address; host names are not looked up, so write addresses or networks")
        }
    }

    fn matches(&self, address: IpAddr) -> bool {
        match self {
            Self::Net(net) => net.contains(&address),
            Self::Wildcard(pattern) => wildcard_matches(pattern.as_bytes(), address.to_string().as_bytes()),
        }
    }
}

/// `*` is any run of characters, `?` one. An address is short, and so a pattern that is worth anything.
fn wildcard_matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| wildcard_matches(rest, &text[skipped..])),
        ([b'?', pattern @ ..], [_, text @ ..]) => wildcard_matches(pattern, text),
        ([one, pattern @ ..], [other, text @ ..]) => one == other && wildcard_matches(pattern, text),
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(patterns: &str, address: &str) -> bool {
        Sources::parse(patterns).unwrap().permit(address.parse().unwrap())
    }

    #[test]
    fn addresses_networks_and_wildcards_match() {
        assert!(permits("192.0.2.7", "192.0.2.7"));
        assert!(permits("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(!permits("192.0.2.7", "192.0.2.70"));
        assert!(permits("10.0.0.0/8,192.0.2.0/24", "192.0.2.200"));
        assert!(!permits("10.0.0.0/8,192.0.2.0/24", "192.0.3.1"));
        assert!(permits("192.0.2.*", "192.0.2.200") && !permits("192.0.2.*", "192.0.20.2"));
        assert!(permits("192.0.2.?", "192.0.2.9") && !permits("192.0.2.?", "192.0.2.10"));
        assert!(permits("2001:db8::/32", "2001:db8::1") && !permits("2001:db8::/32", "192.0.2.1"));
        assert!(permits("2001:DB8:*", "2001:db8::1") && permits("0:0:0:0:0:0:0:1", "::1"));
        assert!(permits("*", "192.0.2.1") && permits("*", "::1"));
    }

    #[test]
    fn a_negated_pattern_wins_and_permits_nothing_by_itself() {
        assert!(permits("!192.0.2.7,192.0.2.0/24", "192.0.2.8"));
        assert!(!permits("!192.0.2.7,192.0.2.0/24", "192.0.2.7"));
        assert!(!permits("192.0.2.0/24,!192.0.2.7", "192.0.2.7"));
        assert!(!permits("!192.0.2.7", "192.0.2.8"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", "*.example.com", "host", "192.0.2.1/24", "192.0.2.0/33", "192.0.2", "10.0.0.0/8,", "!", "a*"]
        {
            assert!(Sources::parse(text).is_err(), "{text:?}");
        }
    }
}
