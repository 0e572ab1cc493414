//! BATCH: many small changes, one after the other. Each needs what the command that does the same by itself needs.

use super::check_root;
use crate::events::Operation;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::limits::BATCH_CHANGES_MAX;
use wire::message::{Batch, BatchDone, Change, ChangeFailure};
use wire::store::change::{Changes, mode_beside};
use wire::store::marks::Marks;
use wire::store::{Folder, FolderCache, Storage};
use wire::{Access, Failure, FailureCode, RemotePath};

pub(super) fn run(
    storage: &dyn Storage,
    batch: &Batch,
    access: Access,
    cancelled: &CancellationToken,
    operation: &Operation,
    marks: Option<Arc<Marks>>,
) -> Result<BatchDone, Failure> {
    if batch.changes.len() > BATCH_CHANGES_MAX {
        return Err(FailureCode::LimitExceeded.into());
    }
    let wants_backup = batch.backup.as_ref().filter(|_| !cancelled.is_cancelled());
    let base = storage.tree(&batch.path, batch.follow)?;
    let backup = wants_backup.map(|path| make_backup(storage, path, &*base)).transpose()?;
    let is_root = storage.is_root(&*base)?; // whatever links led there
    let changes = Changes::of_batch(batch, base, backup)?.noting(marks);
    let mut failures = Vec::new();
    for (index, change) in (0..).zip(&batch.changes) {
        let made = if cancelled.is_cancelled() {
            Err(FailureCode::Cancelled.into())
        } else if !change.needs().met_by(access) {
            Err(FailureCode::AccessDenied.into())
        } else if is_root && is_of_base(change) {
            check_root(access).and_then(|()| changes.make(change))
        } else {
            changes.make(change)
        };
        match made {
            Ok(()) => operation.changed(change),
            Err(failure) => {
                operation.item_failed(path_of(change), &failure);
                failures.push(ChangeFailure { index, failure });
            }
        }
    }
    changes.sync()?;
    if failures.len() > SENTENCES_MAX {
        failures.iter_mut().for_each(|failed| failed.failure.message.clear()); // the answer must fit a message
    }
    Ok(BatchDone { failures })
}

/// The path that a change is about.
fn path_of(change: &Change) -> &RemotePath {
    match change {
        Change::RemoveFile { path, .. }
        | Change::RemoveFolder { path }
        | Change::MakeFolder { path }
        | Change::SetMetadata { path, .. }
        | Change::Move { from: path, .. }
        | Change::SetAside { path, .. }
        | Change::HardLink { path, .. }
        | Change::SetOwner { path, .. }
        | Change::SetXattrs { path, .. }
        | Change::Sync { path, .. }
        | Change::Prune { path } => path,
    }
}

/// Failures of one answer that have a sentence each.
const SENTENCES_MAX: usize = 512;

/// True if a change is of the batch's folder itself.
fn is_of_base(change: &Change) -> bool {
    match change {
        Change::SetMetadata { path, .. } | Change::SetOwner { path, .. } | Change::SetXattrs { path, .. } => {
            path.is_root()
        }
        Change::RemoveFile { .. }
        | Change::RemoveFolder { .. }
        | Change::MakeFolder { .. }
        | Change::Move { .. }
        | Change::SetAside { .. }
        | Change::HardLink { .. }
        | Change::Sync { .. }
        | Change::Prune { .. } => false, // changes no content of it
    }
}

/// The folder for what is set aside, made if it is missing: open to no more people than what it comes from.
fn make_backup(
    storage: &dyn Storage,
    path: &RemotePath,
    base: &dyn Folder,
) -> Result<Arc<dyn Folder>, Failure> {
    let (root, mode) = (storage.folder(&RemotePath::root())?, mode_beside(base));
    Ok(FolderCache::new(root).making(move |_| mode).get(path.as_bytes(), true)?)
}
