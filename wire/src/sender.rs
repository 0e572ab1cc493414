//! The sending machine of a job: decides the content of each frame, and tracks its result. It reads no file and no clock.
//!
//! Items come in from a walk, in its order; lanes ask for the [`next`](Sender::next) frame whenever they can take one, so a
//! fast lane takes more. A frame stays in flight until the receiver reports its effect as final; if its lane dies first it goes
//! to another lane under the same number.
//!
//! A folder's entry must have a greater number than all of the folder's content, because later content changes the folder's
//! time. So a folder waits until every large file before it has its seal's number, and until all packs and seals with smaller
//! numbers are built: a file that has outgrown its place in a pack, or has changed before its seal, is sent later. Then the
//! folder waits for that file.
//!
//! If the receiver may have data of an earlier run, items are [offered](Sender::next_offer) to it first, and are sent after its
//! [answer](Sender::held): items that it has are settled at once, and of a large file only the missing chunks are sent. A
//! folder also waits for the answers to everything before it.
//!
//! An item is [kept](Sender::kept) from the walk until it is acknowledged. While there is [no room](Sender::set_room) for more
//! the machine wants none: it continues with its items, which makes room.

mod acknowledgement;
mod blocks;
mod deltas;
mod folders;
mod items;
mod large_file;
mod offers;
mod packs;
mod plan;
mod stall;

pub use deltas::{DeltaFile, DeltaOffers};
pub use items::{Item, ItemKind, item_kept_len, packed_len};
pub use offers::Asking;
pub use plan::{AckProgress, Content, LargeFile, Packed, Plan, SenderViolation, Settled};

use crate::checksum::{Checksum, Digest};
use crate::failure::Failure;
use crate::ids::{FileNo, FrameNo, LaneNo};
use crate::journal::HeldChunks;
use crate::limits::{
    CHUNK_LEN, ITEMS_AHEAD_MAX, LARGE_FILES_MAX, OFFERED_AHEAD_MAX, PACK_ENTRIES_MAX, PACK_LEN_MAX,
};
use crate::message::End;
use folders::HeldFolder;
use items::{is_folder, is_large, kept_len};
use large_file::Sending;
use offers::Offered;
use stall::StallWatch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The sending machine of one job.
#[derive(Debug)]
pub struct Sender {
    checksum: Checksum,
    window: u64,
    small: VecDeque<Item>,
    small_len: usize,
    asking: Asking,
    /// Which files are offered because they may replace others.
    delta: DeltaOffers,
    /// Items to be offered.
    unoffered: VecDeque<Offered>,
    /// Items offered and not answered.
    offered: VecDeque<Offered>,
    large: VecDeque<Offered>,
    folders: VecDeque<HeldFolder>,
    sending: BTreeMap<FileNo, Sending>,
    seals: VecDeque<FileNo>,
    again: VecDeque<FrameNo>,
    in_flight: BTreeMap<FrameNo, InFlight>,
    /// Ordinals that later folders wait for: of offered items, and of large files without a seal's number.
    unsealed: BTreeSet<u64>,
    next_ordinal: u64,
    next_frame: FrameNo,
    next_file: FileNo,
    items_ended: bool,
    end_told: bool,
    /// Memory of its items in bytes.
    kept: usize,
    /// There is room for more items.
    has_room: bool,
    lanes: StallWatch,
}

#[derive(Debug)]
struct InFlight {
    content: Content,
    lane: Option<LaneNo>,
    /// The tick at which a lane took it.
    since: u64,
    /// For a pack, the outcome of each of its items once it has been built.
    packed: Vec<Packed>,
    /// For a block, its digest once it has been built.
    digest: Option<Digest>,
    /// It is a pack or seal that has been built: no part of it is sent again under another number.
    built: bool,
    failures: BTreeMap<u32, Failure>,
}

impl Sender {
    /// A machine that keeps at most `window` frames in flight.
    #[must_use]
    pub fn new(checksum: Checksum, window: u32, asking: Asking) -> Self {
        Self {
            checksum,
            window: u64::from(window.max(1)),
            small: VecDeque::new(),
            small_len: 0,
            asking,
            delta: DeltaOffers::default(),
            unoffered: VecDeque::new(),
            offered: VecDeque::new(),
            large: VecDeque::new(),
            folders: VecDeque::new(),
            sending: BTreeMap::new(),
            seals: VecDeque::new(),
            again: VecDeque::new(),
            in_flight: BTreeMap::new(),
            unsealed: BTreeSet::new(),
            next_ordinal: 0,
            next_frame: FrameNo(0),
            next_file: FileNo(0),
            items_ended: false,
            end_told: false,
            kept: 0,
            has_room: true,
            lanes: StallWatch::default(),
        }
    }

    /// The algorithm of this job's digests.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// True while more items would make fuller packs; the walk continues only then, so its memory is bounded.
    #[must_use]
    pub fn wants_items(&self) -> bool {
        self.has_room && self.would_take_items()
    }

    /// True if it wants no items only because there is no room for them.
    #[must_use]
    pub fn waits_for_room(&self) -> bool {
        !self.has_room && self.would_take_items()
    }

    /// Sets whether there is room for more items.
    pub fn set_room(&mut self, has_room: bool) {
        self.has_room = has_room;
    }

    /// Returns the approximate memory of its items in bytes.
    #[must_use]
    pub fn kept(&self) -> usize {
        let held = self.offered.iter().chain(&self.large).filter_map(|offered| offered.held.as_ref());
        let sending = self.sending.values().map(Sending::kept_len);
        self.kept + held.map(HeldChunks::kept_len).sum::<usize>() + sending.sum::<usize>()
    }

