//! Leftovers of an interrupted run beside a file's target, found by another writer of the same path, by the next boot, or
//! beside an older file.

use crate::support::content;
use crate::support::faulty_storage::{Faults, FaultyFolder, Plan};
use crate::support::joined::OPTIONS;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::checksum::{Checksum, ChunkPlace};
use wire::frame::{EntryHead, EntryKind};
use wire::journal::{JOURNAL_HEAD_LEN, JournalHead, JournalKey, decode_records, encode_record};
use wire::limits::CHUNK_LEN;
use wire::message::{Durability, OfferedItem};
use wire::metadata::{Kind, Metadata, SourceId, Timestamp};
use wire::path::NameRef;
use wire::store::marks::Marks;
use wire::store::{
    Base, DiskFolder, FolderCache, Keeping, LocalFolder, Placed, ResumeState, Sink, Staged, StagedName,
    TreeSink, TreeSinkOptions, file_clock,
};
use wire::verified::{VerifiedChunk, VerifiedContent};
use wire::{Name, RemotePath};

#[test]
fn a_staged_file_that_was_published_meanwhile_is_nobodys_to_write_on() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let held = LocalFolder::open_ambient(folder.path()).unwrap();
    let (staged, published) = (StagedName::of(file_name()), folder.path().join("file"));
    let stop = Instant::now() + Duration::from_secs(1);
    // Some make the file and give it its name, others resume from the staged file they find, like another transfer of the same
    // path.
    let make = || {
        while Instant::now() < stop {
            if let Ok(_in_use) = held.create_staged(&staged, 0o600) {
                let _ = held.publish(&staged, file_name(), true);
            }
        }
    };
    let take = || {
        while Instant::now() < stop {
            let Ok(file) = held.open_staged(&staged) else { continue };
            let found = fs::metadata(&published).map(|found| found.ino());
            assert_ne!(found.ok(), Some(file.place().unwrap().inode), "a published file is open for writing");
            let _ = held.remove_staged(&staged);
        }
    };
    std::thread::scope(|scope| {
        let takers = [(); 3].map(|()| scope.spawn(take));
        scope.spawn(make);
        takers.into_iter().for_each(|taker| taker.join().unwrap());
    });
}

#[test]
fn holes_are_made_only_where_nothing_was_written_before_the_system_was_started_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = content(1, 6 * CHUNK_LEN);
    bytes.chunks_mut(CHUNK_LEN / 2).skip(1).step_by(2).for_each(|half| half.fill(0)); // each chunk ends in zeros
    let sink = || sink(folder.path(), TreeSinkOptions { sparse: true, ..options() });
    let staged = sink().stage(&offered(&bytes).announcement()).unwrap();
    (0..4).for_each(|chunk| write(&*staged, &bytes, chunk));
    drop(staged);
    // The disk has other data for parts of two chunks, and behind the last, after the crash.
    let (part, journal) = (leftover(folder.path(), "part"), leftover(folder.path(), "held"));
    let file = fs::File::options().write(true).open(&part).unwrap();
    for chunk in [1, 3, 4] {
        file.write_all_at(&vec![0xee; CHUNK_LEN], (chunk * CHUNK_LEN) as u64).unwrap();
    }
    as_of_another_boot(&journal);
    // The next run is interrupted too, before it sends the damaged chunks; the one after it finds a journal of its own boot.
    let resumed = || match sink().look(&offered(&bytes)) {
        ResumeState::Partial(staged, chunks) => {
            (staged, chunks.iter().map(|(chunk, _)| *chunk).collect::<Vec<_>>())
        }
        ResumeState::None | ResumeState::Complete => panic!("nothing is held"),
    };
    let (staged, chunks) = resumed();
    assert_eq!(chunks, [0, 2]);
    write(&*staged, &bytes, 5);
    drop(staged);
    let (staged, chunks) = resumed();
    assert_eq!(chunks, [0, 2, 5]);
    [1, 3, 4].into_iter().for_each(|chunk| write(&*staged, &bytes, chunk));
    assert!(fs::read(&part).unwrap() == bytes);
}

