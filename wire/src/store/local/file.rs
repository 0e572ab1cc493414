//! Open files of the local filesystem: sources for reading, and targets for writing.

use super::stat::{identity_of, metadata_of, times};
use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::metadata::{Kind, MODE_BITS, Timestamp};
use crate::modes::ModePolicy;
use crate::store::filesystem_kind::{FilesystemKind, NameOrder};
use crate::store::{FilePlace, Identity, Sharing, SourceFile, TargetFile, copy_through_memory, write_out};
use rustix::fs::{self as sys, AtFlags, FallocateFlags, FlockOperation, Mode, Stat, StatxFlags};
use rustix::io::Errno;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

struct LocalSource {
    fd: OwnedFd,
}

impl SourceFile for LocalSource {
    fn identity(&self) -> io::Result<Identity> {
        Ok(identity_of(&sys::fstat(&self.fd)?))
    }

    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::preadv(&self.fd, pieces, offset)?)
    }

    fn local_file(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }

    fn next_data(&self, offset: u64) -> u64 {
        match sys::seek(&self.fd, sys::SeekFrom::Data(offset)) {
            Ok(data) => data,
            Err(Errno::NXIO) => u64::MAX,
            Err(_) => offset,
        }
    }
}

pub(super) struct LocalTarget {
    pub(super) fd: OwnedFd,
    /// Permissions with which the file was created.
    pub(super) mode: u32,
    pub(super) kind: FilesystemKind,
    pub(super) is_locked: bool,
    pub(super) modes: ModePolicy,
}

