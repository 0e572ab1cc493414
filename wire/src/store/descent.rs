//! The path from a folder down to one below it. Few of the folders on it are open at a time, so that a deep tree needs no more
//! handles than a flat one. A closed folder is opened again from the nearest open one, and must still be the same.

use super::Folder;
use crate::message::Details;
use crate::path::{Name, NameRef};
use std::io;
use std::sync::Arc;

/// A chain of folders, each inside the one before. The first stays open.
pub struct Descent {
    root: Arc<dyn Folder>,
    below: Vec<DescentStep>,
}

struct DescentStep {
    name: Name,
    state: FolderState,
}

enum FolderState {
    Open(Arc<dyn Folder>),
    /// Device and inode of the folder.
    Closed((u64, u64)),
}

impl Descent {
    /// Starts at `root`.
    #[must_use]
    pub fn new(root: Arc<dyn Folder>) -> Self {
        Self { root, below: Vec::new() }
    }

    /// Descends to `folder`, which has the name `name` in the last one.
    pub fn enter(&mut self, name: NameRef<'_>, folder: Arc<dyn Folder>) {
        self.below.push(DescentStep { name: name.to_name(), state: FolderState::Open(folder) });
        self.close_outer();
    }

    /// Ascends to the parent of the last folder.
    pub fn leave(&mut self) {
        self.below.pop();
    }

    /// Returns the last folder, if it is open.
    #[must_use]
    pub fn last(&self) -> Option<&Arc<dyn Folder>> {
        match self.below.last().map(|step| &step.state) {
            None => Some(&self.root),
            Some(FolderState::Open(folder)) => Some(folder),
            Some(FolderState::Closed(_)) => None,
        }
    }

    /// Returns the last folder, reopening it if it was closed.
    ///
    /// # Errors
    /// Of the filesystem; `NotFound` if another folder has taken its place.
    pub fn open(&mut self) -> io::Result<Arc<dyn Folder>> {
        let stays_open_from = self.below.len().saturating_sub(OPEN_MAX);
        let last_open = self.below.iter().rposition(|step| matches!(step.state, FolderState::Open(_)));
        let mut folder = self.root.clone();
        for (index, step) in self.below.iter_mut().enumerate().skip(last_open.unwrap_or(0)) {
            match &step.state {
                FolderState::Open(open) => folder = open.clone(),
                FolderState::Closed(key) => {
                    folder = folder.folder((&step.name).into())?;
                    if key_of(&*folder)? != Some(*key) {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    if index >= stays_open_from {
                        step.state = FolderState::Open(folder.clone());
                    }
                }
            }
        }
        Ok(folder)
    }

    /// Closes all but the last few; a folder that could not be recognised again stays open.
    fn close_outer(&mut self) {
        let outer = self.below.len().saturating_sub(OPEN_MAX);
        for step in self.below[..outer].iter_mut().rev() {
            let FolderState::Open(folder) = &step.state else { break };
            if let Ok(Some(key)) = key_of(&**folder) {
                step.state = FolderState::Closed(key);
            }
        }
    }
}

/// Device and inode.
fn key_of(folder: &dyn Folder) -> io::Result<Option<(u64, u64)>> {
    let links = Details { links: true, ..Details::default() };
    Ok(folder.details(None, links)?.file.map(|file| (file.device, file.inode)))
}

/// Most folders open at a time: most trees are less deep, and a common limit of 1,024 open files is enough for many walks.
pub const OPEN_MAX: usize = 16;
