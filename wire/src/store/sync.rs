//! Makes existing files durable: those that an earlier run wrote without a sync, or before it reached one.
//!
//! Where one sync reaches all of a filesystem this is one call, whatever its size. Elsewhere each file and folder is synced.

use super::walk::{Visit, Walk};
use super::{DiskFolder, Filesystems, disk_folder};
use crate::failure::FailureCode;
use crate::metadata::Kind;
use crate::path::{NameRef, RemotePath};
use std::io;
use std::sync::Arc;

/// Makes durable `folder` and everything in it, at any depth, also on other filesystems mounted there.
///
/// # Errors
/// Of a filesystem, or if an entry could not be examined.
pub fn below(folder: &Arc<dyn DiskFolder>) -> io::Result<()> {
    if folder.syncs_as_a_whole() && !folder.has_mounts_below() {
        return folder.sync_filesystem();
    }
    let mut touched = Filesystems::default();
    touched.add_disk(folder)?;
    let mut walk = Walk::new(folder.clone(), RemotePath::root())?;
    while let Some(visit) = walk.step() {
        match visit {
            Visit::Enter(_, _, folder) => touched.add(&folder)?,
            Visit::Item(path, metadata) if metadata.kind == Kind::File => {
                let folder = walk.folder().and_then(disk_folder);
                if let (Some(folder), Some((_, name))) = (folder, path.parent_and_name()) {
                    sync_file(&*folder, name)?;
                }
            }
            // A vanished entry needs no sync, and one without a valid path cannot have been sent.
            Visit::Unreadable(_, failure)
                if !matches!(failure.code, FailureCode::Vanished | FailureCode::InvalidPath) =>
            {
                return Err(failure.into());
            }
            Visit::Item(..) | Visit::Leave(..) | Visit::Excluded(_) | Visit::Unreadable(..) => {}
        }
    }
    touched.sync()
}

/// Makes the content of the entry `name` of `folder`, which is not a folder, durable. Links are part of their folder.
///
/// # Errors
/// Of the filesystem.
pub fn entry(folder: &dyn DiskFolder, name: NameRef<'_>) -> io::Result<()> {
    match folder.metadata(name)?.kind {
        Kind::File => folder.sync_file(name),
        Kind::Folder | Kind::Symlink | Kind::Special => folder.sync(),
    }
}

/// Syncs a file, unless one sync of the filesystem will reach it. A vanished file needs none.
fn sync_file(folder: &dyn DiskFolder, name: NameRef<'_>) -> io::Result<()> {
    if folder.syncs_as_a_whole() {
        return Ok(());
    }
    match folder.sync_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
