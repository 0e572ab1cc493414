//! Storage on the local filesystem. Paths of several names are resolved by cap-std, which cannot leave the root;
//! single names by `*at` calls that follow no link, on held handles.

use super::filesystem_kind::{FilesystemKind, NameOrder};
use super::local_details as details;
use super::local_fidelity as fidelity;
use super::local_handle::Handle;
use super::local_stat::{identity_of, metadata_of, times, timestamp};
use super::spelling::other_case;
use super::sweep::SweepScope;
use super::{
    FilePlace, Fill, Folder, FolderLock, Identity, NameKind, Names, SourceFile, StagedName, Storage,
    TargetFile, is_staged, reserved_name, write_out,
};
use crate::failure::{Failure, FailureCode};
use crate::fidelity::FidelityReport;
use crate::journal::JOURNAL_HEAD_LEN;
use crate::limits::PATH_LEN_MAX;
use crate::message::{Details, EntryDetails, Owner, SpaceReport, Swept, Xattr};
use crate::metadata::{Kind, MODE_BITS, Metadata, Timestamp};
use crate::modes::{ModePolicy, PERMISSIONS, umask};
use crate::path::{NameRef, PathError, RemotePath};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{
    self as sys, AtFlags, FallocateFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat,
    StatxFlags,
};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Permissions of a file that is made from a stream, before the umask.
pub const STREAM_MODE: u32 = 0o666;

/// The local filesystem below a root.
pub struct LocalStorage {
    root: Dir,
    modes: ModePolicy,
}

impl LocalStorage {
    /// Storage below the folder `root`, found with all the rights of this process.
    ///
    /// # Errors
    /// If it is no folder or cannot be opened.
    pub fn open(root: &Path) -> io::Result<Self> {
        Ok(Self { root: Dir::open_ambient_dir(root, ambient_authority())?, modes: ModePolicy::default() })
    }

    /// The same storage, with rules for the permissions of all that is made or changed through it.
    #[must_use]
    pub fn with_modes(self, modes: ModePolicy) -> Self {
        Self { modes, ..self }
    }

    /// True if `folder` is the root itself, by whatever path it was found.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn is_root(&self, folder: &dyn Folder) -> io::Result<bool> {
        let (root, folder) = (sys::fstat(&self.root)?, sys::fstat(&LocalFolder::of(folder)?.fd)?);
        Ok((root.st_dev, root.st_ino) == (folder.st_dev, folder.st_ino))
    }

    /// A name of an unfinished transfer is nobody's to read, also behind a link.
    fn check_name(&self, path: &RemotePath) -> io::Result<()> {
        let path = os_path(path);
        let is_link = self.root.symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        let end = if is_link { self.root.canonicalize(path).map_err(resolving)? } else { path.to_owned() };
        let name = end.file_name().map_or(&b""[..], OsStr::as_bytes);
        if NameRef::new(name).is_ok_and(is_staged) { Err(reserved_name().into()) } else { Ok(()) }
    }

    /// The number of the filesystem that the root is on.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn device(&self) -> io::Result<u64> {
        Ok(sys::fstat(&self.root)?.st_dev)
    }
}

impl Storage for LocalStorage {
    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>> {
        if path.is_root() {
            return Ok(Arc::new(LocalFolder::of_found(self.root.try_clone()?.into(), self.modes)));
        }
        let found: OwnedFd = self.root.open_dir(os_path(path)).map_err(resolving)?.into();
        Ok(Arc::new(LocalFolder::of_found(found, self.modes)))
    }

    fn open_file(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        use cap_std::fs::OpenOptionsExt;
        let found = self.root.metadata(os_path(path)).map_err(resolving)?;
        self.check_name(path)?;
        if !found.is_file() && !found.is_dir() {
            return Err(Failure::from(FailureCode::SpecialFile).into()); // to open a device may act
        }
        let mut options = cap_std::fs::OpenOptions::new();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = self.root.open_with(os_path(path), &options).map_err(resolving)?;
        regular(OwnedFd::from(file.into_std()))
    }

