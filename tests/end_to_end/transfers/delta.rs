//! `--delta`: of a large file that replaces another only what is new is sent, both ways and in every command; what arrives is
//! the same as without it.

use crate::mirrors::{Mirror, WAYS};
use crate::support::disk::Kind;
use crate::support::{assert_same, content, event, leftovers, wait_until};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use tests::proxy::{Fate, Proxy};
use tests::world::{Ran, World, signal};

const LEN: usize = 32 << 20;
/// The least that a server may be configured with.
const LITTLE_MEMORY: &str =
    "[limits]\nmemory_per_session = \"40 MiB\"\nmemory_per_user = \"80 MiB\"\nmemory = \"160 MiB\"\n";

/// Room that a filesystem takes for its own records of the changes.
const METADATA: u64 = 1 << 20;

/// The old content, with a page changed now and then, some bytes inserted, and some at the end.
fn edited(old: &[u8]) -> Vec<u8> {
    let mut new = old.to_vec();
    for page in (3..new.len() / 4096).step_by(512) {
        new[page * 4096..][..4096].copy_from_slice(&content(page as u64, 4096));
    }
    new.splice(LEN / 2..LEN / 2, content(5, 1000));
    new.extend(content(6, 10_000));
    new
}

fn counts(ran: &Ran) -> [u64; 3] {
    let finished = event(ran, "finished");
    ["bytes", "bytes_transferred", "bytes_copied"].map(|key| finished[key].as_u64().unwrap())
}

fn check_delta(ran: &Ran) {
    let [bytes, transferred, copied] = counts(ran);
    assert!(transferred < bytes / 20 && copied > bytes - bytes / 20, "{:?}", counts(ran));
}

fn check_whole(ran: &Ran) {
    let [bytes, transferred, copied] = counts(ran);
    assert!(transferred > bytes && copied == 0, "{:?}", counts(ran));
}

#[test]
fn only_what_is_new_is_sent_in_both_directions() {
    let world = World::serving();
    let old = content(1, LEN);
    let new = edited(&old);
    fs::write(world.root().join("file"), &old).unwrap();
    fs::write(world.local().join("file"), &new).unwrap();
    let url = world.url("file");
    let proxy = Proxy::to(world.server().address, |_| Fate::forward()).unwrap();
    let through = url.replace(&world.server().address.to_string(), &proxy.address().to_string());
    check_delta(&world.check(["put", "--json", "--delta=always", "file", &through]));
    assert!(fs::read(world.root().join("file")).unwrap() == new);
    assert!(proxy.passed() < LEN as u64 / 20, "{} bytes in all", proxy.passed());
    fs::write(world.local().join("file"), &old).unwrap();
    check_delta(&world.check(["get", "--json", "--delta=always", &url, "file"]));
    assert!(fs::read(world.local().join("file")).unwrap() == new);
    fs::write(world.local().join("file"), &old).unwrap();
    check_whole(&world.check(["get", "--json", "--compress=never", "--delta=never", &url, "file"]));
    check_whole(&world.check(["put", "--json", "--compress=never", "--delta=never", "file", &url]));
}

#[test]
fn a_slow_network_makes_it_pay_without_being_asked_for() {
    let world = World::serving();
    let old = content(1, LEN);
    fs::write(world.root().join("file"), &old).unwrap();
    fs::write(world.local().join("file"), edited(&old)).unwrap();
    let url = world.url("file");
    check_delta(&world.check(["put", "--json", "--limit-rate=8M", "file", &url]));
    fs::write(world.local().join("file"), &old).unwrap();
    check_delta(&world.check(["get", "--json", "--limit-rate=8M", &url, "file"]));
    fs::write(world.local().join("file"), content(9, LEN)).unwrap();
    let put = ["put", "--json", "--limit-rate=64M", "--compress=never", "file", &url];
    check_whole(&world.check(put));
    assert!(fs::read(world.root().join("file")).unwrap() == content(9, LEN));
}

