//! Staged files and their journals: created, reopened by the next run, and swept.

use super::LocalFolder;
use super::file::{LocalTarget, lock_file, regular};
use super::listing::READ_DIR_LEN;
use super::rename::rename;
use super::stat::{is_own, metadata_of};
use crate::journal::JOURNAL_HEAD_LEN;
use crate::message::Swept;
use crate::metadata::{Kind, MODE_BITS, Timestamp};
use crate::modes::PERMISSIONS;
use crate::path::NameRef;
use crate::store::sweep::SweepScope;
use crate::store::{DiskFolder, Fill, Folder, SourceFile, StagedName, TargetFile, is_staged};
use rustix::fs::{self as sys, AtFlags, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Creates a staged file, and locks it where locks are supported.
pub(super) fn create(
    folder: &LocalFolder,
    staged: &StagedName,
    mode: u32,
) -> io::Result<Box<dyn TargetFile>> {
    // Shared blocks are read again.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let created = mode & PERMISSIONS & !folder.modes.umask; // bits that are always set are set with its metadata
    let fd = sys::openat(&folder.fd, staged.as_bytes(), flags, Mode::from_raw_mode(created))?;
    let is_locked = lock_file(&fd)?;
    Ok(Box::new(folder.target(fd, folder.mode_of_created(created), is_locked)))
}

/// Fills a file without a name, and gives it its name when it is complete. Returns false if that is unsupported here.
pub(super) fn create_linked(
    folder: &LocalFolder,
    name: NameRef<'_>,
    mode: u32,
    fill: Fill<'_>,
) -> io::Result<bool> {
    if folder.names_first.load(Ordering::Relaxed) {
        return Ok(false);
    }
    let created = mode & PERMISSIONS & !folder.modes.umask;
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let made = sys::openat(&folder.fd, c".", flags, Mode::from_raw_mode(created));
    let Ok(fd) = made else { return Ok(folder.names_come_first()) };
    let file = folder.target(fd, folder.mode_of_created(created), true);
    fill(&file)?;
    // Before Linux 6.10 this needs a right that few have, and elsewhere a policy may forbid it.
    match sys::linkat(&file.fd, c"", &folder.fd, name.as_bytes(), AtFlags::EMPTY_PATH) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(_) => Ok(folder.names_come_first()),
    }
}

/// Creates an empty file with the permissions `mode`, as far as rules and the folder allow. It is staged, so that it has them
/// from the beginning.
pub(super) fn create_empty(folder: &LocalFolder, name: NameRef<'_>, mode: u32) -> io::Result<()> {
    let staged = StagedName::new();
    let file = create(folder, &staged, mode)?;
    file.set_metadata(None, folder.mode_of_new(mode))?;
    let made = file.finish(false).and_then(|()| folder.publish(&staged, name, false));
    made.inspect_err(|_| drop(folder.remove_staged(&staged))) // the first error is the one to report
}

/// Creates a link under a staged name, and gives it its name.
pub(super) fn create_link(
    folder: &LocalFolder,
    name: NameRef<'_>,
    target: &[u8],
    modified: Option<Timestamp>,
    replace: bool,
) -> io::Result<()> {
    let staged = StagedName::new();
    folder.stage_link(&staged, target, modified)?;
    let made = folder.publish(&staged, name, replace);
    made.inspect_err(|_| drop(folder.remove_staged(&staged))) // the first error is the one to report
}

/// Creates a hard link under a staged name, and lets it take the place of `to_name` in one step.
pub(super) fn replace_by_hard_link(
    folder: &LocalFolder,
    name: NameRef<'_>,
    to: BorrowedFd<'_>,
    to_name: NameRef<'_>,
) -> io::Result<()> {
    let staged = StagedName::new();
    sys::linkat(&folder.fd, name.as_bytes(), to, staged.as_bytes(), AtFlags::empty())?;
    let published = rename(to, staged.as_bytes(), to, to_name.as_bytes(), true);
    let _ = sys::unlinkat(to, staged.as_bytes(), AtFlags::empty()); // a rename onto another name of the same file leaves both
    published
}

/// Reopens a staged file of an earlier run for writing.
pub(super) fn reopen(folder: &LocalFolder, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
    folder.open_own(staged.as_bytes(), OFlags::RDWR).map(|file| Box::new(file) as Box<dyn TargetFile>)
}

/// Opens a staged file to read the data of an earlier run.
pub(super) fn open_source(folder: &LocalFolder, staged: &StagedName) -> io::Result<Box<dyn SourceFile>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    regular(sys::openat(&folder.fd, staged.as_bytes(), flags, Mode::empty())?)
}

