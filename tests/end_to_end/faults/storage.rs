//! Storage that fails: full disks, sources that change or cannot be read, targets that cannot be written.

use crate::support::limits::{SmallDisk, without_privileges};
use crate::support::{chmod, content, event, events, leftovers, output, picture, wait_until};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use tests::world::{Ran, World};

#[test]
fn a_full_disk_at_the_server_is_exit_code_8_and_leaves_the_old_files() {
    let world = World::serving();
    let Some(_disk) = SmallDisk::on(&world.root().join("disk")) else { return };
    let disk = world.root().join("disk");
    fs::write(disk.join("old"), content(1, 1_000_000)).unwrap();
    fs::write(world.local().join("new"), content(2, 20_000_000)).unwrap();
    let before = picture(&disk);
    for arguments in
        [vec!["put", "--json", "new", "disk/old"], vec!["put", "--json", "--lanes=1", "new", "disk/other"]]
    {
        let (path, options) = arguments.split_last().unwrap();
        let url = world.url(path);
        let ran = world.client(options.iter().copied().chain([url.as_str()]));
        assert_eq!(ran.code, Some(8), "{}", ran.stderr);
        assert!(ran.stderr.contains("no space"), "{}", ran.stderr);
        assert_eq!(event(&ran, "finished")["exit_code"], 8);
        assert!(picture(&disk) == before, "{:?}", picture(&disk).keys());
    }
    let ran = pipe(&world, &["put", "-", &world.url("disk/stream")], &content(3, 20_000_000));
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    assert!(picture(&disk) == before, "{:?}", picture(&disk).keys());
    world.check(["put", "new", &world.url("elsewhere")]);
}

#[test]
fn a_disk_that_fills_up_during_a_tree_is_exit_code_8_and_leaves_whole_files_only() {
    let world = World::serving();
    let Some(_disk) = SmallDisk::on(&world.root().join("disk")) else { return };
    fs::create_dir(world.local().join("tree")).unwrap();
    for number in 0..150 {
        fs::write(world.local().join(format!("tree/{number}")), content(number, 100_000)).unwrap();
    }
    for number in 150..153 {
        fs::write(world.local().join(format!("tree/{number}")), content(number, 3_000_000)).unwrap();
    }
    let ran = world.client(["put", "-r", "--json", "tree/", &world.url("disk/tree")]);
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    let arrived = picture(&world.root().join("disk/tree"));
    let sent = picture(&world.local().join("tree"));
    for (path, line) in &arrived {
        assert_eq!(sent.get(path), Some(line), "only whole files: {path:?}");
    }
    let done = events(&ran).iter().filter(|event| event["outcome"] == "done").count();
    assert_eq!(arrived.len(), done, "what is told as done is there");
    assert_eq!(event(&ran, "finished")["files"], done);
    assert_eq!(event(&ran, "finished")["failed"], 153 - done);
}

#[test]
fn a_full_disk_here_is_exit_code_8_and_leaves_the_old_files() {
    let world = World::serving();
    let disk = world.local().join("disk");
    let Some(_disk) = SmallDisk::on(&disk) else { return };
    fs::write(disk.join("old"), content(1, 1_000_000)).unwrap();
    fs::write(world.root().join("old"), content(2, 20_000_000)).unwrap();
    fs::create_dir(world.root().join("tree")).unwrap();
    for number in 0..200 {
        fs::write(world.root().join(format!("tree/{number}")), content(number, 100_000)).unwrap();
    }
    let before = picture(&disk);
    for target in ["disk", "disk/old", "disk/other"] {
        let ran = world.client(["get", &world.url("old"), target]);
        assert_eq!(ran.code, Some(8), "{}", ran.stderr);
        assert!(ran.stderr.contains("no space"), "{}", ran.stderr);
        assert!(picture(&disk) == before, "{:?}", picture(&disk).keys());
    }
    let ran = world.client(["get", "-r", &world.url("tree"), "disk"]);
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    let whole = picture(&world.root().join("tree"));
    assert!(
        picture(&disk.join("tree")).iter().all(|(path, line)| whole.get(path) == Some(line)),
        "only whole files"
    );
    fs::remove_dir_all(disk.join("tree")).unwrap();
    let many: Vec<String> = (0..200).map(|number| world.url(format!("tree/{number}"))).collect();
    let ran = world.client(["get"].into_iter().chain(many.iter().map(String::as_str)).chain(["disk"]));
    assert_eq!(ran.code, Some(8), "{}", ran.stderr);
    assert!(ran.stderr.contains("no space"), "{}", ran.stderr);
    let done = (0..200).filter(|number| disk.join(number.to_string()).exists()).count();
    assert!(0 < done && done < 200, "{done} files");
}

