//! Finds stalled lanes, whose frames are not acknowledged while those of others are, and sends their frames again.

use super::Sender;
use crate::ids::{FrameNo, LaneNo};
use std::collections::{BTreeMap, BTreeSet};

/// Finds lanes whose frames are not acknowledged while those of others are.
#[derive(Debug, Default)]
pub(super) struct StallWatch {
    pub(super) now: u64,
    /// Time of the last acknowledgement of a frame of each lane.
    pub(super) heard: BTreeMap<LaneNo, u64>,
    pub(super) closed: BTreeSet<LaneNo>,
    lost: BTreeSet<LaneNo>,
    /// Lanes that were found stalled, and of which no frame was acknowledged since.
    stalled: BTreeSet<LaneNo>,
    /// The longest recent time from a frame to its acknowledgement.
    pub(super) latency: u64,
}

impl StallWatch {
    pub(super) fn acknowledged(&mut self, lane: Option<LaneNo>, since: u64) {
        self.latency = (self.now - since).max(self.latency - self.latency.div_ceil(8));
        if let Some(lane) = lane {
            self.heard.insert(lane, self.now);
            self.stalled.remove(&lane);
        }
    }

    /// True if frames that are sent again are left to other lanes: this one may swallow them once more.
    pub(super) fn is_passed_over(&self, lane: LaneNo) -> bool {
        let goes_on = |other: &LaneNo| {
            !self.stalled.contains(other) && !self.closed.contains(other) && !self.lost.contains(other)
        };
        self.stalled.contains(&lane) && self.heard.keys().any(goes_on)
    }

    /// True if `lane` was silent for this long, while a frame of another was acknowledged after `since`. Of a lane that was stalled before,
    /// silence is enough: it may have the last frames of all.
    fn is_stalled(&self, lane: LaneNo, since: u64, patience: u64) -> bool {
        let silent = self.heard.get(&lane).is_none_or(|heard| self.now - heard > patience);
        let others_go_on = self.heard.iter().any(|(other, heard)| *other != lane && *heard >= since);
        silent && (others_go_on || self.closed.contains(&lane) || self.stalled.contains(&lane))
    }
}

impl Sender {
    /// Records that a lane died: its frames go to the others.
    pub fn lane_lost(&mut self, lane: LaneNo) {
        self.lanes.lost.insert(lane);
        self.send_frames_again(lane);
    }

    fn send_frames_again(&mut self, lane: LaneNo) {
        let lost: Vec<FrameNo> =
            self.in_flight.iter().filter(|(_, f)| f.lane == Some(lane)).map(|(n, _)| *n).collect();
        for frame in lost {
            self.send_again(frame);
        }
    }

    /// Records that a lane was closed in an orderly way: its frames will be acknowledged, or are sent again after a while.
    pub fn lane_closed(&mut self, lane: LaneNo) {
        self.lanes.closed.insert(lane);
    }

    /// Sends again the frames of a lane that had no acknowledgement for long while others had. To be called about once a
    /// second. Such a frame may arrive twice, and the receiver drops the second. Returns true if there is something to send.
    pub fn tick(&mut self) -> bool {
        self.lanes.now += 1;
        let now = self.lanes.now;
        let patience = STALL_TICKS.max(4 * self.lanes.latency);
        let stalled: BTreeSet<LaneNo> = self
            .in_flight
            .values()
            .filter(|frame| now - frame.since > patience)
            .filter_map(|frame| frame.lane.filter(|lane| self.lanes.is_stalled(*lane, frame.since, patience)))
            .collect();
        for lane in &stalled {
            self.lanes.stalled.insert(*lane);
            self.send_frames_again(*lane);
        }
        !stalled.is_empty()
    }
}

/// Seconds without an acknowledged frame after which a lane counts as stalled, at least.
const STALL_TICKS: u64 = 5;
