//! Users whose rights end while they are logged in: running work is cut, the client reports the reason with exit code 4, and no
//! more files are published.

use crate::support::{PATIENCE, content, leftovers, names_below, output, picture, wait_until};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use tests::world::{Ran, World, binaries};

/// The client's message, and the change that causes it.
type Reason<Change> = (&'static str, Change);
/// A change of the key of this fingerprint.
type KeyChange = fn(&World, &str);

/// Runs `ftp-server user` beside the running server.
fn user(world: &World, words: &[&str]) -> Ran {
    let mut command = Command::new(&binaries().server);
    let ran = Ran::from(command.arg("user").args(words).arg("--state").arg(world.state()).output().unwrap());
    assert_eq!(ran.code, Some(0), "{words:?}: {}", ran.stderr);
    ran
}

/// Changes users.toml as an editor does.
fn edit(world: &World, from: &str, to: &str) {
    let path = world.state().join("users.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An upload that takes far longer than any test.
fn upload(world: &World, options: &[&str]) -> Child {
    fs::write(world.local().join("large"), content(1, 64_000_000)).unwrap();
    let url = world.url("large");
    let words = ["put", "--limit-rate=2M", "--give-up-after=1h", "large", &url];
    let mut command = world.client_command(words.iter().chain(options));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    child
}

/// Waits for the end of a client whose access was just withdrawn.
fn check_ended(world: &World, mut client: Child, reason: &str) {
    let begin = Instant::now();
    wait_until("the client ends", || client.try_wait().unwrap().is_some());
    println!("{reason}: after {:?}", begin.elapsed());
    assert!(begin.elapsed() < PATIENCE / 2, "far more than 2 s: {:?}", begin.elapsed());
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(4), "{reason}: {}", ran.stderr);
    assert!(ran.stderr.contains("ended the session: ") && ran.stderr.contains(reason), "{}", ran.stderr);
    wait_until("the log tells", || {
        world.server().log().lines().any(|line| line.contains("session ended") && line.contains(reason))
    });
    assert!(!world.root().join("large").exists());
}

#[test]
fn a_change_of_the_user_ends_what_runs_with_its_reason() {
    let changes: [Reason<fn(&World)>; 6] = [
        ("the user was removed", |world| drop(user(world, &["remove", "tester"]))),
        ("the user's password was changed", |world| {
            let file = world.password_file();
            drop(user(world, &["passwd", "tester", "--password-file", text(&file)]));
        }),
        ("the user's password was changed", |world| drop(user(world, &["passwd", "tester", "--remove"]))),
        ("the user's access was reduced", |world| edit(world, "access = \"full\"", "access = \"read\"")),
        ("the user's root folder was changed", |world| {
            let other = format!("root = {:?}", world.local());
            edit(world, &format!("root = {:?}", world.root()), &other);
        }),
        ("the user was removed", |world| fs::remove_file(world.state().join("users.toml")).unwrap()),
    ];
    std::thread::scope(|scope| {
        for (reason, change) in changes {
            scope.spawn(move || {
                let world = World::serving();
                let client = upload(&world, &[]);
                change(&world);
                check_ended(&world, client, reason);
            });
        }
    });
}

#[test]
fn a_change_of_the_key_ends_what_runs_with_its_reason() {
    let changes: [Reason<KeyChange>; 3] = [
        ("the key of this login was removed", |world, fingerprint| {
            drop(user(world, &["remove-key", "tester", fingerprint]));
        }),
        ("may not be used from this address any more", |world, _| {
            edit(world, "\"ssh-ed25519", "\"from=\\\"192.0.2.0/24\\\" ssh-ed25519");
        }),
        ("the key of this login has expired", |world, _| {
            edit(world, "\"ssh-ed25519", "\"expiry-time=\\\"20200101Z\\\" ssh-ed25519");
        }),
    ];
    std::thread::scope(|scope| {
        for (reason, change) in changes {
            scope.spawn(move || {
                let world = World::serving();
                let Some((key, fingerprint)) = make_key(&world) else { return };
                user(&world, &["add-key", "tester", text(&key.with_extension("pub"))]);
                let client = upload(&world, &["--identity", text(&key)]);
                change(&world, &fingerprint);
                check_ended(&world, client, reason);
            });
        }
    });
}

/// A key that expires without any change of the configuration.
#[test]
fn a_key_that_expires_ends_its_session() {
    let world = World::serving();
    let Some((key, _)) = make_key(&world) else { return };
    let line = fs::read_to_string(key.with_extension("pub")).unwrap();
    let Some(date) = output(Command::new("date").args(["-u", "-d", "+8 seconds", "+%Y%m%d%H%M%SZ"])) else {
        return println!("skipped: there is no `date`");
    };
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let lines = world.local().join("lines");
    fs::write(&lines, format!("expiry-time=\"{date}\" {line}")).unwrap();
    user(&world, &["add-key", "tester", text(&lines)]);
    let client = upload(&world, &["--identity", text(&key)]);
    check_ended(&world, client, "the key of this login has expired");
}

fn make_key(world: &World) -> Option<(PathBuf, String)> {
    let key = world.local().join("key");
    let mut keygen = Command::new("ssh-keygen");
    if output(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key)).is_none() {
        println!("skipped: ssh-keygen is not installed");
        return None;
    }
    let shown = output(Command::new("ssh-keygen").arg("-lf").arg(&key)).unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    Some((key, shown.split_whitespace().nth(1).unwrap().to_owned()))
}

#[test]
fn a_change_that_takes_nothing_away_leaves_a_session_alone() {
    let world = World::serving();
    world.add_user("other", "write");
    fs::write(world.local().join("large"), content(1, 12_000_000)).unwrap();
    let mut command =
        world.client_command(["put", "--limit-rate=2M", "--retry=0", "large", &world.url("large")]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    let key = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/keys/id_ed25519.pub");
    user(&world, &["add-key", "tester", key]);
    user(&world, &["remove", "other"]);
    world.add_user("third", "read");
    edit(&world, "# Written", "# Once written");
    let good = fs::read_to_string(world.state().join("users.toml")).unwrap();
    fs::write(world.state().join("users.toml"), "[users").unwrap();
    wait_until("the log tells", || world.server().log().contains("users.toml: line 1: "));
    fs::write(world.state().join("users.toml"), good).unwrap();
    let ran = Ran::from(client.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(fs::read(world.root().join("large")).unwrap() == content(1, 12_000_000));
}

/// In either direction, for every command. A partial download is not published either.
#[test]
fn whatever_runs_is_cut() {
    let commands: [&[&str]; 6] = [
        &["get", "URL/there", "back"],
        &["get", "-r", "URL", "back"],
        &["cat", "URL/there"],
        &["mirror", "URL", "back"],
        &["mirror", "tree", "URL/mirrored"],
        &["put", "-r", "tree", "URL"],
    ];
    std::thread::scope(|scope| {
        for words in commands {
            scope.spawn(move || {
                let world = World::serving();
                fs::create_dir(world.local().join("tree")).unwrap();
                for path in [world.local().join("tree/there"), world.root().join("there")] {
                    fs::write(path, content(1, 64_000_000)).unwrap();
                }
                let url = world.url("");
                let (base, pin) = url.split_once("/?").unwrap();
                let words = words.iter().map(|word| match word.strip_prefix("URL") {
                    Some(path) => format!("{base}{}?{pin}", if path.is_empty() { "/" } else { path }),
                    None => (*word).to_owned(),
                });
                let words: Vec<String> = words.chain(["--limit-rate=2M".to_owned()]).collect();
                let mut command = world.client_command(&words);
                command.stdout(fs::File::create(world.local().join("out")).unwrap()).stderr(Stdio::piped());
                let client = command.spawn().unwrap();
                let is_moving = || {
                    let out = fs::metadata(world.local().join("out")).unwrap().len() > 0;
                    out || !leftovers(&world.root()).is_empty() || !leftovers(&world.local()).is_empty()
                };
                wait_until("something is on its way", is_moving);
                user(&world, &["remove", "tester"]);
                check_ended(&world, client, "the user was removed");
                let published = ["back", "back/there"].map(|name| world.local().join(name)).into_iter();
                let published =
                    published.chain([world.root().join("mirrored/there"), world.root().join("tree/there")]);
                assert_eq!(published.filter(|path| path.is_file()).count(), 0, "{words:?}");
            });
        }
    });
}

/// Deletions of a mirror go in batches, and so do its other changes.
#[test]
fn a_mirror_deletes_nothing_more() {
    let mut world = World::serving();
    fs::create_dir_all(world.local().join("source")).unwrap();
    fs::write(world.local().join("source/stays"), "").unwrap();
    let target = world.root().join("target");
    for folder in 0..200 {
        fs::create_dir_all(target.join(format!("{folder}"))).unwrap();
        for file in 0..200 {
            fs::write(target.join(format!("{folder}/{file}")), "").unwrap();
        }
    }
    let url = world.url("target");
    let mut command = world.client_command(["mirror", "--delete", "--max-delete=100%", "source", &url]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("it deletes", || names_below(&target).len() < 40_000);
    fs::remove_file(world.state().join("users.toml")).unwrap();
    let ran = Ran::from(client.wait_with_output().unwrap());
    if ran.code == Some(0) {
        return println!("skipped: it was done within the time that a server has to notice");
    }
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    wait_until("the session ends", || world.server().log().contains("session ended"));
    let then = names_below(&target).len();
    assert_eq!(world.server_mut().terminate(), Some(0));
    assert!(then > 200 && names_below(&target).len() == then, "{then}");
}

/// Even when idle, and without trying to reconnect for ever.
#[test]
fn a_mirror_that_watches_ends() {
    let world = World::serving();
    fs::create_dir(world.local().join("source")).unwrap();
    fs::write(world.local().join("source/file"), "content").unwrap();
    let url = world.url("target");
    let mut command =
        world.client_command(["mirror", "--watch", "--json", "--give-up-after=1h", "source", &url]);
    let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("\"event\":\"waiting\"")), "it waits for changes");
    let reading = std::thread::spawn(move || lines.count()); // so that it can always write
    user(&world, &["remove", "tester"]);
    check_ended(&world, client, "the user was removed");
    reading.join().unwrap();
}

#[test]
fn a_script_ends_at_the_line_that_runs() {
    let world = World::serving();
    fs::write(world.local().join("large"), content(1, 64_000_000)).unwrap();
    fs::write(world.local().join("lines"), "put large\nmkdir later\n").unwrap();
    let url = world.url("");
    let mut command = world.client_command(["script", "--limit-rate=2M", "lines", &url]);
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the file is on its way", || !leftovers(&world.root()).is_empty());
    user(&world, &["remove", "tester"]);
    check_ended(&world, client, "the user was removed");
    assert!(!world.root().join("later").exists());
}

/// With durability `power` items wait for their sync, and get their names in batches.
#[test]
fn nothing_gets_its_name_afterwards() {
    for durability in ["process", "power"] {
        let mut world = World::serving();
        fs::create_dir(world.local().join("tree")).unwrap();
        for number in 0..3000 {
            fs::write(world.local().join(format!("tree/{number}")), content(number, 3000)).unwrap();
        }
        let (url, durability) = (world.url(""), format!("--durability={durability}"));
        let mut command =
            world.client_command(["put", "-r", "--limit-rate=1M", "--no-resume", &durability, "tree", &url]);
        let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("files arrive", || names_below(&world.root()).len() > 20);
        user(&world, &["remove", "tester"]);
        check_ended(&world, client, "the user was removed");
        let then = picture(&world.root());
        assert!(then.len() < 3000, "the upload should still run, or this test shows nothing");
        assert!(leftovers(&world.root()).is_empty(), "{:?}", leftovers(&world.root()));
        assert_eq!(world.server_mut().terminate(), Some(0));
        assert_eq!(then, picture(&world.root()));
    }
}

/// Its password would be valid for another login, so this ends the session and not the password.
#[test]
fn who_may_do_less_now_logs_in_again_with_that() {
    let world = World::serving();
    let client = upload(&world, &["--no-resume"]);
    edit(&world, "access = \"full\"", "access = \"read\"");
    check_ended(&world, client, "the user's access was reduced");
    world.check(["ls", &world.url("")]);
    assert_eq!(world.client(["mkdir", &world.url("x")]).code, Some(4));
}
