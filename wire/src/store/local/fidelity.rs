//! Finds out how a local filesystem stores times and permissions: by setting some on a scratch file and reading them back. The
//! filesystem's type would show less: one type has several ways of storing times, and FUSE may serve any.

use super::stat::{times, timestamp};
use crate::fidelity::{FidelityReport, PROBE, step_of};
use crate::metadata::Timestamp;
use rustix::fs::{self as sys, Mode};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;

/// Probes the filesystem of a scratch file.
pub(super) fn of_file(file: impl AsFd) -> FidelityReport {
    let exact = FidelityReport::EXACT;
    let Ok(step) = kept(&file, PROBE).map(step_of) else { return exact };
    let end = |seconds: i64| {
        let asked = Timestamp { seconds, nanos: 0 };
        kept(&file, asked).ok().filter(|kept| *kept != asked)
    };
    FidelityReport {
        earliest: end(-FAR).filter(|earliest| *earliest < PROBE).unwrap_or(exact.earliest),
        latest: end(FAR).filter(|latest| *latest > PROBE).unwrap_or(exact.latest),
        time_step: step,
        keeps_modes: [0o640, 0o751].iter().all(|mode| keeps_mode(&file, *mode)),
        ..exact
    }
}

/// True if a folder treats names that differ only in case as one: the filesystems that support files without a name and fold
/// case mark such folders (ext4, f2fs and tmpfs with casefold).
pub(super) fn is_marked_as_folding(folder: impl AsFd) -> bool {
    sys::ioctl_getflags(folder).is_ok_and(|flags| flags.bits() & CASEFOLD != 0)
}

/// True if other filesystems are mounted below a folder, or if that is unknown.
pub(super) fn has_mounts_below(folder: impl AsFd) -> bool {
    let handle = folder.as_fd().as_raw_fd();
    let path = std::fs::read_link(format!("/proc/self/fd/{handle}"));
    let (Ok(path), Ok(mounts)) = (path, std::fs::read("/proc/self/mountinfo")) else { return true };
    let path = path.as_os_str().as_bytes().strip_suffix(b"/").unwrap_or(path.as_os_str().as_bytes()).to_vec();
    let points =
        mounts.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    points
        .map(unescaped)
        .any(|point| point.strip_prefix(&path[..]).is_some_and(|below| below.len() > 1 && below[0] == b'/'))
}

/// Decodes spaces and the like, which are three octal digits behind a backslash there.
fn unescaped(point: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(point.len());
    let mut rest = point;
    while let Some((first, behind)) = rest.split_first() {
        let digits =
            behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &behind[3..];
            }
            None => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    plain
}

fn kept(file: impl AsFd, time: Timestamp) -> io::Result<Timestamp> {
    sys::futimens(&file, &times(Some(time)))?;
    let stat = sys::fstat(&file)?;
    Ok(timestamp(stat.st_mtime, stat.st_mtime_nsec))
}

fn keeps_mode(file: impl AsFd, mode: u32) -> bool {
    let set = sys::fchmod(&file, Mode::from_raw_mode(mode));
    set.is_ok() && sys::fstat(&file).is_ok_and(|stat| stat.st_mode & 0o777 == mode)
}

/// Some 4,000 years before and after 1970: beyond the range of limited filesystems, but not so far that one with wide numbers
/// fails.
const FAR: i64 = 1 << 37;
/// `FS_CASEFOLD_FL` of linux/fs.h.
const CASEFOLD: u32 = 0x4000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(unescaped(b"/a\\040b\\134c"), b"/a b\\c");
        assert_eq!(unescaped(b"\\04"), b"\\04");
    }

    #[test]
    fn mounts_below_are_seen() {
        let root = std::fs::File::open("/").unwrap();
        assert!(has_mounts_below(&root));
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_mounts_below(std::fs::File::open(folder.path()).unwrap()));
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let points: Vec<&str> = mounts.lines().map(|line| line.split(' ').nth(4).unwrap()).collect();
        for point in points.iter().filter(|point| **point != "/" && !point.contains('\\')) {
            let Ok(folder) = std::fs::File::open(point) else { continue };
            let below = format!("{point}/");
            let is_below = points.iter().any(|other| other.starts_with(&below));
            assert_eq!(has_mounts_below(folder), is_below, "{point}");
        }
    }
}
