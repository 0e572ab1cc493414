//! A FUSE filesystem of the tests' own: a tree in memory that refuses, hangs, or lacks features of local disks.
//!
//! It needs root, /dev/fuse and fusectl; a test that finds them missing says so and passes. However a test ends, the connection
//! is aborted before the filesystem is unmounted, so that no process keeps waiting for it.

mod daemon;
mod tree;

use crate::support::wait_until;
use daemon::Daemon;
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

/// A request of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Op {
    Lookup,
    Attributes,
    SetAttributes,
    Create,
    Open,
    Read,
    Write,
    Flush,
    Fsync,
    FsyncFolder,
    Link,
    Rename,
    Remove,
    MakeFolder,
    ReadFolder,
    Space,
    Lock,
}

/// The features that the filesystem lacks, from its mount on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lacks {
    pub(crate) flock: bool,
    pub(crate) rename_flags: bool,
    pub(crate) xattrs: bool,
    pub(crate) case: bool,
    pub(crate) fractions_of_seconds: bool,
}

/// A mounted filesystem.
pub(crate) struct Fuse {
    switches: Arc<Switches>,
    session: Option<BackgroundSession>,
    /// Its number in /sys/fs/fuse/connections.
    connection: u32,
    folder: TempDir,
}

/// State that a test may change while the filesystem is used.
#[derive(Default)]
pub(crate) struct Switches {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    hanging: BTreeSet<Op>,
    /// Requests are no longer read from the kernel.
    stalled: bool,
    /// The kernel's next request waits for the end of the stall.
    is_stuck: bool,
    over: bool,
    /// The error number, and the first call that fails.
    refused: BTreeMap<Op, (i32, u64)>,
    counts: BTreeMap<Op, u64>,
    waiting: u64,
}

/// Mounts a filesystem that lacks something; returns `None` if this machine cannot.
pub(crate) fn mount(lacks: Lacks) -> Option<Fuse> {
    let missing = if !rustix::process::geteuid().is_root() {
        "root"
    } else if !Path::new("/dev/fuse").exists() {
        "/dev/fuse"
    } else if !has_fusectl() {
        "fusectl"
    } else {
        return Some(Fuse::new(lacks));
    };
    eprintln!("skipped: a FUSE filesystem needs {missing}");
    None
}

/// True if fusectl is available, which can abort a hanging connection; without it such tests could leave processes that cannot
/// be killed.
fn has_fusectl() -> bool {
    let is_there = || std::fs::read_dir(CONNECTIONS).is_ok() && is_mounted(CONNECTIONS);
    if !is_there() {
        let _ = Command::new("mount").args(["-t", "fusectl", "none", CONNECTIONS]).output();
    }
    is_there()
}

fn is_mounted(place: &str) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(place))
}

impl Fuse {
    fn new(lacks: Lacks) -> Self {
        let folder = TempDir::with_prefix("ftpx-fuse-").unwrap();
        let mountpoint = folder.path().join("mounted");
        std::fs::create_dir(&mountpoint).unwrap();
        let switches = Arc::new(Switches::default());
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName("ftpx-tests".into()), MountOption::DefaultPermissions];
        config.acl = SessionACL::All;
        let session = fuser::spawn_mount(Daemon::new(lacks, switches.clone()), &mountpoint, &config).unwrap();
        let device = std::fs::metadata(&mountpoint).unwrap().dev();
        let connection = rustix::fs::minor(device);
        Self { switches, session: Some(session), connection, folder }
    }

    /// Returns the mount point.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Makes calls of `op` wait from now on until [`release`](Self::release). Waiting processes cannot be killed.
    pub(crate) fn hang(&self, op: Op) {
        self.switches.lock().hanging.insert(op);
    }

    /// Leaves all requests unanswered from now on, like a file server that is gone. Waiting processes can be killed.
    pub(crate) fn stall(&self) {
        self.switches.lock().stalled = true;
        let path = self.path();
        // The request that the daemon reads last must be our own.
        std::thread::spawn(move || std::fs::metadata(path.join("stall")));
        self.switches.wait("the daemon is stuck", |state| state.is_stuck);
    }

    /// Lets everything that hangs continue.
    pub(crate) fn release(&self) {
        let mut state = self.switches.lock();
        state.hanging.clear();
        state.stalled = false;
        drop(state);
        self.switches.changed.notify_all();
    }

    /// Ends the filesystem: all calls fail, including hanging ones.
    pub(crate) fn abort(&self) {
        let _ = std::fs::write(format!("{CONNECTIONS}/{}/abort", self.connection), "1"); // it may have ended by itself
        self.switches.lock().over = true;
        self.release();
    }

    /// Waits until this many calls hang.
    pub(crate) fn wait_for_hanging(&self, count: u64) {
        self.switches.wait("calls hang", |state| state.waiting >= count);
    }

    /// Waits until this many requests are unanswered, as counted by the kernel.
    pub(crate) fn wait_for_requests(&self, count: usize) {
        wait_until("requests wait", || {
            let waiting = std::fs::read_to_string(format!("{CONNECTIONS}/{}/waiting", self.connection));
            waiting.unwrap().trim().parse::<usize>().unwrap() >= count
        });
    }

    /// Makes calls of `op` from the `first` on, counted from 1, fail with this error number.
    pub(crate) fn refuse(&self, op: Op, errno: i32, first: u64) {
        let mut state = self.switches.lock();
        let before = state.counts.get(&op).copied().unwrap_or(0);
        state.refused.insert(op, (errno, before + first));
    }

    /// Stops refusing calls.
    pub(crate) fn refuse_nothing(&self) {
        self.switches.lock().refused.clear();
    }

    /// Returns the number of calls of `op`.
    pub(crate) fn count(&self, op: Op) -> u64 {
        self.switches.lock().counts.get(&op).copied().unwrap_or(0)
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        self.abort();
        let _ = Command::new("umount").arg("-l").arg(self.path()).output(); // the session's end does it, too
        drop(self.session.take());
    }
}

impl Switches {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, what: &str, is_so: impl Fn(&State) -> bool) {
        let (state, waited) = self
            .changed
            .wait_timeout_while(self.lock(), DEADLINE, |state| !is_so(state))
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        assert!(!waited.timed_out(), "not in time: {what}");
    }

    /// Counts a call; returns the error number if it is to be refused.
    fn count(&self, op: Op) -> Option<i32> {
        let mut state = self.lock();
        let count = state.counts.entry(op).or_default();
        *count += 1;
        let count = *count;
        state.refused.get(&op).filter(|(_, first)| count >= *first).map(|(errno, _)| *errno)
    }

    fn hangs(&self, op: Op) -> bool {
        self.lock().hanging.contains(&op)
    }

    /// Waits in a separate thread of the call.
    fn wait_while_hanging(&self, op: Op) {
        let mut state = self.lock();
        state.waiting += 1;
        self.changed.notify_all();
        while state.hanging.contains(&op) && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }

    /// Waits in the thread that reads from the kernel.
    fn wait_while_stalled(&self) {
        let mut state = self.lock();
        while state.stalled && !state.over {
            state.is_stuck = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_stuck = false;
    }
}

const CONNECTIONS: &str = "/sys/fs/fuse/connections";
const DEADLINE: Duration = Duration::from_secs(60);
