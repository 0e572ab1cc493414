//! A lane whose transport does not matter any more: sessions pass it on and run it, and know no transport.

use super::exchange::Exchange;
use super::lanes::{LaneEnd, run_lane};
use crate::ids::LaneNo;
use crate::transport::Lane;
use std::pin::Pin;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A lane of any transport. Once it runs, it is as fast as its own type: only its beginning is called through a pointer.
pub struct AnyLane {
    number: LaneNo,
    run: Box<dyn FnOnce(Arc<Exchange>, CancellationToken, CancellationToken) -> RunningLane + Send>,
}

type RunningLane = Pin<Box<dyn Future<Output = LaneEnd> + Send>>;

impl AnyLane {
    /// Hides the transport of `lane`.
    #[must_use]
    pub fn new(lane: impl Lane) -> Self {
        let number = lane.number();
        Self {
            number,
            run: Box::new(|exchange, stop, retire| Box::pin(run_lane(lane, exchange, stop, retire))),
        }
    }

    /// Returns its number within the session.
    #[must_use]
    pub fn number(&self) -> LaneNo {
        self.number
    }

    /// Runs it, as [`run_lane`] does.
    pub async fn run(
        self,
        exchange: Arc<Exchange>,
        stop: CancellationToken,
        retire: CancellationToken,
    ) -> LaneEnd {
        (self.run)(exchange, stop, retire).await
    }
}
