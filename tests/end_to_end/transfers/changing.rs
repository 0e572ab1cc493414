//! Files that change while they are read, and files whose size does not match their content.

use crate::mirrors::{Mirror, WAYS, Way};
use crate::support::{assert_same, content, event, wait_until};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tests::world::{Ran, World};

const LEN: usize = 6 << 20;

/// Runs something while a file changes again and again.
fn while_it_changes<T>(change: impl FnMut() + Send, run: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let mut change = change;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                change();
                std::thread::sleep(Duration::from_millis(2)); // as often as a busy log is written to
            }
        });
        let result = run();
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn append(path: &Path) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(b"one line more\n").unwrap();
}

/// A mirror with a growing file at the source, and an extra one at the target.
fn growing(way: Way) -> Mirror {
    let mirror = Mirror::new(way);
    mirror.write("big.log", content(1, LEN));
    mirror.write("small.log", "begin\n");
    mirror.write("other", "other");
    fs::create_dir(mirror.target()).unwrap();
    fs::write(mirror.target().join("gone"), "gone").unwrap();
    mirror
}

fn run_while_it_grows(mirror: &Mirror, options: &[&str]) -> Ran {
    let logs = ["big.log", "small.log"].map(|name| mirror.source().join(name));
    let options = ["--delete", "--json", "--limit-rate=12M"].iter().chain(options);
    while_it_changes(|| logs.iter().for_each(|log| append(log)), || mirror.run(options))
}

