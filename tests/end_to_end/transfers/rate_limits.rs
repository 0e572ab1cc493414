//! The bottleneck of a transfer as reported by `-v`.

use crate::support::content;
use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;
use tests::world::{Ran, World};

fn limit(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.stderr
        .lines()
        .find(|line| line.starts_with("limited by "))
        .unwrap_or_else(|| panic!("{}", ran.stderr))
}

#[test]
fn a_slow_source_limits_here() {
    let world = World::serving();
    let mut command = world.client_command(["put", "-v", "--lanes=1", "-", &world.url("file")]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for piece in content(1, 2 << 20).chunks(1 << 18) {
        input.write_all(piece).unwrap();
        sleep(Duration::from_millis(100)); // the source is slow
    }
    drop(input);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(limit(&ran).starts_with("limited by this machine: reading"), "{}", ran.stderr);
}

#[test]
fn a_paced_server_looks_like_the_network() {
    let world = World::serving();
    fs::write(world.root().join("file"), content(2, 4 << 20)).unwrap();
    let ran = world.check(["get", "-v", "--lanes=1", "--limit-rate=4M", &world.url("file")]);
    assert!(limit(&ran).starts_with("limited by the network"), "{}", ran.stderr);
    let put = world.check(["put", "-v", "--limit-rate=4M", "file", &world.url("again")]);
    assert!(limit(&put).starts_with("limited by --limit-rate"), "{}", put.stderr);
    let quiet = world.check(["get", &world.url("file"), "other"]);
    assert!(!quiet.stderr.contains("limited by"), "{}", quiet.stderr);
}
