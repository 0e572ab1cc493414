//! Gives names after a sync, as [`Durability::Power`](crate::message::Durability::Power) requires of the receiver.
//!
//! Without it a new item gets its name as soon as it is staged, and is acknowledged then. An item that replaces another goes
//! through lines 1 to 3 and 5 here, but needs of line 2 only the part for line 3: its content is written out, so that a loss of
//! power leaves the old or the new one, never an empty file. The same applies to a large file that is written with holes: it has
//! its length before its content, and would look complete. With it items wait for each other, and go through all of these lines
//! together. State of the disk if the power fails at one of them:
//!
//! ```text
//! 1. staged files are written             each path has its old content; staged files are there, or not, or in part
//! 2. staged files are synced              the same, but staged files are complete
//! 3. they get their names                 each path has its old content or its whole new content
//! 4. folders are synced                   each path has its new content
//! 5. the items are acknowledged           items reported as done stay done
//! ```
//!
//! A batch consists of the items that arrived during the sync before, so no item waits to fill a batch, and many small
//! files share two syncs of their filesystem. A few items are synced one by one instead, which leaves other programs' data alone.
//! Folders are synced like the files in them, and the job's own one together with its parent, whether or not this job made it.
//! The folder's own metadata, set when all of its content is done, is synced in line 4 of a later batch.
//!
//! A file that stays unchanged goes through the same lines, except for its name: the program that wrote it may not have
//! synced it.
//!
//! A file that cannot be synced fails alone. If a folder or a filesystem cannot be synced, its state on the disk is unknown,
//! and a retry may succeed for no reason: from then on every item of the job fails.

use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::store::placing::{PendingCommit, StagedEntry, Unsynced};
use crate::store::{DiskFolder, Filesystems};
use std::io;
use std::sync::Arc;

/// Syncs and names a batch, and syncs the filesystems in `touched` at the end; with `None`, it only ensures that no name is on
/// the disk without its content. Returns the result of each item, and the failure after which no more items may be reported as
/// done.
pub(crate) fn commit(
    batch: Vec<PendingCommit>,
    touched: Option<Filesystems>,
    is_over: &dyn Fn() -> bool,
) -> (Vec<Result<(), Failure>>, Option<Failure>) {
    let mut batch: Vec<Option<Box<StagedEntry>>> = batch
        .into_iter()
        .map(|waiting| match waiting {
            PendingCommit::Staged(entry) => Some(entry),
            PendingCommit::Folder => None,
        })
        .collect();
    let mut results = if touched.is_some() {
        match sync_contents(&batch) {
            Ok(results) => results,
            Err(error) => {
                for item in batch.iter_mut().flatten() {
                    item.is_useless = true;
                }
                return failed(&batch, &error);
            }
        }
    } else {
        write_out_contents(&batch)
    };
    for (item, result) in batch.iter_mut().zip(&mut results) {
        let Some(item) = item else { continue };
        if result.is_ok() && is_over() {
            *result = Err(FailureCode::Cancelled.into());
            continue;
        }
        if result.is_ok() {
            *result = item.give_name();
        }
        item.is_useless = result.is_err();
    }
    let Some(touched) = touched.filter(|_| !is_over()) else {
        return (results, None); // once it is over they are not reported, and files without a name are in others' way
    };
    match sync_names(&batch, touched) {
        Ok(()) => (results, None),
        Err(error) => failed(&batch, &error),
    }
}

/// Line 2 without its wait for the filesystem's journal. An error concerns its file alone.
fn write_out_contents(batch: &[Option<Box<StagedEntry>>]) -> Vec<Result<(), Failure>> {
    let write_out = |item: &Option<Box<StagedEntry>>| {
        beat();
        item.as_ref().map_or(Ok(()), |item| Ok(item.write_out()?))
    };
    batch.iter().map(write_out).collect()
}

/// Line 2. Returns the result of each item; an error concerns all of them.
fn sync_contents(batch: &[Option<Box<StagedEntry>>]) -> io::Result<Vec<Result<(), Failure>>> {
    let few = batch.iter().flatten().count() <= HANDLES_A_COMMIT
        && !batch.iter().flatten().any(|item| matches!(item.content, Unsynced::Closed));
    if few {
        return batch.iter().map(|item| item.as_ref().map_or(Ok(Ok(())), |item| item.sync())).collect();
    }
    let mut filesystems = Filesystems::default();
    for folder in folders(batch).into_iter().filter(|folder| folder.syncs_as_a_whole()) {
        filesystems.add_disk(folder)?;
    }
    filesystems.sync()?;
    Ok(batch.iter().map(|_| Ok(())).collect())
}

/// Line 4.
fn sync_names(batch: &[Option<Box<StagedEntry>>], touched: Filesystems) -> io::Result<()> {
    let mut touched = touched;
    let named = folders(batch);
    let few = named.len() <= HANDLES_A_COMMIT;
    for folder in named {
        if touched.contains(folder)? {
            continue;
        }
        if few { folder.sync()? } else { touched.add_disk(folder)? }
    }
    touched.sync()
}

/// Returns the folders of a batch, each once; one that was opened twice may appear twice.
fn folders(batch: &[Option<Box<StagedEntry>>]) -> Vec<&Arc<dyn DiskFolder>> {
    let mut folders: Vec<&Arc<dyn DiskFolder>> = batch.iter().flatten().map(|item| &item.folder).collect();
    folders.sort_by_key(|folder| Arc::as_ptr(folder).cast::<()>());
    folders.dedup_by(|one, other| Arc::ptr_eq(one, other));
    folders
}

fn failed(
    batch: &[Option<Box<StagedEntry>>],
    error: &io::Error,
) -> (Vec<Result<(), Failure>>, Option<Failure>) {
    let failure = Failure::from(error);
    (batch.iter().map(|_| Err(failure.clone())).collect(), Some(failure))
}

/// Up to this many files or folders are synced one by one, by their open handles, which costs the disk a round trip each; more
/// are synced through their filesystem, which also writes other programs' data.
pub(crate) const HANDLES_A_COMMIT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// After a failed sync the state of the disk is unknown: each item of the batch fails, and those after it.
    #[test]
    fn a_failed_sync_fails_all_of_a_batch_and_what_comes_after_it() {
        let (results, broken) = failed(&[None, None], &io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(|result| result.as_ref().is_err_and(|f| f.code == FailureCode::NoSpace)));
        assert_eq!(broken.map(|failure| failure.code), Some(FailureCode::NoSpace));
    }
}
