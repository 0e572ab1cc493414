//! How a server is told to stop: a signal, or the end of a share's time. The first request drains, the next aborts.

use super::service;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The two ways to end, in the order in which they are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// Running files finish; nothing new begins.
    pub(crate) drain: CancellationToken,
    /// Everything ends now.
    pub(crate) abort: CancellationToken,
}

/// SIGTERM and SIGINT, and that a file became longer than the system allows, caught from the moment this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Caught, so that a user's large file fails with an error instead of killing the server.
    _too_large: Signal,
}

impl Signals {
    /// Must be called within the runtime, and before anybody is told that the server is up.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _too_large: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// Passes requests on for as long as the server runs.
    pub(crate) async fn relay(mut self, stop: Stop, after: Option<Duration>) -> Infallible {
        tokio::select! {
            () = self.next() => tracing::info!("stopping: running files finish; a second signal ends at once"),
            () = sleep(after) => tracing::info!("the time is over: running files finish"),
        }
        service::stopping();
        stop.drain.cancel();
        self.next().await;
        tracing::warn!("ending at once");
        stop.abort.cancel();
        pending().await
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}

/// Never returns without a duration, nor with one that is beyond the clock's range.
async fn sleep(after: Option<Duration>) {
    match after.and_then(|after| Instant::now().checked_add(after)) {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Linux's number of it, on the processors that Rust's standard library runs on but MIPS and SPARC.
const SIGXFSZ: i32 = 25;
