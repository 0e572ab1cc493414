//! Ctrl-C and a polite kill: the running work is dropped, the session still says goodbye.

use ftp_client::Error;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a run.
pub(crate) struct Interrupts {
    keyboard: Signal,
    termination: Signal,
    hangup: Signal,
    /// Caught, so that a file that is longer than the system allows fails with an error and the others arrive.
    _too_large: Signal,
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

/// Linux's number of it, on the processors that Rust's standard library runs on but MIPS and SPARC.
const SIGXFSZ: i32 = 25;
