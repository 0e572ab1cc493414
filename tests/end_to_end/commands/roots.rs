//! Users that share a root: one without the right to remove its content cannot change the folder itself, and cannot sweep other
//! users' uploads.

use crate::support::fake_client::Session;
use crate::support::{content, leftovers, picture, proven_bytes, wait_until};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use tests::world::{PASSWORD, World, signal};
use wire::message::{Batch, Change, Durability, Message, SetMetadata, Xattr};
use wire::metadata::Timestamp;
use wire::{FailureCode, RemotePath};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Makes one root in which `alice` and `bob` may write, and `carol` has full access.
fn shared() -> World {
    let mut world = World::empty();
    for (user, access) in [("alice", "write"), ("bob", "write"), ("carol", "full")] {
        world.add_user(user, access);
    }
    world.serve(&[]);
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755)).unwrap();
    world
}

#[test]
fn the_root_folder_itself_is_changed_with_full_access_only() {
    let world = shared();
    for words in [&["chmod", "000"][..], &["touch", "-d", "2001-02-03T04:05:06Z"], &["chmod", "755"]] {
        let before = fs::metadata(world.root()).unwrap();
        let (url, full) = (world.url_of("alice", ""), world.url_of("carol", ""));
        let ran = world.client(words.iter().copied().chain([url.as_str()]));
        if ran.code == Some(2) {
            continue; // no such option
        }
        assert_eq!(ran.code, Some(4), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("root folder itself needs full access"), "{}", ran.stderr);
        assert_eq!(mode(&world.root()), 0o755);
        assert_eq!(fs::metadata(world.root()).unwrap().mtime_nsec(), before.mtime_nsec());
        if !words.contains(&"000") {
            world.check(words.iter().copied().chain([full.as_str()]));
        }
    }
    world.check(["chmod", "700", &world.url_of("carol", "")]);
    assert_eq!(mode(&world.root()), 0o700);
    world.check(["mkdir", &world.url_of("alice", "below")]);
    world.check(["chmod", "700", &world.url_of("alice", "below")]);
}

/// By any path and message: links to the root can be made by any user who may write.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_leads_around_that() {
    let world = shared();
    symlink(".", world.root().join("self")).unwrap();
    fs::create_dir(world.root().join("folder")).unwrap();
    symlink("../folder/..", world.root().join("folder/up")).unwrap();
    let path = |text: &str| RemotePath::from_wire(text.as_bytes()).unwrap();
    let root = RemotePath::root;
    let time = Timestamp { seconds: 1, nanos: 0 };
    let mut session = Session::open_as(&world, "alice", PASSWORD).await;
    let set = |at: &str| SetMetadata { path: path(at), modified: Some(time), mode: Some(0), create: false };
    let mut id = 10;
    for at in ["", "self"] {
        id += 1;
        session.send(id, set(at)).await;
        let answer = session.next().await.unwrap();
        assert!(matches!(answer.message, Message::Failure(_)), "{at:?}: {answer:?}");
    }
    let changes = || {
        let (modified, mode) = (Some(time), Some(0));
        let xattrs = vec![Xattr { name: b"user.x".to_vec(), value: b"y".to_vec() }];
        vec![
            Change::SetMetadata { path: root(), modified, mode: None },
            Change::SetMetadata { path: root(), modified: None, mode },
            Change::SetXattrs { path: root(), xattrs },
        ]
    };
    for at in ["", "self", "self/self", "folder/up", "folder/up/self"] {
        id += 1;
        let batch = Batch {
            path: path(at),
            backup: None,
            versions: None,
            changes: changes(),
            durability: Durability::Process,
            follow: Default::default(),
        };
        session.send(id, batch).await;
        match session.next().await.unwrap().message {
            Message::BatchDone(done) => {
                assert_eq!(done.failures.len(), 3, "{at:?}");
                let denied = |code: FailureCode| code == FailureCode::AccessDenied;
                assert!(done.failures.iter().all(|failed| denied(failed.failure.code)), "{at:?} {done:?}");
            }
            Message::Failure(failure) => assert_eq!(failure.code, FailureCode::OutsideRoot, "{at:?}"),
            other => panic!("{at:?}: {other:?}"),
        }
    }
    assert_eq!(mode(&world.root()), 0o755);
    assert_ne!(fs::metadata(world.root()).unwrap().mtime(), 1);
}

#[test]
fn who_may_write_mirrors_into_the_root_and_leaves_the_root_itself_alone() {
    let world = shared();
    let source = world.local().join("source");
    fs::create_dir_all(source.join("folder")).unwrap();
    fs::write(source.join("folder/file"), "content").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o700)).unwrap();
    let url = world.url_of("alice", "");
    for _ in 0..2 {
        let ran = world.check(["mirror", "source", &url]);
        assert!(!ran.stderr.contains("access"), "{}", ran.stderr);
        assert_eq!(mode(&world.root()), 0o755);
    }
    assert_eq!(fs::read_to_string(world.root().join("folder/file")).unwrap(), "content");
    world.check(["put", "-r", "source", &url]);
    world.check(["mirror", "source", &world.url_of("carol", "")]);
    assert_eq!(mode(&world.root()), 0o700, "with full access it is mirrored too");
    let below = world.url_of("alice", "source");
    fs::set_permissions(&source, fs::Permissions::from_mode(0o750)).unwrap();
    world.check(["mirror", "source", &below]);
    assert_eq!(mode(&world.root().join("source")), 0o750, "and so is any folder below");
}