#[test]
fn only_what_an_attempt_of_the_same_transfer_has_put_there_is_taken_as_done() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(2, 3 * CHUNK_LEN);
    let offered = offered(&bytes);
    let before = file_clock();
    put_in_place(folder.path(), &vec![7; bytes.len()]); // other bytes of the same length and time
    let finds = |begun| {
        let sink = sink(folder.path(), TreeSinkOptions { begun, ..options() });
        matches!(sink.look(&offered), ResumeState::Complete)
    };
    assert!(!finds(None), "a first attempt has nothing there");
    let later = Timestamp { seconds: before.seconds + 60, nanos: 0 };
    assert!(!finds(Some(later)), "it was there before the transfer began");
    assert!(finds(Some(before)), "it got there since");
    let sink = sink(folder.path(), TreeSinkOptions { begun: Some(before), ..options() });
    let changed = OfferedItem { changed: true, ..offered };
    assert!(!matches!(sink.look(&changed), ResumeState::Complete), "it is another file now");
    let marks = folder.path().join("marks");
    fs::write(&marks, format!("ftpx marks v1 {:032x}\nwritten 1 {}.0\nend\n", 7, before.seconds)).unwrap();
    let sink = sink.doubting(Marks::at(marks).unproven());
    let offered = OfferedItem { changed: false, ..changed };
    assert!(
        !matches!(sink.look(&offered), ResumeState::Complete),
        "it was not synced before the system was started anew"
    );
}

#[test]
fn what_is_taken_as_done_is_durable_where_that_was_asked_for_and_leaves_nothing_staged() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(3, 3 * CHUNK_LEN);
    let offered = offered(&bytes);
    let begun = Some(file_clock());
    put_in_place(folder.path(), &bytes);
    leave_staged(&sink(folder.path(), options()), &bytes);
    for (durability, syncs) in [(Durability::Process, 0), (Durability::Power, 1)] {
        let faults = Faults::new(Plan::None);
        let held = Arc::new(LocalFolder::open_ambient(folder.path()).unwrap());
        let base = Base::Folder(FolderCache::new(FaultyFolder::wrap(held, &faults)));
        let sink = TreeSink::new(base, TreeSinkOptions { begun, durability, ..options() });
        assert!(matches!(sink.look(&offered), ResumeState::Complete));
        sink.sync_found().unwrap();
        let synced = faults.record().iter().filter(|done| done.op == "sync_filesystem").count();
        assert_eq!(synced, syncs, "{durability:?}");
    }
    assert_eq!(crate::support::leftovers(folder.path()), [] as [PathBuf; 0]);
    let faults = Faults::new(Plan::FailSync(0, 5));
    let held = Arc::new(LocalFolder::open_ambient(folder.path()).unwrap());
    let base = Base::Folder(FolderCache::new(FaultyFolder::wrap(held, &faults)));
    let sink = TreeSink::new(base, TreeSinkOptions { begun, durability: Durability::Power, ..options() });
    assert!(matches!(sink.look(&offered), ResumeState::Complete));
    assert!(sink.sync_found().is_err());
}

/// A later job may have written there, so a job that has ended must not give names any more.
#[test]
fn a_job_that_has_ended_gives_no_more_names() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(folder.path(), TreeSinkOptions { durability: Durability::Power, ..options() });
    let waiting = (0..3).map(|number| {
        let path = RemotePath::root().join(&Name::new(format!("file-{number}").as_bytes()).unwrap()).unwrap();
        let digest = Checksum::Blake3.of_small_file([&b"content"[..]]);
        let content = VerifiedContent::verify(Checksum::Blake3, digest, &[b"content"]).unwrap();
        let (content_len, modified) = (7, Some(Timestamp::default()));
        let kind = EntryKind::File;
        let head = EntryHead {
            kind,
            path_len: 6,
            payload_len: content_len,
            content_len,
            modified,
            mode: 0o644,
            digest,
            as_is: false,
        };
        match sink.file(&path, &head, &content).unwrap() {
            Placed::Pending(waiting) => waiting,
            Placed::Done => panic!("nothing was synced"),
        }
    });
    let waiting = waiting.collect();
    let asked = std::cell::Cell::new(0);
    let results = sink.commit(waiting, &|| asked.replace(asked.get() + 1) > 0);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["file-0"], "and nothing stays of the others");
}

