//! Walks a tree in sorted depth-first order, with one folder's names in memory per level, and few folders open.

use super::descent::Descent;
use super::{Folder, NameKind, Names};
use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::metadata::{Kind, Metadata};
use crate::path::{NameRef, RemotePath};
use std::sync::Arc;

/// One step of a walk.
pub enum Visit {
    /// A folder; its content comes next, then its `Leave`.
    Enter(RemotePath, Metadata, Arc<dyn Folder>),
    /// A file, link or special file, in the folder entered last, or a folder that is not entered.
    Item(RemotePath, Metadata),
    /// All content of the folder has been visited.
    Leave(RemotePath, Metadata),
    /// An entry that could not be examined, or that has vanished since its folder was listed.
    Unreadable(RemotePath, Failure),
    /// An entry that was excluded, without examining it.
    Excluded(RemotePath),
}

/// Decides where a walk goes, by a path and by whether it is a folder. Called before the entry itself is examined, because
/// that may fail or never end: a folder of another user, a mount whose server is gone.
pub type WalkFilter<'a> = &'a dyn Fn(&RemotePath, bool) -> WalkChoice;

/// What a walk does with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkChoice {
    /// It is not examined.
    Exclude,
    /// A folder is an item, whose content is not visited.
    Item,
    /// A folder is entered.
    Enter,
}

/// A walk in progress.
pub struct Walk {
    levels: Vec<WalkLevel>,
    /// The folders of the levels.
    descent: Descent,
}

struct WalkLevel {
    path: RemotePath,
    metadata: Metadata,
    names: Names,
    next: usize,
}

impl Walk {
    /// A walk through the content of `folder`, which itself is not visited. Visited paths are below `path`.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn new(folder: Arc<dyn Folder>, path: RemotePath) -> std::io::Result<Self> {
        let metadata = folder.own_metadata()?;
        let names = folder.names()?;
        Ok(Self { levels: vec![WalkLevel { path, metadata, names, next: 0 }], descent: Descent::new(folder) })
    }

    /// The folder whose items are being visited.
    #[must_use]
    pub fn folder(&self) -> Option<&Arc<dyn Folder>> {
        self.descent.last()
    }

    /// The next visit.
    pub fn step(&mut self) -> Option<Visit> {
        self.step_filtered(&|_, _| WalkChoice::Enter)
    }

    /// The next visit of a walk that goes where `filter` lets it.
    pub fn step_filtered(&mut self, filter: WalkFilter<'_>) -> Option<Visit> {
        beat();
        let inner = self.levels.len() > 1;
        let level = self.levels.last_mut()?;
        let Some(name) = level.names.get(level.next) else {
            if let Some(failure) = level.names.take_left_out() {
                return Some(Visit::Unreadable(level.path.clone(), failure));
            }
            let WalkLevel { path, metadata, .. } = self.levels.pop()?;
            self.descent.leave();
            return inner.then_some(Visit::Leave(path, metadata));
        };
        let folder = match self.descent.open() {
            Ok(folder) => folder,
            Err(error) => {
                level.next = level.names.len(); // it was moved away, so its other names are unknown
                return Some(Visit::Unreadable(level.path.clone(), Failure::of_found(error)));
            }
        };
        let kind = level.names.kind(level.next);
        level.next += 1;
        let path = match level.path.join(name) {
            Ok(path) => path,
            Err(error) => return Some(Visit::Unreadable(level.path.clone(), error.into())),
        };
        let excludes = |is_folder: bool| filter(&path, is_folder) == WalkChoice::Exclude;
        let by_name = match kind {
            NameKind::Folder => excludes(true),
            NameKind::Other => excludes(false),
            NameKind::Unknown => excludes(true) && excludes(false),
        };
        if by_name {
            return Some(Visit::Excluded(path));
        }
        let examined = examine(&*folder, name, &|is_folder| filter(&path, is_folder));
        Some(match examined {
            Ok(Examination::Folder(metadata, folder, names)) => {
                self.descent.enter(name, folder.clone());
                self.enter(path, metadata, folder, names)
            }
            Ok(Examination::Item(metadata)) => Visit::Item(path, metadata),
            Ok(Examination::Excluded) => Visit::Excluded(path),
            Err(failure) => Visit::Unreadable(path, failure),
        })
    }

    /// Leaves the folder that was entered last, without visiting its content, and without its `Leave`.
    pub fn skip(&mut self) {
        if self.levels.len() > 1 && self.levels.last().is_some_and(|level| level.next == 0) {
            self.levels.pop();
            self.descent.leave();
        }
    }

    fn enter(
        &mut self,
        path: RemotePath,
        metadata: Metadata,
        folder: Arc<dyn Folder>,
        names: Names,
    ) -> Visit {
        self.levels.push(WalkLevel { path: path.clone(), metadata, names, next: 0 });
        Visit::Enter(path, metadata, folder)
    }
}

