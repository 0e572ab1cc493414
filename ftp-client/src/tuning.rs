//! How many lanes: begins with few on a short path and with many on a long one, where slow start is what a short job waits
//! for; then one more for as long as that brings more than a tenth. It decides and opens no lane.

use std::time::Duration;
use wire::transport::tls_tcp::LONG_PATH;

/// Decides how many lanes a session has.
#[derive(Debug)]
pub(crate) struct Tuner {
    lanes: u16,
    lanes_max: u16,
    /// Bytes per second that the last number of lanes brought, while one more is being tried.
    before: Option<f64>,
    /// Observations that are still to pass before the next trial.
    rest: u32,
}

/// The next step with the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TuningStep {
    /// Nothing.
    Keep,
    /// Open one more.
    Add,
    /// Close one.
    Drop,
}

impl Tuner {
    /// A tuner for a path with this round trip, and how many lanes to begin with.
    pub(crate) fn new(round_trip: Duration) -> Self {
        let lanes = if round_trip >= LONG_PATH { LANES_ON_LONG_PATH } else { LANES_ON_SHORT_PATH };
        Self { lanes, lanes_max: u16::MAX, before: None, rest: WARM_UP }
    }

    /// Lanes that there should be now.
    pub(crate) fn lanes(&self) -> u16 {
        self.lanes
    }

    /// The server allows no more than this.
    pub(crate) fn limit(&mut self, lanes_max: u16) {
        self.lanes_max = lanes_max.max(1);
        self.lanes = self.lanes.min(self.lanes_max);
    }

    /// Takes what the lanes brought together in the last interval.
    pub(crate) fn observe(&mut self, bytes_per_second: f64) -> TuningStep {
        if bytes_per_second <= 0.0 {
            self.before = None; // idle: nothing to learn from
            return TuningStep::Keep;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return TuningStep::Keep;
        }
        match self.before.take() {
            Some(before) if bytes_per_second < before * WORTH_IT => {
                self.lanes -= 1;
                self.rest = REST;
                TuningStep::Drop
            }
            _ if self.lanes < self.lanes_max.min(LANES_MAX_AUTO) => {
                self.before = Some(bytes_per_second);
                self.lanes += 1;
                self.rest = SETTLE;
                TuningStep::Add
            }
            _ => TuningStep::Keep,
        }
    }
}

const LANES_ON_SHORT_PATH: u16 = 2;
const LANES_ON_LONG_PATH: u16 = 8;
/// More is for those who ask for it.
const LANES_MAX_AUTO: u16 = 16;
/// Another lane must bring more than a tenth.
const WORTH_IT: f64 = 1.1;
/// Intervals before the first trial, after an added lane, and after a trial that failed.
const WARM_UP: u32 = 2;
const SETTLE: u32 = 1;
const REST: u32 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(tuner: &mut Tuner, rate_of: impl Fn(u16) -> f64, intervals: usize) {
        for _ in 0..intervals {
            tuner.observe(rate_of(tuner.lanes()));
        }
    }

    #[test]
    fn lanes_grow_while_they_bring_more_and_no_further() {
        let mut tuner = Tuner::new(Duration::from_millis(1));
        assert_eq!(tuner.lanes(), 2);
        run(&mut tuner, |lanes| f64::from(lanes.min(5)) * 1e6, 100);
        assert!((5..=6).contains(&tuner.lanes()), "{tuner:?}");
    }

    #[test]
    fn a_lane_that_brings_nothing_is_dropped() {
        let mut tuner = Tuner::new(Duration::from_millis(1));
        let steps: Vec<TuningStep> = (0..5).map(|_| tuner.observe(1e6)).collect();
        assert_eq!(
            steps,
            [TuningStep::Keep, TuningStep::Keep, TuningStep::Add, TuningStep::Keep, TuningStep::Drop]
        );
        assert_eq!(tuner.lanes(), 2);
    }

    #[test]
    fn the_servers_limit_holds() {
        let mut tuner = Tuner::new(Duration::from_millis(100));
        assert_eq!(tuner.lanes(), 8);
        tuner.limit(3);
        run(&mut tuner, |lanes| f64::from(lanes) * 1e6, 50);
        assert_eq!(tuner.lanes(), 3);
    }

    #[test]
    fn idleness_teaches_nothing() {
        let mut tuner = Tuner::new(Duration::from_millis(1));
        run(&mut tuner, |_| 0.0, 50);
        assert_eq!(tuner.lanes(), 2);
    }
}
