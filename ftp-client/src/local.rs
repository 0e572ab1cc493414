//! Turns local paths as people give them into open folders and names.

use crate::error::Error;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wire::escape::Escaped;
use wire::message::Swept;
use wire::store::sweep::{self, SweepScope};
use wire::store::{Folder, LocalFolder};
use wire::{Failure, FailureCode, Name};

/// The folder that holds `path`, and the name in it. No name if the path ends in `..` or is a root, or ends in `/` or `/.` and a
/// folder is there: then that folder is meant, and a link to one is followed.
pub(crate) fn place(path: &Path) -> Result<(PathBuf, Option<Name>), Error> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.ends_with(b"/") || bytes.ends_with(b"/.") {
        match path.metadata() {
            Ok(_) => return Ok((path.to_owned(), None)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // it may be made
            Err(error) => return Err(error_at(path, error)),
        }
    }
    let Some(Component::Normal(name)) = path.components().next_back() else {
        return Ok((path.to_owned(), None));
    };
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let name = Name::new(name.as_bytes()).map_err(|error| error_at(path, io::Error::other(error)))?;
    Ok((parent, Some(name)))
}

/// Holds the folder at `path`.
pub(crate) fn folder(path: &Path) -> Result<Arc<dyn Folder>, Error> {
    let folder = LocalFolder::open_ambient(path).map_err(|error| error_at(path, error))?;
    Ok(Arc::new(folder))
}

/// Refuses what the system keeps for its own: folders below /dev and /proc, and links in them, as `/dev/stdout`. A file would take the
/// link's place, for all programs of the machine.
pub(crate) fn check_target(folder: &Path, name: Option<&Name>) -> Result<(), Error> {
    let is_of_system = folder.canonicalize().is_ok_and(|folder| {
        folder.starts_with("/proc") || (folder.starts_with("/dev") && !folder.starts_with("/dev/shm"))
    });
    let (path, reason) = match name.map(|name| folder.join(OsStr::from_bytes(name.as_bytes()))) {
        _ if !is_of_system => return Ok(()),
        Some(path) if !path.is_symlink() => return Ok(()),
        Some(path) => (path, "stands for a stream, and a file would replace it: use get -o - or cat"),
        None => (folder.to_owned(), "is a folder of the system"),
    };
    Err(Error::local(&path, Failure::new(FailureCode::SpecialFile, reason)))
}

/// The path that means the same after the current folder has changed, as a shell's does while a job is in the background.
pub(crate) fn whole(path: &Path) -> Result<PathBuf, Error> {
    let here = std::env::current_dir().map_err(|error| error_at(Path::new("."), error))?;
    Ok(here.join(path))
}

/// Opens the folder at `path` once more, to see whether it still is the one that is written to.
pub(crate) fn find(path: &Path) -> io::Result<Arc<dyn Folder>> {
    Ok(Arc::new(LocalFolder::open_ambient(path)?))
}

/// Removes what interrupted transfers have left in a local folder and below, but for what is in use or has changed within
/// `idle`.
///
/// # Errors
/// If the folder cannot be read.
pub fn sweep(path: &Path, idle: Duration) -> Result<Swept, Error> {
    let swept = sweep::below(folder(path)?, idle, &SweepScope::All, &mut || false);
    swept.map_err(|error| error_at(path, error))
}

/// The error of a local path.
pub(crate) fn error_at(path: &Path, source: io::Error) -> Error {
    Error::Local { path: show(path.as_os_str()), source }
}

/// Does filesystem work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| Error::Local { path: String::new(), source: io::Error::other(panic) })?
}

fn show(path: &OsStr) -> String {
    Escaped(path.as_bytes()).to_string()
}
