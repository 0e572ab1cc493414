//! `--compress`: text goes as fewer bytes, both ways and in every command; other data goes as it is, and all data if it is off.

use crate::mirrors::{Mirror, WAYS};
use crate::support::{assert_same, content, event};
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use tests::world::{Ran, World};

/// Lines that are all different.
fn text(lines: usize) -> String {
    let random = content(lines as u64, 8 * lines);
    random.chunks(8).fold(String::new(), |mut text, number| {
        let number = number.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        writeln!(text, "line {number:020} of a text that has many of them").unwrap();
        text
    })
}

/// Large files and small ones, of text.
fn texts(folder: &Path) {
    fs::create_dir_all(folder.join("inner")).unwrap();
    fs::write(folder.join("large"), text(60_000)).unwrap();
    for number in 0..300 {
        fs::write(folder.join(format!("inner/{number}")), text(20 + number)).unwrap();
    }
}

fn counts(ran: &Ran) -> [u64; 4] {
    let finished: Value = event(ran, "finished");
    ["bytes", "bytes_transferred", "bytes_compressed", "bytes_saved"]
        .map(|key| finished[key].as_u64().unwrap())
}

fn check_compressed(ran: &Ran) {
    let [bytes, transferred, compressed, saved] = counts(ran);
    assert!(transferred < bytes / 2 && compressed >= bytes && saved > bytes / 2, "{:?}", counts(ran));
}

fn check_plain(ran: &Ran) {
    let [bytes, transferred, compressed, saved] = counts(ran);
    assert!(transferred > bytes && (compressed, saved) == (0, 0), "{:?}", counts(ran));
}

#[test]
fn text_goes_as_fewer_bytes_in_both_directions() {
    let world = World::serving();
    texts(&world.local().join("source"));
    let url = world.url("there/");
    check_compressed(&world.check(["put", "--json", "-r", "--compress=3", "source/", &url]));
    assert_same(&world.local().join("source"), &world.root().join("there"));
    check_compressed(&world.check(["get", "--json", "-r", "--compress=9", &url, "back"]));
    assert_same(&world.local().join("source"), &world.local().join("back"));
    check_plain(&world.check(["get", "--json", "-r", "--compress=never", &url, "plain"]));
    assert_same(&world.local().join("source"), &world.local().join("plain"));
    check_plain(&world.check(["put", "--json", "-r", "--compress=never", "source/", &world.url("plain")]));
    let many =
        ["get", "--json", "--compress=1", &world.url("there/large"), &world.url("there/inner/299"), "."];
    check_compressed(&world.check(many));
    let cat = world.check(["cat", &world.url("there/large")]);
    assert_eq!(cat.stdout, fs::read(world.local().join("source/large")).unwrap());
}

#[test]
fn a_mirror_compresses_in_both_directions() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        texts(&mirror.source());
        check_compressed(&mirror.check(["--json", "--compress=1"]));
        assert_same(&mirror.source(), &mirror.target());
    }
}

#[test]
fn what_does_not_become_smaller_goes_as_it_is() {
    let world = World::serving();
    fs::write(world.local().join("random"), content(1, 20 << 20)).unwrap();
    let ran = world.check(["put", "--json", "--compress=9", "random", &world.url("random")]);
    let [bytes, transferred, compressed, _] = counts(&ran);
    assert!(compressed == 0 && transferred < bytes + bytes / 50, "{:?}", counts(&ran));
}

#[test]
fn a_retry_compresses_as_the_run_that_failed() {
    let world = World::serving();
    fs::create_dir(world.root().join("there")).unwrap();
    let url = world.url("there/");
    for (how, check) in [("3", check_compressed as fn(&Ran)), ("never", check_plain)] {
        fs::write(world.local().join("present"), "x").unwrap();
        let how = format!("--compress={how}");
        let ran = world.client(["put", &how, "--result=r", "present", "late", &url]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        fs::write(world.local().join("late"), text(60_000)).unwrap();
        check(&world.check(["retry", "--json", "r"]));
        fs::remove_file(world.local().join("late")).unwrap();
        fs::remove_file(world.root().join("there/late")).unwrap();
    }
}

#[test]
fn other_words_are_usage_errors() {
    let world = World::serving();
    for word in ["0", "10", "best"] {
        let ran = world.client(["put", &format!("--compress={word}"), "x", &world.url("x")]);
        assert!(
            ran.code == Some(2) && ran.stderr.contains("auto, never, or a level from 1 to 9"),
            "{}",
            ran.stderr
        );
    }
}
