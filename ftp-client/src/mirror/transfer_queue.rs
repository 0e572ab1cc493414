//! Lets the comparison run ahead of the job: chosen items wait here, packed, until the job has credit for them. So how much
//! there is to send is known as soon as all is compared, which takes seconds where sending takes minutes; until then it
//! is reported as so far. No second walk is needed for that, nor is the source's size mistaken for what is to be sent.
//!
//! Memory: [`WAITING_LEN_MAX`]; at some 50 bytes an item that is half a million items. With more the comparison waits, and
//! the totals stay "so far" until it goes on; and so they do where owners or attributes are carried, since these are set
//! every few thousand items. A run with no items to send has no job, and none of this.

use super::job::MirrorJob;
use super::packed::PackedEntries;
use super::target::Trees;
use crate::error::Error;
use crate::observer::TransferSummary;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use wire::message::Entry;
use wire::sync::lock;
use wire::{Failure, RemotePath};

/// A job, and what waits for it.
pub(crate) struct TransferQueue {
    shared: Arc<SharedQueue<MirrorJob>>,
    feeder: Option<JoinHandle<()>>,
}

/// Takes items, one after the other; may wait before it takes one.
trait Taker: Send + 'static {
    /// False if no more are taken.
    fn take(&mut self, entry: Entry) -> bool;
}

impl Taker for MirrorJob {
    fn take(&mut self, entry: Entry) -> bool {
        self.send(entry.path, entry.metadata)
    }
}

struct SharedQueue<T> {
    taker: Mutex<T>,
    waiting: Mutex<QueuedItems>,
    changed: Condvar,
}

#[derive(Default)]
struct QueuedItems {
    blocks: VecDeque<PackedEntries>,
    len: usize,
    /// A block is being taken.
    busy: bool,
    /// No more items come, or no more are taken.
    over: bool,
}

impl TransferQueue {
    /// Feeds a job.
    pub(crate) fn new(transfer: MirrorJob) -> Result<Self, Error> {
        let shared = Arc::new(SharedQueue::new(transfer));
        let feeding = shared.clone();
        let feeder = std::thread::Builder::new().name("mirror".to_owned()).spawn(move || feeding.feed());
        let feeder = feeder.map_err(|error| Error::local(std::path::Path::new("a thread"), error))?;
        Ok(Self { shared, feeder: Some(feeder) })
    }

    /// Sends a file, link or folder; waits while too many wait. False if the job is over.
    pub(crate) fn send(&self, entry: &Entry) -> bool {
        self.shared.push(entry)
    }

    /// Waits until all that was sent has come to an end. False if the job is over.
    pub(crate) fn settle(&self) -> bool {
        self.shared.drain() && self.shared.taker().settle()
    }

    /// Items that failed, of those that have come to an end.
    pub(crate) fn failures(&self) -> usize {
        self.shared.taker().failures()
    }

    /// Items that failed for lack of room, and were not reported.
    pub(crate) fn short(&self) -> Vec<(RemotePath, Failure)> {
        self.shared.taker().short()
    }

    /// From here on lack of room is a failure like any other. Returns those that were not reported, which no longer count.
    pub(crate) fn end_waiting_for_room(&self) -> Vec<(RemotePath, Failure)> {
        self.shared.taker().end_waiting_for_room()
    }

    /// True if this item did not arrive.
    pub(crate) fn has_failed(&self, path: &RemotePath) -> bool {
        self.shared.taker().has_failed(path)
    }

    /// True if this item was removed before it could be read.
    pub(crate) fn has_vanished(&self, path: &RemotePath) -> bool {
        self.shared.taker().has_vanished(path)
    }

    /// Ends the job in good order; why it ended, if it had before.
    pub(crate) fn close(mut self, trees: &Trees) -> Result<TransferSummary, Error> {
        self.shared.end();
        if let Some(Err(panic)) = self.feeder.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        self.shared.taker().close(trees)
    }
}

impl Drop for TransferQueue {
    fn drop(&mut self) {
        self.shared.end(); // the thread may wait for the job, which is over soon: it is not waited for
    }
}

impl<T: Taker> SharedQueue<T> {
    fn new(taker: T) -> Self {
        Self { taker: Mutex::new(taker), waiting: Mutex::default(), changed: Condvar::new() }
    }

