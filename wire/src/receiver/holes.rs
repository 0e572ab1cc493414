//! Holes of large files: chunks of zeros, which are not written.

use super::large_file::chunks_of;
use super::verdict::Verdict;
use super::violation::ReceiverViolation;
use super::{Begin, Receiver};
use crate::frame::{Announcement, FrameHead, FrameKind};
use crate::limits::CHUNK_LEN;

impl Receiver {
    /// Records a hole of a file. After `Process` it is to be made, and [`holed`](Self::holed) must follow.
    ///
    /// # Errors
    /// If the job has no holes, or it contradicts what is known of the file.
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

    /// Records that the hole of a frame accepted by [`hole`](Self::hole) was made.
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
}
