//! Slots at a disk: work that may block runs in threads, and each filesystem gets a limited share of them.
//!
//! A filesystem that hangs (a file server that is gone, a user-space filesystem that waits) blocks its callers, and a thread
//! cannot be taken back from it. So all work of a filesystem shares a number of slots, and work beyond them waits without a
//! thread; other filesystems, and work that needs no disk, continue. Each piece of work reports now and then that it makes
//! progress ([`beat`]), which shows how many pieces hang, and for how long.

use crate::failure::{Failure, FailureCode};
use crate::limits::DISK_PATIENCE;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The slots of one filesystem, and the work that runs in them.
pub struct DiskSlots {
    own: Arc<Semaphore>,
    /// Slots shared by all filesystems; `None` where there is no other.
    all: Option<Arc<Semaphore>>,
    running: Mutex<RunningWork>,
    /// Time of the last end or progress of a piece of work, in milliseconds of [`now`].
    progress: AtomicU64,
}

#[derive(Default)]
struct RunningWork {
    next: u64,
    pieces: BTreeMap<u64, Arc<AtomicU64>>,
}

/// The work that hangs at a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hanging {
    /// Pieces of work without progress for at least the given time.
    pub count: usize,
    /// Time since the last progress of the piece that waits longest.
    pub longest: Duration,
}

/// The disk as seen by one session or one job: the slots are shared, the progress is its own.
pub struct Disk {
    slots: Arc<DiskSlots>,
    /// Pieces of work that run or wait for a slot.
    pending: AtomicUsize,
    progress: AtomicU64,
    disposals: TaskTracker,
}

impl DiskSlots {
    /// A filesystem with `count` slots, taken out of those that all filesystems share.
    #[must_use]
    pub fn new(count: usize, all: Option<Arc<Semaphore>>) -> Arc<Self> {
        let (own, running) = (Arc::new(Semaphore::new(count)), Mutex::default());
        Arc::new(Self { own, all, running, progress: AtomicU64::new(now()) })
    }

    /// Returns the work without progress for `time`.
    #[must_use]
    pub fn hanging(&self, time: Duration) -> Hanging {
        let running = self.running();
        let waits = running.pieces.values().filter_map(|beat| match beat.load(Ordering::Relaxed) {
            ELSEWHERE => None,
            beat => Some(since(beat)),
        });
        waits.filter(|wait| *wait >= time).fold(Hanging::default(), |hanging, wait| Hanging {
            count: hanging.count + 1,
            longest: hanging.longest.max(wait),
        })
    }

    /// True if no work is running.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running().pieces.is_empty()
    }

    /// Waits for the next slot.
    async fn next(&self) -> Option<DiskSlot> {
        let own = self.own.clone().acquire_owned().await.ok()?;
        let all = match &self.all {
            Some(all) => Some(all.clone().acquire_owned().await.ok()?),
            None => None,
        };
        Some(DiskSlot { _own: own, _all: all })
    }

    /// Waits for the next slot; returns `None` if no work makes progress for too long.
    async fn next_soon(&self) -> Option<DiskSlot> {
        let next = self.next();
        tokio::pin!(next);
        loop {
            if let Ok(slot) = timeout(DISK_PATIENCE, &mut next).await {
                return slot;
            }
            if since(self.progress.load(Ordering::Relaxed)) >= DISK_PATIENCE {
                return None;
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, RunningWork> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use a thread at a disk, returned when dropped.
struct DiskSlot {
    _own: OwnedSemaphorePermit,
    _all: Option<OwnedSemaphorePermit>,
}

impl Disk {
    /// A disk that uses these slots.
    #[must_use]
    pub fn new(slots: Arc<DiskSlots>) -> Arc<Self> {
        let (pending, progress) = (AtomicUsize::new(0), AtomicU64::new(now()));
        Arc::new(Self { slots, pending, progress, disposals: TaskTracker::new() })
    }

    /// A disk with slots of its own, for programs with one user.
    #[must_use]
    pub fn alone() -> Arc<Self> {
        Self::new(DiskSlots::new(ALONE_SLOTS, None))
    }

    /// Runs work in a slot, however long it takes to get one.
    ///
    /// # Errors
    /// `Io` if the work panics.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let pending = PendingWork::new(self);
        let slot = self.slots.next().await.ok_or(FailureCode::Cancelled)?;
        self.spawn(pending, slot, work).await.map_err(panicked)
    }

    /// Runs work in a slot, unless the disk does not respond while it waits for one.
    ///
    /// # Errors
    /// `Io` if no work at the disk makes progress for too long, or the work panics.
    pub async fn run_soon<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let pending = PendingWork::new(self);
        let slot = self.slots.next_soon().await.ok_or_else(not_responding)?;
        self.spawn(pending, slot, work).await.map_err(panicked)
    }

    /// Runs work in a slot until it is cancelled: work that has started gets a moment to end, and then continues unattended.
    ///
    /// # Errors
    /// `Cancelled` if the work is cancelled, `Io` if it panics.
    pub async fn run_until<T: Send + 'static>(
        self: &Arc<Self>,
        over: &CancellationToken,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let pending = PendingWork::new(self);
        let slot = over.run_until_cancelled(self.slots.next()).await.flatten();
        let running = self.spawn(pending, slot.ok_or(FailureCode::Cancelled)?, work);
        let left = async {
            over.cancelled().await;
            sleep(END_PATIENCE).await;
        };
        tokio::select! {
            biased;
            done = running => done.map_err(panicked),
            () = left => Err(FailureCode::Cancelled.into()),
        }
    }

    /// Drops a value whose destructor does work at the disk, such as closing or removing files, never in a thread that serves
    /// other work.
    pub fn dispose<T: Send + 'static>(self: &Arc<Self>, value: T) {
        let Ok(runtime) = Handle::try_current() else { return drop(value) };
        let disk = self.clone();
        self.disposals.spawn_on(async move { disk.run(move || drop(value)).await }, &runtime);
    }

    /// Waits for the values being disposed of; if the disk hangs, only for a moment.
    pub async fn disposed(&self) {
        self.disposals.close();
        let _ = timeout(END_PATIENCE, self.disposals.wait()).await; // the disposal ends when the disk responds
    }

    /// Returns how long none of the work started here has made progress; zero if there is no work.
    #[must_use]
    pub fn stalled(&self) -> Duration {
        match self.pending.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            _ => since(self.progress.load(Ordering::Relaxed)),
        }
    }

    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        pending: PendingWork,
        slot: DiskSlot,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        spawn_blocking(move || {
            let guard = WorkGuard::begin(pending, slot);
            let done = work();
            drop(guard);
            done
        })
    }

    fn note_progress(&self) {
        let now = now();
        self.progress.store(now, Ordering::Relaxed);
        self.slots.progress.store(now, Ordering::Relaxed);
    }
}

