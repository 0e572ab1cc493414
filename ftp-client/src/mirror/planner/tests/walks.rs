//! Walks: sides that cannot skip, names that the target folds, and targets of which little is known.

use super::*;
use crate::mirror::filter::FileLimits;
use crate::mirror::side::TreeSide;
use wire::fidelity::FidelityReport;

/// A side that cannot skip, like a server's listing.
struct UnskippedSide(ListedSide);

impl TreeSide for UnskippedSide {
    fn next(&mut self) -> Result<Option<SideEntry>, Error> {
        self.0.next()
    }
}

/// A target with this fidelity in each folder, as far as it is known.
struct TargetFidelity(fn(&RemotePath) -> Option<FidelityReport>);

impl Digester for TargetFidelity {
    fn digests(&self, _: Vec<RemotePath>, _: Vec<RemotePath>) -> Result<(FileDigests, FileDigests), Error> {
        Ok((Vec::new(), Vec::new()))
    }

    fn fidelity(&self, folder: &RemotePath) -> Result<Option<FidelityReport>, Error> {
        Ok((self.0)(folder))
    }
}

fn special(path: &str) -> SideEntry {
    let entry = entry(path);
    SideEntry::Entry(Entry { metadata: Metadata { kind: Kind::Special, ..entry.metadata }, ..entry })
}

fn excluding(rule: &[u8], delete: bool) -> MirrorOptions {
    let mut rules = FilterRules::default();
    rules.exclude(rule).unwrap();
    let delete_max = DeleteLimit::Percent(100);
    MirrorOptions { delete, rules, delete_max, allow_empty_source: true, ..MirrorOptions::default() }
}

/// Mirrors to a target with this fidelity.
fn mirror_to(
    known: fn(&RemotePath) -> Option<FidelityReport>,
    source: Vec<SideEntry>,
    target: Vec<SideEntry>,
) -> Vec<String> {
    let options = MirrorOptions::default();
    let (mut recorder, known) = (Recorder::default(), TargetFidelity(known));
    let (mut source, mut target) = (ListedSide::of(source), ListedSide::of(target));
    let mut planner = Planner::new(&options, root(0o755), Some(root(0o755)), &mut recorder, &known);
    planner.walk(Pairs::new(&mut source, &mut target)).unwrap();
    planner.finish().unwrap();
    recorder.done
}

/// An entry that is left out is left out with all that is below it, also where a side shows that.
#[test]
fn sides_that_cannot_skip_make_no_difference() {
    let never = || {
        let mut options = MirrorOptions { delete: true, ..MirrorOptions::default() };
        options.transfer.overwrite = Overwrite::Never;
        options
    };
    let keeping = || MirrorOptions::default();
    let small = || {
        let limits = FileLimits { size_max: Some(9), ..FileLimits::default() };
        MirrorOptions { limits, ..excluding(b"p", true) }
    };
    let cases = [
        (small(), found(&["f", "k@"]), found(&["f/", "f/a", "k@"]), &[][..]),
        (excluding(b"p", true), found(&["k", "p/", "p/q"]), found(&["k"]), &[]),
        (excluding(b"p", true), found(&["k"]), found(&["k", "x/", "x/p/", "x/p/q"]), &[]),
        (
            excluding(b"p", true),
            found(&["k"]),
            found(&["k", "x/", "x/o", "x/p/", "x/p/q"]),
            &["deleted /x/o"],
        ),
        (
            keeping(),
            found(&["k", "s/", "s/a", "s/b/", "s/b/c"]),
            vec![special("s")],
            &["new /k", "failed /s"],
        ),
        (keeping(), found(&["k"]), found(&["k", "x/", "x/y/", "x/y/z"]), &[]),
        (never(), found(&["f/", "f/a", "g"]), found(&["f", "g/", "g/a"]), &[]),
    ];
    for (options, source, target, expected) in cases {
        assert_eq!(mirror(&options, &source, &target), expected, "{source:?} to {target:?}");
        let mut recorder = Recorder::default();
        let [mut source, mut target] = [source, target].map(|side| UnskippedSide(ListedSide::of(side)));
        let mut planner = Planner::new(&options, root(0o755), Some(root(0o755)), &mut recorder, &LastLetters);
        planner.walk(Pairs::new(&mut source, &mut target)).unwrap();
        planner.finish().unwrap();
        assert_eq!(recorder.done, expected);
    }
}

#[test]
fn a_folder_that_goes_stays_for_what_is_excluded_in_it() {
    let target = found(&["k", "x/", "x/a", "x/old.o", "y/", "y/a"]);
    let done = mirror(&excluding(b"*.o", true), &found(&["k"]), &target);
    assert_eq!(done, ["deleted /x/a", "deleted /y/a", "deleted /y"]);
}

/// A file may be in its place.
#[test]
fn nothing_is_written_over_what_cannot_be_looked_at() {
    for delete in [false, true] {
        let options = MirrorOptions { delete, ..MirrorOptions::default() };
        assert_eq!(mirror(&options, &found(&["a"]), &[failed("a")]), ["failed /a"], "delete: {delete}");
    }
}

#[test]
fn of_names_that_the_target_takes_for_one_only_the_first_is_sent() {
    let folding = |_: &RemotePath| Some(FidelityReport { folds_case: true, ..FidelityReport::EXACT });
    let source = || found(&["A", "B", "a", "c"]);
    assert_eq!(mirror_to(folding, source(), Vec::new()), ["new /A", "new /B", "failed /a", "new /c"]);
    assert_eq!(mirror_to(|_| None, source(), Vec::new()), ["new /A", "new /B", "new /a", "new /c"]);
}

#[test]
fn names_that_are_not_sent_take_no_names_of_others() {
    let folding = |_: &RemotePath| Some(FidelityReport { folds_case: true, ..FidelityReport::EXACT });
    let mut source = found(&["a", "b"]);
    source.push(special("A"));
    assert_eq!(mirror_to(folding, source, Vec::new()), ["left out /A", "new /a", "new /b"]);
}

#[test]
fn a_folder_with_something_that_stays_is_not_replaced() {
    let (source, target) = (found(&["a", "k"]), found(&["a/", "a/b", "a/old.o", "k"]));
    assert_eq!(mirror(&excluding(b"*.o", true), &source, &target), ["failed /a", "1 not deleted"]);
    assert_eq!(mirror(&MirrorOptions::default(), &source, &target), ["failed /a"]);
    let (source, target) = (found(&["a", "k"]), found(&["a/", "k"]));
    assert_eq!(mirror(&MirrorOptions::default(), &source, &target), ["changed /a"]);
}

#[test]
fn a_folder_of_which_nothing_is_known_says_nothing_about_those_in_it() {
    let seconds_in_a = |folder: &RemotePath| {
        let seconds = FidelityReport { time_step: 1_000_000_000, ..FidelityReport::EXACT };
        (folder.as_bytes() == b"a").then_some(seconds)
    };
    let cut = |path: &str| {
        let mut entry = entry(path);
        entry.metadata.modified.nanos = 0;
        SideEntry::Entry(entry)
    };
    let target = || vec![SideEntry::Entry(entry("a/")), cut("a/f"), cut("g")];
    assert_eq!(mirror_to(seconds_in_a, found(&["a/", "a/f", "g"]), target()), ["changed /g"]);
}
