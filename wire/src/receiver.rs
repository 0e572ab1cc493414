//! The receiving machine of a job: which frames and chunks are there, and when a file may be published. It writes no file.
//!
//! The order of effects is the caller's duty and the machine's words: `begin` → verify → write → `written` (or `packed`) →
//! publish → `published`. A frame counts as done only when its effect is final, and only then is it acknowledged.
//!
//! The memory that the machine keeps is counted in [`kept`](Receiver::kept): folders that wait for earlier frames, failures that are not
//! acknowledged, files that have begun. A frame for which the caller has no room is [postponed](Receiver::postpone), and asked for
//! again once there is some. The first frame that is missing makes room by itself, as nothing of it waits for others.

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
    /// It is done or being worked on already, or its file is finished with: drop it.
    Drop,
}

/// A folder whose metadata is set when all that is in it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderEntry {
    /// Which entry of its pack it is.
    pub entry: u32,
    /// Where it is, below the job's path.
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
    /// Frames that have begun and are not done: they are worked on, or wait for others. What comes again is no news.
    begun: BTreeSet<u64>,
    files: BTreeMap<u32, Receiving>,
    /// Files that were offered, and of which chunks are there.
    held: BTreeMap<RemotePath, Receiving>,
    /// Files that are finished or given up, as long as frames of them may come.
    over: BTreeMap<u32, Over>,
    hasher: RandomState,
    folders: BTreeMap<u64, Vec<FolderEntry>>,
    /// Frames that came when there was no room for them.
    postponed: BTreeSet<u64>,
    /// Bytes that folders and failures take.
    kept: usize,
    attempts: BTreeMap<u64, u8>,
    frames_end: Option<u64>,
    greatest: Option<u64>,
    unreported: RangeSet,
    failed: Vec<ItemFailure>,
    damaged: Vec<u64>,
}

impl Receiver {
    /// A machine that takes frames up to `window` beyond the first one missing.
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

    /// The same machine, of a job whose target makes holes.
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

    /// True while another file may be held of which chunks are there.
    #[must_use]
    pub fn may_hold(&self) -> bool {
        self.held.len() < LARGE_FILES_MAX
    }

    /// A file was offered of which chunks are there: its blocks will be the others.
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

    /// A frame has come.
    ///
    /// # Errors
    /// If it cannot come now.
    pub fn begin(&mut self, head: &FrameHead) -> Result<Begin, ReceiverViolation> {
        if self.done.contains(head.frame) {
            // Told again, unless so many wait to be told that the sender must know by now.
            if (self.unreported.range_count() as u64) < self.window {
                self.unreported.insert(head.frame);
            }
            return Ok(Begin::Drop);
        }
        if head.frame - self.done.first_missing() >= self.window {
            return Err(ReceiverViolation::Window);
        }
        if self.frames_end.is_some_and(|end| head.frame >= end) {
            return Err(ReceiverViolation::BeyondEnd);
        }
        self.greatest = self.greatest.max(Some(head.frame));
        self.postponed.remove(&head.frame);
        if self.begun.insert(head.frame) {
            Ok(Begin::Process)
        } else {
            Ok(Begin::Drop) // its first copy is worked on; the acknowledgement is to come
        }
    }

    /// There is no room for a frame that has begun: it is forgotten.
    pub fn postpone(&mut self, frame: u64) {
        self.begun.remove(&frame);
        self.postponed.insert(frame);
    }

    /// True if all frames before this one are done: nothing of it waits for others.
    #[must_use]
    pub fn is_next(&self, frame: u64) -> bool {
        self.done.first_missing() == frame
    }

    /// True if frames are postponed, and whether the one that all others wait for is among them.
    #[must_use]
    pub fn postponed(&self) -> (bool, bool) {
        (!self.postponed.is_empty(), self.postponed.contains(&self.done.first_missing()))
    }

    /// There is room for so many frames: asks for them again, the first ones first.
    pub fn ask_again(&mut self, frames: usize) {
        for _ in 0..frames {
            self.damaged.extend(self.postponed.pop_first());
        }
    }

    /// True if frames of this file have come before.
    #[must_use]
    pub fn has_begun(&self, file: u32) -> bool {
        self.files.contains_key(&file) || self.over.contains_key(&file)
    }

