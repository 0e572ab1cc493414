//! Targets that are moved or replaced while a tree goes into them: all of it is written, and none of it where it was asked for.

use crate::support::limits::without_privileges;
use crate::support::{content, leftovers, wait_until};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tests::world::{Ran, World};

/// Runs a command with a large tree, and moves `target` away while the tree goes into it.
fn run_and_move(world: &World, arguments: &[&str], target: &Path, replace: bool) -> Ran {
    let mut command = world.client_command([&["--limit-rate=16M"], arguments].concat());
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the large file is on its way", || !leftovers(target).is_empty());
    fs::rename(target, target.with_extension("moved")).unwrap();
    if replace {
        fs::create_dir(target).unwrap();
    }
    Ran::from(client.wait_with_output().unwrap())
}

#[test]
fn a_target_that_is_moved_or_replaced_meanwhile_is_an_error() {
    for (exists, replace) in [(true, false), (true, true), (false, false), (false, true)] {
        let world = World::serving();
        for tree in [world.local().join("tree"), world.root().join("tree")] {
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("small"), "small").unwrap();
            fs::write(tree.join("large"), content(1, 12_000_000)).unwrap();
        }
        let (up, down) = (world.root().join("up"), world.local().join("down"));
        if exists {
            [&up, &down].into_iter().for_each(|folder| fs::create_dir(folder).unwrap());
        }
        let put = run_and_move(&world, &["put", "-r", "tree/", &world.url("up")], &up, replace);
        let get = run_and_move(&world, &["get", "-r", &world.url("tree/"), "down"], &down, replace);
        for (ran, target) in [(put, &up), (get, &down)] {
            let what = format!("exists {exists}, replaced {replace}: {}", ran.stderr);
            assert_eq!(ran.code, Some(5), "{what}");
            assert!(ran.stderr.contains("was moved or replaced"), "{what}");
            let moved = target.with_extension("moved");
            assert_eq!(fs::metadata(moved.join("large")).unwrap().len(), 12_000_000, "{what}");
        }
    }
}

/// Its owner may not open a folder that it may not read; that says nothing of its place.
#[test]
fn a_target_that_cannot_be_read_any_more_is_no_other_one() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    if world.serve_by(without_privileges).is_none() {
        return;
    }
    fs::create_dir(world.local().join("tree")).unwrap();
    fs::write(world.local().join("tree/file"), "content").unwrap();
    world.check(["put", "-r", "--chmod", "D0311", "tree/", &world.url("up")]);
    assert_eq!(fs::read_to_string(world.root().join("up/file")).unwrap(), "content");
}
