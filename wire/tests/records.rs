//! Tests `transport::tls_tcp::record` against stock rustls: each opens exactly the records that the other protects.

#![cfg(feature = "net")]
#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs as provider;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{
    ClientConfig, ClientConnection, Connection, ConnectionTrafficSecrets, ExtractedSecrets, RootCertStore,
    ServerConfig, ServerConnection, SupportedCipherSuite, version,
};
use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};
use wire::transport::tls_tcp::record::{
    OpenedRecord, Opener, RECORD_CONTENT_MAX, RECORD_HEADER_LEN, RECORD_OVERHEAD, RecordError, Sealer,
    record_len,
};

#[test]
fn rustls_reads_what_is_sealed() {
    each_suite_and_role(|mut ends| {
        for round in 0..ROUNDS {
            let content = content(round);
            let record = sealed(&mut ends.sealer, &content);
            assert_eq!(ends.deliver(&record).unwrap(), content, "record {round}");
        }
    });
}

#[test]
fn what_rustls_writes_is_opened() {
    each_suite_and_role(|mut ends| {
        for round in 0..ROUNDS {
            let content = content(round);
            ends.peer.writer().write_all(&content).unwrap();
            let mut opened = Vec::new();
            for mut record in ends.sent() {
                opened.extend(open(&mut ends.opener, &mut record).unwrap());
            }
            assert_eq!(opened, content, "record {round}");
        }
    });
}

#[test]
fn either_end_closes() {
    each_suite_and_role(|mut ends| {
        let record = ends.sealer.close().unwrap();
        ends.peer.read_tls(&mut &record[..]).unwrap();
        assert!(ends.peer.process_new_packets().unwrap().peer_has_closed());
        ends.peer.send_close_notify();
        let [record] = &mut ends.sent()[..] else { panic!("not one record") };
        assert_eq!(ends.opener.open(record), Ok(OpenedRecord::Closed));
    });
}

#[test]
fn an_altered_record_is_refused_by_both() {
    for suite in SUITES {
        let len = RECORD_OVERHEAD + 3;
        for at in 0..len {
            let mut ends = Ends::new(*suite, Role::Client);
            ends.peer.writer().write_all(b"abc").unwrap();
            let [record] = &mut ends.sent()[..] else { panic!("not one record") };
            assert_eq!(record.len(), len);
            record[at] ^= 1 << (at % 8);
            assert_eq!(ends.opener.open(record), Err(RecordError::Forged), "byte {at}");

            let mut record = sealed(&mut ends.sealer, b"abc");
            record[at] ^= 1 << (at % 8);
            record.resize(record.len() + 70_000, 0); // fills up a length that has grown
            let read = ends.deliver(&record);
            let tolerated = (1..3).contains(&at) && read.as_deref() == Ok(b"abc"); // rustls accepts any version
            assert!(read.is_err() || tolerated, "byte {at}: {read:?}");
        }
    }
}

#[test]
fn records_keep_their_order() {
    for suite in SUITES {
        let broken: [(&str, &[usize]); 3] = [("left out", &[1]), ("swapped", &[1, 0]), ("repeated", &[0, 0])];
        for (how, order) in broken {
            let mut ends = Ends::new(*suite, Role::Server);
            let records = [sealed(&mut ends.sealer, b"first"), sealed(&mut ends.sealer, b"second")];
            let read: Result<Vec<_>, _> = order.iter().map(|index| ends.deliver(&records[*index])).collect();
            assert!(read.is_err(), "rustls took what was {how}");

            let mut ends = Ends::new(*suite, Role::Server);
            let mut records = Vec::new();
            for content in [&b"first"[..], b"second"] {
                ends.peer.writer().write_all(content).unwrap();
                records.extend(ends.sent());
            }
            let opened: Result<Vec<_>, _> =
                order.iter().map(|index| open(&mut ends.opener, &mut records[*index].clone())).collect();
            assert_eq!(opened, Err(RecordError::Forged), "what was {how}");
        }
    }
}

#[test]
fn a_cut_or_extended_record_is_refused() {
    for suite in SUITES {
        for len in 0..RECORD_OVERHEAD + 10 {
            let mut ends = Ends::new(*suite, Role::Client);
            ends.peer.writer().write_all(b"abcde").unwrap();
            let mut record = ends.sent().remove(0);
            if len == record.len() {
                continue;
            }
            record.resize(len, 0);
            let expected = if len < RECORD_OVERHEAD { RecordError::Unexpected } else { RecordError::Forged };
            assert_eq!(ends.opener.open(&mut record), Err(expected), "{len} bytes");
        }
    }
}

