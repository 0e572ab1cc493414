//! The requests to stop a server: a signal, or the end of a share's time. The first drains, the next aborts. Also the signal
//! to read the configuration again.
//!
//! A signal that was ignored when the program began stays ignored, as `nohup` and a shell's `&` intend.

use super::service;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The two ways to end, in the order in which they are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopTokens {
    /// Running files finish; no new ones begin.
    pub(crate) drain: CancellationToken,
    /// Everything ends now.
    pub(crate) abort: CancellationToken,
}

/// The meaning of SIGHUP.
#[derive(Debug)]
pub(crate) enum Hangup {
    /// The terminal is gone, and with it the user of the server.
    Stop,
    /// A reload: notifies the task that does it.
    Reload(SyncSender<()>),
}

/// Signals, and that a file became longer than the system allows, caught from the moment this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
    meaning: Hangup,
    /// Caught, so that a user's large file fails with an error instead of killing the server.
    _too_large: Signal,
}

impl Signals {
    /// Catches the signals. Must be called within the runtime, and before the server is announced.
    pub(crate) fn catch(meaning: Hangup) -> io::Result<Self> {
        let ignored = ignored();
        let unless_ignored = |kind: SignalKind| match ignored & 1 << (kind.as_raw_value() - 1) {
            0 => signal(kind).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            terminate: unless_ignored(SignalKind::terminate())?,
            interrupt: unless_ignored(SignalKind::interrupt())?,
            hangup: unless_ignored(SignalKind::hangup())?,
            meaning,
            _too_large: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// Passes requests on for as long as the server runs.
    pub(crate) async fn relay(
        mut self,
        stop: StopTokens,
        after: Option<Duration>,
        done: CancellationToken,
    ) -> Infallible {
        tokio::select! {
            () = done.cancelled() => tracing::info!("all is done"),
            () = self.next() => tracing::info!("stopping: running files finish; a second signal ends at once"),
            () = sleep(after) => tracing::info!("the time is over"),
        }
        service::stopping();
        stop.drain.cancel();
        self.next().await;
        tracing::warn!("ending at once");
        stop.abort.cancel();
        pending().await
    }

    /// Waits until the server is to stop.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                () = recv(&mut self.terminate) => return,
                () = recv(&mut self.interrupt) => return,
                () = recv(&mut self.hangup) => match &self.meaning {
                    Hangup::Stop => return,
                    Hangup::Reload(reload) => drop(reload.try_send(())), // one that waits already is enough
                }
            }
        }
    }
}

async fn recv(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    }
}

/// The signals that are ignored, a bit for each from 1 on; none where the system has no such file. There is no safe name for
/// sigaction, which would tell it elsewhere.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
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
