//! Packs of small items: fills them, and records how they were built.

use super::folders::HeldFolder;
use super::items::{Item, ItemKind, announcement, is_folder, is_large, kept_len, lost_item, packed_len};
use super::plan::{Content, LargeFile, Packed};
use super::{InFlight, Sender};
use crate::ids::FrameNo;
use crate::limits::{PACK_ENTRIES_MAX, PACK_LEN_MAX};
use crate::metadata::{Kind, Metadata};
use crate::path::RemotePath;
use std::sync::Arc;

impl Sender {
    /// Returns a pack of queued items, without folders while the content of earlier packs and seals may still change.
    pub(super) fn next_pack(&mut self) -> Option<Content> {
        let are_early = self.small.iter().any(is_folder) && self.first_unbuilt().is_some();
        let folders = if are_early { self.take_folders() } else { Vec::new() };
        let mut items = Vec::new();
        let mut len = 0;
        while let Some(item) = self.small.front() {
            len += packed_len(item);
            if !items.is_empty() && (len > PACK_LEN_MAX || items.len() == PACK_ENTRIES_MAX) {
                break;
            }
            self.small_len -= packed_len(item);
            items.extend(self.small.pop_front());
        }
        let frame = FrameNo(self.next_frame.0 + u64::from(!items.is_empty())); // the pack may be one of those
        for item in folders.into_iter().rev() {
            self.folders.push_front(HeldFolder { ordinal: 0, frame, item });
        }
        (!items.is_empty()).then(|| Content::Pack(items.into()))
    }

    /// Records that pack `frame` was built; `packed` has one element for each of its items. Items that are to be sent later
    /// leave the pack, and go to the end of the queue. Returns the content to send in the pack's place if it is empty now, or
    /// the content to build in its place if another lane has built it differently meanwhile.
    pub fn packed(&mut self, frame: FrameNo, packed: Vec<Packed>) -> Option<Content> {
        let Some(in_flight) = self.in_flight.get_mut(&frame) else {
            // It was acknowledged meanwhile, so the receiver drops this copy; but a pack must have entries.
            let is_empty = packed.iter().all(|packed| matches!(packed, Packed::Later(_)));
            let nothing = Item { path: RemotePath::root(), kind: ItemKind::Stream { mode: 0 } };
            let (number, announcement) = (self.next_file, announcement(&nothing));
            return is_empty.then(|| Content::Again { file: Arc::new(LargeFile { number, announcement }) });
        };
        let Content::Pack(items) = &in_flight.content else { return Some(in_flight.content.clone()) };
        if in_flight.built {
            if !in_flight.is_built_alike(&packed) {
                return Some(in_flight.content.clone());
            }
            let before = std::mem::take(&mut in_flight.packed);
            in_flight.packed =
                before.into_iter().zip(packed).map(|(before, now)| before.or_again(now)).collect();
            self.kept += in_flight.lose();
            return None;
        }
        if !packed.iter().any(|packed| matches!(packed, Packed::Later(_))) {
            in_flight.packed = packed;
            in_flight.built = true;
            self.kept += in_flight.lose();
            self.release_folders();
            return None;
        }
        let (mut stay, mut later, mut built) = (Vec::new(), Vec::new(), Vec::new());
        for (item, packed) in items.iter().zip(packed) {
            match packed {
                Packed::Later(metadata) => {
                    // The permissions for the target may differ from those at the source.
                    let mode =
                        if let ItemKind::Present(wanted) = &item.kind { wanted.mode } else { metadata.mode };
                    let kind = ItemKind::Present(Metadata { mode, ..metadata });
                    later.push(Item { path: item.path.clone(), kind });
                }
                packed @ (Packed::Sent { .. } | Packed::Unreadable(_)) => {
                    stay.push(item.clone());
                    built.push(packed);
                }
            }
        }
        let instead = later.first().filter(|_| stay.is_empty()).map(|item| Content::Again {
            file: Arc::new(LargeFile { number: self.next_file, announcement: announcement(item) }),
        });
        self.next_file.0 += u32::from(instead.is_some());
        in_flight.content = instead.clone().unwrap_or(Content::Pack(stay.into()));
        in_flight.packed = built;
        in_flight.built = true;
        self.kept += in_flight.lose();
        for item in later {
            self.add_later(item);
        }
        self.hold_folders();
        self.release_folders();
        instead
    }

    /// Queues an item that was in a frame already; it is not offered again.
    fn add_later(&mut self, item: Item) {
        match &item.kind {
            ItemKind::Present(Metadata { kind: Kind::Folder, .. }) => self.hold(item, FrameNo(0)),
            ItemKind::Present(_) | ItemKind::Stream { .. } | ItemKind::Unreadable(_) if is_large(&item) => {
                let waiting = self.waiting(item);
                self.add_large(waiting);
            }
            ItemKind::Present(_) | ItemKind::Stream { .. } | ItemKind::Unreadable(_) => self.add_small(item),
        }
    }
}

impl InFlight {
    /// True if a pack that was built before has the same entries now, and the same entries are unreadable.
    fn is_built_alike(&self, packed: &[Packed]) -> bool {
        let alike = |(before, now): (&Packed, &Packed)| match (before, now) {
            (_, Packed::Later(_)) | (Packed::Unreadable(_) | Packed::Later(_), Packed::Sent { .. }) => false,
            (_, Packed::Unreadable(_)) | (Packed::Sent { .. }, Packed::Sent { .. }) => true,
        };
        self.packed.len() == packed.len() && self.packed.iter().zip(packed).all(alike)
    }

    /// Marks the unreadable items of a pack as lost, so that each copy of the pack says so. Returns the memory that this takes
    /// in bytes.
    fn lose(&mut self) -> usize {
        let Content::Pack(items) = &self.content else { return 0 };
        if !self.packed.iter().any(|packed| matches!(packed, Packed::Unreadable(_))) {
            return 0;
        }
        let lose = |(item, packed): (&Item, &Packed)| match (&item.kind, packed) {
            (ItemKind::Present(_) | ItemKind::Stream { .. }, Packed::Unreadable(failure)) => {
                lost_item(item, failure)
            }
            (ItemKind::Present(_) | ItemKind::Stream { .. } | ItemKind::Unreadable(_), _) => item.clone(),
        };
        let before: usize = items.iter().map(kept_len).sum();
        let items: Arc<[Item]> = items.iter().zip(&self.packed).map(lose).collect();
        let after: usize = items.iter().map(kept_len).sum();
        self.content = Content::Pack(items);
        after - before
    }
}
