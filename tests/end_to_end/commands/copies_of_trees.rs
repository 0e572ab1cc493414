//! `cp -r`: a copy is the same tree, is placed by the rule of the slash, and is never within itself.

use super::copies::{assert_copied, set_time};
use crate::support::{assert_same, chmod, events, is_root, leftovers, picture};
use crate::transfers::trees::make_tree;
use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tests::world::World;

fn cp(world: &World, options: &[&str], from: &str, to: &str, code: i32) -> String {
    let places = [world.url(from), world.url(to)];
    let words = ["cp", "-r"].iter().chain(options).copied().chain(places.iter().map(String::as_str));
    let ran = world.client(words);
    assert_eq!(ran.code, Some(code), "{from} {to}: {}", ran.stderr);
    ran.stderr + &String::from_utf8_lossy(&ran.stdout)
}

#[test]
fn a_copied_tree_is_the_same() {
    let world = World::serving();
    let root = world.root();
    make_tree(&root.join("tree"));
    cp(&world, &[], "tree", "new", 0);
    assert_same(&root.join("tree"), &root.join("new/tree"));
    cp(&world, &[], "tree/", "contents", 0);
    assert_same(&root.join("tree"), &root.join("contents"));
    // Again: the same tree, and nothing is copied.
    let before = picture(&root);
    let again = cp(&world, &["--json"], "tree", "new", 0);
    assert!(!again.contains("\"event\":\"copied\""), "{again}");
    for (path, line) in picture(&root) {
        assert_eq!(Some(&line), before.get(&path), "{path:?}");
    }
    assert!(leftovers(&root).is_empty());
}

#[test]
fn a_copy_brings_what_differs_by_the_rule() {
    let world = World::serving();
    let (source, copy) = (world.root().join("a"), world.root().join("b/a"));
    for folder in ["a/sub", "b"] {
        fs::create_dir_all(world.root().join(folder)).unwrap();
    }
    for name in ["same", "changed", "sub/deep"] {
        fs::write(source.join(name), name).unwrap();
        set_time(&source.join(name), 1_000_000_000);
    }
    symlink("same", source.join("link")).unwrap();
    cp(&world, &[], "a", "b", 0);
    fs::write(copy.join("extra"), "stays").unwrap();
    fs::write(source.join("changed"), "other").unwrap();
    fs::remove_file(source.join("link")).unwrap();
    symlink("changed", source.join("link")).unwrap();
    cp(&world, &["-n"], "a", "b", 0);
    assert_eq!(fs::read_to_string(copy.join("changed")).unwrap(), "changed");
    assert_eq!(fs::read_link(copy.join("link")).unwrap(), Path::new("same"));
    let places = [world.url("a"), world.url("b")];
    let ran = world.check(["cp", "-a", "--json", &places[0], &places[1]]);
    let copied: Vec<_> = events(&ran).into_iter().filter(|event| event["event"] == "copied").collect();
    assert_eq!(copied.len(), 2, "{copied:?}");
    assert_eq!(fs::read_to_string(copy.join("changed")).unwrap(), "other");
    assert_eq!(fs::read_link(copy.join("link")).unwrap(), Path::new("changed"));
    assert_eq!(fs::read_to_string(copy.join("extra")).unwrap(), "stays");
    for name in ["same", "changed", "sub/deep"] {
        assert_copied(&source.join(name), &copy.join(name));
    }
}

#[test]
fn files_and_links_are_copied_too_and_several_go_into_a_folder() {
    let world = World::serving();
    let root = world.root();
    fs::create_dir_all(root.join("tree/sub")).unwrap();
    fs::create_dir(root.join("there")).unwrap();
    fs::write(root.join("tree/sub/file"), "deep").unwrap();
    fs::write(root.join("file"), "content").unwrap();
    symlink("file", root.join("link")).unwrap();
    cp(&world, &[], "file", "copy", 0);
    assert_copied(&root.join("file"), &root.join("copy"));
    cp(&world, &[], "file", "there", 0);
    assert_copied(&root.join("file"), &root.join("there/file"));
    cp(&world, &[], "link", "there", 0);
    assert_eq!(fs::read_link(root.join("there/link")).unwrap(), Path::new("file"));
    world.check(["cp", "-r", &world.url("tree"), &world.url("file"), &world.url("all")]);
    assert_eq!(fs::read_to_string(root.join("all/tree/sub/file")).unwrap(), "deep");
    assert_copied(&root.join("file"), &root.join("all/file"));
    world.check(["cp", "-R", &world.url("t*"), &world.url("matched")]);
    assert_same(&root.join("tree"), &root.join("matched/tree"));
}

