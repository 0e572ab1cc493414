//! A job's receiving side: takes frames as lanes bring them, verifies, writes, publishes, and acknowledges.
//!
//! A frame is taken if the session's [budget](crate::budget) has room for what is kept of it: its folders until all frames before it are
//! done, its failures until they are acknowledged, its items until they are synced. If not, it is dropped before anything is done with
//! it, and asked for again when there is room; its lane goes on, since the frame that all others wait for may come behind it. That one
//! frame is taken without room, one of a session's at a time.

use super::commit::{Commits, Placed, Step, WaitingItem, waiting_kept_len};
use super::cursor::Cursor;
use super::held::HeldAnswers;
use super::memory::{JobMemory, SessionMemory, Taken};
use super::placing::Staged;
use super::sink::{Found, Sink};
use super::staged::Chunks;
use super::{Item as Report, Observer, lock};
use crate::budget::Charge;
use crate::checksum::{Checksum, Digest};
use crate::control::Envelope;
use crate::disk::Disk;
use crate::failure::{Failure, FailureCode};
use crate::frame::{
    Announcement, ENTRY_HEAD_LEN, EntryHead, EntryKind, FrameError, FrameHead, FrameKind, SealEnd,
    decode_loss,
};
use crate::journal::HeldChunks;
use crate::limits::{OFFERED_AHEAD_MAX, PACK_ENTRIES_MAX, PACK_LEN_MAX, ROOM_PATIENCE};
use crate::message::{End, Held, HeldItem, Message, Offer, OfferedItem};
use crate::metadata::SourceId;
use crate::net::control::Outbox;
use crate::path::RemotePath;
use crate::receiver::{
    Begin, FolderEntry, Publish, Receiver, ReceiverViolation, Verdict, failure_kept_len, file_kept_len,
    folder_kept_len,
};
use crate::verified::{VerifiedChunk, VerifiedContent};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A job that receives.
pub struct ReceiveJob {
    pub(crate) id: u32,
    machine: Mutex<Receiver>,
    checksum: Checksum,
    sink: Box<dyn Sink>,
    staged: Mutex<HashMap<u32, Slot>>,
    /// Entries that are in their place, of packs that are to be sent again for others.
    partly: Mutex<HashMap<u64, EntrySet>>,
    commits: Commits,
    observer: Arc<dyn Observer>,
    changed: Notify,
    failed: OnceLock<Failure>,
    /// Frames that are being taken: until there are none, the observer has not heard all.
    active: AtomicUsize,
    /// Offers that are not answered, with what is charged for them.
    offers: Mutex<VecDeque<(Offer, Charge)>>,
    offered: Notify,
    /// Staged files of an earlier run that were offered, until their first frame tells their number.
    found: Mutex<HashMap<RemotePath, Box<dyn Staged>>>,
    /// Held while a file is given up and discarded, and while folders are chosen that are done: threads at the disk wait for each
    /// other here, so that nobody who serves others waits for them at the machine.
    discarding: Mutex<()>,
    /// Where its files are closed and discarded.
    disk: OnceLock<Arc<Disk>>,
    memory: JobMemory,
}

/// The staged file of a large file, made by the first of its blocks.
type Slot = Arc<OnceLock<Result<Box<dyn Staged>, Failure>>>;

