//! Makes the small changes of a batch in a tree: the server for a client, and the client for itself.
//!
//! Each change looks at its path once more before it does something irreversible. The look and the effect are two system calls,
//! so this guards against outdated plans, not against a program that writes at this very moment.
//!
//! The look compares kind, size and modification time. Inode and ctime would show more, but wrongly: FAT, SMB and some of FUSE
//! give a file another number when the system has forgotten it, and removing one name of a file changes the ctime of the
//! others.

mod backup;
mod backup_names;
mod versions;

use super::marks::Marks;
use super::spelling::{is_respelling, respell};
use super::{
    Capability, Folder, FolderCache, Spellings, disk_folder, file_clock, is_staged, reserved_name,
    set_carried, sync,
};
use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::limits::XATTRS_LEN_MAX;
use crate::message::{Batch, Change, Durability, KeptVersions, Xattr};
use crate::metadata::{Kind, MODE_BITS, Metadata};
use crate::modes::{self, OWNER_ALL, PERMISSIONS};
use crate::path::{NameRef, RemotePath};
use backup_names::no_backup;
use std::io;
use std::sync::Arc;

/// The tree that changes are made in.
pub struct Changes {
    folders: FolderCache,
    base: Arc<dyn Folder>,
    backup: Option<FolderCache>,
    /// The backup is above the base, so that a path below it may lead into the base.
    is_below_backup: bool,
    durability: Durability,
    spellings: Spellings,
    marks: Option<Arc<Marks>>,
    /// The versions of each file that stay in the backup.
    versions: Option<KeptVersions>,
}

impl Changes {
    /// Changes below `base`. Replaced and removed files go below `backup`.
    ///
    /// # Errors
    /// If the backup is the base itself, by whatever path, because no file would be kept then; if the storage does not promise
    /// this durability; or of the filesystem.
    pub fn new(
        base: Arc<dyn Folder>,
        backup: Option<Arc<dyn Folder>>,
        durability: Durability,
    ) -> Result<Self, Failure> {
        if durability == Durability::Power {
            base.capabilities().require(Capability::PowerDurability)?;
        }
        let is_below_backup = match &backup {
            Some(backup) => base.lies_in(&**backup)?,
            None => false,
        };
        if let Some(backup) = backup.as_ref().filter(|_| is_below_backup)
            && backup.lies_in(&*base)?
        {
            return Err(no_backup());
        }
        let tree = FolderCache::new(base.clone());
        // A backup is open to no more people than the original.
        let as_in_tree =
            move |path: &[u8]| tree.get(path, false).map_or(OWNER_ALL, |folder| mode_beside(&*folder));
        Ok(Self {
            folders: FolderCache::new(base.clone()).making(|_| OWNER_ALL),
            base,
            backup: backup.map(|backup| FolderCache::new(backup).making(as_in_tree)),
            is_below_backup,
            durability,
            spellings: Spellings::default(),
            marks: None,
            versions: None,
        })
    }

