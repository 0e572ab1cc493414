//! The end of servers: an orderly stop lets running files finish.

use crate::support::{content, events, leftovers, wait_until};
use std::fs;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tests::world::{Ran, World, signal};

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
