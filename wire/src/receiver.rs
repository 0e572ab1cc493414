//! The receiving machine of a job: which frames and chunks are there, and when a file may be published. It writes no file.
//!
//! The order of effects is the caller's duty and the machine's words: `begin` → verify → write → `written` (or `packed`) →
//! publish → `published`. A frame counts as done only when its effect is final, and only then is it acknowledged.
//!
//! What the machine keeps is counted in [`kept`](Receiver::kept): folders that wait for earlier frames, failures that are not
//! acknowledged, files that have begun. A frame for which the caller has no room is [postponed](Receiver::postpone), and asked for
//! again once there is some. The first frame that is missing makes room by itself, as nothing of it waits for others.

use crate::budget::OPEN_FILE_LEN;
use crate::checksum::{Checksum, Digest, RootBuilder};
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, FrameHead, FrameKind, SealEnd};
use crate::journal::{CHUNK_KEPT_LEN, HeldChunks};
use crate::limits::{ACK_ITEMS_MAX, ATTEMPTS_MAX, CHUNK_LEN, LARGE_FILES_MAX};
use crate::message::{Ack, End, FrameRange, ItemFailure};
use crate::metadata::{SourceId, Timestamp};
use crate::path::RemotePath;
use crate::ranges::RangeSet;
use crate::verified::VerifiedChunk;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

/// The sender did what the protocol forbids; the session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiverViolation {
    /// More frames than the window allows.
    #[error("a frame beyond the window")]
    Window,
    /// A frame that the job's end does not count.
    #[error("a frame beyond the job's end")]
    BeyondEnd,
    /// Two ends of one job that differ, or one below a frame that came.
    #[error("a job's end that contradicts its frames")]
    End,
    /// Too many files at once.
    #[error("more than {LARGE_FILES_MAX} files begun at once")]
    Files,
    /// A block outside the file.
    #[error("a block outside its file")]
    OutsideFile,
    /// A chunk that came before, in another frame.
    #[error("the same block twice")]
    SameBlock,
    /// A hole in a job that has none.
    #[error("a hole in a job without holes")]
    Hole,
    /// A second seal of a file.
    #[error("a second seal of a file")]
    SecondSeal,
    /// A seal that contradicts the file's blocks.
    #[error("a seal that contradicts its file's blocks")]
    Seal,
    /// Two announcements of one file that differ, or one that differs from its offer, or a finished file's number for another.
    #[error("two announcements of one file that differ")]
    Announcement,
    /// A file that was offered before, and not sent.
    #[error("the same file offered twice")]
    OfferedTwice,
    /// More items offered than may be.
    #[error("more items offered than may be")]
    Offers,
}

/// What to do with a frame that has come.
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

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Incomplete,
    /// It is whole and its root is right: publish it, then tell [`Receiver::published`].
    Publish(Publish),
    /// It failed: discard what was staged.
    Discard(Announcement, Failure),
    /// It comes once more, from its beginning: discard what was staged.
    Again(Announcement),
}

/// Proof that a staged file is whole and its root digest right; only the machine makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    file: u32,
    announcement: Announcement,
    size: u64,
    root: Digest,
    as_is: bool,
}

impl Publish {
    /// The file's number.
    #[must_use]
    pub fn file(&self) -> u32 {
        self.file
    }

    /// What its frames said of it.
    #[must_use]
    pub fn announcement(&self) -> &Announcement {
        &self.announcement
    }

    /// Its length.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// True if it changed while it was read: it is what was read.
    #[must_use]
    pub fn is_as_is(&self) -> bool {
        self.as_is
    }

