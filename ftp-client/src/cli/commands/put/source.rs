//! The sources of `put`: paths of this machine, and streams.

use crate::cli::input;
use crate::cli::output::shown;
use crate::cli::scope::Scope;
use ftp_client::Error;
use ftp_client::many::is_a_folder;
use ftp_client::remote::TypedPath;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use wire::{Failure, Name};

/// A source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UploadSource {
    /// A path of this machine, and as it was typed; without a name, a folder's contents are meant.
    Local { path: PathBuf, typed: OsString, name: Option<Name> },
    /// Standard input, or a descriptor as a shell names it for `<(COMMAND)`; with its name on the server.
    Stream { typed: OsString, name: Option<Name> },
}

impl UploadSource {
    pub(super) fn new(typed: OsString, scope: &Scope, recursive: bool) -> Result<Self, Error> {
        if input::is_stream(Path::new(&typed)) {
            return Ok(Self::Stream { typed, name: None });
        }
        // A name with a colon is a file, if there is one.
        let place = match scope.place(&typed) {
            Ok(TypedPath::Remote(_)) | Err(_) if scope.local_file(&typed)?.symlink_metadata().is_ok() => {
                TypedPath::Local(scope.local_file(&typed)?)
            }
            place => place?,
        };
        match place {
            TypedPath::Local(path) => {
                let is_contents = recursive && path.as_os_str().as_bytes().ends_with(b"/");
                let name = name_of(&path)?.filter(|_| !is_contents);
                Ok(Self::Local { name, path, typed })
            }
            TypedPath::Remote(_) => {
                Err(Error::Usage("put sends local files; to move on the server, use mv".to_owned()))
            }
        }
    }

    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Local { name, .. } | Self::Stream { name, .. } => name.as_ref(),
        }
    }

    pub(super) fn shown(&self) -> Vec<u8> {
        match self {
            Self::Local { typed, .. } | Self::Stream { typed, .. } => typed.as_bytes().to_vec(),
        }
    }
}

/// True if there is a folder itself, which is sent with its name. A link to one is sent as a link, unless `follows`.
pub(in crate::cli::commands) fn is_tree(path: &Path, follows: bool) -> bool {
    let found = if follows { fs::metadata(path) } else { fs::symlink_metadata(path) };
    found.is_ok_and(|metadata| metadata.is_dir())
}

/// Opens standard input, or a descriptor by its name.
pub(super) fn stream(typed: &OsString) -> Result<Box<dyn io::Read + Send>, Error> {
    let path = Path::new(typed);
    if input::is_stdin(path) {
        return Ok(Box::new(io::stdin()));
    }
    let file = File::open(path).map_err(|error| Error::local(path, error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Error::local(path, is_a_folder()));
    }
    Ok(Box::new(file))
}

/// Gives the only source another name; its target must be a folder.
pub(super) fn call(sources: &mut [UploadSource], called: &OsString) -> Result<(), Error> {
    let new = Name::new(called.as_bytes())
        .map_err(|error| Error::Usage(format!("--as {}: {error}", shown(called.as_bytes()))))?;
    match sources {
        [UploadSource::Local { name, .. } | UploadSource::Stream { name, .. }] => {
            *name = Some(new);
            Ok(())
        }
        [] => Ok(()), // patterns, of which it is not known yet what they match
        _ => Err(Error::Usage("--as takes exactly one source".to_owned())),
    }
}

/// `folder/.` and `..` have no name of their own; std would drop the `.` silently.
fn name_of(path: &Path) -> Result<Option<Name>, Error> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(Error::Usage("an empty path names no file".to_owned()));
    }
    match path.components().next_back() {
        _ if bytes == b"." || bytes.ends_with(b"/.") => Ok(None),
        Some(Component::Normal(name)) => {
            Name::new(name.as_bytes()).map(Some).map_err(|error| Error::local(path, Failure::from(error)))
        }
        Some(Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_)) | None => {
            Ok(None)
        }
    }
}
