//! `edit`: sends what was edited, and nothing if nothing was, or if the server's file was changed meanwhile.

use crate::support::{chmod, leftovers};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use tests::world::{Ran, World};

fn edit(world: &World, editor: &str, path: &str) -> Ran {
    let mut client = world.client_command(["edit", &world.url(path)]);
    client.env("EDITOR", editor).env_remove("VISUAL").env("TMPDIR", world.local());
    Ran::from(client.output().unwrap())
}

/// Folders of edited copies that are kept.
fn kept(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.local()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("ftpx-edit-")).collect()
}

#[test]
fn what_was_edited_is_sent_and_permissions_stay() {
    let world = World::serving();
    let file = world.root().join("a file");
    fs::write(&file, "one\n").unwrap();
    chmod(&file, 0o640);
    let ran = edit(&world, "sed -i s/one/two/", "a file");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), "two\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    symlink("a file", world.root().join("link")).unwrap();
    assert_eq!(edit(&world, "sed -i s/two/three/", "link").code, Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), "three\n");
    assert!(world.root().join("link").is_symlink());
    let made = edit(&world, "sh -c 'echo new > \"$0\"'", "new");
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert_eq!(fs::read_to_string(world.root().join("new")).unwrap(), "new\n");
    assert!(kept(&world).is_empty() && leftovers(&world.root()).is_empty());
}

#[test]
fn what_was_not_edited_is_not_sent() {
    let world = World::serving();
    let file = world.root().join("file");
    fs::write(&file, "content").unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    let ran = edit(&world, "touch", "file");
    assert!(ran.code == Some(0) && ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert_eq!(file.metadata().unwrap().modified().unwrap(), before);
    assert_eq!(edit(&world, "true", "missing").code, Some(0));
    assert!(!world.root().join("missing").exists() && kept(&world).is_empty());
}

#[test]
fn a_file_that_was_changed_on_the_server_meanwhile_stays_and_so_does_the_edited_copy() {
    let world = World::serving();
    let file = world.root().join("file");
    for (path, change) in [("file", "theirs"), ("absent", "made meanwhile")] {
        fs::write(&file, "before").unwrap();
        let there = world.root().join(path);
        let script = format!("sh -c 'echo mine > \"$0\"; echo {change} > {}'", there.display());
        let ran = edit(&world, &script, path);
        assert_eq!(ran.code, Some(6), "{}", ran.stderr);
        assert!(ran.stderr.contains("on the server meanwhile; nothing was sent"), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(&there).unwrap(), format!("{change}\n"));
        let copy = kept(&world).remove(0).join(path);
        assert!(ran.stderr.contains(copy.to_str().unwrap()), "{}", ran.stderr);
        assert_eq!(fs::read_to_string(&copy).unwrap(), "mine\n");
        fs::remove_dir_all(copy.parent().unwrap()).unwrap();
    }
    let failed = edit(&world, "sh -c 'echo mine > \"$0\"; exit 3'", "file");
    assert_eq!(failed.code, Some(6), "{}", failed.stderr);
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), kept(&world).len()), ("before", 1));
    fs::create_dir(world.root().join("folder")).unwrap();
    for (path, code) in [("folder", 1), ("folder/", 1), ("gone/file", 5)] {
        let ran = edit(&world, "sh -c 'echo x > \"$0\"'", path);
        assert!(ran.code == Some(code), "{path}: {:?} {}", ran.code, ran.stderr);
    }
}
