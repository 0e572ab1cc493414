//! The items that a job has to send, and the faults that happen to them at either end.

use crate::random::Random;
use std::borrow::Cow;
use std::collections::BTreeMap;
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::limits::CHUNK_LEN;
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::sender::{Item, ItemKind};
use wire::{FailureCode, Name, RemotePath};

/// The items of a job in the order of a walk: a folder after all of its content.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) items: Vec<Item>,
    fates: BTreeMap<RemotePath, Fate>,
    pub(crate) stream: Option<Stream>,
    /// Large files have chunks of zeros.
    holes: bool,
}

/// The faults of an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) source: SourceFate,
    pub(crate) target: TargetFate,
}

/// The fault of an item where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceFate {
    Fine,
    /// Its content changes at this time, and again after each period, this many times.
    Changes {
        first: u64,
        every: u64,
        times: u64,
    },
    /// It becomes unreadable at this time.
    Breaks(u64),
}

impl SourceFate {
    /// Returns how often the item has changed by this time.
    pub(crate) fn version(self, now: u64) -> u64 {
        match self {
            Self::Changes { first, every, times } if now >= first => times.min(1 + (now - first) / every),
            Self::Fine | Self::Changes { .. } | Self::Breaks(_) => 0,
        }
    }
}

/// The fault of an item where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetFate {
    Fine,
    Refused,
    /// This chunk of it cannot be written.
    Breaks(u64),
    /// It is written, but cannot be given its name.
    NotPublished,
}

/// The job's stream, if it has one: the file with the number 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) len: u64,
    pub(crate) fails: bool,
}

/// Rates of faults, per thousand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Troubles {
    pub(crate) source: u64,
    pub(crate) target: u64,
}

impl Tree {
    pub(crate) fn drawn(random: &mut Random, troubles: Troubles, crowded: bool, holes: bool) -> Self {
        let mut tree = Self { items: Vec::new(), fates: BTreeMap::new(), stream: None, holes };
        if random.chance(200) {
            let len = random.one_of(&[0, 1, 524_287, 524_288, 524_289, 1_048_576, 5_000_000]);
            tree.stream = Some(Stream { len, fails: random.chance(troubles.source) });
            tree.add(path(b"stream"), ItemKind::Stream { mode: 0o600 });
        }
        tree.fill(&RemotePath::root(), 0, random, crowded);
        for item in &tree.items {
            let fate = Fate { source: source_fate(random, troubles), target: target_fate(random, troubles) };
            tree.fates.insert(item.path.clone(), fate);
        }
        tree
    }

    pub(crate) fn fate(&self, path: &RemotePath) -> Fate {
        self.fates[path]
    }

    /// Returns the file's metadata in this version.
    pub(crate) fn file(&self, path: &RemotePath, version: u64) -> Metadata {
        let item = self.items.iter().find(|item| item.path == *path).unwrap();
        let ItemKind::Present(metadata) = item.kind else { unreachable!("{path:?} is no file") };
        let mut random = Random::new(hash(path, version));
        let size = match version {
            0 => metadata.size,
            _ if random.chance(300) => metadata.size,
            _ => random.one_of(&[0, 5, 262_144, 262_145, 524_288, 524_289, 1_500_000, 4_000_000]),
        };
        let modified = Timestamp { nanos: metadata.modified.nanos + version as u32, ..metadata.modified };
        Metadata { size, modified, ..metadata }
    }

    /// Returns the stand-in for a chunk's content.
    pub(crate) fn chunk(&self, path: &RemotePath, offset: u64, len: usize, version: u64) -> Chunk {
        if self.is_zeros(path, offset / CHUNK_LEN as u64, version) {
            Chunk::Zeros(len)
        } else {
            Chunk::Data([path.as_bytes(), &offset.to_le_bytes(), &version.to_le_bytes()].concat())
        }
    }

    /// Returns where the next data begins, as a filesystem reports it.
    pub(crate) fn next_data(&self, path: &RemotePath, offset: u64, version: u64) -> u64 {
        let (chunk, size) = (CHUNK_LEN as u64, self.file(path, version).size);
        let index =
            (offset / chunk..size.div_ceil(chunk)).find(|index| !self.is_zeros(path, *index, version));
        match index {
            None => size,
            Some(index) if index == offset / chunk => offset,
            Some(index) => size.min(index * chunk + hash(path, index) % 1000),
        }
    }

