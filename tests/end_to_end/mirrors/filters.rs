//! Selection of entries: rules, lists and limits, from the command line to the target.

use crate::mirrors::{Mirror, WAYS, Way};
use crate::support::{output, picture};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

#[test]
fn what_is_excluded_is_not_sent_and_its_namesakes_stay() {
    for way in WAYS {
        let mirror = with_tree(way);
        let rules = ["--delete", "--exclude=*.o", "--exclude=/build/"];
        fs::write(mirror.target().join("old.o"), "of the target").unwrap();
        fs::create_dir(mirror.target().join("build")).unwrap();
        fs::write(mirror.target().join("build/kept"), "of the target").unwrap();
        fs::write(mirror.target().join("extra"), "goes").unwrap();
        mirror.check(rules);
        assert_eq!(
            paths(&mirror),
            ["a.c", "build", "build/kept", "inner", "inner/b.c", "inner/build", "inner/build/y", "old.o"]
        );
        assert_eq!(mirror.check(["-n"].iter().chain(&rules)).text(), "");
        mirror.check(["--delete-excluded", "--max-delete=100%"].iter().chain(&rules));
        assert_eq!(paths(&mirror), ["a.c", "inner", "inner/b.c", "inner/build", "inner/build/y"]);
    }
}

#[test]
fn a_folder_that_goes_stays_for_what_is_excluded_in_it() {
    for way in WAYS {
        let mirror = with_tree(way);
        fs::create_dir_all(mirror.target().join("gone/deep")).unwrap();
        fs::write(mirror.target().join("gone/deep/x.o"), "stays").unwrap();
        fs::write(mirror.target().join("gone/deep/x"), "goes").unwrap();
        mirror.check(["--delete", "--exclude=*.o"]);
        assert!(
            mirror.target().join("gone/deep/x.o").exists() && !mirror.target().join("gone/deep/x").exists()
        );
    }
}

#[test]
fn rules_of_a_file_decide_as_rsyncs() {
    for way in WAYS {
        let mirror = with_tree(way);
        let rules = "# comment\n+ */\n+ b.?\n- *\n";
        fs::write(mirror.world.local().join("rules"), rules).unwrap();
        mirror.check(["--delete", "--filter-from=rules", "--max-delete=100%"]);
        let compared = mirror.world.local().join("by-rsync");
        let mut command = Command::new("rsync");
        command.arg("-a").arg(format!("--filter=merge {}", mirror.world.local().join("rules").display()));
        if output(command.arg(mirror.source().join("")).arg(&compared)).is_some() {
            let names: Vec<String> =
                picture(&compared).into_keys().map(|path| path.display().to_string()).collect();
            assert_eq!(paths(&mirror), names);
        }
        assert!(mirror.target().join("inner/b.c").exists() && !mirror.target().join("a.c").exists());
    }
}

#[test]
fn only_what_a_list_names_is_mirrored() {
    for way in WAYS {
        let mirror = with_tree(way);
        mirror.write("new\nline", "in the name");
        let list = mirror.world.local().join("list");
        fs::write(&list, "inner/b.c\n").unwrap();
        fs::create_dir(mirror.target()).ok();
        fs::write(mirror.target().join("extra"), "stays").unwrap();
        mirror.check(["--files-from=list"]);
        assert_eq!(paths(&mirror), ["extra", "inner", "inner/b.c"]);
        fs::write(&list, "new\nline\0./inner/b.o\0").unwrap();
        mirror.check(["--files-from=list", "-0"]);
        assert_eq!(paths(&mirror), ["extra", "inner", "inner/b.c", "inner/b.o", "new\nline"]);
        let mut command = mirror.world.client_command(mirror.words(["--files-from=-"]));
        command.stdin(File::open(write(&mirror, "stdin", "a.c\n")).unwrap());
        assert_eq!(command.output().unwrap().status.code(), Some(0));
        assert!(mirror.target().join("a.c").exists());
    }
}

#[test]
fn what_a_list_names_and_the_source_lacks_is_told_of() {
    for way in WAYS {
        let mirror = with_tree(way);
        let list = "!first\na.c\ninner/b.c\ninner/missing\nnone/x\nnone/y\nbuild/x\nzzz\n";
        write(&mirror, "list", list);
        fs::write(mirror.target().join("zzz"), "of the target").unwrap();
        let options = ["--files-from=list", "--exclude=/build/x"];
        for dry in [true, false] {
            let ran = mirror.ends(1, options.iter().chain(dry.then_some(&"-n")));
            let told = |name: &str| ran.stderr.contains(&format!("{name}: does not exist"));
            for missing in ["!first", "inner/missing", "none/x", "none/y", "zzz"] {
                assert!(told(missing), "{missing}: {}", ran.stderr);
            }
            assert!(!told("build/x") && !told("a.c") && !told("none"), "{}", ran.stderr);
            assert!(mirror.target().join("zzz").exists());
        }
        assert!(mirror.target().join("inner/b.c").exists());
        write(&mirror, "list", "a.c\nzzz\n");
        mirror.write("zzz", "there now");
        mirror.check(options);
    }
}

