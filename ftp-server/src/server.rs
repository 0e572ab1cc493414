//! The listening server: accepts connections within its bounds, and drains when asked to.

use crate::activity::ActivityObserver;
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
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use wire::store::marks::Marks;
use wire::transport::tls_tcp::{LocalTlsListener, PresentedIdentity, TlsListener};
use wire::transport::{Accepted, Acceptor};

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
    /// Receives what users do, beside the log.
    pub observer: Option<ActivityObserver>,
}

impl ServerOptions {
    /// Listens on one address and serves local folders, with the limits of a server that has no configuration.
    #[must_use]
    pub fn new(listen: SocketAddr, identity: HostIdentity, authenticator: Arc<dyn Authenticator>) -> Self {
        let Config { limits, drain_timeout: DrainTimeout(drain_timeout), .. } = Config::default();
        let (listen, sockets) = (vec![listen], Vec::new());
        let roots = Arc::new(LocalRoots);
        let (marks, observer) = (None, None);
        Self { listen, sockets, identity, authenticator, limits, drain_timeout, marks, roots, observer }
    }
}

/// A server that listens.
pub struct Server {
    accepting: Vec<Accepting>,
    addresses: Vec<SocketAddr>,
    identity: Arc<PresentedIdentity>,
    shared: Arc<ServerState>,
}

/// Accepts connections of a transport, for ever.
type Accepting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Changes a server while it runs. What runs by then goes on as it began.
pub struct ServerControl {
    identity: Arc<PresentedIdentity>,
    shared: Arc<ServerState>,
}

impl Server {
    /// Listens; connections are accepted once [`run`](Self::run) is called.
    ///
    /// # Errors
    /// If an address cannot be listened on, or the identity cannot be used.
    pub async fn bind(options: ServerOptions) -> io::Result<Self> {
        let ServerOptions {
            listen,
            sockets,
            identity,
            authenticator,
            limits,
            drain_timeout,
            marks,
            roots,
            observer,
        } = options;
        let disks = Arc::new(Disks::new(roots));
        let presented = Arc::new(presented(&identity)?);
        let shared =
            ServerState::new(&identity, authenticator, limits, drain_timeout, marks, disks, observer);
        let mut listeners = Vec::new();
        for socket in sockets {
            socket.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(socket)?);
        }
        for address in listen {
            listeners.push(TcpListener::bind(address).await?);
        }
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let (accepting, shared) = (Vec::new(), Arc::new(shared));
        let mut server = Self { accepting, addresses, identity: presented.clone(), shared };
        for listener in listeners {
            server.accept_from(TlsListener::new(listener, presented.clone()));
        }
        Ok(server)
    }

    /// Accepts connections of another transport too.
    pub fn accept_from(&mut self, acceptor: impl Acceptor) {
        self.accepting.push(Box::pin(accept(acceptor, self.shared.clone())));
    }

    /// Accepts connections of another socket too.
    pub fn accept_tcp(&mut self, listener: TcpListener) {
        self.accept_from(TlsListener::new(listener, self.identity.clone()));
    }

    /// Accepts connections of programs of the same account too, which bring those of a client at the address `client`.
    pub fn accept_local(&mut self, listener: UnixListener, client: SocketAddr) {
        self.accept_from(LocalTlsListener::new(listener, self.identity.clone(), client));
    }

    /// A handle that changes the server while it runs.
    #[must_use]
    pub fn control(&self) -> ServerControl {
        ServerControl { identity: self.identity.clone(), shared: self.shared.clone() }
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
        let Self { accepting, shared, .. } = self;
        let _watching = grants::watch(shared.authenticator.clone(), shared.granted.clone())?;
        for accepting in accepting {
            let drain = drain.clone();
            shared.tasks.spawn(async move { drain.run_until_cancelled(accepting).await });
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
        self.identity.replace(presented(identity)?);
        Ok(())
    }

    /// From now on these limits hold, but for `connections` and `logins_waiting`, which are those of the start. Sessions and connections
    /// that are over one of them stay.
    pub fn set_limits(&self, limits: ServerLimits, drain_timeout: Duration) {
        self.shared.set_limits(limits, drain_timeout);
    }
}

fn presented(identity: &HostIdentity) -> io::Result<PresentedIdentity> {
    PresentedIdentity::new(identity.certificates(), identity.private_key(), identity.key())
}

async fn accept(acceptor: impl Acceptor, shared: Arc<ServerState>) {
    loop {
        match acceptor.accept().await {
            Ok((arrival, peer)) => admit(arrival, peer, &shared),
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await; // out of handles, most likely: let some be closed
            }
        }
    }
}

fn admit(arrival: impl Accepted, peer: SocketAddr, shared: &Arc<ServerState>) {
    let place = match shared.admission.admit(peer.ip()) {
        Ok(place) => place,
        Err(full) => return refuse(peer, full, shared),
    };
    let for_task = shared.clone();
    shared.tasks.spawn(async move {
        let abort = for_task.abort.clone();
        let serving = Box::pin(connection::serve(arrival, peer, place, for_task));
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
