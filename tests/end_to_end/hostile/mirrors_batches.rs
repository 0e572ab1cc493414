//! Misuse of batches: none exceeds its user's access, or touches paths that are outside of the root or reserved.

use crate::hostile::mirrors::{path, refusal, serving};
use crate::support::fake_client::Session;
use crate::support::picture;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use wire::checksum::Checksum;
use wire::message::{Batch, Change, Digests, Durability, Message, Owner, Xattr};
use wire::metadata::{Kind, Metadata, Timestamp};
use wire::{Failure, FailureCode, RemotePath};

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_a_batch_needs_what_the_command_that_does_the_same_needs() {
    for access in ["read", "drop", "write"] {
        let world = serving(access);
        let file = world.root().join("file");
        fs::write(&file, "content").unwrap();
        fs::create_dir(world.root().join("folder")).unwrap();
        let was = metadata_of(&file);
        let before = picture(&world.root());
        let mut session = Session::open(&world).await;
        let changes = vec![
            Change::RemoveFile { path: path("file"), was: Some(was) },
            Change::RemoveFolder { path: path("folder") },
            Change::Move { from: path("file"), to: path("other"), was },
            Change::SetAside { path: path("file"), was, keep: false },
            Change::SetAside { path: path("file"), was, keep: true },
            Change::SetOwner { path: path("file"), owner: owner(1) },
        ];
        let count = changes.len();
        session.send(2, batch("", Some("folder"), changes)).await;
        let denied = match session.next().await.unwrap().message {
            Message::Failure(failure) => vec![failure],
            other => failures(other, count).into_iter().flatten().collect(),
        };
        assert_eq!(denied.len(), if access == "write" { count } else { 1 }, "{access}");
        assert!(denied.iter().all(|failure| failure.code == FailureCode::AccessDenied), "{denied:?}");
        assert!(picture(&world.root()) == before, "{access} changed something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_unfinished_files_are_nobodys() {
    const STAGED: &str = "folder/.ftpx-0123456789abcdef.part";
    let world = serving("full");
    fs::create_dir(world.root().join("folder")).unwrap();
    fs::write(world.root().join(STAGED), "half").unwrap();
    fs::write(world.root().join("file"), "content").unwrap();
    let (was, file) = (metadata_of(&world.root().join(STAGED)), metadata_of(&world.root().join("file")));
    let before = picture(&world.root());
    let mut session = Session::open(&world).await;
    let changes = vec![
        Change::RemoveFile { path: path(STAGED), was: Some(was) },
        Change::Move { from: path(STAGED), to: path("mine"), was },
        Change::Move { from: path("file"), to: path(".ftpx-0000000000000000.part"), was: file },
        Change::SetAside { path: path(STAGED), was, keep: true },
        Change::HardLink { path: path("mine"), of: path(STAGED) },
        Change::HardLink { path: path(STAGED), of: path("file") },
        Change::MakeFolder { path: path(".ftpx-0000000000000000.part") },
        Change::SetMetadata { path: path(STAGED), modified: None, mode: Some(0o777) },
        Change::SetXattrs { path: path(STAGED), xattrs: vec![] },
        Change::Sync { path: path(STAGED) },
    ];
    let count = changes.len();
    session.send(2, batch("", Some("folder"), changes)).await;
    for failure in failures(session.next().await.unwrap().message, count) {
        assert_eq!(failure.map(|failure| failure.code), Some(FailureCode::InvalidPath));
    }
    session.send(3, digests("", vec![path(STAGED)])).await;
    let Message::Digested(digested) = session.next().await.unwrap().message else { panic!("no digests") };
    assert_eq!(digested.digests, [None]);
    assert!(picture(&world.root()) == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_fits_one_batch_is_refused_as_a_whole() {
    let world = serving("full");
    let mut session = Session::open(&world).await;
    let make = |number: usize| Change::MakeFolder { path: path(&number.to_string()) };
    session.send(2, batch("", Some("backup"), (0..1025).map(make).collect())).await;
    assert_eq!(refusal(session.next().await.unwrap().message).code, FailureCode::LimitExceeded);
    session.send(3, digests("", vec![path("x"); 1025])).await;
    assert_eq!(refusal(session.next().await.unwrap().message).code, FailureCode::LimitExceeded);
    assert_eq!(fs::read_dir(world.root()).unwrap().count(), 0);
    session.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_batch_leads_through_a_link_to_what_is_outside() {
    let world = serving("full");
    let outside = world.local().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, world.root().join("out")).unwrap();
    symlink(outside.join("secret"), world.root().join("file")).unwrap();
    fs::write(world.root().join("mine"), "mine").unwrap();
    let (was, mine) = (metadata_of(&outside.join("secret")), metadata_of(&world.root().join("mine")));
    let before = picture(&outside);
    let mut session = Session::open(&world).await;
    for (base, backup) in [("out", None), ("", Some("out")), ("", Some("out/deeper"))] {
        session.send(2, batch(base, backup, vec![Change::MakeFolder { path: path("new") }])).await;
        assert_eq!(refusal(session.next().await.unwrap().message).code, FailureCode::OutsideRoot);
    }
    let changes = vec![
        Change::RemoveFile { path: path("out/secret"), was: Some(was) },
        Change::RemoveFolder { path: path("out") },
        Change::MakeFolder { path: path("out") },
        Change::MakeFolder { path: path("out/new") },
        Change::SetMetadata { path: path("out/secret"), modified: Some(Timestamp::default()), mode: None },
        Change::SetMetadata { path: path("file"), modified: None, mode: Some(0o777) },
        Change::Move { from: path("out/secret"), to: path("stolen"), was },
        Change::Move { from: path("mine"), to: path("out/new"), was: mine },
        Change::Move { from: path("mine"), to: path("out/deeper/new"), was: mine },
        Change::SetAside { path: path("out/secret"), was, keep: true },
        Change::HardLink { path: path("stolen"), of: path("out/secret") },
        Change::HardLink { path: path("out/secret"), of: path("mine") },
        Change::SetXattrs { path: path("file"), xattrs: vec![] },
        Change::SetXattrs { path: path("out"), xattrs: vec![] },
    ];
    let count = changes.len();
    session.send(3, batch("", Some("backup"), changes.clone())).await;
    for (change, failure) in changes.iter().zip(failures(session.next().await.unwrap().message, count)) {
        assert!(failure.is_some(), "{change:?}");
    }
    session.send(4, digests("", vec![path("out/secret"), path("file"), path("out")])).await;
    let Message::Digested(digested) = session.next().await.unwrap().message else { panic!("no digests") };
    assert_eq!(digested.digests, [None; 3]);
    assert!(picture(&outside) == before);
    assert_eq!(fs::metadata(outside.join("secret")).unwrap().nlink(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn set_id_bits_foreign_attributes_and_owners_that_nobody_is_are_not_taken_over() {
    let world = serving("full");
    let file = world.root().join("file");
    fs::write(&file, "content").unwrap();
    let owner_before = (fs::metadata(&file).unwrap().uid(), fs::metadata(&file).unwrap().gid());
    let mut session = Session::open(&world).await;
    let attribute = |name: &str| {
        let xattr = Xattr { name: name.into(), value: b"x".to_vec() };
        Change::SetXattrs { path: path("file"), xattrs: vec![xattr] }
    };
    let changes = vec![
        Change::SetMetadata { path: path("file"), modified: None, mode: Some(0o6755) },
        Change::SetOwner { path: path("file"), owner: owner(u32::MAX) },
        Change::SetMetadata { path: path("file"), modified: None, mode: Some(0o10_000) },
        attribute("security.capability"),
        attribute("trusted.overlay.opaque"),
        attribute("system.posix_acl_access"),
        attribute("user"),
    ];
    let count = changes.len();
    session.send(2, batch("", None, changes)).await;
    let failures = failures(session.next().await.unwrap().message, count);
    assert!(failures[2..].iter().all(Option::is_some), "{failures:?}");
    let now = fs::metadata(&file).unwrap();
    assert_eq!(
        (now.permissions().mode() & 0o7777, now.uid(), now.gid()),
        (0o755, owner_before.0, owner_before.1)
    );
}

fn batch(base: &str, backup: Option<&str>, changes: Vec<Change>) -> Batch {
    Batch {
        path: path(base),
        backup: backup.map(path),
        versions: None,
        changes,
        durability: Durability::Process,
        follow: Default::default(),
    }
}

fn digests(base: &str, paths: Vec<RemotePath>) -> Digests {
    Digests { path: path(base), checksum: Checksum::Sha256, paths, follow: Default::default() }
}

fn owner(number: u32) -> Owner {
    Owner { user: number, group: number, user_name: String::new(), group_name: String::new() }
}

/// Returns a file's metadata as listed.
fn metadata_of(file: &Path) -> Metadata {
    let found = fs::metadata(file).unwrap();
    let modified = Timestamp { seconds: found.mtime(), nanos: found.mtime_nsec() as u32 };
    Metadata { kind: Kind::File, size: found.len(), modified, mode: found.mode() & 0o7777 }
}

/// Returns the result of each change of a batch.
fn failures(answer: Message, count: usize) -> Vec<Option<Failure>> {
    let Message::BatchDone(done) = answer else { panic!("{answer:?}") };
    let mut all = vec![None; count];
    for failed in done.failures {
        all[failed.index as usize] = Some(failed.failure);
    }
    all
}
