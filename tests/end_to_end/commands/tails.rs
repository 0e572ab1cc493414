//! `tail`: the same end of a file that tail(1) shows, and with -f what is added to it, whatever happens to the file and the
//! connection meanwhile.

use crate::support::fake_client::Session;
use crate::support::fake_server::{Against, welcome};
use crate::support::{content, output, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use tests::world::{World, signal};
use wire::features::Features;
use wire::limits::READ_LEN_MAX;
use wire::message::{FilePart, Message, ReadFile, Welcome};
use wire::{Failure, FailureCode, RemotePath};

/// Lines of different lengths, some longer than a part.
fn lines(count: usize) -> Vec<u8> {
    let line = |number: usize| {
        let length = if number % 50 == 49 { 70_000 } else { number * 7 % 200 };
        [&vec![b'a' + (number % 26) as u8; length][..], b"\n"].concat()
    };
    (0..count).flat_map(line).collect()
}

#[test]
fn the_end_is_that_of_tail() {
    let world = World::serving();
    let files: [(&str, Vec<u8>); 7] = [
        ("empty", Vec::new()),
        ("no-line-end", b"one\ntwo".to_vec()),
        ("few", b"1\n2\n3\n".to_vec()),
        ("just-a-part", vec![b'\n'; READ_LEN_MAX as usize]),
        ("many", lines(200)),
        ("without-lines", vec![b'x'; 200_000]),
        ("bytes", content(1, 6_000_000)),
    ];
    for (name, bytes) in &files {
        fs::write(world.root().join(name), bytes).unwrap();
        for options in [
            &[][..],
            &["-n", "0"],
            &["-1"],
            &["-n", "3"],
            &["--lines=60"],
            &["-n", "200000"],
            &["-c", "0"],
            &["-c", "5"],
            &["-c", "65536"],
            &["-c", "65537"],
            &["--bytes=5000000"],
            &["-c", "1G"],
        ] {
            let ran = world.check([&["tail"], options, &[&world.url(name)]].concat());
            let Some(expected) = output(Command::new("tail").args(options).arg(world.root().join(name)))
            else {
                return println!("skipped: tail is not installed");
            };
            assert!(ran.stdout == expected.stdout, "{name} {options:?}: {} bytes", ran.stdout.len());
        }
    }
    fs::write(world.local().join("script"), "cd /\ntail -n 1 few\ntail -n1 no-*\n").unwrap();
    assert_eq!(world.check(["script", "script", &world.url("")]).text(), "3\ntwo");
}

/// A client that follows a file, and all that it has written.
struct Follower {
    client: Child,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Follower {
    fn start(world: &World, words: &[&str]) -> Self {
        let mut command = world.client_command([&["tail", "-f"], words].concat());
        let mut client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = collected(client.stdout.take().unwrap());
        let stderr = collected(client.stderr.take().unwrap());
        Self { client, stdout, stderr }
    }

    /// Waits until the whole output is this.
    fn see(&self, text: &str) {
        let shown = || String::from_utf8_lossy(&self.stdout.lock().unwrap()).into_owned();
        wait_until(&format!("the output is {text:?}, not {:?}", shown()), || shown() == text);
    }

    /// Waits for a message.
    fn hear(&self, text: &str) {
        wait_until(text, || String::from_utf8_lossy(&self.stderr.lock().unwrap()).contains(text));
    }

    fn end(mut self) {
        signal(self.client.id(), "INT");
        assert_eq!(self.client.wait().unwrap().code(), Some(130));
    }
}

fn collected(mut from: impl Read + Send + 'static) -> Arc<Mutex<Vec<u8>>> {
    let all = Arc::new(Mutex::new(Vec::new()));
    let to = all.clone();
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut piece) {
            to.lock().unwrap().extend_from_slice(&piece[..len]);
        }
    });
    all
}

