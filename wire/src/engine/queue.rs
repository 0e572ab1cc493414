//! A job whose items are chosen one by one from outside: by a mirror's comparison, at this end or the other.

use super::lock;
use super::source::{NextItems, Source, present};
use crate::budget::{Budget, Charge};
use crate::failure::{Failure, FailureCode};
use crate::limits::{WANTED_AHEAD_LEN_MAX, WANTED_AHEAD_MAX};
use crate::metadata::Metadata;
use crate::path::{NameRef, RemotePath};
use crate::sender::{Item, item_kept_len};
use crate::store::entry::of_link;
use crate::store::{Folder, FolderCache, SourceFile, is_staged};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Limits the unfinished items of the side that chooses them: it allows at most as many as an [`ItemQueue`] accepts, so a queue
/// never overflows.
#[derive(Default)]
pub struct Credit {
    state: Mutex<CreditState>,
    changed: Condvar,
}

#[derive(Default)]
struct CreditState {
    outstanding: Outstanding,
    /// The condition that the choosing side waits for.
    awaited: Option<Awaited>,
    /// The job is over: waiting for its items ends.
    over: bool,
}

#[derive(Clone, Copy)]
enum Awaited {
    /// A quarter of the limit is free, so that the waiting side is not woken for single items.
    Room,
    /// All items have ended.
    End,
}

impl Credit {
    /// Takes credit for an item; waits for more if none is left. Returns false if the job is over.
    pub fn take_waiting(&self, path: &RemotePath) -> bool {
        let mut state = lock(&self.state);
        if !state.outstanding.has_room() {
            state = self.wait(state, Awaited::Room);
        }
        state.outstanding.add(path);
        !state.over
    }

    /// True while there is credit.
    pub fn is_left(&self) -> bool {
        lock(&self.state).outstanding.has_room()
    }

    /// True if all items have ended.
    pub fn is_settled(&self) -> bool {
        lock(&self.state).outstanding.items == 0
    }

    /// Waits until all items have ended. Returns false if the job is over.
    pub fn wait_until_settled(&self) -> bool {
        !self.wait(lock(&self.state), Awaited::End).over
    }

    /// Records that an item has ended.
    pub fn settle(&self, path: &RemotePath) {
        let mut state = lock(&self.state);
        state.outstanding.remove(path);
        if state.awaited.is_some_and(|awaited| state.outstanding.meets(awaited)) {
            self.changed.notify_all();
        }
    }

    /// Records that the job is over.
    pub fn abandon(&self) {
        lock(&self.state).over = true;
        self.changed.notify_all();
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, CreditState>,
        awaited: Awaited,
    ) -> MutexGuard<'a, CreditState> {
        state.awaited = Some(awaited);
        while !state.outstanding.meets(awaited) && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.awaited = None;
        state
    }
}

/// The unfinished items of one side: at most [`WANTED_AHEAD_MAX`], and no further ones while their paths have
/// [`WANTED_AHEAD_LEN_MAX`] bytes together.
#[derive(Default)]
struct Outstanding {
    items: usize,
    path_len: usize,
}

impl Outstanding {
    fn has_room(&self) -> bool {
        self.items < WANTED_AHEAD_MAX && self.path_len < WANTED_AHEAD_LEN_MAX
    }

    fn meets(&self, awaited: Awaited) -> bool {
        match awaited {
            Awaited::Room => {
                self.items <= WANTED_AHEAD_MAX / 4 * 3 && self.path_len <= WANTED_AHEAD_LEN_MAX / 4 * 3
            }
            Awaited::End => self.items == 0,
        }
    }

    fn add(&mut self, path: &RemotePath) {
        self.items += 1;
        self.path_len += path.as_bytes().len();
    }

    /// Removes an item by its path. The peer names it, so the counts are not trusted to it.
    fn remove(&mut self, path: &RemotePath) {
        self.items = self.items.saturating_sub(1);
        self.path_len = match self.items {
            0 => 0,
            _ => self.path_len.saturating_sub(path.as_bytes().len()),
        };
    }
}

/// Items that were chosen and are in no frame yet, up to the same limit.
#[derive(Default)]
pub struct ItemQueue {
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    items: VecDeque<Item>,
    outstanding: Outstanding,
    /// Memory of the items.
    charge: Charge,
    closed: bool,
}

/// An item beyond the limit, or after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// More items than the protocol allows.
    #[error("more items requested than allowed")]
    Items,
    /// More than there is memory for.
    #[error("the requested items take more memory than the session is allowed (Welcome.memory)")]
    Memory,
}

impl ItemQueue {
    /// A queue whose items take no more memory than `budget` has room for.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        let state = QueueState { charge: budget.empty(), ..QueueState::default() };
        Self { state: Mutex::new(state) }
    }

    /// Adds an item; a folder comes after all of its content. The caller then notifies the exchange of new work.
    ///
    /// # Errors
    /// If there are too many already, or the queue is closed.
    pub fn add(&self, path: RemotePath, metadata: Metadata) -> Result<(), TooMany> {
        let mut state = lock(&self.state);
        if state.closed || !state.outstanding.has_room() {
            return Err(TooMany::Items);
        }
        if !state.charge.grow(item_kept_len(path.as_bytes().len())) {
            return Err(TooMany::Memory);
        }
        state.outstanding.add(&path);
        state.items.push_back(present(path, metadata));
        Ok(())
    }

    /// Ends the items. The caller then notifies the exchange of new work.
    pub fn close(&self) {
        lock(&self.state).closed = true;
    }
}