/// The result of examining a name.
enum Examination {
    Folder(Metadata, Arc<dyn Folder>, Names),
    Item(Metadata),
    Excluded,
}

/// Examines a name. Before a folder is opened, another entry may take its place: that is examined once more.
fn examine(
    folder: &dyn Folder,
    name: NameRef<'_>,
    filter: &dyn Fn(bool) -> WalkChoice,
) -> Result<Examination, Failure> {
    for _ in 0..LOOKS {
        let metadata = folder.metadata(name).map_err(Failure::of_found)?;
        let is_folder = metadata.kind == Kind::Folder;
        match filter(is_folder) {
            WalkChoice::Exclude => return Ok(Examination::Excluded),
            WalkChoice::Enter if is_folder => {}
            WalkChoice::Item | WalkChoice::Enter => return Ok(Examination::Item(metadata)),
        }
        let opened = folder.folder(name).and_then(|folder| Ok((folder.names()?, folder)));
        match opened.map_err(Failure::of_found) {
            Ok((names, folder)) => return Ok(Examination::Folder(metadata, folder, names)),
            Err(failure) if failure.code != FailureCode::Vanished => return Err(failure),
            Err(_) => {} // the next look shows whether an entry is there
        }
    }
    Err(FailureCode::Vanished.into())
}

