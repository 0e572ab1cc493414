//! RENAME: gives something another name, in one step of the filesystem.

use super::{done, locate};
use crate::events::Operation;
use wire::message::{Done, Rename};
use wire::metadata::{Kind, Metadata};
use wire::store::{Capability, Storage, disk_folder, is_respelling, respell};
use wire::{Failure, FailureCode};

pub(super) fn run(storage: &dyn Storage, rename: Rename, operation: &Operation) -> Result<Done, Failure> {
    if rename.replace {
        storage.capabilities().require(Capability::AtomicReplace)?;
    }
    let (from, from_name) = locate(storage, &rename.from)?;
    // Where upper and lower case are one name, a new spelling leads to what is to be renamed.
    if let Ok((to, to_name)) = locate(storage, &rename.to)
        && is_respelling((&*from, (&from_name).into()), (&*to, (&to_name).into()))?
    {
        operation.set_target(&rename.to);
        respell(&*from, (&from_name).into(), (&to_name).into())?;
        return done();
    }
    let within = rename.into.filter(|_| {
        let target = storage.metadata(&rename.to);
        target.is_ok_and(|target| target.kind == Kind::Folder)
    });
    let target = match within {
        Some(name) => rename.to.join(&name)?,
        None => rename.to,
    };
    operation.set_target(&target);
    if target.strip_prefix(&rename.from).is_some_and(|below| !below.is_root()) {
        return Err(Failure::new(FailureCode::InvalidPath, "a folder cannot be moved into itself"));
    }
    let (to, to_name) = locate(storage, &target)?;
    let is_file = |found: std::io::Result<Metadata>| found.is_ok_and(|found| found.kind == Kind::File);
    if rename.replace
        && let Some(from) = disk_folder(&from)
        && is_file(to.metadata((&to_name).into()))
        && is_file(from.metadata((&from_name).into()))
    {
        from.write_out((&from_name).into())?; // it may have been sent a moment ago, and what it replaces be on the disk
    }
    from.rename((&from_name).into(), &*to, (&to_name).into(), rename.replace)?;
    done()
}
