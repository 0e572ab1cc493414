//! The items that a job sends, and their size in memory and in a pack.

use crate::failure::Failure;
use crate::frame::{Announcement, ENTRY_HEAD_LEN};
use crate::limits::{PACK_LEN_MAX, PACKED_FILE_LEN_MAX};
use crate::metadata::{Kind, Metadata, SourceId};
use crate::path::RemotePath;

/// An item to send, as seen by the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its target path, below the job's path.
    pub path: RemotePath,
    /// Its kind and metadata.
    pub kind: ItemKind,
}

/// The kinds of items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKind {
    /// A file, folder or link.
    Present(Metadata),
    /// A file of unknown length that is read as it comes.
    Stream {
        /// Its permission bits.
        mode: u32,
    },
    /// An entry that could not be read.
    Unreadable(Failure),
}

pub(super) fn is_folder(item: &Item) -> bool {
    matches!(&item.kind, ItemKind::Present(metadata) if metadata.kind == Kind::Folder)
}

/// True for an item that is sent in blocks.
pub(super) fn is_large(item: &Item) -> bool {
    match &item.kind {
        ItemKind::Present(metadata) => metadata.kind == Kind::File && metadata.size > PACKED_FILE_LEN_MAX,
        ItemKind::Stream { .. } => true,
        ItemKind::Unreadable(_) => false,
    }
}

/// The announcement of a large file before it is opened.
pub(super) fn announcement(item: &Item) -> Announcement {
    let (size, modified, mode) = match item.kind {
        ItemKind::Present(metadata) => (Some(metadata.size), Some(metadata.modified), metadata.mode),
        ItemKind::Stream { mode } => (None, None, mode),
        ItemKind::Unreadable(_) => (Some(0), None, 0), // never a large file
    };
    Announcement { path: item.path.clone(), size, modified, mode, source: SourceId::default() }
}

/// Converts an item to one that could not be read. It takes no more space in a pack than before.
pub(super) fn lost_item(item: &Item, failure: &Failure) -> Item {
    let room = packed_len(item) - ENTRY_HEAD_LEN - item.path.as_bytes().len();
    let mut failure = failure.clone();
    let mut end = failure.message.len().min(room.saturating_sub(LOSS_LEN_MIN));
    while !failure.message.is_char_boundary(end) {
        end -= 1;
    }
    failure.message.truncate(end);
    Item { path: item.path.clone(), kind: ItemKind::Unreadable(failure) }
}

/// Returns the approximate memory of an item whose path has `path_len` bytes, including its outcome.
#[must_use]
pub fn item_kept_len(path_len: usize) -> usize {
    256 + path_len
}

pub(super) fn kept_len(item: &Item) -> usize {
    let sentence = match &item.kind {
        ItemKind::Unreadable(failure) => failure.message.len(),
        ItemKind::Present(_) | ItemKind::Stream { .. } => 0,
    };
    item_kept_len(item.path.as_bytes().len()) + sentence
}

/// Returns the bytes of an item in a pack.
#[must_use]
pub fn packed_len(item: &Item) -> usize {
    let content = match &item.kind {
        ItemKind::Present(metadata) if metadata.kind != Kind::Folder => {
            usize::try_from(metadata.size).unwrap_or(PACK_LEN_MAX).clamp(LOSS_LEN_MIN, PACK_LEN_MAX)
        }
        ItemKind::Unreadable(failure) => LOSS_LEN_MIN + failure.message.len(),
        ItemKind::Present(_) | ItemKind::Stream { .. } => 0,
    };
    ENTRY_HEAD_LEN + item.path.as_bytes().len() + content
}

/// Length of a loss without a message: any file or link may turn out to be one.
const LOSS_LEN_MIN: usize = 2;
