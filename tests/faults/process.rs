//! Errors of the system, and a process that is killed, at every operation of a transfer.

use crate::faulty::{Faults, FaultyFolder, Plan};
use crate::joined::{Ended, transfer};
use crate::trees::{Source, Target, held};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use wire::engine::{Base, TreeSink, TreeSinkOptions, TreeSource};
use wire::message::{Durability, Overwrite};
use wire::{FailureCode, Name};

/// Errors that storage reports, and what is to be told of them.
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
    let operations = count(&source, Side::Target);
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
                assert_eq!(failed.len(), 1, "{n}, error {error}: {failed:?}, {:?}", faults.record()[n]);
                assert_eq!(failed[0].1, code, "{n}, error {error}: {:?}", faults.record()[n]);
                target.check_clean();
                check_told(&ended, &target.check(&source), n);
            }
        },
    );
}

#[test]
fn a_failing_operation_at_the_source_costs_one_item_or_what_is_in_one_folder() {
    let source = Arc::new(Source::new());
    let operations = count(&source, Side::Source);
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
                assert_eq!(failed.len(), 1, "{n}: {failed:?}");
                assert_eq!(failed[0].1, code, "{n}");
                check_told(&ended, &new, n);
            }
        },
    );
}

#[test]
fn a_killed_process_leaves_no_half_file_and_the_next_run_completes() {
    let source = Arc::new(Source::new());
    let operations = count(&source, Side::Target);
    each(0..operations, move |n| {
        let source = source.clone();
        async move {
            let (target, faults) = (Target::new(), Faults::new(Plan::Crash(n)));
            let ended = run(&source, &target, Side::Target, &faults).await;
            check_told(&ended, &target.check(&source), n);
            let ended = run(&source, &target, Side::Target, &Faults::new(Plan::None)).await;
            assert!(failed(&ended).is_empty(), "{n}: {:?}", failed(&ended));
            target.check_complete(&source);
        }
    });
}

/// Two of the errors for each operation, in turn: what an operation is called meets them all.
fn errors_at(n: usize, errors: &[(i32, FailureCode)]) -> [(usize, (i32, FailureCode)); 2] {
    [2 * n, 2 * n + 1].map(|index| (n, errors[index % errors.len()]))
}

/// Which end fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

/// Sends the tree.
async fn run(source: &Source, target: &Target, side: Side, faults: &Arc<Faults>) -> Ended {
    let wrap = |path: &Path, of| match side == of {
        true => FaultyFolder::wrap(held(path), faults),
        false => held(path),
    };
    let Ok(tree) = TreeSource::new(wrap(&source.path(), Side::Source)) else {
        return Ended { sender: Ok(()), receiver: Ok(()), told: Default::default() };
    };
    let parent = wrap(target.folder.path(), Side::Target);
    let base = Base::named(parent, Name::new(b"tree").unwrap());
    transfer(Arc::new(tree), Box::new(TreeSink::new(base, OPTIONS)), || {}).await
}

/// How many operations a transfer takes.
fn count(source: &Source, side: Side) -> usize {
    let (target, faults) = (Target::new(), Faults::new(Plan::None));
    let ended = Runtime::new().unwrap().block_on(run(source, &target, side, &faults));
    assert!(failed(&ended).is_empty(), "{:?}", failed(&ended));
    target.check_complete(source);
    target.check_clean();
    faults.record().len()
}

/// Runs all cases, some at a time.
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

/// Expects that whatever is told to be done is there.
fn check_told(ended: &Ended, new: &[String], n: usize) {
    for (path, told) in &ended.told {
        assert!(told.is_err() || new.contains(path), "{n}: {path} is told to be done: {new:?}");
    }
}

const OPTIONS: TreeSinkOptions = TreeSinkOptions {
    overwrite: Overwrite::Always,
    add_only: false,
    mode_mask: 0o777,
    sparse: true,
    durability: Durability::Process,
    keeping: None,
};
/// Transfers wait for each other's ends much of their time.
const AT_ONCE: usize = 8;
