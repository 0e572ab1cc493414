//! The sending end: repeats the work of `engine::send` around the machine, and checks its rules.

use crate::receiving::{Entry, Frame, Payload};
use crate::tree::{self, Chunk, SourceFate, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::checksum::{Checksum, ChunkPlace, Digest};
use wire::frame::{
    ANNOUNCEMENT_LEN, BLOCK_EXTRA_LEN, ENTRY_HEAD_LEN, EntryKind, FrameHead, FrameKind, SealEnd,
};
use wire::ids::{FileNo, FrameNo, JobId, LaneNo};
use wire::limits::{CHUNK_LEN, PACK_LEN_MAX};
use wire::message::{Ack, Changing};
use wire::metadata::{Kind, Metadata};
use wire::sender::{Asking, Content, Item, ItemKind, LargeFile, Packed, Plan, Sender, Settled, packed_len};
use wire::{Failure, FailureCode, RemotePath};

/// How the sender treats files that change, and whether it looks for holes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) changing: Changing,
    pub(crate) holes: bool,
}

/// Why a file is not read to its end, like in `engine::reading`.
enum Broken {
    Failed(Failure),
    /// It is read again, in this version.
    Again(u64),
}

/// An open large file.
#[derive(Debug, Clone, Copy)]
struct Open {
    version: u64,
    /// The end of its seal, once made.
    sealed: Option<SealEnd>,
}

/// The sending end of a job.
pub(crate) struct Sending {
    pub(crate) machine: Sender,
    checksum: Checksum,
    window: u64,
    offered: usize,
    /// Bytes of the stream read so far; `None` once it has ended.
    stream_read: Option<u64>,
    /// Stream chunks that the receiver does not have yet.
    stream_held: BTreeSet<u64>,
    habits: Habits,
    opened: BTreeMap<FileNo, Open>,
    /// Files that were opened anew until they are read, and how often they were read.
    kept: BTreeMap<RemotePath, u64>,
    reads: BTreeMap<RemotePath, u32>,
    planned: u64,
    acked: BTreeSet<u64>,
    chunks_acked: BTreeSet<(FileNo, u64)>,
    pub(crate) settled: BTreeMap<RemotePath, Settled>,
    pub(crate) end: Option<u64>,
}

impl Sending {
    pub(crate) fn new(checksum: Checksum, window: u32, tree: &Tree, habits: Habits) -> Self {
        Self {
            machine: Sender::new(checksum, window, Asking::Never),
            checksum,
            window: window.into(),
            offered: 0,
            stream_read: tree.stream.map(|_| 0),
            stream_held: BTreeSet::new(),
            habits,
            opened: BTreeMap::new(),
            kept: BTreeMap::new(),
            reads: BTreeMap::new(),
            planned: 0,
            acked: BTreeSet::new(),
            chunks_acked: BTreeSet::new(),
            settled: BTreeMap::new(),
            end: None,
        }
    }

    /// Offers items as long as they are wanted.
    pub(crate) fn refill(&mut self, tree: &Tree) {
        while self.machine.wants_items() {
            match tree.items.get(self.offered) {
                Some(item) => self.machine.add(item.clone()),
                None => return self.machine.end_items(),
            }
            self.offered += 1;
        }
    }

    /// True if a lane should continue to read the stream.
    pub(crate) fn wants_stream(&self) -> bool {
        self.stream_read.is_some() && self.machine.wants_stream() && self.stream_held.len() < STREAM_CHUNKS
    }

    /// Records a chunk read from the stream.
    pub(crate) fn read_stream(&mut self, tree: &Tree) {
        let (Some(read), Some(stream)) = (self.stream_read, tree.stream) else { return };
        let chunk = (stream.len - read).min(CHUNK_LEN as u64);
        let ended = chunk < CHUNK_LEN as u64;
        self.stream_read = (!ended).then_some(read + chunk);
        if ended && stream.fails {
            self.machine.fail_stream(FileNo(0), FailureCode::Io.into());
            return;
        }
        self.stream_held.insert(read);
        self.machine.extend(FileNo(0), read + chunk, ended);
    }

