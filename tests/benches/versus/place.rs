//! The location of the two ends: this machine's loopback, or the hosts of a simulated network.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use anyhow::{Context, Result};
use tests::wan::{Side, Wan};

/// The network between client and server.
pub(crate) enum Place {
    Loopback,
    /// The client is on host A, the server on host B.
    Wan(Box<Wan>),
}

impl Place {
    pub(crate) fn server_ip(&self) -> IpAddr {
        match self {
            Place::Loopback => Ipv4Addr::LOCALHOST.into(),
            Place::Wan(_) => Side::B.address().into(),
        }
    }

    /// A command for the client's end.
    pub(crate) fn client(&self, program: &str) -> Command {
        match self {
            Place::Loopback => Command::new(program),
            Place::Wan(wan) => wan.command(Side::A, program),
        }
    }

    /// A command for the server's end that ends when this process does, in whatever way.
    pub(crate) fn server(&self, program: &str) -> Command {
        let inner = match self {
            Place::Loopback => Command::new(program),
            Place::Wan(wan) => wan.command(Side::B, program),
        };
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(inner.get_program()).args(inner.get_args());
        command
    }

    /// Returns the bytes that the simulated network has carried so far, both ways together.
    pub(crate) fn carried(&self) -> Option<u64> {
        match self {
            Place::Loopback => None,
            Place::Wan(wan) => Some(wan.totals().iter().map(|totals| totals.bytes).sum()),
        }
    }

    /// Returns an unused address of the server's end.
    pub(crate) fn free_address(&self) -> Result<SocketAddr> {
        let address = SocketAddr::new(self.server_ip(), 0);
        let find = move || TcpListener::bind(address).and_then(|listener| listener.local_addr());
        self.at_server(find)?.context("finding a free port")
    }

    /// True if a server accepts connections to `address`.
    pub(crate) fn answers(&self, address: SocketAddr) -> Result<bool> {
        self.at_server(move || TcpStream::connect(address).is_ok())
    }

    fn at_server<T: Send>(&self, action: impl FnOnce() -> T + Send) -> Result<T> {
        match self {
            Place::Loopback => Ok(action()),
            Place::Wan(wan) => wan.inside(Side::B, action),
        }
    }
}
