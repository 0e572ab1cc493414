//! An unwritable log, and output that is not read: the server keeps serving, and exit codes stay the same.

use crate::support::{PATIENCE, content, wait_until};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tests::world::{World, binaries};

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader is gone.
fn closed() -> io::PipeWriter {
    io::pipe().unwrap().1
}

#[test]
fn a_server_whose_log_is_full_or_closed_serves_and_ends_as_ever() {
    for stderr in [Stdio::from(full()), Stdio::from(closed())] {
        let mut world = World::empty();
        world.add_user("tester", "full");
        world.serve_logging_to(stderr, &[("RUST_LOG", "trace")]);
        fs::write(world.root().join("file"), content(1, 2_000_000)).unwrap();
        for _ in 0..3 {
            world.check(["ls", &world.url("")]);
        }
        world.check(["get", &world.url("file")]);
        assert_eq!(world.client(["ls", &world.url("none")]).code, Some(5));
        assert_eq!(world.server_mut().terminate(), Some(0));
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody_and_tells_later_how_much_was_lost() {
    let (reader, writer) = io::pipe().unwrap();
    let mut world = World::empty();
    world.add_user("tester", "full");
    world.serve_logging_to(writer, &[]);
    // More than the pipe and the queue can store: each name is in a line.
    let names = (0..8000).map(|number| world.url(format!("{number:0200}")));
    for some in names.collect::<Vec<_>>().chunks(4000) {
        world.check(["rm", "-r", "-f"].into_iter().chain(some.iter().map(String::as_str)));
    }
    world.check(["ls", &world.url("")]);
    let lines = lines_of(reader);
    let lost = first_with(&lines, " lines of the log were lost");
    let words: Vec<&str> = lost.split_whitespace().collect();
    let count = words.iter().position(|word| *word == "lines").and_then(|at| words[at - 1].parse().ok());
    assert!(count.is_some_and(|count: u64| count > 0), "{lost}");
    world.check(["ls", &world.url("")]);
    first_with(&lines, "login");
    assert_eq!(world.server_mut().terminate(), Some(0));
    first_with(&lines, "stopped");
}

#[test]
fn a_log_that_can_be_written_again_says_how_many_lines_were_lost_once() {
    let mut world = World::empty();
    world.add_user("tester", "full");
    let path = world.local().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let reader = reader_of(&path);
    let writer = OpenOptions::new().write(true).open(&path).unwrap();
    world.serve_logging_to(writer, &[]);
    drop(reader);
    for _ in 0..3 {
        world.check(["ls", &world.url("")]);
    }
    let lines = lines_of(reader_of(&path));
    let begin = Instant::now();
    let mut told = Vec::new();
    while begin.elapsed() < PATIENCE && told.is_empty() {
        world.check(["ls", &world.url("")]);
        told.extend(lines.try_iter().filter(|line| line.contains("lines of the log were lost")));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    world.check(["ls", &world.url("")]);
    assert_eq!(world.server_mut().terminate(), Some(0));
    let rest: Vec<String> = lines.iter().collect();
    assert!(rest.iter().any(|line| line.contains("stopped")), "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("were lost")), "{rest:?}");
}

#[test]
fn a_server_that_cannot_say_why_it_fails_has_its_exit_code_all_the_same() {
    let world = World::empty();
    for stderr in [|| Stdio::from(full()), || Stdio::from(closed())] {
        let code = |arguments: &[&str]| {
            let mut command = Command::new(&binaries().server);
            command.args(arguments).arg("--state").arg(world.state()).stdin(Stdio::null());
            command.stdout(Stdio::null()).stderr(stderr()).status().unwrap().code()
        };
        assert_eq!(code(&["serve", "--config", "/none"]), Some(2));
        assert_eq!(code(&["serve", "--listen", "192.0.2.1:1"]), Some(1));
        assert_eq!(code(&["user", "remove", "nobody"]), Some(1));
    }
    let mut share = Command::new(&binaries().server);
    share.args(["share", "--for", "1s", "--listen", "127.0.0.1:0"]).arg(world.root());
    assert_eq!(share.stdout(Stdio::null()).stderr(full()).status().unwrap().code(), Some(0));
}

/// A stop by signal ends with an error that cannot be reported.
#[test]
fn a_server_whose_log_nobody_reads_ends_when_told_twice() {
    let (_reader, writer) = io::pipe().unwrap();
    let mut filled = writer.try_clone().unwrap();
    let filling = thread::spawn(move || {
        use std::io::Write;
        let _ = filled.write_all(&[b'x'; 1 << 20]); // ends with the reader
    });
    let mut world = World::empty();
    world.add_user("tester", "full");
    world.serve_logging_to(writer, &[]);
    fs::write(world.root().join("file"), content(1, 100_000_000)).unwrap();
    let mut slow = world.client_command(["get", "--limit-rate", "1M", "--retry=0", &world.url("file")]);
    let mut slow = slow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("it has begun", || !crate::support::leftovers(&world.local()).is_empty());
    let id = world.server().id();
    tests::world::signal(id, "TERM");
    let address = world.server().address;
    wait_until("it drains", || std::net::TcpStream::connect(address).is_err());
    tests::world::signal(id, "TERM");
    assert_eq!(world.server_mut().wait(), Some(1));
    assert_eq!(slow.wait().unwrap().code(), Some(3));
    drop(_reader);
    filling.join().unwrap();
}

#[test]
fn a_client_whose_output_is_full_or_closed_has_the_exit_code_that_the_readme_gives() {
    let world = World::serving();
    fs::write(world.root().join("file"), content(1, 2_000_000)).unwrap();
    let code = |stdout: Stdio, stderr: Stdio, arguments: &[&str]| {
        let mut command = world.client_command(arguments);
        command.stdout(stdout).stderr(stderr).status().unwrap().code()
    };
    let (url, file, none) = (world.url(""), world.url("file"), world.url("none"));
    for stderr in [|| Stdio::from(full()), || Stdio::from(closed())] {
        assert_eq!(code(full().into(), stderr(), &["ls", &url]), Some(8));
        assert_eq!(code(closed().into(), stderr(), &["ls", &url]), Some(0));
        assert_eq!(code(full().into(), stderr(), &["get", "--json", &file]), Some(1));
        assert_eq!(code(closed().into(), stderr(), &["get", "--json", &file]), Some(0));
        assert_eq!(code(full().into(), stderr(), &["cat", &file]), Some(8));
        assert_eq!(code(Stdio::null(), stderr(), &["get", "-v", &none]), Some(5));
        assert_eq!(code(Stdio::null(), stderr(), &["get", "--json", "-v", &file]), Some(0));
        assert_eq!(code(Stdio::null(), stderr(), &["put", "-v", "file", &url]), Some(0));
        assert_eq!(code(full().into(), stderr(), &["--json", "no-such-command"]), Some(2));
        assert_eq!(code(full().into(), stderr(), &["completions", "bash"]), Some(8));
        assert!(fs::read(world.local().join("file")).unwrap() == content(1, 2_000_000));
    }
}

fn reader_of(fifo: &Path) -> File {
    const NONBLOCK: i32 = 0o4000; // opens without a writer
    OpenOptions::new().read(true).custom_flags(NONBLOCK).open(fifo).unwrap()
}

/// Returns the lines as they come, read by a separate thread until the writer is gone.
fn lines_of(input: impl io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (lines, received) = mpsc::channel();
    thread::spawn(move || {
        let mut input = BufReader::new(input);
        loop {
            let mut line = String::new();
            match input.read_line(&mut line) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(5)); // between two looks
                    continue;
                }
                Err(_) => return,
            }
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    received
}

/// Waits for a line with these words.
fn first_with(lines: &mpsc::Receiver<String>, words: &str) -> String {
    let begin = Instant::now();
    loop {
        let left = PATIENCE.saturating_sub(begin.elapsed());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(words) => return line,
            Ok(_) => {}
            Err(error) => panic!("no line says {words:?}: {error}"),
        }
    }
}
