//! Lanes: their number, their speed, and failures of one or all of them.

use std::fs;
use std::time::{Duration, Instant};
use tests::proxy::{Fate, Fault, Proxy};
use tests::world::World;

/// Makes a file of `len` bytes without short repetitions.
fn make_file(world: &World, name: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    fs::write(world.local().join(name), &bytes).unwrap();
    bytes
}

fn through(proxy: &Proxy, world: &World, path: &str) -> String {
    format!("ftpx://tester@{}/{path}?pin={}", proxy.address(), world.server().fingerprint)
}

#[test]
fn absurd_numbers_are_refused_as_usage() {
    let world = World::empty();
    for option in [["--lanes", "0"], ["--lanes", "1000000"], ["--limit-rate", "0"], ["--limit-rate", "-5"]] {
        let ran = world.client([option[0], option[1], "ls", "ftpx://a@127.0.0.1:1/"]);
        assert_eq!(ran.code, Some(2), "{option:?}: {}", ran.stderr);
    }
}

#[test]
fn a_server_that_allows_fewer_lanes_gets_fewer() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    let config = world.state().join("config.toml");
    fs::write(&config, "[limits]\nlanes_per_session = 1\n").unwrap();
    world.serve(&["--config", config.to_str().unwrap()]);
    let bytes = make_file(&world, "file", 5_000_000);
    world.check(["put", "--lanes", "6", "file", &world.url("file")]);
    assert!(fs::read(world.root().join("file")).unwrap() == bytes);
    world.check(["get", "--lanes", "6", &world.url("file"), "back"]);
    assert!(fs::read(world.local().join("back")).unwrap() == bytes);
}

#[test]
fn the_rate_limit_holds_over_all_lanes_both_ways() {
    let world = World::serving();
    let len = 40_000_000;
    make_file(&world, "file", len);
    let rate = 4_000_000.0; // so that it takes ten seconds
    let check = |arguments: [&str; 7]| {
        let begin = Instant::now();
        world.check(arguments);
        let seconds = begin.elapsed().as_secs_f64();
        let off = len as f64 / seconds / rate - 1.0;
        assert!(off.abs() < 0.05, "{arguments:?}: {seconds:.2} s, {:.1} % off", off * 100.0);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| check(["put", "--limit-rate", "4000000", "--lanes", "4", "file", &world.url("up")]));
        scope.spawn(|| {
            fs::copy(world.local().join("file"), world.root().join("down")).unwrap();
            check(["get", "--limit-rate", "4000000", "--lanes", "4", &world.url("down"), "down"]);
        });
    });
}

#[test]
fn a_lane_that_stalls_leaves_its_share_to_the_others() {
    let world = World::serving();
    let bytes = make_file(&world, "file", 60_000_000);
    // Connection 0 is the control connection; the next one a lane.
    let stall = |number| if number == 1 { Fate::up(3_000_000, Fault::Swallow) } else { Fate::forward() };
    let proxy = Proxy::to(world.server().address, stall).unwrap();
    let begin = Instant::now();
    world.check(["put", "--lanes", "3", "file", &through(&proxy, &world, "file")]);
    assert!(fs::read(world.root().join("file")).unwrap() == bytes);
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    assert!(proxy.connections() >= 4);
}

#[test]
fn lanes_that_are_cut_are_replaced() {
    let world = World::serving();
    let bytes = make_file(&world, "file", 40_000_000);
    let cut =
        |number| if (1..6).contains(&number) { Fate::up(2_000_000, Fault::Cut) } else { Fate::forward() };
    let proxy = Proxy::to(world.server().address, cut).unwrap();
    world.check(["put", "--lanes", "2", "file", &through(&proxy, &world, "file")]);
    assert!(fs::read(world.root().join("file")).unwrap() == bytes);
    assert!(proxy.connections() > 6, "{}", proxy.connections());
}

#[test]
fn a_network_that_dies_ends_the_run_with_3_and_leaves_no_half_file() {
    let world = World::serving();
    make_file(&world, "file", 60_000_000);
    fs::write(world.root().join("file"), "old").unwrap();
    let proxy = Proxy::to(world.server().address, |_| {
        Fate::up(6_000_000, Fault::SwallowAll(Duration::from_secs(600)))
    })
    .unwrap();
    let begin = Instant::now();
    let ran = world.client(["put", "--retry=0", "file", &through(&proxy, &world, "file")]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert_eq!(fs::read(world.root().join("file")).unwrap(), b"old");
}
