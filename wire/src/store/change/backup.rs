//! Moves files to a backup folder, with a number if their name is taken there.

use super::Changes;
use super::versions::free_name;
use crate::failure::{Failure, FailureCode};
use crate::limits::NAME_LEN_MAX;
use crate::message::Details;
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

/// True if both names belong to one file.
pub(super) fn same_file(
    folder: &dyn Folder,
    name: NameRef<'_>,
    other: &dyn Folder,
    other_name: NameRef<'_>,
) -> io::Result<bool> {
    let links = Details { links: true, ..Details::default() };
    let file = |folder: &dyn Folder, name| Ok::<_, io::Error>(folder.details(Some(name), links)?.file);
    Ok(file(folder, name)? == file(other, other_name)?)
}

/// The failure for a backup folder in which a file would stay where it is, or return into its own tree.
pub(super) fn no_backup() -> Failure {
    Failure::new(
        FailureCode::InvalidPath,
        "the backup folder leads into the target, so no backup would be kept",
    )
}

/// Returns the unchanged name for 0, then cp's numbered backups: `name.~1~`. A name that is too long for that loses its end;
/// names of several files may then become one, and each takes the next free number.
pub(super) fn numbered(name: NameRef<'_>, number: u32) -> Vec<u8> {
    let name = name.as_bytes();
    if number == 0 {
        return name.to_vec();
    }
    let suffix = format!(".~{number}~");
    let room = NAME_LEN_MAX - suffix.len();
    [within(name, room), suffix.as_bytes()].concat()
}

/// True if a numbered name may have lost the end of the file's name.
pub(super) fn is_cut(name: &[u8]) -> bool {
    name.len() + UTF8_LEN_MAX > NAME_LEN_MAX
}

/// Returns the beginning of a name, at most `len_max` bytes, without cutting a UTF-8 character in two.
fn within(name: &[u8], len_max: usize) -> &[u8] {
    let Some(next) = name.get(len_max) else { return name };
    let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    let cut = &name[..len_max];
    let begun = cut.iter().rev().take_while(|byte| is_inside(byte)).count();
    if is_inside(next) && begun < UTF8_LEN_MAX { &cut[..len_max - begun - 1] } else { cut }
}

/// Most backups of one name in one folder.
const BACKUPS_MAX: u32 = 1000;
/// Longest character in bytes.
const UTF8_LEN_MAX: usize = 4;
