//! Tests of a sink for a local folder: which files have their names, and which leftovers there are, after a failure.

mod permissions;
mod resumed;

use super::*;
use crate::checksum::{Checksum, ChunkPlace, RootBuilder};
use crate::frame::{BlockExtra, EntryKind, FrameHead, FrameKind, SealEnd};
use crate::ids::{FileNo, FrameNo, JobId};
use crate::journal::JournalKey;
use crate::limits::CHUNK_LEN;
use crate::message::{Durability, OfferedItem, Overwrite};
use crate::metadata::{Kind, Metadata, SourceId, Timestamp};
use crate::modes::Modes;
use crate::path::Name;
use crate::receiver::Publish;
use crate::receiver::{Receiver, Verdict};
use crate::store::local::upload::{HOLE_LEN, write_with_holes};
use crate::store::{DiskFolder, FolderCache, Keeping, LocalFolder, StagedName};
use crate::verified::VerifiedChunk;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const CONTENT: &[u8] = b"content";
const SIZE: u64 = CONTENT.len() as u64;

fn folder(path: &Path) -> Arc<dyn DiskFolder> {
    Arc::new(LocalFolder::open_ambient(path).unwrap())
}

fn options() -> TreeSinkOptions {
    TreeSinkOptions {
        overwrite: Overwrite::Always,
        add_only: false,
        takes_over: true,
        modes: Modes::CARRIED,
        sparse: false,
        durability: Durability::Process,
        keeping: None,
        begun: None,
    }
}

/// A sink that writes to a new folder.
fn sink(options: TreeSinkOptions) -> (TempDir, TreeSink) {
    let root = tempfile::tempdir().unwrap();
    let base = Base::Folder(FolderCache::new(folder(root.path())));
    (root, TreeSink::new(base, options))
}

fn names(root: &TempDir) -> Vec<String> {
    let name = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(root.path()).unwrap().map(name).collect();
    names.sort();
    names
}

fn path(text: &str) -> RemotePath {
    RemotePath::from_user(text.as_bytes()).unwrap()
}

fn place_small(sink: &TreeSink, name: &str) -> Result<Placed, Failure> {
    let digest = Checksum::Blake3.of_small_file([CONTENT]);
    let head = EntryHead {
        kind: EntryKind::File,
        path_len: 0,
        payload_len: CONTENT.len() as u32,
        content_len: CONTENT.len() as u32,
        modified: None,
        mode: 0o644,
        digest,
        as_is: false,
    };
    let pieces = [CONTENT];
    sink.file(&path(name), &head, &VerifiedContent::verify(Checksum::Blake3, digest, &pieces).unwrap())
}

fn link_head() -> EntryHead {
    EntryHead {
        kind: EntryKind::Symlink,
        path_len: 0,
        payload_len: 1,
        content_len: 1,
        modified: None,
        mode: 0o777,
        digest: Default::default(),
        as_is: false,
    }
}

fn announcement() -> Announcement {
    announcement_of(CONTENT)
}

fn announcement_of(content: &[u8]) -> Announcement {
    let (path, size, modified) = (path("large"), Some(content.len() as u64), Some(Timestamp::default()));
    Announcement { path, size, modified, mode: 0o644, source: SourceId([1; 16]) }
}

/// Writes a large file's chunk, and proves that the file is whole.
fn write(staged: &dyn Staged) -> Publish {
    write_content(staged, CONTENT)
}

fn write_content(staged: &dyn Staged, content: &[u8]) -> Publish {
    let (pieces, size) = ([content], content.len() as u64);
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::Only, pieces);
    let chunk = VerifiedChunk::verify(Checksum::Blake3, 0, true, digest, &pieces).unwrap();
    staged.write(&chunk).unwrap();
    let mut root = RootBuilder::new(Checksum::Blake3);
    root.add(0, digest);
    let root = root.root(size).unwrap();
    let mut machine = Receiver::new(Checksum::Blake3, 8);
    let head =
        |frame, payload_len, kind| FrameHead { job: JobId(1), frame, extra_len: 45, payload_len, kind };
    let block = head(
        FrameNo(0),
        content.len() as u32,
        FrameKind::Block { file: FileNo(0), offset: 0, last: true, digest, encoding: Default::default() },
    );
    machine.begin(&block).unwrap();
    let extra = BlockExtra { content_len: block.payload_len, announcement: announcement_of(content) };
    machine.block(&block, extra).unwrap();
    machine.written(FileNo(0), FrameNo(0), &chunk).unwrap();
    let seal = head(FrameNo(1), 0, FrameKind::Seal { file: FileNo(0), size, root, end: SealEnd::Whole });
    machine.begin(&seal).unwrap();
    match machine.seal(&seal, announcement_of(content), None).unwrap() {
        Verdict::Publish(publish) => publish,
        other @ (Verdict::Incomplete | Verdict::Discard(..) | Verdict::Again(_)) => panic!("{other:?}"),
    }
}