    fn metadata(&self, path: &RemotePath) -> io::Result<Metadata> {
        if path.is_root() {
            return Ok(metadata_of(&sys::fstat(&self.root)?));
        }
        let (parent, name) = path.split_last().ok_or(io::ErrorKind::NotFound)?;
        let found = self.folder(&parent)?.metadata((&name).into())?;
        if found.kind != Kind::Symlink {
            return Ok(found);
        }
        match self.folder(path) {
            Ok(folder) => folder.own_metadata(),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                Ok(self.open_file(path)?.identity()?.metadata)
            }
            Err(error) => Err(error),
        }
    }
}

/// A held folder of the local filesystem.
pub struct LocalFolder {
    fd: OwnedFd,
    /// Files get names before they get content here: there are none without.
    names_first: AtomicBool,
    /// New files get their permissions from an ACL. Looked up once: one that is set meanwhile counts for the next transfer.
    has_default_acl: OnceLock<bool>,
    kind: OnceLock<FilesystemKind>,
    /// Names that differ in case are one name here, by the first question.
    folds_case: OnceLock<bool>,
    /// Rules for permissions, of this folder and of all that is in it.
    modes: ModePolicy,
}

impl LocalFolder {
    /// Holds the folder `path`, found with all the rights of this process.
    ///
    /// # Errors
    /// If it is no folder or cannot be opened.
    pub fn open_ambient(path: &Path) -> io::Result<Self> {
        Ok(Self::of_found(Dir::open_ambient_dir(path, ambient_authority())?.into(), ModePolicy::default()))
    }

    fn new(fd: OwnedFd, modes: ModePolicy) -> Self {
        Self {
            fd,
            names_first: AtomicBool::new(false),
            has_default_acl: OnceLock::new(),
            kind: OnceLock::new(),
            folds_case: OnceLock::new(),
            modes,
        }
    }

