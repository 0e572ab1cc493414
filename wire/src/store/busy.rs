//! Patience with files and folders in use: a killed process keeps them open until its sync has ended, which cannot be stopped.

use crate::failure::{Failure, FailureCode};
use std::time::{Duration, Instant};

/// How long an attempt is repeated.
#[derive(Debug)]
pub struct BusyPatience {
    since: Instant,
}

impl Default for BusyPatience {
    fn default() -> Self {
        Self { since: Instant::now() }
    }
}

impl BusyPatience {
    /// Returns the pause before the next attempt, after one that failed with `failure`; `None` if another is useless.
    #[must_use]
    pub fn pause_after(&self, failure: &Failure) -> Option<Duration> {
        (failure.code == FailureCode::Busy && self.since.elapsed() < BUSY_PATIENCE).then_some(BUSY_PAUSE)
    }
}

const BUSY_PATIENCE: Duration = Duration::from_secs(5);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
