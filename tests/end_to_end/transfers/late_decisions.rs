//! Another program writes at the target during a transfer: the `--overwrite` rule is checked again when the item gets its name.

use crate::support::{content, leftovers, wait_until};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};
use tests::world::{Ran, World};

/// A transfer of one large file, slow enough for another program to write meanwhile.
struct Slow {
    world: World,
    way: &'static str,
    target: PathBuf,
}

impl Slow {
    fn new(way: &'static str) -> Self {
        let world = World::serving();
        let (source, target) = match way {
            "put" | "mirror up" => (world.local(), world.root()),
            _ => (world.root(), world.local()),
        };
        let (source, target) = (source.join("source"), target.join("target"));
        fs::create_dir(&source).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(source.join("file"), content(1, 3_000_000)).unwrap();
        set_age(&source.join("file"), 1000);
        Self { world, way, target: target.join("file") }
    }

    fn start(&self, options: &[&str]) -> Child {
        let (there, from) = (self.world.url("target"), self.world.url("source"));
        let (there_file, from_file) = (self.world.url("target/file"), self.world.url("source/file"));
        let words: [&str; 3] = match self.way {
            "put" => ["put", "source/file", &there_file],
            "get" => ["get", &from_file, "target/file"],
            "mirror up" => ["mirror", "source", &there],
            _ => ["mirror", &from, "target"],
        };
        let arguments = words.into_iter().chain(["--limit-rate=2M"]).chain(options.iter().copied());
        let mut command = self.world.client_command(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let folder = self.target.parent().unwrap();
        wait_until("the file is under way", || !leftovers(folder).is_empty());
        child
    }

    /// Another program replaces the file, as an editor does.
    fn replaced(&self, bytes: &str, age: u64) {
        let other = self.target.with_file_name("other");
        fs::write(&other, bytes).unwrap();
        set_age(&other, age);
        fs::rename(&other, &self.target).unwrap();
    }
}

fn set_age(path: &Path, seconds: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

fn end(child: Child) -> Ran {
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_file_that_somebody_writes_meanwhile_stays_where_the_rule_says_so() {
    in_all_ways(|way, durability| {
        for (rule, was_there, age, stays) in [
            ("newer", true, 10, true),
            ("newer", false, 10, true),
            ("newer", false, 5000, false),
            ("never", false, 10, true),
            ("always", true, 10, false),
        ] {
            let slow = Slow::new(way);
            if was_there {
                slow.replaced("old", 5000);
            }
            let under_way = slow.start(&[&format!("--overwrite={rule}"), durability]);
            slow.replaced("of somebody else", age);
            let ran = end(under_way);
            let case = format!("{way}, {rule}, {durability}, {was_there}, {age}: {}", ran.stderr);
            let is_refused = rule == "never" && !way.starts_with("mirror"); // a single file was requested
            assert_eq!(ran.code, Some(if is_refused { 6 } else { 0 }), "{case}");
            let is_there = fs::read(&slow.target).unwrap() == b"of somebody else";
            assert_eq!(is_there, stays, "{case}");
            assert!(leftovers(slow.target.parent().unwrap()).is_empty(), "{case}");
        }
    });
}

#[test]
fn a_special_file_that_appears_meanwhile_is_not_replaced() {
    in_all_ways(|way, durability| {
        let slow = Slow::new(way);
        let under_way = slow.start(&["--overwrite=always", durability]);
        mknodat(CWD, &slow.target, FileType::Fifo, Mode::RUSR, 0).unwrap();
        let ran = end(under_way);
        assert_ne!(ran.code, Some(0), "{way}, {durability}: {}", ran.stderr);
        let there = fs::symlink_metadata(&slow.target).unwrap().file_type();
        assert!(there.is_fifo(), "{way}, {durability}");
    });
}

/// They are slow because of their rate limit, not of their work, so they run at once.
fn in_all_ways(check: impl Fn(&'static str, &str) + Sync) {
    let check = &check;
    std::thread::scope(|scope| {
        for way in ["put", "get", "mirror up", "mirror down"] {
            for durability in ["--durability=process", "--durability=power"] {
                scope.spawn(move || check(way, durability));
            }
        }
    });
}
