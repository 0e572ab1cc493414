//! The sending end: what `engine::send` does around the machine, and the rules that it must keep.

use crate::receiving::{Entry, Frame, Payload};
use crate::tree::{self, SourceFate, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::checksum::{Checksum, ChunkPlace, Digest};
use wire::frame::{ANNOUNCEMENT_LEN, ENTRY_HEAD_LEN, EntryKind, FrameHead, FrameKind, SealEnd};
use wire::limits::CHUNK_LEN;
use wire::message::Ack;
use wire::metadata::Kind;
use wire::sender::{Asking, Content, Item, LargeFile, Packed, Plan, Sender, Settled, What};
use wire::{Failure, FailureCode, RemotePath};

/// The sending end of a job.
pub(crate) struct Sending {
    pub(crate) machine: Sender,
    checksum: Checksum,
    window: u64,
    offered: usize,
    /// Bytes of the stream that were read so far; nothing once it has ended.
    stream_read: Option<u64>,
    /// Stream chunks that the receiver has not got yet.
    stream_held: BTreeSet<u64>,
    /// Files that were opened, and when.
    opened: BTreeSet<u32>,
    planned: u64,
    acked: BTreeSet<u64>,
    chunks_acked: BTreeSet<(u32, u64)>,
    pub(crate) settled: BTreeMap<RemotePath, Settled>,
    pub(crate) end: Option<u64>,
}

impl Sending {
    pub(crate) fn new(checksum: Checksum, window: u32, tree: &Tree) -> Self {
        Self {
            machine: Sender::new(checksum, window, Asking::Never),
            checksum,
            window: window.into(),
            offered: 0,
            stream_read: tree.stream.map(|_| 0),
            stream_held: BTreeSet::new(),
            opened: BTreeSet::new(),
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

    /// True if a lane is to read on in the stream.
    pub(crate) fn wants_stream(&self) -> bool {
        self.stream_read.is_some() && self.machine.wants_stream() && self.stream_held.len() < STREAM_CHUNKS
    }

    /// A chunk of the stream was read.
    pub(crate) fn read_stream(&mut self, tree: &Tree) {
        let (Some(read), Some(stream)) = (self.stream_read, tree.stream) else { return };
        let chunk = (stream.len - read).min(CHUNK_LEN as u64);
        let ended = chunk < CHUNK_LEN as u64;
        self.stream_read = (!ended).then_some(read + chunk);
        if ended && stream.fails {
            self.machine.fail_stream(0, FailureCode::Io.into());
            return;
        }
        self.stream_held.insert(read);
        self.machine.extend(0, read + chunk, ended);
    }

    /// The next frame for a lane.
    pub(crate) fn next(&mut self, lane: u16) -> Option<Plan> {
        let plan = self.machine.next(lane)?;
        assert!(!self.acked.contains(&plan.frame), "frame {} is acknowledged and sent again", plan.frame);
        let oldest = (0..).find(|frame| !self.acked.contains(frame)).unwrap();
        assert!(plan.frame < oldest + self.window, "frame {} is beyond the window", plan.frame);
        assert!(plan.frame <= self.planned, "frame {} leaves out {}", plan.frame, self.planned);
        assert!(self.end.is_none_or(|end| plan.frame < end), "frame {} is beyond the end", plan.frame);
        self.planned = self.planned.max(plan.frame + 1);
        if let Content::Block { file, offset, .. } = &plan.content {
            let chunk = (file.number, *offset);
            assert!(!self.chunks_acked.contains(&chunk), "chunk {chunk:?} is acknowledged and sent again");
        }
        Some(plan)
    }

    /// Reads what a frame is made of, and puts it together.
    pub(crate) fn build(&mut self, plan: &Plan, tree: &Tree, now: u64) -> Frame {
        let frame = self.content(plan.frame, &plan.content, tree, now);
        assert_eq!(FrameHead::decode(&frame.head.encode()), Ok(frame.head), "a head that no receiver takes");
        frame
    }

    pub(crate) fn acknowledged(&mut self, ack: &Ack) {
        let progress = self.machine.acked(ack).expect("an honest receiver");
        for range in &ack.done {
            self.acked.extend(range.first..range.first + u64::from(range.count));
        }
        for (file, offset, _) in progress.held {
            self.chunks_acked.insert((file.number, offset));
            if file.announcement.size.is_none() {
                self.stream_held.remove(&offset);
            }
        }
        for settled in progress.settled {
            let before = self.settled.insert(settled.path.clone(), settled);
            assert_eq!(before, None, "an item is settled twice");
        }
    }

    /// How many frames there are, when the machine tells it.
    pub(crate) fn take_end(&mut self) -> Option<wire::message::End> {
        let end = self.machine.end()?;
        assert_eq!(self.end.replace(end.frames), None, "the end is told twice");
        assert_eq!(end.frames, self.planned);
        Some(end)
    }

    fn content(&mut self, frame: u64, content: &Content, tree: &Tree, now: u64) -> Frame {
        match content {
            Content::Pack(items) => self.pack(frame, items, tree, now),
            Content::Block { file, offset, len, last } => {
                match self.block(frame, file, (*offset, *len, *last), tree, now) {
                    Ok(built) => built,
                    Err(instead) => self.content(frame, &instead, tree, now),
                }
            }
            Content::Seal { file, result } => match self.check_unchanged(file, result.clone(), tree, now) {
                Ok((size, root)) => {
                    self.machine.sealed(frame);
                    let kind = FrameKind::Seal { file: file.number, size, root, end: SealEnd::Whole };
                    large(frame, file, kind, 0, Payload::Nothing)
                }
                Err(failure) => {
                    self.machine.give_up(frame, file, failure.clone());
                    let (size, root) = (0, Digest::default());
                    let kind = FrameKind::Seal { file: file.number, size, root, end: SealEnd::GivenUp };
                    large(frame, file, kind, 2 + failure.message.len(), Payload::Loss(failure))
                }
            },
            Content::Hole { .. } => unreachable!("nobody has found holes"),
            Content::Again { file } => {
                let (size, root) = (0, Digest::default());
                let kind = FrameKind::Seal { file: file.number, size, root, end: SealEnd::Again };
                large(frame, file, kind, 0, Payload::Nothing)
            }
        }
    }

    fn block(
        &mut self,
        frame: u64,
        file: &Arc<LargeFile>,
        (offset, len, last): (u64, usize, bool),
        tree: &Tree,
        now: u64,
    ) -> Result<Frame, Content> {
        let path = &file.announcement.path;
        let source = tree.fate(path).source;
        let changed = is_changed(source, now);
        let opens = self.opened.contains(&file.number) || !(changed && file.announcement.size.is_some());
        if !opens || matches!(source, SourceFate::Breaks(time) if now >= time) {
            return Err(self.machine.give_up(frame, file, FailureCode::Io.into()));
        }
        self.opened.insert(file.number);
        let chunk = tree::chunk(path, offset, changed);
        let digest = self.checksum.of_chunk(ChunkPlace::at(offset, last), [&chunk[..]]);
        self.machine.hashed(frame, digest)?;
        let kind = FrameKind::Block { file: file.number, offset, last, digest };
        Ok(large(frame, file, kind, len, Payload::Chunk(chunk)))
    }

    fn check_unchanged<T>(
        &self,
        file: &LargeFile,
        result: Result<T, Failure>,
        tree: &Tree,
        now: u64,
    ) -> Result<T, Failure> {
        let sealed = result?;
        match is_changed(tree.fate(&file.announcement.path).source, now) {
            true => Err(FailureCode::SourceChanged.into()),
            false => Ok(sealed),
        }
    }

    fn pack(&mut self, frame: u64, items: &[Item], tree: &Tree, now: u64) -> Frame {
        let (entries, packed): (Vec<Entry>, Vec<Packed>) =
            items.iter().map(|item| self.entry(item, tree, now)).unzip();
        let payload_len: usize =
            entries.iter().map(|entry| ENTRY_HEAD_LEN + entry.path.as_bytes().len() + entry.len).sum();
        let head = FrameHead {
            job: 1,
            frame,
            extra_len: 0,
            payload_len: payload_len as u32,
            kind: FrameKind::Pack { entries: entries.len() as u32 },
        };
        self.machine.packed(frame, packed);
        Frame { head, announcement: None, payload: Payload::Entries(entries) }
    }

    fn entry(&self, item: &Item, tree: &Tree, now: u64) -> (Entry, Packed) {
        let path = item.path.clone();
        let fine = tree.fate(&path).source == SourceFate::Fine
            || !matches!(tree.fate(&path).source, SourceFate::Breaks(time) if now >= time);
        let made = |kind, len, content, digest: Option<Digest>| {
            let entry = Entry { path: path.clone(), kind, len, content, digest: digest.unwrap_or_default() };
            (entry, Packed::Sent { bytes: len as u64, digest, as_is: false })
        };
        match &item.what {
            What::Present(metadata) if metadata.kind == Kind::Folder => {
                made(EntryKind::Folder, 0, vec![], None)
            }
            What::Present(metadata) if metadata.kind == Kind::Symlink && fine => {
                made(EntryKind::Symlink, metadata.size as usize, vec![], None)
            }
            What::Present(metadata) if fine => {
                let content = tree::content(&path);
                let digest = self.checksum.of_small_file([&content[..]]);
                made(EntryKind::File, metadata.size as usize, content, Some(digest))
            }
            What::Lost(failure) => lost(path, failure.clone()),
            What::Present(_) => lost(path, FailureCode::NotFound.into()),
            What::Stream { .. } => unreachable!("a stream is no small item"),
        }
    }
}

fn lost(path: RemotePath, failure: Failure) -> (Entry, Packed) {
    let entry = Entry { path, kind: EntryKind::Lost, len: 2, content: vec![], digest: Digest::default() };
    (entry, Packed::Lost(failure))
}

fn large(frame: u64, file: &LargeFile, kind: FrameKind, payload_len: usize, payload: Payload) -> Frame {
    let extra_len = (ANNOUNCEMENT_LEN + file.announcement.path.as_bytes().len()) as u16;
    let head = FrameHead { job: 1, frame, extra_len, payload_len: payload_len as u32, kind };
    Frame { head, announcement: Some(file.announcement.clone()), payload }
}

fn is_changed(source: SourceFate, now: u64) -> bool {
    matches!(source, SourceFate::Changes(time) if now >= time)
}

/// Chunks of a stream that are held until the receiver has them.
const STREAM_CHUNKS: usize = 4;
