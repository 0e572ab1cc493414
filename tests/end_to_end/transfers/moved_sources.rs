//! `--remove-source`: a file goes at its source when its target is proven, and never before.

use crate::mirrors::{Mirror, WAYS};
use crate::support::{chmod, content, events, is_root, leftovers, picture, wait_until};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tests::world::{Ran, World};

/// Makes a tree with small and large files, links, and names of one file.
fn make_tree(folder: &Path) {
    fs::create_dir_all(folder.join("sub/empty")).unwrap();
    for (name, len) in [("small", 5), ("large", 3_000_000), ("sub/deep", 70_000), ("empty", 0)] {
        fs::write(folder.join(name), content(len as u64, len)).unwrap();
    }
    symlink("small", folder.join("link")).unwrap();
    symlink("nowhere", folder.join("dangling")).unwrap();
    fs::hard_link(folder.join("small"), folder.join("another")).unwrap();
}

/// Paths of all that is no folder.
fn items(folder: &Path) -> BTreeMap<PathBuf, String> {
    picture(folder).into_iter().filter(|(_, line)| !line.starts_with("folder")).collect()
}

#[test]
fn a_tree_is_moved_in_both_directions_and_its_folders_stay() {
    let world = World::serving();
    make_tree(&world.local().join("tree"));
    let before = items(&world.local().join("tree"));
    let sent = world.check(["put", "-r", "--remove-source", "--json", "tree", &world.url("there")]);
    assert_eq!(items(&world.root().join("there/tree")), before);
    assert_eq!(items(&world.local().join("tree")), BTreeMap::new());
    assert!(world.local().join("tree/sub/empty").is_dir());
    let removed = events(&sent).iter().filter(|event| event["outcome"] == "removed").count();
    assert_eq!(removed, before.len());
    world.check(["get", "-r", "--remove-source", &world.url("there/tree/"), "back"]);
    assert_eq!(items(&world.local().join("back")), before);
    assert_eq!(items(&world.root().join("there/tree")), BTreeMap::new());
    assert!(world.root().join("there/tree/sub/empty").is_dir());
    for folder in [world.root(), world.local()] {
        assert!(leftovers(&folder).is_empty());
    }
}

#[test]
fn single_files_and_several_are_moved() {
    let world = World::serving();
    let here = |name: &str| world.local().join(name);
    let there = |name: &str| world.root().join(name);
    for name in ["a", "b", "c"] {
        fs::write(here(name), name).unwrap();
    }
    fs::create_dir(there("folder")).unwrap();
    world.check(["put", "--remove-source", "a", &world.url("renamed")]);
    world.check(["put", "--remove-source-files", "--as", "other", "b", &world.url("folder")]);
    world.check(["put", "--remove-source", "c", &world.url("folder")]);
    assert!(["a", "b", "c"].iter().all(|name| !here(name).exists()));
    for (name, text) in [("renamed", "a"), ("folder/other", "b"), ("folder/c", "c")] {
        assert_eq!(fs::read_to_string(there(name)).unwrap(), text);
    }
    fs::create_dir(here("got")).unwrap();
    world.check(["get", "--remove-source", &world.url("renamed"), "x"]);
    world.check(["get", "--remove-source", &world.url("folder/other"), &world.url("folder/c"), "got"]);
    for (name, text) in [("x", "a"), ("got/other", "b"), ("got/c", "c")] {
        assert_eq!(fs::read_to_string(here(name)).unwrap(), text);
    }
    assert!(items(&world.root()).is_empty());
    for number in 0..40 {
        fs::write(here(&format!("n{number}")), number.to_string()).unwrap();
    }
    let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let url = world.url("many/");
    let words =
        ["put", "--remove-source"].into_iter().chain(names.iter().map(String::as_str)).chain([url.as_str()]);
    world.check(words);
    assert!(names.iter().all(|name| !here(name).exists()));
    fs::create_dir(here("all")).unwrap();
    world.check(["get", "--remove-source", &world.url("many/*"), "all"]);
    assert_eq!(items(&here("all")).len(), 40);
    assert!(items(&world.root()).is_empty());
}

#[test]
fn a_mirror_moves_what_it_sends() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        make_tree(&mirror.source());
        let before = items(&mirror.source());
        mirror.check(["--remove-source"]);
        assert_eq!(items(&mirror.target()), before);
        assert_eq!(items(&mirror.source()), BTreeMap::new(), "{way:?}");
        for option in ["--delete", "-n", "--plan=p"] {
            mirror.ends(2, ["--remove-source", option]);
        }
    }
}

#[test]
fn what_was_there_already_goes_only_if_it_is_the_same() {
    let world = World::serving();
    for folder in [world.local().join("tree"), world.root().join("tree")] {
        fs::create_dir(&folder).unwrap();
        for name in ["same", "other", "kept"] {
            fs::write(folder.join(name), name).unwrap();
        }
    }
    // Neither size nor time shows that these differ.
    fs::write(world.root().join("tree/other"), "OTHER").unwrap();
    for name in ["same", "other"] {
        let time = world.local().join("tree").join(name).metadata().unwrap().modified().unwrap();
        let file = fs::File::options().write(true).open(world.root().join("tree").join(name)).unwrap();
        file.set_modified(time).unwrap();
    }
    world.check(["put", "-r", "--remove-source", "--overwrite=never", "tree/", &world.url("tree")]);
    assert!(!world.local().join("tree/same").exists() && !world.local().join("tree/kept").exists());
    assert_eq!(fs::read_to_string(world.local().join("tree/other")).unwrap(), "other");
    assert_eq!(fs::read_to_string(world.root().join("tree/other")).unwrap(), "OTHER");
}

