//! Packs: reads small files and links, and lays them out in the frame's buffer.

use super::{Built, SendJob};
use crate::checksum::Digest;
use crate::engine::lock;
use crate::engine::reading::{Broken, OpenFile, read_to_end};
use crate::failure::{Failure, FailureCode};
use crate::frame::{ENTRY_HEAD_LEN, EntryHead, EntryKind, FrameKind, encode_loss};
use crate::ids::FrameNo;
use crate::limits::{PACK_LEN_MAX, PATH_LEN_MAX};
use crate::message::Changing;
use crate::metadata::{Kind, MODE_BITS, Metadata};
use crate::path::RemotePath;
use crate::sender::{Item, ItemKind, Packed, packed_len};
use crate::store::SourceFile;
use crate::transport::FrameBuffer;
use std::io::{self, IoSliceMut};

impl SendJob {
    pub(super) fn pack(&self, frame: FrameNo, items: &[Item], buffer: &mut FrameBuffer) -> Built {
        let stays = lock(&self.machine).is_built(frame);
        let mut packing = Packing { at: 0, entries: 0, stays, later: Vec::new(), buffer };
        let mut reserved: usize = items.iter().map(packed_len).sum();
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            reserved -= packed_len(item);
            let room = PACK_LEN_MAX.saturating_sub(packing.at + reserved);
            results.push(self.entry(item, room, &mut packing));
        }
        let (payload_len, entries) = (packing.at, packing.entries);
        let instead = lock(&self.machine).packed(frame, results);
        match instead {
            Some(instead) => self.content(frame, &instead, buffer),
            None => Built {
                kind: FrameKind::Pack { entries, encoding: Default::default() },
                extra: Vec::new(),
                payload_len,
            },
        }
    }

    fn entry(&self, item: &Item, room: usize, packing: &mut Packing<'_>) -> Packed {
        let result = match &item.kind {
            ItemKind::Unreadable(failure) => Err(failure.clone()),
            ItemKind::Stream { .. } => Err(FailureCode::SpecialFile.into()), // always large, so never here
            ItemKind::Present(metadata) => match metadata.kind {
                Kind::File => self.small_file(item, metadata, room, packing),
                Kind::Symlink => self.link(item, metadata, room, packing),
                Kind::Folder if packing.holds_later(&item.path) => {
                    packing.comes_later(item); // and so does the folder that contains it
                    Ok(Packed::Later(*metadata))
                }
                Kind::Folder => Ok(packing.add(item, EntryKind::Folder, metadata, EntryContent::default())),
                Kind::Special => Err(FailureCode::SpecialFile.into()),
            },
        };
        result.unwrap_or_else(|failure| packing.lost(item, failure))
    }

    fn small_file(
        &self,
        item: &Item,
        wanted: &Metadata,
        room: usize,
        packing: &mut Packing<'_>,
    ) -> Result<Packed, Failure> {
        let open = self.reading.open(&item.path)?;
        match self.read_small(item, open, room, packing) {
            Ok((metadata, len, as_is)) => {
                // The permissions for the target may differ from those at the source.
                let metadata = Metadata { mode: wanted.mode, ..metadata };
                let checksum = lock(&self.machine).checksum();
                let begin = packing.at + ENTRY_HEAD_LEN + item.path.as_bytes().len();
                let digest = checksum.of_small_file(packing.buffer.payload(begin, len));
                let bytes = EntryContent { len, digest, reported: Some(digest), as_is };
                Ok(packing.add(item, EntryKind::File, &metadata, bytes))
            }
            Err(Broken::Failed(failure)) => Err(failure),
            Err(Broken::Again(_)) if packing.stays => Err(FailureCode::SourceChanged.into()),
            Err(Broken::Again(open)) => {
                let metadata = open.identity.metadata;
                self.reading.keep(&item.path, open);
                packing.comes_later(item);
                Ok(Packed::Later(metadata))
            }
        }
    }

    /// Reads a whole small file to its place; returns its kind, its length, and whether it changed meanwhile.
    fn read_small(
        &self,
        item: &Item,
        open: OpenFile,
        room: usize,
        packing: &mut Packing<'_>,
    ) -> Result<(Metadata, usize, bool), Broken> {
        let head_len = ENTRY_HEAD_LEN + item.path.as_bytes().len();
        let (begin, room) = (packing.at + head_len, room.saturating_sub(head_len));
        let mut open = open;
        for _ in 0..READS_AT_ONCE {
            let metadata = open.identity.metadata;
            let len = usize::try_from(metadata.size).unwrap_or(usize::MAX);
            if len > room {
                return Err(Broken::Again(open)); // it grew since it was listed
            }
            let mut read = packing.read(&*open.file, begin, len)?;
            let after = open.file.identity()?;
            let unchanged = after.has_content_of(&open.identity);
            if read > len && unchanged {
                read = packing.read(&*open.file, begin, room)?; // its reported size is unknown
                if read > room {
                    return Err(self.reading.has_no_true_size(&open));
                }
            }
            match self.reading.changing {
                _ if unchanged => return Ok((metadata, read, false)),
                Changing::AsIs => return Ok((metadata, read.min(len), true)),
                Changing::Skip => break,
                Changing::Retry => open.identity = after,
            }
        }
        Err(self.reading.changed(&item.path))
    }

    fn link(
        &self,
        item: &Item,
        metadata: &Metadata,
        room: usize,
        packing: &mut Packing<'_>,
    ) -> Result<Packed, Failure> {
        let target = self.source.read_link(&item.path)?;
        let begin = packing.at + ENTRY_HEAD_LEN + item.path.as_bytes().len();
        if target.is_empty() || target.len() > PATH_LEN_MAX || begin + target.len() > packing.at + room {
            return Err(FailureCode::SourceChanged.into());
        }
        packing.buffer.put(begin, &target);
        let bytes = EntryContent { len: target.len(), ..EntryContent::default() };
        Ok(packing.add(item, EntryKind::Symlink, metadata, bytes))
    }
}

