//! The storage interface for transfers, listings and commands. Every operation uses open folder handles and single names; only
//! [`Storage`] resolves a path of several names.

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
pub(crate) use spelling::{is_entry, is_same};
pub use staging::{StagedName, is_staged, reserved_name};

use self::sweep::SweepScope;
use crate::disk::beat;
use crate::fidelity::FidelityReport;
use crate::message::{Details, EntryDetails, Owner, SpaceReport, Swept, Xattr};
use crate::metadata::{Metadata, SourceId, Timestamp};
use crate::path::{NameRef, RemotePath};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

/// A tree of files below a root. Paths are resolved so that they never leave it; links within it are followed.
pub trait Storage: Send + Sync {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// Of the filesystem.
    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>>;

    /// Opens the regular file at `path` for reading.
    ///
    /// # Errors
    /// Of the filesystem; `SpecialFile` and `IsAFolder` for other kinds of entries.
    fn open_file(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>>;

    /// Returns metadata of the entry at `path`, following links.
    ///
    /// # Errors
    /// Of the filesystem.
    fn metadata(&self, path: &RemotePath) -> io::Result<Metadata>;

    /// True if `folder` is the root itself, by whatever path it was found.
    ///
    /// # Errors
    /// As the filesystem has it.
    fn is_root(&self, folder: &dyn Folder) -> io::Result<bool>;
}

/// An open folder. No operation follows a link; all errors are the filesystem's.
#[allow(clippy::missing_errors_doc)] // documented above for all
pub trait Folder: Send + Sync {
    /// Opens the folder `name`.
    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>>;
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
    /// Returns the regular file `name`, if it belongs to the user that this program runs as.
    fn own_file(&self, name: NameRef<'_>) -> io::Result<Option<Identity>>;
    /// Metadata of the folder itself.
    fn own_metadata(&self) -> io::Result<Metadata>;
    /// Returns the target of the link `name`.
    fn read_link(&self, name: NameRef<'_>) -> io::Result<Vec<u8>>;
    /// Opens the regular file `name` for reading.
    fn open_file(&self, name: NameRef<'_>) -> io::Result<Box<dyn SourceFile>>;
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
    /// Creates the folder `name` with at most the permissions `mode`, except for bits that rules always set.
    fn make_folder(&self, name: NameRef<'_>, mode: u32) -> io::Result<()>;
    /// Returns the permissions that the system gives a new file in this folder that is created with `mode`.
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
    /// Changes metadata of `name`; `None` leaves a value unchanged. `NotOwner` if only the owner may, and that is another user.
    fn set_metadata(
        &self,
        name: NameRef<'_>,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()>;
    /// Returns details besides the metadata, of `name` or of the folder itself.
    fn details(&self, name: Option<NameRef<'_>>, wanted: Details) -> io::Result<EntryDetails>;
    /// Changes the owner of `name`, or of the folder itself.
    fn set_owner(&self, name: Option<NameRef<'_>>, owner: &Owner) -> io::Result<()>;
    /// Replaces the extended attributes of `name`, or of the folder itself, with `xattrs`.
    fn set_xattrs(&self, name: Option<NameRef<'_>>, xattrs: &[Xattr]) -> io::Result<()>;
    /// Creates a hard link `to_name` in `to`, which must be free, to the file `name`.
    fn hard_link(&self, name: NameRef<'_>, to: &dyn Folder, to_name: NameRef<'_>) -> io::Result<()>;
    /// Creates the staged `staged` in `to` as a hard link to the file `name`.
    fn stage_hard_link(&self, name: NameRef<'_>, to: &dyn Folder, staged: &StagedName) -> io::Result<()>;
    /// Locks the folder for the lifetime of the result; `Busy` if another process or job has locked it.
    fn lock(&self) -> io::Result<FolderLock>;
    /// Changes metadata of the folder itself. `NotOwner` if only the owner may, and that is another user.
    fn set_own_metadata(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()>;
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
    /// Reports how precisely times and permissions are kept in the folder, found out with a scratch file.
    fn fidelity(&self) -> io::Result<FidelityReport> {
        Ok(FidelityReport::EXACT)
    }
    /// Space of the filesystem that the folder is on.
    fn space(&self) -> io::Result<SpaceReport>;
    /// True if the folder is `other` or below it, by whatever path it was opened.
    fn lies_in(&self, _other: &dyn Folder) -> io::Result<bool> {
        Ok(false)
    }
    /// Returns the folder as its implementation, for operations between two folders.
    fn as_any(&self) -> &dyn std::any::Any;
}

/// Sets metadata carried by a transfer. A system may forbid setting any set-id bit, even one that is set already (systemd's
/// `RestrictSUIDSGID=`): then the permissions stay as they are, rather than lose the bit.
///
/// # Errors
/// Of the filesystem.
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

/// Writes the content of a file.
pub type Fill<'a> = &'a dyn Fn(&dyn TargetFile) -> io::Result<()>;

/// Keeps a folder locked. The system releases the lock when the process ends, in whatever way.
pub struct FolderLock {
    _held: std::os::fd::OwnedFd,
}

/// Distinguishes a file from its earlier states: any write changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Size, times and mode.
    pub metadata: Metadata,
    /// Time of the last change of any kind as recorded by the filesystem (ctime); it cannot be set back.
    pub changed: Timestamp,
    /// The file's inode number.
    pub inode: u64,
}

/// Identifies a file on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePlace {
    /// The mount that it was opened on, by a number that is never reused: a device that was away comes back with another one.
    /// Zero before Linux 6.8, which lacks that number: there a device keeps its number when it comes back.
    pub mount: u64,
    /// Its inode number there.
    pub inode: u64,
    /// Its length.
    pub len: u64,
    /// Data written stays as long as this machine runs: no server or other program can lose it.
    pub is_local: bool,
}

impl Identity {
    /// True if both are the same file with the same content, as far as can be known without reading it. Other names,
    /// permissions and whatever else changes only the ctime do not count.
    #[must_use]
    pub fn has_content_of(&self, other: &Self) -> bool {
        self.inode == other.inode && self.metadata.is_unchanged_since(&other.metadata)
    }

    /// Condenses it to 16 bytes, by which the other end detects changes.
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

/// An open file for reading at any offset.
#[allow(clippy::missing_errors_doc)]
pub trait SourceFile: Send + Sync {
    /// Returns the file's current identity.
    fn identity(&self) -> io::Result<Identity>;
    /// Reads from `offset` into `pieces`; returns the bytes read, 0 at the end.
    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize>;
    /// Returns the open file, if it is one of the local filesystem.
    fn local_file(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Returns the offset, from `offset` on, of the next data other than zeros; `u64::MAX` if there is none. Returns `offset`
    /// where this is unknown without reading.
    fn next_data(&self, offset: u64) -> u64 {
        offset
    }
}

/// An open staged file for writing at any offset.
#[allow(clippy::missing_errors_doc)]
pub trait TargetFile: Send + Sync {
    /// Writes `pieces` from `offset` on; returns the bytes written.
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Preallocates disk space for `len` bytes from `offset` on that are about to be written, where this is cheaper at once
    /// than piece by piece. The file's length stays.
    fn reserve(&self, _offset: u64, _len: u64) -> io::Result<()> {
        Ok(())
    }
    /// Sets the file's length; unwritten parts are zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Zeros `len` bytes from `offset` on.
    fn clear(&self, offset: u64, len: u64) -> io::Result<()> {
        let zeros = [0; 64 * 1024];
        let mut cleared = 0;
        while cleared < len {
            let piece = usize::try_from(len - cleared).unwrap_or(usize::MAX).min(zeros.len());
            cleared += self.write_at(&[IoSlice::new(&zeros[..piece])], offset + cleared)? as u64;
        }
        Ok(())
    }
    /// Makes the file share the whole content of `source`, where the filesystem can: no byte is copied. Returns false otherwise.
    fn share_content(&self, _source: &dyn SourceFile) -> io::Result<bool> {
        Ok(false)
    }
    /// Copies at most `len` bytes of `source` at `offset` to the same offset. Returns the number of bytes; 0 at the end.
    fn copy_content(&self, source: &dyn SourceFile, offset: u64, len: u64) -> io::Result<u64> {
        copy_through_memory(self, source, offset, len)
    }
    /// Returns the file's place on this machine, and its length.
    fn place(&self) -> io::Result<FilePlace>;
    /// Sets permission bits and modification time.
    fn set_metadata(&self, modified: Option<Timestamp>, mode: u32) -> io::Result<()>;
    /// Hands a completely written file to the filesystem, as closing does, which reports now what it cannot keep. To be called
    /// before the file gets its name. If it is to be `durable`, it is synced here where no sync of the whole filesystem will do
    /// it.
    fn finish(&self, _durable: bool) -> io::Result<()> {
        Ok(())
    }
    /// Starts a [`write_out`](Self::write_out), where it can be done piece by piece. Does not wait.
    fn begin_write_out(&self) {}
    /// Writes out the content, so that no name given from now on is on the disk without it after a loss of power. To be called
    /// after [`finish`](Self::finish).
    fn write_out(&self) -> io::Result<()> {
        self.sync()
    }
    /// Removes all permissions of others, for the time until the file has a name.
    fn make_private(&self) -> io::Result<()> {
        Ok(())
    }
    /// True if others can detect that the file is in use.
    fn is_locked(&self) -> bool {
        true
    }
    /// Makes content and metadata durable: a loss of power no longer undoes them. The name is the folder's.
    fn sync(&self) -> io::Result<()>;
}

/// Reads exactly `len` bytes into pieces; fewer only at the file's end.
///
/// # Errors
/// Of the filesystem.
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

/// Copies at most `len` bytes of `source` at `offset` to the same offset, by reading and writing.
pub(crate) fn copy_through_memory<T: TargetFile + ?Sized>(
    target: &T,
    source: &dyn SourceFile,
    offset: u64,
    len: u64,
) -> io::Result<u64> {
    let mut piece = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(COPY_BUFFER_LEN)];
    let read = read_fully(source, &mut [IoSliceMut::new(&mut piece)], offset)?;
    let mut written = 0;
    while written < read {
        match target.write_at(&[IoSlice::new(&piece[written..read])], offset + written as u64)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => written += count,
        }
        beat();
    }
    Ok(read as u64)
}

/// Bytes of memory that [`TargetFile::copy_content`] takes at most.
pub const COPY_BUFFER_LEN: usize = 256 * 1024;

/// Writes all of `pieces` from `offset` on.
///
/// # Errors
/// Of the filesystem.
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
