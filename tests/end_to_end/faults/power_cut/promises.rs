//! The promises of each command when it has ended, and how the next one handles the result of a cut.

use super::trees::{Version, about};
use super::{Machine, Way};
use crate::support::disk::Kind;
use crate::support::event;

/// Runs a check on each available filesystem, in both directions.
fn each(check: impl Fn(&mut Machine, Way)) {
    for kind in Kind::ALL {
        let Some(mut machine) = Machine::on(kind) else { continue };
        for way in [Way::Up, Way::Down] {
            eprintln!("{kind:?}, {way:?}");
            check(&mut machine, way);
        }
    }
}

/// Checks that the target has all files of the source.
fn assert_whole(machine: &Machine, way: Way) {
    let (source, target) = (super::trees::files(&machine.source(way)), machine.files(way));
    for (name, content) in &source {
        assert!(target.get(name) == Some(content), "{name}: {}", about(target.get(name)));
    }
}

#[test]
fn a_mirror_with_power_makes_durable_what_it_finds_unchanged() {
    each(|machine, way| {
        machine.write(way, Version::Old, 1);
        machine.mirror(way, &[]);
        machine.mirror(way, &["--durability=power"]);
        machine.cut(true);
        assert_whole(machine, way);
    });
}

#[test]
fn a_tree_that_is_left_as_it_is_is_made_durable() {
    each(|machine, way| {
        std::fs::create_dir(machine.target(way)).unwrap();
        let source = machine.write(way, Version::Old, 2);
        let command = if way == Way::Up { ["put", "-r"] } else { ["get", "-r"] };
        for further in [&[][..], &["--overwrite=different", "--durability=power"]] {
            machine.world().check(machine.arguments(&[&command, further].concat(), way, ""));
        }
        machine.cut(true);
        let target = super::trees::files(&machine.target(way).join("source"));
        for (name, content) in &source {
            assert!(target.get(name) == Some(content), "{name}: {}", about(target.get(name)));
        }
    });
}

#[test]
fn a_file_that_is_the_same_is_made_durable() {
    for kind in Kind::ALL {
        let Some(mut machine) = Machine::on(kind) else { continue };
        machine.write(Way::Up, Version::Old, 3);
        for name in ["small", "middle"] {
            let place = machine.arguments(&[], Way::Up, name);
            let put = |further: &[&str]| {
                let words = further.iter().map(|word| (*word).to_owned());
                let to = place[1].replace("/target/", "/");
                machine.world().check(words.chain([place[0].clone(), to]));
            };
            put(&["put"]);
            put(&["put", "--unless-same", "--durability=power"]);
        }
        machine.cut(true);
        for name in ["small", "middle"] {
            let [source, target] = [machine.source(Way::Up).join(name), machine.world().root().join(name)];
            assert!(std::fs::read(source).unwrap() == std::fs::read(target).unwrap(), "{kind:?} {name}");
        }
    }
}

/// A file with holes has its whole length before its content is on the disk: with its time set, it would look unchanged for
/// ever.
#[test]
fn what_a_cut_has_taken_of_a_file_with_holes_is_sent_again() {
    each(|machine, way| {
        machine.write(way, Version::Old, 4);
        let tail = machine.source(way).join("tail");
        std::fs::write(&tail, "a small file that ends with a hole").unwrap();
        std::fs::File::options().write(true).open(&tail).unwrap().set_len(20_000).unwrap();
        machine.disk.sync();
        machine.mirror(way, &["-S"]);
        machine.cut(true);
        machine.mirror(way, &["-S"]);
        assert_whole(machine, way);
    });
}

/// The worst case is a log that reaches the disk with all names, and no content.
#[test]
fn a_file_that_is_replaced_has_its_old_content_or_its_new_one() {
    for kind in Kind::ALL {
        let Some(mut machine) = Machine::on(kind) else { continue };
        let commands = [
            (&["mirror", "-H"][..], "target"),
            (&["put", "-r"], "target/source"),
            (&["get", "-r"], "target/source"),
        ];
        for (seed, (command, place)) in (10..).zip(commands) {
            let way = if command[0] == "get" { Way::Down } else { Way::Up };
            let _ = std::fs::remove_dir_all(machine.source(way));
            let _ = std::fs::remove_dir_all(machine.target(way));
            std::fs::create_dir(machine.target(way)).unwrap();
            let old = machine.write(way, Version::Old, seed);
            let world = machine.world();
            let places = match way {
                Way::Up => ["source".to_owned(), world.url(place)],
                Way::Down => [world.url("source"), place.to_owned()],
            };
            world.check(["mirror", "-H", "--durability=power"].map(str::to_owned).into_iter().chain(places));
            let new = machine.write(way, Version::New, seed);
            machine.world().check(machine.arguments(command, way, ""));
            machine.cut(true);
            let found = super::trees::files(&machine.target(way).parent().unwrap().join(place));
            for (name, content) in &old {
                let is_whole = [Some(content), new.get(name)].contains(&found.get(name));
                assert!(is_whole, "{kind:?}, {command:?}, {name}: {}", about(found.get(name)));
            }
        }
    }
}

/// The system writes pages in any order: a file's end may be on the disk, with its size and time, and none of the rest.
#[test]
fn what_only_seems_to_be_there_after_a_cut_is_sent_again() {
    each(|machine, way| {
        machine.write(way, Version::Old, 20);
        machine.mirror(way, &[]);
        machine.write_tails(way);
        machine.cut(true);
        let lost = |machine: &Machine| {
            let (source, target) = (super::trees::files(&machine.source(way)), machine.files(way));
            let seems = |(name, content): &(&String, &Vec<u8>)| {
                target.get(*name).is_some_and(|found| found.len() == content.len() && found != *content)
            };
            source.iter().filter(seems).count()
        };
        eprintln!("{} files seem to be there", lost(machine));
        machine.mirror(way, &[]);
        assert_whole(machine, way);
        let ended = event(&machine.mirror(way, &[]), "finished");
        assert_eq!(ended["files"], 0, "{ended}");
    });
}
