//! `--backup DIR` with `--keep` and `--keep-for`: versions of files, of which `.~1~` is the newest.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MARK: &str = ".ftpx-versions";

/// The backup folder of tests.
fn kept(mirror: &Mirror) -> PathBuf {
    mirror.target().parent().unwrap().join("kept")
}

fn contents(folder: &Path, name: &str) -> Vec<String> {
    let version = |number| fs::read_to_string(folder.join(format!("{name}.~{number}~"))).ok();
    (1..20).map_while(version).collect()
}

/// Makes a version as old as `touch` understands.
fn age(path: &Path, date: &str) {
    let done = Command::new("touch").args(["-h", "-a", "-d", date]).arg(path).status().unwrap();
    assert!(done.success());
}

#[test]
fn the_newest_version_is_the_first_and_older_ones_than_are_kept_go() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.source().join("sub")).unwrap();
        let options = ["--delete", "--max-delete=100%", "--backup=kept", "--keep=3"];
        for number in 0..6 {
            mirror.write("file", format!("version {number}"));
            mirror.write("sub/name\nwith ~", format!("another {number}, longer"));
            mirror.check(options);
        }
        assert_eq!(contents(&kept(&mirror), "file"), ["version 4", "version 3", "version 2"], "{way:?}");
        assert_eq!(contents(&kept(&mirror).join("sub"), "name\nwith ~").len(), 3, "{way:?}");
        fs::remove_file(mirror.source().join("file")).unwrap();
        fs::write(mirror.source().join("x"), "").unwrap();
        mirror.check(options);
        assert_eq!(contents(&kept(&mirror), "file"), ["version 5", "version 4", "version 3"], "{way:?}");
        mirror.check(["--delete", "--backup=kept", "--keep=1", "-n"]);
        assert_eq!(contents(&kept(&mirror), "file").len(), 3, "{way:?}: -n removes nothing");
        mirror.check(["--delete", "--backup=kept", "--keep=1"]);
        assert_eq!(names_in(&kept(&mirror)), [MARK, "file.~1~", "sub"], "{way:?}");
        assert_eq!(contents(&kept(&mirror), "file"), ["version 5"], "{way:?}");
    }
}

#[test]
fn versions_go_after_their_time_also_of_files_that_are_not_replaced_again() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        fs::create_dir(mirror.source().join("sub")).unwrap();
        mirror.write("sub/old", "old");
        let options = ["--delete", "--max-delete=100%", "--backup=kept", "--keep-for=30d"];
        mirror.check(options);
        fs::remove_dir_all(mirror.source().join("sub")).unwrap();
        for content in ["first", "second", "third"] {
            mirror.write("0", content);
            mirror.check(options);
        }
        assert_eq!(contents(&kept(&mirror), "0"), ["second", "first", "0"], "{way:?}");
        age(&kept(&mirror).join("0.~2~"), "29 days ago");
        age(&kept(&mirror).join("0.~3~"), "31 days ago");
        age(&kept(&mirror).join("sub/old.~1~"), "31 days ago");
        mirror.check(["--backup=kept", "--keep-for=30d", "--keep=1"]);
        assert_eq!(contents(&kept(&mirror), "0"), ["second", "first"], "{way:?}");
        assert!(kept(&mirror).join("sub/old.~1~").exists(), "{way:?}: the other rule keeps it");
        mirror.check(options);
        assert_eq!(names_in(&kept(&mirror)), [MARK, "0.~1~", "0.~2~"], "{way:?}");
    }
}

#[test]
fn a_folder_with_other_files_holds_no_versions_and_one_with_versions_nothing_else() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 1);
        fs::create_dir(kept(&mirror)).unwrap();
        fs::write(kept(&mirror).join("mine.~7~"), "of people").unwrap();
        mirror.write("0", "changed");
        let ran = mirror.run(["--backup=kept", "--keep=1"]);
        assert_ne!(ran.code, Some(0));
        assert!(ran.stderr.contains("has other files in it"), "{way:?}: {}", ran.stderr);
        assert_eq!(names_in(&kept(&mirror)), ["mine.~7~"], "{way:?}");
        assert_eq!(fs::read(mirror.target().join("0")).unwrap(), b"0", "{way:?}");
        fs::remove_file(kept(&mirror).join("mine.~7~")).unwrap();
        mirror.check(["--backup=kept", "--keep=1"]);
        mirror.write("0", "changed once more");
        let ran = mirror.run(["--backup=kept"]);
        assert_ne!(ran.code, Some(0));
        assert!(ran.stderr.contains("made with --keep"), "{way:?}: {}", ran.stderr);
        assert_eq!(names_in(&kept(&mirror)), [MARK, "0.~1~"], "{way:?}");
        // A folder above TARGET would be swept with it.
        let above = if way == Way::Up { "--backup=/" } else { "--backup=." };
        assert_ne!(mirror.run([above, "--keep=1"]).code, Some(0), "{way:?}");
        assert_eq!(mirror.run(["--keep=1"]).code, Some(2), "{way:?}");
        let reflex = mirror.check(["--backup-dir=other", "--keep=1"]);
        assert!(reflex.stderr.is_empty(), "{way:?}: {}", reflex.stderr);
        assert_eq!(mirror.run(["--backup=kept", "--keep=0"]).code, Some(2), "{way:?}");
    }
}

#[test]
fn names_of_people_are_no_versions_in_the_way() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let long = "x".repeat(255);
        fs::create_dir(mirror.source().join("file.~1~")).unwrap();
        let options = ["--backup=kept", "--keep=1"];
        for number in 0..4 {
            for name in ["file", "file.~1~/inner", "file.~2~", &long] {
                mirror.write(name, format!("{number}"));
            }
            mirror.write("file", "y".repeat(number + 1));
            mirror.write("file.~1~/inner", "y".repeat(number + 1));
            mirror.write("file.~2~", "y".repeat(number + 1));
            mirror.write(&long, "y".repeat(number + 1));
            mirror.check(options);
        }
        let cut = "x".repeat(251);
        let expected = [
            MARK,
            "file.~1~",
            "file.~2~",
            "file.~2~.~1~",
            &format!("{cut}.~1~"),
            &format!("{cut}.~2~"),
            &format!("{cut}.~3~"),
        ];
        assert_eq!(names_in(&kept(&mirror)), expected, "{way:?}: what may be of several files stays");
        assert_eq!(names_in(&kept(&mirror).join("file.~1~")), ["inner.~1~"], "{way:?}");
        assert_eq!(fs::read_to_string(kept(&mirror).join("file.~2~")).unwrap(), "yyy", "{way:?}");
    }
}
