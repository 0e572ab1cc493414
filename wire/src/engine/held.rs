//! What a receiver answers to offers.

use super::staged::Chunks;
use crate::checksum::Digest;
use crate::limits::HELD_DIGESTS_MAX;
use crate::message::{ChunkRange, Held, HeldItem};

/// Answers to offers, in messages.
#[derive(Default)]
pub(super) struct HeldAnswers {
    pub(super) messages: Vec<Held>,
    /// Digests in the last message.
    digests: usize,
}

impl HeldAnswers {
    pub(super) fn add(&mut self, answer: HeldItem) {
        match self.messages.last_mut() {
            Some(held) if self.digests < HELD_DIGESTS_MAX => held.answers.push(answer),
            _ => {
                self.messages.push(Held { answers: vec![answer] });
                self.digests = 0;
            }
        }
    }

    pub(super) fn add_chunks(&mut self, chunks: &Chunks) {
        let mut rest = &chunks[..];
        while !rest.is_empty() {
            let room = match self.digests {
                HELD_DIGESTS_MAX.. => HELD_DIGESTS_MAX,
                used => HELD_DIGESTS_MAX - used,
            };
            let (now, later) = rest.split_at(room.min(rest.len()));
            rest = later;
            let digests = now.iter().map(|(_, digest)| *digest).collect();
            let chunks = ranges(now);
            self.add(HeldItem::Chunks { chunks, digests, more: !rest.is_empty() });
            self.digests += now.len();
        }
    }
}

fn ranges(chunks: &[(u64, Digest)]) -> Vec<ChunkRange> {
    let mut ranges: Vec<ChunkRange> = Vec::new();
    for (chunk, _) in chunks {
        match ranges.last_mut() {
            Some(range) if range.first + u64::from(range.count) == *chunk => range.count += 1,
            _ => ranges.push(ChunkRange { first: *chunk, count: 1 }),
        }
    }
    ranges
}
