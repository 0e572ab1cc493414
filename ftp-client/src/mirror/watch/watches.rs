//! The system's watches of a local tree: one for each folder that takes part, so that it tells of changes in them.
//!
//! The tree is walked here, and not by the system or a library: links are not followed, what the rules leave out costs no
//! watch and is not opened, and each folder is watched before its names are read, so that none is missed that is made
//! meanwhile. Folders that cannot be watched are remembered: somebody else has to look at them.

use super::agenda::FolderSet;
use super::mounts::Mounts;
use super::shared_agenda::SharedAgenda;
use crate::mirror::MirrorOptions;
use crate::mirror::selection::EntrySelection;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use wire::RemotePath;
use wire::path::NameRef;
use wire::store::is_staged;

/// Watches of a tree.
pub(super) struct Watches {
    root: PathBuf,
    options: MirrorOptions,
    changes: Arc<SharedAgenda>,
    /// None if the system gives no more of them.
    inotify: Option<Arc<OwnedFd>>,
    folders: BTreeMap<RemotePath, FolderWatch>,
    /// The folders of each watch; several if one folder is mounted at several places.
    paths: HashMap<i32, Vec<RemotePath>>,
    unwatched: BTreeMap<RemotePath, Errno>,
    mounts: Mounts,
    /// Which folder the root is: device and inode.
    identity: Option<(u64, u64)>,
    /// Counts the walks, so that what an earlier one found and a later one did not is known to be gone.
    walk: u64,
}

#[derive(Clone, Copy)]
struct FolderWatch {
    id: i32,
    walk: u64,
}

/// An event of the system.
struct FolderEvent {
    watch: i32,
    what: ReadFlags,
    name: Option<Box<[u8]>>,
}

/// Folders that cannot be watched, and why, for those who look at them instead.
pub(super) struct Unwatched {
    pub(super) folders: FolderSet,
    pub(super) first: Option<(RemotePath, Errno)>,
}

impl Watches {
    /// Watches the tree at `root`, as far as that can be done.
    pub(super) fn new(root: PathBuf, options: MirrorOptions, changes: Arc<SharedAgenda>) -> Self {
        let mut watches = Self {
            mounts: Mounts::new(&root),
            root,
            options,
            changes,
            inotify: None,
            folders: BTreeMap::new(),
            paths: HashMap::new(),
            unwatched: BTreeMap::new(),
            identity: None,
            walk: 0,
        };
        watches.identity = watches.identity_now();
        watches.watch(&RemotePath::root());
        watches
    }

    /// Where the system tells of changes.
    pub(super) fn inotify(&self) -> Option<Arc<OwnedFd>> {
        self.inotify.clone()
    }

