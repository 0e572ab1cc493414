//! `undo`: after a mirror with `--backup`, the target is as it was before, as far as nobody has changed it since.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use crate::support::{chmod, events};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tests::world::Ran;

const RUN: [&str; 4] = ["--delete", "--max-delete=100%", "--backup=kept", "--result=run.result"];

fn undo(mirror: &Mirror, words: &[&str]) -> Ran {
    mirror.world.client(["undo"].iter().chain(words))
}

fn undone(mirror: &Mirror, words: &[&str]) {
    let ran = undo(mirror, words);
    assert_eq!(ran.code, Some(0), "{:?}: {}", mirror.way, ran.stderr);
}

/// A mirrored tree, of which much is changed in the source.
fn changed(way: Way) -> Mirror {
    let mirror = Mirror::new(way);
    for folder in ["folder/deep", "goes", "becomes a file"] {
        fs::create_dir_all(mirror.source().join(folder)).unwrap();
    }
    for name in [
        "same",
        "changed",
        "folder/deep/old\nname",
        "goes/with it",
        "becomes a folder",
        "becomes a file/inner",
        "mode",
    ] {
        mirror.write(name, name);
    }
    symlink("same", mirror.source().join("link")).unwrap();
    mirror.check(["--delete"]);
    mirror.write("changed", "changed, and longer");
    mirror.write("new", "new");
    fs::create_dir(mirror.source().join("new folder")).unwrap();
    mirror.write("new folder/inner", "inner");
    fs::remove_dir_all(mirror.source().join("goes")).unwrap();
    fs::remove_file(mirror.source().join("folder/deep/old\nname")).unwrap();
    fs::remove_file(mirror.source().join("link")).unwrap();
    symlink("elsewhere", mirror.source().join("link")).unwrap();
    fs::remove_file(mirror.source().join("becomes a folder")).unwrap();
    fs::create_dir(mirror.source().join("becomes a folder")).unwrap();
    mirror.write("becomes a folder/inner", "inner");
    fs::remove_dir_all(mirror.source().join("becomes a file")).unwrap();
    mirror.write("becomes a file", "a file");
    chmod(&mirror.source().join("mode"), 0o600);
    mirror
}

/// Paths, kinds, contents and permissions of files of a tree.
fn state(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o777;
            let text = if metadata.is_dir() {
                folders.push(path.clone());
                "a folder".to_owned()
            } else if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else {
                let modified = metadata.modified().unwrap();
                format!("{mode:o} {modified:?} {}", fs::read_to_string(&path).unwrap())
            };
            found.push((path.strip_prefix(root).unwrap().to_owned(), text));
        }
    }
    found.sort();
    found
}

#[test]
fn all_is_as_before_and_a_second_undo_does_nothing() {
    for way in WAYS {
        for keep in [None, Some("--keep=3")] {
            let mirror = changed(way);
            let before = state(&mirror.target());
            mirror.check(RUN.into_iter().chain(keep));
            let after = state(&mirror.target());
            assert_ne!(before, after);
            let told = undo(&mirror, &["-n", "run.result"]);
            for line in [
                "~ changed",
                "+ folder/deep/old\\nname",
                "- new",
                "~ link",
                "- new folder/inner",
                "+ goes/with it",
            ] {
                assert!(told.text().lines().any(|found| found == line), "{way:?}: {line}: {}", told.text());
            }
            assert_eq!(state(&mirror.target()), after, "{way:?}: -n changes nothing");
            undone(&mirror, &["run.result"]);
            assert_eq!(state(&mirror.target()), before, "{way:?}: {keep:?}");
            assert_eq!(undo(&mirror, &["-n", "run.result"]).text(), "", "{way:?}");
            undone(&mirror, &["run.result"]);
            assert_eq!(state(&mirror.target()), before, "{way:?}");
            // And the mirror can be made again.
            mirror.check(RUN.into_iter().chain(keep));
            assert_eq!(state(&mirror.target()), after, "{way:?}");
        }
    }
}

#[test]
fn the_last_run_is_known_and_one_that_did_nothing_is_none() {
    for way in WAYS {
        let mirror = changed(way);
        assert_eq!(undo(&mirror, &["LAST"]).code, Some(2));
        let before = state(&mirror.target());
        let options = ["--delete", "--max-delete=100%", "--backup=kept"];
        mirror.check(options);
        mirror.check(options);
        undone(&mirror, &["LAST"]);
        assert_eq!(state(&mirror.target()), before, "{way:?}");
    }
}

