//! Guards of a mirror: refused runs, and entries kept after a failure, so that no file is deleted by accident.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use crate::support::limits::without_privileges;
use crate::support::{assert_same, chmod, event, picture};
use std::fs;
use std::os::unix::fs::symlink;
use tests::world::{Ran, World};

#[test]
fn an_empty_source_deletes_nothing_unless_it_may_be_empty() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 3);
        fs::remove_dir_all(mirror.source()).unwrap();
        fs::create_dir(mirror.source()).unwrap();
        let ran = mirror.ends(6, ["--delete", "--json"]);
        assert!(ran.stderr.contains("--allow-empty-source"), "{}", ran.stderr);
        assert_eq!(event(&ran, "finished")["exit_code"], 6);
        assert_eq!(mirror.ends(6, ["--delete", "-n"]).text(), "- 0\n- 1\n- 2\n");
        assert_eq!(mirror.names(), ["0", "1", "2"]);
        mirror.check::<&str>([]);
        assert_eq!(mirror.names(), ["0", "1", "2"]);
        for limit in ["--max-delete=2", "--max-delete=100", "--max-delete=100%"] {
            mirror.ends(6, ["--delete", limit]);
            assert_eq!(mirror.names(), ["0", "1", "2"], "{limit} says how many, and not why");
        }
        mirror.ends(6, ["--delete", "--allow-empty-source", "--max-delete=2"]);
        assert_eq!(mirror.names(), ["0", "1", "2"]);
        mirror.check(["--delete", "--allow-empty-source"]);
        assert!(mirror.names().is_empty());
    }
}

#[test]
fn a_missing_source_deletes_nothing() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 3);
        fs::remove_dir_all(mirror.source()).unwrap();
        mirror.ends(5, ["-v"]);
        for options in [vec!["--delete"], vec!["--delete", "--allow-empty-source"], vec!["--delete", "-n"]] {
            let ran = mirror.ends(6, options);
            assert!(ran.stderr.contains("the source is missing"), "{}", ran.stderr);
        }
        assert_eq!(mirror.names(), ["0", "1", "2"]);
    }
}

#[test]
fn more_than_half_of_twenty_or_more_is_not_deleted_and_nothing_is_done() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 20);
        for number in 0..11 {
            fs::remove_file(mirror.source().join(number.to_string())).unwrap();
        }
        mirror.write("19", "changed");
        mirror.write("new", "new");
        fs::create_dir(mirror.source().join("folder")).unwrap();
        chmod(&mirror.source().join("18"), 0o600);
        let before = picture(&mirror.target());
        for options in [&["--delete"][..], &["--delete", "--delete-when=before"], &["--delete", "--watch"]] {
            let ran =
                mirror.ends(if options.contains(&"--watch") && way == Way::Down { 2 } else { 6 }, options);
            let told = ran
                .stderr
                .contains("11 of the target's 20 entries would be deleted; nothing was copied or deleted");
            assert!(told || ran.code == Some(2), "{}", ran.stderr);
            assert_eq!(picture(&mirror.target()), before);
        }
        for options in [&["--delete", "-n"][..], &["--delete", "--plan=plan"]] {
            let dry = mirror.ends(6, options);
            assert!(dry.text().contains("+ new\n"), "{}", dry.text());
            assert_eq!(
                dry.text().lines().filter(|line| line.starts_with("- ")).count(),
                11,
                "{}",
                dry.text()
            );
            let told =
                "11 of the target's 20 entries would be deleted; a run would refuse that, and do nothing";
            assert!(dry.stderr.contains(told) && dry.stderr.contains("--max-delete 11"), "{}", dry.stderr);
        }
        assert!(!mirror.world.local().join("plan").exists());
        fs::remove_file(mirror.source().join("new")).unwrap();
        fs::remove_dir(mirror.source().join("folder")).unwrap();
        mirror.ends(6, ["--delete", "--max-delete=10"]);
        mirror.ends(6, ["--delete", "--max-delete=54%"]);
        mirror.ends(6, ["--delete", "--max-delete=0"]);
        assert_eq!(mirror.names().len(), 20);
        mirror.check(["--delete", "--max-delete=55%"]);
        assert_same(&mirror.source(), &mirror.target());
        fs::remove_dir_all(mirror.source()).unwrap();
        fs::create_dir(mirror.source()).unwrap();
        mirror.write("19", "changed");
        mirror.check(["--delete"]); // eight of nine: in a small target half is soon reached
        assert_same(&mirror.source(), &mirror.target());
    }
}

