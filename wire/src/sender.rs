//! The sending machine of a job: what goes into which frame, and what became of it. It reads no file and no clock.
//!
//! Items come in from a walk, in its order; lanes ask for the [`next`](Sender::next) frame whenever they can take one, so a
//! fast lane takes more. A frame stays in flight until the receiver says that its effect is final; if its lane dies first
//! it goes to another lane under the same number.
//!
//! A folder's entry must have a greater number than all that is in the folder, since what comes later changes the folder's time. So
//! a folder is held back until every large file that came before it has its seal's number, and until all packs and seals with smaller
//! numbers were built: what has outgrown its place in a pack, or is not as its seal was to say, comes later. Then the folder waits for that.
//!
//! Where the receiver may have something of an earlier run, items are [offered](Sender::next_offer) to it first, and go on
//! their way when it has [answered](Sender::held): those that it has are finished with at once, and of a large file only the
//! chunks that it lacks are sent. A folder waits for the answers to what came before it, too.
//!
//! An item is [kept](Sender::kept) from the walk until it is acknowledged. While there is [no room](Sender::set_room) for more the machine
//! wants none: what it has goes on, and makes room.

use crate::budget::OPEN_FILE_LEN;
use crate::checksum::{Checksum, Digest, RootBuilder};
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, ENTRY_HEAD_LEN};
use crate::journal::{CHUNK_KEPT_LEN, HeldChunks};
use crate::limits::{
    CHUNK_LEN, HOLE_LEN_MAX, ITEMS_AHEAD_MAX, LARGE_FILES_MAX, OFFER_ITEMS_MAX, OFFERED_AHEAD_MAX,
    OFFERED_FILE_LEN_MIN, PACK_ENTRIES_MAX, PACK_LEN_MAX, PACKED_FILE_LEN_MAX,
};
use crate::message::{Ack, End, HeldItem, ItemFailure, Resume};
use crate::metadata::{Kind, Metadata, SourceId};
use crate::path::RemotePath;
use crate::ranges::RangeSet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Something to send, as the walk saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it goes, below the job's path.
    pub path: RemotePath,
    /// What it is.
    pub what: What,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file, folder or link.
    Present(Metadata),
    /// A file of unknown length that is read as it comes.
    Stream {
        /// Its permission bits.
        mode: u32,
    },
    /// Something that could not be read.
    Lost(Failure),
}

/// A large file that is being sent.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeFile {
    /// Its number within the job.
    pub number: u32,
    /// What its frames say of it. Of which state it is, its first reader finds out, unless it was offered.
    pub announcement: Announcement,
}

/// Which items are offered to the receiver before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// None.
    Never,
    /// Files that are at least so long, if they are large files.
    Large(u64),
    /// All files.
    All,
}

impl Asking {
    /// What is offered in a job that goes on with what an interrupted run has left, as `resume` has it; `again` if there was
    /// one.
    #[must_use]
    pub fn of(resume: Resume, again: Self) -> Self {
        match resume {
            Resume::Never => Self::Never,
            Resume::New => Self::Large(OFFERED_FILE_LEN_MIN),
            Resume::Again => again,
        }
    }
}

/// A frame to build and send.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The frame's number.
    pub frame: u64,
    /// What goes into it.
    pub content: Content,
}

/// What goes into a frame.
#[derive(Debug, Clone)]
pub enum Content {
    /// These items.
    Pack(Arc<[Item]>),
    /// This part of a file.
    Block {
        /// The file.
        file: Arc<LargeFile>,
        /// Where the part begins.
        offset: u64,
        /// Its length, at most a chunk.
        len: usize,
        /// The file ends with it.
        last: bool,
    },
    /// This part of a file, which is all zeros.
    Hole {
        /// The file.
        file: Arc<LargeFile>,
        /// Where the part begins.
        offset: u64,
        /// Its length.
        len: u64,
        /// The file ends with it.
        last: bool,
    },
    /// The end of a file: its length and root, or why it was given up.
    Seal {
        /// The file.
        file: Arc<LargeFile>,
        /// Length and root.
        result: Result<(u64, Digest), Failure>,
    },
    /// A file comes once more from its beginning, under another number.
    Again {
        /// The file.
        file: Arc<LargeFile>,
    },
}

/// What the builder of a pack made of one of its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packed {
    /// It is in the pack.
    Sent {
        /// Length of its content.
        bytes: u64,
        /// Root digest of its content; nothing for folders and links.
        digest: Option<Digest>,
        /// It changed while it was read, and is what was read.
        as_is: bool,
    },
    /// It could not be read.
    Lost(Failure),
    /// It is not in the pack: it has outgrown its place there, and comes later, as it is now.
    Later(Metadata),
}

/// An item that is finished with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Where it is, below the job's path.
    pub path: RemotePath,
    /// True for folders.
    pub folder: bool,
    /// Length of its content.
    pub bytes: u64,
    /// Root digest of its content, where it is a file.
    pub digest: Option<Digest>,
    /// It changed while it was read, and is what was read.
    pub as_is: bool,
    /// Why it failed, if it did.
    pub result: Result<(), Failure>,
    /// Its number, if it went as a large file.
    pub file: Option<u32>,
}

/// What an acknowledgement brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items that are finished with.
    pub settled: Vec<Settled>,
    /// Parts of large files that the receiver has: file, offset, length.
    pub held: Vec<(Arc<LargeFile>, u64, u64)>,
    /// Numbers of large files that come once more under others.
    pub again: Vec<u32>,
}

/// The receiver did what the protocol forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SenderViolation {
    /// It named a frame that was never sent.
    #[error("acknowledgement of a frame that was never sent")]
    UnknownFrame,
    /// It named an entry that the frame does not have.
    #[error("failure of an entry that the frame does not have")]
    UnknownEntry,
    /// It answered what was not offered, or with what the item cannot have.
    #[error("an answer that no offer can have")]
    Held,
}

