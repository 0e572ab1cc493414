//! A server's listing cannot make a mirror leave its target, and an add-only target's entries stay unchanged.

use crate::support::{assert_same, picture};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tests::world::World;

#[test]
fn a_listed_link_where_the_backup_is_does_not_lead_the_backup_outside() {
    let world = World::serving();
    let (source, outside) = (world.root().join("source"), world.local().join("outside"));
    fs::create_dir(&source).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, source.join("old")).unwrap();
    fs::write(source.join("file"), "first").unwrap();
    let url = world.url("source");
    world.check(["mirror", &url, "target"]); // the link is stored unchanged
    fs::write(source.join("file"), "second one").unwrap();
    let ran = world.client(["mirror", "--delete", "--backup=target/old", &url, "target"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{:?} {}", ran.code, ran.stderr);
    assert_ne!(ran.code, Some(0));
    assert_eq!(fs::read_to_string(world.local().join("target/file")).unwrap(), "first");
}

#[test]
fn what_the_source_has_where_the_backup_is_takes_no_part() {
    let world = World::serving();
    let source = world.root().join("source");
    fs::create_dir_all(source.join("old")).unwrap();
    fs::write(source.join("old/planted"), "planted").unwrap();
    fs::write(source.join("file"), "first").unwrap();
    let kept = world.local().join("target/old/kept");
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, "kept").unwrap();
    world.check(["mirror", "--delete", "--backup=target/old", &world.url("source"), "target"]);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "kept");
    assert!(!world.local().join("target/old/planted").exists());
}

#[test]
fn a_file_that_is_not_to_be_sent_does_not_cost_the_folder_in_its_place() {
    let world = World::serving();
    let (source, target) = (world.root().join("source"), world.local().join("target"));
    fs::create_dir(&source).unwrap();
    fs::write(source.join("name"), "longer than is to be sent").unwrap();
    fs::create_dir_all(target.join("name")).unwrap();
    fs::write(target.join("name/mine"), "mine").unwrap();
    world.check(["mirror", "--delete", "--max-size=5", &world.url("source"), "target"]);
    assert_eq!(fs::read_to_string(target.join("name/mine")).unwrap(), "mine");
}

#[test]
fn who_may_only_add_cannot_change_a_folder_that_is_there() {
    let mut world = World::empty();
    world.add_user("drop", "drop");
    world.serve(&[]);
    for folder in [world.root().join("folder/inner"), world.local().join("folder/inner")] {
        fs::create_dir_all(folder).unwrap();
    }
    for folder in ["folder", "folder/inner"] {
        fs::set_permissions(world.local().join(folder), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let before = picture(&world.root());
    world.client(["put", "-r", "folder", &world.url_of("drop", "")]);
    assert!(picture(&world.root()) == before);
    fs::rename(world.local().join("folder"), world.local().join("new")).unwrap();
    world.check(["put", "-r", "new", &world.url_of("drop", "")]);
    assert_same(&world.local().join("new"), &world.root().join("new")); // new entries have their own permissions
}
