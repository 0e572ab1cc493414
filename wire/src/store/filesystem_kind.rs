//! Properties of filesystem types, by their numbers in statfs(2).
//!
//! | | writes go to | one sync for all |
//! |---|---|---|
//! | ext2, ext3, ext4, xfs, btrfs, f2fs, bcachefs | this machine | syncfs(2) writes back all files and metadata, and since
//! Linux 5.8 reports what failed since the last one |
//! | vfat, exfat | this machine | the same: files by the page cache, metadata by the device's |
//! | tmpfs, ramfs | this machine | no sync needed |
//! | zfs | this machine | syncfs waits for the transaction group; a write error stops the pool |
//! | overlayfs | this machine | no: errors of the filesystem below are not reported |
//! | nfs | a server | no: data in the server's memory is synced file by file (COMMIT) |
//! | smb, cifs | a server | no: pages are sent, but the server is not asked to flush them |
//! | fuse | another program | no: the kernel does not pass syncfs on, except for virtiofs |
//! | 9p, ceph, lustre, afs, coda | a server | no: each behaves differently |
//! | all others | unknown, so treated as a server | no |
//!
//! A new name reaches the disk some time after it is given, and the content must be there by then:
//!
//! | | a name reaches the disk |
//! |---|---|
//! | ext3 and ext4 with a journal, xfs | after the content that was written out before the name was given: the content's place
//! is recorded when it has been written, in the same journal as the name |
//! | ext without a journal | in any order, which a sync of the file does not change: its content goes to the disk at once, and
//! names seconds later |
//! | btrfs, f2fs and all others | after the content of a file that was synced: btrfs records the content's place some time
//! after it has been written |
//!
//! Two files can share the same blocks until one of them changes on xfs, btrfs and bcachefs. zfs can too, but only in its own,
//! longer blocks that have reached the disk. xfs may be made without it; then the same call copies.
//!
//! Where one sync for all is not known to work, files and folders are synced one by one. Writes to a server or another program
//! are synced before the file gets its name: these report a full disk only then.

use std::path::Path;
use std::sync::OnceLock;

/// The properties of a filesystem that matter for what a loss of power undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FilesystemKind {
    /// Writes go to this machine's own disk or memory.
    pub(super) is_local: bool,
    /// One call syncs all of it, and reports errors.
    pub(super) syncs_as_a_whole: bool,
    /// Two of its files can share blocks.
    pub(super) shares_blocks: bool,
    /// When a name reaches the disk.
    pub(super) names: NameOrder,
}

/// The step required before a name is given, so that it never reaches the disk without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameOrder {
    /// Write out the content.
    AfterContent,
    /// Sync the file.
    AfterSync,
    /// No step ensures the order.
    None,
}

impl FilesystemKind {
    const UNKNOWN: Self =
        Self { is_local: false, syncs_as_a_whole: false, shares_blocks: false, names: NameOrder::AfterSync };

    /// Returns the kind with this number, on this device.
    pub(super) fn of(number: i64, device: u64) -> Self {
        match number {
            EXT | XFS | BTRFS | F2FS | BCACHEFS | VFAT | EXFAT | TMPFS | RAMFS | ZFS => {
                let names = match number {
                    EXT => of_ext(device),
                    XFS => NameOrder::AfterContent,
                    _ => NameOrder::AfterSync,
                };
                let shares_blocks = matches!(number, XFS | BTRFS | BCACHEFS);
                Self { is_local: true, syncs_as_a_whole: tells_of_errors(), shares_blocks, names }
            }
            OVERLAYFS => Self { is_local: true, ..Self::UNKNOWN },
            _ => Self::UNKNOWN,
        }
    }
}

/// Returns the order for ext filesystems, which depends on a journal; an unknown one counts as absent.
fn of_ext(device: u64) -> NameOrder {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let Ok(block) = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")) else {
        return NameOrder::AfterSync;
    };
    let task = Path::new("/sys/fs/ext4").join(block.file_name().unwrap_or_default()).join("journal_task");
    match std::fs::read_to_string(task).as_deref().map(str::trim) {
        Ok("<none>") => NameOrder::None,
        Ok(task) if task.parse::<u32>().is_ok() => NameOrder::AfterContent,
        Ok(_) | Err(_) => NameOrder::AfterSync,
    }
}

/// Before Linux 5.8, syncfs(2) returns success even if writes failed.
fn tells_of_errors() -> bool {
    static TELLS: OnceLock<bool> = OnceLock::new();
    *TELLS.get_or_init(|| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        tells_of_errors_in(&release)
    })
}

fn tells_of_errors_in(release: &str) -> bool {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 8),
        _ => false,
    }
}

// From linux/magic.h, or each filesystem's own source where it is missing there.
const EXT: i64 = 0xef53;
const XFS: i64 = 0x5846_5342;
const BTRFS: i64 = 0x9123_683e;
const F2FS: i64 = 0xf2f5_2010;
const BCACHEFS: i64 = 0xca45_1a4e;
const VFAT: i64 = 0x4d44;
const EXFAT: i64 = 0x2011_bab0;
const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;
const ZFS: i64 = 0x2fc1_2fc1;
const OVERLAYFS: i64 = 0x794c_7630;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_synced_file_by_file() {
        const NFS: i64 = 0x6969;
        const FUSE: i64 = 0x6573_5546;
        const SMB2: i64 = 0xfe53_4d42;
        for number in [NFS, FUSE, SMB2, 1] {
            let kind = FilesystemKind::of(number, 0);
            assert_eq!(kind, FilesystemKind::UNKNOWN);
        }
        assert!(FilesystemKind::of(EXT, 0).is_local && !FilesystemKind::of(OVERLAYFS, 0).syncs_as_a_whole);
        assert_eq!(FilesystemKind::of(EXT, 0).names, NameOrder::AfterSync, "nobody knows of a journal");
        assert_eq!(FilesystemKind::of(XFS, 0).names, NameOrder::AfterContent);
        assert_eq!(FilesystemKind::of(BTRFS, 0).names, NameOrder::AfterSync);
    }

    #[test]
    fn kernels_are_known_by_their_release() {
        let tells = tells_of_errors_in;
        assert!(tells("5.8.0-63-generic") && tells("6.1") && tells("10.0\n"));
        assert!(!tells("5.7.19") && !tells("4.19.0-9-amd64") && !tells(""));
    }
}
