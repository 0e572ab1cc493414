//! A sink whose job may no longer publish: files in progress get no name and leave no leftovers.

#![allow(clippy::unwrap_used, reason = "a test that meets what it does not expect fails, and should")]

use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::checksum::Checksum;
use wire::frame::{EntryHead, EntryKind};
use wire::message::{Durability, Overwrite};
use wire::receiver::FolderEntry;
use wire::store::{Base, FolderCache, LocalFolder, Placed, Sink, TreeSink, TreeSinkOptions};
use wire::verified::VerifiedContent;
use wire::{Failure, FailureCode, RemotePath};

fn sink(root: &Path, over: &CancellationToken) -> TreeSink {
    let options = TreeSinkOptions {
        overwrite: Overwrite::Always,
        add_only: false,
        takes_over: true,
        modes: wire::modes::Modes::CARRIED,
        sparse: false,
        durability: Durability::Process,
        keeping: None,
        begun: None,
    };
    let base = Base::Folder(FolderCache::new(Arc::new(LocalFolder::open_ambient(root).unwrap())));
    TreeSink::new(base, options).until(over.clone())
}

fn head(kind: EntryKind, content: &[u8]) -> EntryHead {
    let digest = Checksum::Blake3.of_small_file([content]);
    let content_len = u32::try_from(content.len()).unwrap();
    let (payload_len, modified, mode, as_is) = (content_len, None, 0o644, false);
    EntryHead { kind, path_len: 0, payload_len, content_len, modified, mode, digest, as_is }
}

fn path(text: &str) -> RemotePath {
    RemotePath::from_wire(text.as_bytes()).unwrap()
}

/// Finishes an item: one that waits for others gets its name only by the commit.
fn done(sink: &TreeSink, placed: Result<Placed, Failure>) -> Result<(), Failure> {
    match placed? {
        Placed::Done => Ok(()),
        Placed::Pending(waiting) => sink.commit(vec![waiting], &|| false).remove(0),
    }
}

/// Takes files, links and folders, each new or in the place of another.
fn take_all(sink: &TreeSink) -> Vec<Result<(), FailureCode>> {
    let content = b"new content".as_slice();
    let file = |at: &str| {
        let head = head(EntryKind::File, content);
        let pieces = [content];
        let verified = VerifiedContent::verify(Checksum::Blake3, head.digest, &pieces).unwrap();
        done(sink, sink.file(&path(at), &head, &verified))
    };
    let link = |at: &str| done(sink, sink.link(&path(at), &head(EntryKind::Symlink, b""), b"target"));
    let folder = |at: &str| {
        done(sink, sink.folder(&FolderEntry { entry: 0, path: path(at), modified: None, mode: 0o711 }))
    };
    let all =
        [file("old"), file("new"), link("old-link"), link("new-link"), folder("folder"), folder("made")];
    all.map(|result| result.map_err(|failure| failure.code)).to_vec()
}

#[test]
fn what_ends_before_it_has_its_name_has_never_been() {
    let root = tempfile::tempdir().unwrap();
    let names = || {
        let mut names: Vec<_> =
            std::fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    std::fs::create_dir(root.path().join("folder")).unwrap();
    for name in ["old", "old-link"] {
        std::fs::write(root.path().join(name), "old content").unwrap();
    }
    let over = CancellationToken::new();
    let sink = sink(root.path(), &over);
    over.cancel();
    let before = names();
    assert_eq!(take_all(&sink), [Err(FailureCode::Cancelled); 6]);
    assert_eq!(names(), before);
    for name in ["old", "old-link"] {
        assert_eq!(std::fs::read(root.path().join(name)).unwrap(), b"old content");
    }
    let over = CancellationToken::new();
    let ending = self::sink(root.path(), &over);
    let content = b"new content".as_slice();
    let head = head(EntryKind::File, content);
    let verified_pieces = [content];
    let verified = VerifiedContent::verify(Checksum::Blake3, head.digest, &verified_pieces).unwrap();
    let staged = ending.file(&path("old"), &head, &verified);
    over.cancel();
    let ended = done(&ending, staged).unwrap_err();
    assert_eq!(ended.code, FailureCode::Cancelled, "between its content and its name");
    assert_eq!(names(), before);
    assert_eq!(std::fs::read(root.path().join("old")).unwrap(), b"old content");
    let going = self::sink(root.path(), &CancellationToken::new());
    assert_eq!(take_all(&going), [Ok(()); 6], "and the same goes as long as nobody ends it");
    assert_eq!(std::fs::read(root.path().join("old")).unwrap(), b"new content");
}
