//! Transfers in scripts: only if absent, unless the same, under another name; results, and retries of failed items.

use crate::support::{assert_same, content, event, events, sha256, wait_until};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tests::world::{World, signal};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    read(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the source and outcome of each item of a result file.
fn items(path: &Path) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut items: Vec<_> = lines(path)
        .iter()
        .filter(|line| line["outcome"].is_string())
        .map(|line| (text(&line["source"]), text(&line["outcome"])))
        .collect();
    items.sort();
    items
}

#[test]
fn if_absent_leaves_what_is_there_and_succeeds() {
    let world = World::serving();
    fs::write(world.local().join("file"), "new").unwrap();
    fs::write(world.root().join("old"), "old").unwrap();
    world.check(["put", "--if-absent", "file", &world.url("old")]);
    assert_eq!(read(&world.root().join("old")), "old");
    world.check(["put", "--if-absent", "file", &world.url("new")]);
    assert_eq!(read(&world.root().join("new")), "new");
    assert_eq!(world.client(["put", "--overwrite", "never", "file", &world.url("old")]).code, Some(6));
    assert_eq!(
        world.client(["put", "--if-absent", "--overwrite", "always", "file", &world.url("x")]).code,
        Some(2)
    );
}

#[test]
fn unless_same_sends_nothing_that_is_there() {
    let world = World::serving();
    let file = world.local().join("file");
    fs::write(&file, content(1, 3_000_000)).unwrap();
    let put = |how: &str| {
        let ran = world.check(["put", "--json", "--delta=never", how, "file", &world.url("")]);
        event(&ran, "finished")["bytes_transferred"].as_u64().unwrap()
    };
    assert!(put("--unless-same") >= 3_000_000);
    assert_eq!(put("--unless-same"), 0);
    let touched = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().append(true).open(&file).unwrap().set_modified(touched).unwrap();
    assert_eq!(put("--unless-same=digest"), 0, "the content is the same");
    assert!(put("--unless-same=mtime") >= 3_000_000, "the time is not");
    fs::write(&file, content(2, 3_000_000)).unwrap();
    File::options().append(true).open(&file).unwrap().set_modified(touched).unwrap();
    assert_eq!(put("--unless-same"), 0, "size and time are the same");
    assert!(put("--unless-same=digest") >= 3_000_000, "the content is not");
    assert_eq!(fs::read(world.root().join("file")).unwrap(), content(2, 3_000_000));
    assert_eq!(world.client(["put", "--unless-same", "-", &world.url("x")]).code, Some(2));
}

#[test]
fn as_gives_another_name_in_a_folder() {
    let world = World::serving();
    fs::create_dir(world.root().join("in")).unwrap();
    fs::write(world.local().join("file"), "content").unwrap();
    world.check(["put", "--as", "report", "file", &world.url("in")]);
    assert_eq!(read(&world.root().join("in/report")), "content");
    fs::create_dir_all(world.local().join("tree/deeper")).unwrap();
    world.check(["put", "-r", "--as", "backup", "tree", &world.url("in")]);
    assert!(world.root().join("in/backup/deeper").is_dir());
    let mut command = world.client_command(["put", "--as", "stream", "-", &world.url("in")]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"piped").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(read(&world.root().join("in/stream")), "piped");
    for name in ["a/b", "..", ""] {
        assert_eq!(world.client(["put", "--as", name, "file", &world.url("in")]).code, Some(2), "{name}");
    }
    world.check(["put", "--as", "x", "file", &world.url("made")]);
    assert_eq!(read(&world.root().join("made/x")), "content");
    assert_eq!(world.client(["put", "--as", "x", "file", &world.url("none/none")]).code, Some(5));
}

#[test]
fn get_writes_to_a_named_file_or_to_standard_output() {
    let world = World::serving();
    let bytes = content(3, 1_200_000);
    fs::write(world.root().join("file"), &bytes).unwrap();
    world.check(["get", "-o", "here", &world.url("file")]);
    assert_eq!(fs::read(world.local().join("here")).unwrap(), bytes);
    let ran = world.check(["get", "-o", "-", &world.url("file")]);
    assert_eq!(sha256(&ran.stdout), sha256(&bytes));
    let ran = world.client(["get", "-o", "-", "--result", "r", &world.url("file")]);
    assert!(ran.code == Some(2) && !world.local().join("r").exists(), "{}", ran.stderr);
    fs::create_dir(world.local().join("folder")).unwrap();
    assert_eq!(world.client(["get", "-o", "folder", &world.url("file")]).code, Some(1));
    assert_eq!(world.client(["get", "-o", "x", &world.url("file"), &world.url("y")]).code, Some(2));
}

