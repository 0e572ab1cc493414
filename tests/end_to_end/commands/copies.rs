//! Copies on the server: what they keep, what they refuse, and that nothing half-written is left.

use crate::commands::times::Mounted;
use crate::support::{chmod, content, event, leftovers, picture, wait_until};
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tests::world::World;

pub(super) fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

pub(super) fn assert_copied(source: &Path, copy: &Path) {
    assert!(fs::read(source).unwrap() == fs::read(copy).unwrap(), "{copy:?} has other content");
    let (source, copied) = (source.metadata().unwrap(), copy.metadata().unwrap());
    assert_eq!(source.modified().unwrap(), copied.modified().unwrap(), "{copy:?}");
    assert_eq!(source.mode(), copied.mode(), "{copy:?}");
    assert_ne!(source.ino(), copied.ino(), "{copy:?}");
}

#[test]
fn a_copy_has_content_permissions_and_time_of_its_source() {
    let world = World::serving();
    let root = world.root();
    for (name, len) in [("empty", 0), ("small", 3), ("large", 20_000_003)] {
        fs::write(root.join(name), content(len as u64, len)).unwrap();
        set_time(&root.join(name), 1_000_000_000 + len as u64);
        chmod(&root.join(name), 0o640);
        let copied = world.check(["cp", "--json", &world.url(name), &world.url(format!("{name}-copy"))]);
        assert_eq!(event(&copied, "copied")["target"], format!("/{name}-copy"));
        assert_eq!(event(&copied, "copied")["bytes"], len);
        assert_copied(&root.join(name), &root.join(format!("{name}-copy")));
    }
    fs::create_dir(root.join("folder")).unwrap();
    world.check(["cp", &world.url("small"), &world.url("large"), &world.url("folder/")]);
    world.check(["cp", "-p", &world.url("empty"), &world.url("folder")]);
    for name in ["empty", "small", "large"] {
        assert_copied(&root.join(name), &root.join("folder").join(name));
    }
    assert!(leftovers(&root).is_empty());
    let line = "COPY peer=127.0.0.1:";
    let paths = "path=\"large\" to=\"folder/large\" outcome=\"done\" files=1 bytes=20000003";
    let is_logged =
        || world.server().log().lines().any(|found| found.contains(line) && found.contains(paths));
    wait_until("the copy's line in the log", is_logged);
    fs::write(world.local().join("script"), "cp small from-script\ncd folder\ncp /small /from-folder\n")
        .unwrap();
    world.check(["script", "script", &world.url("")]);
    assert_copied(&root.join("small"), &root.join("from-script"));
    assert_copied(&root.join("small"), &root.join("from-folder"));
}

#[test]
fn what_cannot_be_copied_is_refused_and_changes_nothing() {
    let world = World::serving();
    let root = world.root();
    fs::create_dir_all(root.join("folder/file")).unwrap();
    for name in ["file", "other", "folder/kept"] {
        fs::write(root.join(name), name).unwrap();
    }
    fs::hard_link(root.join("file"), root.join("hard")).unwrap();
    symlink("file", root.join("link")).unwrap();
    symlink("/etc/passwd", root.join("outside")).unwrap();
    let url = |path: &str| world.url(path);
    let before = picture(&root);
    for (code, words, sentence) in [
        (1, ["folder", "copy"], "-r copies folders"),
        (1, ["file", "folder"], "-r copies folders"), // where `folder/file` is a folder
        (1, ["file", "file"], "same file"),
        (1, ["file", "hard"], "same file"),
        (1, ["link", "file"], "same file"),
        (5, ["gone", "copy"], "gone"),
        (5, ["file", "gone/copy"], "the target"),
        (5, ["other", "gone/"], "gone"),
        (1, ["outside", "copy"], "outside"),
    ] {
        let ran = world.client([&["cp".to_owned()][..], &words.map(url)].concat());
        assert_eq!(ran.code, Some(code), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(sentence), "{words:?}: {}", ran.stderr);
        assert!(picture(&root) == before, "{words:?} changed something");
    }
    for words in [
        vec!["cp".to_owned(), url("file")],
        vec!["cp".into(), url("file"), url("folder/kept"), url("folder/").replace("tester@", "other@")],
        vec!["cp".into(), url("file"), "copy".into()],
        vec!["cp".into(), url("file"), url("folder/file"), url("folder/")],
        vec!["cp".into(), url(""), url("folder/")],
        vec!["cp".into(), "-n".into(), "--overwrite".into(), "newer".into(), url("file"), url("copy")],
    ] {
        let ran = world.client(&words);
        assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.stderr);
    }
    assert!(picture(&root) == before);
    // One of several that fails does not keep the others from being copied.
    let some = world.client(["cp", &url("gone"), &url("other"), &url("folder/")]);
    assert_eq!(some.code, Some(1), "{}", some.stderr);
    assert_copied(&root.join("other"), &root.join("folder/other"));
    assert!(leftovers(&root).is_empty());
}

