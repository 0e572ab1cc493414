//! Files that decide whom to trust and what to do: nobody else may be able to write to them, and a reader sees the old
//! content or the new one.

use crate::error::Error;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The file's text; nothing if there is no file.
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

/// Replaces the file's content, or makes it and its folder, open to nobody else. The file behind a symbolic link is
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
    let bad = |reason: &str| Err(Error::Usage(format!("{}: {reason}", Error::shown_path(path))));
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.file_type().is_char_device() {
        return Ok(Ok(String::new())); // /dev/null stands for none at all
    }
    let owner = metadata.uid();
    if metadata.mode() & OTHERS_MAY_WRITE != 0 {
        return Ok(bad("can be written by others; check its content, then run: chmod go-w on it"));
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Ok(bad("belongs to another user, who may write what they like into it"));
    }
    let mut bytes = Vec::new();
    file.take(len_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > len_max {
        return Ok(bad("is too large for what it should be"));
    }
    Ok(String::from_utf8(bytes).or_else(|_| bad("is not UTF-8 text")))
}

fn replace_content(path: &Path, text: &str) -> io::Result<()> {
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        path => path?,
    };
    let staged = path.with_extension(format!("new{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let replaced = written.and_then(|()| fs::rename(&staged, &path));
    if replaced.is_err() {
        // Nothing more can be done about a file that cannot be removed either.
        let _ = fs::remove_file(&staged);
    }
    replaced
}

const OTHERS_MAY_WRITE: u32 = 0o022;
