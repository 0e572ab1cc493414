//! Patterns in remote paths mean what they match at the server, in every command that takes what exists; and in scripts those of
//! local files.

use crate::support::{chmod, is_root, names_below};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tests::world::World;

/// A profile `w`, and files that differ in content.
fn world(files: &[&str]) -> World {
    let world = World::serving();
    world.check(["profile", "add", "w", &world.url("")]);
    for file in files {
        write(&world.root().join(file));
    }
    world
}

fn write(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
}

fn names(root: &Path) -> Vec<String> {
    let below = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    let mut names: Vec<String> = names_below(root).iter().map(below).collect();
    names.sort();
    names
}

const FILES: [&str; 7] =
    ["a1.log", "a2.log", "b.txt", "sub/a3.log", "sub/deep/a4.log", "other/a5.log", ".hidden.log"];

#[test]
fn ls_lists_what_matches_and_folders_as_themselves() {
    let world = world(&FILES);
    for (line, expected) in [
        ("ls w:*.log", ".hidden.log\na1.log\na2.log\n"),
        ("ls w:a[!1].log", "a2.log\n"),
        ("ls w:{b.txt,s*}", "b.txt\nsub\n"),
        ("ls w:*/*.log", "other/a5.log\nsub/a3.log\n"),
        ("ls w:**/a?.log", "a1.log\na2.log\nother/a5.log\nsub/a3.log\nsub/deep/a4.log\n"),
        ("ls w:sub/**", "a3.log\ndeep\ndeep/a4.log\n"),
        ("ls -R w:s?b", "sub\nsub/a3.log\nsub/deep\nsub/deep/a4.log\n"),
    ] {
        assert_eq!(world.check(line.split(' ')).text(), expected, "{line}");
    }
}

#[test]
fn commands_do_to_each_match_what_was_asked_for() {
    let world = world(&FILES);
    let local = world.local();
    world.check(["get", "w:a?.log", "w:sub/*.log", "."]);
    assert_eq!(names(&local), ["a1.log", "a2.log", "a3.log"]);
    world.check(["get", "-r", "w:s*/", "new"]);
    assert!(local.join("new/deep/a4.log").exists());
    assert_eq!(world.check(["cat", "w:a*.log"]).text(), "a1.loga2.log");
    assert_eq!(world.check(["hash", "w:**/*.log"]).text().lines().count(), 6);
    assert_eq!(world.check(["stat", "w:a?.log", "w:b.txt"]).text().matches("Path:").count(), 3);
    world.check(["chmod", "600", "w:a?.log"]);
    world.check(["cp", "w:a?.log", "w:b*", "w:other/"]);
    assert_eq!(names(&world.root().join("other")), ["a1.log", "a2.log", "a5.log", "b.txt"]);
    world.check(["mv", "w:other/{a1,b}.*", "w:sub"]); // a folder, also for one match
    assert_eq!(names(&world.root().join("sub")), ["a1.log", "a3.log", "b.txt", "deep", "deep/a4.log"]);
    world.check(["rm", "w:**/a*.log"]);
    assert_eq!(names(&world.root()), [".hidden.log", "b.txt", "other", "sub", "sub/b.txt", "sub/deep"]);
    world.check(["rm", "-r", "w:s*", "w:o*"]);
    assert_eq!(names(&world.root()), [".hidden.log", "b.txt"]);
}

/// Of two folders, and of folders within folders that match too.
#[test]
fn what_matches_in_several_places_is_done_once_each() {
    let world = world(&["a/1.jpg", "b/2.jpg", "tree/x/x/3.jpg", "tree/y"]);
    world.check(["get", "w:a/*.jpg", "w:b/*.jpg", "."]);
    assert_eq!(names(&world.local()), ["1.jpg", "2.jpg"]);
    world.check(["mkdir", "w:to"]);
    world.check(["cp", "w:a/*.jpg", "w:b/*.jpg", "w:to"]);
    assert_eq!(names(&world.root().join("to")), ["1.jpg", "2.jpg"]);
    world.check(["get", "-r", "w:tree/**", "fetched/"]);
    assert_eq!(names(&world.local().join("fetched")), ["x", "x/x", "x/x/3.jpg", "y"]);
    world.check(["rm", "-r", "w:tree/**"]);
    assert_eq!(names(&world.root().join("tree")), [""; 0]);
}

