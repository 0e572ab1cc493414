//! Values that both ends compute and no codec writes: lane proofs and digests.

use crate::parts::{Parts, parts};
use crate::store::Golden;
use blake3::hazmat::{Mode, merge_subtrees_non_root};
use wire::binding::SessionSecret;
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::ids::LaneNo;
use wire::limits::CHUNK_LEN;
use wire::login::{Channel, NAMESPACE};
use wire::stdio::{MAGIC, StdioHello};

/// Values that both ends must compute from given input.
pub(crate) fn examples() -> Vec<Golden> {
    vec![
        Golden {
            name: "vector-lane-proof".into(),
            comment: "the proof of lane 3, given the three exporter values",
            parts: parts! {
                raw(&SESSION, "session id") raw(&SECRET, "session secret") raw(&LANE_EXPORTED, "lane's exporter value")
                u16(LANE, "lane") raw(&lane_proof(), "proof")
            },
        },
        Golden {
            name: "vector-login-key".into(),
            comment: "what `fixtures/keys/id_ed25519` signs for `alice`, and its proof, which `ssh-keygen -Y sign` made",
            parts: parts! {
                raw(&LOGIN_EXPORTED, "exporter value for logins") raw(&SERVER_KEY, "SHA-256 of the server's public key")
                raw(&login_message(), "what is signed, for `alice`") then(key_proof())
            },
        },
        Golden {
            name: "vector-stdio-hello".into(),
            comment: "the greeting of a server that ssh has started",
            parts: stdio_hello(),
        },
        Golden {
            name: "vector-sha256".into(),
            comment: "SHA-256: chunk digests and roots",
            parts: checksums(Checksum::Sha256),
        },
        Golden {
            name: "vector-blake3".into(),
            comment: "BLAKE3: chunk digests and roots",
            parts: checksums(Checksum::Blake3),
        },
        Golden {
            name: "vector-blake3-tree".into(),
            comment: "BLAKE3: chaining values of the five chunks of a file, and of what they are merged to",
            parts: blake3_tree(),
        },
    ]
}

fn stdio_hello() -> Parts {
    let (token, address, pipe) = ("7fb08d3e", "192.0.2.1:40891", "0f1e2d3c");
    let body = parts! {
        raw(&SERVER_KEY, "SHA-256 of the server's public key") text(token, "token") count(1, "addresses: 1")
        text(address, "address") text(pipe, "pipe")
    };
    let hello = StdioHello {
        server_key: Digest(SERVER_KEY),
        token: token.to_owned(),
        addresses: vec![address.to_owned()],
        pipe: pipe.to_owned(),
    };
    let bytes = hello.encode().unwrap();
    let len = u32::try_from(body.bytes().len()).unwrap();
    let parts =
        Parts::default().raw(MAGIC, "a line feed, `ftpx stdio 1`, a line feed").u32(len, "length").then(body);
    assert_eq!(bytes, parts.bytes());
    assert_eq!(StdioHello::decode(&bytes[MAGIC.len() + 4..]).unwrap(), hello);
    parts
}

/// The lane of the examples.
pub(crate) const LANE: u16 = 3;
/// The session of the examples.
pub(crate) const SESSION: [u8; 16] = counting(0x00);
const SECRET: [u8; 32] = counting(0x20);
const LANE_EXPORTED: [u8; 32] = counting(0x40);
const LOGIN_EXPORTED: [u8; 32] = counting(0x60);
const SERVER_KEY: [u8; 32] = counting(0x80);
const PUBLIC_KEY: [u8; 51] = [
    0x00, 0x00, 0x00, 0x0b, 0x73, 0x73, 0x68, 0x2d, 0x65, 0x64, 0x32, 0x35, 0x35, 0x31, 0x39, 0x00, 0x00,
    0x00, 0x20, 0xd7, 0x60, 0xa6, 0x23, 0xa8, 0x79, 0x6a, 0xe8, 0x49, 0xb7, 0x69, 0x2f, 0x4b, 0x11, 0xe0,
    0x93, 0x76, 0xff, 0xba, 0x2b, 0x5e, 0x03, 0xea, 0x79, 0xac, 0x93, 0x07, 0xc8, 0xb0, 0x56, 0x2e, 0xd3,
];
const SIGNATURE: [u8; 83] = [
    0x00, 0x00, 0x00, 0x0b, 0x73, 0x73, 0x68, 0x2d, 0x65, 0x64, 0x32, 0x35, 0x35, 0x31, 0x39, 0x00, 0x00,
    0x00, 0x40, 0xe5, 0x36, 0x23, 0x5d, 0x5a, 0x75, 0x44, 0x83, 0xac, 0x07, 0x4f, 0x4d, 0xcf, 0x36, 0x06,
    0xc8, 0x6b, 0x35, 0x67, 0xd1, 0x52, 0x39, 0xdb, 0xc4, 0x3c, 0x22, 0x88, 0xfa, 0x37, 0x33, 0xcf, 0x61,
    0xd5, 0x0c, 0xe8, 0x2b, 0x9c, 0x24, 0xcb, 0x33, 0x93, 0xd7, 0xc5, 0x29, 0x56, 0x55, 0xb2, 0x32, 0xbd,
    0x18, 0xfd, 0xc7, 0x84, 0xba, 0x23, 0x34, 0x68, 0xdb, 0x38, 0x32, 0x18, 0x01, 0xea, 0x06,
];