/// Leaves an upload that can be resumed.
fn interrupt(world: &World, user: &str, name: &str) {
    let before = proven_bytes(&world.root());
    fs::write(world.local().join(name), content(1, 40_000_000)).unwrap();
    let mut command = world.client_command(["put", "--limit-rate=8M", name, &world.url_of(user, name)]);
    let mut client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("some of it is proven", || proven_bytes(&world.root()) > before + 1_000_000);
    signal(client.id(), "KILL");
    client.wait().unwrap();
}

#[test]
fn a_sweep_takes_ones_own_uploads_or_with_full_access_all() {
    let world = shared();
    let gc = |user: &str| {
        let ran = world.check(["gc", "--json", &world.url_of(user, "")]);
        let event = crate::support::event(&ran, "swept");
        (event["files"].as_u64().unwrap(), event["kept"].as_u64().unwrap())
    };
    interrupt(&world, "alice", "of-alice");
    interrupt(&world, "bob", "of-bob");
    // Without a journal its owner is unknown. It is old: a young one may be about to be used.
    let nobodys = world.root().join(".ftpx-0123456789abcdef.part");
    fs::write(&nobodys, "small").unwrap();
    assert_eq!(leftovers(&world.root()).len(), 5);
    wait_until("what is left is old enough to be swept", || gc("bob").0 == 1);
    assert_eq!(gc("bob"), (0, 2), "that of alice and nobody's stay");
    assert_eq!(leftovers(&world.root()).len(), 3);
    wait_until("so is alice's", || gc("alice").0 == 1);
    assert_eq!(leftovers(&world.root()), std::slice::from_ref(&nobodys));
    wait_until("all goes with full access", || gc("carol").0 == 1);
    assert!(leftovers(&world.root()).is_empty());
}

/// A user who may only add removes nothing, which includes another user's partial uploads.
#[test]
fn who_may_only_add_does_not_discard_an_upload_of_the_same_name() {
    let world = shared();
    world.add_user("dan", "drop");
    interrupt(&world, "alice", "large");
    let proven = proven_bytes(&world.root());
    fs::write(world.local().join("other"), content(2, 3_000_000)).unwrap();
    world.check(["put", "other", &world.url_of("dan", "large")]);
    assert!(fs::read(world.root().join("large")).unwrap() == content(2, 3_000_000));
    assert_eq!(proven_bytes(&world.root()), proven);
    let ran = world.check(["put", "--json", "large", &world.url_of("alice", "large")]);
    let finished = crate::support::event(&ran, "finished");
    assert!(finished["bytes_transferred"].as_u64().unwrap() < 40_000_000 - proven / 2, "{finished}");
    assert!(fs::read(world.root().join("large")).unwrap() == content(1, 40_000_000));
}

/// Partial files of another user are that user's to resume.
#[test]
fn who_may_write_does_not_discard_another_ones_upload_of_the_same_name() {
    let world = shared();
    interrupt(&world, "alice", "large");
    let proven = proven_bytes(&world.root());
    for size in [3_000_000, 2_500_000] {
        fs::write(world.local().join("other"), content(2, size)).unwrap();
        world.check(["put", "other", &world.url_of("bob", "large")]);
        assert!(fs::read(world.root().join("large")).unwrap() == content(2, size));
        assert_eq!(proven_bytes(&world.root()), proven);
    }
    let ran = world.check(["put", "--json", "large", &world.url_of("alice", "large")]);
    let sent = crate::support::event(&ran, "finished")["bytes_transferred"].as_u64().unwrap();
    assert!(sent < 40_000_000, "{sent}");
    assert!(leftovers(&world.root()).is_empty());
    interrupt(&world, "alice", "large");
    world.check(["put", "other", &world.url_of("carol", "large")]);
    assert!(leftovers(&world.root()).is_empty(), "with full access it may go");
}

/// Keeping a replaced file is a rename, and a file in the way of a backup's folder is renamed for good.
#[test]
fn a_backup_at_the_server_needs_full_access_as_a_rename_does() {
    let world = shared();
    fs::create_dir(world.root().join("tree")).unwrap();
    fs::create_dir(world.root().join("tree/report")).unwrap();
    fs::write(world.root().join("tree/report/file"), "old").unwrap();
    fs::write(world.root().join("report"), "of somebody else").unwrap();
    let source = world.local().join("source/report");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("file"), "new one").unwrap();
    let before = picture(&world.root());
    for words in [&[][..], &["-n"], &["--delete"]] {
        let command = ["mirror", "--backup", "/", "source", &world.url_of("alice", "tree")];
        let ran = world.client(command.iter().chain(words));
        assert_eq!(ran.code, Some(4), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("--backup") && ran.stderr.contains("full access"), "{}", ran.stderr);
        assert!(picture(&world.root()) == before, "{words:?}");
    }
    world.check(["mirror", "source", &world.url_of("alice", "tree")]);
    fs::write(source.join("file"), "newer one").unwrap();
    world.check(["mirror", "--backup", "/old", "source", &world.url_of("carol", "tree")]);
    assert_eq!(fs::read_to_string(world.root().join("old/report/file")).unwrap(), "new one");
}