/// Most looks at a name whose entry changes each time.
const LOOKS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalFolder;
    use std::fs;

    fn visits(walk: &mut Walk) -> Vec<String> {
        visits_without(walk, &|_| false)
    }

    fn visits_without(walk: &mut Walk, excludes: &dyn Fn(bool) -> bool) -> Vec<String> {
        let filter = |_: &RemotePath, is_folder: bool| {
            if excludes(is_folder) { WalkChoice::Exclude } else { WalkChoice::Enter }
        };
        let mut seen = Vec::new();
        while let Some(visit) = walk.step_filtered(&filter) {
            seen.push(match visit {
                Visit::Enter(path, ..) => format!("{path}/"),
                Visit::Item(path, _) => path.to_string(),
                Visit::Leave(path, _) => format!("{path}."),
                Visit::Unreadable(path, failure) => format!("{path}: {:?}", failure.code),
                Visit::Excluded(path) => format!("{path} is left out"),
            });
        }
        seen
    }

    #[test]
    fn what_is_removed_behind_a_walks_back_has_vanished_and_what_took_its_place_is_seen() {
        let place = tempfile::tempdir().unwrap();
        for name in ["file", "gone", "turns"] {
            fs::write(place.path().join(name), name).unwrap();
        }
        for name in ["folder", "lost"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        let folder = Arc::new(LocalFolder::open_ambient(place.path()).unwrap());
        let mut walk = Walk::new(folder, RemotePath::root()).unwrap();
        for name in ["gone", "turns"] {
            fs::remove_file(place.path().join(name)).unwrap();
        }
        for name in ["folder", "lost"] {
            fs::remove_dir(place.path().join(name)).unwrap();
        }
        fs::create_dir(place.path().join("turns")).unwrap();
        std::os::unix::fs::symlink("file", place.path().join("folder")).unwrap();
        let expected = ["/file", "/folder", "/gone: Vanished", "/lost: Vanished", "/turns/", "/turns."];
        assert_eq!(visits(&mut walk), expected);
    }

    /// A walk through a file and a folder.
    fn file_and_folder() -> (tempfile::TempDir, Walk) {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        fs::create_dir(place.path().join("folder")).unwrap();
        let folder = Arc::new(LocalFolder::open_ambient(place.path()).unwrap());
        (place, Walk::new(folder, RemotePath::root()).unwrap())
    }

    #[test]
    fn what_is_excluded_by_its_name_is_not_examined() {
        let (place, mut walk) = file_and_folder();
        fs::remove_file(place.path().join("file")).unwrap();
        fs::remove_dir(place.path().join("folder")).unwrap();
        let seen = visits_without(&mut walk, &|_| true);
        assert_eq!(seen, ["/file is left out", "/folder is left out"]);
    }

    #[test]
    fn a_name_of_unknown_kind_is_excluded_by_the_kind_that_it_turns_out_to_be() {
        for (folders, expected) in [
            (true, &["/file", "/folder is left out"][..]),
            (false, &["/file is left out", "/folder/", "/folder."]),
        ] {
            let (_place, mut walk) = file_and_folder();
            let mut names = Names::default();
            for name in [&b"file"[..], b"folder"] {
                names.push(NameRef::new(name).unwrap(), NameKind::Unknown);
            }
            walk.levels[0].names = names;
            assert_eq!(visits_without(&mut walk, &|is_folder| is_folder == folders), expected);
        }
    }

    /// Folders below `place` that this process has open.
    fn open_below(place: &std::path::Path) -> usize {
        let links =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|link| fs::read_link(link.ok()?.path()).ok());
        links.filter(|leads_to| leads_to.starts_with(place)).count()
    }

    /// A tree of `depth` folders, each with a file before and one behind the next folder.
    fn deep(depth: usize) -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        let mut folder = place.path().to_owned();
        for _ in 0..depth {
            fs::write(folder.join("a"), "").unwrap();
            fs::write(folder.join("z"), "").unwrap();
            folder.push("d");
            fs::create_dir(&folder).unwrap();
        }
        place
    }

    #[test]
    fn a_deep_tree_is_walked_to_its_end_with_few_folders_open() {
        let place = deep(250);
        let folder = Arc::new(LocalFolder::open_ambient(place.path()).unwrap());
        let mut walk = Walk::new(folder, RemotePath::root()).unwrap();
        let (mut items, mut folders, mut open) = (0, 0, 0);
        while let Some(visit) = walk.step() {
            match visit {
                Visit::Enter(..) => folders += 1,
                Visit::Item(..) => items += 1,
                Visit::Leave(..) => {}
                Visit::Unreadable(path, failure) => panic!("{path}: {failure:?}"),
                Visit::Excluded(path) => panic!("{path}"),
            }
            open = open.max(open_below(place.path()));
        }
        assert_eq!((folders, items), (250, 500));
        assert!(open <= crate::store::descent::OPEN_MAX + 3, "{open} folders were open");
    }

    #[test]
    fn a_folder_that_was_swapped_while_it_was_closed_is_not_gone_on_with() {
        let place = deep(60);
        let folder = Arc::new(LocalFolder::open_ambient(place.path()).unwrap());
        let mut walk = Walk::new(folder, RemotePath::root()).unwrap();
        let deepest = (0..60).map(|_| "d").collect::<Vec<_>>().join("/");
        while let Some(visit) = walk.step() {
            if matches!(visit, Visit::Enter(path, ..) if path.as_bytes() == deepest.as_bytes()) {
                break;
            }
        }
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("z"), "not of this tree").unwrap();
        fs::rename(place.path().join("d/d"), outside.path().join("away")).unwrap();
        std::os::unix::fs::symlink(outside.path(), place.path().join("d/d")).unwrap();
        let seen = visits(&mut walk);
        assert_eq!(seen.iter().filter(|line| line.ends_with("Vanished")).count(), 43, "{seen:?}");
        assert_eq!(seen.last().map(String::as_str), Some("/z"));
        assert!(seen.contains(&"/d/z".to_owned()) && !seen.contains(&"/d/d/z".to_owned()), "{seen:?}");
    }

    #[test]
    fn a_name_that_cannot_be_told_is_told_of_behind_all_others_of_its_folder() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        let mut names = LocalFolder::open_ambient(place.path()).unwrap().names().unwrap();
        assert!(names.take_left_out().is_none());
        for len in [256, 300] {
            names.leave_out(&vec![b'x'; len]);
        }
        let failure = names.take_left_out().unwrap();
        assert_eq!(failure.code, FailureCode::InvalidPath);
        assert!(failure.message.starts_with("2 names") && failure.message.contains("xxx…"), "{failure:?}");
        assert!(names.take_left_out().is_none());
    }
}
