//! SPACE: how much room the filesystem below a path has.

use wire::Failure;
use wire::message::{Space, SpaceReport};
use wire::metadata::Kind;
use wire::store::Storage;

pub(super) fn run(storage: &dyn Storage, space: Space) -> Result<SpaceReport, Failure> {
    let folder = match storage.metadata(&space.path)?.kind {
        Kind::Folder => storage.folder(&space.path)?,
        Kind::File | Kind::Symlink | Kind::Special => super::locate(storage, &space.path)?.0,
    };
    Ok(folder.space()?)
}
