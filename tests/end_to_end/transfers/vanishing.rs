//! Entries removed between their listing and their reading count as missing: they are reported, and block nothing.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use crate::support::{content, event, events, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests::world::{Ran, World};

/// Files of a tree, of which the last ones are removed while the first ones are transferred.
const FILES: usize = 40;
const LEN: usize = 300_000;

fn name(number: usize) -> String {
    format!("{number:02}")
}

/// Adds a file, a link and a folder that sort last.
fn fill(folder: &Path) {
    for number in 0..FILES {
        fs::write(folder.join(name(number)), content(number as u64, LEN)).unwrap();
    }
    std::os::unix::fs::symlink("nowhere", folder.join("link")).unwrap();
}

/// Removes the second half, and replaces two of it by something else.
fn remove(folder: &Path) {
    for number in FILES / 2..FILES {
        fs::remove_file(folder.join(name(number))).unwrap();
    }
    fs::create_dir(folder.join(name(FILES - 1))).unwrap();
    std::os::unix::fs::symlink("00", folder.join(name(FILES - 2))).unwrap();
    fs::remove_file(folder.join("link")).unwrap();
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs a transfer, and removes files of its source once some have arrived.
fn run_and_remove(command: Command, source: &Path, target: &Path) -> Ran {
    let child = start(command);
    let arrived = || target.is_dir() && names_in(target).iter().any(|name| !name.starts_with('.'));
    wait_until("a file has arrived", arrived);
    remove(source);
    Ran::from(child.wait_with_output().unwrap())
}

fn assert_vanished(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}{}", ran.stderr, ran.text());
    let finished = event(ran, "finished");
    let (files, vanished) = (finished["files"].as_u64().unwrap(), finished["vanished"].as_u64().unwrap());
    assert!(vanished >= 2, "{finished}");
    assert!(finished["failed"] == 0 && files < FILES as u64, "{finished}");
    let told = events(ran).iter().filter(|event| event["outcome"] == "vanished").count();
    assert_eq!(told as u64, vanished);
    assert!(ran.stderr.contains("vanished before"), "{}", ran.stderr);
}

#[test]
fn what_vanishes_under_a_mirror_blocks_no_deletions() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fill(&mirror.source());
        fs::create_dir(mirror.target()).unwrap();
        fs::write(mirror.target().join("extra"), "goes").unwrap();
        fs::write(mirror.target().join(name(FILES - 3)), "an old copy").unwrap();
        let words = mirror.words(["--json", "--delete", "--limit-rate=4M", "--lanes=1"]);
        let arrived = mirror.target().join(name(0));
        let child = start(mirror.world.client_command(words));
        wait_until("a file has arrived", || arrived.exists());
        remove(&mirror.source());
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_vanished(&ran);
        assert!(!mirror.target().join("extra").exists(), "what only the target has is deleted");
        assert!(mirror.target().join(name(FILES - 3)).exists(), "what was listed stays in this run");
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn what_vanishes_under_put_and_get_is_no_failure() {
    for way in [Way::Up, Way::Down] {
        let world = World::serving();
        let (source, target): (PathBuf, PathBuf) = match way {
            Way::Up => (world.local().join("source"), world.root().join("target")),
            Way::Down => (world.root().join("source"), world.local().join("target")),
        };
        fs::create_dir(&source).unwrap();
        fill(&source);
        let places = match way {
            Way::Up => ["put".to_owned(), "source/".to_owned(), world.url("target")],
            Way::Down => ["get".to_owned(), world.url("source/"), "target".to_owned()],
        };
        let options = ["-r", "--json", "--limit-rate=4M", "--lanes=1", "--result=result"];
        let command = world.client_command(places.iter().map(String::as_str).chain(options));
        assert_vanished(&run_and_remove(command, &source, &target));
        let result = fs::read_to_string(world.local().join("result")).unwrap();
        assert!(result.contains(r#""outcome":"vanished""#), "{result}");
        world.check(["retry", "result"]);
    }
}

#[test]
fn what_was_asked_for_by_name_has_to_be_there() {
    let world = World::serving();
    assert_eq!(world.client(["put", "gone", &world.url("")]).code, Some(5));
    assert_eq!(world.client(["get", &world.url("gone"), "."]).code, Some(5));
}

#[test]
fn a_target_that_others_delete_from_is_as_it_was_to_be() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 3);
        fs::create_dir(mirror.target().join("gone")).unwrap();
        for number in 0..3000 {
            fs::write(mirror.target().join(format!("gone/{number:04}")), "").unwrap();
        }
        let mut command = mirror.world.client_command(mirror.words(["--delete", "--max-delete=100%"]));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("deletions have begun", || !mirror.target().join("gone/0000").exists());
        for number in (0..3000).rev() {
            let _ = fs::remove_file(mirror.target().join(format!("gone/{number:04}")));
        }
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        mirror.assert_done(["--delete"]);
    }
}
