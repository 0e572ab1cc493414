//! Names that come after a sync: what [`Durability::Power`](crate::message::Durability::Power) adds to receiving.
//!
//! Without it an item that is new has its name as soon as it is staged, and is acknowledged then. One that replaces another goes through
//! lines 1 to 3 and 5 here, and of line 2 only what line 3 needs: its content is written out, so that a loss of power leaves the old one or the
//! new one, and never nothing for both. So does a large file that is written with holes: it has its length before its content, and
//! would look whole. With it items wait for each other, and go through all of these lines together. What is on the disk if the power
//! fails at one of them:
//!
//! ```text
//! 1. staged files are written             each path has its old content; staged files are there, or not, or in part
//! 2. staged files are synced              the same, but what is staged is whole
//! 3. they get their names                 each path has its old content or its whole new content
//! 4. folders are synced                   each path has its new content
//! 5. the items are acknowledged           what was told to be done stays done
//! ```
//!
//! A batch is whatever came while the one before was being synced, so nobody waits for company, and many small files share
//! two syncs of their filesystem. A few items are synced one by one instead, which leaves other programs' data alone.
//! Folders are synced as the files in them are, and the job's own one with the folder above it, whoever made it.
//! The folder's own metadata, set when all that is in it is done, is synced in line 4 of a later batch.
//!
//! What is left as it is goes through the same lines, but for its name: whoever wrote it may not have synced it.
//!
//! A file that cannot be synced fails alone. If a folder or a filesystem cannot be synced, nobody knows what of it is on
//! the disk, and trying again may succeed without a reason: from then on every item of the job fails.

use super::admission::Admission;
use super::lock;
use crate::checksum::Digest;
use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::path::{Name, NameRef, RemotePath};
use crate::receiver::{FolderEntry, Publish, failure_kept_len, file_kept_len, folder_kept_len};
use crate::store::{Filesystems, Folder, StagedName, TargetFile, sync};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What became of an item that a sink took.
pub enum Placed {
    /// It is in its place.
    Done,
    /// It is in its place when [`Sink::commit`](super::Sink::commit) says so.
    Waiting(Waiting),
}

/// An item that waits for a sync.
pub enum Waiting {
    /// A file or link that is staged. Dropping it discards it.
    Named(Box<Unnamed>),
    /// A folder whose metadata was set; its filesystem is to be synced.
    Folder,
}

/// A file or link that is staged and has no name yet.
pub struct Unnamed {
    pub(super) folder: Arc<dyn Folder>,
    pub(super) staged: StagedName,
    pub(super) name: Name,
    /// None for what stays as it is.
    pub(super) admission: Option<Admission>,
    pub(super) content: Unsynced,
    /// It has a journal, which tells of nothing any more once the file has its name.
    pub(super) journal: bool,
    pub(super) is_named: bool,
    /// Nothing of it is of use to the next run: it could not be synced, or may not have its name.
    pub(super) is_useless: bool,
    /// Its handle stays open where those of others are closed.
    pub(super) stays_open: bool,
}

/// What of it is to be synced.
pub(super) enum Unsynced {
    /// A file, whose handle is open.
    File(Arc<dyn TargetFile>),
    /// A link, which has no handle.
    Link,
    /// A file whose handle was closed, since there are many; where its filesystem is not synced as a whole, it was synced by itself
    /// when it had been written. Another one of its folder is open, and so locked, until all of the
    /// batch have their names: by that others can tell that files of the folder are in use.
    Closed,
    /// What stays as it is has its name; an earlier run may have given it that without a sync.
    Kept,
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if self.is_named {
            return;
        }
        if let Unsynced::File(file) = &self.content
            && self.journal
            && !self.is_useless
            && file.make_private().is_ok()
        {
            return; // all of it is there, and its journal tells so: the next run need not send it
        }
        let _ = self.folder.remove_staged(&self.staged); // nobody is left to be told
        self.remove_journal();
    }
}

impl Unnamed {
    /// What is called `name` already, and stays: it is skipped once it is durable.
    pub(super) fn kept(folder: Arc<dyn Folder>, name: Name) -> io::Result<Self> {
        if !folder.syncs_as_a_whole() {
            sync::entry(&*folder, (&name).into())?;
        }
        let staged = StagedName::new(); // there is none
        let (content, is_named) = (Unsynced::Kept, true);
        Ok(Self {
            folder,
            staged,
            name,
            admission: None,
            content,
            journal: false,
            is_named,
            is_useless: false,
            stays_open: false,
        })
    }