#[test]
fn a_source_that_is_its_own_target_stays() {
    let world = World::serving();
    let file = world.root().join("file");
    fs::write(&file, "the only one").unwrap();
    let path = file.to_str().unwrap();
    for words in [
        ["put", "--remove-source", path, &world.url("file")],
        ["get", "--remove-source", &world.url("file"), path],
    ] {
        let ran = world.client(words);
        assert_eq!(ran.code, Some(6), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("stays: "), "{words:?}: {}", ran.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), "the only one");
    }
    let tree = world.root().join("tree");
    make_tree(&tree);
    let before = items(&tree);
    let path = format!("{}/", tree.display());
    for words in [
        ["put", "-r", "--remove-source", &path, &world.url("tree")],
        ["get", "-r", "--remove-source", &world.url("tree/"), &path],
    ] {
        world.client(words);
        assert_eq!(items(&tree), before, "{words:?}");
    }
}

#[test]
fn a_source_that_changes_meanwhile_stays() {
    let world = World::serving();
    let growing = world.local().join("growing");
    fs::write(&growing, content(1, 3_000_000)).unwrap();
    let ran = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let url = world.url("there");
            world.client(["put", "--remove-source", "--limit-rate=2M", "--compress=never", "growing", &url])
        });
        let staged = || !leftovers(&world.root()).is_empty();
        wait_until("the transfer has begun", staged);
        chmod(&growing, 0o600); // the content stays, and the file was changed
        run.join().unwrap()
    });
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert!(ran.stderr.contains("stays: it was changed since the transfer began"), "{}", ran.stderr);
    assert_eq!(fs::read(&growing).unwrap(), fs::read(world.root().join("there")).unwrap());
}

#[test]
fn who_may_not_remove_is_told_before_anything_is_sent() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    for (name, access) in [("reader", "read"), ("writer", "write"), ("dropper", "drop")] {
        world.add_user(name, access);
    }
    world.serve(&[]);
    fs::write(world.root().join("file"), "file").unwrap();
    fs::write(world.local().join("mine"), "mine").unwrap();
    let url = |user: &str, path: &str| world.url(path).replace("tester@", &format!("{user}@"));
    let refused =
        |ran: Ran| assert!(ran.code == Some(4) && ran.stderr.contains("--remove-source"), "{}", ran.stderr);
    refused(world.client(["get", "--remove-source", &url("reader", "file"), "got"]));
    refused(world.client(["get", "--remove-source", &url("writer", "file"), "got"]));
    refused(world.client(["put", "--remove-source", "mine", &url("dropper", "sent")]));
    assert!(!world.local().join("got").exists() && !world.root().join("sent").exists());
    world.check(["put", "--remove-source", "mine", &url("writer", "sent")]);
    assert!(!world.local().join("mine").exists());
    let stream = world.client(["put", "--remove-source", "-", &url("writer", "stream")]);
    assert_eq!(stream.code, Some(2), "{}", stream.stderr);
    if !is_root() {
        fs::create_dir(world.local().join("closed")).unwrap();
        fs::write(world.local().join("closed/file"), "x").unwrap();
        chmod(&world.local().join("closed"), 0o500);
        let ran = world.client(["put", "--remove-source", "closed/file", &url("writer", "again")]);
        assert!(ran.code != Some(0) && world.root().join("again").exists(), "{}", ran.stderr);
        chmod(&world.local().join("closed"), 0o700);
    }
}

#[test]
fn a_retry_removes_sources_too_if_they_were_to_be_removed() {
    let world = World::serving();
    for folder in [world.local(), world.root()] {
        fs::create_dir_all(folder.join("inbox/taken")).unwrap();
        for name in ["free", "taken"] {
            fs::write(folder.join(name), name).unwrap();
        }
    }
    let there = |name: &str| world.url(name);
    let up = ["put", "--remove-source", "--result=up", "free", "taken", &there("inbox/")];
    assert_eq!(world.client(up).code, Some(1));
    let down = ["get", "--remove-source", "--result=down", &there("free"), &there("taken"), "inbox/"];
    assert_eq!(world.client(down).code, Some(1));
    assert!(world.local().join("taken").exists() && world.root().join("taken").exists());
    for folder in [world.local(), world.root()] {
        fs::remove_dir(folder.join("inbox/taken")).unwrap();
    }
    for (result, source) in [("up", world.local()), ("down", world.root())] {
        world.check(["retry", result]);
        assert!(!source.join("taken").exists() && !source.join("free").exists(), "{result}");
    }
    for folder in [world.local(), world.root()] {
        assert_eq!(fs::read_to_string(folder.join("inbox/taken")).unwrap(), "taken");
    }
}