/// Returns the path of the staged file, which has another name.
fn staged_file(root: &TempDir) -> std::path::PathBuf {
    let names = names(root);
    assert_eq!(names.len(), 1, "{names:?}");
    root.path().join(&names[0])
}

#[test]
fn a_large_file_that_is_whole_gets_its_name() {
    let (root, sink) = sink(options());
    let staged = sink.stage(&announcement()).unwrap();
    let publish = write(&*staged);
    assert!(matches!(staged.publish(&publish), Ok(Placed::Done)));
    drop(staged);
    assert_eq!(names(&root), ["large"]);
    assert_eq!(std::fs::read(root.path().join("large")).unwrap(), CONTENT);
}

#[test]
fn a_staged_file_whose_length_somebody_else_has_changed_gets_no_name() {
    for len in [0, SIZE - 1, SIZE + 1] {
        let (root, sink) = sink(options());
        let staged = sink.stage(&announcement()).unwrap();
        let publish = write(&*staged);
        let theirs = std::fs::OpenOptions::new().write(true).open(staged_file(&root)).unwrap();
        theirs.set_len(len).unwrap();
        let published = staged.publish(&publish);
        assert!(published.is_err_and(|failure| failure.code == FailureCode::Integrity), "{len} bytes");
        drop(staged);
        assert_eq!(names(&root), Vec::<String>::new());
    }
}

#[test]
fn a_sink_that_is_over_gives_no_names() {
    let over = CancellationToken::new();
    let (root, sink) = sink(options());
    let sink = sink.until(over.clone());
    let staged = sink.stage(&announcement()).unwrap();
    let publish = write(&*staged);
    over.cancel();
    assert!(staged.publish(&publish).is_err());
    drop(staged);
    assert!(place_small(&sink, "small").is_err());
    assert!(sink.link(&path("link"), &link_head(), b"x").is_err());
    let entry = FolderEntry { entry: 0, path: path("folder"), modified: None, mode: 0o755 };
    assert!(sink.folder(&entry).is_err());
    assert_eq!(names(&root), Vec::<String>::new());
}

/// By then the next writer of the file has a staged file of the same name.
#[test]
fn a_file_that_was_discarded_removes_nothing_any_more() {
    let keeping = Keeping { key: JournalKey::new([1; 32]), origin: [2; 16], checksum: Checksum::Blake3 };
    let (root, sink) = sink(TreeSinkOptions { keeping: Some(keeping), ..options() });
    let large = Announcement { size: Some(10 << 20), ..announcement() };
    let first = sink.stage(&large).unwrap();
    first.discard();
    assert_eq!(names(&root), Vec::<String>::new());
    let second = sink.stage(&large).unwrap();
    let theirs = names(&root);
    assert_eq!(theirs.len(), 2, "a staged file and its journal: {theirs:?}");
    drop(first);
    assert_eq!(names(&root), theirs);
    drop(second);
    assert_eq!(names(&root), Vec::<String>::new(), "nothing was written that could be gone on with");
}

/// Its state on the disk is unknown.
#[test]
fn after_a_failed_sync_nothing_gets_its_name() {
    let (root, sink) = sink(TreeSinkOptions { durability: Durability::Power, ..options() });
    let Placed::Pending(one) = place_small(&sink, "one").unwrap() else { panic!("it waits") };
    let Placed::Pending(two) = place_small(&sink, "two").unwrap() else { panic!("it waits") };
    assert!(sink.commit(vec![one], &|| false)[0].is_ok());
    sink.broken.set(FailureCode::Io.into()).unwrap();
    let results = sink.commit(vec![two, PendingCommit::Folder], &|| false);
    assert!(results.iter().all(|result| result == &Err(FailureCode::Io.into())), "{results:?}");
    assert_eq!(names(&root), ["one"]);
}

#[test]
fn a_file_that_replaces_another_waits_for_its_content_unless_the_order_does_not_matter() {
    for (durability, waits) in [(Durability::Process, true), (Durability::None, false)] {
        let (root, sink) = sink(TreeSinkOptions { durability, ..options() });
        std::fs::write(root.path().join("one"), "old").unwrap();
        let placed = place_small(&sink, "one").unwrap();
        assert_eq!(matches!(placed, Placed::Pending(_)), waits, "{durability:?}");
        let is_replaced = std::fs::read(root.path().join("one")).unwrap() != b"old";
        assert_eq!(is_replaced, !waits, "{durability:?}");
    }
}

