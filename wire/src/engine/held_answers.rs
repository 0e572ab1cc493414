//! Collects a receiver's answers to offers.

use crate::checksum::Digest;
use crate::limits::HELD_DIGESTS_MAX;
use crate::message::{ChunkRange, Held, HeldItem};
use crate::store::Chunks;

/// Answers to offers, split into messages.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_their_order_and_no_message_has_too_many_digests() {
        let chunks = |count: usize| -> Chunks {
            (0..count as u64).map(|chunk| (2 * chunk + chunk % 2, Digest([1; 32]))).collect()
        };
        for (first, second) in
            [(0, 1), (5, HELD_DIGESTS_MAX - 5), (5, HELD_DIGESTS_MAX), (7, 2 * HELD_DIGESTS_MAX)]
        {
            let mut answers = HeldAnswers::default();
            answers.add_chunks(&chunks(first));
            answers.add(HeldItem::Nothing);
            answers.add_chunks(&chunks(second));
            answers.add(HeldItem::All);
            let (mut told, mut nothing_at) = (Vec::new(), None);
            for message in &answers.messages {
                let mut digests_of_message = 0;
                for answer in &message.answers {
                    let HeldItem::Chunks { chunks, digests, more } = answer else {
                        nothing_at = nothing_at.or(Some(told.len()));
                        continue;
                    };
                    told.extend(
                        chunks.iter().flat_map(|range| range.first..range.first + u64::from(range.count)),
                    );
                    digests_of_message += digests.len();
                    assert_eq!(*more, told.len() != first && told.len() != first + second);
                }
                assert!(digests_of_message <= HELD_DIGESTS_MAX);
            }
            let expected = chunks(first).into_iter().chain(chunks(second)).map(|(chunk, _)| chunk);
            assert!(told.iter().copied().eq(expected), "{first} and {second}");
            assert_eq!(nothing_at, Some(first));
            assert_eq!(answers.messages.last().unwrap().answers.last(), Some(&HeldItem::All));
        }
    }
}
