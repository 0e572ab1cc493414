//! `hash -r` and `hash --check`: manifests that `sha256sum` checks, and those of `sha256sum` checked on the server.

use crate::support::{chmod, content, event, events, is_root, output, sha256};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use tests::world::{Ran, World};

/// Makes a tree with names that manifests escape.
fn make_tree(folder: &Path) {
    fs::create_dir_all(folder.join("sub/empty")).unwrap();
    for (number, name) in NAMES.iter().enumerate() {
        fs::write(folder.join(OsStr::from_bytes(name)), content(number as u64, number * 1000)).unwrap();
    }
    symlink("plain", folder.join("link")).unwrap();
}

const NAMES: [&[u8]; 8] =
    [b"plain", b"a b", b" *star", b"back\\slash", b"new\nline", b"re\rturn", b"sub/deep", b"not utf-8 \xff"];

fn is_escaped(pair: &[u8]) -> bool {
    [&b"k\\"[..], b"\\s", b"e\r", b"\\r"].contains(&pair)
}

/// Runs `sha256sum` in a folder.
fn sha256sum(folder: &Path, words: &[&str]) -> Option<Ran> {
    let ran = output(Command::new("sha256sum").args(words).current_dir(folder).env("LC_ALL", "C"));
    if ran.is_none() {
        println!("skipped: sha256sum is not installed");
    }
    ran.map(Ran::from)
}

#[test]
fn a_manifest_of_a_tree_is_checked_where_the_tree_was_fetched_to() {
    let world = World::serving();
    make_tree(&world.root().join("tree"));
    for (remote, folder) in [("tree", "kept"), ("tree/", "contents")] {
        let url = world.url(remote);
        world.check(["get", "-r", &url, &format!("{folder}/")]);
        let manifest = world.check(["hash", "-r", &url]);
        assert_eq!(manifest.stdout.iter().filter(|byte| **byte == b'\n').count(), NAMES.len());
        fs::write(world.local().join("sums"), &manifest.stdout).unwrap();
        let Some(ran) = sha256sum(&world.local().join(folder), &["--strict", "-c", "../sums"]) else {
            return;
        };
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        // The same manifest, at the server.
        let place = if remote == "tree" { "" } else { "tree" };
        let verified = world.check(["hash", "--check", "sums", &world.url(place)]);
        // Versions of sha256sum differ in whether they escape names with a backslash in their verdicts.
        let verdicts = |ran: &Ran| {
            let lines =
                ran.stdout.split(|byte| *byte == b'\n').filter(|line| !line.windows(2).any(is_escaped));
            lines.map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(&verified), verdicts(&ran));
    }
    let one = world.check(["hash", "-r", &world.url("tree/sub/deep")]);
    assert_eq!(one.text(), format!("{}  deep\n", sha256(&content(6, 6000))));
    let told = world.check(["hash", "-r", "--json", &world.url("tree/sub")]);
    assert_eq!(event(&told, "hash")["path"], "/tree/sub/deep");
}

