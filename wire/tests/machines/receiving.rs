//! The receiving end: repeats, step by step, the work of `engine::receive` around the machine, and checks its rules.

use crate::tree::{self, Chunk, TargetFate, Tree};
use std::collections::{BTreeMap, BTreeSet};
use wire::checksum::{Checksum, Digest};
use wire::frame::{Announcement, BlockExtra, EntryKind, FrameHead, FrameKind, SealEnd};
use wire::ids::{FileNo, FrameNo};
use wire::limits::CHUNK_LEN;
use wire::receiver::{Begin, FolderEntry, Publish, Receiver, Verdict};
use wire::verified::{VerifiedChunk, VerifiedContent};
use wire::{Failure, FailureCode, RemotePath};

/// A frame in transit. Contents are stand-ins with their real lengths.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) head: FrameHead,
    pub(crate) announcement: Option<Announcement>,
    pub(crate) payload: Payload,
}

#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Chunk(Chunk),
    /// A chunk that does not match its digest.
    Damaged,
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
    /// The version of it that is sent.
    pub(crate) version: u64,
}

/// The current step of a lane's thread. It takes time, while other lanes continue.
#[derive(Debug)]
pub(crate) enum Work {
    Chunk(Frame),
    Hole(Frame),
    Pack(Frame),
    Publishing(Publish),
    Folders(FrameNo, Vec<FolderEntry>),
}

/// The receiving end of a job.
pub(crate) struct Receiving {
    pub(crate) machine: Receiver,
    checksum: Checksum,
    /// Written chunks of staged files, by their offsets.
    staged: BTreeMap<FileNo, BTreeMap<u64, Chunk>>,
    partly: BTreeMap<FrameNo, BTreeSet<u32>>,
    pub(crate) reports: BTreeMap<RemotePath, Result<(), Failure>>,
}

impl Receiving {
    pub(crate) fn new(checksum: Checksum, window: u32, holes: bool) -> Self {
        Self {
            machine: Receiver::new(checksum, window).with_holes(holes),
            checksum,
            staged: BTreeMap::new(),
            partly: BTreeMap::new(),
            reports: BTreeMap::new(),
        }
    }

    /// Returns the number of staged files.
    pub(crate) fn open_files(&self) -> usize {
        self.staged.len()
    }

    /// Handles a frame that a lane has received. Returns its thread's next step.
    pub(crate) fn take(&mut self, frame: Frame, tree: &Tree) -> Option<Work> {
        if self.machine.begin(&frame.head).expect("an honest sender") == Begin::Drop {
            return None;
        }
        let announcement = frame.announcement.clone();
        match frame.head.kind {
            FrameKind::Pack { .. } => Some(Work::Pack(frame)),
            FrameKind::Block { .. } => {
                let (content_len, announcement) = (frame.head.payload_len, announcement.unwrap());
                let extra = BlockExtra { content_len, announcement };
                let begun = self.machine.block(&frame.head, extra).expect("an honest sender");
                if begun == Begin::Drop {
                    return self.next_folders();
                }
                self.stage(&frame);
                Some(Work::Chunk(frame))
            }
            FrameKind::Hole { .. } => {
                let begun = self.machine.hole(&frame.head, announcement.unwrap()).expect("an honest sender");
                if begun == Begin::Drop {
                    return self.next_folders();
                }
                self.stage(&frame);
                Some(Work::Hole(frame))
            }
            FrameKind::Seal { file, end, .. } => {
                let loss = if let Payload::Loss(failure) = frame.payload { Some(failure) } else { None };
                assert_eq!(loss.is_some(), end == SealEnd::GivenUp);
                let verdict = match end {
                    SealEnd::Again => self.machine.begun_again(&frame.head, announcement.unwrap()),
                    SealEnd::Whole | SealEnd::AsIs | SealEnd::GivenUp => {
                        self.machine.seal(&frame.head, announcement.unwrap(), loss)
                    }
                };
                let verdict = verdict.expect("an honest sender");
                if let Verdict::Again(_) = &verdict {
                    self.machine.forgotten(frame.head.frame);
                }
                self.conclude(file, verdict, tree)
            }
        }
    }