    /// Watches a folder and all below it, anew where that was done before.
    pub(super) fn watch(&mut self, folder: &RemotePath) {
        if self.inotify.is_none() {
            match inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) {
                Ok(inotify) => self.inotify = Some(Arc::new(inotify)),
                Err(errno) => {
                    self.unwatched = BTreeMap::from([(RemotePath::root(), errno)]);
                    return;
                }
            }
        }
        self.walk += 1;
        remove_below(&mut self.unwatched, folder);
        let mut ahead = vec![folder.clone()];
        while let Some(folder) = ahead.pop() {
            if self.watch_one(&folder) {
                ahead.extend(self.folders_in(&folder));
            }
        }
        let walk = self.walk;
        let gone: Vec<RemotePath> = below(&self.folders, folder)
            .filter(|(_, watch)| watch.walk != walk)
            .map(|(path, _)| path.clone())
            .collect();
        gone.iter().for_each(|path| self.forget(path));
    }

    /// Watches what could not be watched before, in a folder and below.
    pub(super) fn watch_missing(&mut self, folder: &RemotePath) {
        let missing: Vec<RemotePath> = below(&self.unwatched, folder).map(|(path, _)| path.clone()).collect();
        missing.iter().for_each(|path| self.watch(path));
    }

    /// Folders that are not watched. Those that may not be read are no part of it: comparing them would fail as well.
    pub(super) fn unwatched(&self) -> Unwatched {
        let unwatched = || self.unwatched.iter().filter(|(_, errno)| **errno != Errno::ACCESS);
        Unwatched {
            folders: unwatched().map(|(path, _)| path.clone()).collect(),
            first: unwatched().next().map(|(path, errno)| (path.clone(), *errno)),
        }
    }

    /// Takes all events that the system has reported meanwhile.
    pub(super) fn take_events(&mut self) {
        loop {
            let events = self.read();
            if events.is_empty() {
                return;
            }
            let inotify = self.inotify();
            for event in events {
                let is_same =
                    self.inotify.as_ref().zip(inotify.as_ref()).is_some_and(|(a, b)| Arc::ptr_eq(a, b));
                if !is_same {
                    break; // the rest is about a tree that is watched no more
                }
                self.take(&event);
            }
        }
    }

    /// Looks for what the watches do not tell of: another root, and mounts within it.
    pub(super) fn look_around(&mut self) {
        self.look_at_root();
        for path in self.mounts.changed(&self.root) {
            let parent = path.split_last().map(|(parent, _)| parent).unwrap_or_default();
            if self.folders.contains_key(&parent) && !self.leaves_out(&path, true) {
                self.watch(&path);
                self.changes.add(path);
            }
        }
    }

    /// Looks whether the root is still the folder that is watched: it may have been renamed or replaced, or something may
    /// have been mounted on it, which no event reports.
    fn look_at_root(&mut self) {
        let identity = self.identity_now();
        if identity != self.identity {
            self.replace_root(identity);
        }
    }

    fn replace_root(&mut self, identity: Option<(u64, u64)>) {
        self.identity = identity;
        self.inotify = None; // its watches are all of the old tree
        self.folders.clear();
        self.paths.clear();
        self.unwatched.clear();
        if identity.is_some() {
            self.watch(&RemotePath::root());
        }
        self.changes.begin_anew();
    }

    /// Events of one read; none if there are no more.
    fn read(&self) -> Vec<FolderEvent> {
        let mut events = Vec::new();
        let Some(inotify) = &self.inotify else { return events };
        let mut buffer = vec![MaybeUninit::uninit(); EVENTS_LEN];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| name.to_bytes().into());
            events.push(FolderEvent { watch: event.wd(), what: event.events(), name });
            if reader.is_buffer_empty() {
                break;
            }
        }
        events
    }

    fn take(&mut self, event: &FolderEvent) {
        if event.what.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.changes.add(RemotePath::root());
            self.watch(&RemotePath::root()); // folders may have been made unseen
            return;
        }
        let paths = self.paths.get(&event.watch).cloned().unwrap_or_default();
        for folder in paths {
            match &event.name {
                Some(name) => self.take_named(&folder, name, event.what),
                None => self.take_own(folder, event),
            }
        }
    }

    /// Something happened to the watched folder itself.
    fn take_own(&mut self, folder: RemotePath, event: &FolderEvent) {
        let is_gone =
            event.what.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF);
        if folder.is_root() && is_gone {
            return self.replace_root(self.identity_now()); // one that is made again may look the same
        }
        self.changes.add(folder.clone());
        if event.what.contains(ReadFlags::IGNORED) {
            // Removed, or unmounted: then another folder shows in its place.
            self.forget(&folder);
            self.watch(&folder);
        }
    }

    /// Something happened to an entry of a watched folder.
    fn take_named(&mut self, folder: &RemotePath, name: &[u8], what: ReadFlags) {
        let is_folder = what.contains(ReadFlags::ISDIR);
        let Ok(name) = NameRef::new(name) else { return };
        let Ok(path) = folder.join(name) else { return };
        if is_staged(name) || self.leaves_out(&path, is_folder) {
            return;
        }
        if is_folder {
            let came = what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) || came {
                self.forget_below(&path);
            }
            if came || (what.contains(ReadFlags::ATTRIB) && self.unwatched.contains_key(&path)) {
                self.watch(&path);
                self.changes.add(path); // what came into it before the watch stood
            }
        }
        self.changes.add(folder.clone());
    }

    /// Watches one folder; false if it cannot be watched, or is none.
    fn watch_one(&mut self, folder: &RemotePath) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        match inotify::add_watch(inotify, self.place(folder), FLAGS) {
            Ok(id) => {
                if self.folders.get(folder).is_some_and(|known| known.id != id) {
                    self.forget(folder);
                }
                if self.folders.insert(folder.clone(), FolderWatch { id, walk: self.walk }).is_none() {
                    self.paths.entry(id).or_default().push(folder.clone());
                }
                true
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => false,
            Err(errno) => {
                self.unwatched.insert(folder.clone(), errno);
                if self.unwatched.len() > UNWATCHED_MAX {
                    self.unwatched = BTreeMap::from([(RemotePath::root(), errno)]);
                }
                false
            }
        }
    }

    /// Folders right in a folder that take part.
    fn folders_in(&self, folder: &RemotePath) -> Vec<RemotePath> {
        let Ok(entries) = std::fs::read_dir(self.place(folder)) else { return Vec::new() };
        let path_of = |entry: &std::fs::DirEntry| {
            let path = folder.join(NameRef::new(entry.file_name().as_bytes()).ok()?).ok()?;
            let is_folder =
                !self.leaves_out(&path, true) && entry.file_type().is_ok_and(|kind| kind.is_dir());
            is_folder.then_some(path)
        };
        entries.flatten().filter_map(|entry| path_of(&entry)).collect()
    }

    fn forget_below(&mut self, folder: &RemotePath) {
        let gone: Vec<RemotePath> = below(&self.folders, folder).map(|(path, _)| path.clone()).collect();
        gone.iter().for_each(|path| self.forget(path));
        remove_below(&mut self.unwatched, folder);
    }

    fn forget(&mut self, folder: &RemotePath) {
        let Some(FolderWatch { id, .. }) = self.folders.remove(folder) else { return };
        let Some(paths) = self.paths.get_mut(&id) else { return };
        paths.retain(|path| path != folder);
        if paths.is_empty() {
            self.paths.remove(&id);
            if let Some(inotify) = &self.inotify {
                let _ = inotify::remove_watch(inotify, id); // it may have gone with its folder
            }
        }
    }

    fn leaves_out(&self, path: &RemotePath, is_folder: bool) -> bool {
        EntrySelection::new(&self.options).hides(path, is_folder)
    }

    /// A slash at the end leads to what the root itself is a link to.
    fn place(&self, folder: &RemotePath) -> PathBuf {
        self.root.join(OsStr::from_bytes(folder.as_bytes()))
    }

    fn identity_now(&self) -> Option<(u64, u64)> {
        let metadata = self.root.metadata().ok().filter(std::fs::Metadata::is_dir)?;
        Some((metadata.dev(), metadata.ino()))
    }
}

/// The entries of a folder and all below it, which depth-first order puts right behind it.
fn below<'a, T>(
    known: &'a BTreeMap<RemotePath, T>,
    folder: &RemotePath,
) -> impl Iterator<Item = (&'a RemotePath, &'a T)> + use<'a, T> {
    let folder = folder.clone();
    known.range(folder.clone()..).take_while(move |(path, _)| path.strip_prefix(&folder).is_some())
}

fn remove_below<T>(known: &mut BTreeMap<RemotePath, T>, folder: &RemotePath) {
    let paths: Vec<RemotePath> = below(known, folder).map(|(path, _)| path.clone()).collect();
    for path in paths {
        known.remove(&path);
    }
}

/// The events of a folder that matter: reading in it is none.
const FLAGS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::EXCL_UNLINK)
    .union(WatchFlags::DONT_FOLLOW)
    .union(WatchFlags::ONLYDIR);
/// Room for the events of one read.
const EVENTS_LEN: usize = 64 * 1024;
/// Folders without a watch that are remembered one by one.
const UNWATCHED_MAX: usize = 4096;

#[cfg(test)]
mod tests;