    fn is_zeros(&self, path: &RemotePath, index: u64, version: u64) -> bool {
        let is_stream = path.as_bytes() == b"stream";
        self.holes && !is_stream && Random::new(hash(path, version) ^ (index / 2)).chance(500)
    }

    fn fill(&mut self, folder: &RemotePath, depth: u32, random: &mut Random, crowded: bool) {
        let count = if crowded && depth == 0 { 2500 } else { random.below(9) };
        for index in 0..count {
            let path = folder.join(&Name::new(format!("{index}").as_bytes()).unwrap()).unwrap();
            match random.below(if crowded { 60 } else { 10 }) {
                0 if depth < 4 => self.fill(&path, depth + 1, random, false),
                1 => self.add(path, ItemKind::Unreadable(FailureCode::PermissionDenied.into())),
                2 => self.add(path, present(Kind::Symlink, random.within(1, 4095))),
                3..6 => {
                    let size = random.one_of(&[262_145, 524_288, 524_289, 1_048_576, 1_500_000, 4_000_000]);
                    self.add(path, present(Kind::File, size));
                }
                _ => {
                    let size = random.one_of(&[0, 1, 300, 20_000, 262_144]);
                    self.add(path, present(Kind::File, size));
                }
            }
        }
        self.add(folder.clone(), present(Kind::Folder, 0));
    }

    fn add(&mut self, path: RemotePath, kind: ItemKind) {
        self.items.push(Item { path, kind });
    }
}

/// A stand-in for a chunk's content: a few bytes unique to the chunk, or a number of zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chunk {
    Data(Vec<u8>),
    Zeros(usize),
}

impl Chunk {
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Data(bytes) => Cow::Borrowed(bytes),
            Self::Zeros(len) => Cow::Owned(vec![0; *len]),
        }
    }

    pub(crate) fn digest(&self, checksum: Checksum, place: ChunkPlace) -> Digest {
        checksum.of_chunk(place, [&self.bytes()[..]])
    }
}

/// Returns the stand-in for a small file's content.
pub(crate) fn content(path: &RemotePath, version: u64) -> Vec<u8> {
    [b"content of ", path.as_bytes(), &version.to_le_bytes()].concat()
}

/// Returns the root of a large file with these chunks.
pub(crate) fn root(checksum: Checksum, chunks: &BTreeMap<u64, Chunk>, len: u64) -> Digest {
    let mut root = RootBuilder::new(checksum);
    let count = chunks.len() as u64;
    for ((offset, chunk), index) in chunks.iter().zip(0..) {
        assert_eq!(*offset, index * CHUNK_LEN as u64, "a chunk is missing");
        match chunk {
            Chunk::Zeros(len) => root.add_zeros(index, 1, *len),
            Chunk::Data(_) => {
                root.add(index, chunk.digest(checksum, ChunkPlace::at(*offset, index + 1 == count)));
            }
        }
    }
    root.root(len).expect("a chunk is missing")
}

/// A number that is the same in each run.
fn hash(path: &RemotePath, salt: u64) -> u64 {
    path.as_bytes().iter().fold(salt, |hash, byte| Random::new(hash ^ u64::from(*byte)).bits())
}

pub(crate) fn path(bytes: &[u8]) -> RemotePath {
    RemotePath::from_wire(bytes).unwrap()
}

fn source_fate(random: &mut Random, troubles: Troubles) -> SourceFate {
    match random.chance(troubles.source) {
        false => SourceFate::Fine,
        true if random.chance(600) => SourceFate::Changes {
            first: random.below(TROUBLES_END),
            every: random.one_of(&[20, 100, 500, 3000]),
            times: random.one_of(&[1, 1, 1, 2, 4, 10]),
        },
        true => SourceFate::Breaks(random.below(TROUBLES_END)),
    }
}

fn target_fate(random: &mut Random, troubles: Troubles) -> TargetFate {
    if random.chance(troubles.target) {
        random.one_of(&[
            TargetFate::Refused,
            TargetFate::Breaks(0),
            TargetFate::Breaks(1),
            TargetFate::Breaks(2),
            TargetFate::NotPublished,
        ])
    } else {
        TargetFate::Fine
    }
}

fn present(kind: Kind, size: u64) -> ItemKind {
    let modified = Timestamp { seconds: 1_700_000_000, nanos: 5 };
    ItemKind::Present(Metadata { kind, size, modified, mode: 0o644 })
}

/// Faults at a source begin before this time.
const TROUBLES_END: u64 = 3000;