    fn would_take_items(&self) -> bool {
        !self.items_ended
            && self.small_len < PACK_LEN_MAX
            && self.small.len() < PACK_ENTRIES_MAX
            && self.large.len() < LARGE_FILES_MAX
            && self.unoffered.len() + self.offered.len() < OFFERED_AHEAD_MAX
            && self.folders.len() < ITEMS_AHEAD_MAX
    }

    /// True while a stream has too little data for its next block.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        let hungry = |sending: &Sending| {
            sending.file.announcement.size.is_none()
                && !sending.ended
                && !sending.all_planned
                && sending.available - sending.next_offset <= CHUNK_LEN as u64
        };
        self.sending.values().any(hungry)
    }

    /// Takes the next item of the walk; a folder after all of its content.
    pub fn add(&mut self, item: Item) {
        self.kept += kept_len(&item);
        if is_folder(&item) {
            self.hold(item, FrameNo(0));
            self.release_folders();
        } else if self.is_offered(&item) {
            let waiting = self.waiting(item);
            self.unoffered.push_back(waiting);
        } else if is_large(&item) {
            let waiting = self.waiting(item);
            self.add_large(waiting);
        } else {
            self.add_small(item);
        }
    }

    /// Records the end of the walk.
    pub fn end_items(&mut self) {
        self.items_ended = true;
    }

    /// Returns the next frame for `lane`; `None` if there is none to send now.
    pub fn next(&mut self, lane: LaneNo) -> Option<Plan> {
        if let Some(plan) = self.next_again(lane) {
            return Some(plan);
        }
        if !self.window_open() {
            return None;
        }
        let content = self.next_content()?;
        let frame = self.next_frame;
        self.next_frame.0 += 1;
        let in_flight = InFlight {
            content: content.clone(),
            lane: Some(lane),
            since: self.lanes.now,
            packed: Vec::new(),
            digest: None,
            built: false,
            failures: BTreeMap::new(),
        };
        self.in_flight.insert(frame, in_flight);
        Some(Plan { frame, content })
    }

    /// True if the pack or seal `frame` was built before: the receiver may have it, so its entries stay the same, and none is
    /// sent later.
    #[must_use]
    pub fn is_built(&self, frame: FrameNo) -> bool {
        self.in_flight.get(&frame).is_none_or(|in_flight| in_flight.built)
    }

    /// Returns, once, the number of frames of the job, as soon as it is known.
    pub fn end(&mut self) -> Option<End> {
        let all_numbered = self.items_ended
            && self.unoffered.is_empty()
            && self.offered.is_empty()
            && self.small.is_empty()
            && self.large.is_empty()
            && self.folders.is_empty()
            && self.unsealed.is_empty();
        // Until a frame is built, its items may have to be sent again.
        if self.end_told || !all_numbered || !self.is_all_built() {
            return None;
        }
        self.end_told = true;
        Some(End { frames: self.next_frame.0 })
    }

    fn is_all_built(&self) -> bool {
        self.first_unbuilt().is_none() && self.sending.values().all(|sending| sending.again.is_none())
    }

    /// Returns the first pack or seal whose content may still change.
    fn first_unbuilt(&self) -> Option<FrameNo> {
        let unbuilt = |frame: &InFlight| match &frame.content {
            Content::Pack(_) | Content::Seal { result: Ok(_), .. } => !frame.built,
            Content::Seal { .. } | Content::Block { .. } | Content::Hole { .. } | Content::Again { .. } => {
                false
            }
        };
        self.in_flight.iter().find(|(_, frame)| unbuilt(frame)).map(|(number, _)| *number)
    }

    /// True once the receiver has everything.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.end_told && self.in_flight.is_empty()
    }

    /// True if [`next`](Self::next) may have a frame, or items are wanted to make one of.
    #[must_use]
    pub fn may_have_work(&self) -> bool {
        !self.again.is_empty() || (self.has_queued() && self.window_open())
    }

    /// True if there is data to send that must wait until the receiver has acknowledged more.
    #[must_use]
    pub fn waits_for_peer(&self) -> bool {
        self.again.is_empty() && self.has_queued() && !self.window_open()
    }

    fn has_queued(&self) -> bool {
        self.wants_items()
            || !self.unoffered.is_empty()
            || !self.small.is_empty()
            || !self.seals.is_empty()
            || !self.large.is_empty()
            || self.sending.values().any(|sending| !sending.all_planned)
    }

    /// True if another frame fits into the window. The receiver counts it from the first missing frame, so the span counts, not
    /// the number of frames.
    fn window_open(&self) -> bool {
        let oldest = self.in_flight.first_key_value().map_or(self.next_frame, |(frame, _)| *frame);
        self.next_frame.0 - oldest.0 < self.window
    }

    fn add_small(&mut self, item: Item) {
        self.small_len += packed_len(&item);
        self.small.push_back(item);
    }

    fn next_again(&mut self, lane: LaneNo) -> Option<Plan> {
        if self.lanes.is_passed_over(lane) {
            return None;
        }
        while let Some(frame) = self.again.pop_front() {
            if let Some(in_flight) = self.in_flight.get_mut(&frame) {
                in_flight.lane = Some(lane);
                in_flight.since = self.lanes.now;
                return Some(Plan { frame, content: in_flight.content.clone() });
            }
        }
        None
    }

    fn next_content(&mut self) -> Option<Content> {
        let full = self.small_len >= PACK_LEN_MAX || self.small.len() >= PACK_ENTRIES_MAX;
        if let Some(seal) = self.next_seal() {
            return Some(seal);
        }
        if full && let Some(pack) = self.next_pack() {
            return Some(pack);
        }
        if let Some(block) = self.next_block() {
            return Some(block);
        }
        if let Some(pack) = self.next_pack() {
            return Some(pack);
        }
        self.next_seal() // of a file that has just begun, and that the receiver has
    }
}
