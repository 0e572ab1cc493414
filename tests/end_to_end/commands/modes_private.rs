//! Private files stay private while they are transferred: folders are never open to more people than the source's, even if a
//! transfer ends there, and another machine's permissions do not overrule the umask.

use crate::mirrors::{Mirror, WAYS, Way};
use crate::support::{chmod, leftovers, wait_until};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tests::world::World;
use wire::store::umask;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Returns the modes of a folder and of the private one in it.
fn folders(folder: &Path) -> [u32; 2] {
    [mode(folder), mode(folder.join("private"))]
}

/// Starts a transfer slow enough to be examined.
fn begin(world: &World, words: &[OsString]) -> Child {
    let mut command =
        world.client_command([words, &["--limit-rate=2M".into(), "--compress=never".into()]].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Makes files that others could read if they could reach them, in a folder closed to others.
fn fill(source: &Path) {
    fs::create_dir_all(source.join("private/sub")).unwrap();
    fs::write(source.join("private/large"), vec![7; 12 << 20]).unwrap();
    fs::write(source.join("private/sub/small"), "small").unwrap();
    for (name, bits) in [("", 0o750), ("private", 0o700), ("private/sub", 0o755), ("private/large", 0o644)] {
        chmod(&source.join(name), bits);
    }
}

/// Each command that transfers a tree: its words, and its target.
fn commands(mirror: &Mirror) -> [(Vec<OsString>, PathBuf); 2] {
    let [source, target] = mirror.places();
    let (command, placed) = match mirror.way {
        Way::Up => (["put".to_owned(), format!("{source}/")], mirror.world.root()),
        Way::Down => (["get".to_owned(), mirror.world.url("source/")], mirror.world.local()),
    };
    let [command, contents] = command;
    let copied = match mirror.way {
        Way::Up => mirror.world.url("copied"),
        Way::Down => "copied".to_owned(),
    };
    let mirrored = vec!["mirror".into(), source.into(), target.into()];
    let copy = vec![command.into(), "-r".into(), contents.into(), copied.into()];
    [(mirrored, mirror.target()), (copy, placed.join("copied"))]
}

#[test]
fn a_private_folder_lets_nobody_in_while_it_is_filled_nor_after_a_kill() {
    const OPTIONS: [(&[&str], [u32; 2]); 2] =
        [(&[], [0o750, 0o700]), (&["--no-perms", "--chmod=D700"], [0o700, 0o700])];
    for (way, (options, wanted)) in WAYS.into_iter().flat_map(|way| OPTIONS.map(|options| (way, options))) {
        let mirror = Mirror::new(way);
        fill(&mirror.source());
        for (mut words, target) in commands(&mirror) {
            words.extend(options.iter().map(OsString::from));
            let mut client = begin(&mirror.world, &words);
            wait_until("some of it is there", || target.exists() && !leftovers(&target).is_empty());
            assert_eq!(folders(&target), [0o700, 0o700], "{words:?}");
            client.kill().unwrap();
            client.wait().unwrap();
            assert_eq!(folders(&target), [0o700, 0o700], "{words:?}: after a kill");
            mirror.world.check(&words);
            assert_eq!(folders(&target), wanted, "{words:?}");
        }
    }
}

#[test]
fn a_folder_that_becomes_private_does_so_before_anything_new_is_in_it() {
    for (way, deep) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let mirror = Mirror::new(way);
        fill(&mirror.source());
        if deep {
            let [from, to] = ["private/large", "private/sub/large"].map(|name| mirror.source().join(name));
            fs::rename(from, to).unwrap();
        }
        fs::create_dir_all(mirror.target().join("private/sub")).unwrap();
        for name in ["", "private", "private/sub"] {
            chmod(&mirror.target().join(name), 0o755);
        }
        let (words, target) = commands(&mirror)[0].clone();
        let mut client = begin(&mirror.world, &words);
        wait_until("some of it is there", || !leftovers(&target).is_empty());
        assert_eq!(folders(&target), [0o750, 0o700], "{way:?} {deep}");
        assert!(client.wait().unwrap().success());
        assert_eq!(folders(&target), [0o750, 0o700], "{way:?} {deep}");
        assert_eq!(mirror.check(["-n"]).text(), "");
    }
}

#[test]
fn a_backup_is_open_to_no_more_people_than_what_it_comes_from() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        for (side, content) in [(mirror.source(), "new one"), (mirror.target(), "old")] {
            fs::create_dir_all(side.join("private/sub")).unwrap();
            fs::write(side.join("private/sub/file"), content).unwrap();
            for (name, bits) in [("", 0o750), ("private", 0o700), ("private/sub", 0o755)] {
                chmod(&side.join(name), bits);
            }
        }
        let (option, kept) = match way {
            Way::Up => ("--backup=/old/er", mirror.world.root()),
            Way::Down => ("--backup=old/er", mirror.world.local()),
        };
        mirror.check([option]);
        let names = ["old", "old/er", "old/er/private", "old/er/private/sub"];
        let umasked = 0o755 & !umask();
        assert_eq!(names.map(|name| mode(kept.join(name))), [0o750, 0o750, 0o700, umasked], "{way:?}");
        assert_eq!(fs::read_to_string(kept.join("old/er/private/sub/file")).unwrap(), "old");
    }
}

