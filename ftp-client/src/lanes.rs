//! Keeps a session's lanes: opens them when the first transfer begins, replaces those that die.

use crate::control::{Control, Ended};
use crate::dial::LaneDialer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;
use wire::engine::{LaneEnd, run_lane};

/// Lanes of a session that has not been told how many.
pub(crate) const LANES_AUTO: u16 = 2;

/// A session's lanes.
pub(crate) struct Lanes {
    control: Arc<Control>,
    dialer: LaneDialer,
    next_number: AtomicU16,
    /// Lanes that are open now.
    open: AtomicUsize,
    /// Places for a lane that have not given up.
    places: AtomicUsize,
}

impl Lanes {
    pub(crate) fn new(control: Arc<Control>, dialer: LaneDialer) -> Arc<Self> {
        let (open, places) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { control, dialer, next_number: AtomicU16::new(0), open, places })
    }

    /// Keeps one lane open until the session is over, or it cannot be opened several times in a row.
    pub(crate) async fn keep(self: Arc<Self>) {
        self.places.fetch_add(1, Ordering::Relaxed);
        let mut failures = 0;
        while !self.control.is_over() && failures < FAILURES_MAX {
            let reason = match self.run_one().await {
                Ok(()) => {
                    failures = 0;
                    continue;
                }
                Err(reason) => reason,
            };
            failures += 1;
            if failures == FAILURES_MAX && self.places.load(Ordering::Relaxed) == 1 {
                self.control.end(Ended::Lost(format!("no data connection can be opened: {reason}")));
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE * failures) => {}
                () = self.control.over.cancelled() => {}
            }
        }
        self.places.fetch_sub(1, Ordering::Relaxed);
    }

    /// Opens a lane and runs it to its end; an error if it was of no use.
    async fn run_one(&self) -> Result<(), String> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let before = self.control.exchange.lane_bytes();
        let dialed = tokio::select! {
            dialed = self.dialer.dial(number) => dialed,
            () = self.control.over.cancelled() => return Ok(()),
        };
        let lane = dialed.map_err(|error| error.to_string())?;
        self.open.fetch_add(1, Ordering::Relaxed);
        let end = run_lane(lane, self.control.exchange.clone(), self.control.over.clone()).await;
        self.open.fetch_sub(1, Ordering::Relaxed);
        match end {
            LaneEnd::Violation(rule) => {
                self.control.end(Ended::Protocol(rule));
                Ok(())
            }
            LaneEnd::Closed if self.control.exchange.lane_bytes() > before => Ok(()),
            LaneEnd::Closed => Err("closed by the server".into()),
            LaneEnd::Lost(_) if self.control.exchange.lane_bytes() > before => Ok(()),
            LaneEnd::Lost(error) => Err(error.to_string()),
        }
    }
}

/// Attempts in a row after which a place for a lane is given up; the server may allow fewer.
const FAILURES_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
