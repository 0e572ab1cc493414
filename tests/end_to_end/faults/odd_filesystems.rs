//! Filesystems that refuse late or lack features of local disks: `cargo test -p tests odd_filesystems -- --nocapture` prints
//! the table of tests/README.md. Each mark is set right behind its check, for put, get and mirror in both directions.

use crate::packaging::documents;
use crate::support::fuse::{self, Fuse, Lacks, Op};
use crate::support::{content, leftovers, names_below, wait_until};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests::world::{Ran, World, binaries};

/// The promises on every filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Names,
    Told,
    Clean,
    Repeated,
    Spelled,
}

impl Claim {
    const ALL: [Self; 5] = [Self::Names, Self::Told, Self::Clean, Self::Repeated, Self::Spelled];

    fn text(self) -> &'static str {
        match self {
            Self::Names => "each name is old or new",
            Self::Told => "exit code 0 if all of it is there, and not else",
            Self::Clean => "nothing is left behind",
            Self::Repeated => "the same command again makes it right",
            Self::Spelled => "two names that differ in case: both are there, or one is told as failed",
        }
    }
}

/// A property, the features that the filesystem lacks, and its error: the call, the error number, and the first call that
/// fails.
struct Row {
    name: &'static str,
    lacks: Lacks,
    refuses: Option<(Op, i32, u64)>,
}

pub(crate) const WAYS: [&str; 4] = ["put", "get", "mirror up", "mirror down"];

fn rows() -> Vec<Row> {
    let none = Lacks::default();
    let refusing = |name, op, errno, from| Row { name, lacks: none, refuses: Some((op, errno, from)) };
    let lacking = |name, lacks| Row { name, lacks, refuses: None };
    vec![
        refusing("refuses at close (EDQUOT)", Op::Flush, EDQUOT, 1),
        refusing("refuses at the 5th close (EIO)", Op::Flush, EIO, 5),
        refusing("refuses at fsync (EIO)", Op::Fsync, EIO, 1),
        refusing("refuses at the 7th write (ENOSPC)", Op::Write, ENOSPC, 7),
        refusing("refuses at the 4th rename (EIO)", Op::Rename, EIO, 4),
        lacking("lacks flock", Lacks { flock: true, ..none }),
        lacking("lacks flags of rename", Lacks { rename_flags: true, ..none }),
        lacking("lacks extended attributes", Lacks { xattrs: true, ..none }),
        lacking("folds upper and lower case", Lacks { case: true, ..none }),
        lacking("cuts times to seconds", Lacks { fractions_of_seconds: true, ..none }),
        lacking("lacks O_TMPFILE and syncfs", none),
    ]
}

/// Serves the odd filesystem to `tester`, and a common one to `other`.
pub(crate) struct Stage {
    /// Declared before the world, whose server uses it.
    pub(crate) fuse: Fuse,
    pub(crate) world: World,
}

impl Stage {
    pub(crate) fn new(lacks: Lacks) -> Option<Self> {
        let fuse = fuse::mount(lacks)?;
        let mut world = World::empty();
        let mut command = Command::new(&binaries().server);
        command.args(["user", "add", "tester", "--access", "full", "--state"]).arg(world.state());
        command.arg("--root").arg(fuse.path()).arg("--password-file").arg(world.password_file());
        assert!(command.status().unwrap().success());
        world.add_user("other", "full");
        world.serve(&[]);
        make_tree(&world.local().join("tree"), 1);
        make_tree(&world.root().join("tree"), 1);
        Some(Self { fuse, world })
    }

    pub(crate) fn target(&self, way: &str) -> PathBuf {
        self.fuse.path().join(way.replace(' ', "-")).join("tree")
    }