/// Files of all lengths, and with what is not there yet.
fn tree(folder: &Path, is_new: bool) {
    fs::create_dir_all(folder.join("inner")).unwrap();
    for (number, len) in [1_048_575, 1_048_576, 1_048_577, 3_000_000, 5 << 20].into_iter().enumerate() {
        let mut bytes = content(number as u64, len);
        if is_new {
            bytes[len / 2] ^= 1;
            bytes.splice(len / 3..len / 3, [1, 2, 3]);
        }
        fs::write(folder.join(format!("inner/{number}")), bytes).unwrap();
        fs::write(folder.join(format!("small{number}")), format!("{number} {is_new}")).unwrap();
    }
    fs::write(folder.join("big"), if is_new { edited(&content(7, LEN)) } else { content(7, LEN) }).unwrap();
    if is_new {
        fs::write(folder.join("added"), content(8, 2_000_000)).unwrap();
    } else {
        fs::write(folder.join("shorter"), content(8, 2_000_000)).unwrap();
    }
    fs::write(folder.join("shorter"), content(8, if is_new { 1_500_000 } else { 2_000_000 })).unwrap();
}

#[test]
fn trees_and_mirrors_are_the_same_as_without() {
    let world = World::serving();
    tree(&world.local().join("source"), true);
    tree(&world.root().join("there"), false);
    let url = world.url("there/");
    let ran = world.check(["put", "--json", "-r", "--delta=always", "source/", &url]);
    assert_same(&world.local().join("source"), &world.root().join("there"));
    let [bytes, transferred, _] = counts(&ran);
    assert!(transferred < bytes / 8, "{:?}", counts(&ran));
    tree(&world.local().join("back"), false);
    let ran = world.check(["get", "--json", "-r", "--delta=always", &url, "back"]);
    assert_same(&world.local().join("source"), &world.local().join("back"));
    assert!(counts(&ran)[1] < bytes / 8, "{:?}", counts(&ran));
    for way in WAYS {
        let mirror = Mirror::new(way);
        tree(&mirror.source(), true);
        tree(&mirror.target(), false);
        let ran = mirror.check(["--json", "--delta=always"]);
        assert_same(&mirror.source(), &mirror.target());
        assert!(counts(&ran)[1] < bytes / 8, "{:?}", counts(&ran));
    }
}

#[test]
fn many_large_files_at_once_do_not_end_a_session_of_little_memory() {
    let world = World::serving_with(LITTLE_MEMORY);
    let make = |folder: &Path, is_new: bool| {
        fs::create_dir_all(folder).unwrap();
        for number in 0..32_u64 {
            let mut bytes = content(number, 6 << 20);
            if is_new {
                bytes[3 << 20] ^= 1;
            }
            fs::write(folder.join(format!("{number}")), bytes).unwrap();
        }
    };
    make(&world.local().join("source"), true);
    make(&world.root().join("there"), false);
    let url = world.url("there/");
    check_delta(&world.check(["put", "--json", "-r", "--delta=always", "--retry=0", "source/", &url]));
    assert_same(&world.local().join("source"), &world.root().join("there"));
    make(&world.local().join("back"), false);
    check_delta(&world.check(["get", "--json", "-r", "--delta=always", "--retry=0", &url, "back"]));
    assert_same(&world.local().join("source"), &world.local().join("back"));
}

#[test]
fn an_interrupted_transfer_goes_on_with_what_it_has_and_the_old_file() {
    let world = World::serving();
    let old = content(1, LEN);
    // The first half is all new, so that it takes its time; the rest is in the old file.
    let new = [content(2, LEN / 2), old[LEN / 2..].to_vec()].concat();
    fs::write(world.root().join("file"), &old).unwrap();
    fs::write(world.local().join("file"), &new).unwrap();
    let url = world.url("file");
    let mut command = world.client_command(["put", "--delta=always", "--limit-rate=4M", "file", &url]);
    let mut client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let staged = || {
        leftovers(&world.root())
            .iter()
            .filter_map(|path| fs::metadata(path).ok())
            .map(|file| file.len())
            .max()
    };
    wait_until("some of it is there", || staged().is_some_and(|len| len > 4 << 20));
    signal(client.id(), "KILL");
    client.wait().unwrap();
    let ran = world.check(["put", "--json", "--delta=always", "file", &url]);
    let [_, transferred, copied] = counts(&ran);
    assert!(transferred < LEN as u64 / 2 - (2 << 20) && copied > LEN as u64 / 3, "{:?}", counts(&ran));
    assert!(fs::read(world.root().join("file")).unwrap() == new);
}

