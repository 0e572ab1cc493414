//! Storage with injected faults: a wrapper around any folder that counts operations and fails the n-th one, or stops there for
//! good, as if the process had been killed. It also records all operations in order.

mod folder;

pub(crate) use folder::FaultyFolder;

use ftp_server::disks::{RootOpener, StorageRoot};
use rustix::io::Errno;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::RemotePath;
use wire::message::FollowLinks;
use wire::metadata::Metadata;
use wire::modes::ModePolicy;
use wire::store::{Capabilities, Folder, LocalStorage, SourceFile, Storage};

/// The planned fault, and the operations so far.
#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    plan: Plan,
    /// One sync of the filesystem is not known to reach all of it.
    syncs_each: bool,
    count: usize,
    /// The operations that write to the disk.
    syncs: usize,
    record: Vec<Done>,
    failed: Option<Done>,
    /// Length of the record before the failure.
    before_failure: usize,
}

/// The operation to fail.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Plan {
    #[default]
    None,
    /// The operation with this index fails with this system error.
    Fail(usize, i32),
    /// The same, but only operations that write to the disk are counted.
    FailSync(usize, i32),
    /// The operation with this index and all later ones are not done.
    Crash(usize),
    /// All operations of this name fail with this system error.
    FailAll(&'static str, i32),
    /// There is no space for new files and links until a file is removed.
    Full,
}

/// An operation, and the name that it concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) op: &'static str,
    pub(crate) name: String,
}

impl Faults {
    pub(crate) fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { plan, ..State::default() })))
    }

    /// No fault, on a filesystem where each file must be synced.
    pub(crate) fn syncing_each() -> Arc<Self> {
        Self::syncing_each_with(Plan::None)
    }

    /// The same, with faults.
    pub(crate) fn syncing_each_with(plan: Plan) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { plan, syncs_each: true, ..State::default() })))
    }

    /// Returns all attempted operations, in order.
    pub(crate) fn record(&self) -> Vec<Done> {
        self.lock().record.clone()
    }

    /// Returns the operation that was made to fail, if the transfer reached it: workers divide a tree differently each time,
    /// and some runs take fewer operations.
    pub(crate) fn failed(&self) -> Option<Done> {
        self.lock().failed.clone()
    }

    /// Returns all operations attempted after it.
    pub(crate) fn after_failure(&self) -> Vec<Done> {
        let state = self.lock();
        state.record[state.before_failure..].to_vec()
    }

    /// Adds an entry from elsewhere, which is not counted as an operation.
    pub(crate) fn note(&self, op: &'static str, name: &str) {
        self.lock().record.push(Done { op, name: name.to_owned() });
    }

    /// Counts an operation, and fails if it is not to be done.
    fn pass(&self, op: &'static str, name: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let (index, sync) = (state.count, state.syncs);
        let is_sync = op.starts_with("sync_");
        state.count += 1;
        state.syncs += usize::from(is_sync);
        let done = Done { op, name: String::from_utf8_lossy(name).into_owned() };
        state.record.push(done.clone());
        if state.failed.is_none() {
            state.before_failure = state.record.len();
        }
        match state.plan {
            Plan::Fail(at, error) if at == index => {
                state.failed = Some(done);
                Err(io::Error::from_raw_os_error(error))
            }
            Plan::FailSync(at, error) if is_sync && at == sync => {
                state.failed = Some(done);
                Err(io::Error::from_raw_os_error(error))
            }
            Plan::Crash(at) if at <= index => Err(io::Error::other("crashed")),
            Plan::FailAll(failing, error) if failing == op => Err(io::Error::from_raw_os_error(error)),
            Plan::Full if op == "remove_file" => {
                state.plan = Plan::None;
                Ok(())
            }
            Plan::Full if NEED_SPACE.contains(&op) => Err(Errno::NOSPC.into()),
            Plan::None | Plan::Fail(..) | Plan::FailSync(..) | Plan::Crash(_) => Ok(()),
            Plan::FailAll(..) | Plan::Full => Ok(()),
        }
    }

    fn syncs_each(&self) -> bool {
        self.lock().syncs_each
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// Storage whose folders are controlled by [`Faults`].
pub(crate) struct FaultyStorage {
    inner: LocalStorage,
    faults: Arc<Faults>,
}

/// Opens all roots as [`FaultyStorage`].
pub(crate) struct FaultyRoots(pub(crate) Arc<Faults>);

impl RootOpener for FaultyRoots {
    fn open(&self, root: &Path, modes: ModePolicy) -> io::Result<StorageRoot> {
        let (inner, faults) = (LocalStorage::open(root)?.with_modes(modes), self.0.clone());
        Ok(StorageRoot { storage: Arc::new(FaultyStorage { inner, faults }), filesystem: 0 })
    }
}

impl Storage for FaultyStorage {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>> {
        Ok(FaultyFolder::wrap(self.inner.folder(path)?, &self.faults))
    }
    fn tree(&self, path: &RemotePath, follow: FollowLinks) -> io::Result<Arc<dyn Folder>> {
        Ok(FaultyFolder::wrap(self.inner.tree(path, follow)?, &self.faults))
    }
    fn open_file(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        self.inner.open_file(path)
    }
    fn metadata(&self, path: &RemotePath) -> io::Result<Metadata> {
        self.inner.metadata(path)
    }
}

/// The operations that give a file or link a new name.
const NEED_SPACE: [&str; 6] =
    ["make_file", "make_link", "hard_link", "rename", "create_staged", "create_whole"];
