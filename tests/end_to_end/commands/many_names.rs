//! Commands with many names: one job or many requests at a time, each name reported as if it were alone.

use crate::support::{assert_same, content, event, events, leftovers, names_below, wait_until};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use tests::world::{Ran, World, signal};

const COUNT: usize = 700;

/// Returns the names of files in the folder `files` at one end.
fn files(folder: &std::path::Path) -> Vec<String> {
    fs::create_dir(folder.join("files")).unwrap();
    let names: Vec<_> = (0..COUNT).map(|number| format!("files/f{number}")).collect();
    names.iter().enumerate().for_each(|(number, name)| {
        fs::write(folder.join(name), content(number as u64, number % 3000)).unwrap();
    });
    names
}

fn jobs(world: &World) -> usize {
    world.server().log().lines().filter(|line| line.contains("PUT")).count()
}

#[test]
fn many_files_are_put_in_one_job() {
    let world = World::serving();
    let names = files(&world.local());
    fs::create_dir(world.root().join("to")).unwrap();
    symlink("to", world.root().join("link")).unwrap();
    let lines = [["put"].as_slice(), &["put", "--json", "--result=result"], &["put", "--durability=power"]];
    for (number, words) in lines.into_iter().enumerate() {
        let target = world.url(["to", "link/", "to/"][number]);
        let words = words.iter().map(|word| (*word).to_owned()).chain(names.clone()).chain([target]);
        let ran = world.check(words);
        assert_same(&world.local().join("files"), &world.root().join("to"));
        assert_eq!(jobs(&world), number + 1, "{}", world.server().log());
        if number == 1 {
            let told = events(&ran);
            let paths =
                told.iter().filter(|event| event["event"] == "file").map(|event| event["path"].as_str());
            let (mut told, mut typed) =
                (paths.map(Option::unwrap).collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
            told.sort_unstable();
            typed.sort_unstable();
            assert_eq!(told, typed);
            assert_eq!(event(&ran, "finished")["files"], COUNT);
        }
    }
    let result = fs::read_to_string(world.local().join("result")).unwrap();
    assert_eq!(result.lines().filter(|line| line.contains("\"outcome\":\"done\"")).count(), COUNT);
    assert!(result.contains("/to/f7\"") || result.contains("/link/f7\""), "targets are told: {result}");
}

#[test]
fn what_fails_of_many_is_told_and_the_others_arrive() {
    let world = World::serving();
    let mut names = files(&world.local());
    names.insert(3, "files/missing".to_owned());
    fs::create_dir_all(world.root().join("to/f5")).unwrap();
    let words = |command: &[&str]| {
        let target = [world.url("to")];
        let command = command.iter().map(|word| (*word).to_owned());
        command.chain(names.clone()).chain(target).collect::<Vec<_>>()
    };
    let ran = world.client(words(&["put", "--result=result"]));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("files/missing: no such file")
            && ran.stderr.contains("files/f5: on the server: "),
        "{}",
        ran.stderr
    );
    assert_eq!(names_below(&world.root().join("to")).len(), COUNT);
    fs::write(world.local().join("files/missing"), "here now").unwrap();
    fs::remove_dir(world.root().join("to/f5")).unwrap();
    world.check(["retry", "result"]);
    assert_same(&world.local().join("files"), &world.root().join("to"));
    let ran = world.client(words(&["put", "--overwrite=never", "--json"]));
    assert_eq!(
        (ran.code, event(&ran, "finished")["skipped"].as_u64()),
        (Some(0), Some(COUNT as u64 + 1)),
        "{}",
        ran.stderr
    );
}

#[test]
fn trees_files_and_links_are_put_in_one_job() {
    let world = World::serving();
    fs::create_dir_all(world.local().join("a/deep/er")).unwrap();
    fs::create_dir(world.local().join("empty")).unwrap();
    for (seed, name) in ["a/one", "a/deep/er/two", "b", "c"].into_iter().enumerate() {
        fs::write(world.local().join(name), content(seed as u64, 900_000)).unwrap();
    }
    symlink("b", world.local().join("link")).unwrap();
    symlink("nowhere", world.local().join("a/dangling")).unwrap();
    fs::create_dir(world.root().join("to")).unwrap();
    world.check(["put", "-r", "a", "empty", "b", "c", "link", &world.url("to")]);
    assert_same(&world.local(), &world.root().join("to"));
    assert_eq!(jobs(&world), 1);
    world.check(["put", "-r", "a/deep", "b", "link", &world.url("")]);
    assert_same(&world.local().join("a/deep"), &world.root().join("deep"));
    world.check(["put", "b", "link", &world.url("to")]);
    assert!(!world.root().join("to/link").is_symlink(), "without -r a link is followed");
}

#[test]
fn many_that_were_interrupted_go_on_where_they_were() {
    let world = World::serving();
    let names: Vec<String> = (0..6).map(|number| format!("f{number}")).collect();
    for (seed, name) in names.iter().enumerate() {
        fs::write(world.local().join(name), content(seed as u64, 6_000_000)).unwrap();
    }
    let words = |more: &[&str]| {
        let words = [&["put", "--json", "--lanes=1"], more].concat();
        words.into_iter().map(str::to_owned).chain(names.clone()).chain([world.url("")]).collect::<Vec<_>>()
    };
    let mut command = world.client_command(words(&["--limit-rate=8M"]));
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("two files have arrived", || {
        names.iter().filter(|name| world.root().join(name).exists()).count() >= 2
    });
    signal(client.id(), "INT");
    assert_eq!(Ran::from(client.wait_with_output().unwrap()).code, Some(130));
    let ran = world.check(words(&[]));
    assert_same(&world.local(), &world.root());
    let moved = event(&ran, "finished")["bytes_transferred"].as_u64().unwrap();
    assert!(moved < 26_000_000, "{moved} of 36 MB were sent again");
    assert!(leftovers(&world.root()).is_empty());
}