#[test]
fn files_outside_the_limits_are_not_sent_and_not_deleted() {
    for way in WAYS {
        let mirror = with_tree(way);
        mirror.write("large", vec![1; 20_000]);
        mirror.write("old", "old");
        let old = SystemTime::now() - Duration::from_secs(30 * 86_400);
        File::open(mirror.source().join("old")).unwrap().set_modified(old).unwrap();
        fs::create_dir(mirror.target()).ok();
        fs::write(mirror.target().join("large"), "of the target").unwrap();
        mirror.check(["--max-size=10K", "--newer-than=2d", "--delete"]);
        assert_eq!(fs::read_to_string(mirror.target().join("large")).unwrap(), "of the target");
        assert!(!mirror.target().join("old").exists() && mirror.target().join("a.c").exists());
        mirror.check(["--min-size=10K"]);
        assert_eq!(fs::metadata(mirror.target().join("large")).unwrap().len(), 20_000);
        assert!(!mirror.target().join("old").exists());
        mirror.check(["--older-than=2d"]);
        mirror.assert_done(["--delete"]);
    }
}

/// A source with a few source files and build results, and an empty target.
fn with_tree(way: Way) -> Mirror {
    let mirror = Mirror::new(way);
    for folder in ["build", "inner/build"] {
        fs::create_dir_all(mirror.source().join(folder)).unwrap();
    }
    for name in ["a.c", "a.o", "build/x", "inner/b.c", "inner/b.o", "inner/build/y"] {
        mirror.write(name, name);
    }
    fs::create_dir(mirror.target()).unwrap();
    mirror
}

fn write(mirror: &Mirror, name: &str, text: &str) -> PathBuf {
    let path = mirror.world.local().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn paths(mirror: &Mirror) -> Vec<String> {
    picture(&mirror.target()).into_keys().map(|path| path.display().to_string()).collect()
}

#[test]
fn listed_folders_come_with_everything_in_them_if_asked_for() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for path in ["a/deep/er/file", "a/file", "b/file", "c"] {
            write_below(&mirror, path);
        }
        fs::write(mirror.world.local().join("list"), "a/deep\nc\n").unwrap();
        mirror.check(["--files-from=list", "-r"]);
        assert_eq!(paths(&mirror), ["a", "a/deep", "a/deep/er", "a/deep/er/file", "c"], "{way:?}");
    }
}

#[test]
fn patterns_of_ignore_files_and_lists_are_rules() {
    let mirror = Mirror::new(Way::Up);
    for path in ["a.log", "keep.log", "build/x", "src/build/y", "src/main", "notes.txt"] {
        write_below(&mirror, path);
    }
    fs::write(mirror.world.local().join("ignore"), "# ours\n*.log\n!keep.log\n/build/\n").unwrap();
    fs::write(mirror.world.local().join("patterns"), "; comment\n*.txt\n").unwrap();
    mirror.check(["--ignore-from=ignore", "--exclude-from=patterns"]);
    assert_eq!(paths(&mirror), ["keep.log", "src", "src/build", "src/build/y", "src/main"]);
}

#[test]
fn folders_with_a_tag_are_left_out_and_stay_in_the_target() {
    let mirror = Mirror::new(Way::Up);
    for path in
        ["cache/CACHEDIR.TAG", "cache/data", "other/CACHEDIR.TAG", "tagged/.nobackup", "tagged/x", "y"]
    {
        write_below(&mirror, path);
    }
    let signature = "Signature: 8a477f597d28d172789f06886806bc55\n# a cache\n";
    mirror.write("cache/CACHEDIR.TAG", signature);
    fs::create_dir_all(mirror.target().join("cache")).unwrap();
    fs::write(mirror.target().join("cache/old"), "").unwrap();
    let options = ["--exclude-if-present=CACHEDIR.TAG", "--exclude-if-present=.nobackup", "--delete"];
    mirror.check(options);
    assert_eq!(paths(&mirror), ["cache", "cache/old", "other", "other/CACHEDIR.TAG", "y"]);
    let url = mirror.world.url("");
    let down = mirror.world.client(["mirror", "--exclude-if-present=x", &url, "down"]);
    assert!(down.code == Some(2) && down.stderr.contains("SOURCE must be local"), "{}", down.stderr);
    mirror.check(["-x", "--delete", "--exclude-if-present=CACHEDIR.TAG"]);
    assert!(mirror.target().join("tagged/x").exists(), "on the same filesystem");
}

/// A byte order mark is one of a text. In a list of a program it is part of a name.
#[test]
fn names_of_lists_that_end_with_nul_are_taken_as_they_are() {
    let mirror = Mirror::new(Way::Up);
    for path in ["\u{feff}a", "a", "b"] {
        write_below(&mirror, path);
    }
    let list = mirror.world.local().join("list");
    fs::write(&list, "\u{feff}a\0b\0").unwrap();
    mirror.check(["--files-from=list", "-0"]);
    assert_eq!(paths(&mirror), ["b", "\u{feff}a"]);
    fs::write(&list, "\u{feff}a\n").unwrap();
    mirror.check(["--files-from=list"]);
    assert_eq!(paths(&mirror), ["a", "b", "\u{feff}a"]);
}

/// Writes a file of the source, with the folders that it is in.
fn write_below(mirror: &Mirror, path: &str) {
    fs::create_dir_all(mirror.source().join(path).parent().unwrap()).unwrap();
    mirror.write(path, path);
}