#[test]
fn what_failed_is_done_again_and_nothing_else() {
    let world = World::serving();
    let tree = world.local().join("tree");
    fs::create_dir(&tree).unwrap();
    for (name, content) in [("a", "a"), ("b", "b"), ("bad", "good"), ("c", "c")] {
        fs::write(tree.join(name), content).unwrap();
    }
    fs::create_dir_all(world.root().join("tree/bad")).unwrap();
    let ran = world.client(["put", "-r", "--result", "r1", "tree", &world.url("")]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let result = world.local().join("r1");
    let all = [("a", "done"), ("b", "done"), ("bad", "failed"), ("c", "done")];
    assert_eq!(items(&result), all.map(|(name, outcome)| (name.to_owned(), outcome.to_owned())));
    let failed = lines(&result).into_iter().find(|line| line["outcome"] == "failed").unwrap();
    assert!(
        failed["reason"].is_string() && failed["code"] == 1 && failed["target"] == "/tree/bad",
        "{failed}"
    );

    fs::remove_dir(world.root().join("tree/bad")).unwrap();
    fs::write(tree.join("a"), "changed, and nobody asked for it").unwrap();
    world.check(["retry", "r1", "--result", "r2"]);
    assert_eq!(items(&world.local().join("r2")), [("bad".to_owned(), "done".to_owned())]);
    assert_eq!(
        (read(&world.root().join("tree/bad")), read(&world.root().join("tree/a"))),
        ("good".into(), "a".into())
    );
    world.check(["retry", "r2"]);
}

#[test]
fn sources_that_never_began_are_done_again() {
    let world = World::serving();
    fs::write(world.root().join("one"), "1").unwrap();
    let urls = ["one", "two"].map(|name| world.url(name));
    let ran = world.client(["get", "--result", "r", &urls[0], &urls[1], "."]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let wanted = [("one", "done"), ("two", "failed")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(items(&world.local().join("r")), wanted);
    assert_eq!(world.client(["retry", "r"]).code, Some(5));
    fs::write(world.root().join("two"), "2").unwrap();
    fs::remove_file(world.local().join("one")).unwrap();
    let elsewhere = world.local().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let ran = world.client_command(["retry", "../r"]).current_dir(elsewhere).output().unwrap();
    assert!(ran.status.success());
    assert!(world.local().join("two").exists() && !world.local().join("one").exists());
}

#[test]
fn a_run_that_was_killed_is_done_again_as_a_whole() {
    let world = World::serving();
    let tree = world.local().join("tree");
    fs::create_dir(&tree).unwrap();
    for name in ["a", "b"] {
        fs::write(tree.join(name), content(4, 4_000_000)).unwrap();
    }
    for how in ["KILL", "INT"] {
        let mut command = world.client_command([
            "put",
            "-r",
            "--limit-rate",
            "500K",
            "--result",
            "r",
            "tree/",
            &world.url(how),
        ]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the result file begins", || {
            fs::metadata(world.local().join("r")).is_ok_and(|file| file.len() > 0)
        });
        signal(child.id(), how);
        child.wait().unwrap();
        world.check(["retry", "r"]);
        assert_same(&tree, &world.root().join(how));
        fs::remove_file(world.local().join("r")).unwrap();
    }
}

#[test]
fn only_our_own_results_are_read() {
    let world = World::serving();
    fs::write(world.local().join("file"), "x").unwrap();
    world.check(["put", "--result", "r", "file", &world.url("")]);
    let text = read(&world.local().join("r"));
    for (wrong, said) in [
        (text.replacen("\"result\":1", "\"result\":2", 1), "version 2"),
        ("{}\n".to_owned(), "not a result file"),
        (String::new(), "not a result file"),
        (text.replacen("\"done\"", "\"won\"", 1), "r:2: "),
    ] {
        fs::write(world.local().join("r"), wrong).unwrap();
        let ran = world.client(["retry", "r"]);
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    fs::set_permissions(world.local(), fs::Permissions::from_mode(0o700)).unwrap();
    let ran = world.client(["put", "--result", "none/r", "file", &world.url("")]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
}

/// The reported path is the server's, so the report must also say which end failed.
#[test]
fn what_goes_wrong_here_is_not_blamed_on_the_server() {
    let world = World::serving();
    fs::write(world.root().join("file"), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.local().join("socket")).unwrap();
    for words in [&["get", "-o", "socket"][..], &["get"]] {
        let to = if words.len() > 1 { &[][..] } else { &["socket"] };
        let url = world.url("file");
        let ran = world.client(words.iter().copied().chain([&url[..]]).chain(to.iter().copied()));
        let said = "/file: on this machine: a pipe, socket or device is in its place";
        assert!(ran.code == Some(1) && ran.stderr.contains(said), "{}", ran.stderr);
    }
    let ran = world.client(["get", &world.url("none")]);
    assert!(ran.code == Some(5) && !ran.stderr.contains("this machine"), "{}", ran.stderr);
}

/// A mistyped name after `--result` must not destroy a file.
#[test]
fn what_is_no_result_file_is_not_written_over() {
    let world = World::serving();
    let (url, at) = (world.url(""), |name: &str| world.local().join(name));
    fs::write(at("precious"), "precious").unwrap();
    fs::write(at("empty"), "").unwrap();
    for (words, said) in [
        (&["put", "--result", "precious", "empty", &url][..], "not a result file"),
        (&["put", "--result", "precious", "precious", &url], "is a source or target"),
        (&["put", "--result", "./empty", "empty", &url], "is a source or target"),
        (&["get", "--result", "new", &world.url("x"), "new"], "is a source or target"),
        (&["put", "--result", "-", "empty", &url], "is not a file"),
    ] {
        let ran = world.client(words);
        assert!(ran.code == Some(2) && ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
    assert_eq!(read(&at("precious")), "precious");
    assert_eq!(fs::read_dir(world.root()).unwrap().count(), 0);
    for _ in 0..2 {
        world.check(["put", "--result", "r", "empty", &url]); // an older result file is replaced
    }
}

#[test]
fn sources_that_could_not_begin_are_told_of_and_done_again() {
    let world = World::serving();
    fs::write(world.local().join("a.txt"), "a").unwrap();
    fs::write(world.root().join("a.txt"), "a").unwrap();
    let (url, nothere) = (world.url(""), world.url("nothere"));
    let failed = |words: &[&str]| {
        let ran = world.client(words);
        assert_eq!(ran.code, Some(1), "{words:?}: {}", ran.stderr);
        assert_eq!(event(&ran, "finished")["failed"], 1);
        let files = events(&ran).into_iter().filter(|event| event["outcome"] == "failed");
        files.map(|event| event["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(failed(&["--json", "put", "--result", "r", "a.txt", "missing", &url]), ["missing"]);
    assert_eq!(failed(&["--json", "get", &nothere, &world.url("a.txt"), "."]), ["/nothere"]);
    let wanted = [("a.txt", "done"), ("missing", "failed")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(items(&world.local().join("r")), wanted);
    assert_eq!(world.client(["retry", "r"]).code, Some(5), "it is still missing");
    fs::write(world.local().join("missing"), "found").unwrap();
    world.check(["retry", "--result", "r2", "r"]);
    assert_eq!(read(&world.root().join("missing")), "found");
    world.check(["retry", "--result", "r3", "r2"]);
    let told = lines(&world.local().join("r3"));
    assert_eq!(
        (&told[0]["result"], &told[1]["end"]),
        (&1.into(), &true.into()),
        "that nothing was left to do"
    );
}

#[test]
fn a_run_that_ends_early_leaves_no_older_result() {
    let mut world = World::serving();
    fs::write(world.local().join("file"), "x").unwrap();
    let (file, none, url) = (world.url("file"), world.url("none/none/"), world.url(""));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (words, code) in [
        (&["put", "--result", "r", "file", &format!("ftpx://tester@{closed}/")][..], 3),
        (&["put", "--result", "r", "file", &none], 5),
        (&["put", "--result", "r", "missing", &url], 5),
        (&["get", "--result", "r", &file, "none/none/"], 5),
    ] {
        world.check(["put", "--result", "r", "file", &url]);
        world.check(["retry", "r"]);
        assert_eq!(world.client(words).code, Some(code), "{words:?}");
        let ran = world.client(["retry", "r"]);
        assert!(ran.code == Some(2) && ran.stderr.contains("run the command once more"), "{}", ran.stderr);
    }
    // The list of items to retry survives a failure of the retry.
    world.client(["get", "--result", "r", &file, &world.url("more"), "."]);
    let before = read(&world.local().join("r"));
    world.server_mut().kill();
    assert_eq!(world.client(["retry", "--result", "r", "r"]).code, Some(3));
    assert_eq!(read(&world.local().join("r")), before);
}

#[test]
fn a_result_file_decides_only_where_nobody_else_may_write_to_it() {
    let world = World::serving();
    fs::write(world.local().join("file"), "x").unwrap();
    world.check(["put", "--result", "r", "file", &world.url("")]);
    let result = world.local().join("r");
    assert_eq!(fs::metadata(&result).unwrap().permissions().mode() & 0o022, 0);
    fs::set_permissions(&result, fs::Permissions::from_mode(0o666)).unwrap();
    let ran = world.client(["retry", "r"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("can be written by others"), "{}", ran.stderr);

    let plans = tempfile::tempdir().unwrap();
    let plan = plans.path().join("plan");
    let path = plan.to_str().unwrap();
    world.check(["mirror", "--plan", path, ".", &world.url("there")]);
    fs::set_permissions(&plan, fs::Permissions::from_mode(0o664)).unwrap();
    let ran = world.client(["apply", path]);
    assert!(ran.code == Some(2) && ran.stderr.contains("can be written by others"), "{}", ran.stderr);
    fs::set_permissions(&plan, fs::Permissions::from_mode(0o644)).unwrap();
    world.check(["apply", path]);
}

#[test]
fn a_result_file_names_nothing_but_what_its_run_was_about() {
    let world = World::serving();
    fs::create_dir(world.root().join("tree")).unwrap();
    fs::write(world.root().join("tree/file"), "x").unwrap();
    world.check(["get", "-r", "--result", "r", &world.url("tree")]);
    let text = read(&world.local().join("r")).replacen("\"done\"", "\"failed\"", 1);
    let item: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    let target = item["target"].as_str().unwrap();
    for other in
        ["/etc/file", &format!("{}/file", world.local().display()), &target.replace("/file", "/../file")]
    {
        let (head, items) = text.split_once('\n').unwrap();
        fs::write(world.local().join("r"), format!("{head}\n{}", items.replace(target, other))).unwrap();
        let ran = world.client(["retry", "r"]);
        assert!(ran.code == Some(2) && ran.stderr.contains("was not asked for"), "{other}: {}", ran.stderr);
    }
    fs::write(world.local().join("r"), &text).unwrap();
    world.check(["retry", "r"]);
}

#[test]
fn a_plan_follows_no_link_that_lies_beside_it() {
    let world = World::serving();
    let victim = world.local().join("victim");
    fs::write(&victim, "precious").unwrap();
    let beside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(&victim, beside.path().join("plan.unfinished")).unwrap();
    let plan = beside.path().join("plan");
    world.check(["mirror", "--plan", plan.to_str().unwrap(), ".", &world.url("there")]);
    assert_eq!(read(&victim), "precious");
    assert!(fs::symlink_metadata(&plan).unwrap().is_file());
    assert_eq!(fs::read_dir(beside.path()).unwrap().count(), 2, "nothing unfinished stays");
}

/// A pipe without a reader is an error instead of a wait; a dangling link makes no file elsewhere.
#[test]
fn a_result_is_written_to_a_file_of_its_own() {
    let world = World::serving();
    let at = |name: &str| world.local().join(name);
    fs::write(at("file"), "content").unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    std::os::unix::fs::symlink(at("victim"), at("link")).unwrap();
    for name in ["pipe", "link"] {
        let result = at(name);
        let ran = world.client(["put", "file", &world.url("file"), "--result", result.to_str().unwrap()]);
        assert!(!matches!(ran.code, Some(0) | None), "{name}: {ran:?}");
        assert!(ran.stderr.contains(name), "{name}: {ran:?}");
    }
    assert!(!at("victim").exists());
}
