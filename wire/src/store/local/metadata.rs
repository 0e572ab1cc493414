//! Details of files, owners, and the fidelity of the filesystem below a folder.

use super::LocalFolder;
use super::handle::Handle;
use super::stat::{times, timestamp};
use super::{details, fidelity, handle_of};
use crate::failure::{Failure, FailureCode};
use crate::fidelity::FidelityReport;
use crate::limits::PATH_LEN_MAX;
use crate::message::{Details, EntryDetails, Owner};
use crate::metadata::{Kind, Timestamp};
use crate::path::NameRef;
use crate::store::{DiskFolder, Folder, StagedName, file_clock};
use rustix::fs::{self as sys, AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::AsFd;

/// Returns the requested details of a name or of the folder itself.
pub(super) fn details_of(
    folder: &LocalFolder,
    name: Option<NameRef<'_>>,
    wanted: Details,
) -> io::Result<EntryDetails> {
    let (stat, xattrs) = match name {
        Some(name) if wanted.xattrs => {
            let found = Handle::of(folder.fd.as_fd(), name)?;
            let has_xattrs = matches!(found.kind(), Kind::File | Kind::Folder);
            let xattrs = if has_xattrs { details::xattrs(&found.open()?)? } else { Vec::new() };
            (found.stat, Some(xattrs))
        }
        Some(name) => (sys::statat(&folder.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?, None),
        None => {
            let xattrs = wanted.xattrs.then(|| details::xattrs(&folder.fd)).transpose()?;
            (sys::fstat(&folder.fd)?, xattrs)
        }
    };
    Ok(EntryDetails {
        owner: wanted.owner.then(|| details::owner(&stat)),
        file: wanted.links.then(|| details::file_id(&stat)),
        xattrs,
        is_unproven: false, // set by the marks
        link: None,
    })
}

/// Sets owner and group of a name or of the folder itself.
pub(super) fn change_owner(folder: &LocalFolder, name: Option<NameRef<'_>>, owner: &Owner) -> io::Result<()> {
    let (user, group) = details::numbers(owner);
    let set = match name {
        Some(name) => Handle::of(folder.fd.as_fd(), name)?.chown(user, group),
        None => sys::fchown(&folder.fd, user, group),
    };
    set.map_err(|errno| match errno {
        Errno::INVAL => details::no_such_owner().into(),
        other => other.into(),
    })
}

/// Probes the filesystem with a scratch file, without a name where that is supported.
pub(super) fn probe(folder: &LocalFolder) -> io::Result<FidelityReport> {
    let before = sys::fstat(&folder.fd)?;
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let found = match sys::openat(&folder.fd, c".", flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => FidelityReport {
            folds_case: fidelity::is_marked_as_folding(&folder.fd),
            ..fidelity::of_file(&fd)
        },
        Err(_) => {
            let staged = StagedName::new();
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = sys::openat(&folder.fd, staged.as_bytes(), flags, Mode::RUSR | Mode::WUSR)?;
            let folds_case = folder.folds_case(NameRef::new(staged.as_bytes()).map_err(Failure::from)?)?;
            let found = FidelityReport { folds_case, ..fidelity::of_file(&fd) };
            sys::unlinkat(&folder.fd, staged.as_bytes(), AtFlags::empty())?;
            let modified = timestamp(before.st_mtime, before.st_mtime_nsec);
            let _ = sys::futimens(&folder.fd, &times(Some(modified))); // only its owner may, and it is a courtesy
            found
        }
    };
    let is_whole = !folder.has_mounts_below() && folder.following.is_none();
    Ok(FidelityReport { modes: folder.modes, is_whole, ..found })
}

/// Sets the access time of a file or link to now, and makes sure that it is kept.
pub(super) fn set_access_time(folder: &LocalFolder, name: NameRef<'_>) -> io::Result<()> {
    let [now, omit] =
        [sys::UTIME_NOW, sys::UTIME_OMIT].map(|nanos| sys::Timespec { tv_sec: 0, tv_nsec: nanos });
    let times = sys::Timestamps { last_access: now, last_modification: omit };
    sys::utimensat(&folder.fd, name.as_bytes(), &times, AtFlags::SYMLINK_NOFOLLOW)?;
    let age = file_clock().seconds.saturating_sub(access_time(folder, name)?.seconds);
    if age.abs() > ACCESS_TIME_ERROR_MAX {
        let reason = "--keep-for: the filesystem keeps no access times";
        return Err(Failure::new(FailureCode::Unsupported, reason).into());
    }
    Ok(())
}

/// The access time of a file or link.
pub(super) fn access_time(folder: &LocalFolder, name: NameRef<'_>) -> io::Result<Timestamp> {
    let stat = sys::statat(&folder.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(timestamp(stat.st_atime, stat.st_atime_nsec))
}

/// Seconds by which an access time may be off: FAT keeps days.
const ACCESS_TIME_ERROR_MAX: i64 = 2 * 24 * 60 * 60;

/// True if `folder` is `other` or below it.
pub(super) fn is_below(folder: &LocalFolder, other: &dyn Folder) -> io::Result<bool> {
    let key = |stat: Stat| (stat.st_dev, stat.st_ino);
    let sought = key(sys::fstat(handle_of(other)?)?);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = sys::openat(&folder.fd, c".", flags, Mode::empty())?;
    let mut here = key(sys::fstat(&folder)?);
    for _ in 0..PATH_LEN_MAX {
        if here == sought {
            return Ok(true);
        }
        folder = match sys::openat(&folder, c"..", flags, Mode::empty()) {
            Err(Errno::ACCESS) => break, // not reachable from above
            other => other?,
        };
        let above = key(sys::fstat(&folder)?);
        if above == here {
            break; // the root
        }
        here = above;
    }
    Ok(false)
}
