//! Open folders: what every storage has, and what a filesystem or an object store has besides.

use super::capabilities::Capabilities;
use super::sweep::SweepScope;
use super::target_file::TargetFile;
use super::upload::{Publication, Upload};
use super::{Identity, Names, SourceFile, StagedName};
use crate::failure::{Failure, FailureCode};
use crate::fidelity::FidelityReport;
use crate::message::{Details, EntryDetails, Owner, SpaceReport, Swept, Xattr};
use crate::metadata::{Metadata, Timestamp};
use crate::path::NameRef;
use crate::verified::VerifiedContent;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

/// An open folder of any storage. No operation follows a link, except in a tree that was opened with a rule for
/// links ([`Storage::tree`](super::Storage::tree)): with `Always` all reading does, and with `Folders` the opening of folders, their
/// metadata and their details; `identity` is then the link's own. An operation that needs a feature outside of
/// [`capabilities`](Self::capabilities) fails with `Unsupported`; all other errors are the storage's.
#[allow(clippy::missing_errors_doc)] // documented above for all
pub trait Folder: Send + Sync {
    /// Returns the optional features of the storage here.
    fn capabilities(&self) -> Capabilities;
    /// Returns the folder as what files are written to.
    fn backend(self: Arc<Self>) -> FolderBackend;
    /// Returns the system's handle of the folder, if it has one: a filesystem needs both handles for an operation between two
    /// folders.
    fn handle(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Opens the folder `name`.
    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>>;
    /// Returns the symbolic link through which the folder was reached, where only links to folders are followed.
    fn link(&self) -> Option<&FolderLink> {
        None
    }
    /// Returns the sorted names of all entries, except staged files.
    fn names(&self) -> io::Result<Names>;
    /// Metadata of `name`.
    fn metadata(&self, name: NameRef<'_>) -> io::Result<Metadata>;
    /// Returns metadata of `name`, and the values that show later whether it was changed.
    fn identity(&self, name: NameRef<'_>) -> io::Result<Identity>;
    /// True if the folder treats the existing `name` and its other-case spelling as one name.
    fn folds_case(&self, _name: NameRef<'_>) -> io::Result<bool> {
        Ok(false)
    }
    /// Metadata of the folder itself.
    fn own_metadata(&self) -> io::Result<Metadata>;
    /// Returns the target of the link `name`.
    fn read_link(&self, name: NameRef<'_>) -> io::Result<Vec<u8>>;
    /// Opens the regular file `name` for reading.
    fn open_file(&self, name: NameRef<'_>) -> io::Result<Box<dyn SourceFile>>;
    /// Creates the empty file `name`, which must be free, with at most the permissions `mode`.
    fn make_file(&self, name: NameRef<'_>, mode: u32) -> io::Result<()>;
    /// Creates the folder `name` with at most the permissions `mode`, except for bits that rules always set.
    fn make_folder(&self, name: NameRef<'_>, mode: u32) -> io::Result<()>;
    /// Creates the symbolic link `name` in one step. With `replace`, it takes the place of an existing file or link; otherwise
    /// the name must be free.
    fn make_link(
        &self,
        name: NameRef<'_>,
        target: &[u8],
        modified: Option<Timestamp>,
        replace: bool,
    ) -> io::Result<()>;
    /// Returns the permissions that a new file in this folder gets if it is created with `mode`.
    fn mode_of_new(&self, mode: u32) -> u32;
    /// Removes the file or link `name`.
    fn remove_file(&self, name: NameRef<'_>) -> io::Result<()>;
    /// Removes the empty folder `name`.
    fn remove_folder(&self, name: NameRef<'_>) -> io::Result<()>;
    /// Renames `name` to `to_name` in `to`, which must be a folder of the same storage.
    fn rename(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()>;
    /// Creates a hard link `to_name` in `to` to the file `name`. With `replace`, it takes the place of an existing file or link
    /// in one step; otherwise the name must be free.
    fn hard_link(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()>;
    /// Changes metadata of `name`; `None` leaves a value unchanged. `NotOwner` if only the owner may, and that is another user.
    fn set_metadata(
        &self,
        name: NameRef<'_>,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()>;
    /// Records for the file or link `name` that it came to a backup now. `Unsupported` if that cannot be kept here.
    fn set_kept_time(&self, _name: NameRef<'_>) -> io::Result<()> {
        Err(Failure::from(FailureCode::Unsupported).into())
    }
    /// Returns the recorded time, or a later one.
    fn kept_time(&self, _name: NameRef<'_>) -> io::Result<Timestamp> {
        Err(Failure::from(FailureCode::Unsupported).into())
    }
    /// Changes metadata of the folder itself. `NotOwner` if only the owner may, and that is another user.
    fn set_own_metadata(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()>;
    /// Returns details besides the metadata, of `name` or of the folder itself. `file` is present if it is wanted: it tells
    /// whether two folders are the same.
    fn details(&self, name: Option<NameRef<'_>>, wanted: Details) -> io::Result<EntryDetails>;
    /// Changes the owner of `name`, or of the folder itself.
    fn set_owner(&self, name: Option<NameRef<'_>>, owner: &Owner) -> io::Result<()>;
    /// Replaces the extended attributes of `name`, or of the folder itself, with `xattrs`.
    fn set_xattrs(&self, name: Option<NameRef<'_>>, xattrs: &[Xattr]) -> io::Result<()>;
    /// Locks the folder for the lifetime of the result; `Busy` if another process or job has locked it.
    fn lock(&self) -> io::Result<FolderLock>;
    /// Reports how precisely times and permissions are kept in the folder.
    fn fidelity(&self) -> io::Result<FidelityReport>;
    /// Space of the storage that the folder is on.
    fn space(&self) -> io::Result<SpaceReport>;
    /// True if the folder is `other` or below it, by whatever path it was opened.
    fn lies_in(&self, _other: &dyn Folder) -> io::Result<bool> {
        Ok(false)
    }
}

/// A symbolic link that leads to a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderLink {
    /// Its own metadata.
    pub metadata: Metadata,
    /// Its target, as stored.
    pub target: Vec<u8>,
}

/// A folder as what files are written to: each storage is of one of these kinds.
pub enum FolderBackend {
    /// A filesystem, where files are staged beside their targets.
    Disk(Arc<dyn DiskFolder>),
    /// A store of whole objects, which takes uploads.
    Objects(Arc<dyn ObjectFolder>),
}

/// A folder of a filesystem: staged files, their journals, and syncs. Only the local back end has these.
#[allow(clippy::missing_errors_doc)] // all errors are the filesystem's
pub trait DiskFolder: Folder {
    /// Returns the regular file `name`, if it belongs to the user that this program runs as.
    fn own_file(&self, name: NameRef<'_>) -> io::Result<Option<Identity>>;
    /// Creates the staged file `staged`, which must not exist, with at most the permissions `mode`. It is locked as long as it
    /// is open, so that others can detect that it is in use.
    fn create_staged(&self, staged: &StagedName, mode: u32) -> io::Result<Box<dyn TargetFile>>;
    /// Creates the file `name` in one step: `fill` gets a file without a name, with at most the permissions `mode`, which then
    /// gets its name. Returns false and does nothing if the name is taken or files without names are unsupported here.
    fn create_whole(&self, name: NameRef<'_>, mode: u32, fill: Fill<'_>) -> io::Result<bool>;
    /// Gives the staged file or link its final name, in one step. With `replace`, a file of that name is replaced.
    fn publish(&self, staged: &StagedName, name: NameRef<'_>, replace: bool) -> io::Result<()>;
    /// Opens an existing staged file for writing, if it belongs to this program and is not in use.
    fn open_staged(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>>;
    /// Opens a staged file for reading.
    fn staged_source(&self, staged: &StagedName) -> io::Result<Box<dyn SourceFile>>;
    /// Creates the staged file's journal, empty.
    fn create_journal(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>>;
    /// Opens the staged file's journal: returns at most `len_max` bytes of its content, and the file for writing.
    fn open_journal(&self, staged: &StagedName, len_max: u64) -> io::Result<(Vec<u8>, Box<dyn TargetFile>)>;
    /// Removes the staged file's journal.
    fn remove_journal(&self, staged: &StagedName) -> io::Result<()>;
    /// Removes staged files and journals that have not changed for `idle`, in this folder alone, within `scope`; none while one
    /// of them is in use.
    fn sweep(&self, idle: Duration, scope: &SweepScope) -> io::Result<Swept>;
    /// Removes a staged file.
    fn remove_staged(&self, staged: &StagedName) -> io::Result<()>;
    /// Creates a staged link.
    fn stage_link(&self, staged: &StagedName, target: &[u8], modified: Option<Timestamp>) -> io::Result<()>;
    /// Makes the folder's names and its own metadata durable: a loss of power no longer undoes them.
    fn sync(&self) -> io::Result<()>;
    /// Makes all writes to the folder's filesystem durable, those of other programs included.
    fn sync_filesystem(&self) -> io::Result<()>;
    /// True if [`sync_filesystem`](Self::sync_filesystem) is known to reach all of it, and to report failed writes.
    fn syncs_as_a_whole(&self) -> bool {
        true
    }
    /// True if a file may have its name before its content is on a disk.
    fn keeps_unsynced(&self) -> bool {
        true
    }
    /// Makes content and metadata of the file `name` durable.
    fn sync_file(&self, _name: NameRef<'_>) -> io::Result<()> {
        self.sync_filesystem()
    }
    /// Writes out the content of the file `name`, so that no name given from now on is on the disk without it after a loss of
    /// power.
    fn write_out(&self, name: NameRef<'_>) -> io::Result<()> {
        self.sync_file(name)
    }
    /// True if other filesystems are mounted below the folder, or if that is unknown.
    fn has_mounts_below(&self) -> bool {
        false
    }
    /// A number that folders of one filesystem share.
    fn filesystem(&self) -> io::Result<u64>;
}

/// A folder of a store that takes whole objects. An upload shows up under its name when it is committed, and not before.
#[allow(clippy::missing_errors_doc)] // all errors are the store's; `AlreadyExists` for a name that may not be replaced
pub trait ObjectFolder: Folder {
    /// Stores a small file in one step.
    fn put(&self, content: &VerifiedContent<'_>, publication: &Publication<'_>) -> io::Result<()>;
    /// Starts the upload of a large file.
    fn upload(&self) -> io::Result<Box<dyn Upload>>;
}

/// Returns the folder as one of a filesystem; `None` if it is one of an object store, which stages and syncs nothing.
#[must_use]
pub fn disk_folder(folder: &Arc<dyn Folder>) -> Option<Arc<dyn DiskFolder>> {
    match folder.clone().backend() {
        FolderBackend::Disk(folder) => Some(folder),
        FolderBackend::Objects(_) => None,
    }
}

/// Writes the content of a file.
pub type Fill<'a> = &'a dyn Fn(&dyn TargetFile) -> io::Result<()>;

/// Keeps a folder locked until it is dropped, or until the process ends in whatever way.
pub struct FolderLock {
    _guard: Box<dyn Send + Sync>,
}

impl FolderLock {
    /// A lock that lasts as long as `guard`.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self { _guard: Box::new(guard) }
    }
}