    fn remove_journal(&self) {
        if self.journal {
            let _ = self.folder.remove_journal(&self.staged); // it is found later as what it is
        }
    }

    /// Syncs its content. On a filesystem that is not synced as a whole, files were synced when they had been written: in the lanes, many
    /// at a time. A file's failure is its own; an error of a folder or a filesystem is about all of the batch.
    fn sync(&self) -> io::Result<Result<(), Failure>> {
        let of_file = |synced: io::Result<()>| Ok(synced.map_err(Failure::from));
        match &self.content {
            _ if !self.folder.syncs_as_a_whole() => Ok(Ok(())), // what a link is, its folder tells, and that is synced with the names
            Unsynced::File(file) => of_file(file.sync()),
            Unsynced::Link => self.folder.sync().map(Ok),
            Unsynced::Closed => self.folder.sync_filesystem().map(Ok),
            Unsynced::Kept => of_file(sync::entry(&*self.folder, (&self.name).into())),
        }
    }

    /// On such a filesystem a file is on the disk when it has been finished.
    fn write_out(&self) -> io::Result<()> {
        match &self.content {
            Unsynced::File(file) => file.write_out(),
            Unsynced::Closed => {
                self.folder.write_out(NameRef::new(self.staged.as_bytes()).map_err(Failure::from)?)
            }
            Unsynced::Link | Unsynced::Kept => Ok(()),
        }
    }

    fn give_name(&mut self) -> Result<(), Failure> {
        let Some(admission) = &self.admission else { return Err(FailureCode::Skipped.into()) };
        admission.publish(&*self.folder, &self.staged, (&self.name).into())?;
        self.is_named = true;
        self.remove_journal();
        Ok(())
    }
}

/// Syncs and names a batch, and syncs the filesystems in `touched` at the end; without these, it is enough that no name is on the disk
/// without its content. The result of each item, and the failure after which nothing more may be told to be done.
pub(super) fn commit(
    batch: Vec<Waiting>,
    touched: Option<Filesystems>,
    is_over: &dyn Fn() -> bool,
) -> (Vec<Result<(), Failure>>, Option<Failure>) {
    let mut batch: Vec<Option<Box<Unnamed>>> = batch
        .into_iter()
        .map(|waiting| match waiting {
            Waiting::Named(unnamed) => Some(unnamed),
            Waiting::Folder => None,
        })
        .collect();
    let mut results = match touched.is_some() {
        false => write_out_contents(&batch),
        true => match sync_contents(&batch) {
            Ok(results) => results,
            Err(error) => {
                batch.iter_mut().flatten().for_each(|item| item.is_useless = true);
                return failed(&batch, &error);
            }
        },
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
        return (results, None); // once it is over nobody is told of them, and what has no name is in others' way
    };
    match sync_names(&batch, touched) {
        Ok(()) => (results, None),
        Err(error) => failed(&batch, &error),
    }
}

/// Line 2 without its wait for the filesystem's journal. An error is about its file alone.
fn write_out_contents(batch: &[Option<Box<Unnamed>>]) -> Vec<Result<(), Failure>> {
    let write_out = |item: &Option<Box<Unnamed>>| {
        beat();
        item.as_ref().map_or(Ok(()), |item| Ok(item.write_out()?))
    };
    batch.iter().map(write_out).collect()
}

/// Line 2. The result of each item; an error is about all of them.
fn sync_contents(batch: &[Option<Box<Unnamed>>]) -> io::Result<Vec<Result<(), Failure>>> {
    let few = batch.iter().flatten().count() <= FEW
        && !batch.iter().flatten().any(|item| matches!(item.content, Unsynced::Closed));
    if few {
        return batch.iter().map(|item| item.as_ref().map_or(Ok(Ok(())), |item| item.sync())).collect();
    }
    let mut filesystems = Filesystems::default();
    for folder in folders(batch).into_iter().filter(|folder| folder.syncs_as_a_whole()) {
        filesystems.add(folder)?;
    }
    filesystems.sync()?;
    Ok(batch.iter().map(|_| Ok(())).collect())
}

/// Line 4.
fn sync_names(batch: &[Option<Box<Unnamed>>], touched: Filesystems) -> io::Result<()> {
    let mut touched = touched;
    let named = folders(batch);
    let few = named.len() <= FEW;
    for folder in named {
        if touched.contains(folder)? {
            continue;
        }
        match few {
            true => folder.sync()?,
            false => touched.add(folder)?,
        }
    }
    touched.sync()
}

