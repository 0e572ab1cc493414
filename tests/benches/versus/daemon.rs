//! A server under measurement: started, watched and ended by this process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tests::wan::is_running;

use crate::place::Place;
use crate::procfs;

/// A running server; dropping it ends it with all its children.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Daemon {
    /// Starts `command`, which must stay in the foreground; its output goes to a log in `logs`.
    pub(crate) fn spawn(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self { name: name.to_owned(), log, child })
    }

    /// Starts a server and waits until it accepts connections to `address`.
    pub(crate) fn start(
        name: &str,
        command: Command,
        logs: &Path,
        place: &Place,
        address: SocketAddr,
    ) -> Result<Self> {
        let mut daemon = Self::spawn(name, command, logs)?;
        daemon.wait_for(|_| Ok(place.answers(address)?.then_some(())))?;
        Ok(daemon)
    }

    /// Waits until `ready` finds its result in the server's output.
    pub(crate) fn wait_for<T>(&mut self, ready: impl Fn(&str) -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let printed = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(found) = ready(&printed)? {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, printed.trim());
            }
            if Instant::now() > deadline {
                bail!("{} is not ready after {PATIENCE:?}: {}", self.name, printed.trim());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server has finished with its last client: it has only the children it had at rest, and uses no CPU.
    pub(crate) fn settle(&self, at_rest: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut before = procfs::cpu(self.process());
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(30));
            let now = procfs::cpu(self.process());
            if now == before && procfs::family(self.process()).len() <= at_rest {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Daemon {
    /// Lets the server end in an orderly way, together with its children, and kills the rest.
    fn drop(&mut self) {
        let family = procfs::family(self.process());
        signal(self.process(), Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        // The server itself is gone and its id may be reused; a session of sshd outlives its listener.
        for process in family.into_iter().skip(1).filter(|process| is_running(*process)) {
            signal(process, Signal::KILL);
        }
    }
}

fn signal(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(process, signal);
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(3);
