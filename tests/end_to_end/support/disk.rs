//! A disk that loses power: a filesystem on a loop device. ext4 and xfs are shut down directly, with or without writing their
//! log first; btrfs has no such call, so its disk is copied while it is frozen.
//!
//! The disk is unmounted in every case, however a test ends.

use crate::support::{is_root, output, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A kind of filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
    Btrfs,
}

/// A mounted disk of this kind.
pub(crate) struct Disk {
    kind: Kind,
    /// The folder of the disk's file; for btrfs on a filesystem of its own, which can be frozen.
    folder: TempDir,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Ext4, Self::Xfs, Self::Btrfs];

    /// Returns the programs that must be installed for it.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["mkfs.ext4", "xfs_io"],
            Self::Xfs => &["mkfs.xfs", "xfs_io"],
            Self::Btrfs => &["mkfs.btrfs", "mkfs.ext4", "fsfreeze", "xfs_io"],
        }
    }

    fn make(self, file: &Path) {
        let (program, arguments): (_, &[&str]) = match self {
            Self::Ext4 => ("mkfs.ext4", &["-q", "-F"]),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f"]),
            Self::Btrfs => ("mkfs.btrfs", &["-q", "-f"]),
        };
        run(Command::new(program).args(arguments).arg(file));
    }

    /// Makes a disk of this kind; `None` if this machine cannot.
    pub(crate) fn disk(self) -> Option<Disk> {
        let missing = |program: &&&str| output(Command::new(program).arg("-V")).is_none();
        let missing = match self.programs().iter().find(missing) {
            _ if !is_root() => "root",
            _ if !Path::new("/dev/loop-control").exists() => "loop devices",
            Some(program) => program,
            None => {
                let disk = Disk::new(self);
                if disk.is_some() {
                    return disk;
                }
                "a kernel with this filesystem"
            }
        };
        eprintln!("skipped: a disk of {self:?} needs {missing}");
        None
    }
}

impl Disk {
    fn new(kind: Kind) -> Option<Self> {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let disk = Self { kind, folder: TempDir::with_prefix_in("ftpx-disk-", place).unwrap() };
        for name in ["outer", "mounted"] {
            fs::create_dir(disk.folder.path().join(name)).unwrap();
        }
        if kind == Kind::Btrfs {
            let file = disk.folder.path().join("outer.img");
            sized(&file, 3 * DISK_LEN);
            Kind::Ext4.make(&file);
            mount(&file, &disk.outer()).then_some(())?;
        }
        sized(&disk.file(), DISK_LEN);
        kind.make(&disk.file());
        mount(&disk.file(), &disk.place()).then_some(disk)
    }

    /// Returns the mount point.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn outer(&self) -> PathBuf {
        self.folder.path().join("outer")
    }

    fn file(&self) -> PathBuf {
        self.outer().join("disk.img")
    }

    fn copy(&self) -> PathBuf {
        self.folder.path().join("copy.img")
    }

    /// Returns the free room, in bytes.
    pub(crate) fn free_bytes(&self) -> u64 {
        let of = rustix::fs::statvfs(self.place()).unwrap();
        of.f_bfree * of.f_frsize
    }

    /// Writes everything to the disk.
    pub(crate) fn sync(&self) {
        run(Command::new("sync").arg("-f").arg(self.place()));
    }

    /// Cuts the power; `end` ends running processes without waiting for them: later reports would describe a state of the disk
    /// that is lost.
    pub(crate) fn cut(&self, is_log_written: bool, end: impl FnOnce()) {
        match self.kind {
            Kind::Ext4 | Kind::Xfs => {
                let how = if is_log_written { "shutdown -f" } else { "shutdown" };
                run(Command::new("xfs_io").args(["-x", "-c", how]).arg(self.place()));
                end();
            }
            Kind::Btrfs => {
                run(Command::new("fsfreeze").arg("-f").arg(self.outer()));
                end();
                let copied =
                    Command::new("cp").arg("--sparse=always").arg(self.file()).arg(self.copy()).status();
                run(Command::new("fsfreeze").arg("-u").arg(self.outer()));
                assert!(copied.unwrap().success());
            }
        }
    }

    /// Mounts the disk with its surviving content. It must not be in use.
    pub(crate) fn come_back(&self) {
        self.unmount();
        if self.kind == Kind::Btrfs {
            run(Command::new("cp").arg("--sparse=always").arg(self.copy()).arg(self.file()));
        }
        assert!(mount(&self.file(), &self.place()), "it cannot be mounted any more");
    }

    fn unmount(&self) {
        wait_until("the disk is not used any more", || {
            let ended = Command::new("umount").arg(self.place()).output();
            ended.is_ok_and(|ended| ended.status.success())
        });
        wait_until("its device is gone", || {
            let used = output(Command::new("losetup").arg("-j").arg(self.file())).unwrap();
            used.stdout.is_empty()
        });
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A part that is not mounted or frozen cannot be unmounted or thawed, and need not be.
        if self.kind == Kind::Btrfs {
            let _ = Command::new("fsfreeze").arg("-u").arg(self.outer()).output();
        }
        for place in [self.place(), self.outer()] {
            let _ = Command::new("umount").arg("-l").arg(place).output();
        }
    }
}

fn sized(file: &Path, len: u64) {
    fs::File::create(file).unwrap().set_len(len).unwrap();
}

fn mount(file: &Path, place: &Path) -> bool {
    Command::new("mount").args(["-o", "loop"]).arg(file).arg(place).output().unwrap().status.success()
}

fn run(command: &mut Command) {
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// The minimum for mkfs.xfs.
const DISK_LEN: u64 = 300 << 20;
