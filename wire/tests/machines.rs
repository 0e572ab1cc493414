//! Joins the sending and the receiving machine of a job, in one thread, by lanes that delay, damage, reorder and die.
//!
//! Time is virtual and everything is drawn from one seed, which a failure prints; `MACHINES_SEED=n` repeats it.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may stop at once")]

#[path = "machines/holes.rs"]
mod holes;
#[path = "machines/random.rs"]
mod random;
#[path = "machines/receiver_bounds.rs"]
mod receiver_bounds;
#[path = "machines/receiver_rules.rs"]
mod receiver_rules;
#[path = "machines/receiving.rs"]
mod receiving;
#[path = "machines/sender_bounds.rs"]
mod sender_bounds;
#[path = "machines/sender_rules.rs"]
mod sender_rules;
#[path = "machines/sending.rs"]
mod sending;
#[path = "machines/tree.rs"]
mod tree;
#[path = "machines/world.rs"]
mod world;

use world::{Plan, World};

#[test]
fn honest_ends_finish_every_job() {
    let seeds = match std::env::var("MACHINES_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..FIXED_SEEDS).chain((0..FRESH_SEEDS).map(|n| random::fresh().wrapping_add(n))).collect(),
    };
    for seed in seeds {
        let _shown = ShownOnFailure(seed);
        World::new(seed, Plan::drawn(seed)).run();
    }
}

/// Names the seed of a run that failed.
struct ShownOnFailure(u64);

impl Drop for ShownOnFailure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("MACHINES_SEED={}", self.0);
        }
    }
}

/// Seeds tried by every run; others differ from run to run.
const FIXED_SEEDS: u64 = 1000;
const FRESH_SEEDS: u64 = 1000;
