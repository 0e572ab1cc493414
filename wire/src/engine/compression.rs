//! Compression of a session's frames: what was agreed, what it brings, and what went through it.
//!
//! A job sees plain frames only. Those that it sends are compressed behind it, where that pays; those that arrive compressed are
//! decompressed before it sees them.

mod backoff;
mod decision;

pub(crate) use backoff::Backoff;
pub(crate) use decision::SentFrame;

use super::lock;
use crate::compression::Codecs;
use crate::delta::recipe::Step;
use crate::features::Features;
use crate::frame::{CompressedFault, Encoding, FrameError, FrameHead, FrameKind, content_len};
use crate::limits::CHUNK_LEN;
use crate::message::Compress;
use crate::transport::FrameBuffer;
use decision::Decision;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Compression of the frames of one session, in both directions.
#[derive(Default)]
pub(crate) struct FrameCompression {
    /// Bits of the features that hold for the session.
    features: AtomicU64,
    decision: Mutex<Decision>,
    contents: Counter,
    saved: Counter,
    copied: Counter,
}

/// The effect of compression on the bytes of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompressedBytes {
    /// Bytes of contents that went over lanes compressed, in both directions.
    pub contents: u64,
    /// By how many bytes their payloads were shorter.
    pub saved: u64,
    /// Bytes of contents that were copied from old files instead.
    pub copied: u64,
}

/// A recipe without its literal bytes, which are in the chunk.
pub(crate) struct EncodedSteps<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) steps: &'a [Step],
    pub(crate) content_len: usize,
}

/// Returns how many bytes the steps copy.
pub(crate) fn copied_len(steps: &[Step]) -> usize {
    let copied = steps.iter().map(|step| match *step {
        Step::Copy { len, .. } => len,
        Step::Literal { .. } => 0,
    });
    copied.sum()
}

/// A number that only grows, and what was counted of it.
#[derive(Default)]
struct Counter {
    total: AtomicU64,
    counted: AtomicU64,
}

impl Counter {
    fn add(&self, bytes: usize) {
        self.total.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Returns what was not counted yet.
    fn count(&self) -> u64 {
        let total = self.total.load(Ordering::Relaxed);
        total.saturating_sub(self.counted.fetch_max(total, Ordering::Relaxed))
    }
}

/// The level of zstd for what is new of a file that replaces another.
pub(crate) const LEVEL_OF_NEW_PARTS: i32 = 3;

impl FrameCompression {
    pub(super) fn agree(&self, features: Features) {
        self.features.store(features.bits(), Ordering::Relaxed);
    }

    /// Returns the features that hold for the session.
    pub(super) fn features(&self) -> Features {
        Features::of_bits(self.features.load(Ordering::Relaxed))
    }

    fn is_agreed(&self) -> bool {
        Features::COMPRESSION.are_all_in(self.features())
    }

    /// Returns the memory that a lane needs for the content of a frame beside the frame.
    pub(super) fn content_memory_len(&self) -> usize {
        if self.features() == Features::default() { 0 } else { CHUNK_LEN }
    }

    /// Returns the level at which the next frame should be compressed, if it should.
    pub(super) fn level(&self, wish: Compress, round_trip: Duration) -> Option<i32> {
        match wish {
            _ if !self.is_agreed() => None,
            Compress::Never => None,
            Compress::Level(level) => Some(level.into()),
            Compress::Auto => lock(&self.decision).level(round_trip),
        }
    }

    /// Returns the level for a part of a file whose other parts are copied from an old one, if it `is_new`.
    pub(super) fn level_of_new_parts(&self, is_new: bool) -> Option<i32> {
        (is_new && self.is_agreed()).then_some(LEVEL_OF_NEW_PARTS)
    }

