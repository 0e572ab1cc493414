//! REMOVE: removes a file, a link or a folder. A link is removed itself; nothing behind it is touched.

use super::{done, locate};
use crate::events::Operation;
use std::io;
use tokio_util::sync::CancellationToken;
use wire::disk::beat;
use wire::message::{Done, Remove};
use wire::metadata::Kind;
use wire::path::NameRef;
use wire::store::descent::Descent;
use wire::store::{Folder, Storage};
use wire::{Failure, FailureCode};

pub(super) fn run(
    storage: &dyn Storage,
    remove: Remove,
    cancelled: &CancellationToken,
    operation: &Operation,
) -> Result<Done, Failure> {
    let removed = Removed(operation);
    let (folder, name) = locate(storage, &remove.path)?;
    let name = NameRef::from(&name);
    match (folder.metadata(name)?.kind, remove.recursive) {
        (Kind::Folder, false) => return Err(FailureCode::IsAFolder.into()),
        (Kind::Folder, true) => remove_tree(&*folder, name, cancelled, &removed)?,
        (Kind::File | Kind::Symlink | Kind::Special, _) => removed.file(folder.remove_file(name))?,
    }
    done()
}

/// Removes a folder with all that is in it: its depth is neither the stack's nor that of open folders.
fn remove_tree(
    parent: &dyn Folder,
    name: NameRef<'_>,
    cancelled: &CancellationToken,
    removed: &Removed<'_>,
) -> Result<(), Failure> {
    let folder = parent.folder(name)?;
    let mut levels = vec![RemovalFrame::of(&*folder, None)?];
    let mut descent = Descent::new(folder);
    while let Some(level) = levels.last_mut() {
        beat();
        if cancelled.is_cancelled() {
            return Err(FailureCode::Cancelled.into());
        }
        let Some(inner) = level.names.get(level.next) else {
            let emptied = levels.pop().and_then(|level| level.name);
            descent.leave();
            if let Some(emptied) = emptied {
                let outer = descent.open().map_err(moved)?;
                removed.folder(outer.remove_folder((&emptied).into()).or_else(gone))?;
            }
            continue;
        };
        level.next += 1;
        let folder = descent.open().map_err(moved)?;
        let deeper = match folder.metadata(inner).map(|found| found.kind) {
            Ok(Kind::Folder) => folder.folder(inner).map(Some),
            Ok(Kind::File | Kind::Symlink | Kind::Special) => {
                removed.file(folder.remove_file(inner)).map(|()| None)
            }
            Err(error) => Err(error),
        };
        match deeper {
            Ok(Some(folder)) => {
                let deeper = RemovalFrame::of(&*folder, Some(inner.to_name()))?;
                descent.enter(inner, folder);
                levels.push(deeper);
            }
            Ok(None) => {}
            Err(error) => gone(error)?,
        }
    }
    removed.folder(parent.remove_folder(name).or_else(gone))
}

/// Counts what is gone, also where the rest stays.
struct Removed<'a>(&'a Operation);

impl Removed<'_> {
    fn file(&self, result: io::Result<()>) -> io::Result<()> {
        result.inspect(|()| self.0.count(|counts| counts.files += 1))
    }

    fn folder(&self, result: io::Result<()>) -> Result<(), Failure> {
        result.inspect(|()| self.0.count(|counts| counts.folders += 1)).map_err(not_emptied)
    }
}

/// Takes an item that somebody else has removed meanwhile for removed.
fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Staged files are in no listing and stay: their transfer may go on.
fn not_emptied(error: io::Error) -> Failure {
    if error.kind() != io::ErrorKind::DirectoryNotEmpty {
        return error.into();
    }
    Failure::new(
        FailureCode::NotEmpty,
        "not empty yet: it has hidden files of an interrupted or running transfer; `gc` removes those of interrupted ones",
    )
}

/// A folder on the way down was moved away, or another one has its place: what is in that is not to go.
fn moved(error: io::Error) -> Failure {
    match gone(error) {
        Ok(()) => FailureCode::Drifted.into(),
        Err(error) => error.into(),
    }
}

struct RemovalFrame {
    names: wire::store::Names,
    next: usize,
    /// The folder's own name; the outermost one is removed by its caller.
    name: Option<wire::Name>,
}

impl RemovalFrame {
    /// The names in `folder`. If there are some that cannot be removed, all stays.
    fn of(folder: &dyn Folder, name: Option<wire::Name>) -> Result<Self, Failure> {
        let mut names = folder.names()?;
        match names.take_left_out() {
            Some(failure) => Err(failure),
            None => Ok(Self { names, next: 0, name }),
        }
    }
}