#[test]
fn handshake_messages_are_refused() {
    for suite in SUITES {
        for role in [Role::Client, Role::Server] {
            let mut ends = Ends::new(*suite, role);
            ends.peer.refresh_traffic_keys().unwrap();
            let [update] = &mut ends.sent()[..] else { panic!("not one record") };
            assert_eq!(ends.opener.open(update), Err(RecordError::Unexpected), "KeyUpdate");
        }
        let (client, mut server) = handshake(*suite, 1);
        let [ticket] = &mut sent(&mut server)[..] else { panic!("not one record") };
        let mut opener = Opener::new(extract(client).rx).unwrap();
        assert_eq!(opener.open(ticket), Err(RecordError::Unexpected), "NewSessionTicket");
    }
}

#[test]
fn content_types_are_told_apart_behind_their_padding() {
    let cases: &[(&[u8], Result<OpenedRecord, RecordError>)] = &[
        (b"abc\x17", Ok(OpenedRecord::Data(3))),
        (b"abc\x17\0\0\0\0\0", Ok(OpenedRecord::Data(3))),
        (b"abc\0\0\x17\0", Ok(OpenedRecord::Data(5))),
        (b"\x17", Ok(OpenedRecord::Data(0))),
        (b"\x17\0\0", Ok(OpenedRecord::Data(0))),
        (b"\x01\0\x15", Ok(OpenedRecord::Closed)),
        (b"\x02\0\x15\0\0", Ok(OpenedRecord::Closed)),
        (b"\x02\x14\x15", Err(RecordError::Alert(20))),
        (b"\x01\x15", Err(RecordError::Unexpected)),
        (b"\x01\0\x07\x15", Err(RecordError::Unexpected)),
        (b"abc\x16", Err(RecordError::Unexpected)),
        (b"\x01\x14", Err(RecordError::Unexpected)),
        (b"abc\x18", Err(RecordError::Unexpected)),
        (b"\0\0\0", Err(RecordError::Unexpected)),
        (b"\0", Err(RecordError::Unexpected)),
    ];
    for suite in SUITES {
        let (client, server) = handshake(*suite, 0);
        let (ours, theirs) = (extract(client), extract(server));
        let (key, iv, first) = key_of(theirs.tx);
        let mut opener = Opener::new(ours.rx).unwrap();
        for (number, (inner, expected)) in (first..).zip(cases) {
            let mut record = protected(&key, iv, number, inner);
            assert_eq!(opener.open(&mut record), *expected, "{inner:?}");
        }
    }
}

#[test]
fn impossible_records_are_not_sealed() {
    let mut sealer = Ends::new(SUITES[0], Role::Client).sealer;
    for (room, content_len) in [
        (RECORD_OVERHEAD + 4, 5),
        (RECORD_OVERHEAD + 6, 5),
        (RECORD_OVERHEAD + RECORD_CONTENT_MAX + 1, RECORD_CONTENT_MAX + 1),
        (RECORD_OVERHEAD + 70_000, 70_000),
        (0, 0),
    ] {
        assert_eq!(sealer.seal(&mut vec![0; room], content_len), Err(RecordError::Unexpected));
    }
    assert!(!sealer.is_worn());
}

#[test]
fn headers_tell_a_length_or_are_refused() {
    let header = |kind, len: u16| [kind, 3, 3, len.to_be_bytes()[0], len.to_be_bytes()[1]];
    for shorter in 0..RECORD_HEADER_LEN {
        assert_eq!(record_len(&header(23, 100)[..shorter]), Ok(None));
    }
    for (len, fits) in
        [(0, false), (16, false), (17, true), (16_640, true), (16_641, false), (u16::MAX, false)]
    {
        let expected = if fits { Ok(Some(5 + usize::from(len))) } else { Err(RecordError::NoRecord) };
        assert_eq!(record_len(&header(23, len)), expected, "{len}");
    }
    for kind in [0, 20, 21, 22, 24] {
        assert_eq!(record_len(&header(kind, 100)), Err(RecordError::NoRecord), "type {kind}");
    }
}

/// The end that has been taken over from rustls.
#[derive(Debug, Clone, Copy)]
enum Role {
    Client,
    Server,
}

/// A connection with one end taken over from rustls, and the other not.
struct Ends {
    sealer: Sealer,
    opener: Opener,
    peer: Connection,
}

impl Ends {
    fn new(suite: SupportedCipherSuite, role: Role) -> Self {
        let (client, server) = handshake(suite, 0);
        let (ours, peer) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let ours = extract(ours);
        Self { sealer: Sealer::new(ours.tx).unwrap(), opener: Opener::new(ours.rx).unwrap(), peer }
    }

