//! What people try in their first hour and what it is answered: ambiguous ports, names with colons, pipes, files of other systems,
//! a machine without a home.

use crate::support::{is_root, output};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use tests::world::{PASSWORD, Ran, World, binaries};

#[test]
fn a_port_after_a_colon_is_not_a_folder_by_mistake() {
    let world = World::empty();
    for line in ["ls ann@h:2121/photos", "get -r ann@h:2121/photos .", "put a ann@h:2121", "mirror . h:22/x"]
    {
        let ran = world.client(line.split(' '));
        assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("a server's port is written ftpx://"), "{line}: {}", ran.stderr);
    }
    let ran = world.client(["ls", "ann@h:2121/photos"]);
    assert!(
        ran.stderr.contains("ftpx://ann@h:2121/PATH, sshd's ssh://ann@h:2121/PATH, the folder ann@h:./2121"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_profile_is_added_with_any_form_of_a_place() {
    let world = World::serving();
    fs::create_dir(world.root().join("a b")).unwrap();
    world.check(["profile", "add", "work", &world.url("a b")]);
    world.check(["profile", "add", "deep", "work:deep"]);
    world.check(["profile", "add", "scp", "ann@files.example.org::photos"]);
    let listed = world.check(["profile", "list"]).text();
    assert!(listed.contains("scp ftpx://ann@files.example.org/photos"), "{listed}");
    world.check(["mkdir", "work:deep/er", "-p"]);
    assert_eq!(world.check(["ls", "deep:"]).text(), "er\n");
    let wrong = world.client(["profile", "add", "x", "folder"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("not a remote path"), "{}", wrong.stderr);
}

#[test]
fn byte_order_marks_are_skipped() {
    let world = World::serving();
    let write = |name: &str, text: &str| {
        let path = world.local().join(name);
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let script = write("script", "mkdir made\r\n");
    let password = write("password", &format!("{PASSWORD}\r\n"));
    let mut client = world.client_command(["script", &script, &world.url(""), "--password-file", &password]);
    let ran = Ran::from(client.env_remove("FTPX_PASSWORD").output().unwrap());
    assert!(ran.code == Some(0) && world.root().join("made").is_dir(), "{}", ran.stderr);
    let config = write("config", &format!("[profile.work]\nurl = \"{}\"\n", world.url("")));
    assert_eq!(world.check(["ls", "--config", &config, "work:"]).text(), "made\n");
    fs::create_dir(world.local().join("tree")).unwrap();
    for name in ["a", "b"] {
        fs::write(world.local().join("tree").join(name), name).unwrap();
    }
    let list = write("list", "a\r\n");
    world.check(["mirror", "--files-from", &list, "tree", &world.url("listed")]);
    let rules = write("rules", "- a\n");
    world.check(["mirror", "--filter-from", &rules, "tree", &world.url("filtered")]);
    let names = |folder: &str| world.check(["ls", &world.url(folder)]).text();
    assert_eq!((names("listed").as_str(), names("filtered").as_str()), ("a\n", "b\n"));
}

#[test]
fn a_name_with_a_colon_is_a_file_if_there_is_one() {
    let world = World::serving();
    fs::write(world.local().join("file-23:00.tar"), "tar").unwrap();
    world.check(["put", "file-23:00.tar", &world.url("")]);
    assert_eq!(fs::read(world.root().join("file-23:00.tar")).unwrap(), b"tar");
    let missing = world.client(["put", "gone-23:00.tar", &world.url("")]);
    assert!(
        missing.code == Some(2) && missing.stderr.contains("put sends local files"),
        "{}",
        missing.stderr
    );
}

#[test]
fn pipes_are_streamed_or_answered() {
    let world = World::serving();
    let shell = |line: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-c", line]).current_dir(world.local()).env("FTPX_PASSWORD", PASSWORD);
        bash.env("put", format!("{} put", binaries().client.display()));
        bash.env("HOME", world.local()).env("url", world.url(""));
        output(&mut bash).map(Ran::from)
    };
    let url = |name: &str| world.url(name);
    let lines = [
        ("one", format!("$put <(echo from a command) '{}'", url("one"))),
        ("two", format!("echo from standard input | $put /dev/stdin '{}'", url("two"))),
        ("three", format!("$put --as three <(echo third) '{}'", url(""))),
    ];
    for (name, line) in lines {
        let Some(ran) = shell(&line) else { return };
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
        assert!(!fs::read(world.root().join(name)).unwrap().is_empty(), "{line}");
    }
    let nameless = shell(&format!("$put <(echo x) '{}'", url(""))).unwrap();
    assert!(nameless.code == Some(2) && nameless.stderr.contains("has no name"), "{}", nameless.stderr);
    mknodat(CWD, world.local().join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let pipe = world.client(["put", "pipe", &url("four")]);
    assert!(pipe.code == Some(2) && pipe.stderr.contains("use: put - REMOTE < FILE"), "{}", pipe.stderr);
}

#[test]
fn a_pin_suffices_without_a_home() {
    if !is_root() {
        return println!("skipped: only root can become somebody without an account");
    }
    let world = World::serving();
    fs::write(world.root().join("file"), "x").unwrap();
    let place = world.url("");
    let (url, pin) = place.split_once("?pin=").unwrap();
    let homeless = |words: &[&str]| {
        let mut client = Command::new(&binaries().client);
        client
            .args(words)
            .current_dir("/")
            .env_clear()
            .env("FTPX_PASSWORD", PASSWORD)
            .uid(54_321)
            .gid(54_321);
        Ran::from(client.output().unwrap())
    };
    for words in [&["ls", &place][..], &["ls", "--pin", pin, url]] {
        let ran = homeless(words);
        assert_eq!((ran.code, ran.text().as_str()), (Some(0), "file\n"), "{words:?}: {}", ran.stderr);
    }
    let unpinned = homeless(&["ls", url]);
    assert!(unpinned.code == Some(2) && unpinned.stderr.contains("give --pin"), "{}", unpinned.stderr);
}

/// Runs a program at a terminal, with programs of its own before the system's.
fn at_a_terminal(world: &World, line: &str, path: &str) -> Option<String> {
    let mut script = Command::new("script");
    script.args(["-qec", line, "/dev/null"]).current_dir(world.local()).env_clear();
    script.env("HOME", world.local()).env("TERM", "dumb").env("SHELL", "/bin/sh").env("PATH", path);
    let shown = output(&mut script).map(|ran| String::from_utf8_lossy(&ran.stdout).into_owned());
    if shown.is_none() {
        println!("skipped: script is not installed");
    }
    shown
}

#[test]
fn a_manual_page_is_shown_by_man_or_as_text() {
    let world = World::empty();
    let programs = world.local().join("bin");
    fs::create_dir(&programs).unwrap();
    let man = programs.join("man");
    let lines =
        [format!("{} man put", binaries().client.display()), format!("{} man", binaries().server.display())];
    let path = format!("{}:/usr/bin:/bin", programs.display());
    for (program, expects_text) in [("cat > page; echo shown by $0 $*", false), ("exit 16", true)] {
        fs::write(&man, format!("#!/bin/sh\n{program}\n")).unwrap();
        fs::set_permissions(&man, fs::Permissions::from_mode(0o755)).unwrap();
        for line in &lines {
            let Some(shown) = at_a_terminal(&world, line, &path) else { return };
            assert_eq!(shown.contains("Usage: ftp-"), expects_text, "{line}: {shown}");
            assert_eq!(shown.contains("man -l -"), !expects_text, "{line}: {shown}");
            assert!(!shown.contains(".SH"), "{line}: {shown}");
        }
    }
    assert!(fs::read_to_string(world.local().join("page")).unwrap().contains(".SH"));
}

#[test]
fn changes_of_users_are_told() {
    let world = World::empty();
    let (state, password) = (world.state().display().to_string(), world.password_file());
    let password = password.to_str().unwrap();
    let user = |words: &[&str]| {
        let mut command = Command::new(&binaries().server);
        command.arg("user").args(words).args(["--state", &state]).current_dir(world.local());
        Ran::from(command.output().unwrap())
    };
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/keys/id_ed25519.pub");
    let root = world.root().display().to_string();
    for (words, expected) in [
        (&["add", "ann", "--root", &root, "--password-file", password][..], "added ann: read access to \""),
        (&["add", "bob", "--root", &root, "--key", key], "with 1 key"),
        (&["add", "eve", "--password-file", password], "warning: eve has no root"),
        (&["passwd", "ann", "--password-file", password], "changed the password of ann"),
        (&["add-key", "ann", key], "added 1 key to ann"),
        (&["set", "ann", "--umask", "027"], "changed the rules for permissions of ann"),
        (&["passwd", "ann", "--remove"], "removed the password of ann"),
        (&["remove", "ann"], "removed ann; the files stay"),
    ] {
        let ran = user(words);
        assert!(ran.code == Some(0) && ran.stderr.contains(expected), "{words:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{words:?}: {}", ran.text());
    }
    let missing = user(&["add", "max", "--root", "my srv", "--password-file", password]);
    assert!(missing.code == Some(2) && missing.stderr.contains("mkdir -p 'my srv'"), "{}", missing.stderr);
    assert!(!world.local().join("my srv").exists());
}
