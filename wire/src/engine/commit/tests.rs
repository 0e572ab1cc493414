//! Tests of batches whose sync fails, and of files that are in use while they wait.

use super::*;
use crate::engine::admission::{AdmissionRule, Candidate};
use crate::ids::FrameNo;
use crate::message::Overwrite;
use crate::path::{NameRef, RemotePath};
use crate::store::sweep::SweepScope;
use crate::store::{LocalFolder, StagedName};
use std::time::Duration;

fn item(folder: &Arc<dyn DiskFolder>, number: usize) -> PendingItem {
    let staged = StagedName::new();
    let content = Unsynced::File(folder.create_staged(&staged, 0o600).unwrap().into());
    let name = NameRef::new(format!("file-{number}").as_bytes()).unwrap().to_name();
    let rule = Arc::new(AdmissionRule::new(Overwrite::Always, false));
    let admission = rule.admit(&**folder, (&name).into(), Candidate::default()).unwrap();
    let waiting = crate::engine::placing::waiting(folder.clone(), staged, name, admission, content, false);
    let Placed::Pending(waiting) = waiting else { panic!("it waits") };
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
        (0..2 * FEW).for_each(|number| commits.add(CommitStep::Item(item(folder, number))));
    }
    drop(left.create_staged(&StagedName::new(), 0o600).unwrap());
    assert_eq!(left.sweep(Duration::ZERO, &SweepScope::All).unwrap().files, 1, "nobody has it open");
    for folder in &folders {
        let swept = folder.sweep(Duration::ZERO, &SweepScope::All).unwrap();
        assert_eq!((swept.files, swept.kept), (0, 2 * FEW as u64));
    }
    let (mut steps, _turn) = commits.take();
    let batch: Vec<PendingCommit> = steps.iter_mut().filter_map(CommitStep::take_waiting).collect();
    let (results, broken) = commit(batch, Some(Filesystems::default()), &|| false);
    assert!(results.iter().all(Result::is_ok) && broken.is_none());
    assert_eq!(folders[0].names().unwrap().len(), 2 * FEW);
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

/// After a failed sync the state of the disk is unknown: each item of the batch fails, and those after it.
#[test]
fn a_failed_sync_fails_all_of_a_batch_and_what_comes_after_it() {
    let (results, broken) = failed(&[None, None], &io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| result.as_ref().is_err_and(|f| f.code == FailureCode::NoSpace)));
    assert_eq!(broken.map(|failure| failure.code), Some(FailureCode::NoSpace));
}
