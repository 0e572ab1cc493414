//! Chooses the address to give to others when the server listens on all addresses of the machine.

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
    fn a_wildcard_becomes_an_address_one_can_connect_to() {
        for text in ["0.0.0.0:7", "[::]:7"] {
            let address = from(text.parse().unwrap());
            assert!(!address.ip().is_unspecified());
            assert_eq!(address.port(), 7);
        }
    }
}
