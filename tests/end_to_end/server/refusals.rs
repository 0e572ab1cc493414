//! Refused requests: their exit codes, and that they change no files.

use crate::support::{content, event, output, picture};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;
use tests::world::{World, binaries};

#[test]
fn paths_that_do_not_exist_are_told_as_such() {
    let world = World::serving();
    fs::write(world.local().join("file"), "x").unwrap();
    let gone = world.url("gone");
    for arguments in [
        vec!["ls", &gone],
        vec!["stat", &gone],
        vec!["hash", &gone],
        vec!["df", &gone],
        vec!["cat", &gone],
        vec!["tail", "-f", &gone],
        vec!["get", &gone],
        vec!["get", "-r", &gone],
        vec!["rm", &gone],
        vec!["rm", "-r", &gone],
        vec!["mv", &gone, &world.url("other")],
        vec!["cp", &gone, &world.url("other")],
        vec!["chmod", "600", &gone],
        vec!["mkdir", &world.url("gone/deeper")],
        vec!["ln", "-s", "x", &world.url("gone/link")],
        vec!["put", "nothing", &gone],
        vec!["put", "-r", "nothing", &gone],
        vec!["put", "file", &world.url("gone/file")],
        vec!["touch", &world.url("gone/file")],
    ] {
        let ran = world.client(&arguments);
        assert_eq!(ran.code, Some(5), "{arguments:?}: {}", ran.stderr);
        assert_eq!(
            ran.stderr.lines().filter(|line| line.starts_with("ftp-client:")).count(),
            1,
            "{}",
            ran.stderr
        );
    }
    assert_eq!(picture(&world.root()).len(), 0);
}

#[test]
fn paths_that_no_server_has_are_refused_with_a_reason() {
    let world = World::serving();
    fs::write(world.local().join("file"), "x").unwrap();
    let long_name = "n".repeat(256);
    let long_path = format!("{}/end", vec!["p".repeat(100); 50].join("/"));
    let deep_path = vec!["d"; 300].join("/");
    let url = |encoded: &str| {
        format!("ftpx://tester@{}/{encoded}?pin={}", world.server().address, world.server().fingerprint)
    };
    for encoded in [
        "../outside",
        "a/../../b",
        "a/%2e%2e/b",
        "nul%00inside",
        &long_name,
        &long_path,
        &deep_path,
        "%zz",
        "a%2f..%2fb",
    ] {
        let target = url(encoded);
        for arguments in [
            vec!["put", "file", &target],
            vec!["get", &target],
            vec!["rm", "-r", &target],
            vec!["mkdir", "-p", &target],
        ] {
            let ran = world.client(&arguments);
            assert!(matches!(ran.code, Some(1 | 2 | 5)), "{arguments:?}: {:?} {}", ran.code, ran.stderr);
            assert!(!ran.stderr.trim().is_empty() && ran.stderr.is_ascii(), "{}", ran.stderr);
        }
    }
    assert_eq!(picture(&world.root()).len(), 0);
    world.check(["put", "file", &url("caf%E9%0A%1b%5b31m")]);
    assert_eq!(world.check(["ls", &url("")]).text(), "caf\\xe9\\n\\x1b[31m\n");
}

#[test]
fn each_access_level_allows_what_its_word_says_and_nothing_else() {
    let mut world = World::empty();
    for access in ["read", "write", "full", "drop"] {
        world.add_user(access, access);
    }
    world.serve(&[]);
    fs::write(world.local().join("file"), "new").unwrap();
    for access in ["read", "write", "full", "drop"] {
        let url = |path: &str| world.url_of(access, path);
        fs::write(world.root().join("old"), "old").unwrap();
        fs::write(world.root().join("victim"), "victim").unwrap();
        let (see, change, remove) = (access != "drop", matches!(access, "write" | "full"), access == "full");
        for (allowed, arguments) in [
            (see, vec!["ls".to_owned(), url("")]),
            (see, vec!["stat".into(), url("old")]),
            (see, vec!["hash".into(), url("old")]),
            (see, vec!["df".into(), url("")]),
            (see, vec!["cat".into(), url("old")]),
            (see, vec!["tail".into(), url("old")]),
            (see, vec!["get".into(), url("old"), "got".into()]),
            (access != "read", vec!["put".into(), "file".into(), url(&format!("new-of-{access}"))]),
            (change, vec!["put".into(), "file".into(), url("old")]),
            (change, vec!["mkdir".into(), url(&format!("folder-of-{access}"))]),
            (change, vec!["touch".into(), url("old")]),
            (change, vec!["chmod".into(), "600".into(), url("old")]),
            (change, vec!["ln".into(), "-s".into(), "old".into(), url(&format!("link-of-{access}"))]),
            (change, vec!["cp".into(), url("victim"), url(&format!("copy-of-{access}"))]),
            (remove, vec!["mv".into(), url("victim"), url("moved")]),
            (remove, vec!["rm".into(), url("old")]),
        ] {
            let before = picture(&world.root());
            let ran = world.client(&arguments);
            if allowed {
                assert_eq!(ran.code, Some(0), "{access}: {arguments:?}: {}", ran.stderr);
            } else {
                assert_ne!(ran.code, Some(0), "{access}: {arguments:?}");
                assert!(picture(&world.root()) == before, "{access}: {arguments:?} changed something");
                // An existing file of a drop user is a refusal of its own kind.
                assert!(
                    ran.code == Some(4) || access == "drop",
                    "{access}: {arguments:?}: {:?} {}",
                    ran.code,
                    ran.stderr
                );
            }
        }
    }
}

