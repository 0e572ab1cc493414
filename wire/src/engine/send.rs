//! A job's sending side: builds the frames that the sending machine plans. Each frame is one blocking job: read, hash, seal.

use super::memory::{JobMemory, SessionMemory};
use super::source::Source;
use super::{Exchange, Item as Report, Observer, Pacer, lock};
use crate::control::Envelope;
use crate::disk::{self, Disk};
use crate::engine::ChunkBuffer;
use crate::failure::{Failure, FailureCode};
use crate::frame::{Announcement, ENTRY_HEAD_LEN, EntryHead, EntryKind, FrameHead, FrameKind, encode_loss};
use crate::limits::{PACK_LEN_MAX, PACKED_FILE_LEN_MAX, PATH_LEN_MAX};
use crate::message::{Ack, Held, Offer, OfferedItem};
use crate::metadata::{Kind, MODE_BITS, Metadata, SourceId, Timestamp};
use crate::net::control::Outbox;
use crate::net::record::{RecordError, Sealer};
use crate::sender::{
    Content, Item, LargeFile, Packed, Plan, Progress, Sender, SenderViolation, What, packed_len,
};
use crate::store::{Identity, SourceFile, read_fully};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

/// A job that sends.
pub struct SendJob {
    pub(crate) id: u32,
    pub(crate) pacer: Option<Pacer>,
    machine: Mutex<Sender>,
    source: Arc<dyn Source>,
    files: Mutex<HashMap<u32, Arc<OpenFile>>>,
    observer: Arc<dyn Observer>,
    changed: Notify,
    failed: OnceLock<Failure>,
    /// Acknowledgements that are being told to the observer.
    active: AtomicUsize,
    /// Held while an offer is made, so that they go out in order.
    offering: Mutex<()>,
    /// When the first attempt of the transfer began, if that is known: what has changed since is another file.
    begun: Option<Timestamp>,
    /// Where its files are closed.
    disk: OnceLock<Arc<Disk>>,
    memory: JobMemory,
}

struct OpenFile {
    file: Box<dyn SourceFile>,
    identity: Identity,
    source: SourceId,
}

/// A frame's payload is in the buffer; this is the rest.
struct Built {
    kind: FrameKind,
    extra: Vec<u8>,
    payload_len: usize,
}

impl SendJob {
    /// A job with the id `id`, whose items come from `source`.
    #[must_use]
    pub fn new(
        id: u32,
        machine: Sender,
        source: Arc<dyn Source>,
        observer: Arc<dyn Observer>,
        pacer: Option<Pacer>,
    ) -> Self {
        Self {
            id,
            pacer,
            machine: Mutex::new(machine),
            source,
            files: Mutex::default(),
            observer,
            changed: Notify::new(),
            failed: OnceLock::new(),
            active: AtomicUsize::new(0),
            offering: Mutex::new(()),
            begun: None,
            disk: OnceLock::new(),
            memory: JobMemory::default(),
        }
    }

    /// Its files are read there.
    pub(crate) fn is_on(&self, disk: &Arc<Disk>) {
        let _ = self.disk.set(disk.clone()); // a job belongs to one exchange
    }

    /// Closes what is open, once it has ended.
    pub(crate) async fn close(&self, disk: &Arc<Disk>) {
        self.dispose();
        disk.disposed().await;
    }

    /// A filesystem may hold up whoever closes a file.
    fn dispose(&self) {
        let files = std::mem::take(&mut *lock(&self.files));
        if let Some(disk) = self.disk.get().filter(|_| !files.is_empty()) {
            disk.dispose(files);
        }
    }

    /// The same job as another attempt of a transfer whose first one began then, by the clock that dates the files.
    #[must_use]
    pub fn since(mut self, begun: Option<Timestamp>) -> Self {
        self.begun = begun;
        self
    }

    /// From now on the job takes only items that there is room for.
    pub(crate) fn keep_within(&self, session: &SessionMemory) {
        self.memory.keep_within(session);
        self.look_for_room();
    }

    /// Takes room for some items more, or lets the machine wait.
    fn look_for_room(&self) {
        let has_room = self.memory.count_and_take(|| lock(&self.machine).kept(), ITEMS_KEPT_LEN);
        lock(&self.machine).set_room(has_room);
    }

    fn count_kept(&self) {
        let kept = || lock(&self.machine).kept();
        self.memory.count(kept, || kept() == 0);
    }