    fn push(&self, entry: &Entry) -> bool {
        let mut waiting = self.wait(|waiting| waiting.len < WAITING_LEN_MAX);
        if waiting.over {
            return false;
        }
        match waiting.blocks.back() {
            Some(block) if block.len() < BLOCK_ITEMS => {}
            Some(_) | None => waiting.blocks.push_back(PackedEntries::default()),
        }
        let QueuedItems { blocks, len, busy, .. } = &mut *waiting;
        let first = blocks.len() == 1 && !*busy;
        if let Some(block) = blocks.back_mut() {
            let before = block.size();
            block.push(entry);
            *len += block.size() - before;
        }
        if first {
            self.changed.notify_all();
        }
        true
    }

    /// Hands over waiting items, until no more come.
    fn feed(&self) {
        loop {
            let mut waiting = self.wait(|waiting| !waiting.blocks.is_empty());
            if waiting.over {
                return;
            }
            let Some(block) = waiting.blocks.pop_front() else { continue };
            waiting.len -= block.size();
            waiting.busy = true;
            drop(waiting);
            let mut taker = self.taker();
            let open = block.iter().all(|entry| taker.take(entry));
            drop(taker);
            let mut waiting = self.waiting();
            waiting.busy = false;
            waiting.over |= !open;
            self.changed.notify_all();
        }
    }

    /// Waits until no item waits. False if no more are taken.
    fn drain(&self) -> bool {
        !self.wait(|waiting| waiting.blocks.is_empty() && !waiting.busy).over
    }

    fn end(&self) {
        self.waiting().over = true;
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&QueuedItems) -> bool) -> MutexGuard<'_, QueuedItems> {
        let mut waiting = self.waiting();
        while !until(&waiting) && !waiting.over {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting
    }

    fn waiting(&self) -> MutexGuard<'_, QueuedItems> {
        lock(&self.waiting)
    }

    fn taker(&self) -> MutexGuard<'_, T> {
        lock(&self.taker)
    }
}

/// Bytes of items that may wait.
const WAITING_LEN_MAX: usize = 24 << 20;
/// Items of one block: memory comes back block by block.
const BLOCK_ITEMS: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::entry;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// Takes as many as are received, and no more once the receiver is gone.
    impl Taker for SyncSender<Entry> {
        fn take(&mut self, entry: Entry) -> bool {
            self.send(entry).is_ok()
        }
    }

    fn fed() -> (Arc<SharedQueue<SyncSender<Entry>>>, Receiver<Entry>, JoinHandle<()>) {
        let (sender, receiver) = sync_channel(0);
        let shared = Arc::new(SharedQueue::new(sender));
        let feeding = shared.clone();
        (shared, receiver, std::thread::spawn(move || feeding.feed()))
    }

    #[test]
    fn a_hundred_thousand_items_wait_for_a_job_that_takes_none_and_come_in_order() {
        let (shared, receiver, feeder) = fed();
        for number in 0..100_000 {
            assert!(shared.push(&entry(&format!("folder/{number:06}"))));
        }
        assert!(shared.waiting().len < 6 << 20, "{} bytes", shared.waiting().len);
        for number in 0..100_000 {
            let next = receiver.recv().unwrap();
            assert_eq!(next, entry(&format!("folder/{number:06}")));
        }
        assert!(shared.drain());
        assert_eq!(shared.waiting().len, 0);
        shared.end();
        feeder.join().unwrap();
    }

    /// Counts the items that it takes.
    impl Taker for Arc<AtomicUsize> {
        fn take(&mut self, _: Entry) -> bool {
            self.fetch_add(1, Ordering::SeqCst);
            true
        }
    }

    #[test]
    fn all_that_waits_is_waited_for() {
        let taken = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(SharedQueue::new(taken.clone()));
        for _ in 0..2000 {
            assert!(shared.push(&entry("a")));
        }
        let feeding = shared.clone();
        let feeder = std::thread::spawn(move || feeding.feed());
        assert!(shared.drain());
        assert_eq!(taken.load(Ordering::SeqCst), 2000);
        shared.end();
        feeder.join().unwrap();
    }

    #[test]
    fn whoever_chooses_hears_that_the_job_is_over() {
        let (shared, receiver, feeder) = fed();
        assert!(shared.push(&entry("a")));
        receiver.recv().unwrap();
        drop(receiver);
        while shared.push(&entry("b")) {
            std::thread::yield_now();
        }
        assert!(!shared.drain());
        feeder.join().unwrap();
    }
}
