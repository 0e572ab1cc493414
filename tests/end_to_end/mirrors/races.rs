//! Mirrors that run into each other, into changes, or into an interruption, and trees that are very deep or very wide.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use crate::support::limits::without_privileges;
use crate::support::{assert_same, chmod, content, leftovers, picture, wait_until};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use tests::world::{Ran, signal};

#[test]
fn two_mirrors_into_one_target_do_no_harm() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for number in 0..60 {
            mirror.write(&number.to_string(), content(number, 120_000));
        }
        let started: Vec<Child> = (0..2).map(|_| start(&mirror, &["--delete"])).collect();
        for child in started {
            let ran = Ran::from(child.wait_with_output().unwrap());
            match ran.code {
                Some(0) => {}
                Some(6) => assert!(ran.stderr.contains("another"), "{}", ran.stderr),
                code => panic!("{code:?} {}", ran.stderr),
            }
        }
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
        assert!(leftovers(&mirror.target()).is_empty());
    }
}

/// All files go into the folder that was there at first, so a name that leads elsewhere by the end is a failure.
#[test]
fn a_target_that_is_moved_meanwhile_is_told() {
    for way in WAYS {
        for replaced in [false, true] {
            let mirror = Mirror::new(way);
            for number in 0..24 {
                mirror.write(&number.to_string(), content(number, 300_000));
            }
            fs::create_dir(mirror.target()).unwrap();
            let child = start(&mirror, &["--limit-rate=8M"]);
            wait_until("some files have arrived", || names_in(&mirror.target()).len() > 6);
            fs::rename(mirror.target(), mirror.target().with_file_name("moved")).unwrap();
            if replaced {
                fs::create_dir(mirror.target()).unwrap();
            }
            let ran = Ran::from(child.wait_with_output().unwrap());
            assert_eq!(ran.code, Some(5), "{way:?} {replaced}: {}", ran.stderr);
            mirror.check([""; 0]);
            mirror.assert_done([""; 0]);
        }
    }
}

#[test]
fn an_interrupted_mirror_leaves_whole_files_and_the_next_run_completes() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for number in 0..40 {
            mirror.write(&number.to_string(), content(number, 400_000));
        }
        fs::create_dir(mirror.target()).unwrap();
        fs::write(mirror.target().join("extra"), "goes with the next run").unwrap();
        let child = start(&mirror, &["--delete", "--limit-rate=8M"]);
        wait_until("some files have arrived", || names_in(&mirror.target()).len() > 6);
        signal(child.id(), "INT");
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(130), "{}", ran.stderr);
        let sources = picture(&mirror.source());
        let staged = |path: &Path| path.to_string_lossy().starts_with(".ftpx-");
        for (path, line) in picture(&mirror.target()) {
            let whole = sources.get(&path) == Some(&line);
            assert!(whole || path == Path::new("extra") || staged(&path), "{path:?} {line}");
        }
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn a_source_that_changes_during_runs_is_caught_up_with_at_the_end() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 50);
        let change = |number: u64| {
            let path = mirror.source().join((number % 50).to_string());
            match number % 4 {
                0 => drop(fs::remove_file(&path)),
                1 => fs::write(&path, content(number, (number % 5000) as usize)).unwrap(),
                2 => drop(fs::rename(&path, path.with_extension("x"))),
                _ => drop(fs::remove_file(path.with_extension("x"))),
            }
        };
        run_while(&mirror, &["--detect-moves"], change);
    }
}

#[test]
fn a_target_that_changes_during_runs_is_caught_up_with_at_the_end() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 30);
        let change = |number: u64| {
            let path = mirror.target().join((number % 40).to_string());
            match number % 3 {
                0 => drop(fs::remove_file(&path)),
                1 => drop(fs::write(&path, number.to_string())),
                _ => drop(fs::create_dir(&path)),
            }
        };
        run_while(&mirror, &[], change);
    }
}

/// Mirrors several times while `change` runs, and once after it: then everything is equal.
fn run_while(mirror: &Mirror, options: &[&str], change: impl Fn(u64) + Sync) {
    let stop = AtomicBool::new(false);
    let careless = ["--delete", "--max-delete=100%"];
    std::thread::scope(|scope| {
        scope.spawn(|| (1..).take_while(|_| !stop.load(Ordering::Relaxed)).for_each(&change));
        for _ in 0..6 {
            let ran = mirror.run(careless.iter().chain(options));
            assert!(matches!(ran.code, Some(0 | 1)), "{:?} {}", ran.code, ran.stderr);
        }
        stop.store(true, Ordering::Relaxed);
    });
    mirror.check(careless);
    mirror.assert_done(["--delete"]);
}