    /// True if items wait for room.
    pub(crate) fn waits_for_room(&self) -> bool {
        self.failed.get().is_none() && lock(&self.machine).waits_for_room()
    }

    /// Ends the job: it cannot go on, or need not.
    pub fn fail(&self, failure: Failure) {
        let _ = self.failed.set(failure); // the first reason is the one to tell
        self.changed.notify_one();
    }

    /// Tells the receiver how many frames there are, and waits until it has them all.
    ///
    /// # Errors
    /// If the job was ended before.
    pub(crate) async fn drive(&self, outbox: &Outbox, work: &Notify) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (end, finished) = {
                let mut machine = lock(&self.machine);
                (machine.end(), machine.is_finished() && self.active.load(Ordering::SeqCst) == 0)
            };
            if let Some(failure) = self.failed.get().filter(|_| !finished) {
                return Err(failure.clone());
            }
            if let Some(end) = end {
                let sent = outbox.send(Envelope::new(self.id, end)).await;
                sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
            }
            if finished {
                return Ok(());
            }
            tokio::select! {
                () = self.changed.notified() => {}
                _ = ticks.tick() => {
                    // A paced job's lanes wait for each other, which is no stall.
                    if self.pacer.is_none() && lock(&self.machine).tick() {
                        work.notify_waiters();
                    }
                }
            }
        }
    }

    pub(crate) fn may_have_work(&self) -> bool {
        if self.waits_for_room() {
            self.look_for_room();
        }
        self.failed.get().is_none() && lock(&self.machine).may_have_work()
    }

    pub(crate) fn waits_for_peer(&self) -> bool {
        self.failed.get().is_none() && lock(&self.machine).waits_for_peer()
    }

    pub(crate) fn lane_lost(&self, lane: u16) {
        lock(&self.machine).lane_lost(lane);
    }

    pub(crate) fn lane_closed(&self, lane: u16) {
        lock(&self.machine).lane_closed(lane);
    }

    pub(crate) fn acked(&self, ack: &Ack) -> Result<(), SenderViolation> {
        self.active.fetch_add(1, Ordering::SeqCst); // before the machine knows, so that nobody sees the end too early
        let progress = lock(&self.machine).acked(ack);
        let told = progress.map(|progress| self.tell(&progress));
        self.count_kept();
        self.active.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_one();
        told
    }

    fn tell(&self, progress: &Progress) {
        for (file, offset, len) in &progress.held {
            self.source.release(*offset, *len);
            self.observer.progress(Some(&file.announcement.path), *len);
        }
        let small = progress.settled.iter().filter(|settled| settled.file.is_none());
        small.for_each(|settled| self.observer.progress(None, settled.bytes));
        self.settled(progress);
    }

    fn settled(&self, progress: &Progress) {
        for settled in &progress.settled {
            let closed = settled.file.and_then(|number| lock(&self.files).remove(&number));
            if let (Some(file), Some(disk)) = (closed, self.disk.get()) {
                disk.dispose(file);
            }
            self.observer.settled(&Report {
                path: &settled.path,
                folder: settled.folder,
                bytes: settled.bytes,
                digest: settled.digest,
                failure: settled.result.as_ref().err(),
            });
        }
    }

    /// Builds the next frame for `lane` in `buffer`; tells where its ciphertext lies, or that there is none now.
    pub(crate) fn build(
        &self,
        lane: u16,
        buffer: &mut ChunkBuffer,
        sealer: &mut Sealer,
        exchange: &Exchange,
    ) -> Result<Option<Range<usize>>, RecordError> {
        self.look_for_room();
        if self.source.refill(&self.machine) {
            exchange.work.notify_waiters();
        }
        self.count_kept();
        self.offer(&exchange.outbox);
        let plan = lock(&self.machine).next(lane);
        let Some(Plan { frame, content }) = plan else {
            self.changed.notify_one();
            return Ok(None);
        };
        let built = self.content(frame, &content, buffer);
        let head = FrameHead {
            job: self.id,
            frame,
            extra_len: u16::try_from(built.extra.len()).unwrap_or(u16::MAX),
            payload_len: u32::try_from(built.payload_len).unwrap_or(u32::MAX),
            kind: built.kind,
        };
        let sealed = buffer.seal(&head, &built.extra, sealer)?;
        self.changed.notify_one();
        Ok(Some(sealed))
    }

    /// Offers to the receiver what it may have.
    fn offer(&self, outbox: &Outbox) {
        let _in_order = lock(&self.offering);
        loop {
            let Some(items) = lock(&self.machine).next_offer() else { return };
            let states: Vec<(SourceId, bool)> = items.iter().map(|item| self.state_of(item)).collect();
            let sources: Vec<SourceId> = states.iter().map(|(source, _)| *source).collect();
            lock(&self.machine).offering(&sources);
            let items = items.into_iter().zip(states);
            let items = items.filter_map(|(Item { path, what }, (source, changed))| match what {
                What::Present(metadata) => Some(OfferedItem { path, metadata, source, changed }),
                What::Stream { .. } | What::Lost(_) => None, // never offered
            });
            let offer = Offer { items: items.collect() };
            if !disk::elsewhere(|| outbox.blocking_send(Envelope::new(self.id, offer)).is_ok()) {
                return; // the session is over
            }
        }
    }

    /// Which state of a large file there is, and whether the file may have changed since the first attempt. One that cannot be read
    /// is found out when it is sent.
    fn state_of(&self, item: &Item) -> (SourceId, bool) {
        let What::Present(metadata) = &item.what else { return (SourceId::default(), true) };
        let identity = self.source.open(&item.path).and_then(|file| file.identity());
        let same = identity.ok().filter(|identity| identity.metadata.is_unchanged_since(metadata));
        let is_large = metadata.size > PACKED_FILE_LEN_MAX;
        let source =
            same.filter(|_| is_large).map_or_else(SourceId::default, |identity| identity.source_id());
        let unchanged = same.is_some_and(|identity| self.begun.is_some_and(|begun| identity.changed < begun));
        (source, !unchanged)
    }

    /// The receiver has answered offers.
    pub(crate) fn held(&self, held: &Held) -> Result<(), SenderViolation> {
        self.active.fetch_add(1, Ordering::SeqCst); // before the machine knows, so that nobody sees the end too early
        let result = held.answers.iter().try_for_each(|answer| {
            let path = lock(&self.machine).offered().map(|item| item.path.clone());
            let (settled, bytes) = lock(&self.machine).held(answer.clone())?;
            let progress = Progress { settled: settled.into_iter().collect(), held: Vec::new() };
            match progress.settled.is_empty() {
                true => self.observer.held(path.as_ref(), bytes),
                false => self.observer.held(None, bytes),
            }
            self.settled(&progress);
            Ok(())
        });
        self.count_kept();
        self.active.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_one();
        result
    }

    fn content(&self, frame: u64, content: &Content, buffer: &mut ChunkBuffer) -> Built {
        match content {
            Content::Pack(items) => self.pack(frame, items, buffer),
            Content::Block { file, offset, len, last } => {
                match self.block(frame, file, (*offset, *len, *last), buffer) {
                    Ok(built) => built,
                    Err(instead) => self.content(frame, &instead, buffer),
                }
            }
            Content::Seal { file, result } => match self.check_unchanged(file, result.clone()) {
                Ok((size, root)) => {
                    let kind = FrameKind::Seal { file: file.number, size, root, abandoned: false };
                    Built { kind, extra: self.announcement(file), payload_len: 0 }
                }
                Err(failure) => {
                    lock(&self.machine).give_up(frame, file, failure.clone());
                    let loss = encode_loss(&failure);
                    buffer.put(0, &loss);
                    let kind = FrameKind::Seal {
                        file: file.number,
                        size: 0,
                        root: Default::default(),
                        abandoned: true,
                    };
                    Built { kind, extra: self.announcement(file), payload_len: loss.len() }
                }
            },
        }
    }

    /// Reads and hashes a chunk; if that fails, tells what to send instead.
    fn block(
        &self,
        frame: u64,
        file: &Arc<LargeFile>,
        (offset, len, last): (u64, usize, bool),
        buffer: &mut ChunkBuffer,
    ) -> Result<Built, Content> {
        let read = self.opened(file).and_then(|open| {
            let mut pieces: Vec<IoSliceMut<'_>> = buffer.payload_mut(0, len).map(IoSliceMut::new).collect();
            match read_fully(&*open.file, &mut pieces, offset)? == len {
                true => Ok(()),
                false => Err(Failure::from(FailureCode::SourceChanged)),
            }
        });
        if let Err(failure) = read {
            return Err(lock(&self.machine).give_up(frame, file, failure));
        }
        let checksum = lock(&self.machine).checksum();
        let place = crate::checksum::ChunkPlace::at(offset, last);
        let digest = checksum.of_chunk(place, buffer.payload(0, len));
        lock(&self.machine).hashed(frame, digest)?;
        let kind = FrameKind::Block { file: file.number, offset, last, digest };
        Ok(Built { kind, extra: self.announcement(file), payload_len: len })
    }

    fn opened(&self, file: &Arc<LargeFile>) -> Result<Arc<OpenFile>, Failure> {
        if let Some(open) = lock(&self.files).get(&file.number) {
            return Ok(open.clone());
        }
        let announced = &file.announcement;
        let source = self.source.open(&announced.path)?;
        let identity = source.identity()?;
        let found = &identity.metadata;
        let id = if announced.size.is_some() { identity.source_id() } else { SourceId::default() };
        let offered = announced.source != SourceId::default();
        let changed = announced
            .size
            .is_some_and(|size| size != found.size || announced.modified != Some(found.modified));
        if changed || (offered && id != announced.source) {
            return Err(FailureCode::SourceChanged.into());
        }
        self.observer.begun(&announced.path, announced.size);
        let open = Arc::new(OpenFile { file: source, identity, source: id });
        Ok(lock(&self.files).entry(file.number).or_insert(open).clone())
    }

    /// A file's seal is worth nothing if the file has changed since its first chunk was read.
    fn check_unchanged<T>(&self, file: &Arc<LargeFile>, result: Result<T, Failure>) -> Result<T, Failure> {
        let sealed = result?;
        let open = self.opened(file)?; // for the first time, if the receiver had all of it
        match open.file.identity()? == open.identity {
            true => Ok(sealed),
            false => Err(FailureCode::SourceChanged.into()),
        }
    }

    /// The describing part of a file's frames.
    fn announcement(&self, file: &LargeFile) -> Vec<u8> {
        let open = lock(&self.files).get(&file.number).cloned();
        let source = open.map_or(file.announcement.source, |open| open.source);
        let mut extra = Vec::new();
        Announcement { source, ..file.announcement.clone() }.encode(&mut extra);
        extra
    }

    fn pack(&self, frame: u64, items: &[Item], buffer: &mut ChunkBuffer) -> Built {
        let mut packing = Packing { at: 0, entries: 0, buffer };
        let mut reserved: usize = items.iter().map(packed_len).sum();
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            reserved -= packed_len(item);
            let room = PACK_LEN_MAX.saturating_sub(packing.at + reserved);
            results.push(self.entry(item, room, &mut packing));
        }
        let (payload_len, entries) = (packing.at, packing.entries);
        lock(&self.machine).packed(frame, results);
        Built { kind: FrameKind::Pack { entries }, extra: Vec::new(), payload_len }
    }

    fn entry(&self, item: &Item, room: usize, packing: &mut Packing<'_>) -> Packed {
        let result = match &item.what {
            What::Lost(failure) => Err(failure.clone()),
            What::Stream { .. } => Err(FailureCode::SpecialFile.into()), // always large, so never here
            What::Present(metadata) => match metadata.kind {
                Kind::File => self.small_file(item, metadata, room, packing),
                Kind::Symlink => self.link(item, metadata, room, packing),
                Kind::Folder => {
                    Ok(packing.add(item, EntryKind::Folder, metadata, 0, Default::default(), None))
                }
                Kind::Special => Err(FailureCode::SpecialFile.into()),
            },
        };
        result.unwrap_or_else(|failure| packing.lost(item, failure))
    }

    fn small_file(
        &self,
        item: &Item,
        wanted: &Metadata,
        room: usize,
        packing: &mut Packing<'_>,
    ) -> Result<Packed, Failure> {
        let file = self.source.open(&item.path)?;
        let mut identity = file.identity()?;
        let mode = wanted.mode; // what it is to have at the target may be another than it has here
        let begin = packing.at + ENTRY_HEAD_LEN + item.path.as_bytes().len();
        for _ in 0..READS_OF_A_CHANGING_FILE {
            let metadata = Metadata { mode, ..identity.metadata };
            let len = usize::try_from(metadata.size).unwrap_or(usize::MAX);
            let fits = ENTRY_HEAD_LEN + item.path.as_bytes().len() + len.min(PACK_LEN_MAX) <= room;
            if !fits {
                return Err(Failure::new(FailureCode::SourceChanged, "grew while it was read"));
            }
            let read = packing.read(&*file, begin, len)?;
            let after = file.identity()?;
            if after == identity && read == len {
                let checksum = lock(&self.machine).checksum();
                let digest = checksum.of_small_file(packing.buffer.payload(begin, len));
                return Ok(packing.add(item, EntryKind::File, &metadata, len, digest, Some(digest)));
            }
            identity = after;
        }
        Err(FailureCode::SourceChanged.into())
    }

    fn link(
        &self,
        item: &Item,
        metadata: &Metadata,
        room: usize,
        packing: &mut Packing<'_>,
    ) -> Result<Packed, Failure> {
        let target = self.source.read_link(&item.path)?;
        let begin = packing.at + ENTRY_HEAD_LEN + item.path.as_bytes().len();
        if target.is_empty() || target.len() > PATH_LEN_MAX || begin + target.len() > packing.at + room {
            return Err(FailureCode::SourceChanged.into());
        }
        packing.buffer.put(begin, &target);
        Ok(packing.add(item, EntryKind::Symlink, metadata, target.len(), Default::default(), None))
    }
}

