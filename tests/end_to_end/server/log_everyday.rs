//! Everyday use: short commands, many at once, interrupted and killed ones. None of it needs an operator's attention.

use crate::support::{content, wait_until};
use std::fs;
use std::process::{Child, Stdio};
use tests::world::{World, signal};

#[test]
fn everyday_use_makes_no_warning() {
    let world = World::serving();
    fs::create_dir(world.local().join("tree")).unwrap();
    for number in 0..50 {
        fs::write(world.local().join(format!("tree/{number}")), content(number, 3000)).unwrap();
    }
    fs::write(world.local().join("large"), content(99, 3_000_000)).unwrap();
    world.check(["put", "large", &world.url("large")]);
    // Sessions end at once, so that data connections arrive after their session's end.
    for number in 0..10 {
        world.check(["put", "tree/1", &world.url(format!("file-{number}"))]);
        world.check(["get", "--lanes=16", &world.url("large"), "fetched"]);
        world.check(["ls", &world.url("")]);
    }
    let at_once: Vec<Child> = (0..20)
        .map(|number| match number % 4 {
            0 => spawn(&world, &["put", "-r", "tree/", &world.url(format!("tree-{number}"))]),
            1 => spawn(&world, &["get", "--lanes=40", &world.url("large"), &format!("large-{number}")]),
            2 => spawn(&world, &["mirror", "tree", &world.url(format!("mirror-{number}"))]),
            _ => spawn(&world, &["ls", &world.url("")]),
        })
        .collect();
    for mut client in at_once {
        assert_eq!(client.wait().unwrap().code(), Some(0));
    }
    for (number, how) in ["INT", "KILL", "INT", "KILL", "TERM", "KILL"].into_iter().enumerate() {
        let before = logins(&world);
        let target = world.url(format!("slow-{number}"));
        let mut client = spawn(&world, &["put", "--limit-rate=500K", "large", &target]);
        wait_until("it is logged in", || logins(&world) > before);
        signal(client.id(), how);
        client.wait().unwrap();
    }
    let over = || world.server().log().matches("session ended").count();
    wait_until("all sessions are over", || over() == logins(&world));
    world.check(["gc", &world.url("")]);
    let log = world.server().log();
    let loud: Vec<&str> =
        log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

/// A server that allows fewer data connections than clients start with.
#[test]
fn more_data_connections_than_are_allowed_are_no_warning() {
    let world = World::serving_with("[limits]\nlanes_per_session = 1\n");
    fs::write(world.local().join("large"), content(1, 3_000_000)).unwrap();
    for lanes in ["2", "16", "64", "auto"] {
        world.check(["put", "--lanes", lanes, "large", &world.url("large")]);
    }
    let log = world.server().log();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

fn spawn(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.client_command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn logins(world: &World) -> usize {
    world.server().log().matches("INFO login ").count()
}
