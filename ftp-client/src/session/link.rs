//! What outlives a connection: how to make another one, and what is remembered of transfers.
//!
//! A transfer whose connection is lost is begun again over a new one, as one that was interrupted: whatever the receiver has
//! by then is not sent again. The new session first [takes the place](Replace) of the old one, since the server may not
//! know yet that the old one is lost, and would keep its files and folders in use.

use super::{ConnectOptions, Inner, Outages, Session};
use crate::error::Error;
use crate::interrupted::{Mark, Remembered};
use crate::local;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use wire::journal::JournalKey;
use wire::message::{Replace, Resume};
use wire::{FailureCode, RemotePath};

/// Connections to one server, one after the other.
pub(super) struct Link {
    options: ConnectOptions,
    latest: std::sync::Mutex<Arc<Inner>>,
    /// Held while a new connection is made: one is enough for all transfers.
    connecting: Mutex<()>,
    remembered: Arc<Remembered>,
    /// Files on the server that are there for this session only.
    pub(super) throwaways: std::sync::Mutex<Vec<RemotePath>>,
}

/// A time without a connection.
struct Outage {
    begin: Instant,
    tries: u32,
}

/// An attempt of a transfer.
pub(super) type Attempt<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

impl Link {
    pub(super) fn new(options: ConnectOptions, first: Arc<Inner>) -> Self {
        let remembered = Arc::new(Remembered::new(options.state.clone()));
        let (latest, throwaways) = (std::sync::Mutex::new(first), std::sync::Mutex::default());
        Self { options, latest, connecting: Mutex::new(()), remembered, throwaways }
    }

    /// How to make a connection of its own to the same server, with so many lanes.
    pub(super) fn options_beside(&self, lanes: u16) -> ConnectOptions {
        let ConnectOptions { host, trust, credentials, outages, state, .. } = &self.options;
        ConnectOptions {
            host: host.clone(),
            trust: trust.clone(),
            credentials: credentials.clone(),
            outages: outages.clone(),
            state: state.clone(),
            lanes,
            ..self.options
        }
    }

    fn latest(&self) -> Arc<Inner> {
        self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn begin(&self, about: [u8; 16]) -> Result<Mark, Error> {
        let remembered = self.remembered.clone();
        local::blocking(move || Ok(remembered.begin(about))).await
    }

    /// The connection that takes the place of `lost`, unless the time for that is over.
    async fn reconnect(&self, lost: &Inner, error: Error, outage: &mut Outage) -> Result<Arc<Inner>, Error> {
        let _one_at_a_time = self.connecting.lock().await;
        let latest = self.latest();
        if !latest.control.is_over() && !std::ptr::eq(&*latest, lost) {
            return Ok(latest); // another transfer was faster
        }
        let outages = &self.options.outages;
        let mut error = error;
        if outage.tries == 0 && !outages.give_up_after.is_zero() {
            (outages.told)(&error);
        }
        loop {
            let left = outages.give_up_after.saturating_sub(outage.begin.elapsed());
            if left.is_zero() || outages.tries_max.is_some_and(|max| outage.tries >= max) {
                return Err(error);
            }
            sleep(pause(outage.tries).min(left)).await;
            outage.tries += 1;
            match self.connect(lost).await {
                Ok(inner) => {
                    *self.latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = inner.clone();
                    return Ok(inner);
                }
                Err(again @ (Error::Lost { .. } | Error::Unreachable { .. })) => error = again,
                // The user's root does not answer, as when its file server starts again too.
                Err(again) if again.failure_code() == Some(FailureCode::Io) => error = again,
                Err(final_one) => return Err(final_one),
            }
        }
    }

    async fn connect(&self, lost: &Inner) -> Result<Arc<Inner>, Error> {
        let inner = Arc::new(Inner::connect(&self.options).await?);
        let control = &inner.control;
        let (old, new) = (&lost.dialer, &inner.dialer);
        let proof = old.secret.prove_replacement(&old.session, &new.session);
        let replace = Replace { session: old.session, proof };
        let mut answers = control.request(control.next_id(), replace.into()).await?;
        match timeout(self.options.timeout, answers.recv()).await {
            Ok(Some(_)) => Ok(inner), // a server that knows no such request ends the old session by itself
            Ok(None) => Err(control.error()),
            Err(_) => {
                let address = control.address.clone();
                Err(Error::Lost { address, reason: "no answer in time".to_owned() })
            }
        }
    }
}

impl Session {
    /// The session over the latest connection.
    pub(crate) fn latest(&self) -> Self {
        Self { inner: self.link.latest(), link: self.link.clone() }
    }

