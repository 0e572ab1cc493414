//! Turns at a disk: work that may block, in threads of which each filesystem has its share.
//!
//! A filesystem that hangs (a file server that is gone, a user-space filesystem that waits) holds whoever calls it, and nobody can
//! take a thread back from it. So all work of a filesystem shares a number of turns, and whatever is over that waits
//! without a thread; other filesystems, and all that is no disk's work, go on. Each piece of work tells now and then that it goes
//! on ([`beat`]): by that it is known what hangs, and for how long.

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

/// The turns at one filesystem, and what runs there.
pub struct Turns {
    own: Arc<Semaphore>,
    /// What all filesystems have together; nothing where there is no other.
    all: Option<Arc<Semaphore>>,
    running: Mutex<Running>,
    /// When a piece of work ended or went on last, in milliseconds of [`now`].
    progress: AtomicU64,
}

#[derive(Default)]
struct Running {
    next: u64,
    pieces: BTreeMap<u64, Arc<AtomicU64>>,
}

/// What hangs at a filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hanging {
    /// Pieces of work that have not gone on for as long as asked.
    pub count: usize,
    /// How long the one that waits longest has.
    pub longest: Duration,
}

/// The disk as one session or one job sees it: the turns are shared, what goes on is its own.
pub struct Disk {
    turns: Arc<Turns>,
    /// Pieces of work that run or wait for their turn.
    pending: AtomicUsize,
    progress: AtomicU64,
    disposals: TaskTracker,
}

impl Turns {
    /// So many turns, of those that all filesystems have together.
    #[must_use]
    pub fn new(count: usize, all: Option<Arc<Semaphore>>) -> Arc<Self> {
        let (own, running) = (Arc::new(Semaphore::new(count)), Mutex::default());
        Arc::new(Self { own, all, running, progress: AtomicU64::new(now()) })
    }

    /// What has not gone on for `time`.
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

    /// True if no work runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running().pieces.is_empty()
    }

    /// The next turn.
    async fn next(&self) -> Option<Turn> {
        let own = self.own.clone().acquire_owned().await.ok()?;
        let all = match &self.all {
            Some(all) => Some(all.clone().acquire_owned().await.ok()?),
            None => None,
        };
        Some(Turn { _own: own, _all: all })
    }

    /// The next turn, unless nothing goes on for too long.
    async fn next_soon(&self) -> Option<Turn> {
        let next = self.next();
        tokio::pin!(next);
        loop {
            if let Ok(turn) = timeout(DISK_PATIENCE, &mut next).await {
                return turn;
            }
            if since(self.progress.load(Ordering::Relaxed)) >= DISK_PATIENCE {
                return None;
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have a thread at a disk, given back when dropped.
struct Turn {
    _own: OwnedSemaphorePermit,
    _all: Option<OwnedSemaphorePermit>,
}

impl Disk {
    /// The disk of these turns.
    #[must_use]
    pub fn new(turns: Arc<Turns>) -> Arc<Self> {
        let (pending, progress) = (AtomicUsize::new(0), AtomicU64::new(now()));
        Arc::new(Self { turns, pending, progress, disposals: TaskTracker::new() })
    }

    /// A disk that nobody shares, for programs with one user.
    #[must_use]
    pub fn alone() -> Arc<Self> {
        Self::new(Turns::new(ALONE_TURNS, None))
    }

    /// Does work in its turn, however long that takes to come.
    ///
    /// # Errors
    /// `Io` if the work panics.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let pending = Pending::new(self);
        let turn = self.turns.next().await.ok_or(FailureCode::Cancelled)?;
        self.spawn(pending, turn, work).await.map_err(panicked)
    }

    /// Does work in its turn, if that comes while the disk answers at all.
    ///
    /// # Errors
    /// `Io` if nothing at the disk goes on for too long, or the work panics.
    pub async fn run_soon<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let pending = Pending::new(self);
        let turn = self.turns.next_soon().await.ok_or_else(does_not_answer)?;
        self.spawn(pending, turn, work).await.map_err(panicked)
    }

    /// Does work in its turn, unless that is no use any more: work that has begun is given a moment to end, and then left to itself.
    ///
    /// # Errors
    /// `Cancelled` if nobody waits for it any more, `Io` if the work panics.
    pub async fn run_until<T: Send + 'static>(
        self: &Arc<Self>,
        over: &CancellationToken,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let pending = Pending::new(self);
        let turn = over.run_until_cancelled(self.turns.next()).await.flatten();
        let running = self.spawn(pending, turn.ok_or(FailureCode::Cancelled)?, work);
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

    /// Drops a value whose end is work at the disk, such as files that are closed or removed then: never in a thread that serves
    /// everybody.
    pub fn dispose<T: Send + 'static>(self: &Arc<Self>, value: T) {
        let Ok(runtime) = Handle::try_current() else { return drop(value) };
        let disk = self.clone();
        self.disposals.spawn_on(async move { disk.run(move || drop(value)).await }, &runtime);
    }

    /// Waits until what was disposed of is gone; for a disk that hangs no longer than a moment.
    pub async fn disposed(&self) {
        self.disposals.close();
        let _ = timeout(END_PATIENCE, self.disposals.wait()).await; // it goes when the disk answers
    }

    /// How long nothing of the work that was begun here has gone on; zero if there is none.
    #[must_use]
    pub fn stalled(&self) -> Duration {
        match self.pending.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            _ => since(self.progress.load(Ordering::Relaxed)),
        }
    }

    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        pending: Pending,
        turn: Turn,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        spawn_blocking(move || {
            let piece = Piece::begin(pending, turn);
            let done = work();
            drop(piece);
            done
        })
    }

    fn goes_on(&self) {
        let now = now();
        self.progress.store(now, Ordering::Relaxed);
        self.turns.progress.store(now, Ordering::Relaxed);
    }
}

