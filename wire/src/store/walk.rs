//! Walking a tree in sorted depth-first order, one folder's names in memory for each level.

use super::{Folder, NameKind, Names};
use crate::disk::beat;
use crate::failure::Failure;
use crate::metadata::{Kind, Metadata};
use crate::path::RemotePath;
use std::sync::Arc;

/// What a walk meets.
pub enum Visit {
    /// A folder; what is in it comes next, then its `Leave`.
    Enter(RemotePath, Metadata, Arc<dyn Folder>),
    /// A file, link or special file, in the folder that was entered last.
    Item(RemotePath, Metadata),
    /// All that is in the folder has been visited.
    Leave(RemotePath, Metadata),
    /// Something that could not be looked at.
    Lost(RemotePath, Failure),
    /// Something that was to be left out: it was not looked at.
    LeftOut(RemotePath),
}

/// Tells what a walk leaves out, by its path and by whether it is a folder. It comes before any look at the entry itself, as
/// that may fail or never end: a folder of another user, a mount whose server is gone.
pub type LeavesOut<'a> = &'a dyn Fn(&RemotePath, bool) -> bool;

/// A walk under way.
pub struct Walk {
    levels: Vec<Level>,
}

struct Level {
    path: RemotePath,
    metadata: Metadata,
    folder: Arc<dyn Folder>,
    names: Names,
    next: usize,
}

impl Walk {
    /// A walk through all that is in `folder`, which itself is not visited. Visited paths are below `path`.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn new(folder: Arc<dyn Folder>, path: RemotePath) -> std::io::Result<Self> {
        let metadata = folder.own_metadata()?;
        let names = folder.names()?;
        Ok(Self { levels: vec![Level { path, metadata, folder, names, next: 0 }] })
    }

    /// The folder whose items are being visited.
    #[must_use]
    pub fn folder(&self) -> Option<&Arc<dyn Folder>> {
        self.levels.last().map(|level| &level.folder)
    }

    /// The next visit.
    pub fn step(&mut self) -> Option<Visit> {
        self.step_but(&|_, _| false)
    }

    /// The next visit of a walk that leaves something out.
    pub fn step_but(&mut self, leaves_out: LeavesOut<'_>) -> Option<Visit> {
        beat();
        let inner = self.levels.len() > 1;
        let level = self.levels.last_mut()?;
        let Some(name) = level.names.get(level.next) else {
            let Level { path, metadata, .. } = self.levels.pop()?;
            return inner.then_some(Visit::Leave(path, metadata));
        };
        let told = level.names.kind(level.next);
        level.next += 1;
        let path = match level.path.join(name) {
            Ok(path) => path,
            Err(error) => return Some(Visit::Lost(level.path.clone(), error.into())),
        };
        let by_name = match told {
            NameKind::Folder => leaves_out(&path, true),
            NameKind::Other => leaves_out(&path, false),
            NameKind::Unknown => leaves_out(&path, true) && leaves_out(&path, false),
        };
        if by_name {
            return Some(Visit::LeftOut(path));
        }
        match level.folder.metadata(name) {
            Ok(metadata) if leaves_out(&path, metadata.kind == Kind::Folder) => Some(Visit::LeftOut(path)),
            Ok(metadata) if metadata.kind == Kind::Folder => {
                let opened = level.folder.folder(name).and_then(|folder| Ok((folder.names()?, folder)));
                Some(self.enter(path, metadata, opened))
            }
            Ok(metadata) => Some(Visit::Item(path, metadata)),
            Err(error) => Some(Visit::Lost(path, error.into())),
        }
    }

    /// Leaves the folder that was entered last, without a look at what is in it, and without its `Leave`.
    pub fn skip(&mut self) {
        if self.levels.len() > 1 && self.levels.last().is_some_and(|level| level.next == 0) {
            self.levels.pop();
        }
    }

    /// The next visit of a walk that enters no folder: each is an item.
    pub fn step_flat(&mut self) -> Option<Visit> {
        beat();
        let level = self.levels.last_mut()?;
        let name = level.names.get(level.next)?;
        level.next += 1;
        Some(match (level.path.join(name), level.folder.metadata(name)) {
            (Ok(path), Ok(metadata)) => Visit::Item(path, metadata),
            (Ok(path), Err(error)) => Visit::Lost(path, error.into()),
            (Err(error), _) => Visit::Lost(level.path.clone(), error.into()),
        })
    }

    fn enter(
        &mut self,
        path: RemotePath,
        metadata: Metadata,
        opened: std::io::Result<(Names, Arc<dyn Folder>)>,
    ) -> Visit {
        match opened {
            Ok((names, folder)) => {
                self.levels.push(Level {
                    path: path.clone(),
                    metadata,
                    folder: folder.clone(),
                    names,
                    next: 0,
                });
                Visit::Enter(path, metadata, folder)
            }
            Err(error) => Visit::Lost(path, error.into()),
        }
    }
}
