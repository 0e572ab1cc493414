//! A cache of open handles to the folders that a transfer works in, so that files of one folder need no repeated look-ups.

use super::{Filesystems, Folder, Spellings, is_staged};
use crate::budget::OPEN_FOLDER_LEN;
use crate::failure::{Failure, FailureCode};
use crate::modes::PERMISSIONS;
use crate::path::{NameRef, RemotePath};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Maps the path of an entry to its permissions.
type ModeOfPath = Box<dyn Fn(&[u8]) -> u32 + Send + Sync>;

/// Open folders below one base, by path.
pub struct FolderCache {
    base: Arc<dyn Folder>,
    /// Returns the permissions, at most, of a folder to be made, by its path.
    made_mode: ModeOfPath,
    open: Mutex<OpenFolders>,
    made: Mutex<Made>,
    /// Memory of the paths of folders made, readable without waiting while one is being made.
    made_len: AtomicUsize,
    /// Number of open folders.
    open_count: AtomicUsize,
    spellings: Spellings,
}

#[derive(Default)]
struct Made {
    /// Folders that were made here, until they are asked for or too many.
    paths: HashSet<Box<[u8]>>,
    /// Total length of the added paths.
    path_len: usize,
    /// Filesystems on which folders were made or changed, until they are synced.
    touched: Filesystems,
}

/// Folders by their paths.
#[derive(Default)]
struct OpenFolders {
    folders: HashMap<Box<[u8]>, Arc<dyn Folder>>,
    /// Total length of the added paths.
    path_len: usize,
}

impl Made {
    /// Drops the older ones once they take much memory: most are asked for soon after they were made. A dropped folder counts
    /// as one that existed before.
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
            open: Mutex::default(),
            made: Mutex::default(),
            made_len: AtomicUsize::new(0),
            open_count: AtomicUsize::new(0),
            spellings: Spellings::default(),
        }
    }

    /// Limits the permissions of folders made to those that `mode` returns for their paths.
    #[must_use]
    pub fn making(self, mode: impl Fn(&[u8]) -> u32 + Send + Sync + 'static) -> Self {
        Self { made_mode: Box::new(mode), ..self }
    }

    /// Returns the base folder of all paths.
    #[must_use]
    pub fn base(&self) -> &Arc<dyn Folder> {
        &self.base
    }

    /// Returns the folder at `path` (in the form of [`RemotePath::as_bytes`]) without following links. With `make`, missing
    /// folders are made.
    ///
    /// # Errors
    /// Of the filesystem.
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

    /// Caches `folder`, which was opened elsewhere, as the one at `path`.
    pub fn put(&self, path: &[u8], folder: Arc<dyn Folder>) {
        let mut open = self.lock();
        if open.folders.len() >= CACHED_MAX || open.path_len + path.len() > PATHS_LEN_MAX {
            *open = OpenFolders::default();
        }
        open.path_len += path.len();
        open.folders.insert(path.into(), folder);
        self.open_count.store(open.folders.len(), Ordering::Relaxed);
    }

    /// Drops all handles: a folder was removed, and another may take its name.
    pub fn forget(&self) {
        *self.lock() = OpenFolders::default();
        self.open_count.store(0, Ordering::Relaxed);
    }

    /// Records that the folder at `path` is new.
    pub fn note_made(&self, path: &[u8]) {
        let mut made = self.made();
        made.note(path);
        self.made_len.store(made.path_len, Ordering::Relaxed);
    }

    /// True if the folder at `path` was made here and not yet returned by [`take_made`](Self::take_made).
    #[must_use]
    pub fn is_new(&self, path: &[u8]) -> bool {
        self.made().paths.contains(path)
    }

    /// Returns true, once, if the folder at `path` was made here.
    pub fn take_made(&self, path: &[u8]) -> bool {
        let mut made = self.made();
        let was_there = made.forget(path);
        self.made_len.store(made.path_len, Ordering::Relaxed);
        was_there
    }

    /// Returns the approximate memory of the paths of folders made, plus the charge for open folders.
    #[must_use]
    pub fn kept_len(&self) -> usize {
        self.made_len.load(Ordering::Relaxed) + OPEN_FOLDER_LEN * self.open_count.load(Ordering::Relaxed)
    }

    /// Records that changes to `folder` itself need a sync.
    ///
    /// # Errors
    /// Of the filesystem.
    pub fn touch(&self, folder: &Arc<dyn Folder>) -> io::Result<()> {
        self.made().touched.add(folder)
    }

    /// Returns the filesystems on which folders were made or touched since the last call.
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
            return Err(Failure::respelled().into()); // entries put there would collide with another folder's
        }
        Ok(folder)
    }

    /// Records the folder as made before others can find it, so that they know what to sync.
    fn make(&self, parent: &Arc<dyn Folder>, name: NameRef<'_>, path: &[u8]) -> io::Result<()> {
        let mode = (self.made_mode)(path);
        let mut made = self.made();
        made.touched.add(parent)?;
        match parent.make_folder(name, mode) {
            Ok(()) => {
                made.note(path);
                self.made_len.store(made.path_len, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {} // made by another lane
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, OpenFolders> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most handles that a cache keeps open: enough for the folders that all lanes work in, few compared to a limit of 1,024 files.
const CACHED_MAX: usize = 32;
/// The same bound in bytes of their paths.
const PATHS_LEN_MAX: usize = 32 * 1024;
/// Most bytes of paths of folders made and not asked for: some thousands of folders, unless they lie deep.
const MADE_LEN_MAX: usize = 256 * 1024;
/// Memory of a path besides its bytes.
const PATH_LEN: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalFolder;

    #[test]
    fn a_folder_that_another_lane_has_made_meanwhile_is_not_new() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("there")).unwrap();
        let base: Arc<dyn Folder> = Arc::new(LocalFolder::open_ambient(root.path()).unwrap());
        let cache = FolderCache::new(base.clone());
        for (name, is_new) in [(&b"there"[..], false), (b"missing", true)] {
            cache.make(&base, NameRef::new(name).unwrap(), name).unwrap();
            assert_eq!(cache.is_new(name), is_new);
        }
        std::fs::write(root.path().join("file"), "").unwrap();
        let file = NameRef::new(b"file").unwrap();
        assert!(cache.make(&base, file, b"file").is_ok(), "opening it shows what it is");
        std::fs::remove_dir_all(root.path()).unwrap();
        assert!(cache.make(&base, NameRef::new(b"gone").unwrap(), b"gone").is_err());
    }

    #[test]
    fn the_memory_of_folders_made_is_counted_until_they_are_taken() {
        let root = tempfile::tempdir().unwrap();
        let cache = FolderCache::new(Arc::new(LocalFolder::open_ambient(root.path()).unwrap()));
        for path in [&b"a"[..], b"a/b"] {
            let before = cache.kept_len();
            cache.note_made(path);
            assert_eq!(cache.kept_len(), before + path.len() + PATH_LEN);
        }
        for path in [&b"a"[..], b"a/b"] {
            assert!(cache.is_new(path) && cache.take_made(path) && !cache.take_made(path));
        }
        assert_eq!(cache.kept_len(), 0);
    }
}
