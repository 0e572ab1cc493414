//! Filesystems that hang: a file server that is gone, a user-space filesystem that waits. Work elsewhere continues.

use crate::support::fake_client::Session;
use crate::support::fuse::{self, Fuse, Lacks, Op};
use crate::support::{PATIENCE, content, wait_until};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::world::{Ran, World, binaries, signal};
use wire::RemotePath;
use wire::message::Stat;

/// A server with `tester` on a filesystem of the tests' own, and `other` on this machine's.
struct Stage {
    /// Declared before the world: a server that waits for it cannot be killed.
    fuse: Fuse,
    world: World,
}

impl Stage {
    fn new() -> Option<Self> {
        Self::with("")
    }

    fn with(config: &str) -> Option<Self> {
        let fuse = fuse::mount(Lacks::default())?;
        let mut world = World::empty();
        add_user(&world, "tester", &fuse.path());
        world.add_user("other", "full");
        world.serve_with(config, &[]);
        Some(Self { fuse, world })
    }

    /// Starts a client that does not end by itself while the filesystem hangs.
    fn client(&self, arguments: &[&str]) -> Child {
        let mut command = self.world.client_command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Checks that another user's requests take no longer than usual.
    fn check_others(&self) {
        let begin = Instant::now();
        let (world, url) = (&self.world, |path: &str| self.world.url_of("other", path));
        fs::write(world.local().join("file"), content(1, 700_000)).unwrap();
        world.check(["put", "file", &url("file")]);
        assert!(world.check(["ls", &url("")]).text().contains("file"));
        world.check(["get", &url("file"), "back"]);
        let took = begin.elapsed();
        assert!(took < OTHERS_PATIENCE, "{took:?}");
    }
}

fn add_user(world: &World, name: &str, root: &Path) {
    let mut command = Command::new(&binaries().server);
    command.args(["user", "add", name, "--access", "full", "--state"]).arg(world.state());
    command.arg("--root").arg(root).arg("--password-file").arg(world.password_file());
    assert!(command.status().unwrap().success());
}

/// True once a process has ended as far as possible: uninterruptible threads may keep its entry.
fn has_ended(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_hangs_holds_up_nobody_else() {
    let Some(stage) = Stage::new() else { return };
    fs::write(stage.fuse.path().join("there"), "there").unwrap();
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(Session::open(&stage.world).await);
    }
    stage.fuse.hang(Op::Lookup);
    let path = RemotePath::from_wire(b"there").unwrap();
    for session in &mut sessions {
        for id in 10..60 {
            let stat = Stat { path: path.clone(), follow: false, details: Default::default() };
            session.send(id, stat).await;
        }
    }
    stage.fuse.wait_for_hanging(1);
    stage.check_others();
    wait_until("it is told", || stage.world.server().log().contains("does not answer"));
    stage.check_others();
    stage.fuse.release();
    for session in &mut sessions {
        let mut answers = 0;
        while answers < 50 {
            let answer = session.next().await.expect("all are answered");
            answers += usize::from((10..60).contains(&answer.request));
        }
    }
    wait_until("that too is told", || stage.world.server().log().contains("answers again"));
}

#[test]
fn logins_to_a_root_that_hangs_are_told_why_and_others_come_in() {
    let Some(stage) = Stage::with("[limits]\nlogin_timeout = \"4s\"\n") else { return };
    stage.fuse.hang(Op::Attributes);
    let stuck: Vec<Child> =
        (0..12).map(|_| stage.client(&["ls", "--retry=0", &stage.world.url("")])).collect();
    stage.fuse.wait_for_hanging(1);
    stage.check_others();
    for client in stuck {
        let ran = Ran::from(client.wait_with_output().unwrap());
        assert!(matches!(ran.code, Some(3 | 8)), "{:?}: {}", ran.code, ran.stderr);
        assert!(ran.stderr.contains("does not answer"), "{}", ran.stderr);
    }
    stage.fuse.release();
    wait_until("it can be opened again", || stage.world.client(["ls", &stage.world.url("")]).code == Some(0));
}

#[test]
fn a_second_signal_ends_the_server_whatever_hangs() {
    let Some(mut stage) = Stage::new() else { return };
    fs::write(stage.world.local().join("large"), content(2, 3_000_000)).unwrap();
    stage.fuse.hang(Op::Write);
    let url = |number: usize| stage.world.url(format!("large-{number}"));
    let mut clients: Vec<Child> =
        (0..3).map(|number| stage.client(&["put", "large", &url(number)])).collect();
    stage.fuse.wait_for_hanging(1);
    let server = stage.world.server().id();
    signal(server, "TERM");
    wait_until("the server drains", || stage.world.server().log().contains("draining"));
    signal(server, "TERM");
    wait_until("the server has ended", || has_ended(server));
    clients.iter_mut().for_each(|client| client.kill().unwrap());
    clients.into_iter().for_each(|client| drop(client.wait_with_output().unwrap()));
    stage.fuse.release();
    assert_eq!(stage.world.server_mut().wait().map(|code| code != 0), Some(true));
}

/// The client is gone, and its staged files cannot be removed: the session ends all the same.
#[test]
fn a_session_ends_although_its_disk_hangs() {
    let Some(mut stage) = Stage::new() else { return };
    fs::write(stage.world.local().join("large"), content(3, 3_000_000)).unwrap();
    for op in [Op::Write, Op::Remove, Op::Flush] {
        stage.fuse.hang(op);
    }
    let mut client = stage.client(&["put", "--no-resume", "large", &stage.world.url("large")]);
    stage.fuse.wait_for_hanging(1);
    client.kill().unwrap();
    client.wait().unwrap();
    wait_until("the session has ended", || stage.world.server().log().contains("session ended"));
    let server = stage.world.server().id();
    signal(server, "TERM");
    wait_until("the drain is over", || has_ended(server));
    stage.fuse.release();
    assert!(stage.world.server_mut().wait().is_some());
}

#[test]
fn a_client_gives_up_when_the_servers_disk_does_not_answer() {
    let Some(stage) = Stage::new() else { return };
    fs::write(stage.world.local().join("large"), content(4, 3_000_000)).unwrap();
    fs::write(stage.fuse.path().join("there"), content(5, 3_000_000)).unwrap();
    fs::create_dir(stage.fuse.path().join("folder")).unwrap();
    let url = |path: &str| stage.world.url(path);
    for (op, arguments) in [
        (Op::Write, vec!["put", "large", &url("large")]),
        (Op::Read, vec!["get", &url("there"), "here"]),
        (Op::ReadFolder, vec!["ls", &url("folder")]),
        (Op::Remove, vec!["rm", "-r", &url("folder")]),
        (Op::Create, vec!["mirror", ".", &url("mirrored")]),
    ] {
        stage.fuse.hang(op);
        let begin = Instant::now();
        let ran = stage.world.client([&arguments[..], &["--give-up-after=3s"]].concat());
        assert!(matches!(ran.code, Some(3 | 8)), "{arguments:?}: {:?}, {}", ran.code, ran.stderr);
        assert!(ran.stderr.contains("has not answered for"), "{}", ran.stderr);
        assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
        stage.fuse.release();
    }
}

#[test]
fn two_interrupts_end_a_client_whose_own_disk_hangs() {
    let Some(stage) = Stage::new() else { return };
    fs::write(stage.world.root().join("large"), content(6, 3_000_000)).unwrap();
    fs::create_dir(stage.world.root().join("tree")).unwrap();
    (0..9).for_each(|number| fs::write(stage.world.root().join(format!("tree/{number}")), "small").unwrap());
    let here = |name: &str| stage.fuse.path().join(name).to_str().unwrap().to_owned();
    let from = |path: &str| stage.world.url_of("other", path);
    fs::create_dir(here("folder")).unwrap();
    fs::write(here("source"), content(7, 3_000_000)).unwrap();
    for (op, arguments) in [
        (Op::Write, vec!["get", &from("large"), &here("large")]),
        (Op::Create, vec!["get", "-r", &from("tree/"), &here("tree")]),
        (Op::Flush, vec!["get", &from("large"), &here("flushed")]),
        (Op::Read, vec!["put", &here("source"), &from("sent")]),
        (Op::ReadFolder, vec!["mirror", &here("folder"), &from("mirrored")]),
    ] {
        stage.fuse.hang(op);
        let mut client = stage.client(&arguments);
        stage.fuse.wait_for_hanging(1);
        signal(client.id(), "INT");
        std::thread::sleep(Duration::from_millis(50)); // two simultaneous signals merge into one
        signal(client.id(), "INT");
        wait_until("the client has ended", || has_ended(client.id()));
        stage.fuse.release();
        let code = client.wait().unwrap().code();
        assert!(matches!(code, Some(130) | None), "{arguments:?}: {code:?}"); // none: before signals were caught
    }
}

/// Like a file server that is gone: requests stay unanswered, and waiting processes can be killed.
#[test]
fn programs_end_although_a_file_server_is_gone() {
    let Some(mut stage) = Stage::new() else { return };
    fs::write(stage.world.root().join("large"), content(8, 3_000_000)).unwrap();
    let here = stage.fuse.path().join("large").to_str().unwrap().to_owned();
    let url = stage.world.url("there");
    stage.fuse.stall();
    let mut clients = [
        stage.client(&["get", &stage.world.url_of("other", "large"), &here]),
        stage.client(&["ls", "--retry=0", &url]),
    ];
    stage.fuse.wait_for_requests(3); // the one that the daemon reads last, a client's and the server's
    stage.check_others();
    for client in &mut clients {
        signal(client.id(), "INT");
        std::thread::sleep(Duration::from_millis(50)); // two simultaneous signals merge into one
        signal(client.id(), "INT");
        wait_until("the client has ended", || has_ended(client.id()));
    }
    let server = stage.world.server().id();
    signal(server, "TERM");
    wait_until("the server drains", || stage.world.server().log().contains("draining"));
    let _ = Command::new("kill").args(["-TERM", &server.to_string()]).output(); // it may have ended by then
    wait_until("the server has ended", || has_ended(server));
    // The system keeps a process with a thread in a call that the daemon has read, until the call is answered.
    stage.fuse.abort();
    for client in &mut clients {
        client.wait().unwrap();
    }
    assert!(stage.world.server_mut().wait().is_some());
}

/// Enough for several programs on a machine that is building at the same time.
const OTHERS_PATIENCE: Duration = Duration::from_secs(20);