#[test]
fn what_was_changed_since_stays_unless_it_is_forced() {
    for way in WAYS {
        let mirror = changed(way);
        let before = state(&mirror.target());
        mirror.check(RUN);
        for name in ["changed", "new"] {
            fs::write(mirror.target().join(name), "written since by somebody").unwrap();
        }
        let ran = undo(&mirror, &["run.result"]);
        assert_eq!(ran.code, Some(6), "{way:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("was changed since").count(), 2, "{way:?}: {}", ran.stderr);
        for name in ["changed", "new"] {
            assert_eq!(fs::read_to_string(mirror.target().join(name)).unwrap(), "written since by somebody");
        }
        assert!(mirror.target().join("folder/deep/old\nname").exists(), "{way:?}: the rest is undone");
        undone(&mirror, &["--force", "run.result"]);
        assert_eq!(state(&mirror.target()), before, "{way:?}");
    }
}

#[test]
fn a_folder_with_files_of_others_and_a_lost_version_are_told() {
    for way in WAYS {
        let mirror = changed(way);
        mirror.check(RUN);
        fs::write(mirror.target().join("new folder/of others"), "").unwrap();
        fs::remove_file(mirror.target().parent().unwrap().join("kept/changed")).unwrap();
        let ran = undo(&mirror, &["run.result"]);
        assert_eq!(ran.code, Some(1), "{way:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("new folder: is not empty"), "{way:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("changed: the backup folder has its old content no more"),
            "{}",
            ran.stderr
        );
        assert_eq!(names_in(&mirror.target().join("new folder")), ["of others"], "{way:?}");
        assert_eq!(fs::read_to_string(mirror.target().join("changed")).unwrap(), "changed, and longer");
    }
}

#[test]
fn moved_files_and_a_run_that_was_killed_are_undone() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.source().join("sub")).unwrap();
        mirror.write("old name", "moved content");
        mirror.write("other", "other");
        mirror.check(["--delete"]);
        let before = state(&mirror.target());
        fs::rename(mirror.source().join("old name"), mirror.source().join("sub/new name")).unwrap();
        mirror.write("other", "another");
        mirror.check(RUN.into_iter().chain(["--detect-moves"]));
        // As if it had been killed within a line, and the undo between two steps.
        let record = mirror.world.local().join("run.result");
        let mut text = fs::read_to_string(&record).unwrap();
        text.push_str("{\"action\":\"new\",\"path\":\"cut sh");
        fs::write(&record, text).unwrap();
        fs::remove_file(mirror.target().join("other")).unwrap();
        let told = mirror.world.client(["--json", "undo", "run.result"]);
        assert_eq!(told.code, Some(0), "{way:?}: {}", told.stderr);
        assert_eq!(
            events(&told).iter().filter(|event| event["event"] == "undone").count(),
            2,
            "{way:?}: {}",
            told.text()
        );
        assert_eq!(state(&mirror.target()), before, "{way:?}");
    }
}

#[test]
fn records_of_others_of_another_folder_and_other_files_are_refused() {
    for way in WAYS {
        let mirror = changed(way);
        mirror.write("text", "of people");
        fs::write(mirror.world.local().join("text"), "of people").unwrap();
        assert_eq!(mirror.run(["--backup=kept", "--result=text"]).code, Some(2));
        assert_eq!(undo(&mirror, &["text"]).code, Some(2));
        assert_eq!(mirror.run(["--result=x"]).code, Some(2));
        mirror.check(RUN);
        let after = state(&mirror.target());
        chmod(&mirror.world.local().join("run.result"), 0o666);
        let ran = undo(&mirror, &["run.result"]);
        assert_ne!(ran.code, Some(0));
        assert!(ran.stderr.contains("can be written by others"), "{}", ran.stderr);
        chmod(&mirror.world.local().join("run.result"), 0o644);
        fs::rename(mirror.target(), mirror.target().with_file_name("away")).unwrap();
        fs::create_dir(mirror.target()).unwrap();
        let ran = undo(&mirror, &["run.result"]);
        assert_eq!(ran.code, Some(6), "{way:?}: {}", ran.stderr);
        assert_eq!(state(&mirror.target().with_file_name("away")), after, "{way:?}");
    }
}
