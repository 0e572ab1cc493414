//! Memory of a session's lanes and jobs, within its [budget](crate::budget).
//!
//! Work without room waits, and others may need that very work to continue. So one lane of a session in each direction, and one
//! of its jobs, may continue without room, one after another: a frame always gets in, and the one that a job's other frames
//! wait for is always taken.

use super::lock;
use crate::budget::{Budget, Charge, Turn};
use crate::failure::{Failure, FailureCode};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory shared by a session's lanes and jobs.
#[derive(Clone)]
pub(crate) struct SessionMemory {
    pub(crate) budget: Budget,
    reading: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    job: Arc<Semaphore>,
}

/// An overdraft of a session, which is also one among those of all sessions.
pub(crate) struct SessionTurn(
    #[expect(dead_code, reason = "held, not looked at")] (OwnedSemaphorePermit, Turn),
);

/// Room for a buffer or frame, or an overdraft instead.
pub(crate) enum Taken {
    Charged(#[expect(dead_code, reason = "held, not looked at")] Charge),
    Turn(#[expect(dead_code, reason = "held, not looked at")] SessionTurn),
    /// Covered by the overdraft that the job has.
    JobsTurn,
}

/// The direction of a lane that needs a buffer.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Reading,
    Writing,
}

impl SessionMemory {
    pub(crate) fn new(budget: Budget) -> Self {
        let turn = || Arc::new(Semaphore::new(1));
        Self { budget, reading: turn(), writing: turn(), job: turn() }
    }

    /// Takes memory for a lane's buffer of `len` bytes, if there is room.
    pub(crate) fn try_lane(&self, direction: Direction, len: usize) -> Option<Taken> {
        let charge = self.budget.try_take(len).map(Taken::Charged);
        charge.or_else(|| self.turn(self.lane_turn(direction)).map(Taken::Turn))
    }

    /// Takes memory for a lane's buffer of `len` bytes, once there is room.
    pub(crate) async fn lane(&self, direction: Direction, len: usize) -> Taken {
        loop {
            let freed = self.budget.freed();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(taken) = self.try_lane(direction, len) {
                return taken;
            }
            let turn = self.lane_turn(direction).clone();
            tokio::select! {
                () = freed.as_mut() => {}
                permit = turn.acquire_owned() => {
                    if let (Ok(permit), Some(turn)) = (permit, self.budget.turn()) {
                        return Taken::Turn(SessionTurn((permit, turn)));
                    }
                    freed.await; // too many sessions have an overdraft
                }
            }
        }
    }

    fn lane_turn(&self, direction: Direction) -> &Arc<Semaphore> {
        match direction {
            Direction::Reading => &self.reading,
            Direction::Writing => &self.writing,
        }
    }

    fn turn(&self, of: &Arc<Semaphore>) -> Option<SessionTurn> {
        let permit = of.clone().try_acquire_owned().ok()?;
        Some(SessionTurn((permit, self.budget.turn()?)))
    }
}

/// Memory used by a job.
#[derive(Default)]
pub(super) struct JobMemory {
    session: OnceLock<SessionMemory>,
    kept: Mutex<Charge>,
    turn: Mutex<Option<SessionTurn>>,
}

impl JobMemory {
    /// Limits the job's memory to the room of `session` from now on.
    pub(super) fn keep_within(&self, session: &SessionMemory) {
        *lock(&self.kept) = session.budget.nothing();
        let _ = self.session.set(session.clone()); // a job runs once
    }

    /// Takes memory for `len` bytes more, if there is room.
    pub(super) fn take(&self, len: usize) -> Option<Taken> {
        match self.session.get() {
            None => Some(Taken::Charged(Charge::none())),
            Some(session) => session.budget.try_take(len).map(Taken::Charged),
        }
    }

    /// Takes the session's overdraft for a job that continues without room, if it is free. The job keeps it until
    /// [`count`](Self::count) finds it settled.
    pub(super) fn take_turn(&self) -> Option<Taken> {
        let session = self.session.get()?;
        let mut turn = lock(&self.turn);
        if turn.is_none() {
            *turn = session.turn(&session.job);
            return turn.is_some().then_some(Taken::JobsTurn);
        }
        None
    }

    /// True if the session's overdraft could be taken.
    pub(super) fn has_turn(&self) -> bool {
        lock(&self.turn).is_none()
            && self.session.get().is_some_and(|session| session.job.available_permits() > 0)
    }

    /// Returns how many frames of `len` bytes there is room for, up to a few.
    pub(super) fn frames_of(&self, len: usize) -> usize {
        let Some(session) = self.session.get() else { return FRAMES_MAX };
        let mut room = session.budget.nothing();
        (0..FRAMES_MAX).take_while(|_| room.grow(len)).count()
    }

    /// Charges the bytes that the job keeps now. Returns the overdraft if the work that needed it `is_settled`.
    pub(super) fn count(&self, kept: impl FnOnce() -> usize, is_settled: impl FnOnce() -> bool) {
        let mut charge = lock(&self.kept);
        charge.set(kept());
        drop(charge);
        let mut turn = lock(&self.turn);
        if turn.is_some() && is_settled() {
            *turn = None;
        }
    }

    /// Like [`count`](Self::count), and then takes room for `more`, or the overdraft if the job keeps no bytes; returns whether
    /// it got either.
    pub(super) fn count_and_take(&self, kept: impl FnOnce() -> usize, more: usize) -> bool {
        let mut charge = lock(&self.kept);
        let kept = kept();
        charge.set(kept);
        if charge.grow(more) {
            return true;
        }
        drop(charge);
        kept == 0 && (lock(&self.turn).is_some() || self.take_turn().is_some())
    }

    /// Splits `len` bytes off the charge, for a message that carries them.
    pub(super) fn split(&self, len: usize) -> Charge {
        lock(&self.kept).split(len)
    }

    /// The failure of a job that ends for lack of memory.
    pub(super) fn exhausted(&self) -> Failure {
        Failure::new(
            FailureCode::LimitExceeded,
            "the session's memory is used up by frames and failures that wait for each other (Welcome.memory)",
        )
    }
}

/// Most frames requested again at the same time.
const FRAMES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_lane_in_each_direction_goes_on_without_room() {
        let memory = SessionMemory::new(Budget::new(100));
        let full = memory.budget.try_take(100);
        let reading = memory.try_lane(Direction::Reading, 50);
        assert!(reading.is_some() && memory.try_lane(Direction::Reading, 50).is_none());
        assert!(memory.try_lane(Direction::Writing, 50).is_some());
        let waiting = tokio::spawn({
            let memory = memory.clone();
            async move { drop(memory.lane(Direction::Reading, 50).await) }
        });
        tokio::task::yield_now().await;
        drop(reading);
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
            .await
            .expect("its turn comes")
            .unwrap();
        drop(full);
    }

    #[test]
    fn a_job_has_the_turn_until_it_is_settled() {
        let session = SessionMemory::new(Budget::new(100));
        let (one, other) = (JobMemory::default(), JobMemory::default());
        [&one, &other].into_iter().for_each(|job| job.keep_within(&session));
        let full = session.budget.try_take(100);
        assert!(one.take(1).is_none() && one.take_turn().is_some());
        assert!(one.take_turn().is_none() && other.take_turn().is_none());
        one.count(|| 0, || false);
        assert!(!other.has_turn());
        one.count(|| 0, || true);
        assert!(other.has_turn() && other.take_turn().is_some());
        drop(full);
        assert_eq!(other.frames_of(50), 2);
    }
}
