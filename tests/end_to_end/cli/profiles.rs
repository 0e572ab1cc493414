//! Profiles: names for servers with their options, and their precedence.

use crate::support::event;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tests::world::{PASSWORD, Ran, World};

/// A world with the profile `work` for the folder `in` of its server.
fn world() -> World {
    let world = World::serving();
    fs::create_dir(world.root().join("in")).unwrap();
    world.check(["profile", "add", "work", &world.url("in")]);
    world
}

fn config(world: &World) -> PathBuf {
    world.local().parent().unwrap().join(".config/ftp-client/config.toml")
}

fn without_password(world: &World, words: &[&str]) -> Ran {
    Ran::from(world.client_command(words).env_remove("FTPX_PASSWORD").output().unwrap())
}

#[test]
fn a_name_stands_for_a_folder_on_a_server() {
    let world = world();
    fs::write(world.local().join("file"), "content").unwrap();
    world.check(["put", "file", "work:"]);
    world.check(["put", "file", "work:/top"]);
    world.check(["mkdir", "work:deeper"]);
    world.check(["mv", "work:file", "work:deeper/"]);
    assert_eq!(world.check(["cat", "work:deeper/file"]).text(), "content");
    assert!(world.root().join("in/deeper/file").exists() && world.root().join("top").exists());
    world.check(["mirror", "work:", "copy"]);
    assert!(world.local().join("copy/deeper/file").exists());
    let ran = without_password(&world, &["ls", "other::"]);
    assert!(ran.stderr.contains("neither a key nor a password"), "no profile, so a host: {}", ran.stderr);
}

