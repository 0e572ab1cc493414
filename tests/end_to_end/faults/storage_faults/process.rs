//! System errors, and a killed process, at every operation of a transfer.

use super::trees::{Source, Target, held};
use crate::support::faulty_storage::{Done, Faults, FaultyFolder, Plan};
use crate::support::joined::{Ended, OPTIONS, transfer};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use wire::checksum::Checksum;
use wire::engine::TreeSource;
use wire::journal::JournalKey;
use wire::sender::Asking;
use wire::store::{Base, Keeping, TreeSink, TreeSinkOptions};
use wire::{FailureCode, Name};

/// Errors of storage, and the failures that must be reported for them.
const ERRORS: [(i32, FailureCode); 6] = [
    (28, FailureCode::NoSpace),
    (122, FailureCode::QuotaExceeded),
    (5, FailureCode::Io),
    (24, FailureCode::TooManyOpenFiles),
    (13, FailureCode::PermissionDenied),
    (30, FailureCode::ReadOnly),
];

#[test]
fn a_failing_operation_at_the_target_costs_one_item() {
    let source = Arc::new(Source::new());
    let operations = count(&source, Side::Target, false);
    assert!(operations > 60, "{operations}");
    each(
        ERRORS.iter().flat_map(|error| (0..operations).map(move |n| (n, *error))),
        move |(n, (error, code))| {
            let source = source.clone();
            async move {
                let (target, faults) = (Target::new(), Faults::new(Plan::Fail(n, error)));
                let ended = run(&source, &target, Side::Target, &faults).await;
                let (sender, receiver) = (&ended.sender, &ended.receiver);
                assert!(sender.is_ok() && receiver.is_ok(), "{n}: {sender:?} {receiver:?}");
                let failed = failed(&ended);
                let Some(done) = faults.failed() else { return assert!(failed.is_empty(), "{failed:?}") };
                assert_eq!(failed.len(), 1, "{n}, error {error}: {failed:?}, {done:?}");
                assert_eq!(failed[0].1, code, "{n}, error {error}: {done:?}");
                target.check_clean();
                check_told(&ended, &target.check(&source), n);
            }
        },
    );
}

#[test]
fn a_failing_operation_at_the_source_costs_one_item_or_what_is_in_one_folder() {
    let source = Arc::new(Source::new());
    let operations = count(&source, Side::Source, false);
    assert!(operations > 40, "{operations}");
    each(
        (0..operations).flat_map(|n| errors_at(n, &ERRORS[2..5]).into_iter().take(1)),
        move |(n, (error, code))| {
            let source = source.clone();
            async move {
                let (target, faults) = (Target::new(), Faults::new(Plan::Fail(n, error)));
                let ended = run(&source, &target, Side::Source, &faults).await;
                target.check_clean();
                let new = target.check(&source);
                if ended.told.is_empty() {
                    return; // the tree itself could not be opened
                }
                assert!(ended.sender.is_ok() && ended.receiver.is_ok(), "{n}");
                let failed = failed(&ended);
                if faults.failed().is_none() {
                    return assert!(failed.is_empty(), "{failed:?}");
                }
                assert_eq!(failed.len(), 1, "{n}: {failed:?}");
                assert_eq!(failed[0].1, code, "{n}");
                check_told(&ended, &new, n);
            }
        },
    );
}

#[test]
fn a_killed_process_leaves_no_half_file_and_the_next_run_completes() {
    crash_at_each(1, false);
}

#[test]
fn a_failing_operation_costs_one_item_and_leaves_nothing_where_journals_are_kept() {
    assert!(fail_at_each(1) > 70);
}

#[test]
fn a_killed_process_leaves_journals_that_the_next_run_goes_on_from() {
    let resumed = crash_at_each(1, true);
    assert!(resumed > 10, "{resumed} went on");
}

/// Lets each `step`th operation fail, with journals, and checks the result of the transfer. Returns the number of operations.
pub(crate) fn fail_at_each(step: usize) -> usize {
    let source = Arc::new(Source::new());
    let operations = count(&source, Side::Target, true);
    let cases = (0..operations).step_by(step).flat_map(|n| errors_at(n, &ERRORS));
    each(cases, move |(n, (error, code))| {
        let source = source.clone();
        async move {
            let (target, faults) = (Target::new(), Faults::new(Plan::Fail(n, error)));
            let ended = run_with(&source, &target, Side::Target, &faults, true).await;
            let (sender, receiver) = (&ended.sender, &ended.receiver);
            assert!(sender.is_ok() && receiver.is_ok(), "{n}: {sender:?} {receiver:?}");
            let failed = failed(&ended);
            let Some(done) = &faults.failed() else { return assert!(failed.is_empty(), "{failed:?}") };
            let costs = usize::from(!is_of_journal(done)); // some have an alternative, and cost no item
            assert!(failed.len() <= costs, "{n}, error {error}: {failed:?}, {done:?}");
            assert!(failed.iter().all(|failed| failed.1 == code), "{n}, error {error}: {done:?}");
            if done.op != "remove_journal" {
                target.check_clean();
            }
            check_told(&ended, &target.check(&source), n);
        }
    });
    operations
}

