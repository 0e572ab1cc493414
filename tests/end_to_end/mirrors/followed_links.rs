//! `--copy-links` sends what symbolic links of the source lead to, and `--keep-dir-links` uses those of the target that lead to folders.

use crate::mirrors::{Mirror, WAYS, Way, names_in};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn is_link(path: &Path) -> bool {
    path.symlink_metadata().unwrap().is_symlink()
}

/// A source with links to a file, to folders in it and beside it, and to a link.
fn linked(way: Way) -> Mirror {
    let mirror = Mirror::new(way);
    let beside = mirror.source().parent().unwrap().to_owned();
    for folder in ["folder/deep", "../beside/more"] {
        fs::create_dir_all(mirror.source().join(folder)).unwrap();
    }
    mirror.write("file", "content");
    mirror.write("folder/deep/inner", "inner");
    fs::write(beside.join("beside/more/outer"), "outer").unwrap();
    for (target, link) in [
        ("file", "to file"),
        ("to file", "to link"),
        ("folder/deep", "to folder"),
        ("../beside", "to beside"),
        ("../file", "folder/up"),
    ] {
        symlink(target, mirror.source().join(link)).unwrap();
    }
    mirror
}

#[test]
fn what_links_lead_to_is_sent() {
    for way in WAYS {
        let mirror = linked(way);
        mirror.check(["-L"]);
        let target = mirror.target();
        for (path, content) in [
            ("file", "content"),
            ("to file", "content"),
            ("to link", "content"),
            ("folder/up", "content"),
            ("to folder/inner", "inner"),
            ("to beside/more/outer", "outer"),
        ] {
            assert_eq!(read(&target.join(path)), content, "{way:?}: {path}");
            assert!(!is_link(&target.join(path)), "{way:?}: {path}");
        }
        assert!(target.join("to beside").symlink_metadata().unwrap().is_dir());
        for again in [&["-L", "-n", "--delete"][..], &["-L", "-n", "--delete", "--compare=digest"]] {
            assert_eq!(mirror.check(again).text(), "", "{way:?}: {again:?}");
        }
        fs::write(mirror.source().join("../beside/more/outer"), "changed outside").unwrap();
        assert_eq!(mirror.check(["-L", "-n"]).text(), "~ to beside/more/outer\n", "{way:?}");
        mirror.check(["-L", "--delete", "--compare=digest"]);
        assert_eq!(read(&target.join("to beside/more/outer")), "changed outside");
        // Without the option they are links again.
        mirror.check(["--delete"]);
        mirror.assert_done(["--delete"]);
    }
}

#[test]
fn a_link_that_leads_to_nothing_or_round_in_circles_fails_and_the_rest_is_sent() {
    for way in WAYS {
        let mirror = linked(way);
        for (target, link) in [
            ("missing", "dangling"),
            ("itself", "itself"),
            ("..", "folder/deep/loop"),
            (".", "here"),
            ("..", "above"),
            ("file/x", "through a file"),
        ] {
            symlink(target, mirror.source().join(link)).unwrap();
        }
        let ran = mirror.ends(1, ["-L"]);
        let told = |path: &str, reason: &str| {
            let line = ran.stderr.lines().find(|line| line.contains(&format!("{path}: ")));
            let line = line.unwrap_or_else(|| panic!("{way:?}: {path}: {}", ran.stderr));
            assert!(line.contains(reason), "{way:?}: {line}");
        };
        told("dangling", "a symbolic link that leads to nothing");
        told("through a file", "a symbolic link that leads to nothing");
        told("itself", "a symbolic link that leads to itself");
        told("folder/deep/loop", "this has no end");
        told("here", "this has no end");
        told("above", "this has no end");
        assert_eq!(read(&mirror.target().join("to folder/inner")), "inner", "{way:?}");
        assert_eq!(
            names_in(&mirror.target()),
            ["file", "folder", "to beside", "to file", "to folder", "to link"],
            "{way:?}"
        );
    }
}