/// The folders of a batch, each once; one that was opened twice may be there twice.
fn folders(batch: &[Option<Box<Unnamed>>]) -> Vec<&Arc<dyn Folder>> {
    let mut folders: Vec<&Arc<dyn Folder>> = batch.iter().flatten().map(|item| &item.folder).collect();
    folders.sort_by_key(|folder| Arc::as_ptr(folder).cast::<()>());
    folders.dedup_by(|one, other| Arc::ptr_eq(one, other));
    folders
}

fn failed(batch: &[Option<Box<Unnamed>>], error: &io::Error) -> (Vec<Result<(), Failure>>, Option<Failure>) {
    let failure = Failure::from(error);
    (batch.iter().map(|_| Err(failure.clone())).collect(), Some(failure))
}

/// What a job's items wait for, in the order in which it is to be told.
#[derive(Default)]
pub(super) struct Commits {
    queue: Mutex<Queue>,
    turn: Mutex<()>,
    /// Bytes of memory that the steps take which are being taken.
    taken: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    steps: Vec<Step>,
    /// Small files whose handles are open; none any more once there were many.
    handles: usize,
    many: bool,
    /// Changes of folder from one item to the next: no fewer than there are folders.
    folders: usize,
    last_folder: Option<usize>,
    /// Since the last change a file has come that stays open.
    is_held: bool,
    /// Bytes of memory that the steps take.
    kept: usize,
}

/// Something to do when what came before it is durable.
pub(super) enum Step {
    /// Tell of an item.
    Item(WaitingItem),
    /// A pack's other items are settled.
    Packed { frame: u64, failures: Vec<(u32, Failure)>, folders: Vec<FolderEntry> },
    /// A frame's folders are set.
    FoldersSet { frame: u64, failures: Vec<(u32, Failure)> },
    /// A large file is in its place.
    Published { publish: Publish, waiting: Waiting },
}

/// An item of a pack, and what is told of it.
pub(super) struct WaitingItem {
    pub(super) frame: u64,
    pub(super) entry: u32,
    pub(super) path: RemotePath,
    pub(super) folder: bool,
    pub(super) bytes: u64,
    pub(super) digest: Option<Digest>,
    pub(super) as_is: bool,
    pub(super) waiting: Waiting,
}

impl Commits {
    pub(super) fn add(&self, mut step: Step) {
        let mut queue = lock(&self.queue);
        if let Step::Item(WaitingItem { waiting: Waiting::Named(item), .. })
        | Step::Published { waiting: Waiting::Named(item), .. } = &mut step
        {
            let folder = Arc::as_ptr(&item.folder).cast::<()>() as usize;
            if queue.last_folder.replace(folder) != Some(folder) {
                queue.folders += 1;
                queue.is_held = false;
            }
            queue.handles += 1;
            if !queue.is_held && matches!(item.content, Unsynced::File(_)) {
                queue.is_held = true;
                item.stays_open = true;
            }
        }
        queue.kept += step.kept_len();
        queue.steps.push(step);
        match queue.many {
            true => queue.steps.last_mut().into_iter().for_each(Step::close_small),
            false if queue.handles > FEW => {
                queue.many = true;
                queue.steps.iter_mut().for_each(Step::close_small);
            }
            false => {}
        }
    }

    /// Takes all that waits. Nobody else commits while the second value lives.
    pub(super) fn take(&self) -> (Vec<Step>, MutexGuard<'_, ()>) {
        let turn = lock(&self.turn);
        let mut queue = lock(&self.queue);
        self.taken.store(queue.kept, Ordering::Relaxed);
        (std::mem::take(&mut *queue).steps, turn)
    }

    /// What was taken last has been told.
    pub(super) fn told(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// About how many bytes of memory all of it takes.
    pub(super) fn kept(&self) -> usize {
        lock(&self.queue).kept + self.taken.load(Ordering::Relaxed)
    }

    /// Takes all that waits and will not be committed.
    pub(super) fn take_all(&self) -> Vec<Step> {
        std::mem::take(&mut *lock(&self.queue)).steps
    }

    /// True if nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.queue).steps.is_empty()
    }

    /// True once the next batch should not grow: it holds memory and open folders.
    pub(super) fn is_full(&self) -> bool {
        let queue = lock(&self.queue);
        queue.steps.len() >= STEPS_MAX || queue.folders >= FOLDERS_MAX || queue.kept >= KEPT_MAX
    }
}

