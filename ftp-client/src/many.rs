//! Many sources of one `put`, as one job: each becomes a name in the same folder of the server. So 5,000 names cost what a
//! folder with 5,000 files costs: packs, and no round trip for each.

use crate::error::Error;
use crate::local;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use wire::engine::{NextItems, Source, count};
use wire::message::Totals;
use wire::metadata::{Kind, Metadata};
use wire::modes::Modes;
use wire::sender::{Item, ItemKind};
use wire::store::walk::{Visit, Walk};
use wire::store::{Folder, FolderCache, LocalFolder, SourceFile};
use wire::sync::lock;
use wire::{Failure, FailureCode, Name, RemotePath};

/// A file, folder or link of this machine, and its name in the target.
#[derive(Debug, Clone)]
pub struct NamedSource {
    /// Its path here.
    pub path: PathBuf,
    /// Its name there.
    pub name: Name,
}

/// Sources of one job, in their order. Folders are sent with all that is in them, if that is asked for.
pub(crate) struct ManySource {
    sources: Arc<[NamedSource]>,
    by_name: HashMap<Vec<u8>, usize>,
    recursive: bool,
    modes: Modes,
    walking: Mutex<Walking>,
    /// Folders that were used lately, each with those below it.
    trees: Mutex<VecDeque<(usize, Arc<FolderCache>)>>,
}

/// How far the job has come.
#[derive(Default)]
struct Walking {
    next: usize,
    tree: Option<FolderWalk>,
}

/// A folder that is being walked through.
struct FolderWalk {
    walk: Walk,
    root: Item,
}

/// The kind of a source.
enum SourceKind {
    Leaf(Metadata),
    Folder(Arc<dyn Folder>),
}

impl ManySource {
    pub(crate) fn new(sources: Arc<[NamedSource]>, recursive: bool, modes: Modes) -> Self {
        let by_name =
            sources.iter().enumerate().map(|(index, source)| (source.name.as_bytes().to_vec(), index));
        Self {
            by_name: by_name.collect(),
            sources,
            recursive,
            modes,
            walking: Mutex::default(),
            trees: Mutex::default(),
        }
    }

    /// Counts files, links and bytes, telling now and then how far it is.
    pub(crate) fn count(&self, mut tell: impl FnMut(Totals)) {
        let mut totals = Totals::default();
        for (number, source) in self.sources.iter().enumerate() {
            match self.look(source) {
                Ok(SourceKind::Leaf(metadata)) => {
                    totals.files += 1;
                    totals.bytes += metadata.size;
                }
                Ok(SourceKind::Folder(folder)) => {
                    let mut below = Totals::default();
                    let counted = count(folder, |so_far| {
                        below = so_far;
                        tell(Totals {
                            files: totals.files + below.files,
                            bytes: totals.bytes + below.bytes,
                            complete: false,
                        });
                        true
                    });
                    drop(counted); // the transfer itself reports a folder that cannot be read
                    totals.files += below.files;
                    totals.bytes += below.bytes;
                }
                Err(_) => {} // likewise
            }
            if number % COUNT_STEP == 0 {
                tell(totals);
            }
        }
        tell(Totals { complete: true, ..totals });
    }

    fn look(&self, source: &NamedSource) -> io::Result<SourceKind> {
        let path = &source.path;
        if !self.recursive {
            let metadata = LocalFolder::ambient_metadata(path)?;
            return match metadata.kind {
                Kind::Folder => Err(is_a_folder().into()),
                Kind::File | Kind::Symlink | Kind::Special => Ok(SourceKind::Leaf(metadata)),
            };
        }
        let (parent, Some(name)) = local::place(path).map_err(of_local)? else {
            return Ok(SourceKind::Folder(Arc::new(LocalFolder::open_ambient(path)?)));
        };
        let parent = LocalFolder::open_ambient(&parent)?;
        let metadata = parent.metadata((&name).into())?;
        match metadata.kind {
            Kind::Folder => Ok(SourceKind::Folder(parent.folder((&name).into())?)),
            Kind::File | Kind::Symlink | Kind::Special => Ok(SourceKind::Leaf(metadata)),
        }
    }

