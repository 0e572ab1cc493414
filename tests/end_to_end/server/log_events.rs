//! The log's events: every change and every refusal has a line, with its paths and its outcome, and no line reports a failure
//! as done.

use crate::support::fake_client::{connect, login};
use crate::support::{chmod, content, wait_until};
use std::fs;
use tests::world::{PASSWORD, World};
use wire::control::Envelope;
use wire::message::LoginRequest;
use wire::net::control::send;

/// Waits for a line of the log with all these words, and returns the first one.
fn line_with(world: &World, words: &[&str]) -> String {
    let find = || {
        let log = world.server().log();
        log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
    };
    wait_until(&format!("a line of the log with {words:?}"), || find().is_some());
    find().unwrap()
}

fn serving(access: &str) -> World {
    let mut world = World::empty();
    world.add_user("tester", "full");
    world.add_user("other", access);
    world.serve(&[]);
    fs::create_dir_all(world.local().join("tree/inner")).unwrap();
    for name in ["one", "inner/two"] {
        fs::write(world.local().join("tree").join(name), format!("{name:7.7}")).unwrap();
    }
    world
}

#[test]
fn each_change_has_a_line_with_its_paths_and_its_outcome() {
    let world = serving("read");
    world.check(["put", "-r", "tree/", &world.url("tree")]);
    line_with(
        &world,
        &["PUT peer=127.0.0.1:", "user=\"tester\" path=\"tree\" outcome=\"done\" files=2 folders=2 bytes=14"],
    );
    world.check(["get", "-r", &world.url("tree/"), "fetched"]);
    line_with(&world, &["GET peer=", "path=\"tree\" outcome=\"done\" files=2 folders=2 bytes=14"]);
    world.check(["ls", "-R", &world.url("tree")]);
    line_with(&world, &["LIST peer=", "path=\"tree\" outcome=\"done\" entries="]);
    world.check(["mkdir", "-p", &world.url("new/folder")]);
    line_with(&world, &["MKDIR peer=", "path=\"new/folder\" outcome=\"done\" folders=2"]);
    world.check(["mv", &world.url("tree/one"), &world.url("new")]);
    line_with(&world, &["RENAME peer=", "path=\"tree/one\" to=\"new/one\" outcome=\"done\""]);
    world.check(["chmod", "600", &world.url("new/one")]);
    line_with(&world, &["SETMETA peer=", "path=\"new/one\" outcome=\"done\""]);
    world.check(["ln", "-s", "one", &world.url("new/link")]);
    line_with(&world, &["LINK peer=", "path=\"new/link\" to=\"one\" outcome=\"done\""]);
    world.check(["hash", &world.url("new/one")]);
    line_with(&world, &["HASH peer=", "path=\"new/one\" outcome=\"done\" bytes=7"]);
    fs::write(world.root().join("log"), content(1, 200_000)).unwrap();
    world.check(["tail", "-c", "150000", &world.url("log")]);
    line_with(&world, &["READ peer=", "path=\"log\" outcome=\"done\" bytes=65536"]);
    assert_eq!(world.server().log().matches("READ peer=").count(), 1, "one line for a file that is read");
    world.check(["rm", "-r", &world.url("tree")]);
    line_with(&world, &["REMOVE peer=", "path=\"tree\" outcome=\"done\" files=1 folders=2"]);
    world.check(["gc", &world.url("")]);
    line_with(&world, &["SWEEP peer=", "path=\"\" outcome=\"done\""]);
    assert!(!world.server().log().contains("Ok(())"), "{}", world.server().log());
}

#[test]
fn what_a_mirror_deletes_and_moves_is_named() {
    let world = serving("read");
    world.check(["mirror", "tree", &world.url("mirrored")]);
    fs::remove_file(world.local().join("tree/one")).unwrap();
    fs::rename(world.local().join("tree/inner/two"), world.local().join("tree/inner/renamed")).unwrap();
    world.check(["mirror", "--delete", "--detect-moves", "tree", &world.url("mirrored")]);
    line_with(&world, &["BATCH item", "action=\"removed\" path=\"mirrored/one\" outcome=\"done\""]);
    let moved = "action=\"moved\" path=\"mirrored/inner/two\" to=\"mirrored/inner/renamed\" outcome=\"done\"";
    line_with(&world, &["BATCH item", moved]);
    line_with(&world, &["BATCH peer=", "path=\"mirrored\" outcome=\"done\" changes="]);
}

