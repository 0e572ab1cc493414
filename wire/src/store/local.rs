//! Storage on the local filesystem. Paths of several names are resolved by cap-std, which cannot leave the root; single names
//! by `*at` calls that follow no link, on open handles.

mod details;
mod fidelity;
mod file;
mod folder;
mod following;
mod handle;
mod listing;
mod metadata;
mod rename;
mod staged;
mod stat;
mod tree;
pub(super) mod upload;
mod whole;

pub use tree::LocalStorage;
pub(crate) use upload::HANDLES_A_COMMIT;
#[cfg(test)]
pub(crate) use upload::commit;
pub use upload::{Chunks, FileCopy, Keeping};
pub use whole::WholeFilesystem;

use super::filesystem_kind::FilesystemKind;
use super::{Folder, SourceFile};
use crate::message::FollowLinks;
use crate::metadata::{Kind, MODE_BITS, Metadata};
use crate::modes::{ModePolicy, umask};
use crate::path::NameRef;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use file::{LocalTarget, regular, regular_kind};
use following::Following;
use rustix::fs::{self as sys, Mode, OFlags};
use stat::metadata_of;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Permissions of a file created from a stream, before the umask.
pub const STREAM_MODE: u32 = 0o666;

/// An open folder of the local filesystem.
pub struct LocalFolder {
    fd: OwnedFd,
    /// Files without names are unsupported here, so files get names before content.
    names_first: AtomicBool,
    /// New files get their permissions from an ACL. Looked up once: one that is set later counts for the next transfer.
    has_default_acl: OnceLock<bool>,
    kind: OnceLock<FilesystemKind>,
    /// Names that differ in case are one name here, according to the first look.
    folds_case: OnceLock<bool>,
    /// Rules for permissions, of this folder and everything in it.
    modes: ModePolicy,
    /// The view of symbolic links, of this folder and everything in it.
    following: Option<Following>,
}

impl LocalFolder {
    /// Opens the folder `path` with all rights of this process.
    ///
    /// # Errors
    /// If it is not a folder or cannot be opened.
    pub fn open_ambient(path: &Path) -> io::Result<Self> {
        Ok(Self::of_found(Dir::open_ambient_dir(path, ambient_authority())?.into(), ModePolicy::default()))
    }

    /// Opens the folder `path` as [`open_ambient`](Self::open_ambient) does; links in it and below are treated by `follow`, wherever they
    /// lead.
    ///
    /// # Errors
    /// If it is not a folder or cannot be opened.
    pub fn open_ambient_following(path: &Path, follow: FollowLinks) -> io::Result<Self> {
        Self::open_ambient(path)?.following(follow, None)
    }

    fn new(fd: OwnedFd, modes: ModePolicy) -> Self {
        Self {
            fd,
            names_first: AtomicBool::new(false),
            has_default_acl: OnceLock::new(),
            kind: OnceLock::new(),
            folds_case: OnceLock::new(),
            modes,
            following: None,
        }
    }

    /// Reopens a folder found by cap-std, whose handle only allows looking up names; the folder's own metadata needs more.
    fn of_found(found: OwnedFd, modes: ModePolicy) -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::new(sys::openat(&found, c".", flags, Mode::empty()).unwrap_or(found), modes)
    }

    /// Opens the regular file `path` for reading with all rights of this process; follows links.
    ///
    /// # Errors
    /// If it is not a regular file or cannot be opened.
    pub fn open_ambient_file(path: &Path) -> io::Result<Box<dyn SourceFile>> {
        regular_kind(&sys::stat(path)?)?; // opening a device may have effects
        Self::open_found_file(path)
    }

    /// Opens `path`, where a regular file was found a moment ago, for reading with all rights of this process; follows links.
    ///
    /// # Errors
    /// If it is not a regular file any more or cannot be opened.
    pub fn open_found_file(path: &Path) -> io::Result<Box<dyn SourceFile>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        regular(sys::open(path, flags, Mode::empty())?)
    }

    /// Returns metadata of the entry at `path` with all rights of this process; follows links.
    ///
    /// # Errors
    /// Of the filesystem.
    pub fn ambient_metadata(path: &Path) -> io::Result<Metadata> {
        Ok(metadata_of(&sys::stat(path)?))
    }

    /// Returns the permissions that the system gives a new file, as far as known: with a default ACL they differ.
    fn mode_of_created(&self, created: u32) -> u32 {
        if self.has_default_acl() { UNKNOWN_MODE } else { created & !umask() }
    }

    /// Returns the kind of its filesystem; one that cannot be queried counts as unknown.
    fn kind(&self) -> FilesystemKind {
        let number = || sys::fstatfs(&self.fd).map_or(0, |found| found.f_type);
        let device = || sys::fstat(&self.fd).map_or(0, |found| found.st_dev);
        *self.kind.get_or_init(|| FilesystemKind::of(number(), device()))
    }

    fn target(&self, fd: OwnedFd, mode: u32, is_locked: bool) -> LocalTarget {
        LocalTarget { fd, mode, kind: self.kind(), is_locked, modes: self.modes }
    }

    fn has_default_acl(&self) -> bool {
        let query = || sys::fgetxattr(&self.fd, DEFAULT_ACL, &mut [0; 0]);
        *self.has_default_acl.get_or_init(|| query().is_ok())
    }

    /// Sets permissions of an open file, as far as the rules allow.
    fn chmod(&self, fd: impl AsFd, mode: u32) -> io::Result<()> {
        let is_folder = || Ok::<_, io::Error>(metadata_of(&sys::fstat(&fd)?).kind == Kind::Folder);
        let mode =
            if self.modes == ModePolicy::default() { mode } else { self.modes.apply(mode, is_folder()?) };
        sys::fchmod(&fd, Mode::from_raw_mode(mode & MODE_BITS)).map_err(|errno| details::not_set(&fd, errno))
    }

    /// Opens the folder `name`; a link is not followed.
    fn open_folder(&self, name: NameRef<'_>) -> io::Result<Self> {
        let fd = self.open(name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let names_first = AtomicBool::new(self.names_first.load(Relaxed));
        Ok(Self { names_first, ..Self::new(fd, self.modes) })
    }

    fn open(&self, name: NameRef<'_>, flags: OFlags) -> io::Result<OwnedFd> {
        Ok(sys::openat(&self.fd, name.as_bytes(), flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    }
}

/// Returns the handle of a folder, required for operations between two folders.
fn handle_of(folder: &dyn Folder) -> io::Result<BorrowedFd<'_>> {
    folder.handle().ok_or_else(|| io::ErrorKind::CrossesDevices.into())
}

/// Default permissions of new entries in a folder, if it has any; see acl(5).
const DEFAULT_ACL: &std::ffi::CStr = c"system.posix_acl_default";

/// A value that never equals requested permissions.
const UNKNOWN_MODE: u32 = u32::MAX;

#[cfg(test)]
mod tests;
