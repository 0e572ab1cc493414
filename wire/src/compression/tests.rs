//! Tests of the encoding: payloads that were written are read, and others are refused.

use super::*;
use proptest::prelude::*;

fn encoded(level: i32, content: &[u8]) -> Option<Vec<u8>> {
    encoded_by(&Codecs::default(), level, content)
}

fn encoded_by(codecs: &Codecs, level: i32, content: &[u8]) -> Option<Vec<u8>> {
    codecs.with_encoder(|encoder| encoder.encode(level, content.chunks(9999)).map(<[u8]>::to_vec))
}

fn decoded(payload: &[u8], content_len: usize) -> Result<Vec<u8>, CompressedFault> {
    Codecs::default().decode(&payload.chunks(1000).collect::<Vec<_>>(), content_len)
}

fn text(len: usize) -> Vec<u8> {
    (0..).flat_map(|line: usize| format!("line {line} of a text\n").into_bytes()).take(len).collect()
}

#[test]
fn contents_of_every_length_come_back() {
    for len in [30, 200, 255, 256, 257, 1000, 65_791, 65_792, 100_000, CHUNK_LEN - 1, CHUNK_LEN] {
        let content = text(len);
        for level in [1, 3, 9] {
            let payload = encoded(level, &content).unwrap_or_default();
            assert!(payload.len() < len && (len < 200 || !payload.is_empty()), "{len} at level {level}");
            if !payload.is_empty() {
                assert!(decoded(&payload, len) == Ok(content.clone()), "{len} at level {level}");
            }
        }
    }
}

#[test]
fn an_encoder_goes_on_after_data_that_it_cannot_compress() {
    let codecs = Codecs::default();
    let mut random = vec![0; CHUNK_LEN];
    blake3::Hasher::new().finalize_xof().fill(&mut random);
    for content in [&random, &text(CHUNK_LEN), &random, &random, &text(1000)] {
        let payload = encoded_by(&codecs, 1, content);
        assert_eq!(payload.is_some(), content != &random);
        if let Some(payload) = payload {
            assert!(codecs.decode(&[&payload], content.len()) == Ok(content.clone()));
        }
    }
}

