//! The state of one large file being sent: its next part, and its end.

use super::deltas::Planning;
use super::items::announcement;
use super::offers::Offered;
use super::plan::{Content, LargeFile};
use crate::budget::OPEN_FILE_LEN;
use crate::checksum::{Checksum, RootBuilder};
use crate::failure::Failure;
use crate::frame::Announcement;
use crate::ids::{FileNo, FrameNo};
use crate::journal::{CHUNK_KEPT_LEN, HeldChunks};
use crate::limits::{CHUNK_LEN, HOLE_LEN_MAX};
use crate::metadata::Metadata;
use crate::ranges::RangeSet;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Sending {
    pub(super) ordinal: u64,
    pub(super) file: Arc<LargeFile>,
    /// Chunks that the receiver has from an earlier run.
    pub(super) held: RangeSet,
    /// Bytes that can be read, and whether the file ends there.
    pub(super) available: u64,
    pub(super) ended: bool,
    pub(super) next_offset: u64,
    /// The file is zeros from `next_offset` up to this offset.
    pub(super) zeros_until: u64,
    pub(super) all_planned: bool,
    pub(super) unhashed: u32,
    pub(super) root: RootBuilder,
    pub(super) failed: Option<Failure>,
    /// The metadata with which it is to be sent again.
    pub(super) again: Option<Metadata>,
    /// It changed while it was read, and is sealed nevertheless.
    pub(super) as_is: bool,
    /// The number of the seal that settles the file.
    pub(super) seal_frame: Option<FrameNo>,
    /// How far it is planned what of it the receiver's old file has.
    pub(super) planning: Planning,
}

impl Sending {
    pub(super) fn new(number: FileNo, offered: Offered, checksum: Checksum) -> Self {
        let Offered { ordinal, item, source, held, old_len } = offered;
        let announcement = Announcement { source, ..announcement(&item) };
        let size = announcement.size;
        let planning = Planning::of(old_len);
        let is_released = old_len.is_none();
        let held = held.map(HeldChunks::into_parts);
        let (held, root) = held.unwrap_or_else(|| (RangeSet::default(), RootBuilder::new(checksum)));
        let mut sending = Self {
            ordinal,
            held,
            file: Arc::new(LargeFile { number, announcement }),
            available: size.filter(|_| is_released).unwrap_or(0),
            ended: size.is_some() && is_released,
            next_offset: 0,
            zeros_until: 0,
            all_planned: false,
            unhashed: 0,
            root,
            failed: None,
            again: None,
            as_is: false,
            seal_frame: None,
            planning,
        };
        sending.skip_held();
        sending
    }

    pub(super) fn kept_len(&self) -> usize {
        OPEN_FILE_LEN + CHUNK_KEPT_LEN * (self.held.range_count() + self.root.kept())
    }

    /// Returns the content to send instead of a seal, if the file is not read to its end.
    pub(super) fn broken_off(&self) -> Option<Content> {
        let file = self.file.clone();
        match (&self.failed, &self.again) {
            (Some(failure), None) => Some(Content::Seal { file, result: Err(failure.clone()) }),
            (_, Some(_)) => Some(Content::Again { file }),
            (None, None) => None,
        }
    }

    /// Skips chunks that the receiver has.
    pub(super) fn skip_held(&mut self) {
        while !self.all_planned
            && self.next_offset < self.available
            && self.held.contains(self.next_offset / CHUNK_LEN as u64)
        {
            self.next_offset = self.available.min(self.next_offset + CHUNK_LEN as u64);
            self.all_planned = self.ended && self.next_offset == self.available;
        }
    }

    /// Returns the next chunk that can be read; of a stream only once it is known whether the stream ends with it.
    pub(super) fn next_block(&mut self) -> Option<Content> {
        let left = self.available - self.next_offset;
        let chunk = CHUNK_LEN as u64;
        if self.all_planned || !(self.ended || left > chunk) {
            return None;
        }
        if let Some(hole) = self.next_hole() {
            return Some(hole);
        }
        let (offset, len) = (self.next_offset, left.min(chunk));
        self.next_offset += len;
        self.unhashed += 1;
        let last = self.ended && self.next_offset == self.available;
        self.all_planned = last;
        self.skip_held();
        let len = usize::try_from(len).unwrap_or(CHUNK_LEN);
        Some(Content::Block { file: self.file.clone(), offset, len, last })
    }
}

impl Sending {
    /// Returns the next chunks that are known to be zeros, as many as one frame may describe.
    fn next_hole(&mut self) -> Option<Content> {
        let chunk = CHUNK_LEN as u64;
        let offset = self.next_offset;
        let first = offset / chunk;
        let held = self.held.next_from(first).map_or(u64::MAX, |held| held.saturating_mul(chunk));
        let until = self.zeros_until.min(held).min(offset.saturating_add(HOLE_LEN_MAX));
        let end = if until >= self.available { self.available } else { until / chunk * chunk };
        let len = end.checked_sub(offset).filter(|len| *len > 0)?;
        self.root.add_zeros(first, len / chunk, CHUNK_LEN);
        if len % chunk > 0 {
            self.root.add_zeros(end / chunk, 1, usize::try_from(len % chunk).unwrap_or(CHUNK_LEN));
        }
        self.next_offset = end;
        let last = self.ended && end == self.available;
        self.all_planned = last;
        self.skip_held();
        Some(Content::Hole { file: self.file.clone(), offset, len, last })
    }
}