    /// What cap-std opens serves for looking things up only; the folder's own metadata needs more, where that is allowed.
    fn of_found(found: OwnedFd, modes: ModePolicy) -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self::new(sys::openat(&found, c".", flags, Mode::empty()).unwrap_or(found), modes)
    }

    /// Opens the regular file `path` for reading, found with all the rights of this process; links are followed.
    ///
    /// # Errors
    /// If it is no regular file or cannot be opened.
    pub fn open_ambient_file(path: &Path) -> io::Result<Box<dyn SourceFile>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        regular_kind(&sys::stat(path)?)?; // to open a device may act
        regular(sys::open(path, flags, Mode::empty())?)
    }

    /// Metadata of what is at `path`, found with all the rights of this process; links are followed.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn ambient_metadata(path: &Path) -> io::Result<Metadata> {
        Ok(metadata_of(&sys::stat(path)?))
    }

    /// The folder as one of this implementation, which operations between two folders need.
    fn of(folder: &dyn Folder) -> io::Result<&Self> {
        folder.as_any().downcast_ref::<Self>().ok_or_else(|| io::ErrorKind::CrossesDevices.into())
    }

    /// The permissions that the system gives to a new file, as far as they are known: with a default ACL they are others.
    fn mode_of_created(&self, created: u32) -> u32 {
        match self.has_default_acl() {
            true => UNKNOWN_MODE,
            false => created & !umask(),
        }
    }

    /// What kind of filesystem it is on; one that cannot be asked is an unknown one.
    fn kind(&self) -> FilesystemKind {
        let number = || sys::fstatfs(&self.fd).map_or(0, |found| found.f_type);
        let device = || sys::fstat(&self.fd).map_or(0, |found| found.st_dev);
        *self.kind.get_or_init(|| FilesystemKind::of(number(), device()))
    }

    fn target(&self, fd: OwnedFd, mode: u32, is_locked: bool) -> LocalTarget {
        LocalTarget { fd, mode, kind: self.kind(), is_locked, modes: self.modes }
    }

    fn has_default_acl(&self) -> bool {
        let query = || sys::fgetxattr(&self.fd, DEFAULT_ACL, &mut [0; 0]);
        *self.has_default_acl.get_or_init(|| query().is_ok())
    }

    /// Sets permissions as far as the rules allow, of what is open.
    fn chmod(&self, fd: impl AsFd, mode: u32) -> io::Result<()> {
        let is_folder = || Ok::<_, io::Error>(metadata_of(&sys::fstat(&fd)?).kind == Kind::Folder);
        let mode = match self.modes == ModePolicy::default() {
            true => mode,
            false => self.modes.apply(mode, is_folder()?),
        };
        sys::fchmod(&fd, Mode::from_raw_mode(mode & MODE_BITS)).map_err(|errno| details::not_set(&fd, errno))
    }

    /// Names of staged files, then of journals: who goes on with a staged file locks that before it looks at the journal.
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

    /// Removes a staged file, link or journal; its length, unless it is in use or too new.
    fn sweep_one(&self, name: &[u8], idle: Duration, scope: &SweepScope) -> io::Result<Option<u64>> {
        let stat = sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let age = Duration::from_secs(now().saturating_sub(stat.st_mtime).try_into().unwrap_or(0));
        let changed = Duration::from_secs(now().saturating_sub(stat.st_ctime).try_into().unwrap_or(0));
        if age.min(changed) < idle || !scope.includes(|| self.journal_head(name)) {
            return Ok(None);
        }
        // Held until the name is gone, so that nobody goes on with it meanwhile.
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

    /// True if somebody has locked the file. Many small files that wait for a sync are in use by a lock of one of them.
    fn is_in_use(&self, name: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = sys::openat(&self.fd, name, flags, Mode::empty());
        file.is_ok_and(|file| {
            sys::flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
        })
    }

    /// The beginning of the journal of a staged file, or of a journal.
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

    /// Opens and locks a file that is this program's own and has no other name: whatever another user put there is none.
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
            return Err(io::ErrorKind::Unsupported.into()); // somebody else may be writing on it
        }
        match self.is_still(name, &stat) {
            true => Ok(self.target(fd, stat.st_mode & MODE_BITS, true)),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// True if the file that was opened as `name` has that name now: whoever held its lock before may have published it.
    fn is_still(&self, name: &[u8], opened: &Stat) -> bool {
        let found = sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|found| (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino))
    }

    /// There are no files without names here, or not any more: whatever else is wrong shows with those that have one.
    fn names_come_first(&self) -> bool {
        self.names_first.store(true, Ordering::Relaxed);
        false
    }

    fn open(&self, name: NameRef<'_>, flags: OFlags) -> io::Result<OwnedFd> {
        Ok(sys::openat(&self.fd, name.as_bytes(), flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?)
    }
}

