//! Held handles of the folders that a transfer works in, so that files of one folder do not look it up again and again.

use super::{Folder, is_staged};
use crate::failure::{Failure, FailureCode};
use crate::path::RemotePath;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Handles of folders below one base, by path.
pub struct FolderCache {
    base: Arc<dyn Folder>,
    held: Mutex<Held>,
    /// Folders that were made here, until somebody asks.
    made: Mutex<HashSet<Box<[u8]>>>,
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
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(path.into());
    }

    /// True, once, if the folder at `path` was made here, and not found.
    pub fn take_made(&self, path: &[u8]) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(path)
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
                match parent.make_folder(name) {
                    Ok(()) => self.note_made(path.as_bytes()),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // another lane made it
                    Err(error) => return Err(error),
                }
                parent.folder(name)
            }
            other => other,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handles that a cache holds open: enough for the folders that all lanes work in, few beside a limit of 1,024 files.
const HELD_MAX: usize = 64;
