//! `kill -9` of either program at any moment of a transfer: no name has half a file, and the same command again ends well.

use crate::faulty::{Claim, DEADLINE, Trial, Way, run_within};
use crate::tools::{leftovers, wait_until};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::proxy::seed;
use tests::wan::Random;
use tests::world::World;

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
fn a_server_that_is_killed_leaves_no_half_file_and_the_client_says_so() {
    let seed = shown_seed();
    std::thread::scope(|scope| {
        for way in [Way::Put, Way::Get] {
            scope.spawn(move || kill_server(&mut Trial::new(way, LARGE), seed));
        }
    });
}

/// Kills the client at a moment that the seed gives, then runs the same command to its end.
pub(crate) fn kill_client(trial: &Trial, seed: u64) {
    let mut client = begin(trial);
    std::thread::sleep(moment(seed, 300)); // any moment will do
    client.kill().unwrap();
    client.wait().unwrap();
    trial.check_names();
    trial.check_recovery();
}

/// Kills the server likewise, and starts it again.
pub(crate) fn kill_server(trial: &mut Trial, seed: u64) {
    let client = begin(trial);
    std::thread::sleep(moment(seed, 300)); // any moment will do
    Arc::get_mut(&mut trial.world).unwrap().server_mut().kill();
    let killed = Instant::now();
    let output = client.wait_with_output().unwrap();
    assert!(killed.elapsed() < DEADLINE);
    trial.claim(Claim::Ends);
    trial.judge(&output.into());
    Arc::get_mut(&mut trial.world).unwrap().serve(&[]);
    trial.check_recovery();
}

/// A slow transfer that has begun to write.
fn begin(trial: &Trial) -> Child {
    let mut command = trial.command(None, &["--limit-rate", "4M", "--give-up-after", "1s"]);
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

/// Twenty kills of each kind, a large file of a gigabyte beside the tree: `cargo test -p tests kills -- --ignored`.
#[test]
#[ignore = "takes minutes and gigabytes"]
fn twenty_kills_of_a_gigabyte() {
    let seed = shown_seed();
    for way in [Way::Put, Way::Get] {
        let mut trial = Trial::new(way, 1 << 30);
        for number in 0..20 {
            let mut client =
                trial.command(None, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(moment(seed.wrapping_add(number), 3000)); // any moment will do
            if number % 2 == 0 {
                client.kill().unwrap();
            } else {
                Arc::get_mut(&mut trial.world).unwrap().server_mut().kill();
                Arc::get_mut(&mut trial.world).unwrap().serve(&[]);
            }
            client.wait().unwrap();
            trial.check_names();
        }
        let ran = run_within(trial.command(None, &[]), Duration::from_secs(600));
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        trial.check_names();
    }
}

const LARGE: usize = 5_300_000;
