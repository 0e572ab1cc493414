//! A handle of an entry without opening it, to examine it and to change its metadata. Opening a device or a pipe may have
//! effects or hang, and a change by name may affect another entry than the examined one.
//!
//! Works without `/proc` too, except for permissions of unreadable entries, and for times before Linux 5.8.

use super::details;
use super::stat::{metadata_of, times};
use crate::failure::{Failure, FailureCode};
use crate::metadata::{Kind, MODE_BITS, Timestamp};
use crate::path::NameRef;
use rustix::fs::{self as sys, AtFlags, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// The file or folder that had a name when it was looked up, whatever has the name now.
pub(super) struct Handle<'a> {
    folder: BorrowedFd<'a>,
    name: NameRef<'a>,
    fd: OwnedFd,
    pub(super) stat: Stat,
}

impl<'a> Handle<'a> {
    /// Looks up `name` in `folder`. A link is not followed.
    pub(super) fn of(folder: BorrowedFd<'a>, name: NameRef<'a>) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(folder, name.as_bytes(), flags, Mode::empty())?;
        let stat = sys::fstat(&fd)?;
        Ok(Self { folder, name, fd, stat })
    }

    pub(super) fn kind(&self) -> Kind {
        metadata_of(&self.stat).kind
    }

    /// Opens a file or folder for reading, if it still has the name; refuses to open anything else.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        match self.kind() {
            Kind::File | Kind::Folder => {}
            Kind::Symlink => return Err(Errno::LOOP.into()),
            Kind::Special => return Err(Failure::from(FailureCode::SpecialFile).into()),
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(self.folder, self.name.as_bytes(), flags, Mode::empty())?;
        let opened = sys::fstat(&fd)?;
        if (opened.st_dev, opened.st_ino) == (self.stat.st_dev, self.stat.st_ino) {
            Ok(fd)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Sets permissions. A link has none.
    pub(super) fn chmod(&self, mode: u32) -> io::Result<()> {
        if self.kind() == Kind::Symlink {
            return Err(Errno::LOOP.into());
        }
        let mode = Mode::from_raw_mode(mode & MODE_BITS);
        let set = match sys::chmodat(sys::CWD, self.path(), mode, AtFlags::empty()) {
            Err(Errno::NOENT) => sys::fchmod(self.open()?, mode), // without /proc
            other => other,
        };
        set.map_err(|errno| details::refused(&self.stat, errno))
    }

    /// Sets the modification time; for a link, its own.
    pub(super) fn set_modified(&self, modified: Timestamp) -> io::Result<()> {
        let times = times(Some(modified));
        let set = match sys::utimensat(&self.fd, c"", &times, AtFlags::EMPTY_PATH) {
            Err(Errno::INVAL) => sys::utimensat(sys::CWD, self.path(), &times, AtFlags::empty()), // before Linux 5.8
            other => other,
        };
        set.map_err(|errno| details::refused(&self.stat, errno))
    }

    /// Sets the owner; for a link, its own.
    pub(super) fn chown(&self, user: Option<Uid>, group: Option<Gid>) -> Result<(), Errno> {
        sys::chownat(&self.fd, c"", user, group, AtFlags::EMPTY_PATH)
    }

    /// Returns a path that leads to the handle's entry, and nowhere else.
    fn path(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DiskFolder, Folder, LocalFolder};
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn special_files_are_changed_and_never_opened() {
        let place = tempfile::tempdir().unwrap();
        let pipe = place.path().join("pipe");
        sys::mknodat(sys::CWD, &pipe, sys::FileType::Fifo, Mode::RWXU, 0).unwrap();
        let folder = LocalFolder::open_ambient(place.path()).unwrap();
        let name = NameRef::new(b"pipe").unwrap();
        let time = Timestamp { seconds: 1_000_000_000, nanos: 5 };
        folder.set_metadata(name, Some(time), Some(0o640)).unwrap();
        let found = std::fs::symlink_metadata(&pipe).unwrap();
        assert_eq!((found.mode() & 0o7777, found.mtime(), found.mtime_nsec()), (0o640, 1_000_000_000, 5));
        assert!(folder.sync_file(name).is_err() && folder.write_out(name).is_err());
        assert!(folder.set_xattrs(Some(name), &[]).is_err());
    }

    #[test]
    fn a_links_own_time_is_set_and_nothing_of_what_it_leads_to() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        symlink("file", place.path().join("link")).unwrap();
        let state =
            || std::fs::metadata(place.path().join("file")).map(|file| (file.mode(), file.mtime())).unwrap();
        let before = state();
        let folder = LocalFolder::open_ambient(place.path()).unwrap();
        let name = NameRef::new(b"link").unwrap();
        folder.set_metadata(name, Some(Timestamp { seconds: 1_000_000_000, nanos: 0 }), None).unwrap();
        assert!(folder.set_metadata(name, None, Some(0o600)).is_err());
        assert_eq!(state(), before);
        assert_eq!(std::fs::symlink_metadata(place.path().join("link")).unwrap().mtime(), 1_000_000_000);
    }

    #[test]
    fn what_takes_the_name_meanwhile_stays_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let [file, other] = ["file", "other"].map(|name| place.path().join(name));
        std::fs::write(&file, "").unwrap();
        let folder = std::fs::File::open(place.path()).unwrap();
        let handle = Handle::of(folder.as_fd(), NameRef::new(b"file").unwrap()).unwrap();
        std::fs::rename(&file, &other).unwrap();
        std::fs::write(&file, "another").unwrap();
        let state = || std::fs::metadata(&file).map(|file| (file.mode(), file.mtime())).unwrap();
        let before = state();
        handle.chmod(0o600).unwrap();
        handle.set_modified(Timestamp { seconds: 7, nanos: 0 }).unwrap();
        assert_eq!(state(), before);
        assert_eq!(std::fs::metadata(&other).unwrap().mtime(), 7);
    }
}
