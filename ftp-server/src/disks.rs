//! The served storage: how roots are opened, and filesystems, each with a bounded number of threads: operations that hang on
//! one take no thread from the others, nor from logins.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};
use tracing::{info, warn};
use wire::disk::{Disk, DiskSlots, Hanging};
use wire::modes::ModePolicy;
use wire::store::{LocalStorage, Storage, WholeFilesystem};
use wire::sync::lock;
use wire::{Failure, FailureCode};

/// Opens the roots of users. A server whose storage is not the local filesystem has one of its own.
pub trait RootOpener: Send + Sync {
    /// Opens `root`, where `modes` are the rules for the permissions of everything that is made or changed. May block.
    ///
    /// # Errors
    /// If there is no such root, or it cannot be opened.
    fn open(&self, root: &Path, modes: ModePolicy) -> io::Result<StorageRoot>;
}

/// An open root.
pub struct StorageRoot {
    /// The storage below it.
    pub storage: Arc<dyn Storage>,
    /// A number that roots on the same filesystem share: they share its threads.
    pub filesystem: u64,
}

/// Opens roots that are folders of this machine.
pub struct LocalRoots;

/// Opens the whole filesystem of this machine, whatever the root, for a user whom only its permissions bound.
pub struct WholeRoot;

/// All filesystems that roots are on.
pub struct Disks {
    roots: Arc<dyn RootOpener>,
    all: Arc<Semaphore>,
    turns_each: usize,
    known: Mutex<HashMap<DiskKey, DiskEntry>>,
}

/// A filesystem or group of them that has turns of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum DiskKey {
    /// A filesystem, by its device's number.
    Filesystem(u64),
    /// The opening of a root, before it is known where that is.
    Opening(PathBuf),
}

struct DiskEntry {
    turns: Arc<DiskSlots>,
    /// A root on that filesystem, for the log.
    root: PathBuf,
    /// When a hanging operation was last logged.
    told: Option<Instant>,
}

/// A root that was opened, and the disk that it is on.
pub struct OpenedRoot {
    /// The storage below it.
    pub storage: Arc<dyn Storage>,
    /// Where the work on it is done.
    pub disk: Arc<Disk>,
}

impl RootOpener for LocalRoots {
    fn open(&self, root: &Path, modes: ModePolicy) -> io::Result<StorageRoot> {
        let storage = LocalStorage::open(root)?.with_modes(modes);
        let filesystem = storage.device()?;
        Ok(StorageRoot { storage: Arc::new(storage), filesystem })
    }
}

impl RootOpener for WholeRoot {
    fn open(&self, _: &Path, modes: ModePolicy) -> io::Result<StorageRoot> {
        let filesystem = LocalStorage::open(Path::new("/"))?.device()?;
        Ok(StorageRoot { storage: Arc::new(WholeFilesystem::with_modes(modes)), filesystem })
    }
}

impl Disks {
    /// No filesystem is in use yet; `roots` opens them.
    #[must_use]
    pub fn new(roots: Arc<dyn RootOpener>) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            roots,
            all: Arc::new(Semaphore::new(TURNS_IN_ALL)),
            turns_each: (4 * cores).clamp(8, 64),
            known: Mutex::default(),
        }
    }

    /// Opens a root, if that does not take longer than `patience`. A hanging open does not keep other roots from being opened.
    ///
    /// # Errors
    /// As the filesystem has it; `Io` with a reason if it does not answer.
    pub async fn open(&self, root: &Path, modes: ModePolicy, patience: Duration) -> io::Result<OpenedRoot> {
        let opening = Disk::new(self.turns(DiskKey::Opening(root.to_owned()), root, OPENINGS_AT_ONCE));
        let (path, roots) = (root.to_owned(), self.roots.clone());
        let opened = opening.run(move || roots.open(&path, modes));
        let StorageRoot { storage, filesystem } = match timeout(patience, opened).await {
            Ok(opened) => opened??,
            Err(_) => return Err(does_not_answer().into()),
        };
        let disk = Disk::new(self.turns(DiskKey::Filesystem(filesystem), root, self.turns_each));
        Ok(OpenedRoot { storage, disk })
    }

    fn turns(&self, key: DiskKey, root: &Path, count: usize) -> Arc<DiskSlots> {
        let mut known = self.known();
        let known = known.entry(key).or_insert_with(|| DiskEntry {
            turns: DiskSlots::new(count, Some(self.all.clone())),
            root: root.to_owned(),
            told: None,
        });
        known.turns.clone()
    }

    /// Logs hanging operations, for ever.
    pub async fn watch(&self) {
        let mut ticks = interval(LOOK_INTERVAL);
        loop {
            ticks.tick().await;
            let mut known = self.known();
            known.values_mut().for_each(DiskEntry::tell);
            known.retain(|_, known| Arc::strong_count(&known.turns) > 1 || !known.turns.is_idle());
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<DiskKey, DiskEntry>> {
        lock(&self.known)
    }
}

impl DiskEntry {
    fn tell(&mut self) {
        let Hanging { count, longest } = self.turns.hanging(HANGS_AFTER);
        let root = self.root.display();
        if count == 0 {
            if self.told.take().is_some() {
                info!(%root, "the filesystem answers again");
            }
            return;
        }
        if self.told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL) {
            self.told = Some(Instant::now());
            warn!(%root, operations = count, seconds = longest.as_secs(), "the filesystem does not answer");
        }
    }
}

fn does_not_answer() -> Failure {
    Failure::new(FailureCode::Io, "its filesystem does not answer")
}

/// Threads that all filesystems may have together. Those that hang cost little more than their stack's first pages.
const TURNS_IN_ALL: usize = 960;
/// Threads of the runtime beside its own: those, and some for logins and the rest, which no filesystem can take.
pub const BLOCKING_THREADS: usize = TURNS_IN_ALL + 64;
/// Logins that may try to open one root at the same time: one that hangs does not keep the next from trying after a remount.
const OPENINGS_AT_ONCE: usize = 2;
/// Work that has not gone on for so long hangs: longer than a busy disk takes, and most that sleep.
const HANGS_AFTER: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
const TELL_INTERVAL: Duration = Duration::from_secs(60);
