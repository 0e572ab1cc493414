//! Two versions of a tree: the one that is safely on the disk before a run, and the one that is sent.

use crate::support::content;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Files by their paths.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A version of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Old,
    New,
}

/// Makes the content of `root` a version. The new one is made from the old one.
pub(crate) fn write(root: &Path, version: Version, seed: u64) {
    fs::create_dir_all(root.join("deep/er")).unwrap();
    let seed = seed.wrapping_mul(2) + u64::from(version == Version::New);
    let put = |name: &str, len: usize| fs::write(root.join(name), content(seed + len as u64, len)).unwrap();
    put("big", 5_000_000);
    put("middle", 700_000);
    put("small", 20_000);
    for number in 0..25 {
        put(&format!("deep/{number}"), 1000 + number);
    }
    put("linked", 3000);
    let mut sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.write_all(&content(seed, 10_000)).unwrap();
    sparse.seek(SeekFrom::Start(2_000_000)).unwrap();
    sparse.write_all(&content(seed, 10_000)).unwrap();
    match version {
        Version::Old => {
            put("same", 9000);
            fs::write(root.join("empty"), "").unwrap();
            symlink("small", root.join("link")).unwrap();
            fs::hard_link(root.join("linked"), root.join("deep/linked")).unwrap();
        }
        Version::New => {
            fs::create_dir_all(root.join("new/folder")).unwrap();
            put("new/big", 2_000_000);
            for number in 0..25 {
                put(&format!("new/folder/{number}"), 1100 + number);
            }
            fs::hard_link(root.join("linked"), root.join("new/linked")).unwrap();
        }
    }
}

/// Returns all files below `root`, except unreadable ones.
pub(crate) fn files(root: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Describes a content for messages.
pub(crate) fn about(content: Option<&Vec<u8>>) -> String {
    let Some(content) = content else { return "missing".to_owned() };
    let zeros = content.iter().filter(|byte| **byte == 0).count();
    format!("{} bytes, {zeros} of them zeros", content.len())
}