    /// Begins with a source; returns the tree if it is a folder.
    fn begin(&self, index: usize, source: &NamedSource, items: &mut Vec<Item>) -> Option<FolderWalk> {
        let path = match RemotePath::root().join(&source.name) {
            Ok(path) => path,
            Err(error) => {
                items.push(lost(RemotePath::root(), error.into()));
                return None;
            }
        };
        let tree = match self.look(source) {
            Ok(SourceKind::Leaf(metadata)) => {
                items.push(self.present(path, metadata, FailureCode::SpecialFile));
                return None;
            }
            Ok(SourceKind::Folder(folder)) => folder.own_metadata().and_then(|metadata| {
                self.trees_lock().push_front((index, Arc::new(FolderCache::new(folder.clone()))));
                let walk = Walk::new(folder, path.clone())?;
                Ok(FolderWalk { walk, root: self.found(path.clone(), metadata) })
            }),
            Err(error) => Err(error),
        };
        tree.inspect_err(|error| items.push(lost(path, error.into()))).ok()
    }

    /// The next item of a tree; returns the tree unless it has ended.
    fn step_in(&self, mut tree: FolderWalk, items: &mut Vec<Item>) -> Option<FolderWalk> {
        match tree.walk.step() {
            Some(Visit::Enter(path, _, folder)) => {
                if let Ok((cache, below)) = self.tree_of(&path) {
                    cache.put(below.as_bytes(), folder);
                }
            }
            Some(Visit::Item(path, metadata)) => items.push(self.found(path, metadata)),
            Some(Visit::Leave(path, metadata)) => items.push(self.found(path, metadata)),
            Some(Visit::Excluded(_)) => {}
            Some(Visit::Unreadable(path, failure)) => items.push(lost(path, failure)),
            None => {
                items.push(tree.root);
                return None;
            }
        }
        Some(tree)
    }

    /// The source that a path of the job begins with, and the rest of the path.
    fn source_of(&self, path: &RemotePath) -> io::Result<(usize, RemotePath)> {
        let first = path.as_bytes().split(|byte| *byte == b'/').next().unwrap_or_default();
        let index = *self.by_name.get(first).ok_or(io::ErrorKind::NotFound)?;
        let name = RemotePath::root().join(&self.sources[index].name).map_err(Failure::from)?;
        Ok((index, path.strip_prefix(&name).unwrap_or_default()))
    }

    /// The folders of the tree that `path` is in, and the path below its root.
    fn tree_of(&self, path: &RemotePath) -> io::Result<(Arc<FolderCache>, RemotePath)> {
        let (index, below) = self.source_of(path)?;
        let known = self.trees_lock().iter().find(|known| known.0 == index).map(|known| known.1.clone());
        let cache = match known {
            Some(cache) => cache,
            None => {
                let SourceKind::Folder(folder) = self.look(&self.sources[index])? else {
                    return Err(io::ErrorKind::NotADirectory.into());
                };
                let cache = Arc::new(FolderCache::new(folder));
                self.trees_lock().push_front((index, cache.clone()));
                cache
            }
        };
        self.trees_lock().truncate(TREES_MAX);
        Ok((cache, below))
    }

    /// An item that a walk has found. A pipe, socket or device is left out; one that was asked for by its name fails.
    fn found(&self, path: RemotePath, metadata: Metadata) -> Item {
        self.present(path, metadata, FailureCode::LeftOut)
    }

    /// An item with the permissions that it is to have; `special` is the failure of a pipe, socket or device.
    fn present(&self, path: RemotePath, metadata: Metadata, special: FailureCode) -> Item {
        match metadata.kind {
            Kind::File | Kind::Folder | Kind::Symlink => {
                Item { path, kind: ItemKind::Present(self.modes.of_item(metadata)) }
            }
            Kind::Special => lost(path, special.into()),
        }
    }

    fn trees_lock(&self) -> MutexGuard<'_, VecDeque<(usize, Arc<FolderCache>)>> {
        lock(&self.trees)
    }
}

