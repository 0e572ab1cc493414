//! Tests of a sending job without lanes: files that are not as they were listed, reported bytes, and memory.

use super::*;
use crate::budget::Budget;
use crate::engine::{ItemQueue, NextItems, NoopObserver, QueueSource, SettledItem};
use crate::frame::{SealEnd, decode_loss};
use crate::limits::{CHUNK_LEN, PACK_LEN_MAX, PATH_LEN_MAX};
use crate::message::{Ack, Changing, FrameRange, Held, HeldItem, Totals};
use crate::metadata::{Kind, Metadata};
use crate::path::{NameRef, RemotePath};
use crate::sender::{Asking, Item, ItemKind};
use crate::store::{Folder, Identity, LocalFolder, SourceFile};
use crate::transport::{BufferPool, FrameLayout};
use std::io::{self, IoSliceMut, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Length of a file that does not fit in a pack.
const CONTENT_LEN: usize = 600_000;

fn item(path: &str, kind: Kind, size: u64) -> Item {
    let metadata = Metadata { kind, size, modified: Timestamp::default(), mode: 0o755 };
    Item { path: RemotePath::from_user(path.as_bytes()).unwrap(), kind: ItemKind::Present(metadata) }
}

/// A job that sends the items of the tree at `root`.
fn job(root: &Path, items: Vec<Item>) -> SendJob {
    observed(root, items, Asking::Never, Arc::new(NoopObserver))
}

fn observed(root: &Path, items: Vec<Item>, asking: Asking, observer: Arc<dyn JobObserver>) -> SendJob {
    let mut machine = Sender::new(Checksum::Blake3, 8, asking);
    items.into_iter().for_each(|item| machine.add(item));
    machine.end_items();
    let folder = Arc::new(LocalFolder::open_ambient(root).unwrap());
    let source = Arc::new(QueueSource::new(folder, Arc::new(ItemQueue::default())));
    SendJob::new(JobId(1), machine, source, observer, None)
}

/// Builds the next frame.
fn build(job: &SendJob) -> Built {
    build_with_payload(job).0
}

fn build_with_payload(job: &SendJob) -> (Built, Vec<u8>) {
    let plan = lock(&job.machine).next(LaneNo(0)).unwrap();
    let layout = FrameLayout { piece_len: CHUNK_LEN, room_before: 0, room_behind: 0 };
    let mut buffer = BufferPool::default().take(layout);
    let built = job.content(plan.frame, &plan.content, &mut buffer);
    let payload = buffer.payload(0, built.payload_len).collect::<Vec<_>>().concat();
    (built, payload)
}

fn acknowledge(job: &SendJob, frame: u64) {
    let done = vec![FrameRange { first: FrameNo(frame), count: 1 }];
    job.acked(&Ack { done, ..Ack::default() }).unwrap();
}

/// Sums the bytes that the receiver has verified, and those that it had.
#[derive(Default)]
struct ReportedBytes {
    verified: AtomicU64,
    already_there: AtomicU64,
}

impl JobObserver for ReportedBytes {
    fn file_started(&self, _: &RemotePath, _: Option<u64>) {}
    fn settled(&self, item: &SettledItem<'_>) {
        assert!(!item.is_lost, "the other end's losses are meant");
    }
    fn totals(&self, _: Totals) {}

    fn progress(&self, _: Option<&RemotePath>, bytes: u64) {
        self.verified.fetch_add(bytes, Ordering::SeqCst);
    }

    fn already_there(&self, _: Option<&RemotePath>, bytes: u64) {
        self.already_there.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[test]
fn verified_bytes_of_large_and_small_files_are_reported() {
    let (root, observer) = (tempfile::tempdir().unwrap(), Arc::new(ReportedBytes::default()));
    std::fs::write(root.path().join("large"), vec![1; CONTENT_LEN]).unwrap();
    std::fs::write(root.path().join("small"), "12345").unwrap();
    let large = LocalFolder::open_ambient(root.path()).unwrap().metadata(NameRef::new(b"large").unwrap());
    let large =
        Item { path: RemotePath::from_user(b"large").unwrap(), kind: ItemKind::Present(large.unwrap()) };
    let items = vec![item("small", Kind::File, 5), large];
    let job = observed(root.path(), items, Asking::Never, observer.clone());
    let mut bytes = Vec::new();
    for frame in 0..4 {
        build(&job);
        acknowledge(&job, frame);
        bytes.push(observer.verified.swap(0, Ordering::SeqCst));
    }
    bytes.sort_unstable();
    let chunk = CHUNK_LEN as u64;
    assert_eq!(bytes, [0, 5, CONTENT_LEN as u64 - chunk, chunk], "a seal has no bytes");
}

#[test]
fn the_bytes_of_a_file_that_the_receiver_has_are_reported() {
    let (root, observer) = (tempfile::tempdir().unwrap(), Arc::new(ReportedBytes::default()));
    let job = observed(root.path(), vec![item("small", Kind::File, 5)], Asking::All, observer.clone());
    assert_eq!(lock(&job.machine).next_offer().unwrap().len(), 1);
    job.held(&Held { answers: vec![HeldItem::All] }).unwrap();
    assert_eq!(observer.already_there.load(Ordering::SeqCst), 5);
}

#[test]
fn items_of_a_job_are_counted_at_its_session_until_they_are_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("small"), "12345").unwrap();
    let (job, budget) = (job(root.path(), vec![item("small", Kind::File, 5)]), Budget::new(1 << 20));
    job.keep_within(&SessionMemory::new(budget.clone()));
    assert_eq!(budget.used(), lock(&job.machine).kept() + ITEMS_KEPT_LEN, "with room for more");
    job.count_kept();
    assert_eq!(budget.used(), lock(&job.machine).kept());
    assert!(budget.used() > 0);
    build(&job);
    acknowledge(&job, 0);
    assert_eq!(budget.used(), 0);
}

/// Otherwise the file would change the folder's time.
#[test]
fn a_folder_comes_after_a_file_of_the_same_pack_that_has_grown() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("folder")).unwrap();
    std::fs::write(root.path().join("folder/file"), vec![1; CONTENT_LEN]).unwrap();
    let job = job(root.path(), vec![item("folder/file", Kind::File, 5), item("folder", Kind::Folder, 0)]);
    let kind = build(&job).kind;
    assert!(matches!(kind, FrameKind::Seal { end: SealEnd::Again, size: 0, .. }), "{kind:?}");
    assert!(matches!(build(&job).kind, FrameKind::Block { .. }));
}

