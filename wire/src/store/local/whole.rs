//! The local filesystem as a whole, for a user of this machine who is bounded by its permissions only.

use super::LocalFolder;
use super::file::{regular, regular_kind};
use crate::message::FollowLinks;
use crate::metadata::Metadata;
use crate::modes::ModePolicy;
use crate::path::{NameRef, RemotePath};
use crate::store::{Capabilities, Folder, SourceFile, Storage, is_staged, reserved_name};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{self as sys, Mode, OFlags};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The local filesystem from its root on. Links are followed wherever they lead.
#[derive(Debug, Clone, Copy, Default)]
pub struct WholeFilesystem {
    modes: ModePolicy,
}

impl WholeFilesystem {
    /// The filesystem, with rules for the permissions of everything made or changed through it.
    #[must_use]
    pub fn with_modes(modes: ModePolicy) -> Self {
        Self { modes }
    }
}

impl Storage for WholeFilesystem {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>> {
        let found = Dir::open_ambient_dir(absolute(path), ambient_authority())?;
        Ok(Arc::new(LocalFolder::of_found(found.into(), self.modes)))
    }

    fn tree(&self, path: &RemotePath, follow: FollowLinks) -> io::Result<Arc<dyn Folder>> {
        let found = Dir::open_ambient_dir(absolute(path), ambient_authority())?;
        Ok(Arc::new(LocalFolder::of_found(found.into(), self.modes).following(follow, None)?))
    }

    fn open_file(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        let path = absolute(path);
        regular_kind(&sys::stat(&path)?)?; // opening a device may have effects
        let end = std::fs::canonicalize(&path)?;
        if end.file_name().is_some_and(|name| NameRef::new(name.as_bytes()).is_ok_and(is_staged)) {
            return Err(reserved_name().into());
        }
        regular(sys::open(&path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?)
    }

    fn metadata(&self, path: &RemotePath) -> io::Result<Metadata> {
        LocalFolder::ambient_metadata(&absolute(path))
    }
}

fn absolute(path: &RemotePath) -> PathBuf {
    Path::new("/").join(OsStr::from_bytes(path.as_bytes()))
}
