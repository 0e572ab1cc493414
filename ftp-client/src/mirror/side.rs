//! The two sides of a comparison: a tree here or on the server, as a stream in the order of a sorted depth-first walk.
//! Neither is ever in memory as a whole: a walk has one folder's names in memory for each level, a listing a few pages.

use crate::error::Error;
use crate::local::error_at;
use crate::session::Pages;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use wire::message::{Details, Entry, PathFailure};
use wire::metadata::Kind;
use wire::store::Folder;
use wire::store::entry::{EntryFields, describe};
use wire::store::marks::Unproven;
use wire::store::walk::{Visit, Walk, WalkChoice};
use wire::{FailureCode, RemotePath};

/// The finding of a side at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SideEntry {
    /// A file, folder or link.
    Entry(Entry),
    /// Something that could not be looked at.
    Failed(PathFailure),
    /// Something that was not looked at, as the rules leave it out.
    LeftOut(RemotePath),
}

impl SideEntry {
    /// Where it is.
    pub(crate) fn path(&self) -> &RemotePath {
        match self {
            Self::Entry(entry) => &entry.path,
            Self::Failed(failed) => &failed.path,
            Self::LeftOut(path) => path,
        }
    }
}

impl SideEntry {
    /// True for what was there when its folder was listed, and is not any more.
    pub(crate) fn has_vanished(&self) -> bool {
        matches!(self, Self::Failed(failed) if failed.failure.code == FailureCode::Vanished)
    }
}

/// A tree as a stream in the order of a sorted depth-first walk.
pub(crate) trait TreeSide: Send {
    /// Returns the next finding, and `None` after the last. May block.
    fn next(&mut self) -> Result<Option<SideEntry>, Error>;
    /// Skips the entries below the folder that came last.
    fn skip(&mut self) {}
}

/// A side without entries: a target that does not exist yet.
pub(crate) struct EmptySide;

impl TreeSide for EmptySide {
    fn next(&mut self) -> Result<Option<SideEntry>, Error> {
        Ok(None)
    }
}

/// A tree of this machine.
pub(crate) struct LocalSide<'a> {
    walk: Walk,
    wish: EntryFields,
    filter: FilterFn<'a>,
    unproven: Unproven,
}

/// Tells of a path, and whether it is a folder, that it is not looked at.
type FilterFn<'a> = Box<dyn Fn(&RemotePath, bool) -> WalkChoice + Send + 'a>;

impl<'a> LocalSide<'a> {
    /// All that is in `folder`, which was found at `shown`, but for what is left out. Paths begin with `below`.
    pub(crate) fn new(
        folder: Arc<dyn Folder>,
        below: RemotePath,
        details: Details,
        leaves_out: impl Fn(&RemotePath, bool) -> bool + Send + 'a,
        shown: &Path,
    ) -> Result<Self, Error> {
        let walk = Walk::new(folder, below).map_err(|error| error_at(shown, error))?;
        let (wish, unproven) = (EntryFields { digests: None, details }, Unproven::default());
        let filter = move |path: &RemotePath, is_folder: bool| {
            if leaves_out(path, is_folder) { WalkChoice::Exclude } else { WalkChoice::Enter }
        };
        Ok(Self { walk, wish, filter: Box::new(filter), unproven })
    }

    /// The same, of which some may have been lost.
    pub(crate) fn doubting(self, unproven: Unproven) -> Self {
        Self { unproven, ..self }
    }
}

impl TreeSide for LocalSide<'_> {
    fn next(&mut self) -> Result<Option<SideEntry>, Error> {
        while let Some(visit) = self.walk.step_filtered(&*self.filter) {
            if let Visit::Excluded(path) = visit {
                return Ok(Some(SideEntry::LeftOut(path)));
            }
            match describe(&self.walk, visit, self.wish, &|| false) {
                Some(Ok(mut entry)) => {
                    self.unproven.tell(&self.walk, &mut entry);
                    return Ok(Some(SideEntry::Entry(entry)));
                }
                Some(Err(failed)) => return Ok(Some(SideEntry::Failed(failed))),
                None => {}
            }
        }
        Ok(None)
    }

    fn skip(&mut self) {
        self.walk.skip();
    }
}

/// A tree of the server.
pub(crate) struct RemoteSide {
    pages: Pages,
    below: RemotePath,
    entries: VecDeque<Entry>,
    failures: VecDeque<PathFailure>,
    last: Option<RemotePath>,
    /// The folders that hold the last one, outermost first.
    above: Vec<RemotePath>,
}

