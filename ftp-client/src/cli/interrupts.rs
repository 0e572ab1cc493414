//! Ctrl-C and a polite kill: the running work is dropped, the session still says goodbye. Signals that were ignored when the
//! program began stay ignored, so that `nohup`, and shells that start a program in the background, protect it.

use ftp_client::Error;
use std::fs;
use std::future::pending;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The signals that end a run.
pub(crate) struct Interrupts {
    keyboard: Caught,
    termination: Caught,
    hangup: Caught,
    /// Caught, so that a file that is longer than the system allows fails with an error and the others arrive.
    _too_large: Caught,
    /// Ends the program if somebody asks twice and it cannot end by itself.
    last_resort: JoinHandle<()>,
}

/// A signal that is caught, unless it was ignored when the program began.
pub(crate) struct Caught(Option<Signal>);

impl Interrupts {
    /// Catches the signals: from here on they do not kill the process.
    pub(crate) fn listen() -> Result<Self, Error> {
        Ok(Self {
            keyboard: Caught::new(SignalKind::interrupt())?,
            termination: Caught::new(SignalKind::terminate())?,
            hangup: Caught::new(SignalKind::hangup())?,
            _too_large: Caught::new(SignalKind::from_raw(SIGXFSZ))?,
            last_resort: tokio::spawn(end_at_the_second(
                Caught::new(SignalKind::interrupt())?,
                Caught::new(SignalKind::terminate())?,
            )),
        })
    }

    /// Does the work, unless a signal comes first.
    pub(crate) async fn guard<T>(
        &mut self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            result = work => result,
            () = self.next() => Err(Error::Interrupted),
        }
    }

    /// Waits until somebody ends the program; the keyboard does not.
    pub(crate) async fn ended(&mut self) {
        tokio::select! {
            () = self.termination.heard() => {}
            () = self.hangup.heard() => {}
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            () = self.keyboard.heard() => {}
            () = self.termination.heard() => {}
            () = self.hangup.heard() => {}
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.last_resort.abort();
    }
}

/// A disk that hangs may hold the very thread that would hear of signals.
async fn end_at_the_second(mut keyboard: Caught, mut termination: Caught) {
    for _ in 0..2 {
        tokio::select! {
            () = keyboard.heard() => {}
            () = termination.heard() => {}
        }
    }
    sleep(END_PATIENCE).await;
    std::process::exit(Error::Interrupted.exit_code().into());
}

/// Time to end in good order, after the second signal.
const END_PATIENCE: Duration = Duration::from_secs(3);

impl Caught {
    /// Catches a signal. All of this program's signals are caught here: one that is caught elsewhere first would not look
    /// ignored any more.
    pub(crate) fn new(kind: SignalKind) -> Result<Self, Error> {
        if is_ignored(kind) {
            return Ok(Self(None));
        }
        let caught = signal(kind).map_err(|source| Error::local(Path::new("signals"), source))?;
        Ok(Self(Some(caught)))
    }

    /// Waits for the signal.
    async fn heard(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => pending().await,
        }
    }
}

/// True if a signal was ignored when this was asked first, which is before any is caught.
fn is_ignored(kind: SignalKind) -> bool {
    static AT_START: OnceLock<u64> = OnceLock::new();
    let ignored = AT_START.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default(); // without /proc, none
        ignored_signals(&status)
    });
    u32::try_from(kind.as_raw_value() - 1).is_ok_and(|bit| bit < 64 && ignored >> bit & 1 == 1)
}

/// The signals that a process ignores, one a bit from signal 1 on: the line `SigIgn:` of proc(5)'s status.
fn ignored_signals(status: &str) -> u64 {
    let digits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    digits.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}

/// Linux's number of it, on the processors that Rust's standard library runs on but MIPS and SPARC.
const SIGXFSZ: i32 = 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read() {
        let status =
            "Name:\tx\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert_eq!(ignored_signals(status), 1 << 12 | 1, "SIGPIPE and SIGHUP");
        assert_eq!((ignored_signals(""), ignored_signals("SigIgn:\tx\n")), (0, 0));
    }
}