#[test]
fn an_old_file_that_changes_meanwhile_does_no_harm() {
    let world = World::serving();
    let old = content(1, LEN);
    let new = edited(&old);
    let (there, url) = (world.root().join("file"), world.url("file"));
    fs::write(world.local().join("file"), &new).unwrap();
    for change in ["cut", "overwritten", "replaced"] {
        fs::write(&there, &old).unwrap();
        let put = ["put", "--delta=always", "--limit-rate=200K", "file", &url];
        let mut client = world.client_command(put).stdout(Stdio::null()).spawn().unwrap();
        wait_until("it is on its way", || !leftovers(&world.root()).is_empty());
        match change {
            "cut" => fs::OpenOptions::new().write(true).open(&there).unwrap().set_len(1 << 20).unwrap(),
            "overwritten" => fs::write(&there, content(3, LEN)).unwrap(),
            _ => {
                fs::write(world.root().join("other"), content(4, LEN)).unwrap();
                fs::rename(world.root().join("other"), &there).unwrap();
            }
        }
        signal(client.id(), "KILL"); // the rest would take long at this rate
        client.wait().unwrap();
        world.check(["put", "--delta=always", "file", &url]);
        assert!(fs::read(&there).unwrap() == new, "{change}");
    }
}

#[test]
fn a_user_who_may_only_add_learns_nothing_of_old_files() {
    let world = World::serving();
    world.add_user("dropper", "drop");
    fs::write(world.root().join("file"), content(1, LEN)).unwrap();
    fs::write(world.local().join("file"), edited(&content(1, LEN))).unwrap();
    let url = world.url_of("dropper", "file");
    let ran = world.client(["put", "--json", "--delta=always", "file", &url]);
    assert!(ran.code == Some(6) && ran.stderr.contains("exists"), "{:?} {}", ran.code, ran.stderr);
    assert_eq!(event(&ran, "finished")["bytes_copied"], 0);
}

#[test]
fn profiles_and_results_have_it_and_other_words_are_usage_errors() {
    let world = World::serving();
    let ran = world.client(["put", "--delta=best", "x", &world.url("x")]);
    assert!(
        ran.code == Some(2) && ran.stderr.contains("possible values: auto, always, never"),
        "{}",
        ran.stderr
    );
}

/// What is the same takes no room on a filesystem whose files can share blocks, at the server and at the client.
#[test]
fn only_what_is_new_takes_room_where_files_share_blocks() {
    for kind in [Kind::Xfs, Kind::Btrfs] {
        let Some(disk) = kind.disk() else { continue };
        let mut world = World::empty_in(&disk.place());
        world.add_user("tester", "full");
        world.serve(&[]);
        let old = content(1, LEN);
        let changed: Vec<usize> = (3..LEN / 4096).step_by(25).collect();
        let mut new = old.clone();
        changed
            .iter()
            .for_each(|page| new[page * 4096..][..4096].copy_from_slice(&content(*page as u64, 4096)));
        fs::write(world.root().join("file"), &old).unwrap();
        fs::write(world.local().join("new"), &new).unwrap();
        fs::write(world.local().join("file"), &old).unwrap();
        let url = world.url("file");
        // Another name of the old file keeps its blocks, so that what is taken shows.
        for (folder, command) in [
            (world.root(), ["put", "--json", "--delta=always", "new", &url]),
            (world.local(), ["get", "--json", "--delta=always", &url, "file"]),
        ] {
            fs::hard_link(folder.join("file"), folder.join("kept")).unwrap();
            disk.sync();
            let before = disk.free_bytes();
            check_delta(&world.check(command));
            disk.sync();
            let taken = before - disk.free_bytes();
            assert!(fs::read(folder.join("file")).unwrap() == new);
            assert!(fs::read(folder.join("kept")).unwrap() == old, "the old file was changed");
            let room = (changed.len() * 4096) as u64;
            assert!(taken <= room + room / 10 + METADATA, "{kind:?}: {taken} bytes for {room}");
        }
    }
}