#[test]
fn a_folder_is_not_copied_into_itself_or_over_files() {
    let world = World::serving();
    let root = world.root();
    fs::create_dir_all(root.join("tree/sub")).unwrap();
    fs::create_dir_all(root.join("other/tree")).unwrap();
    fs::write(root.join("tree/file"), "file").unwrap();
    fs::write(root.join("tree/sub/file"), "file").unwrap();
    fs::write(root.join("other/tree/sub"), "in the way").unwrap();
    fs::create_dir_all(root.join("blocked/tree/file")).unwrap();
    fs::write(root.join("plain"), "plain").unwrap();
    symlink("tree/sub", root.join("within")).unwrap();
    symlink("tree", root.join("loop")).unwrap();
    let before = picture(&root);
    for (from, to, code, sentence) in [
        ("tree", "tree", 1, "into itself"),
        ("tree", "tree/sub", 1, "into itself"),
        ("tree", "tree/new", 1, "into itself"),
        ("tree", "within", 1, "into itself"),
        ("tree/", "tree/sub", 1, "into itself"),
        ("tree/", "loop/sub/new", 1, "into itself"),
        ("loop/", "tree/sub", 1, "into itself"),
        ("/", "new", 2, "the root itself"),
        ("gone", "new", 5, "gone"),
        ("tree", "plain", 1, "plain"),
        ("tree", "gone/new", 5, "gone/new"),
        ("plain/", "new", 1, "plain"),
    ] {
        let told = cp(&world, &[], from, to, code);
        assert!(told.contains(sentence), "{from} {to}: {told}");
        assert!(picture(&root) == before, "{from} {to} changed something");
    }
    // What is in the way of one entry does not keep the others from being copied.
    let told = cp(&world, &[], "tree", "other", 1);
    assert!(told.contains("other/tree/sub") && !told.contains("sub/file"), "{told}");
    assert_copied(&root.join("tree/file"), &root.join("other/tree/file"));
    assert_eq!(fs::read_to_string(root.join("other/tree/sub")).unwrap(), "in the way");
    let told = cp(&world, &[], "tree", "blocked", 1);
    assert!(told.contains("blocked/tree/file"), "{told}");
    assert_copied(&root.join("tree/sub/file"), &root.join("blocked/tree/sub/file"));
}

#[test]
fn folders_have_permissions_and_times_of_their_sources_at_the_end() {
    let world = World::serving();
    let root = world.root();
    for (name, mode, time) in [("a/b/c", 0o555, 3), ("a/b", 0o700, 2), ("a", 0o2750, 1)] {
        fs::create_dir_all(root.join(name)).unwrap();
        fs::write(root.join(name).join("file"), name).unwrap();
        chmod(&root.join(name), mode);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + time);
        File::open(root.join(name)).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    }
    // The file of the folder that nobody may write to was written before.
    cp(&world, &[], "a/", "copy", 0);
    for (from, to, mode) in [("a/b/c", "copy/b/c", 0o555), ("a/b", "copy/b", 0o700), ("a", "copy", 0o750)] {
        let [from, to] = [from, to].map(|name| root.join(name).metadata().unwrap());
        assert_eq!(to.permissions().mode() & 0o7777, mode);
        assert_eq!(from.modified().unwrap(), to.modified().unwrap());
    }
    for name in ["a/b/c", "copy/b/c"] {
        chmod(&root.join(name), 0o755);
    }
    if !is_root() {
        chmod(&root.join("a/b/c"), 0);
        let told = cp(&world, &[], "a/", "partly", 1);
        assert!(told.contains("a/b/c"), "{told}");
        assert!(root.join("partly/b/file").exists());
        chmod(&root.join("a/b/c"), 0o755);
    }
}
