//! `share`: what it prints, works as printed; who shares is told who fetched what, and a share ends when it should.

use crate::cli::shell::Terminal;
use crate::support::{content, leftovers, wait_until};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tests::world::{Ran, World, binaries, signal};

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
        &share.commands[0].replace("get -r", "put -r").replace(" .", "").replace("ftpx:", "inner ftpx:"),
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
    let mut share = Share::start(&world, &["--once"]);
    let first = share.run_command(&world, &share.commands[0]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(fs::read(world.local().join("file")).unwrap() == content(1, 3_000_000));
    assert_eq!(share.wait(), Some(0), "it ends after its use");
    assert_eq!(share.run_command(&world, &share.commands[0]).code, Some(3));
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

#[test]
fn a_file_is_shared_and_nothing_beside_it() {
    let world = World::empty();
    fs::create_dir(world.root().join("folder")).unwrap();
    for name in ["a report ü.pdf", "secret", "folder/secret"] {
        fs::write(world.root().join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("a report ü.pdf", world.root().join("link")).unwrap();
    for path in ["a report ü.pdf", "link"] {
        let share = Share::start_at(&world, world.root().join(path).to_str().unwrap(), &[]);
        let line = &share.commands[0];
        assert!(line.len() <= 80 && line.ends_with("/a%20report%20%C3%BC.pdf ."), "{line}");
        let ran = share.run_command(&world, line);
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
        assert_eq!(fs::read_to_string(world.local().join("a report ü.pdf")).unwrap(), "a report ü.pdf");
        share.hear("127.0.0.1 fetched /a report ü.pdf: 1 file, 15 B");
        let url = |path: &str| line.replace("a%20report%20%C3%BC.pdf .", path);
        for (command, path) in [
            ("get", "secret"),
            ("get -r", ""),
            ("get", "folder/secret"),
            ("get -r", "folder"),
            ("ls", ""),
            ("ls -R", ""),
            ("cat", "secret"),
            ("tail", "secret"),
            ("hash", "secret"),
            ("stat", "secret"),
            ("find", ""),
            ("du", ""),
            ("get", "a%20report%20%C3%BC.pdf/../secret"),
            ("rm", "a%20report%20%C3%BC.pdf"),
            ("mirror", ""),
        ] {
            let line = url(path).replace("ftp-client get", &format!("ftp-client {command}"));
            let line = if command == "mirror" { format!("{line} got") } else { line };
            let ran = share.run_command(&world, &line);
            assert!(matches!(ran.code, Some(1 | 2 | 4)), "{line}: {:?} {}", ran.code, ran.stderr);
            assert!(!ran.text().contains("secret"), "{line}: {}", ran.text());
            assert!(
                !world.local().join("secret").exists() && !world.local().join("folder").exists(),
                "{line}"
            );
        }
        fs::remove_file(world.local().join("a report ü.pdf")).unwrap();
    }
    let refused = Command::new(&binaries().server)
        .args(["share", "--write", "--listen", "127.0.0.1:0"])
        .arg(world.root().join("secret"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn who_shares_is_told_who_fetched_what_and_that_it_is_over() {
    let world = World::empty();
    fs::create_dir(world.root().join("inner")).unwrap();
    for name in ["one", "inner/two"] {
        fs::write(world.root().join(name), content(1, 750_000)).unwrap();
    }
    fs::write(world.local().join("new"), "new").unwrap();
    let mut share = Share::start(&world, &["--write"]);
    share.run_command(&world, &share.commands[0]);
    share.hear("127.0.0.1 fetched root: 2 files, 1.5 MB");
    share.run_command(&world, &share.commands[1].replace("FILE...", "new"));
    share.hear("127.0.0.1 sent /new: 1 file, 3 B");
    signal(share.process.id(), "INT");
    assert_eq!(share.wait(), Some(0));
    share.hear("The share is over: it was stopped.");
    let mut once = Share::start(&world, &["--once", "--qr"]);
    once.hear("▀");
    once.run_command(&world, &once.commands[0]);
    assert_eq!(once.wait(), Some(0));
    once.hear("The share is over: it was used.");
    let mut lost = Share::start(&world, &["--once"]);
    let slowly = lost.commands[0].replace("/ .", "/ part --limit-rate=100K");
    let mut client = lost.command(&world, &format!("exec {slowly}")).spawn().unwrap();
    wait_until("something is staged", || {
        let part = world.local().join("part");
        part.exists() && !leftovers(&part).is_empty()
    });
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(lost.wait(), Some(1), "it was not finished");
    lost.hear("The share is over: its only session has ended too early.");
    let mut short = Share::start(&world, &["--for", "1s"]);
    assert_eq!(short.wait(), Some(0));
    short.hear("The share is over: its time has passed.");
}

#[test]
fn a_token_is_asked_for_and_is_the_servers_pin() {
    let world = World::empty();
    fs::write(world.root().join("file"), "content").unwrap();
    let share = Share::start(&world, &[]);
    let line = share.commands[0].replace("ftp-client", &binaries().client.display().to_string());
    let Some(terminal) = Terminal::running(&world, 100, &format!("{line}; echo ended with $?")) else {
        return;
    };
    terminal.see("Token:");
    wait_until("nothing is echoed", || !terminal.echoes());
    terminal.keys(&["-l", &share.token]);
    terminal.keys(&["Enter"]);
    terminal.see("ended with 0");
    assert!(!terminal.screen().contains(&share.token[..20]), "{}", terminal.screen());
    assert_eq!(fs::read_to_string(world.local().join("file")).unwrap(), "content");
    let other = Share::start(&world, &[]);
    let crossed = other.commands[0].clone();
    let ran = share.run_command(&world, &crossed);
    assert_eq!(ran.code, Some(4), "the key is another: {}", ran.stderr);
    let mut without = world.client_command(["ls", "--token", "-", "ftpx://127.0.0.1:1/"]);
    let ran = Ran::from(without.output().unwrap());
    assert!(ran.code == Some(2) && ran.stderr.contains("set FTPX_TOKEN"), "{}", ran.stderr);
}

/// A running `ftp-server share`, and the commands that it printed.
struct Share {
    process: Child,
    commands: Vec<String>,
    token: String,
    /// All that it says to people.
    said: Arc<Mutex<String>>,
}

impl Share {
    fn start(world: &World, options: &[&str]) -> Self {
        Self::start_at(world, world.root().to_str().unwrap(), options)
    }

    fn start_at(world: &World, path: &str, options: &[&str]) -> Self {
        let mut command = Command::new(&binaries().server);
        command.current_dir(world.local());
        command.arg("share").arg(path).args(["--listen", "127.0.0.1:0"]).args(options);
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with("listening on 127.0.0.1:"), "{first}");
        let count = if options.contains(&"--write") { 2 } else { 1 };
        let commands = lines.by_ref().take(count).collect::<Vec<_>>();
        assert!(commands.iter().all(|command| command.starts_with("ftp-client ")), "{commands:?}");
        let token = lines.next().unwrap_or_default();
        assert!(token.len() < 80 && token.contains('.'), "{token}");
        let said = Arc::new(Mutex::new(String::new()));
        let (heard, mut stderr) = (said.clone(), BufReader::new(process.stderr.take().unwrap()));
        std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|len| len > 0) {
                heard.lock().unwrap().push_str(&std::mem::take(&mut line));
            }
        });
        Self { process, commands, token, said }
    }

    /// Waits until it has said this.
    fn hear(&self, text: &str) {
        let said = || self.said.lock().unwrap().clone();
        wait_until(&format!("it says {text:?}"), || said().contains(text));
    }

    /// Runs a command like a person who copies the line.
    fn command(&self, world: &World, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        let path = binaries().client.parent().unwrap().to_owned();
        command.args(["-c", line]).current_dir(world.local()).env_clear().stdin(Stdio::null());
        command.env("PATH", path).env("HOME", world.local().parent().unwrap());
        command.env("FTPX_TOKEN", &self.token);
        command
    }

    fn run_command(&self, world: &World, line: &str) -> Ran {
        Ran::from(self.command(world, line).output().unwrap())
    }

    fn wait(&mut self) -> Option<i32> {
        wait_until("the share ends", || self.process.try_wait().unwrap().is_some());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the share said:\n{}", self.said.lock().unwrap());
        }
    }
}
