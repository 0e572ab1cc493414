//! Whole trees, there and back: names, bytes, times, modes and links, compared by an independent walk and by rsync.

use crate::support::{assert_same, assert_same_for_rsync, chmod, content, event, events};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tests::demo::{Tree, make_removable};
use tests::world::World;

/// Each combination of options that affects the wire.
const WAYS: [[&str; 2]; 4] = [
    ["--checksum=blake3", "--lanes=4"],
    ["--checksum=sha256", "--lanes=4"],
    ["--checksum=blake3", "--lanes=1"],
    ["--checksum=sha256", "--lanes=1"],
];

#[test]
fn a_real_tree_comes_back_the_same_with_blake3_over_four_lanes() {
    there_and_back(&real_tree(), WAYS[0]);
}

#[test]
fn a_real_tree_comes_back_the_same_with_sha256_over_one_lane() {
    there_and_back(&real_tree(), WAYS[3]);
}

#[test]
fn a_tree_with_all_that_linux_allows_comes_back_the_same_every_way() {
    let made = tempfile::tempdir().unwrap();
    let tree = made.path().join("tree");
    make_tree(&tree);
    for way in WAYS {
        there_and_back(&tree, way);
    }
    make_removable(&tree);
}

#[test]
fn names_never_reach_the_terminal_raw() {
    let world = World::serving();
    make_names(&world.local().join("names"));
    let put = world.check(["put", "-r", "-v", "--color=always", "names/", &world.url("names")]);
    let listed = world.check(["ls", "-lR", &world.url("names")]);
    let got = world.check(["get", "-r", "-v", &world.url("names/"), "back"]);
    for text in [put.text(), put.stderr, listed.text(), got.text(), got.stderr] {
        let raw = text.replace("\x1b[1;31mftp-client:\x1b[0m", "");
        assert!(raw.chars().all(|c| c == '\n' || !c.is_control()), "{raw:?}");
    }
    assert_same(&world.local().join("names"), &world.local().join("back"));
}

#[test]
fn a_second_upload_replaces_what_differs_and_keeps_what_is_not_in_the_source() {
    let world = World::serving();
    let tree = world.local().join("tree");
    make_tree(&tree);
    world.check(["put", "-r", "tree/.", &world.url("tree")]);
    fs::write(world.root().join("tree/more"), "not ours").unwrap();
    fs::write(tree.join("plain"), "another content").unwrap();
    fs::remove_file(tree.join("links/dangling")).unwrap();
    symlink("elsewhere", tree.join("links/dangling")).unwrap();
    world.check(["put", "-r", "tree/.", &world.url("tree")]);
    assert_eq!(fs::read(world.root().join("tree/more")).unwrap(), b"not ours");
    fs::remove_file(world.root().join("tree/more")).unwrap();
    let modified = fs::metadata(&tree).unwrap().modified().unwrap();
    File::open(world.root().join("tree")).unwrap().set_modified(modified).unwrap();
    assert_same(&tree, &world.root().join("tree"));
    make_removable(&tree);
    make_removable(&world.root());
}

#[test]
fn a_tree_that_is_deep_and_one_that_is_wide_arrive() {
    let world = World::serving();
    let mut deep = world.local().join("deep");
    for level in 0..200 {
        deep.push(format!("{level}"));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("end"), "of the world").unwrap();
    let wide = world.local().join("wide");
    fs::create_dir(&wide).unwrap();
    for number in 0..3000 {
        fs::write(wide.join(format!("{number}")), format!("{number}")).unwrap();
    }
    let ran = world.check(["put", "-r", "--json", "deep", "wide", &world.url("")]);
    assert_eq!(event(&ran, "finished")["files"], 3001);
    assert_eq!(events(&ran).iter().filter(|event| event["event"] == "file").count(), 3001);
    world.check(["get", "-r", &world.url("deep"), &world.url("wide"), "."]);
    assert_same(&world.root().join("wide"), &wide);
    assert_same(&world.root().join("deep"), &world.local().join("deep"));
}

fn there_and_back(tree: &Path, way: [&str; 2]) {
    let world = World::serving();
    let bytes = content_len(tree);
    let [checksum, lanes] = way;
    let (url, uploaded, back) = (world.url("up/"), world.root().join("up"), world.local().join("back"));
    let contents = tree.join("");
    let put = world.check([
        OsStr::new("put"),
        "-r".as_ref(),
        "--json".as_ref(),
        checksum.as_ref(),
        lanes.as_ref(),
        contents.as_os_str(),
        url.as_ref(),
    ]);
    assert_eq!(event(&put, "finished")["bytes"], bytes, "{way:?}");
    assert_same(tree, &uploaded);
    assert_same_for_rsync(tree, &uploaded);
    let get = world.check(["get", "-r", "--perms", "--json", checksum, lanes, &url, "back"]);
    assert_eq!(event(&get, "finished")["bytes"], bytes, "{way:?}");
    assert_eq!(event(&get, "started")["checksum"], checksum.trim_start_matches("--checksum="));
    assert_same(tree, &back);
    assert_same_for_rsync(tree, &back);
    make_removable(&uploaded);
    make_removable(&back);
}