#[test]
fn no_link_leads_out_of_a_served_root() {
    let mirror = Mirror::new(Way::Down);
    let outside = mirror.world.root().parent().unwrap().join("secret");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("key"), "secret").unwrap();
    mirror.write("file", "content");
    fs::create_dir(mirror.source().join("folder")).unwrap();
    for (target, link) in [
        (outside.to_str().unwrap(), "absolute"),
        ("../../secret", "relative"),
        ("../../secret/key", "to file"),
        ("../../../secret", "folder/deeper"),
        ("/etc/passwd", "passwd"),
    ] {
        symlink(target, mirror.source().join(link)).unwrap();
    }
    for options in [&["-L"][..], &["-L", "--compare=digest"], &["-L", "-H", "-X"]] {
        let ran = mirror.ends(1, options);
        assert_eq!(ran.stderr.matches("leads out of the root").count(), 5, "{}", ran.stderr);
        assert_eq!(names_in(&mirror.target()), ["file", "folder"]);
        assert!(names_in(&mirror.target().join("folder")).is_empty());
    }
    let url = mirror.world.url("source");
    let copied = mirror.world.client(["cp", "-rL", &url, &mirror.world.url("copy")]);
    assert_eq!(copied.code, Some(1), "{}", copied.stderr);
    assert_eq!(names_in(&mirror.world.root().join("copy/source")), ["file", "folder"]);
}

