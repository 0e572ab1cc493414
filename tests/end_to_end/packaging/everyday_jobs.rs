//! Runs the user's guide's table of everyday jobs and its script: each of our commands, unchanged.

use super::documents;
use crate::support::content;
use std::fs;
use std::process::Command;
use tests::world::{PASSWORD, World, binaries};

/// Returns our commands: the first column with commands of each row.
fn commands(guide: &str) -> Vec<String> {
    let table = guide.split("## Everyday jobs").nth(1).expect("the table's heading");
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let ours = |row: &str| {
        let command =
            row.replace("\\|", "\u{1}").split('|').nth(2).unwrap().trim().trim_matches('`').to_owned();
        command.replace('\u{1}', "|")
    };
    rows.map(ours).collect()
}

/// Returns the lines of the guide's script.
fn script(guide: &str) -> String {
    let shown = guide.lines().skip_while(|line| !line.starts_with("    # nightly"));
    let lines =
        shown.take_while(|line| line.starts_with("    ")).map(|line| format!("{}\n", line.trim_start()));
    lines.collect()
}

#[test]
fn the_table_of_everyday_jobs_is_true() {
    let guide = documents::read("ftp-client/README.md");
    let world = World::serving();
    world.check(["profile", "add", "work", &world.url("")]);
    let photos = world.local().join("photos/2026");
    fs::create_dir_all(&photos).unwrap();
    fs::write(photos.join("cat.jpg"), content(1, 300_000)).unwrap();
    fs::write(photos.join("x.tmp"), "").unwrap();
    fs::write(world.local().join("report.pdf"), content(2, 50_000)).unwrap();
    fs::write(world.root().join("photos.txt"), "photos\nof May\n").unwrap();
    fs::write(world.root().join("today.log"), "begun\nended\n").unwrap();
    fs::write(world.local().join("moved.pdf"), content(3, 50_000)).unwrap();
    fs::write(world.local().join("nightly"), script(&guide)).unwrap();
    let path = format!("{}:/usr/bin:/bin", binaries().client.parent().unwrap().display());
    let commands = commands(&guide);
    assert_eq!(commands.len(), 33);
    for command in &commands {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("set -e; {command}")]).current_dir(world.local()).env_clear();
        shell.env("HOME", world.local().parent().unwrap()).env("PATH", &path).env("FTPX_PASSWORD", PASSWORD);
        let ran = shell.env("DAY", "monday").output().unwrap();
        assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
        assert!(command.contains("ftp-client "), "{command}");
    }
    let there = |path: &str| world.root().join(path);
    assert_eq!(fs::read(there("backup/monday/photos/2026/cat.jpg")).unwrap(), content(1, 300_000));
    assert_eq!(fs::read(there("june.pdf")).unwrap(), content(2, 50_000));
    assert_eq!(fs::read(world.local().join("copy.pdf")).unwrap(), content(2, 50_000));
    assert!(world.local().join("fetched/2026/cat.jpg").exists() && there("photos.tar").exists());
    assert!(there("photos/2026/cat.jpg").exists(), "the script made it again");
}