/// Who may only add learns which names are taken where there is a folder to add to, and nothing else of what is there.
#[test]
fn who_may_only_add_does_not_learn_what_else_is_there() {
    let mut world = World::empty();
    world.add_user("drop", "drop");
    world.serve(&[]);
    fs::write(world.local().join("file"), "new").unwrap();
    fs::create_dir(world.local().join("tree")).unwrap();
    fs::write(world.local().join("tree/file"), "new").unwrap();
    let there = |name: &str| world.root().join(name);
    fs::create_dir_all(there("inner/folder")).unwrap();
    fs::create_dir_all(there("by-folder/tree/file")).unwrap();
    for name in ["by-file/tree", "by-link/tree"] {
        fs::create_dir_all(there(name)).unwrap();
    }
    symlink("nowhere", there("by-link/tree/file")).unwrap();
    for name in ["kept", "inner/kept", "by-file/tree/file"] {
        fs::write(there(name), "old").unwrap();
    }
    for (name, target) in [("dangling", "nowhere"), ("outside", "/etc"), ("to-file", "kept")] {
        symlink(target, there(name)).unwrap();
    }
    let url = |path: &str| world.url_of("drop", path);
    let before = picture(&world.root());
    let told = |words: &[&str], path: &str| {
        let ran = world.client(words.iter().map(|word| (*word).to_owned()).chain([url(path)]));
        (ran.code, ran.stderr.replace(path, ""))
    };
    let same = |words: &[&str], paths: &[&str]| {
        let expected = told(words, paths[0]);
        assert_ne!(expected.0, Some(0), "{words:?} {paths:?}");
        for path in paths {
            assert_eq!(told(words, path), expected, "{words:?} {path}");
        }
    };
    let paths = [
        "missing",
        "kept",
        "inner",
        "inner/kept",
        "missing/missing",
        "kept/below",
        "dangling",
        "outside",
        "to-file",
    ];
    for words in [
        &["ls"][..],
        &["stat"],
        &["hash"],
        &["cat"],
        &["tail"],
        &["df"],
        &["rm"],
        &["rm", "-r"],
        &["mkdir"],
        &["chmod", "600"],
    ] {
        same(words, &paths);
    }
    let folders = ["missing/x", "kept/x", "dangling/x", "outside/x", "to-file/x", "missing/missing/x"];
    same(&["put", "file"], &folders);
    same(&["put", "-r", "tree"], &folders);
    same(&["put", "-r", "tree"], &["by-file", "by-folder", "by-link"]);
    assert!(picture(&world.root()) == before);
    let log = world.server().log();
    assert!(log.contains("is not a folder"), "the log has the cause: {log}");
}

#[test]
fn wrong_usage_is_exit_code_2_and_tries_nothing() {
    let world = World::empty();
    let url = "ftpx://tester@127.0.0.1:1/";
    for arguments in [
        vec![],
        vec!["nonsense"],
        vec!["ls"],
        vec!["ls", url, "extra"],
        vec!["put", url],
        vec!["get"],
        vec!["put", "-", "also", url],
        vec!["ls", url, "--lanes", "0"],
        vec!["ls", url, "--lanes", "65"],
        vec!["ls", url, "--checksum", "md5"],
        vec!["ls", url, "--limit-rate", "fast"],
        vec!["ls", url, "--timeout", "soon"],
        vec!["ls", url, "--pin", "sha256:12"],
        vec!["ls", "local"],
        vec!["ls", "http://host/"],
        vec!["get", "local", "."],
        vec!["put", "h:a", "h:b"],
        vec!["mv", url, url],
        vec!["ln", "x", url],
        vec!["chmod", "9", url],
        vec!["ls", "ftpx://tester:secret@127.0.0.1:1/"],
        vec!["ls", "ftpx://tester@127.0.0.1:99999/"],
        vec!["cat", "--json", url],
        vec!["tail", "--json", url],
        vec!["tail", "-n", "+3", url],
        vec!["get", "--overwrite", "perhaps", url],
    ] {
        let ran = world.client(&arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty(), "{arguments:?}");
    }
    let server = output(Command::new(&binaries().server).args(["serve", "--listen", "nowhere"])).unwrap();
    assert_eq!(server.status.code(), Some(2));
}

