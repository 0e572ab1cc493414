//! A `/` at the end of a path requires a folder: a link to one is followed, or refused where it would lose its name, and a file
//! is an error.

use crate::support::{assert_same, picture};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tests::world::World;

/// At each end: the folder `real` with a file, `link` to it, `inner/link` to it by `..`, `dangling`, and `file`.
fn world() -> World {
    let world = World::serving();
    for root in [world.root(), world.local()] {
        fs::create_dir_all(root.join("real/deep")).unwrap();
        fs::create_dir(root.join("inner")).unwrap();
        fs::write(root.join("real/f"), "content").unwrap();
        fs::write(root.join("file"), "a file").unwrap();
        symlink("real", root.join("link")).unwrap();
        symlink("../link", root.join("inner/link")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
    }
    world
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).unwrap().is_symlink()
}

#[test]
fn put_sends_the_folder_that_a_link_leads_to() {
    let world = world();
    world.check(["put", "-r", "link/", &world.url("new")]);
    assert_same(&world.local().join("real"), &world.root().join("new"));
    fs::create_dir(world.root().join("box")).unwrap();
    world.check(["put", "-r", "inner/link/", "file", &world.url("box")]);
    fs::remove_file(world.root().join("box/file")).unwrap();
    assert_same(&world.local().join("real"), &world.root().join("box"));
    world.check(["put", "-r", "link/.", &world.url("contents")]);
    assert_same(&world.local().join("real"), &world.root().join("contents"));
    world.check(["put", "-r", "link", &world.url("as-it-is")]);
    assert!(is_link(&world.root().join("as-it-is")), "without the / it is the link");
    for words in [&["put", "file/"][..], &["put", "-r", "file/"]] {
        let ran = world.client([words, &[&world.url("x")]].concat());
        assert!(ran.code == Some(1) && ran.stderr.contains("Not a directory"), "{words:?}: {ran:?}");
    }
    assert_eq!(world.client(["put", "-r", "dangling/", &world.url("x")]).code, Some(5));
    assert!(!world.root().join("x").exists());
}

#[test]
fn get_fetches_the_folder_that_a_link_leads_to() {
    let world = world();
    for (source, target) in [("link/", "a"), ("inner/link/", "b"), ("link/.", "c"), ("real/", "d")] {
        world.check(["get", "-r", &world.url(source), target]);
        assert_same(&world.root().join("real"), &world.local().join(target));
    }
    fs::create_dir(world.local().join("box")).unwrap();
    world.check(["get", "-r", &world.url("link/"), "box"]);
    assert_same(&world.root().join("real"), &world.local().join("box"));
    world.check(["get", "-r", &world.url("link"), "as-it-is"]);
    assert!(is_link(&world.local().join("as-it-is")), "without the / it is the link");
    for words in [&["get"][..], &["get", "-r"]] {
        let ran = world.client([words, &[&world.url("file/"), "x"]].concat());
        assert!(ran.code == Some(1) && ran.stderr.contains("is not a folder"), "{words:?}: {ran:?}");
    }
    assert_eq!(world.client(["get", "-r", &world.url("dangling/"), "x"]).code, Some(5));
    assert!(!world.local().join("x").exists());
}

#[test]
fn targets_with_a_slash_are_folders() {
    let world = world();
    world.check(["get", &world.url("file"), "link/"]);
    world.check(["get", "-r", &world.url("real/."), "link/"]);
    world.check(["get", "-r", &world.url("real"), "inner/link/"]);
    world.check(["put", "file", &world.url("link/")]);
    world.check(["put", "-r", "inner", &world.url("link/")]);
    for root in [world.local(), world.root()] {
        assert!(is_link(&root.join("link")) && is_link(&root.join("inner/link")));
        assert_eq!(fs::read_to_string(root.join("real/file")).unwrap(), "a file");
    }
    assert_eq!(fs::read_to_string(world.local().join("real/real/f")).unwrap(), "content");
    assert!(is_link(&world.root().join("real/inner/link")));
    for words in [
        ["get", &world.url("file"), "file/"],
        ["get", &world.url("real/f"), "file/"],
        ["put", "file", &world.url("file/")],
    ] {
        let ran = world.client(words);
        assert!(ran.code == Some(1) && ran.stderr.contains("is not a folder"), "{words:?}: {ran:?}");
    }
    let trees = [["put", "-r", "real", &world.url("file/")], ["get", "-r", &world.url("real"), "file/"]];
    for words in trees {
        assert_ne!(world.client(words).code, Some(0), "{words:?}");
    }
    for root in [world.local(), world.root()] {
        assert_eq!(fs::read_to_string(root.join("file")).unwrap(), "a file");
    }
}

#[test]
fn mirrors_take_links_to_folders() {
    let world = world();
    for (number, source) in ["link/", "link", "inner/link/", "link/."].iter().enumerate() {
        let (up, down) = (format!("up-{number}"), format!("down-{number}"));
        world.check(["mirror", source, &world.url(&up)]);
        assert_same(&world.local().join("real"), &world.root().join(up));
        world.check(["mirror", &world.url(source), &down]);
        assert_same(&world.root().join("real"), &world.local().join(down));
    }
    world.check(["mirror", "inner", &world.url("link/")]);
    world.check(["mirror", &world.url("inner"), "link/"]);
    for root in [world.local(), world.root()] {
        assert!(is_link(&root.join("link")) && is_link(&root.join("real/link")));
    }
    for words in [["mirror", "file/", &world.url("x")], ["mirror", &world.url("file/"), "x"]] {
        assert_ne!(world.client(words).code, Some(0), "{words:?}");
    }
    assert!(!world.root().join("x").exists());
}

