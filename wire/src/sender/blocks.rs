//! The frames of large files: blocks, holes and seals, and the effects of building them.

use super::Sender;
use super::large_file::Sending;
use super::offers::Offered;
use super::plan::{Content, LargeFile};
use crate::checksum::Digest;
use crate::failure::{Failure, FailureCode};
use crate::ids::{FileNo, FrameNo};
use crate::limits::{CHUNK_LEN, LARGE_FILES_MAX};
use crate::metadata::Metadata;
use std::sync::Arc;

impl Sender {
    pub(super) fn add_large(&mut self, offered: Offered) {
        self.large.push_back(offered);
        if self.sending.is_empty() {
            self.begin_large(); // a stream is extended under the number of a file that has begun
        }
    }

    /// Starts another large file; returns false if there is none, or no room for it.
    fn begin_large(&mut self) -> bool {
        if self.sending.len() < LARGE_FILES_MAX
            && let Some(mut offered) = self.large.pop_front()
        {
            offered.old_len = offered.old_len.filter(|_| self.may_replace(&offered.item));
            let number = self.next_file;
            self.next_file.0 += 1;
            self.sending.insert(number, Sending::new(number, offered, self.checksum));
            self.queue_seal(number); // it may have no chunks left to send
            return true;
        }
        false
    }

    pub(super) fn next_block(&mut self) -> Option<Content> {
        loop {
            if let Some(content) = self.sending.values_mut().find_map(Sending::next_block) {
                if let Content::Hole { file, .. } = &content {
                    self.queue_seal(file.number); // no chunk of it is hashed later
                }
                return Some(content);
            }
            if !self.begin_large() {
                return None;
            }
        }
    }

    pub(super) fn next_seal(&mut self) -> Option<Content> {
        while let Some(number) = self.seals.pop_front() {
            let Some(sending) = self.sending.get(&number).filter(|sending| sending.seal_frame.is_none())
            else {
                continue; // its number became the seal's meanwhile
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

    /// Records the number of a file's seal, so that folders that waited for it can have theirs; unless the file is sent again.
    fn number_seal(&mut self, number: FileNo, frame: FrameNo) {
        if let Some(sending) = self.sending.get_mut(&number) {
            sending.seal_frame = Some(frame);
            if sending.again.is_none() {
                self.unsealed.remove(&sending.ordinal);
                self.release_folders();
            }
        }
    }

    /// Queues the seal of a file whose chunks are all hashed, or that failed.
    pub(super) fn queue_seal(&mut self, number: FileNo) {
        let Some(sending) = self.sending.get(&number) else { return };
        let ready = sending.failed.is_some()
            || sending.again.is_some()
            || (sending.all_planned && sending.unhashed == 0);
        if ready && sending.seal_frame.is_none() && !self.seals.contains(&number) {
            self.seals.push_back(number);
        }
    }

    /// Records that `available` bytes of the stream `file` can be read now; `ended` if there will be no more.
    pub fn extend(&mut self, file: FileNo, available: u64, ended: bool) {
        if let Some(sending) = self.sending.get_mut(&file) {
            sending.available = available;
            sending.ended = ended;
        }
    }

    /// Records that reading the stream `file` failed.
    pub fn fail_stream(&mut self, file: FileNo, failure: Failure) {
        if let Some(sending) = self.sending.get_mut(&file) {
            sending.failed.get_or_insert(failure);
            sending.all_planned = true;
            self.queue_seal(file);
        }
    }

    /// Records that seal `frame` was built and the file stays as sealed.
    ///
    /// # Errors
    /// The content to send in the seal's place, if a block has shown meanwhile that the file is not read to its end.
    pub fn sealed(&mut self, frame: FrameNo) -> Result<(), Content> {
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
    pub fn has_other_digest(&self, frame: FrameNo, digest: Digest) -> bool {
        self.in_flight.get(&frame).and_then(|frame| frame.digest).is_some_and(|before| before != digest)
    }

    /// Records that block `frame` was built with this digest.
    ///
    /// # Errors
    /// The content to send in its place, if it had another digest when it was built before, or became another frame meanwhile.
    pub fn hashed(&mut self, frame: FrameNo, digest: Digest) -> Result<(), Content> {
        let Some(in_flight) = self.in_flight.get_mut(&frame) else { return Ok(()) };
        let Content::Block { file, offset, .. } = &in_flight.content else {
            return Err(in_flight.content.clone()); // another lane has found that it is not a block
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

    /// Records that block `frame` turned out to be all zeros, like the file up to `until`, when it was built. Returns the
    /// content to send in this frame's place; `None` if it was sent as a block before.
    pub fn found_zeros(&mut self, frame: FrameNo, until: u64) -> Option<Content> {
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

    /// Records that `file` turned out to be unreadable or changed when its block or seal `frame` was built. Returns the content
    /// to send in this frame's place.
    ///
    /// The content is the file's seal, unless the frame was a block that was sent before: then the receiver may have it, and
    /// drops a frame in its place, so the seal gets a number of its own.
    pub fn give_up(&mut self, frame: FrameNo, file: &Arc<LargeFile>, failure: Failure) -> Content {
        self.break_off(frame, file, Err(failure))
    }

    /// Records that `file` is to be sent again, with this metadata, as found when its block or seal `frame` was built. Returns
    /// the content to send in this frame's place, like [`give_up`](Self::give_up).
    ///
    /// Once its seal was built the receiver may have all of it: then it fails.
    pub fn begin_again(&mut self, frame: FrameNo, file: &Arc<LargeFile>, metadata: Metadata) -> Content {
        let seal = self.sending.get(&file.number).and_then(|sending| sending.seal_frame);
        let is_sealed = seal.is_some_and(|seal| self.is_built(seal));
        let end = if is_sealed { Err(FailureCode::SourceChanged.into()) } else { Ok(metadata) };
        self.break_off(frame, file, end)
    }

    /// Has `file` sealed although it changed while it was read.
    pub fn seal_as_is(&mut self, file: &LargeFile) {
        if let Some(sending) = self.sending.get_mut(&file.number) {
            sending.as_is = true;
        }
    }

    /// Breaks off a file that is not read to its end. Only the first reason counts.
    fn break_off(
        &mut self,
        frame: FrameNo,
        file: &Arc<LargeFile>,
        end: Result<Metadata, Failure>,
    ) -> Content {
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
}
