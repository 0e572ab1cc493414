//! Lanes with faults drawn by a seed: frames are altered on their way, and lanes are lost, cut in the middle of a frame, and
//! closed too early. The transfer ends well, and each file comes whole.

use crate::in_process::lane_on_the_way::{LaneOnTheWay, Tree};
use crate::support::joined::JoinedEnds;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use tests::proxy::seed;
use tests::wan::Random;
use wire::frame::{Encoding, FrameHead, FrameKind, HEAD_LEN};
use wire::ids::FrameNo;

#[tokio::test(flavor = "multi_thread")]
async fn each_file_comes_whole_over_lanes_with_faults() {
    let first = seed();
    for seed in (0..RUNS).map(|run| first.wrapping_add(run)) {
        println!("FAULTS_SEED={seed}");
        let (ends, faults) = (JoinedEnds::new(), Faults::default());
        let is_compressed = (seed ^ first) & 1 == 1;
        let tree = if is_compressed { Tree::of(text) } else { Tree::new() };
        if is_compressed {
            ends.agree_on_compression();
        }
        let places = async {
            tokio::join!(
                faults.keep_lanes(&ends, Random::new(seed)),
                faults.keep_lanes(&ends, Random::new(!seed))
            )
        };
        let ended = tokio::select! {
            ended = tree.transfer(&ends) => ended,
            _ = places => unreachable!("lanes are opened until the transfer ends"),
        };
        tree.check(&ended);
        assert_eq!(ends.sending.count_compressed_bytes().contents > 0, is_compressed);
        ends.close().await;
    }
}

/// The faults of one transfer.
#[derive(Default)]
struct Faults {
    lanes: AtomicU16,
    /// Frames that were altered. Each is altered once: a receiver gives up what is altered every time.
    altered: Mutex<HashSet<FrameNo>>,
}

impl Faults {
    /// Opens one lane after another, each of which ends after a few frames.
    async fn keep_lanes(&self, ends: &JoinedEnds, mut random: Random) {
        loop {
            let mut lane = LaneOnTheWay::open(ends, self.lanes.fetch_add(1, Ordering::Relaxed));
            for _ in 0..=random.bits() % 6 {
                let bits = random.bits();
                let _ = lane.pass_on(|head, frame| self.alter(head, frame, bits)).await; // the receiver may have cut it
            }
            match random.bits() % 3 {
                0 => {}
                1 => lane.to_receiver.close(),
                _ => {
                    let frame = lane.from_sender.next_frame().await.unwrap_or_default();
                    let len = random.bits() % (frame.len() as u64).max(1);
                    lane.to_receiver.send(&frame[..len as usize]).await;
                }
            }
        }
    }

    /// Alters a byte of every fourth block.
    fn alter(&self, head: &FrameHead, frame: &mut [u8], bits: u64) {
        // The header of a compressed payload is no data: another one breaks the protocol.
        let header_len = if head.kind.encoding() == Encoding::Zstd { 9 } else { 0 };
        let begin = HEAD_LEN + usize::from(head.extra_len) + header_len;
        let is_block = matches!(head.kind, FrameKind::Block { .. });
        if is_block && bits.is_multiple_of(4) && self.altered.lock().unwrap().insert(head.frame) {
            let len = frame.len() - begin;
            frame[begin + bits as usize % len] ^= 1;
        }
    }
}

/// Text with as many different lines as there are.
fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = Vec::with_capacity(len + 40);
    while text.len() < len {
        text.extend(format!("{:016x} is a line of a text\n", random.bits()).bytes());
    }
    text.truncate(len);
    text
}

/// Transfers, each with another seed.
const RUNS: u64 = 8;
