//! A folder of a tree in memory.

use super::upload::MemoryUpload;
use super::{CAPABILITIES, Content, MemoryTree, Node, lacks};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use wire::fidelity::FidelityReport;
use wire::message::{Details, EntryDetails, FileId, Owner, SpaceReport, Xattr};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::path::NameRef;
use wire::store::{
    Capabilities, Capability, Folder, FolderBackend, FolderLock, Identity, NameKind, Names, ObjectFolder,
    Publication, SourceFile, Upload,
};
use wire::verified::VerifiedContent;
use wire::{Failure, FailureCode};

/// A folder, by its number.
pub(super) struct MemoryFolder {
    tree: Arc<MemoryTree>,
    number: u64,
}

impl MemoryFolder {
    pub(super) fn open(tree: &Arc<MemoryTree>, number: u64) -> io::Result<Arc<dyn Folder>> {
        tree.lock().entries(number)?;
        Ok(Arc::new(Self { tree: tree.clone(), number }))
    }

    /// A number of the tree, unique in this process.
    fn device(&self) -> u64 {
        Arc::as_ptr(&self.tree).addr() as u64
    }

    /// Returns the number of another folder of this tree.
    fn number_of(&self, other: &dyn Folder) -> io::Result<u64> {
        let links = Details { links: true, ..Details::default() };
        match other.details(None, links)?.file {
            Some(file) if file.device == self.device() => Ok(file.inode),
            Some(_) | None => Err(io::ErrorKind::CrossesDevices.into()),
        }
    }

    fn number(&self, name: Option<NameRef<'_>>) -> io::Result<u64> {
        name.map_or(Ok(self.number), |name| self.tree.lock().child(self.number, name))
    }

    fn set(&self, number: u64, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()> {
        if mode.is_some() {
            return lacks(Capability::Modes);
        }
        if let Some(modified) = modified {
            self.tree.lock().node_mut(number)?.modified = modified;
        }
        Ok(())
    }
}

impl Folder for MemoryFolder {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn backend(self: Arc<Self>) -> FolderBackend {
        FolderBackend::Objects(self)
    }

    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>> {
        Self::open(&self.tree, self.number(Some(name))?)
    }

    fn names(&self) -> io::Result<Names> {
        let nodes = self.tree.lock();
        let mut names = Names::default();
        for (name, number) in nodes.entries(self.number)? {
            let is_folder = nodes.metadata(*number)?.kind == Kind::Folder;
            let kind = if is_folder { NameKind::Folder } else { NameKind::Other };
            names.push(NameRef::new(name).map_err(Failure::from)?, kind);
        }
        names.sort();
        Ok(names)
    }

    fn metadata(&self, name: NameRef<'_>) -> io::Result<Metadata> {
        let nodes = self.tree.lock();
        nodes.metadata(nodes.child(self.number, name)?)
    }

    fn identity(&self, name: NameRef<'_>) -> io::Result<Identity> {
        let nodes = self.tree.lock();
        nodes.identity(nodes.child(self.number, name)?)
    }

    fn own_metadata(&self) -> io::Result<Metadata> {
        self.tree.lock().metadata(self.number)
    }

    fn read_link(&self, _: NameRef<'_>) -> io::Result<Vec<u8>> {
        lacks(Capability::Symlinks)
    }

    fn open_file(&self, name: NameRef<'_>) -> io::Result<Box<dyn SourceFile>> {
        let nodes = self.tree.lock();
        nodes.open(nodes.child(self.number, name)?)
    }

    fn make_file(&self, name: NameRef<'_>, _: u32) -> io::Result<()> {
        let node = Node::new(self.number, Content::File(Arc::default()));
        self.tree.lock().add(self.number, name, node, false)
    }

    fn make_folder(&self, name: NameRef<'_>, _: u32) -> io::Result<()> {
        let node = Node::new(self.number, Content::Folder(BTreeMap::new()));
        self.tree.lock().add(self.number, name, node, false)
    }

    fn make_link(&self, _: NameRef<'_>, _: &[u8], _: Option<Timestamp>, _: bool) -> io::Result<()> {
        lacks(Capability::Symlinks)
    }

    fn mode_of_new(&self, mode: u32) -> u32 {
        mode
    }

