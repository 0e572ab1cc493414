//! `kill -9` of either program at any moment of a transfer: no name has half a file, and the same command then succeeds.

use crate::support::fault_injection::{Claim, DEADLINE, Trial, Way, finished};
use crate::support::{leftovers, proven_bytes, wait_until};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::proxy::seed;
use tests::wan::Random;
use tests::world::{Ran, World};
use wire::limits::CHUNK_LEN;

#[test]
fn a_client_that_is_killed_leaves_no_half_file_and_can_be_run_again() {
    let (world, seed) = (Arc::new(World::serving()), shown_seed());
    std::thread::scope(|scope| {
        for way in Way::ALL {
            let world = world.clone();
            scope.spawn(move || kill_client(&Trial::within(world, way, LARGE), seed));
        }
    });
    world.check(["ls", &world.url("")]);
}

#[test]
fn a_server_that_is_killed_leaves_no_half_file_and_the_client_goes_on_with_the_next() {
    let seed = shown_seed();
    std::thread::scope(|scope| {
        for way in [Way::Put, Way::Get] {
            scope.spawn(move || kill_server(&mut Trial::new(way, LARGE), seed));
        }
    });
}

/// Kills the client at a moment drawn from the seed, then runs the same command to its end.
pub(crate) fn kill_client(trial: &Trial, seed: u64) {
    let mut client = begin(trial);
    std::thread::sleep(moment(seed, 300)); // any moment will do
    client.kill().unwrap();
    client.wait().unwrap();
    trial.check_names();
    trial.check_resumed();
}

/// Kills the server likewise, and restarts it: the run continues.
pub(crate) fn kill_server(trial: &mut Trial, seed: u64) {
    let client = begin(trial);
    std::thread::sleep(moment(seed, 300)); // any moment will do
    let killed = Instant::now();
    Arc::get_mut(&mut trial.world).unwrap().restart();
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert!(killed.elapsed() < DEADLINE);
    trial.claim(Claim::Ends);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    trial.judge(&ran, &[0]);
    trial.check_recovery();
}

/// Starts a slow transfer, and waits until it writes.
fn begin(trial: &Trial) -> Child {
    let mut command = trial.command(None, &["--limit-rate", "4M", "--lanes=2"]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("something is staged", || !leftovers(&trial.target()).is_empty());
    client
}

fn moment(seed: u64, millis: u64) -> Duration {
    Duration::from_millis(Random::new(seed).bits() % millis)
}

fn shown_seed() -> u64 {
    let seed = seed();
    println!("FAULTS_SEED={seed}");
    seed
}

/// Twenty kills of each end, a gigabyte beside a real tree: `cargo test --workspace kills -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes and gigabytes"]
fn twenty_kills_of_each_end_cost_a_chunk_of_each_lane() {
    let seed = shown_seed();
    for (way, of_server) in [(Way::Put, false), (Way::Put, true), (Way::Get, false), (Way::Get, true)] {
        twenty_kills(way, of_server, seed);
    }
}

fn twenty_kills(way: Way, of_server: bool, seed: u64) {
    let mut trial = Trial::new(way, 1 << 30);
    let copied = Command::new("cp").arg("-a").arg(REAL_TREE).arg(trial.source().join("real")).status();
    assert!(copied.unwrap().success());
    let start = |trial: &Trial| {
        let mut command = trial.command(None, &["--lanes=2", "--limit-rate=80M"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut client = start(&trial);
    let mut held = 0;
    for number in 0..20 {
        std::thread::sleep(moment(seed.wrapping_add(number), 800)); // any moment will do
        if of_server {
            Arc::get_mut(&mut trial.world).unwrap().restart();
        } else {
            client.kill().unwrap();
            client.wait().unwrap();
        }
        trial.check_names();
        let now = proven_bytes(&trial.target());
        assert!(now >= held, "{held} bytes were proven, {now} are left");
        held = now;
        if !of_server {
            client = start(&trial);
        }
    }
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{way:?}: {}", ran.stderr);
    trial.check_same();
    trial.check_clean();
    let (sent, left) = (finished(&ran)["bytes_transferred"].as_u64().unwrap(), trial.source_len());
    println!(
        "{way:?}, server killed: {of_server}: {held} bytes held before the last run, {sent} bytes sent then of {left}"
    );
    if of_server {
        // One client has sent all of it.
        assert!(sent < left + 20 * SENT_TWICE_MAX, "{sent} bytes were sent of {left}");
    } else {
        assert!(sent < left - held + SENT_TWICE_MAX, "{sent} bytes were sent, {held} were there");
    }
}

const REAL_TREE: &str = "/usr/include";
/// A chunk of each lane, and the overhead of frames and records.
const SENT_TWICE_MAX: u64 = 2 * CHUNK_LEN as u64 + 1024 * 1024;
const LARGE: usize = 5_300_000;
