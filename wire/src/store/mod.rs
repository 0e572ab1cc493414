//! The storage seam: what transfers, listings and commands need of a filesystem. Everything goes through held folder
//! handles and single names; only [`Storage`] resolves a path of several.

pub(crate) mod boot;
mod cache;
pub mod change;
pub mod descent;
pub mod digest;
pub mod entry;
mod filesystem_kind;
mod filesystems;
mod local;
pub mod marks;
mod names;
mod spelling;
mod staging;
pub mod sweep;
pub mod sync;
pub mod walk;
mod write_out;

pub use crate::modes::umask;
pub use cache::FolderCache;
pub use filesystems::Filesystems;
pub use local::{LocalFolder, LocalStorage, STREAM_MODE, file_clock};
pub use names::{NameKind, Names};
pub use spelling::{Spellings, is_respelling, respell};
pub use staging::{StagedName, is_staged, reserved_name};

use self::sweep::SweepScope;
use crate::disk::beat;
use crate::fidelity::FidelityReport;
use crate::message::{Details, EntryDetails, Owner, SpaceReport, Swept, Xattr};
use crate::metadata::{Metadata, SourceId, Timestamp};
use crate::path::{NameRef, RemotePath};
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::time::Duration;

/// A tree of files below a root. Paths are resolved so that they never leave it; links within it are followed.
pub trait Storage: Send + Sync {
    /// Holds the folder at `path`.
    ///
    /// # Errors
    /// As the filesystem has it.
    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>>;

