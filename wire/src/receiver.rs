//! The receiving machine of a job: tracks which frames and chunks are there, and decides when a file may be published. It
//! writes no file.
//!
//! The caller must keep the order of effects, which the machine's methods follow: `begin` → verify → write → `written` (or
//! `packed`) → publish → `published`. A frame counts as done only when its effect is final, and only then is it acknowledged.
//!
//! The machine's memory is counted in [`kept`](Receiver::kept): folders that wait for earlier frames, unacknowledged failures,
//! files in progress. A frame that the caller has no memory for is [postponed](Receiver::postpone), and requested again once
//! there is some. The first missing frame frees memory by itself, because no part of it waits for others.

mod blocks;
mod holes;
mod large_file;
mod over;
mod verdict;
mod violation;

pub use large_file::file_kept_len;
pub use verdict::{Publish, Verdict};
pub use violation::ReceiverViolation;

use crate::checksum::Checksum;
use crate::failure::Failure;
use crate::frame::{Announcement, FrameHead};
use crate::ids::{FileNo, FrameNo};
use crate::journal::HeldChunks;
use crate::limits::{ACK_ITEMS_MAX, ATTEMPTS_MAX, LARGE_FILES_MAX};
use crate::message::{Ack, End, FrameRange, ItemFailure};
use crate::metadata::Timestamp;
use crate::path::RemotePath;
use crate::ranges::RangeSet;
use large_file::{Receiving, chunks_of};
use over::Over;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;

/// The answer to a frame that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// Verify and write it.
    Process,
    /// Drop it: it is done or in progress already, or its file has ended.
    Drop,
}

/// A folder whose metadata is set when all of its content is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its entry's number in the pack.
    pub entry: u32,
    /// Its path, below the job's path.
    pub path: RemotePath,
    /// Its modification time.
    pub modified: Option<Timestamp>,
    /// Its permission bits.
    pub mode: u32,
}

/// The receiving machine of one job.
#[derive(Debug)]
pub struct Receiver {
    checksum: Checksum,
    window: u64,
    /// Files may have holes.
    holes: bool,
    done: RangeSet,
    /// Frames that have begun and are not done: they are in progress, or wait for others. A second copy is ignored.
    begun: BTreeSet<FrameNo>,
    files: BTreeMap<FileNo, Receiving>,
    /// Files that were offered, and have chunks here.
    held: BTreeMap<RemotePath, Receiving>,
    /// Files that are finished or given up, as long as frames of them may arrive.
    over: BTreeMap<FileNo, Over>,
    hasher: RandomState,
    folders: BTreeMap<FrameNo, Vec<FolderEntry>>,
    /// Frames that arrived when there was no memory for them.
    postponed: BTreeSet<FrameNo>,
    /// Memory of folders and failures in bytes.
    kept: usize,
    attempts: BTreeMap<FrameNo, u8>,
    frames_end: Option<u64>,
    greatest: Option<FrameNo>,
    unreported: RangeSet,
    failed: Vec<ItemFailure>,
    damaged: Vec<FrameNo>,
}

impl Receiver {
    /// A machine that takes frames up to `window` beyond the first missing one.
    #[must_use]
    pub fn new(checksum: Checksum, window: u32) -> Self {
        Self {
            checksum,
            window: u64::from(window),
            holes: false,
            done: RangeSet::default(),
            begun: BTreeSet::new(),
            files: BTreeMap::new(),
            held: BTreeMap::new(),
            over: BTreeMap::new(),
            hasher: RandomState::new(),
            folders: BTreeMap::new(),
            postponed: BTreeSet::new(),
            kept: 0,
            attempts: BTreeMap::new(),
            frames_end: None,
            greatest: None,
            unreported: RangeSet::default(),
            failed: Vec::new(),
            damaged: Vec::new(),
        }
    }

    /// The same machine, for a job whose target makes holes.
    #[must_use]
    pub fn with_holes(self, holes: bool) -> Self {
        let holes = holes && self.checksum == Checksum::Sha256;
        Self { holes, ..self }
    }

