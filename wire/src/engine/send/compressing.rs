//! Compresses the payloads of frames that are built, where that pays.

use super::{Built, SendJob};
use crate::engine::{Exchange, lock};
use crate::frame::{Encoding, FrameKind, encode_pack_extra};
use crate::message::Compress;
use crate::transport::FrameBuffer;

impl SendJob {
    /// Compresses the payload of a block or pack in its place, if it should be tried and saves enough.
    pub(super) fn compressed(&self, built: Built, buffer: &mut FrameBuffer, exchange: &Exchange) -> Built {
        // New parts of a file whose other parts are copied are what such a transfer waits for.
        let is_new_part = self.compress == Compress::Auto && self.is_planned(built.kind);
        let level = exchange.compression.level(self.compress, exchange.round_trip());
        let Some(level) = level.or_else(|| exchange.compression.level_of_new_parts(is_new_part)) else {
            return built;
        };
        // Where it is to make a transfer faster, it does not wait for other sessions.
        let is_free =
            is_new_part || self.compress != Compress::Auto || exchange.buffers.codecs().is_encoder_free();
        if !is_free || !self.is_worth_compressing(built.kind) {
            return built;
        }
        let len = built.payload_len;
        let payload_len = exchange.compression.encode(exchange.buffers.codecs(), level, buffer, len);
        self.compressing_paid(built.kind, payload_len.is_some());
        let Some(payload_len) = payload_len else { return built };
        let extra = match built.kind {
            FrameKind::Pack { .. } => encode_pack_extra(u32::try_from(len).unwrap_or(u32::MAX)),
            FrameKind::Block { .. } | FrameKind::Hole { .. } | FrameKind::Seal { .. } => built.extra,
        };
        Built { kind: built.kind.encoded(Encoding::Zstd), extra, payload_len }
    }

    fn is_worth_compressing(&self, kind: FrameKind) -> bool {
        match kind {
            FrameKind::Block { file, .. } => {
                let open = lock(&self.files).get(&file).cloned();
                open.is_some_and(|open| lock(&open.backoff).is_due())
            }
            FrameKind::Pack { .. } => lock(&self.backoff).is_due(),
            FrameKind::Hole { .. } | FrameKind::Seal { .. } => false,
        }
    }

    fn compressing_paid(&self, kind: FrameKind, paid: bool) {
        match kind {
            FrameKind::Block { file, .. } => {
                let open = lock(&self.files).get(&file).cloned();
                if let Some(open) = open {
                    lock(&open.backoff).on_result(paid);
                }
            }
            FrameKind::Pack { .. } => lock(&self.backoff).on_result(paid),
            FrameKind::Hole { .. } | FrameKind::Seal { .. } => {}
        }
    }
}
