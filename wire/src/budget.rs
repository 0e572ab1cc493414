//! Bounds the total memory that peers make this end keep: per session, per user, and for the whole server.
//!
//! A [`Budget`] is a limit with a count. A budget may be a [child](Budget::child) of another: bytes charged to a session are
//! also charged to its user and to the server. A [`Charge`] is returned when it is dropped, so data in memory stores its charge
//! beside it. Work that finds no room waits until others release some: it is not read, not built, or asked for again later.
//!
//! ```text
//!               transfers (half of the limit)               messages (an eighth)
//! server          |                                           |
//! user            |                                           |
//! session       lanes' deframers and buffers; data that     bodies of requests and offers until they are answered,
//!               waits for earlier frames, for a sync, or    and the answers until they are written
//!               for an acknowledgement; items of a sender
//! ```
//!
//! The two parts are separate so that neither waits for the other: a message that frees memory of a transfer always has room.
//! The rest of a limit covers uncounted memory: one frame or lane of each session that continues without room, so that the data
//! waiting for it can complete; messages of a few bytes; and the allocator.
//!
//! No user takes more than is left for the others: a user gets room only while their total stays within the server's free
//! memory, and the same holds for a session among those of its user. A single one may take half, and one that comes later half
//! of the rest. If `n` release and take all they can get, again and again, each converges to an `n + 1`th part.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A byte limit and the number of bytes charged to it. Cheap to clone.
#[derive(Clone)]
pub struct Budget(Arc<BudgetNode>);

struct BudgetNode {
    limit: usize,
    /// Changes only under the tree's lock.
    used: AtomicUsize,
    parent: Option<Budget>,
    tree: Arc<BudgetTree>,
}

/// State shared by all budgets below one root.
struct BudgetTree {
    lock: Mutex<()>,
    #[cfg(feature = "net")]
    freed: tokio::sync::Notify,
    #[cfg(feature = "net")]
    overdrafts: Arc<tokio::sync::Semaphore>,
}

impl Default for BudgetTree {
    fn default() -> Self {
        Self {
            lock: Mutex::default(),
            #[cfg(feature = "net")]
            freed: tokio::sync::Notify::new(),
            #[cfg(feature = "net")]
            overdrafts: Arc::new(tokio::sync::Semaphore::new(OVERDRAFTS)),
        }
    }
}

/// A permit to continue without room, returned when dropped.
#[cfg(feature = "net")]
pub struct Overdraft(#[expect(dead_code, reason = "held, not looked at")] tokio::sync::OwnedSemaphorePermit);

/// Bytes charged to a [`Budget`], returned when dropped.
#[derive(Default)]
pub struct Charge {
    budget: Option<Budget>,
    amount: usize,
}

/// The budgets of a session, a user or a server.
#[derive(Clone)]
pub struct Memory {
    /// For bodies of messages and for answers.
    pub messages: Budget,
    /// For lanes and jobs.
    pub transfers: Budget,
    limit: usize,
}

impl Budget {
    /// A root budget.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::with(limit, None, Arc::default())
    }

    /// A budget without a limit.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// A budget whose charges also count against this one.
    #[must_use]
    pub fn child(&self, limit: usize) -> Self {
        Self::with(limit, Some(self.clone()), self.0.tree.clone())
    }

    fn with(limit: usize, parent: Option<Self>, tree: Arc<BudgetTree>) -> Self {
        Self(Arc::new(BudgetNode { limit, used: AtomicUsize::new(0), parent, tree }))
    }

    /// Returns the number of charged bytes.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Charges `amount` bytes, if there is room for them.
    #[must_use]
    pub fn try_take(&self, amount: usize) -> Option<Charge> {
        let mut charge = self.empty();
        charge.grow(amount).then_some(charge)
    }

    /// A charge of no bytes, to grow.
    #[must_use]
    pub fn empty(&self) -> Charge {
        Charge { budget: Some(self.clone()), amount: 0 }
    }

    /// Charges `amount` bytes once there is room for them.
    #[cfg(feature = "net")]
    pub async fn take(&self, amount: usize) -> Charge {
        loop {
            let freed = self.0.tree.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(charge) = self.try_take(amount) {
                return charge;
            }
            freed.await;
        }
    }

    /// Completes when bytes are returned to this budget or another of the same tree.
    #[cfg(feature = "net")]
    pub fn freed(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.tree.freed.notified()
    }

    /// Returns a permit to continue without room, for work that others wait for; `None` if too many are in use.
    #[cfg(feature = "net")]
    #[must_use]
    pub fn overdraft(&self) -> Option<Overdraft> {
        self.0.tree.overdrafts.clone().try_acquire_owned().ok().map(Overdraft)
    }

    /// True if `amount` bytes more are within each limit, and leave at least as much for the others.
    fn has_room(&self, amount: usize) -> bool {
        let mut below = 0;
        let mut next = Some(self);
        while let Some(budget) = next {
            let after = budget.used().saturating_add(amount);
            let Some(left) = budget.0.limit.checked_sub(after) else { return false };
            if below > left {
                return false;
            }
            (below, next) = (after, budget.0.parent.as_ref());
        }
        true
    }

    /// This budget and those above it.
    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |budget| budget.0.parent.as_ref())
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.0.tree.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, amount: usize) {
        for budget in self.levels() {
            budget.0.used.fetch_add(amount, Ordering::Relaxed);
        }
    }

    fn give_back(&self, amount: usize) {
        if amount == 0 {
            return;
        }
        let lock = self.lock();
        for budget in self.levels() {
            budget.0.used.fetch_sub(amount, Ordering::Relaxed);
        }
        drop(lock);
        #[cfg(feature = "net")]
        self.0.tree.freed.notify_waiters();
    }
}

