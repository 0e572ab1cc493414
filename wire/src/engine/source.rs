//! Sources of a job's items and bytes: one file, a whole tree, or a stream.

use super::lock;
use crate::failure::{Failure, FailureCode};
use crate::limits::CHUNK_LEN;
use crate::message::Totals;
use crate::metadata::{Kind, Metadata};
use crate::modes::Modes;
use crate::path::RemotePath;
use crate::sender::{Item, ItemKind};
use crate::store::entry::of_link;
use crate::store::walk::{Visit, Walk};
use crate::store::{Folder, FolderCache, Identity, SourceFile};
use std::collections::BTreeMap;
use std::io::{self, IoSliceMut, Read};
use std::sync::{Arc, Mutex};

/// The source that a sending job reads. All methods block.
pub trait Source: Send + Sync {
    /// Returns the next items, about `max` of them; a folder after all of its content. Not called again after the last.
    fn next_items(&self, max: usize) -> NextItems;
    /// Reads on in a stream; `None` if it has ended, or as much of it is kept as may be.
    fn read_on(&self) -> Option<io::Result<Available>> {
        None
    }
    /// Opens the file at `path`, below the job's path.
    ///
    /// # Errors
    /// Of the filesystem; `Vanished` if a walk or a listing found the file and it no longer exists.
    fn open(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>>;
    /// Returns the target of the link at `path`.
    ///
    /// # Errors
    /// Of the filesystem.
    fn read_link(&self, path: &RemotePath) -> io::Result<Vec<u8>>;
    /// Releases bytes of a large file that the receiver has; they will not be read again.
    fn release(&self, offset: u64, len: u64);
}

/// The next items of a source.
pub enum NextItems {
    /// These; others may follow.
    Some(Vec<Item>),
    /// These, and no more.
    Last(Vec<Item>),
    /// None now. The exchange is told when there are.
    Pending,
}

/// How much of a stream was read.
pub struct Available {
    /// From its beginning.
    pub bytes: u64,
    /// There is no more.
    pub ended: bool,
}

/// A folder and everything below it.
pub struct TreeSource {
    folders: FolderCache,
    walk: Mutex<Walk>,
    root: Metadata,
    modes: Modes,
}

impl TreeSource {
    /// A source of everything in `folder`; the folder itself comes last.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn new(folder: Arc<dyn Folder>) -> io::Result<Self> {
        Self::with_modes(folder, Modes::CARRIED)
    }

    /// The same, with the items' permissions changed by `modes`.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn with_modes(folder: Arc<dyn Folder>, modes: Modes) -> io::Result<Self> {
        Ok(Self {
            walk: Mutex::new(Walk::new(folder.clone(), RemotePath::root())?),
            root: modes.of_item(folder.own_metadata()?),
            folders: FolderCache::new(folder),
            modes,
        })
    }
}

impl Source for TreeSource {
    fn next_items(&self, max: usize) -> NextItems {
        let mut walk = lock(&self.walk);
        let mut items = Vec::with_capacity(max);
        while items.len() < max {
            match walk.step() {
                Some(Visit::Enter(path, _, folder)) => self.folders.put(path.as_bytes(), folder),
                Some(Visit::Item(path, metadata)) => items.push(present(path, self.modes.of_item(metadata))),
                Some(Visit::Leave(path, metadata)) => {
                    items.push(Item { path, kind: ItemKind::Present(self.modes.of_item(metadata)) })
                }
                Some(Visit::Unreadable(path, failure)) => {
                    items.push(Item { path, kind: ItemKind::Unreadable(failure) })
                }
                Some(Visit::Excluded(_)) => {}
                None => {
                    items.push(Item { path: RemotePath::root(), kind: ItemKind::Present(self.root) });
                    return NextItems::Last(items);
                }
            }
        }
        NextItems::Some(items)
    }

    fn open(&self, path: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        let (parent, name) = path.parent_and_name().ok_or(io::ErrorKind::IsADirectory)?;
        let opened = self.folders.get(parent, false).and_then(|folder| folder.open_file(name));
        opened.map_err(|error| Failure::of_found(error).into())
    }

    fn read_link(&self, path: &RemotePath) -> io::Result<Vec<u8>> {
        let (parent, name) = path.parent_and_name().ok_or(io::ErrorKind::IsADirectory)?;
        let read = self.folders.get(parent, false).and_then(|folder| folder.read_link(name));
        read.map_err(|error| of_link(error).into())
    }

    fn release(&self, _: u64, _: u64) {}
}

/// One file or link, with the job's path itself.
pub struct FileSource {
    metadata: Metadata,
    open: Box<dyn Fn() -> io::Result<Box<dyn SourceFile>> + Send + Sync>,
    link_target: Vec<u8>,
}

impl FileSource {
    /// A file with this metadata, opened by `open`.
    pub fn new(
        metadata: Metadata,
        open: impl Fn() -> io::Result<Box<dyn SourceFile>> + Send + Sync + 'static,
    ) -> Self {
        Self { metadata, open: Box::new(open), link_target: Vec::new() }
    }

