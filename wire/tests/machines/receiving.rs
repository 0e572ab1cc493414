//! The receiving end: what `engine::receive` does around the machine, step by step, and the rules that it must keep.

use crate::tree::{self, TargetFate, Tree};
use std::collections::{BTreeMap, BTreeSet};
use wire::checksum::{Checksum, Digest};
use wire::frame::{Announcement, EntryKind, FrameHead, FrameKind};
use wire::limits::CHUNK_LEN;
use wire::receiver::{Begin, FolderEntry, Publish, Receiver, Verdict};
use wire::verified::{VerifiedChunk, VerifiedContent};
use wire::{Failure, FailureCode, RemotePath};

/// A frame on its way. Contents are stand-ins, lengths are as if they were not.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) head: FrameHead,
    pub(crate) announcement: Option<Announcement>,
    pub(crate) payload: Payload,
}

#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Chunk(Vec<u8>),
    Entries(Vec<Entry>),
    Nothing,
    Loss(Failure),
}

/// An entry of a pack.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: RemotePath,
    pub(crate) kind: EntryKind,
    pub(crate) len: usize,
    pub(crate) content: Vec<u8>,
    pub(crate) digest: Digest,
}

/// What a lane's thread is at; it takes time, and other lanes go on meanwhile.
#[derive(Debug)]
pub(crate) enum Work {
    Chunk(Frame),
    Pack(Frame),
    Publishing(Publish),
    Folders(u64, Vec<FolderEntry>),
}

/// The receiving end of a job.
pub(crate) struct Receiving {
    pub(crate) machine: Receiver,
    checksum: Checksum,
    /// Offsets of the chunks that were written, of files that are staged.
    staged: BTreeMap<u32, BTreeSet<u64>>,
    partly: BTreeMap<u64, BTreeSet<u32>>,
    pub(crate) reports: BTreeMap<RemotePath, Result<(), Failure>>,
}

impl Receiving {
    pub(crate) fn new(checksum: Checksum, window: u32) -> Self {
        Self {
            machine: Receiver::new(checksum, window),
            checksum,
            staged: BTreeMap::new(),
            partly: BTreeMap::new(),
            reports: BTreeMap::new(),
        }
    }

    /// How many staged files there are.
    pub(crate) fn open_files(&self) -> usize {
        self.staged.len()
    }

    /// A lane has brought a frame. Returns what its thread does next.
    pub(crate) fn take(&mut self, frame: Frame, tree: &Tree) -> Option<Work> {
        if self.machine.begin(&frame.head).expect("an honest sender") == Begin::Drop {
            return None;
        }
        let announcement = frame.announcement.clone();
        match frame.head.kind {
            FrameKind::Pack { .. } => Some(Work::Pack(frame)),
            FrameKind::Block { .. } => {
                let begun = self.machine.block(&frame.head, announcement.unwrap()).expect("an honest sender");
                if begun == Begin::Process { Some(Work::Chunk(frame)) } else { self.next_folders() }
            }
            FrameKind::Hole { .. } => unreachable!("this sender finds no holes"),
            FrameKind::Seal { file, .. } => {
                let loss = if let Payload::Loss(failure) = frame.payload { Some(failure) } else { None };
                let verdict = self.machine.seal(&frame.head, announcement.unwrap(), loss);
                self.conclude(file, verdict.expect("an honest sender"), tree)
            }
        }
    }

    /// A lane's thread is done with a step. Returns the next.
    pub(crate) fn worked(&mut self, work: Work, tree: &Tree) -> Option<Work> {
        match work {
            Work::Chunk(frame) => self.chunk(&frame, tree),
            Work::Pack(frame) => {
                self.pack(&frame, tree);
                self.next_folders()
            }
            Work::Publishing(publish) => {
                let path = publish.announcement().path.clone();
                let result = match tree.fate(&path).target {
                    TargetFate::NotPublished => Err(FailureCode::Exists.into()),
                    TargetFate::Fine | TargetFate::Refused | TargetFate::Breaks(_) => Ok(()),
                };
                self.report(&path, result.clone());
                self.machine.published(&publish, result);
                self.next_folders()
            }
            Work::Folders(frame, folders) => {
                self.set_folders(frame, folders, tree);
                self.next_folders()
            }
        }
    }

    fn chunk(&mut self, frame: &Frame, tree: &Tree) -> Option<Work> {
        let FrameKind::Block { file, offset, last, digest } = frame.head.kind else { unreachable!() };
        let Payload::Chunk(content) = &frame.payload else { unreachable!() };
        let pieces = [&content[..]];
        let Ok(chunk) = VerifiedChunk::verify(self.checksum, offset, last, digest, &pieces) else {
            if !self.machine.damaged(frame.head.frame) {
                return self.next_folders();
            }
            let verdict = self.machine.file_failed(file, frame.head.frame, FailureCode::Integrity.into());
            return self.conclude(file, verdict, tree);
        };
        let path = &frame.announcement.as_ref().unwrap().path;
        let written = match tree.fate(path).target {
            TargetFate::Refused => Err(Failure::from(FailureCode::Skipped)),
            TargetFate::Breaks(index) if offset == index * CHUNK_LEN as u64 => {
                Err(FailureCode::NoSpace.into())
            }
            TargetFate::Fine | TargetFate::Breaks(_) | TargetFate::NotPublished => Ok(()),
        };
        let verdict = match written {
            Ok(()) => {
                let new = self.staged.entry(file).or_default().insert(offset);
                assert!(new, "a chunk is written twice");
                self.machine.written(file, frame.head.frame, &chunk).expect("an honest sender")
            }
            Err(failure) => self.machine.file_failed(file, frame.head.frame, failure),
        };
        self.conclude(file, verdict, tree)
    }

