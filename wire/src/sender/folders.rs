//! Folders that wait until all of their content has a smaller frame number.

use super::Sender;
use super::items::{Item, is_folder, packed_len};
use crate::ids::FrameNo;
use std::cmp::Reverse;

/// A folder that may wait for content before it.
#[derive(Debug)]
pub(super) struct HeldFolder {
    /// It waits until the seals of all files with smaller ordinals have their numbers.
    pub(super) ordinal: u64,
    /// Frames with smaller numbers are built first.
    pub(super) frame: FrameNo,
    pub(super) item: Item,
}

impl Sender {
    pub(super) fn hold(&mut self, item: Item, frame: FrameNo) {
        self.folders.push_back(HeldFolder { ordinal: self.next_ordinal, frame, item });
    }

    /// Makes folders without a number wait, the innermost first: an item that was to be in a frame is sent later, and any of
    /// them may contain it.
    pub(super) fn hold_folders(&mut self) {
        for item in self.take_folders() {
            self.hold(item, FrameNo(0));
        }
        for held in &mut self.folders {
            held.ordinal = self.next_ordinal;
        }
        self.folders.make_contiguous().sort_by_key(|held| Reverse(held.item.path.names().count()));
    }

    /// Takes all queued folders: if one has to wait, its parents must too.
    pub(super) fn take_folders(&mut self) -> Vec<Item> {
        let (folders, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.small).into_iter().partition(is_folder);
        self.small = others.into();
        self.small_len -= folders.iter().map(packed_len).sum::<usize>();
        folders
    }

    pub(super) fn release_folders(&mut self) {
        if self.folders.is_empty() {
            return;
        }
        let first_unsealed = self.unsealed.first().copied().unwrap_or(u64::MAX);
        let first_unbuilt = self.first_unbuilt().unwrap_or(FrameNo(u64::MAX));
        let is_free = |held: &HeldFolder| held.ordinal <= first_unsealed && held.frame <= first_unbuilt;
        while self.folders.front().is_some_and(is_free) {
            if let Some(held) = self.folders.pop_front() {
                self.add_small(held.item);
            }
        }
    }
}
