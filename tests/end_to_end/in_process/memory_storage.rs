//! Commands and transfers on a storage that is no filesystem: the real server and the real client, in this process.

use crate::support::content;
use crate::support::in_memory::{InMemory, remote, wait_for};
use ftp_client::error::Error;
use ftp_client::{PutSource, TransferOptions};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc;
use tests::memory_storage::MemoryStorage;
use wire::FailureCode;
use wire::RemotePath;
use wire::message::{
    Change, Durability, Hash, Link, MakeFolder, Overwrite, Owner, Remove, Rename, SetMetadata, Space,
};
use wire::metadata::{Kind, Timestamp};
use wire::sha256::Sha256;
use wire::store::Storage;
use wire::store::change::Changes;

fn unsupported<T>(result: Result<T, Error>, feature: &str) {
    let Err(error) = result else { panic!("{feature}: it succeeded") };
    assert_eq!(error.failure_code(), Some(FailureCode::Unsupported), "{feature}: {error}");
    assert!(error.to_string().contains(feature), "{feature}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_do_their_work() {
    let world = InMemory::start().await;
    let session = &world.session;
    session.call(MakeFolder { path: remote("a/b"), parents: true }).await.unwrap();
    let modified = Some(Timestamp { seconds: 1_000_000_000, nanos: 5 });
    let touch = SetMetadata { path: remote("a/file"), modified, mode: None, create: true };
    session.call(touch).await.unwrap();
    let entry = session.stat(&remote("a/file"), false).await.unwrap();
    assert_eq!((entry.metadata.kind, entry.metadata.size), (Kind::File, 0));
    assert_eq!(Some(entry.metadata.modified), modified);
    let source = PutSource::Stream(Box::new(io::Cursor::new(content(1, 3_000_000))));
    world.put(source, "a/stream", TransferOptions::default()).await.unwrap();
    assert_eq!(world.names("/", true).await, ["a", "a/b", "a/file", "a/stream"]);
    assert_eq!(world.names("/", false).await, ["a"]);
    let hashed = session.call(Hash { path: remote("a/stream") }).await.unwrap();
    let mut hasher = Sha256::new();
    hasher.update(&content(1, 3_000_000));
    assert_eq!((hashed.bytes, hashed.digest), (3_000_000, hasher.finish()));
    assert!(session.call(Space { path: remote("a") }).await.unwrap().available > 0);

    let rename = |from, to, replace| Rename { from: remote(from), to: remote(to), into: None, replace };
    session.rename(rename("a/stream", "a/b/moved", false)).await.unwrap();
    let taken = session.rename(rename("a/b/moved", "a/file", false)).await.unwrap_err();
    assert_eq!(taken.failure_code(), Some(FailureCode::Exists));
    session.rename(rename("a/b/moved", "a/file", true)).await.unwrap();
    assert_eq!(world.storage.content("a/file").unwrap(), content(1, 3_000_000));
    let filled = session.call(Remove { path: remote("a"), recursive: false }).await.unwrap_err();
    assert_eq!(filled.failure_code(), Some(FailureCode::IsAFolder));
    session.call(Remove { path: remote("a"), recursive: true }).await.unwrap();
    assert_eq!(world.names("/", true).await, [""; 0]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_go_there_and_come_back() {
    let world = InMemory::start().await;
    let tree = world.tree();
    let done = world.put(PutSource::Tree(tree.clone()), "tree", TransferOptions::default()).await.unwrap();
    assert_eq!((done.files, done.failed, world.storage.uploads()), (3, 0, 0));
    let back = world.local.path().join("back");
    let done = world.get("tree", &back, true).await.unwrap();
    assert_eq!((done.files, done.failed), (3, 0));
    for path in ["small", "empty", "below/large"] {
        let sent = fs::read(tree.join(path)).unwrap();
        assert!(world.storage.content(&format!("tree/{path}")).unwrap() == sent, "{path}");
        assert!(fs::read(back.join(path)).unwrap() == sent, "{path}");
        let time = |folder: &Path| fs::metadata(folder.join(path)).unwrap().modified().unwrap();
        assert_eq!(time(&tree), time(&back), "{path}");
    }
    assert!(back.join("below/deeper").is_dir());
    let one = world.local.path().join("one");
    world.get("tree/below/large", &one, false).await.unwrap();
    assert!(fs::read(one).unwrap() == content(7, 5_000_001));

    fs::write(tree.join("below/large"), content(8, 2_000_000)).unwrap();
    let never = TransferOptions { overwrite: Overwrite::Never, ..TransferOptions::default() };
    let done = world.put(PutSource::Tree(tree.clone()), "tree", never).await.unwrap();
    assert_eq!((done.skipped, done.failed), (3, 0));
    assert!(world.storage.content("tree/below/large").unwrap() == content(7, 5_000_001));
    let different = TransferOptions { overwrite: Overwrite::Different, ..TransferOptions::default() };
    let done = world.put(PutSource::Tree(tree), "tree", different).await.unwrap();
    assert_eq!((done.files, done.skipped, done.failed), (1, 2, 0));
    assert!(world.storage.content("tree/below/large").unwrap() == content(8, 2_000_000));
    world.session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_storage_lacks_is_refused_by_name_and_changes_nothing() {
    let world = InMemory::start().await;
    let session = &world.session;
    session.call(MakeFolder { path: remote("a"), parents: false }).await.unwrap();
    unsupported(
        session.call(Link { path: remote("a/link"), target: b"target".to_vec() }).await,
        "symbolic links",
    );
    let mode = SetMetadata { path: remote("a/file"), modified: None, mode: Some(0o600), create: true };
    unsupported(session.call(mode).await, "permissions");
    unsupported(session.sync(&remote("a")).await, "loss of power");
    let file = world.local.path().join("file");
    fs::write(&file, content(2, 2_000_000)).unwrap();
    let put = |options| world.put(PutSource::File(file.clone()), "a/file", options);
    unsupported(put(TransferOptions::default().surviving(true)).await, "loss of power");
    unsupported(put(TransferOptions { sparse: true, ..TransferOptions::default() }).await, "holes");
    assert_eq!(world.names("/", true).await, ["a"]);

    let tree = world.tree();
    std::os::unix::fs::symlink("small", tree.join("link")).unwrap();
    let done = world.put(PutSource::Tree(tree), "tree", TransferOptions::default()).await.unwrap();
    assert_eq!((done.files, done.failed, done.gravest), (3, 1, Some(FailureCode::Unsupported)));
    assert!(!world.names("tree", true).await.contains(&"link".to_owned()));
    session.close().await;
}

#[test]
fn changes_of_a_mirror_that_the_storage_lacks_are_refused_by_name() {
    let storage = MemoryStorage::default();
    let root = storage.folder(&RemotePath::root()).unwrap();
    assert!(Changes::new(root.clone(), None, Durability::Power).is_err());
    let changes = Changes::new(root, None, Durability::Process).unwrap();
    changes.make(&Change::MakeFolder { path: remote("a") }).unwrap();
    let nobody = Owner { user: 1, group: 1, user_name: String::new(), group_name: String::new() };
    for (change, feature) in [
        (Change::SetMetadata { path: remote("a"), modified: None, mode: Some(0o700) }, "permissions"),
        (Change::HardLink { path: remote("b"), of: remote("a") }, "hard links"),
        (Change::SetOwner { path: remote("a"), owner: nobody }, "owners"),
        (Change::SetXattrs { path: remote("a"), xattrs: Vec::new() }, "extended attributes"),
        (Change::Sync { path: remote("a") }, "loss of power"),
    ] {
        let failure = changes.make(&change).unwrap_err();
        assert_eq!(failure.code, FailureCode::Unsupported, "{change:?}");
        assert!(failure.message.contains(feature), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_source_fails_leaves_nothing() {
    /// Gives some bytes, and then waits until the other end is dropped.
    struct Endless(mpsc::Receiver<()>, usize);
    impl io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let len = buffer.len().min(self.1);
            self.1 -= len;
            if len == 0 {
                let _ = self.0.recv();
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            Ok(len)
        }
    }
    let world = InMemory::start().await;
    let (open, waits) = mpsc::channel();
    let source = PutSource::Stream(Box::new(Endless(waits, 4 << 20)));
    let put = world.put(source, "stream", TransferOptions::default());
    let cut = async {
        wait_for(|| world.storage.uploads() == 1).await;
        drop(open);
    };
    let (outcome, ()) = tokio::join!(put, cut);
    assert!(!outcome.is_ok_and(|done| done.failed == 0));
    wait_for(|| world.storage.uploads() == 0).await;
    assert_eq!(world.storage.content("stream"), None);
}
