//! Compares trees for the demo, and finds a folder to send.

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything below a folder, as reported by the filesystem itself.
pub struct Tree {
    items: BTreeMap<PathBuf, Item>,
}

/// The properties that must be the same at both ends.
#[derive(PartialEq, Eq)]
enum Item {
    File { bytes: u64, sha256: [u8; 32], modified: (i64, i64), mode: u32 },
    Link(PathBuf),
    Folder { mode: u32 },
}

impl Tree {
    /// Walks a folder and reads every file in it.
    ///
    /// # Errors
    /// If something cannot be read, or is not a file, link or folder.
    pub fn read(root: &Path) -> Result<Self> {
        let mut items = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
                let path = entry?.path();
                let item = Item::read(&path).with_context(|| format!("reading {}", path.display()))?;
                if matches!(item, Item::Folder { .. }) {
                    folders.push(path.clone());
                }
                items.insert(path.strip_prefix(root)?.to_owned(), item);
            }
        }
        Ok(Self { items })
    }

    /// Files, links and folders.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.items.len()
    }

    /// Files.
    #[must_use]
    pub fn files(&self) -> usize {
        self.items.values().filter(|item| matches!(item, Item::File { .. })).count()
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.items.values().map(Item::bytes).sum()
    }

    /// `12 files, 3.4 MB`.
    #[must_use]
    pub fn described(&self) -> String {
        format!("{} files, {:.1} MB", self.files(), self.bytes() as f64 / 1e6)
    }

    /// Returns the first few differences from `other`, as lines for people.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let here = self.items.iter().filter_map(|(path, item)| match other.items.get(path) {
            Some(copy) if copy == item => None,
            Some(copy) => Some(format!("{path:?}: {item} became {copy}")),
            None => Some(format!("{path:?} is missing")),
        });
        let there = other.items.keys().filter(|path| !self.items.contains_key(*path));
        here.chain(there.map(|path| format!("{path:?} should not be there"))).take(TOLD_MAX).collect()
    }
}

impl Item {
    fn read(path: &Path) -> Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let kind = metadata.file_type();
        let mode = metadata.permissions().mode() & MODE_MASK;
        Ok(if kind.is_symlink() {
            Self::Link(fs::read_link(path)?)
        } else if kind.is_dir() {
            Self::Folder { mode }
        } else if kind.is_file() {
            Self::file(path, &metadata, mode)?
        } else {
            bail!("neither a file, a link nor a folder")
        })
    }

    fn file(path: &Path, metadata: &Metadata, mode: u32) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; READ_LEN]);
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            bytes += read as u64;
        }
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Ok(Self::File { bytes, sha256: hasher.finalize().into(), modified, mode })
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::File { bytes, .. } => *bytes,
            Self::Link(_) | Self::Folder { .. } => 0,
        }
    }
}

/// Short, for people who look for a difference.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { bytes, sha256, modified: (seconds, nanos), mode } => {
                let [a, b, c, d, ..] = sha256;
                write!(f, "a file ({bytes} bytes, SHA-256 {a:02x}{b:02x}{c:02x}{d:02x}…, ")?;
                write!(f, "modified {seconds}.{nanos:09}, mode {mode:04o})")
            }
            Self::Link(target) => write!(f, "a link to {target:?}"),
            Self::Folder { mode } => write!(f, "a folder (mode {mode:04o})"),
        }
    }
}

/// Returns the requested folder, or one that most machines with Rust have.
///
/// # Errors
/// If the requested path is not a folder, or there is none to choose.
pub fn choose(wanted: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(wanted) = wanted {
        let folder = fs::canonicalize(&wanted).with_context(|| format!("cannot use {}", wanted.display()))?;
        ensure!(folder.is_dir(), "{} is not a folder", wanted.display());
        return Ok(folder);
    }
    let own_sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire");
    let usual = [rust_documentation(), Some("/usr/share/doc".into()), Some(own_sources)];
    let folder = usual.into_iter().flatten().find(|folder| folder.is_dir());
    Ok(fs::canonicalize(folder.context("there is no folder to send; name one: cargo demo FOLDER")?)?)
}

/// Returns the free bytes of the filesystem of `path`.
///
/// # Errors
/// If the filesystem does not report it.
pub fn free_space(path: &Path) -> Result<u64> {
    let space = rustix::fs::statvfs(path)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Makes the folders of a copied tree writable, since a read-only one could not be emptied.
pub fn make_removable(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700)); // a folder that stays is reported by its removal
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_removable(&entry.path());
        }
    }
}

fn rust_documentation() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    Some(Path::new(sysroot.trim_end()).join("share/doc/rust/html"))
}

/// Set-id and sticky bits are never transferred.
const MODE_MASK: u32 = 0o777;
const READ_LEN: usize = 256 * 1024;
/// Most differences shown.
const TOLD_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_differs_in_what_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
        let before = Tree::read(folder.path()).unwrap();
        assert_eq!((before.entries(), before.files(), before.bytes()), (2, 1, 3));
        assert!(before.differences(&Tree::read(folder.path()).unwrap()).is_empty());

        let modified = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "two").unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        fs::write(folder.path().join("more"), "").unwrap();
        fs::remove_file(folder.path().join("link")).unwrap();
        let differences = before.differences(&Tree::read(folder.path()).unwrap());
        assert_eq!(differences.len(), 3, "{differences:?}");
    }
}
