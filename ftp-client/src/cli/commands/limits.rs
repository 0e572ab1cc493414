//! Reports with `-v` what limits `get` and `put`, while they run and at the end, by the time that lanes spend in each state. (Those of a
//! mirror also wait for comparisons.)

use crate::cli::output::Output;
use ftp_client::Session;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use wire::engine::LaneTime;

/// Reports the bottleneck until it is dropped.
pub(super) struct BottleneckWatch {
    session: Session,
    output: Arc<Output>,
    begin: LaneTime,
    telling: Option<JoinHandle<()>>,
}

impl BottleneckWatch {
    /// Starts watching, with `--verbose`.
    pub(super) fn watch(session: &Session, output: &Arc<Output>) -> Self {
        let (session, output) = (session.clone(), output.clone());
        let begin = session.lane_time();
        let telling = output.verbose().then(|| tokio::spawn(tell(session.clone(), output.clone(), begin)));
        Self { session, output, begin, telling }
    }

    /// Reports on the whole transfer at its end.
    pub(super) fn end(&self) {
        if let Some(limit) = LaneBottleneck::of(since(self.begin, self.session.lane_time())) {
            self.output.note(|| limit.sentence());
        }
    }
}

impl Drop for BottleneckWatch {
    fn drop(&mut self) {
        if let Some(telling) = &self.telling {
            telling.abort();
        }
    }
}

/// Reports changes of the bottleneck, at most once per interval.
async fn tell(session: Session, output: Arc<Output>, mut before: LaneTime) {
    let mut told = None;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = session.lane_time();
        let limit = LaneBottleneck::of(since(before, now));
        before = now;
        if let Some(limit) = limit.filter(|limit| told != Some(limit.place)) {
            output.note(|| limit.sentence());
            told = Some(limit.place);
        }
    }
}

/// A connection that was made anew begins to count anew.
fn since(before: LaneTime, now: LaneTime) -> LaneTime {
    let spent = |now: Duration, before: Duration| now.checked_sub(before).unwrap_or(now);
    LaneTime {
        here: spent(now.here, before.here),
        socket: spent(now.socket, before.socket),
        peer: spent(now.peer, before.peer),
        paced: spent(now.paced, before.paced),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LaneBottleneck {
    place: BottleneckPlace,
    /// A part of the lanes' time.
    percent: u128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BottleneckPlace {
    Here,
    Network,
    Peer,
    Bound,
    Several,
}

impl LaneBottleneck {
    /// Returns the bottleneck; `None` if too little time was measured.
    fn of(time: LaneTime) -> Option<Self> {
        let all = time.here + time.socket + time.peer + time.paced;
        if all < TIME_MIN {
            return None;
        }
        let parts = [
            (BottleneckPlace::Here, time.here),
            (BottleneckPlace::Network, time.socket),
            (BottleneckPlace::Peer, time.peer),
            (BottleneckPlace::Bound, time.paced),
        ];
        let (place, most) = parts.into_iter().max_by_key(|(_, part)| *part)?;
        let percent = most.as_nanos() * 100 / all.as_nanos();
        let place = if percent < PERCENT_MIN { BottleneckPlace::Several } else { place };
        Some(Self { place, percent })
    }

    fn sentence(self) -> String {
        let by = match self.place {
            BottleneckPlace::Here => "this machine: reading, writing, hashing, encrypting",
            BottleneckPlace::Network => "the network, or the other end",
            BottleneckPlace::Peer => "the other end, which is behind with what was sent",
            BottleneckPlace::Bound => "--limit-rate",
            BottleneckPlace::Several => {
                return "limited by no single part: this machine and the network take turns".to_owned();
            }
        };
        format!("limited by {by} ({} % of the data connections' time)", self.percent)
    }
}

const INTERVAL: Duration = Duration::from_secs(5);
/// Shorter measurements are ignored.
const TIME_MIN: Duration = Duration::from_millis(100);
/// An activity that takes less than this is not alone.
const PERCENT_MIN: u128 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn time(here: u64, socket: u64, peer: u64) -> LaneTime {
        let [here, socket, peer] = [here, socket, peer].map(Duration::from_millis);
        LaneTime { here, socket, peer, paced: Duration::ZERO }
    }

    #[test]
    fn the_largest_share_limits() {
        for (spent, expected) in [
            (time(800, 200, 0), Some((BottleneckPlace::Here, 80))),
            (time(100, 890, 10), Some((BottleneckPlace::Network, 89))),
            (time(100, 100, 800), Some((BottleneckPlace::Peer, 80))),
            (time(500, 500, 0), Some((BottleneckPlace::Several, 50))),
            (time(50, 40, 0), None),
            (
                LaneTime { paced: Duration::from_secs(1), ..time(50, 40, 0) },
                Some((BottleneckPlace::Bound, 91)),
            ),
        ] {
            assert_eq!(LaneBottleneck::of(spent).map(|limit| (limit.place, limit.percent)), expected);
        }
        assert_eq!(since(time(5, 5, 5), time(7, 3, 5)), time(2, 3, 0));
    }
}
