//! Everything a mirror transfers besides content, and its options of comparison: links, owners, attributes, holes, moves,
//! backups.

use crate::mirrors::{Mirror, WAYS, Way, assert_nothing_left, names_in};
use crate::support::{assert_same, chmod, content, event, is_root, output, picture};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use tests::world::{Server, World, binaries};

#[test]
fn what_is_replaced_or_deleted_is_in_the_backup_and_numbered_where_names_meet() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 4);
        fs::create_dir(mirror.source().join("folder")).unwrap();
        mirror.write("folder/file", "first");
        symlink("first", mirror.source().join("link")).unwrap();
        mirror.check::<&str>([]);
        let backup = mirror.target().parent().unwrap().join("old");
        let options = ["--delete", "--backup=old"];
        mirror.write("0", "second, and longer");
        mirror.write("folder/file", "second, and longer");
        fs::remove_file(mirror.source().join("1")).unwrap();
        fs::remove_file(mirror.source().join("link")).unwrap();
        symlink("second", mirror.source().join("link")).unwrap();
        mirror.check(options);
        mirror.assert_done(options);
        mirror.write("0", "third, and longer still");
        fs::remove_dir_all(mirror.source().join("folder")).unwrap();
        mirror.check(options);
        mirror.assert_done(options);
        assert_eq!(names_in(&backup), ["0", "0.~1~", "1", "folder", "link"]);
        assert_eq!(names_in(&backup.join("folder")), ["file", "file.~1~"]);
        for (name, was) in [("0", "0"), ("0.~1~", "second, and longer"), ("folder/file", "first"), ("1", "1")]
        {
            assert_eq!(fs::read_to_string(backup.join(name)).unwrap(), was, "{name}");
        }
        assert_eq!(fs::read_link(backup.join("link")).unwrap(), Path::new("first"));
    }
}

#[test]
fn a_backup_inside_the_target_survives_deletions() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 4);
        let options = ["--delete", "--backup=target/.old"];
        for number in 0..3 {
            fs::remove_file(mirror.source().join(number.to_string())).unwrap();
            mirror.check(options);
        }
        assert_eq!(mirror.names(), [".old", "3"]);
        assert_eq!(names_in(&mirror.target().join(".old")), ["0", "1", "2"]);
        assert_eq!(mirror.check(["-n", "--delete", "--backup=target/.old"]).text(), "");
    }
}

#[test]
fn a_hard_link_that_takes_a_files_place_leaves_it_in_the_backup() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 3);
        fs::remove_file(mirror.source().join("1")).unwrap();
        fs::hard_link(mirror.source().join("0"), mirror.source().join("1")).unwrap();
        mirror.check(["-H", "--backup=old"]);
        let backup = mirror.target().parent().unwrap().join("old");
        assert_eq!(fs::read_to_string(backup.join("1")).unwrap(), "1");
        assert_nothing_left(&mirror.source(), &mirror.target(), &["-aH"]);
    }
}

#[test]
fn what_was_renamed_is_not_sent_and_keeps_its_inode() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.source().join("old")).unwrap();
        mirror.write("old/large", content(1, 3_000_000));
        mirror.write("other", "other");
        mirror.check::<&str>([]);
        let inode = fs::metadata(mirror.target().join("old/large")).unwrap().ino();
        fs::create_dir_all(mirror.source().join("new/deep")).unwrap();
        fs::rename(mirror.source().join("old/large"), mirror.source().join("new/deep/renamed")).unwrap();
        fs::remove_dir(mirror.source().join("old")).unwrap();
        chmod(&mirror.source().join("new/deep/renamed"), 0o640);
        let options = ["--delete", "--detect-moves"];
        let ran = mirror.check(["--json"].iter().chain(&options));
        assert_eq!(event(&ran, "finished")["moved"], 1);
        let sent = event(&ran, "finished")["bytes_transferred"].as_u64().unwrap();
        assert!(sent < 100_000, "{sent} bytes were sent");
        mirror.assert_done(options);
        assert_eq!(fs::metadata(mirror.target().join("new/deep/renamed")).unwrap().ino(), inode);
    }
}

