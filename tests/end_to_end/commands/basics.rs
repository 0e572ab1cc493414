//! The commands that transfer no files: their effects, and their output for people and for programs.

use crate::support::{chmod, content, event, events, output, sha256};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};
use tests::world::World;

#[test]
fn ls_lists_a_folder_and_with_r_the_tree_in_order() {
    let world = World::serving();
    made(&world);
    assert_eq!(world.check(["ls", &world.url("")]).text(), ".hidden\nb\nfile\nfolder\nlink\n");
    let tree = world.check(["ls", "-R", &world.url("")]).text();
    assert_eq!(tree, ".hidden\nb\nfile\nfolder\nfolder/deeper\nfolder/deeper/end\nlink\n");
    assert_eq!(world.check(["ls", &world.url("folder/deeper")]).text(), "end\n");
    assert_eq!(world.check(["ls", &world.url("file")]).text(), "file\n", "a file is listed itself");
    let ran = world.client(["ls", &world.url("folder/deeper/end/")]);
    assert!(ran.code == Some(1) && ran.stderr.contains("is not a folder"), "a / asks for a folder: {ran:?}");
}

#[test]
fn ls_l_shows_type_mode_size_time_and_where_links_lead() {
    let world = World::serving();
    made(&world);
    let mut command = world.client_command(["ls", "-l", &world.url("")]);
    let text = String::from_utf8(command.env("TZ", "UTC").output().unwrap().stdout).unwrap();
    let line = |name: &str| {
        text.lines()
            .find(|line| line.contains(&format!(" {name}")))
            .unwrap_or_else(|| panic!("{name} in {text}"))
            .to_owned()
    };
    assert!(
        line("file").starts_with("-rw-r----- ")
            && line("file").contains(" 7 ")
            && line("file").contains("2009"),
        "{text}"
    );
    assert!(line("folder").starts_with("drwxr-xr-x "), "{text}");
    assert!(line("link").starts_with('l') && line("link").ends_with("link -> folder/deeper"), "{text}");
}

#[test]
fn listings_are_events_for_programs() {
    let world = World::serving();
    made(&world);
    let ran = world.check(["ls", "-R", "--json", &world.url("")]);
    let entries: Vec<_> = events(&ran).into_iter().filter(|event| event["event"] == "entry").collect();
    assert_eq!(entries.len(), 7);
    let file = entries.iter().find(|entry| entry["path"] == "file").unwrap();
    assert_eq!((&file["kind"], &file["size"], &file["mode"]), (&"file".into(), &7.into(), &"0640".into()));
    assert_eq!(file["mtime"], "2009-02-13T23:31:30.123456789Z");
    let link = entries.iter().find(|entry| entry["path"] == "link").unwrap();
    assert_eq!((&link["kind"], &link["link_target"]), (&"symlink".into(), &"folder/deeper".into()));
    assert_eq!(event(&ran, "finished")["exit_code"], 0);
}

#[test]
fn a_listing_of_many_entries_comes_in_pages_and_whole() {
    let world = World::serving();
    for number in 0..5000 {
        File::create(world.root().join(format!("{number:05}-{}", "x".repeat(100)))).unwrap();
    }
    let text = world.check(["ls", &world.url("")]).text();
    let names: Vec<&str> = text.lines().map(|line| &line[..5]).collect();
    assert_eq!(names, (0..5000).map(|number| format!("{number:05}")).collect::<Vec<_>>());
}

#[test]
fn stat_tells_of_a_path_and_of_what_a_link_leads_to() {
    let world = World::serving();
    made(&world);
    let text = world.check(["stat", &world.url("file"), &world.url("link")]).text();
    for word in
        ["Path: /file", "Kind: file", "Size: 7", "Mode: 0640", "Kind: symlink", "Leads to: folder/deeper"]
    {
        assert!(text.contains(word), "{word} in {text}");
    }
    let ran = world.check(["stat", "--json", &world.url("file")]);
    let entry = event(&ran, "entry");
    assert_eq!(
        (&entry["path"], &entry["size"], &entry["mode"]),
        (&"/file".into(), &7.into(), &"0640".into())
    );
    assert_eq!(event(&world.check(["stat", "--json", "-L", &world.url("link")]), "entry")["kind"], "folder");
    assert_eq!(event(&world.check(["stat", "--json", &world.url("")]), "entry")["kind"], "folder");
    let ran = world.client(["stat", &world.url("file"), &world.url("gone")]);
    assert_eq!((ran.code, ran.text().contains("/file")), (Some(1), true), "of several, the others are done");
}

