//! A connection lost during the last sync of a large file: the file is complete by then, and the next run sends none of it.

use crate::faults::odd_filesystems::Stage;
use crate::support::fuse::{Lacks, Op};
use crate::support::{content, event, leftovers, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use tests::world::Ran;

/// Some are only sent whole if other users may write to them.
const MODES: [u32; 2] = [0o644, 0o666];
/// Attempts at a case.
const ATTEMPTS: usize = 5;

#[test]
fn a_file_that_was_being_synced_is_not_sent_again() {
    for way in ["put", "get"] {
        for (mode, replaces) in MODES.into_iter().zip([false, true]) {
            // A client may notice its server's end only after the sync: then the file has its name, and the attempt shows
            // nothing.
            let is_shown = (0..ATTEMPTS).any(|_| match Stage::new(Lacks::default()) {
                Some(stage) => is_kept(stage, way, mode, replaces),
                None => true, // the reason has been printed
            });
            assert!(is_shown, "{way}, {mode:o}: the file always got its name before the connection was lost");
        }
    }
}

/// Returns true if the file was kept and not sent again; false if it had its name before the connection was lost.
fn is_kept(mut stage: Stage, way: &str, mode: u32, replaces: bool) -> bool {
    let bytes = content(5, 20_000_000);
    let (source, target) = match way {
        "put" => (stage.world.local().join("big"), stage.fuse.path().join("big")),
        _ => (stage.world.root().join("big"), stage.fuse.path().join("big")),
    };
    fs::write(&source, &bytes).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
    if replaces {
        fs::write(&target, "old").unwrap();
    }
    let arguments = |stage: &Stage| match way {
        "put" => vec!["put".to_owned(), "big".to_owned(), stage.world.url("big")],
        _ => vec!["get".to_owned(), stage.world.url_of("other", "big"), target.display().to_string()],
    };
    let more = ["--json", "--durability=power"].map(str::to_owned);
    let mut first = stage.world.client_command(arguments(&stage).into_iter().chain(more.clone()));
    first.args(["--give-up-after=1s"]);
    let before = stage.fuse.count(Op::Fsync);
    stage.fuse.hang(Op::Fsync);
    let mut client = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the file is being synced", || stage.fuse.count(Op::Fsync) > before);
    match way {
        "put" => {
            client.kill().unwrap();
            client.wait().unwrap();
            wait_until("the server knows", || stage.world.server().log().contains("session ended"));
            stage.fuse.release();
        }
        _ => {
            stage.world.server_mut().kill();
            wait_until("the client knows", || {
                stage.fuse.release();
                client.try_wait().unwrap().is_some()
            });
            let ran = Ran::from(client.wait_with_output().unwrap());
            assert!(ran.code != Some(0) || fs::read(&target).unwrap() == bytes, "{}", ran.stderr);
            stage.world.restart();
        }
    }
    if way == "get" && leftovers(&stage.fuse.path()).is_empty() {
        assert!(fs::read(&target).unwrap() == bytes, "{way}, {mode:o}: nothing was kept");
        return false;
    }
    assert!(!leftovers(&stage.fuse.path()).is_empty(), "{way}, {mode:o}: nothing was kept");
    let ran = stage.world.check(arguments(&stage).into_iter().chain(more));
    let finished = event(&ran, "finished");
    let sent = finished["bytes_transferred"].as_u64().unwrap();
    assert!(sent < 1_000, "{way}, {mode:o}: {finished}");
    assert!(fs::read(&target).unwrap() == bytes, "{way}");
    assert!(leftovers(&stage.fuse.path()).is_empty(), "{way}");
    true
}
