//! The steps of a job that wait for a commit, with their memory and handles.

use super::lock;
use crate::checksum::Digest;
use crate::failure::Failure;
use crate::ids::FrameNo;
use crate::path::RemotePath;
use crate::receiver::{FolderEntry, Publish, failure_kept_len, file_kept_len, folder_kept_len};
use crate::store::{HANDLES_A_COMMIT, PendingCommit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// The steps that wait for a commit, in the order in which they are to be reported.
#[derive(Default)]
pub(super) struct Commits {
    queue: Mutex<CommitQueue>,
    turn: Mutex<()>,
    /// Memory of the steps in the batch that is being committed.
    taken: AtomicUsize,
}

#[derive(Default)]
struct CommitQueue {
    steps: Vec<CommitStep>,
    /// Small files with open handles; 0 once there were too many.
    handles: usize,
    many: bool,
    /// Changes of folder from one item to the next: at least the number of folders.
    folders: usize,
    last_folder: Option<usize>,
    /// A file that stays open has been added since the last change of folder.
    is_held: bool,
    /// Bytes of memory of the steps.
    kept: usize,
}

/// A step to take once everything before it is durable.
pub(super) enum CommitStep {
    /// Report an item.
    Item(PendingItem),
    /// A pack's other items are settled.
    Packed { frame: FrameNo, failures: Vec<(u32, Failure)>, folders: Vec<FolderEntry> },
    /// A frame's folders are set.
    FoldersSet { frame: FrameNo, failures: Vec<(u32, Failure)> },
    /// A large file is in its place.
    Published { publish: Publish, waiting: PendingCommit },
}

/// An item of a pack, and the report about it.
pub(super) struct PendingItem {
    pub(super) frame: FrameNo,
    pub(super) entry: u32,
    pub(super) path: RemotePath,
    pub(super) folder: bool,
    pub(super) bytes: u64,
    pub(super) digest: Option<Digest>,
    pub(super) as_is: bool,
    pub(super) waiting: PendingCommit,
}

impl Commits {
    pub(super) fn add(&self, mut step: CommitStep) {
        let mut queue = lock(&self.queue);
        if let CommitStep::Item(PendingItem { waiting: PendingCommit::Staged(item), .. })
        | CommitStep::Published { waiting: PendingCommit::Staged(item), .. } = &mut step
        {
            let folder = item.folder_id();
            if queue.last_folder.replace(folder) != Some(folder) {
                queue.folders += 1;
                queue.is_held = false;
            }
            queue.handles += 1;
            queue.is_held = queue.is_held || item.keep_open();
        }
        queue.kept += step.kept_len();
        queue.steps.push(step);
        if queue.many {
            if let Some(step) = queue.steps.last_mut() {
                step.close_small();
            }
        } else if queue.handles > HANDLES_A_COMMIT {
            queue.many = true;
            for step in &mut queue.steps {
                step.close_small();
            }
        }
    }

    /// Takes all waiting steps. No other commit can run while the second value lives.
    pub(super) fn take(&self) -> (Vec<CommitStep>, MutexGuard<'_, ()>) {
        let turn = lock(&self.turn);
        let mut queue = lock(&self.queue);
        self.taken.store(queue.kept, Ordering::Relaxed);
        (std::mem::take(&mut *queue).steps, turn)
    }

    /// Records that the steps taken last have been reported.
    pub(super) fn told(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// Returns the approximate memory of all steps in bytes.
    pub(super) fn kept(&self) -> usize {
        lock(&self.queue).kept + self.taken.load(Ordering::Relaxed)
    }

    /// Takes all waiting steps that will not be committed.
    pub(super) fn take_all(&self) -> Vec<CommitStep> {
        std::mem::take(&mut *lock(&self.queue)).steps
    }

    /// True if no step is waiting.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.queue).steps.is_empty()
    }

    /// True once the next batch should not grow: it uses memory and open folders.
    pub(super) fn is_full(&self) -> bool {
        let queue = lock(&self.queue);
        queue.steps.len() >= STEPS_MAX || queue.folders >= FOLDERS_MAX || queue.kept >= KEPT_MAX
    }
}

impl CommitStep {
    /// Takes the part of the step that is to be committed before it.
    pub(super) fn take_waiting(&mut self) -> Option<PendingCommit> {
        match self {
            Self::Item(PendingItem { waiting, .. }) | Self::Published { waiting, .. } => {
                Some(std::mem::replace(waiting, PendingCommit::Folder))
            }
            Self::Packed { .. } | Self::FoldersSet { .. } => None,
        }
    }

    fn kept_len(&self) -> usize {
        match self {
            Self::Item(item) => waiting_kept_len(item.path.as_bytes().len()),
            Self::Published { publish, .. } => file_kept_len(publish.announcement().path.as_bytes().len()),
            Self::Packed { failures, folders, .. } => {
                let folders = folders.iter().map(|folder| folder_kept_len(folder.path.as_bytes().len()));
                folders.sum::<usize>() + failures_kept_len(failures)
            }
            Self::FoldersSet { failures, .. } => failures_kept_len(failures),
        }
    }

    /// Closes small files. Large files keep their handles, since few of them are open at a time.
    fn close_small(&mut self) {
        if let Self::Item(PendingItem { waiting: PendingCommit::Staged(item), .. }) = self {
            item.close();
        }
    }
}

fn failures_kept_len(failures: &[(u32, Failure)]) -> usize {
    failures.iter().map(|(_, failure)| failure_kept_len(failure)).sum()
}

/// Returns the approximate memory of an item that waits for a sync.
pub(super) fn waiting_kept_len(path_len: usize) -> usize {
    512 + path_len
}
/// Most steps of a batch: about a megabyte of memory.
const STEPS_MAX: usize = 4096;
/// The same bound in bytes, for paths of any length.
const KEPT_MAX: usize = 2 * 1024 * 1024;
/// Most folders that a batch keeps open, each with a file, compared to a limit of 1,024 files. Twice as many are open while the
/// next batch gathers.
const FOLDERS_MAX: usize = 64;

#[cfg(test)]
mod tests;
