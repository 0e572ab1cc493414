//! Limits of the system: on file length, open files, and a standard output that accepts no data.

use crate::support::limits::limited;
use crate::support::{content, leftovers, output, picture};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use tests::world::{Ran, World};

#[test]
fn a_full_standard_output_is_told_as_what_it_is() {
    let world = World::serving();
    fs::write(world.root().join("large"), content(1, 3_000_000)).unwrap();
    fs::write(world.root().join("small"), content(2, 3000)).unwrap();
    fs::write(world.local().join("file"), "content").unwrap();
    let to_full = |arguments: &[&str]| {
        let mut command = world.client_command(arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        Ran::from(command.stdout(full).stderr(Stdio::piped()).output().unwrap())
    };
    for (arguments, code) in [
        (vec!["cat", &world.url("large")], 8),
        (vec!["cat", &world.url("small")], 8),
        (vec!["ls", &world.url("")], 8),
        (vec!["put", "--json", "file", &world.url("file")], 1),
    ] {
        let ran = to_full(&arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stderr, "ftp-client: standard output: No space left on device\n", "{arguments:?}");
    }
    assert_eq!(fs::read_to_string(world.root().join("file")).unwrap(), "content");
}

#[test]
fn a_file_longer_than_the_process_may_write_is_exit_code_1_and_the_others_arrive() {
    let mut world = World::serving();
    fs::create_dir(world.local().join("tree")).unwrap();
    fs::write(world.local().join("tree/large"), content(1, 3_000_000)).unwrap();
    fs::write(world.local().join("tree/small"), "small").unwrap();
    world.check(["put", "-r", "tree/", &world.url("source")]);
    fs::create_dir(world.local().join("back")).unwrap();
    fs::write(world.local().join("back/large"), "old").unwrap();
    let get = world.client_command(["get", "-r", &world.url("source/."), "back"]);
    let ran = Ran::from(limited(&get, "--fsize=1000000").output().unwrap());
    check_one_failed(&ran, &world.local().join("back"));
    let id = world.server_mut().id().to_string();
    let set = output(Command::new("prlimit").args(["--pid", &id, "--fsize=1000000"]));
    assert!(set.is_some_and(|set| set.status.success()), "prlimit");
    fs::create_dir(world.root().join("up")).unwrap();
    fs::write(world.root().join("up/large"), "old").unwrap();
    let ran = world.client(["put", "-r", "tree/.", &world.url("up")]);
    check_one_failed(&ran, &world.root().join("up"));
    world.check(["put", "tree/small", &world.url("after")]);
}

fn check_one_failed(ran: &Ran, target: &Path) {
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("large: "), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(target.join("large")).unwrap(), "old");
    assert_eq!(fs::read_to_string(target.join("small")).unwrap(), "small");
    assert!(leftovers(target).is_empty());
}

#[test]
fn too_few_file_handles_at_either_end_fail_items_and_never_mix_them_up() {
    let mut world = World::serving();
    for folder in 0..12 {
        let folder = world.local().join(format!("tree/{folder}"));
        fs::create_dir_all(&folder).unwrap();
        for number in 0..4 {
            fs::write(folder.join(number.to_string()), content(number, 300_000)).unwrap();
        }
    }
    world.check(["put", "-r", "tree/", &world.url("source")]);
    let get = world.client_command(["get", "-r", "--lanes=1", &world.url("source/"), "back"]);
    let ran = Ran::from(limited(&get, "--nofile=24").output().unwrap());
    check_part(&ran, &world.local().join("tree"), &world.local().join("back"));
    let id = world.server_mut().id().to_string();
    let set = output(Command::new("prlimit").args(["--pid", &id, "--nofile=28:"]));
    assert!(set.is_some_and(|set| set.status.success()), "prlimit");
    let ran = world.client(["put", "-r", "--lanes=1", "tree/", &world.url("up")]);
    check_part(&ran, &world.local().join("tree"), &world.root().join("up"));
    let set = output(Command::new("prlimit").args(["--pid", &id, "--nofile=1024:"]));
    assert!(set.is_some_and(|set| set.status.success()), "prlimit");
    world.check(["put", "-r", "tree/", &world.url("after")]);
}

/// Checks that every file that arrived is whole, and that missing ones are reported.
fn check_part(ran: &Ran, source: &Path, target: &Path) {
    let sent = picture(source);
    let arrived = if target.exists() { picture(target) } else { Default::default() };
    let is_file = |line: &&String| line.starts_with("file");
    for (path, line) in arrived.iter().filter(|(_, line)| is_file(line)) {
        assert_eq!(sent.get(path), Some(line), "{path:?} is not whole");
    }
    let missing = sent.values().filter(is_file).count() - arrived.values().filter(is_file).count();
    assert_eq!(ran.code == Some(0), missing == 0, "{:?}, {missing} missing: {}", ran.code, ran.stderr);
    assert!(ran.code == Some(0) || ran.stderr.contains("too many open files"), "{}", ran.stderr);
    assert!(leftovers(target.parent().unwrap()).is_empty(), "{:?}", leftovers(target.parent().unwrap()));
}