impl Step {
    /// What is to be committed before the step is taken.
    pub(super) fn take_waiting(&mut self) -> Option<Waiting> {
        match self {
            Self::Item(WaitingItem { waiting, .. }) | Self::Published { waiting, .. } => {
                Some(std::mem::replace(waiting, Waiting::Folder))
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

    /// Large files keep their handles, since there are never many of them begun.
    fn close_small(&mut self) {
        if let Self::Item(WaitingItem { waiting: Waiting::Named(item), .. }) = self
            && matches!(item.content, Unsynced::File(_))
            && !item.stays_open
        {
            item.content = Unsynced::Closed;
        }
    }
}

fn failures_kept_len(failures: &[(u32, Failure)]) -> usize {
    failures.iter().map(|(_, failure)| failure_kept_len(failure)).sum()
}

/// About how many bytes of memory an item takes that waits for a sync.
pub(super) fn waiting_kept_len(path_len: usize) -> usize {
    512 + path_len
}

/// Up to this many files or folders are synced one by one, which costs the disk a round each; more are synced by way of
/// their filesystem, which also writes what is others'.
const FEW: usize = 16;
/// Steps of a batch: about a megabyte of memory.
const STEPS_MAX: usize = 4096;
/// The same in bytes, whatever the length of their paths.
const KEPT_MAX: usize = 2 * 1024 * 1024;
/// Folders that a batch holds open, each with a file, beside a limit of 1,024 files. Twice as many are, while the next batch gathers.
const FOLDERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::admission::{Offer, Rule};
    use crate::message::Overwrite;
    use crate::path::NameRef;
    use crate::store::LocalFolder;
    use crate::store::sweep::SweepScope;
    use std::time::Duration;

    fn item(folder: &Arc<dyn Folder>, number: usize) -> WaitingItem {
        let staged = StagedName::new();
        let content = Unsynced::File(folder.create_staged(&staged, 0o600).unwrap().into());
        let name = NameRef::new(format!("file-{number}").as_bytes()).unwrap().to_name();
        let rule = Arc::new(Rule::new(Overwrite::Always, false));
        let admission = rule.admit(&**folder, (&name).into(), Offer::default()).unwrap();
        let waiting =
            crate::engine::placing::waiting(folder.clone(), staged, name, admission, content, false);
        let Placed::Waiting(waiting) = waiting else { panic!("it waits") };
        let path = RemotePath::root();
        WaitingItem { frame: 0, entry: 0, path, folder: false, bytes: 0, digest: None, as_is: false, waiting }
    }

    /// While there are many, one in each folder tells others that they are in use.
    #[test]
    fn what_waits_for_its_sync_is_in_use() {
        let root = tempfile::tempdir().unwrap();
        let open = |name: &str| -> Arc<dyn Folder> {
            std::fs::create_dir(root.path().join(name)).unwrap();
            Arc::new(LocalFolder::open_ambient(&root.path().join(name)).unwrap())
        };
        let (folders, left) = ([open("a"), open("b")], open("left"));
        let commits = Commits::default();
        for folder in &folders {
            (0..2 * FEW).for_each(|number| commits.add(Step::Item(item(folder, number))));
        }
        drop(left.create_staged(&StagedName::new(), 0o600).unwrap());
        assert_eq!(left.sweep(Duration::ZERO, &SweepScope::All).unwrap().files, 1, "nobody has it open");
        for folder in &folders {
            let swept = folder.sweep(Duration::ZERO, &SweepScope::All).unwrap();
            assert_eq!((swept.files, swept.kept), (0, 2 * FEW as u64));
        }
        let (mut steps, _turn) = commits.take();
        let batch: Vec<Waiting> = steps.iter_mut().filter_map(Step::take_waiting).collect();
        let (results, broken) = commit(batch, Some(Filesystems::default()), &|| false);
        assert!(results.iter().all(Result::is_ok) && broken.is_none());
        assert_eq!(folders[0].names().unwrap().len(), 2 * FEW);
    }

    /// Of a filesystem that cannot be synced nobody knows what is on the disk: each item fails, and those after it.
    #[test]
    fn a_failed_sync_fails_all_of_a_batch_and_what_comes_after_it() {
        let (results, broken) = failed(&[None, None], &io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(results.len(), 2);
        assert!(results.iter().all(|result| result.as_ref().is_err_and(|f| f.code == FailureCode::NoSpace)));
        assert_eq!(broken.map(|failure| failure.code), Some(FailureCode::NoSpace));
    }
}