#[test]
fn many_files_are_fetched_in_one_job() {
    let world = World::serving();
    let names = files(&world.root());
    let urls: Vec<_> = names.iter().map(|name| world.url(name)).collect();
    let log = || world.server().log();
    let count = |word: &str| log().lines().filter(|line| line.contains(word)).count();
    for (number, words) in [["get"].as_slice(), &["get", "--json", "--result=result"]].into_iter().enumerate()
    {
        fs::create_dir_all(world.local().join("to")).unwrap();
        let words = words.iter().map(|word| (*word).to_owned()).chain(urls.clone()).chain(["to".to_owned()]);
        let ran = world.check(words);
        assert_same(&world.root().join("files"), &world.local().join("to"));
        assert_eq!((count("SELECT"), count("GET")), (number + 1, 0), "{}", log());
        if number == 1 {
            let told = events(&ran);
            let told = told.iter().filter(|event| event["event"] == "file" && event["outcome"] == "done");
            let mut told: Vec<_> =
                told.map(|event| event["path"].as_str().unwrap()[1..].to_owned()).collect();
            let mut typed = names.clone();
            told.sort_unstable();
            typed.sort_unstable();
            assert_eq!(told, typed);
            assert_eq!(event(&ran, "finished")["files"], COUNT);
        }
    }
    let result = fs::read_to_string(world.local().join("result")).unwrap();
    assert_eq!(result.lines().filter(|line| line.contains("\"outcome\":\"done\"")).count(), COUNT);
}

/// Entries that are no files are treated as ever: links are followed, folders are refused or fetched, missing ones are
/// reported.
#[test]
fn others_among_many_that_are_fetched_have_jobs_of_their_own() {
    let world = World::serving();
    let mut names = files(&world.root());
    let folder = world.root().join("files");
    symlink("f7", folder.join("link")).unwrap();
    fs::create_dir(folder.join("inner")).unwrap();
    fs::write(folder.join("inner/x"), "x").unwrap();
    names.extend(["link", "inner", "missing"].map(|name| format!("files/{name}")));
    let urls: Vec<_> = names.iter().map(|name| world.url(name)).collect();
    let get = |words: &[&str], target: &str| {
        fs::create_dir(world.local().join(target)).unwrap();
        let words = words.iter().map(|word| (*word).to_owned());
        world.client(words.chain(urls.clone()).chain([target.to_owned()]))
    };
    let ran = get(&["get"], "flat");
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("/files/inner: is a folder (use -r)"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/files/missing: no such file"), "{}", ran.stderr);
    let flat = world.local().join("flat");
    assert_eq!(names_below(&flat).len(), COUNT + 1);
    assert_eq!(fs::read(flat.join("link")).unwrap(), fs::read(folder.join("f7")).unwrap());
    assert!(!flat.join("link").is_symlink());
    let ran = get(&["get", "-r"], "deep");
    assert!(ran.code == Some(1) && ran.stderr.lines().count() == 1, "only one is missing: {}", ran.stderr);
    assert_same(&folder, &world.local().join("deep"));
    fs::write(world.local().join("deep/f9"), "other").unwrap();
    let ran = world.client(
        ["get", "--overwrite=never"]
            .map(str::to_owned)
            .into_iter()
            .chain(urls.clone())
            .chain(["deep".to_owned()]),
    );
    assert_eq!(fs::read_to_string(world.local().join("deep/f9")).unwrap(), "other", "{}", ran.stderr);
}

/// Requests run concurrently, and are reported in the order of the names.
#[test]
fn other_commands_take_many_names() {
    let world = World::serving();
    let names = files(&world.root());
    let urls = |names: &[String]| names.iter().map(|name| world.url(name)).collect::<Vec<_>>();
    let run = |words: &[&str], names: &[String]| {
        world.check(words.iter().map(|word| (*word).to_owned()).chain(urls(names)))
    };
    let hashed = run(&["hash"], &names).text();
    let told: Vec<_> = hashed.lines().map(|line| line.split_once("  ").unwrap().1.to_owned()).collect();
    assert_eq!(told, names, "in their order");
    let stats = run(&["stat", "--json"], &names);
    assert_eq!(events(&stats).iter().filter(|event| event["path"].is_string()).count(), COUNT);
    run(&["chmod", "600"], &names);
    run(&["touch", "-d", "2001-01-01T00:00:00Z"], &names);
    let mut removed = urls(&names);
    removed.insert(COUNT / 2, world.url("files/missing"));
    removed.insert(COUNT / 2, world.url("files"));
    let ran = world.client(["rm".to_owned()].into_iter().chain(removed));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let complaints: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(complaints.len(), 2, "{}", ran.stderr);
    assert!(complaints[0].contains("/files: is a folder (use -r)"), "{}", ran.stderr);
    assert!(complaints[1].contains("/files/missing: no such file or folder"), "{}", ran.stderr);
    assert!(names_below(&world.root().join("files")).is_empty());
    let folders = ["x", "x/y", "x/y/z", "v", "v/w"].map(|name| format!("files/{name}"));
    run(&["mkdir"], &folders);
    let mut inside_out = folders.to_vec();
    inside_out.reverse();
    run(&["rm", "-r"], &inside_out);
    assert!(names_below(&world.root().join("files")).is_empty());
}
