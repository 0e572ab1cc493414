//! A transport in memory for the real server and the real client: connections are pipes, which a test cuts.
//!
//! There is no encryption. The values that bind a session, a login and a lane to their connections are fixed, except for the
//! session's id: a real transport has secret ones of each connection.

use crate::support::memory_lane::MemoryLane;
use crate::support::memory_pipe::{Pipe, PipeEnd, PipePair};
use ftp_client::error::Error;
use ftp_client::{Agreed, DialTarget, Dialed, Dialing, Transport};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tests::wan::Random;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use wire::binding::{SessionId, SessionSecret};
use wire::checksum::{Checksum, Digest};
use wire::ids::LaneNo;
use wire::login::Channel;
use wire::sync::lock;
use wire::transport::{Accepted, Acceptor, Connection, Dialer};

/// The client's way to the server. Clones are the same network.
#[derive(Clone)]
pub(crate) struct MemoryNetwork {
    arrivals: mpsc::Sender<MemoryConnection>,
    state: Arc<Mutex<NetworkState>>,
}

/// The server's end of the network.
pub(crate) struct MemoryListener {
    arrivals: tokio::sync::Mutex<mpsc::Receiver<MemoryConnection>>,
}

#[derive(Default)]
struct NetworkState {
    /// The pipes to the server and back of all connections, in the order in which they were made.
    connections: Vec<[Weak<Pipe>; 2]>,
    faults: Option<Faults>,
}

/// Connections that break after some bytes.
struct Faults {
    random: Random,
    left: usize,
}

/// An end of a connection.
pub(crate) struct MemoryConnection {
    pipes: PipePair,
    number: usize,
}

impl MemoryNetwork {
    /// A network, and where a server accepts its connections.
    pub(crate) fn new() -> (Self, MemoryListener) {
        let (sender, receiver) = mpsc::channel(64);
        let network = Self { arrivals: sender, state: Arc::default() };
        (network, MemoryListener { arrivals: tokio::sync::Mutex::new(receiver) })
    }

    /// Lets the next `count` connections break, each after up to `BYTES_MAX` bytes in one direction, as `seed` decides.
    pub(crate) fn break_next(&self, count: usize, seed: u64) {
        lock(&self.state).faults = Some(Faults { random: Random::new(seed), left: count });
    }

    /// Cuts the connections whose number, counted from 0 in the order in which they were made, is in `which`. Returns how many
    /// of them were there.
    pub(crate) fn cut(&self, which: impl Fn(usize) -> bool) -> usize {
        let state = lock(&self.state);
        let connections = state.connections.iter().enumerate().filter(|(number, _)| which(*number));
        let pipes = connections.map(|(_, pipes)| pipes.each_ref().map(Weak::upgrade));
        let cut = |pipes: [Option<Arc<Pipe>>; 2]| {
            pipes.iter().flatten().for_each(|pipe| pipe.end(PipeEnd::Broken));
            usize::from(pipes.iter().any(Option::is_some))
        };
        pipes.map(cut).sum()
    }

    /// Returns the number of connections that were made so far.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.state).connections.len()
    }
}

impl Dialer for MemoryNetwork {
    type Connection = MemoryConnection;

    async fn dial(&self) -> io::Result<MemoryConnection> {
        let (own, other) = PipePair::joined();
        let number = lock(&self.state).add(&own);
        let arrival = MemoryConnection { pipes: other, number };
        self.arrivals.send(arrival).await.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(MemoryConnection { pipes: own, number })
    }
}

impl NetworkState {
    /// Adds a connection, and may let it break; returns its number.
    fn add(&mut self, pipes: &PipePair) -> usize {
        if let Some(faults) = self.faults.as_mut().filter(|faults| faults.left > 0) {
            faults.left -= 1;
            let pipe = if faults.random.fraction() < 0.5 { &pipes.outgoing } else { &pipes.incoming };
            pipe.break_after((faults.random.bits() % BYTES_MAX) as usize);
        }
        self.connections.push([Arc::downgrade(&pipes.outgoing), Arc::downgrade(&pipes.incoming)]);
        self.connections.len() - 1
    }
}

impl Transport for MemoryNetwork {
    fn dial<'a>(&'a self, target: DialTarget<'a>) -> Dialing<'a> {
        Box::pin(async move {
            let agreed =
                Agreed { checksum: Checksum::Blake3, cipher: None, round_trip: Duration::from_micros(1) };
            let dialed = Dialer::dial(self)
                .await
                .and_then(|connection| Dialed::new(connection, self.clone(), target.timeout, agreed));
            dialed.map_err(|error| Error::Unreachable {
                address: "memory".to_owned(),
                reason: error.to_string(),
                passing: true,
            })
        })
    }
}

impl Acceptor for MemoryListener {
    type Accepted = MemoryConnection;

    async fn accept(&self) -> io::Result<(MemoryConnection, SocketAddr)> {
        match self.arrivals.lock().await.recv().await {
            Some(arrival) => Ok((arrival, ([127, 0, 0, 1], 1).into())),
            None => std::future::pending().await, // all ways to the server are gone
        }
    }
}

impl Accepted for MemoryConnection {
    type Connection = Self;

    async fn handshake(self) -> io::Result<Self> {
        Ok(self)
    }
}

impl Connection for MemoryConnection {
    type Lane = MemoryLane;

    fn session_binding(&self) -> io::Result<(SessionId, SessionSecret)> {
        Ok(((self.number as u128).to_le_bytes(), SessionSecret::new([1; 32])))
    }

    fn login_channel(&self) -> io::Result<Channel> {
        Ok(Channel { exported: [2; 32], server_key: Digest([3; 32]) })
    }

    fn lane_binding(&self) -> io::Result<[u8; 32]> {
        Ok([4; 32])
    }

    fn become_control(&mut self) {}

    fn into_lane(self, number: LaneNo) -> io::Result<MemoryLane> {
        Ok(MemoryLane { number, pipes: self.pipes })
    }
}

impl AsyncRead for MemoryConnection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.pipes.incoming.poll_readable(cx));
        let mut bytes = Vec::new();
        Poll::Ready(match self.pipes.incoming.read(buf.remaining(), &mut bytes) {
            Ok(_) => {
                buf.put_slice(&bytes);
                Ok(())
            }
            Err(PipeEnd::Closed) => Ok(()),
            Err(PipeEnd::Broken) => Err(io::ErrorKind::ConnectionReset.into()),
        })
    }
}

impl AsyncWrite for MemoryConnection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.pipes.outgoing.poll_writable(cx));
        Poll::Ready(self.pipes.outgoing.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipes.outgoing.end(PipeEnd::Closed);
        Poll::Ready(Ok(()))
    }
}

/// Bytes after which a connection has broken, at the latest.
const BYTES_MAX: u64 = 2_000_000;
