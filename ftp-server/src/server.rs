//! The listening server: accepts connections within its bounds, and drains when asked to.

use crate::admission::Full;
use crate::auth::Authenticator;
use crate::config::{Config, DrainTimeout, ServerLimits};
use crate::connection;
use crate::disks::{Disks, LocalRoots, RootOpener};
use crate::grants;
use crate::identity::HostIdentity;
use crate::memory;
use crate::repeats::RepeatKind;
use crate::shared::ServerState;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use wire::store::marks::Marks;
use wire::transport::tls_tcp::avoid_bbr_until_rtt_known;

/// The settings of a server.
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Sockets that listen already, of a service manager.
    pub sockets: Vec<std::net::TcpListener>,
    /// Key and certificate.
    pub identity: HostIdentity,
    /// Decides who may log in.
    pub authenticator: Arc<dyn Authenticator>,
    /// Bounds.
    pub limits: ServerLimits,
    /// How long running transfers may take to finish while draining.
    pub drain_timeout: Duration,
    /// Records of files that were written and not synced; `None` keeps no records.
    pub marks: Option<Arc<Marks>>,
    /// Opens the roots of users.
    pub roots: Arc<dyn RootOpener>,
}

impl ServerOptions {
    /// Listens on one address and serves local folders, with the limits of a server that has no configuration.
    #[must_use]
    pub fn new(listen: SocketAddr, identity: HostIdentity, authenticator: Arc<dyn Authenticator>) -> Self {
        let Config { limits, drain_timeout: DrainTimeout(drain_timeout), .. } = Config::default();
        let (listen, sockets) = (vec![listen], Vec::new());
        let roots = Arc::new(LocalRoots);
        Self { listen, sockets, identity, authenticator, limits, drain_timeout, marks: None, roots }
    }
}

/// A server that listens.
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    shared: Arc<ServerState>,
}

/// Changes a server while it runs. What runs by then goes on as it began.
pub struct ServerControl {
    shared: Arc<ServerState>,
}

impl Server {
    /// Listens; connections are accepted once [`run`](Self::run) is called.
    ///
    /// # Errors
    /// If an address cannot be listened on, or the identity cannot be used.
    pub async fn bind(options: ServerOptions) -> io::Result<Self> {
        let ServerOptions { listen, sockets, identity, authenticator, limits, drain_timeout, marks, roots } =
            options;
        let disks = Arc::new(Disks::new(roots));
        let shared = ServerState::new(&identity, authenticator, limits, drain_timeout, marks, disks)?;
        let mut listeners = Vec::new();
        for socket in sockets {
            socket.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(socket)?);
        }
        for address in listen {
            listeners.push(TcpListener::bind(address).await?);
        }
        listeners.iter().for_each(avoid_bbr_until_rtt_known);
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        Ok(Self { listeners, addresses, shared: Arc::new(shared) })
    }

    /// A handle that changes the server while it runs.
    #[must_use]
    pub fn control(&self) -> ServerControl {
        ServerControl { shared: self.shared.clone() }
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The filesystems that it serves.
    #[must_use]
    pub fn disks(&self) -> Arc<Disks> {
        self.shared.disks.clone()
    }

    /// Serves until `drain` is cancelled and what runs then has finished, or `abort` is cancelled, or the drain takes too long.
    ///
    /// # Errors
    /// If the system has no thread to watch logins with; no connection is served then.
    pub async fn run(self, drain: CancellationToken, abort: CancellationToken) -> io::Result<()> {
        let Self { listeners, shared, .. } = self;
        let _watching = grants::watch(shared.authenticator.clone(), shared.granted.clone())?;
        for listener in listeners {
            let (for_task, drain) = (shared.clone(), drain.clone());
            shared.tasks.spawn(async move { drain.run_until_cancelled(accept(listener, for_task)).await });
        }
        tokio::select! {
            () = drain.cancelled() => {}
            () = memory::watch(|| shared.admission.connections()) => {}
            () = shared.disks.watch() => {}
            () = shared.tell_repeats() => {}
        }
        info!("draining: no new connections, running transfers may finish");
        shared.drain.cancel();
        shared.tasks.close();
        tokio::select! {
            () = shared.tasks.wait() => {}
            () = shared.disks.watch() => {}
            () = abort.cancelled() => {}
            () = tokio::time::sleep(shared.drain_timeout()) => warn!("transfers still ran at the end of the drain"),
        }
        shared.abort.cancel();
        shared.tasks.wait().await;
        shared.tell_held_back(None);
        info!("stopped");
        Ok(())
    }
}

impl ServerControl {
    /// From now on connections are shown this certificate. Journals of uploads under way keep the key that they began with.
    ///
    /// # Errors
    /// The identity cannot be used; the old one stays.
    pub fn set_identity(&self, identity: &HostIdentity) -> io::Result<()> {
        self.shared.set_identity(identity)
    }

    /// From now on these limits hold, but for `connections` and `logins_waiting`, which are those of the start. Sessions and connections
    /// that are over one of them stay.
    pub fn set_limits(&self, limits: ServerLimits, drain_timeout: Duration) {
        self.shared.set_limits(limits, drain_timeout);
    }
}

async fn accept(listener: TcpListener, shared: Arc<ServerState>) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => admit(socket, canonical(peer), &shared),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await; // out of handles, most likely: let some be closed
            }
        }
    }
}

/// A socket for both shows an IPv4 address as an IPv6 address, which nobody knows their machines by.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        address @ IpAddr::V4(_) => SocketAddr::new(address, peer.port()),
        IpAddr::V6(_) => peer,
    }
}

fn admit(socket: TcpStream, peer: SocketAddr, shared: &Arc<ServerState>) {
    let place = match shared.admission.admit(peer.ip()) {
        Ok(place) => place,
        Err(full) => return refuse(peer, full, shared),
    };
    let for_task = shared.clone();
    shared.tasks.spawn(async move {
        let abort = for_task.abort.clone();
        let serving = Box::pin(connection::serve(socket, peer, place, for_task));
        if abort.run_until_cancelled(serving).await.is_none() {
            debug!(%peer, "connection cut at the end of the drain");
        }
    });
}

/// Closes the socket without a message: the client is unknown yet, and a handshake would cost more than the refusal.
fn refuse(peer: SocketAddr, full: Full, shared: &ServerState) {
    if shared.is_news(RepeatKind::Full(full), peer) {
        warn!(%peer, "connection refused: {full}");
    }
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
