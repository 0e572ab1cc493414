//! A folder and its files, each of whose operations is counted before it is done.

use super::Faults;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;
use wire::fidelity::FidelityReport;
use wire::message::{Details, EntryDetails, Owner, SpaceReport, Swept, Xattr};
use wire::metadata::{Metadata, Timestamp};
use wire::path::NameRef;
use wire::store::sweep::SweepScope;
use wire::store::{
    Capabilities, DiskFolder, FilePlace, Fill, Folder, FolderBackend, FolderLink, FolderLock, Identity,
    Names, SourceFile, StagedName, TargetFile, disk_folder,
};

/// A folder whose operations are controlled by [`Faults`].
pub(crate) struct FaultyFolder {
    inner: Arc<dyn DiskFolder>,
    faults: Arc<Faults>,
}

impl FaultyFolder {
    pub(crate) fn wrap(inner: Arc<dyn Folder>, faults: &Arc<Faults>) -> Arc<dyn Folder> {
        let inner = disk_folder(&inner).expect("a folder of a filesystem");
        Arc::new(Self { inner, faults: faults.clone() })
    }

    fn pass(&self, op: &'static str, name: NameRef<'_>) -> io::Result<()> {
        self.faults.pass(op, name.as_bytes())
    }

    fn pass_own(&self, op: &'static str) -> io::Result<()> {
        self.faults.pass(op, b"")
    }
}

