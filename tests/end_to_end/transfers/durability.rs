//! `--durability` with the real programs. The promise of `power` is proven in the `faults` tests; this checks that every command
//! accepts it, both ways, and that the same files arrive.

use crate::support::{assert_same, content, leftovers};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tests::world::World;

#[test]
fn files_trees_and_streams_arrive_durably_either_way() {
    let world = World::serving();
    fill(&world.local().join("tree"));
    world.check(["put", "-r", "--durability=power", "tree/", &world.url("up")]);
    assert_same(&world.local().join("tree"), &world.root().join("up"));
    world.check(["put", "-r", "--overwrite=always", "--durability=power", "tree/", &world.url("up")]); // all is replaced
    world.check(["get", "-r", "--durability=power", &world.url("up/"), "back"]);
    assert_same(&world.root().join("up"), &world.local().join("back"));
    world.check(["put", "--durability=power", "tree/large", &world.url("file")]);
    world.check(["get", "--durability", "power", &world.url("file"), "file"]);
    assert_eq!(fs::read(world.local().join("file")).unwrap(), content(1, 1_300_000));
    assert!(leftovers(&world.root()).is_empty() && leftovers(&world.local()).is_empty());
}

#[test]
fn files_are_replaced_without_regard_to_a_loss_of_power() {
    let world = World::serving();
    fill(&world.local().join("tree"));
    let (root, tree) = (world.url(""), world.url("tree"));
    let always = ["mirror", "--overwrite=always"];
    let sparse = ["mirror", "--overwrite=always", "--sparse"];
    for (command, target) in [(&["put", "-r"][..], &root), (&always, &tree), (&sparse, &tree)] {
        let options = [command, &["--durability=none", "tree", target]].concat();
        world.check(&options);
        world.check(&options); // all is replaced
        assert_same(&world.local().join("tree"), &world.root().join("tree"));
    }
    world.check(["get", "-r", "--durability=none", &tree, "."]);
    assert_same(&world.root().join("tree"), &world.local().join("tree"));
    assert!(leftovers(&world.root()).is_empty() && leftovers(&world.local()).is_empty());
}

#[test]
fn mirrors_and_their_deletions_and_moves_are_durable_either_way() {
    let world = World::serving();
    fill(&world.local().join("tree"));
    let (up, down) = (world.url("mirror"), "down");
    let mirror = |from: &str, to: &str| {
        world.check(["mirror", "--delete", "--detect-moves", "-H", "--durability=power", from, to]);
    };
    mirror("tree", &up);
    mirror(&up, down);
    assert_same(&world.local().join("tree"), &world.local().join(down));
    fs::rename(world.local().join("tree/large"), world.local().join("tree/moved")).unwrap();
    fs::remove_file(world.local().join("tree/a/3")).unwrap();
    fs::hard_link(world.local().join("tree/a/4"), world.local().join("tree/a/other")).unwrap();
    mirror("tree", &up);
    mirror(&up, down);
    assert_same(&world.local().join("tree"), &world.root().join("mirror"));
    assert_same(&world.local().join("tree"), &world.local().join(down));
}

fn fill(root: &Path) {
    for folder in ["a", "b/c"] {
        fs::create_dir_all(root.join(folder)).unwrap();
        for number in 0..40 {
            fs::write(root.join(folder).join(number.to_string()), content(number, 3000)).unwrap();
        }
    }
    fs::write(root.join("large"), content(1, 1_300_000)).unwrap();
    symlink("a/1", root.join("link")).unwrap();
}