    /// Changes of a batch, below `base`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_batch(
        batch: &Batch,
        base: Arc<dyn Folder>,
        backup: Option<Arc<dyn Folder>>,
    ) -> Result<Self, Failure> {
        Self::new(base, backup, batch.durability)?.with_versions(batch.versions)
    }

    /// Records syncs in `marks`. No change writes content, so other records are unnecessary.
    #[must_use]
    pub fn noting(self, marks: Option<Arc<Marks>>) -> Self {
        if let Some(marks) = &marks {
            marks.begin(&self.base, true); // changes from here on belong to this boot
        }
        Self { marks, ..self }
    }

    /// Makes the changes since the last call durable, if requested. Changes touch names and metadata all over the tree, so
    /// their filesystem is synced as a whole: once for many.
    ///
    /// # Errors
    /// Of the filesystem; then it is unknown which of the changes a loss of power undoes.
    pub fn sync(&self) -> io::Result<()> {
        let mut touched = self.folders.take_touched();
        touched.join(self.backup.as_ref().map(FolderCache::take_touched).unwrap_or_default());
        match self.durability {
            Durability::Process | Durability::None => Ok(()),
            Durability::Power => touched.sync(),
        }
    }

    /// Makes a change.
    ///
    /// # Errors
    /// Of the filesystem; `Drifted` if the path is no longer what the change expects.
    pub fn make(&self, change: &Change) -> Result<(), Failure> {
        beat();
        match change {
            Change::RemoveFile { path, was } => {
                let (folder, name) = match was {
                    Some(was) => self.unchanged(path, was)?,
                    None => self.place(path)?,
                };
                if was.is_none() && folder.identity(name)?.metadata.kind == Kind::Folder {
                    return Err(FailureCode::IsAFolder.into());
                }
                Ok(folder.remove_file(name)?)
            }
            Change::RemoveFolder { path } => {
                let (folder, name) = self.place(path)?;
                self.check_spelling(&*folder, name)?;
                folder.remove_folder(name)?;
                self.folders.forget();
                Ok(())
            }
            Change::MakeFolder { path } => self.make_folder(path),
            Change::SetMetadata { path, modified, mode } => {
                if path.is_root() {
                    self.touch(&self.base)?;
                }
                let bits_ok = mode.is_none_or(|mode| mode & !MODE_BITS == 0);
                if !bits_ok || modified.is_some_and(|time| time.nanos >= 1_000_000_000) {
                    return Err(FailureCode::BadMessage.into());
                }
                self.base.capabilities().require_metadata(*modified, *mode)?;
                if path.is_root() {
                    let mode = differing(*mode, || self.base.own_metadata())?;
                    Ok(set_carried(mode, |mode| self.base.set_own_metadata(*modified, mode))?)
                } else {
                    let (folder, name) = self.place(path)?;
                    let mode = differing(*mode, || folder.metadata(name))?;
                    set_carried(mode, |mode| folder.set_metadata(name, *modified, mode))?;
                    Ok(self.sync_alone(&folder, name)?)
                }
            }
            Change::Move { from, to, was } => {
                let (source, name) = self.unchanged(from, was)?;
                let (target, to_name) = self.new_place(to)?;
                if is_respelling((&*source, name), (&*target, to_name))? {
                    Ok(respell(&*source, name, to_name)?)
                } else {
                    Ok(source.rename(name, &*target, to_name, false)?)
                }
            }
            Change::SetAside { path, was, keep } => self.set_aside(path, was, *keep),
            Change::HardLink { path, of } => self.hard_link(path, of),
            Change::SetOwner { path, owner } => {
                self.base.capabilities().require(Capability::Owners)?;
                self.with(path, |folder, name| folder.set_owner(name, owner))
            }
            Change::SetXattrs { path, xattrs } => self.set_xattrs(path, xattrs),
            Change::Sync { path } => self.sync_path(path),
            Change::Prune { path } => self.prune(path),
        }
    }

    /// Syncs a path: a folder with everything below it, or another entry.
    fn sync_path(&self, path: &RemotePath) -> Result<(), Failure> {
        self.base.capabilities().require(Capability::PowerDurability)?;
        if path.is_root() {
            return Ok(self.sync_below(&self.base)?);
        }
        let (folder, name) = self.place(path)?;
        let Some(disk) = disk_folder(&folder) else { return Ok(()) }; // an object was durable when it was committed
        match folder.metadata(name)?.kind {
            Kind::Folder => self.sync_below(&folder.folder(name)?)?,
            Kind::File | Kind::Symlink | Kind::Special => sync::entry(&*disk, name)?,
        }
        Ok(disk.sync()?)
    }

    fn sync_below(&self, folder: &Arc<dyn Folder>) -> io::Result<()> {
        let Some(folder) = disk_folder(folder) else { return Ok(()) };
        let began = file_clock();
        sync::below(&folder)?;
        if let Some(marks) = &self.marks {
            marks.synced(&*folder, began);
        }
        Ok(())
    }

    fn make_folder(&self, path: &RemotePath) -> Result<(), Failure> {
        let (folder, name) = self.place(path)?;
        match folder.make_folder(name, PERMISSIONS) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                folder.folder(name)?; // it may be no folder
                if self.spellings.is_respelled(&*folder, name)? { Err(Failure::respelled()) } else { Ok(()) }
            }
            other => Ok(other?),
        }
    }

    fn set_xattrs(&self, path: &RemotePath, xattrs: &[Xattr]) -> Result<(), Failure> {
        let len: usize = xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len()).sum();
        if len > XATTRS_LEN_MAX || !xattrs.is_sorted_by(|a, b| a.name < b.name) {
            return Err(FailureCode::BadMessage.into());
        }
        self.base.capabilities().require(Capability::Xattrs)?;
        self.with(path, |folder, name| folder.set_xattrs(name, xattrs))
    }

    /// The new name takes the old one's place in one step.
    fn hard_link(&self, path: &RemotePath, of: &RemotePath) -> Result<(), Failure> {
        self.base.capabilities().require(Capability::HardLinks)?;
        let (source, source_name) = self.place(of)?;
        let (folder, name) = self.new_place(path)?;
        let existing = folder.metadata(name).map(|existing| existing.kind);
        if existing.is_ok() && self.spellings.is_respelled(&*folder, name)? {
            return Err(Failure::respelled());
        }
        match existing {
            Ok(Kind::Special) => return Err(Failure::special_in_place()),
            // The file may have been sent a moment ago, while the entry here may be on the disk already.
            Ok(Kind::File | Kind::Symlink) if source.metadata(source_name)?.kind == Kind::File => {
                disk_folder(&source).map_or(Ok(()), |source| source.write_out(source_name))?;
            }
            Ok(_) | Err(_) => {}
        }
        Ok(source.hard_link(source_name, &*folder, name, true)?)
    }

    /// Returns the folder that contains `path`, and its name there, if the entry is unchanged.
    fn unchanged<'a>(
        &self,
        path: &'a RemotePath,
        was: &Metadata,
    ) -> Result<(Arc<dyn Folder>, NameRef<'a>), Failure> {
        let (folder, name) = self.place(path)?;
        let found = folder.identity(name)?.metadata; // of a link, its own
        if found.is_unchanged_since(was) && found.kind != Kind::Folder {
            self.check_spelling(&*folder, name).map(|()| (folder, name))
        } else {
            Err(FailureCode::Drifted.into())
        }
    }

    /// Refuses a name that is stored under another spelling: that is not the file that was compared.
    fn check_spelling(&self, folder: &dyn Folder, name: NameRef<'_>) -> Result<(), Failure> {
        if self.spellings.is_respelled(folder, name)? { Err(FailureCode::Drifted.into()) } else { Ok(()) }
    }

    fn place<'a>(&self, path: &'a RemotePath) -> Result<(Arc<dyn Folder>, NameRef<'a>), Failure> {
        self.locate(path, false)
    }

    /// Like [`place`](Self::place), but makes missing parent folders.
    fn new_place<'a>(&self, path: &'a RemotePath) -> Result<(Arc<dyn Folder>, NameRef<'a>), Failure> {
        self.locate(path, true)
    }

    fn locate<'a>(
        &self,
        path: &'a RemotePath,
        make: bool,
    ) -> Result<(Arc<dyn Folder>, NameRef<'a>), Failure> {
        let (parent, name) = path.parent_and_name().ok_or(FailureCode::InvalidPath)?;
        if is_staged(name) {
            return Err(reserved_name());
        }
        let folder = self.folders.get(parent, make)?;
        self.touch(&folder)?;
        Ok((folder, name))
    }

    /// Called before the change, so that none is forgotten.
    fn touch(&self, folder: &Arc<dyn Folder>) -> io::Result<()> {
        match self.durability {
            Durability::Process | Durability::None => Ok(()),
            Durability::Power => self.folders.touch(folder),
        }
    }

    /// Applies an operation to an entry, which may be the tree's own folder.
    fn with(
        &self,
        path: &RemotePath,
        work: impl FnOnce(&dyn Folder, Option<NameRef<'_>>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if path.is_root() {
            self.touch(&self.base)?;
            return Ok(work(&*self.base, None)?);
        }
        let (folder, name) = self.place(path)?;
        work(&*folder, Some(name))?;
        Ok(self.sync_alone(&folder, name)?)
    }

    /// Syncs a file or folder whose metadata was set, where no sync of its filesystem will do it.
    fn sync_alone(&self, folder: &Arc<dyn Folder>, name: NameRef<'_>) -> io::Result<()> {
        if self.durability != Durability::Power {
            return Ok(());
        }
        let Some(folder) = disk_folder(folder).filter(|folder| !folder.syncs_as_a_whole()) else {
            return Ok(());
        };
        match folder.metadata(name)?.kind {
            Kind::File | Kind::Folder => folder.sync_file(name),
            Kind::Symlink | Kind::Special => Ok(()), // part of the folder, which is synced in the end
        }
    }
}

/// Returns the permissions, at most, of a new folder for copies of this one's content.
#[must_use]
pub fn mode_beside(folder: &dyn Folder) -> u32 {
    folder.own_metadata().map_or(0, |metadata| metadata.mode & PERMISSIONS) | OWNER_ALL
}

/// Returns the permissions to set; `None` if they are set already. Set-id and sticky bits of the entry stay; a folder may get
/// some.
fn differing(mode: Option<u32>, existing: impl Fn() -> io::Result<Metadata>) -> io::Result<Option<u32>> {
    let Some(mode) = mode else { return Ok(None) };
    let existing = existing()?;
    let kept = match existing.kind {
        Kind::Folder => modes::kept(mode, existing.mode),
        Kind::File | Kind::Special => modes::kept(mode & PERMISSIONS, existing.mode),
        Kind::Symlink => return Ok(Some(mode)), // it has none, which the filesystem reports
    };
    Ok(Some(kept).filter(|mode| *mode != existing.mode))
}

#[cfg(test)]
mod tests;
