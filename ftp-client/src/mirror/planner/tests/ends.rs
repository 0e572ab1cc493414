//! Ends of mirrors: errors, refusals, counts, and folders whose metadata is set once more.

use super::*;
use crate::mirror::clearing::Clearing;

fn deleting() -> MirrorOptions {
    let delete_max = DeleteLimit::Percent(100);
    MirrorOptions { delete: true, delete_max, allow_empty_source: true, ..MirrorOptions::default() }
}

#[test]
fn an_error_of_any_action_ends_the_run() {
    let (source, target) = (found(&["a", "b/", "b/c", "k"]), found(&["k", "x"]));
    let mut fine = Recorder::default();
    run(&deleting(), root(0o755), &source, &target, &mut fine).unwrap();
    for number in 1..=fine.done.len() {
        let mut recorder = Recorder { broken_action: Some(number), ..Recorder::default() };
        let ended = run(&deleting(), root(0o755), &source, &target, &mut recorder);
        assert!(ended.is_err(), "{}", fine.done[number - 1]);
        assert_eq!(recorder.done.len(), number);
    }
}

#[test]
fn an_error_of_leaving_any_folder_ends_the_run() {
    let source = found(&["a/", "a/b/", "a/b/c", "d/", "d/e/", "d/e/f"]);
    for (broken_leave, is_err) in [("/a", true), ("/a/b", true), ("/d", true), ("/d/e", true), ("/", false)] {
        let mut recorder = Recorder { broken_leave: Some(broken_leave), ..Recorder::default() };
        let ended = run(&MirrorOptions::default(), root(0o755), &source, &[], &mut recorder);
        assert_eq!(ended.is_err(), is_err, "{broken_leave}");
    }
}

#[test]
fn actions_are_held_back_until_so_many_entries_of_both_sides_were_compared() {
    let (same, new) = (10_000, 14_000);
    let files = |first: &'static str, count| {
        (0..count).map(move |number| SideEntry::Entry(entry(&format!("{first}{number:05}"))))
    };
    let target: Vec<_> = files("a", same).collect();
    let source: Vec<_> = files("a", same).chain(files("n", new)).collect();
    let mut recorder = Recorder::default();
    run(&deleting(), root(0o755), &source, &target, &mut recorder).unwrap();
    let before = usize::try_from(PAIRS_MAX).unwrap() + 1 - 2 * same;
    assert_eq!((recorder.done.len(), recorder.released_after), (new, Some(before)));
}

#[test]
fn a_target_that_cannot_be_made_ends_the_run() {
    let options = MirrorOptions::default();
    let mut recorder = Recorder { broken_action: Some(1), ..Recorder::default() };
    let (mut source, mut target) = (ListedSide::new(&["a"]), ListedSide::new(&[]));
    let mut planner = Planner::new(&options, root(0o755), None, &mut recorder, &LastLetters);
    let walked = planner.walk(Pairs::new(&mut source, &mut target));
    drop(planner);
    assert!(walked.is_err());
    assert_eq!(recorder.done, ["folder /"]);
}

#[test]
fn a_run_that_is_refused_at_first_changes_nothing_at_all() {
    let options = MirrorOptions { delete_max: DeleteLimit::Count(0), ..deleting() };
    let (source, target) = (found(&["a/", "a/b"]), found(&["a/", "a/b", "a/x"]));
    let mut recorder = Recorder { abandons: true, ..Recorder::default() };
    let ended = run(&options, root(0o700), &source, &target, &mut recorder).unwrap();
    assert!(ended.refusal.is_some_and(|refusal| refusal.is_first));
    assert!(recorder.touched.is_empty() && !recorder.owns_root, "{:?}", recorder.touched);
}

/// Otherwise deletions would make room although something may only seem to be missing.
#[test]
fn lack_of_room_counts_only_if_both_sides_were_read_whole() {
    let (source, target) = (found(&["a", "k"]), found(&["k", "x"]));
    let unread = |side: &[&str]| found(side).into_iter().chain([failed("l")]).collect::<Vec<_>>();
    let (part_of_source, part_of_target) = (unread(&["a", "k"]), unread(&["k", "x"]));
    for (source, target, is_whole) in
        [(&source, &target, true), (&part_of_source, &target, false), (&source, &part_of_target, false)]
    {
        let mut recorder = Recorder { lacks_room: true, ..Recorder::default() };
        let ended = run(&deleting(), root(0o755), source, target, &mut recorder).unwrap();
        assert_eq!(ended.lacks_room, is_whole, "{source:?} to {target:?}");
    }
}

