//! The end of servers: an orderly stop lets running files finish, and a share ends when it should.

use crate::support::{PATIENCE, content, events, leftovers, wait_until};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::world::{Ran, World, binaries, signal};

#[test]
fn a_polite_stop_lets_a_running_upload_finish_and_takes_no_new_connections() {
    let mut world = World::serving();
    fs::write(world.local().join("large"), content(1, 16_000_000)).unwrap();
    let mut command =
        world.client_command(["put", "--limit-rate=8M", "--json", "large", &world.url("large")]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    let (address, id) = (world.server().address, world.server().id());
    signal(id, "TERM");
    wait_until("new connections are refused", || TcpStream::connect(address).is_err());
    assert!(!world.root().join("large").exists(), "the upload should still run, or this test shows nothing");
    assert_eq!(world.client(["ls", &world.url("")]).code, Some(3));
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(world.server_mut().wait(), Some(0));
    assert!(fs::read(world.root().join("large")).unwrap() == content(1, 16_000_000));
}

#[test]
fn a_polite_stop_lets_a_running_download_finish() {
    let mut world = World::serving();
    fs::create_dir(world.root().join("tree")).unwrap();
    for number in 0..20 {
        fs::write(world.root().join(format!("tree/{number}")), content(number, 700_000)).unwrap();
    }
    let mut command = world.client_command(["get", "-r", "--limit-rate=8M", &world.url("tree/"), "back"]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the first file is there", || {
        fs::read_dir(world.local().join("back")).is_ok_and(|mut folder| folder.next().is_some())
    });
    assert_eq!(world.server_mut().terminate(), Some(0));
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    crate::support::assert_same(&world.root().join("tree"), &world.local().join("back"));
}

#[test]
fn a_second_signal_ends_at_once_and_nothing_half_is_published() {
    let mut world = World::serving();
    fs::write(world.root().join("large"), "the old content").unwrap();
    fs::write(world.local().join("large"), content(1, 64_000_000)).unwrap();
    let mut command = world.client_command([
        "put",
        "--limit-rate=4M",
        "--no-resume",
        "--retry=0",
        "large",
        &world.url("large"),
    ]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    signal(world.server().id(), "TERM");
    let address = world.server().address;
    wait_until("the server drains", || TcpStream::connect(address).is_err());
    let begin = Instant::now();
    assert_ne!(world.server_mut().terminate(), Some(0), "what was running was not finished");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(world.root().join("large")).unwrap(), "the old content");
    assert!(leftovers(&world.root()).is_empty(), "{:?}", leftovers(&world.root()));
}

