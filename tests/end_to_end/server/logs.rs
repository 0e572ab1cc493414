//! The server's log, for an operator and for the journal: every event once, and no lines about normal operation.

use crate::support::{content, wait_until};
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tests::world::{Server, World, binaries, signal};

#[test]
fn an_ordinary_day_is_logins_transfers_and_goodbyes() {
    if TcpListener::bind("[::]:0").is_err() {
        println!("skipped: there is no IPv6");
        return;
    }
    let mut world = World::empty();
    world.add_user("tester", "full");
    world.serve_at("[::]:0", &[]);
    let place = format!("127.0.0.1:{}", world.server().address.port());
    let url = |path: &str| format!("ftpx://tester@{place}/{path}?pin={}", world.server().fingerprint);
    fs::create_dir(world.local().join("source")).unwrap();
    for number in 0..3 {
        fs::write(world.local().join(format!("source/{number}")), content(number, 2_000_000)).unwrap();
    }
    world.check(["mirror", "source", &url("target")]);
    world.check(["get", "-r", &url("target/"), "fetched"]);
    let ran = world.client(["stat", &url("none")]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    let other_pin = format!("ftpx://tester@{place}/?pin=sha256:{}", "0".repeat(64));
    assert_eq!(world.client(["ls", &other_pin]).code, Some(4));
    let log = || world.server().log();
    wait_until("the log tells of it", || log().contains("the client went away before it logged in"));
    wait_until("the sessions are over", || log().matches("session ended").count() == 3);
    assert!(log().contains("login peer=127.0.0.1:"), "{}", log());
    for noise in ["WARN", "ERROR", "https://", "::ffff", "lane lost", "failed", "rejected"] {
        assert!(!log().contains(noise), "{noise}: {}", log());
    }
}

#[test]
fn a_session_whose_client_is_gone_says_that() {
    let world = World::serving();
    fs::write(world.root().join("file"), content(1, 30_000_000)).unwrap();
    let mut client = world
        .client_command(["get", "--limit-rate", "1M", &world.url("file")])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("it logs in", || world.server().log().contains("login"));
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until("the session is over", || world.server().log().contains("session ended"));
    let log = world.server().log();
    assert!(log.contains("session ended reason=the client went away") && !log.contains("https://"), "{log}");
}

/// The client may learn only the reason; the operator needs to know which folder, and why.
#[test]
fn a_root_that_cannot_be_opened_is_told_as_that() {
    let world = World::serving();
    fs::remove_dir(world.root()).unwrap();
    for (code, told, logged) in [
        (5, "no such file or folder", "No such file or directory"),
        (1, "is not a folder", "Not a directory"),
    ] {
        let ran = world.client(["ls", &world.url("")]);
        let sentence = format!("the user's root at the server cannot be opened: {told}");
        assert!(ran.code == Some(code) && ran.stderr.contains(&sentence), "{:?} {}", ran.code, ran.stderr);
        assert!(!ran.stderr.contains(world.root().to_str().unwrap()), "{}", ran.stderr);
        let root = format!("the root {:?} of the user tester cannot be opened: {logged}", world.root());
        wait_until("the log names the folder", || unescaped(&world.server().log()).contains(&root));
        fs::write(world.root(), "a file").unwrap_or_else(|_| panic!("{}", world.root().display()));
    }
    assert!(!world.server().log().contains("login refused"));
}

/// Undoes the log's escaping of quotes within quotes.
fn unescaped(log: &str) -> String {
    log.replace('\\', "")
}

#[test]
fn lines_of_the_journal_have_a_priority_and_no_time_of_their_own() {
    let world = World::empty();
    let journal = world.local().join("journal");
    let mut server = Command::new(&binaries().server);
    server.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(world.state());
    let mut running = into_journal(&mut server, &journal).spawn().unwrap();
    let lines = || fs::read_to_string(&journal).unwrap();
    wait_until("it listens", || lines().contains("listening on"));
    let address = lines().split(' ').skip_while(|word| *word != "on").nth(1).unwrap().to_owned();
    let ran = world.client(["ls", "--accept-new", &format!("ftpx://nobody@{address}/")]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    signal(running.id(), "TERM");
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let lines = lines();
    for line in ["<4> WARN there are no users yet", "<4> WARN rejected peer=", "<6> INFO stopped"] {
        assert!(lines.lines().any(|it| it.starts_with(line)), "{line}: {lines}");
    }
    assert_eq!(lines.matches("listening").count(), 1, "{lines}");
    assert!(lines.contains(&format!("\nlistening on {address} sha256:")), "{lines}");

    let mut wrong = Command::new(&binaries().server);
    assert_eq!(
        into_journal(wrong.args(["serve", "--config", "/none"]), &journal).status().unwrap().code(),
        Some(2)
    );
    assert!(fs::read_to_string(&journal).unwrap().starts_with("<3>ftp-server: "));
}

/// The variable is inherited by programs that run under a service and log elsewhere.
#[test]
fn a_log_that_does_not_go_to_the_journal_has_times() {
    let world = World::empty();
    let mut server = Command::new(&binaries().server);
    server
        .args(["serve", "--listen", "127.0.0.1:0", "--state"])
        .arg(world.state())
        .env("JOURNAL_STREAM", "1:2");
    let server = Server::start(server, world.local().join("log"));
    wait_until("it logs", || server.log().contains("INFO listening"));
    assert!(server.log().lines().all(|line| line.starts_with("20")), "{}", server.log());
}

/// Lets a file stand in for the journal's socket.
fn into_journal<'a>(command: &'a mut Command, journal: &Path) -> &'a mut Command {
    let file = File::create(journal).unwrap();
    let metadata = file.metadata().unwrap();
    command.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file)
}
