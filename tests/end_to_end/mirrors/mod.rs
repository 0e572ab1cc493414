//! `mirror`, either way: after it, an independent walk and rsync find no difference, and a second run has no work.

mod backup;
mod carried;
mod checks;
mod edits;
mod filters;
mod followed_links;
mod guards;
mod kept;
mod links;
mod plans;
mod races;
mod room;
mod totals;
mod unreadable;
mod versions;
mod watching;
mod watching_for_years;

use crate::support::{assert_same, content, event, events, is_root, output};
use crate::transfers::trees::make_tree;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::demo::make_removable;
use tests::world::{Ran, World};

/// Which side is the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

pub(crate) const WAYS: [Way; 2] = [Way::Up, Way::Down];

/// Two folders in a world of their own, one of them at the server.
pub(crate) struct Mirror {
    pub(crate) world: World,
    pub(crate) way: Way,
}

impl Mirror {
    /// An empty source; the target is missing.
    pub(crate) fn new(way: Way) -> Self {
        let mirror = Self { world: World::serving(), way };
        fs::create_dir(mirror.source()).unwrap();
        mirror
    }

    /// The same, with files `0`, `1`, … of a few bytes on both sides.
    pub(crate) fn with_files(way: Way, count: usize) -> Self {
        let mirror = Self::new(way);
        for number in 0..count {
            mirror.write(&number.to_string(), number.to_string());
        }
        mirror.check::<&str>([]);
        mirror
    }

    pub(crate) fn source(&self) -> PathBuf {
        match self.way {
            Way::Up => self.world.local().join("source"),
            Way::Down => self.world.root().join("source"),
        }
    }

    pub(crate) fn target(&self) -> PathBuf {
        match self.way {
            Way::Up => self.world.root().join("target"),
            Way::Down => self.world.local().join("target"),
        }
    }

    /// Writes a file of the source.
    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.source().join(name), bytes).unwrap();
    }

    /// Returns the last two words of the command.
    pub(crate) fn places(&self) -> [String; 2] {
        match self.way {
            Way::Up => ["source".to_owned(), self.world.url("target")],
            Way::Down => [self.world.url("source"), "target".to_owned()],
        }
    }

    pub(crate) fn words<A: AsRef<OsStr>>(
        &self,
        options: impl IntoIterator<Item = A>,
    ) -> Vec<std::ffi::OsString> {
        let options = options.into_iter().map(|option| option.as_ref().to_owned());
        let places = self.places().map(Into::into);
        std::iter::once("mirror".into()).chain(options).chain(places).collect()
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, options: impl IntoIterator<Item = A>) -> Ran {
        self.world.client(self.words(options))
    }

    pub(crate) fn check<A: AsRef<OsStr>>(&self, options: impl IntoIterator<Item = A>) -> Ran {
        self.world.check(self.words(options))
    }

    /// Expects this exit code.
    pub(crate) fn ends<A: AsRef<OsStr>>(&self, code: i32, options: impl IntoIterator<Item = A>) -> Ran {
        let ran = self.run(options);
        assert_eq!(ran.code, Some(code), "{:?}: {}{}", self.way, ran.stderr, ran.text());
        ran
    }

    /// Checks that both folders are the same for us and for rsync, and that no work is left.
    pub(crate) fn assert_done<A: AsRef<OsStr>>(&self, options: impl IntoIterator<Item = A>) {
        assert_same(&self.source(), &self.target());
        assert_nothing_left(&self.source(), &self.target(), &["-a"]);
        let again =
            self.check(["-n".into()].into_iter().chain(options.into_iter().map(|o| o.as_ref().to_owned())));
        assert_eq!(again.text(), "", "what a second run would do");
    }

    /// Names in the target, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        names_in(&self.target())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        for folder in [self.source(), self.target()] {
            if folder.is_dir() && !is_root() {
                make_removable(&folder);
            }
        }
    }
}

/// Names in a folder, sorted.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Checks that rsync would change nothing.
pub(crate) fn assert_nothing_left(source: &Path, target: &Path, options: &[&str]) {
    let mut command = Command::new("rsync");
    command.args(options).args(["-n", "-i", "--delete", "--checksum", "--modify-window=-1"]);
    if !options.contains(&"-o") {
        command.args(["--no-o", "--no-g"]);
    }
    match output(command.arg(source.join("")).arg(target.join(""))) {
        Some(found) => {
            assert!(found.status.success(), "rsync: {}", String::from_utf8_lossy(&found.stderr));
            assert_eq!(String::from_utf8_lossy(&found.stdout), "", "what rsync would still do");
        }
        None => println!("skipped: rsync is not installed"),
    }
}

/// Returns the lines of a real run that report items, as with `-v`.
fn told(ran: &Ran) -> Vec<String> {
    let is_item =
        |line: &&str| line.get(..2).is_some_and(|sign| ["+ ", "~ ", "> ", "= ", "- "].contains(&sign));
    ran.stderr.lines().filter(is_item).map(str::to_owned).collect()
}

#[test]
fn the_machines_documents_are_mirrored_either_way() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        copy_some(Path::new("/usr/share/doc"), &mirror.source());
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete", "--compare=digest"]);
    }
}

#[test]
fn a_tree_with_all_that_linux_allows_is_mirrored_either_way() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::remove_dir(mirror.source()).unwrap();
        make_tree(&mirror.source());
        mirror.check(["--delete", "--perms"]);
        mirror.assert_done(["--delete", "--perms"]);
    }
}

