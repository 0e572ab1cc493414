//! A mirror's effects on its target: what is held back and released, the mirrored folder itself, and totals.

use crate::in_process::mirrored::{Mirrored, Recorder, delete, mirror, options};
use crate::support::chmod;
use crate::support::faulty_storage::{Faults, Plan};
use crate::support::in_memory::OneStorage;
use crate::support::served::Served;
use ftp_client::Error;
use ftp_client::mirror::{MirrorAction, MirrorDirection};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::memory_storage::MemoryStorage;
use wire::path::NameRef;
use wire::store::Storage;
use wire::{Access, RemotePath};

async fn start(access: Access) -> Mirrored {
    Mirrored::start(Faults::new(Plan::None), access).await
}

/// The source is in memory: it has more than is held back.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_while_what_was_held_back_is_released_ends_the_run() {
    let (storage, target) = (MemoryStorage::default(), tempfile::tempdir().unwrap());
    let root = storage.folder(&RemotePath::root()).unwrap();
    for number in 0..FOLDERS {
        root.make_folder(NameRef::new(format!("{number:04}").as_bytes()).unwrap(), 0o755).unwrap();
    }
    fs::write(target.path().join("x"), "x").unwrap();
    let served = Served::start(Arc::new(OneStorage(storage)), Path::new("/memory"), Access::Full).await;
    let is_first = AtomicBool::new(true);
    let recorder =
        Recorder::with(
            move |_| {
                if is_first.swap(false, Ordering::SeqCst) { Err(Error::Interrupted) } else { Ok(()) }
            },
        );
    let (down, local) = (MirrorDirection::Download, target.path().to_owned());
    let ended = mirror(&served.session, down, local, "/", options(delete), &recorder).await;
    assert!(matches!(ended, Err(Error::Interrupted)), "{ended:?}");
    let names: Vec<_> =
        fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["x"]);
}