    /// Opens the regular file at `path` for reading.
    ///
    /// # Errors
    /// As the filesystem has it; `SpecialFile` and `IsAFolder` for what is no regular file.
    fn open_file(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>>;

    /// Metadata of what `path` leads to.
    ///
    /// # Errors
    /// As the filesystem has it.
    fn metadata(&self, path: &RemotePath) -> io::Result<Metadata>;

    /// True if `folder` is the root itself, by whatever path it was found.
    ///
    /// # Errors
    /// As the filesystem has it.
    fn is_root(&self, folder: &dyn Folder) -> io::Result<bool>;
}

/// A held folder. No operation follows a link; all errors are the filesystem's.
#[allow(clippy::missing_errors_doc)] // said above once for all
pub trait Folder: Send + Sync {
    /// Holds the folder `name`.
    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>>;
    /// Sorted names of all that is in the folder, but for staged files.
    fn names(&self) -> io::Result<Names>;
    /// Metadata of `name`.
    fn metadata(&self, name: NameRef<'_>) -> io::Result<Metadata>;
    /// What `name` is, and what tells it from what it was before.
    fn identity(&self, name: NameRef<'_>) -> io::Result<Identity>;
    /// True if the folder takes `name`, which is there, and the same in other case for one name.
    fn folds_case(&self, _name: NameRef<'_>) -> io::Result<bool> {
        Ok(false)
    }
    /// The regular file `name`, if it belongs to the user that this program runs as.
    fn own_file(&self, name: NameRef<'_>) -> io::Result<Option<Identity>>;
    /// Metadata of the folder itself.
    fn own_metadata(&self) -> io::Result<Metadata>;
    /// Where the link `name` leads.
    fn read_link(&self, name: NameRef<'_>) -> io::Result<Vec<u8>>;
    /// Opens the regular file `name` for reading.
    fn open_file(&self, name: NameRef<'_>) -> io::Result<Box<dyn SourceFile>>;
    /// Makes the staged file `staged`, which must not exist, with at most the permissions `mode`. It is locked for as long as
    /// it is open: so others can tell that it is in use.
    fn create_staged(&self, staged: &StagedName, mode: u32) -> io::Result<Box<dyn TargetFile>>;
    /// Makes the file `name` in one step: `fill` gets a file that has no name, with at most the permissions `mode`, and then it
    /// gets its name. False, and nothing done, if the name is taken or files without names are not to be had here.
    fn create_whole(&self, name: NameRef<'_>, mode: u32, fill: Fill<'_>) -> io::Result<bool>;
    /// Gives the staged file or link its final name, in one step. With `replace`, a file of that name is replaced.
    fn publish(&self, staged: &StagedName, name: NameRef<'_>, replace: bool) -> io::Result<()>;
    /// Opens a staged file that is there to write on, if it is this program's own and nobody else does.
    fn open_staged(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>>;
    /// Opens a staged file for reading.
    fn staged_source(&self, staged: &StagedName) -> io::Result<Box<dyn SourceFile>>;
    /// Makes the staged file's journal, empty.
    fn create_journal(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>>;
    /// Opens the staged file's journal: at most `len_max` bytes of what is in it, and the file to write on.
    fn open_journal(&self, staged: &StagedName, len_max: u64) -> io::Result<(Vec<u8>, Box<dyn TargetFile>)>;
    /// Removes the staged file's journal.
    fn remove_journal(&self, staged: &StagedName) -> io::Result<()>;
    /// Removes staged files and journals that have not changed for `idle`, in this folder alone; none while one of them is in use,
    /// and those within `scope` only.
    fn sweep(&self, idle: Duration, scope: &SweepScope) -> io::Result<Swept>;
    /// Removes a staged file.
    fn remove_staged(&self, staged: &StagedName) -> io::Result<()>;
    /// Makes a staged link.
    fn stage_link(&self, staged: &StagedName, target: &[u8], modified: Option<Timestamp>) -> io::Result<()>;
    /// Makes the folder `name` with at most the permissions `mode`, but for what rules always set.
    fn make_folder(&self, name: NameRef<'_>, mode: u32) -> io::Result<()>;
    /// The permissions that the system gives a new file in this folder, if it is made with `mode`.
    fn mode_of_new(&self, mode: u32) -> u32 {
        mode & !umask()
    }
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
    /// Changes metadata of `name`; what is not given stays. `NotOwner` if only the owner may, and that is somebody else.
    fn set_metadata(
        &self,
        name: NameRef<'_>,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()>;
    /// What is known beside the metadata: of `name`, or of the folder itself.
    fn details(&self, name: Option<NameRef<'_>>, wanted: Details) -> io::Result<EntryDetails>;
    /// Changes the owner of `name`, or of the folder itself.
    fn set_owner(&self, name: Option<NameRef<'_>>, owner: &Owner) -> io::Result<()>;
    /// Makes `xattrs` the extended attributes of `name`, or of the folder itself.
    fn set_xattrs(&self, name: Option<NameRef<'_>>, xattrs: &[Xattr]) -> io::Result<()>;
    /// Makes `to_name` in `to`, where nothing is, another name of the file `name`.
    fn hard_link(&self, name: NameRef<'_>, to: &dyn Folder, to_name: NameRef<'_>) -> io::Result<()>;
    /// Makes the staged `staged` in `to` another name of the file `name`.
    fn stage_hard_link(&self, name: NameRef<'_>, to: &dyn Folder, staged: &StagedName) -> io::Result<()>;
    /// Locks the folder for as long as the result lives; `Busy` if another process or job has.
    fn lock(&self) -> io::Result<FolderLock>;
    /// Changes metadata of the folder itself. `NotOwner` if only the owner may, and that is somebody else.
    fn set_own_metadata(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()>;
    /// Makes durable which names are in the folder, and its own metadata: a loss of power does not undo them any more.
    fn sync(&self) -> io::Result<()>;
    /// Makes durable all that was written to the filesystem that the folder is on, by anybody.
    fn sync_filesystem(&self) -> io::Result<()>;
    /// True if [`sync_filesystem`](Self::sync_filesystem) is known to reach all of it, and to tell of what could not be written.
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
    /// Brings the content of the file `name` to the disk, at least so far that no name that is given from now on is there without it
    /// after a loss of power.
    fn write_out(&self, name: NameRef<'_>) -> io::Result<()> {
        self.sync_file(name)
    }
    /// True if other filesystems are mounted below the folder, or if nobody knows.
    fn has_mounts_below(&self) -> bool {
        false
    }
    /// A number that folders of one filesystem share.
    fn filesystem(&self) -> io::Result<u64>;
    /// How faithfully times and permissions are kept in the folder, found out with a scratch file.
    fn fidelity(&self) -> io::Result<FidelityReport> {
        Ok(FidelityReport::EXACT)
    }
    /// Space of the filesystem that the folder is on.
    fn space(&self) -> io::Result<SpaceReport>;
    /// True if the folder is `other` or below it, whatever path leads there.
    fn lies_in(&self, _other: &dyn Folder) -> io::Result<bool> {
        Ok(false)
    }
    /// The folder as its implementation, for operations between two folders.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// Sets metadata that a transfer carries. A system may forbid to set any set-id bit, also one that is there already
/// (systemd's `RestrictSUIDSGID=`): then the permissions stay as they are, rather than that bit goes.
///
/// # Errors
/// As the filesystem has it.
pub(crate) fn set_carried(mode: Option<u32>, set: impl Fn(Option<u32>) -> io::Result<()>) -> io::Result<()> {
    const SET_ID: u32 = 0o6000;
    match set(mode) {
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied
                && mode.is_some_and(|mode| mode & SET_ID != 0) =>
        {
            set(None)
        }
        result => result,
    }
}

/// Writes all of a file.
pub type Fill<'a> = &'a dyn Fn(&dyn TargetFile) -> io::Result<()>;

/// Keeps a folder locked. The lock goes with the process, however that ends.
pub struct FolderLock {
    _held: std::os::fd::OwnedFd,
}

/// What tells a file from what it was before: any write changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Size, times and mode.
    pub metadata: Metadata,
    /// When the filesystem last noted any change (ctime); it cannot be set back.
    pub changed: Timestamp,
    /// The file's number on its device.
    pub inode: u64,
}

/// Which file it is on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePlace {
    /// The mount that it was opened on, by a number that no other one ever gets: after its device was away, it is another one. Zero
    /// before Linux 6.8, where there is no such number: devices have the same one when they come back.
    pub mount: u64,
    /// Its number there.
    pub inode: u64,
    /// Its length.
    pub len: u64,
    /// What was written is there for as long as this machine runs: no server and no other program can lose it.
    pub is_local: bool,
}

impl Identity {
    /// True if both are the same file with the same content, as far as can be told without reading it. Other names, other
    /// permissions and what else only ctime tells of are no other content.
    #[must_use]
    pub fn has_content_of(&self, other: &Self) -> bool {
        self.inode == other.inode && self.metadata.is_unchanged_since(&other.metadata)
    }

    /// The same in 16 bytes, for the other end to tell whether it is still the same.
    #[must_use]
    pub fn source_id(&self) -> SourceId {
        let Metadata { size, modified, .. } = self.metadata;
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"ftpx source v1\n");
        for number in
            [self.inode, size, modified.seconds.cast_unsigned(), self.changed.seconds.cast_unsigned()]
        {
            hasher.update(&number.to_le_bytes());
        }
        for number in [modified.nanos, self.changed.nanos] {
            hasher.update(&number.to_le_bytes());
        }
        let mut id = SourceId::default();
        id.0.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        id
    }
}

/// An open file to read from, at any place.
#[allow(clippy::missing_errors_doc)]
pub trait SourceFile: Send + Sync {
    /// What the file is now.
    fn identity(&self) -> io::Result<Identity>;
    /// Reads from `offset` into `pieces`; returns the bytes read, 0 at the end.
    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize>;
    /// Where there may be something else than zeros, from `offset` on; `u64::MAX` if there is nothing more. Where that cannot be
    /// told without reading, it is `offset`.
    fn next_data(&self, offset: u64) -> u64 {
        offset
    }
}

/// An open staged file to write to, at any place.
#[allow(clippy::missing_errors_doc)]
pub trait TargetFile: Send + Sync {
    /// Writes `pieces` from `offset` on; returns the bytes written.
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Finds room on the disk for `len` bytes from `offset` on that are about to be written, where that is cheaper at once than
    /// piece by piece. The file's length stays.
    fn reserve(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
    /// Makes the file this long; what was not written is zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes `len` bytes from `offset` on zeros.
    fn clear(&self, offset: u64, len: u64) -> io::Result<()> {
        let zeros = [0; 64 * 1024];
        let mut cleared = 0;
        while cleared < len {
            let piece = usize::try_from(len - cleared).unwrap_or(usize::MAX).min(zeros.len());
            cleared += self.write_at(&[IoSlice::new(&zeros[..piece])], offset + cleared)? as u64;
        }
        Ok(())
    }
    /// Which file it is on this machine, and its length.
    fn place(&self) -> io::Result<FilePlace>;
    /// Sets permission bits and modification time.
    fn set_metadata(&self, modified: Option<Timestamp>, mode: u32) -> io::Result<()>;
    /// All has been written and set: hands it to the filesystem, as closing does, which tells now what it cannot keep. To be called before
    /// the file gets its name. If it is to be `durable`, it is synced here where no sync of the whole filesystem will do it.
    fn finish(&self, _durable: bool) -> io::Result<()> {
        Ok(())
    }
    /// Begins with [`write_out`](Self::write_out), where that can be done piece by piece. Does not wait.
    fn begin_write_out(&self) {}
    /// Brings the content to the disk, at least so far that no name that is given from now on is there without it after a loss of
    /// power. To be called behind [`finish`](Self::finish).
    fn write_out(&self) -> io::Result<()> {
        self.sync()
    }
    /// Takes all rights from others, as long as the file has no name.
    fn make_private(&self) -> io::Result<()> {
        Ok(())
    }
    /// True if others can tell that the file is in use.
    fn is_locked(&self) -> bool {
        true
    }
    /// Makes content and metadata durable: a loss of power does not undo them any more. The name is the folder's.
    fn sync(&self) -> io::Result<()>;
}

/// Reads exactly `len` bytes into pieces; fewer only at the file's end.
///
/// # Errors
/// As the filesystem has it.
pub fn read_fully(file: &dyn SourceFile, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
    let mut pieces = pieces;
    let mut read = 0;
    while !pieces.is_empty() {
        let result = file.read_at(pieces, offset + read as u64);
        beat();
        match result {
            Ok(0) => break,
            Ok(count) => {
                read += count;
                IoSliceMut::advance_slices(&mut pieces, count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Writes all of `pieces` from `offset` on.
///
/// # Errors
/// As the filesystem has it.
pub fn write_fully(file: &dyn TargetFile, pieces: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
    let mut pieces = pieces;
    let mut written = 0;
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        let result = file.write_at(pieces, offset + written);
        beat();
        match result {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                written += count as u64;
                IoSlice::advance_slices(&mut pieces, count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
