//! Symbolic links that lead out of the served folder or of the download's target, also when they appear during a transfer.

use crate::support::{assert_same, content, picture};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tests::world::World;

pub(crate) const SECRET: &str = "the secret of another folder";

/// Leftovers of an unfinished transfer cannot be read, by name or through a link.
#[test]
fn links_to_names_of_unfinished_transfers_are_not_read() {
    let world = World::serving();
    let staged = format!(".ftpx-{:016x}.part", 7);
    fs::write(world.root().join(&staged), SECRET).unwrap();
    symlink(&staged, world.root().join("link")).unwrap();
    for path in [staged.as_str(), "link"] {
        for command in ["cat", "hash", "get"] {
            let ran = world.client([command, &world.url(path)]);
            assert!(ran.code != Some(0) && ran.stderr.contains("reserved"), "{command} {path}: {ran:?}");
        }
    }
}

#[test]
fn links_of_the_served_folder_that_lead_outside_are_never_followed() {
    let world = World::serving();
    let outside = outside(&world);
    for (target, name) in [
        (outside.as_path(), "absolute"),
        (Path::new("../outside"), "relative"),
        (Path::new("/"), "slash"),
        (&outside.join("secret"), "file"),
    ] {
        symlink(target, world.root().join(name)).unwrap();
    }
    fs::write(world.local().join("mine"), "mine").unwrap();
    fs::create_dir(world.local().join("tree")).unwrap();
    fs::write(world.local().join("tree/secret"), "replaced").unwrap();
    let before = picture(&outside);
    for inside in ["absolute/secret", "relative/secret", "file", "absolute", "relative"] {
        for command in ["cat", "hash", "get"] {
            let ran = world.client([command, &world.url(inside)]);
            assert!(
                !matches!(ran.code, Some(0)) && !ran.text().contains(SECRET),
                "{command} {inside}: {ran:?}"
            );
        }
    }
    for folder in ["absolute", "relative", "slash"] {
        let below = |name: &str| world.url(format!("{folder}/{name}"));
        for arguments in [
            vec!["ls".to_owned(), below("")],
            vec!["ls".to_owned(), "-R".into(), below("inner")],
            vec!["stat".to_owned(), below("secret")],
            vec!["stat".to_owned(), "-L".into(), world.url(folder)],
            vec!["put".to_owned(), "mine".into(), below("")],
            vec!["put".to_owned(), "mine".into(), below("secret")],
            vec!["put".to_owned(), "-r".into(), "tree/.".into(), below("inner")],
            vec!["mkdir".to_owned(), "-p".into(), below("new/deep")],
            vec!["rm".to_owned(), below("secret")],
            vec!["rm".to_owned(), "-r".into(), below("inner")],
            vec!["mv".to_owned(), below("secret"), world.url("stolen")],
            vec!["chmod".to_owned(), "777".into(), below("secret")],
            vec!["touch".to_owned(), below("secret")],
            vec!["touch".to_owned(), below("new")],
            vec!["ln".to_owned(), "-s".into(), "x".into(), below("link")],
        ] {
            let ran = world.client(&arguments);
            assert_ne!(ran.code, Some(0), "{arguments:?}");
            assert!(!ran.text().contains("secret"), "{arguments:?}: {ran:?}");
        }
    }
    for name in ["absolute", "relative"] {
        let _ = world.client(["chmod", "777", &world.url(name)]); // whatever it answers, the link's target does not change
        let _ = world.client(["touch", "-d", "2001-01-01T00:00:00Z", &world.url(name)]);
    }
    assert!(picture(&outside) == before);
    world.check(["get", "-r", &world.url(""), "all"]);
    assert!(
        picture(&world.local().join("all")).values().all(|line| line.starts_with("link")),
        "links stay links"
    );
    world.check(["put", "mine", &world.url("file")]);
    assert!(picture(&outside) == before, "the link itself was replaced");
    world.check(["rm", "-r", &world.url("absolute")]);
    assert!(picture(&outside) == before, "the link itself was removed");
}

#[test]
fn links_of_the_download_target_that_lead_outside_are_never_followed() {
    let world = World::serving();
    let outside = outside(&world);
    for name in ["inner/file", "secret", "linked/secret", "linked/inner/file"] {
        let path = world.root().join("tree").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "from the server").unwrap();
    }
    fs::create_dir(world.local().join("target")).unwrap();
    symlink(&outside, world.local().join("target/linked")).unwrap();
    symlink(outside.join("secret"), world.local().join("target/secret")).unwrap();
    let before = picture(&outside);
    let ran = world.client(["get", "-r", &world.url("tree/."), "target"]);
    assert!(picture(&outside) == before, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(world.local().join("target/inner/file")).unwrap(), "from the server");
    assert_eq!(
        fs::read_to_string(world.local().join("target/secret")).unwrap(),
        "from the server",
        "the link was replaced"
    );
    assert!(
        ran.code == Some(1) || fs::symlink_metadata(world.local().join("target/linked")).unwrap().is_dir(),
        "{ran:?}"
    );
}

#[test]
fn links_inside_the_served_folder_work() {
    let world = World::serving();
    fs::create_dir(world.root().join("folder")).unwrap();
    fs::write(world.root().join("folder/file"), "content").unwrap();
    symlink("folder", world.root().join("link")).unwrap();
    symlink("folder/file", world.root().join("link-to-file")).unwrap();
    assert_eq!(world.check(["cat", &world.url("link/file")]).text(), "content");
    assert_eq!(world.check(["cat", &world.url("link-to-file")]).text(), "content");
    assert_eq!(world.check(["ls", &world.url("link")]).text(), "file\n");
}