/// Another file may have its name by then, or none.
#[test]
fn a_file_that_is_sent_again_is_the_one_that_was_opened_before() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, vec![1; CONTENT_LEN]).unwrap();
    let job = job(root.path(), vec![item("file", Kind::File, 2 * CONTENT_LEN as u64)]);
    assert!(matches!(build(&job).kind, FrameKind::Seal { end: SealEnd::Again, size: 0, .. }));
    std::fs::remove_file(&file).unwrap();
    acknowledge(&job, 0);
    let kind = build(&job).kind;
    assert!(matches!(kind, FrameKind::Block { .. }), "{kind:?}");
}

#[test]
fn a_file_that_is_sent_again_is_closed_once_the_receiver_has_forgotten_it() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, vec![1; CONTENT_LEN]).unwrap();
    let metadata = LocalFolder::open_ambient(root.path()).unwrap().metadata(NameRef::new(b"file").unwrap());
    let kind = ItemKind::Present(metadata.unwrap());
    let path = RemotePath::from_user(b"file").unwrap();
    let job = job(root.path(), vec![Item { path, kind }]).changing(Changing::Retry);
    assert!(matches!(build(&job).kind, FrameKind::Block { .. }));
    std::fs::write(&file, "shorter").unwrap();
    let kind = build(&job).kind;
    assert!(matches!(kind, FrameKind::Seal { end: SealEnd::Again, .. }), "{kind:?}");
    assert_eq!(lock(&job.files).len(), 1);
    (0..2).for_each(|frame| acknowledge(&job, frame));
    assert_eq!(lock(&job.files).len(), 0);
}

