//! `mirror --watch`: local changes reach the server as they come.

use crate::support::wait_until_same_for_rsync;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use tests::world::{World, signal};

/// A mirror that watches, and its events.
pub(crate) struct Watching {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Watching {
    pub(crate) fn start(world: &World, options: &[&str]) -> Self {
        Self::start_by(Self::command(world, options))
    }

    /// The command that mirrors `source` to `target`.
    pub(crate) fn command(world: &World, options: &[&str]) -> Command {
        let url = world.url("target");
        let words = ["mirror", "--watch", "--delete", "--json", "source", &url];
        world.client_command(words.iter().chain(options))
    }

    pub(crate) fn start_by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        Self { child, lines: read_lines(output) }
    }

    /// Waits until the mirror has no work left.
    pub(crate) fn rest(&self) {
        self.wait_for("waiting");
    }

    /// Waits for an event of a kind.
    pub(crate) fn wait_for(&self, kind: &str) -> serde_json::Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("the mirror goes on");
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            if event["event"] == kind {
                return event;
            }
        }
    }

    pub(crate) fn interrupt(mut self) -> Option<i32> {
        signal(self.child.id(), "INT");
        self.child.wait().unwrap().code()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn read_lines(output: ChildStdout) -> std::sync::mpsc::Receiver<String> {
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[test]
fn each_round_has_counts_of_its_own() {
    let world = World::serving();
    fs::create_dir(world.local().join("source")).unwrap();
    for number in 0..3 {
        fs::write(world.local().join(format!("source/{number}")), "content").unwrap();
    }
    let watching = Watching::start(&world, &[]);
    for files in [3, 1] {
        let is_round = |event: &serde_json::Value| event["files"] == files && event["total_files"] == files;
        while !is_round(&watching.wait_for("progress")) {}
        fs::write(world.local().join("source/more"), "more content").unwrap();
    }
    watching.interrupt();
}

#[test]
fn changes_reach_the_server_as_they_come() {
    let world = World::serving();
    let (source, target) = (world.local().join("source"), world.root().join("target"));
    fs::create_dir_all(source.join("folder")).unwrap();
    fs::write(source.join("folder/file"), "first").unwrap();
    let watching = Watching::start(&world, &[]);
    watching.rest();
    wait_until_same_for_rsync(&source, &target);

    fs::write(source.join("folder/file"), "second").unwrap();
    fs::create_dir_all(source.join("new/deep")).unwrap();
    fs::write(source.join("new/deep/file"), "new").unwrap();
    // Changes may settle in more than one round.
    while !target.join("new/deep/file").exists() {
        watching.rest();
    }
    assert_eq!(fs::read_to_string(target.join("folder/file")).unwrap(), "second");
    wait_until_same_for_rsync(&source, &target);

    fs::remove_dir_all(source.join("new")).unwrap();
    fs::rename(source.join("folder/file"), source.join("folder/renamed")).unwrap();
    while target.join("new").exists() {
        watching.rest();
    }
    wait_until_same_for_rsync(&source, &target);
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_file_of_several_names_is_one_file_when_one_of_them_is_written_to() {
    use std::os::unix::fs::MetadataExt;
    let world = World::serving();
    let (source, target) = (world.local().join("source"), world.root().join("target"));
    for folder in ["a", "b"] {
        fs::create_dir_all(source.join(folder)).unwrap();
    }
    fs::write(source.join("a/file"), "first").unwrap();
    fs::hard_link(source.join("a/file"), source.join("b/file")).unwrap();
    let watching = Watching::start(&world, &["-H"]);
    watching.rest();
    fs::write(source.join("a/file"), "second").unwrap();
    while fs::read_to_string(target.join("a/file")).unwrap() != "second" {
        watching.rest();
    }
    let inode = |name: &str| fs::metadata(target.join(name)).unwrap().ino();
    assert_eq!(inode("a/file"), inode("b/file"));
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_server_that_goes_away_ends_it_if_it_is_not_to_connect_again() {
    let mut world = World::serving();
    fs::create_dir(world.local().join("source")).unwrap();
    let watching = Watching::start(&world, &["--retry=0"]);
    watching.rest();
    world.server_mut().kill();
    assert_eq!(watching.end(), Some(3), "although nothing changed");
}

const PATIENCE: Duration = Duration::from_secs(60);
