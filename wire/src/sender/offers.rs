//! Offers to a receiver that may have items of an earlier run, and its answers.

use super::Sender;
use super::items::{Item, ItemKind, is_large, kept_len};
use super::plan::{SenderViolation, Settled};
use crate::journal::HeldChunks;
use crate::limits::{OFFER_ITEMS_MAX, OFFERED_FILE_LEN_MIN};
use crate::message::{HeldItem, Resume};
use crate::metadata::{Kind, SourceId};

/// Selects the items offered to the receiver before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// None.
    Never,
    /// Large files of at least this length.
    Large(u64),
    /// All files.
    All,
}

impl Asking {
    /// Maps a job's resume mode to the items to offer; `again` are those if an earlier run was interrupted.
    #[must_use]
    pub fn of(resume: Resume, again: Self) -> Self {
        match resume {
            Resume::Never => Self::Never,
            Resume::New => Self::Large(OFFERED_FILE_LEN_MIN),
            Resume::Again => again,
        }
    }
}

/// An item that later folders wait for.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) ordinal: u64,
    pub(super) item: Item,
    /// The state of it that was offered.
    pub(super) source: SourceId,
    pub(super) held: Option<HeldChunks>,
    /// Length of the old file that it will replace, if the receiver has one.
    pub(super) old_len: Option<u64>,
}

impl Sender {
    /// Returns items to offer to the receiver, in this order; `None` if there are none, or waiting for more pays off. Before
    /// the offer is sent, the state of each must be passed to [`offering`](Self::offering).
    pub fn next_offer(&mut self) -> Option<Vec<Item>> {
        let worth_it = self.unoffered.len() >= OFFER_ITEMS_MAX || self.offered.is_empty() || self.items_ended;
        if self.unoffered.is_empty() || !worth_it {
            return None;
        }
        let count = self.unoffered.len().min(OFFER_ITEMS_MAX);
        let begin = self.offered.len();
        self.offered.extend(self.unoffered.drain(..count));
        Some(self.offered.range(begin..).map(|offered| offered.item.clone()).collect())
    }

    /// Sets the states of the items of the last offer.
    pub fn offering(&mut self, sources: &[SourceId]) {
        let begin = self.offered.len() - sources.len().min(self.offered.len());
        for (offered, source) in self.offered.range_mut(begin..).zip(sources) {
            offered.source = *source;
        }
    }

    /// Returns the item that the receiver's next answer is about.
    #[must_use]
    pub fn offered(&self) -> Option<&Item> {
        self.offered.front().map(|offered| &offered.item)
    }

    /// Takes the receiver's answer to the oldest unanswered item. Returns the item if it is settled, and its bytes that need
    /// not be sent.
    ///
    /// # Errors
    /// If the answer is impossible for the item.
    pub fn held(&mut self, answer: HeldItem) -> Result<(Option<Settled>, u64), SenderViolation> {
        let mut offered = self.offered.pop_front().ok_or(SenderViolation::Held)?;
        let size = match &offered.item.kind {
            ItemKind::Present(metadata) => metadata.size,
            ItemKind::Stream { .. } | ItemKind::Unreadable(_) => 0,
        };
        match answer {
            HeldItem::Old { len } => {
                self.take_old(offered, len)?;
                Ok((None, 0))
            }
            HeldItem::Chunks { .. } if !is_large(&offered.item) => Err(SenderViolation::Held),
            HeldItem::Chunks { chunks, digests, more } => {
                let mut held = offered.held.take().unwrap_or_else(|| HeldChunks::new(self.checksum, size));
                let before = held.bytes();
                let numbers = chunks
                    .iter()
                    .flat_map(|range| (0..range.count).map(|n| range.first.checked_add(n.into())));
                let mut digests = digests.into_iter();
                for number in numbers {
                    let chunk = number.zip(digests.next());
                    if !chunk.is_some_and(|(number, digest)| held.add(number, digest)) {
                        return Err(SenderViolation::Held);
                    }
                }
                if digests.next().is_some() {
                    return Err(SenderViolation::Held);
                }
                let bytes = held.bytes() - before;
                offered.held = Some(held);
                if more {
                    self.offered.push_front(offered);
                } else {
                    self.add_large(offered);
                }
                Ok((None, bytes))
            }
            _ if offered.held.is_some() => Err(SenderViolation::Held),
            HeldItem::Nothing if is_large(&offered.item) => {
                self.add_large(offered);
                Ok((None, 0))
            }
            HeldItem::Nothing => {
                self.add_small(offered.item);
                self.unsealed.remove(&offered.ordinal);
                self.release_folders();
                Ok((None, 0))
            }
            HeldItem::All if self.asking != Asking::All => Err(SenderViolation::Held),
            HeldItem::All => {
                self.unsealed.remove(&offered.ordinal);
                self.release_folders();
                self.kept -= kept_len(&offered.item);
                let path = offered.item.path;
                let (folder, digest, as_is, result, file) = (false, None, false, Ok(()), None);
                let settled = Settled { path, folder, bytes: size, digest, as_is, result, file };
                Ok((Some(settled), size))
            }
        }
    }

    pub(super) fn is_offered(&self, item: &Item) -> bool {
        let ItemKind::Present(metadata) = &item.kind else { return false };
        if self.may_replace(item) {
            return true;
        }
        match self.asking {
            Asking::Never => false,
            Asking::Large(len_min) => is_large(item) && metadata.size >= len_min,
            Asking::All => metadata.kind == Kind::File,
        }
    }

    pub(super) fn waiting(&mut self, item: Item) -> Offered {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        self.unsealed.insert(ordinal);
        Offered { ordinal, item, source: SourceId::default(), held: None, old_len: None }
    }
}
