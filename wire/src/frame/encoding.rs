//! How a payload encodes its content: the chunk of a block, or the entries of a pack.

use super::fields::{plain, u32_at};
use super::{COMPRESSED, CompressedFault, ENTRY_HEAD_LEN, FrameError, FrameHead, FrameKind, RECIPE};
use crate::features::Features;
use crate::limits::{CHUNK_LEN, PACK_LEN_MAX};

/// The encoding of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// The payload is the content.
    #[default]
    Plain,
    /// The payload is the content as one zstd frame, and shorter than it.
    Zstd,
    /// The payload is a [recipe](crate::delta::recipe) of a chunk as one zstd frame, and shorter than the chunk.
    Recipe,
}

impl Encoding {
    pub(super) fn of_flags(flags: u8) -> Result<Self, FrameError> {
        match flags & (COMPRESSED | RECIPE) {
            0 => Ok(Self::Plain),
            COMPRESSED => Ok(Self::Zstd),
            RECIPE => Ok(Self::Recipe),
            several => Err(FrameError::UnknownFlags { of: "block with one encoding", flags: several }),
        }
    }

    pub(super) fn flag(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Zstd => COMPRESSED,
            Self::Recipe => RECIPE,
        }
    }

    /// Checks a content's length against its payload's.
    pub(super) fn check(
        self,
        content_len: u32,
        payload_len: u32,
        of: &'static str,
    ) -> Result<u32, FrameError> {
        match self {
            Self::Plain => plain(content_len, payload_len, of),
            Self::Zstd | Self::Recipe if payload_len < content_len => Ok(content_len),
            Self::Zstd | Self::Recipe => Err(FrameError::Compressed(CompressedFault::Length)),
        }
    }
}

impl FrameKind {
    /// Returns how the payload encodes the content.
    #[must_use]
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Block { encoding, .. } | Self::Pack { encoding, .. } => encoding,
            Self::Hole { .. } | Self::Seal { .. } => Encoding::Plain,
        }
    }

    /// Returns the same kind, with another encoding if it can have one.
    #[must_use]
    pub fn encoded(mut self, by: Encoding) -> Self {
        match &mut self {
            Self::Pack { .. } if by == Encoding::Recipe => {}
            Self::Block { encoding, .. } | Self::Pack { encoding, .. } => *encoding = by,
            Self::Hole { .. } | Self::Seal { .. } => {}
        }
        self
    }

    /// Checks that a session with these features may have it.
    ///
    /// # Errors
    /// If its encoding was not agreed on.
    pub fn check_agreed(self, features: Features) -> Result<(), FrameError> {
        match (self.encoding(), self) {
            (Encoding::Plain, _) => Ok(()),
            (Encoding::Zstd, _) if Features::COMPRESSION.are_all_in(features) => Ok(()),
            (Encoding::Recipe, _) if Features::DELTA.are_all_in(features) => Ok(()),
            (Encoding::Recipe, _) => Err(FrameError::DeltaNotAgreed),
            (Encoding::Zstd, Self::Block { .. }) => Err(FrameError::NotAgreed { of: "block" }),
            (Encoding::Zstd, Self::Pack { .. } | Self::Hole { .. } | Self::Seal { .. }) => {
                Err(FrameError::NotAgreed { of: "pack" })
            }
        }
    }
}

/// Returns the describing part of a compressed pack whose entries have `content_len` bytes.
#[must_use]
pub fn encode_pack_extra(content_len: u32) -> Vec<u8> {
    content_len.to_le_bytes().to_vec()
}

/// Returns the length of the content of a frame, whose describing part is `extra`.
///
/// # Errors
/// If the frame cannot have it.
pub fn content_len(head: &FrameHead, extra: &[u8]) -> Result<u32, FrameError> {
    let len = || extra.first_chunk::<4>().map(|bytes| u32_at(bytes, 0)).ok_or(FrameError::Length);
    match head.kind {
        FrameKind::Block { encoding, .. } => {
            let len = encoding.check(len()?, head.payload_len, "block")?;
            if len as usize <= CHUNK_LEN { Ok(len) } else { Err(FrameError::NotAChunk) }
        }
        FrameKind::Pack { encoding: Encoding::Zstd, entries } => {
            let len = Encoding::Zstd.check(len()?, head.payload_len, "pack")?;
            let bounds = entries as usize * ENTRY_HEAD_LEN..=PACK_LEN_MAX;
            if bounds.contains(&(len as usize)) { Ok(len) } else { Err(FrameError::Length) }
        }
        FrameKind::Pack { encoding: Encoding::Plain | Encoding::Recipe, .. }
        | FrameKind::Hole { .. }
        | FrameKind::Seal { .. } => Ok(head.payload_len),
    }
}
