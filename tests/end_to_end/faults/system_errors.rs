//! System errors are named, and reported with the end at which they happened.

use crate::support::limits::SmallDisk;
use crate::support::{leftovers, wait_until};
use std::fs;
use std::io::Write;
use std::process::Stdio;
use tests::world::{Ran, World};

#[test]
fn a_mount_point_is_busy_and_another_filesystem() {
    let world = World::serving();
    let Some(_disk) = SmallDisk::on(&world.root().join("disk")) else { return };
    fs::write(world.root().join("file"), "content").unwrap();
    let disk = world.url("disk");
    for words in [["rm", "-r", &disk].as_slice(), &["mv", &disk, &world.url("other")]] {
        let ran = world.client(words);
        assert!(
            ran.code == Some(1) && ran.stderr.contains("busy: a mount point"),
            "{words:?}: {}",
            ran.stderr
        );
    }
    let ran = world.client(["mv", &world.url("file"), &world.url("disk/file")]);
    assert!(ran.code == Some(1) && ran.stderr.contains("another filesystem"), "{}", ran.stderr);
    fs::create_dir(world.local().join("empty")).unwrap();
    let ran = world.client(["mirror", "--delete", "--allow-empty-source", "empty", &world.url("")]);
    assert!(!ran.stderr.contains("input/output error"), "{}", ran.stderr);
}

/// A full disk at the server, and one at the client, each reported with its end.
#[test]
fn a_full_disk_is_told_with_its_side() {
    let world = World::serving();
    let (Some(_there), Some(_here)) =
        (SmallDisk::on(&world.root().join("disk")), SmallDisk::on(&world.local().join("disk")))
    else {
        return;
    };
    for root in [world.root(), world.local()] {
        fs::write(root.join("large"), vec![7; 12_000_000]).unwrap();
    }
    let ran = world.client(["put", "large", &world.url("disk/large")]);
    assert!(ran.code == Some(8) && ran.stderr.contains("on the server: no space left"), "{}", ran.stderr);
    let ran = world.client(["get", &world.url("large"), "disk/large"]);
    assert!(ran.code == Some(8) && ran.stderr.contains("on this machine: no space left"), "{}", ran.stderr);
    fs::create_dir(world.local().join("tree")).unwrap();
    fs::write(world.local().join("tree/large"), vec![7; 12_000_000]).unwrap();
    let ran = world.client(["mirror", "tree", &world.url("disk")]);
    assert!(ran.code == Some(8) && ran.stderr.contains("on the server: no space left"), "{}", ran.stderr);
    fs::create_dir(world.root().join("tree")).unwrap();
    fs::rename(world.root().join("large"), world.root().join("tree/large")).unwrap();
    let ran = world.client(["mirror", &world.url("tree"), "disk"]);
    assert!(ran.code == Some(8) && ran.stderr.contains("on this machine: no space left"), "{}", ran.stderr);
}

#[test]
fn a_root_that_is_removed_during_a_put_is_the_servers_matter() {
    let world = World::serving();
    let mut command = world.client_command(["put", "--no-resume", "-", &world.url("stream")]);
    let mut client = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(&vec![7; 2_000_000]).unwrap();
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    fs::remove_dir_all(world.root()).unwrap();
    drop(stdin);
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert!(ran.code == Some(5) && ran.stderr.contains("on the server: no such file"), "{ran:?}");
}
