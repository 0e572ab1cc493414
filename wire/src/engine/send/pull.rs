//! What a sending job takes from its source: items in their order, and the bytes of a stream.

use super::SendJob;
use crate::engine::lock;
use crate::engine::source::{Available, NextItems};
use crate::failure::Failure;
use crate::ids::FileNo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use tokio::sync::Notify;

/// Whose turn it is to take from the source: every lane does.
#[derive(Default)]
pub(super) struct Turns {
    /// Locked while items are taken, so that they keep their order.
    items: Mutex<()>,
    /// Locked while a stream is read, which may take long.
    stream: Mutex<()>,
    /// A lane wanted to read the stream while another did.
    turned_away: AtomicBool,
}

impl Turns {
    /// The turn to read the stream; without one, whoever has it tells when it is over.
    fn stream(&self) -> Option<MutexGuard<'_, ()>> {
        self.try_stream().or_else(|| {
            self.turned_away.store(true, Ordering::SeqCst);
            self.try_stream() // it may have been over before it could tell
        })
    }

    fn try_stream(&self) -> Option<MutexGuard<'_, ()>> {
        match self.stream.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl SendJob {
    /// Takes items, or bytes of a stream, as long as the machine wants them. May block.
    pub(super) fn pull(&self, work: &Notify) {
        self.pull_items();
        if lock(&self.machine).wants_stream() {
            self.pull_stream(work);
        }
    }

    pub(super) fn pull_items(&self) {
        if !lock(&self.machine).wants_items() {
            return;
        }
        let _turn = lock(&self.turns.items);
        while lock(&self.machine).wants_items() {
            let (items, is_last) = match self.source.next_items(ITEMS_AT_ONCE) {
                NextItems::Some(items) => (items, false),
                NextItems::Last(items) => (items, true),
                NextItems::Pending => return,
            };
            let mut machine = lock(&self.machine);
            items.into_iter().for_each(|item| machine.add(item));
            if is_last {
                machine.end_items();
            }
        }
    }

    /// Lanes do not wait for a stream that another one reads: there may be other frames to send.
    fn pull_stream(&self, work: &Notify) {
        let Some(turn) = self.turns.stream() else { return };
        while lock(&self.machine).wants_stream() {
            match self.source.read_on() {
                Some(Ok(Available { bytes, ended })) => {
                    lock(&self.machine).extend(STREAM_FILE, bytes, ended);
                }
                Some(Err(error)) => lock(&self.machine).fail_stream(STREAM_FILE, Failure::from(error)),
                None => break,
            }
        }
        drop(turn);
        if self.turns.turned_away.swap(false, Ordering::SeqCst) {
            work.notify_waiters();
        }
    }
}

/// Items taken between two looks at the machine: it is not locked for each.
const ITEMS_AT_ONCE: usize = 64;
/// A stream is the only file of its job.
const STREAM_FILE: FileNo = FileNo(0);
