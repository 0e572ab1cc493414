//! The tree in memory: the content of the filesystem, without its refusals.

use super::Lacks;
use fuser::{Errno, FileAttr, FileType, INodeNo};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// All nodes, by number.
pub(super) struct Tree {
    lacks: Lacks,
    nodes: BTreeMap<u64, Node>,
    next: u64,
}

pub(super) struct Node {
    pub(super) attr: FileAttr,
    pub(super) content: Content,
    pub(super) xattrs: BTreeMap<OsString, Vec<u8>>,
}

pub(super) enum Content {
    File(Vec<u8>),
    Link(Vec<u8>),
    Folder(BTreeMap<OsString, (OsString, u64)>),
}

/// The owner and permissions of new entries.
pub(super) struct Maker {
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
}

impl Tree {
    pub(super) fn new(lacks: Lacks) -> Self {
        let mut tree = Self { lacks, nodes: BTreeMap::new(), next: 1 };
        tree.add(Content::Folder(BTreeMap::new()), &Maker { user: 0, group: 0, mode: 0o755 });
        tree
    }

    fn add(&mut self, content: Content, maker: &Maker) -> u64 {
        let ino = self.next;
        self.next += 1;
        let now = self.time(SystemTime::now());
        let (kind, size) = match &content {
            Content::File(_) => (FileType::RegularFile, 0),
            Content::Link(target) => (FileType::Symlink, target.len() as u64),
            Content::Folder(_) => (FileType::Directory, 0),
        };
        let attr = FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: 0,
            atime: now,
            mtime: now,
            ctime: now,
            crtime: now,
            kind,
            perm: (maker.mode & 0o7777) as u16,
            nlink: 1,
            uid: maker.user,
            gid: maker.group,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        };
        self.nodes.insert(ino, Node { attr, content, xattrs: BTreeMap::new() });
        ino
    }

    /// Returns the time in the filesystem's precision.
    pub(super) fn time(&self, time: SystemTime) -> SystemTime {
        if !self.lacks.fractions_of_seconds {
            return time;
        }
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn key(&self, name: &OsStr) -> OsString {
        if self.lacks.case { name.to_ascii_lowercase() } else { name.to_owned() }
    }

    pub(super) fn node(&mut self, ino: u64) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&ino).ok_or(Errno::ENOENT)
    }

    pub(super) fn file(&mut self, ino: u64) -> Result<(&mut Vec<u8>, &mut FileAttr), Errno> {
        let node = self.node(ino)?;
        match &mut node.content {
            Content::File(bytes) => Ok((bytes, &mut node.attr)),
            Content::Link(_) | Content::Folder(_) => Err(Errno::EINVAL),
        }
    }

    fn names(&mut self, folder: u64) -> Result<&mut BTreeMap<OsString, (OsString, u64)>, Errno> {
        let now = self.time(SystemTime::now());
        let node = self.node(folder)?;
        match &mut node.content {
            Content::Folder(names) => {
                (node.attr.mtime, node.attr.ctime) = (now, now);
                Ok(names)
            }
            Content::File(_) | Content::Link(_) => Err(Errno::ENOTDIR),
        }
    }

    pub(super) fn find(&mut self, folder: u64, name: &OsStr) -> Result<FileAttr, Errno> {
        let key = self.key(name);
        let ino = match &self.node(folder)?.content {
            Content::Folder(names) => names.get(&key).ok_or(Errno::ENOENT)?.1,
            Content::File(_) | Content::Link(_) => return Err(Errno::ENOTDIR),
        };
        Ok(self.node(ino)?.attr)
    }

    pub(super) fn make(
        &mut self,
        folder: u64,
        name: &OsStr,
        content: Content,
        maker: &Maker,
    ) -> Result<FileAttr, Errno> {
        if self.find(folder, name).is_ok() {
            return Err(Errno::EEXIST);
        }
        let (key, ino) = (self.key(name), self.add(content, maker));
        self.names(folder)?.insert(key, (name.to_owned(), ino));
        Ok(self.node(ino)?.attr)
    }

    pub(super) fn link(&mut self, ino: u64, folder: u64, name: &OsStr) -> Result<FileAttr, Errno> {
        if self.find(folder, name).is_ok() {
            return Err(Errno::EEXIST);
        }
        let key = self.key(name);
        self.names(folder)?.insert(key, (name.to_owned(), ino));
        self.node(ino)?.attr.nlink += 1;
        Ok(self.node(ino)?.attr)
    }

    pub(super) fn remove(&mut self, folder: u64, name: &OsStr, is_folder: bool) -> Result<(), Errno> {
        let ino = self.find(folder, name)?.ino.0;
        match &self.node(ino)?.content {
            Content::Folder(_) if !is_folder => return Err(Errno::EISDIR),
            Content::Folder(names) if !names.is_empty() => return Err(Errno::ENOTEMPTY),
            Content::File(_) | Content::Link(_) if is_folder => return Err(Errno::ENOTDIR),
            Content::Folder(_) | Content::File(_) | Content::Link(_) => {}
        }
        let key = self.key(name);
        self.names(folder)?.remove(&key);
        // Open nodes can still be read and written, so nodes stay as long as the filesystem.
        let attr = &mut self.node(ino)?.attr;
        attr.nlink = attr.nlink.saturating_sub(1);
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        (folder, name): (u64, &OsStr),
        (to, to_name): (u64, &OsStr),
        replace: bool,
    ) -> Result<(), Errno> {
        let ino = self.find(folder, name)?.ino.0;
        let (key, to_key) = (self.key(name), self.key(to_name));
        let is_same = folder == to && key == to_key;
        if !is_same && let Ok(there) = self.find(to, to_name) {
            if replace {
                self.remove(to, to_name, there.kind == FileType::Directory)?
            } else {
                return Err(Errno::EEXIST);
            }
        }
        self.names(folder)?.remove(&key);
        self.names(to)?.insert(to_key, (to_name.to_owned(), ino));
        let now = self.time(SystemTime::now());
        self.node(ino)?.attr.ctime = now;
        Ok(())
    }

    /// Returns numbers, kinds and names, sorted.
    pub(super) fn list(&mut self, folder: u64) -> Result<Vec<(u64, FileType, OsString)>, Errno> {
        let found: Vec<(OsString, u64)> = match &self.node(folder)?.content {
            Content::Folder(names) => names.values().cloned().collect(),
            Content::File(_) | Content::Link(_) => return Err(Errno::ENOTDIR),
        };
        found.into_iter().map(|(name, ino)| Ok((ino, self.node(ino)?.attr.kind, name))).collect()
    }

    /// Sets a file's length and times.
    pub(super) fn resize(&mut self, ino: u64, len: u64) -> Result<(), Errno> {
        let now = self.time(SystemTime::now());
        let (bytes, attr) = self.file(ino)?;
        bytes.resize(usize::try_from(len).map_err(|_| Errno::EFBIG)?, 0);
        (attr.size, attr.blocks, attr.mtime, attr.ctime) = (len, len.div_ceil(512), now, now);
        Ok(())
    }

    pub(super) fn write(&mut self, ino: u64, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let len = (offset + data.len() as u64).max(self.node(ino)?.attr.size);
        self.resize(ino, len)?;
        let offset = usize::try_from(offset).map_err(|_| Errno::EFBIG)?;
        self.file(ino)?.0[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}