#[test]
fn an_idle_session_does_not_hold_up_a_stop() {
    let mut world = World::serving();
    let mut command = world.client_command(["put", "-", &world.url("stream")]);
    let mut client =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the session is there", || world.server().log().contains("login"));
    drop(client.stdin.take());
    assert_eq!(client.wait().unwrap().code(), Some(0));
    let begin = Instant::now();
    assert_eq!(world.server_mut().terminate(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn an_interrupted_client_says_so_and_leaves_nothing_at_the_server() {
    let world = World::serving();
    fs::write(world.local().join("large"), content(1, 64_000_000)).unwrap();
    for name in ["INT", "TERM"] {
        let mut command = world.client_command([
            "put",
            "--json",
            "--no-resume",
            "--limit-rate=4M",
            "large",
            &world.url("large"),
        ]);
        let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
        signal(client.id(), name);
        let ran = Ran::from(client.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        assert_eq!(events(&ran).last().unwrap()["exit_code"], 130);
        wait_until("nothing is left", || crate::support::names_below(&world.root()).is_empty());
    }
}

#[test]
fn the_command_that_a_share_prints_works_as_printed() {
    let world = World::empty();
    fs::create_dir(world.root().join("inner")).unwrap();
    fs::write(world.root().join("inner/file"), content(1, 700_000)).unwrap();
    let share = Share::start(&world, &[]);
    let ran = share.run_command(&world, &share.commands[0]);
    assert_eq!(ran.code, Some(0), "{}: {}", share.commands[0], ran.stderr);
    crate::support::assert_same(&world.root(), &world.local());
    let again = share.run_command(&world, &share.commands[0]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let refused = share.run_command(
        &world,
        &share.commands[0].replace("get -r", "put -r").replace(" .", "").replace("'ftpx", "inner 'ftpx"),
    );
    assert_eq!(refused.code, Some(4), "a share is for reading: {}", refused.stderr);
}

#[test]
fn a_share_for_writing_takes_files() {
    let world = World::empty();
    fs::write(world.local().join("file"), "content").unwrap();
    let share = Share::start(&world, &["--write"]);
    let ran = share.run_command(&world, &share.commands[1].replace("FILE...", "file"));
    assert_eq!(ran.code, Some(0), "{}: {}", share.commands[1], ran.stderr);
    assert_eq!(fs::read_to_string(world.root().join("file")).unwrap(), "content");
}

#[test]
fn a_share_for_one_login_serves_one_login() {
    let world = World::empty();
    fs::write(world.root().join("file"), content(1, 3_000_000)).unwrap();
    let share = Share::start(&world, &["--once"]);
    let first = share.run_command(&world, &share.commands[0]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(fs::read(world.local().join("file")).unwrap() == content(1, 3_000_000));
    assert_eq!(share.run_command(&world, &share.commands[0]).code, Some(4));
}

#[test]
fn a_share_ends_when_its_time_is_over() {
    let world = World::empty();
    let mut share = Share::start(&world, &["--for", "1s"]);
    let status = share.wait();
    assert_eq!(status, Some(0));
    assert_eq!(share.run_command(&world, &share.commands[0]).code, Some(3));
}

#[test]
fn what_a_share_still_moves_when_its_time_is_over_is_cut() {
    let world = World::empty();
    fs::write(world.local().join("large"), content(1, 64_000_000)).unwrap();
    let mut share = Share::start(&world, &["--write", "--for", "4s"]);
    let line = share.commands[1].replace("FILE...", "large").replace("put", "put --limit-rate=2M");
    let ran = share.run_command(&world, &line);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("ended the session: the token of this login has expired"), "{}", ran.stderr);
    assert_eq!(share.wait(), Some(0));
    assert!(!world.root().join("large").exists());
}

/// The terminal in which it was started is closed.
#[test]
fn a_share_ends_in_order_on_a_hangup() {
    let world = World::empty();
    fs::write(world.local().join("large"), content(1, 8_000_000)).unwrap();
    let mut share = Share::start(&world, &["--write"]);
    let line = share.commands[1].replace("FILE...", "large").replace("put", "put --limit-rate=4M");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| share.run_command(&world, &line));
        wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
        signal(share.process.id(), "HUP");
        let ran = running.join().unwrap();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    });
    assert_eq!(share.wait(), Some(0));
    assert!(fs::read(world.root().join("large")).unwrap() == content(1, 8_000_000));
}

/// A running `ftp-server share`, and the commands that it printed.
struct Share {
    process: Child,
    commands: Vec<String>,
}

impl Share {
    fn start(world: &World, options: &[&str]) -> Self {
        let mut command = Command::new(&binaries().server);
        command.arg("share").arg(world.root()).args(["--listen", "127.0.0.1:0"]).args(options);
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with("listening on 127.0.0.1:"), "{first}");
        let count = if options.contains(&"--write") { 2 } else { 1 };
        let commands = lines.take(count).collect::<Vec<_>>();
        assert!(commands.iter().all(|command| command.starts_with("ftp-client ")), "{commands:?}");
        Self { process, commands }
    }

    /// Runs a command like a person who copies the line.
    fn run_command(&self, world: &World, line: &str) -> Ran {
        let mut command = Command::new("/bin/sh");
        let path = binaries().client.parent().unwrap().to_owned();
        command.args(["-c", line]).current_dir(world.local()).env_clear().stdin(Stdio::null());
        command.env("PATH", path).env("HOME", world.local().parent().unwrap());
        Ran::from(command.output().unwrap())
    }

    fn wait(&mut self) -> Option<i32> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(begin.elapsed() < PATIENCE, "the share does not end");
            std::thread::sleep(Duration::from_millis(10)); // between two looks
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
        let mut log = String::new();
        if let Some(mut stderr) = self.process.stderr.take() {
            let _ = stderr.read_to_string(&mut log); // only for the message of a failure
        }
        if std::thread::panicking() {
            eprintln!("the share said:\n{log}");
        }
    }
}
