//! Storage in memory for tests: a store of whole objects with real folders. It has no links, permissions, owners, extended
//! attributes or holes, resumes nothing, and loses everything with its process, and says so in its capabilities.
//!
//! Only public traits of `wire` are used: another back end can be written outside of it.

mod folder;
mod upload;

use folder::MemoryFolder;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::path::NameRef;
use wire::store::{Capabilities, Capability, Folder, Identity, SourceFile, Storage};
use wire::{Failure, FailureCode, RemotePath};

/// A tree of files in memory. Copies share it.
#[derive(Clone, Default)]
pub struct MemoryStorage(Arc<MemoryTree>);

/// The entries of a tree, by number.
struct MemoryTree(Mutex<Nodes>);

struct Nodes {
    by_number: BTreeMap<u64, Node>,
    next: u64,
    /// Folders that are locked.
    locked: BTreeSet<u64>,
    /// Uploads that were neither committed nor dropped.
    uploads: usize,
}

struct Node {
    parent: u64,
    modified: Timestamp,
    changed: Timestamp,
    content: Content,
}

enum Content {
    File(Arc<Vec<u8>>),
    Folder(BTreeMap<Vec<u8>, u64>),
}

impl MemoryStorage {
    /// Returns the content of the file at `path`; `None` if there is none.
    #[must_use]
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let path = RemotePath::from_user(path.as_bytes()).ok()?;
        let nodes = self.0.lock();
        let number = nodes.find(&path).ok()?;
        match &nodes.by_number.get(&number)?.content {
            Content::File(bytes) => Some(bytes.to_vec()),
            Content::Folder(_) => None,
        }
    }

    /// Returns the number of uploads that have not ended.
    #[must_use]
    pub fn uploads(&self) -> usize {
        self.0.lock().uploads
    }
}

impl Storage for MemoryStorage {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn folder(&self, path: &RemotePath) -> io::Result<Arc<dyn Folder>> {
        let number = self.0.lock().find(path)?;
        MemoryFolder::open(&self.0, number)
    }

    fn open_file(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        let nodes = self.0.lock();
        nodes.open(nodes.find(path)?)
    }

    fn metadata(&self, path: &RemotePath) -> io::Result<Metadata> {
        let nodes = self.0.lock();
        nodes.metadata(nodes.find(path)?)
    }
}

impl MemoryTree {
    fn lock(&self) -> MutexGuard<'_, Nodes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryTree {
    fn default() -> Self {
        let root = Node::new(ROOT, Content::Folder(BTreeMap::new()));
        let by_number = BTreeMap::from([(ROOT, root)]);
        Self(Mutex::new(Nodes { by_number, next: ROOT + 1, locked: BTreeSet::new(), uploads: 0 }))
    }
}

impl Node {
    fn new(parent: u64, content: Content) -> Self {
        Self { parent, modified: now(), changed: now(), content }
    }
}

impl Nodes {
    fn find(&self, path: &RemotePath) -> io::Result<u64> {
        path.names().try_fold(ROOT, |folder, name| self.child(folder, name))
    }

