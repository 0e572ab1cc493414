//! The operations of an open folder. Single names are resolved by `*at` calls that follow no link.

use super::file::{lock_file, regular, sync_each, write_out_by};
use super::handle::Handle;
use super::rename::rename;
use super::stat::{identity_of, is_own, metadata_of, times};
use super::{LocalFolder, details, fidelity, handle_of, listing, metadata, staged};
use crate::failure::{Failure, FailureCode};
use crate::fidelity::FidelityReport;
use crate::message::{Details, EntryDetails, Owner, SpaceReport, Swept, Xattr};
use crate::metadata::{Kind, Metadata, Timestamp};
use crate::modes::{PERMISSIONS, umask};
use crate::path::NameRef;
use crate::store::sweep::SweepScope;
use crate::store::{
    Capabilities, DiskFolder, Fill, Folder, FolderBackend, FolderLink, FolderLock, Identity, Names,
    SourceFile, StagedName, TargetFile,
};
use rustix::fs::{self as sys, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

impl Folder for LocalFolder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn backend(self: Arc<Self>) -> FolderBackend {
        FolderBackend::Disk(self)
    }

    fn handle(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }

    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>> {
        if let Some(end) = self.folder_of_link(name)? {
            return Ok(Arc::new(self.view_of(end.open()?, name, Some(end))?));
        }
        match self.open_folder(name) {
            Ok(folder) => Ok(Arc::new(self.view_of(folder, name, None)?)),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                match self.identity(name)?.metadata.kind {
                    Kind::Symlink => Err(Failure::from(FailureCode::OutsideRoot).into()),
                    Kind::File | Kind::Folder | Kind::Special => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn link(&self) -> Option<&FolderLink> {
        self.link_to_it()
    }

    fn names(&self) -> io::Result<Names> {
        listing::list(self)
    }

    fn metadata(&self, name: NameRef<'_>) -> io::Result<Metadata> {
        if let Some(end) = self.folder_of_link(name)? {
            return end.metadata();
        }
        Ok(metadata_of(&sys::statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn identity(&self, name: NameRef<'_>) -> io::Result<Identity> {
        if let Some(end) = self.end_of_link(name)? {
            let (folder, name) = end.place()?;
            return folder.identity(name);
        }
        Ok(identity_of(&sys::statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn folds_case(&self, name: NameRef<'_>) -> io::Result<bool> {
        listing::probe_case(self, name)
    }

    fn own_metadata(&self) -> io::Result<Metadata> {
        Ok(metadata_of(&sys::fstat(&self.fd)?))
    }

    fn read_link(&self, name: NameRef<'_>) -> io::Result<Vec<u8>> {
        Ok(sys::readlinkat(&self.fd, name.as_bytes(), Vec::new())?.into_bytes())
    }

    fn open_file(&self, name: NameRef<'_>) -> io::Result<Box<dyn SourceFile>> {
        if let Some(end) = self.end_of_link(name)? {
            let (folder, name) = end.place()?;
            return folder.open_file(name);
        }
        regular(self.open(name, OFlags::RDONLY | OFlags::NONBLOCK)?)
    }

    fn make_file(&self, name: NameRef<'_>, mode: u32) -> io::Result<()> {
        staged::create_empty(self, name, mode)
    }

    fn make_folder(&self, name: NameRef<'_>, mode: u32) -> io::Result<()> {
        let created = mode & PERMISSIONS & !self.modes.umask;
        sys::mkdirat(&self.fd, name.as_bytes(), Mode::from_raw_mode(created))?;
        match self.modes.force {
            0 => Ok(()),
            _ => self.set_metadata(name, None, Some(self.metadata(name)?.mode)),
        }
    }

    fn make_link(
        &self,
        name: NameRef<'_>,
        target: &[u8],
        modified: Option<Timestamp>,
        replace: bool,
    ) -> io::Result<()> {
        staged::create_link(self, name, target, modified, replace)
    }

    fn mode_of_new(&self, mode: u32) -> u32 {
        let mode = self.modes.apply(mode, false);
        let acl = if self.has_default_acl() { details::default_acl(&self.fd) } else { None };
        mode & acl.unwrap_or(!umask())
    }

    fn remove_file(&self, name: NameRef<'_>) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, name.as_bytes(), AtFlags::empty())?)
    }

    fn remove_folder(&self, name: NameRef<'_>) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, name.as_bytes(), AtFlags::REMOVEDIR)?)
    }

    fn rename(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()> {
        rename(self.fd.as_fd(), name.as_bytes(), handle_of(to)?, to_name.as_bytes(), replace)
    }

    fn set_metadata(
        &self,
        name: NameRef<'_>,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()> {
        if let Some(end) = self.folder_of_link(name)? {
            return end.open()?.set_own_metadata(modified, mode);
        }
        let found = Handle::of(self.fd.as_fd(), name)?;
        if let Some(mode) = mode {
            found.chmod(self.modes.apply(mode, found.kind() == Kind::Folder))?;
        }
        modified.map_or(Ok(()), |modified| found.set_modified(modified))
    }

    fn set_kept_time(&self, name: NameRef<'_>) -> io::Result<()> {
        metadata::set_access_time(self, name)
    }

    fn kept_time(&self, name: NameRef<'_>) -> io::Result<Timestamp> {
        metadata::access_time(self, name)
    }

    fn details(&self, name: Option<NameRef<'_>>, wanted: Details) -> io::Result<EntryDetails> {
        if let Some(name) = name
            && let Some(end) = self.folder_of_link(name)?
        {
            return match end.place() {
                Ok((folder, name)) => metadata::details_of(folder, Some(name), wanted),
                Err(_) => metadata::details_of(&end.open()?, None, wanted),
            };
        }
        metadata::details_of(self, name, wanted)
    }

    fn set_owner(&self, name: Option<NameRef<'_>>, owner: &Owner) -> io::Result<()> {
        match name.map(|name| self.folder_of_link(name)).transpose()?.flatten() {
            Some(end) => metadata::change_owner(&end.open()?, None, owner),
            None => metadata::change_owner(self, name, owner),
        }
    }

    fn set_xattrs(&self, name: Option<NameRef<'_>>, xattrs: &[Xattr]) -> io::Result<()> {
        if let Some(end) = name.map(|name| self.folder_of_link(name)).transpose()?.flatten() {
            return end.open()?.set_xattrs(None, xattrs);
        }
        match name {
            Some(name) => details::set_xattrs(&Handle::of(self.fd.as_fd(), name)?.open()?, xattrs),
            None => details::set_xattrs(&self.fd, xattrs),
        }
    }

    fn hard_link(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()> {
        let to = handle_of(to)?;
        if replace {
            return staged::replace_by_hard_link(self, name, to, to_name);
        }
        Ok(sys::linkat(&self.fd, name.as_bytes(), to, to_name.as_bytes(), AtFlags::empty())?)
    }

    fn lock(&self) -> io::Result<FolderLock> {
        // A separate handle: locks belong to an opening of the folder, and the folder's handle may be shared.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = sys::openat(&self.fd, c".", flags, Mode::empty())?;
        lock_file(&held)?; // without locks, concurrent runs have separate staged files, and each name gets the file of one of them
        Ok(FolderLock::new(held))
    }

    fn set_own_metadata(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()> {
        if let Some(mode) = mode {
            self.chmod(&self.fd, mode)?;
        }
        match modified {
            Some(_) => {
                sys::futimens(&self.fd, &times(modified)).map_err(|errno| details::not_set(&self.fd, errno))
            }
            None => Ok(()),
        }
    }

    fn fidelity(&self) -> io::Result<FidelityReport> {
        metadata::probe(self)
    }

    fn space(&self) -> io::Result<SpaceReport> {
        let space = sys::fstatvfs(&self.fd)?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(SpaceReport {
            total: bytes(space.f_blocks),
            free: bytes(space.f_bfree),
            available: bytes(space.f_bavail),
        })
    }

    fn lies_in(&self, other: &dyn Folder) -> io::Result<bool> {
        metadata::is_below(self, other)
    }
}

impl DiskFolder for LocalFolder {
    fn own_file(&self, name: NameRef<'_>) -> io::Result<Option<Identity>> {
        let stat = sys::statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Some(identity_of(&stat)).filter(|identity| identity.metadata.kind == Kind::File && is_own(&stat)))
    }

    fn create_staged(&self, staged: &StagedName, mode: u32) -> io::Result<Box<dyn TargetFile>> {
        staged::create(self, staged, mode)
    }

    fn create_whole(&self, name: NameRef<'_>, mode: u32, fill: Fill<'_>) -> io::Result<bool> {
        staged::create_linked(self, name, mode, fill)
    }

    fn publish(&self, staged: &StagedName, name: NameRef<'_>, replace: bool) -> io::Result<()> {
        rename(self.fd.as_fd(), staged.as_bytes(), self.fd.as_fd(), name.as_bytes(), replace)
    }

    fn open_staged(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        staged::reopen(self, staged)
    }

    fn staged_source(&self, staged: &StagedName) -> io::Result<Box<dyn SourceFile>> {
        staged::open_source(self, staged)
    }

    fn create_journal(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        staged::create_journal(self, staged)
    }

    fn open_journal(&self, staged: &StagedName, len_max: u64) -> io::Result<(Vec<u8>, Box<dyn TargetFile>)> {
        staged::read_journal(self, staged, len_max)
    }

    fn remove_journal(&self, staged: &StagedName) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, &staged.journal()[..], AtFlags::empty())?)
    }

    fn sweep(&self, idle: Duration, scope: &SweepScope) -> io::Result<Swept> {
        staged::sweep(self, idle, scope)
    }

    fn remove_staged(&self, staged: &StagedName) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, staged.as_bytes(), AtFlags::empty())?)
    }

    fn stage_link(&self, staged: &StagedName, target: &[u8], modified: Option<Timestamp>) -> io::Result<()> {
        sys::symlinkat(target, &self.fd, staged.as_bytes())?;
        self.note_link(staged.as_bytes())?;
        match modified {
            Some(time) => {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                Ok(sys::utimensat(&self.fd, staged.as_bytes(), &times(Some(time)), flags)?)
            }
            None => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match sys::fsync(&self.fd) {
            Err(Errno::INVAL) => self.sync_filesystem(), // some filesystems do not sync single folders
            result => Ok(result?),
        }
    }

    fn sync_filesystem(&self) -> io::Result<()> {
        Ok(sys::syncfs(&self.fd)?) // reports failed writes since the folder was opened, since Linux 5.8
    }

    fn syncs_as_a_whole(&self) -> bool {
        self.kind().syncs_as_a_whole
    }

    fn keeps_unsynced(&self) -> bool {
        self.kind().is_local
    }

    fn sync_file(&self, name: NameRef<'_>) -> io::Result<()> {
        if let Some(end) = self.folder_of_link(name)? {
            return end.open()?.sync();
        }
        sync_each(&Handle::of(self.fd.as_fd(), name)?.open()?)
    }

    fn write_out(&self, name: NameRef<'_>) -> io::Result<()> {
        write_out_by(self.kind(), &Handle::of(self.fd.as_fd(), name)?.open()?)
    }

    fn has_mounts_below(&self) -> bool {
        fidelity::has_mounts_below(&self.fd)
    }

    fn filesystem(&self) -> io::Result<u64> {
        Ok(sys::fstat(&self.fd)?.st_dev)
    }
}
