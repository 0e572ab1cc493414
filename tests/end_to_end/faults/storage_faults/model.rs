//! A disk in memory that forgets unsynced data when the power fails, in any combination: file contents may be old, empty, cut
//! short or new; each change of a folder may have reached the disk or not.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tests::wan::Random;
use wire::fidelity::FidelityReport;
use wire::message::{Details, EntryDetails, FileId, Owner, SpaceReport, Swept, Xattr};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::path::NameRef;
use wire::store::sweep::SweepScope;
use wire::store::{
    Capabilities, DiskFolder, FilePlace, Fill, Folder, FolderBackend, FolderLock, Identity, Names,
    SourceFile, StagedName, TargetFile,
};

/// The content of a disk, by path.
pub(crate) type Tree = BTreeMap<String, Found>;

/// The entry at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    File(Vec<u8>),
    Link(Vec<u8>),
    Folder,
}

/// The disk.
pub(crate) struct Disk(Mutex<Vec<Inode>>);

enum Inode {
    File { now: Vec<u8>, synced: Vec<u8>, is_synced: bool },
    Link { target: Vec<u8>, is_synced: bool },
    Folder { now: Entries, synced: Entries, changes: Vec<Change> },
}

type Entries = BTreeMap<Vec<u8>, usize>;

/// An unsynced change of a folder.
#[derive(Clone)]
enum Change {
    Add(Vec<u8>, usize),
    Remove(Vec<u8>),
    Rename(Vec<u8>, Vec<u8>),
}

impl Change {
    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Add(name, inode) => drop(entries.insert(name.clone(), *inode)),
            Self::Remove(name) => drop(entries.remove(name)),
            Self::Rename(from, to) => {
                if let Some(inode) = entries.remove(from) {
                    entries.insert(to.clone(), inode);
                }
            }
        }
    }
}

impl Disk {
    /// An empty disk.
    pub(crate) fn new() -> Arc<Self> {
        let root = Inode::Folder { now: Entries::new(), synced: Entries::new(), changes: Vec::new() };
        Arc::new(Self(Mutex::new(vec![root])))
    }

    pub(crate) fn root(self: &Arc<Self>) -> Arc<dyn DiskFolder> {
        Arc::new(ModelFolder { disk: self.clone(), inode: 0 })
    }

