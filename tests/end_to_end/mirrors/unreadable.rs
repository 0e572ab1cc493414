//! Mirrors of trees with unreadable parts: excluded ones do not count, at either end; all others are reported and block
//! deletions.

use crate::mirrors::{Mirror, WAYS, Way};
use crate::support::chmod;
use crate::support::limits::without_privileges;
use std::fs;
use std::path::Path;
use tests::world::{Ran, World};

/// A mirror with permissions enforced at both ends; `None` if this machine cannot do that.
struct Bound(Mirror);

impl Bound {
    /// The source has `a`, `b` and `inner/c`; the target has the same, and `extra`.
    fn new(way: Way) -> Option<Self> {
        let mut world = World::empty();
        world.add_user("tester", "full");
        world.serve_by(without_privileges)?;
        let mirror = Mirror { world, way };
        fs::create_dir_all(mirror.source().join("inner")).unwrap();
        for name in ["a", "b", "inner/c"] {
            mirror.write(name, name);
        }
        mirror.check::<&str>([]);
        fs::write(mirror.target().join("extra"), "goes").unwrap();
        Some(Self(mirror))
    }

    fn run(&self, options: &[&str]) -> Ran {
        let command = self.0.world.client_command(self.0.words(options));
        Ran::from(without_privileges(command).unwrap().output().unwrap())
    }

    fn ends(&self, code: i32, options: &[&str]) -> Ran {
        let ran = self.run(options);
        assert_eq!(ran.code, Some(code), "{:?} {options:?}: {}", self.0.way, ran.stderr);
        ran
    }

    fn has_extra(&self) -> bool {
        self.0.target().join("extra").exists()
    }
}

/// Makes a folder with a file in it unreadable for all.
fn close(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("x"), "x").unwrap();
    chmod(folder, 0o000);
}

#[test]
fn an_excluded_folder_of_the_source_that_cannot_be_read_is_no_failure() {
    for way in WAYS {
        let rules: [&[&str]; 5] = [
            &["--exclude=/closed"],
            &["--exclude=closed/"],
            &["--exclude=cl*d/***"],
            &["--exclude=/closed/", "--include=/closed/x"],
            &["--include=/a", "--include=/b", "--include=/inner/***", "--exclude=*"],
        ];
        for rules in rules {
            let Some(bound) = Bound::new(way) else { return };
            close(&bound.0.source().join("closed"));
            let ran = bound.ends(0, &[&["--delete", "-n"], rules].concat());
            assert!(!ran.stderr.contains("closed"), "{}", ran.stderr);
            let ran = bound.ends(0, &[&["--delete"], rules].concat());
            assert!(!ran.stderr.contains("closed"), "{}", ran.stderr);
            assert_eq!(bound.has_extra(), rules.contains(&"--exclude=*"), "{way:?} {rules:?}");
            assert!(!bound.0.target().join("closed").exists());
        }
    }
}

#[test]
fn a_folder_that_is_not_listed_and_cannot_be_read_is_no_failure() {
    for way in WAYS {
        let Some(bound) = Bound::new(way) else { return };
        close(&bound.0.source().join("closed"));
        let list = bound.0.world.local().join("list");
        fs::write(&list, "a\ninner/c\n").unwrap();
        bound.ends(0, &["--files-from=list"]);
        fs::write(&list, "a\nclosed/x\n").unwrap();
        let ran = bound.ends(1, &["--files-from=list"]);
        assert!(ran.stderr.contains("closed: permission denied"), "{}", ran.stderr);
    }
}

#[test]
fn a_folder_of_the_source_that_cannot_be_read_blocks_deletions() {
    for way in WAYS {
        let Some(bound) = Bound::new(way) else { return };
        close(&bound.0.source().join("closed"));
        for rules in [&["--delete"][..], &["--delete", "--exclude=/closed/x"]] {
            let ran = bound.ends(1, rules);
            assert!(ran.stderr.contains("closed: permission denied"), "{}", ran.stderr);
            assert!(bound.has_extra());
        }
    }
}

#[test]
fn a_folder_of_the_target_that_cannot_be_read_is_no_failure_unless_it_is_to_go() {
    for way in WAYS {
        let Some(bound) = Bound::new(way) else { return };
        let closed = bound.0.target().join("lost+found");
        close(&closed);
        bound.ends(0, &[]);
        bound.ends(0, &["--exclude=lost+found"]);
        assert!(bound.has_extra());
        let ran = bound.ends(1, &["--delete"]);
        assert!(ran.stderr.contains("lost+found: permission denied") && bound.has_extra(), "{}", ran.stderr);
        bound.ends(0, &["--delete", "--exclude=lost+found"]);
        assert!(!bound.has_extra() && closed.exists());
        let ran = bound.ends(1, &["--delete", "--exclude=lost+found", "--delete-excluded"]);
        assert!(ran.stderr.contains("lost+found: permission denied"), "{}", ran.stderr);
    }
}

#[test]
fn a_folder_that_neither_end_can_read_and_the_rules_leave_out_is_no_failure() {
    for way in WAYS {
        let Some(bound) = Bound::new(way) else { return };
        for folder in [bound.0.source(), bound.0.target(), bound.0.source().join("inner")] {
            close(&folder.join("closed"));
        }
        bound.ends(0, &["--delete", "--exclude=closed/"]);
        assert!(!bound.has_extra() && bound.0.target().join("closed").exists());
        bound.ends(1, &["--delete", "--exclude=/closed/"]);
    }
}
