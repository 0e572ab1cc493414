//! `chmod -R`: folders and files get what is asked for, links nothing, and folders are closed last and opened first.

use crate::support::{chmod, is_root};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tests::world::{Ran, World};

/// A tree of folders and files whose names begin with `x` where they can be executed.
fn world() -> World {
    let world = World::serving();
    let tree = world.root().join("tree");
    fs::create_dir_all(tree.join("sub/deep")).unwrap();
    for name in ["file", "xfile", "sub/file", "sub/deep/xfile"] {
        fs::write(tree.join(name), name).unwrap();
        chmod(&tree.join(name), if name.contains('x') { 0o744 } else { 0o644 });
    }
    fs::write(world.root().join("outside"), "outside").unwrap();
    chmod(&world.root().join("outside"), 0o604);
    symlink("../outside", tree.join("link")).unwrap();
    world
}

fn run(world: &World, mode: &str, path: &str) -> Ran {
    world.client(["chmod", "-R", "--", mode, &world.url(path)])
}

fn modes(world: &World) -> BTreeMap<&'static str, u32> {
    let tree = world.root().join("tree");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let names = ["", "file", "xfile", "sub", "sub/file", "sub/deep", "sub/deep/xfile"];
    names.into_iter().map(|name| (name, mode(&tree.join(name)))).collect()
}

#[test]
fn every_folder_and_file_is_changed() {
    let world = world();
    for (mode, folder, file, executable) in [
        ("u=rwX,go=rX", 0o755, 0o644, 0o755),
        ("go-rwx", 0o700, 0o600, 0o700),
        ("a+X", 0o711, 0o600, 0o711),
        ("640", 0o640, 0o640, 0o640),
        ("750", 0o750, 0o750, 0o750),
    ] {
        let ran = run(&world, mode, "tree");
        assert_eq!(ran.code, Some(0), "{mode}: {}", ran.stderr);
        for (name, found) in modes(&world) {
            let expected = match name {
                "" | "sub" | "sub/deep" => folder,
                name if name.contains('x') => executable,
                _ => file,
            };
            assert_eq!(found, expected, "{mode} {name}: {found:o}");
        }
    }
    let outside = fs::metadata(world.root().join("outside")).unwrap().permissions().mode() & 0o777;
    assert_eq!(outside, 0o604, "a link was followed");
}

#[test]
fn a_folder_is_closed_after_its_content_and_opened_before_it() {
    let world = world();
    let closed = run(&world, "a-rwx", "tree");
    assert_eq!(closed.code, Some(0), "{}", closed.stderr);
    let tree = world.root().join("tree");
    assert_eq!(fs::metadata(&tree).unwrap().permissions().mode() & 0o777, 0);
    if is_root() {
        assert!(modes(&world).values().all(|mode| *mode == 0), "{:?}", modes(&world));
    }
    let opened = run(&world, "u+rwX", "tree");
    assert_eq!(opened.code, Some(0), "{}", opened.stderr);
    let expected = |name: &str| if ["", "sub", "sub/deep"].contains(&name) { 0o700 } else { 0o600 };
    for (name, mode) in modes(&world) {
        assert_eq!(mode, expected(name), "{name}: {mode:o}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let world = world();
    for (mode, path, code) in [("9", "tree", 2), ("D755", "tree", 2), ("755", "gone", 5)] {
        let ran = run(&world, mode, path);
        assert_eq!(ran.code, Some(code), "{mode} {path}: {}", ran.stderr);
    }
    let file = run(&world, "600", "tree/file");
    assert_eq!((file.code, modes(&world)["file"]), (Some(0), 0o600), "{}", file.stderr);
    let matched = run(&world, "go=", "tree/s*");
    assert_eq!(matched.code, Some(0), "{}", matched.stderr);
    assert_eq!((modes(&world)["sub"], modes(&world)["sub/deep/xfile"]), (0o700, 0o700));
    assert_eq!(modes(&world)["xfile"], 0o744);
}