#[test]
fn a_large_file_that_replaces_another_waits_unless_it_is_empty() {
    for (content, waits) in [(&b""[..], false), (b"1", true), (CONTENT, true)] {
        let (root, sink) = sink(options());
        std::fs::write(root.path().join("large"), "old").unwrap();
        let staged = sink.stage(&announcement_of(content)).unwrap();
        let publish = write_content(&*staged, content);
        let placed = staged.publish(&publish).unwrap();
        assert_eq!(matches!(placed, Placed::Pending(_)), waits, "{} bytes", content.len());
    }
}

#[test]
fn a_link_waits_only_where_all_is_to_be_synced() {
    for (durability, waits) in [(Durability::Process, false), (Durability::Power, true)] {
        let (root, sink) = sink(TreeSinkOptions { durability, ..options() });
        let placed = sink.link(&path("link"), &link_head(), b"x").unwrap();
        assert_eq!(matches!(placed, Placed::Pending(_)), waits, "{durability:?}");
        assert_eq!(root.path().join("link").is_symlink(), !waits, "{durability:?}");
    }
}

#[test]
fn what_waits_gets_no_name_once_the_job_is_over() {
    let (root, sink) = sink(TreeSinkOptions { durability: Durability::Power, ..options() });
    let Placed::Pending(one) = place_small(&sink, "one").unwrap() else { panic!("it waits") };
    assert_eq!(sink.commit(vec![one], &|| true), [Err(FailureCode::Cancelled.into())]);
    assert_eq!(names(&root), Vec::<String>::new());
}

/// Its name is in the folder above. An earlier run may have made it, and ended before its sync.
#[test]
fn the_folder_above_a_jobs_own_folder_is_synced_whoever_made_it() {
    for is_new in [true, false] {
        let root = tempfile::tempdir().unwrap();
        if !is_new {
            std::fs::create_dir(root.path().join("own")).unwrap();
        }
        let parent = folder(root.path());
        let base = Base::named(parent.clone(), Name::new(b"own").unwrap());
        assert!(!base.take_touched().contains(&parent).unwrap(), "it was not needed so far");
        assert_eq!(base.folders(true).unwrap().is_new(&[]), is_new);
        assert!(base.take_touched().contains(&parent).unwrap(), "is_new: {is_new}");
    }
}

#[test]
fn a_jobs_own_folder_that_was_replaced_meanwhile_is_not_in_its_place() {
    let root = tempfile::tempdir().unwrap();
    let (parent, own) = (folder(root.path()), root.path().join("own"));
    let base = Base::named(parent.clone(), Name::new(b"own").unwrap());
    let check = || {
        base.check_place(&{
            let parent = parent.clone();
            move || Ok(parent.clone())
        })
    };
    assert_eq!(check(), Ok(()), "it was not needed so far");
    base.folders(true).unwrap();
    assert_eq!(check(), Ok(()));
    std::fs::rename(&own, root.path().join("away")).unwrap();
    assert!(check().is_err());
    std::fs::create_dir(&own).unwrap();
    assert!(check().is_err(), "another folder has its name");
}

/// Names of unfinished transfers are not for items.
#[test]
fn reserved_names_are_refused() {
    let (root, sink) = sink(options());
    let staged = StagedName::new();
    let name = String::from_utf8(staged.as_bytes().to_vec()).unwrap();
    assert!(place_small(&sink, &name).is_err_and(|failure| failure.code == FailureCode::InvalidPath));
    assert!(place_small(&sink, "/").is_err_and(|failure| failure.code == FailureCode::IsAFolder));
    assert_eq!(names(&root), Vec::<String>::new());
}

#[test]
fn who_may_only_add_leaves_folders_as_they_are() {
    for (add_only, mode) in [(true, 0o700), (false, 0o755)] {
        let (root, sink) = sink(TreeSinkOptions { add_only, ..options() });
        std::fs::create_dir(root.path().join("there")).unwrap();
        let there = folder(&root.path().join("there"));
        there.set_own_metadata(None, Some(0o700)).unwrap();
        for name in ["there", "new"] {
            let entry = FolderEntry { entry: 0, path: path(name), modified: None, mode: 0o755 };
            assert!(matches!(sink.folder(&entry), Ok(Placed::Done)));
        }
        assert_eq!(there.own_metadata().unwrap().mode & 0o777, mode);
        let new = folder(&root.path().join("new")).own_metadata().unwrap();
        assert_eq!(new.mode & 0o777, 0o755);
    }
}

