//! A job's receiving side: takes frames as lanes bring them, verifies, writes, publishes, and acknowledges.
//!
//! A frame is taken if the session's [budget](crate::budget) has room for the part of it that is kept: its folders until all
//! frames before it are done, its failures until they are acknowledged, its items until they are synced. If not, it is dropped
//! before any work on it, and requested again when there is room; its lane continues, since the frame that all others wait for
//! may come behind it. That one frame is taken without room, one of a session's at a time.
//!
//! Locks are taken in this order: `discarding` or the turn of a commit; the count of memory; the machine; then `staged` before
//! `found`, or `partly`, or the queue of commits. The disk is waited for under the first two only, never under the machine's
//! lock.

mod commits;
mod large_file;
mod needs;
mod offers;
mod old_files;
mod pack;

use super::active::ActiveCount;
use super::commits::Commits;
use super::memory::{JobMemory, SessionMemory};
use super::{JobObserver, SettledItem, lock};
use crate::budget::Charge;
use crate::checksum::{Checksum, Digest};
use crate::control::Envelope;
use crate::disk::Disk;
use crate::failure::{Failure, FailureCode};
use crate::frame::{FrameError, FrameHead, FrameKind};
use crate::ids::{FileNo, FrameNo, JobId};
use crate::limits::ROOM_PATIENCE;
use crate::message::{Ack, End, Message, Offer};
use crate::net::control::Outbox;
use crate::path::RemotePath;
use crate::receiver::{Begin, Receiver, ReceiverViolation, failure_kept_len};
use crate::store::{Sink, Staged};
use needs::FRAME_KEPT_MAX;
use old_files::OldFiles;
use pack::EntrySet;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A job that receives.
pub struct ReceiveJob {
    pub(crate) id: JobId,
    machine: Mutex<Receiver>,
    checksum: Checksum,
    sink: Box<dyn Sink>,
    staged: Mutex<HashMap<FileNo, Slot>>,
    /// Settled entries of packs that are to be sent again for their other entries.
    partly: Mutex<HashMap<FrameNo, EntrySet>>,
    commits: Commits,
    observer: Arc<dyn JobObserver>,
    changed: Notify,
    failed: OnceLock<Failure>,
    /// Frames and commits in progress: while there are any, the observer has not received all events.
    active: ActiveCount,
    /// Unanswered offers, with their memory charges.
    offers: Mutex<VecDeque<(Offer, Charge)>>,
    offered: Notify,
    /// Staged files of an earlier run that were offered, until their first frame shows their number.
    found: Mutex<HashMap<RemotePath, Box<dyn Staged>>>,
    /// Locked while a file is given up and discarded, and while finished folders are chosen: threads at the disk wait for each
    /// other here, so that threads without disk work never wait for them at the machine.
    discarding: Mutex<()>,
    /// What the sender learns of failures.
    telling: fn(Failure) -> Failure,
    /// The disk on which its files are closed and discarded.
    disk: OnceLock<Arc<Disk>>,
    memory: JobMemory,
    /// Old files that large files are to replace, and requests for their signatures.
    old_files: OldFiles,
}

/// The staged file of a large file, made by the first of its blocks.
type Slot = Arc<OnceLock<Result<Box<dyn Staged>, Failure>>>;

/// The content of a frame, or what it is made of.
enum FrameContent<'a> {
    Pieces(&'a [&'a [u8]]),
    /// A recipe, decompressed.
    Recipe(Vec<u8>),
}