#[test]
fn names_that_differ_only_in_case_or_unicode_form_stay_apart() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for name in ["Case", "case", "caf\u{e9}", "cafe\u{301}", "a", "a.", "a/b", "a-b", "a b", "-"] {
            fs::create_dir_all(mirror.source().join(name).parent().unwrap()).ok();
            if !name.contains('/') && name != "a" {
                mirror.write(name, name);
            }
        }
        fs::create_dir_all(mirror.source().join("a/b")).unwrap();
        mirror.write("a/b/c", "deep");
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
        fs::rename(mirror.source().join("Case"), mirror.source().join("CASE")).unwrap();
        mirror.check(["--delete", "--detect-moves"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn an_empty_source_makes_an_empty_target() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for _ in 0..10 {
            mirror.check(["--delete"]); // the target is made before its time is set
            fs::remove_dir(mirror.target()).unwrap();
        }
    }
}

#[test]
fn a_git_repository_is_mirrored_and_follows_its_commits() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(words);
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").current_dir(mirror.source());
            output(&mut command).map(|output| {
                assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
            })
        };
        if git(&["init", "-q"]).is_none() {
            println!("skipped: git is not installed");
            return;
        }
        for number in 0..20 {
            mirror.write(&format!("file-{}", number % 7), content(number, 3000));
            git(&["add", "."]);
            git(&["commit", "-q", "-m", &number.to_string()]);
            if number % 10 == 5 {
                mirror.check(["--delete"]);
                mirror.assert_done(["--delete"]);
            }
        }
        git(&["gc", "-q"]);
        mirror.check(["--delete", "--max-delete=100%"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn a_dry_run_prints_what_the_run_tells_and_then_nothing() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::remove_dir(mirror.source()).unwrap();
        make_tree(&mirror.source());
        let options = ["--delete", "--detect-moves", "-H", "--perms"];
        for round in 0..2 {
            let dry = mirror.check(["-n"].iter().chain(&options));
            let run = mirror.check(["-v"].iter().chain(&options));
            let planned: Vec<String> = dry.text().lines().map(str::to_owned).collect();
            assert!(planned.len() > 5, "{planned:?}");
            let (mut planned, mut told) = (planned, told(&run));
            planned.sort();
            told.sort();
            assert_eq!(planned, told);
            assert_eq!(run.text(), "");
            mirror.assert_done(options);
            if round == 0 {
                change_all(&mirror.source());
            }
        }
    }
}

/// Makes a change of each kind: new, changed, metadata, moved, linked, deleted, and a change of kind.
fn change_all(source: &Path) {
    fs::write(source.join("plain"), "longer than before").unwrap();
    fs::write(source.join("new"), "new").unwrap();
    fs::create_dir(source.join("new-folder")).unwrap();
    fs::rename(source.join("lengths/262144"), source.join("new-folder/moved")).unwrap();
    fs::hard_link(source.join("lengths/524289"), source.join("lengths/another")).unwrap();
    crate::support::chmod(&source.join("mode-600"), 0o640);
    fs::remove_file(source.join("lengths/255")).unwrap();
    fs::remove_file(source.join("mode-666")).unwrap();
    fs::create_dir(source.join("mode-666")).unwrap();
    fs::remove_dir_all(source.join("empty")).unwrap();
    fs::write(source.join("empty"), "no folder").unwrap();
}

#[test]
fn json_tells_what_is_planned_and_what_is_done() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 5);
        mirror.write("0", "changed, and longer");
        mirror.write("new", "new");
        fs::remove_file(mirror.source().join("1")).unwrap();
        let dry = mirror.check(["-n", "--json", "--delete"]);
        let planned: Vec<(String, String)> = events(&dry)
            .iter()
            .filter(|event| event["event"] == "planned")
            .map(|event| (text(&event["action"]), text(&event["path"])))
            .collect();
        let expected = [("changed", "0"), ("new", "new"), ("deleted", "1")];
        assert_eq!(planned, expected.map(|(action, path)| (action.to_owned(), path.to_owned())));
        assert_eq!(event(&dry, "finished")["files"], 2);
        assert_eq!(event(&dry, "finished")["bytes"], 22);
        let run = mirror.check(["--json", "--delete"]);
        let mut done: Vec<String> = events(&run)
            .iter()
            .filter(|event| event["event"] == "file" && event["outcome"] == "done")
            .map(|event| text(&event["path"]))
            .collect();
        done.sort();
        assert_eq!(done, ["0", "1", "new"]);
        let finished = event(&run, "finished");
        assert_eq!(
            (&finished["files"], &finished["failed"], &finished["exit_code"]),
            (&2.into(), &0.into(), &0.into())
        );
        assert_eq!((&finished["bytes"], &finished["deleted"]), (&22.into(), &1.into()));
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Copies the first few of the machine's documents, with their links, times and modes.
fn copy_some(from: &Path, to: &Path) {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(from).map(|all| all.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default();
    folders.sort();
    folders.truncate(DOCUMENTS_MAX);
    if folders.is_empty() {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire"));
    }
    let copied = Command::new("cp").arg("-a").args(folders).arg(to).status().unwrap();
    assert!(copied.success(), "cp");
}

/// Folders of documents; more would slow down other tests.
const DOCUMENTS_MAX: usize = 60;