/// Nothing else in the folder was changed.
#[test]
fn a_folder_whose_metadata_is_set_is_synced_where_that_is_asked_for() {
    for durability in [Durability::Process, Durability::Power] {
        let (root, sink) = sink(TreeSinkOptions { durability, ..options() });
        std::fs::create_dir(root.path().join("there")).unwrap();
        sink.base.take_touched();
        let entry = FolderEntry { entry: 0, path: path("there"), modified: None, mode: 0o755 };
        let is_pending = matches!(sink.folder(&entry), Ok(Placed::Pending(_)));
        let is_synced = sink.base.take_touched().contains(&folder(&root.path().join("there"))).unwrap();
        assert_eq!(
            (is_pending, is_synced),
            (durability == Durability::Power, durability == Durability::Power)
        );
    }
}

/// With `--durability power`, a file that stays is synced; an item that may not take the name fails all the same.
#[test]
fn what_may_not_be_replaced_is_refused_however_durable_the_rest_is() {
    for durability in [Durability::Process, Durability::Power] {
        let (root, sink) = sink(TreeSinkOptions { add_only: true, durability, ..options() });
        std::fs::write(root.path().join("there"), "theirs").unwrap();
        assert!(place_small(&sink, "there").is_err_and(|failure| failure.code == FailureCode::Exists));
        assert_eq!(std::fs::read(root.path().join("there")).unwrap(), b"theirs");
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_permissions_where_only_new_ones_get_some() {
    for (only_new, mode) in [(true, 0o600), (false, 0o644)] {
        let modes = Modes { only_new, ..Modes::CARRIED };
        let (root, sink) = sink(TreeSinkOptions { modes, ..options() });
        let there = root.path().join("there");
        std::fs::write(&there, "theirs").unwrap();
        std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o600)).unwrap();
        let Placed::Pending(waiting) = place_small(&sink, "there").unwrap() else { panic!("it waits") };
        assert!(sink.commit(vec![waiting], &|| false)[0].is_ok());
        assert_eq!(std::fs::read(&there).unwrap(), CONTENT);
        assert_eq!(there.metadata().unwrap().permissions().mode() & 0o777, mode, "only_new: {only_new}");
    }
}

#[test]
fn what_is_written_with_holes_reads_as_what_was_sent() {
    let (block, zeros) = ([7_u8; HOLE_LEN], [0_u8; HOLE_LEN]);
    let patterns = [&[false, true, true, false][..], &[true, false, true], &[true; 4], &[false]];
    for (pattern, offset, at) in patterns.iter().flat_map(|pattern| [(*pattern, 0, 1), (*pattern, 100, 5000)])
    {
        let (root, _) = sink(options());
        let folder = folder(root.path());
        let file = folder.create_staged(&StagedName::new(), 0o600).unwrap();
        let content =
            pattern.iter().flat_map(|is_hole| if *is_hole { zeros } else { block }).collect::<Vec<u8>>();
        let pieces = [&content[..at.min(content.len())], &content[at.min(content.len())..]];
        let has_holes = write_with_holes(&*file, &pieces, offset).unwrap();
        file.set_len(offset + content.len() as u64).unwrap();
        let written = std::fs::read(staged_file(&root)).unwrap();
        assert_eq!(written[offset as usize..], content, "{pattern:?} from {offset}, cut at {at}");
        assert!(
            has_holes || !pattern.windows(3).any(|three| three == [true; 3]),
            "{pattern:?} from {offset}"
        );
        assert!(!has_holes || pattern.contains(&true));
    }
}

/// A name that is taken for free is looked at all the same before anything is replaced.
#[test]
fn a_name_that_is_taken_after_many_that_were_free_is_treated_by_the_rule() {
    for (overwrite, add_only) in
        [(Overwrite::Never, false), (Overwrite::Always, true), (Overwrite::Always, false)]
    {
        let (root, sink) = sink(TreeSinkOptions { overwrite, add_only, ..options() });
        for number in 0..100 {
            if number % 25 == 24 {
                std::fs::write(root.path().join(number.to_string()), "old").unwrap();
            }
        }
        for number in 0..100 {
            let (name, is_taken) = (number.to_string(), number % 25 == 24);
            let placed = place_small(&sink, &name);
            let content = std::fs::read(root.path().join(&name)).unwrap();
            let stays = is_taken && (overwrite == Overwrite::Never || add_only);
            if stays {
                let expected = if add_only { FailureCode::Exists } else { FailureCode::Skipped };
                assert_eq!(placed.err().expect("it stays").code, expected, "{name}");
            } else if is_taken {
                let Ok(Placed::Pending(replacing)) = placed else { panic!("{name} is replaced at once") };
                assert_eq!(content, b"old");
                assert!(sink.commit(vec![replacing], &|| false)[0].is_ok());
            } else {
                assert!(matches!(placed, Ok(Placed::Done)), "{name}");
            }
            let expected = if stays { b"old" } else { CONTENT };
            assert_eq!(std::fs::read(root.path().join(&name)).unwrap(), expected, "{name}");
        }
        assert_eq!(names(&root).len(), 100);
    }
}