/// Returns the bytes of content: of files, and of links, whose content is their target.
fn content_len(tree: &Path) -> u64 {
    let mut folders = vec![tree.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.metadata().unwrap() {
                metadata if metadata.is_dir() => folders.push(entry.path()),
                metadata => bytes += metadata.len(),
            }
        }
    }
    bytes
}

/// Returns a real folder: the machine's documents, or this project's sources where there are none.
fn real_tree() -> PathBuf {
    let documents = PathBuf::from("/usr/share/doc");
    let fits = Tree::read(&documents).is_ok_and(|tree| (1..REAL_TREE_LEN_MAX).contains(&tree.bytes()));
    if fits { documents } else { Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire") }
}

/// Modes, times, links, empty folders, lengths around every border, and odd names.
pub(crate) fn make_tree(tree: &Path) {
    fs::create_dir(tree).unwrap();
    fs::create_dir(tree.join("lengths")).unwrap();
    for len in [0, 1, 255, 256 * 1024, 256 * 1024 + 1, 512 * 1024, 512 * 1024 + 1, 3 * 512 * 1024 + 5] {
        fs::write(tree.join(format!("lengths/{len}")), content(len as u64, len)).unwrap();
    }
    fs::write(tree.join("plain"), "plain").unwrap();
    fs::create_dir_all(tree.join("empty/in/empty")).unwrap();
    for mode in [0o400, 0o444, 0o600, 0o640, 0o666, 0o755, 0o777] {
        let file = tree.join(format!("mode-{mode:o}"));
        fs::write(&file, format!("{mode:o}")).unwrap();
        chmod(&file, mode);
    }
    let nanoseconds = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    for (name, time) in [
        ("time-nanos", nanoseconds),
        ("time-zero", SystemTime::UNIX_EPOCH),
        ("time-old", SystemTime::UNIX_EPOCH - Duration::from_millis(1500)),
    ] {
        let file = File::create(tree.join(name)).unwrap();
        file.set_modified(time).unwrap();
    }
    make_links(&tree.join("links"));
    make_names(&tree.join("names"));
    for mode in [0o500, 0o555, 0o700, 0o750, 0o777] {
        let folder = tree.join(format!("folder-{mode:o}"));
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(folder.join("inner/file"), "in a folder").unwrap();
        File::open(&folder).unwrap().set_modified(nanoseconds).unwrap();
        chmod(&folder, mode);
    }
    File::open(tree).unwrap().set_modified(nanoseconds).unwrap();
}

fn make_links(links: &Path) {
    fs::create_dir(links).unwrap();
    for (target, name) in [
        ("nowhere/at all", "dangling"),
        ("/etc/passwd", "absolute"),
        ("..", "up"),
        ("../empty", "to-folder"),
        ("../plain", "to-file"),
        ("loop", "loop"),
        ("../../../../../../../etc", "outside"),
        ("\x1b]0;title\x07", "strange"),
    ] {
        symlink(target, links.join(name)).unwrap();
    }
}

fn make_names(names: &Path) {
    fs::create_dir(names).unwrap();
    let longest = "x".repeat(255);
    let odd: [&[u8]; 21] = [
        b"caf\xe9",
        b"\xff\xfe",
        b"new\nline",
        b"tab\t",
        b"\x1b[31mred\x1b[0m",
        b"\x7f",
        b"-rf",
        b"--json",
        b" ",
        b"trailing ",
        b"Case",
        b"case",
        b"a:b",
        b"%41",
        b"?pin=x",
        b"back\\slash",
        b"\"quoted\"",
        b"...",
        b"*",
        "\u{202e}gnp.exe".as_bytes(),
        longest.as_bytes(),
    ];
    for name in odd {
        fs::write(names.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::create_dir(names.join(OsStr::from_bytes(b"folder\n\xe9"))).unwrap();
    fs::write(names.join(OsStr::from_bytes(b"folder\n\xe9/\xe9")), "inside").unwrap();
}

/// More would slow down other tests.
const REAL_TREE_LEN_MAX: u64 = 200_000_000;
