//! After a loss of power, files may have their size and time, and zeros for content. Files written without a sync are then not
//! trusted.
//!
//! The machine is not really restarted: the programs are given another boot id, and the files are damaged like by a loss of
//! power. Real ones are in [`power_cut`](crate::faults::power_cut).

use crate::support::{event, output};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::world::World;

/// The end that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Up, Self::Down];

    fn source(self, world: &World) -> PathBuf {
        match self {
            Self::Up => world.local().join("source"),
            Self::Down => world.root().join("source"),
        }
    }

    fn target(self, world: &World) -> PathBuf {
        match self {
            Self::Up => world.root().join("target"),
            Self::Down => world.local().join("target"),
        }
    }

    fn run(self, world: &World, command: &[&str]) -> serde_json::Value {
        let places = match self {
            Self::Up => ["source".to_owned(), world.url("target")],
            Self::Down => [world.url("source"), "target".to_owned()],
        };
        let words = command.iter().map(|word| (*word).to_owned());
        event(&world.check(words.chain(["--json".to_owned()]).chain(places)), "finished")
    }
}

/// A world with a source of two files; `None` if the programs do not accept another boot id.
fn world(way: Way) -> Option<World> {
    if !cfg!(debug_assertions) {
        eprintln!("skipped: programs that are built for use do not believe that the machine was restarted");
        return None;
    }
    let world = World::serving();
    fs::create_dir(way.source(&world)).unwrap();
    for name in NAMES {
        fs::write(way.source(&world).join(name), content(name)).unwrap();
    }
    Some(world)
}

fn content(name: &str) -> Vec<u8> {
    name.repeat(2000).into_bytes()
}

/// Damages a file like a loss of power: all of its content is lost, but not its size and time.
fn lose(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let metadata = file.metadata().unwrap();
    file.write_all_at(&vec![0; metadata.len() as usize], 0).unwrap();
    file.set_modified(metadata.modified().unwrap()).unwrap();
}

fn restart(world: &mut World) {
    world.restart_system();
    world.restart();
}

fn is_whole(folder: &Path, name: &str) -> bool {
    fs::read(folder.join(name)).unwrap() == content(name)
}

/// True if one sync reaches the whole filesystem; otherwise only reading proves anything.
fn has_one_sync(path: &Path) -> bool {
    let kind = output(Command::new("stat").args(["-f", "-c", "%T"]).arg(path)).unwrap().stdout;
    ["ext2/ext3", "xfs", "btrfs", "tmpfs"].contains(&String::from_utf8_lossy(&kind).trim())
}

#[test]
fn a_mirror_compares_by_content_what_a_loss_of_power_may_have_taken() {
    for way in Way::BOTH {
        let Some(mut world) = world(way) else { return };
        let target = way.target(&world);
        way.run(&world, &["mirror"]);
        lose(&target.join("first"));
        assert_eq!(
            way.run(&world, &["mirror"])["files"],
            0,
            "{way:?}: in one run of the system nothing is lost"
        );
        restart(&mut world);
        assert_eq!(way.run(&world, &["mirror", "--dry-run"])["files"], 1, "{way:?}");
        let ended = way.run(&world, &["mirror"]);
        assert_eq!((&ended["files"], &ended["unchanged"]), (&1.into(), &1.into()), "{way:?}");
        assert!(is_whole(&target, "first"), "{way:?}");
        lose(&target.join("second"));
        assert_eq!(
            way.run(&world, &["mirror"])["files"],
            0,
            "{way:?}: it was compared, and is believed again"
        );
        restart(&mut world);
        assert_eq!(way.run(&world, &["mirror"])["files"], 1, "{way:?}");
        assert!(is_whole(&target, "second"), "{way:?}");
    }
}

#[test]
fn what_was_synced_at_the_end_is_believed_after_a_loss_of_power() {
    for way in Way::BOTH {
        let Some(mut world) = world(way) else { return };
        if !has_one_sync(&world.root()) {
            return eprintln!("skipped: temporary files are not on a filesystem that one sync reaches");
        }
        let target = way.target(&world);
        for arguments in [&["mirror"][..], &["mirror", "--durability=power"]] {
            way.run(&world, arguments);
            lose(&target.join("first")); // by another program, so no look at it is expected
        }
        way.run(&world, &["mirror", "--durability=power"]);
        restart(&mut world);
        let ended = way.run(&world, &["mirror"]);
        assert_eq!((&ended["files"], &ended["unchanged"]), (&0.into(), &2.into()), "{way:?}");
    }
}

/// Each file that is found equal becomes proven by itself, whatever happens to the others, and over any number of boots.
#[test]
fn what_was_not_compared_stays_unproven() {
    for way in Way::BOTH {
        let Some(mut world) = world(way) else { return };
        way.run(&world, &["mirror"]);
        lose(&way.target(&world).join("first"));
        for _ in 0..2 {
            restart(&mut world);
            assert_eq!(way.run(&world, &["mirror", "--exclude=first"])["files"], 0, "{way:?}");
        }
        assert_eq!(way.run(&world, &["mirror"])["files"], 1, "{way:?}");
        assert!(is_whole(&way.target(&world), "first"), "{way:?}");
    }
}

#[test]
fn a_copy_leaves_nothing_as_being_the_same_that_a_loss_of_power_may_have_taken() {
    for way in Way::BOTH {
        for rule in ["--overwrite=different", "--overwrite=newer"] {
            let Some(mut world) = world(way) else { return };
            let command = if way == Way::Up { "put" } else { "get" };
            let target = way.target(&world);
            fs::create_dir(&target).unwrap();
            way.run(&world, &[command, "-r"]);
            lose(&target.join("source/first"));
            let again = |world: &World| way.run(world, &[command, "-r", rule])["files"].clone();
            assert_eq!(again(&world), 0, "{way:?} {rule}");
            restart(&mut world);
            assert_eq!(again(&world), 2, "{way:?} {rule}");
            assert!(is_whole(&target.join("source"), "first"), "{way:?} {rule}");
            assert_eq!(again(&world), 0, "{way:?} {rule}");
        }
    }
}

#[test]
fn a_file_is_not_the_same_by_size_and_time_after_a_loss_of_power() {
    let Some(mut world) = world(Way::Up) else { return };
    let put = |world: &World| {
        world.check(["put", "--unless-same", "source/first", &world.url("first")]);
        is_whole(&world.root(), "first")
    };
    put(&world);
    lose(&world.root().join("first"));
    assert!(!put(&world), "in one run of the system nothing is lost");
    restart(&mut world);
    assert!(put(&world));
    lose(&world.root().join("first"));
    assert!(!put(&world), "it was sent in this run");
}

const NAMES: [&str; 2] = ["first", "second"];
