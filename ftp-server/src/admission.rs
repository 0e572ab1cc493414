//! How many connections there may be: in all, from one address, and from one address before they have logged in.
//!
//! A connection has a [`ConnectionSlot`] from its first byte to its end, whatever it becomes. A lane is a stranger like any other until a session
//! that has logged in takes it. So strangers cannot keep others out: those of one address are bounded well below the whole.

use crate::config::ServerLimits;
use crate::source::PeerNetwork;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::sync::lock;

/// Counts connections.
pub(crate) struct ConnectionLimiter {
    bounds: Mutex<ConnectionLimits>,
    counts: Mutex<ConnectionCounts>,
}

#[derive(Debug, Clone, Copy)]
struct ConnectionLimits {
    all: usize,
    per_address: usize,
    strangers_per_address: usize,
}

/// Entries are of connections that are open, so there are no more of them.
#[derive(Default)]
struct ConnectionCounts {
    all: usize,
    by_source: HashMap<PeerNetwork, OfSource>,
}

#[derive(Default)]
struct OfSource {
    all: usize,
    strangers: usize,
}

/// A connection's place, given up when dropped.
pub(crate) struct ConnectionSlot {
    admission: Arc<ConnectionLimiter>,
    source: PeerNetwork,
    is_stranger: bool,
}

/// Why a connection has no place. Each names the key that sets the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum Full {
    #[error("too many in all (connections = {0})")]
    All(usize),
    #[error("too many from this address (connections_per_address, at most {0})")]
    Address(usize),
    #[error("too many from this address that have not logged in (strangers_per_address, at most {0})")]
    Strangers(usize),
}

impl ConnectionLimiter {
    pub(crate) fn new(limits: &ServerLimits) -> Arc<Self> {
        Arc::new(Self {
            bounds: Mutex::new(ConnectionLimits::of(limits, limits.connections)),
            counts: Mutex::default(),
        })
    }

    /// From now on these limits of addresses hold. Connections that are over one of them stay.
    pub(crate) fn set_limits(&self, limits: &ServerLimits) {
        let mut bounds = lock(&self.bounds);
        *bounds = ConnectionLimits::of(limits, bounds.all);
    }

    /// A place for a connection from `peer`.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Result<ConnectionSlot, Full> {
        let source = PeerNetwork::from(peer);
        let bounds = *lock(&self.bounds);
        let mut counts = self.counts();
        if counts.all >= bounds.all {
            return Err(Full::All(bounds.all));
        }
        if let Some(of_source) = counts.by_source.get(&source) {
            if of_source.all >= bounds.per_address {
                return Err(Full::Address(bounds.per_address));
            }
            if of_source.strangers >= bounds.strangers_per_address {
                return Err(Full::Strangers(bounds.strangers_per_address));
            }
        }
        counts.all += 1;
        let of_source = counts.by_source.entry(source).or_default();
        of_source.all += 1;
        of_source.strangers += 1;
        Ok(ConnectionSlot { admission: self.clone(), source, is_stranger: true })
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.counts().all
    }

    /// Each change under the lock is of numbers only, so a panic elsewhere cannot have left half of one.
    fn counts(&self) -> MutexGuard<'_, ConnectionCounts> {
        lock(&self.counts)
    }
}

impl ConnectionLimits {
    fn of(limits: &ServerLimits, all: usize) -> Self {
        Self {
            all,
            per_address: limits.connections_per_address.min(all),
            // Whatever is configured, half of the places are for others.
            strangers_per_address: limits.strangers_per_address.min((all / 2).max(1)),
        }
    }
}

impl ConnectionSlot {
    /// Marks the connection as one of a user who has logged in.
    pub(crate) fn logged_in(&mut self) {
        if self.is_stranger
            && let Some(of_source) = self.admission.counts().by_source.get_mut(&self.source)
        {
            of_source.strangers -= 1;
            self.is_stranger = false;
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        counts.all -= 1;
        if let Some(of_source) = counts.by_source.get_mut(&self.source) {
            of_source.all -= 1;
            of_source.strangers -= usize::from(self.is_stranger);
            if of_source.all == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, connections_per_address: usize) -> Arc<ConnectionLimiter> {
        let limits = ServerLimits { connections, connections_per_address, ..ServerLimits::default() };
        ConnectionLimiter::new(&limits)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn strangers_of_one_address_leave_half_to_others() {
        let admission = admission(10, 10);
        let strangers: Vec<_> = (0..5).map(|_| admission.admit(ip("192.0.2.1")).ok().unwrap()).collect();
        assert_eq!(admission.admit(ip("::ffff:192.0.2.1")).err(), Some(Full::Strangers(5)));
        let mut other = admission.admit(ip("192.0.2.2")).ok().unwrap();
        other.logged_in();
        other.logged_in();
        drop(strangers);
        assert!(admission.admit(ip("192.0.2.1")).is_ok());
        assert_eq!(admission.connections(), 1);
        drop(other);
        assert_eq!((admission.connections(), admission.counts().by_source.len()), (0, 0));
    }

    #[test]
    fn who_has_logged_in_counts_for_the_address_and_for_all() {
        let admission = admission(6, 4);
        let known = |address: &str| {
            let mut place = admission.admit(ip(address))?;
            place.logged_in();
            Ok::<_, Full>(place)
        };
        let one: Vec<_> = (0..4).map(|_| known("2001:db8::1").ok().unwrap()).collect();
        assert_eq!(known("2001:db8::2").err(), Some(Full::Address(4)), "the same /64");
        let two: Vec<_> = (0..2).map(|_| known("2001:db8:0:1::1").ok().unwrap()).collect();
        assert_eq!(known("192.0.2.1").err(), Some(Full::All(6)));
        drop((one, two));
    }

    #[test]
    fn one_connection_is_possible_where_one_is_all() {
        assert!(admission(1, 1).admit(ip("192.0.2.1")).is_ok());
    }
}
