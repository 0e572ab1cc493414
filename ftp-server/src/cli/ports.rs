//! A range of ports, as it is typed.

/// The ports for connections over TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

/// Reads `FIRST-LAST` or one port.
pub(crate) fn parse_ports(text: &str) -> Result<Ports, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    match (port(first), port(last)) {
        (Some(first), Some(last)) if first <= last => Ok(Ports { first, last }),
        _ => Err("write FIRST-LAST, two ports from 1 to 65535".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_a_range() {
        assert_eq!(parse_ports("2000-2010"), Ok(Ports { first: 2000, last: 2010 }));
        assert_eq!(parse_ports("2000"), Ok(Ports { first: 2000, last: 2000 }));
        for wrong in ["", "0-5", "5-4", "a-b", "1-70000", "1-2-3"] {
            assert!(parse_ports(wrong).is_err(), "{wrong}");
        }
    }
}
