//! The fixed head of a frame: its kind, its lengths, and whether they are consistent.

use super::entry::LOST_LEN_MAX;
use super::fields::{only, u32_at, u64_at};
use super::{
    AGAIN, ANNOUNCEMENT_LEN, AS_IS, BLOCK_EXTRA_LEN, COMPRESSED, ENTRY_HEAD_LEN, EXTRA_LEN_MAX, Encoding,
    FrameError, GIVEN_UP, HEAD_LEN, LAST, PACK_EXTRA_LEN, RECIPE,
};
use crate::checksum::Digest;
use crate::ids::{FileNo, FrameNo, JobId};
use crate::limits::{CHUNK_LEN, HOLE_LEN_MAX, PACK_ENTRIES_MAX, PACK_LEN_MAX, PATH_LEN_MAX};

/// The kinds of frames, each with its fields of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A chunk of a large file. Its length is in the [describing part](super::BlockExtra).
    Block {
        /// The job's number of the file.
        file: FileNo,
        /// Offset of the chunk.
        offset: u64,
        /// The file ends with this chunk.
        last: bool,
        /// The chunk's digest.
        digest: Digest,
        /// How the payload encodes the chunk.
        encoding: Encoding,
    },
    /// Chunks of a large file that are all zeros.
    Hole {
        /// The job's number of the file.
        file: FileNo,
        /// Offset of the first chunk.
        offset: u64,
        /// Their total length.
        len: u64,
        /// The file ends with the last of them.
        last: bool,
    },
    /// Small files, folders and links, whole.
    Pack {
        /// Number of entries.
        entries: u32,
        /// How the payload encodes the entries.
        encoding: Encoding,
    },
    /// The end of a large file.
    Seal {
        /// The job's number of the file.
        file: FileNo,
        /// Its length.
        size: u64,
        /// Its root digest; all zero if the sender did not read it to its end.
        root: Digest,
        /// The kind of its end.
        end: SealEnd,
    },
}

/// The end of a large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealEnd {
    /// It was read completely.
    Whole,
    /// The sender gave it up; the payload is the reason.
    GivenUp,
    /// It is sent again from its beginning, under another number.
    Again,
    /// It was read completely but changed meanwhile, and is sent as read.
    AsIs,
}

impl SealEnd {
    fn of_flags(flags: u8) -> Result<Self, FrameError> {
        match only(flags, GIVEN_UP | AGAIN | AS_IS, "seal")? {
            0 => Ok(Self::Whole),
            GIVEN_UP => Ok(Self::GivenUp),
            AGAIN => Ok(Self::Again),
            AS_IS => Ok(Self::AsIs),
            several => Err(FrameError::UnknownFlags { of: "seal with one end", flags: several }),
        }
    }

    fn flags(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::GivenUp => GIVEN_UP,
            Self::Again => AGAIN,
            Self::AsIs => AS_IS,
        }
    }
}

/// The fixed head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The job.
    pub job: JobId,
    /// The frame's number within the job.
    pub frame: FrameNo,
    /// Length of the describing part.
    pub extra_len: u16,
    /// Length of the payload, as sent over the lane.
    pub payload_len: u32,
    /// Its kind, with the kind's own fields.
    pub kind: FrameKind,
}

