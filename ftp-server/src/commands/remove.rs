//! REMOVE: removes a file, a link or a folder. A link is removed itself; nothing behind it is touched.

use super::{done, locate};
use std::io;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::disk::beat;
use wire::message::{Done, Remove};
use wire::metadata::Kind;
use wire::path::NameRef;
use wire::store::{Folder, LocalStorage};
use wire::{Failure, FailureCode};

pub(super) fn run(
    storage: &LocalStorage,
    remove: Remove,
    cancelled: &CancellationToken,
) -> Result<Done, Failure> {
    let (folder, name) = locate(storage, &remove.path)?;
    let name = NameRef::from(&name);
    match (folder.metadata(name)?.kind, remove.recursive) {
        (Kind::Folder, false) => return Err(FailureCode::IsAFolder.into()),
        (Kind::Folder, true) => remove_tree(&*folder, name, cancelled)?,
        (Kind::File | Kind::Symlink | Kind::Special, _) => folder.remove_file(name)?,
    }
    done()
}

/// Removes a folder with all that is in it, holding a handle at each level: its depth is not the stack's.
fn remove_tree(parent: &dyn Folder, name: NameRef<'_>, cancelled: &CancellationToken) -> Result<(), Failure> {
    let mut levels = vec![Level::open(parent.folder(name)?, None)?];
    while let Some(level) = levels.last_mut() {
        beat();
        if cancelled.is_cancelled() {
            return Err(FailureCode::Cancelled.into());
        }
        let Some(inner) = level.names.get(level.next) else {
            let emptied = levels.pop().and_then(|level| level.name);
            if let (Some(outer), Some(emptied)) = (levels.last(), emptied) {
                outer.folder.remove_folder((&emptied).into()).map_err(not_emptied)?;
            }
            continue;
        };
        level.next += 1;
        match level.folder.metadata(inner)?.kind {
            Kind::Folder => {
                let deeper = Level::open(level.folder.folder(inner)?, Some(inner.to_name()))?;
                levels.push(deeper);
            }
            Kind::File | Kind::Symlink | Kind::Special => level.folder.remove_file(inner)?,
        }
    }
    parent.remove_folder(name).map_err(not_emptied)
}

/// Staged files are in no listing and stay: their transfer may go on.
fn not_emptied(error: io::Error) -> Failure {
    if error.kind() != io::ErrorKind::DirectoryNotEmpty {
        return error.into();
    }
    Failure::new(
        FailureCode::NotEmpty,
        "not empty yet: an interrupted or running transfer has something hidden in it; `gc` removes what is left",
    )
}

struct Level {
    folder: Arc<dyn Folder>,
    names: wire::store::Names,
    next: usize,
    /// The folder's own name; the outermost one is removed by its caller.
    name: Option<wire::Name>,
}

impl Level {
    fn open(folder: Arc<dyn Folder>, name: Option<wire::Name>) -> Result<Self, Failure> {
        let names = folder.names()?;
        Ok(Self { folder, names, next: 0, name })
    }
}
