//! Filesystems that are mounted within a watched tree. A new mount causes no event of the folder below it; but the system
//! tells that the list of mounts has changed.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wire::RemotePath;

/// Mounts below a folder.
pub(super) struct Mounts {
    /// None where the system has no such list.
    list: Option<File>,
    known: BTreeSet<Mount>,
}

/// A mount: its number, which is another one each time, and the folder that it is on.
type Mount = (u64, RemotePath);

impl Mounts {
    /// The mounts below `root` as they are now.
    pub(super) fn new(root: &Path) -> Self {
        Self { list: File::open(LIST).ok(), known: mounts_below(root) }
    }

    /// Folders below `root` that something was mounted on or removed from since this was asked last.
    pub(super) fn changed(&mut self, root: &Path) -> BTreeSet<RemotePath> {
        let Some(list) = &self.list else { return BTreeSet::new() };
        let mut files = [PollFd::new(list, PollFlags::PRI)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if !poll(&mut files, Some(&at_once)).is_ok_and(|changed| changed > 0) {
            return BTreeSet::new();
        }
        let now = mounts_below(root);
        let changed = now.symmetric_difference(&self.known).map(|(_, path)| path.clone()).collect();
        self.known = now;
        changed
    }
}

fn mounts_below(root: &Path) -> BTreeSet<Mount> {
    let (Ok(root), Ok(list)) = (root.canonicalize(), std::fs::read(LIST)) else { return BTreeSet::new() };
    list.split(|byte| *byte == b'\n').filter_map(|line| mount_below(&root, line)).collect()
}

/// The mount of a line, if it is below `root`.
fn mount_below(root: &Path, line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let point = unescaped(fields.nth(POINT_FIELD - 1)?);
    let below = Path::new(OsStr::from_bytes(&point)).strip_prefix(root).ok()?;
    let path = RemotePath::from_user(below.as_os_str().as_bytes()).ok().filter(|path| !path.is_root())?;
    Some((id, path))
}

/// A path in which spaces and the like stand as `\040`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.filter(|_| *first == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    bytes
}

/// See proc_pid_mountinfo(5).
const LIST: &str = "/proc/self/mountinfo";
/// The field that holds the folder, counted from 0.
const POINT_FIELD: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_list_is_a_mount_below_the_root_or_none() {
        let of = |line: &str| mount_below(Path::new("/data/my tree"), line.as_bytes());
        let line = |point: &str| format!("36 35 98:0 /mnt1 {point} rw,noatime master:1 - ext3 /dev/root rw");
        let path = |text: &str| RemotePath::from_user(text.as_bytes()).unwrap();
        assert_eq!(of(&line(r"/data/my\040tree/disk\134")), Some((36, path(r"disk\"))));
        assert_eq!(of(&line(r"/data/my\040tree")), None, "of the root another one tells");
        assert_eq!(of(&line("/data")), None);
        assert_eq!(of(""), None);
    }
}
