//! Times that the target cannot store: no file is sent twice because of them, and on a filesystem that stores nanoseconds no
//! change is missed.

use crate::mirrors::{Mirror, WAYS, Way};
use crate::support::{event, is_root, output};
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// A filesystem in a file, or in memory, mounted for as long as this lives.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    /// Returns `None`, and says so, where mounting is not possible.
    pub(crate) fn new(place: &Path, make: &[&str]) -> Option<Self> {
        Self::sized(place, make, 32 << 20)
    }

    /// As [`new`](Self::new), with the size of the filesystem's file.
    pub(crate) fn sized(place: &Path, make: &[&str], size: u64) -> Option<Self> {
        fs::create_dir_all(place).unwrap();
        let image = place.with_extension("image");
        let run = |words: &[&str], paths: &[&Path]| {
            let output = output(Command::new(words[0]).args(&words[1..]).args(paths));
            output.is_some_and(|output| output.status.success())
        };
        let mounted = is_root()
            && match make {
                ["tmpfs"] => run(&["mount", "-t", "tmpfs", "tmpfs"], &[place]),
                ["tmpfs", options] => run(&["mount", "-t", "tmpfs", "-o", options, "tmpfs"], &[place]),
                _ => {
                    File::create(&image).unwrap().set_len(size).unwrap();
                    run(make, &[&image]) && run(&["mount", "-o", "loop"], &[&image, place])
                }
            };
        if !mounted {
            println!("skipped: {make:?} cannot be mounted here");
        }
        mounted.then(|| Self(place.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

const EXT4_SECONDS: &[&str] = &["mkfs.ext4", "-q", "-I", "128"];
const EXT4: &[&str] = &["mkfs.ext4", "-q", "-I", "256"];
const FAT: &[&str] = &["mkfs.vfat"];
const TMPFS: &[&str] = &["tmpfs"];

fn set_time(path: &Path, time: SystemTime) {
    let file = File::open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn at(seconds: u64, nanos: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
}

/// A source of two files, one in a folder, with times of nanoseconds.
fn mirror(way: Way) -> Mirror {
    let mirror = Mirror::new(way);
    fs::create_dir(mirror.source().join("a")).unwrap();
    mirror.write("a/f", "first");
    mirror.write("large", vec![1; 3 << 20]);
    set_time(&mirror.source().join("a/f"), at(1_500_000_001, 123_456_789));
    set_time(&mirror.source().join("large"), at(1_500_000_003, 987_654_321));
    set_time(&mirror.source().join("a"), at(1_500_000_005, 5));
    set_time(&mirror.source(), at(1_500_000_007, 7));
    mirror
}

/// Checks that no work is left, by every kind of comparison.
fn assert_converged(mirror: &Mirror) {
    assert_eq!(mirror.check(["-n", "--delete"]).text(), "", "{:?}", mirror.way);
    assert_eq!(mirror.check(["-n", "--overwrite=newer"]).text(), "");
    let ran = mirror.check(["--json"]);
    assert_eq!(event(&ran, "finished")["files"], 0, "{}", ran.text());
    assert_eq!(event(&ran, "finished")["metadata"], 0, "{}", ran.text());
    mirror.check(["--plan=plan"]);
    let plan = fs::read_to_string(mirror.world.local().join("plan")).unwrap();
    assert_eq!(plan.lines().count(), 2, "{plan}");
    fs::remove_file(mirror.world.local().join("plan")).unwrap();
}

#[test]
fn coarse_times_of_the_target_are_no_difference() {
    for (make, bits) in [(EXT4_SECONDS, 0o755), (FAT, 0o700), (EXT4, 0o755), (TMPFS, 0o755)] {
        for way in WAYS {
            let mirror = mirror(way);
            crate::support::chmod(&mirror.source().join("large"), bits);
            let Some(_mounted) = Mounted::new(&mirror.target(), make) else { continue };
            mirror.check::<&str>([]);
            let _ = fs::remove_dir(mirror.target().join("lost+found"));
            mirror.check::<&str>([]);
            assert_converged(&mirror);
            set_time(&mirror.source().join("a/f"), at(1_500_000_101, 123_456_789));
            assert_eq!(mirror.check(["-n"]).text(), "~ a/f\n", "{make:?} {way:?}");
            mirror.check::<&str>([]);
            assert_converged(&mirror);
        }
    }
}

#[test]
fn a_change_within_the_second_is_found_where_nanoseconds_are_kept() {
    for way in WAYS {
        let mirror = mirror(way);
        mirror.check::<&str>([]);
        assert_converged(&mirror);
        for (before, after) in [((0, 0), (0, 1)), ((0, 1), (0, 0)), ((0, 999_999_999), (0, 0))] {
            let time = |(seconds, nanos): (u64, u32)| at(1_600_000_000 + seconds, nanos);
            set_time(&mirror.source().join("a/f"), time(before));
            mirror.check::<&str>([]);
            mirror.write("a/f", "other");
            set_time(&mirror.source().join("a/f"), time(after));
            assert_eq!(mirror.check(["-n"]).text(), "~ a/f\n", "{way:?}");
            mirror.check::<&str>([]);
        }
    }
}

#[test]
fn times_beyond_the_ends_of_the_target_are_no_difference() {
    for make in [EXT4_SECONDS, EXT4, FAT] {
        for way in WAYS {
            let mirror = Mirror::new(way);
            let Some(_source) = Mounted::new(&mirror.source(), TMPFS) else { return };
            let Some(_target) = Mounted::new(&mirror.target(), make) else { continue };
            mirror.write("old", "old");
            mirror.write("new", "new");
            for (name, date) in [("old", "1800-01-01 12:00:01.5"), ("new", "2500-01-01 12:00:01.5")] {
                let path = mirror.source().join(name);
                assert!(Command::new("touch").args(["-d", date]).arg(path).status().unwrap().success());
            }
            crate::support::chmod(&mirror.source(), 0o755);
            mirror.check::<&str>([]);
            let _ = fs::remove_dir(mirror.target().join("lost+found"));
            mirror.check::<&str>([]);
            assert_converged(&mirror);
        }
    }
}

#[test]
fn each_filesystem_of_a_tree_keeps_what_it_can() {
    for way in WAYS {
        let mirror = mirror(way);
        fs::create_dir_all(mirror.source().join("b/c")).unwrap();
        mirror.write("b/c/g", "second");
        set_time(&mirror.source().join("b/c/g"), at(1_500_000_001, 123_456_789));
        let Some(_mounted) = Mounted::new(&mirror.target().join("b"), EXT4_SECONDS) else { return };
        let _ = fs::remove_file(mirror.target().join("b.image"));
        let _ = fs::remove_dir(mirror.target().join("b/lost+found"));
        mirror.check::<&str>([]);
        mirror.check::<&str>([]);
        assert_converged(&mirror);
        for name in ["a/f", "b/c/g"] {
            set_time(&mirror.source().join(name), at(1_500_000_001, 5));
        }
        assert_eq!(mirror.check(["-n"]).text(), "~ a/f\n", "the other keeps no more than this");
    }
}

#[test]
fn single_files_are_not_sent_again_for_times_that_are_not_kept() {
    let mirror = mirror(Way::Up);
    let world = &mirror.world;
    let Some(_there) = Mounted::new(&world.root().join("fat"), EXT4_SECONDS) else { return };
    let Some(_here) = Mounted::new(&world.local().join("fat"), EXT4_SECONDS) else { return };
    let up = world.url("fat/large");
    world.check(["put", "source/large", &up]);
    world.check(["put", "source/large", &world.url("large")]);
    world.check(["get", &world.url("large"), "fat/large"]);
    let (large, target) = (world.url("large"), "fat/large".to_owned());
    for words in [
        vec!["put", "--unless-same", "source/large", &up],
        vec!["put", "--overwrite=different", "source/large", &up],
        vec!["put", "--overwrite=newer", "source/large", &up],
        vec!["get", "--overwrite=different", &large, &target],
        vec!["get", "--overwrite=newer", &large, &target],
    ] {
        let ran = world.check(words.iter().copied().chain(["--json"]));
        let finished = event(&ran, "finished");
        assert_eq!(
            (&finished["skipped"], &finished["files"]),
            (&1.into(), &0.into()),
            "{words:?}: {finished}"
        );
    }
    fs::write(world.local().join("source/large"), vec![2; 3 << 20]).unwrap();
    for words in
        [["put", "--unless-same", "source/large", &up], ["put", "--overwrite=newer", "source/large", &up]]
    {
        fs::write(world.local().join("source/large"), vec![words.len() as u8; 3 << 20]).unwrap();
        let later = SystemTime::now() + Duration::from_secs(if words[1].contains("newer") { 10 } else { 5 });
        set_time(&world.local().join("source/large"), later);
        let ran = world.check(words.iter().copied().chain(["--json"]));
        assert_eq!(event(&ran, "finished")["files"], 1, "{words:?}");
    }
}

#[test]
fn what_is_kept_is_found_out_without_a_trace() {
    for way in WAYS {
        let mirror = mirror(way);
        let Some(_mounted) = Mounted::new(&mirror.target(), FAT) else { return };
        mirror.check::<&str>([]);
        let a = mirror.target().join("a");
        let before = fs::metadata(&a).unwrap().modified().unwrap();
        set_time(&mirror.source().join("a/f"), at(1_500_000_201, 0));
        mirror.check(["-n"]);
        assert_eq!(fs::metadata(&a).unwrap().modified().unwrap(), before);
        let names: Vec<_> =
            fs::read_dir(mirror.target()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}
