//! State that all connections of a server share: its identity, limits, sessions, logins, disks and counts.

use crate::activity::{ActivityObserver, Observed};
use crate::admission::ConnectionLimiter;
use crate::auth::Authenticator;
use crate::config::ServerLimits;
use crate::disks::Disks;
use crate::events::{EventListener, Log};
use crate::grants::Granted;
use crate::identity::HostIdentity;
use crate::login_queue::LoginQueue;
use crate::repeats::{self, HeldBack, RepeatKind, Repeats};
use crate::sessions::Sessions;
use crate::throttle::{Throttle, ThrottleRules};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use wire::budget::Memory;
use wire::journal::JournalKey;
use wire::store::marks::Marks;
use wire::sync::lock;
use wire::transport::BufferPool;

/// State that all connections share. No lock is kept during work that could panic.
pub(crate) struct ServerState {
    pub(crate) authenticator: Arc<dyn Authenticator>,
    limits: RwLock<Arc<ServerLimits>>,
    pub(crate) sessions: Sessions,
    pub(crate) granted: Arc<Granted>,
    /// The memory that all sessions together may use.
    pub(crate) memory: Memory,
    /// Receives the events of users.
    pub(crate) events: Arc<dyn EventListener>,
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
    pub(crate) admission: Arc<ConnectionLimiter>,
    drain_timeout: Mutex<Duration>,
    pub(crate) tasks: TaskTracker,
}

impl ServerState {
    /// The state of a server that has no connection yet.
    pub(crate) fn new(
        identity: &HostIdentity,
        authenticator: Arc<dyn Authenticator>,
        limits: ServerLimits,
        drain_timeout: Duration,
        marks: Option<Arc<Marks>>,
        disks: Arc<Disks>,
        observer: Option<ActivityObserver>,
    ) -> Self {
        let events: Arc<dyn EventListener> = match observer {
            Some(observer) => Arc::new(Observed(observer)),
            None => Arc::new(Log),
        };
        Self {
            authenticator,
            sessions: Sessions::default(),
            granted: Arc::default(),
            memory: Memory::new(limits.memory),
            events,
            logins: LoginQueue::new(LOGINS_AT_ONCE, limits.logins_waiting),
            throttle: Mutex::new(Throttle::new(rules(&limits))),
            repeats: Mutex::default(),
            admission: ConnectionLimiter::new(&limits),
            limits: RwLock::new(Arc::new(limits)),
            drain_timeout: Mutex::new(drain_timeout),
            buffers: Arc::default(),
            disks,
            journal_key: JournalKey::derived(identity.private_key().secret_der()),
            marks,
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Returns the current limits.
    pub(crate) fn limits(&self) -> Arc<ServerLimits> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the limits, but for those that only the start can set.
    pub(crate) fn set_limits(&self, limits: ServerLimits, drain_timeout: Duration) {
        self.throttle().set_rules(rules(&limits));
        self.admission.set_limits(&limits);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
        *lock(&self.drain_timeout) = drain_timeout;
    }

    /// How long running transfers may take to finish while the server drains.
    pub(crate) fn drain_timeout(&self) -> Duration {
        *lock(&self.drain_timeout)
    }

    /// Returns the failed logins by address. A panic under the lock leaves slightly wrong counts at worst.
    pub(crate) fn throttle(&self) -> MutexGuard<'_, Throttle> {
        lock(&self.throttle)
    }

    /// Returns true if a line about a stranger is to be logged; otherwise the line is counted. A panic under the lock loses a count.
    pub(crate) fn is_news(&self, kind: RepeatKind, peer: SocketAddr) -> bool {
        let mut repeats = lock(&self.repeats);
        repeats.is_news(kind, peer.ip(), Instant::now())
    }

    /// Logs the counts of suppressed lines at intervals, for ever.
    pub(crate) async fn tell_repeats(&self) {
        loop {
            tokio::time::sleep(repeats::INTERVAL / 2).await;
            self.tell_held_back(Some(Instant::now()));
        }
    }

    /// Logs the counts whose interval has ended by `now`, or all of them.
    pub(crate) fn tell_held_back(&self, now: Option<Instant>) {
        let held_back = lock(&self.repeats).ended(now);
        for HeldBack { kind, source, count } in held_back {
            let address = source.map_or_else(|| "many".to_owned(), |source| source.to_string());
            match kind {
                RepeatKind::Full(full) => warn!(address, count, "further connections refused: {full}"),
                RepeatKind::Rejected => info!(address, count, "further connections rejected"),
            }
        }
    }
}

fn rules(limits: &ServerLimits) -> ThrottleRules {
    ThrottleRules {
        failures_max: u32::try_from(limits.failed_logins_max).unwrap_or(u32::MAX),
        bar: limits.login_bar,
        wait_max: limits.login_timeout / 2, // the other half is for the handshake's rest and the check
    }
}

/// Password checks at the same time; two keep a small machine's cores busy for no more than their time.
const LOGINS_AT_ONCE: usize = 2;
