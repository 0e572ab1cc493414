//! Memory of a session's lanes and jobs, within its [budget](crate::budget).
//!
//! Work without room waits, and others may need that very work to continue. So one lane of a session in each direction, and one
//! of its jobs, may continue without room, one after another: a frame always gets in, and the one that a job's other frames
//! wait for is always taken.

use super::lock;
use crate::budget::{Budget, Charge, Overdraft};
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
pub(crate) struct SessionOverdraft(
    #[expect(dead_code, reason = "held, not looked at")] (OwnedSemaphorePermit, Overdraft),
);

/// Room for a buffer or frame, or an overdraft instead.
pub(crate) enum MemoryGrant {
    Charged(#[expect(dead_code, reason = "held, not looked at")] Charge),
    Overdraft(#[expect(dead_code, reason = "held, not looked at")] SessionOverdraft),
    /// Covered by the overdraft that the job has.
    JobOverdraft,
}

/// The direction of a lane that needs a buffer.
#[derive(Clone, Copy)]
pub(crate) enum LaneDirection {
    Reading,
    Writing,
}

impl SessionMemory {
    pub(crate) fn new(budget: Budget) -> Self {
        let overdraft = || Arc::new(Semaphore::new(1));
        Self { budget, reading: overdraft(), writing: overdraft(), job: overdraft() }
    }

    /// Takes memory for a lane's buffer of `len` bytes, if there is room.
    pub(crate) fn try_lane(&self, direction: LaneDirection, len: usize) -> Option<MemoryGrant> {
        let charge = self.budget.try_take(len).map(MemoryGrant::Charged);
        charge.or_else(|| self.overdraft(self.lane_overdraft(direction)).map(MemoryGrant::Overdraft))
    }

    /// Takes memory for a lane's buffer of `len` bytes, once there is room.
    pub(crate) async fn lane(&self, direction: LaneDirection, len: usize) -> MemoryGrant {
        loop {
            let freed = self.budget.freed();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(taken) = self.try_lane(direction, len) {
                return taken;
            }
            let overdraft = self.lane_overdraft(direction).clone();
            tokio::select! {
                () = freed.as_mut() => {}
                permit = overdraft.acquire_owned() => {
                    if let (Ok(permit), Some(overdraft)) = (permit, self.budget.overdraft()) {
                        return MemoryGrant::Overdraft(SessionOverdraft((permit, overdraft)));
                    }
                    freed.await; // too many sessions have an overdraft
                }
            }
        }
    }

    fn lane_overdraft(&self, direction: LaneDirection) -> &Arc<Semaphore> {
        match direction {
            LaneDirection::Reading => &self.reading,
            LaneDirection::Writing => &self.writing,
        }
    }

    fn overdraft(&self, of: &Arc<Semaphore>) -> Option<SessionOverdraft> {
        let permit = of.clone().try_acquire_owned().ok()?;
        Some(SessionOverdraft((permit, self.budget.overdraft()?)))
    }
}

/// Memory used by a job.
#[derive(Default)]
pub(super) struct JobMemory {
    session: OnceLock<SessionMemory>,
    kept: Mutex<Charge>,
    overdraft: Mutex<Option<SessionOverdraft>>,
}

impl JobMemory {
    /// Limits the job's memory to the room of `session` from now on.
    pub(super) fn keep_within(&self, session: &SessionMemory) {
        *lock(&self.kept) = session.budget.empty();
        let _ = self.session.set(session.clone()); // a job runs once
    }

    /// Takes memory for `len` bytes more, if there is room.
    pub(super) fn take(&self, len: usize) -> Option<MemoryGrant> {
        match self.session.get() {
            None => Some(MemoryGrant::Charged(Charge::none())),
            Some(session) => session.budget.try_take(len).map(MemoryGrant::Charged),
        }
    }

    /// Charges `len` bytes for something that the job keeps beside its items, if there is room.
    pub(super) fn charge(&self, len: usize) -> Option<Charge> {
        match self.session.get() {
            None => Some(Charge::none()),
            Some(session) => session.budget.try_take(len),
        }
    }

    /// Takes the session's overdraft for a job that continues without room, if it is free. The job keeps it until
    /// [`count`](Self::count) finds it settled.
    pub(super) fn take_overdraft(&self) -> Option<MemoryGrant> {
        let session = self.session.get()?;
        let mut overdraft = lock(&self.overdraft);
        if overdraft.is_none() {
            *overdraft = session.overdraft(&session.job);
            return overdraft.is_some().then_some(MemoryGrant::JobOverdraft);
        }
        None
    }

    /// True if the session's overdraft could be taken.
    pub(super) fn is_overdraft_free(&self) -> bool {
        lock(&self.overdraft).is_none()
            && self.session.get().is_some_and(|session| session.job.available_permits() > 0)
    }

    /// Returns how many frames of `len` bytes there is room for, up to a few.
    pub(super) fn frames_of(&self, len: usize) -> usize {
        let Some(session) = self.session.get() else { return FRAMES_MAX };
        let mut room = session.budget.empty();
        (0..FRAMES_MAX).take_while(|_| room.grow(len)).count()
    }

    /// Charges the bytes that the job keeps now. Returns the overdraft if the work that needed it `is_settled`.
    pub(super) fn count(&self, kept: impl FnOnce() -> usize, is_settled: impl FnOnce() -> bool) {
        let mut charge = lock(&self.kept);
        charge.set(kept());
        drop(charge);
        let mut overdraft = lock(&self.overdraft);
        if overdraft.is_some() && is_settled() {
            *overdraft = None;
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
        kept == 0 && (lock(&self.overdraft).is_some() || self.take_overdraft().is_some())
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
        let reading = memory.try_lane(LaneDirection::Reading, 50);
        assert!(reading.is_some() && memory.try_lane(LaneDirection::Reading, 50).is_none());
        assert!(memory.try_lane(LaneDirection::Writing, 50).is_some());
        let waiting = tokio::spawn({
            let memory = memory.clone();
            async move { drop(memory.lane(LaneDirection::Reading, 50).await) }
        });
        tokio::task::yield_now().await;
        drop(reading);
        tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
            .await
            .expect("its overdraft comes")
            .unwrap();
        drop(full);
    }

    #[test]
    fn a_job_has_the_turn_until_it_is_settled() {
        let session = SessionMemory::new(Budget::new(100));
        let (one, other) = (JobMemory::default(), JobMemory::default());
        [&one, &other].into_iter().for_each(|job| job.keep_within(&session));
        let full = session.budget.try_take(100);
        assert!(one.take(1).is_none() && one.take_overdraft().is_some());
        assert!(one.take_overdraft().is_none() && other.take_overdraft().is_none());
        one.count(|| 0, || false);
        assert!(!other.is_overdraft_free());
        one.count(|| 0, || true);
        assert!(other.is_overdraft_free() && other.take_overdraft().is_some());
        drop(full);
        assert_eq!(other.frames_of(50), 2);
    }
}