#[test]
fn a_folder_of_the_server_that_turns_into_a_link_is_never_followed() {
    let world = World::serving();
    let outside = outside(&world);
    make_tree(&world.local().join("tree"), "harmless");
    make_tree(&world.root().join("tree"), "harmless");
    let before = picture(&outside);
    let swapped = world.root().join("tree/swapped");
    let runs = while_swapping(&swapped, &outside, |run| {
        let back = format!("back-{run}");
        let _ = world.client(["put", "-r", "tree/.", &world.url("tree")]); // some items fail, as they must
        let _ = world.client(["get", "-r", &world.url("tree/"), &back]);
        let hostile = [
            world.client(["cat", &world.url("tree/swapped/secret")]),
            world.client(["ls", "-lR", &world.url("tree/swapped")]),
            world.client(["mkdir", &world.url("tree/swapped/new")]),
            world.client(["touch", &world.url("tree/swapped/secret")]),
            world.client(["chmod", "777", &world.url("tree/swapped/secret")]),
            world.client(["rm", "-r", &world.url("tree/swapped/inner")]),
        ];
        assert!(
            hostile.iter().all(|ran| !ran.text().contains(SECRET) && !ran.text().contains("only-outside"))
        );
        assert_no_secret(&world.local().join(back));
    });
    println!("{runs} runs, seed: none, the scheduler's");
    assert_no_secret(&world.root().join("tree")); // examined at rest: while folders swap, this check itself would follow the link
    assert!(picture(&outside) == before);
}

#[test]
fn a_folder_of_the_download_target_that_turns_into_a_link_is_never_followed() {
    let world = World::serving();
    let outside = outside(&world);
    make_tree(&world.root().join("tree"), "harmless");
    make_tree(&world.local().join("target"), "harmless");
    let before = picture(&outside);
    let runs = while_swapping(&world.local().join("target/swapped"), &outside, |run| {
        let _ = world.client(["get", "-r", &world.url("tree/."), "target"]); // some items fail, as they must
        let up = format!("up-{run}");
        let _ = world.client(["put", "-r", "target/.", &world.url(&up)]);
        assert_no_secret(&world.root().join(up));
    });
    println!("{runs} runs");
    assert!(picture(&outside) == before);
    world.check(["get", "-r", &world.url("tree/."), "calm"]);
    assert_same(&world.root().join("tree"), &world.local().join("calm"));
}

/// Makes a folder beside the served one, with the same names as the trees of these tests.
pub(crate) fn outside(world: &World) -> PathBuf {
    let outside = world.root().parent().unwrap().join("outside");
    make_tree(&outside, SECRET);
    fs::rename(outside.join("swapped/secret"), outside.join("secret")).unwrap();
    fs::rename(outside.join("swapped/inner"), outside.join("inner")).unwrap();
    fs::write(outside.join("only-outside"), SECRET).unwrap();
    outside
}

pub(crate) fn make_tree(tree: &Path, text: &str) {
    fs::create_dir_all(tree.join("swapped/inner")).unwrap();
    fs::write(tree.join("swapped/secret"), text).unwrap();
    for number in 0..20 {
        fs::write(tree.join(format!("swapped/inner/{number}")), text).unwrap();
        fs::write(tree.join(format!("swapped/{number}")), text).unwrap();
    }
    fs::write(tree.join("swapped/large"), content(1, 700_000)).unwrap();
}

/// Repeats `work` while a folder and a link to `outside` keep changing places.
pub(crate) fn while_swapping(folder: &Path, outside: &Path, mut work: impl FnMut(u32)) -> u32 {
    let beside = folder.with_file_name("..swap.."); // not a name in the trees
    let link = folder.parent().unwrap().parent().unwrap().join(beside.file_name().unwrap());
    symlink(outside, &link).unwrap();
    let (stop, swaps, turn) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(()));
    let runs = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _turn = turn.lock();
                match renameat_with(CWD, folder, CWD, &link, RenameFlags::EXCHANGE) {
                    Ok(()) => swaps.fetch_add(1, Ordering::Relaxed),
                    Err(Errno::NOENT) => 0, // the work may remove the one, to make the other
                    Err(error) => panic!("exchanging {} and {}: {error}", folder.display(), link.display()),
                };
            }
        });
        let (begin, mut runs) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_millis(2500) {
            restore(&turn, folder, &link, outside);
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(runs)));
            if let Err(panic) = done {
                stop.store(true, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
            runs += 1;
        }
        stop.store(true, Ordering::Relaxed);
        runs
    });
    println!("{} swaps", swaps.load(Ordering::Relaxed));
    for path in [folder, &link] {
        if is_link(path) {
            fs::remove_file(path).unwrap();
        }
    }
    runs
}

/// Restores the one to a folder and the other to a link, whatever the work has made of them.
fn restore(turn: &Mutex<()>, folder: &Path, link: &Path, outside: &Path) {
    let _turn = turn.lock();
    match (is_link(folder), is_link(link)) {
        (false, false) => {
            let _ = fs::remove_dir_all(link); // it may be gone
            symlink(outside, link).unwrap();
        }
        (true, true) => fs::remove_file(folder).unwrap(),
        (true, false) | (false, true) => {}
    }
    for path in [folder, link] {
        if !is_link(path) {
            fs::create_dir_all(path).unwrap();
        }
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

pub(crate) fn assert_no_secret(folder: &Path) {
    if !folder.exists() {
        return;
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {
                    let text = fs::read(entry.path()).unwrap_or_default();
                    assert!(!text.starts_with(SECRET.as_bytes()), "{}", entry.path().display());
                    assert_ne!(entry.file_name(), "only-outside");
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}