/// Another sender may go on with it; only a user who owns the place removes it.
#[test]
fn what_another_sender_has_staged_stays_beside_a_file_that_is_taken_as_done() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = content(4, 3 * CHUNK_LEN);
    let begun = Some(file_clock());
    put_in_place(folder.path(), &bytes);
    for (origin, takes_over, stays) in
        [([8; 16], false, false), ([9; 16], false, true), ([9; 16], true, false)]
    {
        leave_staged(&sink(folder.path(), options()), &bytes);
        let keeping = Keeping { key: key(), origin, checksum: Checksum::Blake3 };
        let keeping = Some(keeping);
        let sink = sink(folder.path(), TreeSinkOptions { keeping, takes_over, begun, ..options() });
        assert!(matches!(sink.look(&offered(&bytes)), ResumeState::Complete));
        let left = crate::support::leftovers(folder.path());
        assert_eq!(left.len(), if stays { 2 } else { 0 }, "{origin:?} {takes_over}: {left:?}");
    }
}

fn options() -> TreeSinkOptions {
    let keeping = Keeping { key: key(), origin: [8; 16], checksum: Checksum::Blake3 };
    TreeSinkOptions { sparse: false, keeping: Some(keeping), ..OPTIONS }
}

fn key() -> JournalKey {
    JournalKey::new([7; 32])
}

fn sink(folder: &Path, options: TreeSinkOptions) -> TreeSink {
    let held = Arc::new(LocalFolder::open_ambient(folder).unwrap());
    TreeSink::new(Base::Folder(FolderCache::new(held)), options)
}

fn file_name() -> NameRef<'static> {
    NameRef::new(b"file").unwrap()
}

/// The file `file` with this content, modified in 1970.
fn offered(bytes: &[u8]) -> OfferedItem {
    let path = RemotePath::root().join(&Name::new(b"file").unwrap()).unwrap();
    let modified = Timestamp::default();
    let metadata = Metadata { kind: Kind::File, size: bytes.len() as u64, modified, mode: 0o644 };
    OfferedItem { path, metadata, source: SourceId([5; 16]), changed: false }
}

/// Writes `file` with this content, modified in 1970.
fn put_in_place(folder: &Path, bytes: &[u8]) {
    let path = folder.join("file");
    fs::write(&path, bytes).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    crate::support::chmod(&path, 0o644);
}

/// Leaves a staged file, and its journal, with the first chunk of `file`.
fn leave_staged(sink: &TreeSink, bytes: &[u8]) {
    let left = sink.stage(&offered(bytes).announcement()).unwrap();
    write(&*left, bytes, 0);
}

fn write(staged: &dyn Staged, bytes: &[u8], chunk: usize) {
    let (offset, last) = (chunk * CHUNK_LEN, (chunk + 1) * CHUNK_LEN == bytes.len());
    let piece = &bytes[offset..offset + CHUNK_LEN];
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::at(offset as u64, last), [piece]);
    let pieces = [piece];
    let chunk = VerifiedChunk::verify(Checksum::Blake3, offset as u64, last, digest, &pieces).unwrap();
    staged.write(&chunk).unwrap();
}

fn leftover(folder: &Path, extension: &str) -> PathBuf {
    let mut found = crate::support::leftovers(folder).into_iter();
    found.find(|path| path.extension().is_some_and(|it| it == extension)).unwrap()
}

/// Rewrites a journal as one of an earlier boot.
fn as_of_another_boot(journal: &Path) {
    let bytes = fs::read(journal).unwrap();
    let head = JournalHead { boot: [9; 16], ..JournalHead::decode(&bytes, &key()).unwrap() }.encode(&key());
    let records = decode_records(&bytes, &key());
    let records =
        records.iter().flat_map(|(chunk, digest)| encode_record(&key(), &head, *chunk, *digest).to_vec());
    let written: Vec<u8> = head.into_iter().chain(records).collect();
    assert!(written.len() > JOURNAL_HEAD_LEN);
    fs::write(journal, written).unwrap();
}
