//! The state folder: where the server keeps private files that must survive a restart.
//!
//! Two rules hold for every file here. It is private: written with mode 0600, and refused when somebody opened it up
//! to group or others, as ssh does. And it is replaced whole: a reader sees the old content or the new, never half.
//! Writers take [`StateFolder::lock`] first, so that two of them do not undo each other's change.

use rustix::fs::FlockOperation;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder that holds the server's identity and its users.
///
/// Making the value does not touch the disk; the folder is made, with mode 0700, by the first [`lock`](Self::lock).
#[derive(Debug, Clone)]
pub struct StateFolder {
    path: PathBuf,
}

/// The right to change files in a [`StateFolder`]; dropping it lets the next one in.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// The stamp of a file when it was read; a different one means it must be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A private file's content, with the stamp it had while it was read.
#[derive(Debug)]
pub struct PrivateFile {
    /// The whole content.
    pub text: String,
    /// Taken from the same open file as `text`.
    pub stamp: FileStamp,
}

/// Why the state folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// The operation, as a verb.
        action: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A secret lies open.
    #[error(
        "{path} may be read or written by others (mode {mode:04o}); secrets in it count as known: \
         check who had access, then run: chmod 600 {path}"
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others could exchange the files.
    #[error("the state folder {path} may be written by others (mode {mode:04o}); run: chmod go-w {path}")]
    FolderTooOpen {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file that root makes there could not be read by the folder's owner.
    #[error(
        "the state folder {path} belongs to {owner}, whose server could not read what root makes there; \
         run it as that user: runuser -u {owner} -- ftp-server ..."
    )]
    OfAnother {
        /// The folder.
        path: PathBuf,
        /// Whose it is: a name, or a number that has none.
        owner: String,
    },
    /// The file is something else than a regular file of sensible size.
    #[error("{path} is not a regular text file of at most {len_max} bytes")]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        len_max: u64,
    },
}

impl StateError {
    /// True if the folder or a file in it must be mended: neither the system is to blame, nor the account that it was tried from.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        match self {
            Self::Io { .. } | Self::OfAnother { .. } => false,
            Self::TooOpen { .. } | Self::FolderTooOpen { .. } | Self::NotAFile { .. } => true,
        }
    }
}

impl StateFolder {
    /// Names a folder, without touching it.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of the folder is; for messages and for `stat`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Waits until no other process or thread changes the folder; makes the folder if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made, others may write to it, or root would write to what is somebody else's.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        self.create()?;
        self.check_folder()?;
        self.check_owner()?;
        let path = self.file(LOCK_FILE);
        let file =
            private_options().create(true).truncate(false).open(&path).map_err(failed("open", &path))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| failed("lock", &path)(errno.into()))?;
        Ok(StateLock { _file: file })
    }

    /// Reads a private file; `None` if it does not exist.
    ///
    /// # Errors
    /// It cannot be read, others may read it, or it is no text file of at most `len_max` bytes.
    pub fn read(&self, name: &str, len_max: u64) -> Result<Option<PrivateFile>, StateError> {
        let path = self.file(name);
        let file = match open_without_waiting(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        self.check_folder()?;
        let metadata = file.metadata().map_err(failed("read", &path))?;
        check_private(&path, &metadata, len_max)?;
        let text = read_text(file, &path, len_max)?;
        Ok(Some(PrivateFile { text, stamp: FileStamp::of(&metadata) }))
    }

    /// The stamp a file has now; `None` if it does not exist.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub fn stamp(&self, name: &str) -> Result<Option<FileStamp>, StateError> {
        let path = self.file(name);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(FileStamp::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Gives a file new content, of which readers and crashes see all or nothing.
    ///
    /// # Errors
    /// The new file cannot be written; the old content then stands.
    pub fn replace(&self, _lock: &StateLock, name: &str, content: &[u8]) -> Result<(), StateError> {
        let staged = self.file(&format!(".{name}.new"));
        write_new(&staged, content).map_err(failed("write", &staged))?;
        let path = self.file(name);
        fs::rename(&staged, &path).map_err(failed("replace", &path))?;
        // Without this a power cut may bring the old name back, after the caller said that the change is made.
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(failed("sync", &self.path))
    }

    /// Checks that the folder is there.
    ///
    /// # Errors
    /// It is not, or cannot be looked at.
    pub fn check_exists(&self) -> Result<(), StateError> {
        fs::metadata(&self.path).map(drop).map_err(failed("read", &self.path))
    }

    fn create(&self) -> Result<(), StateError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path).map_err(failed("make", &self.path))
    }

    /// Reading is everybody's business as far as the files are private; writing would let others exchange them.
    fn check_folder(&self) -> Result<(), StateError> {
        let metadata = fs::metadata(&self.path).map_err(failed("read", &self.path))?;
        match permissions(&metadata) {
            mode if mode & 0o022 == 0 => Ok(()),
            mode => Err(StateError::FolderTooOpen { path: self.path.clone(), mode }),
        }
    }

    fn check_owner(&self) -> Result<(), StateError> {
        let owner = fs::metadata(&self.path).map_err(failed("read", &self.path))?.uid();
        if rustix::process::geteuid().is_root() && owner != 0 {
            Err(StateError::OfAnother { path: self.path.clone(), owner: user_name(owner) })
        } else {
            Ok(())
        }
    }
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn check_private(path: &Path, metadata: &Metadata, len_max: u64) -> Result<(), StateError> {
    if !metadata.is_file() || metadata.len() > len_max {
        return Err(StateError::NotAFile { path: path.to_owned(), len_max });
    }
    match permissions(metadata) {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(StateError::TooOpen { path: path.to_owned(), mode }),
    }
}

/// The length was checked before, but the file may have grown since.
fn read_text(file: File, path: &Path, len_max: u64) -> Result<String, StateError> {
    let mut text = String::new();
    match file.take(len_max).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(StateError::NotAFile { path: path.to_owned(), len_max })
        }
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Never follows into a pipe: opening one would wait for a writer for ever.
fn open_without_waiting(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// A leftover of a run that died is removed first; the lock ensures that no other process is writing it.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = private_options().create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// The name of a user of this machine, as far as the file of users knows it; else the number.
#[must_use]
pub fn user_name(id: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let names = users.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    names.into_iter().next().unwrap_or_else(|| id.to_string())
}

fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |source| StateError::Io { action, path: path.to_owned(), source }
}

const LOCK_FILE: &str = ".lock";

#[cfg(test)]
mod tests;
