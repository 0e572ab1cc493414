//! Transfers of trees over bad networks: in every case each name has its whole old or whole new content, the exit code and the
//! JSON report the result, and the run ends.

mod fault_matrix;
mod hanging;
pub(crate) mod odd_filesystems;
mod power_cut;
mod storage;
mod storage_faults;
mod storage_limits;
mod system_errors;

use crate::support::content;
use crate::support::fault_injection::{DEADLINE, Trial, Way, run_within};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::proxy::{Fate, Fault, Proxy, seed};
use tests::wan::Random;
use tests::world::World;

/// Runs every way over a network whose connections have the fate that `fate` returns: the run and the server survive it.
fn each_way(fate: impl Fn(usize) -> Fate + Copy + Send + Sync + 'static) {
    let world = Arc::new(World::serving());
    let one = &|way: Way| {
        let trial = Trial::within(world.clone(), way, LARGE);
        let proxy = Proxy::to(trial.world.server().address, fate).unwrap();
        let ran = trial.run(&proxy, &["--lanes", "3"]);
        assert_eq!(ran.code, Some(0), "{way:?}: {}", ran.stderr);
        drop(proxy);
        trial.check_recovery();
    };
    std::thread::scope(|scope| Way::ALL.map(|way| drop(scope.spawn(move || one(way)))));
}

/// The first connection is the control connection.
const CONTROL: usize = 0;

#[test]
fn a_lane_that_is_cut_anywhere_is_replaced() {
    let lane = |fault: Fault| {
        move |number: usize| match number {
            1 => Fate::up(900_000, fault),
            2 => Fate::down(900_000, fault),
            _ => Fate::forward(),
        }
    };
    each_way(lane(Fault::Cut));
    each_way(lane(Fault::Reset));
}

#[test]
fn a_control_connection_that_is_cut_is_replaced() {
    each_way(|number| if number == CONTROL { Fate::up(3_000, Fault::Cut) } else { Fate::forward() });
    each_way(|number| if number == CONTROL { Fate::down(5_000, Fault::Reset) } else { Fate::forward() });
}

#[test]
fn all_connections_reset_at_any_byte_are_outlived() {
    let seed = seed();
    each_way(move |number| {
        let bytes = Random::new(seed.wrapping_add(number as u64)).bits() % 2_000_000;
        match number {
            0..4 => Fate::up(bytes, Fault::ResetAll),
            _ => Fate::forward(),
        }
    });
}

#[test]
fn a_bit_that_is_turned_ends_a_connection_and_never_in_wrong_bytes() {
    each_way(|number| match number {
        1 | 2 => Fate::up(400_000 * number as u64, Fault::Flip),
        3 | 4 => Fate::down(200_000 * number as u64, Fault::Flip),
        _ => Fate::forward(),
    });
    each_way(|number| if number == CONTROL { Fate::up(2_500, Fault::Flip) } else { Fate::forward() });
    each_way(|number| if number == CONTROL { Fate::down(2_500, Fault::Flip) } else { Fate::forward() });
}

#[test]
fn a_network_that_stands_still_for_a_while_goes_on() {
    let begin = Instant::now();
    each_way(|number| match number {
        CONTROL => Fate::down(2_000, Fault::StallAll(Duration::from_secs(2))),
        1 => Fate::up(400_000, Fault::Stall(Duration::from_secs(1))),
        _ => Fate::forward(),
    });
    assert!(begin.elapsed() > Duration::from_secs(2), "nothing stood still");
}

#[test]
fn delay_and_jitter_change_nothing_but_the_time() {
    let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(30));
    each_way(move |_| Fate::forward().delayed(delay, jitter));
}

#[test]
fn a_trickle_is_enough() {
    let pause = Duration::from_millis(1);
    each_way(move |number| match number {
        CONTROL => Fate::forward().in_pieces(100, pause),
        _ => Fate::forward().in_pieces(10_000, pause),
    });
}

#[test]
fn one_byte_segments_are_put_together() {
    each_way(|_| Fate::forward().in_pieces(1, Duration::ZERO).first(6_000));
}

#[test]
fn a_socket_that_is_reset_every_quarter_second_delays_the_run() {
    let world = Arc::new(World::serving());
    let resets = &|way: Way| {
        let trial = Trial::within(world.clone(), way, LARGE);
        trial.run_with_resets();
        trial.check_recovery();
    };
    std::thread::scope(|scope| Way::ALL.map(|way| drop(scope.spawn(move || resets(way)))));
}

/// Each lane carries bytes, but never a whole frame.
#[test]
fn a_network_that_lets_no_frame_through_ends_the_run() {
    let trial = Trial::new(Way::Put, LARGE);
    for fault in [Fault::Cut, Fault::Flip] {
        let never = move |number| if number == CONTROL { Fate::forward() } else { Fate::up(3_000, fault) };
        let proxy = Proxy::to(trial.world.server().address, never).unwrap();
        let ran = run_within(trial.command(Some(&proxy), &["--give-up-after", "1s"]), DEADLINE);
        trial.judge(&ran, &[3]);
        assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    }
}

#[test]
fn what_happens_to_one_session_does_not_concern_another() {
    let trial = Trial::new(Way::Put, LARGE);
    let steady = trial.world.root().join("steady");
    fs::write(&steady, content(5, 3_000_000)).unwrap();
    let other = trial.world.client_command(["cat", "--limit-rate", "1M", &trial.world.url("steady")]);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || run_within(other, DEADLINE));
        for fault in [Fault::ResetAll, Fault::Cut] {
            let proxy = Proxy::to(trial.world.server().address, move |_| Fate::up(2_000, fault)).unwrap();
            let ran = run_within(trial.command(Some(&proxy), &["--give-up-after", "1s"]), DEADLINE);
            assert_eq!(ran.code, Some(3), "{}", ran.stderr);
        }
        let read = reading.join().unwrap();
        assert_eq!((read.code, read.stdout == fs::read(&steady).unwrap()), (Some(0), true));
    });
    trial.check_names();
}

/// Ten chunks and a rest.
const LARGE: usize = 5_300_000;
