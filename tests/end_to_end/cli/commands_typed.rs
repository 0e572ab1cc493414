//! `shell -c`: commands that are typed with the command line; and `ls` of several folders.

use crate::support::{event, events};
use std::fs;
use tests::world::World;

#[test]
fn commands_run_in_order_and_the_first_failure_ends_them() {
    let world = World::serving();
    fs::write(world.local().join("a;b"), "content").unwrap();
    let run = |commands: &str| world.client(["shell", "-c", commands, &world.url("")]);
    let ran = run("mkdir -p one/two; cd one/two; put 'a;b'; ls # and; nothing else\npwd");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.text().lines().next(), Some("a;b"));
    assert!(ran.text().contains("/one/two"), "{}", ran.text());
    assert!(world.root().join("one/two/a;b").exists());
    let failed = run("rm gone; mkdir never");
    assert_eq!(failed.code, Some(5), "{}", failed.stderr);
    assert!(failed.stderr.contains("-c:1: "), "{}", failed.stderr);
    let wrong = run("mkdir never; nonsense");
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(!world.root().join("never").exists(), "all commands are checked first");
    let told = world.check(["shell", "--json", "-c", "du -s one", &world.url("")]);
    assert_eq!(event(&told, "usage")["bytes"], 7);
    assert_eq!(run("").code, Some(0));
}

#[test]
fn several_folders_are_listed_under_their_names() {
    let world = World::serving();
    for folder in ["a", "b/sub"] {
        fs::create_dir_all(world.root().join(folder)).unwrap();
        fs::write(world.root().join(folder).join("file"), folder).unwrap();
    }
    fs::write(world.root().join("single"), "x").unwrap();
    let urls = ["a", "single", "b"].map(|path| world.url(path));
    let listed = world.check(["ls"].into_iter().chain(urls.iter().map(String::as_str)));
    assert_eq!(listed.text(), "/a:\nfile\n/single\n\n/b:\nsub\n");
    let told = world.check(["ls", "-R", "--json", &urls[0], &urls[2]]);
    let paths: Vec<String> = events(&told)
        .iter()
        .filter(|event| event["event"] == "entry")
        .map(|event| event["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["/a/file", "/b/sub", "/b/sub/file"]);
    let some = world.client(["ls", &urls[0], &world.url("gone"), &urls[2]]);
    assert_eq!((some.code, some.text().as_str()), (Some(1), "/a:\nfile\n\n/b:\nsub\n"), "{}", some.stderr);
    let single = world.check(["ls", &urls[0]]);
    assert_eq!(single.text(), "file\n");
    let long = world.check(["ls", "-l", "--json", &urls[0]]);
    let owner = event(&long, "entry")["owner"].as_str().unwrap().to_owned();
    assert!(!owner.is_empty());
    assert!(world.check(["ls", "-l", &urls[0]]).text().contains(&format!(" {owner} ")));
    assert!(world.check(["find", "-l", &urls[0]]).text().contains(&format!(" {owner} ")));
}