#[test]
fn the_umask_counts_for_what_comes_from_another_machine_unless_permissions_are_asked_for() {
    let less = |bits: u32| bits & !umask();
    let mirror = Mirror::new(Way::Down);
    let world = &mirror.world;
    let names = ["", "folder", "folder/file", "large"];
    fs::create_dir_all(mirror.source().join("folder")).unwrap();
    fs::write(mirror.source().join("folder/file"), "file").unwrap();
    fs::write(mirror.source().join("large"), vec![1; 3 << 20]).unwrap();
    names
        .iter()
        .zip([0o777, 0o777, 0o666, 0o777])
        .for_each(|(name, bits)| chmod(&mirror.source().join(name), bits));
    let modes = |folder: &Path| names.map(|name| mode(folder.join(name)));
    let url = |name: &str| world.url(format!("source/{name}"));
    for (number, (options, expected)) in [
        (&[][..], [0o777, 0o777, 0o666, 0o777].map(less)),
        (&["--perms"], [0o777, 0o777, 0o666, 0o777]),
        (&["--no-perms"], [0o777, 0o777, 0o666, 0o666].map(less)),
        (&["--chmod=D2775,F666"], [0o2775, 0o2775, 0o666, 0o666]),
    ]
    .into_iter()
    .enumerate()
    {
        let local = world.local().join(number.to_string());
        fs::create_dir(&local).unwrap();
        let run = |command: &str, names: &[&str], target: &str| {
            let names = names.iter().map(|name| url(name)).chain([format!("{number}/{target}")]);
            world.check(
                [command.to_owned()].into_iter().chain(options.iter().map(ToString::to_string)).chain(names),
            )
        };
        run("get", &["large"], "one");
        assert_eq!(mode(local.join("one")), expected[3], "{options:?}");
        fs::create_dir(local.join("many")).unwrap();
        run("get", &["large", "folder/file"], "many");
        assert_eq!(
            ["large", "file"].map(|name| mode(local.join("many").join(name))),
            [expected[3], expected[2]]
        );
        let tree = ["get", "-r"].iter().chain(options).map(ToString::to_string);
        world.check(tree.chain([world.url("source/"), format!("{number}/tree")]));
        assert_eq!(modes(&local.join("tree")), expected, "{options:?}");
        run("mirror", &[""], "mirrored");
        assert_eq!(modes(&local.join("mirrored")), expected, "{options:?}");
    }
    mirror.check::<&str>([]);
    assert_eq!(modes(&mirror.target()), [0o777, 0o777, 0o666, 0o777].map(less));
    assert_eq!(mirror.check(["-n"]).text(), "", "what the umask takes away is no difference");
    mirror.check(["--plan=plan", "--perms"]);
    world.check(["apply", "plan"]);
    assert_eq!(modes(&mirror.target()), [0o777, 0o777, 0o666, 0o777]);
    let mirror = Mirror::new(Way::Up);
    mirror.write("file", "file");
    chmod(&mirror.source().join("file"), 0o666);
    mirror.check::<&str>([]);
    assert_eq!(mode(mirror.target().join("file")), 0o666, "the server's rules are its own");
}
