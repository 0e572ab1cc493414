//! Hard links (`--hard-links`) stay hard links, and separate files stay separate.

use crate::mirrors::{Mirror, WAYS, assert_nothing_left};
use crate::support::{assert_same, chmod, content};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[test]
fn names_of_one_file_stay_names_of_one_file() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let inode = |name: &str| fs::metadata(mirror.target().join(name)).unwrap().ino();
        fs::create_dir(mirror.source().join("folder")).unwrap();
        mirror.write("b", content(1, 5000));
        for name in ["a", "folder/c", "z"] {
            fs::hard_link(mirror.source().join("b"), mirror.source().join(name)).unwrap();
        }
        mirror.write("empty", "");
        fs::hard_link(mirror.source().join("empty"), mirror.source().join("folder/empty")).unwrap();
        let done = |what: &str| {
            mirror.check(["--delete", "--hard-links"]);
            println!("{what}");
            assert_nothing_left(&mirror.source(), &mirror.target(), &["-aH"]);
            mirror.assert_done(["--delete", "--hard-links"]);
        };
        done("at first");
        assert!(inode("a") == inode("b") && inode("a") == inode("folder/c") && inode("a") == inode("z"));
        fs::remove_file(mirror.source().join("z")).unwrap();
        mirror.write("z", "a file of its own now");
        done("one name is another file");
        assert!(inode("a") != inode("z"));
        fs::remove_file(mirror.source().join("a")).unwrap();
        mirror.write("0", "new");
        fs::hard_link(mirror.source().join("0"), mirror.source().join("a")).unwrap();
        done("the first name is a name of another file");
        assert!(inode("0") == inode("a") && inode("b") == inode("folder/c") && inode("a") != inode("b"));
        mirror.write("b", "all its names have another content");
        chmod(&mirror.source().join("0"), 0o400);
        done("content and mode of all names");
        assert!(inode("b") == inode("folder/c"));
        fs::remove_file(mirror.source().join("folder/c")).unwrap();
        fs::copy(mirror.source().join("b"), mirror.source().join("folder/c")).unwrap();
        let time = fs::metadata(mirror.source().join("b")).unwrap().modified().unwrap();
        File::open(mirror.source().join("folder/c")).unwrap().set_modified(time).unwrap();
        chmod(&mirror.source().join("folder/c"), 0o600);
        done("a copy with another mode");
    }
}

#[test]
fn names_of_one_file_take_the_places_of_folders() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 1);
        for name in ["a", "b", "d"] {
            fs::create_dir(mirror.target().join(name)).unwrap();
            fs::write(mirror.target().join(name).join("inside"), "goes").unwrap();
        }
        for name in ["a", "b", "c", "d"] {
            fs::hard_link(mirror.source().join("0"), mirror.source().join(name)).unwrap();
        }
        mirror.check(["--delete", "-H"]);
        assert_nothing_left(&mirror.source(), &mirror.target(), &["-aH"]);
    }
}

#[test]
fn files_that_the_target_has_as_one_become_what_they_are_in_one_run() {
    for way in WAYS {
        for changed in ["a1", "b1", "alone"] {
            let mirror = Mirror::new(way);
            for (first, second) in [("a1", "a2"), ("b1", "b2")] {
                mirror.write(first, "the same content");
                same_time(&mirror.source().join(first));
                fs::hard_link(mirror.source().join(first), mirror.source().join(second)).unwrap();
            }
            mirror.write("alone", "the same content");
            same_time(&mirror.source().join("alone"));
            fs::create_dir(mirror.target()).unwrap();
            let first = mirror.target().join("a1");
            fs::copy(mirror.source().join("a1"), &first).unwrap();
            same_time(&first);
            for name in ["a2", "b1", "b2", "alone"] {
                fs::hard_link(&first, mirror.target().join(name)).unwrap();
            }
            chmod(&mirror.source().join(changed), 0o600);
            mirror.check(["--delete", "--hard-links"]);
            assert_nothing_left(&mirror.source(), &mirror.target(), &["-aH"]);
            mirror.assert_done(["--delete", "--hard-links"]);
            let inode = |name: &str| fs::metadata(mirror.target().join(name)).unwrap().ino();
            assert!(inode("a1") == inode("a2") && inode("b1") == inode("b2"), "{changed}");
            assert!(inode("a1") != inode("b1") && inode("a1") != inode("alone"), "{changed}");
            assert!(inode("b1") != inode("alone"), "{changed}");
        }
    }
}

fn same_time(path: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// The name that goes has the other name's new time by then.
#[test]
fn a_further_name_of_a_file_whose_time_was_set_is_deleted() {
    for way in WAYS {
        for option in ["--sparse", "--hard-links", "--backup=kept"] {
            let mirror = Mirror::new(way);
            let target = |name: &str| mirror.target().join(name);
            mirror.write("a", "content");
            mirror.check(["--perms"]);
            fs::create_dir(target("folder")).unwrap();
            for name in ["b", "folder/c"] {
                fs::hard_link(target("a"), target(name)).unwrap();
            }
            let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_007, 123_456_789);
            File::open(mirror.source().join("a")).unwrap().set_modified(time).unwrap();
            let ran = mirror.run(["--compare=digest", "--delete", "--max-delete=100%", option]);
            assert_eq!(ran.code, Some(0), "{option}: {}", ran.stderr);
            assert_same(&mirror.source(), &mirror.target());
        }
    }
}
