//! Tests of batches whose sync fails, and of files that are in use while they wait.

use super::*;
use crate::ids::FrameNo;
use crate::message::Overwrite;
use crate::path::{NameRef, RemotePath};
use crate::store::sweep::SweepScope;
use crate::store::{
    AdmissionRule, Candidate, DiskFolder, Filesystems, LocalFolder, StagedEntry, StagedName, Unsynced, commit,
};
use std::sync::Arc;
use std::time::Duration;

fn item(folder: &Arc<dyn DiskFolder>, number: usize) -> PendingItem {
    let staged = StagedName::new();
    let content = Unsynced::File(folder.create_staged(&staged, 0o600).unwrap().into());
    let name = NameRef::new(format!("file-{number}").as_bytes()).unwrap().to_name();
    let rule = Arc::new(AdmissionRule::new(Overwrite::Always, false));
    let admission = rule.admit(&**folder, (&name).into(), Candidate::default()).unwrap();
    let entry = StagedEntry::new(folder.clone(), staged, name, Some(admission), content);
    let waiting = PendingCommit::Staged(Box::new(entry));
    let path = RemotePath::root();
    PendingItem {
        frame: FrameNo(0),
        entry: 0,
        path,
        folder: false,
        bytes: 0,
        digest: None,
        as_is: false,
        waiting,
    }
}

/// If there are many, one in each folder shows others that they are in use.
#[test]
fn what_waits_for_its_sync_is_in_use() {
    let root = tempfile::tempdir().unwrap();
    let open = |name: &str| -> Arc<dyn DiskFolder> {
        std::fs::create_dir(root.path().join(name)).unwrap();
        Arc::new(LocalFolder::open_ambient(&root.path().join(name)).unwrap())
    };
    let (folders, left) = ([open("a"), open("b")], open("left"));
    let commits = Commits::default();
    for folder in &folders {
        (0..2 * HANDLES_A_COMMIT).for_each(|number| commits.add(CommitStep::Item(item(folder, number))));
    }
    drop(left.create_staged(&StagedName::new(), 0o600).unwrap());
    assert_eq!(left.sweep(Duration::ZERO, &SweepScope::All).unwrap().files, 1, "nobody has it open");
    for folder in &folders {
        let swept = folder.sweep(Duration::ZERO, &SweepScope::All).unwrap();
        assert_eq!((swept.files, swept.kept), (0, 2 * HANDLES_A_COMMIT as u64));
    }
    let (mut steps, _turn) = commits.take();
    let batch: Vec<PendingCommit> = steps.iter_mut().filter_map(CommitStep::take_waiting).collect();
    let (results, broken) = commit(batch, Some(Filesystems::default()), &|| false);
    assert!(results.iter().all(Result::is_ok) && broken.is_none());
    assert_eq!(folders[0].names().unwrap().len(), 2 * HANDLES_A_COMMIT);
}

#[test]
fn a_batch_is_full_before_it_keeps_too_many_folders_open() {
    let (root, commits) = (tempfile::tempdir().unwrap(), Commits::default());
    let mut folders = 0;
    while !commits.is_full() {
        let name = root.path().join(folders.to_string());
        std::fs::create_dir(&name).unwrap();
        let folder: Arc<dyn DiskFolder> = Arc::new(LocalFolder::open_ambient(&name).unwrap());
        commits.add(CommitStep::Item(item(&folder, 0)));
        folders += 1;
        assert!(folders < 1000);
    }
    assert_eq!(folders, 64);
}

/// A peer decides how many failures there are, and how long their texts.
#[test]
fn failures_that_wait_for_a_commit_are_counted() {
    let failed = || vec![(1, Failure::new(crate::failure::FailureCode::Io, "a text")); 3];
    for step in [
        CommitStep::Packed { frame: FrameNo(0), failures: failed(), folders: Vec::new() },
        CommitStep::FoldersSet { frame: FrameNo(0), failures: failed() },
    ] {
        let commits = Commits::default();
        commits.add(step);
        assert_eq!(commits.kept(), 3 * failure_kept_len(&failed()[0].1));
        drop(commits.take());
        assert!(commits.kept() > 0, "until they are told");
        commits.told();
        assert_eq!(commits.kept(), 0);
    }
}