    /// The algorithm of this job's digests.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// True while another file with existing chunks may be kept.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        self.held.len() < LARGE_FILES_MAX
    }

    /// Records an offered file that has chunks here: its blocks will be the missing ones.
    ///
    /// # Errors
    /// If it was offered before.
    pub fn hold(&mut self, announcement: Announcement, held: HeldChunks) -> Result<(), ReceiverViolation> {
        let path = announcement.path.clone();
        let mut receiving = Receiving::new(announcement, self.checksum);
        let size = receiving.announcement.size;
        (receiving.chunks, receiving.root) = held.into_parts();
        receiving.end = size.filter(|size| !receiving.chunks.ends_below(chunks_of(*size) - 1));
        match self.held.insert(path, receiving) {
            None => Ok(()),
            Some(_) => Err(ReceiverViolation::OfferedTwice),
        }
    }

    /// Records that a frame has arrived.
    ///
    /// # Errors
    /// If it is not allowed now.
    pub fn begin(&mut self, head: &FrameHead) -> Result<Begin, ReceiverViolation> {
        if self.done.contains(head.frame.0) {
            // Reported again, unless so many reports are waiting that the sender must know by now.
            if (self.unreported.range_count() as u64) < self.window {
                self.unreported.insert(head.frame.0);
            }
            return Ok(Begin::Drop);
        }
        if head.frame.0 - self.first_missing().0 >= self.window {
            return Err(ReceiverViolation::Window);
        }
        if self.frames_end.is_some_and(|end| head.frame.0 >= end) {
            return Err(ReceiverViolation::BeyondEnd);
        }
        self.greatest = self.greatest.max(Some(head.frame));
        self.postponed.remove(&head.frame);
        if self.begun.insert(head.frame) {
            Ok(Begin::Process)
        } else {
            Ok(Begin::Drop) // its first copy is in progress; the acknowledgement will follow
        }
    }

    /// Forgets a frame that has begun, for lack of memory.
    pub fn postpone(&mut self, frame: FrameNo) {
        self.begun.remove(&frame);
        self.postponed.insert(frame);
    }

    /// True if all frames before this one are done, so that no part of it waits for others.
    #[must_use]
    pub fn is_next(&self, frame: FrameNo) -> bool {
        self.first_missing() == frame
    }

    /// Returns whether frames are postponed, and whether the one that all others wait for is among them.
    #[must_use]
    pub fn postponed(&self) -> (bool, bool) {
        (!self.postponed.is_empty(), self.postponed.contains(&self.first_missing()))
    }

    /// Requests up to `frames` postponed frames again, the first ones first, now that there is memory.
    pub fn ask_again(&mut self, frames: usize) {
        for _ in 0..frames {
            self.damaged.extend(self.postponed.pop_first());
        }
    }

    /// True if frames of this file have arrived before.
    #[must_use]
    pub fn has_begun(&self, file: FileNo) -> bool {
        self.files.contains_key(&file) || self.over.contains_key(&file)
    }

    /// True if this file is finished or given up, as far as that is remembered.
    #[must_use]
    pub fn has_ended(&self, file: FileNo) -> bool {
        self.over.contains_key(&file)
    }

    /// Returns the approximate memory of the machine in bytes, as far as it depends on the input.
    #[must_use]
    pub fn kept(&self) -> usize {
        let files = self.files.values().chain(self.held.values());
        self.kept + files.map(Receiving::kept_len).sum::<usize>()
    }

    /// True if there are unacknowledged failures.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Records that a frame's data did not match its digest: it is requested again, unless it was too often. Returns true if
    /// the frame's item has now failed for good.
    pub fn damaged(&mut self, frame: FrameNo) -> bool {
        let attempts = self.attempts.entry(frame).or_insert(0);
        *attempts += 1;
        let failed = *attempts >= ATTEMPTS_MAX;
        if !failed {
            self.begun.remove(&frame);
            self.damaged.push(frame);
        }
        failed
    }

    /// Records entries of a pack that have failed, while the pack is to come again because others are damaged.
    pub fn entries_failed(&mut self, frame: FrameNo, failures: Vec<(u32, Failure)>) {
        for (entry, failure) in failures {
            self.fail_item(frame, entry, failure);
        }
    }

    /// Records that all entries of a pack are in their place or have failed, except for its folders.
    pub fn packed(&mut self, frame: FrameNo, failures: Vec<(u32, Failure)>, folders: Vec<FolderEntry>) {
        self.entries_failed(frame, failures);
        if folders.is_empty() {
            self.frame_done(frame);
        } else {
            self.kept +=
                folders.iter().map(|folder| folder_kept_len(folder.path.as_bytes().len())).sum::<usize>();
            self.folders.insert(frame, folders);
        }
    }

    /// Returns folders whose metadata can be set now, with the frame they arrived in; [`Self::folders_set`] must follow.
    pub fn next_folders(&mut self) -> Option<(FrameNo, Vec<FolderEntry>)> {
        let first_missing = self.first_missing();
        let entry = self.folders.first_entry()?;
        let frame = *entry.key();
        if frame != first_missing {
            return None;
        }
        let folders = entry.remove();
        self.kept -=
            folders.iter().map(|folder| folder_kept_len(folder.path.as_bytes().len())).sum::<usize>();
        Some((frame, folders))
    }

    /// Records that the metadata of a frame's folders is set, or failed.
    pub fn folders_set(&mut self, frame: FrameNo, failures: Vec<(u32, Failure)>) {
        self.entries_failed(frame, failures);
        self.frame_done(frame);
    }

    /// Records how many frames the job has, as reported by the sender.
    ///
    /// # Errors
    /// If this contradicts earlier input.
    pub fn end(&mut self, end: End) -> Result<(), ReceiverViolation> {
        let contradicts = self.frames_end.is_some_and(|before| before != end.frames)
            || self.greatest.is_some_and(|greatest| greatest.0 >= end.frames);
        self.frames_end = Some(end.frames);
        if contradicts { Err(ReceiverViolation::End) } else { Ok(()) }
    }

    /// True once all frames of the job are done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.frames_end.is_some_and(|end| self.first_missing().0 >= end)
    }

    /// True if the sender may find the job complete with what was acknowledged so far: there is no frame in sight that is not
    /// done, no done one that is not acknowledged, and no file without its seal.
    #[must_use]
    pub fn may_be_over(&self) -> bool {
        let end = self.frames_end.or(self.greatest.map(|greatest| greatest.0 + 1));
        self.unreported.is_empty()
            && self.files.is_empty()
            && end.is_some_and(|end| self.first_missing().0 >= end)
    }

    /// Returns the number of frames that are done and not yet acknowledged.
    #[must_use]
    pub fn unreported(&self) -> u64 {
        self.unreported.iter().map(|(begin, end)| end - begin).sum::<u64>() + self.damaged.len() as u64
    }

    /// Takes the acknowledgement that is due; `None` if there is none.
    pub fn take_ack(&mut self) -> Option<Ack> {
        if self.unreported.is_empty() && self.failed.is_empty() && self.damaged.is_empty() {
            return None;
        }
        let failed: Vec<ItemFailure> = self.failed.drain(..self.failed.len().min(ACK_ITEMS_MAX)).collect();
        self.kept -= failed.iter().map(|failed| failure_kept_len(&failed.failure)).sum::<usize>();
        let damaged = self.damaged.drain(..self.damaged.len().min(ACK_ITEMS_MAX)).collect();
        if !self.failed.is_empty() {
            return Some(Ack { done: Vec::new(), failed, damaged }); // a frame's failures are sent no later than its `done`
        }
        let done = std::mem::take(&mut self.unreported)
            .iter()
            .map(|(first, end)| FrameRange {
                first: FrameNo(first),
                count: u32::try_from(end - first).unwrap_or(u32::MAX),
            })
            .collect();
        Some(Ack { done, failed, damaged })
    }

    /// The first frame that is not done.
    fn first_missing(&self) -> FrameNo {
        FrameNo(self.done.first_missing())
    }

    fn fail_item(&mut self, frame: FrameNo, entry: u32, failure: Failure) {
        self.kept += failure_kept_len(&failure);
        self.failed.push(ItemFailure { frame, entry, failure });
    }

    fn frame_done(&mut self, frame: FrameNo) {
        self.begun.remove(&frame);
        if self.done.insert(frame.0) {
            self.unreported.insert(frame.0);
            self.attempts.remove(&frame);
        }
    }
}

/// Returns the approximate memory of a folder that waits for earlier frames.
#[must_use]
pub fn folder_kept_len(path_len: usize) -> usize {
    160 + path_len
}

/// Returns the approximate memory of an item's failure until it is acknowledged.
#[must_use]
pub fn failure_kept_len(failure: &Failure) -> usize {
    96 + failure.message.len()
}