    /// A link with the target `target`.
    #[must_use]
    pub fn link(metadata: Metadata, target: Vec<u8>) -> Self {
        let open = Box::new(|| Err(io::ErrorKind::InvalidInput.into()));
        Self { metadata, open, link_target: target }
    }
}

impl Source for FileSource {
    fn next_items(&self, _: usize) -> NextItems {
        NextItems::Last(vec![present(RemotePath::root(), self.metadata)])
    }

    fn open(&self, _: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        (self.open)()
    }

    fn read_link(&self, _: &RemotePath) -> io::Result<Vec<u8>> {
        Ok(self.link_target.clone())
    }

    fn release(&self, _: u64, _: u64) {}
}

/// A stream of unknown length, such as standard input. Chunks are kept until the receiver has them, to be sent again if needed;
/// at most 16 MiB of them.
pub struct StreamSource {
    mode: u32,
    input: Mutex<Input>,
    held: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
}

struct Input {
    reader: Box<dyn Read + Send>,
    available: u64,
    ended: bool,
}

impl StreamSource {
    /// A source that reads from `reader`; the file gets the permissions `mode`.
    #[must_use]
    pub fn new(reader: Box<dyn Read + Send>, mode: u32) -> Self {
        Self { mode, input: Mutex::new(Input { reader, available: 0, ended: false }), held: Arc::default() }
    }
}

impl Source for StreamSource {
    fn next_items(&self, _: usize) -> NextItems {
        NextItems::Last(vec![Item { path: RemotePath::root(), kind: ItemKind::Stream { mode: self.mode } }])
    }

    fn read_on(&self) -> Option<io::Result<Available>> {
        let mut input = lock(&self.input);
        if input.ended || lock(&self.held).len() >= STREAM_CHUNKS_MAX {
            return None;
        }
        let read = read_chunk(&mut input.reader).map(|chunk| {
            let offset = input.available;
            input.available += chunk.len() as u64;
            input.ended = chunk.len() < CHUNK_LEN;
            lock(&self.held).insert(offset, chunk);
            Available { bytes: input.available, ended: input.ended }
        });
        input.ended |= read.is_err();
        Some(read)
    }

    fn open(&self, _: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        Ok(Box::new(ResendBuffer(self.held.clone())))
    }

    fn read_link(&self, _: &RemotePath) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::InvalidInput.into())
    }

    fn release(&self, offset: u64, _: u64) {
        lock(&self.held).remove(&offset);
    }
}

struct ResendBuffer(Arc<Mutex<BTreeMap<u64, Vec<u8>>>>);

impl SourceFile for ResendBuffer {
    fn identity(&self) -> io::Result<Identity> {
        let metadata = Metadata { kind: Kind::File, size: u64::MAX, modified: Default::default(), mode: 0 };
        Ok(Identity { metadata, changed: Default::default(), inode: 0 })
    }

    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let held = lock(&self.0);
        let Some((begin, chunk)) = held.range(..=offset).next_back() else { return Ok(0) };
        let skip = usize::try_from(offset - begin).unwrap_or(usize::MAX).min(chunk.len());
        let mut rest = &chunk[skip..];
        pieces.iter_mut().try_fold(0, |read, piece| Ok(read + rest.read(piece)?))
    }
}

/// Reads until a chunk is full or the stream ends.
fn read_chunk(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut chunk = Vec::new();
    reader.take(CHUNK_LEN as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

/// An item that a walk has found, or that was chosen from a listing: a pipe, socket or device is left out.
pub(super) fn present(path: RemotePath, metadata: Metadata) -> Item {
    let kind = match metadata.kind {
        Kind::File | Kind::Folder | Kind::Symlink => ItemKind::Present(metadata),
        Kind::Special => ItemKind::Unreadable(FailureCode::LeftOut.into()),
    };
    Item { path, kind }
}

/// Counts files, links and bytes below `folder`. Reports the totals so far now and then, and stops if `tell` returns false.
///
/// # Errors
/// If the folder itself cannot be read; unreadable entries below it are not counted.
pub fn count(folder: Arc<dyn Folder>, mut tell: impl FnMut(Totals) -> bool) -> io::Result<()> {
    let mut walk = Walk::new(folder, RemotePath::root())?;
    let mut totals = Totals::default();
    while let Some(visit) = walk.step() {
        if let Visit::Item(_, metadata) = visit {
            totals.files += 1;
            totals.bytes += metadata.size;
            if totals.files.is_multiple_of(COUNT_STEP) && !tell(totals) {
                return Ok(());
            }
        }
    }
    tell(Totals { complete: true, ..totals });
    Ok(())
}

/// Files counted between two reports.
const COUNT_STEP: u64 = 5_000;
/// Most chunks of a stream that are kept: 16 MiB.
const STREAM_CHUNKS_MAX: usize = 32;
