//! A users file with a mistake: logged-in users stay, the log reports it, and `check-config` finds the line.

use crate::support::wait_until;
use std::fs;
use std::process::Command;
use tests::world::{Ran, World, binaries, signal};

fn server(world: &World, words: &[&str]) -> Ran {
    let mut command = Command::new(&binaries().server);
    Ran::from(command.args(words).arg("--state").arg(world.state()).output().unwrap())
}

fn lines_with(world: &World, words: &[&str]) -> usize {
    let log = world.server().log();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

#[test]
fn a_mistake_locks_nobody_out_is_told_once_and_found_by_check_config() {
    let world = World::serving();
    let file = world.state().join("users.toml");
    let good = fs::read_to_string(&file).unwrap();
    let wrong = format!("{good}\n[users.bob]\naccess = \"wriet\"\n");
    let line = wrong.lines().count();
    fs::write(&file, &wrong).unwrap();
    let named = format!("users.toml: line {line}: ");
    for _ in 0..3 {
        world.check(["ls", &world.url("")]);
    }
    wait_until("the log tells", || lines_with(&world, &["WARN", &named]) > 0);
    let checked = server(&world, &["check-config"]);
    assert!(checked.code == Some(2) && checked.stderr.contains(&named), "{}", checked.stderr);
    fs::write(&file, &good).unwrap();
    wait_until("the log tells that it is over", || lines_with(&world, &["is valid again"]) > 0);
    world.check(["ls", &world.url("")]);
    assert_eq!(lines_with(&world, &["WARN"]), 1, "{}", world.server().log());
    assert_eq!(server(&world, &["check-config"]).code, Some(0));
}

#[test]
fn with_a_mistake_from_the_beginning_the_server_does_not_start() {
    let world = World::empty();
    world.add_user("tester", "full");
    fs::write(world.state().join("users.toml"), "[users.tester]\naccess = \"full\"\ncolour = 1\n").unwrap();
    let ran = server(&world, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("users.toml: line 3: unknown field"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}

#[test]
fn a_damaged_password_hash_is_a_mistake_of_the_file() {
    let world = World::serving();
    let file = world.state().join("users.toml");
    let good = fs::read_to_string(&file).unwrap();
    let wrong = format!("{good}\n[users.bob]\naccess = \"read\"\npassword = \"plain\"\n");
    fs::write(&file, &wrong).unwrap();
    let named = format!("users.toml: line {}: the password of bob: ", wrong.lines().count());
    for words in [&["check-config"][..], &["user", "list"], &["serve", "--listen", "127.0.0.1:0"]] {
        let ran = server(&world, words);
        assert!(ran.code == Some(2) && ran.stderr.contains(&named), "{words:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("plain"), "{words:?}: {}", ran.stderr);
    }
    signal(world.server().id(), "HUP");
    wait_until("the log tells", || lines_with(&world, &["ERROR", "users not read again", &named]) == 1);
    world.check(["ls", &world.url("")]);
}

/// It admits no login, and `check-config` and the log say so. What else was changed in the file is in force at once: a removed user
/// must not stay because a key of somebody else is damaged.
#[test]
fn a_damaged_key_is_told_and_holds_back_nothing() {
    let world = World::serving();
    let file = world.state().join("users.toml");
    let wrong = "[users.bob]\naccess = \"read\"\nkeys = [\"ssh-ed25519 AAAAdamaged\"]\n";
    world.check(["ls", &world.url("")]);
    fs::write(&file, wrong).unwrap();
    let named = "users.toml: line 3: key 1 of bob: ";
    let ran = server(&world, &["check-config"]);
    assert!(ran.code == Some(2) && ran.stderr.contains(named), "{}", ran.stderr);
    assert!(!ran.stderr.contains("AAAAdamaged"), "{}", ran.stderr);
    wait_until("the log tells", || lines_with(&world, &["WARN", named]) == 1);
    assert_eq!(world.client(["ls", &world.url("")]).code, Some(4), "the other user was removed");
    assert_eq!(server(&world, &["user", "list"]).code, Some(0));
}

/// The server's own state is one of its files too.
#[test]
fn an_identity_that_is_none_is_a_mistake_of_its_file() {
    let world = World::serving();
    let identity = world.state().join("identity.pem");
    let good = fs::read_to_string(&identity).unwrap();
    let of_certificate = good.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    for junk in ["junk", of_certificate] {
        fs::write(&identity, junk).unwrap();
        for words in [&["serve", "--listen", "127.0.0.1:0"][..], &["fingerprint"], &["check-config"]] {
            let ran = server(&world, words);
            assert!(ran.code == Some(2) && ran.stderr.contains("identity.pem"), "{words:?}: {}", ran.stderr);
        }
        assert_eq!(fs::read_to_string(&identity).unwrap(), junk, "none is made in its place");
    }
}

#[test]
fn a_file_that_is_gone_or_empty_means_that_there_are_no_users() {
    let empty: [fn(&std::path::Path); 2] =
        [|path| fs::write(path, "").unwrap(), |path| fs::remove_file(path).unwrap()];
    for change in empty {
        let world = World::serving();
        change(&world.state().join("users.toml"));
        assert_eq!(world.client(["ls", &world.url("")]).code, Some(4));
        wait_until("the log tells", || lines_with(&world, &["WARN", "there are no users any more"]) == 1);
        world.add_user("tester", "full");
        world.check(["ls", &world.url("")]);
    }
}

/// On SIGHUP too, and reported at each request for it.
#[test]
fn a_reload_with_a_mistake_changes_nothing() {
    let world = World::serving();
    let file = world.state().join("users.toml");
    fs::write(&file, "[users").unwrap();
    for count in 1..3 {
        signal(world.server().id(), "HUP");
        wait_until("the log tells", || {
            lines_with(&world, &["ERROR", "users not read again", "line 1"]) == count
        });
        world.check(["ls", &world.url("")]);
    }
}
