//! Files that decide whom to trust and what to do: no other user may be able to write to them, and a reader sees the old
//! content or the new one.

use crate::error::Error;
use crate::local;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;

/// The file's text; `None` if there is no file.
///
/// # Errors
/// It cannot be read, others can write to it, it is longer than `len_max` or no text.
pub fn read(path: &Path, len_max: u64) -> Result<Option<String>, Error> {
    match read_checked(path, len_max) {
        Ok(text) => text.map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::local(path, source)),
    }
}

/// Opens a file whose content decides what is done, for reading.
///
/// # Errors
/// It cannot be opened, or others can write to it.
pub fn open(path: &Path) -> Result<File, Error> {
    open_checked(path).unwrap_or_else(|source| Err(Error::local(path, source)))
}

/// Makes an unfinished file in the folder of `path`, to be renamed to `path` when it is whole. The name is random and the
/// file is new, so neither a leftover nor a symbolic link that somebody put there is in the way. Dropping it removes it.
///
/// # Errors
/// It cannot be made, or `path` is a device, a pipe or a name of a stream, which no file may replace.
pub(crate) fn unfinished(path: &Path, mode: u32) -> io::Result<NamedTempFile> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return Err(io::Error::other("is a device or a pipe, and no file may replace it"));
    }
    if let Ok((folder, name)) = local::place(path) {
        local::check_target(&folder, name.as_ref()).map_err(io::Error::other)?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".ftp-client-").suffix(".unfinished").permissions(Permissions::from_mode(mode));
    builder.tempfile_in(folder)
}

/// Replaces the file's content, or makes it and its folder, private to the user. The file behind a symbolic link is
/// replaced, not the link.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, text: &str) -> Result<(), Error> {
    make_folder(path).and_then(|()| replace_content(path, text)).map_err(|source| Error::local(path, source))
}

/// Makes the folder that a file is to be in.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

/// The outer error is the system's, the inner one says what is wrong with the file.
fn read_checked(path: &Path, len_max: u64) -> io::Result<Result<String, Error>> {
    let file = match open_checked(path)? {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    if file.metadata()?.file_type().is_char_device() {
        return Ok(Ok(String::new())); // /dev/null stands for none at all
    }
    let mut bytes = Vec::new();
    file.take(len_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > len_max {
        return Ok(Err(bad(path, "is too large for what it should be")));
    }
    let text = without_byte_order_mark(&bytes).to_vec();
    Ok(String::from_utf8(text).map_err(|_| bad(path, "is not UTF-8 text")))
}

/// The bytes without the mark that editors of other systems put before text.
#[must_use]
pub fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

/// Devices have no content that another user could prepare.
fn open_checked(path: &Path) -> io::Result<Result<File, Error>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.file_type().is_char_device() {
        return Ok(Ok(file));
    }
    let owner = metadata.uid();
    if metadata.mode() & OTHERS_MAY_WRITE != 0 {
        return Ok(Err(bad(path, "can be written by others; check its content, then run: chmod go-w on it")));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Ok(Err(bad(path, "belongs to another user, who may write what they like into it")));
    }
    Ok(Ok(file))
}

fn bad(path: &Path, reason: &str) -> Error {
    Error::Usage(format!("{}: {reason}", Error::shown_path(path)))
}

fn replace_content(path: &Path, text: &str) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        path => path?,
    };
    let mut staged = unfinished(&path, 0o600)?;
    staged.write_all(text.as_bytes())?;
    staged.as_file().sync_all()?;
    staged.persist(&path)?;
    Ok(())
}

const OTHERS_MAY_WRITE: u32 = 0o022;