#[test]
fn a_tree_that_is_deep_and_one_that_is_wide_are_mirrored_and_deleted() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        let deep: std::path::PathBuf = (0..200).map(|level| level.to_string()).collect();
        fs::create_dir_all(mirror.source().join(&deep)).unwrap();
        fs::write(mirror.source().join(deep).join("end"), "of the world").unwrap();
        fs::create_dir(mirror.source().join("wide")).unwrap();
        for number in 0..3000 {
            mirror.write(&format!("wide/{number}"), "");
        }
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
        fs::remove_dir_all(mirror.source().join("0")).unwrap();
        fs::remove_dir_all(mirror.source().join("wide")).unwrap();
        mirror.write("wide", "a file now");
        mirror.check(["--delete", "--max-delete=100%"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn a_path_that_is_too_long_is_told_of_and_the_others_arrive() {
    for way in WAYS {
        let mirror = Mirror::with_files(way, 2);
        let mut folder = steps_from(&mirror.source());
        for _ in 0..25 {
            folder = folder.make(&"n".repeat(200));
        }
        mirror.write("new", "new");
        let ran = mirror.ends(1, ["--delete"]);
        assert!(mirror.target().join("new").exists(), "{}", ran.stderr);
        assert!(mirror.target().join("1").exists());
    }
}

#[test]
fn the_servers_whole_root_is_mirrored_too() {
    let world = tests::world::World::serving();
    fs::create_dir(world.local().join("source")).unwrap();
    fs::write(world.local().join("source/file"), "file").unwrap();
    world.check(["mirror", "--delete", "source", &world.url("")]);
    assert_same(&world.local().join("source"), &world.root());
    fs::write(world.local().join("source/more"), "more").unwrap();
    world.check(["mirror", "--delete", "source/.", &world.url("")]);
    assert_same(&world.local().join("source"), &world.root());
    world.check(["mirror", "--delete", &world.url(""), "back"]);
    world.check(["mirror", "--delete", &world.url(""), "back/"]);
    assert_same(&world.root(), &world.local().join("back"));
}

#[test]
fn folders_that_nobody_may_write_to_are_made_and_changed_by_their_owner() {
    let mirror = Mirror::new(Way::Down);
    fs::create_dir_all(mirror.source().join("closed/inner")).unwrap();
    mirror.write("closed/inner/file", "first");
    mirror.write("closed/goes", "goes");
    mirror.write("closed/linked", "linked");
    let run = |options: &[&str]| {
        let command = mirror.world.client_command(mirror.words(options));
        Some(Ran::from(without_privileges(command)?.output().unwrap()))
    };
    for folder in ["closed/inner", "closed"] {
        chmod(&mirror.source().join(folder), 0o555);
    }
    let Some(ran) = run(&["--delete", "-H"]) else { return };
    assert_eq!(ran.code, Some(0), "a new tree: {}", ran.stderr);
    assert_same(&mirror.source(), &mirror.target());

    for folder in ["closed", "closed/inner"] {
        chmod(&mirror.source().join(folder), 0o755);
    }
    mirror.write("closed/inner/file", "second, longer");
    mirror.write("closed/inner/new", "new");
    mirror.write("closed/new", "closed is opened for this, and once more for the deletion");
    fs::remove_file(mirror.source().join("closed/goes")).unwrap();
    for folder in ["closed/inner", "closed"] {
        chmod(&mirror.source().join(folder), 0o555);
    }
    let ran = run(&["--delete", "-H"]).unwrap();
    assert_eq!(ran.code, Some(0), "a changed tree: {}", ran.stderr);
    assert_same(&mirror.source(), &mirror.target());
}

fn start(mirror: &Mirror, options: &[&str]) -> Child {
    let mut command = mirror.world.client_command(mirror.words(options));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A folder reached step by step: its path may be too long for the system.
struct Steps(std::os::fd::OwnedFd);

fn steps_from(path: &Path) -> Steps {
    Steps(fs::File::open(path).unwrap().into())
}

impl Steps {
    fn make(&self, name: &str) -> Self {
        use std::os::fd::AsRawFd;
        let path = Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string()).join(name);
        fs::create_dir(&path).unwrap();
        steps_from(&path)
    }
}