/// The proof of the examples' lane.
pub(crate) fn lane_proof() -> [u8; 32] {
    SessionSecret::new(SECRET).prove(&SESSION, LaneNo(LANE), &LANE_EXPORTED)
}

fn login_message() -> Vec<u8> {
    Channel { exported: LOGIN_EXPORTED, server_key: Digest(SERVER_KEY) }.message("alice")
}

/// The proof of the examples' login, field by field. Numbers are big-endian, as everywhere in SSH.
pub(crate) fn key_proof() -> Parts {
    parts! {
        raw(b"SSHSIG", "\"SSHSIG\"") raw(&[0, 0, 0, 1], "version")
        raw(&[0, 0, 0, 51], "length of the public key") raw(&PUBLIC_KEY, "public key, as in id_ed25519.pub")
        raw(&[0, 0, 0, 23], "length of the namespace") raw(NAMESPACE.as_bytes(), "\"ftpx-login@ftpx.invalid\"")
        raw(&[0, 0, 0, 0], "reserved: nothing")
        raw(&[0, 0, 0, 6], "length of the hash's name") raw(b"sha512", "\"sha512\"")
        raw(&[0, 0, 0, 83], "length of the signature") raw(&SIGNATURE, "signature")
    }
}

fn checksums(checksum: Checksum) -> Parts {
    let (empty, hello, zeros) = (Vec::new(), b"hello\n".to_vec(), vec![0; CHUNK_LEN + 1]);
    let first = checksum.of_chunk(ChunkPlace::at(0, false), [&zeros[..CHUNK_LEN]]);
    let second = checksum.of_chunk(ChunkPlace::at(CHUNK_LEN as u64, true), [&zeros[CHUNK_LEN..]]);
    let mut root = RootBuilder::new(checksum);
    root.add(1, second);
    root.add(0, first);
    let root = root.root(zeros.len() as u64).expect("all chunks are there");
    parts! {
        raw(&only_chunk(checksum, &empty).0, "chunk of the empty file")
        raw(&checksum.of_small_file([&empty[..]]).0, "root of the empty file")
        raw(&only_chunk(checksum, &hello).0, "chunk of `hello` and a line feed")
        raw(&checksum.of_small_file([&hello[..]]).0, "root of it")
        raw(&first.0, "chunk 0 of 524,289 zero bytes")
        raw(&second.0, "chunk 1 of them")
        raw(&root.0, "root of them")
    }
}

/// A file whose byte i is i mod 251, as in BLAKE3's own test vectors; 4 chunks and one byte.
fn blake3_tree() -> Parts {
    let content: Vec<u8> = (0..=4 * CHUNK_LEN).map(|index| (index % 251) as u8).collect();
    let chunk = |(index, chunk)| Checksum::Blake3.of_chunk(ChunkPlace::Among { index }, [chunk]).0;
    let chunks: Vec<[u8; 32]> = (0..).zip(content.chunks(CHUNK_LEN)).map(chunk).collect();
    let merged = |left, right| merge_subtrees_non_root(left, right, Mode::Hash);
    let (first, second) = (merged(&chunks[0], &chunks[1]), merged(&chunks[2], &chunks[3]));
    let both = merged(&first, &second);
    let parts = (0..).zip(&chunks).fold(Parts::default(), |parts, (index, chunk): (usize, _)| {
        let of = if index == 0 { " of 2,097,153 bytes, of which byte i is i mod 251" } else { "" };
        parts.raw(chunk, &format!("chunk {index}{of}"))
    });
    parts! {
        then(parts) raw(&first, "parent of chunks 0 and 1") raw(&second, "parent of chunks 2 and 3")
        raw(&both, "parent of these two") raw(blake3::hash(&content).as_bytes(), "root: the last parent and chunk 4")
    }
}

fn only_chunk(checksum: Checksum, content: &[u8]) -> Digest {
    checksum.of_chunk(ChunkPlace::Only, [content])
}

const fn counting<const N: usize>(first: u8) -> [u8; N] {
    let mut bytes = [first; N];
    let mut index = 0;
    while index < N {
        bytes[index] += index as u8;
        index += 1;
    }
    bytes
}