    /// Returns the content after a loss of power; each seed makes other choices.
    pub(crate) fn lose_power(&self, random: &mut Random) -> Tree {
        let inodes = self.lock();
        let mut tree = Tree::new();
        let mut waiting = vec![(String::new(), 0)];
        while let Some((path, inode)) = waiting.pop() {
            let Inode::Folder { synced, changes, .. } = &inodes[inode] else {
                unreachable!("only folders wait")
            };
            let mut entries = synced.clone();
            changes
                .iter()
                .filter(|_| random.bits().is_multiple_of(2))
                .for_each(|change| change.apply(&mut entries));
            for (name, inode) in entries {
                let path = format!("{path}{}", String::from_utf8(name).unwrap());
                let found = match &inodes[inode] {
                    Inode::File { now, synced, is_synced } => Found::File(match random.bits() % 4 {
                        _ if *is_synced => synced.clone(),
                        0 => synced.clone(),
                        1 => now[..now.len() / 2].to_vec(),
                        2 => vec![0; now.len()],
                        _ => now.clone(),
                    }),
                    Inode::Link { target, is_synced } => {
                        if *is_synced || random.bits().is_multiple_of(2) {
                            Found::Link(target.clone())
                        } else {
                            Found::Link(Vec::new())
                        }
                    }
                    Inode::Folder { .. } => {
                        waiting.push((format!("{path}/"), inode));
                        Found::Folder
                    }
                };
                tree.insert(path, found);
            }
        }
        tree
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Inode>> {
        self.0.lock().unwrap()
    }

    fn sync(&self, inode: usize) {
        let mut inodes = self.lock();
        let mut links = Vec::new();
        match &mut inodes[inode] {
            Inode::File { now, synced, is_synced } => {
                synced.clone_from(now);
                *is_synced = true;
            }
            Inode::Link { is_synced, .. } => *is_synced = true,
            Inode::Folder { now, synced, changes } => {
                synced.clone_from(now);
                changes.clear();
                links.extend(now.values().copied());
            }
        }
        for link in links {
            if let Inode::Link { is_synced, .. } = &mut inodes[link] {
                *is_synced = true; // it has no sync of its own
            }
        }
    }
}

struct ModelFolder {
    disk: Arc<Disk>,
    inode: usize,
}

impl ModelFolder {
    fn find(&self, name: &[u8]) -> io::Result<usize> {
        let inodes = self.disk.lock();
        let Inode::Folder { now, .. } = &inodes[self.inode] else { unreachable!("a folder") };
        now.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change(&self, change: Change) {
        let mut inodes = self.disk.lock();
        let Inode::Folder { now, changes, .. } = &mut inodes[self.inode] else { unreachable!("a folder") };
        change.apply(now);
        changes.push(change);
    }

    fn add(&self, name: &[u8], inode: Inode) -> io::Result<usize> {
        if self.find(name).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = {
            let mut inodes = self.disk.lock();
            inodes.push(inode);
            inodes.len() - 1
        };
        self.change(Change::Add(name.to_vec(), number));
        Ok(number)
    }

    fn metadata_of(&self, inode: usize) -> Metadata {
        let (kind, size) = match &self.disk.lock()[inode] {
            Inode::File { now, .. } => (Kind::File, now.len()),
            Inode::Link { target, .. } => (Kind::Symlink, target.len()),
            Inode::Folder { .. } => (Kind::Folder, 0),
        };
        Metadata { kind, size: size as u64, modified: Timestamp::default(), mode: 0o755 }
    }
}

impl Folder for ModelFolder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }
    fn backend(self: Arc<Self>) -> FolderBackend {
        FolderBackend::Disk(self)
    }
    fn details(&self, _: Option<NameRef<'_>>, _: Details) -> io::Result<EntryDetails> {
        let file = FileId { device: 1, inode: self.inode as u64, names: 1 };
        Ok(EntryDetails { file: Some(file), ..EntryDetails::default() })
    }
    fn mode_of_new(&self, mode: u32) -> u32 {
        mode
    }
    fn fidelity(&self) -> io::Result<FidelityReport> {
        Ok(FidelityReport::EXACT)
    }
    fn folder(&self, name: NameRef<'_>) -> io::Result<Arc<dyn Folder>> {
        let inode = self.find(name.as_bytes())?;
        match self.metadata_of(inode).kind {
            Kind::Folder => Ok(Arc::new(Self { disk: self.disk.clone(), inode })),
            Kind::File | Kind::Symlink | Kind::Special => Err(io::ErrorKind::NotADirectory.into()),
        }
    }
    fn metadata(&self, name: NameRef<'_>) -> io::Result<Metadata> {
        Ok(self.metadata_of(self.find(name.as_bytes())?))
    }
    fn identity(&self, name: NameRef<'_>) -> io::Result<Identity> {
        let inode = self.find(name.as_bytes())?;
        let (metadata, changed) = (self.metadata_of(inode), Timestamp::default());
        Ok(Identity { metadata, changed, inode: inode as u64 })
    }
    fn own_metadata(&self) -> io::Result<Metadata> {
        Ok(self.metadata_of(self.inode))
    }
    fn make_folder(&self, name: NameRef<'_>, _: u32) -> io::Result<()> {
        let folder = Inode::Folder { now: Entries::new(), synced: Entries::new(), changes: Vec::new() };
        self.add(name.as_bytes(), folder).map(drop)
    }
    fn set_own_metadata(&self, _: Option<Timestamp>, _: Option<u32>) -> io::Result<()> {
        Ok(())
    }
    // Methods that no transfer needs at its target.
    fn names(&self) -> io::Result<Names> {
        unsupported()
    }
    fn read_link(&self, _: NameRef<'_>) -> io::Result<Vec<u8>> {
        unsupported()
    }
    fn open_file(&self, _: NameRef<'_>) -> io::Result<Box<dyn SourceFile>> {
        unsupported()
    }
    fn remove_file(&self, _: NameRef<'_>) -> io::Result<()> {
        unsupported()
    }
    fn remove_folder(&self, _: NameRef<'_>) -> io::Result<()> {
        unsupported()
    }
    fn rename(&self, _: NameRef<'_>, _: &dyn Folder, _: NameRef<'_>, _: bool) -> io::Result<()> {
        unsupported()
    }
    fn set_metadata(&self, _: NameRef<'_>, _: Option<Timestamp>, _: Option<u32>) -> io::Result<()> {
        unsupported()
    }
    fn set_owner(&self, _: Option<NameRef<'_>>, _: &Owner) -> io::Result<()> {
        unsupported()
    }
    fn set_xattrs(&self, _: Option<NameRef<'_>>, _: &[Xattr]) -> io::Result<()> {
        unsupported()
    }
    fn make_file(&self, _: NameRef<'_>, _: u32) -> io::Result<()> {
        unsupported()
    }
    fn make_link(&self, _: NameRef<'_>, _: &[u8], _: Option<Timestamp>, _: bool) -> io::Result<()> {
        unsupported()
    }
    fn hard_link(&self, _: NameRef<'_>, _: &dyn Folder, _: NameRef<'_>, _: bool) -> io::Result<()> {
        unsupported()
    }
    fn lock(&self) -> io::Result<FolderLock> {
        unsupported()
    }
    fn space(&self) -> io::Result<SpaceReport> {
        unsupported()
    }
}