/// coreutils refuse all of these with "Not a directory".
#[test]
fn nothing_is_removed_or_moved_by_a_link_with_a_slash() {
    let world = world();
    let before = picture(&world.root());
    let [link, file, elsewhere] = ["link/", "file/", "elsewhere"].map(|path| world.url(path));
    let lines: [&[&str]; 6] = [
        &["rm", &link],
        &["rm", "-r", &link],
        &["rm", &file],
        &["rm", "-rf", &file],
        &["mv", &link, &elsewhere],
        &["mv", &file, &elsewhere],
    ];
    for words in lines {
        let ran = world.client(words);
        assert_eq!(ran.code, Some(1), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains("not a folder"), "{words:?}: {ran:?}");
    }
    for path in ["real/.", "real/deep/.."] {
        for words in [vec!["rm", "-r"], vec!["mv"]] {
            let target = elsewhere.clone();
            let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
            words.push(format!(
                "ftpx://tester@{}/{path}?pin={}",
                world.server().address,
                world.server().fingerprint
            ));
            if words[0] == "mv" {
                words.push(target);
            }
            assert_eq!(world.client(&words).code, Some(2), "{words:?}");
        }
    }
    assert!(picture(&world.root()) == before);
    world.check(["mv", &world.url("inner/"), &elsewhere]);
    world.check(["rm", "-r", &world.url("real/")]);
    assert!(!world.root().join("real").exists() && !world.root().join("inner").exists());
    assert!(is_link(&world.root().join("link")) && is_link(&world.root().join("elsewhere/link")));
}

#[test]
fn other_commands_are_about_the_folder_too() {
    let world = world();
    let url = |path: &str| world.url(path);
    assert!(world.check(["stat", &url("link/")]).text().contains("Kind: folder"));
    assert!(world.check(["stat", &url("link")]).text().contains("Leads to: real"));
    assert_eq!(world.check(["ls", &url("link/")]).text(), "deep\nf\n");
    world.check(["chmod", "700", &url("inner/link/")]);
    world.check(["touch", "-d", "2001-01-01T00:00:00Z", &url("link/")]);
    world.check(["df", &url("link/")]);
    let real = fs::metadata(world.root().join("real")).unwrap();
    assert_eq!(real.permissions().mode() & 0o777, 0o700);
    assert_eq!(
        real.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
        978_307_200
    );
    let commands = [&["stat"][..], &["ls"], &["hash"], &["cat"], &["df"], &["chmod", "700"], &["touch"]];
    for words in commands {
        let ran = world.client([words, &[&url("file/")]].concat());
        assert!(ran.code == Some(1) && ran.stderr.contains("is not a folder"), "{words:?}: {ran:?}");
        let ran = world.client([words, &[&url("missing/")]].concat());
        assert_eq!(ran.code, Some(5), "{words:?}: {ran:?}");
    }
    assert!(!world.root().join("missing").exists(), "touch makes no file where a folder was asked for");
}

#[test]
fn lines_of_scripts_understand_slashes_and_dots() {
    let world = world();
    let lines =
        "open {}\nput -r link/ script\nget -r link/ script\ncd real\nget -r ../link/ here\nchmod 750 .\n";
    fs::write(world.local().join("lines"), lines.replace("{}", &world.url(""))).unwrap();
    world.check(["script", "lines"]);
    assert_same(&world.local().join("real"), &world.root().join("script"));
    assert_same(&world.root().join("real/deep"), &world.local().join("script/deep"));
    assert!(world.local().join("here/f").exists());
    for line in ["rm -r link/", "rm -r .", "rm -r ..", "mv link/ x"] {
        fs::write(world.local().join("lines"), format!("open {}\ncd inner\n{line}\n", world.url("")))
            .unwrap();
        assert_ne!(world.client(["script", "lines"]).code, Some(0), "{line}");
    }
    assert!(world.root().join("inner").exists() && is_link(&world.root().join("inner/link")));
}

/// A result file keeps the slash, so that a retry does the same.
#[test]
fn a_retry_asks_for_the_same_folder() {
    let world = world();
    fs::create_dir(world.local().join("there")).unwrap();
    fs::write(world.local().join("there/x"), "in the way").unwrap();
    let ran = world.client(["get", "-r", "--result", "result", &world.url("link/"), "there/x/under"]);
    assert_ne!(ran.code, Some(0));
    let text = fs::read_to_string(world.local().join("result")).unwrap();
    assert!(text.contains("\"/link/\""), "{text}");
    fs::remove_file(world.local().join("there/x")).unwrap();
    fs::create_dir(world.local().join("there/x")).unwrap();
    world.check(["retry", "result"]);
    assert_same(&world.root().join("real"), &world.local().join("there/x/under"));
}
