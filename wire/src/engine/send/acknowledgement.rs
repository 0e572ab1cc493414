//! Takes acknowledgements: reports settled items, and closes their files.

use super::SendJob;
use crate::engine::{SettledItem, lock};
use crate::ids::FileNo;
use crate::message::Ack;
use crate::sender::{AckProgress, SenderViolation};
use std::borrow::Cow;

impl SendJob {
    pub(crate) fn acked(&self, ack: &Ack) -> Result<(), SenderViolation> {
        let ack = &self.named(ack);
        let _active = self.active.enter(&self.changed); // before the machine knows, so that the end is not visible too early
        let progress = lock(&self.machine).acked(ack);
        let told = progress.map(|progress| self.tell(&progress));
        self.count_kept();
        told
    }

    /// Returns the same acknowledgement, with the words for the receiver's end added to its failures.
    fn named<'a>(&self, ack: &'a Ack) -> Cow<'a, Ack> {
        let Some(receiver) = self.receiver.filter(|_| !ack.failed.is_empty()) else {
            return Cow::Borrowed(ack);
        };
        let mut named = ack.clone();
        for item in &mut named.failed {
            item.failure = item.failure.clone().at(receiver);
        }
        Cow::Owned(named)
    }

    fn tell(&self, progress: &AckProgress) {
        for (file, offset, len) in &progress.held {
            self.source.release(*offset, *len);
            self.observer.progress(Some(&file.announcement.path), *len);
        }
        for number in &progress.again {
            self.close_file(*number);
        }
        for small in progress.settled.iter().filter(|settled| settled.file.is_none()) {
            self.observer.progress(None, small.bytes);
        }
        self.settled(progress);
    }

    pub(super) fn settled(&self, progress: &AckProgress) {
        for settled in &progress.settled {
            if let Some(number) = settled.file {
                self.close_file(number);
            }
            if let (Some(kept), Some(disk)) = (self.reading.forget(&settled.path), self.disk.get()) {
                disk.dispose(kept);
            }
            self.observer.settled(&SettledItem {
                path: &settled.path,
                folder: settled.folder,
                bytes: settled.bytes,
                digest: settled.digest,
                as_is: settled.as_is,
                failure: settled.result.as_ref().err(),
                is_lost: false,
            });
        }
    }

    fn close_file(&self, number: FileNo) {
        self.forget_delta(number);
        let closed = lock(&self.files).remove(&number);
        if let (Some(file), Some(disk)) = (closed, self.disk.get()) {
            disk.dispose(file);
        }
    }
}