#[test]
fn frames_that_are_not_one_of_this_content_are_refused_by_name() {
    let content = text(100_000);
    let good = encoded(3, &content).unwrap();
    assert_eq!(good[4], 0xa0, "one segment, a length of 4 bytes");
    let altered = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let windowed = [&good[..4], &[0x80, 0xff], &good[5..]].concat(); // of 3.75 TiB
    let skippable = [&good[..], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat();
    let twice = [&good[..], &good].concat();
    for (fault, payload) in [
        (CompressedFault::NotZstd, altered(0, 0)),
        (CompressedFault::NotZstd, Vec::new()),
        (CompressedFault::NotZstd, good[..3].to_vec()),
        (CompressedFault::Length, good[..4].to_vec()),
        (CompressedFault::Length, good[..7].to_vec()),
        (CompressedFault::Dictionary, altered(4, 0xa1)),
        (CompressedFault::Dictionary, altered(4, 0xa3)),
        (CompressedFault::Header, altered(4, 0x80)), // a window of its own
        (CompressedFault::Header, altered(4, 0xa4)), // a checksum
        (CompressedFault::Header, altered(4, 0xa8)), // a reserved bit
        (CompressedFault::Header, altered(4, 0xb0)), // an unused bit
        (CompressedFault::Header, windowed),
        (CompressedFault::ContentLength, altered(5, good[5] ^ 1)),
        (CompressedFault::ContentLength, altered(8, 0xff)),
        (CompressedFault::Length, good[..good.len() - 1].to_vec()),
        (CompressedFault::Length, [&good[..], b"x"].concat()),
        (CompressedFault::Length, skippable),
        (CompressedFault::Length, twice),
    ] {
        let refused = decoded(&payload, content.len()).map(|content| content.len());
        assert_eq!(refused, Err(fault), "{:02x?}", &payload[..payload.len().min(12)]);
    }
    for len in [0, 1, content.len() - 1, content.len() + 1, CHUNK_LEN] {
        assert_eq!(decoded(&good, len), Err(CompressedFault::ContentLength));
    }
}

/// A block of one repeated byte takes 4 bytes and claims 128 KiB: four of them fill a chunk, and a fifth goes beyond it.
#[test]
fn a_bomb_is_bounded_by_its_content_length() {
    let repeated = |blocks: usize, content_len: u32| {
        let mut frame = [&MAGIC[..], &[0xa0], &content_len.to_le_bytes()].concat();
        for block in 0..blocks {
            let header = (128 * 1024) << 3 | 1 << 1 | u32::from(block + 1 == blocks);
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            frame.push(0);
        }
        frame
    };
    let chunk = CHUNK_LEN as u32;
    assert!(decoded(&repeated(4, chunk), CHUNK_LEN) == Ok(vec![0; CHUNK_LEN]));
    for blocks in [1, 3, 5, 10_000] {
        assert_eq!(decoded(&repeated(blocks, chunk), CHUNK_LEN), Err(CompressedFault::Content), "{blocks}");
    }
}

/// The examples of PROTOCOL.md.
#[test]
fn the_golden_frames_are_decompressed() {
    let block = golden(include_str!("../../../fixtures/golden/frame-block-compressed.hex"));
    assert!(decoded(&block[block.len() - 25..], CHUNK_LEN) == Ok(vec![0; CHUNK_LEN]));
    let pack = golden(include_str!("../../../fixtures/golden/frame-pack-compressed.hex"));
    let entries = decoded(&pack[pack.len() - 76..], 163).unwrap();
    assert_eq!(entries[60..], [b"a/a", &[b'a'; 100][..]].concat());
}

#[test]
fn workers_that_panic_are_replaced() {
    let pool = Pool::new(|| 7);
    for _ in 0..2 * WORKERS_MAX {
        let panics = std::panic::AssertUnwindSafe(|| pool.with(|_| panic!("a worker's")));
        std::panic::catch_unwind(panics).unwrap_err();
    }
    assert_eq!(pool.with(|worker| *worker), 7);
}

fn golden(text: &str) -> Vec<u8> {
    let digits = text.lines().flat_map(|line| line.split('#').next().unwrap_or_default().bytes());
    let digits: Vec<u8> = digits.filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_have_the_announced_length(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        len in 0..2000_usize,
    ) {
        let mut frame = [&MAGIC[..], &[0x60], &(len as u16).to_le_bytes()].concat();
        frame.extend(&bytes);
        if let Ok(content) = decoded(&frame, len + 256) {
            prop_assert_eq!(content.len(), len + 256);
        }
        let _ = decoded(&bytes, len);
    }

    #[test]
    fn damaged_frames_are_refused_or_have_the_announced_length(at in 0..10_000_usize, flip in 1..=255_u8) {
        let content = text(50_000);
        let mut payload = encoded(1, &content).unwrap();
        let at = at % payload.len();
        payload[at] ^= flip;
        if let Ok(decoded) = decoded(&payload, content.len()) {
            prop_assert_eq!(decoded.len(), content.len());
        }
    }
}

#[test]
fn an_encoder_is_free_until_all_are_in_use() {
    let codecs = Codecs::default();
    let count = lock(&codecs.encoders.state).unmade;
    use_encoders(&codecs, count);
    assert!(codecs.is_encoder_free());
}

/// Uses all encoders at the same time, of which `free` are free.
fn use_encoders(codecs: &Codecs, free: usize) {
    assert_eq!(codecs.is_encoder_free(), free > 0, "{free} more");
    if free > 0 {
        codecs.with_encoder(|_| use_encoders(codecs, free - 1));
    }
}