fn panicked(error: tokio::task::JoinError) -> Failure {
    Failure::new(FailureCode::Io, error.to_string())
}

fn not_responding() -> Failure {
    let seconds = DISK_PATIENCE.as_secs();
    Failure::new(FailureCode::Io, format!("the disk has not answered for {seconds} s"))
}

/// Work that runs or waits for a slot.
struct PendingWork(Arc<Disk>);

impl PendingWork {
    fn new(disk: &Arc<Disk>) -> Self {
        if disk.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            disk.progress.store(now(), Ordering::Relaxed); // time without pending work is not waiting time
        }
        Self(disk.clone())
    }
}

impl Drop for PendingWork {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Work that runs in this thread.
struct WorkGuard {
    pending: PendingWork,
    number: u64,
    _slot: DiskSlot,
}

thread_local! {
    /// The work that runs in this thread, and the time of its last progress.
    static CURRENT: RefCell<Option<(Arc<Disk>, Arc<AtomicU64>)>> = const { RefCell::new(None) };
}

impl WorkGuard {
    fn begin(pending: PendingWork, slot: DiskSlot) -> Self {
        let beat = Arc::new(AtomicU64::new(now()));
        let number = {
            let mut running = pending.0.slots.running();
            running.next += 1;
            let number = running.next;
            running.pieces.insert(number, beat.clone());
            number
        };
        CURRENT.set(Some((pending.0.clone(), beat)));
        Self { pending, number, _slot: slot }
    }
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        CURRENT.set(None);
        let disk = &self.pending.0;
        disk.slots.running().pieces.remove(&self.number);
        disk.note_progress();
    }
}

/// Reports progress of this thread's work: the disk has responded.
pub fn beat() {
    CURRENT.with_borrow(|current| {
        if let Some((disk, beat)) = current {
            beat.store(now(), Ordering::Relaxed);
            disk.note_progress();
        }
    });
}

/// Runs a part of the work that waits for something other than the disk.
pub fn elsewhere<T>(work: impl FnOnce() -> T) -> T {
    CURRENT.with_borrow(|current| {
        if let Some((_, beat)) = current {
            beat.store(ELSEWHERE, Ordering::Relaxed);
        }
    });
    let done = work();
    beat();
    done
}

/// Milliseconds since the first call.
fn now() -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGIN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX - 1)
}

fn since(then: u64) -> Duration {
    Duration::from_millis(now().saturating_sub(then))
}

/// In place of a time: the work waits for something other than the disk.
const ELSEWHERE: u64 = u64::MAX;
/// Threads of a program with one user, beside a pool of 512.
const ALONE_SLOTS: usize = 256;
/// How long cancelled work is waited for, so that usually none is left running.
const END_PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A piece of work that lasts until the sender is dropped.
    fn hung(disk: &Arc<Disk>) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let disk = disk.clone();
        tokio::spawn(async move { disk.run(move || released.recv().is_err()).await });
        release
    }

    #[tokio::test]
    async fn what_hangs_at_one_disk_takes_no_turn_of_another() {
        let all = Arc::new(Semaphore::new(8));
        let [one, other] = [(); 2].map(|()| Disk::new(DiskSlots::new(2, Some(all.clone()))));
        let held: Vec<_> = (0..20).map(|_| hung(&one)).collect();
        for number in 0..20 {
            assert_eq!(other.run(move || number).await.unwrap(), number);
        }
        while one.slots.hanging(Duration::ZERO).count < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(one.slots.hanging(Duration::ZERO).count, 2, "the others have no thread");
        assert_eq!(other.slots.hanging(Duration::ZERO), Hanging::default());
        assert!(one.stalled() > Duration::ZERO || now() == 0);
        assert_eq!(other.stalled(), Duration::ZERO);
        drop(held);
        assert_eq!(one.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn who_waits_is_turned_away_or_gives_up() {
        let disk = Disk::new(DiskSlots::new(1, None));
        let _held = hung(&disk);
        let over = CancellationToken::new();
        let waiting = disk.run_until(&over, || ());
        over.cancel();
        assert_eq!(waiting.await.unwrap_err().code, FailureCode::Cancelled);
    }

    #[tokio::test]
    async fn what_waits_for_somebody_else_does_not_hang() {
        let disk = Disk::new(DiskSlots::new(1, None));
        let slots = disk.slots.clone();
        let count = disk.run(move || elsewhere(|| slots.hanging(Duration::ZERO).count));
        assert_eq!(count.await.unwrap(), 0);
    }
}