/// It may have been changed in the same moment.
#[test]
fn only_a_file_that_was_changed_before_the_first_attempt_is_offered_as_unchanged() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("small"), "12345").unwrap();
    let folder = LocalFolder::open_ambient(root.path()).unwrap();
    let found = folder.identity(NameRef::new(b"small").unwrap()).unwrap();
    let item =
        Item { path: RemotePath::from_user(b"small").unwrap(), kind: ItemKind::Present(found.metadata) };
    let later = Timestamp { seconds: found.changed.seconds + 1, ..found.changed };
    for (begun, may_have_changed) in [(None, true), (Some(found.changed), true), (Some(later), false)] {
        let job = job(root.path(), vec![item.clone()]).since(begun);
        assert_eq!(job.state_of(&item).1, may_have_changed, "{begun:?}");
    }
}

/// A source of a file that was listed with 5 bytes, is longer than a pack, and changes all the time. Its links are as long as
/// their names say.
struct ChangingSource;

struct ChangingFile(AtomicU64);

impl Source for ChangingSource {
    fn next_items(&self, _: usize) -> NextItems {
        NextItems::Pending
    }

    fn open(&self, _: &RemotePath) -> io::Result<Box<dyn SourceFile>> {
        Ok(Box::new(ChangingFile(AtomicU64::new(0))))
    }

    fn read_link(&self, path: &RemotePath) -> io::Result<Vec<u8>> {
        let name = str::from_utf8(path.as_bytes()).map_err(io::Error::other)?;
        Ok(vec![b'x'; name.parse().map_err(io::Error::other)?])
    }

    fn release(&self, _: u64, _: u64) {}
}

impl SourceFile for ChangingFile {
    fn identity(&self) -> io::Result<Identity> {
        let changed = Timestamp { seconds: self.0.fetch_add(1, Ordering::SeqCst).cast_signed(), nanos: 0 };
        let metadata = Metadata { kind: Kind::File, size: 5, modified: changed, mode: 0o644 };
        Ok(Identity { metadata, changed, inode: 1 })
    }

    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let bytes = vec![1; 2 * PACK_LEN_MAX];
        (&bytes[usize::try_from(offset).unwrap()..]).read_vectored(pieces)
    }
}

/// It is not taken for one whose size the filesystem does not know.
#[test]
fn a_small_file_that_grows_while_it_is_read_has_changed() {
    let kind = build(&changing(item("file", Kind::File, 5))).kind;
    assert!(matches!(kind, FrameKind::Pack { entries: 1, .. }), "{kind:?}");
}

#[test]
fn a_link_that_leads_to_no_possible_path_fails() {
    for (len, is_sent) in [(0, false), (1, true), (PATH_LEN_MAX, true), (PATH_LEN_MAX + 1, false)] {
        let job = changing(item(&len.to_string(), Kind::Symlink, 2 * PATH_LEN_MAX as u64));
        build(&job);
        let done = vec![FrameRange { first: FrameNo(0), count: 1 }];
        let settled = lock(&job.machine).acked(&Ack { done, ..Ack::default() }).unwrap().settled;
        assert_eq!(settled[0].result.is_ok(), is_sent, "{len} bytes");
    }
}

#[test]
fn a_file_that_changes_is_read_three_times() {
    let path = RemotePath::from_user(b"file").unwrap();
    let reading = Reading::new(Arc::new(ChangingSource), Changing::Retry);
    for _ in 0..2 {
        let changes = [(); 3].map(|()| matches!(reading.changed(&path), Broken::Failed(_)));
        assert_eq!(changes, [false, false, true]);
        reading.forget(&path); // then it may be another file
    }
}

/// A job that sends one item of a changing source.
fn changing(item: Item) -> SendJob {
    let mut machine = Sender::new(Checksum::Blake3, 8, Asking::Never);
    machine.add(item);
    machine.end_items();
    let job = SendJob::new(JobId(1), machine, Arc::new(ChangingSource), Arc::new(NoopObserver), None);
    job.changing(Changing::Skip)
}

#[test]
fn a_large_file_that_cannot_be_read_is_given_up_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    let job = job(root.path(), vec![item("missing", Kind::File, CONTENT_LEN as u64)]);
    let (Built { kind, .. }, payload) = build_with_payload(&job);
    assert!(matches!(kind, FrameKind::Seal { end: SealEnd::GivenUp, size: 0, .. }), "{kind:?}");
    let code = decode_loss(&payload).unwrap().code;
    assert!([FailureCode::Vanished, FailureCode::NotFound].contains(&code), "{code:?}");
}
