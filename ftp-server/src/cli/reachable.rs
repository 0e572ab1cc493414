//! Chooses the addresses to give to others when the server listens on all addresses of the machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address at which others reach a socket: its own, or for a wildcard the machine's main one.
pub(crate) fn from(bound: SocketAddr) -> SocketAddr {
    let found = match bound.ip() {
        address if !address.is_unspecified() => Some(address),
        IpAddr::V4(_) => main_ipv4(),
        IpAddr::V6(_) => main_ipv4().or_else(main_ipv6),
    };
    SocketAddr::new(found.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), bound.port())
}

/// The other addresses at which a socket may be reached, where it takes those of the whole machine. Addresses that need an interface's
/// name, and those of the machine for itself, are left out.
pub(crate) fn others(bound: SocketAddr, main: IpAddr) -> Vec<IpAddr> {
    if !bound.ip().is_unspecified() {
        return Vec::new();
    }
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let storage = interface.address?;
        let ipv4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        ipv4.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    chosen(interfaces.filter_map(address), bound.is_ipv6(), main)
}

fn chosen(all: impl Iterator<Item = IpAddr>, with_ipv6: bool, main: IpAddr) -> Vec<IpAddr> {
    let is_local = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => !with_ipv6 || address.is_loopback() || address.is_unicast_link_local(),
    };
    let mut chosen: Vec<IpAddr> = all.filter(|address| !is_local(address) && *address != main).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

fn main_ipv4() -> Option<IpAddr> {
    source_address((Ipv4Addr::UNSPECIFIED, 0).into(), (FAR_IPV4, ANY_PORT).into())
}

fn main_ipv6() -> Option<IpAddr> {
    source_address((Ipv6Addr::UNSPECIFIED, 0).into(), (FAR_IPV6, ANY_PORT).into())
}

/// Connecting a UDP socket sends no packet; it only asks the routing table which of the machine's addresses it would use.
fn source_address(local: SocketAddr, far: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(local).ok()?;
    socket.connect(far).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_unspecified())
}

/// Addresses for documentation (RFC 5737, RFC 3849): beyond the default route, and not in use.
const FAR_IPV4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR_IPV6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const ANY_PORT: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_address_is_given_as_it_is() {
        for text in ["192.168.1.5:2121", "[::1]:5"] {
            assert_eq!(from(text.parse().unwrap()), text.parse().unwrap());
        }
    }

    #[test]
    fn other_addresses_are_those_that_others_can_use() {
        let all = [
            "127.0.0.1",
            "192.0.2.7",
            "192.0.2.2",
            "fe80::1",
            "::1",
            "2001:db8::2",
            "169.254.1.1",
            "192.0.2.2",
        ];
        let all = || all.iter().map(|text| text.parse().unwrap());
        let main = "192.0.2.7".parse().unwrap();
        let texts = |with_ipv6| {
            let chosen = chosen(all(), with_ipv6, main);
            chosen.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(texts(true), ["192.0.2.2", "2001:db8::2"]);
        assert_eq!(texts(false), ["192.0.2.2"]);
        assert!(others("192.0.2.7:1".parse().unwrap(), main).is_empty());
    }

    #[test]
    fn a_wildcard_becomes_an_address_one_can_connect_to() {
        for text in ["0.0.0.0:7", "[::]:7"] {
            let address = from(text.parse().unwrap());
            assert!(!address.ip().is_unspecified());
            assert_eq!(address.port(), 7);
        }
    }
}
