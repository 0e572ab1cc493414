//! Held handles of the folders that a transfer works in, so that files of one folder do not look it up again and again.

use super::{Filesystems, Folder, is_staged};
use crate::failure::{Failure, FailureCode};
use crate::path::{NameRef, RemotePath};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Handles of folders below one base, by path.
pub struct FolderCache {
    base: Arc<dyn Folder>,
    held: Mutex<Held>,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    /// Folders that were made here, until somebody asks.
    paths: HashSet<Box<[u8]>>,
    /// Filesystems on which folders were made or changed, until somebody syncs them.
    touched: Filesystems,
}

/// Folders by their paths.
type Held = HashMap<Box<[u8]>, Arc<dyn Folder>>;

impl FolderCache {
    /// A cache of folders below `base`.
    #[must_use]
    pub fn new(base: Arc<dyn Folder>) -> Self {
        Self { base, held: Mutex::default(), made: Mutex::default() }
    }

    /// The folder at `path` (as [`RemotePath::as_bytes`] has it); no link is followed. With `make`, missing ones are made.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn get(&self, path: &[u8], make: bool) -> io::Result<Arc<dyn Folder>> {
        if path.is_empty() {
            return Ok(self.base.clone());
        }
        if let Some(folder) = self.lock().get(path) {
            return Ok(folder.clone());
        }
        let folder = self.open(path, make)?;
        self.put(path, folder.clone());
        Ok(folder)
    }

    /// Remembers `folder`, which was opened elsewhere, as the one at `path`.
    pub fn put(&self, path: &[u8], folder: Arc<dyn Folder>) {
        let mut held = self.lock();
        if held.len() >= HELD_MAX {
            held.clear();
        }
        held.insert(path.into(), folder);
    }

    /// Forgets all handles: a folder was removed, and another may take its name.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// Remembers that the folder at `path` is new.
    pub fn note_made(&self, path: &[u8]) {
        self.made().paths.insert(path.into());
    }

    /// True if the folder at `path` was made here, and nobody has asked for that with [`take_made`](Self::take_made) yet.
    #[must_use]
    pub fn is_new(&self, path: &[u8]) -> bool {
        self.made().paths.contains(path)
    }

    /// True, once, if the folder at `path` was made here, and not found.
    pub fn take_made(&self, path: &[u8]) -> bool {
        self.made().paths.remove(path)
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
        match parent.folder(name) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                self.make(&parent, name, path.as_bytes())?;
                parent.folder(name)
            }
            other => other,
        }
    }

    /// Nobody finds the folder and asks what to sync before that is known.
    fn make(&self, parent: &Arc<dyn Folder>, name: NameRef<'_>, path: &[u8]) -> io::Result<()> {
        let mut made = self.made();
        made.touched.add(parent)?;
        match parent.make_folder(name) {
            Ok(()) => drop(made.paths.insert(path.into())),
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
const HELD_MAX: usize = 64;
