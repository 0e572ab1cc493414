//! The view of an observer between the two ends: only TLS 1.3, on several connections to one port.

use crate::support::fake_client::handshake_offering;
use crate::support::fake_server::Against;
use crate::support::{PATIENCE, content, output, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tests::world::{PASSWORD, World};

/// All bytes of one connection that went through a [`Tap`].
#[derive(Default)]
struct Recorded {
    from_client: Vec<u8>,
    from_server: Vec<u8>,
    /// Directions that have ended.
    ended: u8,
}

/// Listens on one port, passes everything on to the server's one port, and keeps what it saw.
struct Tap {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<Mutex<Recorded>>>>>,
}

/// A TLS record as visible to anyone.
struct Record<'a> {
    kind: u8,
    version: [u8; 2],
    body: &'a [u8],
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

#[test]
fn nothing_but_tls_1_3_is_on_the_wire_and_lanes_are_connections_to_the_one_port() {
    let world = World::serving();
    let marked = [b"a marker that must not be seen".as_slice(), &content(1, 5_000_000)].concat();
    fs::write(world.local().join("marked-name"), &marked).unwrap();
    let tap = Tap::before(world.server().address);
    let url =
        |path: &str| world.url(path).replace(&world.server().address.to_string(), &tap.address.to_string());
    for (arguments, lanes) in [
        (vec!["put".to_owned(), "--lanes=3".into(), "marked-name".into(), url("marked-name")], 3),
        (vec!["get".to_owned(), "--lanes=2".into(), url("marked-name"), "back".into()], 2),
        (vec!["ls".to_owned(), "-l".into(), url("")], 0),
    ] {
        world.check(&arguments);
        let connections = std::mem::take(&mut *tap.connections.lock().unwrap());
        assert!(
            (1 + lanes.min(1)..=1 + lanes).contains(&connections.len()),
            "{} connections: {arguments:?}",
            connections.len()
        );
        for connection in connections {
            wait_until("the connection's end was seen", || connection.lock().unwrap().ended == 2);
            let recorded = connection.lock().unwrap();
            check_client(&recorded.from_client);
            check_server(&recorded.from_server);
            for bytes in [&recorded.from_client, &recorded.from_server] {
                for secret in ["a marker that", "marked-name", "tester", PASSWORD] {
                    assert!(!contains(bytes, secret.as_bytes()), "{secret:?} was readable");
                }
            }
        }
    }
    assert!(fs::read(world.local().join("back")).unwrap() == marked);
}

#[test]
fn the_server_refuses_tls_1_2() {
    let world = World::serving();
    let mut socket = TcpStream::connect(world.server().address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(&client_hello_of_tls_1_2()).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let records = records(&answer);
    assert_eq!(records.iter().map(|record| record.kind).collect::<Vec<_>>(), [ALERT]);
    assert!(
        matches!(records[0].body, [2, 70 | 40]),
        "fatal, protocol_version or handshake_failure: {:?}",
        records[0].body
    );
    world.check(["ls", &world.url("")]);
}

#[test]
fn openssl_cannot_talk_anything_older_either() {
    let world = World::serving();
    let address = world.server().address.to_string();
    for (version, works) in [("-tls1_3", true), ("-tls1_2", false), ("-tls1_1", false)] {
        let Some(output) = output(
            Command::new("openssl").args(["s_client", "-alpn", "ftpx/1", version, "-connect", &address]),
        ) else {
            return println!("skipped: openssl is not installed");
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.contains("Cipher is TLS_"), works, "{version}: {text}");
    }
    let output =
        output(Command::new("openssl").args(["s_client", "-alpn", "h2", "-tls1_3", "-connect", &address]))
            .unwrap();
    assert!(!output.status.success(), "another protocol is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_offers_no_protocol_or_only_others_is_refused_in_the_handshake() {
    let world = World::serving();
    let address = world.server().address;
    for protocols in [&[][..], &[b"h2".as_slice()], &[b"ftpx/2".as_slice(), b"http/1.1"]] {
        let refused = handshake_offering(address, protocols).await.expect_err("it is refused");
        assert!(refused.to_string().contains("alert"), "{protocols:?}: {refused}");
    }
    for protocols in [&[b"ftpx/1".as_slice()][..], &[b"h2".as_slice(), b"ftpx/1"], &[b"ftpx/1 blake3"]] {
        // BLAKE3 may be slower at the server; then it is never chosen.
        if handshake_offering(address, protocols).await.is_err() {
            assert_eq!(protocols, [b"ftpx/1 blake3".as_slice()]);
        }
    }
    assert!(!world.server().log().contains("WARN"), "{}", world.server().log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_says_nothing_to_a_server_that_chooses_no_protocol() {
    let against = Against::choosing(Some(&[])).await;
    let (outcome, said) = against.run_unspoken(&["stat", "--retry=0", "URL"]).await;
    assert_eq!(outcome.code, Some(3), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("no ftpx server"), "{}", outcome.stderr);
    assert!(said.is_empty(), "{} bytes behind the handshake", said.len());
}

/// A ClientHello first, which offers TLS 1.3 alone; then ciphertext.
fn check_client(bytes: &[u8]) {
    let records = records(bytes);
    let (first, rest) = records.split_first().expect("a ClientHello");
    assert_eq!((first.kind, first.body[0]), (HANDSHAKE, 1));
    assert_eq!(supported_versions(first.body), [2, 3, 4], "a list of one version, TLS 1.3");
    check_ciphertext(rest);
}

/// A ServerHello first, which chooses TLS 1.3; then ciphertext.
fn check_server(bytes: &[u8]) {
    let records = records(bytes);
    let (first, rest) = records.split_first().expect("a ServerHello");
    assert_eq!((first.kind, first.body[0]), (HANDSHAKE, 2));
    assert!(contains(first.body, &[0, 43, 0, 2, 3, 4]), "supported_versions: TLS 1.3");
    check_ciphertext(rest);
}

/// Application data records, but for the meaningless ChangeCipherSpec of TLS 1.3's compatibility mode.
fn check_ciphertext(records: &[Record<'_>]) {
    assert!(!records.is_empty());
    for record in records {
        let is_compatibility = record.kind == 20 && record.body == [1];
        assert!(
            record.kind == APPLICATION_DATA || is_compatibility,
            "a record of type {} in the clear",
            record.kind
        );
        assert_eq!(record.version, [3, 3]);
        assert!(is_compatibility || (17..=16_384 + 256).contains(&record.body.len()));
    }
}

/// Takes a stream apart; all of it must be records. The last may be cut, if its connection was.
fn records(mut bytes: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    while let [kind, major, minor, high, low, rest @ ..] = bytes {
        assert!((20..=23).contains(kind) && *major == 3, "no TLS record: {kind} {major}");
        let Some((body, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))) else {
            break;
        };
        records.push(Record { kind: *kind, version: [*major, *minor], body });
        bytes = rest;
    }
    records
}

/// The extension of a ClientHello that says which versions it offers.
fn supported_versions(hello: &[u8]) -> &[u8] {
    let mut rest = &hello[4 + 2 + 32..];
    rest = &rest[1 + usize::from(rest[0])..]; // session id
    rest = &rest[2 + usize::from(u16::from_be_bytes([rest[0], rest[1]]))..]; // cipher suites
    rest = &rest[1 + usize::from(rest[0])..]; // compression
    rest = &rest[2..];
    while let [kind_high, kind, high, low, after @ ..] = rest {
        let (body, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        if [*kind_high, *kind] == [0, 43] {
            return body;
        }
        rest = after;
    }
    panic!("no supported_versions: this is TLS 1.2")
}

/// The first message of a client that supports only TLS 1.2 (RFC 5246, 7.4.1.2).
fn client_hello_of_tls_1_2() -> Vec<u8> {
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 23],      // supported groups: secp256r1
        &[0, 11, 0, 2, 1, 0],             // point formats: uncompressed
        &[0, 13, 0, 6, 0, 4, 4, 3, 4, 1], // signatures: ECDSA and RSA with SHA-256
        &[0, 16, 0, 9, 0, 7, 6, b'f', b't', b'p', b'x', b'/', b'1'],
    ];
    let extensions = extensions.concat();
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30];
    let body =
        [&[3, 3][..], &[7; 32], &[0], &[0, 8], &suites, &[1, 0], &be(extensions.len()), &extensions].concat();
    let message = [&[1, 0][..], &be(body.len()), &body].concat();
    [&[HANDSHAKE, 3, 1][..], &be(message.len()), &message].concat()
}

fn be(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap().to_be_bytes()
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

impl Tap {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let seen = connections.clone();
        // Ends with the test's process, which alone waits for it.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let recorded = Arc::new(Mutex::new(Recorded::default()));
                seen.lock().unwrap().push(recorded.clone());
                let server = TcpStream::connect(server).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap(), recorded.clone());
                std::thread::spawn(move || pass(client, server, &recorded, |seen| &mut seen.from_client));
                std::thread::spawn(move || pass(back.0, back.1, &back.2, |seen| &mut seen.from_server));
            }
        });
        Self { address, connections }
    }
}

fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    seen: &Mutex<Recorded>,
    kept: fn(&mut Recorded) -> &mut Vec<u8>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        kept(&mut seen.lock().unwrap()).extend_from_slice(&buffer[..read]);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write); // it may be gone
    seen.lock().unwrap().ended += 1;
}