    /// The next frame for a lane.
    pub(crate) fn next(&mut self, lane: u16) -> Option<Plan> {
        let plan = self.machine.next(LaneNo(lane))?;
        assert!(!self.acked.contains(&plan.frame.0), "frame {} is acknowledged and sent again", plan.frame);
        let oldest = (0..).find(|frame| !self.acked.contains(frame)).unwrap();
        assert!(plan.frame < FrameNo(oldest + self.window), "frame {} is beyond the window", plan.frame);
        assert!(plan.frame <= FrameNo(self.planned), "frame {} leaves out {}", plan.frame, self.planned);
        assert!(
            self.end.is_none_or(|end| plan.frame < FrameNo(end)),
            "frame {} is beyond the end",
            plan.frame
        );
        self.planned = self.planned.max(plan.frame.0 + 1);
        if let Content::Block { file, offset, .. } = &plan.content {
            let chunk = (file.number, *offset);
            assert!(!self.chunks_acked.contains(&chunk), "chunk {chunk:?} is acknowledged and sent again");
        }
        Some(plan)
    }

    /// Reads the content of a frame, and puts it together.
    pub(crate) fn build(&mut self, plan: &Plan, tree: &Tree, now: u64) -> Frame {
        let frame = self.content(plan.frame, &plan.content, tree, now);
        assert_eq!(FrameHead::decode(&frame.head.encode()), Ok(frame.head), "a head that no receiver takes");
        frame
    }

    pub(crate) fn acknowledged(&mut self, ack: &Ack) {
        let progress = self.machine.acked(ack).expect("an honest receiver");
        for range in &ack.done {
            self.acked.extend(range.first.0..range.first.0 + u64::from(range.count));
        }
        for (file, offset, _) in progress.held {
            self.chunks_acked.insert((file.number, offset));
            if file.announcement.size.is_none() {
                self.stream_held.remove(&offset);
            }
        }
        for number in progress.again {
            self.opened.remove(&number);
        }
        for settled in progress.settled {
            self.kept.remove(&settled.path);
            self.reads.remove(&settled.path);
            let before = self.settled.insert(settled.path.clone(), settled);
            assert_eq!(before, None, "an item is settled twice");
        }
    }

    /// Returns the number of frames, once the machine reports it.
    pub(crate) fn take_end(&mut self) -> Option<wire::message::End> {
        let end = self.machine.end()?;
        assert_eq!(self.end.replace(end.frames), None, "the end is told twice");
        assert_eq!(end.frames, self.planned);
        Some(end)
    }

    fn content(&mut self, frame: FrameNo, content: &Content, tree: &Tree, now: u64) -> Frame {
        match content {
            Content::Pack(items) => self.pack(frame, items, tree, now),
            Content::Block { file, offset, len, last } => {
                match self.block(frame, file, (*offset, *len, *last), tree, now) {
                    Ok(built) => built,
                    Err(instead) => self.content(frame, &instead, tree, now),
                }
            }
            Content::Seal { file, result } => match self.seal_end(file, result.clone(), tree, now) {
                Ok(((size, root), end)) => {
                    if let Err(instead) = self.machine.sealed(frame) {
                        return self.content(frame, &instead, tree, now);
                    }
                    seal(frame, file, (size, root), end)
                }
                Err(Broken::Failed(failure)) => match self.machine.give_up(frame, file, failure) {
                    Content::Seal { result: Err(failure), .. } => {
                        let kind = seal_kind(file, (0, Digest::default()), SealEnd::GivenUp);
                        large(frame, file, kind, 2 + failure.message.len(), Payload::Loss(failure))
                    }
                    Content::Pack(_)
                    | Content::Block { .. }
                    | Content::Hole { .. }
                    | Content::Seal { .. }
                    | Content::Again { .. } => seal(frame, file, (0, Digest::default()), SealEnd::Again),
                },
                Err(broken) => {
                    let instead = self.instead(frame, file, broken, tree);
                    self.content(frame, &instead, tree, now)
                }
            },
            Content::Hole { file, offset, len, last } => {
                let (number, offset, len, last) = (file.number, *offset, *len, *last);
                let kind = FrameKind::Hole { file: number, offset, len, last };
                large(frame, file, kind, 0, Payload::Nothing)
            }
            Content::Again { file } => seal(frame, file, (0, Digest::default()), SealEnd::Again),
        }
    }

