//! Writes a file's content to the disk without waiting for the filesystem's journal: by sync_file_range(2).
//!
//! Where a filesystem brings names and the places of contents to the disk in the order in which they were made, a name that is
//! given after the content was written out is never there without it. A sync would instead wait for the journal once per file:
//! replacing a hundred files takes some 0.02 s this way, and 0.1 to 0.5 s with fdatasync.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Starts writing out unwritten content. On failure, [`finish`] does all of it.
pub(super) fn begin(file: impl AsFd) {
    let _ = sync_file_range(file, libc::SYNC_FILE_RANGE_WRITE);
}

/// Writes out unwritten content, and waits for it.
pub(super) fn finish(file: impl AsFd) -> io::Result<()> {
    let all =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_file_range(file, all)
}

#[expect(unsafe_code, reason = "there is no safe name for it in any crate")]
fn sync_file_range(file: impl AsFd, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: the call takes no pointer, and the handle is open for as long as it is borrowed.
    match unsafe { libc::sync_file_range(file.as_fd().as_raw_fd(), 0, 0, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