#[test]
fn df_tells_what_the_system_tells() {
    let world = World::serving();
    let space = event(&world.check(["df", "--json", &world.url("")]), "space");
    let total = space["total"].as_u64().unwrap();
    assert!(
        space["available"].as_u64().unwrap() <= space["free"].as_u64().unwrap()
            && space["free"].as_u64().unwrap() <= total
    );
    match output(Command::new("df").args(["-B1", "--output=size"]).arg(world.root())) {
        Some(df) => assert!(String::from_utf8_lossy(&df.stdout).contains(&total.to_string()), "{total}"),
        None => println!("skipped: df is not installed"),
    }
    assert!(world.check(["df", &world.url("")]).text().contains('%'));
}

#[test]
fn hash_has_events_too() {
    let world = World::serving();
    fs::write(world.root().join("file"), content(5, 600_000)).unwrap();
    let hashed = event(&world.check(["hash", "--json", &world.url("file")]), "hash");
    assert_eq!(
        (&hashed["sha256"], &hashed["bytes"]),
        (&sha256(&content(5, 600_000)).into(), &600_000.into())
    );
}

#[test]
fn mkdir_makes_one_folder_and_with_p_all_of_them() {
    let world = World::serving();
    world.check(["mkdir", &world.url("one"), &world.url("two")]);
    assert!(world.root().join("one").is_dir() && world.root().join("two").is_dir());
    assert_eq!(world.client(["mkdir", &world.url("one")]).code, Some(1), "exists");
    assert_eq!(world.client(["mkdir", &world.url("a/b/c")]).code, Some(5));
    for _ in 0..2 {
        world.check(["mkdir", "-p", &world.url("a/b/c")]);
    }
    assert!(world.root().join("a/b/c").is_dir());
    fs::write(world.root().join("file"), "").unwrap();
    assert_eq!(world.client(["mkdir", "-p", &world.url("file")]).code, Some(1));
    assert_eq!(world.client(["mkdir", "-p", &world.url("file/inner")]).code, Some(1));
}

#[test]
fn rm_removes_files_and_links_and_with_r_folders() {
    let world = World::serving();
    made(&world);
    world.check(["rm", &world.url("file"), &world.url("link")]);
    assert!(!world.root().join("file").exists() && world.root().join("folder/deeper/end").exists());
    let ran = world.client(["rm", &world.url("folder")]);
    assert!(ran.code == Some(1) && ran.stderr.contains("-r"), "{}", ran.stderr);
    world.check(["rm", "-r", &world.url("folder")]);
    assert!(!world.root().join("folder").exists());
    assert_eq!(world.client(["rm", &world.url("gone")]).code, Some(5));
    world.check(["rm", "-f", &world.url("gone")]);
    let ran = world.client(["rm", &world.url("gone"), &world.url("b")]);
    assert_eq!((ran.code, world.root().join("b").exists()), (Some(1), false), "{}", ran.stderr);
}

#[test]
fn mv_renames_and_moves_into_folders() {
    let world = World::serving();
    made(&world);
    world.check(["mv", &world.url("file"), &world.url("renamed")]);
    world.check(["mv", &world.url("renamed"), &world.url("folder")]);
    assert_eq!(fs::read_to_string(world.root().join("folder/renamed")).unwrap(), "content");
    world.check(["mv", &world.url("folder/renamed"), &world.url("b"), &world.url("folder/deeper/")]);
    assert!(
        world.root().join("folder/deeper/renamed").exists() && world.root().join("folder/deeper/b").exists()
    );
    world.check(["mv", &world.url("folder/deeper/b"), &world.url("folder/deeper/end")]);
    assert_eq!(fs::read_to_string(world.root().join("folder/deeper/end")).unwrap(), "b");
    let ran =
        world.client(["mv", "-n", &world.url("folder/deeper/renamed"), &world.url("folder/deeper/end")]);
    assert_eq!(ran.code, Some(6), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(world.root().join("folder/deeper/end")).unwrap(), "b");
    world.check(["mv", &world.url("folder"), &world.url("moved")]);
    assert!(world.root().join("moved/deeper/end").exists());
}

