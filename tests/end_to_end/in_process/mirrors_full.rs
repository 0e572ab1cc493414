//! A mirror whose target is full: deletions come first where they make space, and failures are reported in the end.

use crate::in_process::mirrored::{Mirrored, Recorder, delete, options};
use crate::support::faulty_storage::{Faults, Plan};
use ftp_client::mirror::{DeleteLimit, DeleteRefusal, MirrorAction, RefusalReason};
use rustix::io::Errno;
use std::fs;
use wire::{Access, FailureCode};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_lacked_space_is_made_after_the_deletions_and_did_not_fail() {
    let mirrored = Mirrored::start(Faults::new(Plan::Full), Access::Full).await;
    fs::write(mirrored.source("new"), "content").unwrap();
    fs::write(mirrored.target("old"), "content").unwrap();
    fs::write(mirrored.target("x"), "goes").unwrap();
    let options = options(|options| {
        delete(options);
        options.detect_moves = true;
    });
    let recorder = Recorder::new();
    let summary = mirrored.up("target", options, &recorder).await.unwrap().summary;
    assert_eq!(recorder.records().failed, [""; 0]);
    assert_eq!((summary.moved, summary.deleted, summary.transfer.failed), (1, 1, 0));
    assert_eq!(fs::read(mirrored.target("new")).unwrap(), b"content");
    assert_eq!(fs::read_dir(mirrored.target("")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lacks_space_fails_if_nothing_can_be_deleted() {
    let mirrored = Mirrored::start(Faults::new(Plan::Full), Access::Full).await;
    fs::write(mirrored.source("new"), "content").unwrap();
    let recorder = Recorder::new();
    let summary = mirrored.up("target", options(delete), &recorder).await.unwrap().summary;
    assert_eq!(recorder.records().failed, ["/new NoSpace"]);
    assert_eq!((summary.transfer.failed, summary.transfer.gravest), (1, Some(FailureCode::NoSpace)));
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_come_last_if_the_target_does_not_say_how_much_space_it_has() {
    for (plan, planned) in [
        (Plan::FailAll("space", Errno::IO.raw_os_error()), &["+/new", "-/x"][..]),
        (Plan::Full, &["+/new", "-/x", "+/new"]),
    ] {
        let mirrored = Mirrored::start(Faults::new(plan), Access::Full).await;
        fs::write(mirrored.source("new"), "content").unwrap();
        fs::write(mirrored.target("x"), "goes").unwrap();
        let recorder = Recorder::new();
        let outcome = mirrored.up("target", options(delete), &recorder).await.unwrap();
        assert_eq!((outcome.summary.transfer.files, outcome.summary.deleted), (1, 1), "{plan:?}");
        assert_eq!(recorder.records().planned, planned, "{plan:?}");
    }
}

/// Something to delete appears at the target between the two comparisons.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_files_were_sent_says_how_many() {
    let lacking = Plan::FailAll("rename", Errno::NOSPC.raw_os_error());
    let mirrored = Mirrored::start(Faults::new(lacking), Access::Full).await;
    fs::write(mirrored.source("a"), "is sent").unwrap();
    fs::write(mirrored.source("m"), "content").unwrap();
    fs::write(mirrored.target("old"), "content").unwrap();
    fs::write(mirrored.target("x"), "would go").unwrap();
    let options = options(|options| {
        options.delete = true;
        options.delete_max = DeleteLimit::Count(1);
        options.detect_moves = true;
    });
    let later = mirrored.target("y");
    let recorder = Recorder::with(move |action| {
        if matches!(action, MirrorAction::Moved { .. }) {
            fs::write(&later, "would go too").unwrap();
        }
        Ok(())
    });
    let outcome = mirrored.up("target", options, &recorder).await.unwrap();
    let reason = RefusalReason::TooMany { deletions: 2, entries: 4 };
    let expected = DeleteRefusal { reason, copied: 1, is_first: false, is_dry: false };
    assert_eq!(outcome.refusal, Some(expected));
    assert_eq!(recorder.records().failed, ["/m NoSpace"]);
    assert!(mirrored.target("x").exists() && mirrored.target("a").exists());
}
