//! Checks promises under faults: `cargo test -p tests matrix -- --nocapture` prints the table of tests/README.md.
//!
//! Each mark is set right behind its check, in a run made by this test; a dash means that no run here checked it, which says
//! nothing about other tests.

use crate::faults::storage_faults::process::{crash_at_each, fail_at_each};
use crate::hostile::server::golden_messages;
use crate::resume::kills::{kill_client, kill_server};
use crate::support::fake_client::Session;
use crate::support::fake_server::Against;
use crate::support::fault_injection::{Claim, DEADLINE, Trial, Way, run_within};
use crate::support::leftovers;
use crate::support::limits::SmallDisk;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tests::proxy::{Fate, Fault, Proxy, seed};
use tests::world::World;
use tokio::runtime::Runtime;

/// The promises that were checked and kept; `None` if this machine cannot produce the fault.
type Checked = Option<BTreeSet<Claim>>;
/// A fault, and the function that produces it and checks the promises.
type Row = (&'static str, fn() -> Checked);

const ROWS: [Row; 14] = [
    ("a lane is cut", || network(|n| if n == 1 { Fate::up(900_000, Fault::Cut) } else { Fate::forward() })),
    ("the network stalls for 2 s", || {
        network(|n| match n {
            0 => Fate::down(2_000, Fault::StallAll(Duration::from_secs(2))),
            _ => Fate::forward(),
        })
    }),
    ("a trickle", || network(|_| Fate::forward().in_pieces(10_000, Duration::from_millis(1)))),
    ("1-byte segments", || network(|_| Fate::forward().in_pieces(1, Duration::ZERO).first(4_000))),
    ("a bit is turned", || {
        network(|n| if n == 1 { Fate::up(700_000, Fault::Flip) } else { Fate::forward() })
    }),
    ("a socket is reset every 250 ms", resets),
    ("the network swallows all for 1 s", || {
        network(|n| match n {
            1 => Fate::up(900_000, Fault::SwallowAll(Duration::from_secs(1))),
            _ => Fate::forward(),
        })
    }),
    ("kill -9 of the client", || {
        let trial = Trial::new(Way::Put, LARGE);
        kill_client(&trial, seed());
        Some(trial.claims())
    }),
    ("kill -9 of the server", || {
        let mut trial = Trial::new(Way::Put, LARGE);
        kill_server(&mut trial, seed());
        Some(trial.claims())
    }),
    ("a full disk", full_disk),
    ("a storage fault at operation n", || {
        fail_at_each(7);
        Some(BTreeSet::from([Claim::Names, Claim::Outside, Claim::Clean, Claim::Ends]))
    }),
    ("a crash at operation n", || {
        crash_at_each(7, true);
        Some(BTreeSet::from([Claim::Names, Claim::Outside, Claim::Ends]))
    }),
    ("a hostile server", hostile_server),
    ("a hostile client", hostile_client),
];

#[test]
fn matrix() {
    let results: Vec<Checked> = std::thread::scope(|scope| {
        let running: Vec<_> = ROWS.iter().map(|(_, run)| scope.spawn(run)).collect();
        running.into_iter().map(|row| row.join().unwrap()).collect()
    });
    if let Some(row) = results.iter().position(Option::is_none) {
        println!("skipped: {} needs root", ROWS[row].0);
        return;
    }
    let results: Vec<BTreeSet<Claim>> = results.into_iter().flatten().collect();
    let table = table(&results);
    println!("{table}");
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("tests/README.md has a place for the table");
    let (there, after) = rest.split_once(END).expect("the table has an end");
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(there, table, "tests/README.md shows another table; UPDATE_MATRIX=1 rewrites it");
    }
}

/// Runs a put and a get over a network with this fate.
fn network(fate: impl Fn(usize) -> Fate + Copy + Send + Sync + 'static) -> Checked {
    each_way(|trial| {
        let proxy = Proxy::to(trial.world.server().address, fate).unwrap();
        trial.run(&proxy, &["--lanes", "3"]);
    })
}

/// Runs a put and a get onto a disk with space for the old files, but not for the new ones.
fn full_disk() -> Checked {
    let world = Arc::new(World::serving());
    let claims = [Way::Put, Way::Get].map(|way| {
        let _disk = SmallDisk::on(way.target(&world).parent().unwrap())?;
        let trial = Trial::within(world.clone(), way, 3 * LARGE);
        let ran = run_within(trial.command(None, &[]), DEADLINE);
        trial.claim(Claim::Ends);
        trial.judge(&ran, &[8]);
        trial.check_clean();
        Some(trial.claims())
    });
    let [put, get] = claims;
    Some(&put? & &get?)
}

/// A server that violates the protocol in the middle of a tree.
fn hostile_server() -> Checked {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let against = Against::new().await;
        fs::write(against.target().join("x"), "old").unwrap();
        let outcome = against.run(&["get", "--json", "URL", "target/x"], async |peer| {
            let request = peer.request().await.request;
            peer.send_raw(u32::MAX, 17, 0, request, &[]).await;
        });
        let outcome = outcome.await; // checks memory, time, and the files beside the target
        outcome.expect(7, "over the limit");
        let last = outcome.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap();
        let finished: serde_json::Value = serde_json::from_slice(last).unwrap();
        assert_eq!((&finished["event"], &finished["exit_code"]), (&"finished".into(), &7.into()));
        assert_eq!(fs::read(against.target().join("x")).unwrap(), b"old");
        assert_eq!(leftovers(&against.target()), Vec::<PathBuf>::new());
    });
    let all = Claim::ALL.into_iter().filter(|claim| *claim != Claim::Resent);
    Some(all.collect())
}

/// Clients that violate the protocol in every way that the golden messages allow.
fn hostile_client() -> Checked {
    let runtime = Runtime::new().unwrap();
    let trial = Trial::new(Way::Put, LARGE);
    runtime.block_on(async {
        for (kind, frame) in golden_messages() {
            let mut session = Session::open(&trial.world).await;
            session.send_raw(u32::MAX, kind, 0, 9, &frame[12..]).await;
            session.check_ended().await;
        }
    });
    trial.claim(Claim::Ends);
    trial.check_names();
    trial.check_recovery();
    Some(trial.claims())
}

fn resets() -> Checked {
    each_way(Trial::run_with_resets)
}

/// Returns the promises kept both ways.
fn each_way(run: impl Fn(&Trial)) -> Checked {
    let world = Arc::new(World::serving());
    let claims = [Way::Put, Way::Get].map(|way| {
        let trial = Trial::within(world.clone(), way, LARGE);
        run(&trial);
        trial.check_recovery();
        trial.claims()
    });
    Some(&claims[0] & &claims[1])
}

fn table(results: &[BTreeSet<Claim>]) -> String {
    let mut table = String::from("\n| |");
    Claim::ALL.iter().for_each(|claim| write!(table, " {} |", claim.text()).unwrap());
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(Claim::ALL.len()));
    for ((name, _), holds) in ROWS.iter().zip(results) {
        write!(table, "\n| {name} |").unwrap();
        Claim::ALL
            .iter()
            .for_each(|claim| table.push_str(if holds.contains(claim) { " yes |" } else { " – |" }));
    }
    table.push_str("\n\n");
    table
}

const LARGE: usize = 3_300_000;
const BEGIN: &str = "<!-- the table of the test `matrix` -->\n";
const END: &str = "<!-- its end -->\n";
