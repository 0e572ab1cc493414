//! A job's items as somebody else chooses them, one after the other: a mirror's comparison, at this end or the other.

use super::lock;
use super::source::{Source, present};
use crate::budget::{Budget, Charge};
use crate::failure::{Failure, FailureCode};
use crate::limits::{WANTED_AHEAD_LEN_MAX, WANTED_AHEAD_MAX};
use crate::metadata::Metadata;
use crate::path::{NameRef, RemotePath};
use crate::sender::{Item, Sender, item_kept_len};
use crate::store::entry::of_link;
use crate::store::{Folder, FolderCache, SourceFile, is_staged};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Counts items that were asked for and have not come to an end, for the one who chooses them: at most what `Ahead` allows, so
/// that no [`ItemQueue`] is ever too full.
#[derive(Default)]
pub struct Credit {
    state: Mutex<Taken>,
    changed: Condvar,
}

#[derive(Default)]
struct Taken {
    open: Ahead,
    /// What the one who chooses waits for.
    awaited: Option<Awaited>,
    /// The job is over: nobody need wait for its items.
    over: bool,
}

#[derive(Clone, Copy)]
enum Awaited {
    /// A quarter of all that is allowed, so that nobody is woken for a single item.
    Room,
    /// The end of all items.
    End,
}

impl Credit {
    /// Takes credit for an item; once there is none left, waits until there is some more. False if the job is over.
    pub fn take_waiting(&self, path: &RemotePath) -> bool {
        let mut state = lock(&self.state);
        if !state.open.has_room() {
            state = self.wait(state, Awaited::Room);
        }
        state.open.add(path);
        !state.over
    }

    /// True while there is credit.
    pub fn is_left(&self) -> bool {
        lock(&self.state).open.has_room()
    }

    /// True if all items have come to an end.
    pub fn is_settled(&self) -> bool {
        lock(&self.state).open.items == 0
    }

    /// Waits until all items have come to an end. False if the job is over.
    pub fn wait_until_settled(&self) -> bool {
        !self.wait(lock(&self.state), Awaited::End).over
    }

    /// An item has come to an end.
    pub fn settle(&self, path: &RemotePath) {
        let mut state = lock(&self.state);
        state.open.remove(path);
        if state.awaited.is_some_and(|awaited| state.open.meets(awaited)) {
            self.changed.notify_all();
        }
    }

    /// The job is over.
    pub fn abandon(&self) {
        lock(&self.state).over = true;
        self.changed.notify_all();
    }

    fn wait<'a>(&self, mut state: MutexGuard<'a, Taken>, awaited: Awaited) -> MutexGuard<'a, Taken> {
        state.awaited = Some(awaited);
        while !state.open.meets(awaited) && !state.over {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.awaited = None;
        state
    }
}

/// How far somebody is ahead: at most [`WANTED_AHEAD_MAX`] items, and none more while their paths have
/// [`WANTED_AHEAD_LEN_MAX`] bytes.
#[derive(Default)]
struct Ahead {
    items: usize,
    path_len: usize,
}

impl Ahead {
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

    /// The peer names what has come to an end, so no count is taken on trust.
    fn remove(&mut self, path: &RemotePath) {
        self.items = self.items.saturating_sub(1);
        self.path_len = match self.items {
            0 => 0,
            _ => self.path_len.saturating_sub(path.as_bytes().len()),
        };
    }
}

/// Items that were chosen and are in no frame yet: at most what `Ahead` allows.
#[derive(Default)]
pub struct ItemQueue {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    ahead: Ahead,
    /// Memory of the items.
    charge: Charge,
    closed: bool,
    /// The machine knows that nothing more comes.
    ended: bool,
}

/// An item more than allowed, or one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// More items than the protocol allows.
    #[error("more items than may be asked for")]
    Items,
    /// More than there is memory for.
    #[error("the items that are asked for take more memory than the session may (Welcome.memory)")]
    Memory,
}

impl ItemQueue {
    /// A queue whose items take no more than `budget` has room for.
    #[must_use]
    pub fn new(budget: &Budget) -> Self {
        let state = State { charge: budget.nothing(), ..State::default() };
        Self { state: Mutex::new(state) }
    }

    /// Adds an item, a folder after all that is in it. The exchange is to be told that there is work.
    ///
    /// # Errors
    /// If there are too many already, or the queue is closed.
    pub fn add(&self, path: RemotePath, metadata: Metadata) -> Result<(), TooMany> {
        let mut state = lock(&self.state);
        if state.closed || !state.ahead.has_room() {
            return Err(TooMany::Items);
        }
        if !state.charge.grow(item_kept_len(path.as_bytes().len())) {
            return Err(TooMany::Memory);
        }
        state.ahead.add(&path);
        state.items.push_back(present(path, metadata));
        Ok(())
    }

    /// Nothing more comes. The exchange is to be told that there is work.
    pub fn close(&self) {
        lock(&self.state).closed = true;
    }
}

/// A queue's items, which lie below a folder.
pub struct QueueSource {
    folders: FolderCache,
    queue: Arc<ItemQueue>,
}

impl QueueSource {
    /// A source of what is put in `queue`; paths are below `folder`.
    #[must_use]
    pub fn new(folder: Arc<dyn Folder>, queue: Arc<ItemQueue>) -> Self {
        Self { folders: FolderCache::new(folder), queue }
    }

    fn place<'a>(&self, path: &'a RemotePath) -> io::Result<(Arc<dyn Folder>, NameRef<'a>)> {
        let (parent, name) = path.parent_and_name().ok_or(io::ErrorKind::IsADirectory)?;
        match is_staged(name) {
            true => Err(Failure::from(FailureCode::InvalidPath).into()),
            false => {
                let folder = self.folders.get(parent, false);
                Ok((folder.map_err(|error| io::Error::from(Failure::of_found(error)))?, name))
            }
        }
    }
}

impl Source for QueueSource {
    fn refill(&self, machine: &Mutex<Sender>) -> bool {
        let mut state = lock(&self.queue.state);
        let mut machine = lock(machine);
        let mut charged = state.charge.amount();
        while machine.wants_items() {
            match state.items.pop_front() {
                Some(item) => {
                    state.ahead.remove(&item.path);
                    charged = charged.saturating_sub(item_kept_len(item.path.as_bytes().len()));
                    machine.add(item);
                }
                None if state.closed && !state.ended => {
                    state.ended = true;
                    machine.end_items();
                }
                None => break,
            }
        }
        state.charge.set(charged);
        false
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