impl Charge {
    /// A charge to no budget, for memory that is bounded elsewhere.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the number of bytes charged.
    #[must_use]
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Adds `more` bytes, if there is room for them.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        if let Some(budget) = &self.budget {
            let _lock = budget.lock();
            if !budget.has_room(more) {
                return false;
            }
            budget.add(more);
        }
        self.amount += more;
        true
    }

    /// Splits off `len` bytes, or all of them if there are fewer.
    #[must_use]
    pub fn split(&mut self, len: usize) -> Self {
        let amount = len.min(self.amount);
        self.amount -= amount;
        Self { budget: self.budget.clone(), amount }
    }

    /// Sets the charge to `amount` bytes without checking for room: the memory is in use already.
    pub fn set(&mut self, amount: usize) {
        if let Some(budget) = &self.budget {
            if amount > self.amount {
                let _lock = budget.lock();
                budget.add(amount - self.amount);
            } else {
                budget.give_back(self.amount - amount);
            }
        }
        self.amount = amount;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl std::fmt::Debug for Charge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Charge({})", self.amount)
    }
}

impl Memory {
    /// The budgets of an owner who may use `limit` bytes of memory in total.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            messages: Budget::new(limit / MESSAGES_PART),
            transfers: Budget::new(transfers_part(limit)),
            limit,
        }
    }

    /// The budgets of one user or session among those that share these.
    #[must_use]
    pub fn child(&self, limit: usize) -> Self {
        Self {
            messages: self.messages.child(limit / MESSAGES_PART),
            transfers: self.transfers.child(transfers_part(limit)),
            limit,
        }
    }

    /// Returns the limit in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }
}

/// Divisor of a limit that gives the part for messages.
const MESSAGES_PART: usize = 8;
/// Overdrafts: permits to continue without room at the same time, below one root: at 640 KiB each, a fifth of the uncounted part.
#[cfg(feature = "net")]
const OVERDRAFTS: usize = 64;

fn transfers_part(limit: usize) -> usize {
    limit / 2
}