impl Source for ManySource {
    fn next_items(&self, max: usize) -> NextItems {
        let mut walking = lock(&self.walking);
        let mut items = Vec::with_capacity(max);
        while items.len() < max {
            match walking.tree.take() {
                Some(tree) => walking.tree = self.step_in(tree, &mut items),
                None => {
                    let Some(source) = self.sources.get(walking.next) else { return NextItems::Last(items) };
                    walking.tree = self.begin(walking.next, source, &mut items);
                    walking.next += 1;
                }
            }
        }
        NextItems::Some(items)
    }

    fn open(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        let (index, below) = self.source_of(path)?;
        if below.is_root() {
            return LocalFolder::open_found_file(&self.sources[index].path);
        }
        let (cache, below) = self.tree_of(path)?;
        let (parent, name) = below.parent_and_name().ok_or(io::ErrorKind::IsADirectory)?;
        cache.get(parent, false)?.open_file(name)
    }

    fn read_link(&self, path: &RemotePath) -> io::Result<Vec<u8>> {
        let (index, below) = self.source_of(path)?;
        if below.is_root() {
            let (parent, name) = local::place(&self.sources[index].path).map_err(of_local)?;
            let name = name.ok_or(io::ErrorKind::IsADirectory)?;
            return LocalFolder::open_ambient(&parent)?.read_link((&name).into());
        }
        let (cache, below) = self.tree_of(path)?;
        let (parent, name) = below.parent_and_name().ok_or(io::ErrorKind::IsADirectory)?;
        cache.get(parent, false)?.read_link(name)
    }

    fn release(&self, _: u64, _: u64) {}
}

/// The failure of a source that is a folder, where no tree is to be sent.
#[must_use]
pub fn is_a_folder() -> Failure {
    Failure::new(FailureCode::IsAFolder, "is a folder (use -r)")
}

fn lost(path: RemotePath, failure: Failure) -> Item {
    Item { path, kind: ItemKind::Unreadable(failure) }
}

fn of_local(error: Error) -> io::Error {
    if let Error::Local { source, .. } = error { source } else { io::Error::other(error.to_string()) }
}

/// Sources that are counted between two messages.
const COUNT_STEP: usize = 1024;
/// Folders among the sources whose handles stay open: what is sent is at most a window behind what is walked through.
const TREES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn sources_come_in_their_order_with_all_that_is_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("tree/inner")).unwrap();
        for name in ["file", "tree/one", "tree/inner/two"] {
            fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        let names = ["tree", "file", "missing", "link"];
        let named = |name: &str| NamedSource { path: at(name), name: Name::new(name.as_bytes()).unwrap() };
        let sources: Arc<[NamedSource]> = names.into_iter().map(named).collect();
        let source = ManySource::new(sources.clone(), true, Modes::CARRIED);
        let NextItems::Last(items) = source.next_items(64) else { panic!("these are all") };
        let paths: Vec<_> = items.iter().map(|item| item.path.to_string()).collect();
        let expected = ["/tree/inner/two", "/tree/inner", "/tree/one", "/tree", "/file", "/missing", "/link"];
        assert_eq!(paths, expected);
        assert!(
            matches!(&items[5].kind, ItemKind::Unreadable(failure) if failure.code == FailureCode::NotFound)
        );
        for item in [&items[0], &items[2], &items[4]] {
            assert!(source.open(&item.path).is_ok(), "{}", item.path);
        }
        assert_eq!(source.read_link(&items[6].path).unwrap(), b"file");
        let mut last = Totals::default();
        source.count(|totals| last = totals);
        assert_eq!((last.files, last.complete), (4, true));
        let flat = ManySource::new(sources, false, Modes::CARRIED);
        let NextItems::Last(flat) = flat.next_items(64) else { panic!("these are all") };
        assert!(
            matches!(&flat[0].kind, ItemKind::Unreadable(failure) if failure.code == FailureCode::IsAFolder)
        );
        assert!(
            matches!(&flat[3].kind, ItemKind::Present(metadata) if metadata.kind == Kind::File),
            "a link is followed"
        );
    }
}
