//! A mirror's totals are known long before its end, and count what is sent, not the whole source.

use crate::mirrors::{Mirror, WAYS};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn the_total_of_more_files_than_may_be_under_way_is_known_early() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.target()).unwrap();
        mirror.write("unchanged", vec![1; 3_000_000]);
        mirror.check::<&str>([]);
        mirror.write("0", "x");
        for number in 1..FILES {
            let name = mirror.source().join(number.to_string());
            fs::hard_link(mirror.source().join("0"), name).unwrap(); // much faster to make
        }
        let known = first_total(&mirror, "--limit-rate=100K");
        assert_eq!((&known["total_files"], &known["total_bytes"]), (&FILES.into(), &FILES.into()), "{known}");
        assert!(known["files"].as_u64().unwrap() < FILES / 2, "{known}");
    }
}

#[test]
fn the_total_of_a_few_large_files_is_known_at_once() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for name in ["a", "b"] {
            mirror.write(name, vec![2; 2_000_000]);
        }
        let known = first_total(&mirror, "--limit-rate=500K");
        assert_eq!((&known["total_files"], &known["total_bytes"]), (&2.into(), &4_000_000.into()), "{known}");
        assert!(known["bytes"].as_u64().unwrap() < 4_000_000, "{known}");
    }
}

/// Returns the first progress with the complete total; then the client is stopped.
fn first_total(mirror: &Mirror, limit: &str) -> Value {
    let words = mirror.words(["--json", "--compress=never", limit]);
    let mut command = mirror.world.client_command(words);
    let mut client = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut progress = events.filter(|event| event["event"] == "progress");
    let known = progress.find(|event| event["counted"] == true).expect("progress with a total");
    client.kill().unwrap();
    client.wait().unwrap();
    known
}

/// More than may be in progress at once.
const FILES: u64 = 20_000;
