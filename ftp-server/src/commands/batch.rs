//! BATCH: many small changes, one after the other. Each needs what the command that does the same by itself needs.

use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::command::needs_of;
use wire::limits::BATCH_CHANGES_MAX;
use wire::message::{Batch, BatchDone, ChangeFailure};
use wire::store::change::Changes;
use wire::store::{Folder, FolderCache, LocalStorage, Storage};
use wire::{Access, Failure, FailureCode, RemotePath};

pub(super) fn run(
    storage: &LocalStorage,
    batch: &Batch,
    access: Access,
    cancelled: &CancellationToken,
) -> Result<BatchDone, Failure> {
    if batch.changes.len() > BATCH_CHANGES_MAX {
        return Err(FailureCode::LimitExceeded.into());
    }
    let backup = batch.backup.as_ref().map(|path| make_backup(storage, path)).transpose()?;
    let changes = Changes::new(storage.folder(&batch.path)?, backup, super::MODE_MASK, batch.durability);
    let mut failures = Vec::new();
    for (index, change) in (0..).zip(&batch.changes) {
        let made = match (cancelled.is_cancelled(), needs_of(change).met_by(access)) {
            (true, _) => Err(FailureCode::Cancelled.into()),
            (_, false) => Err(FailureCode::AccessDenied.into()),
            (false, true) => changes.make(change),
        };
        failures.extend(made.err().map(|failure| ChangeFailure { index, failure }));
    }
    changes.sync()?;
    if failures.len() > SENTENCES_MAX {
        failures.iter_mut().for_each(|failed| failed.failure.message.clear()); // the answer must fit a message
    }
    Ok(BatchDone { failures })
}

/// Failures of one answer that have a sentence each.
const SENTENCES_MAX: usize = 512;

/// The folder for what is set aside, made if it is missing.
fn make_backup(storage: &LocalStorage, path: &RemotePath) -> Result<Arc<dyn Folder>, Failure> {
    let root = storage.folder(&RemotePath::root())?;
    Ok(FolderCache::new(root).get(path.as_bytes(), true)?)
}
