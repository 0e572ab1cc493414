//! The work that a comparison keeps for later. Paths that go may be a large part of a tree, so they are kept packed.

use super::MirrorOptions;
use super::difference::Difference;
use super::packed::PackedEntries;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use wire::RemotePath;
use wire::message::{Entry, FileId, Overwrite};
use wire::metadata::{Kind, Metadata, Timestamp};

/// The source's folder that something lies in.
pub(super) type Parent = Option<Arc<Entry>>;

/// The work that is done when the walk is over.
#[derive(Default)]
pub(super) struct Deferred {
    /// Files of one size that only reading tells apart.
    pub(super) unread: Vec<(Entry, Entry, Parent)>,
    /// Files that may be there under another path.
    pub(super) news: Vec<(Entry, Parent)>,
    /// More names of files.
    pub(super) links: Vec<(Entry, Option<Entry>, Parent)>,
    /// Entries that only the target has, a folder after all that is in it.
    pub(super) deletions: PackedEntries,
    /// Files and links that take a folder's place.
    pub(super) conflicts: Vec<(Entry, Entry, Parent)>,
    /// Folders whose metadata is to be set once more.
    pub(super) touched: BTreeMap<RemotePath, FolderMetadata>,
    /// The mirrored folder itself, as it is to be, if anything of it differs.
    pub(super) root: Option<Arc<Entry>>,
    /// The same as `touched`, if deletions are made.
    pub(super) touched_by_deletions: BTreeMap<RemotePath, FolderMetadata>,
}

/// The metadata that a folder gets once all in it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FolderMetadata {
    /// Its time, if the source has the folder.
    pub(crate) modified: Option<Timestamp>,
    /// Its permissions.
    pub(crate) mode: u32,
}

impl FolderMetadata {
    /// As the source has it.
    pub(super) fn all(metadata: &Metadata) -> Self {
        Self { modified: Some(metadata.modified), mode: metadata.mode }
    }

    /// The permissions that it had.
    pub(super) fn mode(metadata: &Metadata) -> Self {
        Self { modified: None, mode: metadata.mode }
    }
}

impl Deferred {
    pub(super) fn touch(&mut self, parent: &Parent) {
        if let Some(parent) = parent {
            self.touched.insert(parent.path.clone(), FolderMetadata::all(&parent.metadata));
        }
    }
}

/// Files with several names: the first that the walk meets is sent, the others are linked to it.
#[derive(Default)]
pub(super) struct HardLinks {
    leaders: HashMap<InodeId, Leader>,
    /// Files of the target that have several names, and the first file of the source that is to be there.
    claims: HashMap<InodeId, FileClaim>,
}

/// Device and inode.
type InodeId = (u64, u64);

struct FileClaim {
    source: InodeId,
    /// The source's file has one name only.
    alone: bool,
}

/// The first name of a file.
pub(super) struct Leader {
    pub(super) path: RemotePath,
    /// The target gets a new file there.
    pub(super) sent: bool,
    /// The file that the target has there.
    pub(super) target: Option<InodeId>,
}

impl HardLinks {
    /// True if the file's first name was met before.
    pub(super) fn follows(&self, options: &MirrorOptions, source: &Entry) -> bool {
        options.hard_links && key(source).is_some_and(|key| self.leaders.contains_key(&key))
    }

    /// The leader of a file's further name.
    pub(super) fn leader(&self, source: &Entry) -> Option<&Leader> {
        self.leaders.get(&key(source)?)
    }

    /// Remembers the first name of a file that has several.
    pub(super) fn lead(&mut self, source: &Entry, target: Option<&Entry>) {
        if let Some(key) = key(source) {
            let target = target.and_then(file_of);
            self.leaders.insert(key, Leader { path: source.path.clone(), sent: false, target });
        }
    }

    /// The target gets a new file at a file's first name.
    pub(super) fn sent(&mut self, source: &Entry) {
        if let Some(leader) = key(source).and_then(|key| self.leaders.get_mut(&key)) {
            leader.sent = true;
        }
    }

    /// Metadata is set for all names of a file. So where the target has one file for several of the source, the first of
    /// them keeps it, and the others are sent anew: else one would get the metadata of another.
    pub(super) fn untangle(
        &mut self,
        options: &MirrorOptions,
        difference: Difference,
        source: &Entry,
        target: &Entry,
    ) -> Difference {
        let shared = file(target).filter(|file| options.hard_links && file.names > 1);
        let (Some(shared), Some(own)) = (shared, file(source)) else { return difference };
        let (source, alone) = ((own.device, own.inode), own.names == 1);
        match difference {
            Difference::Content | Difference::LeftAlone => difference,
            Difference::Metadata if alone => Difference::Content, // who else has the file may be seen later
            Difference::None | Difference::Metadata | Difference::Unread => {
                let claim = FileClaim { source, alone };
                let first = self.claims.entry((shared.device, shared.inode)).or_insert(claim);
                // Files of one name each only look, so they may go on sharing.
                let free = first.source == source || (first.alone && alone);
                let kept = free || options.transfer.overwrite == Overwrite::Never;
                if kept { difference } else { Difference::Content }
            }
        }
    }
}

fn file(entry: &Entry) -> Option<FileId> {
    entry.details.as_ref()?.file.filter(|_| entry.metadata.kind != Kind::Folder)
}

fn key(entry: &Entry) -> Option<InodeId> {
    file(entry).filter(|file| file.names > 1).map(|file| (file.device, file.inode))
}

/// The file that an entry is.
pub(super) fn file_of(entry: &Entry) -> Option<InodeId> {
    file(entry).map(|file| (file.device, file.inode))
}