    /// Replaces a frame of a file that is not read to its end.
    fn instead(&mut self, frame: FrameNo, file: &Arc<LargeFile>, broken: Broken, tree: &Tree) -> Content {
        let path = &file.announcement.path;
        match broken {
            Broken::Failed(failure) => self.machine.give_up(frame, file, failure),
            Broken::Again(version) => {
                self.kept.insert(path.clone(), version);
                self.machine.begin_again(frame, file, tree.file(path, version))
            }
        }
    }

    fn block(
        &mut self,
        frame: FrameNo,
        file: &Arc<LargeFile>,
        (offset, len, last): (u64, usize, bool),
        tree: &Tree,
        now: u64,
    ) -> Result<Frame, Content> {
        let path = &file.announcement.path;
        let chunk = match self.read(frame, file, (offset, len), tree, now) {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(zeros)) => return Err(zeros),
            Err(broken) => return Err(self.instead(frame, file, broken, tree)),
        };
        let digest = chunk.digest(self.checksum, ChunkPlace::at(offset, last));
        if self.machine.has_other_digest(frame, digest) {
            let broken = self.changed(path, tree, now);
            return Err(self.instead(frame, file, broken, tree));
        }
        self.machine.hashed(frame, digest)?;
        let kind = FrameKind::Block { file: file.number, offset, last, digest, encoding: Default::default() };
        Ok(large(frame, file, kind, len, Payload::Chunk(chunk)))
    }

    /// Reads a chunk or finds a hole there, and returns the content to send.
    fn read(
        &mut self,
        frame: FrameNo,
        file: &Arc<LargeFile>,
        (offset, len): (u64, usize),
        tree: &Tree,
        now: u64,
    ) -> Result<Result<Chunk, Content>, Broken> {
        let path = &file.announcement.path;
        self.opened(file, tree, now)?;
        let source = tree.fate(path).source;
        if matches!(source, SourceFate::Breaks(time) if now >= time) {
            return Err(Broken::Failed(FailureCode::Io.into()));
        }
        if file.announcement.size.is_none() {
            return Ok(Ok(tree.chunk(path, offset, len, 0)));
        }
        let (version, end) = (source.version(now), offset + len as u64);
        if self.habits.holes {
            let data = tree.next_data(path, offset, version);
            if data >= end
                && let Some(zeros) = self.machine.found_zeros(frame, data)
            {
                return Ok(Err(zeros));
            }
        }
        if tree.file(path, version).size < end {
            Err(self.changed(path, tree, now))
        } else {
            Ok(Ok(tree.chunk(path, offset, len, version)))
        }
    }

    /// Opens the file. If it is not as announced, it is sent again with a new announcement.
    fn opened(&mut self, file: &LargeFile, tree: &Tree, now: u64) -> Result<Open, Broken> {
        let (path, announced) = (&file.announcement.path, &file.announcement);
        if let Some(open) = self.opened.get(&file.number) {
            return Ok(*open);
        }
        let version = self.open(path, tree, now)?;
        if announced.size.is_some() {
            let found = tree.file(path, version);
            if announced.size != Some(found.size) || announced.modified != Some(found.modified) {
                return Err(Broken::Again(version));
            }
        }
        Ok(*self.opened.entry(file.number).or_insert(Open { version, sealed: None }))
    }

    /// Opens a file, or takes the one that was kept; returns its version.
    fn open(&mut self, path: &RemotePath, tree: &Tree, now: u64) -> Result<u64, Broken> {
        match (self.kept.remove(path), tree.fate(path).source) {
            (Some(version), _) => Ok(version),
            (None, SourceFate::Breaks(time)) if now >= time => {
                Err(Broken::Failed(FailureCode::NotFound.into()))
            }
            (None, source) => Ok(source.version(now)),
        }
    }

    /// Handles a file that changed while it was read.
    fn changed(&mut self, path: &RemotePath, tree: &Tree, now: u64) -> Broken {
        if self.habits.changing == Changing::Skip {
            return Broken::Failed(FailureCode::Skipped.into());
        }
        let reads = self.reads.entry(path.clone()).or_insert(1);
        *reads += 1;
        if *reads > READS_MAX {
            Broken::Failed(FailureCode::SourceChanged.into())
        } else {
            Broken::Again(tree.fate(path).source.version(now))
        }
    }

    fn seal_end<T>(
        &mut self,
        file: &Arc<LargeFile>,
        result: Result<T, Failure>,
        tree: &Tree,
        now: u64,
    ) -> Result<(T, SealEnd), Broken> {
        let sealed = result.map_err(Broken::Failed)?;
        let open = self.opened(file, tree, now)?;
        if let Some(end) = open.sealed {
            return Ok((sealed, end));
        }
        let path = &file.announcement.path;
        let same = file.announcement.size.is_none() || tree.fate(path).source.version(now) == open.version;
        let end = match self.habits.changing {
            _ if same => SealEnd::Whole,
            Changing::AsIs => SealEnd::AsIs,
            Changing::Retry | Changing::Skip => return Err(self.changed(path, tree, now)),
        };
        if end == SealEnd::AsIs {
            self.machine.seal_as_is(file);
        }
        self.opened.insert(file.number, Open { sealed: Some(end), ..open });
        Ok((sealed, end))
    }

    fn pack(&mut self, frame: FrameNo, items: &[Item], tree: &Tree, now: u64) -> Frame {
        let (mut entries, mut results, mut later) = (Vec::new(), Vec::new(), BTreeSet::new());
        let mut reserved: usize = items.iter().map(packed_len).sum();
        let stays = self.machine.is_built(frame);
        let mut at = 0;
        for item in items {
            reserved -= packed_len(item);
            let packed = match self.entry(item, PACK_LEN_MAX.saturating_sub(at + reserved), &later, tree, now)
            {
                Ok((entry, packed)) => {
                    at += ENTRY_HEAD_LEN + entry.path.as_bytes().len() + entry.len;
                    entries.push(entry);
                    packed
                }
                Err(_) if stays => {
                    let (entry, packed) = lost(&item.path, FailureCode::SourceChanged.into());
                    at += ENTRY_HEAD_LEN + entry.path.as_bytes().len() + entry.len;
                    entries.push(entry);
                    packed
                }
                Err(metadata) => {
                    later.extend(item.path.split_last().map(|(folder, _)| folder));
                    Packed::Later(metadata)
                }
            };
            results.push(packed);
        }
        if let Some(instead) = self.machine.packed(frame, results) {
            return self.content(frame, &instead, tree, now);
        }
        let kind = FrameKind::Pack { entries: entries.len() as u32, encoding: Default::default() };
        let head = FrameHead { job: JobId(1), frame, extra_len: 0, payload_len: at as u32, kind };
        Frame { head, announcement: None, payload: Payload::Entries(entries) }
    }

    /// Builds an entry of a pack, or returns the form in which the item is sent later.
    fn entry(
        &mut self,
        item: &Item,
        room: usize,
        later: &BTreeSet<RemotePath>,
        tree: &Tree,
        now: u64,
    ) -> Result<(Entry, Packed), Metadata> {
        let path = &item.path;
        let source = tree.fate(path).source;
        let fine = !matches!(source, SourceFate::Breaks(time) if now >= time);
        match &item.kind {
            ItemKind::Present(metadata) if metadata.kind == Kind::Folder && later.contains(path) => {
                Err(*metadata)
            }
            ItemKind::Present(metadata) if metadata.kind == Kind::Folder => {
                Ok(made(path, EntryKind::Folder, 0))
            }
            ItemKind::Present(metadata) if metadata.kind == Kind::Symlink && fine => {
                Ok(made(path, EntryKind::Symlink, metadata.size as usize))
            }
            ItemKind::Present(_) if fine => self.small_file(path, room, tree, now),
            ItemKind::Unreadable(failure) => Ok(lost(path, failure.clone())),
            ItemKind::Present(_) => Ok(lost(path, FailureCode::NotFound.into())),
            ItemKind::Stream { .. } => unreachable!("a stream is no small item"),
        }
    }

    fn small_file(
        &mut self,
        path: &RemotePath,
        room: usize,
        tree: &Tree,
        now: u64,
    ) -> Result<(Entry, Packed), Metadata> {
        let version = match self.open(path, tree, now) {
            Ok(version) => version,
            Err(Broken::Failed(failure)) => return Ok(lost(path, failure)),
            Err(Broken::Again(_)) => unreachable!(),
        };
        let current = tree.fate(path).source.version(now);
        let found = tree.file(path, version);
        let grown = (found.size as usize).saturating_add(ENTRY_HEAD_LEN + path.as_bytes().len()) > room;
        let restless = version != current || (current > 0 && now.is_multiple_of(3));
        if grown {
            self.kept.insert(path.clone(), version);
            return Err(found);
        }
        if restless && self.habits.changing != Changing::AsIs {
            return match self.changed(path, tree, now) {
                Broken::Failed(failure) => Ok(lost(path, failure)),
                Broken::Again(version) => {
                    self.kept.insert(path.clone(), version);
                    Err(tree.file(path, version))
                }
            };
        }
        let content = tree::content(path, version);
        let digest = self.checksum.of_small_file([&content[..]]);
        let (entry, _) = made(path, EntryKind::File, found.size as usize);
        let entry = Entry { content, digest, version, ..entry };
        Ok((entry, Packed::Sent { bytes: found.size, digest: Some(digest), as_is: restless }))
    }
}