    /// True if a connection that is lost is made anew.
    pub(crate) fn reconnects(&self) -> bool {
        let Outages { give_up_after, tries_max, .. } = &self.link.options.outages;
        !give_up_after.is_zero() && *tries_max != Some(0)
    }

    /// True if the latest connection is over.
    pub(crate) fn is_over_at_last(&self) -> bool {
        self.link.latest().control.is_over()
    }

    /// True if the server has accepted the login over the latest connection.
    pub(crate) fn was_welcome_at_last(&self) -> bool {
        self.link.latest().control.was_welcome()
    }

    /// Waits until the latest connection is over.
    pub(crate) async fn until_over_at_last(&self) {
        let latest = self.link.latest();
        latest.control.over.cancelled().await;
    }

    /// Makes the connection anew if it is over, unless the server has withdrawn the access.
    pub(crate) async fn reconnected(&self) -> Result<(), Error> {
        let latest = self.link.latest();
        if !latest.control.is_over() {
            return Ok(());
        }
        let error = latest.control.error();
        if matches!(error, Error::Revoked { .. }) {
            return Err(error);
        }
        let mut outage = Outage { begin: Instant::now(), tries: 0 };
        self.link.reconnect(&latest, error, &mut outage).await.map(drop)
    }

    /// The key of this end's journals, if there are any.
    pub(crate) fn journal_key(&self) -> Option<JournalKey> {
        self.link.remembered.key()
    }

    /// The transfers from now on are parts of one: if that is interrupted, what had ended is not done again by the next run.
    #[must_use]
    pub fn together(&self) -> Together {
        self.link.remembered.gather();
        Together(self.link.remembered.clone())
    }

    /// Makes an attempt of a transfer, and another one each time that the connection was lost meanwhile. `about` tells the
    /// transfer from others; nothing if it does not go on where an interrupted run was.
    pub(super) async fn lasting<T>(
        &self,
        about: Option<[u8; 16]>,
        attempt: impl Fn(Self, Resume, Arc<Mark>) -> Attempt<T>,
    ) -> Result<T, Error> {
        let mark = Arc::new(match about {
            Some(about) => self.link.begin(about).await?,
            None => Mark::none(),
        });
        let mut resume = match (about, mark.placed()) {
            (None, _) => Resume::Never,
            (Some(_), None) => Resume::New,
            (Some(_), Some(_)) => Resume::Again,
        };
        let mut session = self.latest();
        let mut outage = Outage { begin: Instant::now(), tries: 0 };
        let done = loop {
            let error = match attempt(session.clone(), resume, mark.clone()).await {
                Err(error) if session.is_lost_by(&error) => error,
                Err(error) => return Err(error),
                Ok(done) => break done,
            };
            if outage.tries == 0 || session.inner.control.exchange.frames_through() > 0 {
                outage = Outage { begin: Instant::now(), tries: 0 }; // it went on for a while
            }
            let inner = self.link.reconnect(&session.inner, error, &mut outage).await?;
            session = Self { inner, link: self.link.clone() };
            if resume == Resume::New {
                resume = Resume::Again;
            }
        };
        let remembered = self.link.remembered.clone();
        local::blocking(move || {
            remembered.end(mark);
            Ok(())
        })
        .await?;
        Ok(done)
    }

    /// True if an error says that the connection was lost, after the server had accepted us.
    fn is_lost_by(&self, error: &Error) -> bool {
        let lost =
            matches!(error, Error::Lost { .. }) || error.failure_code() == Some(FailureCode::ShuttingDown);
        lost && self.inner.control.was_welcome()
    }
}

/// Transfers that are parts of one. Dropped before its end, the whole was interrupted.
pub struct Together(Arc<Remembered>);

impl Together {
    /// All of them have ended.
    ///
    /// # Errors
    /// If this machine has no thread for it.
    pub async fn end(self) -> Result<(), Error> {
        let remembered = self.0.clone();
        local::blocking(move || {
            remembered.scatter(true);
            Ok(())
        })
        .await
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.0.scatter(false); // nothing, after the end
    }
}

/// How long to wait before trying again: not long at first, as most outages are short, and never for too long. Clients that
/// lost the same server do not come back all at once.
fn pause(tries: u32) -> Duration {
    let base = PAUSE_MIN * 2_u32.saturating_pow(tries.min(8));
    let spread = getrandom::u32().unwrap_or(0) % 256;
    base.min(PAUSE_MAX) * (192 + spread / 2) / 256
}

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        for tries in 0..100 {
            let expected = (PAUSE_MIN * 2_u32.pow(tries.min(6))).min(PAUSE_MAX);
            let pause = pause(tries);
            assert!(pause >= expected * 3 / 4 && pause <= expected * 5 / 4, "{tries}: {pause:?}");
        }
    }
}
