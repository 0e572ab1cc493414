//! `mirror --watch` continues after any event at the source, the target, the server and the network, and reports it.

use crate::mirrors::watching::Watching;
use crate::support::limits::without_privileges;
use crate::support::{chmod, is_root, wait_until, wait_until_same_for_rsync};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::world::World;

/// A world with `source/file`, and the paths that it is sent to.
fn world() -> (World, PathBuf, PathBuf) {
    let world = World::serving();
    let (source, target) = (world.local().join("source"), world.root().join("target"));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "first").unwrap();
    (world, source, target)
}

fn wait_for_content(path: &Path, text: &str) {
    wait_until(&format!("{} holds {text:?}", path.display()), || {
        fs::read_to_string(path).is_ok_and(|content| content == text)
    });
}

#[test]
fn a_link_to_a_watched_folder_may_go() {
    let (world, source, target) = world();
    fs::create_dir_all(source.join("releases/5")).unwrap();
    symlink("releases/5", source.join("current")).unwrap();
    let watching = Watching::start(&world, &[]);
    watching.rest();
    fs::remove_file(source.join("current")).unwrap();
    wait_until("the link is gone", || target.join("current").symlink_metadata().is_err());
    fs::write(source.join("releases/5/file"), "v2").unwrap();
    wait_for_content(&target.join("releases/5/file"), "v2");
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn another_folder_in_the_place_of_the_source_is_mirrored_from_then_on() {
    let (world, source, target) = world();
    let watching = Watching::start(&world, &[]);
    watching.rest();
    fs::rename(&source, world.local().join("away")).unwrap();
    watching.wait_for("retry");
    fs::create_dir_all(source.join("deep")).unwrap();
    fs::write(source.join("file"), "second").unwrap();
    wait_for_content(&target.join("file"), "second");
    fs::write(source.join("deep/file"), "third").unwrap();
    wait_for_content(&target.join("deep/file"), "third");
    fs::remove_dir_all(&source).unwrap();
    fs::create_dir_all(source.join("again")).unwrap();
    fs::write(source.join("again/file"), "fourth").unwrap();
    wait_for_content(&target.join("again/file"), "fourth");
    fs::write(source.join("again/file"), "fifth").unwrap();
    wait_for_content(&target.join("again/file"), "fifth");
    wait_until_same_for_rsync(&source, &target);
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn what_the_system_cannot_watch_is_told_once_and_compared_now_and_then() {
    for (limit, reason) in [("watches", "max_user_watches"), ("instances", "max_user_instances")] {
        let (world, source, target) = world();
        for number in 0..20 {
            fs::create_dir(source.join(format!("folder-{number:02}"))).unwrap();
        }
        let count = if limit == "watches" { 8 } else { 0 };
        let Some(command) = with_limit(&world, limit, count) else { return };
        let watching = Watching::start_by(command);
        let told = watching.wait_for("unwatched");
        assert!(told["reason"].as_str().unwrap().contains(reason), "{told}");
        for number in [0, 7, 19] {
            let name = format!("folder-{number:02}/late");
            fs::write(source.join(&name), "late").unwrap();
            wait_for_content(&target.join(&name), "late");
        }
        fs::create_dir(source.join("new")).unwrap();
        fs::write(source.join("new/file"), "new").unwrap();
        wait_for_content(&target.join("new/file"), "new");
        assert_eq!(watching.interrupt(), Some(130));
    }
}

/// Returns the mirror in a namespace of its own, in which the system limits a resource to this count.
fn with_limit(world: &World, what: &str, count: u32) -> Option<Command> {
    let limit = format!("echo {count} > /proc/sys/user/max_inotify_{what}");
    let arguments = ["--user", "--map-root-user", "sh", "-c"];
    let can = Command::new("unshare").args(arguments).arg(&limit).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("skipped: this machine gives no namespaces");
        return None;
    }
    let mirror = Watching::command(world, &[]);
    let mut command = Command::new("unshare");
    command.args(arguments).arg(format!("{limit}; exec \"$@\"")).arg("sh");
    command.arg(mirror.get_program()).args(mirror.get_args()).current_dir(world.local());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command.envs(mirror.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(command)
}

#[test]
fn what_failed_is_tried_again_without_a_change_and_so_is_what_was_not_deleted_for_that() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    if world.serve_by(without_privileges).is_none() {
        return;
    }
    let (source, target) = (world.local().join("source"), world.root().join("target"));
    fs::create_dir_all(source.join("closed")).unwrap();
    fs::create_dir_all(target.join("closed")).unwrap();
    fs::create_dir_all(target.join("other")).unwrap();
    fs::write(source.join("closed/file"), "content").unwrap();
    fs::write(target.join("other/extra"), "goes").unwrap();
    chmod(&target.join("closed"), 0o000);
    let watching = Watching::start(&world, &[]);
    assert!(watching.wait_for("retry").get("reason").is_none());
    fs::write(source.join("more"), "more").unwrap();
    wait_for_content(&target.join("more"), "more");
    chmod(&target.join("closed"), 0o755);
    wait_for_content(&target.join("closed/file"), "content");
    wait_until("what was held back is deleted", || !target.join("other").exists());
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_target_that_somebody_else_writes_to_is_tried_again() {
    let (world, source, target) = world();
    let watching = Watching::start(&world, &[]);
    watching.rest();
    let other = File::open(&target).unwrap();
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockExclusive).unwrap();
    fs::write(source.join("file"), "second").unwrap();
    let retry = watching.wait_for("retry");
    assert!(retry["reason"].as_str().unwrap().contains("another run is writing"), "{retry}");
    drop(other);
    wait_for_content(&target.join("file"), "second");
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_server_that_comes_back_is_mirrored_to_however_long_it_was_away() {
    let (mut world, source, target) = world();
    let watching = Watching::start(&world, &["--retry=1", "--give-up-after=1s"]);
    watching.rest();
    world.server_mut().kill();
    fs::write(source.join("file"), "second").unwrap();
    let retry = watching.wait_for("retry");
    assert!(retry["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{retry}");
    world.restart();
    wait_for_content(&target.join("file"), "second");
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_target_that_has_lost_folders_is_mirrored_to_as_a_whole() {
    let (world, source, target) = world();
    for folder in ["a", "b"] {
        fs::create_dir_all(source.join(folder).join("deep")).unwrap();
        fs::write(source.join(folder).join("deep/file"), "first").unwrap();
    }
    let watching = Watching::start(&world, &[]);
    watching.rest();
    fs::remove_dir_all(&target).unwrap();
    fs::write(source.join("a/deep/file"), "second").unwrap();
    wait_for_content(&target.join("a/deep/file"), "second");
    wait_for_content(&target.join("b/deep/file"), "first");
    watching.rest();
    fs::remove_dir_all(target.join("a")).unwrap();
    fs::write(target.join("a"), "a file").unwrap();
    fs::write(source.join("a/deep/file"), "third").unwrap();
    wait_for_content(&target.join("a/deep/file"), "third");
    wait_until_same_for_rsync(&source, &target);
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_login_that_is_refused_ends_it_although_nothing_changes() {
    let (mut world, ..) = world();
    let watching = Watching::start(&world, &[]);
    watching.rest();
    world.server_mut().kill();
    let users = world.state().join("users.toml");
    assert!(users.exists());
    fs::remove_file(&users).unwrap();
    world.add_user("somebody", "full");
    world.restart();
    assert_eq!(watching.end(), Some(4));
}

#[test]
fn a_folder_that_cannot_be_read_keeps_nothing_else_from_being_mirrored() {
    let (world, source, target) = world();
    for folder in ["closed", "excluded"] {
        fs::create_dir(source.join(folder)).unwrap();
        chmod(&source.join(folder), 0o000);
    }
    let rules = ["--exclude=/excluded"];
    let Some(command) = without_privileges(Watching::command(&world, &rules)) else { return };
    let watching = Watching::start_by(command);
    watching.wait_for("retry");
    fs::write(source.join("file"), "second").unwrap();
    wait_for_content(&target.join("file"), "second");
    fs::write(source.join("excluded/file"), "out").unwrap_or_else(|error| assert!(!is_root(), "{error}"));
    chmod(&source.join("closed"), 0o755);
    wait_until("it came", || target.join("closed").exists());
    fs::write(source.join("closed/file"), "readable").unwrap();
    wait_for_content(&target.join("closed/file"), "readable");
    assert!(!target.join("excluded").exists());
    chmod(&source.join("excluded"), 0o755);
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn all_is_compared_every_so_often() {
    let (world, _, target) = world();
    let watching = Watching::start(&world, &["--rescan=1s"]);
    watching.rest();
    fs::remove_file(target.join("file")).unwrap(); // an event that no watch reports
    wait_for_content(&target.join("file"), "first");
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_source_that_is_emptied_deletes_nothing_and_ends_nothing() {
    let (world, source, target) = world();
    let watching = Watching::start(&world, &[]);
    watching.rest();
    fs::remove_file(source.join("file")).unwrap();
    watching.rest();
    assert!(target.join("file").exists(), "the guard is for this");
    fs::write(source.join("other"), "other").unwrap();
    wait_for_content(&target.join("other"), "other");
    wait_until("it goes with another one there", || !target.join("file").exists());
    assert_eq!(watching.interrupt(), Some(130));
}

#[test]
fn a_source_that_is_missing_at_the_start_is_a_wrong_command() {
    let world = World::serving();
    for (options, code) in [(&["--delete"][..], 6), (&[][..], 5)] {
        let url = world.url("target");
        let ran = world.client(["mirror", "--watch", "missing", &url].iter().chain(options));
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    }
}