    fn arguments(&self, way: &str) -> Vec<String> {
        let folder = way.replace(' ', "-");
        let there = |path: &str| self.world.url(format!("{folder}{path}"));
        let here = |path: &str| format!("{}/{folder}{path}", self.fuse.path().display());
        let from = self.world.url_of("other", "tree");
        let words: &[&str] = match way {
            "put" => &["put", "-r", "tree", &there("")],
            "get" => &["get", "-r", &from, &here("")],
            "mirror up" => &["mirror", "tree", &there("/tree")],
            _ => &["mirror", &from, &here("/tree")],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    pub(crate) fn run(&self, way: &str) -> Ran {
        self.run_with(way, &[])
    }

    pub(crate) fn run_with(&self, way: &str, options: &[&str]) -> Ran {
        let options = options.iter().map(|option| (*option).to_owned());
        self.world.client(self.arguments(way).into_iter().chain(options))
    }

    /// Returns the tree to send.
    pub(crate) fn source(&self, way: &str) -> PathBuf {
        match way {
            "put" | "mirror up" => self.world.local().join("tree"),
            _ => self.world.root().join("tree"),
        }
    }
}

/// Makes small files and one of several chunks.
fn make_tree(root: &Path, seed: u64) {
    fs::create_dir_all(root.join("folder")).unwrap();
    for number in 0..12 {
        fs::write(root.join("folder").join(number.to_string()), content(seed + number, 3000)).unwrap();
    }
    fs::write(root.join("large"), content(seed + 100, 1_300_000)).unwrap();
}

fn files_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let is_named = |path: &PathBuf| path.is_file() && !path.to_string_lossy().contains(".ftpx-");
    let paths = names_below(root).into_iter().filter(is_named);
    paths.map(|path| (path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

/// Returns the promises kept in all four ways.
fn check(row: &Row) -> Option<BTreeSet<Claim>> {
    let stage = Stage::new(row.lacks)?;
    let new = files_of(&stage.world.local().join("tree"));
    for way in WAYS {
        let target = stage.target(way);
        fs::create_dir_all(target.join("folder")).unwrap();
        for name in ["large", "folder/3"] {
            fs::write(target.join(name), content(999, 5000)).unwrap();
        }
        let old = files_of(&target);
        if let Some((op, errno, from)) = row.refuses {
            stage.fuse.refuse(op, errno, from);
        }
        let ran = stage.run(way);
        stage.fuse.refuse_nothing();
        let now = files_of(&target);
        for (path, bytes) in &now {
            let is_known = old.get(path) == Some(bytes) || new.get(path) == Some(bytes);
            assert!(is_known, "{}, {way}: {} is neither old nor new", row.name, path.display());
        }
        assert_eq!(ran.code == Some(0), now == new, "{}, {way}: {:?}, {}", row.name, ran.code, ran.stderr);
        assert_eq!(ran.code == Some(0), row.refuses.is_none(), "{}, {way}: {}", row.name, ran.stderr);
        let again = stage.run(way);
        assert_eq!(again.code, Some(0), "{}, {way}: {}", row.name, again.stderr);
        assert_eq!(files_of(&target), new, "{}, {way}", row.name);
        assert!(leftovers(&target).is_empty(), "{}, {way}: {:?}", row.name, leftovers(&target));
        for name in ["Case", "case"] {
            fs::write(stage.source(way).join(name), name).unwrap();
        }
        let ran = stage.run(way);
        let is_told = ran.code != Some(0) && ran.stderr.contains("upper and lower case");
        assert_eq!(is_told, row.lacks.case, "{}, {way}: {:?}, {}", row.name, ran.code, ran.stderr);
        assert_eq!(fs::read(target.join("Case")).unwrap(), b"Case", "{}, {way}", row.name);
        assert_eq!(target.join("case").exists() && !is_told, !row.lacks.case, "{}, {way}", row.name);
        for name in ["Case", "case"] {
            fs::remove_file(stage.source(way).join(name)).unwrap();
        }
    }
    Some(Claim::ALL.into())
}

#[test]
fn what_is_told_to_be_done_is_there_on_odd_filesystems_too() {
    let mut table = String::from("|");
    Claim::ALL.iter().for_each(|claim| write!(table, " | {}", claim.text()).unwrap());
    writeln!(table, " |\n|---|{}", "---|".repeat(Claim::ALL.len())).unwrap();
    for row in rows() {
        let Some(claims) = check(&row) else { return };
        write!(table, "| {}", row.name).unwrap();
        for claim in Claim::ALL {
            write!(table, " | {}", if claims.contains(&claim) { "yes" } else { "–" }).unwrap();
        }
        writeln!(table, " |").unwrap();
    }
    println!("{table}");
    let readme = documents::read("tests/README.md");
    assert!(readme.contains(&table), "tests/README.md has another table than:\n{table}");
}

/// The kernel does not pass syncfs on to such a filesystem, so one call for all would sync no file.
#[test]
fn each_file_is_synced_where_no_sync_reaches_all() {
    let Some(stage) = Stage::new(Lacks::default()) else { return };
    for number in 0..40 {
        fs::write(stage.world.local().join(format!("tree/more-{number}")), content(number, 2000)).unwrap();
        fs::write(stage.world.root().join(format!("tree/more-{number}")), content(number, 2000)).unwrap();
    }
    let files = files_of(&stage.world.local().join("tree")).len() as u64;
    for way in WAYS {
        fs::create_dir_all(stage.target(way)).unwrap();
        let before = (stage.fuse.count(Op::Fsync), stage.fuse.count(Op::FsyncFolder));
        let mut arguments = stage.arguments(way);
        arguments.push("--durability=power".to_owned());
        stage.world.check(arguments);
        assert!(stage.fuse.count(Op::Fsync) >= before.0 + files, "{way}");
        assert!(stage.fuse.count(Op::FsyncFolder) >= before.1 + 2, "{way}");
    }
}

/// Without locks it is unknown whether a staged file is in use, so each writer has its own.
#[test]
fn writers_that_meet_where_there_are_no_locks_do_not_mix_their_files() {
    let Some(stage) = Stage::new(Lacks { flock: true, ..Lacks::default() }) else { return };
    let contents = [content(1, 6_000_000), content(2, 6_000_000)];
    for (number, bytes) in contents.iter().enumerate() {
        fs::write(stage.world.local().join(number.to_string()), bytes).unwrap();
    }
    let url = stage.world.url("file");
    let put = |number: usize| -> Child {
        let mut command = stage.world.client_command(["put", "--limit-rate=3M", &number.to_string(), &url]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let writers = [put(0), put(1)];
    wait_until("both write", || leftovers(&stage.fuse.path()).len() >= 2);
    let names = leftovers(&stage.fuse.path());
    assert!(names.iter().all(|name| name.extension().is_some_and(|end| end == "part")), "{names:?}");
    for writer in writers {
        let ran = Ran::from(writer.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let written = fs::read(stage.fuse.path().join("file")).unwrap();
    assert!(contents.contains(&written), "a mixed file");
    assert!(leftovers(&stage.fuse.path()).is_empty());
}

// Linux's error numbers.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;