impl RemoteSide {
    /// All that comes in `pages`. Paths begin with `below`.
    pub(crate) fn new(pages: Pages, below: RemotePath) -> Self {
        Self {
            pages,
            below,
            entries: VecDeque::new(),
            failures: VecDeque::new(),
            last: None,
            above: Vec::new(),
        }
    }

    /// The order decides what is deleted, so it is not taken on trust.
    fn in_order(&mut self, mut found: SideEntry) -> Result<SideEntry, Error> {
        if !self.is_in_its_folder(&found) {
            return Err(self.pages.out_of_order());
        }
        match (&self.last, &found) {
            // A folder that could not be listed to its end: that is known only behind some of what is in it.
            (Some(last), SideEntry::Failed(failed)) if last.strip_prefix(&failed.path).is_some() => {}
            (Some(last), found) if last.cmp(found.path()) != Ordering::Less => {
                return Err(self.pages.out_of_order());
            }
            (_, found) => self.last = Some(found.path().clone()),
        }
        if !self.below.is_root() {
            let path = match &mut found {
                SideEntry::Entry(entry) => &mut entry.path,
                SideEntry::Failed(failed) => &mut failed.path,
                SideEntry::LeftOut(path) => path,
            };
            *path = self.below.join_path(path).map_err(|error| Error::remote(path, error))?;
        }
        Ok(found)
    }
}

impl RemoteSide {
    /// An entry stands behind the folder that holds it. The listed folder itself is no entry; it can only have failed.
    fn is_in_its_folder(&mut self, found: &SideEntry) -> bool {
        let path = found.path();
        let Some((parent, _)) = path.parent_and_name() else { return matches!(found, SideEntry::Failed(_)) };
        while self.above.last().is_some_and(|folder| !lies_in(parent, folder.as_bytes())) {
            self.above.pop();
        }
        let is_there = self.above.last().map_or(&b""[..], RemotePath::as_bytes) == parent;
        // What could not be looked at may have been a folder.
        if may_hold_others(found) {
            self.above.push(path.clone());
        }
        is_there
    }
}

fn may_hold_others(found: &SideEntry) -> bool {
    match found {
        SideEntry::Entry(entry) => entry.metadata.kind == Kind::Folder,
        SideEntry::Failed(_) | SideEntry::LeftOut(_) => true,
    }
}

/// True if `path` is `folder` or below it.
fn lies_in(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

impl TreeSide for RemoteSide {
    fn next(&mut self) -> Result<Option<SideEntry>, Error> {
        while self.entries.is_empty() && self.failures.is_empty() {
            let Some(page) = self.pages.next_blocking()? else { return Ok(None) };
            (self.entries, self.failures) = (page.entries.into(), page.failures.into());
        }
        let failed_first = match (self.entries.front(), self.failures.front()) {
            (Some(entry), Some(failed)) => failed.path < entry.path,
            (entry, _) => entry.is_none(),
        };
        let found = if failed_first {
            self.failures.pop_front().map(SideEntry::Failed)
        } else {
            self.entries.pop_front().map(SideEntry::Entry)
        };
        found.map(|found| self.in_order(found)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::inotify;
    use std::mem::MaybeUninit;
    use wire::store::LocalFolder;

    #[test]
    fn what_is_left_out_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("left/out")).unwrap();
        std::fs::create_dir(folder.path().join("taken")).unwrap();
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        for name in ["left", "taken"] {
            inotify::add_watch(&watch, folder.path().join(name), inotify::WatchFlags::OPEN).unwrap();
        }
        let tree = Arc::new(LocalFolder::open_ambient(folder.path()).unwrap());
        let leaves_out = |path: &RemotePath, is_folder: bool| is_folder && path.as_bytes() == b"left";
        let side = LocalSide::new(tree, RemotePath::root(), Details::default(), leaves_out, folder.path());
        let mut side = side.unwrap();
        let left = side.next().unwrap().unwrap();
        assert!(matches!(&left, SideEntry::LeftOut(path) if path.as_bytes() == b"left"), "{left:?}");
        assert_eq!(side.next().unwrap().unwrap().path().as_bytes(), b"taken");
        assert_eq!(side.next().unwrap(), None);
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&watch, &mut buffer);
        let mut opened = std::collections::BTreeSet::new();
        while let Ok(event) = events.next() {
            opened.insert(event.wd());
        }
        assert_eq!(opened.len(), 1, "only one of the two is opened");
    }
}