#[test]
fn what_makes_no_sense_is_wrong_usage_and_changes_nothing() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        mirror.write("new", "new");
        let place = mirror.world.local();
        fs::write(place.join("bad-rules"), "- *.o\n+ *.c\nnonsense x\n").unwrap();
        fs::write(place.join("bad-list"), "0\n../up\n").unwrap();
        let before = picture(&mirror.target());
        for options in [
            vec!["--delete-excluded"],
            vec!["--detect-moves"],
            vec!["--max-delete=5"],
            vec!["--allow-empty-source"],
            vec!["--delete", "--max-delete=101%"],
            vec!["--delete", "--max-delete=many"],
            vec!["--delete", "--files-from=bad-list"],
            vec!["--files-from=bad-list"],
            vec!["--compare=taste"],
            vec!["--overwrite=sometimes"],
            vec!["--modify-window=long"],
            vec!["--min-size=big"],
            vec!["--newer-than=yesterday-ish"],
            vec!["--plan=p", "-n"],
            vec!["--watch", "-n"],
            vec!["--watch", "--plan=p"],
        ] {
            mirror.ends(2, options);
        }
        let endless = mirror.ends(2, ["--filter-from=/dev/zero"]);
        assert!(endless.stderr.contains("is longer than"), "{}", endless.stderr);
        let ran = mirror.ends(2, ["--filter-from=bad-rules"]);
        assert!(ran.stderr.contains("line 3"), "{}", ran.stderr);
        assert_eq!(picture(&mirror.target()), before);
        let [source, target] = mirror.places();
        assert_eq!(mirror.world.client(["mirror", "x", "y"]).code, Some(2));
        let (one, other) = (mirror.world.url("source"), mirror.world.url("target"));
        assert_eq!(mirror.world.client(["mirror", &one, &other]).code, Some(2));
        assert_eq!(mirror.world.client(["mirror", &source]).code, Some(2));
        assert_eq!(mirror.world.client(["mirror", &source, &target, "more"]).code, Some(2));
    }
    let mirror = Mirror::with_files(Way::Down, 1);
    assert!(mirror.ends(2, ["--watch"]).stderr.contains("SOURCE must be local"));
}

#[test]
fn a_user_who_may_only_read_changes_nothing() {
    let mirror = Mirror::with_files(Way::Up, 3);
    mirror.world.add_user("reader", "read");
    mirror.write("0", "changed, and longer");
    mirror.write("new", "new");
    fs::remove_file(mirror.source().join("1")).unwrap();
    let before = picture(&mirror.target());
    for options in [vec!["--delete"], vec!["--delete", "--backup=old"], vec![]] {
        let ran = as_user(&mirror, "reader", &options);
        assert!(matches!(ran.code, Some(1 | 4)), "{:?} {}", ran.code, ran.stderr);
        let reason = if options.contains(&"--backup=old") { "needs full access" } else { "may not do that" };
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
    }
    assert_eq!(picture(&mirror.target()), before);
    assert!(!mirror.world.root().join("old").exists());
    mirror.check::<&str>([]);
    assert_eq!(as_user(&mirror, "reader", &["--delete"]).code, Some(4), "only the deletion is left");
    assert_eq!(mirror.names(), ["0", "1", "2", "new"]);
}

#[test]
fn a_user_who_may_not_remove_gets_all_but_the_deletions() {
    let mirror = Mirror::with_files(Way::Up, 4);
    mirror.world.add_user("writer", "write");
    mirror.write("0", "changed, and longer");
    mirror.write("new", "new");
    fs::remove_file(mirror.source().join("1")).unwrap();
    let ran = as_user(&mirror, "writer", &["--delete", "--json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.lines().any(|line| line.contains(" 1: ")), "{}", ran.stderr);
    assert_eq!(event(&ran, "finished")["failed"], 1);
    assert_eq!(event(&ran, "finished")["files"], 2);
    assert_eq!(mirror.names(), ["0", "1", "2", "3", "new"]);
    assert_eq!(fs::read_to_string(mirror.target().join("0")).unwrap(), "changed, and longer");
}

#[test]
fn what_cannot_be_taken_away_is_never_written_through() {
    let mirror = Mirror::with_files(Way::Up, 1);
    mirror.world.add_user("writer", "write");
    fs::create_dir(mirror.world.root().join("outside")).unwrap();
    symlink("../outside", mirror.target().join("folder")).unwrap();
    fs::create_dir(mirror.source().join("folder")).unwrap();
    mirror.write("folder/file", "in the folder");
    let ran = as_user(&mirror, "writer", &["--delete"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(names_in(&mirror.world.root().join("outside")).is_empty());
    assert!(mirror.target().join("folder").is_symlink());
}

#[test]
fn a_link_in_the_place_of_a_folder_is_replaced_and_never_followed() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 1);
        let outside = mirror.target().parent().unwrap().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "kept").unwrap();
        symlink("../outside", mirror.target().join("folder")).unwrap();
        symlink("../outside/kept", mirror.target().join("file")).unwrap();
        fs::create_dir(mirror.source().join("folder")).unwrap();
        mirror.write("folder/kept", "in the folder");
        mirror.write("file", "a file");
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
        assert_eq!(names_in(&outside), ["kept"]);
        assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    }
}