/// Creates the journal of a staged file, replacing an existing one.
pub(super) fn create_journal(folder: &LocalFolder, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
    match sys::unlinkat(&folder.fd, &staged.journal()[..], AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = sys::openat(&folder.fd, &staged.journal()[..], flags, Mode::RUSR | Mode::WUSR)?;
    Ok(Box::new(folder.target(fd, 0o600, true)))
}

/// Returns at most `len_max` bytes of a journal, and its file for writing.
pub(super) fn read_journal(
    folder: &LocalFolder,
    staged: &StagedName,
    len_max: u64,
) -> io::Result<(Vec<u8>, Box<dyn TargetFile>)> {
    use std::io::Read;
    let file = folder.open_own(&staged.journal(), OFlags::RDWR)?;
    let mut bytes = Vec::new();
    std::fs::File::from(file.fd.try_clone()?).take(len_max).read_to_end(&mut bytes)?;
    Ok((bytes, Box::new(file)))
}

/// Removes staged files and journals that are not in use; none of a folder in which one staged file is.
pub(super) fn sweep(folder: &LocalFolder, idle: Duration, scope: &SweepScope) -> io::Result<Swept> {
    let mut swept = Swept::default();
    let names = folder.staged_names()?;
    let staged = |name: &&Vec<u8>| name.ends_with(StagedName::SUFFIX);
    if names.iter().filter(staged).any(|name| folder.is_in_use(name)) {
        swept.kept = names.iter().filter(staged).count() as u64;
        return Ok(swept);
    }
    for name in names {
        match folder.sweep_one(&name, idle, scope) {
            _ if name.ends_with(StagedName::JOURNAL_SUFFIX) => {}
            Ok(Some(bytes)) => {
                swept.files += 1;
                swept.bytes += bytes;
            }
            Ok(None) | Err(_) => swept.kept += 1,
        }
    }
    Ok(swept)
}

impl LocalFolder {
    /// Returns names of staged files, then of journals: a resuming writer locks a staged file before it reads the journal.
    fn staged_names(&self) -> io::Result<Vec<Vec<u8>>> {
        let own =
            sys::openat(&self.fd, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut buffer = Vec::with_capacity(READ_DIR_LEN);
        let mut entries = sys::RawDir::new(own, buffer.spare_capacity_mut());
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if NameRef::new(entry.file_name().to_bytes()).is_ok_and(is_staged) {
                names.push(entry.file_name().to_bytes().to_vec());
            }
        }
        names.sort_by_key(|name| !name.ends_with(StagedName::SUFFIX));
        Ok(names)
    }

    /// Removes a staged file, link or journal; returns its length, or `None` if it is in use or too new.
    fn sweep_one(&self, name: &[u8], idle: Duration, scope: &SweepScope) -> io::Result<Option<u64>> {
        let stat = sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let age = Duration::from_secs(now().saturating_sub(stat.st_mtime).try_into().unwrap_or(0));
        let changed = Duration::from_secs(now().saturating_sub(stat.st_ctime).try_into().unwrap_or(0));
        if age.min(changed) < idle || !scope.includes(|| self.journal_head(name)) {
            return Ok(None);
        }
        // Kept until the name is gone, so that no other process resumes it meanwhile.
        let _locked = match metadata_of(&stat).kind {
            Kind::File => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = sys::openat(&self.fd, name, flags, Mode::empty())?;
                match sys::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                    Ok(()) if self.is_still(name, &sys::fstat(&fd)?) => Some(fd),
                    Ok(()) | Err(_) => return Ok(None),
                }
            }
            Kind::Symlink => None,
            Kind::Folder | Kind::Special => return Ok(None),
        };
        if name.ends_with(StagedName::JOURNAL_SUFFIX) && self.has_staged_of(name) {
            return Ok(None);
        }
        sys::unlinkat(&self.fd, name, AtFlags::empty())?;
        Ok(Some(stat.st_size.cast_unsigned()))
    }

    /// True if another process has locked the file. Many small files that wait for a sync are in use by a lock of one of them.
    fn is_in_use(&self, name: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = sys::openat(&self.fd, name, flags, Mode::empty());
        file.is_ok_and(|file| {
            sys::flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
        })
    }

    /// Returns the beginning of a journal, by its own name or by that of its staged file.
    fn journal_head(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let digits = name.strip_suffix(StagedName::SUFFIX).or(name.strip_suffix(StagedName::JOURNAL_SUFFIX));
        let journal = [digits.unwrap_or(name), StagedName::JOURNAL_SUFFIX].concat();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = sys::openat(&self.fd, &journal[..], flags, Mode::empty())?;
        let mut head = vec![0; JOURNAL_HEAD_LEN];
        let len = rustix::io::pread(&file, &mut head[..], 0)?;
        head.truncate(len);
        Ok(head)
    }

    fn has_staged_of(&self, journal: &[u8]) -> bool {
        let digits = journal.strip_suffix(StagedName::JOURNAL_SUFFIX).unwrap_or(journal);
        let staged = [digits, StagedName::SUFFIX].concat();
        sys::statat(&self.fd, &staged[..], AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Opens and locks a file that is this program's own and has no other name: a file put there by another user is rejected.
    fn open_own(&self, name: &[u8], flags: OFlags) -> io::Result<LocalTarget> {
        let flags = flags | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(&self.fd, name, flags, Mode::empty())?;
        let stat = sys::fstat(&fd)?;
        let own = metadata_of(&stat).kind == Kind::File
            && is_own(&stat)
            && stat.st_nlink == 1
            && stat.st_mode & 0o022 == 0;
        if !own {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if !lock_file(&fd)? {
            return Err(io::ErrorKind::Unsupported.into()); // another process may be writing to it
        }
        if self.is_still(name, &stat) {
            Ok(self.target(fd, stat.st_mode & MODE_BITS, true))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// True if the file opened as `name` still has that name: the previous owner of its lock may have published it.
    fn is_still(&self, name: &[u8], opened: &Stat) -> bool {
        let found = sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino))
    }

    /// Records that files without names are unsupported here, at least now: other errors show up with named files too.
    pub(super) fn names_come_first(&self) -> bool {
        self.names_first.store(true, Ordering::Relaxed);
        false
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}
