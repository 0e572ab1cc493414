//! Everyday jobs, each typed as somebody types it first who knows rsync, scp, sftp, lftp and rclone.

use crate::support::content;
use std::fs;
use std::process::Command;
use tests::world::{PASSWORD, Ran, World, binaries};

/// The jobs, in an order in which each has what it needs.
const JOBS: &[&str] = &[
    "ftp-client put report.pdf work:",
    "ftp-client put -r photos work:",
    "ftp-client get work:report.pdf .",
    "ftp-client get -r work:photos .",
    "ftp-client ls -la work:",
    "ftp-client ls -lht work:photos",
    "ftp-client put *.pdf work:docs/",
    "ftp-client get 'work:*.pdf' .",
    "ftp-client mirror -av --delete photos/ work:photos",
    "ftp-client mirror -avn --delete photos/ work:photos",
    "ftp-client mirror --exclude='*.tmp' --exclude .git photos work:photos",
    "ftp-client check photos work:photos",
    "ftp-client put -avzP photos work:",
    "ftp-client put --bwlimit=500 report.pdf work:",
    "ftp-client put --progress report.pdf work:",
    "ftp-client rm -rf work:docs",
    "ftp-client mkdir -p work:a/b/c",
    "ftp-client mv work:report.pdf work:old.pdf",
    "ftp-client cp work:old.pdf work:new.pdf",
    "ftp-client cat work:photos/notes.txt",
    "timeout 2 ftp-client tail -f work:today.log; [ $? = 124 ]",
    "ftp-client tail -20 work:today.log",
    "ftp-client du -sh work:photos",
    "ftp-client df -h work:",
    "ftp-client find work:photos -name '*.jpg' -mtime -7",
    "ftp-client chmod -R 755 work:photos",
    "tar cz photos | ftp-client put - work:photos.tgz",
    "ftp-client cat work:photos.tgz | tar tz",
    "ftp-client hash work:photos.tgz",
    "ftp-client get -c work:photos.tgz",
    "ftp-client put --remove-source-files moved.pdf work:",
    "ftp-client mirror work:photos backup/",
    "ftp-client shell -c 'cd photos; mput *.pdf; mget *.txt; ls -l' work:",
    "ftp-client shell -c 'put report.pdf -o may.pdf; get may.pdf -o june.pdf' work:",
    "ftp-client shell -c 'lcd photos; put notes.txt; tail -5 today.log; bye' work:",
];

#[test]
fn everyday_jobs_work_as_they_are_typed_first() {
    let world = World::serving();
    world.check(["profile", "add", "work", &world.url("")]);
    let local = world.local();
    fs::create_dir_all(local.join("photos/2026")).unwrap();
    fs::write(local.join("photos/2026/cat.jpg"), content(1, 300_000)).unwrap();
    fs::write(local.join("photos/notes.txt"), "hello\n").unwrap();
    for (number, name) in ["report.pdf", "moved.pdf"].iter().enumerate() {
        fs::write(local.join(name), content(number as u64, 50_000)).unwrap();
    }
    fs::write(world.root().join("today.log"), "begun\nended\n").unwrap();
    let path = format!("{}:/usr/bin:/bin", binaries().client.parent().unwrap().display());
    for job in JOBS {
        let mut shell = Command::new("bash");
        shell.args(["-o", "pipefail", "-c", job]).current_dir(&local).env_clear();
        shell.env("HOME", local.parent().unwrap()).env("PATH", &path).env("FTPX_PASSWORD", PASSWORD);
        let ran = Ran::from(shell.output().unwrap());
        assert_eq!(ran.code, Some(0), "{job}: {}", ran.stderr);
    }
    let there = |path: &str| fs::read(world.root().join(path));
    assert_eq!(there("old.pdf").unwrap(), there("new.pdf").unwrap());
    assert_eq!(there("may.pdf").unwrap(), fs::read(local.join("june.pdf")).unwrap());
    assert_eq!(there("moved.pdf").unwrap(), content(1, 50_000));
    assert!(!local.join("moved.pdf").exists() && there("docs/report.pdf").is_err());
    assert_eq!(fs::read(local.join("backup/2026/cat.jpg")).unwrap(), content(1, 300_000));
}

/// These cannot be done as they are typed; the answer has what to type.
#[test]
fn what_cannot_be_is_answered_with_what_to_type() {
    let world = World::serving();
    let url = world.url("");
    for (line, answer) in [
        ("mirror -R photos", "put -r DIR"),
        ("dir", "ls -l REMOTE"),
        ("delete a", "rm REMOTE"),
        ("rename a b", "mv REMOTE REMOTE"),
        ("reget a", "get REMOTE LOCAL"),
        ("head a", "cat REMOTE"),
    ] {
        let ran = world.client(["shell", "-c", line, &url]);
        assert!(ran.code == Some(2) && ran.stderr.contains(answer), "{line}: {}", ran.stderr);
    }
    let ran = world.client(["sync", "photos", &url]);
    assert!(ran.stderr.contains("ftp-client mirror --delete SOURCE TARGET"), "{}", ran.stderr);
}
