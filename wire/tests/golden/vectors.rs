//! Values that both ends compute and that no codec writes: lane proofs and digests.

use crate::parts::{Parts, parts};
use crate::store::Golden;
use wire::binding::SessionSecret;
use wire::checksum::{Checksum, ChunkPlace, Digest, RootBuilder};
use wire::limits::CHUNK_LEN;

/// What both ends must compute from given input.
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
            name: "vector-sha256".into(),
            comment: "SHA-256: chunk digests and roots",
            parts: checksums(Checksum::Sha256),
        },
        Golden {
            name: "vector-blake3".into(),
            comment: "BLAKE3: chunk digests and roots",
            parts: checksums(Checksum::Blake3),
        },
    ]
}

/// The lane of the examples.
pub(crate) const LANE: u16 = 3;
/// The session of the examples.
pub(crate) const SESSION: [u8; 16] = counting(0x00);
const SECRET: [u8; 32] = counting(0x20);
const LANE_EXPORTED: [u8; 32] = counting(0x40);

/// The proof of the examples' lane.
pub(crate) fn lane_proof() -> [u8; 32] {
    SessionSecret::new(SECRET).prove(&SESSION, LANE, &LANE_EXPORTED)
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