    /// About how many bytes of memory the machine takes that depend on what came.
    #[must_use]
    pub fn kept(&self) -> usize {
        let files = self.files.values().chain(self.held.values());
        self.kept + files.map(Receiving::kept_len).sum::<usize>()
    }

    /// True if failures are not acknowledged.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        !self.failed.is_empty()
    }

    /// A frame's data did not match its digest: it is asked for again, unless it was often enough.
    /// True if the frame's item has now failed for good.
    pub fn damaged(&mut self, frame: u64) -> bool {
        let attempts = self.attempts.entry(frame).or_insert(0);
        *attempts += 1;
        let failed = *attempts >= ATTEMPTS_MAX;
        if !failed {
            self.begun.remove(&frame);
            self.damaged.push(frame);
        }
        failed
    }

    /// Entries of a pack have failed, and the pack is to come again because others are damaged.
    pub fn entries_failed(&mut self, frame: u64, failures: Vec<(u32, Failure)>) {
        for (entry, failure) in failures {
            self.fail_item(frame, entry, failure);
        }
    }

    /// All entries of a pack are in their place or have failed, but for its folders.
    pub fn packed(&mut self, frame: u64, failures: Vec<(u32, Failure)>, folders: Vec<FolderEntry>) {
        self.entries_failed(frame, failures);
        if folders.is_empty() {
            self.frame_done(frame);
        } else {
            self.kept +=
                folders.iter().map(|folder| folder_kept_len(folder.path.as_bytes().len())).sum::<usize>();
            self.folders.insert(frame, folders);
        }
    }

    /// Folders whose metadata can be set now, with the frame they came in; tell [`Self::folders_set`] afterwards.
    pub fn next_folders(&mut self) -> Option<(u64, Vec<FolderEntry>)> {
        let entry = self.folders.first_entry()?;
        let frame = *entry.key();
        if frame != self.done.first_missing() {
            return None;
        }
        let folders = entry.remove();
        self.kept -=
            folders.iter().map(|folder| folder_kept_len(folder.path.as_bytes().len())).sum::<usize>();
        Some((frame, folders))
    }

    /// The metadata of a frame's folders is set, or could not be.
    pub fn folders_set(&mut self, frame: u64, failures: Vec<(u32, Failure)>) {
        self.entries_failed(frame, failures);
        self.frame_done(frame);
    }

    /// The sender told how many frames the job has.
    ///
    /// # Errors
    /// If that contradicts what came before.
    pub fn end(&mut self, end: End) -> Result<(), ReceiverViolation> {
        let contradicts = self.frames_end.is_some_and(|before| before != end.frames)
            || self.greatest.is_some_and(|greatest| greatest >= end.frames);
        self.frames_end = Some(end.frames);
        if contradicts { Err(ReceiverViolation::End) } else { Ok(()) }
    }

    /// True once all frames of the job are done.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.frames_end.is_some_and(|end| self.done.first_missing() >= end)
    }

    /// Frames that are done and not yet acknowledged.
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
            return Some(Ack { done: Vec::new(), failed, damaged }); // a frame's failures come no later than its `done`
        }
        let done = std::mem::take(&mut self.unreported)
            .iter()
            .map(|(first, end)| FrameRange { first, count: u32::try_from(end - first).unwrap_or(u32::MAX) })
            .collect();
        Some(Ack { done, failed, damaged })
    }

    fn fail_item(&mut self, frame: u64, entry: u32, failure: Failure) {
        self.kept += failure_kept_len(&failure);
        self.failed.push(ItemFailure { frame, entry, failure });
    }

    fn frame_done(&mut self, frame: u64) {
        self.begun.remove(&frame);
        if self.done.insert(frame) {
            self.unreported.insert(frame);
            self.attempts.remove(&frame);
        }
    }
}

/// About how many bytes of memory a folder takes that waits for earlier frames.
#[must_use]
pub fn folder_kept_len(path_len: usize) -> usize {
    160 + path_len
}

/// About how many bytes of memory an item's failure takes until it is acknowledged.
#[must_use]
pub fn failure_kept_len(failure: &Failure) -> usize {
    96 + failure.message.len()
}
