//! Tests of a receiving job with a recording sink: which items are placed, which are reported, and when.

mod acknowledgements;
mod ends;

use super::*;
use crate::checksum::ChunkPlace;
use crate::checksum::RootBuilder;
use crate::frame::{ANNOUNCEMENT_LEN, BLOCK_EXTRA_LEN, encode_loss};
use crate::frame::{Announcement, BlockExtra, EntryHead, EntryKind, SealEnd};
use crate::ids::{FileNo, FrameNo, JobId};
use crate::limits::{ATTEMPTS_MAX, CHUNK_LEN};
use crate::message::{Ack, Offer, OfferedItem, Totals};
use crate::metadata::{Kind, SourceId, Timestamp};
use crate::receiver::{FolderEntry, Publish};
use crate::store::{PendingCommit, Placed, ResumeState};
use crate::verified::{VerifiedChunk, VerifiedContent};
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

type Log = Arc<Mutex<Vec<String>>>;
type Find = fn(Box<dyn Staged>) -> ResumeState;

/// Records placed items, and the job's reports.
struct World {
    job: Arc<ReceiveJob>,
    log: Log,
    /// Bytes that were reported while they came.
    progress: Arc<AtomicU64>,
}

/// Injected faults of the sink.
#[derive(Default)]
struct Faults {
    /// All items wait for a commit.
    waits: bool,
    /// Files fail.
    files_fail: bool,
    /// Chunks of large files fail.
    chunks_fail: bool,
    /// Folders fail.
    folders_fail: bool,
    /// Setting a folder takes so long, and waits for no commit.
    folders_take: Option<Duration>,
    /// The job's path leads to another place in the end.
    is_moved: bool,
    /// The job ends when the file of this name, or a chunk, is written.
    ends_job_at: Option<&'static str>,
    /// Returns what is there of an offered item, with a staged file for it.
    found: Option<Find>,
}

struct FakeSink {
    log: Log,
    faults: Arc<Faults>,
    job: Arc<OnceLock<Weak<ReceiveJob>>>,
}

struct RecordingObserver(Log, Arc<AtomicU64>);

impl World {
    fn new(faults: Faults) -> Self {
        let (log, job): (Log, Arc<OnceLock<_>>) = (Log::default(), Arc::default());
        let sink = FakeSink { log: log.clone(), faults: Arc::new(faults), job: job.clone() };
        let (machine, progress) = (Receiver::new(Checksum::Blake3, 8), Arc::<AtomicU64>::default());
        let observer = Arc::new(RecordingObserver(log.clone(), progress.clone()));
        let made = Arc::new(ReceiveJob::new(JobId(1), machine, Box::new(sink), observer));
        job.set(Arc::downgrade(&made)).unwrap();
        Self { job: made, log, progress }
    }

    fn take(&self, frame: u64, entries: &[Entry]) -> Result<(), ReceiveFault> {
        let payload = entries.iter().flat_map(Entry::encode).collect::<Vec<u8>>();
        let (job, extra_len, payload_len) = (1, 0, payload.len() as u32);
        let kind = FrameKind::Pack { entries: entries.len() as u32, encoding: Default::default() };
        self.job.take(
            &FrameHead { job: JobId(job), frame: FrameNo(frame), extra_len, payload_len, kind },
            &[],
            &[&payload],
        )
    }

    /// Drives the job to its end; returns its result.
    async fn drive(&self, outbox: &Outbox) -> Result<(), Failure> {
        self.job.drive(outbox, &Disk::alone()).await
    }

    /// Returns the events since the last call.
    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.log))
    }

    fn ack(&self) -> Option<Ack> {
        lock(&self.job.machine).take_ack()
    }
}

impl FakeSink {
    fn staged(&self) -> Box<dyn Staged> {
        let (log, faults, job) = (self.log.clone(), self.faults.clone(), self.job.clone());
        Box::new(FakeStaged { log, faults, job })
    }

    fn note(&self, what: &str, path: &RemotePath) -> Result<Placed, Failure> {
        let path = path.to_string();
        lock(&self.log).push(format!("{what} {path}"));
        end_job_at(&self.job, &self.faults, &path);
        if self.faults.waits { Ok(Placed::Pending(PendingCommit::Folder)) } else { Ok(Placed::Done) }
    }
}

fn end_job_at(job: &OnceLock<Weak<ReceiveJob>>, faults: &Faults, path: &str) {
    if faults.ends_job_at.is_some_and(|name| path.ends_with(name)) {
        job.get().unwrap().upgrade().unwrap().fail(FailureCode::Cancelled.into());
    }
}

impl Sink for FakeSink {
    fn stage(&self, _: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        Ok(self.staged())
    }

    fn look(&self, item: &OfferedItem) -> ResumeState {
        lock(&self.log).push(format!("look {}", item.path));
        self.faults.found.map_or(ResumeState::None, |found| found(self.staged()))
    }

