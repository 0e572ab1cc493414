//! The decisions about trees that are written down, in the order in which they are carried out.

mod ends;
mod model;
mod walks;

use super::*;
use crate::mirror::DeleteLimit;
use crate::mirror::effects::FileDigests;
use crate::mirror::filter::{FileList, FilterRules, Separator};
use crate::mirror::finish::ComparisonResult;
use crate::mirror::side::SideEntry;
use crate::mirror::testing::{ListedSide, entry};
use wire::Name;
use wire::checksum::Digest;
use wire::message::{EntryDetails, FileId, PathFailure};
use wire::metadata::Timestamp;
use wire::modes::OWNER_WRITES;

/// Notes what it is told to do, and does it in no time.
#[derive(Default)]
struct Recorder {
    done: Vec<String>,
    failures: u64,
    /// The settling with this number fails.
    broken_settle: Option<u32>,
    settles: u32,
    /// The root's owner and attributes are set.
    owns_root: bool,
    /// The action with this number fails.
    broken_action: Option<usize>,
    /// Folders whose metadata is set once more.
    touched: Vec<String>,
    /// Actions are held back, so the run can be abandoned.
    abandons: bool,
    /// The target lacks room for the actions that are held back.
    lacks_room: bool,
    /// The number of actions before they were released for the first time.
    released_after: Option<usize>,
    /// A file that is proven cannot be noted.
    broken_proof: bool,
    /// Leaving this folder fails.
    broken_leave: Option<&'static str>,
}

impl Effects for Recorder {
    fn act(&mut self, action: MirrorAction) -> Result<bool, Error> {
        let path = action.path().to_string();
        self.done.push(match &action {
            MirrorAction::New { .. } => format!("new {path}"),
            MirrorAction::Changed { .. } => format!("changed {path}"),
            MirrorAction::Folder { .. } => format!("folder {path}"),
            MirrorAction::Metadata { .. } => format!("metadata {path}"),
            MirrorAction::Linked { of, .. } => format!("linked {path} to {of}"),
            MirrorAction::Moved { from, .. } => format!("moved {path} from {}", from.path),
            MirrorAction::Deleted { .. } => format!("deleted {path}"),
        });
        if self.broken_action == Some(self.done.len()) { Err(Error::Interrupted) } else { Ok(true) }
    }

