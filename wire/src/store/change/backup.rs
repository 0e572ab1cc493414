//! Moves files to a backup folder, with a number if their name is taken there.

use super::Changes;
use super::backup_names::{no_backup, numbered, same_file};
use super::versions::free_name;
use crate::failure::{Failure, FailureCode};
use crate::metadata::{Kind, Metadata};
use crate::path::{NameRef, RemotePath};
use crate::store::spelling::is_same;
use crate::store::{Capability, Folder, FolderCache};
use std::io;
use std::sync::Arc;

impl Changes {
    pub(super) fn set_aside(&self, path: &RemotePath, was: &Metadata, keep: bool) -> Result<(), Failure> {
        let backup = self.backup.as_ref().ok_or(FailureCode::BadMessage)?;
        if keep {
            self.base.capabilities().require(Capability::HardLinks)?;
        }
        let (folder, name) = self.unchanged(path, was)?;
        let parent = path.parent_and_name().map(|(parent, _)| parent).unwrap_or_default();
        let target = self.backup_folder(backup, parent)?;
        if (self.is_below_backup && target.lies_in(&*self.base)?) || is_same(&*folder, &*target)? {
            return Err(no_backup());
        }
        self.touch(&target)?;
        if self.versions.is_some() {
            return self.add_version(&*folder, name, &*target, keep);
        }
        for number in 0..BACKUPS_MAX {
            let free = numbered(name, number);
            let free = NameRef::new(&free)?;
            let moved = if keep {
                folder.hard_link(name, &*target, free, false)
            } else {
                folder.rename(name, &*target, free, false)
            };
            match moved {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => return Ok(other?),
            }
            if keep && same_file(&*folder, name, &*target, free)? {
                return Ok(()); // kept by a run that then could not replace it
            }
        }
        Err(Failure::new(FailureCode::Exists, "the backup folder has this name, with any number"))
    }

    /// Returns the backup's folder for `path`. A kept file that has one of its names gets a number.
    fn backup_folder(&self, backup: &FolderCache, path: &[u8]) -> Result<Arc<dyn Folder>, Failure> {
        let failure = match backup.get(path, true) {
            Ok(folder) => return Ok(folder),
            Err(error) => Failure::from(error),
        };
        let whole = RemotePath::from_wire(path)?;
        let Some((above, name)) = whole.parent_and_name() else { return Err(failure) };
        let above = self.backup_folder(backup, above)?;
        if above.metadata(name)?.kind == Kind::Folder {
            return Err(failure);
        }
        self.touch(&above)?;
        if self.versions.is_some() {
            return if free_name(&*above, name)? { Ok(backup.get(path, true)?) } else { Err(failure) };
        }
        for number in 1..BACKUPS_MAX {
            let free = numbered(name, number);
            match above.rename(name, &*above, NameRef::new(&free)?, false) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
                Ok(()) => return Ok(backup.get(path, true)?),
            }
        }
        Err(failure)
    }
}

/// Most backups of one name in one folder.
const BACKUPS_MAX: u32 = 1000;