fn made(path: &RemotePath, kind: EntryKind, len: usize) -> (Entry, Packed) {
    let (path, content, digest) = (path.clone(), vec![], Digest::default());
    let entry = Entry { path, kind, len, content, digest, version: 0 };
    (entry, Packed::Sent { bytes: len as u64, digest: None, as_is: false })
}

fn lost(path: &RemotePath, failure: Failure) -> (Entry, Packed) {
    let (entry, _) = made(path, EntryKind::Lost, 2);
    (entry, Packed::Unreadable(failure))
}

fn seal(frame: FrameNo, file: &LargeFile, root: (u64, Digest), end: SealEnd) -> Frame {
    large(frame, file, seal_kind(file, root, end), 0, Payload::Nothing)
}

fn seal_kind(file: &LargeFile, (size, root): (u64, Digest), end: SealEnd) -> FrameKind {
    FrameKind::Seal { file: file.number, size, root, end }
}

fn large(frame: FrameNo, file: &LargeFile, kind: FrameKind, payload_len: usize, payload: Payload) -> Frame {
    let fixed_len = if matches!(kind, FrameKind::Block { .. }) { BLOCK_EXTRA_LEN } else { ANNOUNCEMENT_LEN };
    let extra_len = (fixed_len + file.announcement.path.as_bytes().len()) as u16;
    let head = FrameHead { job: JobId(1), frame, extra_len, payload_len: payload_len as u32, kind };
    Frame { head, announcement: Some(file.announcement.clone()), payload }
}

/// Most reads of a file that changes each time.
const READS_MAX: u32 = 3;
/// Most chunks of a stream kept until the receiver has them.
const STREAM_CHUNKS: usize = 4;
