//! `--backup DIR` where DIR leads back into the target: files that cannot be kept are not replaced.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use crate::support::{is_root, output};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

/// A mirror with an old file and an extra one at the target.
fn mirror(way: Way) -> Mirror {
    let mirror = Mirror::with_files(way, 2);
    mirror.write("0", "another content");
    fs::write(mirror.target().join("extra"), "extra").unwrap();
    mirror
}

fn assert_untouched(mirror: &Mirror, case: &str) {
    assert_eq!(names_in(&mirror.target()), ["0", "1", "extra"], "{:?}, {case}", mirror.way);
    assert_eq!(fs::read(mirror.target().join("0")).unwrap(), b"0", "{:?}, {case}", mirror.way);
}

#[test]
fn a_backup_that_is_the_target_itself_is_refused_by_whatever_path() {
    for way in WAYS {
        let mirror = mirror(way);
        let beside = mirror.target().parent().unwrap().to_owned();
        symlink("target", beside.join("linked")).unwrap();
        fs::create_dir(beside.join("bound")).unwrap();
        let bound = beside.join("bound");
        let is_bound = is_root()
            && output(Command::new("mount").arg("--bind").arg(mirror.target()).arg(&bound)).is_some();
        let paths = ["target", "./target/", "linked", "target/../target", "bound"];
        for path in &paths[..if is_bound { 5 } else { 4 }] {
            if path.contains("..") && way == Way::Up {
                continue; // not a path of a server
            }
            for options in [&["--delete"][..], &["--delete", "-n"], &["--overwrite=always"]] {
                let backup = format!("--backup={path}");
                let ran = mirror.ends(6, options.iter().copied().chain([&backup[..]]));
                assert!(ran.stderr.contains("--backup is TARGET itself"), "{path}: {}", ran.stderr);
                assert_untouched(&mirror, path);
            }
        }
        if is_bound {
            assert!(Command::new("umount").arg(&bound).status().unwrap().success());
        }
        mirror.check(["--delete", "--backup=elsewhere"]);
        assert_eq!(names_in(&beside.join("elsewhere")), ["0", "extra"]);
    }
}

#[test]
fn a_colon_before_the_backup_names_the_server() {
    let mirror = mirror(Way::Up);
    for (path, kept) in [(":/first", "first"), (":second", "second")] {
        mirror.write("0", path);
        mirror.check(["--delete", &format!("--backup={path}")]);
        assert!(mirror.world.root().join(kept).join("0").exists(), "{path}");
    }
    assert!(!mirror.world.root().join(":").exists());
}

/// The backup is above the target: an entry with the target's own name would be moved into it.
#[test]
fn what_would_be_set_aside_into_the_target_stays() {
    for way in WAYS {
        let mirror = mirror(way);
        let beside = mirror.target().parent().unwrap().to_owned();
        fs::create_dir(mirror.target().join("target")).unwrap();
        fs::write(mirror.target().join("target/0"), "inner").unwrap();
        let backup = if way == Way::Up { "--backup=/" } else { "--backup=." };
        let ran = mirror.run(["--delete", backup]);
        assert_ne!(ran.code, Some(0), "{way:?}");
        assert!(ran.stderr.contains("leads into the target"), "{way:?}: {}", ran.stderr);
        assert_eq!(fs::read(mirror.target().join("target/0")).unwrap(), b"inner", "{way:?}");
        assert_eq!(fs::read(beside.join("0")).unwrap(), b"0", "{way:?}: what does not lead there is kept");
        assert_eq!(fs::read(mirror.target().join("0")).unwrap(), b"another content", "{way:?}");
    }
}
