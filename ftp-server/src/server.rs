//! The listening server: accepts connections within its bounds, and drains when asked to.

use crate::auth::Authenticator;
use crate::config::ServerLimits;
use crate::connection;
use crate::identity::Identity;
use crate::memory;
use crate::sessions::Sessions;
use crate::throttle::{Rules, Throttle};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};
use wire::checksum::Digest;
use wire::engine::{BufferPool, begin_unpaced};
use wire::journal::JournalKey;
use wire::net::tls;

/// What a server needs to run.
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Sockets that listen already, of a service manager.
    pub sockets: Vec<std::net::TcpListener>,
    /// Key and certificate.
    pub identity: Identity,
    /// Who may log in.
    pub authenticator: Arc<dyn Authenticator>,
    /// Bounds.
    pub limits: ServerLimits,
    /// How long running transfers may take to finish while draining.
    pub drain_timeout: Duration,
}

/// A server that listens.
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    drain_timeout: Duration,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) tls: TlsAcceptor,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    /// SHA-256 of the server's public key.
    pub(crate) key: Digest,
    pub(crate) limits: ServerLimits,
    pub(crate) sessions: Sessions,
    /// Logins that may be checked at the same time: each takes a core and some megabytes.
    pub(crate) checking: Semaphore,
    /// Logins that may wait or be checked.
    pub(crate) waiting: Semaphore,
    throttle: Mutex<Throttle>,
    pub(crate) buffers: Arc<BufferPool>,
    /// Tags the journals of uploads under way. It goes with the server's identity.
    pub(crate) journal_key: JournalKey,
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Server {
    /// Listens; connections are accepted once [`run`](Self::run) is called.
    ///
    /// # Errors
    /// If an address cannot be listened on, or the identity cannot be used.
    pub async fn bind(options: ServerOptions) -> io::Result<Self> {
        let ServerOptions { listen, sockets, identity, authenticator, limits, drain_timeout } = options;
        let journal_key = JournalKey::derived(identity.private_key().secret_der());
        let config = tls::server_config(identity.certificates().to_vec(), identity.private_key().clone_key())
            .map_err(io::Error::other)?;
        let mut listeners = Vec::new();
        for socket in sockets {
            socket.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(socket)?);
        }
        for address in listen {
            listeners.push(TcpListener::bind(address).await?);
        }
        listeners.iter().for_each(begin_unpaced);
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let shared = Shared {
            tls: TlsAcceptor::from(config),
            authenticator,
            key: identity.key(),
            sessions: Sessions::default(),
            checking: Semaphore::new(LOGINS_AT_ONCE),
            waiting: Semaphore::new(limits.logins_waiting),
            throttle: Mutex::new(Throttle::new(rules(&limits))),
            connections: Arc::new(Semaphore::new(limits.connections)),
            limits,
            buffers: Arc::default(),
            journal_key,
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { listeners, addresses, shared: Arc::new(shared), drain_timeout })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `drain` is cancelled and what runs then has finished, or `abort` is cancelled, or the drain takes too long.
    pub async fn run(self, drain: CancellationToken, abort: CancellationToken) {
        let Self { listeners, shared, drain_timeout, .. } = self;
        for listener in listeners {
            let (for_task, drain) = (shared.clone(), drain.clone());
            shared.tasks.spawn(async move { drain.run_until_cancelled(accept(listener, for_task)).await });
        }
        let connections = || shared.limits.connections - shared.connections.available_permits();
        tokio::select! {
            () = drain.cancelled() => {}
            () = memory::watch(connections) => {}
        }
        info!("draining: no new connections, running transfers may finish");
        shared.drain.cancel();
        shared.tasks.close();
        tokio::select! {
            () = shared.tasks.wait() => {}
            () = abort.cancelled() => {}
            () = tokio::time::sleep(drain_timeout) => warn!("transfers still ran at the end of the drain"),
        }
        shared.abort.cancel();
        shared.tasks.wait().await;
        info!("stopped");
    }
}

impl Shared {
    /// Whose logins keep failing. A panic while the lock is held leaves counts that are a little off at worst.
    pub(crate) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rules(limits: &ServerLimits) -> Rules {
    Rules {
        failures_max: u32::try_from(limits.failed_logins_max).unwrap_or(u32::MAX),
        bar: limits.login_bar,
        wait_max: limits.login_timeout / 2, // the other half is for the handshake's rest and the check
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
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

fn admit(socket: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    let Ok(permit) = shared.connections.clone().try_acquire_owned() else {
        warn!(%peer, limit = shared.limits.connections, "connection refused: too many");
        return;
    };
    let for_task = shared.clone();
    shared.tasks.spawn(async move {
        let abort = for_task.abort.clone();
        if abort.run_until_cancelled(Box::pin(connection::serve(socket, peer, for_task))).await.is_none() {
            debug!(%peer, "connection cut at the end of the drain");
        }
        drop(permit);
    });
}

/// Password checks at the same time; two keep a small machine's cores busy for no more than their time.
const LOGINS_AT_ONCE: usize = 2;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
