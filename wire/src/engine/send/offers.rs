//! Offers items to a receiver that may have some of them, and takes its answers.

use super::SendJob;
use crate::control::Envelope;
use crate::disk;
use crate::engine::lock;
use crate::limits::PACKED_FILE_LEN_MAX;
use crate::message::{Held, Offer, OfferedItem};
use crate::metadata::SourceId;
use crate::net::control::Outbox;
use crate::sender::{AckProgress, Item, ItemKind, SenderViolation};

impl SendJob {
    /// Offers items to the receiver that it may have.
    pub(super) fn offer(&self, outbox: &Outbox) {
        let _in_order = lock(&self.offering);
        loop {
            let Some(items) = lock(&self.machine).next_offer() else { return };
            let states: Vec<(SourceId, bool)> = items.iter().map(|item| self.state_of(item)).collect();
            let sources: Vec<SourceId> = states.iter().map(|(source, _)| *source).collect();
            lock(&self.machine).offering(&sources);
            let items = items.into_iter().zip(states);
            let items = items.filter_map(|(Item { path, kind }, (source, changed))| match kind {
                ItemKind::Present(metadata) => Some(OfferedItem { path, metadata, source, changed }),
                ItemKind::Stream { .. } | ItemKind::Unreadable(_) => None, // never offered
            });
            let offer = Offer { items: items.collect() };
            if !disk::elsewhere(|| outbox.blocking_send(Envelope::new(self.id.0, offer)).is_ok()) {
                return; // the session is over
            }
        }
    }

    /// Takes the first items and offers them before a lane asks for a frame: the answer comes while lanes are opened.
    pub(super) fn offer_first(&self, outbox: &Outbox) {
        self.look_for_room();
        self.pull_items();
        self.count_kept();
        self.offer(outbox);
    }

    /// Returns the state of a large file, and whether it may have changed since the first attempt. An unreadable one is
    /// detected when it is sent.
    pub(super) fn state_of(&self, item: &Item) -> (SourceId, bool) {
        let ItemKind::Present(metadata) = &item.kind else { return (SourceId::default(), true) };
        let identity = self.source.open(&item.path).and_then(|file| file.identity());
        let same = identity.ok().filter(|identity| identity.metadata.is_unchanged_since(metadata));
        let is_large = metadata.size > PACKED_FILE_LEN_MAX;
        let source =
            same.filter(|_| is_large).map_or_else(SourceId::default, |identity| identity.source_id());
        let unchanged = same.is_some_and(|identity| self.begun.is_some_and(|begun| identity.changed < begun));
        (source, !unchanged)
    }

    /// Takes answers of the receiver to offers.
    pub(crate) fn held(&self, held: &Held) -> Result<(), SenderViolation> {
        let _active = self.active.enter(&self.changed); // before the machine knows, so that the end is not visible too early
        let result = held.answers.iter().try_for_each(|answer| {
            let path = lock(&self.machine).offered().map(|item| item.path.clone());
            let (settled, bytes) = lock(&self.machine).held(answer.clone())?;
            let progress = AckProgress { settled: settled.into_iter().collect(), ..AckProgress::default() };
            if progress.settled.is_empty() {
                self.observer.already_there(path.as_ref(), bytes);
            } else {
                self.observer.already_there(None, bytes);
            }
            self.settled(&progress);
            Ok(())
        });
        self.count_kept();
        self.wake_planners();
        result
    }
}
