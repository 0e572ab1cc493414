//! Answers the kernel: with the tree's answer, unless a switch says otherwise.

use super::tree::{Content, Maker, Tree};
use super::{Lacks, Op, Switches};
use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The filesystem's side of the connection.
pub(super) struct Daemon {
    lacks: Lacks,
    tree: Arc<Mutex<Tree>>,
    switches: Arc<Switches>,
}

impl Daemon {
    pub(super) fn new(lacks: Lacks, switches: Arc<Switches>) -> Self {
        Self { lacks, tree: Arc::new(Mutex::new(Tree::new(lacks))), switches }
    }

    /// Does something to the tree, and answers: at once, or when it no longer hangs.
    fn answer<T: 'static>(
        &self,
        op: Op,
        work: impl FnOnce(&mut Tree) -> Result<T, Errno> + Send + 'static,
        reply: impl FnOnce(Result<T, Errno>) + Send + 'static,
    ) {
        self.switches.wait_while_stalled();
        let refused = self.switches.count(op).map(Errno::from_i32);
        let tree = self.tree.clone();
        let answered = move || {
            reply(match refused {
                Some(errno) => Err(errno),
                None => work(&mut tree.lock().unwrap_or_else(PoisonError::into_inner)),
            });
        };
        if !self.switches.hangs(op) {
            return answered();
        }
        let switches = self.switches.clone();
        std::thread::spawn(move || {
            switches.wait_while_hanging(op);
            answered();
        });
    }

    fn entry(
        &self,
        op: Op,
        reply: ReplyEntry,
        work: impl FnOnce(&mut Tree) -> Result<FileAttr, Errno> + Send + 'static,
    ) {
        self.answer(op, work, |done| match done {
            Ok(attr) => reply.entry(&NOT_KEPT, &attr, Generation(0)),
            Err(errno) => reply.error(errno),
        });
    }

    fn empty(
        &self,
        op: Op,
        reply: ReplyEmpty,
        work: impl FnOnce(&mut Tree) -> Result<(), Errno> + Send + 'static,
    ) {
        self.answer(op, work, |done| match done {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        });
    }
}

fn maker(request: &Request, mode: u32) -> Maker {
    Maker { user: request.uid(), group: request.gid(), mode }
}

/// Answers in the form that the caller requested: the length first, and the value once there is room.
fn answer_xattr(reply: ReplyXattr, size: u32, value: &[u8]) {
    match (size as usize, value.len()) {
        (0, len) => reply.size(len as u32),
        (size, len) if len > size => reply.error(Errno::ERANGE),
        _ => reply.data(value),
    }
}

