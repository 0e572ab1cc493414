//! The logins of running sessions, and the watcher that ends a session whose login would no longer be accepted.
//!
//! ```text
//! watcher thread, about twice a second:  all running sessions ─► Authenticator::review ─► those that end
//!                                                                                           │
//! of such a session: the client gets the reason, its jobs and requests fail, then it ends   ◄┘
//! ```
//!
//! The watcher has a thread of its own: a filesystem that hangs may block all others, and must not keep a session alive. For the
//! same reason it fails a session's jobs itself, without waiting for the session.

use crate::auth::{Authenticator, Grant, Revocation};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use wire::binding::SessionId;
use wire::control::Envelope;
use wire::engine::Exchange;
use wire::net::control::Outbox;
use wire::sync::lock;
use wire::{Failure, FailureCode};

/// The sessions that run.
#[derive(Default)]
pub(crate) struct Granted {
    by_id: Mutex<HashMap<SessionId, Arc<GrantedSession>>>,
}

/// The parts of a running session that are needed to end it.
pub(crate) struct GrantedSession {
    pub(crate) grant: Grant,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) outbox: Outbox,
    /// Ends the session.
    pub(crate) stop: CancellationToken,
    /// The reason why the login is no longer accepted.
    revoked: OnceLock<Revocation>,
    /// True if the client was notified at once; false if its message queue was full.
    is_told: AtomicBool,
}

/// A session's place among those that run, given up when dropped.
pub(crate) struct GrantedPlace<'a> {
    granted: &'a Granted,
    id: SessionId,
    running: Arc<GrantedSession>,
}

impl Granted {
    /// Adds a session, which must have no requests under way yet.
    pub(crate) fn add(&self, id: SessionId, running: GrantedSession) -> GrantedPlace<'_> {
        let running = Arc::new(running);
        self.lock().insert(id, running.clone());
        GrantedPlace { granted: self, id, running }
    }

    fn all(&self) -> Vec<Arc<GrantedSession>> {
        self.lock().values().cloned().collect()
    }

    /// Locks the table. A panic under the lock leaves the table unchanged.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<GrantedSession>>> {
        lock(&self.by_id)
    }
}

impl GrantedPlace<'_> {
    /// Returns the reason why the session ends, if its login is no longer accepted.
    pub(crate) fn revoked(&self) -> Option<Revocation> {
        self.running.revoked.get().copied()
    }

    /// Returns true if the client was notified.
    pub(crate) fn is_told(&self) -> bool {
        self.running.is_told.load(Ordering::SeqCst)
    }
}

impl Drop for GrantedPlace<'_> {
    fn drop(&mut self) {
        self.granted.lock().remove(&self.id);
    }
}

impl GrantedSession {
    pub(crate) fn new(
        grant: Grant,
        exchange: Arc<Exchange>,
        outbox: Outbox,
        stop: CancellationToken,
    ) -> Self {
        let (revoked, is_told) = (OnceLock::new(), AtomicBool::new(false));
        Self { grant, exchange, outbox, stop, revoked, is_told }
    }

    /// Ends the session. After it returns, the session publishes no more files.
    fn revoke(&self, reason: Revocation) {
        if self.revoked.set(reason).is_err() {
            return; // it ends already
        }
        let failure = refusal(reason);
        // Before the jobs end, so that the client knows why.
        let told = self.outbox.try_send(Envelope::new(0, failure.clone()));
        self.is_told.store(told, Ordering::SeqCst);
        self.exchange.fail_all(&failure);
        self.stop.cancel();
    }
}

/// The failure that the client of a revoked session gets.
pub(crate) fn refusal(reason: Revocation) -> Failure {
    Failure::new(FailureCode::AccessDenied, reason.to_string())
}

/// Watches until the returned sender is dropped. The thread is not joined, since the files that it reads may hang.
///
/// # Errors
/// The system has no thread to give.
pub(crate) fn watch(authenticator: Arc<dyn Authenticator>, granted: Arc<Granted>) -> io::Result<Sender<()>> {
    let (alive, stopped) = channel();
    thread::Builder::new()
        .name("logins".into())
        .spawn(move || watch_until(&stopped, &*authenticator, &granted))?;
    Ok(alive)
}

fn watch_until(stopped: &Receiver<()>, authenticator: &dyn Authenticator, granted: &Granted) {
    while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        // Before the authenticator looks: later logins are decided by the current state or a later one.
        let sessions = granted.all();
        let grants: Vec<&Grant> = sessions.iter().map(|session| &session.grant).collect();
        let verdicts = authenticator.review(&grants, SystemTime::now());
        for (session, verdict) in sessions.iter().zip(verdicts) {
            if let Err(reason) = verdict
                && session.revoked.get().is_none()
            {
                session.revoke(reason);
            }
        }
    }
}

/// A changed file is judged one look after the change was seen, and a session must end within 2 s.
const LOOK_INTERVAL: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests;
