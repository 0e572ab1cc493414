//! Frames of large files: stages, writes and publishes them as the machine decides.

use super::old_files::Rebuilt;
use super::{FrameContent, ReceiveFault, ReceiveJob, Slot};
use crate::engine::commits::CommitStep;
use crate::engine::{SettledItem, lock};
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, BlockExtra, FrameError, FrameHead, FrameKind, SealEnd, decode_loss};
use crate::ids::{FileNo, FrameNo};
use crate::path::RemotePath;
use crate::receiver::{Begin, Publish, Receiver, ReceiverViolation, Verdict};
use crate::store::{Placed, Staged};
use crate::verified::VerifiedChunk;

impl ReceiveJob {
    pub(super) fn block(
        &self,
        file: FileNo,
        head: &FrameHead,
        extra: &[u8],
        content: FrameContent<'_>,
    ) -> Result<usize, ReceiveFault> {
        let FrameKind::Block { offset, last, digest, .. } = head.kind else { return Ok(0) };
        let extra = BlockExtra::decode(head, extra)?;
        let BlockExtra { content_len, announcement } = extra.clone();
        let (slot, old) = {
            let mut machine = lock(&self.machine);
            if machine.block(head, extra)? == Begin::Drop {
                return Ok(0);
            }
            (self.slot(file, &announcement.path), self.old_files.get(file))
        };
        let (content, copied, is_recipe) = match content {
            FrameContent::Pieces(pieces) => (Rebuilt::Whole(pieces), 0, false),
            FrameContent::Recipe(_) if self.old_files.is_given_up() => {
                drop(slot);
                return self.block_damaged(file, head.frame).map(|()| 0);
            }
            FrameContent::Recipe(recipe) => {
                let old = old.filter(|old| old.is_at(&announcement.path)).ok_or(FrameError::NoOldFile)?;
                let (made, copied) = old.rebuild(recipe, offset, content_len as usize)?;
                (made, copied, true)
            }
        };
        let whole: &[&[u8]] = &[content.rebuilt()];
        let payload = content.whole().unwrap_or(whole);
        let Ok(chunk) = VerifiedChunk::verify(self.checksum, offset, last, digest, payload) else {
            drop(slot);
            if is_recipe {
                self.recipe_mismatched();
            }
            return self.block_damaged(file, head.frame).map(|()| 0);
        };
        let staged = slot.get_or_init(|| self.stage(&announcement));
        let written =
            staged.as_ref().map_err(Clone::clone).and_then(|staged| content.write(&**staged, &chunk));
        drop(slot);
        let verdict = match written {
            Ok(()) => {
                self.observer.progress(Some(&announcement.path), u64::from(content_len));
                self.judge(file, |machine| machine.written(file, head.frame, &chunk))?
            }
            Err(failure) => self.judge(file, |machine| Ok(machine.file_failed(file, head.frame, failure)))?,
        };
        self.conclude(file, verdict);
        Ok(copied)
    }

    pub(super) fn hole(&self, file: FileNo, head: &FrameHead, extra: &[u8]) -> Result<(), ReceiveFault> {
        let FrameKind::Hole { offset, len, .. } = head.kind else { return Ok(()) };
        let announcement = Announcement::decode(extra)?;
        let slot = {
            let mut machine = lock(&self.machine);
            if machine.hole(head, announcement.clone())? == Begin::Drop {
                return Ok(());
            }
            self.slot(file, &announcement.path)
        };
        let staged = slot.get_or_init(|| self.stage(&announcement));
        let made = staged.as_ref().map_err(Clone::clone).and_then(|staged| staged.hole(offset, len));
        drop(slot);
        let verdict = match made {
            Ok(()) => {
                self.observer.progress(Some(&announcement.path), len);
                self.judge(file, |machine| machine.holed(head))?
            }
            Err(failure) => self.judge(file, |machine| Ok(machine.file_failed(file, head.frame, failure)))?,
        };
        self.conclude(file, verdict);
        Ok(())
    }