impl Folder for FaultyFolder {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn backend(self: Arc<Self>) -> FolderBackend {
        FolderBackend::Disk(self)
    }
    fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.inner.handle()
    }
    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>> {
        self.pass("folder", name)?;
        Ok(Self::wrap(self.inner.folder(name)?, &self.faults))
    }
    fn names(&self) -> io::Result<Names> {
        self.pass_own("names")?;
        self.inner.names()
    }
    fn metadata(&self, name: NameRef<'_>) -> io::Result<Metadata> {
        self.pass("metadata", name)?;
        self.inner.metadata(name)
    }
    fn identity(&self, name: NameRef<'_>) -> io::Result<Identity> {
        self.pass("identity", name)?;
        self.inner.identity(name)
    }
    fn folds_case(&self, name: NameRef<'_>) -> io::Result<bool> {
        self.inner.folds_case(name)
    }
    fn set_kept_time(&self, name: NameRef<'_>) -> io::Result<()> {
        self.pass("set_kept_time", name)?;
        self.inner.set_kept_time(name)
    }
    fn kept_time(&self, name: NameRef<'_>) -> io::Result<Timestamp> {
        self.inner.kept_time(name)
    }
    fn link(&self) -> Option<&FolderLink> {
        self.inner.link()
    }
    fn own_metadata(&self) -> io::Result<Metadata> {
        self.pass_own("own_metadata")?;
        self.inner.own_metadata()
    }
    fn read_link(&self, name: NameRef<'_>) -> io::Result<Vec<u8>> {
        self.pass("read_link", name)?;
        self.inner.read_link(name)
    }
    fn open_file(&self, name: NameRef<'_>) -> io::Result<Box<dyn SourceFile>> {
        self.pass("open_file", name)?;
        Ok(Box::new(FaultySource { inner: self.inner.open_file(name)?, faults: self.faults.clone() }))
    }
    fn make_file(&self, name: NameRef<'_>, mode: u32) -> io::Result<()> {
        self.pass("make_file", name)?;
        self.inner.make_file(name, mode)
    }
    fn make_link(
        &self,
        name: NameRef<'_>,
        target: &[u8],
        modified: Option<Timestamp>,
        replace: bool,
    ) -> io::Result<()> {
        self.pass("make_link", name)?;
        self.inner.make_link(name, target, modified, replace)
    }
    fn hard_link(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()> {
        self.pass("hard_link", name)?;
        self.inner.hard_link(name, to, to_name, replace)
    }
    fn make_folder(&self, name: NameRef<'_>, mode: u32) -> io::Result<()> {
        self.pass("make_folder", name)?;
        self.inner.make_folder(name, mode)
    }
    fn mode_of_new(&self, mode: u32) -> u32 {
        self.inner.mode_of_new(mode)
    }
    fn remove_file(&self, name: NameRef<'_>) -> io::Result<()> {
        self.pass("remove_file", name)?;
        self.inner.remove_file(name)
    }
    fn remove_folder(&self, name: NameRef<'_>) -> io::Result<()> {
        self.pass("remove_folder", name)?;
        self.inner.remove_folder(name)
    }
    fn rename(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()> {
        self.pass("rename", name)?;
        self.inner.rename(name, to, to_name, replace)
    }
    fn set_metadata(
        &self,
        name: NameRef<'_>,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()> {
        self.pass("set_metadata", name)?;
        self.inner.set_metadata(name, modified, mode)
    }
    fn details(&self, name: Option<NameRef<'_>>, wanted: Details) -> io::Result<EntryDetails> {
        self.pass_own("details")?;
        self.inner.details(name, wanted)
    }
    fn set_owner(&self, name: Option<NameRef<'_>>, owner: &Owner) -> io::Result<()> {
        self.pass_own("set_owner")?;
        self.inner.set_owner(name, owner)
    }
    fn set_xattrs(&self, name: Option<NameRef<'_>>, xattrs: &[Xattr]) -> io::Result<()> {
        self.pass_own("set_xattrs")?;
        self.inner.set_xattrs(name, xattrs)
    }
    fn lock(&self) -> io::Result<FolderLock> {
        self.pass_own("lock")?;
        self.inner.lock()
    }
    fn set_own_metadata(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()> {
        self.pass_own("set_own_metadata")?;
        self.inner.set_own_metadata(modified, mode)
    }
    fn fidelity(&self) -> io::Result<FidelityReport> {
        self.inner.fidelity()
    }
    fn space(&self) -> io::Result<SpaceReport> {
        self.pass_own("space")?;
        self.inner.space()
    }
}

impl DiskFolder for FaultyFolder {
    fn own_file(&self, name: NameRef<'_>) -> io::Result<Option<Identity>> {
        self.pass("own_file", name)?;
        self.inner.own_file(name)
    }
    fn create_staged(&self, staged: &StagedName, mode: u32) -> io::Result<Box<dyn TargetFile>> {
        self.faults.pass("create_staged", staged.as_bytes())?;
        let inner = self.inner.create_staged(staged, mode)?;
        let staged = staged.as_bytes().to_vec();
        Ok(Box::new(FaultyTarget { inner: Inner::Own(inner), faults: self.faults.clone(), staged }))
    }
    fn create_whole(&self, name: NameRef<'_>, mode: u32, fill: Fill<'_>) -> io::Result<bool> {
        self.pass("create_whole", name)?;
        self.inner.create_whole(name, mode, &|file| {
            let (faults, staged) = (self.faults.clone(), name.as_bytes().to_vec());
            fill(&FaultyTarget { inner: Inner::Lent(file), faults, staged })
        })
    }
    fn publish(&self, staged: &StagedName, name: NameRef<'_>, replace: bool) -> io::Result<()> {
        let both = [staged.as_bytes(), b" ", name.as_bytes()].concat();
        self.faults.pass("publish", &both)?;
        self.inner.publish(staged, name, replace)
    }
    fn open_staged(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        self.faults.pass("open_staged", staged.as_bytes())?;
        let inner = self.inner.open_staged(staged)?;
        let staged = staged.as_bytes().to_vec();
        Ok(Box::new(FaultyTarget { inner: Inner::Own(inner), faults: self.faults.clone(), staged }))
    }
    fn staged_source(&self, staged: &StagedName) -> io::Result<Box<dyn SourceFile>> {
        self.faults.pass("staged_source", staged.as_bytes())?;
        Ok(Box::new(FaultySource { inner: self.inner.staged_source(staged)?, faults: self.faults.clone() }))
    }
    fn create_journal(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        self.faults.pass("create_journal", staged.as_bytes())?;
        let inner = self.inner.create_journal(staged)?;
        let staged = staged.journal().to_vec();
        Ok(Box::new(FaultyTarget { inner: Inner::Own(inner), faults: self.faults.clone(), staged }))
    }
    fn open_journal(&self, staged: &StagedName, len_max: u64) -> io::Result<(Vec<u8>, Box<dyn TargetFile>)> {
        self.faults.pass("open_journal", staged.as_bytes())?;
        let (bytes, inner) = self.inner.open_journal(staged, len_max)?;
        let staged = staged.journal().to_vec();
        Ok((bytes, Box::new(FaultyTarget { inner: Inner::Own(inner), faults: self.faults.clone(), staged })))
    }
    fn remove_journal(&self, staged: &StagedName) -> io::Result<()> {
        self.faults.pass("remove_journal", staged.as_bytes())?;
        self.inner.remove_journal(staged)
    }
    fn sweep(&self, idle: Duration, scope: &SweepScope) -> io::Result<Swept> {
        self.pass_own("sweep")?;
        self.inner.sweep(idle, scope)
    }
    fn remove_staged(&self, staged: &StagedName) -> io::Result<()> {
        self.faults.pass("remove_staged", staged.as_bytes())?;
        self.inner.remove_staged(staged)
    }
    fn stage_link(&self, staged: &StagedName, target: &[u8], modified: Option<Timestamp>) -> io::Result<()> {
        self.faults.pass("stage_link", staged.as_bytes())?;
        self.inner.stage_link(staged, target, modified)
    }
    fn sync(&self) -> io::Result<()> {
        self.pass_own("sync_folder")?;
        self.inner.sync()
    }
    fn sync_filesystem(&self) -> io::Result<()> {
        self.pass_own("sync_filesystem")?;
        self.inner.sync_filesystem()
    }
    fn syncs_as_a_whole(&self) -> bool {
        !self.faults.syncs_each()
    }
    fn sync_file(&self, name: NameRef<'_>) -> io::Result<()> {
        self.pass("sync_entry", name)?;
        self.inner.sync_file(name)
    }
    fn filesystem(&self) -> io::Result<u64> {
        self.pass_own("filesystem")?;
        self.inner.filesystem()
    }
}

struct FaultySource {
    inner: Box<dyn SourceFile>,
    faults: Arc<Faults>,
}

impl SourceFile for FaultySource {
    fn identity(&self) -> io::Result<Identity> {
        self.faults.pass("identity", b"")?;
        self.inner.identity()
    }
    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        self.faults.pass("read_at", b"")?;
        self.inner.read_at(pieces, offset)
    }
}

struct FaultyTarget<'a> {
    inner: Inner<'a>,
    faults: Arc<Faults>,
    staged: Vec<u8>,
}

