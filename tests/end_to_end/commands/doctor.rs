//! `doctor`: its measurements per user, the bottleneck it reports, and that it leaves no files.

use crate::support::{PATIENCE, content, event, names_below, wait_until};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tests::world::{World, signal};

/// Long enough for some chunks on a busy machine.
const TIME: &str = "--time=80ms";

fn is_empty(world: &World) -> bool {
    names_below(&world.root()).is_empty()
}

#[test]
fn one_line_tells_what_limits() {
    let world = World::serving();
    let ran = world.check(["doctor", TIME, "--size", "32M", &world.url("")]);
    let text = ran.text();
    for line in
        ["round trip ", "upload ", "download ", "disk, writing ", "disk, reading ", "hash, ", "cipher "]
    {
        assert!(
            text.lines().any(|found| found.starts_with(line) && found.ends_with(|end| "s-".contains(end))),
            "{line}: {text}"
        );
    }
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(!text.contains("not measured"), "{text}");
    let end: Vec<&str> = text.lines().rev().take(3).collect();
    assert!(end[2].starts_with("limited by ") && end[2].contains("B/s ("), "{text}");
    assert!(end[1].ends_with("transfers on this way"), "{text}");
    assert!(end[0].starts_with("what would help: "), "{text}");
    assert_eq!(ran.stderr, "", "no progress where nobody looks");
    let log = world.server().log();
    let broken_off =
        log.lines().find(|line| line.contains("PUT peer") && line.contains("outcome=\"cancelled\""));
    assert!(broken_off.is_some() && !log.contains("WARN"), "{log}");
    assert!(is_empty(&world), "{:?}", names_below(&world.root()));
    assert!(names_below(&world.local()).is_empty());
}

#[test]
fn programs_get_one_object() {
    let world = World::serving();
    fs::create_dir(world.root().join("inbox")).unwrap();
    let ran =
        world.check(["doctor", "--json", TIME, "--size", "16M", "--checksum", "sha256", &world.url("inbox")]);
    let object = event(&ran, "doctor");
    assert_eq!((&object["path"], &object["checksum"]), (&"/inbox".into(), &"sha256".into()));
    for field in [
        "upload",
        "upload_one_lane",
        "download",
        "download_one_lane",
        "disk_write",
        "disk_read",
        "hash",
        "cipher",
        "server_disk_write",
        "server_hash",
        "limit_rate",
        "round_trip_us",
        "round_trip_median_us",
    ] {
        assert!(object[field].as_u64().is_some_and(|value| value > 0), "{field}: {object}");
    }
    assert_eq!(object["skipped"], serde_json::json!({}));
    let limits = ["network", "disk", "processor", "server_disk", "server_processor"];
    assert!(limits.contains(&object["limit"].as_str().unwrap()), "{object}");
    assert!(["upload", "download"].contains(&object["direction"].as_str().unwrap()), "{object}");
    assert_eq!(event(&ran, "finished")["exit_code"], 0);
    assert_eq!(names_below(&world.root()), [world.root().join("inbox")]);
}

#[test]
fn a_bound_of_ones_own_is_what_limits() {
    let world = World::serving();
    let ran = world.check(["doctor", "--json", "--limit-rate", "1M", "--time", "1s", &world.url("")]);
    let object = event(&ran, "doctor");
    let rate = object["limit_rate"].as_u64().unwrap();
    assert!(rate < 2 << 20, "{object}");
    // On a machine that is busy with other things, something else may be slower.
    assert!(object["limit"] == "rate_limit" || rate < (1 << 20) * 4 / 5, "{object}");
    assert!(is_empty(&world));
}

#[test]
fn who_may_only_read_fetches_what_is_there() {
    let mut world = World::empty();
    world.add_user("reader", "read");
    world.serve(&[]);
    let object =
        |path| event(&world.check(["doctor", "--json", TIME, &world.url_of("reader", path)]), "doctor");
    let nothing = object("");
    assert_eq!(nothing["skipped"]["upload"], "this user may not add files");
    assert_eq!(nothing["skipped"]["download"], "there is no file of 2 MiB or more to fetch");
    assert!(nothing.get("limit").is_none(), "{nothing}");
    fs::write(world.root().join("small"), "x").unwrap();
    fs::write(world.root().join("large"), content(1, 3 << 20)).unwrap();
    for path in ["", "large"] {
        let fetched = object(path);
        assert!(
            fetched["download"].as_u64() > Some(0) && fetched["server_hash"].as_u64() > Some(0),
            "{fetched}"
        );
        assert_eq!(fetched["direction"], "download");
    }
    assert_eq!(names_below(&world.root()).len(), 2);
}

#[test]
fn who_may_not_remove_leaves_nothing_either() {
    let mut world = World::empty();
    world.add_user("writer", "write");
    world.add_user("dropper", "drop");
    world.serve(&[]);
    for (user, reason) in
        [("writer", "there is no file of 2 MiB or more to fetch"), ("dropper", "this user may not read")]
    {
        let ran = world.check(["doctor", "--json", TIME, "--dir", "/nowhere", &world.url_of(user, "")]);
        let object = event(&ran, "doctor");
        assert!(
            object["upload"].as_u64() > Some(0) && object["upload_one_lane"].as_u64() > Some(0),
            "{object}"
        );
        assert_eq!(object["skipped"]["download"], reason);
        assert_eq!(object["skipped"]["server_disk_write"], "this user may not remove what was sent");
        assert!(object["skipped"]["disk_write"].as_str().unwrap().starts_with("/nowhere: "), "{object}");
        wait_until("what was broken off is gone", || is_empty(&world));
    }
}

#[test]
fn scripts_have_it_too() {
    let world = World::serving();
    fs::write(world.local().join("script"), format!("doctor {TIME} --size 4M\n")).unwrap();
    let text = world.check(["script", "script", &world.url("")]).text();
    assert!(text.contains("limited by "), "{text}");
    assert!(is_empty(&world));
}

#[test]
fn wrong_paths_have_their_exit_code() {
    let world = World::serving();
    let ran = world.client(["doctor", TIME, &world.url("nowhere")]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}

/// Runs until one of its files has its name on the server.
fn under_way(world: &World) -> Child {
    let mut command: Command = world.client_command(["doctor", "--time", "500ms", &world.url("")]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let is_named = |path: &std::path::PathBuf| path.to_string_lossy().contains("/.ftp-client-doctor-");
    wait_until("there is a file", || names_below(&world.root()).iter().any(is_named));
    child
}

#[test]
fn an_interrupted_run_removes_its_file() {
    let world = World::serving();
    let child = under_way(&world);
    signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    wait_until("nothing is left", || is_empty(&world));
}

#[test]
fn a_lost_server_ends_it() {
    let mut world = World::serving();
    let child = under_way(&world);
    let begin = Instant::now();
    world.server_mut().kill();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("lost the connection") && begin.elapsed() < PATIENCE, "{text}");
}
