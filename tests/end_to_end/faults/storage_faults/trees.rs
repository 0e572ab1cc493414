//! A small tree with one entry of each kind, the entries it replaces, and the allowed states of each path.

use crate::support::{chmod, content, leftovers, picture};
use std::collections::BTreeMap;
use std::fs::{self, FileTimes};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use wire::store::{Folder, LocalFolder};

/// A folder of this machine.
pub(crate) fn held(path: &Path) -> Arc<dyn Folder> {
    Arc::new(LocalFolder::open_ambient(path).unwrap())
}

/// A temporary folder, in memory if the system has a place for that.
pub(crate) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The tree to send, with its picture.
pub(crate) struct Source {
    folder: TempDir,
    pub(crate) picture: BTreeMap<PathBuf, String>,
}

impl Source {
    pub(crate) fn new() -> Self {
        let folder = in_memory();
        let root = folder.path().join("new");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(root.join("empty-folder")).unwrap();
        fs::write(root.join("empty"), "").unwrap();
        fs::write(root.join("small"), content(1, 100)).unwrap();
        fs::write(root.join("large"), content(2, 530_000)).unwrap(); // two chunks
        fs::write(root.join("a/one-chunk"), content(3, 263_000)).unwrap();
        fs::write(root.join("a/b/deep"), "deep").unwrap();
        fs::write(root.join("holes"), [content(4, 4096), vec![0; 525_000], content(5, 1)].concat()).unwrap();
        fs::write(root.join("was-link"), "a file now").unwrap();
        fs::write(root.join("read-only"), content(6, 5000)).unwrap();
        chmod(&root.join("read-only"), 0o444);
        symlink("a/b/deep", root.join("link")).unwrap();
        symlink("nowhere", root.join("was-file")).unwrap();
        for file in ["empty", "small", "large", "read-only", "a/b/deep"] {
            set_time(&root.join(file), 1_000_000_000);
        }
        let picture = with_root(&root);
        Self { folder, picture }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("new")
    }
}

/// The target: a folder `tree` with older versions of some entries, and one other entry.
pub(crate) struct Target {
    pub(crate) folder: TempDir,
    before: BTreeMap<PathBuf, String>,
}

impl Target {
    pub(crate) fn new() -> Self {
        let folder = in_memory();
        let root = folder.path().join("tree");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("small"), "old").unwrap();
        fs::write(root.join("large"), content(7, 30_000)).unwrap();
        fs::write(root.join("was-file"), "a file once").unwrap();
        fs::write(root.join("read-only"), "old").unwrap();
        chmod(&root.join("read-only"), 0o400);
        fs::write(root.join("other"), "stays").unwrap();
        symlink("other", root.join("was-link")).unwrap();
        Self { before: with_root(&root), folder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    /// Checks that each path has its whole old or its whole new content, and returns the paths that are new by now. A folder's
    /// own metadata is set last, and may be in between.
    pub(crate) fn check(&self, source: &Source) -> Vec<String> {
        let mut new = Vec::new();
        for (path, line) in with_root(&self.path()) {
            let is_staged = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".ftpx-"));
            let (old, wanted) = (self.before.get(&path), source.picture.get(&path));
            let both_folders =
                line.starts_with("folder") && wanted.or(old).is_some_and(|line| line.starts_with("folder"));
            match Some(&line) {
                line if line == wanted => new.push(path.to_string_lossy().into_owned()),
                line => assert!(line == old || both_folders || is_staged, "{path:?} is half: {line:?}"),
            }
        }
        for path in self.before.keys() {
            let found = fs::symlink_metadata(self.path().join(path));
            assert!(found.is_ok(), "{path:?} is gone");
        }
        new
    }

    /// Checks that no staged file is left.
    pub(crate) fn check_clean(&self) {
        assert_eq!(leftovers(self.folder.path()), Vec::<PathBuf>::new());
    }

    /// Checks that all of the source is there, and the entries beside it.
    pub(crate) fn check_complete(&self, source: &Source) {
        let mut found = with_root(&self.path());
        found.retain(|path, _| !path.to_string_lossy().contains(".ftpx-"));
        assert_eq!(found.remove(Path::new("other")), self.before.get(Path::new("other")).cloned());
        assert_eq!(found, source.picture);
    }
}

/// The picture of a folder, and its own line.
fn with_root(root: &Path) -> BTreeMap<PathBuf, String> {
    let parent = root.parent().unwrap();
    let strip = |path: PathBuf| path.strip_prefix(root.file_name().unwrap()).map(Path::to_owned).ok();
    picture(parent).into_iter().filter_map(|(path, line)| Some((strip(path)?, line))).collect()
}

fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = fs::File::open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}