fn panicked(error: tokio::task::JoinError) -> Failure {
    Failure::new(FailureCode::Io, error.to_string())
}

fn does_not_answer() -> Failure {
    let seconds = DISK_PATIENCE.as_secs();
    Failure::new(FailureCode::Io, format!("the disk has not answered for {seconds} s"))
}

/// Work that runs or waits for its turn.
struct Pending(Arc<Disk>);

impl Pending {
    fn new(disk: &Arc<Disk>) -> Self {
        if disk.pending.fetch_add(1, Ordering::Relaxed) == 0 {
            disk.progress.store(now(), Ordering::Relaxed); // the time before was no waiting
        }
        Self(disk.clone())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Work that runs in this thread.
struct Piece {
    pending: Pending,
    number: u64,
    _turn: Turn,
}

thread_local! {
    /// What runs in this thread, and when it went on last.
    static CURRENT: RefCell<Option<(Arc<Disk>, Arc<AtomicU64>)>> = const { RefCell::new(None) };
}

impl Piece {
    fn begin(pending: Pending, turn: Turn) -> Self {
        let beat = Arc::new(AtomicU64::new(now()));
        let number = {
            let mut running = pending.0.turns.running();
            running.next += 1;
            let number = running.next;
            running.pieces.insert(number, beat.clone());
            number
        };
        CURRENT.set(Some((pending.0.clone(), beat)));
        Self { pending, number, _turn: turn }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        CURRENT.set(None);
        let disk = &self.pending.0;
        disk.turns.running().pieces.remove(&self.number);
        disk.goes_on();
    }
}

/// The work of this thread goes on: the disk has answered.
pub fn beat() {
    CURRENT.with_borrow(|current| {
        if let Some((disk, beat)) = current {
            beat.store(now(), Ordering::Relaxed);
            disk.goes_on();
        }
    });
}

/// Does what waits for somebody else than the disk.
pub fn elsewhere<T>(work: impl FnOnce() -> T) -> T {
    CURRENT.with_borrow(|current| {
        current.iter().for_each(|(_, beat)| beat.store(ELSEWHERE, Ordering::Relaxed));
    });
    let done = work();
    beat();
    done
}

/// Milliseconds since this was asked first.
fn now() -> u64 {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGIN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX - 1)
}

fn since(then: u64) -> Duration {
    Duration::from_millis(now().saturating_sub(then))
}

/// In place of a time: the work waits for somebody else.
const ELSEWHERE: u64 = u64::MAX;
/// Threads of a program with one user, beside a pool of 512.
const ALONE_TURNS: usize = 256;
/// How long work that nobody needs any more is waited for, so that nothing of it is left as a rule.
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
        let [one, other] = [(); 2].map(|()| Disk::new(Turns::new(2, Some(all.clone()))));
        let held: Vec<_> = (0..20).map(|_| hung(&one)).collect();
        for number in 0..20 {
            assert_eq!(other.run(move || number).await.unwrap(), number);
        }
        while one.turns.hanging(Duration::ZERO).count < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(one.turns.hanging(Duration::ZERO).count, 2, "the others have no thread");
        assert_eq!(other.turns.hanging(Duration::ZERO), Hanging::default());
        assert!(one.stalled() > Duration::ZERO || now() == 0);
        assert_eq!(other.stalled(), Duration::ZERO);
        drop(held);
        assert_eq!(one.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn who_waits_is_turned_away_or_gives_up() {
        let disk = Disk::new(Turns::new(1, None));
        let _held = hung(&disk);
        let over = CancellationToken::new();
        let waiting = disk.run_until(&over, || ());
        over.cancel();
        assert_eq!(waiting.await.unwrap_err().code, FailureCode::Cancelled);
    }

    #[tokio::test]
    async fn what_waits_for_somebody_else_does_not_hang() {
        let disk = Disk::new(Turns::new(1, None));
        let turns = disk.turns.clone();
        let count = disk.run(move || elsewhere(|| turns.hanging(Duration::ZERO).count));
        assert_eq!(count.await.unwrap(), 0);
    }
}