#[test]
fn a_source_that_grows_while_it_is_sent_is_reported_and_not_published() {
    let world = World::serving();
    fs::write(world.root().join("log"), "the old content").unwrap();
    let source = world.local().join("log");
    fs::write(&source, content(1, 24_000_000)).unwrap();
    while_appending(&source, || {
        let ran = world.client(["put", "--limit-rate=20M", "log", &world.url("log")]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("changed each time it was read"), "{}", ran.stderr);
    });
    assert_eq!(fs::read_to_string(world.root().join("log")).unwrap(), "the old content");
    assert!(leftovers(&world.root()).is_empty());
}

#[test]
fn a_source_that_changes_while_it_is_fetched_is_reported_and_not_published() {
    let world = World::serving();
    let source = world.root().join("log");
    fs::write(&source, content(1, 24_000_000)).unwrap();
    fs::write(world.local().join("log"), "the old content").unwrap();
    while_appending(&source, || {
        let ran = world.client(["get", "--limit-rate=20M", &world.url("log")]);
        assert_eq!(ran.code, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("changed each time it was read"), "{}", ran.stderr);
        let shown = world.check(["cat", "--limit-rate=20M", &world.url("log")]).stdout;
        assert!(fs::read(&source).unwrap().starts_with(&shown) && shown.len() >= 24_000_000);
    });
    assert_eq!(fs::read_to_string(world.local().join("log")).unwrap(), "the old content");
    assert!(leftovers(&world.local()).is_empty());
}