/// The sending machine of one job.
#[derive(Debug)]
pub struct Sender {
    checksum: Checksum,
    window: u64,
    small: VecDeque<Item>,
    small_len: usize,
    asking: Asking,
    /// To be offered.
    unoffered: VecDeque<Offered>,
    /// Offered and not answered.
    offered: VecDeque<Offered>,
    large: VecDeque<Offered>,
    folders: VecDeque<HeldFolder>,
    sending: BTreeMap<u32, Sending>,
    seals: VecDeque<u32>,
    again: VecDeque<u64>,
    in_flight: BTreeMap<u64, InFlight>,
    /// Ordinals of what later folders wait for: items that are offered, and large files without a seal's number.
    unsealed: BTreeSet<u64>,
    next_ordinal: u64,
    next_frame: u64,
    next_file: u32,
    items_ended: bool,
    end_told: bool,
    /// Bytes that its items take.
    kept: usize,
    /// There is room for more.
    has_room: bool,
    lanes: Watch,
}

/// Finds lanes that hold frames and bring nothing to an end while others do.
#[derive(Debug, Default)]
struct Watch {
    now: u64,
    /// When a frame of the lane was last acknowledged.
    heard: BTreeMap<u16, u64>,
    closed: BTreeSet<u16>,
    /// The longest time that a frame took lately.
    latency: u64,
}

/// An item that later folders wait for.
#[derive(Debug)]
struct Offered {
    ordinal: u64,
    item: Item,
    /// Which state of it was offered.
    source: SourceId,
    held: Option<HeldChunks>,
}

/// A folder, in which something may be missing that comes before it.
#[derive(Debug)]
struct HeldFolder {
    /// What has a smaller ordinal has its seal's number first.
    ordinal: u64,
    /// Frames with smaller numbers are built first.
    frame: u64,
    item: Item,
}

#[derive(Debug)]
struct Sending {
    ordinal: u64,
    file: Arc<LargeFile>,
    /// Chunks that the receiver has from an earlier run.
    held: RangeSet,
    /// Bytes that can be read, and whether the file ends with them.
    available: u64,
    ended: bool,
    next_offset: u64,
    /// Up to there, from `next_offset` on, are zeros.
    zeros_until: u64,
    all_planned: bool,
    unhashed: u32,
    root: RootBuilder,
    failed: Option<Failure>,
    /// It is to come once more, as it is now.
    again: Option<Metadata>,
    /// It changed while it was read, and is sealed all the same.
    as_is: bool,
    /// The number of the seal that the file is settled with.
    seal_frame: Option<u64>,
}

