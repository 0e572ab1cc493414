//! A job's sending side: builds the frames that the sending machine plans. Each frame is one blocking job: read, hash, seal.

use super::memory::{JobMemory, SessionMemory};
use super::reading::{Broken, OpenFile, Reading, read_to_end};
use super::source::Source;
use super::{Exchange, Item as Report, Observer, Pacer, lock};
use crate::checksum::{Checksum, Digest};
use crate::control::Envelope;
use crate::disk::{self, Disk};
use crate::engine::ChunkBuffer;
use crate::failure::{Failure, FailureCode};
use crate::frame::{
    Announcement, ENTRY_HEAD_LEN, EntryHead, EntryKind, FrameHead, FrameKind, SealEnd, encode_loss,
};
use crate::limits::{PACK_LEN_MAX, PACKED_FILE_LEN_MAX, PATH_LEN_MAX};
use crate::message::{Ack, Changing, Held, Offer, OfferedItem};
use crate::metadata::{Kind, MODE_BITS, Metadata, SourceId, Timestamp};
use crate::net::control::Outbox;
use crate::net::record::{RecordError, Sealer};
use crate::path::RemotePath;
use crate::sender::{
    Content, Item, LargeFile, Packed, Plan, Progress, Sender, SenderViolation, What, packed_len,
};
use crate::store::SourceFile;
use std::borrow::Cow;
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
    reading: Reading,
    files: Mutex<HashMap<u32, Arc<OpenFile>>>,
    observer: Arc<dyn Observer>,
    changed: Notify,
    failed: OnceLock<Failure>,
    /// The receiver makes holes.
    holes: bool,
    /// Acknowledgements that are being told to the observer.
    active: AtomicUsize,
    /// Held while an offer is made, so that they go out in order.
    offering: Mutex<()>,
    /// What the receiver's failures are told with, if that is worth telling.
    receiver: Option<&'static str>,
    /// When the first attempt of the transfer began, if that is known: what has changed since is another file.
    begun: Option<Timestamp>,
    /// Where its files are closed.
    disk: OnceLock<Arc<Disk>>,
    memory: JobMemory,
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
            reading: Reading::new(source.clone(), Changing::default()),
            source,
            files: Mutex::default(),
            holes: false,
            observer,
            changed: Notify::new(),
            failed: OnceLock::new(),
            active: AtomicUsize::new(0),
            offering: Mutex::new(()),
            receiver: None,
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
        let (files, kept) = (std::mem::take(&mut *lock(&self.files)), self.reading.take_kept());
        if let Some(disk) = self.disk.get().filter(|_| !files.is_empty() || !kept.is_empty()) {
            disk.dispose((files, kept));
        }
    }

    /// The same job, whose observer hears of the receiver's failures with the words `receiver`, as "on the server".
    #[must_use]
    pub fn naming_receiver(mut self, receiver: &'static str) -> Self {
        self.receiver = Some(receiver);
        self
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

    /// The same job, which tells the receiver where a file has holes. Only jobs with SHA-256 do: elsewhere the digests of so many
    /// zeros would cost too much.
    #[must_use]
    pub fn with_holes(mut self, holes: bool) -> Self {
        self.holes = holes && lock(&self.machine).checksum() == Checksum::Sha256;
        self
    }

    /// The same job, which does this with files that change while they are read.
    #[must_use]
    pub fn changing(mut self, changing: Changing) -> Self {
        self.reading.changing = changing;
        self
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
        let ack = &self.named(ack);
        self.active.fetch_add(1, Ordering::SeqCst); // before the machine knows, so that nobody sees the end too early
        let progress = lock(&self.machine).acked(ack);
        let told = progress.map(|progress| self.tell(&progress));
        self.count_kept();
        self.active.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_one();
        told
    }

    /// The same acknowledgement, whose failures tell where they happened.
    fn named<'a>(&self, ack: &'a Ack) -> Cow<'a, Ack> {
        let Some(receiver) = self.receiver.filter(|_| !ack.failed.is_empty()) else {
            return Cow::Borrowed(ack);
        };
        let mut named = ack.clone();
        for item in &mut named.failed {
            item.failure = item.failure.clone().at(receiver);
        }
        Cow::Owned(named)
    }

    fn tell(&self, progress: &Progress) {
        for (file, offset, len) in &progress.held {
            self.source.release(*offset, *len);
            self.observer.progress(Some(&file.announcement.path), *len);
        }
        progress.again.iter().for_each(|number| self.close_file(*number));
        let small = progress.settled.iter().filter(|settled| settled.file.is_none());
        small.for_each(|settled| self.observer.progress(None, settled.bytes));
        self.settled(progress);
    }

    fn close_file(&self, number: u32) {
        let closed = lock(&self.files).remove(&number);
        if let (Some(file), Some(disk)) = (closed, self.disk.get()) {
            disk.dispose(file);
        }
    }

    fn settled(&self, progress: &Progress) {
        for settled in &progress.settled {
            settled.file.iter().for_each(|number| self.close_file(*number));
            if let (Some(kept), Some(disk)) = (self.reading.forget(&settled.path), self.disk.get()) {
                disk.dispose(kept);
            }
            self.observer.settled(&Report {
                path: &settled.path,
                folder: settled.folder,
                bytes: settled.bytes,
                digest: settled.digest,
                as_is: settled.as_is,
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
            let progress = Progress { settled: settled.into_iter().collect(), ..Progress::default() };
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
            Content::Hole { file, offset, len, last } => {
                let (number, offset, len, last) = (file.number, *offset, *len, *last);
                let kind = FrameKind::Hole { file: number, offset, len, last };
                Built { kind, extra: self.announcement(file), payload_len: 0 }
            }
            Content::Seal { file, result } => match self.seal_end(file, result.clone()) {
                Ok(((size, root), end)) => {
                    let sealed = lock(&self.machine).sealed(frame);
                    if let Err(instead) = sealed {
                        return self.content(frame, &instead, buffer);
                    }
                    let kind = FrameKind::Seal { file: file.number, size, root, end };
                    Built { kind, extra: self.announcement(file), payload_len: 0 }
                }
                Err(Broken::Failed(failure)) => match lock(&self.machine).give_up(frame, file, failure) {
                    Content::Seal { result: Err(failure), .. } => self.given_up(file, &failure, buffer),
                    Content::Pack(_)
                    | Content::Block { .. }
                    | Content::Hole { .. }
                    | Content::Seal { .. }
                    | Content::Again { .. } => self.begun_again(file),
                },
                Err(broken) => {
                    let instead = self.instead(frame, file, broken);
                    self.content(frame, &instead, buffer)
                }
            },
            Content::Again { file } => self.begun_again(file),
        }
    }

    fn given_up(&self, file: &LargeFile, failure: &Failure, buffer: &mut ChunkBuffer) -> Built {
        let loss = encode_loss(failure);
        buffer.put(0, &loss);
        let (size, root, end) = (0, Default::default(), SealEnd::GivenUp);
        let kind = FrameKind::Seal { file: file.number, size, root, end };
        Built { kind, extra: self.announcement(file), payload_len: loss.len() }
    }

    fn begun_again(&self, file: &LargeFile) -> Built {
        let (size, root, end) = (0, Default::default(), SealEnd::Again);
        let kind = FrameKind::Seal { file: file.number, size, root, end };
        Built { kind, extra: self.announcement(file), payload_len: 0 }
    }

    /// What to send in the place of a frame of a file that is not read to its end.
    fn instead(&self, frame: u64, file: &Arc<LargeFile>, broken: Broken) -> Content {
        match broken {
            Broken::Failed(failure) => lock(&self.machine).give_up(frame, file, failure),
            Broken::Again(open) => {
                let metadata = open.identity.metadata;
                self.reading.keep(&file.announcement.path, open);
                lock(&self.machine).begin_again(frame, file, metadata)
            }
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
        if let Some(zeros) = self.zeros(frame, file, offset + len as u64, offset) {
            return Err(zeros);
        }
        let read =
            self.opened(file).and_then(|open| self.read_block(file, &open, (offset, len, last), buffer));
        read.map_err(|broken| self.instead(frame, file, broken))?;
        let checksum = lock(&self.machine).checksum();
        let place = crate::checksum::ChunkPlace::at(offset, last);
        let digest = checksum.of_chunk(place, buffer.payload(0, len));
        if lock(&self.machine).has_other_digest(frame, digest) {
            return Err(self.instead(frame, file, self.reading.changed(&file.announcement.path)));
        }
        lock(&self.machine).hashed(frame, digest)?;
        let kind = FrameKind::Block { file: file.number, offset, last, digest };
        Ok(Built { kind, extra: self.announcement(file), payload_len: len })
    }

    /// What to send in the place of a block that lies in a hole.
    fn zeros(&self, frame: u64, file: &Arc<LargeFile>, end: u64, offset: u64) -> Option<Content> {
        if !self.holes || file.announcement.size.is_none() {
            return None;
        }
        let open = self.opened(file).ok()?; // what is wrong with it shows when it is read
        let data = open.file.next_data(offset);
        if data < end { None } else { lock(&self.machine).found_zeros(frame, data) }
    }

    /// Reads a chunk. The last one shows whether the file is as long as it says.
    fn read_block(
        &self,
        file: &LargeFile,
        open: &OpenFile,
        (offset, len, last): (u64, usize, bool),
        buffer: &mut ChunkBuffer,
    ) -> Result<(), Broken> {
        let mut one_more = [0];
        let looks_behind = last && file.announcement.size.is_some();
        let mut pieces: Vec<IoSliceMut<'_>> = buffer.payload_mut(0, len).map(IoSliceMut::new).collect();
        pieces.extend(looks_behind.then(|| IoSliceMut::new(&mut one_more)));
        let read = read_to_end(&*open.file, &mut pieces, offset, len)?;
        if read == len {
            return Ok(());
        }
        match open.file.identity()?.has_content_of(&open.identity) {
            true => Err(self.reading.has_no_true_size(open)),
            false if read > len => Ok(()), // it grew, which its seal tells of
            false => Err(self.reading.changed(&file.announcement.path)),
        }
    }

    /// The open file. What is not as it was announced comes once more, announced as it is.
    fn opened(&self, file: &Arc<LargeFile>) -> Result<Arc<OpenFile>, Broken> {
        if let Some(open) = lock(&self.files).get(&file.number) {
            return Ok(open.clone());
        }
        let announced = &file.announcement;
        let mut open = self.reading.open(&announced.path)?;
        let found = &open.identity.metadata;
        let is_stream = announced.size.is_none();
        let same = announced.size == Some(found.size) && announced.modified == Some(found.modified);
        let was_offered = announced.source != SourceId::default();
        if !is_stream && (!same || (was_offered && open.source != announced.source)) {
            return Err(Broken::Again(open));
        }
        if is_stream {
            open.source = SourceId::default();
        }
        self.observer.begun(&announced.path, announced.size);
        Ok(lock(&self.files).entry(file.number).or_insert(Arc::new(open)).clone())
    }

    /// How a file's seal ends: by then it may have changed since its first chunk was read.
    fn seal_end<T>(&self, file: &Arc<LargeFile>, result: Result<T, Failure>) -> Result<(T, SealEnd), Broken> {
        let sealed = result?;
        let open = self.opened(file)?; // for the first time, if the receiver had all of it
        if let Some(end) = open.sealed.get() {
            return Ok((sealed, *end));
        }
        let end = match open.file.identity()?.has_content_of(&open.identity) {
            true => SealEnd::Whole,
            false if self.reading.changing == Changing::AsIs => SealEnd::AsIs,
            false => return Err(self.reading.changed(&file.announcement.path)),
        };
        if end == SealEnd::AsIs {
            lock(&self.machine).seal_as_is(file);
        }
        Ok((sealed, *open.sealed.get_or_init(|| end)))
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
        let stays = lock(&self.machine).is_built(frame);
        let mut packing = Packing { at: 0, entries: 0, stays, later: Vec::new(), buffer };
        let mut reserved: usize = items.iter().map(packed_len).sum();
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            reserved -= packed_len(item);
            let room = PACK_LEN_MAX.saturating_sub(packing.at + reserved);
            results.push(self.entry(item, room, &mut packing));
        }
        let (payload_len, entries) = (packing.at, packing.entries);
        let instead = lock(&self.machine).packed(frame, results);
        match instead {
            Some(instead) => self.content(frame, &instead, buffer),
            None => Built { kind: FrameKind::Pack { entries }, extra: Vec::new(), payload_len },
        }
    }

    fn entry(&self, item: &Item, room: usize, packing: &mut Packing<'_>) -> Packed {
        let result = match &item.what {
            What::Lost(failure) => Err(failure.clone()),
            What::Stream { .. } => Err(FailureCode::SpecialFile.into()), // always large, so never here
            What::Present(metadata) => match metadata.kind {
                Kind::File => self.small_file(item, metadata, room, packing),
                Kind::Symlink => self.link(item, metadata, room, packing),
                Kind::Folder if packing.holds_later(&item.path) => {
                    packing.comes_later(item); // and so does the folder that holds it
                    Ok(Packed::Later(*metadata))
                }
                Kind::Folder => Ok(packing.add(item, EntryKind::Folder, metadata, Bytes::default())),
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
        let open = self.reading.open(&item.path)?;
        match self.read_small(item, open, room, packing) {
            Ok((metadata, len, as_is)) => {
                // What it is to have at the target may be other permissions than it has here.
                let metadata = Metadata { mode: wanted.mode, ..metadata };
                let checksum = lock(&self.machine).checksum();
                let begin = packing.at + ENTRY_HEAD_LEN + item.path.as_bytes().len();
                let digest = checksum.of_small_file(packing.buffer.payload(begin, len));
                let bytes = Bytes { len, digest, reported: Some(digest), as_is };
                Ok(packing.add(item, EntryKind::File, &metadata, bytes))
            }
            Err(Broken::Failed(failure)) => Err(failure),
            Err(Broken::Again(_)) if packing.stays => Err(FailureCode::SourceChanged.into()),
            Err(Broken::Again(open)) => {
                let metadata = open.identity.metadata;
                self.reading.keep(&item.path, open);
                packing.comes_later(item);
                Ok(Packed::Later(metadata))
            }
        }
    }

    /// Reads all of a small file to its place: what it is, how long, and whether it changed meanwhile.
    fn read_small(
        &self,
        item: &Item,
        open: OpenFile,
        room: usize,
        packing: &mut Packing<'_>,
    ) -> Result<(Metadata, usize, bool), Broken> {
        let head_len = ENTRY_HEAD_LEN + item.path.as_bytes().len();
        let (begin, room) = (packing.at + head_len, room.saturating_sub(head_len));
        let mut open = open;
        for _ in 0..READS_AT_ONCE {
            let metadata = open.identity.metadata;
            let len = usize::try_from(metadata.size).unwrap_or(usize::MAX);
            if len > room {
                return Err(Broken::Again(open)); // it grew since it was listed
            }
            let mut read = packing.read(&*open.file, begin, len)?;
            let after = open.file.identity()?;
            let unchanged = after.has_content_of(&open.identity);
            if read > len && unchanged {
                read = packing.read(&*open.file, begin, room)?; // its size says nothing
                if read > room {
                    return Err(self.reading.has_no_true_size(&open));
                }
            }
            match self.reading.changing {
                _ if unchanged => return Ok((metadata, read, false)),
                Changing::AsIs => return Ok((metadata, read.min(len), true)),
                Changing::Skip => break,
                Changing::Retry => open.identity = after,
            }
        }
        Err(self.reading.changed(&item.path))
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
        let bytes = Bytes { len: target.len(), ..Bytes::default() };
        Ok(packing.add(item, EntryKind::Symlink, metadata, bytes))
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
    /// It was built before, and nothing of it may come later.
    stays: bool,
    /// Folders of items that were to be in the pack and come later: they come later, too.
    later: Vec<RemotePath>,
    buffer: &'a mut ChunkBuffer,
}

/// What is known of an entry's content, which is in its place.
#[derive(Default)]
struct Bytes {
    len: usize,
    digest: Digest,
    /// The digest that is told of.
    reported: Option<Digest>,
    as_is: bool,
}

impl Packing<'_> {
    fn comes_later(&mut self, item: &Item) {
        self.later.extend(item.path.split_last().map(|(folder, _)| folder));
    }

    fn holds_later(&self, folder: &RemotePath) -> bool {
        self.later.contains(folder)
    }

    /// Reads a file's content to where it belongs, and one byte more if there is one. Most files lie in one record, some in two.
    fn read(&mut self, file: &dyn SourceFile, begin: usize, len: usize) -> io::Result<usize> {
        let mut one_more = [0];
        let one_more = IoSliceMut::new(&mut one_more);
        let mut pieces = self.buffer.payload_mut(begin, len);
        match (pieces.next(), pieces.next()) {
            (None, _) => read_to_end(file, &mut [one_more], 0, len),
            (Some(only), None) => read_to_end(file, &mut [IoSliceMut::new(only), one_more], 0, len),
            (Some(first), Some(second)) => {
                let mut slices = vec![IoSliceMut::new(first), IoSliceMut::new(second)];
                slices.extend(pieces.map(IoSliceMut::new));
                slices.push(one_more);
                read_to_end(file, &mut slices, 0, len)
            }
        }
    }

    /// Adds an entry whose content is in place.
    fn add(&mut self, item: &Item, kind: EntryKind, metadata: &Metadata, bytes: Bytes) -> Packed {
        let Bytes { len, digest, reported, as_is } = bytes;
        let path = item.path.as_bytes();
        let head = EntryHead {
            kind,
            path_len: u16::try_from(path.len()).unwrap_or(u16::MAX),
            content_len: u32::try_from(len).unwrap_or(u32::MAX),
            modified: (kind != EntryKind::Lost).then_some(metadata.modified),
            mode: metadata.mode & MODE_BITS,
            digest,
            as_is,
        };
        self.buffer.put(self.at, &head.encode());
        self.buffer.put(self.at + ENTRY_HEAD_LEN, path);
        self.at += ENTRY_HEAD_LEN + path.len() + len;
        self.entries += 1;
        Packed::Sent { bytes: len as u64, digest: reported, as_is }
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
        let bytes = Bytes { len: loss.len(), ..Bytes::default() };
        self.add(item, EntryKind::Lost, &metadata, bytes);
        Packed::Lost(failure)
    }
}

/// Room that is taken before a source is asked for items: for as many as a walk gives at once, with paths of usual length.
const ITEMS_KEPT_LEN: usize = 64 * 1024;
/// How often the machine looks for stalled lanes.
const TICK: Duration = Duration::from_secs(1);
/// A small file that changes while it is read is read again at once so many times, before others are.
const READS_AT_ONCE: usize = 3;
