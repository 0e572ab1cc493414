//! Held handles of the folders that a transfer works in, so that files of one folder do not look it up again and again.

use super::{Filesystems, Folder, Spellings, is_staged};
use crate::budget::OPEN_FOLDER_LEN;
use crate::failure::{Failure, FailureCode};
use crate::modes::PERMISSIONS;
use crate::path::{NameRef, RemotePath};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Permissions by the path of what is to have them.
type ModeOfPath = Box<dyn Fn(&[u8]) -> u32 + Send + Sync>;

/// Handles of folders below one base, by path.
pub struct FolderCache {
    base: Arc<dyn Folder>,
    /// Permissions, at most, of a folder that is made, by its path.
    made_mode: ModeOfPath,
    held: Mutex<Held>,
    made: Mutex<Made>,
    /// What the paths of folders that were made take, for those who must not wait for one that is being made.
    made_len: AtomicUsize,
    /// Folders that are held open.
    held_count: AtomicUsize,
    spellings: Spellings,
}

#[derive(Default)]
struct Made {
    /// Folders that were made here, until somebody asks, or there are many.
    paths: HashSet<Box<[u8]>>,
    /// Bytes of the paths that were put in.
    path_len: usize,
    /// Filesystems on which folders were made or changed, until somebody syncs them.
    touched: Filesystems,
}

/// Folders by their paths.
#[derive(Default)]
struct Held {
    folders: HashMap<Box<[u8]>, Arc<dyn Folder>>,
    /// Bytes of the paths that were put in.
    path_len: usize,
}

impl Made {
    /// Forgets the others once they take much memory: most are asked for soon after they were made. A folder that is forgotten counts
    /// as one that was there.
    fn note(&mut self, path: &[u8]) {
        if self.path_len > MADE_LEN_MAX {
            self.paths = HashSet::new();
            self.path_len = 0;
        }
        if self.paths.insert(path.into()) {
            self.path_len += path.len() + PATH_LEN;
        }
    }

    fn forget(&mut self, path: &[u8]) -> bool {
        let was_there = self.paths.remove(path);
        if was_there {
            self.path_len -= path.len() + PATH_LEN;
        }
        was_there
    }
}

impl FolderCache {
    /// A cache of folders below `base`.
    #[must_use]
    pub fn new(base: Arc<dyn Folder>) -> Self {
        let made_mode = Box::new(|_: &[u8]| PERMISSIONS);
        Self {
            base,
            made_mode,
            held: Mutex::default(),
            made: Mutex::default(),
            made_len: AtomicUsize::new(0),
            held_count: AtomicUsize::new(0),
            spellings: Spellings::default(),
        }
    }

    /// The same; a folder that is made has at most the permissions that `mode` gives for its path.
    #[must_use]
    pub fn making(self, mode: impl Fn(&[u8]) -> u32 + Send + Sync + 'static) -> Self {
        Self { made_mode: Box::new(mode), ..self }
    }

    /// The folder that all paths are below.
    #[must_use]
    pub fn base(&self) -> &Arc<dyn Folder> {
        &self.base
    }

    /// The folder at `path` (as [`RemotePath::as_bytes`] has it); no link is followed. With `make`, missing ones are made.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn get(&self, path: &[u8], make: bool) -> io::Result<Arc<dyn Folder>> {
        if path.is_empty() {
            return Ok(self.base.clone());
        }
        if let Some(folder) = self.lock().folders.get(path) {
            return Ok(folder.clone());
        }
        let folder = self.open(path, make)?;
        self.put(path, folder.clone());
        Ok(folder)
    }

    /// Remembers `folder`, which was opened elsewhere, as the one at `path`.
    pub fn put(&self, path: &[u8], folder: Arc<dyn Folder>) {
        let mut held = self.lock();
        if held.folders.len() >= HELD_MAX || held.path_len + path.len() > PATHS_LEN_MAX {
            *held = Held::default();
        }
        held.path_len += path.len();
        held.folders.insert(path.into(), folder);
        self.held_count.store(held.folders.len(), Ordering::Relaxed);
    }

    /// Forgets all handles: a folder was removed, and another may take its name.
    pub fn forget(&self) {
        *self.lock() = Held::default();
        self.held_count.store(0, Ordering::Relaxed);
    }

    /// Remembers that the folder at `path` is new.
    pub fn note_made(&self, path: &[u8]) {
        let mut made = self.made();
        made.note(path);
        self.made_len.store(made.path_len, Ordering::Relaxed);
    }

    /// True if the folder at `path` was made here, and nobody has asked for that with [`take_made`](Self::take_made) yet.
    #[must_use]
    pub fn is_new(&self, path: &[u8]) -> bool {
        self.made().paths.contains(path)
    }

    /// True, once, if the folder at `path` was made here, and not found.
    pub fn take_made(&self, path: &[u8]) -> bool {
        let mut made = self.made();
        let was_there = made.forget(path);
        self.made_len.store(made.path_len, Ordering::Relaxed);
        was_there
    }

    /// About how many bytes of memory the paths take of folders that were made, and what those that are open count as.
    #[must_use]
    pub fn kept_len(&self) -> usize {
        self.made_len.load(Ordering::Relaxed) + OPEN_FOLDER_LEN * self.held_count.load(Ordering::Relaxed)
    }

    /// Remembers that something about `folder` itself is to be synced.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn touch(&self, folder: &Arc<dyn Folder>) -> io::Result<()> {
        self.made().touched.add(folder)
    }

    /// Filesystems on which folders were made or touched since this was asked last.
    pub fn take_touched(&self) -> Filesystems {
        std::mem::take(&mut self.made().touched)
    }

    fn open(&self, path: &[u8], make: bool) -> io::Result<Arc<dyn Folder>> {
        let path = RemotePath::from_wire(path).map_err(|error| io::Error::from(Failure::from(error)))?;
        let Some((parent, name)) = path.parent_and_name() else { return Ok(self.base.clone()) };
        let parent = self.get(parent, make)?;
        if make && is_staged(name) {
            return Err(Failure::from(FailureCode::InvalidPath).into());
        }
        let folder = match parent.folder(name) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                self.make(&parent, name, path.as_bytes())?;
                parent.folder(name)?
            }
            other => other?,
        };
        if make && self.spellings.is_respelled(&*parent, name)? {
            return Err(Failure::respelled().into()); // what is put there would meet what is another folder's
        }
        Ok(folder)
    }

    /// Nobody finds the folder and asks what to sync before that is known.
    fn make(&self, parent: &Arc<dyn Folder>, name: NameRef<'_>, path: &[u8]) -> io::Result<()> {
        let mode = (self.made_mode)(path);
        let mut made = self.made();
        made.touched.add(parent)?;
        match parent.make_folder(name, mode) {
            Ok(()) => {
                made.note(path);
                self.made_len.store(made.path_len, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // another lane made it
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handles that a cache holds open: enough for the folders that all lanes work in, few beside a limit of 1,024 files.
const HELD_MAX: usize = 32;
/// The same in bytes of their paths.
const PATHS_LEN_MAX: usize = 32 * 1024;
/// Bytes of the paths of folders that were made and not asked for: some thousands, unless they lie deep.
const MADE_LEN_MAX: usize = 256 * 1024;
/// What a path takes beside its bytes.
const PATH_LEN: usize = 48;