/// A pack being built.
struct Packing<'a> {
    at: usize,
    entries: u32,
    /// It was built before, and none of its entries may come later.
    stays: bool,
    /// Folders of items that left the pack to come later: these folders come later, too.
    later: Vec<RemotePath>,
    buffer: &'a mut FrameBuffer,
}

impl Packing<'_> {
    fn comes_later(&mut self, item: &Item) {
        self.later.extend(item.path.split_last().map(|(folder, _)| folder));
    }

    fn holds_later(&self, folder: &RemotePath) -> bool {
        self.later.contains(folder)
    }

    /// Reads a file's content to its place, and one byte more if there is one. Most files lie in one record, some in two.
    fn read(&mut self, file: &dyn SourceFile, begin: usize, len: usize) -> io::Result<usize> {
        let mut one_more = [0];
        let one_more = IoSliceMut::new(&mut one_more);
        let mut pieces = self.buffer.payload_mut(begin, len);
        match (pieces.next(), pieces.next()) {
            (None, _) => read_to_end(file, &mut [one_more], 0, len),
            (Some(only), None) => read_to_end(file, &mut [IoSliceMut::new(only), one_more], 0, len),
            (Some(first), Some(second)) => {
                let mut slices = vec![IoSliceMut::new(first), IoSliceMut::new(second)];
                slices.extend(pieces.map(IoSliceMut::new));
                slices.push(one_more);
                read_to_end(file, &mut slices, 0, len)
            }
        }
    }

    /// Adds an entry whose content is in place.
    fn add(&mut self, item: &Item, kind: EntryKind, metadata: &Metadata, bytes: EntryContent) -> Packed {
        let EntryContent { len, digest, reported, as_is } = bytes;
        let path = item.path.as_bytes();
        let content_len = u32::try_from(len).unwrap_or(u32::MAX);
        let head = EntryHead {
            kind,
            path_len: u16::try_from(path.len()).unwrap_or(u16::MAX),
            payload_len: content_len, // without encoding
            content_len,
            modified: (kind != EntryKind::Lost).then_some(metadata.modified),
            mode: metadata.mode & MODE_BITS,
            digest,
            as_is,
        };
        self.buffer.put(self.at, &head.encode());
        self.buffer.put(self.at + ENTRY_HEAD_LEN, path);
        self.at += ENTRY_HEAD_LEN + path.len() + len;
        self.entries += 1;
        Packed::Sent { bytes: len as u64, digest: reported, as_is }
    }

    /// Adds an entry with the reason why an item could not be read. It takes no more space than the item was given.
    fn lost(&mut self, item: &Item, failure: Failure) -> Packed {
        let mut loss = encode_loss(&failure);
        loss.truncate(packed_len(item) - ENTRY_HEAD_LEN - item.path.as_bytes().len());
        self.buffer.put(self.at + ENTRY_HEAD_LEN + item.path.as_bytes().len(), &loss);
        let metadata = Metadata { kind: Kind::Special, size: 0, modified: Default::default(), mode: 0 };
        let bytes = EntryContent { len: loss.len(), ..EntryContent::default() };
        self.add(item, EntryKind::Lost, &metadata, bytes);
        Packed::Unreadable(failure)
    }
}

/// An entry's content, in its place in the buffer.
#[derive(Default)]
struct EntryContent {
    len: usize,
    digest: Digest,
    /// The digest that is reported.
    reported: Option<Digest>,
    as_is: bool,
}
/// Attempts to read a small file that changes while it is read, before others are read.
const READS_AT_ONCE: usize = 3;
