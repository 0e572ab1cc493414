//! Answers offers: looks for parts of the items left by an earlier run, and keeps staged files ready.

use super::ReceiveJob;
use crate::budget::Charge;
use crate::control::Envelope;
use crate::engine::held_answers::HeldAnswers;
use crate::engine::{Exchange, lock};
use crate::failure::{Failure, FailureCode};
use crate::journal::HeldChunks;
use crate::limits::OFFERED_AHEAD_MAX;
use crate::message::{Held, HeldItem, Offer, OfferedItem};
use crate::metadata::SourceId;
use crate::receiver::ReceiverViolation;
use crate::store::{Chunks, ResumeState, Staged};
use std::sync::Arc;

impl ReceiveJob {
    /// Takes offered items. They are looked up where that may block.
    pub(super) fn offered(&self, offer: Offer, charge: Charge) -> Result<(), ReceiverViolation> {
        let mut offers = lock(&self.offers);
        let waiting = offers.iter().map(|(offer, _)| offer.items.len()).sum::<usize>();
        if waiting + offer.items.len() > OFFERED_AHEAD_MAX {
            return Err(ReceiverViolation::Offers);
        }
        offers.push_back((offer, charge));
        drop(offers);
        self.offered.notify_one();
        Ok(())
    }

    /// Answers offers, in their order; returns only if that becomes impossible.
    ///
    /// # Errors
    /// If the session is over.
    pub(crate) async fn answer_offers(self: &Arc<Self>, exchange: &Exchange) -> Result<(), Failure> {
        loop {
            let Some((offer, _charge)) = lock(&self.offers).pop_front() else {
                self.offered.notified().await;
                continue;
            };
            self.agree(exchange.compression.features());
            let job = self.clone();
            for held in exchange.disk.run(move || job.answers(&offer)).await? {
                let sent = exchange.outbox.send(Envelope::new(self.id.0, held)).await;
                sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
            }
        }
    }

    /// Looks up each item, and answers in messages of limited length.
    fn answers(&self, offer: &Offer) -> Vec<Held> {
        let mut answers = HeldAnswers::default();
        let found: Vec<ResumeState> = offer.items.iter().map(|item| self.look(item)).collect();
        let synced = self.sink.sync_found();
        for (item, found) in offer.items.iter().zip(found) {
            if !matches!(found, ResumeState::Complete)
                && let Some(len) = self.old_len(item)
            {
                answers.add(HeldItem::Old { len });
            }
            match found {
                ResumeState::None => answers.add(HeldItem::Nothing),
                ResumeState::Complete if synced.is_err() => answers.add(HeldItem::Nothing), // it will fail when it comes
                ResumeState::Complete => {
                    let bytes = item.metadata.size;
                    self.observer.already_there(None, bytes);
                    self.report(&item.path, false, bytes, None, None);
                    answers.add(HeldItem::All);
                }
                ResumeState::Partial(staged, chunks) => {
                    if self.hold(item, staged, &chunks) {
                        answers.add_chunks(&chunks);
                    } else {
                        answers.add(HeldItem::Nothing);
                    }
                }
            }
        }
        answers.messages
    }

    fn look(&self, item: &OfferedItem) -> ResumeState {
        let large = item.source != SourceId::default();
        if !item.metadata.is_possible() || (large && !lock(&self.machine).may_hold()) {
            ResumeState::None
        } else {
            self.sink.look(item)
        }
    }

    /// Remembers existing chunks; returns false for a duplicate, or if they do not belong to this file.
    fn hold(&self, item: &OfferedItem, staged: Box<dyn Staged>, chunks: &Chunks) -> bool {
        let mut held = HeldChunks::new(self.checksum, item.metadata.size);
        let all_new = chunks.iter().all(|(chunk, digest)| held.add(*chunk, *digest));
        let bytes = held.bytes();
        if chunks.is_empty() || !all_new || lock(&self.machine).hold(item.announcement(), held).is_err() {
            return false;
        }
        lock(&self.found).insert(item.path.clone(), staged);
        self.observer.already_there(Some(&item.path), bytes);
        true
    }
}
