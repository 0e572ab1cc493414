//! Keeps a session's lanes: opens them when the first transfer begins, replaces those that die, and has as many as the
//! user or the tuner wants.

use crate::control::{Control, EndReason};
use crate::dial::{DialedLane, LaneDialer};
use crate::tuning::{Tuner, TuningStep};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::engine::LaneEnd;
use wire::ids::LaneNo;

/// A session's lanes.
pub(crate) struct LaneKeeper {
    control: Arc<Control>,
    dialer: LaneDialer,
    tasks: TaskTracker,
    next_number: AtomicU16,
    /// Places for a lane that have not given up.
    places: AtomicUsize,
}

impl LaneKeeper {
    /// Lanes to be run on `tasks`; none is open yet.
    pub(crate) fn new(control: Arc<Control>, dialer: LaneDialer, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self { control, dialer, tasks, next_number: AtomicU16::new(0), places: AtomicUsize::new(0) })
    }

    /// Keeps `count` lanes open until the session is over, or as many as the server allows.
    pub(crate) async fn keep(self: Arc<Self>, count: u16) {
        let mut places: Vec<CancellationToken> =
            (0..count.min(LANES_BEFORE_WELCOME)).map(|_| self.add()).collect();
        let Ok(welcome) = self.control.welcome().await else { return };
        let count = usize::from(count.min(welcome.lanes_max));
        places.drain(count.min(places.len())..).for_each(|place| place.cancel());
        (places.len()..count).for_each(|_| drop(self.add()));
    }

    /// Keeps as many lanes open as serve, until the session is over.
    pub(crate) async fn tune(self: Arc<Self>) {
        let mut tuner = Tuner::new(self.control.exchange.round_trip());
        let mut places: Vec<CancellationToken> = (0..tuner.lanes()).map(|_| self.add()).collect();
        if let Ok(welcome) = self.control.welcome().await {
            tuner.limit(welcome.lanes_max);
        }
        let surplus = places.len().saturating_sub(usize::from(tuner.lanes()));
        places.drain(..surplus).for_each(|place| place.cancel());
        let mut bytes = self.control.exchange.lane_bytes();
        while !self.control.is_over() {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = self.control.over.cancelled() => return,
            }
            let now = self.control.exchange.lane_bytes();
            #[allow(clippy::cast_precision_loss)] // a rate
            let step = tuner.observe((now - bytes) as f64 / INTERVAL.as_secs_f64());
            bytes = now;
            match step {
                TuningStep::Keep => {}
                TuningStep::Add => places.push(self.add()),
                TuningStep::Drop => drop(places.pop().map(|place| place.cancel())),
            }
        }
    }

    /// Adds a place for a lane; it is given up when the returned token is cancelled.
    fn add(self: &Arc<Self>) -> CancellationToken {
        let given_up = CancellationToken::new();
        self.places.fetch_add(1, Ordering::Relaxed);
        self.tasks.spawn(self.clone().fill_place(given_up.clone()));
        given_up
    }

    /// Keeps one lane open, until it cannot be opened several times in a row.
    async fn fill_place(self: Arc<Self>, given_up: CancellationToken) {
        let mut failures = 0;
        let mut last_reason = String::new();
        while !self.control.is_over() && !given_up.is_cancelled() && failures < FAILURES_MAX {
            let reason = match self.run_one(&given_up).await {
                Ok(()) => {
                    failures = 0;
                    continue;
                }
                Err(reason) => reason,
            };
            failures += 1;
            last_reason = reason;
            tokio::select! {
                () = tokio::time::sleep(PAUSE * failures) => {}
                () = self.control.over.cancelled() => {}
            }
        }
        // Whichever place is the last to go tells, so that none goes while all think that another is still there.
        if self.places.fetch_sub(1, Ordering::AcqRel) == 1 && !self.control.is_over() {
            self.control.end(EndReason::Lost(format!("no data connection works: {last_reason}")));
        }
    }

    /// Opens a lane and runs it to its end; an error if no frame got through meanwhile, on any lane.
    async fn run_one(&self, retire: &CancellationToken) -> Result<(), String> {
        let Ok(number) =
            self.next_number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_add(1))
        else {
            return Err("all lane numbers are used".into());
        };
        let before = self.control.exchange.frames_through();
        let dialed = tokio::select! {
            dialed = self.dialer.dial(LaneNo(number)) => dialed,
            () = self.control.over.cancelled() => return Ok(()),
        };
        let DialedLane { lane, is_detour } = dialed.map_err(|error| error.to_string())?;
        let exchange = self.control.exchange.clone();
        let retire = retire.child_token();
        let running = lane.run(exchange, self.control.over.clone(), retire.clone());
        tokio::pin!(running);
        let end = tokio::select! {
            end = &mut running => end,
            () = self.dialer.better_way(), if is_detour => {
                retire.cancel(); // another takes its place
                running.await
            }
        };
        match end {
            LaneEnd::Violation(rule) => {
                self.control.end(EndReason::Protocol(rule));
                Ok(())
            }
            _ if self.control.is_over() || retire.is_cancelled() => Ok(()),
            LaneEnd::Closed | LaneEnd::Lost(_) if self.control.exchange.frames_through() > before => Ok(()),
            LaneEnd::Closed => Err("closed by the server".into()),
            LaneEnd::Lost(error) => Err(error.to_string()),
        }
    }
}

/// Lanes that are opened before the server has said how many it allows: as many as the tuner begins with on a long path.
const LANES_BEFORE_WELCOME: u16 = 8;
/// Attempts in a row after which a place for a lane is given up; the server may allow fewer.
const FAILURES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// How often the tuner looks.
const INTERVAL: Duration = Duration::from_millis(500);
