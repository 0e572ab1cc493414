//! What a real server syncs and writes out for uploads and mirrors, where one sync does not reach all of the filesystem.

use crate::in_process::mirrored::{Mirrored, Recorder, options};
use crate::support::content;
use crate::support::faulty_storage::{Done, Faults, Plan};
use ftp_client::observer::NoopTransferObserver;
use ftp_client::{PutRequest, PutSource, TransferOptions};
use rustix::io::Errno;
use std::fs;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use wire::message::{CopyFile, Durability, Overwrite};
use wire::{Access, RemotePath};

/// Puts the source's tree to the target; returns the operations that it took there.
async fn put(mirrored: &Mirrored, options: TransferOptions) -> Vec<Done> {
    let before = mirrored.faults.record().len();
    let path = RemotePath::from_user(b"target").unwrap();
    let source = PutSource::Tree(mirrored.source(""));
    let put = PutRequest { source, path, into: None, totals: false, options };
    let done = Box::pin(mirrored.served.session.put(put, Arc::new(NoopTransferObserver))).await.unwrap();
    assert_eq!(done.failed, 0);
    mirrored.faults.record().split_off(before)
}

fn has(record: &[Done], op: &str, name: &str) -> bool {
    record.iter().any(|done| done.op == op && done.name == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_stays_is_synced_if_that_was_asked_for() {
    let never = TransferOptions { overwrite: Overwrite::Never, ..TransferOptions::default() };
    for (durability, is_synced) in [(Durability::Process, false), (Durability::Power, true)] {
        let mirrored = Mirrored::start(Faults::syncing_each(), Access::Full).await;
        fs::write(mirrored.source("stays"), "new").unwrap();
        fs::write(mirrored.target("stays"), "old").unwrap();
        let record = put(&mirrored, TransferOptions { durability, ..never.clone() }).await;
        assert_eq!(fs::read(mirrored.target("stays")).unwrap(), b"old");
        assert_eq!(has(&record, "sync_entry", "stays"), is_synced, "{durability:?}: {record:?}");
    }
}

/// Its length could reach the disk before its content.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_with_holes_is_written_out_before_it_gets_its_name() {
    let mirrored = Mirrored::start(Faults::new(Plan::None), Access::Full).await;
    for (sparse, is_written_out) in [(false, false), (true, true)] {
        let mut bytes = content(1, 100_000);
        bytes[10_000..].fill(0);
        let name = format!("sparse {sparse}");
        fs::write(mirrored.source(&name), bytes).unwrap();
        let record = put(&mirrored, TransferOptions { sparse, ..TransferOptions::default() }).await;
        assert_eq!(has(&record, "sync_file", &name), is_written_out, "{record:?}");
    }
}

/// Somebody else has removed it meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_when_all_is_synced_needs_no_sync() {
    for (errno, is_gone) in [(Errno::NOENT, true), (Errno::IO, false)] {
        let faults = Faults::syncing_each_with(Plan::FailAll("sync_entry", errno.raw_os_error()));
        let mirrored = Mirrored::start(faults, Access::Full).await;
        for path in [mirrored.source("file"), mirrored.target("file")] {
            fs::write(&path, "content").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH).unwrap();
        }
        let options = options(|options| options.transfer.durability = Durability::Power);
        let outcome = mirrored.up("target", options, &Recorder::new()).await;
        let record = mirrored.faults.record();
        assert_eq!(outcome.is_ok_and(|outcome| outcome.summary.transfer.failed == 0), is_gone, "{record:?}");
        assert!(has(&record, "sync_entry", "file"), "{record:?}");
    }
}

/// After a loss of power there is the old content or the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_the_place_of_a_file_is_written_out_before_it_gets_the_name() {
    for is_there in [false, true] {
        let mirrored = Mirrored::start(Faults::new(Plan::None), Access::Full).await;
        fs::write(mirrored.target("from"), "new").unwrap();
        if is_there {
            fs::write(mirrored.target("to"), "old").unwrap();
        }
        let path = |name: &str| RemotePath::from_user(format!("target/{name}").as_bytes()).unwrap();
        let (from, to) = (path("from"), path("to"));
        let copy = CopyFile { from, to, into: None, overwrite: Overwrite::Always };
        mirrored.served.session.call(copy).await.unwrap();
        assert_eq!(fs::read(mirrored.target("to")).unwrap(), b"new");
        let record = mirrored.faults.record();
        assert_eq!(record.iter().any(|done| done.op == "sync_file"), is_there, "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_must_survive_a_loss_of_power_ends_with_a_sync_of_all() {
    for is_there in [true, false] {
        for durability in [Durability::Process, Durability::Power] {
            let mirrored = Mirrored::start(Faults::syncing_each(), Access::Full).await;
            fs::write(mirrored.source("file"), "content").unwrap();
            if !is_there {
                fs::remove_dir(mirrored.target("")).unwrap();
            }
            let options = options(|options| options.transfer.durability = durability);
            let outcome = mirrored.up("target", options, &Recorder::new()).await.unwrap();
            assert_eq!(outcome.summary.transfer.files, 1);
            let record = mirrored.faults.record();
            let is_synced = has(&record, "sync_entry", "file");
            assert_eq!(is_synced, durability == Durability::Power, "there: {is_there}: {record:?}");
        }
    }
}