#[derive(Debug)]
struct InFlight {
    content: Content,
    lane: Option<u16>,
    /// The tick at which a lane took it.
    since: u64,
    /// For a pack, one for each of its items once it has been built.
    packed: Vec<Packed>,
    /// For a block, its digest once it has been built.
    digest: Option<Digest>,
    /// It is a pack or seal that has been built: nothing of it comes once more.
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
            next_frame: 0,
            next_file: 0,
            items_ended: false,
            end_told: false,
            kept: 0,
            has_room: true,
            lanes: Watch::default(),
        }
    }

    /// The algorithm of this job's digests.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// True while more items would make fuller packs; the walk goes on exactly then, so its memory is bounded.
    #[must_use]
    pub fn wants_items(&self) -> bool {
        self.has_room && self.would_take_items()
    }

    /// True if it wants no items only because there is no room for them.
    #[must_use]
    pub fn waits_for_room(&self) -> bool {
        !self.has_room && self.would_take_items()
    }

    /// Whether there is room for some more items.
    pub fn set_room(&mut self, has_room: bool) {
        self.has_room = has_room;
    }

    /// About how many bytes of memory its items take.
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

    /// True while a stream has too little for its next block.
    #[must_use]
    pub fn wants_stream(&self) -> bool {
        let hungry = |sending: &Sending| {
            !sending.ended
                && !sending.all_planned
                && sending.available - sending.next_offset <= CHUNK_LEN as u64
        };
        self.sending.values().any(hungry)
    }

    /// Takes the next item of the walk; a folder after all that is in it.
    pub fn add(&mut self, item: Item) {
        self.kept += kept_len(&item);
        if is_folder(&item) {
            self.hold(item, 0);
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

    /// Items to offer to the receiver, in this order; nothing if there are none, or it pays to wait for more. For each the
    /// state that will be sent is to be given to [`offering`](Self::offering) before the offer goes out.
    pub fn next_offer(&mut self) -> Option<Vec<Item>> {
        let worth_it = self.unoffered.len() >= OFFER_ITEMS_MAX || self.offered.is_empty() || self.items_ended;
        if self.unoffered.is_empty() || !worth_it {
            return None;
        }
        let count = self.unoffered.len().min(OFFER_ITEMS_MAX);
        let begin = self.offered.len();
        self.offered.extend(self.unoffered.drain(..count));
        Some(self.offered.range(begin..).map(|offered| offered.item.clone()).collect())
    }

    /// The states in which the items of the last offer are.
    pub fn offering(&mut self, sources: &[SourceId]) {
        let begin = self.offered.len() - sources.len().min(self.offered.len());
        for (offered, source) in self.offered.range_mut(begin..).zip(sources) {
            offered.source = *source;
        }
    }

    /// The item that the receiver's next answer is about.
    #[must_use]
    pub fn offered(&self) -> Option<&Item> {
        self.offered.front().map(|offered| &offered.item)
    }

    /// The receiver's answer to the oldest item that it has not answered. Returns the item if it is finished with, and the
    /// bytes of it that need not be sent.
    ///
    /// # Errors
    /// If that can be no answer to it.
    pub fn held(&mut self, answer: HeldItem) -> Result<(Option<Settled>, u64), SenderViolation> {
        let mut offered = self.offered.pop_front().ok_or(SenderViolation::Held)?;
        let size = match &offered.item.what {
            What::Present(metadata) => metadata.size,
            What::Stream { .. } | What::Lost(_) => 0,
        };
        match answer {
            HeldItem::Chunks { .. } if !is_large(&offered.item) => Err(SenderViolation::Held),
            HeldItem::Chunks { chunks, digests, more } => {
                let mut held = offered.held.take().unwrap_or_else(|| HeldChunks::new(self.checksum, size));
                let before = held.bytes();
                let numbers = chunks
                    .iter()
                    .flat_map(|range| (0..range.count).map(|n| range.first.checked_add(n.into())));
                let mut digests = digests.into_iter();
                for number in numbers {
                    let chunk = number.zip(digests.next());
                    if !chunk.is_some_and(|(number, digest)| held.add(number, digest)) {
                        return Err(SenderViolation::Held);
                    }
                }
                if digests.next().is_some() {
                    return Err(SenderViolation::Held);
                }
                let bytes = held.bytes() - before;
                offered.held = Some(held);
                match more {
                    true => self.offered.push_front(offered),
                    false => self.add_large(offered),
                }
                Ok((None, bytes))
            }
            _ if offered.held.is_some() => Err(SenderViolation::Held),
            HeldItem::Nothing if is_large(&offered.item) => {
                self.add_large(offered);
                Ok((None, 0))
            }
            HeldItem::Nothing => {
                self.add_small(offered.item);
                self.unsealed.remove(&offered.ordinal);
                self.release_folders();
                Ok((None, 0))
            }
            HeldItem::All if self.asking != Asking::All => Err(SenderViolation::Held),
            HeldItem::All => {
                self.unsealed.remove(&offered.ordinal);
                self.release_folders();
                self.kept -= kept_len(&offered.item);
                let path = offered.item.path;
                let (folder, digest, as_is, result, file) = (false, None, false, Ok(()), None);
                let settled = Settled { path, folder, bytes: size, digest, as_is, result, file };
                Ok((Some(settled), size))
            }
        }
    }

    /// The walk is over.
    pub fn end_items(&mut self) {
        self.items_ended = true;
    }

    /// Of the stream `file`, `available` bytes can be read now; `ended` if there will be no more.
    pub fn extend(&mut self, file: u32, available: u64, ended: bool) {
        if let Some(sending) = self.sending.get_mut(&file) {
            sending.available = available;
            sending.ended = ended;
        }
    }

    /// The stream `file` cannot be read on.
    pub fn fail_stream(&mut self, file: u32, failure: Failure) {
        if let Some(sending) = self.sending.get_mut(&file) {
            sending.failed.get_or_insert(failure);
            sending.all_planned = true;
            self.queue_seal(file);
        }
    }

    /// The next frame for `lane`; nothing if there is none to send now.
    pub fn next(&mut self, lane: u16) -> Option<Plan> {
        if let Some(plan) = self.next_again(lane) {
            return Some(plan);
        }
        if !self.window_open() {
            return None;
        }
        let content = self.next_content()?;
        let frame = self.next_frame;
        self.next_frame += 1;
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

    /// True if the pack or seal `frame` was built before: the receiver may have it, so its entries stay what they are, and none comes later.
    #[must_use]
    pub fn is_built(&self, frame: u64) -> bool {
        self.in_flight.get(&frame).is_none_or(|in_flight| in_flight.built)
    }

    /// Pack `frame` was built; `packed` has one element for each of its items. What comes later is none of it any more, and goes
    /// to the end of the queue. Returns what to send in the pack's place if nothing of it is left, or what to build in its place
    /// if another lane has built it meanwhile and made something else of it.
    pub fn packed(&mut self, frame: u64, packed: Vec<Packed>) -> Option<Content> {
        let Some(in_flight) = self.in_flight.get_mut(&frame) else {
            // It was acknowledged meanwhile, so the receiver drops what comes; but a pack has entries.
            let is_empty = packed.iter().all(|packed| matches!(packed, Packed::Later(_)));
            let nothing = Item { path: RemotePath::root(), what: What::Stream { mode: 0 } };
            let (number, announcement) = (self.next_file, announcement(&nothing));
            return is_empty.then(|| Content::Again { file: Arc::new(LargeFile { number, announcement }) });
        };
        let Content::Pack(items) = &in_flight.content else { return Some(in_flight.content.clone()) };
        if in_flight.built {
            if !in_flight.is_built_alike(&packed) {
                return Some(in_flight.content.clone());
            }
            let before = std::mem::take(&mut in_flight.packed);
            in_flight.packed =
                before.into_iter().zip(packed).map(|(before, now)| before.or_again(now)).collect();
            self.kept += in_flight.lose();
            return None;
        }
        if !packed.iter().any(|packed| matches!(packed, Packed::Later(_))) {
            in_flight.packed = packed;
            in_flight.built = true;
            self.kept += in_flight.lose();
            self.release_folders();
            return None;
        }
        let (mut stay, mut later, mut built) = (Vec::new(), Vec::new(), Vec::new());
        for (item, packed) in items.iter().zip(packed) {
            match packed {
                Packed::Later(metadata) => {
                    // What it is to have at the target may be other permissions than it has here.
                    let mode =
                        if let What::Present(wanted) = &item.what { wanted.mode } else { metadata.mode };
                    let what = What::Present(Metadata { mode, ..metadata });
                    later.push(Item { path: item.path.clone(), what });
                }
                packed @ (Packed::Sent { .. } | Packed::Lost(_)) => {
                    stay.push(item.clone());
                    built.push(packed);
                }
            }
        }
        let instead = later.first().filter(|_| stay.is_empty()).map(|item| Content::Again {
            file: Arc::new(LargeFile { number: self.next_file, announcement: announcement(item) }),
        });
        self.next_file += u32::from(instead.is_some());
        in_flight.content = instead.clone().unwrap_or(Content::Pack(stay.into()));
        in_flight.packed = built;
        in_flight.built = true;
        self.kept += in_flight.lose();
        later.into_iter().for_each(|item| self.add_later(item));
        self.hold_folders();
        self.release_folders();
        instead
    }

    /// An item that was in a frame already: it is not offered any more.
    fn add_later(&mut self, item: Item) {
        match &item.what {
            What::Present(Metadata { kind: Kind::Folder, .. }) => self.hold(item, 0),
            What::Present(_) | What::Stream { .. } | What::Lost(_) if is_large(&item) => {
                let waiting = self.waiting(item);
                self.add_large(waiting);
            }
            What::Present(_) | What::Stream { .. } | What::Lost(_) => self.add_small(item),
        }
    }

    fn hold(&mut self, item: Item, frame: u64) {
        self.folders.push_back(HeldFolder { ordinal: self.next_ordinal, frame, item });
    }

    /// Something that was to be in a frame comes later, and any folder without a number may hold it: all wait for it, the innermost first.
    fn hold_folders(&mut self) {
        self.take_folders().into_iter().for_each(|item| self.hold(item, 0));
        self.folders.iter_mut().for_each(|held| held.ordinal = self.next_ordinal);
        self.folders.make_contiguous().sort_by_key(|held| Reverse(held.item.path.names().count()));
    }

    /// Seal `frame` was built, and the file stays as it is sealed.
    ///
    /// # Errors
    /// If a block has shown meanwhile that the file is not read to its end: what to send in the seal's place.
    pub fn sealed(&mut self, frame: u64) -> Result<(), Content> {
        let Some(in_flight) = self.in_flight.get_mut(&frame) else { return Ok(()) };
        let Content::Seal { file, result: Ok(_) } = &in_flight.content else {
            return Err(in_flight.content.clone());
        };
        let broken_off = self.sending.get(&file.number).and_then(Sending::broken_off);
        if let Some(content) = broken_off.filter(|_| !in_flight.built) {
            in_flight.content = content.clone();
            return Err(content);
        }
        in_flight.built = true;
        self.release_folders();
        Ok(())
    }

    /// True if block `frame` was built before, with another digest.
    #[must_use]
    pub fn has_other_digest(&self, frame: u64, digest: Digest) -> bool {
        self.in_flight.get(&frame).and_then(|frame| frame.digest).is_some_and(|before| before != digest)
    }

    /// Block `frame` was built, and its content has this digest.
    ///
    /// # Errors
    /// If it had another digest when it was built before, or became another frame meanwhile: what to send in its place.
    pub fn hashed(&mut self, frame: u64, digest: Digest) -> Result<(), Content> {
        let Some(in_flight) = self.in_flight.get_mut(&frame) else { return Ok(()) };
        let Content::Block { file, offset, .. } = &in_flight.content else {
            return Err(in_flight.content.clone()); // another lane has found that it is none
        };
        let (number, index) = (file.number, offset / CHUNK_LEN as u64);
        match in_flight.digest.replace(digest) {
            Some(before) if before != digest => {
                let file = file.clone();
                Err(self.give_up(frame, &file, FailureCode::SourceChanged.into()))
            }
            Some(_) => Ok(()),
            None => {
                if let Some(sending) = self.sending.get_mut(&number) {
                    sending.root.add(index, digest);
                    sending.unhashed -= 1;
                }
                self.queue_seal(number);
                Ok(())
            }
        }
    }

    /// Block `frame` is all zeros, and so is the file up to `until`, which showed when it was built. Returns what to send in this
    /// frame's place; nothing if it was sent as a block before.
    pub fn found_zeros(&mut self, frame: u64, until: u64) -> Option<Content> {
        let in_flight = self.in_flight.get_mut(&frame)?;
        let Content::Block { file, offset, len, last } = in_flight.content.clone() else { return None };
        if in_flight.digest.is_some() {
            return None;
        }
        let number = file.number;
        let content = Content::Hole { file, offset, len: len as u64, last };
        in_flight.content = content.clone();
        if let Some(sending) = self.sending.get_mut(&number) {
            sending.root.add_zeros(offset / CHUNK_LEN as u64, 1, len);
            sending.unhashed -= 1;
            sending.zeros_until = sending.zeros_until.max(until);
        }
        self.queue_seal(number);
        Some(content)
    }

    /// `file` cannot be read, or has changed, which showed when its block or seal `frame` was built. Returns what to send in
    /// this frame's place.
    ///
    /// That is the file's seal, unless the frame was a block that was sent before: then the receiver may have it, and drops
    /// what comes in its place, so the seal gets a number of its own.
    pub fn give_up(&mut self, frame: u64, file: &Arc<LargeFile>, failure: Failure) -> Content {
        self.break_off(frame, file, Err(failure))
    }

    /// `file` is to come once more, with this metadata, which showed when its block or seal `frame` was built. Returns what to
    /// send in this frame's place, as [`give_up`](Self::give_up) does.
    ///
    /// Once its seal was built the receiver may have all of it: then it fails.
    pub fn begin_again(&mut self, frame: u64, file: &Arc<LargeFile>, metadata: Metadata) -> Content {
        let seal = self.sending.get(&file.number).and_then(|sending| sending.seal_frame);
        let is_sealed = seal.is_some_and(|seal| self.is_built(seal));
        let end = if is_sealed { Err(FailureCode::SourceChanged.into()) } else { Ok(metadata) };
        self.break_off(frame, file, end)
    }

    /// `file` is sealed although it changed while it was read.
    pub fn seal_as_is(&mut self, file: &LargeFile) {
        if let Some(sending) = self.sending.get_mut(&file.number) {
            sending.as_is = true;
        }
    }

    /// The first end of a file that is not read to its end is the one that counts.
    fn break_off(&mut self, frame: u64, file: &Arc<LargeFile>, end: Result<Metadata, Failure>) -> Content {
        if let Some(sending) = self.sending.get_mut(&file.number)
            && sending.failed.is_none()
            && sending.again.is_none()
        {
            sending.all_planned = true;
            match end.clone() {
                Ok(metadata) => {
                    sending.again = Some(metadata);
                    self.unsealed.insert(sending.ordinal); // its seal may have had a number
                    self.hold_folders();
                }
                Err(failure) => sending.failed = Some(failure),
            }
        }
        let content = match self.sending.get(&file.number).and_then(Sending::broken_off) {
            Some(content) => content,
            None => match end {
                Ok(_) => Content::Again { file: file.clone() },
                Err(failure) => Content::Seal { file: file.clone(), result: Err(failure) },
            },
        };
        let Some(in_flight) = self.in_flight.get_mut(&frame) else {
            self.queue_seal(file.number);
            return content; // the frame was acknowledged meanwhile
        };
        let sent_before = match std::mem::replace(&mut in_flight.content, content.clone()) {
            Content::Block { .. } => in_flight.digest.is_some(),
            Content::Hole { .. } | Content::Seal { .. } | Content::Again { .. } | Content::Pack(_) => true,
        };
        let unsealed = |sending: &Sending| sending.seal_frame.is_none();
        if !sent_before && self.sending.get(&file.number).is_some_and(unsealed) {
            self.number_seal(file.number, frame);
        }
        self.queue_seal(file.number);
        content
    }

    /// Takes the receiver's acknowledgement.
    ///
    /// # Errors
    /// If it speaks of what was never sent.
    pub fn acked(&mut self, ack: &Ack) -> Result<Progress, SenderViolation> {
        let mut progress = Progress::default();
        for failed in &ack.failed {
            self.note_failure(failed)?;
        }
        for range in &ack.done {
            let end = range.first.checked_add(u64::from(range.count)).filter(|end| *end <= self.next_frame);
            let end = end.ok_or(SenderViolation::UnknownFrame)?;
            let frames: Vec<u64> = self.in_flight.range(range.first..end).map(|(frame, _)| *frame).collect();
            for frame in frames {
                self.settle(frame, &mut progress);
            }
        }
        for frame in &ack.damaged {
            if *frame >= self.next_frame {
                return Err(SenderViolation::UnknownFrame);
            }
            self.send_again(*frame);
        }
        self.release_folders();
        Ok(progress)
    }

    /// A lane died: what it carried goes to the others.
    pub fn lane_lost(&mut self, lane: u16) {
        let lost: Vec<u64> =
            self.in_flight.iter().filter(|(_, f)| f.lane == Some(lane)).map(|(n, _)| *n).collect();
        lost.into_iter().for_each(|frame| self.send_again(frame));
    }

    /// A lane was closed in good order: what it carried will be acknowledged, or is sent again after a while.
    pub fn lane_closed(&mut self, lane: u16) {
        self.lanes.closed.insert(lane);
    }

    /// To be called about once a second: sends again what a lane holds that has brought nothing to an end for long, while
    /// others have. Such a frame may come twice, and the receiver drops the second. True if there is something to send.
    pub fn tick(&mut self) -> bool {
        self.lanes.now += 1;
        let now = self.lanes.now;
        let patience = STALL_TICKS.max(4 * self.lanes.latency);
        let stalled: BTreeSet<u16> = self
            .in_flight
            .values()
            .filter(|frame| now - frame.since > patience)
            .filter_map(|frame| frame.lane.filter(|lane| self.lanes.is_stalled(*lane, frame.since, patience)))
            .collect();
        stalled.iter().for_each(|lane| self.lane_lost(*lane));
        !stalled.is_empty()
    }

    /// How many frames the job has, once, as soon as that is known.
    pub fn end(&mut self) -> Option<End> {
        let all_numbered = self.items_ended
            && self.unoffered.is_empty()
            && self.offered.is_empty()
            && self.small.is_empty()
            && self.large.is_empty()
            && self.folders.is_empty()
            && self.unsealed.is_empty();
        // Until it is built, what is in a frame may have to come once more.
        if self.end_told || !all_numbered || !self.is_all_built() {
            return None;
        }
        self.end_told = true;
        Some(End { frames: self.next_frame })
    }

    fn is_all_built(&self) -> bool {
        self.first_unbuilt().is_none() && self.sending.values().all(|sending| sending.again.is_none())
    }

    /// The first pack or seal whose content is not certain yet.
    fn first_unbuilt(&self) -> Option<u64> {
        let unbuilt = |frame: &InFlight| match &frame.content {
            Content::Pack(_) | Content::Seal { result: Ok(_), .. } => !frame.built,
            Content::Seal { .. } | Content::Block { .. } | Content::Hole { .. } | Content::Again { .. } => {
                false
            }
        };
        self.in_flight.iter().find(|(_, frame)| unbuilt(frame)).map(|(number, _)| *number)
    }

    /// True once the receiver has all there is.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.end_told && self.in_flight.is_empty()
    }

    /// True if [`next`](Self::next) may have a frame, or items are wanted to make one of.
    #[must_use]
    pub fn may_have_work(&self) -> bool {
        !self.again.is_empty() || (self.has_queued() && self.window_open())
    }

    /// True if there is something to send, and it may not go before the receiver has acknowledged more.
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

    /// The receiver counts its window from the first frame that it misses, so the span counts, not the number.
    fn window_open(&self) -> bool {
        let oldest = self.in_flight.first_key_value().map_or(self.next_frame, |(frame, _)| *frame);
        self.next_frame - oldest < self.window
    }

    fn is_offered(&self, item: &Item) -> bool {
        let What::Present(metadata) = &item.what else { return false };
        match self.asking {
            Asking::Never => false,
            Asking::Large(len_min) => is_large(item) && metadata.size >= len_min,
            Asking::All => metadata.kind == Kind::File,
        }
    }

    fn waiting(&mut self, item: Item) -> Offered {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        self.unsealed.insert(ordinal);
        Offered { ordinal, item, source: SourceId::default(), held: None }
    }

    fn add_small(&mut self, item: Item) {
        self.small_len += packed_len(&item);
        self.small.push_back(item);
    }

    fn add_large(&mut self, offered: Offered) {
        self.large.push_back(offered);
        if self.sending.is_empty() {
            self.begin_large(); // a stream is extended under the number of a file that has begun
        }
    }

    /// Begins another large file; false if there is none, or no room for it.
    fn begin_large(&mut self) -> bool {
        if self.sending.len() < LARGE_FILES_MAX
            && let Some(offered) = self.large.pop_front()
        {
            let number = self.next_file;
            self.next_file += 1;
            self.sending.insert(number, Sending::new(number, offered, self.checksum));
            self.queue_seal(number); // nothing of it may be left to send
            return true;
        }
        false
    }

    fn release_folders(&mut self) {
        if self.folders.is_empty() {
            return;
        }
        let first_unsealed = self.unsealed.first().copied().unwrap_or(u64::MAX);
        let first_unbuilt = self.first_unbuilt().unwrap_or(u64::MAX);
        let is_free = |held: &HeldFolder| held.ordinal <= first_unsealed && held.frame <= first_unbuilt;
        while self.folders.front().is_some_and(is_free) {
            if let Some(held) = self.folders.pop_front() {
                self.add_small(held.item);
            }
        }
    }

    fn next_again(&mut self, lane: u16) -> Option<Plan> {
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

    fn next_seal(&mut self) -> Option<Content> {
        while let Some(number) = self.seals.pop_front() {
            let Some(sending) = self.sending.get(&number).filter(|sending| sending.seal_frame.is_none())
            else {
                continue; // a block's number became the seal's meanwhile
            };
            let content = sending.broken_off().unwrap_or_else(|| {
                let root = sending.root.root(sending.available);
                let result = root.map(|root| (sending.available, root)).ok_or_else(|| FailureCode::Io.into());
                Content::Seal { file: sending.file.clone(), result }
            });
            self.number_seal(number, self.next_frame);
            return Some(content);
        }
        None
    }

    /// A file's seal has its number, so folders that waited for it can have theirs; but not if the file comes once more.
    fn number_seal(&mut self, number: u32, frame: u64) {
        if let Some(sending) = self.sending.get_mut(&number) {
            sending.seal_frame = Some(frame);
            if sending.again.is_none() {
                self.unsealed.remove(&sending.ordinal);
                self.release_folders();
            }
        }
    }

    /// A pack of what is queued, but for folders while it is not certain what the packs and seals before it hold.
    fn next_pack(&mut self) -> Option<Content> {
        let are_early = self.small.iter().any(is_folder) && self.first_unbuilt().is_some();
        let folders = if are_early { self.take_folders() } else { Vec::new() };
        let mut items = Vec::new();
        let mut len = 0;
        while let Some(item) = self.small.front() {
            len += packed_len(item);
            if !items.is_empty() && (len > PACK_LEN_MAX || items.len() == PACK_ENTRIES_MAX) {
                break;
            }
            self.small_len -= packed_len(item);
            items.extend(self.small.pop_front());
        }
        let frame = self.next_frame + u64::from(!items.is_empty()); // the pack may be one of those
        for item in folders.into_iter().rev() {
            self.folders.push_front(HeldFolder { ordinal: 0, frame, item });
        }
        (!items.is_empty()).then(|| Content::Pack(items.into()))
    }

    /// All folders that are queued: if one has to wait, so have those that may hold it.
    fn take_folders(&mut self) -> Vec<Item> {
        let (folders, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.small).into_iter().partition(is_folder);
        self.small = others.into();
        self.small_len -= folders.iter().map(packed_len).sum::<usize>();
        folders
    }

    fn next_block(&mut self) -> Option<Content> {
        loop {
            if let Some(content) = self.sending.values_mut().find_map(Sending::next_block) {
                if let Content::Hole { file, .. } = &content {
                    self.queue_seal(file.number); // nothing of it is hashed later
                }
                return Some(content);
            }
            if !self.begin_large() {
                return None;
            }
        }
    }

    /// A file whose chunks are all hashed, or that failed, gets its seal.
    fn queue_seal(&mut self, number: u32) {
        let Some(sending) = self.sending.get(&number) else { return };
        let ready = sending.failed.is_some()
            || sending.again.is_some()
            || (sending.all_planned && sending.unhashed == 0);
        if ready && sending.seal_frame.is_none() && !self.seals.contains(&number) {
            self.seals.push_back(number);
        }
    }

    fn note_failure(&mut self, failed: &ItemFailure) -> Result<(), SenderViolation> {
        if failed.frame >= self.next_frame {
            return Err(SenderViolation::UnknownFrame);
        }
        let Some(in_flight) = self.in_flight.get_mut(&failed.frame) else { return Ok(()) };
        let entries = match &in_flight.content {
            Content::Pack(items) => items.len(),
            Content::Block { .. } | Content::Hole { .. } | Content::Seal { .. } | Content::Again { .. } => 1,
        };
        if failed.entry as usize >= entries {
            return Err(SenderViolation::UnknownEntry);
        }
        in_flight.failures.insert(failed.entry, failed.failure.clone());
        let (Content::Block { file, .. }
        | Content::Hole { file, .. }
        | Content::Seal { file, .. }
        | Content::Again { file }) = &in_flight.content
        else {
            return Ok(());
        };
        let number = file.number;
        // At once: the seal of a file that comes once more may be done before this frame is.
        if let Some(sending) = self.sending.get_mut(&number).filter(|s| s.seal_frame != Some(failed.frame)) {
            sending.failed.get_or_insert_with(|| failed.failure.clone());
            sending.all_planned = true;
            self.queue_seal(number);
        }
        Ok(())
    }

    fn settle(&mut self, frame: u64, progress: &mut Progress) {
        let Some(in_flight) = self.in_flight.remove(&frame) else { return };
        self.lanes.acknowledged(in_flight.lane, in_flight.since);
        match in_flight.content {
            Content::Pack(items) => {
                self.kept -= items.iter().map(kept_len).sum::<usize>();
                settle_pack(&items, in_flight.packed, in_flight.failures, progress);
            }
            Content::Block { file, offset, len, .. } => {
                progress.held.push((file, offset, len as u64));
            }
            Content::Hole { file, offset, len, .. } => {
                progress.held.push((file, offset, len));
            }
            Content::Seal { file, result } => {
                let settles = |sending: &Sending| sending.seal_frame == Some(frame);
                if !self.sending.get(&file.number).is_some_and(settles) {
                    return; // it went in a block's place
                }
                if self.sending.get(&file.number).is_some_and(|sending| sending.again.is_some()) {
                    return self.settle_again(frame, &file, progress); // as a block showed when it was read again
                }
                let Some(sending) = self.sending.remove(&file.number) else { return };
                self.kept -= item_kept_len(file.announcement.path.as_bytes().len());
                let failure = in_flight.failures.into_values().next();
                let failure = sending.failed.or(failure).or(result.clone().err());
                progress.settled.push(Settled {
                    path: file.announcement.path.clone(),
                    folder: false,
                    bytes: result.as_ref().map_or(0, |(size, _)| *size),
                    digest: result.ok().map(|(_, root)| root),
                    as_is: sending.as_is,
                    result: failure.map_or(Ok(()), Err),
                    file: Some(file.number),
                });
            }
            Content::Again { file } => self.settle_again(frame, &file, progress),
        }
    }

    /// The receiver has forgotten a file that comes once more. If it had told before that the file failed, it does not want it.
    fn settle_again(&mut self, frame: u64, file: &LargeFile, progress: &mut Progress) {
        let settles = |sending: &Sending| sending.seal_frame == Some(frame);
        if !self.sending.get(&file.number).is_some_and(settles) {
            return; // it went in a block's place
        }
        let Some(sending) = self.sending.remove(&file.number) else { return };
        let path = file.announcement.path.clone();
        let (ordinal, number) = (sending.ordinal, Some(file.number));
        match (sending.failed, sending.again) {
            (None, Some(metadata)) => {
                progress.again.push(file.number);
                let mode = file.announcement.mode;
                let item = Item { path, what: What::Present(Metadata { mode, ..metadata }) };
                if is_large(&item) {
                    self.unsealed.insert(ordinal); // its seal, if that is what showed the change, had a number
                    self.add_large(Offered { ordinal, item, source: SourceId::default(), held: None });
                    return;
                }
                self.add_small(item);
            }
            (failure, _) => {
                self.kept -= item_kept_len(path.as_bytes().len());
                let (folder, digest, as_is, result) = (false, None, false, failure.map_or(Ok(()), Err));
                progress.settled.push(Settled {
                    path,
                    folder,
                    bytes: 0,
                    digest,
                    as_is,
                    result,
                    file: number,
                });
            }
        }
        self.unsealed.remove(&ordinal);
        self.release_folders();
    }

    fn send_again(&mut self, frame: u64) {
        if let Some(in_flight) = self.in_flight.get_mut(&frame)
            && in_flight.lane.take().is_some()
        {
            self.again.push_back(frame);
        }
    }
}

impl Packed {
    /// What is known of an entry that was built twice: the receiver has one of both.
    fn or_again(self, now: Self) -> Self {
        match (self, now) {
            (Self::Sent { digest: before, .. }, Self::Sent { bytes, digest, as_is }) => {
                Self::Sent { bytes, digest: digest.filter(|digest| Some(*digest) == before), as_is }
            }
            (Self::Sent { .. }, lost) => lost,
            (before, _) => before,
        }
    }
}

impl InFlight {
    /// True if a pack that was built before has the same entries now, and what was lost before is lost now.
    fn is_built_alike(&self, packed: &[Packed]) -> bool {
        let alike = |(before, now): (&Packed, &Packed)| match (before, now) {
            (_, Packed::Later(_)) | (Packed::Lost(_) | Packed::Later(_), Packed::Sent { .. }) => false,
            (_, Packed::Lost(_)) | (Packed::Sent { .. }, Packed::Sent { .. }) => true,
        };
        self.packed.len() == packed.len() && self.packed.iter().zip(packed).all(alike)
    }

    /// Of a pack that was built, what could not be read is lost in each copy of it. Returns how many bytes of memory that takes.
    fn lose(&mut self) -> usize {
        let Content::Pack(items) = &self.content else { return 0 };
        if !self.packed.iter().any(|packed| matches!(packed, Packed::Lost(_))) {
            return 0;
        }
        let lose = |(item, packed): (&Item, &Packed)| match (&item.what, packed) {
            (What::Present(_) | What::Stream { .. }, Packed::Lost(failure)) => lost_item(item, failure),
            (What::Present(_) | What::Stream { .. } | What::Lost(_), _) => item.clone(),
        };
        let before: usize = items.iter().map(kept_len).sum();
        let items: Arc<[Item]> = items.iter().zip(&self.packed).map(lose).collect();
        let after: usize = items.iter().map(kept_len).sum();
        self.content = Content::Pack(items);
        after - before
    }
}

/// An item that could not be read. It takes no more room in a pack than it had.
fn lost_item(item: &Item, failure: &Failure) -> Item {
    let room = packed_len(item) - ENTRY_HEAD_LEN - item.path.as_bytes().len();
    let mut failure = failure.clone();
    let mut end = failure.message.len().min(room.saturating_sub(LOSS_LEN_MIN));
    while !failure.message.is_char_boundary(end) {
        end -= 1;
    }
    failure.message.truncate(end);
    Item { path: item.path.clone(), what: What::Lost(failure) }
}

impl Watch {
    fn acknowledged(&mut self, lane: Option<u16>, since: u64) {
        self.latency = (self.now - since).max(self.latency - self.latency / 8);
        if let Some(lane) = lane {
            self.heard.insert(lane, self.now);
        }
    }

    /// True if `lane` was silent for so long, while another has brought something to an end after `since`.
    fn is_stalled(&self, lane: u16, since: u64, patience: u64) -> bool {
        let silent = self.heard.get(&lane).is_none_or(|heard| self.now - heard > patience);
        let others_go_on = self.heard.iter().any(|(other, heard)| *other != lane && *heard >= since);
        silent && (others_go_on || self.closed.contains(&lane))
    }
}

impl Sending {
    fn new(number: u32, offered: Offered, checksum: Checksum) -> Self {
        let Offered { ordinal, item, source, held } = offered;
        let announcement = Announcement { source, ..announcement(&item) };
        let size = announcement.size;
        let held = held.map(HeldChunks::into_parts);
        let (held, root) = held.unwrap_or_else(|| (RangeSet::default(), RootBuilder::new(checksum)));
        let mut sending = Self {
            ordinal,
            held,
            file: Arc::new(LargeFile { number, announcement }),
            available: size.unwrap_or(0),
            ended: size.is_some(),
            next_offset: 0,
            zeros_until: 0,
            all_planned: false,
            unhashed: 0,
            root,
            failed: None,
            again: None,
            as_is: false,
            seal_frame: None,
        };
        sending.skip_held();
        sending
    }

    fn kept_len(&self) -> usize {
        OPEN_FILE_LEN + CHUNK_KEPT_LEN * (self.held.range_count() + self.root.kept())
    }

    /// What stands in the place of a seal, if the file is not read to its end.
    fn broken_off(&self) -> Option<Content> {
        let file = self.file.clone();
        match (&self.failed, &self.again) {
            (Some(failure), None) => Some(Content::Seal { file, result: Err(failure.clone()) }),
            (_, Some(_)) => Some(Content::Again { file }),
            (None, None) => None,
        }
    }

    /// Goes on behind chunks that the receiver has.
    fn skip_held(&mut self) {
        while !self.all_planned && self.held.contains(self.next_offset / CHUNK_LEN as u64) {
            self.next_offset = self.available.min(self.next_offset + CHUNK_LEN as u64);
            self.all_planned = self.next_offset == self.available;
        }
    }

    /// The next chunk that can be read. A stream's chunk only once it is known whether the stream ends with it.
    fn next_block(&mut self) -> Option<Content> {
        let left = self.available - self.next_offset;
        let chunk = CHUNK_LEN as u64;
        if self.all_planned || !(self.ended || left > chunk) {
            return None;
        }
        if let Some(hole) = self.next_hole() {
            return Some(hole);
        }
        let (offset, len) = (self.next_offset, left.min(chunk));
        self.next_offset += len;
        self.unhashed += 1;
        let last = self.ended && self.next_offset == self.available;
        self.all_planned = last;
        self.skip_held();
        let len = usize::try_from(len).unwrap_or(CHUNK_LEN);
        Some(Content::Block { file: self.file.clone(), offset, len, last })
    }
}

impl Sending {
    /// The chunks from here on that are known to be zeros, as many as one frame may tell of.
    fn next_hole(&mut self) -> Option<Content> {
        let chunk = CHUNK_LEN as u64;
        let offset = self.next_offset;
        let first = offset / chunk;
        let held = self.held.next_from(first).map_or(u64::MAX, |held| held.saturating_mul(chunk));
        let until = self.zeros_until.min(held).min(offset.saturating_add(HOLE_LEN_MAX));
        let end = if until >= self.available { self.available } else { until / chunk * chunk };
        let len = end.checked_sub(offset).filter(|len| *len > 0)?;
        self.root.add_zeros(first, len / chunk, CHUNK_LEN);
        if len % chunk > 0 {
            self.root.add_zeros(end / chunk, 1, usize::try_from(len % chunk).unwrap_or(CHUNK_LEN));
        }
        self.next_offset = end;
        let last = end == self.available;
        self.all_planned = last;
        self.skip_held();
        Some(Content::Hole { file: self.file.clone(), offset, len, last })
    }
}

/// What is known of a large file before it is opened.
fn announcement(item: &Item) -> Announcement {
    let (size, modified, mode) = match item.what {
        What::Present(metadata) => (Some(metadata.size), Some(metadata.modified), metadata.mode),
        What::Stream { mode } => (None, None, mode),
        What::Lost(_) => (Some(0), None, 0), // never a large file
    };
    Announcement { path: item.path.clone(), size, modified, mode, source: SourceId::default() }
}

fn is_folder(item: &Item) -> bool {
    matches!(&item.what, What::Present(metadata) if metadata.kind == Kind::Folder)
}

/// True for what travels in blocks.
fn is_large(item: &Item) -> bool {
    match &item.what {
        What::Present(metadata) => metadata.kind == Kind::File && metadata.size > PACKED_FILE_LEN_MAX,
        What::Stream { .. } => true,
        What::Lost(_) => false,
    }
}

/// Length of a loss without a message: any file or link may turn out to be one.
const LOSS_LEN_MIN: usize = 2;

/// Seconds without an acknowledged frame after which a lane counts as stalled, at least.
const STALL_TICKS: u64 = 5;

/// About how many bytes of memory an item takes whose path has `path_len` bytes: the item itself, and what became of it.
#[must_use]
pub fn item_kept_len(path_len: usize) -> usize {
    256 + path_len
}

fn kept_len(item: &Item) -> usize {
    let sentence = match &item.what {
        What::Lost(failure) => failure.message.len(),
        What::Present(_) | What::Stream { .. } => 0,
    };
    item_kept_len(item.path.as_bytes().len()) + sentence
}

/// Bytes that an item takes in a pack.
#[must_use]
pub fn packed_len(item: &Item) -> usize {
    let content = match &item.what {
        What::Present(metadata) if metadata.kind != Kind::Folder => {
            usize::try_from(metadata.size).unwrap_or(PACK_LEN_MAX).max(LOSS_LEN_MIN)
        }
        What::Lost(failure) => LOSS_LEN_MIN + failure.message.len(),
        What::Present(_) | What::Stream { .. } => 0,
    };
    ENTRY_HEAD_LEN + item.path.as_bytes().len() + content
}

fn settle_pack(
    items: &[Item],
    packed: Vec<Packed>,
    failures: BTreeMap<u32, Failure>,
    progress: &mut Progress,
) {
    let mut failures = failures;
    for ((item, packed), entry) in items.iter().zip(packed).zip(0..) {
        let (bytes, digest, as_is, lost) = match packed {
            Packed::Sent { bytes, digest, as_is } => (bytes, digest, as_is, None),
            Packed::Lost(failure) => (0, None, false, Some(failure)),
            Packed::Later(_) => continue, // it is none of the pack's
        };
        let failure = lost.or(failures.remove(&entry));
        let folder = is_folder(item);
        let result = failure.map_or(Ok(()), Err);
        let path = item.path.clone();
        progress.settled.push(Settled { path, folder, bytes, digest, as_is, result, file: None });
    }
}