#[test]
fn a_manifest_of_sha256sum_is_checked_on_the_server() {
    let world = World::serving();
    make_tree(&world.root().join("tree"));
    let find = "find . -type f -exec sha256sum {} + > ../sums; cp ../sums ../../local/sums";
    let made = Command::new("sh").args(["-c", find]).current_dir(world.root().join("tree")).status().unwrap();
    assert!(made.success());
    let url = world.url("tree");
    let lines = |ran: &Ran, end: &str| ran.text().lines().filter(|line| line.ends_with(end)).count();
    let good = world.check(["hash", "--check", "sums", &url]);
    assert_eq!(lines(&good, ": OK"), NAMES.len(), "{}", good.text());
    assert!(good.text().contains("\\./new\\nline: OK"), "{}", good.text());
    fs::write(world.root().join("tree/plain"), "other").unwrap();
    fs::remove_file(world.root().join("tree/a b")).unwrap();
    let bad = world.client(["hash", "--check", "sums", &url]);
    assert_eq!(bad.code, Some(1), "{}", bad.stderr);
    assert!(bad.text().contains("./plain: FAILED\n"), "{}", bad.text());
    assert!(bad.text().contains("./a b: FAILED open or read\n"), "{}", bad.text());
    assert!(bad.stderr.contains("WARNING: 1 computed checksum did NOT match"), "{}", bad.stderr);
    assert!(bad.stderr.contains("WARNING: 1 listed file could not be read"), "{}", bad.stderr);
    let quiet = world.client(["hash", "-q", "--ignore-missing", "--check", "sums", &url]);
    assert_eq!((quiet.code, quiet.text().as_str()), (Some(1), "./plain: FAILED\n"));
    let told = world.client(["hash", "--json", "--check", "sums", &url]);
    let outcomes: Vec<String> = events(&told)
        .iter()
        .filter(|event| event["event"] == "hash" && event["outcome"] != "ok")
        .map(|event| format!("{} {}", event["path"], event["outcome"]))
        .collect();
    assert!(outcomes.contains(&"\"/tree/plain\" \"different\"".to_owned()), "{outcomes:?}");
    assert!(outcomes.contains(&"\"/tree/a b\" \"unreadable\"".to_owned()), "{outcomes:?}");
}

#[test]
fn what_is_no_manifest_or_cannot_be_read_is_said() {
    let world = World::serving();
    make_tree(&world.root().join("tree"));
    let url = world.url("tree");
    fs::write(world.local().join("text"), "no manifest\n").unwrap();
    let digest = sha256(&content(0, 0));
    fs::write(world.local().join("mixed"), format!("{digest}  plain\nno line\n")).unwrap();
    fs::write(world.local().join("missing"), format!("{digest}  gone\n")).unwrap();
    for (words, code, sentence) in [
        (vec!["hash", "--check", "text", &url], 2, "text: no line is DIGEST  NAME"),
        (vec!["hash", "--check", "gone", &url], 5, "gone"),
        (vec!["hash", "--check", "mixed", &world.url("gone")], 5, "no such folder"),
        (vec!["hash", "--check", "mixed", &url, &url], 2, "one REMOTE"),
        (vec!["hash", "--check", "mixed", "-r", &url], 2, "cannot be used with"),
        (vec!["hash", "--check", "missing", "--ignore-missing", &url], 1, "no file was verified"),
        (vec!["hash", &url], 1, "is a folder (use -r)"),
        (vec!["hash", "-r", &world.url("tree/plain/")], 5, "plain"),
        (vec!["hash", "-r", &world.url("a/x"), &world.url("b/x")], 2, "two of the sources"),
    ] {
        let ran = world.client(&words);
        assert!(
            ran.code == Some(code) || ran.code == Some(1) && code == 5,
            "{words:?}: {:?} {}",
            ran.code,
            ran.stderr
        );
        assert!(ran.stderr.contains(sentence), "{words:?}: {}", ran.stderr);
    }
    let mixed = world.check(["hash", "--check", "mixed", &url]);
    assert!(mixed.stderr.contains("WARNING: 1 line is improperly formatted"), "{}", mixed.stderr);
    if !is_root() {
        chmod(&world.root().join("tree/plain"), 0);
        let some = world.client(["hash", "-r", &url]);
        assert_eq!((some.code, some.text().lines().count()), (Some(1), NAMES.len() - 1), "{}", some.stderr);
    }
}

#[test]
fn many_files_are_hashed() {
    let world = World::serving();
    let folder = world.root().join("many");
    fs::create_dir(&folder).unwrap();
    for number in 0..5000 {
        fs::write(folder.join(number.to_string()), number.to_string()).unwrap();
    }
    let manifest = world.check(["hash", "-r", &world.url("many/")]).text();
    assert_eq!(manifest.lines().count(), 5000);
    for line in manifest.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        assert_eq!(digest, sha256(name.as_bytes()), "{name}");
    }
}