impl FrameHead {
    /// Encodes the head.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD_LEN] {
        let (kind, flags, number, offset, digest) = match self.kind {
            FrameKind::Block { file, offset, last, digest, encoding } => {
                (BLOCK, last_flag(last) | encoding.flag(), file.0, offset, digest)
            }
            FrameKind::Hole { file, offset, len, last } => {
                let mut digest = Digest::default();
                digest.0[..8].copy_from_slice(&len.to_le_bytes());
                (HOLE, last_flag(last), file.0, offset, digest)
            }
            FrameKind::Pack { entries, encoding } => (PACK, encoding.flag(), entries, 0, Digest::default()),
            FrameKind::Seal { file, size, root, end } => (SEAL, end.flags(), file.0, size, root),
        };
        let mut bytes = [0; HEAD_LEN];
        bytes[0] = kind;
        bytes[1] = flags;
        bytes[2..4].copy_from_slice(&self.extra_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.job.0.to_le_bytes());
        bytes[12..16].copy_from_slice(&number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.frame.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&offset.to_le_bytes());
        bytes[32..64].copy_from_slice(&digest.0);
        bytes
    }

    /// Decodes a head and checks every length in it against the bounds of its kind.
    ///
    /// # Errors
    /// If no sender that follows the protocol encodes such a head.
    pub fn decode(bytes: &[u8; HEAD_LEN]) -> Result<Self, FrameError> {
        let number = u32_at(bytes, 12);
        let offset = u64_at(bytes, 24);
        let mut digest = Digest::default();
        digest.0.copy_from_slice(&bytes[32..64]);
        let kind = match bytes[0] {
            BLOCK => {
                let flags = only(bytes[1], LAST | COMPRESSED | RECIPE, "block")?;
                let (last, encoding) = (flags & LAST != 0, Encoding::of_flags(flags)?);
                FrameKind::Block { file: FileNo(number), offset, last, digest, encoding }
            }
            HOLE if digest.0[8..] != [0; 24] => return Err(FrameError::Length),
            HOLE => {
                let last = only(bytes[1], LAST, "hole")? == LAST;
                FrameKind::Hole { file: FileNo(number), offset, len: u64_at(bytes, 32), last }
            }
            PACK if offset != 0 || digest != Digest::default() => return Err(FrameError::Length),
            PACK => {
                let encoding = Encoding::of_flags(only(bytes[1], COMPRESSED, "pack")?)?;
                FrameKind::Pack { entries: number, encoding }
            }
            SEAL => {
                let end = SealEnd::of_flags(bytes[1])?;
                let has_root = matches!(end, SealEnd::Whole | SealEnd::AsIs);
                if !has_root && digest != Digest::default() {
                    return Err(FrameError::Length);
                }
                FrameKind::Seal { file: FileNo(number), size: offset, root: digest, end }
            }
            other => return Err(FrameError::UnknownKind(other)),
        };
        let head = Self {
            job: JobId(u32_at(bytes, 8)),
            frame: FrameNo(u64_at(bytes, 16)),
            extra_len: u16::from_le_bytes([bytes[2], bytes[3]]),
            payload_len: u32_at(bytes, 4),
            kind,
        };
        head.check()?;
        Ok(head)
    }

    fn check(&self) -> Result<(), FrameError> {
        let extra = usize::from(self.extra_len);
        let announced = (ANNOUNCEMENT_LEN..=ANNOUNCEMENT_LEN + PATH_LEN_MAX).contains(&extra);
        let payload = self.payload_len as usize;
        let fits = match self.kind {
            FrameKind::Block { .. } => {
                (BLOCK_EXTRA_LEN..=EXTRA_LEN_MAX).contains(&extra) && payload <= CHUNK_LEN
            }
            FrameKind::Hole { len, .. } => announced && payload == 0 && (1..=HOLE_LEN_MAX).contains(&len),
            FrameKind::Pack { entries, encoding } => {
                let entries = entries as usize;
                let (extra_len, payload_len_min) = match encoding {
                    Encoding::Plain | Encoding::Recipe => (0, entries * ENTRY_HEAD_LEN),
                    Encoding::Zstd => (PACK_EXTRA_LEN, 1),
                };
                extra == extra_len
                    && (1..=PACK_ENTRIES_MAX).contains(&entries)
                    && (payload_len_min..=PACK_LEN_MAX).contains(&payload)
            }
            FrameKind::Seal { end: SealEnd::Whole | SealEnd::Again | SealEnd::AsIs, .. } => {
                announced && payload == 0
            }
            FrameKind::Seal { end: SealEnd::GivenUp, .. } => {
                announced && (2..=LOST_LEN_MAX).contains(&payload)
            }
        };
        if !fits {
            return Err(FrameError::Length);
        }
        match self.kind {
            FrameKind::Block { offset, .. } => check_border(offset),
            FrameKind::Hole { offset, len, last, .. } => check_hole(offset, len, last),
            FrameKind::Pack { .. } | FrameKind::Seal { .. } => Ok(()),
        }
    }
}

fn last_flag(last: bool) -> u8 {
    if last { LAST } else { 0 }
}

fn check_border(offset: u64) -> Result<(), FrameError> {
    let on_border = offset.is_multiple_of(CHUNK_LEN as u64) && offset.checked_add(CHUNK_LEN as u64).is_some();
    if on_border { Ok(()) } else { Err(FrameError::NotAChunk) }
}

fn check_hole(offset: u64, len: u64, last: bool) -> Result<(), FrameError> {
    let chunk = CHUNK_LEN as u64;
    let end = offset.checked_add(len.div_ceil(chunk) * chunk);
    if offset.is_multiple_of(chunk) && end.is_some() && (last || len.is_multiple_of(chunk)) {
        Ok(())
    } else {
        Err(FrameError::NotAChunk)
    }
}

const BLOCK: u8 = 1;
const PACK: u8 = 2;
const SEAL: u8 = 3;
const HOLE: u8 = 4;