#[test]
fn what_failed_or_was_refused_is_never_told_as_done() {
    let world = serving("drop");
    let other = |path: &str| world.url_of("other", path);
    world.check(["put", "tree/one", &other("dropped")]);
    assert_eq!(world.client(["put", "tree/one", &other("dropped")]).code, Some(6));
    line_with(
        &world,
        &["PUT", "user=\"other\" path=\"dropped\" outcome=\"failed\" reason=\"exists already\""],
    );
    assert_ne!(world.client(["rm", &other("dropped")]).code, Some(0));
    line_with(&world, &["REMOVE", "path=\"dropped\" outcome=\"refused\" reason="]);
    assert_ne!(world.client(["ls", &other("")]).code, Some(0));
    line_with(&world, &["LIST", "user=\"other\"", "outcome=\"refused\""]);

    fs::create_dir_all(world.root().join("tree/one")).unwrap(); // a folder in the place of a file
    assert_eq!(world.client(["put", "-r", "tree", &world.url("")]).code, Some(1));
    line_with(&world, &["PUT item", "path=\"tree/one\" outcome=\"failed\" reason="]);
    line_with(&world, &["PUT peer=", "path=\"tree\" outcome=\"partly\"", "files=1", "failures=1"]);

    assert_ne!(world.client(["rm", &world.url("none")]).code, Some(0));
    line_with(&world, &["REMOVE", "path=\"none\" outcome=\"failed\" reason=\"no such file or folder\""]);
    assert_ne!(world.client(["mkdir", &world.url("dropped")]).code, Some(0));
    line_with(&world, &["MKDIR", "path=\"dropped\" outcome=\"failed\""]);
    assert_ne!(world.client(["get", &world.url("none")]).code, Some(0));
    line_with(&world, &["GET", "path=\"none\" outcome=\"failed\""]);
}

#[test]
fn every_file_of_a_tree_that_cannot_be_written_is_counted_and_the_first_hundred_are_named() {
    if crate::support::is_root() {
        println!("skipped: root may write everywhere");
        return;
    }
    let world = serving("read");
    fs::create_dir(world.local().join("many")).unwrap();
    for number in 0..150 {
        fs::write(world.local().join(format!("many/{number}")), "x").unwrap();
    }
    fs::create_dir(world.root().join("many")).unwrap();
    chmod(&world.root().join("many"), 0o555);
    assert_eq!(world.client(["put", "-r", "many", &world.url("")]).code, Some(1));
    line_with(&world, &["PUT peer=", "path=\"many\" outcome=\"failed\"", "failures=150"]);
    let named = world.server().log().matches("PUT item").count();
    assert_eq!(named, 100);
    chmod(&world.root().join("many"), 0o755);
}

/// Names of files, links and agents are chosen by the client.
#[tokio::test(flavor = "multi_thread")]
async fn no_name_can_pass_for_a_field_or_a_line() {
    let world = serving("read");
    let name = "x\" outcome=\"done\nINFO PUT path=\"forged\x1b[2J";
    assert_ne!(world.client(["rm", &world.url(name)]).code, Some(0));
    let line = line_with(&world, &["REMOVE", "outcome=\"failed\""]);
    let quoted = r#"path="x\" outcome=\"done\\nINFO PUT path=\"forged\\x1b[2J" outcome="failed""#;
    assert!(line.contains(quoted), "{line}");
    let forged = "nobody\" peer=1.2.3.4:5 user=\"ann";
    let (mut connection, _) = connect(world.server().address).await;
    send(&mut connection, &Envelope::new(1, LoginRequest { agent: "x".into(), ..login(forged, "wrong") }))
        .await
        .unwrap();
    let line = line_with(&world, &["rejected", "nobody"]);
    assert!(!line.contains("nobody\" peer") && !line.contains("user=\"ann"), "{line}");
    let (mut connection, _) = connect(world.server().address).await;
    send(
        &mut connection,
        &Envelope::new(1, LoginRequest { agent: forged.into(), ..login("tester", PASSWORD) }),
    )
    .await
    .unwrap();
    let line = line_with(&world, &["INFO login", "nobody"]);
    assert!(line.ends_with(r#"agent="nobody\" peer=1.2.3.4:5 user=\"ann""#), "{line}");
}