#[test]
fn get_put_and_cp_follow_links_too() {
    let mirror = linked(Way::Up);
    let world = &mirror.world;
    world.check(["put", "-rL", "source", &world.url("put")]);
    world.check(["put", "-r", "--copy-links", "source/to folder", "source/to file", &world.url("named")]);
    world.check(["get", "-rL", &world.url("put"), "."]);
    assert_eq!(read(&world.root().join("put/source/to beside/more/outer")), "outer");
    assert_eq!(read(&world.root().join("named/to folder/inner")), "inner");
    assert_eq!(read(&world.root().join("named/to file")), "content");
    assert!(!is_link(&world.root().join("named/to folder")) && !is_link(&world.root().join("named/to file")));

    let mirror = linked(Way::Down);
    let world = &mirror.world;
    let url = |path: &str| world.url(format!("source/{path}"));
    world.check(["get", "-rL", &world.url("source"), "."]);
    assert_eq!(read(&world.local().join("source/to beside/more/outer")), "outer");
    world.check(["get", "-rL", &url("to folder"), &url("to file"), "named/"]);
    assert_eq!(read(&world.local().join("named/to folder/inner")), "inner");
    assert_eq!(read(&world.local().join("named/to file")), "content");
    assert!(
        !is_link(&world.local().join("named/to folder")) && !is_link(&world.local().join("named/to file"))
    );
    world.check(["cp", "-rL", &world.url("source/"), &world.url("copy")]);
    let copy = |path: &str| world.root().join("copy").join(path);
    assert_eq!(read(&copy("to beside/more/outer")), "outer");
    assert_eq!(read(&copy("to file")), "content");
    assert!(!is_link(&copy("to file")) && !is_link(&copy("to folder")));

    let refused = world.client(["get", "-rL", "--remove-source", &world.url("source"), "x"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
}

/// A target whose `folder` is a link to a folder beside it, which has a file more.
fn linked_target(way: Way) -> Mirror {
    let mirror = Mirror::new(way);
    fs::create_dir_all(mirror.source().join("folder/sub")).unwrap();
    mirror.write("folder/file", "content");
    mirror.write("folder/sub/deep", "deep");
    fs::create_dir(mirror.target()).unwrap();
    let disk = mirror.target().parent().unwrap().join("disk");
    fs::create_dir(&disk).unwrap();
    fs::write(disk.join("extra"), "extra").unwrap();
    symlink("../disk", mirror.target().join("folder")).unwrap();
    mirror
}

#[test]
fn a_link_to_a_folder_at_the_target_is_used_as_that_folder() {
    for way in WAYS {
        let mirror = linked_target(way);
        let disk = mirror.target().parent().unwrap().join("disk");
        mirror.check(["-K"]);
        assert!(is_link(&mirror.target().join("folder")), "{way:?}");
        assert_eq!(names_in(&disk), ["extra", "file", "sub"], "{way:?}");
        assert_eq!(read(&disk.join("sub/deep")), "deep", "{way:?}");
        let modified = |path: &Path| path.metadata().unwrap().modified().unwrap();
        assert_eq!(modified(&disk), modified(&mirror.source().join("folder")), "{way:?}");
        assert_eq!(mirror.check(["-K", "-n"]).text(), "", "{way:?}");
        mirror.write("folder/file", "another");
        fs::remove_dir_all(mirror.source().join("folder/sub")).unwrap();
        mirror.check(["-K", "--delete", "--max-delete=100"]);
        assert_eq!(names_in(&disk), ["file"], "{way:?}");
        assert_eq!(read(&disk.join("file")), "another", "{way:?}");
        assert_eq!(mirror.check(["-K", "--delete", "-n", "--compare=digest"]).text(), "", "{way:?}");
    }
}

#[test]
fn a_link_that_the_source_does_not_have_goes_and_what_it_leads_to_stays() {
    for way in WAYS {
        for source_has in ["nothing", "a file", "the same link", "another link"] {
            let mirror = linked_target(way);
            let disk = mirror.target().parent().unwrap().join("disk");
            fs::remove_dir_all(mirror.source().join("folder")).unwrap();
            mirror.write("other", "");
            match source_has {
                "nothing" => {}
                "a file" => mirror.write("folder", "a file"),
                "the same link" => symlink("../disk", mirror.source().join("folder")).unwrap(),
                _ => symlink("nowhere", mirror.source().join("folder")).unwrap(),
            }
            let backup = format!("{source_has} kept");
            mirror.check(["-K", "--delete", "--max-delete=9", &format!("--backup={backup}")]);
            assert_eq!(read(&disk.join("extra")), "extra", "{way:?}: {source_has}");
            assert_eq!(names_in(&disk), ["extra"], "{way:?}: {source_has}");
            let kept = mirror.target().parent().unwrap().join(backup).join("folder");
            match source_has {
                "nothing" => assert!(mirror.target().join("folder").symlink_metadata().is_err()),
                "a file" => assert_eq!(read(&mirror.target().join("folder")), "a file"),
                "the same link" => {
                    assert_eq!(fs::read_link(mirror.target().join("folder")).unwrap(), Path::new("../disk"))
                }
                _ => assert_eq!(fs::read_link(mirror.target().join("folder")).unwrap(), Path::new("nowhere")),
            }
            assert_eq!(
                kept.symlink_metadata().is_ok(),
                source_has != "the same link",
                "{way:?}: {source_has}"
            );
            assert_eq!(mirror.check(["-K", "--delete", "-n"]).text(), "", "{way:?}: {source_has}");
        }
    }
}

#[test]
fn without_the_option_a_folder_takes_the_place_of_the_link() {
    for way in WAYS {
        let mirror = linked_target(way);
        mirror.check::<&str>([]);
        assert!(!is_link(&mirror.target().join("folder")), "{way:?}");
        assert_eq!(names_in(&mirror.target().parent().unwrap().join("disk")), ["extra"], "{way:?}");
    }
}

#[test]
fn get_and_put_use_linked_folders_of_the_target_too() {
    let mirror = linked_target(Way::Up);
    let world = &mirror.world;
    world.check(["put", "-rK", "source/", &world.url("target")]);
    assert_eq!(names_in(&world.root().join("disk")), ["extra", "file", "sub"]);
    let mirror = linked_target(Way::Down);
    let world = &mirror.world;
    world.check(["get", "-r", "--keep-dir-links", &world.url("source/"), "target"]);
    assert_eq!(names_in(&world.local().join("disk")), ["extra", "file", "sub"]);
}

#[test]
fn a_link_of_the_target_that_leads_out_of_a_served_root_is_not_used() {
    let mirror = Mirror::new(Way::Up);
    let outside = mirror.world.root().parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir_all(mirror.source().join("folder")).unwrap();
    mirror.write("folder/file", "content");
    fs::create_dir(mirror.target()).unwrap();
    for link in [outside.to_str().unwrap(), "../../outside"] {
        symlink(link, mirror.target().join("folder")).unwrap();
        let ran = mirror.ends(1, ["-K", "--delete"]);
        assert!(ran.stderr.contains("leads out of the root"), "{}", ran.stderr);
        assert!(names_in(&outside).is_empty());
        assert_eq!(fs::read_link(mirror.target().join("folder")).unwrap(), Path::new(link), "it stays");
        fs::remove_file(mirror.target().join("folder")).unwrap();
    }
}