impl TargetFile for LocalTarget {
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&self.fd, pieces, offset)?)
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        // Delayed allocation on ext4 handles each block of a file separately: 1 GiB is written in 0.16 s, and in 0.10 s with
        // preallocation. Other filesystems do well without, or (in memory) do more work with it.
        match sys::fstatfs(&self.fd)?.f_type {
            0xef53 => Ok(sys::fallocate(&self.fd, FallocateFlags::KEEP_SIZE, offset, len)?),
            _ => Ok(()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(sys::ftruncate(&self.fd, len)?)
    }

    fn share_content(&self, source: &dyn SourceFile) -> io::Result<bool> {
        let Some(source) = source.local_file() else { return Ok(false) };
        Ok(sys::ioctl_ficlone(&self.fd, source).is_ok()) // where that fails, copying succeeds or tells why not
    }

    fn share_blocks(
        &self,
        source: &dyn SourceFile,
        source_offset: u64,
        bytes: &[u8],
        offset: u64,
    ) -> io::Result<Sharing> {
        let Some(source) = source.local_file().filter(|_| self.kind.shares_blocks) else {
            return Ok(Sharing::Impossible);
        };
        let (mut from, mut to, end) = (source_offset, offset, offset + bytes.len() as u64);
        while to < end {
            let len = usize::try_from(end - to).unwrap_or(usize::MAX);
            match sys::copy_file_range(source, Some(&mut from), &self.fd, Some(&mut to), len) {
                Ok(0) | Err(_) => return Ok(Sharing::Failed), // what was wrong shows when the bytes are written
                Ok(_) => beat(),
            }
        }
        // The source may have changed since its bytes were verified.
        let mut there = vec![0; bytes.len().min(COMPARED_AT_ONCE)];
        for (number, expected) in bytes.chunks(COMPARED_AT_ONCE).enumerate() {
            let there = &mut there[..expected.len()];
            let at = offset + (number * COMPARED_AT_ONCE) as u64;
            if rustix::io::pread(&self.fd, &mut *there, at)? != expected.len() || there != expected {
                return Ok(Sharing::Failed);
            }
            beat();
        }
        Ok(Sharing::Done)
    }

    fn copy_content(&self, source: &dyn SourceFile, offset: u64, len: u64) -> io::Result<u64> {
        if let Some(file) = source.local_file() {
            let (mut from, mut to) = (offset, offset);
            let piece = usize::try_from(len).unwrap_or(usize::MAX);
            match sys::copy_file_range(file, Some(&mut from), &self.fd, Some(&mut to), piece) {
                Ok(0) => {} // some filesystems of the kernel say this of files that have content
                Ok(copied) => return Ok(copied as u64),
                Err(Errno::INVAL | Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            }
        }
        copy_through_memory(self, source, offset, len)
    }

    fn place(&self) -> io::Result<FilePlace> {
        let stat = sys::statx(&self.fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | MOUNT_ID)?;
        let is_local = self.kind.is_local;
        let place =
            FilePlace { mount: unique_mount(&stat), inode: stat.stx_ino, len: stat.stx_size, is_local };
        Ok(place)
    }

    fn set_metadata(&self, modified: Option<Timestamp>, mode: u32) -> io::Result<()> {
        let mode = self.modes.apply(mode, false) & MODE_BITS;
        if mode != self.mode {
            sys::fchmod(&self.fd, Mode::from_raw_mode(mode))?;
        }
        match modified {
            Some(_) => Ok(sys::futimens(&self.fd, &times(modified))?),
            None => Ok(()),
        }
    }

    /// Closing a second handle of the same opening makes the filesystem report errors; the first one keeps the lock until the
    /// file has its name.
    fn finish(&self, durable: bool) -> io::Result<()> {
        let FilesystemKind { is_local, syncs_as_a_whole, .. } = self.kind;
        if !is_local || (durable && !syncs_as_a_whole) {
            sync_each(&self.fd)?;
        }
        if is_local {
            return Ok(()); // disks of this machine report no errors on closing a file
        }
        let second = self.fd.try_clone()?;
        Ok(nix::unistd::close(second)?)
    }

    fn begin_write_out(&self) {
        if self.kind.is_local {
            write_out::begin(&self.fd);
        }
    }

    fn write_out(&self) -> io::Result<()> {
        if self.kind.is_local {
            write_out_by(self.kind, &self.fd)
        } else {
            Ok(()) // it was synced in `finish`
        }
    }

    fn make_private(&self) -> io::Result<()> {
        Ok(sys::fchmod(&self.fd, Mode::RUSR | Mode::WUSR)?)
    }

    fn is_locked(&self) -> bool {
        self.is_locked
    }

    fn sync(&self) -> io::Result<()> {
        Ok(sys::fsync(&self.fd)?)
    }
}

/// Accepts an open file if it is a regular one. It was opened without waiting, so that a pipe cannot block.
pub(super) fn regular(fd: OwnedFd) -> io::Result<Box<dyn SourceFile>> {
    regular_kind(&sys::fstat(&fd)?)?;
    Ok(Box::new(LocalSource { fd }))
}

/// Accepts the kind of a regular file.
pub(super) fn regular_kind(stat: &Stat) -> io::Result<()> {
    match metadata_of(stat).kind {
        Kind::File => Ok(()),
        Kind::Folder => Err(io::ErrorKind::IsADirectory.into()),
        Kind::Symlink | Kind::Special => Err(Failure::from(FailureCode::SpecialFile).into()),
    }
}

/// Locks a file or folder for as long as it is open, to mark it as in use; returns false where locks are unsupported.
pub(super) fn lock_file(fd: &OwnedFd) -> io::Result<bool> {
    match sys::flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Failure::from(FailureCode::Busy).into()),
        result => Ok(result.is_ok()),
    }
}

/// Writes out a file as far as its filesystem requires it.
pub(super) fn write_out_by(kind: FilesystemKind, fd: &OwnedFd) -> io::Result<()> {
    match kind.names {
        NameOrder::AfterContent => write_out::finish(fd),
        NameOrder::AfterSync => sync_each(fd),
        NameOrder::None => {
            write_out::begin(fd);
            Ok(())
        }
    }
}

/// Syncs a file. Some filesystems do not support this for single files and have no writes to wait for.
pub(super) fn sync_each(fd: &OwnedFd) -> io::Result<()> {
    match sys::fsync(fd) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        result => Ok(result?),
    }
}

/// Returns the number of the mount, if the system reports one that is never reused.
pub(super) fn unique_mount(stat: &sys::Statx) -> u64 {
    if stat.stx_mask & MOUNT_ID.bits() == 0 { 0 } else { stat.stx_mnt_id }
}

/// Bytes of shared blocks that are read and compared at a time.
const COMPARED_AT_ONCE: usize = 64 * 1024;

/// `STATX_MNT_ID_UNIQUE` of statx(2), which rustix has no name for: a number of the mount that is never reused.
pub(super) const MOUNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x4000);
