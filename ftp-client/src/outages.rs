//! Outages: after which errors a connection is tried again, for how long, and how often.
//!
//! | error | the first connection | after the login was accepted |
//! |---|---|---|
//! | the server cannot be reached now | if `first` is set | yes |
//! | it cannot be reached in this way: no such host, no ftpx server | no | yes: it was there |
//! | the connection was lost | if `first` is set | yes |
//! | the server is shutting down | if `first` is set | yes |
//! | the login is over a limit of the server | yes | no: the session was ended for it |
//! | the user's root does not answer | no | yes: its file server may start again, too |
//! | anything else | no | no |

use crate::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use wire::FailureCode;

/// How long and how often a connection is tried again.
#[derive(Clone)]
pub struct Outages {
    /// How long to try to connect again, zero for not at all; and how long the server's disk may not answer.
    pub give_up_after: Duration,
    /// How often to try; `None` for as often as the time allows.
    pub tries_max: Option<u32>,
    /// Wait for a server that is not there when the session begins, too.
    pub first: bool,
    /// Called when an outage begins, at each further try, and when it is over.
    pub on_outage: Arc<dyn Fn(OutageEvent<'_>) + Send + Sync>,
}

/// An event of an outage.
#[derive(Debug, Clone, Copy)]
pub enum OutageEvent<'a> {
    /// There is no connection, for this reason; it is tried again in a moment.
    Began(&'a Error),
    /// This try, counted from 1, has failed.
    Failed {
        /// Its number.
        tries: u32,
    },
    /// There is a connection again.
    Over,
}

/// A time without a connection.
pub(crate) struct Outage {
    begin: Instant,
    tries: u32,
}

impl Default for Outages {
    /// No connection is tried again.
    fn default() -> Self {
        Self { give_up_after: Duration::ZERO, tries_max: None, first: false, on_outage: Arc::new(|_| {}) }
    }
}

impl Outages {
    /// True if a session that was not accepted yet may be begun again after `error`.
    pub(crate) fn allow_first(&self, error: &Error) -> bool {
        let passes = matches!(error, Error::Unreachable { passing: true, .. }) || is_loss(error);
        is_over_limit(error) || (self.first && passes)
    }
}

/// True if `error` says that a connection was lost.
pub(crate) fn is_loss(error: &Error) -> bool {
    let code = not_served(error).or(error.failure_code());
    matches!(error, Error::Lost { .. }) || code == Some(FailureCode::ShuttingDown)
}

/// True if `error` ended an attempt to connect to a server that was there before, and another attempt may succeed.
pub(crate) fn is_outage(error: &Error) -> bool {
    let is_root_away = not_served(error) == Some(FailureCode::Io);
    is_loss(error) || is_over_limit(error) || is_root_away || matches!(error, Error::Unreachable { .. })
}

/// True if the server has room for no more sessions of this kind now.
fn is_over_limit(error: &Error) -> bool {
    not_served(error) == Some(FailureCode::LimitExceeded)
}

/// Why the server does not serve a session, if that is the error.
fn not_served(error: &Error) -> Option<FailureCode> {
    if let Error::NotServed { failure, .. } = error { Some(failure.code) } else { None }
}

impl Outage {
    pub(crate) fn begin() -> Self {
        Self { begin: Instant::now(), tries: 0 }
    }

    /// True if no try was made since it began.
    pub(crate) fn is_new(&self) -> bool {
        self.tries == 0
    }

    /// Waits until it is time for another try. Returns the error if there is none.
    pub(crate) async fn pause(&mut self, outages: &Outages, error: Error) -> Result<(), Error> {
        let Some(pause) = self.next_pause(outages, self.begin.elapsed()) else { return Err(error) };
        if self.is_new() {
            (outages.on_outage)(OutageEvent::Began(&error));
        }
        if !self.is_new() {
            (outages.on_outage)(OutageEvent::Failed { tries: self.tries });
        }
        sleep(pause).await;
        self.tries += 1;
        Ok(())
    }

    /// There is a connection again, or still.
    pub(crate) fn end(&self, outages: &Outages) {
        if !self.is_new() {
            (outages.on_outage)(OutageEvent::Over);
        }
    }

    /// How long to wait for the next try, so long after the begin; `None` if there is none.
    fn next_pause(&self, outages: &Outages, elapsed: Duration) -> Option<Duration> {
        let left = outages.give_up_after.saturating_sub(elapsed);
        let is_last = left.is_zero() || outages.tries_max.is_some_and(|max| self.tries >= max);
        (!is_last).then(|| pause(self.tries).min(left))
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
    use wire::Failure;

    #[test]
    fn pauses_grow_to_a_limit() {
        for tries in 0..100 {
            let expected = (PAUSE_MIN * 2_u32.pow(tries.min(6))).min(PAUSE_MAX);
            let pause = pause(tries);
            assert!(pause >= expected * 3 / 4 && pause <= expected * 5 / 4, "{tries}: {pause:?}");
        }
    }

    #[test]
    fn errors_that_another_try_may_mend() {
        let address = || "h:1".to_owned();
        let unreachable = |passing| Error::Unreachable { address: address(), reason: String::new(), passing };
        let not_served =
            |code: FailureCode| Error::NotServed { address: address(), failure: Failure::from(code) };
        let lost = Error::Lost { address: address(), reason: String::new() };
        let untrusted = Error::Untrusted(String::new());
        let denied = not_served(FailureCode::AccessDenied);
        let rows = [
            // error, first connection by default, with `first`, and after the login
            (unreachable(true), false, true, true),
            (unreachable(false), false, false, true),
            (lost, false, true, true),
            (not_served(FailureCode::ShuttingDown), false, true, true),
            (not_served(FailureCode::LimitExceeded), true, true, true),
            (not_served(FailureCode::Io), false, false, true),
            (denied, false, false, false),
            (untrusted, false, false, false),
        ];
        let (plain, first) = (Outages::default(), Outages { first: true, ..Outages::default() });
        for (error, by_default, if_asked, later) in rows {
            let allowed = (plain.allow_first(&error), first.allow_first(&error), is_outage(&error));
            assert_eq!(allowed, (by_default, if_asked, later), "{error:?}");
        }
    }

    #[test]
    fn an_outage_ends_after_so_many_tries_or_so_long() {
        let time = Duration::from_secs;
        let outages = Outages { give_up_after: time(60), ..Outages::default() };
        let few = Outages { tries_max: Some(3), ..outages.clone() };
        let after = |tries| Outage { tries, ..Outage::begin() };
        assert!(after(2).next_pause(&few, time(0)).is_some() && after(3).next_pause(&few, time(0)).is_none());
        assert_eq!(after(9).next_pause(&outages, time(59)), Some(time(1)), "the last one is not late");
        assert!(after(9).next_pause(&outages, time(60)).is_none());
        assert!(after(0).next_pause(&Outages::default(), time(0)).is_none());
    }
}
