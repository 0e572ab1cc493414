//! Damages golden bytes: none may be taken for a message that it is not, and decoding must not panic.

use crate::frames::{self, LaneFrame, PackEntry};
use crate::messages::{self, MessageExample};
use crate::{decode_control, encode_control};
use wire::control::{CONTROL_HEADER_LEN, ControlError, ControlHeader, FLAG_MORE};
use wire::frame::{FrameHead, HEAD_LEN, decode_loss};
use wire::limits::{CONTROL_BODY_BEFORE_LOGIN_MAX, CONTROL_BODY_MAX};

#[test]
fn every_truncation_is_refused() {
    for example in messages::examples() {
        let bytes = example.parts().bytes();
        for len in 0..bytes.len() {
            assert!(decode_control(&bytes[..len]).is_err(), "{} cut to {len}", example.name);
        }
        for len in CONTROL_HEADER_LEN..bytes.len() {
            let shorter = with_body_len(bytes[..len].to_vec());
            assert!(decode_control(&shorter).is_err(), "{} with a body cut to {len}", example.name);
        }
    }
    for example in frames::examples() {
        let bytes = example.parts.bytes();
        for len in 0..bytes.len() {
            assert!(LaneFrame::decode(&bytes[..len]).is_err(), "{} cut to {len}", example.name);
        }
    }
    for example in frames::entries() {
        let bytes = example.parts.bytes();
        for len in 0..bytes.len() {
            assert!(PackEntry::decode(&mut &bytes[..len]).is_err(), "{} cut to {len}", example.name);
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for example in messages::examples() {
        let mut bytes = example.parts().bytes();
        bytes.push(0);
        assert!(decode_control(&with_body_len(bytes)).is_err(), "{}", example.name);
    }
    for example in frames::examples() {
        let mut bytes = example.parts.bytes();
        bytes.push(0);
        assert!(LaneFrame::decode(&bytes).is_err(), "{}", example.name);
    }
    let pack = frames::examples().into_iter().find(|example| example.name == "frame-pack").unwrap();
    let mut bytes = pack.parts.bytes();
    bytes.push(0);
    let payload_len = u32::try_from(bytes.len() - HEAD_LEN).unwrap();
    bytes[4..8].copy_from_slice(&payload_len.to_le_bytes());
    assert!(LaneFrame::decode(&bytes).is_err(), "a pack that is longer than its entries");
}

#[test]
fn absurd_lengths_are_refused() {
    let mut tried = 0;
    for example in messages::examples() {
        for at in example.parts().length_offsets() {
            for len in [u64::MAX, 1 << 63, 1 << 40, CONTROL_BODY_MAX as u64 + 1, CONTROL_BODY_MAX as u64] {
                let mut bytes = example.parts().bytes();
                bytes[at..at + 8].copy_from_slice(&len.to_le_bytes());
                assert!(decode_control(&bytes).is_err(), "{}: {len} at {at}", example.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 200);
}

#[test]
fn headers_are_held_to_their_limit_and_flags() {
    let header = |len: u32, flags: u16| {
        let mut bytes = [0; CONTROL_HEADER_LEN];
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        bytes[6..8].copy_from_slice(&flags.to_le_bytes());
        bytes
    };
    for max in [CONTROL_BODY_BEFORE_LOGIN_MAX, CONTROL_BODY_MAX] {
        let longest = u32::try_from(max).unwrap();
        assert!(ControlHeader::decode(header(longest, FLAG_MORE), max).is_ok());
        for too_long in [longest + 1, u32::MAX] {
            let decoded = ControlHeader::decode(header(too_long, 0), max);
            assert!(matches!(decoded, Err(ControlError::TooLong { .. })), "{decoded:?}");
        }
        for flags in (1..16).map(|bit| 1 << bit) {
            let decoded = ControlHeader::decode(header(0, flags), max);
            assert!(matches!(decoded, Err(ControlError::UnknownFlags(_))), "{decoded:?}");
        }
    }
}

#[test]
fn junk_where_a_pack_has_nothing_is_refused() {
    let pack = frames::examples().into_iter().find(|example| example.name == "frame-pack").unwrap();
    for at in [1, 2, 3].into_iter().chain(24..HEAD_LEN) {
        let mut bytes = pack.parts.bytes();
        bytes[at] = 1;
        assert!(LaneFrame::decode(&bytes).is_err(), "byte {at}");
    }
}

#[test]
fn an_unknown_kind_is_no_error() {
    let header = ControlHeader { body_len: 3, kind: 9999, flags: 0, request: 1 };
    assert_eq!(header.decode_body(b"any").unwrap(), None);
}

#[test]
fn the_longest_body_passes_and_a_longer_one_does_not() {
    let link = |len: usize| {
        let path = wire::RemotePath::root();
        wire::control::Envelope::new(1, wire::message::Link { path, target: vec![b'x'; len] })
    };
    let longest = link(CONTROL_BODY_MAX - 16);
    let bytes = encode_control(&longest).unwrap();
    assert_eq!(bytes.len(), CONTROL_HEADER_LEN + CONTROL_BODY_MAX);
    assert_eq!(decode_control(&bytes).unwrap(), longest);
    assert!(encode_control(&link(CONTROL_BODY_MAX - 15)).is_err());
}

#[test]
fn no_mutation_panics() {
    let seed = std::env::var("GOLDEN_SEED").map_or_else(|_| fresh_seed(), |seed| seed.parse().unwrap());
    for example in messages::examples() {
        let golden = example.parts().bytes();
        mutate(seed, &example.name, &golden, |bytes| one_spelling(&example, bytes));
    }
    for example in frames::examples() {
        mutate(seed, example.name, &example.parts.bytes(), |bytes| {
            if let Ok(LaneFrame { head, .. }) = LaneFrame::decode(&bytes) {
                assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
            }
        });
    }
    for example in frames::entries() {
        mutate(seed, example.name, &example.parts.bytes(), |bytes| {
            let _ = PackEntry::decode(&mut &bytes[..]);
            let _ = decode_loss(&bytes);
        });
    }
}

/// Checks that decoded bytes are the message's only encoding, whether or not the header's length was corrected.
fn one_spelling(example: &MessageExample, bytes: Vec<u8>) {
    let mended = with_body_len(bytes.clone());
    for bytes in [bytes, mended] {
        if let Ok(envelope) = decode_control(&bytes) {
            assert_eq!(encode_control(&envelope).unwrap(), bytes, "{}", example.name);
        }
    }
}

/// Passes 10,000 mutations of `golden` to `check`.
fn mutate(seed: u64, name: &str, golden: &[u8], check: impl Fn(Vec<u8>)) {
    println!("GOLDEN_SEED={seed} {name}"); // shown if the test fails; the last line is the failing case
    let mut random =
        Random(name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())));
    for _ in 0..10_000 {
        let mut bytes = golden.to_vec();
        for _ in 0..=random.below(3) {
            random.mutate(&mut bytes);
        }
        check(bytes);
    }
}

/// SplitMix64, after Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        (self.bits() % end.max(1) as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.bits() as u8),
            2 => bytes.extend_from_within(at..),
            3 => {
                let extreme = [0, 1, 0x7f, 0x80, 0xff][self.below(5)];
                let end = bytes.len().min(at + 1 + self.below(8));
                bytes[at..end].fill(extreme);
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
        }
    }
}

fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_nanos() as u64
}

/// Corrects the length in the frame's header.
fn with_body_len(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(len) = bytes.len().checked_sub(CONTROL_HEADER_LEN) {
        bytes[..4].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
    }
    bytes
}