impl<'a> FrameContent<'a> {
    fn pieces(&self) -> &'a [&'a [u8]] {
        match self {
            Self::Pieces(pieces) => pieces,
            Self::Recipe(_) => &[],
        }
    }
}

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
    pub fn new(id: JobId, machine: Receiver, sink: Box<dyn Sink>, observer: Arc<dyn JobObserver>) -> Self {
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
            active: ActiveCount::default(),
            offers: Mutex::default(),
            offered: Notify::new(),
            found: Mutex::default(),
            discarding: Mutex::new(()),
            telling: |failure| failure,
            disk: OnceLock::new(),
            memory: JobMemory::default(),
            old_files: OldFiles::default(),
        }
    }

    /// Sends failures to the sender as `telling` words them; the observer receives them as they are. For a sender that may not
    /// learn what else is at the target.
    #[must_use]
    pub fn telling(mut self, telling: fn(Failure) -> Failure) -> Self {
        self.telling = telling;
        self
    }

    /// Sets the disk that its files are written to.
    pub(crate) fn is_on(&self, disk: &Arc<Disk>) {
        let _ = self.disk.set(disk.clone()); // a job belongs to one exchange
    }

    /// Discards staged files, once the job has ended.
    pub(crate) async fn close(&self, disk: &Arc<Disk>) {
        self.dispose();
        disk.disposed().await;
    }

    fn dispose(&self) {
        let staged = std::mem::take(&mut *lock(&self.staged));
        let found = std::mem::take(&mut *lock(&self.found));
        let steps = self.commits.take_all();
        let old_files = self.old_files.take_all();
        let is_nothing = staged.is_empty() && found.is_empty() && steps.is_empty() && old_files.is_empty();
        if let Some(disk) = self.disk.get().filter(|_| !is_nothing) {
            disk.dispose((staged, found, steps, old_files));
        }
    }

    /// Limits the job to the memory of `session` from now on.
    pub(crate) fn keep_within(&self, session: &SessionMemory) {
        self.memory.keep_within(session);
    }

    /// Ends the job early. Staged files are discarded when the job is dropped.
    pub fn fail(&self, failure: Failure) {
        let _ = self.failed.set(failure); // the first reason is the one to report
        self.changed.notify_one();
    }

    /// Acknowledges until everything is received.
    ///
    /// # Errors
    /// If the job was ended before, or its path leads to another place in the end.
    pub(crate) async fn drive(self: &Arc<Self>, outbox: &Outbox, disk: &Arc<Disk>) -> Result<(), Failure> {
        let mut commit = Commit(None);
        let mut stuck = None;
        loop {
            let has_asked = self.ask_again(&mut stuck);
            if let Some(failure) = self.failed.get() {
                let _ = commit.ended().await; // no part of the job may run after its end
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
            while let Some(DueAck { ack, charge, may_be_last }) = self.take_ack() {
                if may_be_last && let Err(failure) = self.check_place(disk).await {
                    self.fail(failure.clone());
                    let _ = commit.ended().await; // no part of the job may run after its end
                    return Err(failure);
                }
                let sent = outbox.send_charged(Envelope::new(self.id.0, ack), charge).await;
                sent.map_err(|_| Failure::from(FailureCode::Cancelled))?;
            }
            self.count_kept();
            if finished {
                return Ok(());
            }
        }
    }

    /// Checks the place of the job. Errors that may pass, such as too many open files, are tried again for a moment.
    async fn check_place(self: &Arc<Self>, disk: &Arc<Disk>) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            let job = self.clone();
            let checked = disk.run(move || job.sink.check_place()).await?;
            let is_answer = |failure: &Failure| failure.code == FailureCode::NotFound;
            if checked.as_ref().err().is_none_or(is_answer) || begin.elapsed() > CHECK_PATIENCE {
                return checked;
            }
            tokio::time::sleep(ROOM_INTERVAL).await;
        }
    }

    /// Takes the acknowledgement that is due, and notes in the same moment whether it may be the last: all that it acknowledges
    /// is in its place before the check that a last one needs.
    fn take_ack(&self) -> Option<DueAck> {
        let mut machine = lock(&self.machine);
        let mut ack = machine.take_ack()?;
        let may_be_last = machine.may_be_over();
        drop(machine);
        for item in &mut ack.failed {
            item.failure = (self.telling)(std::mem::replace(&mut item.failure, FailureCode::Io.into()));
        }
        let kept = ack.failed.iter().map(|failed| failure_kept_len(&failed.failure)).sum();
        Some(DueAck { ack, charge: self.memory.split(kept), may_be_last })
    }

    /// Requests frames again that were postponed for lack of memory. If there is none for long, not even for the frame that all
    /// others wait for, the job ends: everything in the session waits for each other. Returns true if there are frames to
    /// request.
    fn ask_again(&self, stuck: &mut Option<Instant>) -> bool {
        let (any, next) = lock(&self.machine).postponed();
        if !any {
            *stuck = None;
            return false;
        }
        let frames =
            self.memory.frames_of(FRAME_KEPT_MAX).max(usize::from(next && self.memory.is_overdraft_free()));
        lock(&self.machine).ask_again(frames);
        if frames > 0 || !next {
            *stuck = None;
        } else if stuck.get_or_insert_with(Instant::now).elapsed() > ROOM_PATIENCE {
            self.fail(self.memory.exhausted());
        }
        frames > 0
    }

    /// Updates the memory charge of the job.
    fn count_kept(&self) {
        let is_settled = || {
            let machine = lock(&self.machine);
            !machine.has_failures() && self.commits.is_empty() && self.active.is_idle()
        };
        let kept = || lock(&self.machine).kept() + self.commits.kept() + self.sink.kept();
        self.memory.count(kept, is_settled);
    }

    /// Takes a message of the sender about the job.
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these are for a receiver; the exchange knows")]
    pub(crate) fn told(&self, message: Message, charge: Charge) -> Result<(), ReceiverViolation> {
        match message {
            Message::Offer(offer) => self.offered(offer, charge),
            Message::SignatureRequest(request) => self.signatures_requested(request, charge),
            Message::End(end) => self.ended(end),
            Message::Totals(totals) => {
                self.observer.totals(totals);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn ended(&self, end: End) -> Result<(), ReceiverViolation> {
        let result = lock(&self.machine).end(end);
        self.changed.notify_one();
        result
    }

    /// Takes a frame whose payload is its content: verifies it, and carries it out.
    pub(crate) fn take(&self, head: &FrameHead, extra: &[u8], payload: &[&[u8]]) -> Result<(), ReceiveFault> {
        self.take_frame(head, extra, FrameContent::Pieces(payload)).map(drop)
    }

    /// Takes a block whose payload was this recipe. Returns how many bytes were copied for it.
    pub(crate) fn take_recipe(
        &self,
        head: &FrameHead,
        extra: &[u8],
        recipe: Vec<u8>,
    ) -> Result<usize, ReceiveFault> {
        self.take_frame(head, extra, FrameContent::Recipe(recipe))
    }

    fn take_frame(
        &self,
        head: &FrameHead,
        extra: &[u8],
        content: FrameContent<'_>,
    ) -> Result<usize, ReceiveFault> {
        if self.failed.get().is_some() {
            return Ok(0);
        }
        let _active = self.active.enter(&self.changed);
        let begin = lock(&self.machine).begin(head)?;
        if begin == Begin::Drop {
            return Ok(0);
        }
        let payload = content.pieces();
        let Some(_room) = self.admit(head, extra, payload)? else { return Ok(0) };
        let mut copied = 0;
        match head.kind {
            FrameKind::Block { file, .. } => copied = self.block(file, head, extra, content)?,
            FrameKind::Hole { file, .. } => self.hole(file, head, extra)?,
            FrameKind::Pack { entries, .. } => self.pack(head.frame, entries, payload)?,
            FrameKind::Seal { file, .. } => self.seal(file, head, extra, payload)?,
        }
        self.set_folders();
        if self.commits.is_full() {
            self.commit();
            self.set_folders();
        }
        self.count_kept();
        Ok(copied)
    }

    fn is_urgent(&self) -> bool {
        let many = lock(&self.machine).unreported() >= ACK_FRAMES;
        many || self.is_finished() || self.failed.get().is_some()
    }

    /// True once everything is received, and the observer has been notified.
    fn is_finished(&self) -> bool {
        lock(&self.machine).is_finished() && self.active.is_idle()
    }

    fn report(
        &self,
        path: &RemotePath,
        folder: bool,
        bytes: u64,
        digest: Option<Digest>,
        failure: Option<&Failure>,
    ) {
        let item = SettledItem { path, folder, bytes, digest, as_is: false, failure, is_lost: false };
        self.observer.settled(&item);
    }

    /// Reports an item that the sender could not read, and knows of.
    fn report_lost(&self, path: &RemotePath, failure: &Failure) {
        let (folder, bytes, digest, failure) = (false, 0, None, Some(failure));
        self.observer.settled(&SettledItem {
            path,
            folder,
            bytes,
            digest,
            as_is: false,
            failure,
            is_lost: true,
        });
    }
}

impl Drop for ReceiveJob {
    fn drop(&mut self) {
        self.dispose(); // its last owner may be a task that serves all sessions
    }
}

/// An acknowledgement that is to be sent.
struct DueAck {
    ack: Ack,
    /// The memory of its failures.
    charge: Charge,
    /// The sender may find the job complete with it: it is sent only if the job's path still leads to the same place.
    may_be_last: bool,
}

/// A commit in progress.
struct Commit(Option<JoinHandle<Result<(), Failure>>>);

impl Commit {
    /// Waits for its end, and then removes it.
    async fn ended(&mut self) -> Result<(), Failure> {
        let Some(running) = &mut self.0 else { return Ok(()) };
        let ended = running.await;
        self.0 = None;
        ended.map_err(|panic| Failure::new(FailureCode::Io, panic.to_string()))?
    }
}

/// Acknowledgements are delayed a little to be sent together, unless there are many or the job is done: the window is far
/// larger.
const ACK_DELAY: Duration = Duration::from_millis(5);
const ACK_FRAMES: u64 = 32;
/// How long an error of the check of a job's place may take to pass.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);
/// Interval of the checks for memory for postponed frames.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of tests are short")]
mod tests;
