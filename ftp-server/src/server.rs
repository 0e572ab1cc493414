//! The listening server: accepts connections within its bounds, and drains when asked to.

use crate::admission::{Admission, Full};
use crate::auth::Authenticator;
use crate::config::ServerLimits;
use crate::connection;
use crate::disks::Disks;
use crate::events::{Listener, Log};
use crate::grants::{self, Granted};
use crate::identity::Identity;
use crate::login_queue::LoginQueue;
use crate::memory;
use crate::repeats::{self, HeldBack, Kind, Repeats};
use crate::sessions::Sessions;
use crate::throttle::{Rules, Throttle};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};
use wire::budget::Memory;
use wire::checksum::Digest;
use wire::engine::{BufferPool, begin_unpaced};
use wire::journal::JournalKey;
use wire::net::tls;
use wire::store::marks::Marks;
use wire::sync::lock;

/// What a server needs to run.
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    /// Sockets that listen already, of a service manager.
    pub sockets: Vec<std::net::TcpListener>,
    /// Key and certificate.
    pub identity: Identity,
    /// Decides who may log in.
    pub authenticator: Arc<dyn Authenticator>,
    /// Bounds.
    pub limits: ServerLimits,
    /// How long running transfers may take to finish while draining.
    pub drain_timeout: Duration,
    /// Where it is noted what was written and not synced; nothing if it is not.
    pub marks: Option<Arc<Marks>>,
}

/// A server that listens.
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

/// Changes a server while it runs. What runs by then goes on as it began.
pub struct ServerControl {
    shared: Arc<Shared>,
}

/// What the server shows of itself.
pub(crate) struct Presented {
    pub(crate) tls: TlsAcceptor,
    /// SHA-256 of the server's public key.
    pub(crate) key: Digest,
}

/// What all connections share.
pub(crate) struct Shared {
    presented: RwLock<Arc<Presented>>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    limits: RwLock<Arc<ServerLimits>>,
    pub(crate) sessions: Sessions,
    pub(crate) granted: Arc<Granted>,
    /// What all sessions together may keep.
    pub(crate) memory: Memory,
    /// Hears what users do.
    pub(crate) events: Arc<dyn Listener>,
    /// Logins wait here until they are checked: each takes a core and some megabytes.
    pub(crate) logins: Arc<LoginQueue>,
    throttle: Mutex<Throttle>,
    pub(crate) buffers: Arc<BufferPool>,
    pub(crate) disks: Arc<Disks>,
    /// Tags the journals of uploads under way. It goes with the server's identity.
    pub(crate) journal_key: JournalKey,
    pub(crate) marks: Option<Arc<Marks>>,
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
    repeats: Mutex<Repeats>,
    admission: Arc<Admission>,
    drain_timeout: Mutex<Duration>,
    tasks: TaskTracker,
}

impl Server {
    /// Listens; connections are accepted once [`run`](Self::run) is called.
    ///
    /// # Errors
    /// If an address cannot be listened on, or the identity cannot be used.
    pub async fn bind(options: ServerOptions) -> io::Result<Self> {
        let ServerOptions { listen, sockets, identity, authenticator, limits, drain_timeout, marks } =
            options;
        let journal_key = JournalKey::derived(identity.private_key().secret_der());
        let presented = RwLock::new(Arc::new(Presented::new(&identity)?));
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
            presented,
            authenticator,
            sessions: Sessions::default(),
            granted: Arc::default(),
            memory: Memory::new(limits.memory),
            events: Arc::new(Log),
            logins: LoginQueue::new(LOGINS_AT_ONCE, limits.logins_waiting),
            throttle: Mutex::new(Throttle::new(rules(&limits))),
            repeats: Mutex::default(),
            admission: Admission::new(&limits),
            limits: RwLock::new(Arc::new(limits)),
            drain_timeout: Mutex::new(drain_timeout),
            buffers: Arc::default(),
            disks: Arc::default(),
            journal_key,
            marks,
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Ok(Self { listeners, addresses, shared: Arc::new(shared) })
    }

    /// What changes the server while it runs.
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
    /// If the system has no thread to watch logins with; nothing is served then.
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
        let drain_timeout = *lock(&shared.drain_timeout);
        tokio::select! {
            () = shared.tasks.wait() => {}
            () = shared.disks.watch() => {}
            () = abort.cancelled() => {}
            () = tokio::time::sleep(drain_timeout) => warn!("transfers still ran at the end of the drain"),
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
    pub fn set_identity(&self, identity: &Identity) -> io::Result<()> {
        let presented = Arc::new(Presented::new(identity)?);
        *self.shared.presented.write().unwrap_or_else(PoisonError::into_inner) = presented;
        Ok(())
    }

    /// From now on these limits hold, but for `connections` and `logins_waiting`, which are those of the start. Sessions and connections
    /// that are over one of them stay.
    pub fn set_limits(&self, limits: ServerLimits, drain_timeout: Duration) {
        self.shared.throttle().set_rules(rules(&limits));
        self.shared.admission.set_limits(&limits);
        *self.shared.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
        *lock(&self.shared.drain_timeout) = drain_timeout;
    }
}

impl Presented {
    fn new(identity: &Identity) -> io::Result<Self> {
        let config = tls::server_config(identity.certificates().to_vec(), identity.private_key().clone_key())
            .map_err(io::Error::other)?;
        Ok(Self { tls: TlsAcceptor::from(config), key: identity.key() })
    }
}

/// None of the locks is held while anything is done that could panic.
impl Shared {
    /// What new connections are shown.
    pub(crate) fn presented(&self) -> Arc<Presented> {
        self.presented.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The limits that hold now.
    pub(crate) fn limits(&self) -> Arc<ServerLimits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whose logins keep failing. A panic while the lock is held leaves counts that are a little off at worst.
    pub(crate) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        lock(&self.throttle)
    }

    /// True if a line about a stranger is to be logged; otherwise it is counted. A panic while the lock is held loses a count.
    pub(crate) fn is_news(&self, kind: Kind, peer: SocketAddr) -> bool {
        let mut repeats = lock(&self.repeats);
        repeats.is_news(kind, peer.ip(), Instant::now())
    }

    /// Logs now and then what was counted instead of logged, for ever.
    async fn tell_repeats(&self) {
        loop {
            tokio::time::sleep(repeats::INTERVAL / 2).await;
            self.tell_held_back(Some(Instant::now()));
        }
    }

    fn tell_held_back(&self, now: Option<Instant>) {
        let held_back = lock(&self.repeats).ended(now);
        for HeldBack { kind, source, count } in held_back {
            let address = source.map_or_else(|| "many".to_owned(), |source| source.to_string());
            match kind {
                Kind::Full => warn!(address, count, "further connections refused: too many"),
                Kind::Rejected => info!(address, count, "further connections rejected"),
            }
        }
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

/// The socket is closed: its client is told nothing, for nothing is known of it yet, and a handshake takes more than a refusal.
fn refuse(peer: SocketAddr, full: Full, shared: &Shared) {
    if shared.is_news(Kind::Full, peer) {
        warn!(%peer, "connection refused: {full}");
    }
}

/// Password checks at the same time; two keep a small machine's cores busy for no more than their time.
const LOGINS_AT_ONCE: usize = 2;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
