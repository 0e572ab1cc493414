//! Servers that are not running yet, or are full at the moment: which commands wait, for how long, and their messages.

use crate::support::wait_until;
use std::fs;
use std::io::Read;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tests::world::World;

/// A world with a file at each end, whose server has ended.
fn without_server() -> World {
    let mut world = World::serving();
    fs::write(world.local().join("here"), "here").unwrap();
    fs::write(world.root().join("there"), "there").unwrap();
    world.server_mut().kill();
    world
}

/// Reads a child's standard error, up to the first line with `text`.
fn heard(child: &mut Child, text: &str) -> String {
    let mut said = Vec::new();
    let mut stderr = child.stderr.take().unwrap();
    while !String::from_utf8_lossy(&said).contains(text) {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "ended: {}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    thread::spawn(move || stderr.read_to_end(&mut Vec::new())); // a full pipe would stop the child
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_server_that_is_not_there_is_an_error_at_once_that_tells_how_to_wait() {
    let world = without_server();
    let begin = Instant::now();
    let ran = world.client(["put", "here", &world.url("x")]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(ran.stderr.contains("no server listens there"), "{}", ran.stderr);
    assert!(ran.stderr.contains("--give-up-after TIME or --retry N"), "{}", ran.stderr);
    let ran = world.client(["put", "--retry=0", "here", &world.url("x")]);
    assert!(ran.code == Some(3) && !ran.stderr.contains("--retry"), "{}", ran.stderr);
}

#[test]
fn tries_that_were_asked_for_are_made() {
    let world = without_server();
    for words in [["put", "here", &world.url("x")], ["get", &world.url("there"), "."]] {
        let begin = Instant::now();
        let ran = world.client(words.into_iter().chain(["--retry=3"]));
        // 0.2, 0.4 and 0.8 seconds, each of them up to a quarter shorter.
        assert!(begin.elapsed() > Duration::from_millis(1050), "{:?}", begin.elapsed());
        assert_eq!(ran.code, Some(3), "{}", ran.stderr);
        assert!(ran.stderr.contains("trying again for up to 10m, 3 times at most"), "{}", ran.stderr);
    }
    let ran = world.client(["ls", "--give-up-after=1s", &world.url("")]);
    assert!(ran.code == Some(3) && ran.stderr.contains("trying again for up to 1s"), "{}", ran.stderr);
}

#[test]
fn a_name_that_is_none_is_not_tried_again() {
    let world = World::empty();
    let ran = world.client(["ls", "--retry=9", "--give-up-after=10m", "no-such-host.invalid:"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    if ran.stderr.contains("Temporary failure") {
        println!("skipped: no resolver answers here");
    }
}

/// Every command waits, since each may be used in a script.
#[test]
fn a_server_that_starts_later_is_waited_for() {
    let mut world = without_server();
    let (here, there, root) = (world.url("here"), world.url("there"), world.url(""));
    fs::write(world.local().join("script"), format!("open {root}\nget there script-got\n")).unwrap();
    let lines: [&[&str]; 6] = [
        &["put", "here", &here],
        &["get", &there, "got"],
        &["mirror", ".", &world.url("mirrored")],
        &["cat", &there],
        &["stat", &there],
        &["script", "script"],
    ];
    let waiting = lines.map(|words| {
        let mut command = world.client_command(words.iter().chain(&["--give-up-after=5m"]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        heard(&mut child, "trying again");
        child
    });
    let address = world.server().address.to_string();
    world.serve_at(&address, &[]);
    for (words, mut child) in lines.iter().zip(waiting) {
        assert!(child.wait().unwrap().success(), "{words:?}");
    }
    assert_eq!(fs::read(world.root().join("here")).unwrap(), b"here");
    assert_eq!(fs::read(world.local().join("got")).unwrap(), b"there");
    assert_eq!(fs::read(world.local().join("script-got")).unwrap(), b"there");
}

/// A user's only session, until it is dropped.
struct Holder(Child);

impl Holder {
    fn new(world: &World) -> Self {
        let mut command = world.client_command(["put", "-", &world.url("held")]);
        let holder = Self(command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        wait_until("the session is taken", || world.server().log().contains("login"));
        holder
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

#[test]
fn a_login_over_a_limit_is_tried_again() {
    let world = World::serving_with("[limits]\nsessions_per_user = 1\nlogin_timeout = \"2s\"\n");
    for name in ["a", "b"] {
        fs::write(world.root().join(name), name).unwrap();
    }
    fs::write(world.local().join("here"), "here").unwrap();
    let (root, a, b) = (world.url(""), world.url("a"), world.url("b"));
    let holder = Holder::new(&world);
    for words in [vec!["rm", &a, &b], vec!["ls", &root], vec!["cat", &a], vec!["get", &a, "."]] {
        let ran = world.client(words.iter().chain(&["--retry=0"]));
        assert_eq!(ran.code, Some(3), "{words:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{words:?}: told once: {}", ran.stderr);
    }
    fs::write(world.local().join("script"), format!("open {root}\nstat a\n")).unwrap();
    fs::write(world.local().join("content"), "of stdin").unwrap();
    let lines: [&[&str]; 7] = [
        &["ls", &root],
        &["cat", &a],
        &["stat", &a, &b],
        &["get", &a, "got"],
        &["put", "here", &world.url("put")],
        &["put", "-", &world.url("stdin")],
        &["script", "script"],
    ];
    let waiting = lines.map(|words| {
        let mut command = world.client_command(words);
        if words.contains(&"-") {
            command.stdin(fs::File::open(world.local().join("content")).unwrap());
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        heard(&mut child, "trying again");
        child
    });
    drop(holder);
    for (words, mut child) in lines.iter().zip(waiting) {
        assert!(child.wait().unwrap().success(), "{words:?}");
    }
    assert_eq!(fs::read(world.root().join("put")).unwrap(), b"here");
    assert_eq!(fs::read(world.root().join("stdin")).unwrap(), b"of stdin");
    assert_eq!(fs::read(world.local().join("got")).unwrap(), b"a");
}