/// Charge for a large file in progress besides its memory, since it and its journal are open. With the default limits a
/// server's receiving jobs have at most 16,384 files open, a quarter of what its unit allows (`LimitNOFILE`). A sending job
/// starts no further item without room, and has at most [`LARGE_FILES_MAX`](crate::limits::LARGE_FILES_MAX) files open in any
/// case.
pub const OPEN_FILE_LEN: usize = 32 * 1024;
/// Charge for a folder that a receiving job keeps open.
pub const OPEN_FOLDER_LEN: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_charged_counts_at_each_level_until_it_is_dropped() {
        let server = Budget::new(1000);
        let user = server.child(500);
        let session = user.child(100);
        let charge = session.try_take(70).unwrap();
        assert_eq!([session.used(), user.used(), server.used()], [70; 3]);
        assert!(session.try_take(31).is_none(), "over the session's limit");
        drop(charge);
        assert_eq!([session.used(), user.used(), server.used()], [0; 3]);
        assert!(session.try_take(100).is_some());
    }

    #[test]
    fn an_owners_memory_has_a_part_for_messages_and_one_for_transfers() {
        let server = Memory::new(8000);
        for (memory, limit) in [(&server, 8000), (&server.child(800), 800)] {
            assert_eq!(memory.limit(), limit);
            assert!(memory.messages.try_take(limit / 8 + 1).is_none());
            assert!(memory.transfers.try_take(limit / 2 + 1).is_none());
            assert!(memory.messages.try_take(limit / 16).is_some());
            assert!(memory.transfers.try_take(limit / 4).is_some());
        }
    }

    #[test]
    fn nobody_takes_more_than_is_left() {
        let server = Budget::new(1200);
        let greedy = server.child(usize::MAX);
        let mut first = greedy.empty();
        while first.grow(1) {}
        assert_eq!(first.amount(), 600);
        let other = server.child(usize::MAX);
        let mut second = other.empty();
        while second.grow(1) {}
        assert_eq!(second.amount(), 300, "as much as is left");
        first.set(0);
        while second.grow(1) {}
        assert_eq!(second.amount(), 600);
    }

    #[test]
    fn what_is_there_already_is_charged_without_room() {
        let budget = Budget::new(100);
        let mut charge = budget.try_take(100).unwrap();
        assert!(!charge.grow(1));
        charge.set(150);
        assert_eq!(budget.used(), 150);
        assert!(budget.try_take(0).is_none(), "it is used up");
        charge.set(20);
        assert!(charge.grow(80) && !charge.grow(1));
    }

    #[test]
    fn messages_and_transfers_have_parts_of_a_limit() {
        let server = Memory::new(800);
        let user = server.child(400);
        assert!(user.transfers.try_take(200).is_some() && user.transfers.try_take(201).is_none());
        let all = user.transfers.try_take(200);
        assert!(user.messages.try_take(50).is_some() && all.is_some());
    }

    proptest! {
        /// For any sequence of charges, no level exceeds its limit, all levels agree, and a late one gets a part.
        #[test]
        fn sums_hold(steps in proptest::collection::vec((0_usize..6, 0_usize..400, any::<bool>()), 0..200)) {
            let server = Budget::new(4000);
            let users: Vec<Budget> = (0..3).map(|_| server.child(1500)).collect();
            let sessions: Vec<Budget> = (0..6).map(|n| users[n / 2].child(1000)).collect();
            let mut charges: Vec<Vec<Charge>> = (0..6).map(|_| Vec::new()).collect();
            for (session, amount, takes) in steps {
                if takes {
                    charges[session].extend(sessions[session].try_take(amount));
                } else {
                    charges[session].pop();
                }
                let sums: Vec<usize> =
                    charges.iter().map(|charges| charges.iter().map(Charge::amount).sum()).collect();
                for (n, session) in sessions.iter().enumerate() {
                    prop_assert!(session.used() == sums[n] && sums[n] <= 1000);
                }
                for (n, user) in users.iter().enumerate() {
                    prop_assert!(user.used() == sums[2 * n] + sums[2 * n + 1] && user.used() <= 1500);
                }
                prop_assert!(server.used() == sums.iter().sum::<usize>() && server.used() <= 4000);
                let left = 4000 - server.used();
                prop_assert!(left >= 4000 - 1500 - 1250 - 625, "three users have half of what was left, each");
                prop_assert!(server.child(4000).try_take(left / 2).is_some());
            }
        }
    }

    #[cfg(feature = "net")]
    #[tokio::test]
    async fn who_waits_goes_on_when_there_is_room() {
        let budget = Budget::new(100);
        let first = budget.try_take(60).unwrap();
        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.take(50).await.amount() }
        });
        tokio::task::yield_now().await;
        drop(first);
        let taken = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await;
        assert_eq!(taken.expect("it goes on").unwrap(), 50);
    }
}