impl Folder for LocalFolder {
    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>> {
        match self.open(name, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => {
                let names_first = AtomicBool::new(self.names_first.load(Ordering::Relaxed));
                Ok(Arc::new(Self { names_first, ..Self::new(fd, self.modes) }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => match self.metadata(name)?.kind {
                Kind::Symlink => Err(Failure::from(FailureCode::OutsideRoot).into()),
                Kind::File | Kind::Folder | Kind::Special => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn names(&self) -> io::Result<Names> {
        let own =
            sys::openat(&self.fd, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut buffer = Vec::with_capacity(READ_DIR_LEN);
        let mut entries = sys::RawDir::new(own, buffer.spare_capacity_mut());
        let mut names = Names::default();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            match NameRef::new(entry.file_name().to_bytes()) {
                Ok(name) if is_staged(name) => {}
                Ok(name) => names.push(name, name_kind(entry.file_type())),
                Err(PathError::NameTooLong) => names.leave_out(entry.file_name().to_bytes()),
                Err(_) => {} // the folder itself, and the one above
            }
        }
        names.sort();
        Ok(names)
    }

    fn metadata(&self, name: NameRef<'_>) -> io::Result<Metadata> {
        Ok(metadata_of(&sys::statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn identity(&self, name: NameRef<'_>) -> io::Result<Identity> {
        Ok(identity_of(&sys::statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn folds_case(&self, name: NameRef<'_>) -> io::Result<bool> {
        if let Some(known) = self.folds_case.get() {
            return Ok(*known);
        }
        let Some(other) = other_case(name.as_bytes()) else { return Ok(false) };
        let found = |name: &[u8]| match sys::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some((stat.st_dev, stat.st_ino))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        };
        // Two names of one file look the same: then a look at how they are spelled tells.
        let (one, other) = (found(name.as_bytes())?, found(&other)?);
        let folds = one.is_some() && one == other;
        match one.is_some() && name.as_bytes().iter().any(u8::is_ascii_alphabetic) {
            true => Ok(*self.folds_case.get_or_init(|| folds)),
            false => Ok(folds), // other letters are not folded everywhere
        }
    }

    fn own_file(&self, name: NameRef<'_>) -> io::Result<Option<Identity>> {
        let stat = sys::statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Some(identity_of(&stat)).filter(|identity| identity.metadata.kind == Kind::File && is_own(&stat)))
    }

    fn own_metadata(&self) -> io::Result<Metadata> {
        Ok(metadata_of(&sys::fstat(&self.fd)?))
    }

    fn read_link(&self, name: NameRef<'_>) -> io::Result<Vec<u8>> {
        Ok(sys::readlinkat(&self.fd, name.as_bytes(), Vec::new())?.into_bytes())
    }

    fn open_file(&self, name: NameRef<'_>) -> io::Result<Box<dyn SourceFile>> {
        regular(self.open(name, OFlags::RDONLY | OFlags::NONBLOCK)?)
    }

    fn create_staged(&self, staged: &StagedName, mode: u32) -> io::Result<Box<dyn TargetFile>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let created = mode & PERMISSIONS & !self.modes.umask; // bits that are always set come with its metadata
        let fd = sys::openat(&self.fd, staged.as_bytes(), flags, Mode::from_raw_mode(created))?;
        let is_locked = lock_file(&fd)?;
        Ok(Box::new(self.target(fd, self.mode_of_created(created), is_locked)))
    }

    fn create_whole(&self, name: NameRef<'_>, mode: u32, fill: Fill<'_>) -> io::Result<bool> {
        if self.names_first.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let created = mode & PERMISSIONS & !self.modes.umask;
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let made = sys::openat(&self.fd, c".", flags, Mode::from_raw_mode(created));
        let Ok(fd) = made else { return Ok(self.names_come_first()) };
        let file = self.target(fd, self.mode_of_created(created), true);
        fill(&file)?;
        // Before Linux 6.10 this needs a right that few have, and elsewhere a policy may be against it.
        match sys::linkat(&file.fd, c"", &self.fd, name.as_bytes(), AtFlags::EMPTY_PATH) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(_) => Ok(self.names_come_first()),
        }
    }

    fn open_staged(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        self.open_own(staged.as_bytes(), OFlags::WRONLY).map(|file| Box::new(file) as Box<dyn TargetFile>)
    }

    fn staged_source(&self, staged: &StagedName) -> io::Result<Box<dyn SourceFile>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        regular(sys::openat(&self.fd, staged.as_bytes(), flags, Mode::empty())?)
    }

    fn create_journal(&self, staged: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        match sys::unlinkat(&self.fd, &staged.journal()[..], AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = sys::openat(&self.fd, &staged.journal()[..], flags, Mode::RUSR | Mode::WUSR)?;
        Ok(Box::new(self.target(fd, 0o600, true)))
    }

    fn open_journal(&self, staged: &StagedName, len_max: u64) -> io::Result<(Vec<u8>, Box<dyn TargetFile>)> {
        use std::io::Read;
        let file = self.open_own(&staged.journal(), OFlags::RDWR)?;
        let mut bytes = Vec::new();
        std::fs::File::from(file.fd.try_clone()?).take(len_max).read_to_end(&mut bytes)?;
        Ok((bytes, Box::new(file)))
    }

    fn sweep(&self, idle: Duration, scope: &SweepScope) -> io::Result<Swept> {
        let mut swept = Swept::default();
        let names = self.staged_names()?;
        let staged = |name: &&Vec<u8>| name.ends_with(StagedName::SUFFIX);
        if names.iter().filter(staged).any(|name| self.is_in_use(name)) {
            swept.kept = names.iter().filter(staged).count() as u64;
            return Ok(swept);
        }
        for name in names {
            match self.sweep_one(&name, idle, scope) {
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

    fn remove_journal(&self, staged: &StagedName) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, &staged.journal()[..], AtFlags::empty())?)
    }

    fn publish(&self, staged: &StagedName, name: NameRef<'_>, replace: bool) -> io::Result<()> {
        rename(&self.fd, staged.as_bytes(), &self.fd, name.as_bytes(), replace)
    }

    fn remove_staged(&self, staged: &StagedName) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, staged.as_bytes(), AtFlags::empty())?)
    }

    fn stage_link(&self, staged: &StagedName, target: &[u8], modified: Option<Timestamp>) -> io::Result<()> {
        sys::symlinkat(target, &self.fd, staged.as_bytes())?;
        match modified {
            Some(time) => {
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                Ok(sys::utimensat(&self.fd, staged.as_bytes(), &times(Some(time)), flags)?)
            }
            None => Ok(()),
        }
    }

    fn make_folder(&self, name: NameRef<'_>, mode: u32) -> io::Result<()> {
        let created = mode & PERMISSIONS & !self.modes.umask;
        sys::mkdirat(&self.fd, name.as_bytes(), Mode::from_raw_mode(created))?;
        match self.modes.force {
            0 => Ok(()),
            _ => self.set_metadata(name, None, Some(self.metadata(name)?.mode)),
        }
    }

    fn mode_of_new(&self, mode: u32) -> u32 {
        let mode = self.modes.apply(mode, false);
        let acl = if self.has_default_acl() { details::default_acl(&self.fd) } else { None };
        mode & acl.unwrap_or(!umask())
    }

    fn remove_file(&self, name: NameRef<'_>) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, name.as_bytes(), AtFlags::empty())?)
    }

    fn remove_folder(&self, name: NameRef<'_>) -> io::Result<()> {
        Ok(sys::unlinkat(&self.fd, name.as_bytes(), AtFlags::REMOVEDIR)?)
    }

    fn rename(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()> {
        let to = Self::of(to)?;
        rename(&self.fd, name.as_bytes(), &to.fd, to_name.as_bytes(), replace)
    }

    fn set_metadata(
        &self,
        name: NameRef<'_>,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()> {
        let found = Handle::of(self.fd.as_fd(), name)?;
        if let Some(mode) = mode {
            found.chmod(self.modes.apply(mode, found.kind() == Kind::Folder))?;
        }
        modified.map_or(Ok(()), |modified| found.set_modified(modified))
    }

    fn details(&self, name: Option<NameRef<'_>>, wanted: Details) -> io::Result<EntryDetails> {
        let (stat, xattrs) = match name {
            Some(name) if wanted.xattrs => {
                let found = Handle::of(self.fd.as_fd(), name)?;
                let has_xattrs = matches!(found.kind(), Kind::File | Kind::Folder);
                let xattrs = if has_xattrs { details::xattrs(&found.open()?)? } else { Vec::new() };
                (found.stat, Some(xattrs))
            }
            Some(name) => (sys::statat(&self.fd, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW)?, None),
            None => {
                let xattrs = wanted.xattrs.then(|| details::xattrs(&self.fd)).transpose()?;
                (sys::fstat(&self.fd)?, xattrs)
            }
        };
        Ok(EntryDetails {
            owner: wanted.owner.then(|| details::owner(&stat)),
            file: wanted.links.then(|| details::file_id(&stat)),
            xattrs,
            is_unproven: false, // marks tell
        })
    }

    fn set_owner(&self, name: Option<NameRef<'_>>, owner: &Owner) -> io::Result<()> {
        let (user, group) = details::numbers(owner);
        let set = match name {
            Some(name) => Handle::of(self.fd.as_fd(), name)?.chown(user, group),
            None => sys::fchown(&self.fd, user, group),
        };
        set.map_err(|errno| match errno {
            Errno::INVAL => details::no_such_owner().into(),
            other => other.into(),
        })
    }

    fn set_xattrs(&self, name: Option<NameRef<'_>>, xattrs: &[Xattr]) -> io::Result<()> {
        match name {
            Some(name) => details::set_xattrs(&Handle::of(self.fd.as_fd(), name)?.open()?, xattrs),
            None => details::set_xattrs(&self.fd, xattrs),
        }
    }

    fn hard_link(&self, name: NameRef<'_>, to: &dyn Folder, to_name: NameRef<'_>) -> io::Result<()> {
        let to = Self::of(to)?;
        Ok(sys::linkat(&self.fd, name.as_bytes(), &to.fd, to_name.as_bytes(), AtFlags::empty())?)
    }

    fn stage_hard_link(&self, name: NameRef<'_>, to: &dyn Folder, staged: &StagedName) -> io::Result<()> {
        let to = Self::of(to)?;
        Ok(sys::linkat(&self.fd, name.as_bytes(), &to.fd, staged.as_bytes(), AtFlags::empty())?)
    }

    fn lock(&self) -> io::Result<FolderLock> {
        // A handle of its own: locks belong to an opening of the folder, and the folder's handle may be shared.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = sys::openat(&self.fd, c".", flags, Mode::empty())?;
        lock_file(&held)?; // without locks, runs that meet have staged files of their own, and each name is one's or the other's
        Ok(FolderLock { _held: held })
    }

    fn set_own_metadata(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()> {
        if let Some(mode) = mode {
            self.chmod(&self.fd, mode)?;
        }
        match modified {
            Some(_) => {
                sys::futimens(&self.fd, &times(modified)).map_err(|errno| details::not_set(&self.fd, errno))
            }
            None => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match sys::fsync(&self.fd) {
            Err(Errno::INVAL) => self.sync_filesystem(), // some filesystems sync no folders by themselves
            result => Ok(result?),
        }
    }

    fn sync_filesystem(&self) -> io::Result<()> {
        Ok(sys::syncfs(&self.fd)?) // tells of failed writes since the folder was opened, from Linux 5.8 on
    }

    fn syncs_as_a_whole(&self) -> bool {
        self.kind().syncs_as_a_whole
    }

    fn keeps_unsynced(&self) -> bool {
        self.kind().is_local
    }

    fn sync_file(&self, name: NameRef<'_>) -> io::Result<()> {
        sync_each(&Handle::of(self.fd.as_fd(), name)?.open()?)
    }

    fn write_out(&self, name: NameRef<'_>) -> io::Result<()> {
        write_out_by(self.kind(), &Handle::of(self.fd.as_fd(), name)?.open()?)
    }

    fn has_mounts_below(&self) -> bool {
        fidelity::has_mounts_below(&self.fd)
    }

    fn filesystem(&self) -> io::Result<u64> {
        Ok(sys::fstat(&self.fd)?.st_dev)
    }

    fn fidelity(&self) -> io::Result<FidelityReport> {
        let before = sys::fstat(&self.fd)?;
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let found = match sys::openat(&self.fd, c".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => FidelityReport {
                folds_case: fidelity::is_marked_as_folding(&self.fd),
                ..fidelity::of_file(&fd)
            },
            Err(_) => {
                let staged = StagedName::new();
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = sys::openat(&self.fd, staged.as_bytes(), flags, Mode::RUSR | Mode::WUSR)?;
                let folds_case = self.folds_case(NameRef::new(staged.as_bytes()).map_err(Failure::from)?)?;
                let found = FidelityReport { folds_case, ..fidelity::of_file(&fd) };
                sys::unlinkat(&self.fd, staged.as_bytes(), AtFlags::empty())?;
                let modified = timestamp(before.st_mtime, before.st_mtime_nsec);
                let _ = sys::futimens(&self.fd, &times(Some(modified))); // only its owner may, and it is only polite
                found
            }
        };
        let is_whole = !self.has_mounts_below();
        Ok(FidelityReport { modes: self.modes, is_whole, ..found })
    }

    fn space(&self) -> io::Result<SpaceReport> {
        let space = sys::fstatvfs(&self.fd)?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(SpaceReport {
            total: bytes(space.f_blocks),
            free: bytes(space.f_bfree),
            available: bytes(space.f_bavail),
        })
    }

    fn lies_in(&self, other: &dyn Folder) -> io::Result<bool> {
        let key = |stat: Stat| (stat.st_dev, stat.st_ino);
        let sought = key(sys::fstat(&Self::of(other)?.fd)?);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = sys::openat(&self.fd, c".", flags, Mode::empty())?;
        let mut here = key(sys::fstat(&folder)?);
        for _ in 0..PATH_LEN_MAX {
            if here == sought {
                return Ok(true);
            }
            folder = match sys::openat(&folder, c"..", flags, Mode::empty()) {
                Err(Errno::ACCESS) => break, // nobody comes to it from above
                other => other?,
            };
            let above = key(sys::fstat(&folder)?);
            if above == here {
                break; // the root
            }
            here = above;
        }
        Ok(false)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

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

    fn next_data(&self, offset: u64) -> u64 {
        match sys::seek(&self.fd, sys::SeekFrom::Data(offset)) {
            Ok(data) => data,
            Err(Errno::NXIO) => u64::MAX,
            Err(_) => offset,
        }
    }
}

struct LocalTarget {
    fd: OwnedFd,
    /// Permissions that the file was made with.
    mode: u32,
    kind: FilesystemKind,
    is_locked: bool,
    modes: ModePolicy,
}

impl TargetFile for LocalTarget {
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&self.fd, pieces, offset)?)
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        // Delayed allocation looks at each block of a file by itself on ext4: 1 GiB is written in 0.16 s, and in 0.10 s where room
        // for it was found before. Other filesystems do that well by themselves, or (in memory) do more when asked.
        match sys::fstatfs(&self.fd)?.f_type {
            0xef53 => Ok(sys::fallocate(&self.fd, FallocateFlags::KEEP_SIZE, offset, len)?),
            _ => Ok(()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(sys::ftruncate(&self.fd, len)?)
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

    /// Closing a second handle of the same opening is what tells: the first one keeps the lock until the file has its name.
    fn finish(&self, durable: bool) -> io::Result<()> {
        let FilesystemKind { is_local, syncs_as_a_whole, .. } = self.kind;
        if !is_local || (durable && !syncs_as_a_whole) {
            sync_each(&self.fd)?;
        }
        if is_local {
            return Ok(()); // disks of this machine have nothing to tell when a file is closed
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
        match self.kind.is_local {
            true => write_out_by(self.kind, &self.fd),
            false => Ok(()), // it was synced when it was finished
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

/// As far as the filesystem needs it.
fn write_out_by(kind: FilesystemKind, fd: &OwnedFd) -> io::Result<()> {
    match kind.names {
        NameOrder::AfterContent => write_out::finish(fd),
        NameOrder::AfterSync => sync_each(fd),
        NameOrder::None => {
            write_out::begin(fd);
            Ok(())
        }
    }
}

/// Some filesystems know no sync of single files: there is nothing to wait for, then.
fn sync_each(fd: &OwnedFd) -> io::Result<()> {
    match sys::fsync(fd) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
        result => Ok(result?),
    }
}

/// Marks a file or folder as in use, for as long as it is open; false where there are no locks.
fn lock_file(fd: &OwnedFd) -> io::Result<bool> {
    match sys::flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Failure::from(FailureCode::Busy).into()),
        result => Ok(result.is_ok()),
    }
}

/// Accepts an open file if it is a regular one. It was opened without waiting, so that a pipe cannot hold us up.
fn regular(fd: OwnedFd) -> io::Result<Box<dyn SourceFile>> {
    regular_kind(&sys::fstat(&fd)?)?;
    Ok(Box::new(LocalSource { fd }))
}

/// Accepts what is a regular file.
fn regular_kind(stat: &Stat) -> io::Result<()> {
    match metadata_of(stat).kind {
        Kind::File => Ok(()),
        Kind::Folder => Err(io::ErrorKind::IsADirectory.into()),
        Kind::Symlink | Kind::Special => Err(Failure::from(FailureCode::SpecialFile).into()),
    }
}

fn rename(from: impl AsFd, name: &[u8], to: impl AsFd, to_name: &[u8], replace: bool) -> io::Result<()> {
    match replace {
        true => sys::renameat(from, name, to, to_name).map_err(not_across),
        false => match sys::renameat_with(&from, name, &to, to_name, RenameFlags::NOREPLACE) {
            // NFS and some of FUSE replace, or nothing; another name is never given in place of one that is there.
            Err(Errno::INVAL | Errno::NOSYS) => {
                sys::linkat(&from, name, &to, to_name, AtFlags::empty())?;
                Ok(sys::unlinkat(&from, name, AtFlags::empty())?)
            }
            result => result.map_err(not_across),
        },
    }
}

/// A mount within a root: nothing was followed out of it.
fn not_across(error: Errno) -> io::Error {
    if error != Errno::XDEV {
        return error.into();
    }
    Failure::new(FailureCode::Unsupported, "is on another filesystem, where a rename does not lead").into()
}

fn os_path(path: &RemotePath) -> &Path {
    Path::new(OsStr::from_bytes(path.as_bytes()))
}

/// cap-std says `PermissionDenied` without a number of the system where a path would leave the root.
#[allow(clippy::wildcard_enum_match_arm, reason = "the system's kinds are many, and grow")]
fn resolving(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            Failure::from(FailureCode::OutsideRoot).into()
        }
        _ => error,
    }
}

/// The number of the mount, if the system has told one that is never used again.
fn unique_mount(stat: &sys::Statx) -> u64 {
    if stat.stx_mask & MOUNT_ID.bits() == 0 { 0 } else { stat.stx_mnt_id }
}

fn is_own(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}

fn name_kind(told: FileType) -> NameKind {
    match told {
        FileType::Directory => NameKind::Folder,
        FileType::RegularFile
        | FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice => NameKind::Other,
        FileType::Unknown => NameKind::Unknown,
    }
}

/// Now, by the clock that dates what changes on this machine's filesystems: nothing that is done later is dated before it.
#[must_use]
pub fn file_clock() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    timestamp(now.tv_sec, u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Seconds since 1970.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

/// Permissions of what is made in a folder, if it has any; see acl(5).
const DEFAULT_ACL: &std::ffi::CStr = c"system.posix_acl_default";

/// No permissions that could be wished for.
const UNKNOWN_MODE: u32 = u32::MAX;

/// `STATX_MNT_ID_UNIQUE` of statx(2), which rustix has no name for: which mount it is, by a number that is never used again.
const MOUNT_ID: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// Room for a few hundred directory entries a system call.
const READ_DIR_LEN: usize = 32 * 1024;

#[cfg(test)]
mod tests;