#[test]
fn a_source_folder_that_cannot_be_read_is_told_of_and_its_target_left_alone() {
    let mirror = Mirror::with_files(Way::Up, 2);
    fs::create_dir_all(mirror.source().join("closed/inner")).unwrap();
    mirror.write("closed/inner/file", "inside");
    mirror.check::<&str>([]);
    mirror.write("0", "changed, and longer");
    fs::remove_file(mirror.source().join("1")).unwrap();
    let before = picture(&mirror.target().join("closed"));
    chmod(&mirror.source().join("closed"), 0);
    let command = mirror.world.client_command(mirror.words(["--delete", "--max-delete=100%"]));
    let Some(mut command) = without_privileges(command) else { return };
    let ran = Ran::from(command.output().unwrap());
    chmod(&mirror.source().join("closed"), 0o755);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("closed: permission denied"), "{}", ran.stderr);
    assert!(ran.stderr.contains("not deleted"), "{}", ran.stderr);
    assert_eq!(mirror.names(), ["0", "1", "closed"]);
    assert_eq!(picture(&mirror.target().join("closed")), before);
    assert_eq!(fs::read_to_string(mirror.target().join("0")).unwrap(), "changed, and longer");
}

#[test]
fn a_source_that_cannot_be_read_at_all_changes_nothing() {
    let mirror = Mirror::with_files(Way::Up, 2);
    let before = picture(&mirror.target());
    chmod(&mirror.source(), 0);
    let command = mirror.world.client_command(mirror.words(["--delete", "--max-delete=100%"]));
    let Some(mut command) = without_privileges(command) else { return };
    let ran = Ran::from(command.output().unwrap());
    chmod(&mirror.source(), 0o755);
    assert!(matches!(ran.code, Some(1 | 4)), "{:?} {}", ran.code, ran.stderr);
    assert_eq!(picture(&mirror.target()), before);
}

#[test]
fn a_file_in_the_targets_place_is_left_alone() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        mirror.write("file", "file");
        fs::write(mirror.target(), "no folder").unwrap();
        for options in [vec![], vec!["--delete"], vec!["-n"]] {
            let ran = mirror.run(options);
            assert!(matches!(ran.code, Some(1..=5)), "{:?} {}", ran.code, ran.stderr);
        }
        assert_eq!(fs::read_to_string(mirror.target()).unwrap(), "no folder");
    }
}

#[test]
fn a_target_whose_parent_is_missing_is_told_of_or_made() {
    let world = World::serving();
    fs::create_dir(world.local().join("source")).unwrap();
    fs::write(world.local().join("source/file"), "file").unwrap();
    fs::create_dir(world.root().join("source")).unwrap();
    fs::write(world.root().join("source/file"), "file").unwrap();
    for (words, target) in [
        (["mirror", "source", &world.url("no/such/target")], world.root().join("no/such/target")),
        (["mirror", &world.url("source"), "no/such/target"], world.local().join("no/such/target")),
    ] {
        let ran = world.client(words);
        match ran.code {
            Some(0) => assert_eq!(names_in(&target), ["file"]),
            code => assert!(matches!(code, Some(1 | 5)) && !target.exists(), "{code:?} {}", ran.stderr),
        }
    }
}

#[test]
fn a_socket_in_the_source_is_told_of_and_the_others_arrive() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        drop(std::os::unix::net::UnixListener::bind(mirror.source().join("socket")).unwrap());
        mirror.write("new", "new");
        fs::remove_file(mirror.source().join("1")).unwrap();
        let ran = mirror.check(["--delete"]);
        assert!(ran.stderr.contains("socket: a pipe, socket or device, which is not sent"), "{}", ran.stderr);
        assert!(mirror.target().join("new").exists() && !mirror.target().join("socket").exists());
        assert!(!mirror.target().join("1").exists(), "the source was read whole");
    }
}

#[test]
fn a_folder_with_content_gives_way_to_a_file_only_with_delete() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 1);
        fs::create_dir(mirror.target().join("name")).unwrap();
        fs::write(mirror.target().join("name/inside"), "inside").unwrap();
        mirror.write("name", "a file now");
        let ran = mirror.ends(1, ["-v"]);
        assert!(ran.stderr.contains("name: a folder that is not empty"), "{}", ran.stderr);
        assert!(mirror.target().join("name/inside").exists());
        mirror.ends(1, ["--delete", "--exclude=inside"]);
        assert!(mirror.target().join("name/inside").exists());
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
    }
}

fn as_user(mirror: &Mirror, user: &str, options: &[&str]) -> Ran {
    let url = mirror.world.url_of(user, "target");
    mirror.world.client(["mirror"].iter().chain(options).copied().chain(["source", url.as_str()]))
}