#[test]
fn an_existing_file_is_replaced_by_the_rule() {
    let world = World::serving();
    let (source, target) = (world.root().join("source"), world.root().join("target"));
    let (from, to) = (world.url("source"), world.url("target"));
    for (words, time, code, is_replaced) in [
        (&["--overwrite=always"][..], 0, 0, true),
        (&["--overwrite=never"], -1, 6, false),
        (&["-n"], -1, 6, false),
        (&["--overwrite=newer"], -1, 0, true),
        (&["--overwrite=newer"], 1, 0, false),
        (&["--overwrite=different"], 1, 0, true),
        (&["--overwrite=different"], 0, 0, false),
    ] {
        fs::write(&source, "new").unwrap();
        fs::write(&target, "old").unwrap();
        set_time(&source, 1_000_000_000);
        set_time(&target, 1_000_000_000_u64.saturating_add_signed(time));
        let ran = world.client([&["cp"], words, &[&from, &to]].concat());
        assert_eq!(ran.code, Some(code), "{words:?} {time}: {}", ran.stderr);
        assert_eq!(fs::read_to_string(&target).unwrap() == "new", is_replaced, "{words:?} {time}");
    }
}

#[test]
fn a_link_as_the_source_is_followed_and_one_as_the_target_is_replaced() {
    let world = World::serving();
    let root = world.root();
    fs::write(root.join("file"), "content").unwrap();
    fs::write(root.join("other"), "other").unwrap();
    symlink("file", root.join("link")).unwrap();
    world.check(["cp", &world.url("link"), &world.url("copy")]);
    assert!(root.join("copy").symlink_metadata().unwrap().is_file());
    world.check(["cp", &world.url("other"), &world.url("link")]);
    assert!(root.join("link").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "content");
}

#[test]
fn a_copy_has_the_holes_of_its_source() {
    let world = World::serving();
    let file = File::create(world.root().join("holes")).unwrap();
    file.set_len(1 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"content", 600 << 20).unwrap();
    world.check(["cp", &world.url("holes"), &world.url("copy")]);
    let (source, copy) = (file.metadata().unwrap(), world.root().join("copy").metadata().unwrap());
    assert_eq!(copy.len(), source.len());
    assert!(copy.blocks() <= source.blocks() + (16 << 20) / 512, "{} of {}", copy.blocks(), source.blocks());
}

/// Blocks are shared where the filesystem can: the copy of a file that fills more than half of it has room.
#[test]
fn a_filesystem_that_can_share_blocks_does() {
    let world = World::serving();
    for (name, make) in [("xfs", &["mkfs.xfs", "-q"][..]), ("btrfs", &["mkfs.btrfs", "-q"])] {
        let place = world.root().join(name);
        let Some(_mounted) = Mounted::sized(&place, make, 400 << 20) else { continue };
        chmod(&place, 0o777);
        let bytes = content(1, 120 << 20);
        fs::write(place.join("file"), &bytes).unwrap();
        for copy in 0..4 {
            let copy = format!("{name}/copy-{copy}");
            world.check(["cp", &world.url(format!("{name}/file")), &world.url(&copy)]);
            assert_copied(&place.join("file"), &world.root().join(copy));
        }
    }
}