fn append(path: &Path, text: &str) {
    fs::File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_file_is_followed_as_it_grows_over_a_lost_connection_and_by_its_name() {
    let mut world = World::serving();
    let log = world.root().join("log");
    fs::write(&log, "1\n2\n3\n").unwrap();
    let follower = Follower::start(&world, &["-n", "1", &world.url("log")]);
    follower.see("3\n");
    append(&log, "4\n");
    follower.see("3\n4\n");
    world.restart();
    append(&log, "5\n");
    follower.see("3\n4\n5\n");
    follower.hear("lost the connection");
    fs::write(&log, "new\n").unwrap();
    follower.see("3\n4\n5\nnew\n");
    follower.hear("/log: file truncated");
    fs::rename(&log, world.root().join("log.1")).unwrap();
    follower.hear("/log: no such file");
    fs::write(world.root().join("next"), "rotated\n").unwrap();
    fs::rename(world.root().join("next"), &log).unwrap();
    follower.see("3\n4\n5\nnew\nrotated\n");
    follower.hear("/log: has appeared; following new file");
    fs::write(world.root().join("next"), "x".repeat(200_000)).unwrap();
    fs::rename(world.root().join("next"), &log).unwrap();
    follower.see(&format!("3\n4\n5\nnew\nrotated\n{}", "x".repeat(200_000)));
    follower.hear("/log: has been replaced; following new file");
    follower.end();
}

#[test]
fn only_files_of_the_root_are_read() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    world.add_user("drop", "drop");
    world.serve(&[]);
    fs::create_dir(world.root().join("folder")).unwrap();
    for name in ["a.log", "b.log", ".ftpx-0123456789abcdef.part"] {
        fs::write(world.root().join(name), "secret").unwrap();
    }
    symlink(world.password_file(), world.root().join("outside")).unwrap();
    symlink("a.log", world.root().join("inside")).unwrap();
    let fifo = Command::new("mkfifo").arg(world.root().join("pipe")).status().unwrap();
    assert!(fifo.success());
    for (path, code, text) in [
        ("folder", 1, "is a folder"),
        ("", 1, "is a folder"),
        ("a.log/", 1, "not a folder"),
        ("missing", 5, "no such file"),
        ("outside", 1, "outside"),
        ("pipe", 1, ""),
        (".ftpx-0123456789abcdef.part", 1, ""),
        ("*.log", 2, "tail takes one file"),
    ] {
        let ran = world.client(["tail", "-f", &world.url(path)]);
        assert_eq!((ran.code, ran.text().as_str()), (Some(code), ""), "{path}: {}", ran.stderr);
        assert!(ran.stderr.contains(text), "{path}: {}", ran.stderr);
    }
    assert_eq!(world.check(["tail", &world.url("inside")]).text(), "secret");
    assert_eq!(world.client(["tail", &world.url_of("drop", "a.log")]).code, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_and_offsets_out_of_range_are_refused_or_empty() {
    let world = World::serving();
    fs::write(world.root().join("file"), "content").unwrap();
    let mut session = Session::open(&world).await;
    let path = RemotePath::from_user(b"file").unwrap();
    for (id, offset, length, expected) in [
        (2, 0, 4, Some("cont")),
        (3, 4, READ_LEN_MAX, Some("ent")),
        (4, 0, 0, Some("")),
        (5, 7, 1, Some("")),
        (6, u64::MAX, READ_LEN_MAX, Some("")),
        (7, i64::MAX as u64, 1, Some("")),
        (8, i64::MAX as u64 - 1, READ_LEN_MAX, Some("")),
        (9, 0, READ_LEN_MAX + 1, None),
        (10, 0, u32::MAX, None),
    ] {
        session.send(id, ReadFile { path: path.clone(), offset, length }).await;
        let answer = session.next().await.unwrap();
        assert_eq!(answer.request, id);
        match (answer.message, expected) {
            (Message::FilePart(part), Some(text)) => {
                assert_eq!((part.bytes.as_slice(), part.size), (text.as_bytes(), 7), "{offset} {length}");
            }
            (Message::Failure(failure), None) => assert_eq!(failure.code, FailureCode::LimitExceeded),
            (message, _) => panic!("{offset} {length}: {message:?}"),
        }
    }
    session.check_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_server_is_told_of_and_one_that_answers_wrongly_shows_nothing() {
    let against = Against::new().await;
    let older = against.run(&["tail", "URL"], async |peer| {
        peer.welcome().await;
        assert!(!matches!(peer.next().await, Some(sent) if matches!(sent.message, Message::ReadFile(_))));
    });
    older.await.expect(1, "of an older version");
    let bytes = vec![b'x'; READ_LEN_MAX as usize + 1];
    let too_much = FilePart { size: bytes.len() as u64, bytes, file: 1 };
    let failure = Failure::new(FailureCode::Unknown(999), "\x1b[2J");
    for (answer, code) in [(Message::from(too_much), 7), (failure.into(), 1)] {
        let outcome = against.run(&["tail", "-f", "URL"], async |peer| {
            peer.send(1, Welcome { features: Features::KNOWN, ..welcome() }).await;
            let request = peer.next().await.expect("a request").request;
            peer.send(request, answer.clone()).await;
        });
        let outcome = outcome.await;
        assert_eq!(outcome.expect(code, "").stdout, b"");
    }
}