    fn file(&self, path: &RemotePath, _: &EntryHead, _: &VerifiedContent<'_>) -> Result<Placed, Failure> {
        if self.faults.files_fail {
            return Err(FailureCode::PermissionDenied.into());
        }
        self.note("place", path)
    }

    fn link(&self, path: &RemotePath, _: &EntryHead, _: &[u8]) -> Result<Placed, Failure> {
        self.note("link", path)
    }

    fn folder(&self, entry: &FolderEntry) -> Result<Placed, Failure> {
        if self.faults.folders_fail {
            return Err(FailureCode::PermissionDenied.into());
        }
        if let Some(time) = self.faults.folders_take {
            std::thread::sleep(time);
            return Ok(Placed::Done);
        }
        self.note("set", &entry.path)
    }

    fn commit(&self, batch: Vec<PendingCommit>, _: &dyn Fn() -> bool) -> Vec<Result<(), Failure>> {
        lock(&self.log).push(format!("commit {}", batch.len()));
        batch.iter().map(|_| Ok(())).collect()
    }

    fn check_place(&self) -> Result<(), Failure> {
        lock(&self.log).push("check".into());
        if self.faults.is_moved { Err(FailureCode::NotFound.into()) } else { Ok(()) }
    }

    fn has_commits(&self) -> bool {
        self.faults.waits
    }

    fn again(&self, path: &RemotePath) {
        let job = self.job.get().unwrap().upgrade().unwrap();
        let acknowledged = frames(lock(&job.machine).take_ack());
        lock(&self.log).push(format!("again {path}, acknowledged: {acknowledged:?}"));
    }
}

struct FakeStaged {
    log: Log,
    faults: Arc<Faults>,
    job: Arc<OnceLock<Weak<ReceiveJob>>>,
}

impl Staged for FakeStaged {
    fn write(&self, _: &VerifiedChunk<'_>) -> Result<(), Failure> {
        end_job_at(&self.job, &self.faults, "chunk");
        if self.faults.chunks_fail { Err(FailureCode::NoSpace.into()) } else { Ok(()) }
    }

    fn publish(&self, publish: &Publish) -> Result<Placed, Failure> {
        lock(&self.log).push(format!("publish {}", publish.announcement().path));
        Ok(Placed::Done)
    }

    fn discard(&self) {
        lock(&self.log).push("discard".into());
    }
}

impl JobObserver for RecordingObserver {
    fn progress(&self, _: Option<&RemotePath>, bytes: u64) {
        self.1.fetch_add(bytes, Ordering::SeqCst);
    }

    fn already_there(&self, _: Option<&RemotePath>, _: u64) {}

    fn file_started(&self, path: &RemotePath, _: Option<u64>) {
        lock(&self.0).push(format!("started {path}"));
    }

    fn totals(&self, totals: Totals) {
        lock(&self.0).push(format!("{} files", totals.files));
    }

    fn settled(&self, item: &SettledItem<'_>) {
        assert!(!item.folder || item.bytes == 0, "a folder has no bytes");
        let kind = if item.folder { "folder" } else { "item" };
        let kind = if item.is_lost { "lost" } else { kind };
        let result = item.failure.map_or("ok".to_owned(), |failure| format!("{:?}", failure.code));
        lock(&self.0).push(format!("{kind} {}: {result}", item.path));
    }
}

struct Entry {
    path: &'static str,
    kind: EntryKind,
    content: Vec<u8>,
    digest: Digest,
}

impl Entry {
    fn file(path: &'static str) -> Self {
        let content = path.as_bytes().to_vec();
        let digest = Checksum::Blake3.of_small_file([&content[..]]);
        Self { path, kind: EntryKind::File, content, digest }
    }

    fn folder(path: &'static str) -> Self {
        Self { path, kind: EntryKind::Folder, content: Vec::new(), digest: Digest::default() }
    }

    fn lost(path: &'static str, content: Vec<u8>) -> Self {
        Self { path, kind: EntryKind::Lost, content, digest: Digest::default() }
    }

    fn damaged(self) -> Self {
        let mut content = self.content;
        content[0] ^= 1;
        Self { content, ..self }
    }

    fn encode(&self) -> Vec<u8> {
        let head = EntryHead {
            kind: self.kind,
            path_len: self.path.len() as u16,
            payload_len: self.content.len() as u32,
            content_len: self.content.len() as u32,
            modified: (self.kind != EntryKind::Lost).then_some(Default::default()),
            mode: if self.kind == EntryKind::Lost { 0 } else { 0o644 },
            digest: self.digest,
            as_is: false,
        };
        [&head.encode()[..], self.path.as_bytes(), &self.content].concat()
    }
}