enum Inner<'a> {
    Own(Box<dyn TargetFile>),
    Lent(&'a dyn TargetFile),
}

impl Inner<'_> {
    fn file(&self) -> &dyn TargetFile {
        match self {
            Self::Own(file) => &**file,
            Self::Lent(file) => *file,
        }
    }
}

impl TargetFile for FaultyTarget<'_> {
    /// Like a disk that fills up: the failing write has written a part.
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        if let Err(error) = self.faults.pass("write_at", &self.staged) {
            if let Some(first) = pieces.first() {
                self.inner.file().write_at(&[IoSlice::new(&first[..first.len() / 2])], offset)?;
            }
            return Err(error);
        }
        self.inner.file().write_at(pieces, offset)
    }
    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        self.faults.pass("reserve", &self.staged)?;
        self.inner.file().reserve(offset, len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.faults.pass("set_len", &self.staged)?;
        self.inner.file().set_len(len)
    }
    fn place(&self) -> io::Result<FilePlace> {
        self.faults.pass("place", &self.staged)?;
        self.inner.file().place()
    }
    fn set_metadata(&self, modified: Option<Timestamp>, mode: u32) -> io::Result<()> {
        self.faults.pass("set_file_metadata", &self.staged)?;
        self.inner.file().set_metadata(modified, mode)
    }
    fn sync(&self) -> io::Result<()> {
        self.faults.pass("sync_file", &self.staged)?;
        self.inner.file().sync()
    }
}
