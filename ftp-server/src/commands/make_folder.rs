//! MKDIR: makes a folder, with `parents` all that are missing above it.

use super::{done, locate};
use crate::events::Operation;
use std::io::ErrorKind;
use wire::message::{Done, MakeFolder};
use wire::metadata::Kind;
use wire::modes::PERMISSIONS;
use wire::store::Storage;
use wire::{Failure, FailureCode, RemotePath};

pub(super) fn run(storage: &dyn Storage, make: MakeFolder, operation: &Operation) -> Result<Done, Failure> {
    let made = || operation.count(|counts| counts.folders += 1);
    if !make.parents {
        let (folder, name) = locate(storage, &make.path)?;
        folder.make_folder((&name).into(), PERMISSIONS)?;
        made();
        return done();
    }
    let mut path = RemotePath::root();
    for name in make.path.names() {
        path = path.join(name)?;
        let (folder, name) = locate(storage, &path)?;
        match folder.make_folder((&name).into(), PERMISSIONS) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
            Ok(()) => made(),
        }
    }
    match storage.metadata(&make.path)?.kind {
        Kind::Folder => done(),
        Kind::File | Kind::Symlink | Kind::Special => Err(FailureCode::NotAFolder.into()),
    }
}
