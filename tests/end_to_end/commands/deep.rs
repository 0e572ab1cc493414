//! Very deep trees, and processes that may open few files.

use crate::support::limits::limited;
use std::fs;
use std::path::Path;
use tests::world::World;

const DEPTH: usize = 250;
/// Far fewer than the tree has levels.
const FILES_MAX: &str = "--nofile=128:128";

/// A tree of nested folders, each with one file before the next folder and one behind it.
fn deep(place: &Path) {
    let mut folder = place.to_owned();
    for _ in 0..DEPTH {
        fs::create_dir(&folder).unwrap();
        for name in ["a", "z"] {
            fs::write(folder.join(name), name).unwrap();
        }
        folder.push("d");
    }
}

#[test]
fn a_deep_tree_takes_few_open_files_at_both_ends() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    if world.serve_by(|command| Some(limited(&command, FILES_MAX))).is_none() {
        return;
    }
    deep(&world.root().join("tree"));
    let url = world.url("tree");
    let check = |words: &[&str]| {
        let ran = limited(&world.client_command(words), FILES_MAX).output().unwrap();
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).lines().count()
    };
    assert_eq!(check(&["ls", "-R", &url]), 3 * DEPTH - 1);
    check(&["get", "-r", &world.url("tree/"), "got"]);
    check(&["put", "-r", "got/", &world.url("put")]);
    check(&["mirror", "got", &world.url("mirrored")]);
    check(&["mirror", &url, "down"]);
    check(&["mirror", "--delete", &world.url("mirrored"), "down"]);
    check(&["gc", &world.url("")]);
    for name in ["tree", "put", "mirrored"] {
        check(&["rm", "-r", &world.url(name)]);
        assert!(!world.root().join(name).exists(), "{name}");
    }
}
