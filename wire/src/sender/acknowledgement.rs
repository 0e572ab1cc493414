//! Acknowledgements of the receiver: settles items, and selects frames to send again.

use super::Sender;
use super::items::{Item, ItemKind, is_folder, is_large, item_kept_len, kept_len};
use super::large_file::Sending;
use super::offers::Offered;
use super::plan::{AckProgress, Content, LargeFile, Packed, SenderViolation, Settled};
use crate::failure::Failure;
use crate::ids::FrameNo;
use crate::message::{Ack, ItemFailure};
use crate::metadata::{Metadata, SourceId};
use std::collections::BTreeMap;

impl Sender {
    /// Takes the receiver's acknowledgement.
    ///
    /// # Errors
    /// If it names a frame or an entry that was never sent.
    pub fn acked(&mut self, ack: &Ack) -> Result<AckProgress, SenderViolation> {
        let mut progress = AckProgress::default();
        for failed in &ack.failed {
            self.note_failure(failed)?;
        }
        for range in &ack.done {
            let end = range.first.0.checked_add(u64::from(range.count)).map(FrameNo);
            let end = end.filter(|end| *end <= self.next_frame).ok_or(SenderViolation::UnknownFrame)?;
            let frames: Vec<FrameNo> =
                self.in_flight.range(range.first..end).map(|(frame, _)| *frame).collect();
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
        // At once: the seal of a file that is sent again may be done before this frame is.
        if let Some(sending) = self.sending.get_mut(&number).filter(|s| s.seal_frame != Some(failed.frame)) {
            sending.failed.get_or_insert_with(|| failed.failure.clone());
            sending.all_planned = true;
            self.queue_seal(number);
        }
        Ok(())
    }

    fn settle(&mut self, frame: FrameNo, progress: &mut AckProgress) {
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
                    return; // it was sent in a block's place
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

    /// Records that the receiver has forgotten a file that is to be sent again, unless it had reported before that the file
    /// failed.
    fn settle_again(&mut self, frame: FrameNo, file: &LargeFile, progress: &mut AckProgress) {
        let settles = |sending: &Sending| sending.seal_frame == Some(frame);
        if !self.sending.get(&file.number).is_some_and(settles) {
            return; // it was sent in a block's place
        }
        let Some(sending) = self.sending.remove(&file.number) else { return };
        let path = file.announcement.path.clone();
        let (ordinal, number) = (sending.ordinal, Some(file.number));
        match (sending.failed, sending.again) {
            (None, Some(metadata)) => {
                progress.again.push(file.number);
                let mode = file.announcement.mode;
                let item = Item { path, kind: ItemKind::Present(Metadata { mode, ..metadata }) };
                if is_large(&item) {
                    self.unsealed.insert(ordinal); // its seal, if that showed the change, had a number
                    let source = SourceId::default();
                    self.add_large(Offered { ordinal, item, source, held: None, old_len: None });
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

    pub(super) fn send_again(&mut self, frame: FrameNo) {
        if let Some(in_flight) = self.in_flight.get_mut(&frame)
            && in_flight.lane.take().is_some()
        {
            self.again.push_back(frame);
        }
    }
}

fn settle_pack(
    items: &[Item],
    packed: Vec<Packed>,
    failures: BTreeMap<u32, Failure>,
    progress: &mut AckProgress,
) {
    let mut failures = failures;
    for ((item, packed), entry) in items.iter().zip(packed).zip(0..) {
        let (bytes, digest, as_is, lost) = match packed {
            Packed::Sent { bytes, digest, as_is } => (bytes, digest, as_is, None),
            Packed::Unreadable(failure) => (0, None, false, Some(failure)),
            Packed::Later(_) => continue, // it is not in the pack
        };
        let failure = lost.or(failures.remove(&entry));
        let folder = is_folder(item);
        let result = failure.map_or(Ok(()), Err);
        let path = item.path.clone();
        progress.settled.push(Settled { path, folder, bytes, digest, as_is, result, file: None });
    }
}
