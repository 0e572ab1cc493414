//! `ls` in other orders, `du` and `find`: what people ask of a tree at the server.

use crate::support::event;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};
use tests::world::World;

/// A profile `w` with a tree whose files differ in size and age.
fn world() -> World {
    let world = World::serving();
    world.check(["profile", "add", "w", &world.url("")]);
    fs::create_dir_all(world.root().join("photos/2026")).unwrap();
    fs::create_dir(world.root().join("empty")).unwrap();
    for (name, len, days) in [
        ("photos/a.jpg", 3000, 40),
        ("photos/2026/b.jpg", 2_000_000, 10),
        ("photos/2026/c.txt", 0, 1),
        ("d.gz", 12, 400),
    ] {
        let file = File::create(world.root().join(name)).unwrap();
        file.set_len(len).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(days * 86_400)).unwrap();
    }
    symlink("d.gz", world.root().join("photos/link")).unwrap();
    world
}

fn lines(world: &World, line: &str) -> Vec<String> {
    world.check(line.split(' ')).text().lines().map(str::to_owned).collect()
}

#[test]
fn ls_sorts_by_time_and_size_and_lists_folders_themselves() {
    let world = world();
    for (line, expected) in [
        ("ls -t w:photos/2026", &["c.txt", "b.jpg"][..]),
        ("ls -tr w:photos/2026", &["b.jpg", "c.txt"]),
        ("ls -S1 w:photos/2026", &["b.jpg", "c.txt"]),
        ("ls -r w:photos/2026", &["c.txt", "b.jpg"]),
        ("ls -RtA w:photos/*6", &["2026/c.txt", "2026/b.jpg"]),
        ("ls -d w:photos", &["photos"]),
        ("ls -d w:photos/", &["photos"]),
        ("ls -d w:[ep]*", &["empty", "photos"]),
    ] {
        let listed: Vec<_> = lines(&world, line).into_iter().filter(|name| name != "2026").collect();
        assert_eq!(listed, expected, "{line}");
    }
    let long = lines(&world, "ls -lS w:photos/2026");
    assert!(long[0].contains("2000000") && long[0].ends_with("b.jpg"), "{long:?}");
    assert_eq!(world.client(["ls", "-d", "w:d.gz/"]).code, Some(1));
}

#[test]
fn du_adds_up_what_is_in_folders() {
    let world = world();
    let words = |line: &str| -> Vec<(String, String)> {
        let split = |line: String| {
            let (size, path) = line.trim_start().split_once("  ").unwrap();
            (size.to_owned(), path.to_owned())
        };
        lines(&world, line).into_iter().map(split).collect()
    };
    let of = |size: &str, path: &str| (size.to_owned(), path.to_owned());
    assert_eq!(
        words("du w:"),
        [of("0", "/empty"), of("2000000", "/photos/2026"), of("2003000", "/photos"), of("2003012", "/")]
    );
    assert_eq!(words("du -s w:photos w:d.gz"), [of("2003000", "/photos"), of("12", "/d.gz")]);
    assert_eq!(words("du -sh w:p*"), [of("1.91 MiB", "/photos")]);
    assert_eq!(words("du -d 1 w:").len(), 3);
    let usage = event(&world.check(["du", "--json", "-s", "w:"]), "usage");
    assert_eq!((&usage["bytes"], &usage["files"]), (&2_003_012.into(), &4.into()));
    assert_eq!(world.client(["du", "w:missing"]).code, Some(5));
    assert_eq!(world.client(["du", "w:missing", "w:photos"]).code, Some(1));
}

#[test]
fn find_chooses_by_name_kind_size_and_age() {
    let world = world();
    for (line, expected) in [
        ("find w: --name *.jpg", &["photos/2026/b.jpg", "photos/a.jpg"][..]),
        ("find w: -name *.{gz,txt}", &["d.gz", "photos/2026/c.txt"]),
        ("find w:photos --name 2026/*", &["2026/b.jpg", "2026/c.txt"]),
        ("find w: --type d", &["empty", "photos", "photos/2026"]),
        ("find w: -type l", &["photos/link"]),
        ("find w: -size +1M", &["photos/2026/b.jpg"]),
        ("find w: --max-size 12", &["d.gz", "photos/2026/c.txt"]),
        ("find w: -type f -mtime +30", &["d.gz", "photos/a.jpg"]),
        ("find w: --type f --newer-than 2d", &["photos/2026/c.txt"]),
        ("find w: --name nothing", &[]),
    ] {
        assert_eq!(lines(&world, line), expected, "{line}");
    }
    let entry = event(&world.check(["find", "--json", "w:", "--name", "d.gz"]), "entry");
    assert_eq!((&entry["path"], &entry["size"]), (&"d.gz".into(), &12.into()));
    assert!(lines(&world, "find -lh w: --name b.jpg")[0].contains("MiB"));
    assert_eq!(world.client(["find", "w:missing"]).code, Some(5));
    fs::write(world.local().join("script"), "cd photos\nfind --name c*\ndu -s\n").unwrap();
    assert_eq!(lines(&world, "script script w:"), ["2026/c.txt", "     2003000  /photos"]);
}