fn frames(ack: Option<Ack>) -> Vec<u64> {
    ack.into_iter()
        .flat_map(|ack| ack.done)
        .flat_map(|range| range.first.0..range.first.0 + u64::from(range.count))
        .collect()
}

/// The job ends between a file's last chunk and its name.
#[test]
fn a_large_file_gets_no_name_after_the_jobs_end() {
    for (ends_job_at, published) in [(None, true), (Some("chunk"), false)] {
        let world = World::new(Faults { ends_job_at, ..Faults::default() });
        let path = RemotePath::from_wire(b"large").unwrap();
        let size = 5;
        let announcement =
            Announcement { path, size: Some(size), modified: None, mode: 0o644, source: SourceId::default() };
        let (mut of_seal, mut of_block) = (Vec::new(), Vec::new());
        announcement.encode(&mut of_seal);
        BlockExtra { content_len: 5, announcement }.encode(&mut of_block);
        assert_eq!((of_seal.len(), of_block.len()), (ANNOUNCEMENT_LEN + 5, BLOCK_EXTRA_LEN + 5));
        let digest = Checksum::Blake3.of_chunk(ChunkPlace::Only, [&b"12345"[..]]);
        let mut root = RootBuilder::new(Checksum::Blake3);
        root.add(0, digest);
        let root = root.root(size).unwrap();
        let head = |frame, extra: &[u8], payload_len, kind| FrameHead {
            job: JobId(1),
            frame,
            extra_len: extra.len() as u16,
            payload_len,
            kind,
        };
        let seal = head(
            FrameNo(1),
            &of_seal,
            0,
            FrameKind::Seal { file: FileNo(0), size, root, end: SealEnd::Whole },
        );
        world.job.take(&seal, &of_seal, &[]).unwrap();
        let block = head(
            FrameNo(0),
            &of_block,
            5,
            FrameKind::Block { file: FileNo(0), offset: 0, last: true, digest, encoding: Default::default() },
        );
        world.job.take(&block, &of_block, &[b"12345"]).unwrap();
        let log = world.log();
        assert_eq!(log.contains(&"publish /large".to_owned()), published, "{log:?}");
        assert_eq!(log.contains(&"item /large: ok".to_owned()), published, "{log:?}");
        assert_eq!(frames(world.ack()).contains(&1), published);
    }
}

#[test]
fn a_folder_that_fails_is_told_to_both_ends() {
    let world = World::new(Faults { folders_fail: true, ..Faults::default() });
    world.take(0, &[Entry::file("a/b"), Entry::folder("a")]).unwrap();
    assert_eq!(world.log(), ["place /a/b", "item /a/b: ok", "folder /a: PermissionDenied"]);
    let ack = world.ack().unwrap();
    assert_eq!(ack.failed.iter().map(|failed| (failed.frame.0, failed.entry)).collect::<Vec<_>>(), [(0, 1)]);
    assert_eq!(frames(Some(ack)), [0]);
}

#[test]
fn of_a_pack_that_comes_again_only_what_was_damaged_is_placed() {
    let world = World::new(Faults::default());
    let entries = |damaged: bool| {
        let second = if damaged { Entry::file("b").damaged() } else { Entry::file("b") };
        [Entry::file("a"), second, Entry::lost("l", vec![3, 0]), Entry::folder("f")]
    };
    for again in 0..2 {
        world.take(0, &entries(true)).unwrap();
        let expected = ["place /a", "item /a: ok"];
        let log = world.log();
        assert_eq!(
            log.iter().filter(|line| expected.contains(&line.as_str())).count(),
            2 * usize::from(again == 0)
        );
        assert!(!log.iter().any(|line| line.contains("/b") || line.contains("/f")), "{log:?}");
        let ack = world.ack().unwrap();
        assert_eq!((ack.damaged, ack.done), (vec![FrameNo(0)], vec![]));
    }
    world.take(0, &entries(false)).unwrap();
    world.job.commit_all();
    assert_eq!(world.log(), ["place /b", "item /b: ok", "set /f", "folder /f: ok"]);
    assert_eq!(frames(world.ack()), [0]);
}

#[test]
fn an_entry_that_is_damaged_each_time_fails_alone() {
    let world = World::new(Faults::default());
    for _ in 0..ATTEMPTS_MAX {
        world.take(0, &[Entry::file("a"), Entry::file("b").damaged()]).unwrap();
    }
    world.job.commit_all();
    assert_eq!(world.log(), ["place /a", "item /a: ok", "item /b: Integrity"]);
    let ack = world.ack().unwrap();
    assert_eq!(ack.failed.iter().map(|failed| failed.entry).collect::<Vec<_>>(), [1]);
}

