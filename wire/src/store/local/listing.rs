//! Lists a folder, and finds out whether it folds case.

use super::LocalFolder;
use crate::path::{NameRef, PathError};
use crate::store::spelling::other_case;
use crate::store::{NameKind, Names, is_staged};
use rustix::fs::{self as sys, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;

/// Returns all names except those of unfinished transfers, sorted.
pub(super) fn list(folder: &LocalFolder) -> io::Result<Names> {
    let own =
        sys::openat(&folder.fd, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = Vec::with_capacity(READ_DIR_LEN);
    let mut entries = sys::RawDir::new(own, buffer.spare_capacity_mut());
    let mut names = Names::default();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        match NameRef::new(entry.file_name().to_bytes()) {
            Ok(name) if is_staged(name) => {}
            Ok(name) => names.push(name, name_kind(entry.file_type(), folder.following.is_some())),
            Err(PathError::NameTooLong) => names.leave_out(entry.file_name().to_bytes()),
            Err(_) => {} // the folder itself, and its parent
        }
    }
    names.sort();
    Ok(names)
}

/// True if names that differ in case are one name here, as far as `name` shows.
pub(super) fn probe_case(folder: &LocalFolder, name: NameRef<'_>) -> io::Result<bool> {
    if let Some(known) = folder.folds_case.get() {
        return Ok(*known);
    }
    let Some(other) = other_case(name.as_bytes()) else { return Ok(false) };
    let found = |name: &[u8]| match sys::statat(&folder.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some((stat.st_dev, stat.st_ino))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    };
    // Two hard links of one file look the same: then the listed spellings decide.
    let (one, other) = (found(name.as_bytes())?, found(&other)?);
    let folds = one.is_some() && one == other;
    if one.is_some() && name.as_bytes().iter().any(u8::is_ascii_alphabetic) {
        Ok(*folder.folds_case.get_or_init(|| folds))
    } else {
        Ok(folds) // other letters are not folded everywhere
    }
}

fn name_kind(told: FileType, follows_links: bool) -> NameKind {
    match told {
        FileType::Symlink if follows_links => NameKind::Unknown,
        FileType::Directory => NameKind::Folder,
        FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice => NameKind::Other,
        FileType::Unknown => NameKind::Unknown,
    }
}

/// Space for a few hundred directory entries per system call.
pub(super) const READ_DIR_LEN: usize = 32 * 1024;
