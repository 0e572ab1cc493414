//! Folders that turn into links while mirrors and single commands work on them: files outside are neither read nor written. The
//! commands' messages do not matter, as some items must fail; their effects do.

use crate::commands::links::{assert_no_secret, make_tree, outside, while_swapping};
use crate::support::picture;
use std::fs;
use std::path::Path;
use tests::world::World;

#[test]
fn a_mirror_never_writes_through_a_folder_of_the_server_that_turns_into_a_link() {
    let world = World::serving();
    let outside = outside(&world);
    sources(&world.local());
    make_tree(&world.root().join("tree"), "harmless");
    fs::create_dir(world.root().join("old")).unwrap();
    let before = picture(&outside);
    let runs = while_swapping(&world.root().join("tree/swapped"), &outside, |run| {
        // Alternating files: each run replaces, adds, deletes and makes backups.
        let source = if run % 2 == 0 { "one" } else { "two" };
        let mut arguments = vec!["mirror", "--delete", "--max-delete", "100%", source];
        let (target, down) = (world.url("tree"), format!("down-{run}"));
        if run % 3 > 0 {
            arguments.extend(["--backup", "old"]);
        }
        arguments.push(&target);
        let _ = world.client(&arguments);
        let _ = world.client(["mirror", &target, &down]);
        assert_no_secret(&world.local().join(down));
    });
    println!("{runs} runs");
    assert_no_secret(&world.root().join("tree"));
    assert_no_secret(&world.root().join("old"));
    assert!(picture(&outside) == before);
}

#[test]
fn no_single_command_goes_through_a_folder_of_the_server_that_turns_into_a_link() {
    let world = World::serving();
    let outside = outside(&world);
    sources(&world.local());
    make_tree(&world.root().join("tree"), "harmless");
    fs::write(world.local().join("mine"), "mine").unwrap();
    let before = picture(&outside);
    let url = |path: &str| world.url(format!("tree/swapped/{path}"));
    let runs = while_swapping(&world.root().join("tree/swapped"), &outside, |run| {
        let stolen = format!("stolen-{run}");
        let all = [
            vec!["mv".to_owned(), url("secret"), world.url(&stolen)],
            vec!["mv".into(), world.url(&stolen), url("secret")],
            vec!["mv".into(), url("inner/1"), url("inner/moved")],
            vec!["ln".into(), "-s".into(), "/etc/passwd".into(), url("link")],
            vec!["ln".into(), "-s".into(), "x".into(), url("inner/link")],
            vec!["put".into(), "mine".into(), url("mine")],
            vec!["put".into(), "-r".into(), "one/.".into(), url("inner")],
            vec!["mkdir".into(), "-p".into(), url("made/deep")],
            vec!["chmod".into(), "777".into(), url("inner"), url("secret")],
            vec!["rm".into(), "-r".into(), url("only-outside"), url("inner/2")],
        ];
        for arguments in all {
            let ran = world.client(&arguments);
            assert!(!ran.text().contains("only-outside"), "{arguments:?}: {ran:?}");
        }
        assert_no_secret(&world.root().join(stolen));
    });
    println!("{runs} runs");
    assert_no_secret(&world.root());
    assert!(picture(&outside) == before);
}

#[test]
fn a_mirror_never_writes_through_a_local_folder_that_turns_into_a_link() {
    let world = World::serving();
    let outside = outside(&world);
    sources(&world.root());
    make_tree(&world.local().join("target"), "harmless");
    let before = picture(&outside);
    let runs = while_swapping(&world.local().join("target/swapped"), &outside, |run| {
        let source = world.url(if run % 2 == 0 { "one" } else { "two" });
        let (up, to) = (format!("up-{run}"), world.url(format!("up-{run}")));
        let mut arguments = vec!["mirror", "--delete", "--max-delete", "100%", &source, "target"];
        if run % 3 > 0 {
            arguments.extend(["--backup", "old"]);
        }
        let _ = world.client(&arguments);
        let _ = world.client(["mirror", "target", &to]);
        assert_no_secret(&world.root().join(up));
    });
    println!("{runs} runs");
    for folder in ["target", "old"] {
        assert_no_secret(&world.local().join(folder));
    }
    assert!(picture(&outside) == before);
}

/// Makes two trees with the same folder and different files in it.
fn sources(folder: &Path) {
    make_tree(&folder.join("one"), "harmless");
    make_tree(&folder.join("two"), "otherwise");
    for number in 0..20 {
        fs::rename(
            folder.join(format!("two/swapped/{number}")),
            folder.join(format!("two/swapped/only-two-{number}")),
        )
        .unwrap();
    }
    fs::rename(folder.join("two/swapped/inner"), folder.join("two/swapped/other")).unwrap();
}