    /// Compresses the content in `buffer` in its place; returns its new length if it is short enough.
    pub(super) fn encode(
        &self,
        codecs: &Codecs,
        level: i32,
        buffer: &mut FrameBuffer,
        content_len: usize,
    ) -> Option<usize> {
        let (payload_len, took) = codecs.with_encoder(|encoder| {
            let since = Instant::now();
            let payload = encoder.encode(level, buffer.payload(0, content_len))?;
            buffer.put(0, payload);
            Some((payload.len(), since.elapsed()))
        })?;
        lock(&self.decision).on_encoded(content_len, took);
        self.add(content_len, payload_len);
        Some(payload_len)
    }

    /// Returns the rate of the network in bytes per second, if lanes waited for it lately.
    pub(super) fn network_rate(&self) -> Option<f64> {
        lock(&self.decision).network_rate()
    }

    /// Records a frame that a lane has sent.
    pub(super) fn on_sent(&self, frame: SentFrame) {
        if frame.content_len > 0 {
            lock(&self.decision).on_sent(frame, Instant::now());
        }
    }

    /// Checks that a frame may have its encoding.
    pub(super) fn check(&self, head: &FrameHead) -> Result<(), FrameError> {
        head.kind.check_agreed(self.features())
    }

    /// Compresses the recipe of the chunk in `buffer` in its place: `head` with its steps, and the literal bytes of the chunk.
    /// Returns its length if it is short enough.
    pub(super) fn encode_recipe(
        &self,
        codecs: &Codecs,
        level: i32,
        buffer: &mut FrameBuffer,
        recipe: &EncodedSteps<'_>,
    ) -> Option<usize> {
        let EncodedSteps { head, steps, content_len } = *recipe;
        let len = codecs.with_encoder(|encoder| {
            let mut at = 0;
            let literals = steps.iter().map(|step| {
                let begin = at;
                at += step.len();
                match *step {
                    Step::Literal { len } => (begin, len),
                    Step::Copy { .. } => (begin, 0),
                }
            });
            let literals = literals.flat_map(|(begin, len)| buffer.payload(begin, len));
            let pieces = std::iter::once(head).chain(literals);
            let payload = encoder.encode_recipe(level, pieces, content_len)?;
            buffer.put(0, payload);
            Some(payload.len())
        })?;
        self.copied.add(copied_len(steps));
        Some(len)
    }

    /// Counts what a recipe that arrived has copied.
    pub(super) fn add_copied(&self, bytes: usize) {
        self.copied.add(bytes);
    }

    /// Decompresses a frame: returns its plain head, and its content. A block that cannot be decompressed gets a content that
    /// its digest refuses, so that it comes again, as any block that is damaged.
    pub(super) fn decode(
        &self,
        codecs: &Codecs,
        head: &FrameHead,
        extra: &[u8],
        payload: &[&[u8]],
    ) -> Result<(FrameHead, Vec<u8>), FrameError> {
        let content_len = content_len(head, extra)?;
        let content = match (codecs.decode(payload, content_len as usize), head.kind) {
            (Ok(content), _) => content,
            (Err(CompressedFault::Length | CompressedFault::Content), FrameKind::Block { .. }) => {
                vec![0; content_len as usize]
            }
            (Err(fault), _) => return Err(FrameError::Compressed(fault)),
        };
        self.add(content.len(), head.payload_len as usize);
        let extra_len = if let FrameKind::Pack { .. } = head.kind { 0 } else { head.extra_len };
        let kind = head.kind.encoded(Encoding::Plain);
        Ok((FrameHead { kind, extra_len, payload_len: content_len, ..*head }, content))
    }

    fn add(&self, content_len: usize, payload_len: usize) {
        self.contents.add(content_len);
        self.saved.add(content_len.saturating_sub(payload_len));
    }

    /// Returns the bytes that were not counted yet.
    pub(super) fn count(&self) -> CompressedBytes {
        CompressedBytes {
            contents: self.contents.count(),
            saved: self.saved.count(),
            copied: self.copied.count(),
        }
    }
}