/// The sender is at fault; the session ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiveFault {
    #[error("{0}")]
    Violation(#[from] ReceiverViolation),
    #[error("{0}")]
    Frame(#[from] FrameError),
}

impl ReceiveJob {
    /// A job with the id `id`, whose items go to `sink`.
    #[must_use]
    pub fn new(id: u32, machine: Receiver, sink: Box<dyn Sink>, observer: Arc<dyn Observer>) -> Self {
        Self {
            id,
            checksum: machine.checksum(),
            machine: Mutex::new(machine),
            sink,
            staged: Mutex::default(),
            partly: Mutex::default(),
            commits: Commits::default(),
            observer,
            changed: Notify::new(),
            failed: OnceLock::new(),
            active: AtomicUsize::new(0),
            offers: Mutex::default(),
            offered: Notify::new(),
            found: Mutex::default(),
            discarding: Mutex::new(()),
            disk: OnceLock::new(),
            memory: JobMemory::default(),
        }
    }

    /// Its files are written there.
    pub(crate) fn is_on(&self, disk: &Arc<Disk>) {
        let _ = self.disk.set(disk.clone()); // a job belongs to one exchange
    }

    /// Discards what is staged, once it has ended.
    pub(crate) async fn close(&self, disk: &Arc<Disk>) {
        self.dispose();
        disk.disposed().await;
    }

    fn dispose(&self) {
        let staged = std::mem::take(&mut *lock(&self.staged));
        let found = std::mem::take(&mut *lock(&self.found));
        let steps = self.commits.take_all();
        let is_nothing = staged.is_empty() && found.is_empty() && steps.is_empty();
        if let Some(disk) = self.disk.get().filter(|_| !is_nothing) {
            disk.dispose((staged, found, steps));
        }
    }

    /// From now on the job takes only what there is room for.
    pub(crate) fn keep_within(&self, session: &SessionMemory) {
        self.memory.keep_within(session);
    }

    /// Ends the job: it cannot go on, or need not. What is staged is discarded when the job is dropped.
    pub fn fail(&self, failure: Failure) {
        let _ = self.failed.set(failure); // the first reason is the one to tell
        self.changed.notify_one();
    }

    /// Acknowledges until all is received.
    ///
    /// # Errors
    /// If the job was ended before.
    pub(crate) async fn drive(self: &Arc<Self>, outbox: &Outbox, disk: &Arc<Disk>) -> Result<(), Failure> {
        let mut commit = Commit(None);
        let mut stuck = None;
        loop {
            let has_asked = self.ask_again(&mut stuck);
            if let Some(failure) = self.failed.get() {
                let _ = commit.ended().await; // nothing of the job is done after its end
                return Err(failure.clone());
            }
            if commit.0.is_none() && !self.commits.is_empty() {
                let (job, disk) = (self.clone(), disk.clone());
                commit.0 = Some(tokio::spawn(async move { disk.run(move || job.commit_all()).await }));
            }
            if !has_asked && !self.is_urgent() {
                tokio::select! {
                    () = self.changed.notified() => {}
                    ended = commit.ended(), if commit.0.is_some() => {
                        ended?;
                        continue;
                    }
                    () = tokio::time::sleep(ROOM_INTERVAL), if lock(&self.machine).postponed().0 => continue,
                }
                if !self.is_urgent() {
                    tokio::time::sleep(ACK_DELAY).await;
                }
            }
            let finished = self.is_finished();
            loop {
                let Some(ack) = lock(&self.machine).take_ack() else { break };
                let kept = ack.failed.iter().map(|failed| failure_kept_len(&failed.failure)).sum();
                let charge = self.memory.split(kept);
                let sent = outbox.send_charged(Envelope::new(self.id, ack), charge).await;
                sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
            }
            self.count_kept();
            if finished {
                return Ok(());
            }
        }
    }

    /// Asks again for frames that there was no room for. If there is none for long, not even for the one that all others wait for, the
    /// job ends: everything in the session waits for each other. True if there is something to ask for.
    fn ask_again(&self, stuck: &mut Option<Instant>) -> bool {
        let (any, next) = lock(&self.machine).postponed();
        if !any {
            *stuck = None;
            return false;
        }
        let frames = self.memory.frames_of(FRAME_KEPT_MAX).max(usize::from(next && self.memory.has_turn()));
        lock(&self.machine).ask_again(frames);
        if frames > 0 || !next {
            *stuck = None;
        } else if stuck.get_or_insert_with(Instant::now).elapsed() > ROOM_PATIENCE {
            self.fail(self.memory.exhausted());
        }
        frames > 0
    }

    /// Counts what the job keeps now.
    fn count_kept(&self) {
        let is_settled = || {
            let machine = lock(&self.machine);
            !machine.has_failures() && self.commits.is_empty() && self.active.load(Ordering::SeqCst) == 0
        };
        let kept = || lock(&self.machine).kept() + self.commits.kept() + self.sink.kept();
        self.memory.count(kept, is_settled);
    }

    /// Takes what the sender says of the job.
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these are for a receiver; the exchange knows")]
    pub(crate) fn told(&self, message: Message, charge: Charge) -> Result<(), ReceiverViolation> {
        match message {
            Message::Offer(offer) => self.offered(offer, charge),
            Message::End(end) => self.ended(end),
            Message::Totals(totals) => {
                self.observer.totals(totals);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The sender offers items. They are looked for where that may block.
    fn offered(&self, offer: Offer, charge: Charge) -> Result<(), ReceiverViolation> {
        let mut offers = lock(&self.offers);
        let waiting = offers.iter().map(|(offer, _)| offer.items.len()).sum::<usize>();
        if waiting + offer.items.len() > OFFERED_AHEAD_MAX {
            return Err(ReceiverViolation::Offers);
        }
        offers.push_back((offer, charge));
        drop(offers);
        self.offered.notify_one();
        Ok(())
    }

    /// Answers offers, in their order; ends only if that is not possible.
    ///
    /// # Errors
    /// If the session is over.
    pub(crate) async fn answer_offers(
        self: &Arc<Self>,
        outbox: &Outbox,
        disk: &Arc<Disk>,
    ) -> Result<(), Failure> {
        loop {
            let Some((offer, _charge)) = lock(&self.offers).pop_front() else {
                self.offered.notified().await;
                continue;
            };
            let job = self.clone();
            for held in disk.run(move || job.answers(&offer)).await? {
                let sent = outbox.send(Envelope::new(self.id, held)).await;
                sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
            }
        }
    }

    /// What there is of each item, in messages that are not too long.
    fn answers(&self, offer: &Offer) -> Vec<Held> {
        let mut answers = HeldAnswers::default();
        let found: Vec<Found> = offer.items.iter().map(|item| self.look(item)).collect();
        let synced = self.sink.sync_found();
        for (item, found) in offer.items.iter().zip(found) {
            match found {
                Found::Nothing => answers.add(HeldItem::Nothing),
                Found::All if synced.is_err() => answers.add(HeldItem::Nothing), // it will fail when it comes
                Found::All => {
                    let bytes = item.metadata.size;
                    self.observer.held(None, bytes);
                    self.report(&item.path, false, bytes, None, None);
                    answers.add(HeldItem::All);
                }
                Found::Chunks(staged, chunks) => match self.hold(item, staged, &chunks) {
                    true => answers.add_chunks(&chunks),
                    false => answers.add(HeldItem::Nothing),
                },
            }
        }
        answers.messages
    }

    fn look(&self, item: &OfferedItem) -> Found {
        let large = item.source != SourceId::default();
        match !item.metadata.is_possible() || (large && !lock(&self.machine).may_hold()) {
            true => Found::Nothing,
            false => self.sink.look(item),
        }
    }

    /// Remembers chunks that are there; false if that was so already, or they are none of this file.
    fn hold(&self, item: &OfferedItem, staged: Box<dyn Staged>, chunks: &Chunks) -> bool {
        let mut held = HeldChunks::new(self.checksum, item.metadata.size);
        let all_new = chunks.iter().all(|(chunk, digest)| held.add(*chunk, *digest));
        let bytes = held.bytes();
        if chunks.is_empty() || !all_new || lock(&self.machine).hold(item.announcement(), held).is_err() {
            return false;
        }
        lock(&self.found).insert(item.path.clone(), staged);
        self.observer.held(Some(&item.path), bytes);
        true
    }

    /// Where a file is staged. One that was found is known by its path until a frame tells its number.
    fn slot(&self, file: u32, path: &RemotePath) -> Slot {
        let mut staged = lock(&self.staged);
        let slot = staged.entry(file).or_default();
        if slot.get().is_none()
            && let Some(found) = lock(&self.found).remove(path)
        {
            let _ = slot.set(Ok(found)); // under the lock of all slots: nobody else has begun it
        }
        slot.clone()
    }

    fn ended(&self, end: End) -> Result<(), ReceiverViolation> {
        let result = lock(&self.machine).end(end);
        self.changed.notify_one();
        result
    }

    /// Takes a frame: verifies it, and does what it says.
    pub(crate) fn take(&self, head: &FrameHead, extra: &[u8], payload: &[&[u8]]) -> Result<(), ReceiveFault> {
        if self.failed.get().is_some() {
            return Ok(());
        }
        self.active.fetch_add(1, Ordering::SeqCst);
        let taken = self.take_active(head, extra, payload);
        self.active.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_one();
        taken
    }

    fn take_active(&self, head: &FrameHead, extra: &[u8], payload: &[&[u8]]) -> Result<(), ReceiveFault> {
        let begin = lock(&self.machine).begin(head)?;
        if begin == Begin::Process {
            let Some(_room) = self.admit(head, extra, payload)? else { return Ok(()) };
            match head.kind {
                FrameKind::Block { file, .. } => self.block(file, head, extra, payload)?,
                FrameKind::Hole { file, .. } => self.hole(file, head, extra)?,
                FrameKind::Pack { entries } => self.pack(head.frame, entries, payload)?,
                FrameKind::Seal { file, .. } => self.seal(file, head, extra, payload)?,
            }
            self.set_folders();
            if self.commits.is_full() {
                self.commit();
                self.set_folders();
            }
            self.count_kept();
        }
        Ok(())
    }

    /// Takes room for what is kept of a frame; without it the frame is postponed.
    fn admit(
        &self,
        head: &FrameHead,
        extra: &[u8],
        payload: &[&[u8]],
    ) -> Result<Option<Taken>, ReceiveFault> {
        let Needs { own, folders } = self.needs(head, extra, payload)?;
        let is_next = lock(&self.machine).is_next(head.frame);
        // Folders of the frame that all others wait for are set at once.
        let taken = match self.memory.take(if is_next { own } else { own + folders }) {
            None if is_next => self.memory.take_turn(),
            taken => taken,
        };
        if taken.is_none() {
            lock(&self.machine).postpone(head.frame);
        }
        Ok(taken)
    }

    /// How many bytes of memory may be kept of a frame.
    fn needs(&self, head: &FrameHead, extra: &[u8], payload: &[&[u8]]) -> Result<Needs, ReceiveFault> {
        let file = match head.kind {
            FrameKind::Pack { entries } => return self.pack_needs(entries, payload),
            FrameKind::Block { file, .. } | FrameKind::Hole { file, .. } | FrameKind::Seal { file, .. } => {
                file
            }
        };
        let own = match lock(&self.machine).has_begun(file) {
            true => FAILED_LEN,
            false => FAILED_LEN + file_kept_len(extra.len()),
        };
        Ok(Needs { own, folders: 0 })
    }

    fn pack_needs(&self, entries: u32, payload: &[&[u8]]) -> Result<Needs, ReceiveFault> {
        let mut cursor = Cursor::new(payload);
        let mut needs = Needs { own: 0, folders: 0 };
        let has_commits = self.sink.has_commits();
        for _ in 0..entries {
            let mut head = [0; ENTRY_HEAD_LEN];
            cursor.read(&mut head)?;
            let head = EntryHead::decode(&head)?;
            let path_len = usize::from(head.path_len);
            cursor.skip(path_len + head.content_len as usize)?;
            needs.own += FAILED_LEN + if has_commits { waiting_kept_len(path_len) } else { 0 };
            if head.kind == EntryKind::Folder {
                needs.folders += folder_kept_len(path_len);
            }
        }
        match cursor.is_empty() {
            true => Ok(needs),
            false => Err(FrameError::Length.into()),
        }
    }

    fn is_urgent(&self) -> bool {
        let many = lock(&self.machine).unreported() >= ACK_FRAMES;
        many || self.is_finished() || self.failed.get().is_some()
    }

    /// True once all is received, and the observer knows.
    fn is_finished(&self) -> bool {
        lock(&self.machine).is_finished() && self.active.load(Ordering::SeqCst) == 0
    }

    fn block(
        &self,
        file: u32,
        head: &FrameHead,
        extra: &[u8],
        payload: &[&[u8]],
    ) -> Result<(), ReceiveFault> {
        let FrameKind::Block { offset, last, digest, .. } = head.kind else { return Ok(()) };
        let announcement = Announcement::decode(extra)?;
        let slot = {
            let mut machine = lock(&self.machine);
            if machine.block(head, announcement.clone())? == Begin::Drop {
                return Ok(());
            }
            self.slot(file, &announcement.path)
        };
        let Ok(chunk) = VerifiedChunk::verify(self.checksum, offset, last, digest, payload) else {
            drop(slot);
            return self.block_damaged(file, head.frame);
        };
        let staged = slot.get_or_init(|| self.stage(&announcement));
        let written = staged.as_ref().map_err(Clone::clone).and_then(|staged| staged.write(&chunk));
        drop(slot);
        let verdict = match written {
            Ok(()) => {
                self.observer.progress(Some(&announcement.path), u64::from(head.payload_len));
                self.judge(file, |machine| machine.written(file, head.frame, &chunk))?
            }
            Err(failure) => self.judge(file, |machine| Ok(machine.file_failed(file, head.frame, failure)))?,
        };
        self.conclude(file, verdict);
        Ok(())
    }

    fn stage(&self, announcement: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        self.observer.begun(&announcement.path, announcement.size);
        self.sink.stage(announcement)
    }

    fn hole(&self, file: u32, head: &FrameHead, extra: &[u8]) -> Result<(), ReceiveFault> {
        let FrameKind::Hole { offset, len, .. } = head.kind else { return Ok(()) };
        let announcement = Announcement::decode(extra)?;
        let slot = {
            let mut machine = lock(&self.machine);
            if machine.hole(head, announcement.clone())? == Begin::Drop {
                return Ok(());
            }
            self.slot(file, &announcement.path)
        };
        let staged = slot.get_or_init(|| self.stage(&announcement));
        let made = staged.as_ref().map_err(Clone::clone).and_then(|staged| staged.hole(offset, len));
        drop(slot);
        let verdict = match made {
            Ok(()) => {
                self.observer.progress(Some(&announcement.path), len);
                self.judge(file, |machine| machine.holed(head))?
            }
            Err(failure) => self.judge(file, |machine| Ok(machine.file_failed(file, head.frame, failure)))?,
        };
        self.conclude(file, verdict);
        Ok(())
    }

    fn block_damaged(&self, file: u32, frame: u64) -> Result<(), ReceiveFault> {
        let verdict = self.judge(file, |machine| {
            Ok(match machine.damaged(frame) {
                true => machine.file_failed(file, frame, FailureCode::Integrity.into()),
                false => Verdict::Incomplete,
            })
        })?;
        self.conclude(file, verdict);
        Ok(())
    }

    /// Lets the machine decide about a file. One that failed is discarded before its folder can count as done, since that changes the
    /// folder's time.
    fn judge(
        &self,
        file: u32,
        decide: impl FnOnce(&mut Receiver) -> Result<Verdict, ReceiverViolation>,
    ) -> Result<Verdict, ReceiveFault> {
        let _discarding = lock(&self.discarding);
        let verdict = decide(&mut lock(&self.machine))?;
        if let Verdict::Discard(..) | Verdict::Again(_) = &verdict {
            let slot = lock(&self.staged).remove(&file);
            if let Some(Ok(staged)) = slot.as_ref().and_then(|slot| slot.get()) {
                staged.discard();
            }
        }
        if let Verdict::Again(announcement) = &verdict {
            self.sink.again(&announcement.path);
        }
        Ok(verdict)
    }

    fn seal(&self, file: u32, head: &FrameHead, extra: &[u8], payload: &[&[u8]]) -> Result<(), ReceiveFault> {
        let FrameKind::Seal { end, .. } = head.kind else { return Ok(()) };
        let loss = (end == SealEnd::GivenUp).then(|| decode_loss(&payload.concat())).transpose()?;
        let announcement = Announcement::decode(extra)?;
        let verdict = {
            if lock(&self.found).contains_key(&announcement.path) {
                drop(self.slot(file, &announcement.path)); // all of it may have been found
            }
            self.judge(file, |machine| match end {
                SealEnd::Again => machine.begun_again(head, announcement),
                SealEnd::Whole | SealEnd::GivenUp | SealEnd::AsIs => machine.seal(head, announcement, loss),
            })?
        };
        self.conclude(file, verdict);
        Ok(())
    }

    fn conclude(&self, file: u32, verdict: Verdict) {
        match verdict {
            Verdict::Incomplete | Verdict::Again(_) => {}
            Verdict::Discard(announcement, failure) => {
                self.report(&announcement.path, false, 0, None, Some(&failure));
            }
            Verdict::Publish(publish) => {
                let slot = lock(&self.staged).remove(&file);
                let Some(Ok(staged)) = slot.as_ref().and_then(|slot| slot.get()) else { return };
                if self.failed.get().is_some() {
                    return; // as for packs
                }
                let placed = staged.publish(&publish);
                // Once the job is over, what is whole is kept for the next one.
                if placed.as_ref().is_err_and(|failure| failure.code != FailureCode::Cancelled) {
                    staged.discard();
                }
                drop(slot); // what failed is gone before its frame counts as done
                match placed {
                    Ok(Placed::Waiting(waiting)) => self.commits.add(Step::Published { publish, waiting }),
                    Ok(Placed::Done) => self.published(&publish, Ok(())),
                    Err(failure) => self.published(&publish, Err(failure)),
                }
            }
        }
    }

    fn published(&self, publish: &Publish, result: Result<(), Failure>) {
        let path = &publish.announcement().path;
        self.observer.settled(&Report {
            path,
            folder: false,
            bytes: publish.size(),
            digest: Some(publish.root()),
            as_is: publish.is_as_is(),
            failure: result.as_ref().err(),
        });
        lock(&self.machine).published(publish, result);
    }

    fn pack(&self, frame: u64, entries: u32, payload: &[&[u8]]) -> Result<(), ReceiveFault> {
        let mut cursor = Cursor::new(payload);
        let mut outcome = PackOutcome { before: lock(&self.partly).remove(&frame), ..PackOutcome::default() };
        let mut scratch = Vec::new();
        for entry in 0..entries {
            let mut head = [0; ENTRY_HEAD_LEN];
            cursor.read(&mut head)?;
            let head = EntryHead::decode(&head)?;
            scratch.clear();
            scratch.resize(usize::from(head.path_len), 0);
            cursor.read(&mut scratch)?;
            let path = RemotePath::from_wire(&scratch).map_err(FrameError::from)?;
            let content = cursor.pieces(head.content_len as usize)?;
            if self.failed.get().is_some() {
                return Ok(()); // nothing of the job is done after its end
            }
            self.entry((frame, entry), path, &head, &content, &mut outcome)?;
            if self.commits.is_full() {
                self.commit();
            }
        }
        if !cursor.is_empty() {
            return Err(FrameError::Length.into());
        }
        self.pack_done(frame, entries, outcome);
        Ok(())
    }

    fn entry(
        &self,
        (frame, entry): (u64, u32),
        path: RemotePath,
        head: &EntryHead,
        content: &[&[u8]],
        outcome: &mut PackOutcome,
    ) -> Result<(), ReceiveFault> {
        if outcome.before.as_ref().is_some_and(|before| before.contains(entry)) {
            return Ok(());
        }
        let (result, digest) = match head.kind {
            EntryKind::File => match VerifiedContent::verify(self.checksum, head.digest, content) {
                Ok(content) => (self.sink.file(&path, head, &content), Some(head.digest)),
                Err(_) => {
                    outcome.damaged.push((entry, path));
                    return Ok(());
                }
            },
            EntryKind::Symlink => (self.sink.link(&path, head, &content.concat()), None),
            EntryKind::Folder => {
                outcome.folders.push(FolderEntry { entry, path, modified: head.modified, mode: head.mode });
                return Ok(());
            }
            EntryKind::Lost => {
                let failure = decode_loss(&content.concat())?;
                self.report(&path, false, 0, None, Some(&failure)); // the sender knows
                return Ok(());
            }
        };
        let bytes = u64::from(head.content_len);
        if result.is_ok() {
            self.observer.progress(None, bytes);
        }
        match result {
            Ok(Placed::Waiting(waiting)) => {
                let (folder, as_is) = (false, head.as_is);
                let item = WaitingItem { frame, entry, path, folder, bytes, digest, as_is, waiting };
                self.commits.add(Step::Item(item));
                outcome.waits = true;
            }
            Ok(Placed::Done) => {
                let (path, as_is) = (&path, head.as_is);
                self.observer.settled(&Report { path, folder: false, bytes, digest, as_is, failure: None });
            }
            Err(failure) => {
                self.report(&path, false, bytes, digest, Some(&failure));
                outcome.failures.push((entry, failure));
            }
        }
        Ok(())
    }

    fn pack_done(&self, frame: u64, entries: u32, outcome: PackOutcome) {
        let PackOutcome { mut failures, folders, damaged, waits, before } = outcome;
        let mut machine = lock(&self.machine);
        if !damaged.is_empty() {
            if !machine.damaged(frame) {
                machine.entries_failed(frame, failures);
                let again = damaged.iter().map(|(entry, _)| *entry);
                let again: EntrySet = again.chain(folders.iter().map(|folder| folder.entry)).collect();
                let settled = (0..entries).filter(|entry| !again.contains(*entry)).collect();
                lock(&self.partly).insert(frame, settled);
                return;
            }
            for (entry, path) in damaged {
                let failure = Failure::from(FailureCode::Integrity);
                self.report(&path, false, 0, None, Some(&failure));
                failures.push((entry, failure));
            }
        }
        // Of a pack that has come before, some entries may still wait.
        match waits || before.is_some() {
            true => self.commits.add(Step::Packed { frame, failures, folders }),
            false => machine.packed(frame, failures, folders),
        }
    }

    /// Sets the metadata of folders in which nothing more will change.
    fn set_folders(&self) {
        while !self.commits.is_full() && self.failed.get().is_none() {
            let chosen = {
                let _nothing_is_discarded = lock(&self.discarding);
                lock(&self.machine).next_folders()
            };
            let Some((frame, folders)) = chosen else { return };
            let (mut failures, mut waits) = (Vec::new(), false);
            for folder in folders {
                match self.sink.folder(&folder) {
                    Ok(Placed::Waiting(waiting)) => {
                        let FolderEntry { entry, path, .. } = folder;
                        let item = WaitingItem {
                            frame,
                            entry,
                            path,
                            folder: true,
                            bytes: 0,
                            digest: None,
                            as_is: false,
                            waiting,
                        };
                        self.commits.add(Step::Item(item));
                        waits = true;
                    }
                    Ok(Placed::Done) => self.report(&folder.path, true, 0, None, None),
                    Err(failure) => {
                        self.report(&folder.path, true, 0, None, Some(&failure));
                        failures.push((folder.entry, failure));
                    }
                }
            }
            match waits {
                true => self.commits.add(Step::FoldersSet { frame, failures }),
                false => lock(&self.machine).folders_set(frame, failures),
            }
        }
    }

    /// Makes durable what waits for it, sets the folders that waited for that, and makes those durable too.
    fn commit_all(&self) {
        while !self.commits.is_empty() {
            self.commit();
            self.set_folders();
        }
    }

    /// Makes durable what waits for it, gives it its names, and tells of it.
    fn commit(&self) {
        let (mut steps, _turn) = self.commits.take();
        if steps.is_empty() || self.failed.get().is_some() {
            return; // what was staged is discarded
        }
        self.active.fetch_add(1, Ordering::SeqCst);
        let batch: Vec<_> = steps.iter_mut().filter_map(Step::take_waiting).collect();
        let is_over = || self.failed.get().is_some();
        let results = if batch.is_empty() { Vec::new() } else { self.sink.commit(batch, &is_over) };
        let mut results = results.into_iter();
        // Of a job that has ended nothing is told: whoever goes on with it finds what has a name, and makes it durable.
        let told = if is_over() { Vec::new() } else { steps };
        for step in told {
            let mut result = || results.next().unwrap_or_else(|| Err(FailureCode::Io.into()));
            match step {
                Step::Item(item) => self.committed(item, result()),
                Step::Published { publish, .. } => self.published(&publish, result()),
                Step::Packed { frame, failures, folders } => {
                    lock(&self.machine).packed(frame, failures, folders);
                }
                Step::FoldersSet { frame, failures } => lock(&self.machine).folders_set(frame, failures),
            }
        }
        self.commits.told();
        self.count_kept();
        self.active.fetch_sub(1, Ordering::SeqCst);
        self.changed.notify_one();
    }

    fn committed(&self, item: WaitingItem, result: Result<(), Failure>) {
        let WaitingItem { frame, entry, path, folder, bytes, digest, as_is, .. } = item;
        let failure = result.as_ref().err();
        self.observer.settled(&Report { path: &path, folder, bytes, digest, as_is, failure });
        if let Err(failure) = result {
            lock(&self.machine).entries_failed(frame, vec![(entry, failure)]);
        }
    }

    fn report(
        &self,
        path: &RemotePath,
        folder: bool,
        bytes: u64,
        digest: Option<Digest>,
        failure: Option<&Failure>,
    ) {
        self.observer.settled(&Report { path, folder, bytes, digest, as_is: false, failure });
    }
}

impl Drop for ReceiveJob {
    fn drop(&mut self) {
        self.dispose(); // whoever has it last may be a task that serves everybody
    }
}

/// What became of a pack's entries.
#[derive(Default)]
struct PackOutcome {
    /// Entries that an earlier arrival of the pack has settled.
    before: Option<EntrySet>,
    failures: Vec<(u32, Failure)>,
    folders: Vec<FolderEntry>,
    damaged: Vec<(u32, RemotePath)>,
    /// Some of them wait for a commit, and the pack with them.
    waits: bool,
}

/// What may be kept of a frame.
struct Needs {
    /// Of its failures, of items that wait for a sync, of a file that begins with it.
    own: usize,
    /// Of folders that wait for earlier frames.
    folders: usize,
}

/// A set of entries of one pack.
#[derive(Default)]
struct EntrySet([u64; PACK_ENTRIES_MAX / 64]);

impl EntrySet {
    fn contains(&self, entry: u32) -> bool {
        let (word, bit) = (entry as usize / 64, entry % 64);
        self.0.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }
}

impl FromIterator<u32> for EntrySet {
    fn from_iter<I: IntoIterator<Item = u32>>(entries: I) -> Self {
        let mut set = Self::default();
        for entry in entries {
            if let Some(word) = set.0.get_mut(entry as usize / 64) {
                *word |= 1 << (entry % 64);
            }
        }
        set
    }
}

/// A commit under way.
struct Commit(Option<JoinHandle<Result<(), Failure>>>);

impl Commit {
    /// Waits for its end; there is none then.
    async fn ended(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.0 else { return Ok(()) };
        let ended = running.await;
        self.0 = None;
        ended.map_err(|panic| Failure::new(FailureCode::Io, panic.to_string()))?
    }
}

/// Acknowledgements wait a little for company, unless there are many or the job is done: the window is far larger.
const ACK_DELAY: Duration = Duration::from_millis(5);
const ACK_FRAMES: u64 = 32;
/// How often it is looked for room for frames that are postponed.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);
/// Room for a failure: most have a short sentence or none.
const FAILED_LEN: usize = 128;
/// The most that may be kept of one frame, but for a sync.
const FRAME_KEPT_MAX: usize = PACK_LEN_MAX + PACK_ENTRIES_MAX * (FAILED_LEN + 160);

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of tests are short")]
mod tests;
