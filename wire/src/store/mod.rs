//! The storage interface for transfers, listings and commands. Every operation uses open folder handles and single names; only
//! [`Storage`] resolves a path of several names.
//!
//! ```text
//!  commands, walks, batches                         receiving jobs                          sending jobs
//!             |                                           |                                      |
//!             v                                           v                                      v
//!  Storage ─► Folder ─► names, metadata,          TreeSink (which item may take             SourceFile
//!             |         changes, space            which name, and with what metadata)        (read_at)
//!             |                                           |
//!             └─ backend() ───────────────────────────────┤
//!                                     ┌───────────────────┴────────────────────┐
//!                                     v                                        v
//!                    DiskFolder: staged files, journals,         ObjectFolder: `put` of a small file,
//!                    syncs, publishing by rename                 Upload: `write` chunks, `commit`, `abort`
//!                    (only the local back end, `local/`)         (a store of whole objects)
//! ```
//!
//! A new back end implements [`Storage`], [`Folder`], [`SourceFile`], [`ObjectFolder`] and [`Upload`]. It knows nothing of
//! frames, jobs, overwriting rules or resuming; [`DiskFolder`] is not for it. What it lacks is missing in its
//! [`Capabilities`]: commands and jobs refuse such a request with `Unsupported` and the feature's name before they change
//! anything. Permissions of a transfer are no such request: they are dropped where none are kept, as on FAT.
//!
//! Ownership: a session owns one `dyn Storage`, below the user's root. A job owns the folders that it works in
//! ([`FolderCache`]), its staged files or uploads, and the locks of its folders. A folder owns its handle, and nothing that is
//! not in the storage already.
//!
//! State of the storage if we die at any line:
//!
//! ```text
//!                                     filesystem                               object store
//! 1. content is being written         old content; a staged file, perhaps      old content; parts without a name,
//!                                     with a journal for the next run          which the store expires
//! 2. content is complete              the same                                 the same
//! 3. publish, or commit               old or whole new content                 old or whole new content
//! 4. the item is acknowledged         whole new content                        whole new content
//! ```
//!
//! Line 3 of a filesystem consists of several when power may fail; see `local/upload/commit.rs`.

mod admission;
pub(crate) mod boot;
mod busy;
mod cache;
mod capabilities;
pub mod change;
pub mod descent;
pub mod digest;
pub mod entry;
mod filesystem_kind;
mod filesystems;
mod folder;
mod local;
pub mod marks;
mod names;
mod object_placement;
mod placing;
mod sink;
mod spelling;
mod staging;
pub mod sweep;
pub mod sync;
mod target_file;
mod upload;
pub mod walk;
mod write_out;

pub use crate::modes::umask;
#[cfg(test)]
pub(crate) use admission::{AdmissionRule, Candidate};
pub use boot::file_clock;
pub use busy::BusyPatience;
pub use cache::FolderCache;
pub use capabilities::{Capabilities, Capability};
pub use filesystems::Filesystems;
pub use folder::{
    DiskFolder, Fill, Folder, FolderBackend, FolderLink, FolderLock, ObjectFolder, disk_folder,
};
pub(crate) use local::HANDLES_A_COMMIT;
#[cfg(test)]
pub(crate) use local::commit;
pub use local::{Chunks, FileCopy, Keeping, LocalFolder, LocalStorage, STREAM_MODE, WholeFilesystem};
pub use names::{NameKind, Names};
#[cfg(test)]
pub(crate) use placing::Unsynced;
pub use placing::{PendingCommit, Placed, SharedPart, Staged, StagedEntry};
pub use sink::{Base, Find, ResumeState, Sink, TreeSink, TreeSinkOptions};
pub use spelling::{Spellings, is_respelling, respell};
pub(crate) use spelling::{is_entry, is_same};
pub use staging::{StagedName, is_staged, reserved_name};
pub(crate) use target_file::copy_through_memory;
pub use target_file::{COPY_BUFFER_LEN, FilePlace, Sharing, TargetFile, write_fully};
pub use upload::{Publication, Upload};

use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::message::FollowLinks;
use crate::metadata::{Metadata, SourceId, Timestamp};
use crate::path::RemotePath;
use std::io::{self, IoSliceMut};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// A tree of files below a root. Paths are resolved so that they never leave it; links within it are followed.
pub trait Storage: Send + Sync {
    /// Returns the optional features that all folders below the root have.
    fn capabilities(&self) -> Capabilities;

    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// Of the filesystem.
    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>>;

    /// Opens the folder at `path` as one of a tree whose symbolic links are treated by `follow`. None is followed out of the root.
    ///
    /// # Errors
    /// Of the filesystem; `Unsupported` where the storage follows none.
    fn tree(&self, path: &RemotePath, follow: FollowLinks) -> io::Result<Arc<dyn Folder>> {
        match follow {
            FollowLinks::Never => self.folder(path),
            FollowLinks::Folders | FollowLinks::Always => {
                Err(Failure::new(FailureCode::Unsupported, "following symbolic links in this storage").into())
            }
        }
    }

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
    /// Of the filesystem.
    fn is_root(&self, folder: &dyn Folder) -> io::Result<bool> {
        is_same(&*self.folder(&RemotePath::root())?, folder)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Kind;

    #[test]
    fn a_source_has_another_id_after_each_kind_of_change_but_that_of_permissions() {
        let time = |seconds, nanos| Timestamp { seconds, nanos };
        let metadata = Metadata { kind: Kind::File, size: 1, modified: time(2, 3), mode: 0o644 };
        let one = Identity { metadata, changed: time(4, 5), inode: 6 };
        for other in [
            Identity { metadata: Metadata { size: 9, ..metadata }, ..one },
            Identity { metadata: Metadata { modified: time(9, 3), ..metadata }, ..one },
            Identity { metadata: Metadata { modified: time(2, 9), ..metadata }, ..one },
            Identity { changed: time(9, 5), ..one },
            Identity { changed: time(4, 9), ..one },
            Identity { inode: 9, ..one },
        ] {
            assert_ne!(other.source_id(), one.source_id(), "{other:?}");
        }
        let opened = Identity { metadata: Metadata { mode: 0o600, ..metadata }, ..one };
        assert_eq!(opened.source_id(), one.source_id());
    }
}