/// Crashes at each `step`th operation, and runs again. Returns how many of the second runs read a journal.
pub(crate) fn crash_at_each(step: usize, journals: bool) -> usize {
    let source = Arc::new(Source::new());
    let operations = count(&source, Side::Target, journals);
    let resumed = Arc::new(AtomicUsize::new(0));
    let counter = resumed.clone();
    each((0..operations).step_by(step), move |n| {
        let (source, resumed) = (source.clone(), counter.clone());
        async move {
            let (target, faults) = (Target::new(), Faults::new(Plan::Crash(n)));
            let ended = run_with(&source, &target, Side::Target, &faults, journals).await;
            check_told(&ended, &target.check(&source), n);
            let again = Faults::new(Plan::None);
            let ended = run_with(&source, &target, Side::Target, &again, journals).await;
            assert!(failed(&ended).is_empty(), "{n}: {:?}", failed(&ended));
            target.check_complete(&source);
            let went_on = again.record().iter().any(|done| done.op == "open_journal");
            resumed.fetch_add(usize::from(went_on), Ordering::Relaxed);
        }
    });
    resumed.load(Ordering::Relaxed)
}

/// Without a journal a file is written all the same.
fn is_of_journal(done: &Done) -> bool {
    done.op.ends_with("_journal") || done.name.ends_with(".held")
}

/// Two of the errors for each operation, in turn, so that each kind of operation meets all of them.
fn errors_at(n: usize, errors: &[(i32, FailureCode)]) -> [(usize, (i32, FailureCode)); 2] {
    [2 * n, 2 * n + 1].map(|index| (n, errors[index % errors.len()]))
}

/// The end that fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

/// Sends the tree.
async fn run(source: &Source, target: &Target, side: Side, faults: &Arc<Faults>) -> Ended {
    run_with(source, target, side, faults, false).await
}

/// Sends the tree; with `journals`, partial files are kept, and offered to the next run.
async fn run_with(
    source: &Source,
    target: &Target,
    side: Side,
    faults: &Arc<Faults>,
    journals: bool,
) -> Ended {
    let wrap = |path: &Path, of| if side == of { FaultyFolder::wrap(held(path), faults) } else { held(path) };
    let Ok(tree) = TreeSource::new(wrap(&source.path(), Side::Source)) else {
        return Ended { sender: Ok(()), receiver: Ok(()), told: Default::default() };
    };
    let parent = wrap(target.folder.path(), Side::Target);
    let base = Base::named(parent, Name::new(b"tree").unwrap());
    let keeping = || Keeping { key: JournalKey::new([7; 32]), origin: [8; 16], checksum: Checksum::Blake3 };
    let options = TreeSinkOptions { keeping: journals.then(keeping), ..OPTIONS };
    let asking = if journals { Asking::Large(0) } else { Asking::Never };
    transfer(Arc::new(tree), Box::new(TreeSink::new(base, options)), asking, |_| {}).await
}

/// Returns the number of operations of a transfer.
fn count(source: &Source, side: Side, journals: bool) -> usize {
    let (target, faults) = (Target::new(), Faults::new(Plan::None));
    let ended = Runtime::new().unwrap().block_on(run_with(source, &target, side, &faults, journals));
    assert!(failed(&ended).is_empty(), "{:?}", failed(&ended));
    target.check_complete(source);
    target.check_clean();
    faults.record().len()
}

/// Runs all cases, several at a time.
pub(crate) fn each<C: Send + 'static, F: Future<Output = ()> + Send + 'static>(
    cases: impl IntoIterator<Item = C>,
    run: impl Fn(C) -> F,
) {
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    workers.unwrap().block_on(async {
        let mut running = JoinSet::new();
        for case in cases {
            if running.len() >= AT_ONCE {
                running.join_next().await.unwrap().unwrap();
            }
            running.spawn(run(case));
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
    });
}

fn failed(ended: &Ended) -> Vec<(String, FailureCode)> {
    let failed = ended.told.iter().filter_map(|(path, told)| Some((path.clone(), told.clone().err()?.code)));
    failed.collect()
}

/// Checks that every item reported as done is there.
fn check_told(ended: &Ended, new: &[String], n: usize) {
    for (path, told) in &ended.told {
        assert!(told.is_err() || new.contains(path), "{n}: {path} is told to be done: {new:?}");
    }
}

/// Transfers spend much of their time waiting for the other end.
const AT_ONCE: usize = 8;
