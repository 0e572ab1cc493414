//! Folders of a local source that are left out for what they are: on another filesystem, or with a file in them that says so.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use wire::RemotePath;

/// Which folders are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderMarks {
    /// Folders on another filesystem than the source.
    pub other_filesystems: bool,
    /// Folders with a file of one of these names. A `CACHEDIR.TAG` must begin with its signature.
    pub tags: Vec<Vec<u8>>,
}

/// The marks, looked for in a source.
#[derive(Debug, Clone)]
pub(crate) struct MarkedFolders {
    marks: FolderMarks,
    source: PathBuf,
    /// Of the source itself; `None` if it does not matter.
    device: Option<u64>,
}

impl FolderMarks {
    /// True if no folder is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.other_filesystems && self.tags.is_empty()
    }

    pub(crate) fn in_source(&self, source: &Path) -> MarkedFolders {
        let device = fs::metadata(source).ok().map(|metadata| metadata.dev());
        let device = device.filter(|_| self.other_filesystems);
        MarkedFolders { marks: self.clone(), source: source.to_owned(), device }
    }
}

impl MarkedFolders {
    /// True if the folder at `path` is left out. The source itself never is.
    pub(crate) fn leaves_out(&self, path: &RemotePath) -> bool {
        if path.is_root() {
            return false;
        }
        let folder = self.source.join(OsStr::from_bytes(path.as_bytes()));
        let is_elsewhere = self.device.is_some_and(|device| {
            fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_dir() && metadata.dev() != device)
        });
        is_elsewhere || self.marks.tags.iter().any(|tag| is_tagged(&folder, tag))
    }
}

fn is_tagged(folder: &Path, tag: &[u8]) -> bool {
    let file = folder.join(OsStr::from_bytes(tag));
    let Ok(metadata) = fs::symlink_metadata(&file) else { return false };
    tag != CACHE_TAG || (metadata.is_file() && begins_with_signature(&file))
}

fn begins_with_signature(file: &Path) -> bool {
    let mut begin = Vec::new();
    let read = File::open(file).and_then(|file| file.take(SIGNATURE.len() as u64).read_to_end(&mut begin));
    read.is_ok() && begin == SIGNATURE
}

/// See <https://bford.info/cachedir/>.
const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