/// What comes into it may not be for others to see.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_closed_to_others_before_something_comes_into_it() {
    let mirrored = start(Access::Full).await;
    for file in ["a", "b"] {
        fs::write(mirrored.source(file), file).unwrap();
    }
    chmod(&mirrored.source(""), 0o700);
    chmod(&mirrored.target(""), 0o755);
    let (modes, target) = (Arc::new(Mutex::new(Vec::new())), mirrored.target(""));
    let recorder = Recorder::with({
        let modes = modes.clone();
        move |_| {
            let mode = fs::metadata(&target).unwrap().permissions().mode() & 0o777;
            modes.lock().unwrap().push(mode);
            Ok(())
        }
    });
    let outcome = mirrored.up("target", options(|_| {}), &recorder).await.unwrap();
    assert_eq!(outcome.summary.transfer.files, 2);
    let (planned, modes) = (recorder.records().planned, modes.lock().unwrap().clone());
    assert_eq!(planned, ["+/a", "+/b"]);
    assert_eq!(modes, [0o755, 0o700], "when /a and /b are planned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_its_user_may_not_change_is_left_as_it_is() {
    let mirrored = start(Access::Write).await;
    let root = mirrored.target("..").canonicalize().unwrap();
    fs::remove_dir(mirrored.target("")).unwrap();
    chmod(&root, 0o711);
    let options = options(|options| options.owner = true);
    let recorder = Recorder::new();
    let outcome = mirrored.up("/", options, &recorder).await.unwrap();
    assert_eq!(recorder.records().failed, [""; 0]);
    assert_eq!((outcome.summary.transfer.failed, outcome.summary.transfer.not_owned), (0, 0));
    assert_eq!(fs::metadata(root).unwrap().permissions().mode() & 0o777, 0o711);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_the_place_of_folders_count_among_the_totals() {
    let mirrored = start(Access::Full).await;
    fs::write(mirrored.source("a"), "seven b").unwrap();
    fs::write(mirrored.source("b"), "b").unwrap();
    fs::create_dir(mirrored.target("a")).unwrap();
    let recorder = Recorder::new();
    let outcome = mirrored.up("target", options(|_| {}), &recorder).await.unwrap();
    assert_eq!(outcome.summary.transfer.files, 2);
    assert_eq!(recorder.records().totals, Some((2, 8, true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_is_reported() {
    let failing = Plan::FailAll("remove_file", Errno::ACCESS.raw_os_error());
    let mirrored = Mirrored::start(Faults::new(failing), Access::Full).await;
    fs::write(mirrored.source("new"), "new").unwrap();
    fs::write(mirrored.target("x"), "stays").unwrap();
    let recorder = Recorder::new();
    let summary = mirrored.up("target", options(delete), &recorder).await.unwrap().summary;
    assert_eq!(recorder.records().failed, ["/x PermissionDenied"]);
    assert_eq!((summary.transfer.failed, summary.deleted), (1, 0));
    assert_eq!(fs::read(mirrored.target("x")).unwrap(), b"stays");
}

/// Somebody else has removed it meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_when_it_is_to_be_deleted_is_no_failure() {
    let mirrored = start(Access::Full).await;
    fs::write(mirrored.source("new"), "new").unwrap();
    fs::write(mirrored.target("gone"), "gone").unwrap();
    let gone = mirrored.target("gone");
    let recorder = Recorder::with(move |action| {
        if matches!(action, MirrorAction::Deleted { .. }) {
            fs::remove_file(&gone).unwrap();
        }
        Ok(())
    });
    let summary = mirrored.up("target", options(delete), &recorder).await.unwrap().summary;
    assert_eq!(recorder.records().planned, ["+/new", "-/gone"]);
    assert_eq!((recorder.records().failed, summary.transfer.failed), (Vec::new(), 0));
}

/// What was to be deleted may be the only copy.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_deleted_if_a_file_did_not_arrive() {
    let failing = Plan::FailAll("publish", Errno::ACCESS.raw_os_error());
    let mirrored = Mirrored::start(Faults::new(failing), Access::Full).await;
    fs::write(mirrored.source("m"), "content").unwrap();
    fs::write(mirrored.target("m"), "older").unwrap();
    fs::write(mirrored.target("x"), "stays").unwrap();
    let recorder = Recorder::new();
    let summary = mirrored.up("target", options(delete), &recorder).await.unwrap().summary;
    assert_eq!(recorder.records().failed, ["/m PermissionDenied"]);
    assert_eq!((summary.transfer.failed, summary.deleted), (1, 0));
    assert_eq!(fs::read(mirrored.target("x")).unwrap(), b"stays");
}

/// Each is held back as two deeds: it is made, and it is left.
const FOLDERS: usize = 4100;

/// Long paths use up the memory for items that are asked for, long before there are many items.
#[tokio::test(flavor = "multi_thread")]
async fn items_with_long_paths_are_asked_for_before_more_would_be_too_many() {
    let (storage, target) = (MemoryStorage::default(), tempfile::tempdir().unwrap());
    let name = |number: usize| format!("{number:0250}");
    let mut folder = storage.folder(&RemotePath::root()).unwrap();
    for depth in 0..DEPTH {
        let (text, parent) = (name(depth), folder);
        parent.make_folder(NameRef::new(text.as_bytes()).unwrap(), 0o755).unwrap();
        folder = parent.folder(NameRef::new(text.as_bytes()).unwrap()).unwrap();
    }
    for number in 0..LONG_PATHS {
        folder.make_folder(NameRef::new(name(number).as_bytes()).unwrap(), 0o755).unwrap();
    }
    let served = Served::start(Arc::new(OneStorage(storage)), Path::new("/memory"), Access::Full).await;
    let (down, local, recorder) = (MirrorDirection::Download, target.path().to_owned(), Recorder::new());
    let mirrored = mirror(&served.session, down, local, "/", options(|_| {}), &recorder);
    let mirrored = tokio::time::timeout(Duration::from_secs(60), mirrored).await.expect("it ends");
    assert_eq!(mirrored.unwrap().summary.transfer.failed, 0);
    assert_eq!(recorder.records().planned.len(), DEPTH + LONG_PATHS);
}

/// Together more than a mebibyte of paths, and fewer than are asked for at once otherwise.
const LONG_PATHS: usize = 400;
const DEPTH: usize = 15;
