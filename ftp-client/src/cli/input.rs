//! Lists, scripts and results that the user names: a file, or `-` for standard input, whole in memory and so bounded.

use ftp_client::{Error, private_file};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Returns true for `-`, which stands for standard input or output.
pub(crate) fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

/// Returns true for standard input under any of its names.
pub(crate) fn is_stdin(path: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0"].iter().any(|name| path == Path::new(name))
}

/// Returns true for standard output under any of its names.
pub(crate) fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Returns true for a name of what can be read only once: standard input, or a descriptor, which a shell puts in place of
/// `<(COMMAND)`.
pub(crate) fn is_stream(path: &Path) -> bool {
    is_stdin(path) || path.starts_with("/dev/fd")
}

/// All bytes of a file, or of standard input, without a byte order mark.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    read_exact(path).map(without_mark)
}

/// The bytes of a list, without a byte order mark unless its entries end with NUL: then all of them are part of names.
pub(crate) fn read_list(path: &Path, nul: bool) -> Result<Vec<u8>, Error> {
    if nul { read_exact(path) } else { read(path) }
}

/// As [`read`], of a file that decides what is done: others may not be able to write to it.
pub(crate) fn read_trusted(path: &Path) -> Result<Vec<u8>, Error> {
    if is_dash(path) {
        return read(path);
    }
    bounded(path, private_file::open(path)?).map(without_mark)
}

fn read_exact(path: &Path) -> Result<Vec<u8>, Error> {
    if is_dash(path) {
        return bounded(path, io::stdin().lock());
    }
    bounded(path, File::open(path).map_err(|error| Error::local(path, error))?)
}

fn without_mark(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.drain(..bytes.len() - private_file::without_byte_order_mark(&bytes).len());
    bytes
}

fn bounded(path: &Path, source: impl Read) -> Result<Vec<u8>, Error> {
    let bytes = read_bounded(source).map_err(|error| {
        if error.kind() == io::ErrorKind::IsADirectory {
            Error::Usage(format!("{} is a folder, not a file", Error::shown_path(path)))
        } else {
            Error::local(path, error)
        }
    })?;
    if bytes.len() as u64 > INPUT_LEN_MAX {
        let shown = Error::shown_path(path);
        Err(Error::Usage(format!("{shown}: is longer than {} MiB", INPUT_LEN_MAX >> 20)))
    } else {
        Ok(bytes)
    }
}

fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(INPUT_LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Room for a line about each of a million files.
const INPUT_LEN_MAX: u64 = 256 << 20;