    /// Its root digest.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }
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

#[derive(Debug)]
struct Receiving {
    announcement: Announcement,
    chunks: RangeSet,
    /// End of the last chunk, once that has come.
    end: Option<u64>,
    root: RootBuilder,
    seal: Option<Seal>,
    failure: Option<Failure>,
}

/// A file that is finished or given up.
#[derive(Debug)]
struct Over {
    /// The frame that it ended with.
    frame: u64,
    /// A hash of its announcement.
    announced: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seal {
    frame: u64,
    size: u64,
    root: Digest,
    as_is: bool,
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
        match self.begun.insert(head.frame) {
            true => Ok(Begin::Process),
            false => Ok(Begin::Drop), // its first copy is worked on; the acknowledgement is to come
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

    /// A block of a file has come. After `Process` its chunk is to be verified and written.
    ///
    /// # Errors
    /// If the block contradicts what is known of the file.
    pub fn block(
        &mut self,
        head: &FrameHead,
        announcement: Announcement,
    ) -> Result<Begin, ReceiverViolation> {
        let FrameKind::Block { file, offset, last, .. } = head.kind else { return Ok(Begin::Drop) };
        if self.is_over(file, &announcement)? {
            self.frame_done(head.frame);
            return Ok(Begin::Drop);
        }
        let receiving = self.receiving(file, announcement)?;
        if receiving.failure.is_some() {
            self.frame_done(head.frame);
            return Ok(Begin::Drop);
        }
        let end = offset + u64::from(head.payload_len);
        let contradicts = match receiving.announcement.size {
            Some(size) => end > size || last != (end == size),
            None => receiving.end.is_some_and(|known| end > known || (last && end != known)),
        };
        if contradicts {
            return Err(ReceiverViolation::OutsideFile);
        }
        if receiving.chunks.contains(offset / CHUNK_LEN as u64) {
            return Err(ReceiverViolation::SameBlock);
        }
        if last {
            receiving.end = Some(end);
        }
        Ok(Begin::Process)
    }

    /// A verified chunk of `file` was written.
    ///
    /// # Errors
    /// If another frame brought the same chunk meanwhile, or the file's end before it.
    pub fn written(
        &mut self,
        file: u32,
        frame: u64,
        chunk: &VerifiedChunk<'_>,
    ) -> Result<Verdict, ReceiverViolation> {
        let Some(receiving) = self.files.get_mut(&file) else {
            self.frame_done(frame);
            return Ok(Verdict::Incomplete);
        };
        let index = chunk.offset() / CHUNK_LEN as u64;
        if !receiving.chunks.insert(index) {
            return Err(ReceiverViolation::SameBlock);
        }
        if receiving.end.is_some_and(|end| !receiving.chunks.ends_below(chunks_of(end))) {
            return Err(ReceiverViolation::OutsideFile);
        }
        receiving.root.add(index, chunk.digest());
        self.frame_done(frame);
        self.judge(file)
    }

    /// A hole of a file has come. After `Process` it is to be made, and [`holed`](Self::holed) to be told.
    ///
    /// # Errors
    /// If the job has none, or it contradicts what is known of the file.
    pub fn hole(&mut self, head: &FrameHead, announcement: Announcement) -> Result<Begin, ReceiverViolation> {
        let FrameKind::Hole { file, offset, len, last } = head.kind else { return Ok(Begin::Drop) };
        if !self.holes {
            return Err(ReceiverViolation::Hole);
        }
        if self.is_over(file, &announcement)? {
            self.frame_done(head.frame);
            return Ok(Begin::Drop);
        }
        let receiving = self.receiving(file, announcement)?;
        if receiving.failure.is_some() {
            self.frame_done(head.frame);
            return Ok(Begin::Drop);
        }
        let end = offset + len;
        if receiving.announcement.size.is_none_or(|size| end > size || last != (end == size)) {
            return Err(ReceiverViolation::OutsideFile);
        }
        if receiving.chunks.next_from(offset / CHUNK_LEN as u64).is_some_and(|chunk| chunk < chunks_of(end)) {
            return Err(ReceiverViolation::SameBlock);
        }
        if last {
            receiving.end = Some(end);
        }
        Ok(Begin::Process)
    }

    /// The hole of a frame that [`hole`](Self::hole) let pass was made.
    ///
    /// # Errors
    /// If another frame brought one of its chunks meanwhile, or the file's end before it.
    pub fn holed(&mut self, head: &FrameHead) -> Result<Verdict, ReceiverViolation> {
        let FrameKind::Hole { file, offset, len, .. } = head.kind else { return Ok(Verdict::Incomplete) };
        let Some(receiving) = self.files.get_mut(&file) else {
            self.frame_done(head.frame);
            return Ok(Verdict::Incomplete);
        };
        let (chunk, end) = (CHUNK_LEN as u64, offset + len);
        if !receiving.chunks.insert_range(offset / chunk, chunks_of(end)) {
            return Err(ReceiverViolation::SameBlock);
        }
        if receiving.end.is_some_and(|end| !receiving.chunks.ends_below(chunks_of(end))) {
            return Err(ReceiverViolation::OutsideFile);
        }
        receiving.root.add_zeros(offset / chunk, len / chunk, CHUNK_LEN);
        if len % chunk > 0 {
            receiving.root.add_zeros(end / chunk, 1, usize::try_from(len % chunk).unwrap_or(CHUNK_LEN));
        }
        self.frame_done(head.frame);
        self.judge(file)
    }

    /// A seal has come.
    ///
    /// # Errors
    /// If it contradicts the file's blocks.
    pub fn seal(
        &mut self,
        head: &FrameHead,
        announcement: Announcement,
        abandoned: Option<Failure>,
    ) -> Result<Verdict, ReceiverViolation> {
        let FrameKind::Seal { file, size, root, end } = head.kind else { return Ok(Verdict::Incomplete) };
        if self.is_over(file, &announcement)? {
            self.frame_done(head.frame);
            return Ok(Verdict::Incomplete);
        }
        let receiving = self.receiving(file, announcement)?;
        if let Some(failure) = abandoned {
            let failure = receiving.failure.clone().unwrap_or(failure);
            let verdict = self.finish(file, head.frame, failure);
            self.frame_done(head.frame);
            return Ok(verdict);
        }
        if let Some(failure) = receiving.failure.clone() {
            let verdict = self.finish(file, head.frame, failure);
            self.frame_done(head.frame);
            return Ok(verdict);
        }
        if receiving.seal.is_some_and(|seal| seal.frame != head.frame) {
            return Err(ReceiverViolation::SecondSeal);
        }
        if receiving.announcement.size.is_some_and(|announced| announced != size) {
            return Err(ReceiverViolation::Seal);
        }
        receiving.seal = Some(Seal { frame: head.frame, size, root, as_is: end == SealEnd::AsIs });
        self.judge(file)
    }

    /// The sender will send a file once more, under another number.
    ///
    /// # Errors
    /// If it is announced otherwise.
    pub fn begun_again(
        &mut self,
        head: &FrameHead,
        announcement: Announcement,
    ) -> Result<Verdict, ReceiverViolation> {
        let FrameKind::Seal { file, .. } = head.kind else { return Ok(Verdict::Incomplete) };
        let known = self.files.contains_key(&file) || self.held.contains_key(&announcement.path);
        if self.is_over(file, &announcement)? {
            self.frame_done(head.frame);
            return Ok(Verdict::Incomplete);
        }
        if !known {
            self.note_over(file, head.frame, &announcement);
            self.frame_done(head.frame);
            return Ok(Verdict::Incomplete);
        }
        self.receiving(file, announcement)?;
        let verdict = self.finish(file, head.frame, FailureCode::SourceChanged.into());
        self.frame_done(head.frame);
        match verdict {
            Verdict::Discard(announcement, _) => Ok(Verdict::Again(announcement)),
            other @ (Verdict::Incomplete | Verdict::Publish(_) | Verdict::Again(_)) => Ok(other),
        }
    }

    /// A chunk of `file` could not be staged or written: the file fails, its other frames are dropped as they come.
    pub fn file_failed(&mut self, file: u32, frame: u64, failure: Failure) -> Verdict {
        self.frame_done(frame);
        if !self.files.contains_key(&file) {
            return Verdict::Incomplete; // it is over; one that comes once more has not failed
        }
        self.fail_item(frame, 0, failure.clone());
        let Some(receiving) = self.files.get_mut(&file) else { return Verdict::Incomplete };
        if let Some(seal) = receiving.seal {
            return self.finish(file, seal.frame, failure);
        }
        if receiving.failure.is_some() {
            return Verdict::Incomplete;
        }
        receiving.failure = Some(failure.clone());
        Verdict::Discard(receiving.announcement.clone(), failure)
    }

    /// The file of a [`Publish`] is in its place, or could not be put there.
    pub fn published(&mut self, publish: &Publish, result: Result<(), Failure>) {
        let Some(receiving) = self.files.remove(&publish.file) else { return };
        if let Some(seal) = receiving.seal {
            self.note_over(publish.file, seal.frame, &receiving.announcement);
            if let Err(failure) = result {
                self.fail_item(seal.frame, 0, failure);
            }
            self.frame_done(seal.frame);
        }
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

    /// What to acknowledge now, if anything.
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

    fn receiving(
        &mut self,
        file: u32,
        announcement: Announcement,
    ) -> Result<&mut Receiving, ReceiverViolation> {
        if !self.files.contains_key(&file) {
            if self.files.len() >= LARGE_FILES_MAX {
                return Err(ReceiverViolation::Files);
            }
            let receiving = match self.held.remove(&announcement.path) {
                Some(held) => held,
                None => Receiving::new(announcement.clone(), self.checksum),
            };
            self.files.insert(file, receiving);
        }
        let receiving = self.files.get_mut(&file).ok_or(ReceiverViolation::Files)?;
        match receiving.announcement.is_of_same_file(&announcement) {
            true => Ok(receiving),
            false => Err(ReceiverViolation::Announcement),
        }
    }

    /// Decides about a file whose seal is there: whole and right, whole and wrong, or not whole yet.
    fn judge(&mut self, file: u32) -> Result<Verdict, ReceiverViolation> {
        let Some(receiving) = self.files.get(&file) else { return Ok(Verdict::Incomplete) };
        let Some(seal) = receiving.seal else { return Ok(Verdict::Incomplete) };
        if receiving.end.is_some_and(|end| end != seal.size) {
            return Err(ReceiverViolation::Seal);
        }
        if receiving.end.is_none() || receiving.chunks.first_missing() < chunks_of(seal.size) {
            return Ok(Verdict::Incomplete);
        }
        if receiving.root.root(seal.size) != Some(seal.root) {
            let failure = Failure::from(FailureCode::Integrity);
            self.fail_item(seal.frame, 0, failure.clone());
            return Ok(self.finish(file, seal.frame, failure));
        }
        let announcement = receiving.announcement.clone();
        let Seal { size, root, as_is, .. } = seal;
        Ok(Verdict::Publish(Publish { file, announcement, size, root, as_is }))
    }

    /// A file is over and has failed; a seal that waited for its blocks is done with it.
    fn finish(&mut self, file: u32, frame: u64, failure: Failure) -> Verdict {
        let receiving = self.files.remove(&file);
        if let Some(receiving) = &receiving {
            self.note_over(file, frame, &receiving.announcement);
        }
        if let Some(seal) = receiving.as_ref().and_then(|receiving| receiving.seal) {
            self.frame_done(seal.frame);
        }
        match receiving {
            Some(receiving) if receiving.failure.is_none() => {
                Verdict::Discard(receiving.announcement, failure)
            }
            Some(_) | None => Verdict::Incomplete,
        }
    }

    /// True if the file is finished or given up.
    fn is_over(&self, file: u32, announcement: &Announcement) -> Result<bool, ReceiverViolation> {
        match self.over.get(&file) {
            None => Ok(false),
            Some(over) if over.announced == self.hash(announcement) => Ok(true),
            Some(_) => Err(ReceiverViolation::Announcement),
        }
    }

    /// A file has ended with `frame`. Its frames have numbers within two windows of that, so those that ended earlier are forgotten.
    fn note_over(&mut self, file: u32, frame: u64, announcement: &Announcement) {
        let announced = self.hash(announcement);
        self.over.insert(file, Over { frame, announced });
        if self.over.len() as u64 > 4 * self.window {
            let missing = self.done.first_missing();
            self.over.retain(|_, over| over.frame + 2 * self.window >= missing);
        }
    }

    fn hash(&self, announcement: &Announcement) -> u64 {
        let mut bytes = Vec::new();
        Announcement { source: SourceId::default(), ..announcement.clone() }.encode(&mut bytes);
        self.hasher.hash_one(bytes)
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

impl Receiving {
    fn new(announcement: Announcement, checksum: Checksum) -> Self {
        Self {
            announcement,
            chunks: RangeSet::default(),
            end: None,
            root: RootBuilder::new(checksum),
            seal: None,
            failure: None,
        }
    }

    fn kept_len(&self) -> usize {
        let chunks = self.chunks.range_count() + self.root.kept();
        file_kept_len(self.announcement.path.as_bytes().len()) + CHUNK_KEPT_LEN * chunks
    }
}

/// About how many bytes of memory a folder takes that waits for earlier frames.
#[must_use]
pub fn folder_kept_len(path_len: usize) -> usize {
    160 + path_len
}

/// About how many bytes of memory a large file takes that has begun, here and where it is staged, and what its handles count as.
#[must_use]
pub fn file_kept_len(path_len: usize) -> usize {
    OPEN_FILE_LEN + 1024 + 4 * path_len
}

/// About how many bytes of memory an item's failure takes until it is acknowledged.
#[must_use]
pub fn failure_kept_len(failure: &Failure) -> usize {
    96 + failure.message.len()
}

/// Chunks of a file of `len` bytes; an empty one has one, of no bytes.
fn chunks_of(len: u64) -> u64 {
    len.div_ceil(CHUNK_LEN as u64).max(1)
}