    fn node(&self, number: u64) -> io::Result<&Node> {
        self.by_number.get(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn node_mut(&mut self, number: u64) -> io::Result<&mut Node> {
        self.by_number.get_mut(&number).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn entries(&self, folder: u64) -> io::Result<&BTreeMap<Vec<u8>, u64>> {
        match &self.node(folder)?.content {
            Content::Folder(entries) => Ok(entries),
            Content::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Returns the entries of a folder for a change, which sets its time.
    fn entries_mut(&mut self, folder: u64) -> io::Result<&mut BTreeMap<Vec<u8>, u64>> {
        let node = self.node_mut(folder)?;
        (node.modified, node.changed) = (now(), now());
        match &mut node.content {
            Content::Folder(entries) => Ok(entries),
            Content::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn child(&self, folder: u64, name: NameRef<'_>) -> io::Result<u64> {
        self.entries(folder)?.get(name.as_bytes()).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn metadata(&self, number: u64) -> io::Result<Metadata> {
        let Node { modified, content, .. } = self.node(number)?;
        let (kind, size, mode) = match content {
            Content::File(bytes) => (Kind::File, bytes.len() as u64, 0o644),
            Content::Folder(_) => (Kind::Folder, 0, 0o755),
        };
        Ok(Metadata { kind, size, modified: *modified, mode })
    }

    fn identity(&self, number: u64) -> io::Result<Identity> {
        let (metadata, changed) = (self.metadata(number)?, self.node(number)?.changed);
        Ok(Identity { metadata, changed, inode: number })
    }

    fn open(&self, number: u64) -> io::Result<Box<dyn SourceFile>> {
        match &self.node(number)?.content {
            Content::File(bytes) => {
                Ok(Box::new(MemoryFile { bytes: bytes.clone(), identity: self.identity(number)? }))
            }
            Content::Folder(_) => Err(Failure::from(FailureCode::IsAFolder).into()),
        }
    }

    /// Adds an entry. An existing one stays, unless it is a file and may be replaced.
    fn add(&mut self, folder: u64, name: NameRef<'_>, node: Node, replace: bool) -> io::Result<()> {
        if let Ok(existing) = self.child(folder, name) {
            match self.metadata(existing)?.kind {
                _ if !replace => return Err(io::ErrorKind::AlreadyExists.into()),
                Kind::File => drop(self.by_number.remove(&existing)),
                Kind::Folder | Kind::Symlink | Kind::Special => {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
            }
        }
        let number = self.next;
        self.entries_mut(folder)?.insert(name.as_bytes().to_vec(), number);
        self.next += 1;
        self.by_number.insert(number, node);
        Ok(())
    }

    fn remove(&mut self, folder: u64, name: NameRef<'_>, kind: Kind) -> io::Result<()> {
        let number = self.child(folder, name)?;
        match (&self.node(number)?.content, kind) {
            (Content::File(_), Kind::Folder) => return Err(io::ErrorKind::NotADirectory.into()),
            (Content::Folder(entries), Kind::Folder) if !entries.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            (Content::Folder(_), Kind::File | Kind::Symlink | Kind::Special) => {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            (Content::File(_) | Content::Folder(_), _) => {}
        }
        self.entries_mut(folder)?.remove(name.as_bytes());
        self.by_number.remove(&number);
        Ok(())
    }

    /// True if `number` is `above` or below it.
    fn lies_in(&self, number: u64, above: u64) -> io::Result<bool> {
        let mut number = number;
        while number != above && number != ROOT {
            number = self.node(number)?.parent;
        }
        Ok(number == above)
    }
}

/// A file opened for reading: its content at that time.
struct MemoryFile {
    bytes: Arc<Vec<u8>>,
    identity: Identity,
}

impl SourceFile for MemoryFile {
    fn identity(&self) -> io::Result<Identity> {
        Ok(self.identity)
    }

    fn read_at(&self, pieces: &mut [io::IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        (&self.bytes[begin..]).read_vectored(pieces)
    }
}

/// Refuses an operation that needs a feature which this storage lacks.
fn lacks<T>(capability: Capability) -> io::Result<T> {
    CAPABILITIES.require(capability)?;
    Err(io::ErrorKind::Unsupported.into())
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: now.as_secs().cast_signed(), nanos: now.subsec_nanos() }
}

/// The features of this storage.
const CAPABILITIES: Capabilities = Capabilities::ALL
    .without(Capability::Modes)
    .without(Capability::Symlinks)
    .without(Capability::HardLinks)
    .without(Capability::Xattrs)
    .without(Capability::Owners)
    .without(Capability::Holes)
    .without(Capability::Resume)
    .without(Capability::PowerDurability);
/// The number of the root folder.
const ROOT: u64 = 1;
