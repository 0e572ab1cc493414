//! Many connections, of strangers and of users: failing logins never lock others out, and a burst of logins is queued.

use crate::support::fake_client::{Session, connect, connect_from, lane_connection, login};
use crate::support::limits::handles;
use crate::support::{PATIENCE, wait_until};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use tests::world::{PASSWORD, World};
use tokio::net::{TcpSocket, TcpStream};
use wire::control::Envelope;
use wire::ids::LaneNo;
use wire::message::{LaneHello, Message};
use wire::net::control::{Incoming, MessageReader, send};
use wire::transport::Connection;
use wire::{Failure, FailureCode};

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

async fn idle_from(own: IpAddr, world: &World) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((own, 0).into()).unwrap();
    socket.connect(world.server().address).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_of_one_address_keep_nobody_else_out() {
    let world = World::serving_with("[limits]\nconnections = 60\n");
    let mut idle = Vec::new();
    for _ in 0..200 {
        idle.push(idle_from(STRANGER, &world).await);
    }
    wait_until("some are refused", || world.server().log().contains("connection refused: too many"));
    for _ in 0..3 {
        world.check(["ls", &world.url("")]);
    }
    wait_until("the others are counted", || {
        let limit = "too many from this address that have not logged in (strangers_per_address, at most 30)";
        let line = format!("further connections refused: {limit} address=\"127.0.0.2\" count=169");
        world.server().log().contains(&line)
    });
    assert_eq!(world.server().log().matches("connection refused").count(), 1, "{}", world.server().log());
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_count_as_connections_before_their_session_and_in_it() {
    let world = World::serving_with("[limits]\nconnections = 20\nlogin_timeout = \"3s\"\n");
    let before = handles(&world);
    let address = world.server().address;
    let mut held = Vec::new();
    for _ in 0..4 {
        let (control, _) = connect(address).await;
        let (id, secret) = control.session_binding().unwrap();
        held.push(control);
        for number in 0..10 {
            let Ok((mut lane, exported, _)) =
                tokio::time::timeout(PATIENCE, tokio::spawn(lane_connection(address))).await.unwrap()
            else {
                break; // refused
            };
            let hello = LaneHello {
                session: id,
                lane: LaneNo(number),
                proof: secret.prove(&id, LaneNo(number), &exported),
            };
            let _ = send(&mut lane, &Envelope::new(0, hello)).await; // it may be refused by now
            held.push(lane);
            if held.len() >= 10 {
                break;
            }
        }
        if held.len() >= 10 {
            break;
        }
    }
    assert!(handles(&world) <= before + 10, "half of the places: {} and {before}", handles(&world));
    let (extra, _) = (idle_from(IpAddr::V4(Ipv4Addr::LOCALHOST), &world).await, ());
    wait_until("one more is refused", || {
        world.server().log().contains("that have not logged in (strangers_per_address, at most 10)")
    });
    drop((held, extra));
    wait_until("all places are given back", || handles(&world) <= before);

    let session = Session::open(&world).await;
    let mut lanes = Vec::new();
    for number in 0..16 {
        lanes.push(session.lane(number).await);
    }
    wait_until("they are lanes", || handles(&world) > before + 16);
    // Ten more strangers would fit; with the session's seventeen there are places for three.
    let mut strangers = Vec::new();
    for _ in 0..6 {
        strangers.push(idle_from(STRANGER, &world).await);
    }
    wait_until("the others are refused", || {
        world.server().log().contains("too many in all (connections = 20)")
    });
    drop((session, lanes, strangers));
}

#[test]
fn a_hundred_clients_of_one_user_at_once_are_served() {
    let world = World::serving();
    std::fs::write(world.local().join("file"), "content").unwrap();
    let clients: Vec<_> = (0..100)
        .map(|number| {
            let mut command = world.client_command(["put", "file", &world.url(format!("file-{number}"))]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for client in clients {
        let ran = client.wait_with_output().unwrap();
        assert!(ran.status.success(), "{:?} {}", ran.status, String::from_utf8_lossy(&ran.stderr));
    }
    assert_eq!(std::fs::read_dir(world.root()).unwrap().count(), 100);
}

/// A session waits for a free place, and on timeout the client learns which limit it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_over_a_users_limit_waits_for_a_place() {
    let world = World::serving_with("[limits]\nsessions_per_user = 1\nlogin_timeout = \"20s\"\n");
    let first = Session::open(&world).await;
    let waiting = tokio::spawn(attempt(world.server().address, "tester"));
    wait_until("it has been checked", || world.server().log().matches("INFO login ").count() == 2);
    drop(first);
    assert_eq!(waiting.await.unwrap(), Ok(()));

    let world = World::serving_with("[limits]\nsessions_per_user = 1\nlogin_timeout = \"2s\"\n");
    let _first = Session::open(&world).await;
    let failure = attempt(world.server().address, "tester").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::LimitExceeded);
    assert!(failure.message.contains("1 sessions already (sessions_per_user)"), "{failure}");
}

/// Guesses queue separately, so an honest login does not wait behind all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_guesses_keeps_no_honest_login_waiting() {
    let world = World::serving_with("[limits]\nfailed_logins_max = 0\nlogin_timeout = \"60s\"\n");
    let address = world.server().address;
    let mut guesses = tokio::task::JoinSet::new();
    for _ in 0..300 {
        guesses.spawn(async move {
            let (mut connection, _) = connect_from(STRANGER, address).await;
            send(&mut connection, &Envelope::new(1, login("tester", "wrong"))).await.unwrap();
            let _ = MessageReader::new(connection).next().await;
        });
    }
    wait_until("guesses are checked", || world.server().log().contains("password is wrong"));
    attempt(address, "tester").await.expect("an honest login");
    let checked = world.server().log().matches("password is wrong").count();
    println!("{checked} of 300 guesses had been checked by then");
    assert!(checked < 250, "the honest login was behind all of them");
}

async fn attempt(address: std::net::SocketAddr, user: &str) -> Result<(), Failure> {
    let (mut connection, _) = connect(address).await;
    send(&mut connection, &Envelope::new(1, login(user, PASSWORD))).await.unwrap();
    let answer =
        tokio::time::timeout(2 * PATIENCE, MessageReader::new(connection).next()).await.expect("an answer");
    match answer.unwrap() {
        Incoming::Message(Envelope { message: Message::Welcome(_), .. }) => Ok(()),
        Incoming::Message(Envelope { message: Message::Failure(failure), .. }) => Err(failure),
        Incoming::Message(other) => panic!("{other:?}"),
        Incoming::Unknown { .. } | Incoming::Closed => panic!("no answer"),
    }
}