#[test]
fn nothing_is_deleted_to_make_room_if_the_target_could_not_be_looked_at() {
    for (unseen, expected) in [(None, &["deleted /x"][..]), (Some(failed("y")), &[])] {
        let mut recorder = Recorder::default();
        let mut clearing = Clearing { effects: &mut recorder, failures: 0, has_moves: false };
        let options = deleting();
        let mut source = ListedSide::new(&["a", "k"]);
        let mut target = ListedSide::of(found(&["k", "x"]).into_iter().chain(unseen));
        let mut planner = Planner::new(&options, root(0o755), Some(root(0o755)), &mut clearing, &LastLetters);
        planner.walk(Pairs::new(&mut source, &mut target)).unwrap();
        planner.finish().unwrap();
        assert_eq!(recorder.done, expected);
    }
}

#[test]
fn what_stays_as_it_is_counts_once() {
    let summary = |options: &MirrorOptions, source: &[SideEntry], target: &[SideEntry]| {
        let mut recorder = Recorder::default();
        let ended = run(options, root(0o755), source, target, &mut recorder).unwrap();
        (ended.summary.unchanged, ended.summary.transfer.skipped)
    };
    let options = MirrorOptions { hard_links: true, ..MirrorOptions::default() };
    let linked = [file("a", 10, Some(7)), file("b", 10, Some(7))];
    assert_eq!(summary(&options, &linked, &linked), (2, 0));
    let mut never = MirrorOptions::default();
    never.transfer.overwrite = Overwrite::Never;
    let source: Vec<_> = found(&["a/", "a/b", "k"]).into_iter().chain([file("l", 9, None)]).collect();
    assert_eq!(summary(&never, &source, &found(&["a", "k", "l"])), (1, 2));
}

/// Metadata is set for all names of a file, so each of two needs a file of its own.
#[test]
fn files_that_are_one_at_the_target_become_two() {
    let mut options = MirrorOptions { hard_links: true, ..MirrorOptions::default() };
    let source = [file("a", 10, Some(7)), file("b", 10, Some(8))];
    let target = [file("a", 10, Some(1)), file("b", 10, Some(1))];
    assert_eq!(mirror(&options, &source, &target), ["changed /b"]);
    options.transfer.overwrite = Overwrite::Never;
    assert_eq!(mirror(&options, &source, &target), Vec::<String>::new());
    assert_eq!(mirror(&MirrorOptions::default(), &source, &target), Vec::<String>::new());
}

/// A folder that only the target has keeps its time, and its permissions if they were not changed to delete from it.
#[test]
fn only_a_folder_that_was_opened_to_delete_from_it_is_closed() {
    for (mode, touched) in [(0o755, &[][..]), (0o555, &["/x"])] {
        let folder = entry("x/");
        let folder = Entry { metadata: Metadata { mode, ..folder.metadata }, ..folder };
        let mut rules = FilterRules::default();
        rules.exclude(b"*.o").unwrap();
        let options = MirrorOptions { rules, ..deleting() };
        let mut target = found(&["k", "x/a", "x/b.o"]);
        target.push(SideEntry::Entry(folder));
        let mut recorder = Recorder::default();
        run(&options, root(0o755), &found(&["k"]), &target, &mut recorder).unwrap();
        assert_eq!(recorder.touched, touched, "{mode:o}");
    }
}

/// It would be taken for lost in each later run.
#[test]
fn a_file_that_is_proven_is_noted_and_an_error_of_that_ends_the_run() {
    let mut target = entry("k");
    target.details = Some(Box::new(EntryDetails { is_unproven: true, ..EntryDetails::default() }));
    for broken_proof in [false, true] {
        let mut recorder = Recorder { broken_proof, ..Recorder::default() };
        let target = [SideEntry::Entry(target.clone())];
        let ended = run(&MirrorOptions::default(), root(0o755), &found(&["k"]), &target, &mut recorder);
        assert_eq!((ended.is_err(), &recorder.done[..]), (broken_proof, &["proven /k".to_owned()][..]));
    }
}
