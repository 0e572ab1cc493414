//! Which servers the client trusts, whom the server lets in, and how both refuse.

use crate::support::chmod;
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tests::world::{PASSWORD, Ran, World};

#[test]
fn a_server_with_another_key_than_the_pinned_one_is_refused() {
    let world = World::serving();
    let url = world.url("").replace(&world.server().fingerprint, &format!("sha256:{}", "0".repeat(64)));
    let ran = world.client(["ls", &url]);
    assert_eq!(ran.code, Some(4));
    assert!(
        ran.stderr.contains("NOT THE SERVER THAT WAS PINNED")
            && ran.stderr.contains(&world.server().fingerprint),
        "{}",
        ran.stderr
    );
    assert!(!world.server().log().contains("login"), "{}", world.server().log());
    assert_eq!(
        world.client(["ls", &world.url(""), "--pin", &format!("sha256:{}", "1".repeat(64))]).code,
        Some(2),
        "two pins"
    );
}

#[test]
fn a_server_whose_key_has_changed_is_refused() {
    let (before, world) = (World::serving(), World::serving());
    let hosts = |world: &World| world.local().join("hosts").to_string_lossy().into_owned();
    before.check(["ls", &unpinned(&before), "--accept-new", "--known-hosts", &hosts(&before)]);
    before.check(["ls", &unpinned(&before), "--known-hosts", &hosts(&before)]);
    // As if the first server had moved away and the second one had taken its address.
    let addresses = [&before, &world].map(|world| world.server().address.to_string());
    let known = fs::read_to_string(hosts(&before)).unwrap();
    fs::write(hosts(&world), known.replace(&addresses[0], &addresses[1])).unwrap();
    chmod(hosts(&world).as_ref(), 0o600);
    for accept in [None, Some("--accept-new")] {
        let (url, hosts) = (unpinned(&world), hosts(&world));
        let ran = world.client(["ls", &url, "--known-hosts", &hosts].into_iter().chain(accept));
        assert_eq!(ran.code, Some(4));
        assert!(ran.stderr.contains("HAS CHANGED") && ran.stderr.contains("trust remove"), "{}", ran.stderr);
        assert!(ran.stderr.contains(&before.server().fingerprint), "{}", ran.stderr);
    }
    assert!(!world.server().log().contains("login"));
    world.check(["trust", "remove", &addresses[1], "--known-hosts", &hosts(&world)]);
    world.check(["ls", &unpinned(&world), "--accept-new", "--known-hosts", &hosts(&world)]);
}

#[test]
fn an_unknown_server_is_refused_off_a_terminal_and_remembered_if_asked() {
    let world = World::serving();
    let ran = world.client(["ls", &unpinned(&world)]);
    assert_eq!(ran.code, Some(4));
    assert!(
        ran.stderr.contains(&world.server().fingerprint) && ran.stderr.contains("--accept-new"),
        "{}",
        ran.stderr
    );
    assert_eq!(world.check(["trust", "list"]).text(), "");
    let own = world.local().join("hosts");
    world.check([
        "ls".as_ref(),
        unpinned(&world).as_ref(),
        "--accept-new".as_ref(),
        "--known-hosts".as_ref(),
        own.as_os_str(),
    ]);
    assert!(fs::read_to_string(&own).unwrap().contains(&world.server().fingerprint));
    world.check(["ls", &unpinned(&world), "--accept-new"]);
    world.check(["ls", &unpinned(&world)]);
    assert!(world.check(["trust", "list"]).text().contains(&world.server().fingerprint));
}

#[test]
fn nobody_can_tell_a_wrong_password_from_an_unknown_user() {
    let world = World::serving_with("[limits]\nfailed_logins_max = 0\n"); // allows many attempts
    let attempt = |user: &str| {
        let begin = Instant::now();
        let mut command = world.client_command(["ls", &world.url_of(user, "")]);
        let ran = Ran::from(command.env("FTPX_PASSWORD", "wrong").output().unwrap());
        (begin.elapsed(), ran)
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        for (times, user) in [(&mut known, "tester"), (&mut unknown, "nobody")] {
            let (time, ran) = attempt(user);
            assert_eq!(ran.code, Some(4));
            assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
            assert_eq!(ran.stderr, attempt(if user == "tester" { "nobody" } else { "tester" }).1.stderr);
            times.push(time);
        }
    }
    let (known, unknown) = (median(known), median(unknown));
    println!("wrong password {known:?}, unknown user {unknown:?}");
    assert!(known < unknown * 2 && unknown < known * 2, "{known:?} and {unknown:?}");
    let log = world.server().log();
    assert!(
        log.contains("no such user") && log.contains("password is wrong") && !log.contains(PASSWORD),
        "{log}"
    );
}

#[test]
fn a_password_that_is_missing_or_of_absurd_length_is_refused() {
    let world = World::serving();
    let attempt = |password: &str| {
        let mut command = world.client_command(["ls", &world.url("")]);
        Ran::from(command.env("FTPX_PASSWORD", password).output().unwrap()).code
    };
    assert_eq!(attempt(""), Some(2), "nobody to ask");
    assert_eq!(attempt(&"x".repeat(1024)), Some(4));
    assert!(matches!(attempt(&"x".repeat(100_000)), Some(2..=4)));
    assert_eq!(world.client(["ls", &world.url_of(&"u".repeat(65), "")]).code, Some(4));
    assert_eq!(world.client(["ls", &world.url(""), "--token", "wrong"]).code, Some(4));
    assert_eq!(attempt(PASSWORD), Some(0));
}

#[test]
fn no_server_is_told_within_the_timeout() {
    let world = World::empty();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, timeout) in [(nobody, "10s"), (silent.local_addr().unwrap(), "1s")] {
        let begin = Instant::now();
        let url = format!("ftpx://tester@{address}/?pin=sha256:{}", "0".repeat(64));
        let ran = world.client(["ls", &url, "--timeout", timeout]);
        assert_eq!(ran.code, Some(3), "{}", ran.stderr);
        assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn a_server_that_is_something_else_is_told_as_such() {
    let world = World::empty();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ftpx://tester@{}/?pin=sha256:{}", other.local_addr().unwrap(), "0".repeat(64));
    let answering = std::thread::spawn(move || {
        use std::io::Write;
        other.accept().unwrap().0.write_all(b"220 vsFTPd 3.0.5\r\n")
    });
    let ran = world.client(["ls", &url, "--timeout", "5s"]);
    answering.join().unwrap().unwrap();
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(3), 1), "{}", ran.stderr);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn unpinned(world: &World) -> String {
    format!("ftpx://tester@{}/", world.server().address)
}