impl DiskFolder for ModelFolder {
    fn own_file(&self, _: NameRef<'_>) -> io::Result<Option<Identity>> {
        unsupported()
    }
    fn create_staged(&self, staged: &StagedName, _: u32) -> io::Result<Box<dyn TargetFile>> {
        let file = Inode::File { now: Vec::new(), synced: Vec::new(), is_synced: false };
        let inode = self.add(staged.as_bytes(), file)?;
        Ok(Box::new(ModelFile { disk: self.disk.clone(), inode }))
    }
    fn create_whole(&self, _: NameRef<'_>, _: u32, _: Fill<'_>) -> io::Result<bool> {
        Ok(false)
    }
    fn publish(&self, staged: &StagedName, name: NameRef<'_>, replace: bool) -> io::Result<()> {
        self.find(staged.as_bytes())?;
        if !replace && self.find(name.as_bytes()).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Rename(staged.as_bytes().to_vec(), name.as_bytes().to_vec()));
        Ok(())
    }
    fn open_staged(&self, _: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        unsupported()
    }
    fn staged_source(&self, _: &StagedName) -> io::Result<Box<dyn SourceFile>> {
        unsupported()
    }
    fn create_journal(&self, _: &StagedName) -> io::Result<Box<dyn TargetFile>> {
        unsupported()
    }
    fn open_journal(&self, _: &StagedName, _: u64) -> io::Result<(Vec<u8>, Box<dyn TargetFile>)> {
        unsupported()
    }
    fn remove_journal(&self, _: &StagedName) -> io::Result<()> {
        unsupported()
    }
    fn sweep(&self, _: Duration, _: &SweepScope) -> io::Result<Swept> {
        unsupported()
    }
    fn remove_staged(&self, staged: &StagedName) -> io::Result<()> {
        self.find(staged.as_bytes())?;
        self.change(Change::Remove(staged.as_bytes().to_vec()));
        Ok(())
    }
    fn stage_link(&self, staged: &StagedName, target: &[u8], _: Option<Timestamp>) -> io::Result<()> {
        let link = Inode::Link { target: target.to_vec(), is_synced: false };
        self.add(staged.as_bytes(), link).map(drop)
    }
    fn sync(&self) -> io::Result<()> {
        self.disk.sync(self.inode);
        Ok(())
    }
    fn sync_filesystem(&self) -> io::Result<()> {
        let count = self.disk.lock().len();
        (0..count).for_each(|inode| self.disk.sync(inode));
        Ok(())
    }
    fn filesystem(&self) -> io::Result<u64> {
        Ok(1)
    }
}

struct ModelFile {
    disk: Arc<Disk>,
    inode: usize,
}

impl ModelFile {
    fn change(&self, work: impl FnOnce(&mut Vec<u8>)) {
        if let Inode::File { now, is_synced, .. } = &mut self.disk.lock()[self.inode] {
            work(now);
            *is_synced = false;
        }
    }
}

impl TargetFile for ModelFile {
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let begin = usize::try_from(offset).unwrap();
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).collect();
        self.change(|now| {
            now.resize(now.len().max(begin + bytes.len()), 0);
            now[begin..begin + bytes.len()].copy_from_slice(&bytes);
        });
        Ok(bytes.len())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|now| now.resize(usize::try_from(len).unwrap(), 0));
        Ok(())
    }
    fn set_metadata(&self, _: Option<Timestamp>, _: u32) -> io::Result<()> {
        Ok(())
    }
    fn place(&self) -> io::Result<FilePlace> {
        match &self.disk.lock()[self.inode] {
            Inode::File { now, .. } => {
                Ok(FilePlace { mount: 1, inode: self.inode as u64, len: now.len() as u64, is_local: true })
            }
            Inode::Link { .. } | Inode::Folder { .. } => unsupported(),
        }
    }
    fn sync(&self) -> io::Result<()> {
        self.disk.sync(self.inode);
        Ok(())
    }
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}
