//! What a mirror keeps: what was there before, under a name that is free, and what it has no business to replace.

use crate::mirrors::{Mirror, WAYS, names_in};
use crate::tools::chmod;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Command;

#[test]
fn a_read_only_folder_that_stays_for_what_is_excluded_in_it_is_read_only_still() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 1);
        let folders = ["gone", "gone/deep"].map(|name| mirror.target().join(name));
        fs::create_dir_all(&folders[1]).unwrap();
        for name in ["gone/deep/kept.o", "gone/deep/goes", "gone/kept.o"] {
            fs::write(mirror.target().join(name), name).unwrap();
        }
        chmod(&folders[1], 0o555);
        chmod(&folders[0], 0o511);
        mirror.check(["--delete", "--exclude=*.o"]);
        assert_eq!(names_in(&folders[1]), ["kept.o"]);
        assert_eq!(folders.map(|folder| fs::metadata(folder).unwrap().mode() & 0o7777), [0o511, 0o555]);
    }
}

#[test]
fn backups_of_long_names_get_shorter_ones_that_are_free() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let long = "ü".repeat(127);
        let (one, other) = (format!("{long}a"), format!("{long}b"));
        let rounds = 3;
        for round in 0..=rounds {
            for name in [&one, &other] {
                mirror.write(name, format!("{}{round:>3}", name.len()) + &name[name.len() - 1..]);
            }
            mirror.check(["--backup=old", "--overwrite=always"]);
        }
        let backup = mirror.target().parent().unwrap().join("old");
        let mut kept: Vec<String> = names_in(&backup);
        assert!(kept.iter().all(|name| name.len() <= 255 && name.starts_with('ü')), "{kept:?}");
        assert!(kept.contains(&one) && kept.contains(&other));
        kept.iter_mut().for_each(|name| *name = fs::read_to_string(backup.join(&*name)).unwrap());
        kept.sort();
        let mut expected: Vec<String> =
            (0..rounds).flat_map(|round| ["a", "b"].map(|end| format!("255{round:>3}{end}"))).collect();
        expected.sort();
        assert_eq!(kept, expected);
    }
}

#[test]
fn a_pipe_of_the_target_is_replaced_by_nothing_and_told_of() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 1);
        let names = ["file", "folder", "linked", "symlink"];
        for name in names {
            assert!(Command::new("mkfifo").arg(mirror.target().join(name)).status().unwrap().success());
        }
        mirror.write("file", "a file");
        fs::create_dir(mirror.source().join("folder")).unwrap();
        mirror.write("folder/inside", "inside");
        fs::hard_link(mirror.source().join("0"), mirror.source().join("linked")).unwrap();
        std::os::unix::fs::symlink("0", mirror.source().join("symlink")).unwrap();
        mirror.write("new", "new");
        fs::write(mirror.target().join("extra"), "extra").unwrap();
        for options in [vec!["--delete", "-H"], vec!["-n", "-H"], vec!["--backup=old", "-H"]] {
            let ran = mirror.ends(1, options);
            for name in names {
                assert!(ran.stderr.contains(&format!("{name}: ")), "{name}: {}", ran.stderr);
                let kept = fs::symlink_metadata(mirror.target().join(name)).unwrap();
                assert!(kept.file_type().is_fifo(), "{name}");
            }
            assert!(ran.stderr.contains("a pipe, socket or device is in its place"), "{}", ran.stderr);
        }
        assert!(mirror.target().join("new").exists());
        assert!(mirror.target().join("extra").exists(), "not all else was done");
    }
}