/// A waiting item is neither reported nor acknowledged before its commit, nor is its pack.
#[test]
fn what_waits_for_a_commit_is_told_after_it() {
    let world = World::new(Faults { waits: true, ..Faults::default() });
    world.take(0, &[Entry::file("a"), Entry::folder("f")]).unwrap();
    assert_eq!((world.log(), world.ack()), (vec!["place /a".to_owned()], None));
    world.job.commit();
    assert_eq!((world.log(), world.ack()), (vec!["commit 1".to_owned(), "item /a: ok".to_owned()], None));
    world.job.set_folders();
    assert_eq!((world.log(), world.ack()), (vec!["set /f".to_owned()], None));
    world.job.commit();
    assert_eq!(world.log(), ["commit 1", "folder /f: ok"]);
    assert_eq!(frames(world.ack()), [0]);
}

#[test]
fn bytes_of_a_file_that_fails_are_no_progress() {
    for files_fail in [false, true] {
        let world = World::new(Faults { files_fail, ..Faults::default() });
        world.take(0, &[Entry::file("a")]).unwrap();
        assert_eq!(world.progress.load(Ordering::SeqCst) == 0, files_fail);
    }
}

#[test]
fn a_folder_is_done_when_it_is_set() {
    let world = World::new(Faults::default());
    world.take(1, &[Entry::folder("f")]).unwrap();
    assert_eq!((world.log(), world.ack()), (vec![], None), "frame 0 may be of something in it");
    world.take(0, &[Entry::file("f/a")]).unwrap();
    assert_eq!(world.log(), ["place /f/a", "item /f/a: ok", "set /f", "folder /f: ok"]);
    assert_eq!(frames(world.ack()), [0, 1]);
}

#[test]
fn a_loss_that_is_none_breaks_the_protocol() {
    let world = World::new(Faults::default());
    assert!(world.take(0, &[Entry::lost("a", vec![3])]).is_err());
    let world = World::new(Faults::default());
    let failure = Failure::new(FailureCode::PermissionDenied, "why");
    world.take(0, &[Entry::lost("a", encode_loss(&failure))]).unwrap();
    assert_eq!(world.log(), ["lost /a: PermissionDenied"], "it is the sender's failure");
    assert!(world.ack().unwrap().failed.is_empty(), "the sender knows");
}

/// A seal with an otherwise unused number has no effect.
#[test]
fn a_seal_of_a_file_that_never_began_is_forgotten() {
    let world = World::new(Faults::default());
    let path = RemotePath::from_wire(b"a").unwrap();
    let announcement =
        Announcement { path, size: Some(5), modified: None, mode: 0o644, source: SourceId::default() };
    let mut extra = Vec::new();
    announcement.encode(&mut extra);
    let kind = FrameKind::Seal { file: FileNo(7), size: 0, root: Digest::default(), end: SealEnd::Again };
    let head =
        FrameHead { job: JobId(1), frame: FrameNo(0), extra_len: extra.len() as u16, payload_len: 0, kind };
    world.job.take(&head, &extra, &[]).unwrap();
    assert!(lock(&world.job.staged).is_empty());
    assert_eq!((world.log(), frames(world.ack())), (vec![], vec![0]));
}

/// As soon as its seal is acknowledged, frames of the next attempt may arrive over another lane, so the job must be ready for
/// them before.
#[test]
fn a_file_that_comes_once_more_is_forgotten_before_its_seal_is_acknowledged() {
    let world = World::new(Faults::default());
    let path = RemotePath::from_wire(b"a").unwrap();
    let size = Some(2 * CHUNK_LEN as u64);
    let announcement = Announcement { path, size, modified: None, mode: 0o644, source: SourceId::default() };
    let (mut of_seal, mut of_block) = (Vec::new(), Vec::new());
    announcement.encode(&mut of_seal);
    BlockExtra { content_len: CHUNK_LEN as u32, announcement }.encode(&mut of_block);
    let chunk = vec![1; CHUNK_LEN];
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::Among { index: 0 }, [&chunk[..]]);
    let kind =
        FrameKind::Block { file: FileNo(7), offset: 0, last: false, digest, encoding: Default::default() };
    let (extra_len, payload_len) = (of_block.len() as u16, CHUNK_LEN as u32);
    let head = FrameHead { job: JobId(1), frame: FrameNo(0), extra_len, payload_len, kind };
    world.job.take(&head, &of_block, &[&chunk]).unwrap();
    let kind = FrameKind::Seal { file: FileNo(7), size: 0, root: Digest::default(), end: SealEnd::Again };
    let extra_len = of_seal.len() as u16;
    let head = FrameHead { job: JobId(1), frame: FrameNo(1), extra_len, payload_len: 0, kind };
    world.job.take(&head, &of_seal, &[]).unwrap();
    assert_eq!(world.log(), ["started /a", "discard", "again /a, acknowledged: [0]"]);
    assert_eq!(frames(world.ack()), [1]);
}