#[test]
fn mv_names_the_path_that_is_wrong() {
    let world = World::serving();
    fs::create_dir_all(world.root().join("folder/taken/inner")).unwrap();
    fs::create_dir(world.root().join("taken")).unwrap();
    for name in ["a", "same", "folder/a"] {
        fs::write(world.root().join(name), name).unwrap();
    }
    symlink("/etc", world.root().join("out")).unwrap();
    for (words, code, told) in [
        (&["a", "nosuch/dir"][..], 5, "/nosuch: no such file or folder"),
        (&["gone", "other"], 5, "/gone: no such file or folder"),
        (&["gone", "nosuch/dir"], 5, "/gone: no such file or folder"),
        (&["a", "same/dir"], 1, "/same: is not a folder"),
        (&["same/dir", "b"], 1, "/same/dir: is not a folder"),
        (&["-n", "a", "same"], 6, "/same: exists already"),
        (&["-n", "a", "folder"], 6, "/folder/a: exists already"),
        (&["taken", "folder"], 1, "/folder/taken: the folder is not empty"),
        (&["folder", "a"], 1, "/a: is not a folder"),
        (&["a", "out/b"], 1, "/out"),
        (&["folder", "folder/taken/inner"], 1, "/folder: a folder cannot be moved into itself"),
    ] {
        let typed = words.iter().map(|word| if *word == "-n" { word.to_string() } else { world.url(word) });
        let ran = world.client(["mv".to_owned()].into_iter().chain(typed));
        let expected = format!("ftp-client: {told}");
        assert!(
            ran.code == Some(code) && ran.stderr.starts_with(&expected),
            "{words:?}: {} {:?}",
            ran.stderr,
            ran.code
        );
    }
    let ran = world.client(["mv", "-n", &world.url("a"), &world.url("same"), &world.url("folder/")]);
    assert!(ran.code == Some(1) && ran.stderr.contains("/folder/a: exists already"), "{}", ran.stderr);
    assert!(world.root().join("folder/same").exists());
}

#[test]
fn touch_sets_times_and_makes_files() {
    let world = World::serving();
    made(&world);
    world.check(["touch", "-d", "2026-05-01T12:00:00.5Z", &world.url("file"), &world.url("new")]);
    for name in ["file", "new"] {
        let metadata = fs::metadata(world.root().join(name)).unwrap();
        assert_eq!((metadata.mtime(), metadata.mtime_nsec()), (1_777_636_800, 500_000_000), "{name}");
    }
    assert_eq!(fs::read_to_string(world.root().join("file")).unwrap(), "content");
    let before = std::time::SystemTime::now() - Duration::from_secs(5);
    world.check(["touch", &world.url("file"), &world.url("folder")]);
    assert!(fs::metadata(world.root().join("file")).unwrap().modified().unwrap() > before);
    assert!(fs::metadata(world.root().join("folder")).unwrap().modified().unwrap() > before);
    world.client(["touch", "-c", &world.url("none")]);
    assert!(!world.root().join("none").exists());
    assert_eq!(world.client(["touch", "-d", "yesterday or so", &world.url("file")]).code, Some(2));
}

#[test]
fn chmod_takes_octal_and_symbolic_modes() {
    let world = World::serving();
    made(&world);
    let mode = |name: &str| fs::metadata(world.root().join(name)).unwrap().permissions().mode() & 0o7777;
    world.check(["chmod", "600", &world.url("file"), &world.url("folder")]);
    assert_eq!((mode("file"), mode("folder")), (0o600, 0o600));
    world.check(["chmod", "u+x,g=r,o-rwx", &world.url("file")]);
    assert_eq!(mode("file"), 0o740);
    world.check(["chmod", "a+rX", &world.url("folder")]);
    assert_eq!(mode("folder"), 0o755);
    assert_eq!(world.client(["chmod", "u+q", &world.url("file")]).code, Some(2));
}

#[test]
fn ln_s_makes_links_that_may_lead_anywhere() {
    let world = World::serving();
    for (target, name) in
        [("folder/file", "one"), ("/absolute", "two"), ("../up", "three"), ("with \n newline", "four")]
    {
        world.check(["ln", "-s", target, &world.url(name)]);
        assert_eq!(fs::read_link(world.root().join(name)).unwrap().to_str(), Some(target));
    }
    assert_eq!(world.client(["ln", "-s", "again", &world.url("one")]).code, Some(1));
    assert_eq!(fs::read_link(world.root().join("one")).unwrap().to_str(), Some("folder/file"));
}

#[test]
fn completions_manual_pages_and_help_need_no_server() {
    let world = World::empty();
    assert!(world.check(["completions", "bash"]).text().contains("ftp-client"));
    assert!(world.check(["man"]).text().contains(".TH"));
    assert!(world.check(["man", "get"]).text().contains("get"));
    for command in [
        "ls", "stat", "hash", "df", "du", "find", "get", "put", "cat", "mkdir", "rm", "mv", "touch", "chmod",
        "ln", "trust",
    ] {
        assert!(world.check([command, "--help"]).text().contains("Example"), "{command}");
    }
}

/// Files, folders and a link with known times and modes.
fn made(world: &World) {
    let root = world.root();
    fs::create_dir_all(root.join("folder/deeper")).unwrap();
    fs::write(root.join("folder/deeper/end"), "end").unwrap();
    fs::write(root.join(".hidden"), "").unwrap();
    fs::write(root.join("b"), "b").unwrap();
    fs::write(root.join("file"), "content").unwrap();
    chmod(&root.join("file"), 0o640);
    chmod(&root.join("folder"), 0o755);
    symlink("folder/deeper", root.join("link")).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    File::options().append(true).open(root.join("file")).unwrap().set_modified(time).unwrap();
}
