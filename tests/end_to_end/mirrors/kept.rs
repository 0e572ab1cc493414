//! Entries that a mirror keeps: replaced ones, under a free name, and those it must not replace.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use crate::support::limits::{SmallDisk, without_privileges};
use crate::support::{chmod, content, event};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Command;
use tests::world::Ran;

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

/// As with rsync: they are told of, and are no failure. What the target has of their name stays.
#[test]
fn pipes_and_sockets_of_the_source_are_left_out_and_hinder_nothing() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 1);
        fs::create_dir(mirror.source().join("folder")).unwrap();
        for name in ["pipe", "folder/inner"] {
            assert!(Command::new("mkfifo").arg(mirror.source().join(name)).status().unwrap().success());
        }
        drop(std::os::unix::net::UnixListener::bind(mirror.source().join("socket")).unwrap());
        fs::create_dir(mirror.target().join("socket")).unwrap();
        for name in ["pipe", "extra"] {
            fs::write(mirror.target().join(name), "old").unwrap();
        }
        let dry = mirror.ends(0, ["--delete", "-n"]);
        assert_eq!(dry.text().lines().filter(|line| line.starts_with("- ")).count(), 1, "{}", dry.text());
        let ran = mirror.ends(0, ["--delete", "--json"]);
        for name in ["pipe", "folder/inner", "socket"] {
            let told = format!("{name}: a pipe, socket or device, which is not sent");
            assert!(ran.stderr.contains(&told), "{}", ran.stderr);
        }
        let finished = event(&ran, "finished");
        assert_eq!((&finished["failed"], &finished["skipped"]), (&0.into(), &3.into()));
        assert_eq!(mirror.names(), ["0", "folder", "pipe", "socket"]);
        assert_eq!(mirror.check(["--delete", "-n"]).text(), "");
    }
}

#[test]
fn a_file_in_a_read_only_folder_gets_other_permissions_and_the_folder_keeps_its_own() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.source().join("folder")).unwrap();
        mirror.write("folder/file", "bytes");
        chmod(&mirror.source().join("folder"), 0o555);
        mirror.check::<&str>([]);
        chmod(&mirror.source().join("folder/file"), 0o600);
        mirror.check::<&str>([]);
        mirror.assert_done::<&str>([]);
    }
}

/// Opening the folder is the first change of the run, and fails.
#[test]
fn a_read_only_folder_that_cannot_be_opened_ends_the_run() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.source().join("folder")).unwrap();
        chmod(&mirror.source().join("folder"), 0o555);
        mirror.check::<&str>([]);
        mirror.write("folder/file", "bytes");
        fs::write(mirror.target().parent().unwrap().join("old"), "no folder for backups").unwrap();
        let ran = mirror.run(["--backup=old"]);
        assert_ne!(ran.code, Some(0), "{}", ran.text());
        assert_eq!(names_in(&mirror.target().join("folder")), <[&str; 0]>::default());
    }
}

#[test]
fn what_nobody_may_read_gets_other_permissions_too() {
    let mirror = Mirror::new(Way::Down);
    for name in ["file", "gone"] {
        mirror.write(name, "bytes");
        chmod(&mirror.source().join(name), 0o644);
    }
    mirror.check::<&str>([]);
    chmod(&mirror.target().join("file"), 0o000);
    fs::remove_file(mirror.source().join("gone")).unwrap();
    let command = mirror.world.client_command(mirror.words(["--delete"]));
    let Some(mut command) = without_privileges(command) else { return };
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    mirror.assert_done(["--delete"]);
}

#[test]
fn a_read_only_folder_that_was_renamed_is_moved_into_while_much_is_sent() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for folder in ["before", "much"] {
            fs::create_dir(mirror.source().join(folder)).unwrap();
        }
        mirror.write("before/file", "bytes");
        chmod(&mirror.source().join("before"), 0o555);
        mirror.check::<&str>([]);
        fs::rename(mirror.source().join("before"), mirror.source().join("then")).unwrap();
        (0..40).for_each(|number| mirror.write(&format!("much/{number}"), content(number, 100_000)));
        mirror.check(["--delete", "--detect-moves", "--limit-rate=8M"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn a_path_that_was_a_file_and_became_a_folder_has_backups_of_both() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let options = ["--delete", "--backup=old"];
        mirror.write("path", "a file");
        mirror.check(options);
        mirror.write("path", "another file");
        mirror.check(options);
        fs::remove_file(mirror.source().join("path")).unwrap();
        fs::create_dir(mirror.source().join("path")).unwrap();
        mirror.write("path/file", "in a folder");
        mirror.check(options);
        mirror.write("path/file", "in a folder, later");
        mirror.check(options);
        mirror.assert_done(options);
        let backup = mirror.target().parent().unwrap().join("old");
        assert_eq!(names_in(&backup), ["path", "path.~1~", "path.~2~"]);
        assert_eq!(fs::read_to_string(backup.join("path/file")).unwrap(), "in a folder");
    }
}

#[test]
fn what_cannot_be_replaced_has_one_backup_however_often_that_is_tried() {
    let mirror = Mirror::new(Way::Up);
    let Some(_disk) = SmallDisk::on(&mirror.world.root().join("disk")) else { return };
    mirror.write("file", "small");
    let url = mirror.world.url("disk/target");
    let words = ["mirror", "--backup=disk/old", "source", &url];
    mirror.world.check(words);
    mirror.write("file", content(1, 20_000_000));
    for _ in 0..3 {
        let ran = mirror.world.client(words);
        assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    }
    assert_eq!(names_in(&mirror.world.root().join("disk/old")), ["file"]);
}

#[test]
fn a_backup_in_the_target_is_known_by_any_of_its_paths() {
    let mirror = Mirror::with_files(Way::Down, 1);
    std::os::unix::fs::symlink("target", mirror.world.local().join("link")).unwrap();
    for backup in ["--backup=link/old", "--backup=target/../link/old"] {
        fs::write(mirror.target().join("extra"), "extra").unwrap();
        for _ in 0..2 {
            mirror.check(["--delete", "--max-delete=100%", backup]);
        }
        assert!(!mirror.target().join("old/old").exists());
    }
    assert_eq!(names_in(&mirror.target().join("old")), ["extra", "extra.~1~"]);
}
