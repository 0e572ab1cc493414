//! Two hosts on a simulated wide-area network, so that tests and benchmarks meet delay, loss and cuts as programs
//! meet them on the Internet: the link forwards IP packets, so TCP's own congestion control is at work. Each host is
//! a network namespace of this machine. Needs Linux, root and iproute2.
//!
//! ```no_run
//! use tests::wan::{Side, Wan, WanOptions};
//!
//! let wan = Wan::up(WanOptions { rtt_ms: 100.0, loss_percent: 0.5, ..WanOptions::default() })?;
//! let server = wan.command(Side::B, "ftp-server").args(["serve", "--listen", "10.77.0.2:2121"]).spawn()?;
//! wan.cut(); // neither host is told
//! wan.mend();
//! # anyhow::Ok(())
//! ```
//!
//! Dropping a [`Wan`] takes its hosts away, and whatever still runs on them loses its network. Hosts that a killed
//! process left behind are removed when the next one brings its own up.

mod link;
mod netns;
mod pipe;
mod random;

pub use link::Totals;
pub use netns::is_running;
pub use random::Random;

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use link::Link;
use netns::Netns;

/// The properties of the link, the same in both directions.
#[derive(Clone, Debug)]
pub struct WanOptions {
    /// Round trip time in milliseconds, half of it each way.
    pub rtt_ms: f64,
    /// Rate of each direction in megabits per second.
    pub rate_mbit: f64,
    /// Percentage of packets lost at random in each direction.
    pub loss_percent: f64,
    /// Room for waiting packets in KiB. `None`: one bandwidth-delay product and at least 64 KiB, as a well-sized
    /// router has.
    pub queue_kb: Option<u64>,
    /// TCP congestion control of both hosts; `None` leaves the kernel's default. It is set on the route, since a namespace may
    /// refuse the setting, so it outranks a `TCP_CONGESTION` set before connecting.
    pub congestion: Option<String>,
    /// Selects the packets that are lost.
    pub seed: u64,
}

impl Default for WanOptions {
    fn default() -> Self {
        Self {
            rtt_ms: 100.0,
            rate_mbit: 200.0,
            loss_percent: 0.0,
            queue_kb: None,
            congestion: Some("cubic".into()),
            seed: 1,
        }
    }
}

/// One of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 10.77.0.1
    A,
    /// 10.77.0.2
    B,
}

impl Side {
    /// The host's address on the link.
    pub fn address(self) -> Ipv4Addr {
        match self {
            Side::A => Ipv4Addr::new(10, 77, 0, 1),
            Side::B => Ipv4Addr::new(10, 77, 0, 2),
        }
    }
}

/// Two hosts and the link between them.
#[derive(Debug)]
pub struct Wan {
    // Before the namespaces, so that it is dropped first: an open device keeps its namespace alive.
    link: Link,
    a: Netns,
    b: Netns,
}

impl Wan {
    /// Makes both hosts and joins them.
    pub fn up(options: WanOptions) -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "a simulated network needs root: namespaces and TUN devices"
        );
        netns::sweep();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let a = Netns::create(format!("wan-{}-{number}-a", std::process::id()))?;
        let b = Netns::create(format!("wan-{}-{number}-b", std::process::id()))?;
        let devices = [&a, &b].map(|host| host.inside(link::open_device).and_then(|opened| opened));
        let [device_a, device_b] = devices;
        let link = Link::start(device_a?, device_b?, &options);
        for (host, side) in [(&a, Side::A), (&b, Side::B)] {
            host.configure(side.address(), options.congestion.as_deref())
                .with_context(|| format!("configuring {}", host.name()))?;
        }
        Ok(Self { link, a, b })
    }

    /// A command that runs `program` on a host.
    pub fn command(&self, side: Side, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.host(side).name(), program]);
        command
    }

    /// Runs `action` in a thread of this process that is on a host. Sockets it opens stay on that host.
    pub fn inside<T: Send>(&self, side: Side, action: impl FnOnce() -> T + Send) -> Result<T> {
        self.host(side).inside(action)
    }

    /// Loses every packet from now on; neither host is notified.
    pub fn cut(&self) {
        self.link.set_cut(true);
    }

    /// Undoes [`Wan::cut`].
    pub fn mend(&self) {
        self.link.set_cut(false);
    }

    /// Returns the traffic so far: from A to B, and from B to A.
    pub fn totals(&self) -> [Totals; 2] {
        self.link.totals()
    }

    /// Returns the TCP congestion control of a host's new connections.
    pub fn congestion(&self, side: Side) -> Result<String> {
        self.host(side).congestion()
    }

    fn host(&self, side: Side) -> &Netns {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }
}

/// Numbers the networks of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    fn connected(wan: &Wan) -> (TcpStream, TcpStream) {
        let listener = wan.inside(Side::B, || TcpListener::bind((Side::B.address(), 0))).unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        let near = wan.inside(Side::A, || TcpStream::connect(address)).unwrap().unwrap();
        (near, listener.accept().unwrap().0)
    }

    #[test]
    #[ignore = "needs root"]
    fn a_connection_takes_one_round_trip() {
        let wan = Wan::up(WanOptions { rtt_ms: 80.0, ..WanOptions::default() }).unwrap();
        let began = Instant::now();
        let _pair = connected(&wan);
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(80) && took < Duration::from_millis(160), "{took:?}");
    }

    #[test]
    #[ignore = "needs root"]
    fn a_cut_link_delivers_nothing_until_it_is_mended() {
        let wan = Wan::up(WanOptions { rtt_ms: 10.0, ..WanOptions::default() }).unwrap();
        let (mut near, mut far) = connected(&wan);
        wan.cut();
        near.write_all(b"hello").unwrap();
        far.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut received = [0; 5];
        assert_eq!(far.read(&mut received).unwrap_err().kind(), ErrorKind::WouldBlock);
        wan.mend();
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        far.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"hello");
        assert!(wan.totals()[0].lost > 0);
    }

    #[test]
    #[ignore = "needs root"]
    fn both_hosts_have_the_congestion_control_that_was_asked_for() {
        let wan = Wan::up(WanOptions { congestion: Some("reno".into()), ..WanOptions::default() }).unwrap();
        assert_eq!([wan.congestion(Side::A).unwrap(), wan.congestion(Side::B).unwrap()], ["reno", "reno"]);
    }
}