#[test]
fn a_mirrors_source_may_be_a_pattern_of_one_folder() {
    let world = world(&FILES);
    world.check(["mirror", "w:su?", "mirrored"]);
    assert_eq!(names(&world.local().join("mirrored")), ["a3.log", "deep", "deep/a4.log"]);
    let ran = world.client(["mirror", "w:*", "mirrored"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("matches 2 folders"), "{}", ran.stderr);
    assert_eq!(world.client(["mirror", "w:x*", "mirrored"]).code, Some(5));
}

#[test]
fn no_match_is_an_error() {
    let world = world(&FILES);
    for line in ["ls w:x*", "get w:x* .", "get -r w:b*/ .", "rm w:x*", "cat w:[", "mv w:x* w:y", "ls w:x*/a"]
    {
        let ran = world.client(line.split(' '));
        assert_eq!(ran.code, Some(5), "{line}: {}", ran.stderr);
    }
    assert!(world.client(["rm", "w:x*"]).stderr.contains("matches nothing"));
    world.check(["rm", "-f", "w:x*"]);
    let ran = world.client(["get", "w:x*", "w:a1*", "."]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert_eq!(names(&world.local()), ["a1.log"]);
    let ran = world.client(["ls", &format!("w:{}", "{a,b}".repeat(30))]);
    assert!(ran.code == Some(1) && ran.stderr.contains("too many alternatives"), "{}", ran.stderr);
}

/// Names that contain such characters are meant by the letter where they exist.
#[test]
fn a_name_that_exists_is_no_pattern() {
    let world = world(&["a[1].log", "a1.log", "*", "b", "q?/inside", "qx/other", "{x,y}", "x", "y"]);
    let root = world.root();
    assert_eq!(world.check(["cat", "w:a[1].log"]).text(), "a[1].log");
    assert_eq!(world.check(["ls", "w:q?"]).text(), "inside\n");
    assert_eq!(world.check(["cat", "--no-glob", "w:*"]).text(), "*");
    assert_eq!(world.check(["cat", r"w:\*"]).text(), "*");
    assert_eq!(world.client(["cat", "--no-glob", "w:a?.log"]).code, Some(5));
    world.check(["rm", "w:*", "w:{x,y}"]);
    assert_eq!(names(&root), ["a1.log", "a[1].log", "b", "q?", "q?/inside", "qx", "qx/other", "x", "y"]);
    world.check(["rm", "w:*.log"]);
    assert_eq!(names(&root), ["b", "q?", "q?/inside", "qx", "qx/other", "x", "y"]);
    assert_eq!(world.client(["rm", "w:{x}"]).code, Some(5), "a brace without a comma is no pattern");
}

/// The way to a name that exists may lead through a link; that to what matches does not.
#[test]
fn ls_follows_links_where_names_are_typed() {
    let world = world(&["real/sub/inside", "real/f1"]);
    symlink("real", world.root().join("link[1]")).unwrap();
    assert_eq!(world.check(["ls", "w:link[1]"]).text(), "f1\nsub\n");
    assert_eq!(world.check(["ls", "w:link[1]/sub"]).text(), "inside\n");
    assert_eq!(world.check(["ls", "w:link[1]/sub/inside"]).text(), "inside\n");
    assert_eq!(world.check(["ls", "w:real/*/"]).text(), "sub\n");
    assert_eq!(world.client(["ls", "w:li*/f1"]).code, Some(5));
}

/// Where there is one match today and another one tomorrow, neither takes the place of the other.
#[test]
fn the_target_of_what_a_pattern_matches_is_a_folder() {
    let world = world(&["one/a.jpg"]);
    for line in ["mv w:one/*.jpg w:images", "cp w:one/*.jpg w:images"] {
        assert_eq!(world.client(line.split(' ')).code, Some(5), "{line}");
    }
    world.check(["get", "w:one/*.jpg", "fetched"]);
    assert_eq!(names(&world.local()), ["fetched", "fetched/a.jpg"]);
    world.check(["mkdir", "w:images"]);
    world.check(["mv", "w:one/*.jpg", "w:images"]);
    assert_eq!(names(&world.root()), ["images", "images/a.jpg", "one"]);
}

/// What removes does not look for another meaning of a name that is gone.
#[test]
fn names_with_brackets_are_names_for_what_removes() {
    let world = world(&["f[1].txt", "f1.txt", "pics[1]/new", "pics1/old"]);
    world.check(["rm", "w:f[1].txt"]);
    assert_eq!(world.client(["rm", "w:f[1].txt"]).code, Some(5));
    assert_eq!(world.client(["mv", "w:f[1].txt", "w:g"]).code, Some(5));
    world.check(["mirror", "--delete", "w:pics[1]", "kept"]);
    world.check(["rm", "-r", "w:pics[1]"]);
    assert_ne!(world.client(["mirror", "--delete", "w:pics[1]", "kept"]).code, Some(0));
    assert_eq!(names(&world.local().join("kept")), ["new"]);
    assert_eq!(names(&world.root()), ["f1.txt", "pics1", "pics1/old"]);
}

#[test]
fn targets_are_names() {
    let world = world(&["a", "b"]);
    write(&world.local().join("f"));
    world.check(["put", "f", "w:new?"]);
    world.check(["mkdir", "w:d*"]);
    world.check(["mv", "w:a", "w:d*/"]);
    world.check(["cp", "w:b", "w:[b]"]);
    assert_eq!(names(&world.root()), ["[b]", "b", "d*", "d*/a", "new?"]);
}

#[test]
fn scripts_expand_patterns_of_both_sides() {
    let world = world(&["s1.dat", "s2.dat"]);
    for file in ["l1.txt", "l2.txt", "in/l3.txt", "lit[1]", "lit1"] {
        write(&world.local().join(file));
    }
    fs::write(world.local().join("script"), "mput *.txt in/*.txt lit[1] .\nmget s?.dat\nrm s*\n").unwrap();
    world.check(["script", "script", "w:"]);
    assert_eq!(names(&world.root()), ["l1.txt", "l2.txt", "l3.txt", "lit[1]"]);
    assert!(world.local().join("s1.dat").exists() && world.local().join("s2.dat").exists());
    fs::write(world.local().join("script"), "put *.none\n").unwrap();
    let ran = world.client(["script", "script", "w:"]);
    assert!(ran.code == Some(5) && ran.stderr.contains("matches nothing"), "{}", ran.stderr);
}

#[test]
fn local_patterns_with_a_slash_mean_contents_and_contents_are_not_mixed() {
    let world = world(&["x1/a", "x2/b"]);
    for file in ["photos1/p", "photos.txt", "more1/m", "more2/m"] {
        write(&world.local().join(file));
    }
    fs::write(world.local().join("script"), "put -r photos*/ new\n").unwrap();
    world.check(["script", "script", "w:"]);
    assert_eq!(names(&world.root().join("new")), ["p"]);
    fs::write(world.local().join("script"), "put *.txt texts\n").unwrap();
    world.check(["script", "script", "w:"]);
    assert_eq!(names(&world.root().join("texts")), ["photos.txt"], "a folder, also for one match");
    fs::write(world.local().join("script"), "put -r more*/ new\n").unwrap();
    for line in ["script script w:", "get -r w:x*/ back", "put -r more1/ more2/ w:new"] {
        let ran = world.client(line.split(' '));
        assert!(ran.code == Some(2) && ran.stderr.contains("would be mixed"), "{line}: {}", ran.stderr);
    }
    assert_eq!(names(&world.root().join("new")), ["p"]);
}

/// Folders that no match can lie in are not read, and a match itself need not be readable.
#[test]
fn folders_that_cannot_be_read_fail_only_where_a_match_may_be() {
    if is_root() {
        println!("skipped: root reads every folder");
        return;
    }
    let world = world(&["open/x", "shut/x"]);
    chmod(&world.root().join("shut"), 0);
    assert_eq!(world.check(["ls", "w:s*"]).text(), "shut\n");
    assert_eq!(world.check(["ls", "w:o*/x"]).text(), "open/x\n");
    let ran = world.client(["ls", "w:*/x"]);
    chmod(&world.root().join("shut"), 0o755);
    assert_eq!((ran.code, ran.text()), (Some(1), "open/x\n".to_owned()), "{}", ran.stderr);
}

#[test]
fn find_looks_into_all_folders_that_match() {
    let world = world(&FILES);
    for (line, expected) in [
        ("find w:{sub,other} --name *.log", "/other/a5.log\n/sub/a3.log\n/sub/deep/a4.log\n"),
        ("find w:** --name a4*", "/sub/deep/a4.log\n"),
        ("find w:a?.log", "/a1.log\n/a2.log\n"),
        ("find w:* --name a1* --type f", "/a1.log\n"),
        ("find w:sub --name *.log", "a3.log\ndeep/a4.log\n"),
    ] {
        assert_eq!(world.check(line.split(' ')).text(), expected, "{line}");
    }
    assert_eq!(world.client(["find", "w:z*"]).code, Some(5));
}

#[test]
fn a_pattern_of_any_depth_moves_the_outermost() {
    let world = world(&["from/a", "from/deep/a", "from/deep/er/b"]);
    fs::create_dir(world.root().join("to")).unwrap();
    world.check(["mv", "w:from/**", "w:to"]);
    assert_eq!(
        names(&world.root()),
        ["from", "to", "to/a", "to/deep", "to/deep/a", "to/deep/er", "to/deep/er/b"]
    );
}