#[test]
fn a_file_that_never_rests_fails_alone_and_blocks_no_deletions() {
    for way in WAYS {
        let mirror = growing(way);
        let ran = run_while_it_grows(&mirror, &[]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("big.log: changed") && ran.stderr.contains("--changing as-is"),
            "{}",
            ran.stderr
        );
        let names = mirror.names();
        assert!(!names.contains(&"gone".to_owned()) && names.contains(&"other".to_owned()), "{names:?}");
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn as_is_sends_what_was_read_and_says_so() {
    for way in WAYS {
        let mirror = growing(way);
        let ran = run_while_it_grows(&mirror, &["--changing=as-is"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(event(&ran, "finished")["as_is"].as_u64().unwrap() >= 1, "{}", ran.text());
        assert!(ran.stderr.contains("big.log: changed while it was read"), "{}", ran.stderr);
        assert!(!mirror.target().join("gone").exists());
        let sent = fs::read(mirror.target().join("big.log")).unwrap();
        let now = fs::read(mirror.source().join("big.log")).unwrap();
        assert!(sent.len() >= LEN && now.starts_with(&sent), "{} of {} bytes", sent.len(), now.len());
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn skip_leaves_it_alone() {
    for way in WAYS {
        let mirror = growing(way);
        let ran = run_while_it_grows(&mirror, &["--changing=skip"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(event(&ran, "finished")["skipped"].as_u64().unwrap() >= 1, "{}", ran.text());
        assert!(!mirror.target().join("big.log").exists() && !mirror.target().join("gone").exists());
    }
}

/// Names and permissions are not content; nor is another file that takes the name.
#[test]
fn links_permissions_and_a_new_file_of_the_name_change_nothing_of_what_is_read() {
    for (way, kind) in [(Way::Down, "get"), (Way::Up, "put")] {
        let mirror = Mirror::new(way);
        let (old, new) = (content(1, LEN), content(2, LEN));
        mirror.write("file", &old);
        let file = mirror.source().join("file");
        let mut number = 0_u32;
        let change = || {
            number += 1;
            let other = mirror.source().join("other");
            match number % 3 {
                0 => fs::set_permissions(&file, Permissions::from_mode(0o600 + (number / 3) % 2 * 0o44))
                    .unwrap(),
                1 => fs::hard_link(&file, &other).unwrap(),
                _ => fs::remove_file(&other).unwrap(),
            }
        };
        let [from, _] = mirror.places();
        let words = match way {
            Way::Down => vec![kind.to_owned(), mirror.world.url("source/file"), "back".to_owned()],
            Way::Up => vec![kind.to_owned(), format!("{from}/file"), mirror.world.url("back")],
        };
        let words = [words, vec!["--limit-rate=16M".to_owned()]].concat();
        while_it_changes(change, || mirror.world.check(&words));
        let back = match way {
            Way::Down => mirror.world.local().join("back"),
            Way::Up => mirror.world.root().join("back"),
        };
        assert!(fs::read(&back).unwrap() == old);
        fs::remove_file(&back).unwrap();
        let mut command = mirror.world.client_command(&words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = || {
            fs::read_dir(back.parent().unwrap())
                .unwrap()
                .any(|entry| entry.unwrap().file_name().as_encoded_bytes().starts_with(b".ftpx-"))
        };
        wait_until("the transfer has begun", || begun() || back.exists());
        fs::write(mirror.source().join("new"), &new).unwrap();
        fs::rename(mirror.source().join("new"), &file).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let sent = fs::read(&back).unwrap();
        assert!(sent == old || sent == new);
    }
}

#[test]
fn a_file_that_changes_and_rests_arrives_as_it_is_then() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        mirror.write("file", content(1, LEN));
        let mut command = mirror.world.client_command(mirror.words(["--limit-rate=8M"]));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let staged = |name: std::ffi::OsString| name.as_encoded_bytes().starts_with(b".ftpx-");
        wait_until("the file has begun", || {
            let names = fs::read_dir(mirror.target());
            names.is_ok_and(|mut names| names.any(|entry| staged(entry.unwrap().file_name())))
        });
        mirror.write("file", content(2, LEN + 4_000_000));
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        mirror.assert_done::<&str>([]);
    }
}

/// A procfs file has size 0; a sysfs file claims to have a page.
const UNSIZED: [&str; 4] =
    ["/proc/version", "/proc/filesystems", "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/kallsyms"];

#[test]
fn what_has_no_true_size_is_read_to_its_end() {
    let world = World::serving();
    for path in UNSIZED.map(Path::new).into_iter().filter(|path| path.exists()) {
        let expected = fs::read(path).unwrap();
        for recursive in [&[][..], &["-r"]] {
            let places = [path.to_str().unwrap().to_owned(), world.url("sent")];
            world.check(["put"].iter().chain(recursive).map(|word| (*word).to_owned()).chain(places));
            assert!(fs::read(world.root().join("sent")).unwrap() == expected, "{path:?}");
            fs::remove_file(world.root().join("sent")).unwrap();
        }
    }
}

#[test]
fn a_server_of_files_without_true_sizes_sends_and_hashes_them_whole() {
    let mut world = World::empty();
    world.add_user("tester", "read");
    let users = world.state().join("users.toml");
    let text = fs::read_to_string(&users).unwrap();
    let root = world.root().to_str().unwrap().to_owned();
    fs::write(&users, text.replace(&root, "/proc/sys/kernel")).unwrap();
    world.serve(&[]);
    let expected = fs::read("/proc/sys/kernel/ostype").unwrap();
    assert_eq!(world.check(["cat", &world.url("ostype")]).stdout, expected);
    world.check(["get", &world.url("ostype"), "got"]);
    assert_eq!(fs::read(world.local().join("got")).unwrap(), expected);
    let hashed = world.check(["hash", &world.url("ostype")]).text();
    assert!(hashed.starts_with(&crate::support::sha256(&expected)), "{hashed}");
    world.client(["mirror", &world.url("random"), "random"]);
    let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(fs::read(world.local().join("random/boot_id")).unwrap(), id);
}

/// The change shows when it is the last file to send.
#[test]
fn a_single_file_that_changes_and_rests_arrives_as_it_is_then() {
    for way in WAYS {
        let mirror = Mirror::new(way);
        mirror.write("file", content(1, LEN));
        let file = mirror.source().join("file");
        let (words, back) = match way {
            Way::Down => {
                (["get".to_owned(), mirror.world.url("source/file"), "back".to_owned()], mirror.world.local())
            }
            Way::Up => {
                (["put".to_owned(), "source/file".to_owned(), mirror.world.url("back")], mirror.world.root())
            }
        };
        let words = words.iter().map(String::as_str).chain(["--limit-rate=8M"]);
        let mut command = mirror.world.client_command(words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the file has begun", || has_staged(&back));
        append(&file);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(fs::read(back.join("back")).unwrap() == fs::read(&file).unwrap());
    }
}

/// The change shows when everything else has been sent.
#[test]
fn a_folder_keeps_its_time_where_a_file_in_it_comes_once_more() {
    for (way, command) in [(Way::Down, "get"), (Way::Up, "put"), (Way::Down, "mirror"), (Way::Up, "mirror")] {
        let mirror = Mirror::new(way);
        fs::create_dir(mirror.source().join("folder")).unwrap();
        mirror.write("folder/file", content(1, LEN));
        let (file, target) = (mirror.source().join("folder/file"), mirror.target().join("folder"));
        for folder in ["folder", ""] {
            let folder = File::open(mirror.source().join(folder)).unwrap();
            folder.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        }
        let recursive = (command != "mirror").then(|| "-r".to_owned());
        let words = [command, "--limit-rate=8M"].map(str::to_owned).into_iter().chain(recursive);
        // With a slash at the end the folder's contents are meant.
        let places = match way {
            Way::Up => ["source/".to_owned(), mirror.world.url("target")],
            Way::Down => [mirror.world.url("source/"), "target".to_owned()],
        };
        let mut command = mirror.world.client_command(words.chain(places));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("the file has begun", || has_staged(&target));
        append(&file);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_same(&mirror.source(), &mirror.target());
    }
}

fn has_staged(folder: &Path) -> bool {
    let is_staged = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().as_encoded_bytes().starts_with(b".ftpx-")
    };
    fs::read_dir(folder).is_ok_and(|mut names| names.any(is_staged))
}
