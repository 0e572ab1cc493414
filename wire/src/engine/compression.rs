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
use crate::features::Features;
use crate::frame::{CompressedFault, Encoding, FrameError, FrameHead, FrameKind, content_len};
use crate::limits::CHUNK_LEN;
use crate::message::Compress;
use crate::transport::FrameBuffer;
use decision::Decision;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Compression of the frames of one session, in both directions.
#[derive(Default)]
pub(crate) struct FrameCompression {
    is_agreed: AtomicBool,
    decision: Mutex<Decision>,
    contents: Counter,
    saved: Counter,
}

/// The effect of compression on the bytes of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompressedBytes {
    /// Bytes of contents that went over lanes compressed, in both directions.
    pub contents: u64,
    /// By how many bytes their payloads were shorter.
    pub saved: u64,
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

impl FrameCompression {
    pub(super) fn agree(&self, features: Features) {
        self.is_agreed.store(Features::COMPRESSION.are_all_in(features), Ordering::Relaxed);
    }

    /// Returns the memory that a lane needs for the content of a frame beside the frame.
    pub(super) fn content_memory_len(&self) -> usize {
        if self.is_agreed.load(Ordering::Relaxed) { CHUNK_LEN } else { 0 }
    }

    /// Returns the level at which the next frame should be compressed, if it should.
    pub(super) fn level(&self, wish: Compress, round_trip: Duration) -> Option<i32> {
        match wish {
            _ if !self.is_agreed.load(Ordering::Relaxed) => None,
            Compress::Never => None,
            Compress::Level(level) => Some(level.into()),
            Compress::Auto => lock(&self.decision).level(round_trip),
        }
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

    /// Records a frame that a lane has sent.
    pub(super) fn on_sent(&self, frame: SentFrame) {
        if frame.content_len > 0 {
            lock(&self.decision).on_sent(frame, Instant::now());
        }
    }

    /// Checks that a frame may have its encoding.
    pub(super) fn check(&self, head: &FrameHead) -> Result<(), FrameError> {
        if self.is_agreed.load(Ordering::Relaxed) { Ok(()) } else { head.kind.check_plain() }
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
        CompressedBytes { contents: self.contents.count(), saved: self.saved.count() }
    }
}
