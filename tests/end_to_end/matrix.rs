//! Faults against promises: `cargo test -p tests matrix -- --nocapture` prints the table that the README has.
//!
//! Each mark is set right behind the check that it stands for, in a run that this test made; what no run of it checked has a dash,
//! which says nothing about other tests.

use crate::faulty::{Claim, Trial, Way};
use crate::kills::{kill_client, kill_server};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tests::proxy::{Fate, Fault, Proxy, seed};
use tests::world::World;

/// A fault, and what makes it happen and checks what holds then.
type Row = (&'static str, fn() -> BTreeSet<Claim>);

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
        trial.claims()
    }),
    ("kill -9 of the server", || {
        let mut trial = Trial::new(Way::Put, LARGE);
        kill_server(&mut trial, seed());
        trial.claims()
    }),
    ("a full disk", BTreeSet::new),
    ("a storage fault at operation n", BTreeSet::new),
    ("a crash at operation n", BTreeSet::new),
    ("a hostile server", BTreeSet::new),
    ("a hostile client", BTreeSet::new),
];

#[test]
fn matrix() {
    let results: Vec<BTreeSet<Claim>> = std::thread::scope(|scope| {
        let running: Vec<_> = ROWS.iter().map(|(_, run)| scope.spawn(run)).collect();
        running.into_iter().map(|row| row.join().unwrap()).collect()
    });
    let table = table(&results);
    println!("{table}");
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let readme = fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("the README has a place for the table");
    let (there, after) = rest.split_once(END).expect("the table has an end");
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(there, table, "the README shows another table; UPDATE_MATRIX=1 rewrites it");
    }
}

/// Runs a put and a get over a network that does this.
fn network(fate: impl Fn(usize) -> Fate + Copy + Send + Sync + 'static) -> BTreeSet<Claim> {
    each_way(|trial| {
        let proxy = Proxy::to(trial.world.server().address, fate).unwrap();
        trial.run(&proxy, &["--lanes", "3"]);
    })
}

fn resets() -> BTreeSet<Claim> {
    each_way(|trial| {
        let proxy = Proxy::to(trial.world.server().address, |_| Fate::forward()).unwrap();
        proxy.reset_one_every(Duration::from_millis(250));
        trial.run(&proxy, &["--limit-rate", "6M"]);
        assert!(!proxy.faults().is_empty(), "nothing was reset");
    })
}

/// What holds for both ways.
fn each_way(run: impl Fn(&Trial)) -> BTreeSet<Claim> {
    let world = Arc::new(World::serving());
    let claims = [Way::Put, Way::Get].map(|way| {
        let trial = Trial::within(world.clone(), way, LARGE);
        run(&trial);
        trial.check_recovery();
        trial.claims()
    });
    &claims[0] & &claims[1]
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