    fn remove_file(&self, name: NameRef<'_>) -> io::Result<()> {
        self.tree.lock().remove(self.number, name, Kind::File)
    }

    fn remove_folder(&self, name: NameRef<'_>) -> io::Result<()> {
        self.tree.lock().remove(self.number, name, Kind::Folder)
    }

    fn rename(
        &self,
        name: NameRef<'_>,
        to: &dyn Folder,
        to_name: NameRef<'_>,
        replace: bool,
    ) -> io::Result<()> {
        let to = self.number_of(to)?;
        let mut nodes = self.tree.lock();
        let number = nodes.child(self.number, name)?;
        if nodes.lies_in(to, number)? {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match nodes.child(to, to_name) {
            Ok(existing) if existing == number => return Ok(()),
            Ok(_) if !replace => return Err(io::ErrorKind::AlreadyExists.into()),
            Ok(_) => {
                let kind = nodes.metadata(number)?.kind;
                nodes.remove(to, to_name, kind)?;
            }
            Err(_) => {}
        }
        nodes.entries_mut(to)?.insert(to_name.as_bytes().to_vec(), number);
        nodes.entries_mut(self.number)?.remove(name.as_bytes());
        nodes.node_mut(number)?.parent = to;
        Ok(())
    }

    fn hard_link(&self, _: NameRef<'_>, _: &dyn Folder, _: NameRef<'_>, _: bool) -> io::Result<()> {
        lacks(Capability::HardLinks)
    }

    fn set_metadata(
        &self,
        name: NameRef<'_>,
        modified: Option<Timestamp>,
        mode: Option<u32>,
    ) -> io::Result<()> {
        self.set(self.number(Some(name))?, modified, mode)
    }

    fn set_own_metadata(&self, modified: Option<Timestamp>, mode: Option<u32>) -> io::Result<()> {
        self.set(self.number, modified, mode)
    }

    fn details(&self, name: Option<NameRef<'_>>, wanted: Details) -> io::Result<EntryDetails> {
        let file = FileId { device: self.device(), inode: self.number(name)?, names: 1 };
        Ok(EntryDetails { file: wanted.links.then_some(file), ..EntryDetails::default() })
    }

    fn set_owner(&self, _: Option<NameRef<'_>>, _: &Owner) -> io::Result<()> {
        lacks(Capability::Owners)
    }

    fn set_xattrs(&self, _: Option<NameRef<'_>>, _: &[Xattr]) -> io::Result<()> {
        lacks(Capability::Xattrs)
    }

    fn lock(&self) -> io::Result<FolderLock> {
        if self.tree.lock().locked.insert(self.number) {
            Ok(FolderLock::new(LockGuard { tree: self.tree.clone(), number: self.number }))
        } else {
            Err(Failure::from(FailureCode::Busy).into())
        }
    }

    fn fidelity(&self) -> io::Result<FidelityReport> {
        Ok(FidelityReport { keeps_modes: false, is_whole: true, ..FidelityReport::EXACT })
    }

    fn space(&self) -> io::Result<SpaceReport> {
        Ok(SpaceReport { total: SPACE, free: SPACE, available: SPACE })
    }

    fn lies_in(&self, other: &dyn Folder) -> io::Result<bool> {
        let other = self.number_of(other)?;
        self.tree.lock().lies_in(self.number, other)
    }
}

impl ObjectFolder for MemoryFolder {
    fn put(&self, content: &VerifiedContent<'_>, publication: &Publication<'_>) -> io::Result<()> {
        publish(&self.tree, self.number, content.pieces().concat(), publication)
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(MemoryUpload::new(self.tree.clone(), self.number)))
    }
}

/// Gives a complete file its name.
pub(super) fn publish(
    tree: &MemoryTree,
    folder: u64,
    bytes: Vec<u8>,
    publication: &Publication<'_>,
) -> io::Result<()> {
    let mut node = Node::new(folder, Content::File(Arc::new(bytes)));
    node.modified = publication.modified.unwrap_or(node.modified);
    tree.lock().add(folder, publication.name, node, publication.replace)
}

/// Keeps a folder locked.
struct LockGuard {
    tree: Arc<MemoryTree>,
    number: u64,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.tree.lock().locked.remove(&self.number);
    }
}

/// The space that this storage reports.
const SPACE: u64 = 1 << 30;
