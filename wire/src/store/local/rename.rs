//! Renames entries within a filesystem.

use crate::failure::{Failure, FailureCode};
use rustix::fs::{self as sys, AtFlags, RenameFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;

/// Renames an entry. Without `replace`, an existing entry stays.
pub(super) fn rename(
    from: BorrowedFd<'_>,
    name: &[u8],
    to: BorrowedFd<'_>,
    to_name: &[u8],
    replace: bool,
) -> io::Result<()> {
    if replace {
        sys::renameat(from, name, to, to_name).map_err(not_across)
    } else {
        match sys::renameat_with(from, name, to, to_name, RenameFlags::NOREPLACE) {
            // NFS and some of FUSE only support replacing; a new name is never given in place of an existing one.
            Err(Errno::INVAL | Errno::NOSYS) => {
                sys::linkat(from, name, to, to_name, AtFlags::empty())?;
                Ok(sys::unlinkat(from, name, AtFlags::empty())?)
            }
            result => result.map_err(not_across),
        }
    }
}

/// Converts the error for a mount within a root: no path has left the root.
fn not_across(error: Errno) -> io::Error {
    if error != Errno::XDEV {
        return error.into();
    }
    Failure::new(FailureCode::Unsupported, "is on another filesystem, and cannot be renamed there").into()
}
