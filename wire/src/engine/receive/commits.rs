//! Commits: makes waiting items durable, reports them, and sets the metadata of folders that are complete.

use super::ReceiveJob;
use crate::engine::commits::{CommitStep, PendingItem};
use crate::engine::{SettledItem, lock};
use crate::failure::{Failure, FailureCode};
use crate::receiver::FolderEntry;
use crate::store::Placed;

impl ReceiveJob {
    /// Commits waiting items, sets the folders that waited for them, and commits those too.
    pub(super) fn commit_all(&self) {
        let _active = self.active.enter(&self.changed); // to its end: what the last folders settle is acknowledged too
        while !self.commits.is_empty() {
            self.commit();
            self.set_folders();
        }
    }

    /// Makes waiting items durable, gives them their names, and reports them. To be called by active calls only, whose end
    /// makes the job acknowledge what is settled.
    pub(super) fn commit(&self) {
        let (mut steps, _turn) = self.commits.take();
        if steps.is_empty() || self.failed.get().is_some() {
            return; // staged items are discarded
        }
        let batch: Vec<_> = steps.iter_mut().filter_map(CommitStep::take_waiting).collect();
        let is_over = || self.failed.get().is_some();
        let results = if batch.is_empty() { Vec::new() } else { self.sink.commit(batch, &is_over) };
        let mut results = results.into_iter();
        // A job that has ended reports nothing more. The job that resumes it finds the files that have names, and syncs them.
        let told = if is_over() { Vec::new() } else { steps };
        for step in told {
            let mut result = || results.next().unwrap_or_else(|| Err(FailureCode::Io.into()));
            match step {
                CommitStep::Item(item) => self.committed(item, result()),
                CommitStep::Published { publish, .. } => self.published(&publish, result()),
                CommitStep::Packed { frame, failures, folders } => {
                    lock(&self.machine).packed(frame, failures, folders);
                }
                CommitStep::FoldersSet { frame, failures } => {
                    lock(&self.machine).folders_set(frame, failures)
                }
            }
        }
        self.commits.told();
        self.count_kept();
    }

    fn committed(&self, item: PendingItem, result: Result<(), Failure>) {
        let PendingItem { frame, entry, path, folder, bytes, digest, as_is, .. } = item;
        let failure = result.as_ref().err();
        let item = SettledItem { path: &path, folder, bytes, digest, as_is, failure, is_lost: false };
        self.observer.settled(&item);
        if let Err(failure) = result {
            lock(&self.machine).entries_failed(frame, vec![(entry, failure)]);
        }
    }

    /// Sets the metadata of folders whose content is final.
    pub(super) fn set_folders(&self) {
        while !self.commits.is_full() && self.failed.get().is_none() {
            let chosen = {
                let _nothing_is_discarded = lock(&self.discarding);
                lock(&self.machine).next_folders()
            };
            let Some((frame, folders)) = chosen else { return };
            let (mut failures, mut waits) = (Vec::new(), false);
            for folder in folders {
                match self.sink.folder(&folder) {
                    Ok(Placed::Pending(waiting)) => {
                        let FolderEntry { entry, path, .. } = folder;
                        let item = PendingItem {
                            frame,
                            entry,
                            path,
                            folder: true,
                            bytes: 0,
                            digest: None,
                            as_is: false,
                            waiting,
                        };
                        self.commits.add(CommitStep::Item(item));
                        waits = true;
                    }
                    Ok(Placed::Done) => self.report(&folder.path, true, 0, None, None),
                    Err(failure) => {
                        self.report(&folder.path, true, 0, None, Some(&failure));
                        failures.push((folder.entry, failure));
                    }
                }
            }
            if waits {
                self.commits.add(CommitStep::FoldersSet { frame, failures });
            } else {
                lock(&self.machine).folders_set(frame, failures);
            }
        }
    }
}
