//! SETMETA: changes modification time and permissions; can make an empty file, as touch does.

use super::{check_root, done, locate};
use std::io::ErrorKind;
use wire::message::{Done, SetMetadata};
use wire::metadata::MODE_BITS;
use wire::store::{STREAM_MODE, Storage};
use wire::{Access, Failure, FailureCode};

pub(super) fn run(storage: &dyn Storage, set: SetMetadata, access: Access) -> Result<Done, Failure> {
    let time_ok = set.modified.is_none_or(|time| time.nanos < 1_000_000_000);
    if !time_ok || set.mode.is_some_and(|mode| mode & !MODE_BITS != 0) {
        return Err(FailureCode::BadMessage.into());
    }
    storage.capabilities().require_metadata(set.modified, set.mode)?;
    if set.path.is_root() {
        check_root(access)?;
        storage.folder(&set.path)?.set_own_metadata(set.modified, set.mode)?;
        return done();
    }
    let (folder, name) = locate(storage, &set.path)?;
    if set.create
        && matches!(folder.metadata((&name).into()), Err(error) if error.kind() == ErrorKind::NotFound)
    {
        match folder.make_file((&name).into(), STREAM_MODE) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    folder.set_metadata((&name).into(), set.modified, set.mode)?;
    done()
}
