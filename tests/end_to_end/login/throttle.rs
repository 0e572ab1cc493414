//! Logins that keep failing, over real sockets: their address is slowed, then barred, and no other.

use crate::support::fake_client::{connect_from, login};
use crate::support::{PATIENCE, wait_until};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use tests::world::{PASSWORD, World};
use tokio::time::timeout;
use wire::control::Envelope;
use wire::features::Features;
use wire::message::{Login, LoginRequest, Message};
use wire::net::control::{Incoming, MessageReader, send};
use wire::{Failure, FailureCode};

const GUESSER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const NEIGHBOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

#[tokio::test(flavor = "multi_thread")]
async fn an_address_whose_logins_keep_failing_is_slowed_then_barred_and_let_in_again() {
    let world = World::serving_with("[limits]\nfailed_logins_max = 4\nlogin_bar = \"3s\"\n");
    let begin = Instant::now();
    for request in
        [login("tester", "wrong"), login("nobody", "wrong"), token("wrong"), login("tester", "worse")]
    {
        let failure = attempt(&world, GUESSER, request).await.expect_err("a wrong secret");
        assert_eq!(failure, Failure::from(FailureCode::LoginRefused), "nothing is told of what was wrong");
    }
    assert!(begin.elapsed() >= Duration::from_millis(500), "the fourth has to wait: {:?}", begin.elapsed());
    let barred = Instant::now();
    let mut told = Vec::new();
    for request in
        [login("tester", PASSWORD), login("tester", "wrong"), login("nobody", "wrong"), token("wrong")]
    {
        let failure = attempt(&world, GUESSER, request).await.expect_err("a barred address");
        assert_eq!(failure.code, FailureCode::LoginRefused);
        assert!(failure.message.starts_with("too many failed logins from this address; try again in "));
        told.push(failure.message.replace(|digit: char| digit.is_ascii_digit(), ""));
    }
    assert!(
        barred.elapsed() > Duration::from_secs(3) || told.iter().all(|text| *text == told[0]),
        "{told:?}"
    );
    attempt(&world, NEIGHBOUR, login("tester", PASSWORD)).await.expect("another address is not barred");
    world.check(["ls", &world.url("")]);
    let log = world.server().log();
    let logged = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(logged(&["127.0.0.2:", "address barred", "4 logins failed", "failed_logins_max"]), "{log}");
    assert!(logged(&["127.0.0.2:", "tester", "too many failed logins from this address"]), "{log}");
    let again = timeout(PATIENCE, async {
        while attempt(&world, GUESSER, login("tester", PASSWORD)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await; // between two looks
        }
    });
    again.await.expect("the bar ends");
}

#[test]
fn a_client_that_is_barred_says_so_with_the_exit_code_of_a_refused_login() {
    let world = World::serving_with("[limits]\nfailed_logins_max = 1\n");
    let wrong = world.client(["ls", &world.url(""), "--token", "wrong"]);
    assert_eq!(wrong.code, Some(4), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("the token is unknown, expired or used up"), "{}", wrong.stderr);
    let barred = world.client(["ls", &world.url("")]);
    assert_eq!(barred.code, Some(4), "{}", barred.stderr);
    assert!(
        barred.stderr.contains("too many failed logins from this address; try again in"),
        "{}",
        barred.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_that_come_all_at_once_are_no_more_guesses() {
    let world = World::serving_with("[limits]\nfailed_logins_max = 4\n");
    let mut attempts = tokio::task::JoinSet::new();
    let address = world.server().address;
    for number in 0..30 {
        attempts.spawn(attempt_at(address, GUESSER, login("tester", &format!("guess {number}"))));
    }
    for answer in attempts.join_all().await {
        assert_eq!(answer.expect_err("a wrong password").code, FailureCode::LoginRefused);
    }
    let checked = || world.server().log().lines().filter(|line| line.contains("password is wrong")).count();
    wait_until("all refusals are logged", || {
        world.server().log().lines().filter(|line| line.contains("login refused")).count() == 30
    });
    // Two are checked at a time, so one more than allowed may be in progress.
    assert!((4..=5).contains(&checked()), "{} of 30 were looked at", checked());
}

fn token(text: &str) -> LoginRequest {
    LoginRequest {
        agent: "by hand".into(),
        features: Features::default(),
        login: Login::Token { token: text.into() },
    }
}

async fn attempt(world: &World, from: IpAddr, request: LoginRequest) -> Result<(), Failure> {
    attempt_at(world.server().address, from, request).await
}

/// Tries to log in.
async fn attempt_at(
    address: std::net::SocketAddr,
    from: IpAddr,
    request: LoginRequest,
) -> Result<(), Failure> {
    let (mut connection, _) = connect_from(from, address).await;
    send(&mut connection, &Envelope::new(1, request)).await.unwrap();
    let answer = timeout(PATIENCE, MessageReader::new(connection).next()).await.expect("an answer");
    match answer.unwrap() {
        Incoming::Message(Envelope { message: Message::Welcome(_), .. }) => Ok(()),
        Incoming::Message(Envelope { message: Message::Failure(failure), .. }) => Err(failure),
        Incoming::Message(other) => panic!("{other:?}"),
        Incoming::Unknown { .. } | Incoming::Closed => panic!("no answer"),
    }
}