    /// Feeds bytes to rustls and returns its result.
    fn deliver(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let mut read = Vec::new();
        while !bytes.is_empty() {
            self.peer.read_tls(&mut bytes).unwrap();
            let state = self.peer.process_new_packets()?;
            let begin = read.len();
            read.resize(begin + state.plaintext_bytes_to_read(), 0);
            self.peer.reader().read_exact(&mut read[begin..]).unwrap();
        }
        Ok(read)
    }

    /// Returns the records that rustls wants to send.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        sent(&mut self.peer)
    }
}

fn each_suite_and_role(test: impl Fn(Ends)) {
    for suite in SUITES {
        for role in [Role::Client, Role::Server] {
            println!("{suite:?}, we are the {role:?}");
            test(Ends::new(*suite, role));
        }
    }
}

fn sealed(sealer: &mut Sealer, content: &[u8]) -> Vec<u8> {
    let mut record = vec![0; content.len() + RECORD_OVERHEAD];
    record[RECORD_HEADER_LEN..][..content.len()].copy_from_slice(content);
    sealer.seal(&mut record, content.len()).unwrap();
    record
}

fn open(opener: &mut Opener, record: &mut [u8]) -> Result<Vec<u8>, RecordError> {
    match opener.open(record)? {
        OpenedRecord::Data(len) => Ok(record[RECORD_HEADER_LEN..][..len].to_vec()),
        OpenedRecord::Closed => panic!("closed"),
    }
}

fn sent(peer: &mut Connection) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut bytes).unwrap();
    }
    let mut records = Vec::new();
    while let Some(len) = record_len(&bytes).unwrap() {
        let rest = bytes.split_off(len);
        records.push(std::mem::replace(&mut bytes, rest));
    }
    assert!(bytes.is_empty());
    records
}

/// Returns the content of the record with this number; the shortest and longest are among them.
fn content(round: usize) -> Vec<u8> {
    let len = [1, 0, RECORD_CONTENT_MAX, 2, RECORD_CONTENT_MAX - 1, 1000, 63][round % 7];
    (0..len).map(|at| (at * 7 + round).to_le_bytes()[0]).collect()
}

/// Both ends of a connection whose handshake is done; the client has not read the server's tickets.
fn handshake(suite: SupportedCipherSuite, tickets: usize) -> (Connection, Connection) {
    let crypto = CryptoProvider { cipher_suites: vec![suite], ..provider::default_provider() };
    let crypto = Arc::new(crypto);
    let (certificate, key) = &*CERTIFIED;
    let mut server = ServerConfig::builder_with_provider(crypto.clone())
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .unwrap();
    server.enable_secret_extraction = true;
    server.send_tls13_tickets = tickets;
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let mut client = ClientConfig::builder_with_provider(crypto)
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    let client = ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
    let server = ServerConnection::new(Arc::new(server)).unwrap();
    let (mut client, mut server) = (Connection::from(client), Connection::from(server));
    while client.is_handshaking() || server.is_handshaking() {
        transfer(&mut client, &mut server);
        if client.is_handshaking() {
            transfer(&mut server, &mut client);
        }
    }
    (client, server)
}

fn transfer(from: &mut Connection, to: &mut Connection) {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets().unwrap();
    }
}

fn extract(connection: Connection) -> ExtractedSecrets {
    connection.dangerous_extract_secrets().unwrap()
}

fn key_of((first, secrets): (u64, ConnectionTrafficSecrets)) -> (LessSafeKey, [u8; 12], u64) {
    let (algorithm, key, iv) = match &secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (&CHACHA20_POLY1305, key, iv),
        _ => panic!("another suite"),
    };
    let key = UnboundKey::new(algorithm, key.as_ref()).unwrap();
    (LessSafeKey::new(key), iv.as_ref().try_into().unwrap(), first)
}

/// A record of any content, type and padding, following RFC 8446, 5.2 and 5.3.
fn protected(key: &LessSafeKey, iv: [u8; 12], number: u64, inner: &[u8]) -> Vec<u8> {
    let mut nonce = iv;
    nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, counted)| *byte ^= counted);
    let [high, low] = u16::try_from(inner.len() + 16).unwrap().to_be_bytes();
    let header = [23, 3, 3, high, low];
    let mut sealed = inner.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(header), &mut sealed).unwrap();
    [&header[..], &sealed].concat()
}

/// A certificate for `localhost`, and its key.
static CERTIFIED: LazyLock<(rustls::pki_types::CertificateDer<'static>, PrivateKeyDer<'static>)> =
    LazyLock::new(|| {
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        (certified.cert.der().clone(), key)
    });

const SUITES: &[SupportedCipherSuite] =
    &[TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256];
const ROUNDS: usize = 350;
