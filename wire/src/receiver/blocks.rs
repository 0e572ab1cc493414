//! Blocks and seals of large files: checks them against what is known of the file.

use super::large_file::{Receiving, Seal, chunks_of};
use super::verdict::Verdict;
use super::violation::ReceiverViolation;
use super::{Begin, Receiver};
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, BlockExtra, FrameHead, FrameKind, SealEnd};
use crate::ids::{FileNo, FrameNo};
use crate::limits::{CHUNK_LEN, LARGE_FILES_MAX};
use crate::verified::VerifiedChunk;

impl Receiver {
    /// Records a block of a file. After `Process` its chunk is to be verified and written.
    ///
    /// # Errors
    /// If the block contradicts what is known of the file.
    pub fn block(&mut self, head: &FrameHead, extra: BlockExtra) -> Result<Begin, ReceiverViolation> {
        let BlockExtra { content_len, announcement } = extra;
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
        let end = offset + u64::from(content_len);
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

    /// Records that a verified chunk of `file` was written.
    ///
    /// # Errors
    /// If another frame brought the same chunk meanwhile, or the file's end before it.
    pub fn written(
        &mut self,
        file: FileNo,
        frame: FrameNo,
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

    /// Records a seal.
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

    /// Records that the sender will send a file again, under another number.
    ///
    /// # Errors
    /// If its announcement differs.
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
        match self.finish(file, head.frame, FailureCode::SourceChanged.into()) {
            Verdict::Discard(announcement, _) => Ok(Verdict::Again(announcement)),
            other @ (Verdict::Incomplete | Verdict::Publish(_) | Verdict::Again(_)) => {
                self.frame_done(head.frame);
                Ok(other)
            }
        }
    }

    /// Records that the file of a [`Verdict::Again`] was discarded: its seal is acknowledged, and the sender may start it
    /// again. The first frames of that may overtake anything done after the acknowledgement.
    pub fn forgotten(&mut self, frame: FrameNo) {
        self.frame_done(frame);
    }

    pub(super) fn receiving(
        &mut self,
        file: FileNo,
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
        if receiving.announcement.is_of_same_file(&announcement) {
            Ok(receiving)
        } else {
            Err(ReceiverViolation::Announcement)
        }
    }
}