impl Filesystem for Daemon {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        if self.lacks.flock {
            let added = config.add_capabilities(InitFlags::FUSE_FLOCK_LOCKS); // otherwise the kernel locks by itself
            added.map_err(|_| io::ErrorKind::Unsupported)?;
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.entry(Op::Lookup, reply, move |tree| tree.find(parent.0, &name));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.answer(
            Op::Attributes,
            move |tree| Ok(tree.node(ino.0)?.attr),
            |done| match done {
                Ok(attr) => reply.attr(&NOT_KEPT, &attr),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = move |tree: &mut Tree| {
            if let Some(len) = size {
                tree.resize(ino.0, len)?;
            }
            let now = tree.time(SystemTime::now());
            let modified = mtime.map(|time| match time {
                TimeOrNow::SpecificTime(time) => tree.time(time),
                TimeOrNow::Now => now,
            });
            let attr = &mut tree.node(ino.0)?.attr;
            attr.perm = mode.map_or(attr.perm, |mode| (mode & 0o7777) as u16);
            (attr.uid, attr.gid) = (uid.unwrap_or(attr.uid), gid.unwrap_or(attr.gid));
            (attr.mtime, attr.ctime) = (modified.unwrap_or(attr.mtime), now);
            Ok(*attr)
        };
        self.answer(Op::SetAttributes, set, |done| match done {
            Ok(attr) => reply.attr(&NOT_KEPT, &attr),
            Err(errno) => reply.error(errno),
        });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let read = move |tree: &mut Tree| match &tree.node(ino.0)?.content {
            Content::Link(target) => Ok(target.clone()),
            Content::File(_) | Content::Folder(_) => Err(Errno::EINVAL),
        };
        self.answer(Op::Read, read, |done| match done {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        });
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let (name, maker) = (name.to_owned(), maker(request, mode & !umask));
        self.entry(Op::MakeFolder, reply, move |tree| {
            tree.make(parent.0, &name, Content::Folder(BTreeMap::new()), &maker)
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.empty(Op::Remove, reply, move |tree| tree.remove(parent.0, &name, false));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.empty(Op::Remove, reply, move |tree| tree.remove(parent.0, &name, true));
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let (name, maker) = (name.to_owned(), maker(request, 0o777));
        let content = Content::Link(target.as_os_str().as_bytes().to_vec());
        self.entry(Op::Create, reply, move |tree| tree.make(parent.0, &name, content, &maker));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        to_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (name, to_name) = (name.to_owned(), to_name.to_owned());
        let is_unknown = self.lacks.rename_flags && !flags.is_empty();
        let replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        self.empty(Op::Rename, reply, move |tree| {
            if is_unknown {
                Err(Errno::EINVAL)
            } else {
                tree.rename((parent.0, &name), (to.0, &to_name), replace)
            }
        });
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name.to_owned();
        self.entry(Op::Link, reply, move |tree| tree.link(ino.0, parent.0, &name));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        self.answer(
            Op::Open,
            |_| Ok(()),
            |done| match done {
                Ok(()) => reply.opened(FileHandle(0), FopenFlags::empty()),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = move |tree: &mut Tree| {
            let bytes = &tree.file(ino.0)?.0;
            let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let end = begin.saturating_add(size as usize).min(bytes.len());
            Ok(bytes[begin..end].to_vec())
        };
        self.answer(Op::Read, read, |done| match done {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        });
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (data, len) = (data.to_vec(), data.len() as u32);
        let write = move |tree: &mut Tree| tree.write(ino.0, offset, &data);
        self.answer(Op::Write, write, move |done| match done {
            Ok(()) => reply.written(len),
            Err(errno) => reply.error(errno),
        });
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.empty(Op::Flush, reply, |_| Ok(()));
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.empty(Op::Fsync, reply, |_| Ok(()));
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let list = move |tree: &mut Tree| tree.list(ino.0);
        self.answer(Op::ReadFolder, list, move |done| match done {
            Ok(entries) => {
                let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
                for (next, (ino, kind, name)) in (1..).zip(entries).skip(skipped) {
                    if reply.add(INodeNo(ino), next, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(errno),
        });
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.empty(Op::FsyncFolder, reply, |_| Ok(()));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.answer(
            Op::Space,
            |_| Ok(()),
            |done| match done {
                Ok(()) => reply.statfs(1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19, 4096, 255, 4096),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn setxattr(
        &self,
        _: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        _: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let (name, value, lacking) = (name.to_owned(), value.to_vec(), self.lacks.xattrs);
        self.empty(Op::SetAttributes, reply, move |tree| {
            let node = tree.node(ino.0)?;
            if lacking {
                return Err(Errno::ENOTSUP);
            }
            node.xattrs.insert(name, value);
            Ok(())
        });
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let (name, lacking) = (name.to_owned(), self.lacks.xattrs);
        let get = move |tree: &mut Tree| {
            if lacking {
                Err(Errno::ENOTSUP)
            } else {
                tree.node(ino.0)?.xattrs.get(&name).cloned().ok_or(Errno::ENODATA)
            }
        };
        self.answer(Op::Attributes, get, move |done| match done {
            Ok(value) => answer_xattr(reply, size, &value),
            Err(errno) => reply.error(errno),
        });
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let lacking = self.lacks.xattrs;
        let list = move |tree: &mut Tree| {
            if lacking {
                Err(Errno::ENOTSUP)
            } else {
                let names = tree.node(ino.0)?.xattrs.keys();
                Ok(names.flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect::<Vec<u8>>())
            }
        };
        self.answer(Op::Attributes, list, move |done| match done {
            Ok(names) => answer_xattr(reply, size, &names),
            Err(errno) => reply.error(errno),
        });
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_owned();
        self.empty(Op::SetAttributes, reply, move |tree| {
            tree.node(ino.0)?.xattrs.remove(&name).map(drop).ok_or(Errno::ENODATA)
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let (name, maker) = (name.to_owned(), maker(request, mode & !umask));
        let make = move |tree: &mut Tree| tree.make(parent.0, &name, Content::File(Vec::new()), &maker);
        self.answer(Op::Create, make, |done| match done {
            Ok(attr) => {
                reply.created(&NOT_KEPT, &attr, Generation(0), FileHandle(0), FopenFlags::empty());
            }
            Err(errno) => reply.error(errno),
        });
    }

    fn setlk(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: LockOwner,
        _: u64,
        _: u64,
        _: i32,
        _: u32,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.empty(Op::Lock, reply, |_| Err(Errno::ENOTSUP)); // requested only if they are unsupported
    }
}

/// The kernel requests names and attributes each time.
const NOT_KEPT: Duration = Duration::ZERO;
