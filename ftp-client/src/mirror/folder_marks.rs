//! Folders of a local source that are left out for what they are: on another filesystem, or with a file in them that says so.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wire::RemotePath;
use wire::sync::lock;

/// Which folders are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderMarks {
    /// Folders on another filesystem than the source.
    pub other_filesystems: bool,
    /// Folders with a file of one of these names. A `CACHEDIR.TAG` must begin with its signature.
    pub tags: Vec<Vec<u8>>,
}

/// The marks, looked for in a source. A folder is judged once in a run: if its mark comes or goes between two looks, the target's copy
/// must not be taken for one that the source lacks.
#[derive(Debug, Clone)]
pub(crate) struct MarkedFolders {
    marks: FolderMarks,
    source: PathBuf,
    /// Of the source itself; `None` if it does not matter.
    device: Option<u64>,
    verdicts: Arc<Mutex<Verdicts>>,
}

/// The folders that were judged, the latest last. The walks of both ends are close together, so older ones are not asked for again.
#[derive(Debug, Default)]
struct Verdicts {
    left_out: HashMap<RemotePath, bool>,
    order: VecDeque<RemotePath>,
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
        MarkedFolders { marks: self.clone(), source: source.to_owned(), device, verdicts: Arc::default() }
    }
}

impl MarkedFolders {
    /// True if the folder at `path` is left out. The source itself never is.
    pub(crate) fn leaves_out(&self, path: &RemotePath) -> bool {
        if path.is_root() {
            return false;
        }
        lock(&self.verdicts).verdict(path, || self.is_marked(path))
    }

    fn is_marked(&self, path: &RemotePath) -> bool {
        let folder = self.source.join(OsStr::from_bytes(path.as_bytes()));
        let is_elsewhere = self.device.is_some_and(|device| {
            fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_dir() && metadata.dev() != device)
        });
        is_elsewhere || self.marks.tags.iter().any(|tag| is_tagged(&folder, tag))
    }
}

impl Verdicts {
    /// Returns the verdict on a folder, from `judge` if there is none yet.
    fn verdict(&mut self, path: &RemotePath, judge: impl FnOnce() -> bool) -> bool {
        if let Some(verdict) = self.left_out.get(path) {
            return *verdict;
        }
        if self.order.len() >= VERDICTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.left_out.remove(&oldest);
        }
        let verdict = judge();
        self.left_out.insert(path.clone(), verdict);
        self.order.push_back(path.clone());
        verdict
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

/// Folders whose verdicts are remembered: more than are listed ahead, in some MB of memory.
const VERDICTS_MAX: usize = 20_000;
/// See <https://bford.info/cachedir/>.
const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_folder_is_judged_once() {
        let source = tempfile::tempdir().unwrap();
        for folder in ["tagged", "plain"] {
            fs::create_dir(source.path().join(folder)).unwrap();
        }
        fs::write(source.path().join("tagged/.nobackup"), "").unwrap();
        let marks = FolderMarks { tags: vec![b".nobackup".to_vec()], ..FolderMarks::default() };
        let folders = marks.in_source(source.path());
        let verdicts = || ["tagged", "plain"].map(|folder| folders.clone().leaves_out(&path(folder)));
        assert_eq!(verdicts(), [true, false]);
        fs::rename(source.path().join("tagged/.nobackup"), source.path().join("plain/.nobackup")).unwrap();
        assert_eq!(verdicts(), [true, false]);
        let next_run = marks.in_source(source.path());
        assert!(!next_run.leaves_out(&path("tagged")) && next_run.leaves_out(&path("plain")));
    }

    #[test]
    fn old_verdicts_make_room() {
        let mut verdicts = Verdicts::default();
        for number in 0..=VERDICTS_MAX {
            assert!(verdicts.verdict(&path(&number.to_string()), || true));
        }
        assert!(verdicts.verdict(&path("1"), || false), "it is remembered");
        assert!(!verdicts.verdict(&path("0"), || false), "it is the oldest");
        assert_eq!(verdicts.left_out.len(), VERDICTS_MAX);
    }
}
