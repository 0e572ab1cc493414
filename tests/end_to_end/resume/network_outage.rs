//! A network that is cut for a while, without either end noticing: the same run continues once it is mended.

use crate::support::{assert_same, content, event, leftovers, wait_until};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tests::wan::{Side, Wan, WanOptions};
use tests::world::{Ran, World};

/// A little longer than either end waits for a message of the other.
const OUTAGE: Duration = Duration::from_secs(24);
const LARGE: usize = 24 << 20;

#[test]
fn a_run_outlives_a_network_that_is_cut_for_longer_than_connections_live() {
    cut_for(OUTAGE);
}

#[test]
#[ignore = "takes more than a minute"]
fn a_run_outlives_a_network_that_is_cut_for_a_minute() {
    cut_for(Duration::from_secs(60));
}

/// An upload and a download at the same time.
fn cut_for(outage: Duration) {
    let wan = match Wan::up(WanOptions { rtt_ms: 20.0, ..WanOptions::default() }) {
        Ok(wan) => wan,
        Err(error) => return println!("skipped: {error:#}"),
    };
    let mut world = World::empty();
    world.add_user("tester", "full");
    wan.inside(Side::B, || world.serve_at(&format!("{}:0", Side::B.address()), &[])).unwrap();
    for (source, seed) in [(world.local().join("up"), 1), (world.root().join("down"), 2)] {
        fs::create_dir(&source).unwrap();
        fs::write(source.join("large"), content(seed, LARGE)).unwrap();
        (0..50).for_each(|number| {
            fs::write(source.join(format!("small {number}")), content(number, 3000)).unwrap();
        });
    }
    let start = |verb: &[&str]| {
        let mut command = world.client_command(verb);
        command
            .args(["--json", "--lanes=2", "--limit-rate=4M"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        wan.inside(Side::A, || command.spawn().unwrap()).unwrap()
    };
    let put = start(&["put", "-r", "up/", &world.url("up")]);
    let get = start(&["get", "-r", &world.url("down/"), "down"]);
    for target in [world.root().join("up"), world.local().join("down")] {
        wait_until("something is staged", || !leftovers(&target).is_empty());
    }
    wan.cut();
    let cut = Instant::now();
    std::thread::sleep(outage); // the outage is the subject of the test
    wan.mend();
    for child in [put, get] {
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let sent = event(&ran, "finished")["bytes_transferred"].as_u64().unwrap();
        println!("{outage:?} cut: ended {:?} after it began, {sent} bytes sent of {LARGE}", cut.elapsed());
        // Data in transit when the network was cut is lost.
        assert!(sent < (LARGE + LARGE / 2) as u64, "{sent} bytes");
    }
    assert_same(&world.local().join("up"), &world.root().join("up"));
    assert_same(&world.root().join("down"), &world.local().join("down"));
}