    pub(super) fn seal(
        &self,
        file: FileNo,
        head: &FrameHead,
        extra: &[u8],
        payload: &[&[u8]],
    ) -> Result<(), ReceiveFault> {
        let FrameKind::Seal { end, .. } = head.kind else { return Ok(()) };
        let loss = (end == SealEnd::GivenUp).then(|| decode_loss(&payload.concat())).transpose()?;
        let announcement = Announcement::decode(extra)?;
        let verdict = {
            if lock(&self.found).contains_key(&announcement.path) {
                drop(self.slot(file, &announcement.path)); // it may have been found completely
            }
            self.judge(file, |machine| match end {
                SealEnd::Again => machine.begun_again(head, announcement),
                SealEnd::Whole | SealEnd::GivenUp | SealEnd::AsIs => machine.seal(head, announcement, loss),
            })?
        };
        if let Verdict::Again(_) = &verdict {
            lock(&self.machine).forgotten(head.frame);
        }
        self.conclude_with(file, verdict, end == SealEnd::GivenUp);
        Ok(())
    }

    fn block_damaged(&self, file: FileNo, frame: FrameNo) -> Result<(), ReceiveFault> {
        let verdict = self.judge(file, |machine| {
            Ok(if machine.damaged(frame) {
                machine.file_failed(file, frame, FailureCode::Integrity.into())
            } else {
                Verdict::Incomplete
            })
        })?;
        self.conclude(file, verdict);
        Ok(())
    }

    /// Returns the slot of a staged file. One that was found is known by its path until a frame shows its number.
    fn slot(&self, file: FileNo, path: &RemotePath) -> Slot {
        let mut staged = lock(&self.staged);
        let slot = staged.entry(file).or_default();
        if slot.get().is_none()
            && let Some(found) = lock(&self.found).remove(path)
        {
            let _ = slot.set(Ok(found)); // under the lock of all slots, so no other thread has begun it
        }
        slot.clone()
    }

    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        self.observer.file_started(&announcement.path, announcement.size);
        self.sink.stage(announcement)
    }

    /// Lets the machine decide about a file. One that failed is discarded before its folder can count as done, since that
    /// changes the folder's time.
    fn judge(
        &self,
        file: FileNo,
        decide: impl FnOnce(&mut Receiver) -> Result<Verdict, ReceiverViolation>,
    ) -> Result<Verdict, ReceiveFault> {
        let _discarding = lock(&self.discarding);
        let verdict = decide(&mut lock(&self.machine))?;
        if let Verdict::Discard(..) | Verdict::Again(_) = &verdict {
            self.close_old(file);
            let slot = lock(&self.staged).remove(&file);
            if let Some(Ok(staged)) = slot.as_ref().and_then(|slot| slot.get()) {
                staged.discard();
            }
        }
        if let Verdict::Again(announcement) = &verdict {
            self.sink.again(&announcement.path);
        }
        Ok(verdict)
    }

    fn conclude(&self, file: FileNo, verdict: Verdict) {
        self.conclude_with(file, verdict, false);
    }

    /// Does what was decided about a file; `is_lost` if the sender has given it up.
    fn conclude_with(&self, file: FileNo, verdict: Verdict, is_lost: bool) {
        match verdict {
            Verdict::Incomplete | Verdict::Again(_) => {}
            Verdict::Discard(announcement, failure) => {
                if is_lost {
                    self.report_lost(&announcement.path, &failure);
                } else {
                    self.report(&announcement.path, false, 0, None, Some(&failure));
                }
            }
            Verdict::Publish(publish) => {
                self.close_old(file);
                let slot = lock(&self.staged).remove(&file);
                let Some(Ok(staged)) = slot.as_ref().and_then(|slot| slot.get()) else { return };
                if self.failed.get().is_some() {
                    return; // as for packs
                }
                let placed = staged.publish(&publish);
                // Once the job is over, complete files are kept for the next one.
                if placed.as_ref().is_err_and(|failure| failure.code != FailureCode::Cancelled) {
                    staged.discard();
                }
                drop(slot); // a failed file is gone before its frame counts as done
                match placed {
                    Ok(Placed::Pending(waiting)) => {
                        self.commits.add(CommitStep::Published { publish, waiting })
                    }
                    Ok(Placed::Done) => self.published(&publish, Ok(())),
                    Err(failure) => self.published(&publish, Err(failure)),
                }
            }
        }
    }

    pub(super) fn published(&self, publish: &Publish, result: Result<(), Failure>) {
        let path = &publish.announcement().path;
        self.observer.settled(&SettledItem {
            path,
            folder: false,
            bytes: publish.size(),
            digest: Some(publish.root()),
            as_is: publish.is_as_is(),
            failure: result.as_ref().err(),
            is_lost: false,
        });
        lock(&self.machine).published(publish, result);
    }
}