    fn conclude(&mut self, file: u32, verdict: Verdict, tree: &Tree) -> Option<Work> {
        match verdict {
            Verdict::Incomplete => {}
            Verdict::Again(_) => unreachable!("this sender begins nothing again"),
            Verdict::Discard(announcement, failure) => {
                self.staged.remove(&file);
                self.report(&announcement.path, Err(failure));
            }
            Verdict::Publish(publish) => {
                let chunks = self.staged.remove(&file).expect("published once");
                let count = publish.size().div_ceil(CHUNK_LEN as u64).max(1);
                assert!(chunks.into_iter().eq((0..count).map(|index| index * CHUNK_LEN as u64)));
                let path = &publish.announcement().path;
                assert_eq!(publish.root(), tree::root(self.checksum, path, publish.size()), "{path:?}");
                let announced = publish.announcement().size;
                let expected = announced.or(tree.stream.map(|stream| stream.len));
                assert_eq!(expected, Some(publish.size()));
                return Some(Work::Publishing(publish));
            }
        }
        self.next_folders()
    }

    fn pack(&mut self, frame: &Frame, tree: &Tree) {
        let Payload::Entries(entries) = &frame.payload else { unreachable!() };
        let before = self.partly.remove(&frame.head.frame).unwrap_or_default();
        let (mut failures, mut folders, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
        for (number, entry) in (0..).zip(entries).filter(|(number, _)| !before.contains(number)) {
            let path = &entry.path;
            let result = match entry.kind {
                EntryKind::Folder => {
                    let (modified, mode) = (None, 0o755);
                    folders.push(FolderEntry { entry: number, path: path.clone(), modified, mode });
                    continue;
                }
                EntryKind::Lost => {
                    self.report(path, Err(FailureCode::PermissionDenied.into()));
                    continue;
                }
                EntryKind::File => {
                    if VerifiedContent::verify(self.checksum, entry.digest, &[&entry.content[..]]).is_err() {
                        damaged.push((number, path));
                        continue;
                    }
                    assert_eq!(entry.content, tree::content(path));
                    small_result(path, tree)
                }
                EntryKind::Symlink => small_result(path, tree),
            };
            self.report(path, result.clone());
            failures.extend(result.err().map(|failure| (number, failure)));
        }
        if !damaged.is_empty() && !self.machine.damaged(frame.head.frame) {
            let again = |number: &u32| {
                damaged.iter().any(|(damaged, _)| damaged == number)
                    || folders.iter().any(|folder| folder.entry == *number)
            };
            let settled = (0..entries.len() as u32).filter(|number| !again(number)).collect();
            self.partly.insert(frame.head.frame, settled);
            self.machine.entries_failed(frame.head.frame, failures);
            return;
        }
        for (number, path) in damaged {
            self.report(path, Err(FailureCode::Integrity.into()));
            failures.push((number, FailureCode::Integrity.into()));
        }
        self.machine.packed(frame.head.frame, failures, folders);
    }

    fn next_folders(&mut self) -> Option<Work> {
        self.machine.next_folders().map(|(frame, folders)| Work::Folders(frame, folders))
    }

    fn set_folders(&mut self, frame: u64, folders: Vec<FolderEntry>, tree: &Tree) {
        let mut failures = Vec::new();
        for folder in folders {
            let below = tree
                .items
                .iter()
                .filter(|item| item.path != folder.path && item.path.strip_prefix(&folder.path).is_some());
            for item in below {
                assert!(
                    self.reports.contains_key(&item.path),
                    "{:?} is not settled, and its folder is",
                    item.path
                );
            }
            let result = small_result(&folder.path, tree);
            self.report(&folder.path, result.clone());
            failures.extend(result.err().map(|failure| (folder.entry, failure)));
        }
        self.machine.folders_set(frame, failures);
    }

    fn report(&mut self, path: &RemotePath, result: Result<(), Failure>) {
        let before = self.reports.insert(path.clone(), result);
        assert_eq!(before, None, "{path:?} is settled twice");
    }
}

fn small_result(path: &RemotePath, tree: &Tree) -> Result<(), Failure> {
    match tree.fate(path).target {
        TargetFate::Refused => Err(FailureCode::Skipped.into()),
        TargetFate::Fine | TargetFate::Breaks(_) | TargetFate::NotPublished => Ok(()),
    }
}