#[test]
fn profiles_are_listed_and_removed() {
    let world = world();
    let url = world.url("in");
    world.check(["profile", "add", "more", &url, "--lanes", "3", "--exclude", "*.tmp", "--sparse"]);
    let listed = world.check(["profile", "list"]).text();
    assert_eq!(listed, format!("more {url} --lanes=3 --exclude=*.tmp --sparse\nwork {url}\n"));
    world.check(["profile", "remove", "work"]);
    let event = event(&world.check(["profile", "list", "--json"]), "profile");
    assert_eq!((&event["name"], &event["options"]["lanes"]), (&"more".into(), &"3".into()));
    assert_eq!(world.client(["profile", "remove", "work"]).code, Some(5));
    assert_eq!(fs::metadata(config(&world)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_profile_is_replaced_only_where_it_is_said() {
    let world = world();
    let before = fs::read_to_string(config(&world)).unwrap();
    let other = world.url("other");
    let ran = world.client(["profile", "add", "work", &other, "--lanes", "2"]);
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert!(ran.stderr.contains("--replace") && ran.stderr.contains("profile remove work"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(config(&world)).unwrap(), before);
    world.check(["profile", "add", "work", &other, "--lanes", "2", "--replace"]);
    assert_eq!(world.check(["profile", "list"]).text(), format!("work {other} --lanes=2\n"));
}

#[test]
fn options_come_from_the_line_then_the_environment_then_the_profile() {
    let world = world();
    let (url, file) = (world.url("in"), world.password_file());
    world.check([
        "profile",
        "add",
        "--replace",
        "work",
        &url,
        "--password-file",
        file.to_str().unwrap(),
        "--lanes",
        "3",
    ]);
    let ran = without_password(&world, &["ls", "-v", "work:"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("lanes: 3 (profile work)"), "{}", ran.stderr);
    let ran = without_password(&world, &["ls", "-v", "--lanes=2", "work:"]);
    assert!(
        ran.stderr.contains("lanes: 2 (command line)") && !ran.stderr.contains("lanes: 3"),
        "{}",
        ran.stderr
    );
    let wrong = world.client_command(["ls", "-v", "work:"]).env("FTPX_PASSWORD", "wrong").output().unwrap();
    let wrong = Ran::from(wrong);
    assert_eq!(wrong.code, Some(4), "the environment goes before the profile: {}", wrong.stderr);
    assert!(wrong.stderr.contains("FTPX_PASSWORD (environment)"), "{}", wrong.stderr);
    let ran = without_password(&world, &["ls", "--token", "00", "work:"]);
    assert_eq!(ran.code, Some(4), "the line goes before the profile: {}", ran.stderr);
    assert!(!fs::read_to_string(config(&world)).unwrap().contains(PASSWORD));
}

#[test]
fn options_of_transfers_come_from_the_profile_too() {
    let world = world();
    world.check([
        "profile",
        "add",
        "work",
        &world.url("in"),
        "--overwrite",
        "never",
        "--exclude",
        "*.tmp",
        "--replace",
    ]);
    fs::create_dir(world.local().join("tree")).unwrap();
    for name in ["a", "b.tmp"] {
        fs::write(world.local().join("tree").join(name), "new").unwrap();
    }
    fs::write(world.root().join("in/a"), "old").unwrap();
    assert_eq!(world.client(["put", "tree/a", "work:a"]).code, Some(6));
    world.check(["mirror", "tree", "work:", "--overwrite", "always", "--include", "b.*"]);
    assert_eq!(fs::read_to_string(world.root().join("in/a")).unwrap(), "new");
    assert!(world.root().join("in/b.tmp").exists(), "a typed rule comes first");
    fs::remove_file(world.root().join("in/b.tmp")).unwrap();
    world.check(["mirror", "tree", "work:"]);
    assert!(!world.root().join("in/b.tmp").exists());

    // Files protected by the profile stay protected, whatever else is excluded.
    fs::write(world.root().join("in/kept.tmp"), "kept").unwrap();
    let ran = world.check(["mirror", "-v", "--delete", "--exclude", "other", "tree", "work:"]);
    assert!(world.root().join("in/kept.tmp").exists());
    for origin in ["exclude: other (command line)", "exclude: *.tmp (profile work)"] {
        assert!(ran.stderr.contains(origin), "{origin}: {}", ran.stderr);
    }
    // Trees are sent and fetched by the profile's rules too; a file that is named is sent.
    world.check(["put", "-r", "tree", "work:sent"]);
    assert!(
        world.root().join("in/sent/tree/a").exists() && !world.root().join("in/sent/tree/b.tmp").exists()
    );
    world.check(["get", "-r", "work:", "fetched"]);
    assert!(world.local().join("fetched/a").exists() && !world.local().join("fetched/kept.tmp").exists());
    world.check(["put", "tree/b.tmp", "work:"]);
    assert!(world.root().join("in/b.tmp").exists());
}

#[test]
fn how_a_run_is_watched_comes_from_the_profile_too() {
    let world = world();
    world.check([
        "profile",
        "add",
        "--replace",
        "work",
        &world.url("in"),
        "--json",
        "--quiet",
        "--no-resume",
    ]);
    let ran = world.check(["ls", "work:"]);
    assert!(event(&ran, "finished")["exit_code"] == 0, "{}", ran.text());
    let ran = world.check(["put", "-v", "--resume", world.password_file().to_str().unwrap(), "work:"]);
    assert!(ran.stderr.contains("resume: true (command line)"), "the line goes first: {}", ran.stderr);
    assert!(!ran.stderr.contains("quiet:") && !ran.stderr.contains("no-resume:"), "{}", ran.stderr);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_whole() {
    let world = world();
    let ran = world.client(["profile", "add", "other", "folder"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("not a remote path"), "{}", ran.stderr);
    let path = config(&world);
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{good}lane = 4\n")).unwrap();
    let ran = world.client(["ls", "work:"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("config.toml:3: profile.work.lane"), "{}", ran.stderr);
    world.check(["trust", "list"]);
    fs::write(&path, &good).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
    let ran = world.client(["ls", "work:"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("chmod go-w"), "{}", ran.stderr);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(world.client(["ls", "--config", "none.toml", "work:"]).code, Some(2));
    fs::rename(&path, world.local().join("mine.toml")).unwrap();
    world.check(["ls", "--config", "mine.toml", "work:"]);
}

/// Only the profile has the credentials.
#[test]
fn every_command_with_a_remote_takes_a_profile() {
    let world = with_password_file();
    fs::write(world.root().join("in/file"), "content").unwrap();
    fs::create_dir(world.local().join("tree")).unwrap();
    fs::write(world.local().join("script"), "ls\n").unwrap();
    for words in [
        &["ls", "work:"][..],
        &["stat", "work:file"],
        &["hash", "work:file"],
        &["df", "work:"],
        &["get", "work:file", "."],
        &["put", "file", "work:more"],
        &["mirror", "tree", "work:tree"],
        &["cat", "work:file"],
        &["mkdir", "work:new"],
        &["touch", "work:touched"],
        &["mv", "work:touched", "work:new"],
        &["chmod", "644", "work:file"],
        &["ln", "-s", "file", "work:link"],
        &["rm", "work:link"],
        &["gc", "work:"],
        &["doctor", "--time", "1ms", "--size", "1M", "work:file"],
        &["script", "script", "work:"],
    ] {
        let ran = without_password(&world, words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn results_and_plans_are_gone_on_with_by_the_profile_of_their_server() {
    let world = with_password_file();
    let tree = world.local().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("bad"), "good").unwrap();
    fs::create_dir_all(world.root().join("in/tree/bad")).unwrap();
    let ran = without_password(&world, &["put", "-r", "--result", "r", "tree", "work:"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    fs::remove_dir(world.root().join("in/tree/bad")).unwrap();
    let ran = without_password(&world, &["retry", "-v", "r"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("(profile work)"), "{}", ran.stderr);
    assert!(world.root().join("in/tree/bad").is_file());
    fs::write(tree.join("new"), "new").unwrap();
    for words in [&["mirror", "--plan", "p", "tree", "work:tree"][..], &["apply", "p"]] {
        let ran = without_password(&world, words);
        assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.stderr);
    }
    assert!(world.root().join("in/tree/new").exists());

    // If several profiles match the server, their common settings are used.
    let (url, file) = (world.url(""), world.password_file());
    let add = ["profile", "add", "--replace", "all", &url];
    world.check(add.iter().chain(&["--password-file", file.to_str().unwrap(), "--lanes", "2"]));
    fs::write(tree.join("more"), "more").unwrap();
    assert_eq!(without_password(&world, &["mirror", "--plan", "p", "tree", "work:tree"]).code, Some(0));
    let ran = without_password(&world, &["apply", "-v", "p"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("(profile all, work)") && !ran.stderr.contains("lanes:"), "{}", ran.stderr);
    world.check(add);
    assert_eq!(without_password(&world, &["apply", "p"]).code, Some(2), "one has no password");
}

/// The same world, with credentials in the profile.
fn with_password_file() -> World {
    let world = world();
    let file = world.password_file();
    world.check([
        "profile",
        "add",
        "--replace",
        "work",
        &world.url("in"),
        "--password-file",
        file.to_str().unwrap(),
    ]);
    world
}

#[test]
fn what_no_profile_keeps_is_refused_and_lists_stay_lists() {
    let world = world();
    let url = world.url("in");
    let ran = world.client(["profile", "add", "more", &url, "--token", "abc"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("a token is never kept"), "{}", ran.stderr);
    world.check([
        "profile",
        "add",
        "--replace",
        "work",
        &url,
        "--exclude",
        "*.tmp",
        "--exclude",
        "a b",
        "--lanes",
        "2",
    ]);
    let options = event(&world.check(["profile", "list", "--json"]), "profile")["options"].clone();
    assert_eq!(options, serde_json::json!({"lanes": "2", "exclude": ["*.tmp", "a b"]}));
}

#[test]
fn a_profile_without_its_colon_is_recognized() {
    let world = world();
    for words in [&["ls", "work"][..], &["rm", "-r", "work"]] {
        let ran = world.client(words);
        assert!(ran.code == Some(2) && ran.stderr.contains("did you mean work:?"), "{}", ran.stderr);
    }
}