impl Drop for SendJob {
    fn drop(&mut self) {
        self.dispose(); // whoever has it last may be a task that serves everybody
    }
}

/// A pack being built.
struct Packing<'a> {
    at: usize,
    entries: u32,
    buffer: &'a mut ChunkBuffer,
}

impl Packing<'_> {
    /// Reads a file's content to where it belongs. Most files lie in one record, some in two.
    fn read(&mut self, file: &dyn SourceFile, begin: usize, len: usize) -> io::Result<usize> {
        let mut pieces = self.buffer.payload_mut(begin, len);
        match (pieces.next(), pieces.next()) {
            (None, _) => Ok(0),
            (Some(only), None) => read_fully(file, &mut [IoSliceMut::new(only)], 0),
            (Some(first), Some(second)) => {
                let mut slices = vec![IoSliceMut::new(first), IoSliceMut::new(second)];
                slices.extend(pieces.map(IoSliceMut::new));
                read_fully(file, &mut slices, 0)
            }
        }
    }

    /// Adds an entry whose content is in place.
    fn add(
        &mut self,
        item: &Item,
        kind: EntryKind,
        metadata: &Metadata,
        content_len: usize,
        digest: crate::checksum::Digest,
        reported: Option<crate::checksum::Digest>,
    ) -> Packed {
        let path = item.path.as_bytes();
        let head = EntryHead {
            kind,
            path_len: u16::try_from(path.len()).unwrap_or(u16::MAX),
            content_len: u32::try_from(content_len).unwrap_or(u32::MAX),
            modified: (kind != EntryKind::Lost).then_some(metadata.modified),
            mode: metadata.mode & MODE_BITS,
            digest,
        };
        self.buffer.put(self.at, &head.encode());
        self.buffer.put(self.at + ENTRY_HEAD_LEN, path);
        self.at += ENTRY_HEAD_LEN + path.len() + content_len;
        self.entries += 1;
        Packed::Sent { bytes: content_len as u64, digest: reported }
    }

    /// Adds an entry that says why there is none. It takes no more room than the item was given: at least its head and path.
    fn lost(&mut self, item: &Item, failure: Failure) -> Packed {
        let room = PACK_LEN_MAX - self.at - ENTRY_HEAD_LEN - item.path.as_bytes().len();
        let mut loss = encode_loss(&failure);
        loss.truncate(
            packed_len(item)
                .saturating_sub(ENTRY_HEAD_LEN + item.path.as_bytes().len())
                .clamp(2, room.max(2)),
        );
        self.buffer.put(self.at + ENTRY_HEAD_LEN + item.path.as_bytes().len(), &loss);
        let metadata = Metadata { kind: Kind::Special, size: 0, modified: Default::default(), mode: 0 };
        self.add(item, EntryKind::Lost, &metadata, loss.len(), Default::default(), None);
        Packed::Lost(failure)
    }
}

/// Room that is taken before a source is asked for items: for as many as a walk gives at once, with paths of usual length.
const ITEMS_KEPT_LEN: usize = 64 * 1024;
/// How often the machine looks for stalled lanes.
const TICK: Duration = Duration::from_secs(1);
/// A small file that changes while it is read is read again so many times before it is given up.
const READS_OF_A_CHANGING_FILE: usize = 3;