#[test]
fn a_source_that_is_cut_short_while_it_is_sent_arrives_as_it_is_then() {
    let world = World::serving();
    fs::create_dir(world.local().join("tree")).unwrap();
    fs::write(world.local().join("tree/a"), "small").unwrap();
    fs::write(world.local().join("tree/b"), content(1, 24_000_000)).unwrap();
    fs::write(world.local().join("tree/c"), content(2, 600_000)).unwrap();
    let mut command =
        world.client_command(["put", "-r", "--limit-rate=16M", "--json", "tree/", &world.url("tree")]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the large file is on its way", || !leftovers(&world.root()).is_empty());
    File::options().write(true).open(world.local().join("tree/b")).unwrap().set_len(1000).unwrap();
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(picture(&world.root().join("tree")) == picture(&world.local().join("tree")));
}

#[test]
fn pipes_and_sockets_are_left_out_and_the_others_arrive() {
    let world = World::serving();
    for folder in [world.local(), world.root()] {
        fs::create_dir_all(folder.join("tree/inner")).unwrap();
        fs::write(folder.join("tree/a"), "a").unwrap();
        fs::write(folder.join("tree/inner/z"), content(1, 600_000)).unwrap();
        let made = output(Command::new("mkfifo").arg(folder.join("tree/pipe")))
            .is_some_and(|made| made.status.success());
        assert!(made, "mkfifo");
        drop(std::os::unix::net::UnixListener::bind(folder.join("tree/inner/socket")).unwrap());
    }
    for (arguments, target) in [
        (["put", "-r", "--json", "tree/", &world.url("up")], world.root().join("up")),
        (["get", "-r", "--json", &world.url("tree/"), "back"], world.local().join("back")),
    ] {
        let ran = world.client(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        for name in ["pipe", "socket"] {
            let is_told = |line: &str| line.contains(name) && line.contains("which is not sent");
            assert!(ran.stderr.lines().any(is_told), "{}", ran.stderr);
        }
        let finished = event(&ran, "finished");
        let counts = ["files", "failed", "skipped"].map(|count| finished[count].as_u64());
        assert_eq!(counts, [Some(2), Some(0), Some(2)]);
        let arrived: Vec<PathBuf> = picture(&target).into_keys().collect();
        assert_eq!(arrived, ["a", "inner", "inner/z"].map(PathBuf::from));
    }
    assert_eq!(world.client(["put", "tree/pipe", &world.url("x")]).code, Some(2)); // it is said how else
    assert_eq!(world.client(["put", "-r", "tree/pipe", "tree/a", &world.url("")]).code, Some(1));
    assert_eq!(world.client(["get", &world.url("tree/pipe"), "x"]).code, Some(1));
    assert_eq!(world.client(["cat", &world.url("tree/pipe")]).code, Some(1));
    assert_eq!(world.client(["hash", &world.url("tree/pipe")]).code, Some(1));
}

#[test]
fn what_may_not_be_read_is_reported_and_the_others_arrive() {
    let world = World::serving();
    fs::create_dir_all(world.local().join("tree/closed")).unwrap();
    fs::write(world.local().join("tree/a"), "a").unwrap();
    fs::write(world.local().join("tree/closed/inside"), "inside").unwrap();
    for (len, name) in [(10, "secret-small"), (600_000, "secret-large")] {
        fs::write(world.local().join("tree").join(name), content(1, len)).unwrap();
        chmod(&world.local().join("tree").join(name), 0);
    }
    chmod(&world.local().join("tree/closed"), 0);
    let Some(mut command) =
        without_privileges(world.client_command(["put", "-r", "tree/", &world.url("up")]))
    else {
        return;
    };
    let ran = Ran::from(command.output().unwrap());
    chmod(&world.local().join("tree/closed"), 0o700);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    for name in ["secret-small", "secret-large", "closed"] {
        assert!(
            ran.stderr.lines().any(|line| line.contains(name) && line.contains("permission denied")),
            "{}",
            ran.stderr
        );
    }
    assert_eq!(fs::read_to_string(world.root().join("up/a")).unwrap(), "a");
    assert!(!world.root().join("up/secret-small").exists() && !world.root().join("up/secret-large").exists());
    fs::create_dir(world.local().join("read-only")).unwrap();
    chmod(&world.local().join("read-only"), 0o555);
    let mut command =
        without_privileges(world.client_command(["get", &world.url("up/a"), "read-only"])).unwrap();
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("permission denied"), "{}", ran.stderr);
}

fn while_appending(path: &Path, work: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    let mut file = File::options().append(true).open(path).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"one more line\n").unwrap();
                std::thread::sleep(std::time::Duration::from_millis(2)); // like a growing log
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn pipe(world: &World, arguments: &[&str], bytes: &[u8]) -> Ran {
    let mut command = world.client_command(arguments);
    let mut client =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = client.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes)); // the client may stop reading before the end
        Ran::from(client.wait_with_output().unwrap())
    })
}

#[test]
fn a_pipe_or_device_in_a_targets_place_is_left_alone() {
    use std::os::unix::fs::FileTypeExt;
    let world = World::serving();
    let is_pipe = |path: &Path| fs::symlink_metadata(path).unwrap().file_type().is_fifo();
    for pipe in [world.root().join("pipe"), world.local().join("pipe")] {
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    }
    fs::write(world.local().join("file"), "content").unwrap();
    let put = world.client(["put", "file", &world.url("pipe")]);
    assert_eq!(put.code, Some(1), "{}", put.stderr);
    assert!(is_pipe(&world.root().join("pipe")));
    world.check(["put", "file", &world.url("file")]);
    let get = world.client(["get", &world.url("file"), "pipe"]);
    assert_eq!(get.code, Some(1), "{}", get.stderr);
    assert!(is_pipe(&world.local().join("pipe")));
}
