//! The base of a job's paths, and the folders below it.

use crate::failure::{Failure, FailureCode};
use crate::modes::PERMISSIONS;
use crate::path::{Name, NameRef, RemotePath};
use crate::store::{Filesystems, Folder, FolderCache, is_entry, is_same, is_staged, reserved_name};
use std::io;
use std::sync::{Arc, OnceLock};

/// The base of a job's paths.
pub enum Base {
    /// This folder. The job's own path has no metadata to set.
    Folder(FolderCache),
    /// This name in a folder: a file or link if the job has a single one, a folder otherwise.
    Named {
        /// The folder.
        parent: Arc<dyn Folder>,
        /// The name.
        name: Name,
        /// Permissions, at most, of a folder that is made.
        folder_mode: u32,
        /// The folder of that name, opened when it is needed.
        inner: OnceLock<FolderCache>,
    },
}

impl Base {
    /// A base that is `name` in `parent`.
    #[must_use]
    pub fn named(parent: Arc<dyn Folder>, name: Name) -> Self {
        Self::Named { parent, name, folder_mode: PERMISSIONS, inner: OnceLock::new() }
    }

    /// Limits the permissions of folders that are made to `mode`.
    pub(super) fn making(self, mode: u32) -> Self {
        match self {
            Self::Folder(folders) => Self::Folder(folders.making(move |_| mode)),
            Self::Named { parent, name, inner, .. } => Self::Named { parent, name, folder_mode: mode, inner },
        }
    }

    /// Returns the target folder, or its parent if it does not exist yet or is not a folder.
    #[must_use]
    pub fn folder(&self) -> Arc<dyn Folder> {
        match self {
            Self::Folder(folders) => folders.base().clone(),
            Self::Named { parent, name, .. } => parent.folder(name.into()).unwrap_or_else(|_| parent.clone()),
        }
    }

    pub(super) fn folders(&self, make: bool) -> io::Result<&FolderCache> {
        match self {
            Self::Folder(folders) => Ok(folders),
            Self::Named { parent, name, folder_mode, inner } => match inner.get() {
                Some(folders) => Ok(folders),
                None => {
                    let mode = *folder_mode;
                    let outer = FolderCache::new(parent.clone()).making(move |_| mode);
                    let folder = outer.get(name.as_bytes(), make)?;
                    let folders = FolderCache::new(folder).making(move |_| mode);
                    folders.touch(parent)?; // also for an earlier run that reached no sync
                    if outer.take_made(name.as_bytes()) {
                        folders.note_made(&[]);
                    }
                    Ok(inner.get_or_init(|| folders))
                }
            },
        }
    }

    /// Checks that the base is still in its place. `find` looks up the base's folder by its path, or the folder that holds its name.
    pub(super) fn check_place(&self, find: &Find) -> Result<(), Failure> {
        let is_in_place = match self {
            Self::Folder(folders) => is_there(&**folders.base(), find())?,
            Self::Named { parent, name, inner, .. } => {
                is_there(&**parent, find())?
                    && match inner.get() {
                        Some(folders) => is_entry(&**parent, name.into(), &**folders.base())?,
                        None => true,
                    }
            }
        };
        if is_in_place { Ok(()) } else { Err(Failure::new(FailureCode::NotFound, MOVED)) }
    }

    /// Returns the filesystems on which folders were made or changed since the last call.
    pub(super) fn take_touched(&self) -> Filesystems {
        match self {
            Self::Folder(folders) => folders.take_touched(),
            Self::Named { inner, .. } => inner.get().map(FolderCache::take_touched).unwrap_or_default(),
        }
    }

    /// True if the folder that contains `path` was made here.
    pub(super) fn is_in_new_folder(&self, path: &RemotePath) -> bool {
        let folders = match self {
            Self::Folder(folders) => Some(folders),
            Self::Named { inner, .. } => inner.get(),
        };
        let parent = path.parent_and_name().map(|(parent, _)| parent);
        folders.zip(parent).is_some_and(|(folders, parent)| folders.is_new(parent))
    }

    /// Returns the folder that contains `path`, made if it is missing, and the name in it.
    pub(super) fn place<'a>(
        &'a self,
        path: &'a RemotePath,
    ) -> Result<(Arc<dyn Folder>, NameRef<'a>), Failure> {
        self.place_of(path, true)
    }

    pub(super) fn place_of<'a>(
        &'a self,
        path: &'a RemotePath,
        make: bool,
    ) -> Result<(Arc<dyn Folder>, NameRef<'a>), Failure> {
        let (folder, name) = match (path.parent_and_name(), self) {
            (Some((parent, name)), _) => (self.folders(make)?.get(parent, make)?, name),
            (None, Self::Named { parent, name, .. }) => (parent.clone(), name.into()),
            (None, Self::Folder(_)) => return Err(FailureCode::IsAFolder.into()),
        };
        if is_staged(name) { Err(reserved_name()) } else { Ok((folder, name)) }
    }
}

/// True if `found` is the folder `folder`, and where that cannot be told, as permissions have changed.
fn is_there(folder: &dyn Folder, found: io::Result<Arc<dyn Folder>>) -> io::Result<bool> {
    match found {
        Ok(found) => is_same(folder, &*found),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(true),
        Err(error) => Err(error),
    }
}

/// Looks up a folder by its path.
pub type Find = dyn Fn() -> io::Result<Arc<dyn Folder>> + Send + Sync;

const MOVED: &str =
    "was moved or replaced meanwhile, and all went into the folder that was there before: run again";