/// The source of a queue's items, which lie below a folder.
pub struct QueueSource {
    folders: FolderCache,
    queue: Arc<ItemQueue>,
}

impl QueueSource {
    /// A source of the items in `queue`; paths are below `folder`.
    #[must_use]
    pub fn new(folder: Arc<dyn Folder>, queue: Arc<ItemQueue>) -> Self {
        Self { folders: FolderCache::new(folder), queue }
    }

    fn place<'a>(&self, path: &'a RemotePath) -> io::Result<(Arc<dyn Folder>, NameRef<'a>)> {
        let (parent, name) = path.parent_and_name().ok_or(io::ErrorKind::IsADirectory)?;
        if is_staged(name) {
            Err(Failure::from(FailureCode::InvalidPath).into())
        } else {
            let folder = self.folders.get(parent, false);
            Ok((folder.map_err(|error| io::Error::from(Failure::of_found(error)))?, name))
        }
    }
}

impl Source for QueueSource {
    fn next_items(&self, max: usize) -> NextItems {
        let mut state = lock(&self.queue.state);
        let count = state.items.len().min(max);
        let items: Vec<_> = state.items.drain(..count).collect();
        let mut charged = state.charge.amount();
        for item in &items {
            state.outstanding.remove(&item.path);
            charged = charged.saturating_sub(item_kept_len(item.path.as_bytes().len()));
        }
        state.charge.set(charged);
        if state.closed && state.items.is_empty() {
            NextItems::Last(items)
        } else if items.is_empty() {
            NextItems::Pending
        } else {
            NextItems::Some(items)
        }
    }

    fn open(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        let (folder, name) = self.place(path)?;
        folder.open_file(name).map_err(|error| Failure::of_found(error).into())
    }

    fn read_link(&self, path: &RemotePath) -> io::Result<Vec<u8>> {
        let (folder, name) = self.place(path)?;
        folder.read_link(name).map_err(|error| of_link(error).into())
    }

    fn release(&self, _: u64, _: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Kind, Timestamp};
    use crate::store::LocalFolder;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    /// Runs it in a thread. Returns its result; `None` if it still waits after a while.
    fn result_of<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, receiver) = channel();
        std::thread::spawn(move || sender.send(run()));
        receiver.recv_timeout(Duration::from_secs(20)).ok()
    }

    #[test]
    fn there_is_room_until_the_paths_have_so_many_bytes() {
        for (path_len, has_room) in [(WANTED_AHEAD_LEN_MAX - 1, true), (WANTED_AHEAD_LEN_MAX, false)] {
            assert_eq!(Outstanding { items: 1, path_len }.has_room(), has_room, "{path_len} bytes");
        }
    }

    #[test]
    fn items_are_waited_for_until_all_have_ended() {
        let credit = Arc::new(Credit::default());
        assert!(credit.take_waiting(&path("a")) && credit.take_waiting(&path("b")));
        let waiting = credit.clone();
        let ended = result_of(move || {
            let ending = waiting.clone();
            let thread = std::thread::spawn(move || {
                for name in ["a", "b"] {
                    std::thread::yield_now();
                    ending.settle(&path(name));
                }
            });
            let is_open = waiting.wait_until_settled();
            let is_settled = waiting.is_settled();
            thread.join().unwrap();
            (is_open, is_settled)
        });
        assert_eq!(ended, Some((true, true)));
        assert_eq!(result_of(move || credit.wait_until_settled()), Some(true), "nothing is under way");
    }

    #[test]
    fn whoever_waits_for_items_hears_that_the_job_is_over() {
        let credit = Arc::new(Credit::default());
        while credit.is_left() {
            assert!(credit.take_waiting(&path("a")));
        }
        for wait_for_room in [true, false] {
            let (waiting, abandoning) = (credit.clone(), credit.clone());
            let ended = result_of(move || {
                let thread = std::thread::spawn(move || {
                    while lock(&abandoning.state).awaited.is_none() && !lock(&abandoning.state).over {
                        std::thread::yield_now();
                    }
                    abandoning.abandon();
                });
                let is_open = if wait_for_room {
                    waiting.take_waiting(&path("b"))
                } else {
                    waiting.wait_until_settled()
                };
                thread.join().unwrap();
                is_open
            });
            assert_eq!(ended, Some(false), "wait_for_room: {wait_for_room}");
        }
    }

    #[test]
    fn all_that_is_queued_is_sent_and_then_the_end_is_told() {
        let (root, budget) = (tempfile::tempdir().unwrap(), Budget::new(1 << 20));
        let queue = Arc::new(ItemQueue::new(&budget));
        let folder = Arc::new(LocalFolder::open_ambient(root.path()).unwrap());
        let source = QueueSource::new(folder, queue.clone());
        let metadata = Metadata { kind: Kind::File, size: 5, modified: Timestamp::default(), mode: 0o644 };
        for name in ["a", "b"] {
            queue.add(path(name), metadata).unwrap();
        }
        assert!(lock(&queue.state).charge.amount() > 0);
        let NextItems::Some(items) = source.next_items(1) else { panic!("there are two") };
        assert_eq!(items.len(), 1);
        let NextItems::Some(items) = source.next_items(8) else { panic!("more may come") };
        assert_eq!(items.len(), 1);
        assert_eq!(lock(&queue.state).charge.amount(), 0);
        assert_eq!(lock(&queue.state).outstanding.items, 0, "there is room for others");
        assert!(matches!(source.next_items(8), NextItems::Pending));
        queue.close();
        assert!(queue.add(path("c"), metadata).is_err());
        assert!(matches!(source.next_items(8), NextItems::Last(items) if items.is_empty()));
    }
}
