//! `put -n` and `get -n`: list what the same command without `-n` sends, and change nothing.

use crate::support::{events, picture};
use std::fs;
use std::os::unix::fs::symlink;
use tests::world::{Ran, World};

fn lines(ran: &Ran) -> Vec<String> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.text().lines().map(str::to_owned).collect()
}

#[test]
fn a_tree_is_previewed_in_both_directions() {
    let world = World::serving();
    for side in [world.local(), world.root()] {
        fs::create_dir_all(side.join("tree/sub")).unwrap();
        fs::write(side.join("tree/a"), "a").unwrap();
        fs::write(side.join("tree/sub/b"), "b").unwrap();
        symlink("a", side.join("tree/link")).unwrap();
    }
    let up = |options: &[&str]| {
        let url = world.url("new");
        world.client(["put", "-r"].iter().chain(options).copied().chain(["tree", &url]))
    };
    let down = |options: &[&str]| {
        let url = world.url("tree/");
        world.client(["get", "-r"].iter().chain(options).copied().chain([&url[..], "new"]))
    };
    let before = [picture(&world.local()), picture(&world.root())];
    let all = |front: &str| ["/", "/a", "/link", "/sub/", "/sub/b"].map(|name| format!("+ {front}{name}"));
    assert_eq!(lines(&up(&["-n"])), all("tree"));
    assert_eq!(lines(&down(&["--dry-run"])), all("/tree"));
    assert_eq!([picture(&world.local()), picture(&world.root())], before);
    up(&[]);
    down(&[]);
    assert_eq!((lines(&up(&["-n"])), lines(&down(&["-n"]))), (Vec::new(), Vec::new()));
    fs::write(world.local().join("tree/a"), "changed").unwrap();
    fs::write(world.root().join("tree/sub/b"), "changed").unwrap();
    assert_eq!(lines(&up(&["-n"])), ["~ tree/a"]);
    assert_eq!(lines(&down(&["-n"])), ["~ /tree/sub/b"]);
    assert_eq!(lines(&up(&["-n", "--overwrite=never"])), Vec::<String>::new());
    let told = up(&["-n", "--json"]);
    let planned: Vec<_> = events(&told).into_iter().filter(|event| event["event"] == "planned").collect();
    assert_eq!((planned.len(), &planned[0]["path"]), (1, &"tree/a".into()));
}

#[test]
fn single_files_are_previewed_by_the_rule() {
    let world = World::serving();
    for name in ["file", "other"] {
        fs::write(world.local().join(name), name).unwrap();
    }
    let url = world.url("there/");
    let two = ["put", "-n", "file", "other", &url[..]];
    let refused = world.client(two);
    assert_eq!(lines(&refused), ["+ file", "+ other"]);
    assert!(!world.root().join("there").exists());
    world.check(["put", "file", &url]);
    assert_eq!(lines(&world.client(two)), ["~ file", "+ other"]);
    assert_eq!(lines(&world.client(["put", "-n", "--if-absent", "file", &url])), Vec::<String>::new());
    assert_eq!(lines(&world.client(["put", "-n", "--unless-same", "file", &url])), Vec::<String>::new());
    assert_eq!(lines(&world.client(["get", "-n", &world.url("there/file"), "got"])), ["+ /there/file"]);
    assert!(!world.local().join("got").exists());
    let missing = world.client(["get", "-n", &world.url("there/gone"), "got"]);
    assert_eq!(missing.code, Some(5), "{}", missing.stderr);
    let some = world.client(["put", "-n", "file", "gone", &url]);
    assert_eq!((some.code, some.text().as_str()), (Some(1), "~ file\n"), "{}", some.stderr);
    let folder = world.client(["get", "-n", &world.url("there"), "got"]);
    assert!(folder.code == Some(1) && folder.stderr.contains("use -r"), "{}", folder.stderr);
    let both = world.client(["put", "-n", "--result=r", "file", &url]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
}
