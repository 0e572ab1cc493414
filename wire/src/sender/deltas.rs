//! Large files that replace others: sent as far as it is planned what of them the receiver has.

use super::Sender;
use super::items::{Item, ItemKind, is_large};
use super::offers::Offered;
use super::plan::{LargeFile, SenderViolation};
use crate::ids::FileNo;
use crate::limits::{CHUNK_LEN, OLD_FILES_MAX};
use crate::ranges::RangeSet;
use std::sync::Arc;

/// How far it is planned what of a large file the receiver's old file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planning {
    /// There is no old file.
    None,
    /// It has not begun, with an old file of this length.
    Waiting(u64),
    /// It has begun. The receiver has the old file open until the file is settled.
    Begun,
}

impl Planning {
    pub(super) fn of(old_len: Option<u64>) -> Self {
        old_len.map_or(Self::None, Self::Waiting)
    }
}

/// Which files are offered because they may replace others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeltaOffers {
    /// None, and the receiver may tell of no old files.
    #[default]
    Never,
    /// None. The receiver may tell of old files of what is offered for another reason, and it is sent whole.
    Unwanted,
    /// Large files of at least this length.
    From(u64),
}

/// A large file whose delta is to be planned.
#[derive(Debug, Clone)]
pub struct DeltaFile {
    /// The file.
    pub file: Arc<LargeFile>,
    /// Its length.
    pub len: u64,
    /// Length of the old file.
    pub old_len: u64,
    /// Chunks that the receiver has from an earlier run.
    pub held: RangeSet,
}

impl Sender {
    /// Sets which files are offered also because they may replace others. To be set before the first item is added.
    pub fn offer_for_delta(&mut self, offers: DeltaOffers) {
        self.delta = offers;
    }

    /// Plans no further file: those that wait, and those whose old files the receiver tells of later, are sent whole.
    pub fn end_deltas(&mut self) {
        self.delta = match self.delta {
            DeltaOffers::Never => DeltaOffers::Never,
            DeltaOffers::Unwanted | DeltaOffers::From(_) => DeltaOffers::Unwanted,
        };
        while let Some(sending) =
            self.sending.values_mut().find(|sending| matches!(sending.planning, Planning::Waiting(_)))
        {
            sending.planning = Planning::None;
            let number = sending.file.number;
            self.release(number, None);
        }
    }

    /// True if files are offered because they may replace others.
    #[must_use]
    pub fn offers_for_delta(&self) -> bool {
        match self.delta {
            DeltaOffers::Never | DeltaOffers::Unwanted => false,
            DeltaOffers::From(_) => true,
        }
    }

    /// True if a delta of the item pays, if the receiver has an old file.
    pub(super) fn may_replace(&self, item: &Item) -> bool {
        let ItemKind::Present(metadata) = &item.kind else { return false };
        match self.delta {
            DeltaOffers::Never | DeltaOffers::Unwanted => false,
            DeltaOffers::From(len_min) => is_large(item) && metadata.size >= len_min,
        }
    }

    /// True if a file waits to be planned.
    #[must_use]
    pub fn has_delta_waiting(&self) -> bool {
        self.sending.values().any(|sending| matches!(sending.planning, Planning::Waiting(_)))
    }

    /// Takes the answer that the receiver has an old file in the place of an offered one.
    pub(super) fn take_old(&mut self, offered: Offered, len: u64) -> Result<(), SenderViolation> {
        let old_len = match self.delta {
            DeltaOffers::Never => return Err(SenderViolation::Held),
            DeltaOffers::Unwanted => None,
            DeltaOffers::From(_) => Some(len),
        };
        if !is_large(&offered.item) || offered.old_len.is_some() || offered.held.is_some() {
            return Err(SenderViolation::Held);
        }
        self.offered.push_front(Offered { old_len, ..offered });
        Ok(())
    }

    /// Returns the next file to plan, unless as many are planned or not yet settled as the receiver keeps old files for.
    pub fn next_delta(&mut self) -> Option<DeltaFile> {
        let begun = self.sending.values().filter(|sending| sending.planning == Planning::Begun).count();
        if begun >= OLD_FILES_MAX {
            return None;
        }
        self.sending.values_mut().find_map(|sending| {
            let Planning::Waiting(old_len) = sending.planning else { return None };
            sending.planning = Planning::Begun;
            let len = sending.file.announcement.size.unwrap_or(0);
            Some(DeltaFile { file: sending.file.clone(), len, old_len, held: sending.held.clone() })
        })
    }

    /// Lets a file be sent up to `frontier`, or to its end. Returns false if it is not sent any more.
    pub fn release(&mut self, file: FileNo, frontier: Option<u64>) -> bool {
        let Some(sending) = self.sending.get_mut(&file).filter(|sending| sending.broken_off().is_none())
        else {
            return false;
        };
        let Some(size) = sending.file.announcement.size.filter(|_| !sending.ended) else {
            return !sending.all_planned;
        };
        let chunk = CHUNK_LEN as u64;
        match frontier {
            None => (sending.available, sending.ended) = (size, true),
            // The last chunk is sent when the file's end is planned.
            Some(frontier) => {
                let whole = frontier.min(size.saturating_sub(1)) / chunk * chunk;
                sending.available = sending.available.max(whole);
            }
        }
        sending.skip_held();
        self.queue_seal(file);
        true
    }

    /// Returns the offset from which on nothing of a file was sent; the greatest if it is not sent any more.
    #[must_use]
    pub fn sent_until(&self, file: FileNo) -> u64 {
        self.sending.get(&file).map_or(u64::MAX, |sending| sending.next_offset)
    }
}
