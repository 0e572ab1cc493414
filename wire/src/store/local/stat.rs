//! Converts the system's file status to [`Metadata`], and times to the system's form.

use crate::metadata::{Kind, MODE_BITS, Metadata, Timestamp};
use crate::store::Identity;
use rustix::fs::{self as sys, FileType, Stat};

pub(super) fn identity_of(stat: &Stat) -> Identity {
    let changed = timestamp(stat.st_ctime, stat.st_ctime_nsec);
    Identity { metadata: metadata_of(stat), changed, inode: stat.st_ino }
}

pub(super) fn metadata_of(stat: &Stat) -> Metadata {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Special,
    };
    let size = match kind {
        Kind::File | Kind::Symlink => stat.st_size.cast_unsigned(),
        Kind::Folder | Kind::Special => 0,
    };
    Metadata {
        kind,
        size,
        modified: timestamp(stat.st_mtime, stat.st_mtime_nsec),
        mode: stat.st_mode & MODE_BITS,
    }
}

pub(super) fn timestamp(seconds: i64, nanos: u64) -> Timestamp {
    Timestamp { seconds, nanos: u32::try_from(nanos).unwrap_or(0) }
}

pub(super) fn times(modified: Option<Timestamp>) -> sys::Timestamps {
    let omit = sys::Timespec { tv_sec: 0, tv_nsec: sys::UTIME_OMIT };
    let modified =
        modified.map_or(omit, |time| sys::Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanos) });
    sys::Timestamps { last_access: omit, last_modification: modified }
}

/// True if the file belongs to the user of this process.
pub(super) fn is_own(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}