#[test]
fn overwrite_decides_about_files_that_exist() {
    let world = World::serving();
    let (here, there) = (world.local().join("file"), world.root().join("file"));
    let write = |path: &std::path::Path, text: &str, seconds: u64| {
        fs::write(path, text).unwrap();
        fs::File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    };
    for large in [false, true] {
        let text = |letter: &str| letter.repeat(if large { 700_000 } else { 7 });
        for (overwrite, here_time, there_text, there_time, replaced) in [
            ("always", 100, "b", 100, true),
            ("never", 200, "b", 100, false),
            ("newer", 200, "b", 100, true),
            ("newer", 100, "b", 200, false),
            ("newer", 100, "b", 100, false),
            ("different", 100, "b", 100, false),
            ("different", 100, "b", 99, true),
            ("different", 100, "bb", 100, true),
        ] {
            let case = format!("{overwrite} {here_time} {there_text} {there_time} {large}");
            write(&here, &text("a"), here_time);
            write(&there, &text(there_text), there_time);
            let put = world.client(["put", "--json", "--overwrite", overwrite, "file", &world.url("file")]);
            assert_eq!(fs::read_to_string(&there).unwrap() == text("a"), replaced, "put, {case}");
            assert_eq!(
                put.code,
                Some(if overwrite == "never" { 6 } else { 0 }),
                "put, {case}: {}",
                put.stderr
            );
            assert_eq!(
                event(&put, "file")["outcome"],
                if replaced { "done" } else { "skipped" },
                "put, {case}"
            );
            write(&there, &text("a"), here_time);
            write(&here, &text(there_text), there_time);
            let get = world.client(["get", "--json", "--overwrite", overwrite, &world.url("file"), "file"]);
            assert_eq!(fs::read_to_string(&here).unwrap() == text("a"), replaced, "get, {case}");
            assert_eq!(get.code, put.code, "get, {case}: {}", get.stderr);
        }
    }
}

#[test]
fn a_file_does_not_replace_a_folder_nor_a_folder_a_file() {
    let world = World::serving();
    fs::create_dir_all(world.root().join("there/name")).unwrap();
    fs::write(world.root().join("file"), content(1, 10)).unwrap();
    fs::create_dir_all(world.local().join("tree/name")).unwrap();
    fs::write(world.local().join("name"), "x").unwrap();
    let before = things(&world);
    for (arguments, code) in [
        (vec!["put".to_owned(), "name".into(), world.url("there")], 1),
        (vec!["put".to_owned(), "-r".into(), "tree/.".into(), world.url("file")], 1),
        (vec!["mv".to_owned(), world.url("there"), world.url("there/name/inside")], 1),
        (vec!["rm".to_owned(), world.url("there")], 1),
        (vec!["rm".to_owned(), "-r".into(), world.url("")], 2),
        (vec!["mkdir".to_owned(), world.url("there")], 1),
    ] {
        let ran = world.client(&arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.stderr);
    }
    assert!(things(&world) == before);
}

/// Returns the served entries, without folders' times: staging a file in a folder changes them.
fn things(world: &World) -> Vec<String> {
    let named = picture(&world.root()).into_iter().map(|(path, line)| {
        if line.starts_with("folder") {
            format!("{path:?} {}", &line[..11])
        } else {
            format!("{path:?} {line}")
        }
    });
    named.collect()
}

/// An unreadable input file is a usage error.
#[test]
fn files_to_log_in_with_or_to_go_on_with_that_are_none_are_wrong_usage() {
    let world = World::serving();
    let url = world.url("");
    for words in [
        &["ls", "-i", ".", &url][..],
        &["ls", "-i", "missing", &url],
        &["ls", "--password-file", ".", &url],
        &["ls", "--password-file", "missing", &url],
        &["retry", "."],
        &["apply", "."],
        &["script", "."],
        &["doctor", "--size", "0", &url],
    ] {
        let ran = world.client(words);
        assert_eq!(ran.code, Some(2), "{words:?}: {}", ran.stderr);
    }
}