#[test]
fn attributes_of_files_and_folders_are_carried() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        fs::create_dir(mirror.source().join("folder")).unwrap();
        if !set_attribute(&mirror.source().join("0"), "one", "first") {
            println!("skipped: this filesystem has no extended attributes, or setfattr is missing");
            return;
        }
        set_attribute(&mirror.source().join("folder"), "two", "of a folder");
        set_attribute(&mirror.source(), "three", "of the mirrored folder");
        mirror.write("new", "new");
        set_attribute(&mirror.source().join("new"), "four", "of a new file");
        let done = || {
            mirror.check(["--xattrs"]);
            assert_nothing_left(&mirror.source(), &mirror.target(), &["-aX"]);
            assert_eq!(mirror.check(["-n", "--xattrs"]).text(), "");
        };
        done();
        set_attribute(&mirror.source().join("0"), "one", "second");
        set_attribute(&mirror.target().join("1"), "more", "goes");
        done();
    }
}

fn set_attribute(path: &Path, name: &str, value: &str) -> bool {
    let mut command = Command::new("setfattr");
    output(command.args(["-n", &format!("user.{name}"), "-v", value]).arg(path))
        .is_some_and(|output| output.status.success())
}

#[test]
fn holes_stay_holes() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let file = File::create(mirror.source().join("holes")).unwrap();
        file.set_len(40_000_000).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 20_000_000).unwrap();
        drop(file);
        mirror.check(["--sparse"]);
        mirror.assert_done(["--sparse"]);
        let blocks = fs::metadata(mirror.target().join("holes")).unwrap().blocks();
        assert!(blocks * 512 < 2_000_000, "{blocks} blocks");
    }
}

#[test]
fn owners_are_carried_by_root() {
    if !is_root() {
        println!("skipped: only root may give files away");
        return;
    }
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        fs::create_dir(mirror.source().join("folder")).unwrap();
        symlink("0", mirror.source().join("link")).unwrap();
        mirror.write("new", "new");
        chown(mirror.source().join("0"), Some(1), Some(1)).unwrap(); // daemon, where it exists
        chown(mirror.source().join("new"), Some(54321), Some(54322)).unwrap(); // ids without an account
        chown(mirror.source().join("folder"), Some(54321), Some(1)).unwrap();
        std::os::unix::fs::lchown(mirror.source().join("link"), Some(54321), Some(54321)).unwrap();
        chown(mirror.source(), Some(54321), Some(54321)).unwrap();
        mirror.check(["--owner"]);
        assert_nothing_left(&mirror.source(), &mirror.target(), &["-a", "-o", "-g"]);
        assert_eq!(mirror.check(["-n", "--owner"]).text(), "");
        let ids = |name: &str| {
            let metadata = fs::symlink_metadata(mirror.target().join(name)).unwrap();
            (metadata.uid(), metadata.gid())
        };
        assert_eq!([ids("0"), ids("new"), ids("1")], [(1, 1), (54321, 54322), (0, 0)]);
        chown(mirror.source().join("0"), Some(0), Some(54321)).unwrap();
        mirror.check(["--owner"]);
        assert_eq!(ids("0"), (0, 54321));
    }
}

/// In a container, most owners are unmapped: the system reports an invalid argument.
#[test]
fn an_owner_that_a_container_does_not_have_is_told_as_that() {
    let is_there = output(Command::new("unshare").args(["--user", "--map-root-user", "true"]));
    if !is_root() || !is_there.is_some_and(|ran| ran.status.success()) {
        println!("skipped: only root may give files away, and unshare must be allowed");
        return;
    }
    let world = World::empty();
    world.add_user("tester", "full");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user"]).arg(&binaries().server);
    command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(world.state());
    let server = Server::start(command, world.local().join("log"));
    fs::create_dir(world.local().join("source")).unwrap();
    fs::write(world.local().join("source/file"), "content").unwrap();
    chown(world.local().join("source/file"), Some(54321), Some(54321)).unwrap();
    let target = format!("ftpx://tester@{}/target?pin={}", server.address, server.fingerprint);
    let ran = world.client(["mirror", "--owner", "source", &target]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("has no such owner or group"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(world.root().join("target/file")).unwrap(), "content");
}

#[test]
fn comparing_by_content_finds_what_size_and_time_hide_and_sends_nothing_else() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 3);
        let time = fs::metadata(mirror.source().join("0")).unwrap().modified().unwrap();
        mirror.write("0", "x");
        File::open(mirror.source().join("0")).unwrap().set_modified(time).unwrap();
        mirror.check::<&str>([]);
        assert_eq!(fs::read_to_string(mirror.target().join("0")).unwrap(), "0", "size and time are the same");
        touch(&mirror.source().join("1"), 1_000_000_000);
        let dry = mirror.check(["-n", "--compare=digest"]).text();
        assert_eq!(dry, "~ 0\n> 1\n");
        let ran = mirror.check(["--compare=digest", "--json"]);
        assert_eq!(event(&ran, "finished")["bytes"], 1);
        mirror.assert_done(["--compare=digest"]);
    }
}

