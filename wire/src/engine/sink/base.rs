//! The place that a job's paths are below, and the folders there.

use crate::failure::{Failure, FailureCode};
use crate::modes::PERMISSIONS;
use crate::path::{Name, NameRef, RemotePath};
use crate::store::{Filesystems, Folder, FolderCache, is_staged, reserved_name};
use std::io;
use std::sync::{Arc, OnceLock};

/// The place that a job's paths are below.
pub enum Base {
    /// This folder. The job's own path has no metadata of its own to set.
    Folder(FolderCache),
    /// This name in a folder: a file or link if the job has a single one, a folder otherwise.
    Named {
        /// The folder.
        parent: Arc<dyn Folder>,
        /// The name.
        name: Name,
        /// Permissions, at most, of a folder that is made.
        folder_mode: u32,
        /// The folder of that name, once it is needed.
        inner: OnceLock<FolderCache>,
    },
}

impl Base {
    /// A base that is `name` in `parent`.
    #[must_use]
    pub fn named(parent: Arc<dyn Folder>, name: Name) -> Self {
        Self::Named { parent, name, folder_mode: PERMISSIONS, inner: OnceLock::new() }
    }

    /// The same; folders that are made have at most the permissions `mode`.
    pub(super) fn making(self, mode: u32) -> Self {
        match self {
            Self::Folder(folders) => Self::Folder(folders.making(move |_| mode)),
            Self::Named { parent, name, inner, .. } => Self::Named { parent, name, folder_mode: mode, inner },
        }
    }

    /// The folder that all of it comes to, or the one above if that is not there yet, or no folder.
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
                    folders.touch(parent)?; // also for a run before that came to no sync
                    if outer.take_made(name.as_bytes()) {
                        folders.note_made(&[]);
                    }
                    Ok(inner.get_or_init(|| folders))
                }
            },
        }
    }

    /// Filesystems on which folders were made or changed since this was asked last.
    pub(super) fn take_touched(&self) -> Filesystems {
        match self {
            Self::Folder(folders) => folders.take_touched(),
            Self::Named { inner, .. } => inner.get().map(FolderCache::take_touched).unwrap_or_default(),
        }
    }

    /// True if the folder that holds `path` was made here.
    pub(super) fn is_in_new_folder(&self, path: &RemotePath) -> bool {
        let folders = match self {
            Self::Folder(folders) => Some(folders),
            Self::Named { inner, .. } => inner.get(),
        };
        let parent = path.parent_and_name().map(|(parent, _)| parent);
        folders.zip(parent).is_some_and(|(folders, parent)| folders.is_new(parent))
    }

    /// The folder that holds `path`, made if it is missing, and the name in it.
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
