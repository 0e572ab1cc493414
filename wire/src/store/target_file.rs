//! Open staged files of a filesystem, for writing.

use super::{SourceFile, read_fully};
use crate::disk::beat;
use crate::metadata::Timestamp;
use std::io::{self, IoSlice, IoSliceMut};

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
    /// Lets the file share the blocks of `source` at `source_offset`, where the filesystem can; both offsets and the length are
    /// of whole blocks. After that the file must have `bytes` at `offset`.
    fn share_blocks(
        &self,
        _source: &dyn SourceFile,
        _source_offset: u64,
        _bytes: &[u8],
        _offset: u64,
    ) -> io::Result<Sharing> {
        Ok(Sharing::Impossible)
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

/// The result of [`TargetFile::share_blocks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The bytes are there.
    Done,
    /// Nothing was changed.
    Impossible,
    /// Any bytes may be there.
    Failed,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::local::upload::{write_pieces, write_with_holes};
    use std::sync::Mutex;

    /// A file of so many bytes in memory, which takes some of what is written at once, and nothing beyond its end.
    struct FixedFile(Mutex<Vec<u8>>);

    impl TargetFile for FixedFile {
        fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
            let (mut content, begin) = (self.0.lock().unwrap(), usize::try_from(offset).unwrap());
            let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(40_000).collect();
            let room = content.get_mut(begin..begin + bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            room.copy_from_slice(&bytes);
            Ok(bytes.len())
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn place(&self) -> io::Result<FilePlace> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn set_metadata(&self, _: Option<Timestamp>, _: u32) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_range_is_cleared_and_no_more() {
        for (offset, len) in [(0, 0), (5, 1), (7, 65_536), (1, 199_998)] {
            let file = FixedFile(Mutex::new(vec![1; 200_000]));
            file.clear(offset, len).unwrap();
            let content = file.0.into_inner().unwrap();
            let is_cleared = |at: usize| (offset..offset + len).contains(&(at as u64));
            assert!(content.iter().enumerate().all(|(at, byte)| (*byte == 0) == is_cleared(at)), "{len}");
        }
    }

    #[test]
    fn pieces_are_written_one_after_another_however_many() {
        let file = FixedFile(Mutex::new(vec![0; 100 * 100]));
        let pieces: Vec<[u8; 100]> = (0..100).map(|number| [number; 100]).collect();
        let slices: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
        write_pieces(&file, &slices, 0).unwrap();
        assert!(file.0.into_inner().unwrap() == pieces.concat());
    }

    #[test]
    fn an_error_of_writing_with_holes_is_reported() {
        let file = FixedFile(Mutex::new(vec![1; 100_000]));
        assert!(write_with_holes(&file, &[&[2; 50_000], &[2; 50_000]], 0).is_ok());
        let failed = write_with_holes(&file, &[&[2; 50_000], &[2; 50_001]], 0);
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
