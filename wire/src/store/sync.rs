//! Makes durable what is there already: what an earlier run has written, without a sync or without having come to one.
//!
//! Where one sync reaches all of a filesystem that is one call, whatever its size. Elsewhere each file and folder is synced.

use super::walk::{Visit, Walk};
use super::{Filesystems, Folder};
use crate::failure::FailureCode;
use crate::metadata::Kind;
use crate::path::{NameRef, RemotePath};
use std::io;
use std::sync::Arc;

/// Makes durable `folder` and all that is in it, at any depth, also on other filesystems that are mounted there.
///
/// # Errors
/// As a filesystem has it, or if something could not be looked at.
pub fn below(folder: &Arc<dyn Folder>) -> io::Result<()> {
    if folder.syncs_as_a_whole() && !folder.has_mounts_below() {
        return folder.sync_filesystem();
    }
    let mut touched = Filesystems::default();
    touched.add(folder)?;
    let mut walk = Walk::new(folder.clone(), RemotePath::root())?;
    while let Some(visit) = walk.step() {
        match visit {
            Visit::Enter(_, _, folder) => touched.add(&folder)?,
            Visit::Item(path, metadata) if metadata.kind == Kind::File => {
                if let (Some(folder), Some((_, name))) = (walk.folder(), path.parent_and_name()) {
                    sync_file(&**folder, name)?;
                }
            }
            // What is gone needs no sync, and what has no path here nobody has sent.
            Visit::Lost(_, failure)
                if !matches!(failure.code, FailureCode::Vanished | FailureCode::InvalidPath) =>
            {
                return Err(failure.into());
            }
            Visit::Item(..) | Visit::Leave(..) | Visit::LeftOut(_) | Visit::Lost(..) => {}
        }
    }
    touched.sync()
}

/// Makes durable what is in the entry `name` of `folder`, which is no folder. Links are what their folder has.
///
/// # Errors
/// As the filesystem has it.
pub fn entry(folder: &dyn Folder, name: NameRef<'_>) -> io::Result<()> {
    match folder.metadata(name)?.kind {
        Kind::File => folder.sync_file(name),
        Kind::Folder | Kind::Symlink | Kind::Special => folder.sync(),
    }
}

/// One sync will reach it, or it is synced by itself. One that is gone by now has nothing to be synced.
fn sync_file(folder: &dyn Folder, name: NameRef<'_>) -> io::Result<()> {
    if folder.syncs_as_a_whole() {
        return Ok(());
    }
    match folder.sync_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