#[test]
fn forty_thousand_files_are_compared_by_content_while_they_are_listed() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.target()).unwrap();
        for folder in 0..41 {
            for side in [mirror.source(), mirror.target()] {
                fs::create_dir(side.join(folder.to_string())).unwrap();
            }
            let first = mirror.source().join(format!("{folder}/0"));
            for number in 0..1000 {
                let name = format!("{folder}/{number}");
                match number {
                    0 => drop(File::create(&first).unwrap()),
                    _ => fs::hard_link(&first, mirror.source().join(&name)).unwrap(), // much faster to make
                }
                fs::hard_link(&first, mirror.target().join(&name)).ok();
            }
        }
        let ran = mirror.check(["--compare=digest", "--delete", "--json"]);
        assert_eq!(event(&ran, "finished")["files"], 0);
        assert_eq!(event(&ran, "finished")["failed"], 0);
    }
}

#[test]
fn times_within_the_window_are_equal() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        touch(&mirror.source().join("0"), 1_000_000_000);
        touch(&mirror.target().join("0"), 1_000_000_002);
        assert_eq!(mirror.check(["-n", "--modify-window=2s"]).text(), "");
        assert_eq!(mirror.check(["-n", "--modify-window=1s"]).text(), "~ 0\n");
    }
}

#[test]
fn files_that_are_to_be_left_are_left_whatever_kind_they_are() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 6);
        mirror.write("0", "changed, and longer");
        chmod(&mirror.source().join("1"), 0o600);
        fs::remove_file(mirror.source().join("2")).unwrap();
        symlink("elsewhere", mirror.source().join("2")).unwrap();
        fs::remove_file(mirror.source().join("3")).unwrap();
        fs::create_dir(mirror.source().join("3")).unwrap();
        mirror.write("3/inside", "inside");
        fs::create_dir(mirror.target().join("4-folder")).unwrap();
        fs::write(mirror.target().join("4-folder/kept"), "kept").unwrap();
        mirror.write("4-folder", "a file");
        mirror.write("new", "new");
        let before = picture(&mirror.target());
        mirror.check(["--overwrite=never", "--delete"]);
        let mut after = picture(&mirror.target());
        assert!(after.remove(Path::new("new")).is_some());
        assert_eq!(after, before);
        assert_eq!(mirror.check(["-n", "--overwrite=never", "--delete"]).text(), "");
    }
}

#[test]
fn only_what_is_newer_replaces() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        for (name, time) in [("0", 1_000_000_000), ("1", 3_000_000_000)] {
            mirror.write(name, "of the source");
            touch(&mirror.source().join(name), time);
            fs::write(mirror.target().join(name), "of the target!").unwrap();
            touch(&mirror.target().join(name), 2_000_000_000);
        }
        mirror.check(["--overwrite=newer"]);
        assert_eq!(fs::read_to_string(mirror.target().join("0")).unwrap(), "of the target!");
        assert_eq!(fs::read_to_string(mirror.target().join("1")).unwrap(), "of the source");
    }
}

#[test]
fn everything_is_sent_again_if_that_is_asked_for() {
    let mirror = Mirror::with_files(Way::Up, 3);
    let ran = mirror.check(["--overwrite=always", "--json"]);
    assert_eq!(event(&ran, "finished")["files"], 3);
    assert_same(&mirror.source(), &mirror.target());
}

fn touch(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}
