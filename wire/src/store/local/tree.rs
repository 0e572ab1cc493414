//! The local filesystem below a root. Paths of several names are resolved by cap-std, which cannot leave the root.

use super::LocalFolder;
use super::file::regular;
use super::stat::metadata_of;
use crate::failure::{Failure, FailureCode};
use crate::message::FollowLinks;
use crate::metadata::{Kind, Metadata};
use crate::modes::ModePolicy;
use crate::path::{NameRef, RemotePath};
use crate::store::{Capabilities, Folder, SourceFile, Storage, is_staged, reserved_name};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{self as sys, OFlags};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// The local filesystem below a root.
pub struct LocalStorage {
    root: Dir,
    modes: ModePolicy,
}

impl LocalStorage {
    /// Opens storage below the folder `root`, with all rights of this process.
    ///
    /// # Errors
    /// If it is not a folder or cannot be opened.
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Self { root: Dir::open_ambient_dir(root, ambient_authority())?, modes: ModePolicy::default() })
    }

    /// The same storage, with rules for the permissions of everything made or changed through it.
    #[must_use]
    pub fn with_modes(self, modes: ModePolicy) -> Self {
        Self { modes, ..self }
    }

    fn find_folder(&self, path: &RemotePath) -> io::Result<LocalFolder> {
        let found: OwnedFd = if path.is_root() {
            self.root.try_clone()?.into()
        } else {
            self.root.open_dir(os_path(path)).map_err(resolving)?.into()
        };
        Ok(LocalFolder::of_found(found, self.modes))
    }

    /// Refuses names of unfinished transfers, also as targets of a link.
    fn check_name(&self, path: &RemotePath) -> io::Result<()> {
        let path = os_path(path);
        let is_link = self.root.symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let end = if is_link { self.root.canonicalize(path).map_err(resolving)? } else { path.to_owned() };
        let name = end.file_name().map_or(&b""[..], OsStr::as_bytes);
        if NameRef::new(name).is_ok_and(is_staged) { Err(reserved_name().into()) } else { Ok(()) }
    }

    /// Returns the number of the root's filesystem.
    ///
    /// # Errors
    /// Of the filesystem.
    pub fn device(&self) -> io::Result<u64> {
        Ok(sys::fstat(&self.root)?.st_dev)
    }
}

impl Storage for LocalStorage {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>> {
        Ok(Arc::new(self.find_folder(path)?))
    }

    fn tree(&self, path: &RemotePath, follow: FollowLinks) -> io::Result<Arc<dyn Folder>> {
        let root = Some((self.root.try_clone()?, os_path(path)));
        Ok(Arc::new(self.find_folder(path)?.following(follow, root)?))
    }

    fn open_file(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        use cap_std::fs::OpenOptionsExt;
        if path.is_root() {
            return Err(Failure::from(FailureCode::IsAFolder).into());
        }
        let found = self.root.metadata(os_path(path)).map_err(resolving)?;
        self.check_name(path)?;
        if !found.is_file() && !found.is_dir() {
            return Err(Failure::from(FailureCode::SpecialFile).into()); // opening a device may have effects
        }
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = self.root.open_with(os_path(path), &options).map_err(resolving)?;
        regular(OwnedFd::from(file.into_std()))
    }

    fn metadata(&self, path: &RemotePath) -> io::Result<Metadata> {
        if path.is_root() {
            return Ok(metadata_of(&sys::fstat(&self.root)?));
        }
        let (parent, name) = path.split_last().ok_or(io::ErrorKind::NotFound)?;
        let found = self.folder(&parent)?.metadata((&name).into())?;
        if found.kind != Kind::Symlink {
            return Ok(found);
        }
        match self.folder(path) {
            Ok(folder) => folder.own_metadata(),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Ok(self.open_file(path)?.identity()?.metadata)
            }
            Err(error) => Err(error),
        }
    }
}

fn os_path(path: &RemotePath) -> &Path {
    Path::new(OsStr::from_bytes(path.as_bytes()))
}

/// Converts cap-std's error for a path that would leave the root: `PermissionDenied` without a system error number.
#[allow(clippy::wildcard_enum_match_arm, reason = "the system's kinds are many, and grow")]
pub(super) fn resolving(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            Failure::from(FailureCode::OutsideRoot).into()
        }
        _ => error,
    }
}