    fn leave(&mut self, folder: &Entry) -> Result<(), Error> {
        let is_broken = self.broken_leave == Some(&folder.path.to_string());
        if is_broken { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn touch(&mut self, path: RemotePath, _: FolderMetadata) -> Result<(), Error> {
        self.touched.push(path.to_string());
        Ok(())
    }

    fn own(&mut self, _: &Entry) -> Result<(), Error> {
        self.owns_root = true;
        Ok(())
    }

    fn read_only(&mut self, folder: &Entry) {
        self.done.push(format!("read-only {}", folder.path));
    }

    fn counted(&mut self, _: u64, _: u64) {}

    fn settle(&mut self) -> Result<(), Error> {
        self.settles += 1;
        if self.broken_settle == Some(self.settles) { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn failed(&mut self, path: &RemotePath, _: &Failure) {
        self.failures += 1;
        self.done.push(format!("failed {path}"));
    }

    fn vanished(&mut self, path: &RemotePath) {
        self.done.push(format!("vanished {path}"));
    }

    fn left_out(&mut self, path: &RemotePath) {
        self.done.push(format!("left out {path}"));
    }

    fn proven(&mut self, target: &Entry) -> Result<(), Error> {
        self.done.push(format!("proven {}", target.path));
        if self.broken_proof { Err(Error::Interrupted) } else { Ok(()) }
    }

    fn not_deleted(&mut self, count: u64) {
        self.done.push(format!("{count} not deleted"));
    }

    fn failures(&self) -> u64 {
        self.failures
    }

    fn release(&mut self) -> Result<(), Error> {
        self.released_after.get_or_insert(self.done.len());
        Ok(())
    }

    fn abandon(&mut self) -> bool {
        self.abandons
    }

    fn lacks_room(&self) -> Result<bool, Error> {
        Ok(self.lacks_room)
    }
}

/// Files whose names end with the same letter have the same content.
struct LastLetters;

impl Digester for LastLetters {
    fn digests(
        &self,
        source: Vec<RemotePath>,
        target: Vec<RemotePath>,
    ) -> Result<(FileDigests, FileDigests), Error> {
        let digest = |path: &RemotePath| path.as_bytes().last().map(|letter| Digest([*letter; 32]));
        Ok((source.iter().map(digest).collect(), target.iter().map(digest).collect()))
    }
}

fn mirror(options: &MirrorOptions, source: &[SideEntry], target: &[SideEntry]) -> Vec<String> {
    let mut recorder = Recorder::default();
    run(options, entry("/"), source, target, &mut recorder).unwrap();
    recorder.done
}

/// Mirrors trees below two roots, of which the target's is as given.
fn run(
    options: &MirrorOptions,
    target_root: Entry,
    source: &[SideEntry],
    target: &[SideEntry],
    recorder: &mut Recorder,
) -> Result<ComparisonResult, Error> {
    let again = |found: &SideEntry| match found {
        SideEntry::Entry(entry) => SideEntry::Entry(entry.clone()),
        SideEntry::Failed(failed) => SideEntry::Failed(failed.clone()),
        SideEntry::LeftOut(path) => SideEntry::LeftOut(path.clone()),
    };
    let mut source = ListedSide::of(source.iter().map(again));
    let mut target = ListedSide::of(target.iter().map(again));
    let mut planner = Planner::new(options, root(0o755), Some(target_root), recorder, &LastLetters);
    planner.walk(Pairs::new(&mut source, &mut target))?;
    planner.finish()
}

fn root(mode: u32) -> Entry {
    let root = entry("/");
    Entry { metadata: Metadata { mode, kind: Kind::Folder, ..root.metadata }, ..root }
}

fn found(texts: &[&str]) -> Vec<SideEntry> {
    texts.iter().map(|text| SideEntry::Entry(entry(text))).collect()
}

fn failed(path: &str) -> SideEntry {
    let path = RemotePath::from_user(path.as_bytes()).unwrap();
    SideEntry::Failed(PathFailure { path, failure: wire::FailureCode::PermissionDenied.into() })
}

/// A file of `size` bytes that has the inode, with several names.
fn file(path: &str, size: u64, inode: Option<u64>) -> SideEntry {
    let entry = entry(path);
    let file = inode.map(|inode| FileId { device: 1, inode, names: 2 });
    let details = file.map(|file| Box::new(EntryDetails { file: Some(file), ..EntryDetails::default() }));
    SideEntry::Entry(Entry { metadata: Metadata { size, ..entry.metadata }, details, ..entry })
}

#[test]
fn nothing_is_sent_into_a_folder_of_the_target_that_cannot_be_listed() {
    let options = MirrorOptions { delete: true, ..MirrorOptions::default() };
    let source = found(&["a/", "a/b", "a/c/", "a/c/d", "e"]);
    let done = mirror(&options, &source, &[failed("a"), SideEntry::Entry(entry("x"))]);
    assert_eq!(done, ["failed /a", "new /e", "1 not deleted"]);
}

#[test]
fn what_is_in_a_folder_of_the_source_that_cannot_be_listed_stays() {
    let options =
        MirrorOptions { delete: true, delete_max: DeleteLimit::Percent(100), ..MirrorOptions::default() };
    let target = found(&["a/", "a/b", "x"]);
    let done = mirror(&options, &[failed("a"), SideEntry::Entry(entry("e"))], &target);
    assert_eq!(done, ["failed /a", "new /e", "1 not deleted"]);
}

/// An entry that seems to be gone may be in a folder that could not be read.
#[test]
fn nothing_is_moved_if_the_source_could_not_be_read_whole() {
    let options = MirrorOptions { delete: true, detect_moves: true, ..MirrorOptions::default() };
    let target = found(&["k", "oldz"]);
    let done = mirror(&options, &found(&["k", "newz"]), &target);
    assert_eq!(done, ["moved /newz from /oldz"]);
    let mut source = found(&["k", "newz"]);
    source.push(failed("a"));
    assert_eq!(mirror(&options, &source, &target), ["failed /a", "new /newz", "1 not deleted"]);
}

/// Their content tells nothing.
#[test]
fn empty_files_are_not_moved() {
    let options = MirrorOptions { delete: true, detect_moves: true, ..MirrorOptions::default() };
    let target = [file("k", 10, None), file("oldz", 0, None)];
    let done = mirror(&options, &[file("k", 10, None), file("newz", 0, None)], &target);
    assert_eq!(done, ["new /newz", "deleted /oldz"]);
}

#[test]
fn hard_links_stay_where_moves_are_looked_for() {
    for detect_moves in [false, true] {
        let options = MirrorOptions { hard_links: true, detect_moves, ..MirrorOptions::default() };
        let source = [file("a", 10, Some(7)), file("b", 10, Some(7)), file("c", 10, None)];
        let done = mirror(&options, &source, &[]);
        assert_eq!(done, ["new /a", "new /c", "linked /b to /a"], "detect_moves: {detect_moves}");
    }
}

#[test]
fn names_of_one_file_are_linked_unless_they_are_one_at_the_target() {
    let options = MirrorOptions { hard_links: true, ..MirrorOptions::default() };
    let source = [file("a", 10, Some(7)), file("b", 10, Some(7))];
    for (b, done) in [(Some(1), &[][..]), (Some(2), &["linked /b to /a"]), (None, &["linked /b to /a"])] {
        assert_eq!(mirror(&options, &source, &[file("a", 10, Some(1)), file("b", 10, b)]), done);
    }
    let target = [file("a", 9, Some(1)), file("b", 9, Some(1))];
    assert_eq!(
        mirror(&options, &source, &target),
        ["changed /a", "linked /b to /a"],
        "/a is another file then"
    );
}

/// Behind what cannot be read nobody knows.
#[test]
fn paths_of_a_list_that_the_source_does_not_have_are_failures() {
    let list = FileList::parse(b"a\nb\nt\nu/v\nz", Separator::Newline).unwrap();
    let options = MirrorOptions { files: Some(list), ..MirrorOptions::default() };
    let mut source = found(&["a"]);
    source.push(failed("u"));
    let done = mirror(&options, &source, &found(&["t"]));
    assert_eq!(done, ["new /a", "failed /b", "failed /t", "failed /u", "failed /z"]);
}

#[test]
fn the_share_that_may_be_deleted_is_one_of_the_targets_entries() {
    let (source, target) = (found(&["k", "l", "m", "n"]), found(&["k", "l", "x", "y"]));
    for (percent, refused) in [(49, true), (50, false)] {
        let options = MirrorOptions {
            delete: true,
            delete_max: DeleteLimit::Percent(percent),
            ..MirrorOptions::default()
        };
        let mut recorder = Recorder::default();
        let ending = run(&options, root(0o755), &source, &target, &mut recorder).unwrap();
        assert_eq!(ending.refusal.is_some(), refused, "{percent} %");
    }
}

/// An entry that only the target has matters to a mirror that deletes, and to one that compares its folder.
#[test]
fn what_cannot_be_looked_at_in_the_target_is_a_failure_where_it_matters() {
    for (delete, expected) in [(false, &["new /a"][..]), (true, &["new /a", "failed /x"])] {
        let options = MirrorOptions { delete, ..MirrorOptions::default() };
        assert_eq!(mirror(&options, &found(&["a"]), &[failed("x")]), expected, "delete: {delete}");
    }
    let target = [SideEntry::Entry(entry("d/")), failed("d")];
    assert_eq!(mirror(&MirrorOptions::default(), &found(&["d/", "d/a"]), &target), ["failed /d"]);
}

#[test]
fn what_the_rules_exclude_stays_and_is_not_sent() {
    let mut rules = FilterRules::default();
    rules.exclude(b"*.o").unwrap();
    let options = MirrorOptions { delete: true, rules, ..MirrorOptions::default() };
    let target = found(&["k", "old.o", "x"]);
    assert_eq!(mirror(&options, &found(&["k", "new.o"]), &target), ["deleted /x"]);
    let deep = found(&["k", "x/", "x/a", "x/y/", "x/y/old.o"]);
    assert_eq!(mirror(&options, &found(&["k"]), &deep), ["deleted /x/a"], "nor does a folder above it go");
    let excluded_failure = [failed("f.o"), SideEntry::Entry(entry("k"))];
    assert_eq!(mirror(&options, &excluded_failure, &target), ["deleted /x"], "nobody needs to read it");
    let mut folders = FilterRules::default();
    folders.exclude(b"x/").unwrap();
    let options = MirrorOptions { delete: true, rules: folders, ..MirrorOptions::default() };
    let target = [failed("x"), SideEntry::Entry(entry("k"))];
    assert_eq!(mirror(&options, &found(&["k"]), &target), Vec::<String>::new(), "nor a folder that stays");
    let in_the_way = [SideEntry::LeftOut(RemotePath::from_user(b"p").unwrap()), SideEntry::Entry(entry("k"))];
    assert_eq!(mirror(&options, &found(&["k", "p"]), &in_the_way), ["failed /p"]);
    assert_eq!(mirror(&options, &found(&["k"]), &in_the_way), Vec::<String>::new());
}

#[test]
fn the_root_is_set_only_if_it_differs() {
    for (mode, differs) in [(0o755, false), (0o700, true)] {
        let mut recorder = Recorder::default();
        run(&MirrorOptions::default(), root(mode), &found(&["a"]), &[], &mut recorder).unwrap();
        assert_eq!(recorder.owns_root, differs, "{mode:o}");
    }
}

/// The folder is still full.
#[test]
fn no_folder_is_replaced_after_deletions_were_refused() {
    let options =
        MirrorOptions { delete: true, delete_max: DeleteLimit::Count(0), ..MirrorOptions::default() };
    let target = found(&["a/", "a/b"]);
    let mut recorder = Recorder::default();
    let ending = run(&options, root(0o755), &found(&["a"]), &target, &mut recorder).unwrap();
    assert!(ending.refusal.is_some_and(|refusal| !refusal.is_first), "something may have been done before");
    assert_eq!(recorder.done, Vec::<String>::new());
    let options = MirrorOptions { delete_max: DeleteLimit::Count(1), ..options };
    assert_eq!(mirror(&options, &found(&["a"]), &target), ["deleted /a/b", "changed /a"]);
}

#[test]
fn an_error_of_any_settling_ends_the_run() {
    let options = MirrorOptions { delete: true, ..MirrorOptions::default() };
    let (source, target) = (found(&["a", "k", "l"]), found(&["k", "l", "x"]));
    let mut fine = Recorder::default();
    run(&options, root(0o755), &source, &target, &mut fine).unwrap();
    assert!(fine.settles >= 3);
    for number in 1..=fine.settles {
        let mut recorder = Recorder { broken_settle: Some(number), ..Recorder::default() };
        let ended = run(&options, root(0o755), &source, &target, &mut recorder);
        assert!(ended.is_err(), "settling {number} of {}", fine.settles);
    }
}

#[test]
fn folders_of_the_target_that_their_owner_may_not_change_are_named_before_they_are_changed() {
    let read_only = |path: &str| {
        let entry = entry(path);
        Entry { metadata: Metadata { mode: 0o555, ..entry.metadata }, ..entry }
    };
    let (source, target) = (found(&["a/", "a/b"]), [SideEntry::Entry(read_only("a/"))]);
    let mut recorder = Recorder::default();
    run(&MirrorOptions::default(), root(0o555), &source, &target, &mut recorder).unwrap();
    assert_eq!(recorder.done, ["read-only /", "read-only /a", "new /a/b", "metadata /a"]);
    let mut recorder = Recorder::default();
    run(&MirrorOptions::default(), root(0o755), &source, &found(&["a/"]), &mut recorder).unwrap();
    assert_eq!(recorder.done, ["new /a/b"]);
}

#[test]
fn special_files_are_neither_sent_nor_replaced_nor_a_reason_to_delete_nothing() {
    let special = |path: &str| {
        let entry = entry(path);
        SideEntry::Entry(Entry { metadata: Metadata { kind: Kind::Special, ..entry.metadata }, ..entry })
    };
    let options = MirrorOptions { delete: true, ..MirrorOptions::default() };
    let mut source = found(&["a", "k"]);
    source.push(special("s"));
    let target = [
        special("a"),
        SideEntry::Entry(entry("k")),
        SideEntry::Entry(entry("s")),
        SideEntry::Entry(entry("x")),
    ];
    let done = mirror(&options, &source, &target);
    assert!(!done.iter().any(|line| line.ends_with("d /s") && line.starts_with("changed")), "{done:?}");
    assert_eq!(done.iter().filter(|line| line.starts_with("failed")).count(), 1, "{done:?}");
    assert!(done.contains(&"left out /s".to_owned()), "{done:?}");
    assert!(!done.iter().any(|line| line == "changed /a" || line == "deleted /s"), "{done:?}");
}