    /// Ends a step of a lane's thread. Returns the next.
    pub(crate) fn worked(&mut self, work: Work, tree: &Tree) -> Option<Work> {
        match work {
            Work::Chunk(frame) => self.chunk(&frame, tree),
            Work::Hole(frame) => self.hole(&frame, tree),
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

    fn stage(&mut self, frame: &Frame) {
        let (FrameKind::Block { file, .. } | FrameKind::Hole { file, .. }) = frame.head.kind else {
            unreachable!()
        };
        self.staged.entry(file).or_default();
    }

    fn chunk(&mut self, frame: &Frame, tree: &Tree) -> Option<Work> {
        let FrameKind::Block { file, offset, last, digest, .. } = frame.head.kind else { unreachable!() };
        let content = if let Payload::Chunk(content) = &frame.payload { content } else { &DAMAGED };
        let bytes = content.bytes();
        let pieces = [&bytes[..]];
        let Ok(chunk) = VerifiedChunk::verify(self.checksum, offset, last, digest, &pieces) else {
            if !self.machine.damaged(frame.head.frame) {
                return self.next_folders();
            }
            let verdict = self.machine.file_failed(file, frame.head.frame, FailureCode::Integrity.into());
            return self.conclude(file, verdict, tree);
        };
        let verdict = match self.write(frame, file, offset, content.clone(), tree) {
            Ok(()) => self.machine.written(file, frame.head.frame, &chunk).expect("an honest sender"),
            Err(failure) => self.machine.file_failed(file, frame.head.frame, failure),
        };
        self.conclude(file, verdict, tree)
    }

    fn hole(&mut self, frame: &Frame, tree: &Tree) -> Option<Work> {
        let FrameKind::Hole { file, offset, len, .. } = frame.head.kind else { unreachable!() };
        let made = (offset..offset + len).step_by(CHUNK_LEN).try_for_each(|chunk| {
            let zeros = CHUNK_LEN.min((offset + len - chunk) as usize);
            self.write(frame, file, chunk, Chunk::Zeros(zeros), tree)
        });
        let verdict = match made {
            Ok(()) => self.machine.holed(&frame.head).expect("an honest sender"),
            Err(failure) => self.machine.file_failed(file, frame.head.frame, failure),
        };
        self.conclude(file, verdict, tree)
    }

    /// Writes a chunk to its staged file, unless that was discarded meanwhile.
    fn write(
        &mut self,
        frame: &Frame,
        file: FileNo,
        offset: u64,
        content: Chunk,
        tree: &Tree,
    ) -> Result<(), Failure> {
        match tree.fate(&frame.announcement.as_ref().unwrap().path).target {
            TargetFate::Refused => return Err(FailureCode::Skipped.into()),
            TargetFate::Breaks(index) if offset == index * CHUNK_LEN as u64 => {
                return Err(FailureCode::NoSpace.into());
            }
            TargetFate::Fine | TargetFate::Breaks(_) | TargetFate::NotPublished => {}
        }
        let Some(chunks) = self.staged.get_mut(&file) else { return Ok(()) };
        assert_eq!(chunks.insert(offset, content), None, "a chunk is written twice");
        Ok(())
    }

    fn conclude(&mut self, file: FileNo, verdict: Verdict, tree: &Tree) -> Option<Work> {
        match verdict {
            Verdict::Incomplete => {}
            Verdict::Again(_) => drop(self.staged.remove(&file)),
            Verdict::Discard(announcement, failure) => {
                self.staged.remove(&file);
                self.report(&announcement.path, Err(failure));
            }
            Verdict::Publish(publish) => {
                let chunks = self.staged.remove(&file).expect("published once");
                self.check_published(&publish, &chunks, tree);
                return Some(Work::Publishing(publish));
            }
        }
        self.next_folders()
    }

    /// Checks that a file is whole, and in one state unless it is marked otherwise.
    fn check_published(&self, publish: &Publish, chunks: &BTreeMap<u64, Chunk>, tree: &Tree) {
        let (path, size) = (&publish.announcement().path, publish.size());
        assert_eq!(chunks.len() as u64, size.div_ceil(CHUNK_LEN as u64).max(1), "{path:?}");
        assert_eq!(publish.root(), tree::root(self.checksum, chunks, size), "{path:?}");
        let Some(modified) = publish.announcement().modified else {
            return assert_eq!(tree.stream.map(|stream| stream.len), Some(size));
        };
        assert_eq!(publish.announcement().size, Some(size));
        if publish.is_as_is() {
            return;
        }
        let version = (0..20).find(|version| tree.file(path, *version).modified == modified).unwrap();
        assert_eq!(tree.file(path, version).size, size, "{path:?}");
        for (offset, chunk) in chunks {
            let len = (CHUNK_LEN as u64).min(size - offset) as usize;
            assert_eq!(*chunk, tree.chunk(path, *offset, len, version), "{path:?} at {offset}");
        }
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
                    assert_eq!(entry.content, tree::content(path, entry.version));
                    assert_eq!(entry.len as u64, tree.file(path, entry.version).size);
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

    fn set_folders(&mut self, frame: FrameNo, folders: Vec<FolderEntry>, tree: &Tree) {
        let mut failures = Vec::new();
        for folder in folders {
            let below = tree
                .items
                .iter()
                .filter(|item| item.path != folder.path && item.path.strip_prefix(&folder.path).is_some());
            for item in below {
                let is_settled = self.reports.contains_key(&item.path);
                assert!(is_settled, "{:?} is not settled, and its folder is", item.path);
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

/// Arrives instead of a chunk.
static DAMAGED: Chunk = Chunk::Zeros(1);

fn small_result(path: &RemotePath, tree: &Tree) -> Result<(), Failure> {
    match tree.fate(path).target {
        TargetFate::Refused => Err(FailureCode::Skipped.into()),
        TargetFate::Fine | TargetFate::Breaks(_) | TargetFate::NotPublished => Ok(()),
    }
}
