//! Ctrl-C and a polite kill: the running work is dropped, the session still says goodbye.

use ftp_client::Error;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// The signals that end a run.
pub(crate) struct Interrupts {
    keyboard: Signal,
    termination: Signal,
    hangup: Signal,
    /// Caught, so that a file that is longer than the system allows fails with an error and the others arrive.
    _too_large: Signal,
    /// Ends the program if somebody asks twice and it cannot end by itself.
    last_resort: JoinHandle<()>,
}

impl Interrupts {
    /// From here on the signals do not kill the process.
    pub(crate) fn listen() -> Result<Self, Error> {
        let listen = |kind| signal(kind).map_err(|source| Error::local(Path::new("signals"), source));
        Ok(Self {
            keyboard: listen(SignalKind::interrupt())?,
            termination: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            _too_large: listen(SignalKind::from_raw(SIGXFSZ))?,
            last_resort: tokio::spawn(end_at_the_second(
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
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
            _ = self.termination.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.keyboard.recv() => {}
            _ = self.termination.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.last_resort.abort();
    }
}

/// A disk that hangs may hold the very thread that would hear of signals.
async fn end_at_the_second(mut keyboard: Signal, mut termination: Signal) {
    for _ in 0..2 {
        tokio::select! {
            _ = keyboard.recv() => {}
            _ = termination.recv() => {}
        }
    }
    sleep(END_PATIENCE).await;
    std::process::exit(Error::Interrupted.exit_code().into());
}

/// Time to end in good order, after the second signal.
const END_PATIENCE: Duration = Duration::from_secs(3);
/// Linux's number of it, on the processors that Rust's standard library runs on but MIPS and SPARC.
const SIGXFSZ: i32 = 25;
