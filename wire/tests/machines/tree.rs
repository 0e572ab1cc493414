//! What a job has to send, and what goes wrong with it at either end.

use crate::random::Random;
use std::collections::BTreeMap;
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::limits::CHUNK_LEN;
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::sender::{Item, What};
use wire::{FailureCode, Name, RemotePath};

/// The items of a job in the order of a walk: a folder after all that is in it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) items: Vec<Item>,
    fates: BTreeMap<RemotePath, Fate>,
    pub(crate) stream: Option<Stream>,
}

/// What goes wrong with an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) source: SourceFate,
    pub(crate) target: TargetFate,
}

/// What goes wrong where it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceFate {
    Fine,
    /// It holds something else from this time on.
    Changes(u64),
    /// It cannot be read from this time on.
    Breaks(u64),
}

/// What goes wrong where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TargetFate {
    Fine,
    Refused,
    /// This chunk of it cannot be written.
    Breaks(u64),
    /// It is written, and cannot be given its name.
    NotPublished,
}

/// The job's stream, if it has one; it is the file with the number 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) len: u64,
    pub(crate) fails: bool,
}

/// How often things go wrong, in a thousand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Troubles {
    pub(crate) source: u64,
    pub(crate) target: u64,
}

impl Tree {
    pub(crate) fn drawn(random: &mut Random, troubles: Troubles, crowded: bool) -> Self {
        let mut tree = Self { items: Vec::new(), fates: BTreeMap::new(), stream: None };
        if random.chance(200) {
            let len = random.one_of(&[0, 1, 524_287, 524_288, 524_289, 1_048_576, 5_000_000]);
            tree.stream = Some(Stream { len, fails: random.chance(troubles.source) });
            tree.add(path(b"stream"), What::Stream { mode: 0o600 });
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

    fn fill(&mut self, folder: &RemotePath, depth: u32, random: &mut Random, crowded: bool) {
        let count = if crowded && depth == 0 { 2500 } else { random.below(9) };
        for index in 0..count {
            let path = folder.join(&Name::new(format!("{index}").as_bytes()).unwrap()).unwrap();
            match random.below(if crowded { 60 } else { 10 }) {
                0 if depth < 4 => self.fill(&path, depth + 1, random, false),
                1 => self.add(path, What::Lost(FailureCode::PermissionDenied.into())),
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

    fn add(&mut self, path: RemotePath, what: What) {
        self.items.push(Item { path, what });
    }
}

/// What stands for a chunk's content: a few bytes that no other chunk has.
pub(crate) fn chunk(path: &RemotePath, offset: u64, changed: bool) -> Vec<u8> {
    [path.as_bytes(), &offset.to_le_bytes(), &[u8::from(changed)]].concat()
}

/// What stands for a small file's content.
pub(crate) fn content(path: &RemotePath) -> Vec<u8> {
    [b"content of ", path.as_bytes()].concat()
}

/// The root of a large file that has not changed.
pub(crate) fn root(checksum: Checksum, path: &RemotePath, len: u64) -> Digest {
    let mut root = RootBuilder::new(checksum);
    let chunks = len.div_ceil(CHUNK_LEN as u64).max(1);
    for index in 0..chunks {
        let offset = index * CHUNK_LEN as u64;
        let place = ChunkPlace::at(offset, index + 1 == chunks);
        root.add(index, checksum.of_chunk(place, [&chunk(path, offset, false)[..]]));
    }
    root.root(len).unwrap()
}

pub(crate) fn path(bytes: &[u8]) -> RemotePath {
    RemotePath::from_wire(bytes).unwrap()
}

fn source_fate(random: &mut Random, troubles: Troubles) -> SourceFate {
    match random.chance(troubles.source) {
        false => SourceFate::Fine,
        true if random.chance(500) => SourceFate::Changes(random.below(TROUBLES_END)),
        true => SourceFate::Breaks(random.below(TROUBLES_END)),
    }
}

fn target_fate(random: &mut Random, troubles: Troubles) -> TargetFate {
    match random.chance(troubles.target) {
        false => TargetFate::Fine,
        true => random.one_of(&[
            TargetFate::Refused,
            TargetFate::Breaks(0),
            TargetFate::Breaks(1),
            TargetFate::Breaks(2),
            TargetFate::NotPublished,
        ]),
    }
}

fn present(kind: Kind, size: u64) -> What {
    let modified = Timestamp { seconds: 1_700_000_000, nanos: 5 };
    What::Present(Metadata { kind, size, modified, mode: 0o644 })
}

/// Trouble at a source begins before this time.
const TROUBLES_END: u64 = 3000;
