//! Data frames of lanes: a fixed head, a describing part, then the payload. Written by hand, as they are the hot path.
//!
//! ```text
//! 0    1     2          4           8   12            16    24     32     64
//! kind flags extra_len  payload_len job file/entries  frame offset digest | extra | payload
//! u8   u8    u16        u32         u32 u32           u64   u64    32 B   | (all integers little-endian)
//! ```
//!
//! Every frame describes itself, so lanes need no order among themselves, and a frame that was lost with its lane is
//! simply sent again over another. `frame` numbers the job's frames from 0; sending again keeps the number.

use crate::checksum::Digest;
use crate::failure::{Failure, FailureCode};
use crate::limits::{CHUNK_LEN, HOLE_LEN_MAX, PACK_ENTRIES_MAX, PACK_LEN_MAX, PATH_LEN_MAX};
use crate::metadata::{Kind, MODE_BITS, SourceId, Timestamp};
use crate::path::{PathError, RemotePath};
use std::fmt;

/// Length of a frame's fixed head.
pub const HEAD_LEN: usize = 64;
/// Length of an announcement without its path.
pub const ANNOUNCEMENT_LEN: usize = 40;
/// Longest describing part of a frame: an announcement with the longest path.
pub const EXTRA_LEN_MAX: usize = ANNOUNCEMENT_LEN + PATH_LEN_MAX;
/// Length of a pack entry without path and content.
pub const ENTRY_HEAD_LEN: usize = 56;

/// Flag of blocks and holes: the file ends with it.
const LAST: u8 = 1 << 0;
/// Flag of seals: the sender gives the file up.
const GIVEN_UP: u8 = 1 << 1;
/// Flag of seals: the file comes once more from its beginning.
const AGAIN: u8 = 1 << 2;
/// Flag of seals and of files in packs: the file changed while it was read, and this is what was read.
const AS_IS: u8 = 1 << 3;

fn last_flag(last: bool) -> u8 {
    if last { LAST } else { 0 }
}

/// Why bytes are no frame. Whoever sent them is at fault, and the session ends: over another lane they would be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No frame or entry has this kind.
    #[error("unknown kind {0} of a lane frame or pack entry")]
    UnknownKind(u8),
    /// Flags that this kind of frame or entry cannot have, each a bit.
    #[error("unknown flags of a {of}: {}", FlagNames(*flags))]
    UnknownFlags {
        /// The kind.
        of: &'static str,
        /// The flags that it cannot have.
        flags: u8,
    },
    /// A length that this kind of frame cannot have.
    #[error("a lane frame lies about its length")]
    Length,
    /// A block that is not on a chunk's border or has not a chunk's length.
    #[error("a block is not a chunk of its file")]
    NotAChunk,
    /// A path that is none.
    #[error("bad path in a lane frame: {0}")]
    Path(#[from] PathError),
    /// Bits of metadata that mean nothing.
    #[error("metadata out of range in a lane frame")]
    Metadata,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A chunk of a large file.
    Block {
        /// The job's number of the file.
        file: u32,
        /// Where the chunk begins.
        offset: u64,
        /// The file ends with this chunk.
        last: bool,
        /// The chunk's digest.
        digest: Digest,
    },
    /// Chunks of a large file that are all zeros.
    Hole {
        /// The job's number of the file.
        file: u32,
        /// Where the first of them begins.
        offset: u64,
        /// Their length together.
        len: u64,
        /// The file ends with the last of them.
        last: bool,
    },
    /// Small files, folders and links, whole.
    Pack {
        /// How many.
        entries: u32,
    },
    /// The end of a large file.
    Seal {
        /// The job's number of the file.
        file: u32,
        /// Its length.
        size: u64,
        /// Its root digest; all zero if the sender did not read it to its end.
        root: Digest,
        /// How it ends.
        end: SealEnd,
    },
}

/// How a large file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealEnd {
    /// All of it was read.
    Whole,
    /// The sender gave it up; the payload says why.
    GivenUp,
    /// It comes once more from its beginning, under another number.
    Again,
    /// All of it was read, and it changed meanwhile: it is what was read.
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

/// The flags, if they are none but those that may be there.
fn only(flags: u8, allowed: u8, of: &'static str) -> Result<u8, FrameError> {
    match flags & !allowed {
        0 => Ok(flags),
        flags => Err(FrameError::UnknownFlags { of, flags }),
    }
}

/// Flags as a person reads them.
struct FlagNames(u8);

impl fmt::Display for FlagNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for bit in (0..u8::BITS).filter(|bit| self.0 & (1 << bit) != 0) {
            f.write_str(separator)?;
            match 1 << bit {
                LAST => f.write_str("last")?,
                GIVEN_UP => f.write_str("given up")?,
                AGAIN => f.write_str("again")?,
                AS_IS => f.write_str("as it is")?,
                _ => write!(f, "bit {bit}")?,
            }
            separator = ", ";
        }
        Ok(())
    }
}

/// The fixed head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// The job.
    pub job: u32,
    /// The frame's number within the job.
    pub frame: u64,
    /// Length of the describing part.
    pub extra_len: u16,
    /// Length of the payload.
    pub payload_len: u32,
    /// What it carries.
    pub kind: FrameKind,
}

impl FrameHead {
    /// Writes the head.
    #[must_use]
    pub fn encode(&self) -> [u8; HEAD_LEN] {
        let (kind, flags, number, offset, digest) = match self.kind {
            FrameKind::Block { file, offset, last, digest } => (BLOCK, last_flag(last), file, offset, digest),
            FrameKind::Hole { file, offset, len, last } => {
                let mut digest = Digest::default();
                digest.0[..8].copy_from_slice(&len.to_le_bytes());
                (HOLE, last_flag(last), file, offset, digest)
            }
            FrameKind::Pack { entries } => (PACK, 0, entries, 0, Digest::default()),
            FrameKind::Seal { file, size, root, end } => (SEAL, end.flags(), file, size, root),
        };
        let mut bytes = [0; HEAD_LEN];
        bytes[0] = kind;
        bytes[1] = flags;
        bytes[2..4].copy_from_slice(&self.extra_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.job.to_le_bytes());
        bytes[12..16].copy_from_slice(&number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.frame.to_le_bytes());
        bytes[24..32].copy_from_slice(&offset.to_le_bytes());
        bytes[32..64].copy_from_slice(&digest.0);
        bytes
    }

    /// Reads a head and checks every length in it against what its kind can have.
    ///
    /// # Errors
    /// If no sender that follows the protocol writes such a head.
    pub fn decode(bytes: &[u8; HEAD_LEN]) -> Result<Self, FrameError> {
        let last = |of| only(bytes[1], LAST, of).map(|flags| flags == LAST);
        let number = u32_at(bytes, 12);
        let offset = u64_at(bytes, 24);
        let mut digest = Digest::default();
        digest.0.copy_from_slice(&bytes[32..64]);
        let kind = match bytes[0] {
            BLOCK => FrameKind::Block { file: number, offset, last: last("block")?, digest },
            HOLE if digest.0[8..] != [0; 24] => return Err(FrameError::Length),
            HOLE => FrameKind::Hole { file: number, offset, len: u64_at(bytes, 32), last: last("hole")? },
            PACK if offset != 0 || digest != Digest::default() => return Err(FrameError::Length),
            PACK => only(bytes[1], 0, "pack").map(|_| FrameKind::Pack { entries: number })?,
            SEAL => {
                let end = SealEnd::of_flags(bytes[1])?;
                let has_root = matches!(end, SealEnd::Whole | SealEnd::AsIs);
                if !has_root && digest != Digest::default() {
                    return Err(FrameError::Length);
                }
                FrameKind::Seal { file: number, size: offset, root: digest, end }
            }
            other => return Err(FrameError::UnknownKind(other)),
        };
        let head = Self {
            job: u32_at(bytes, 8),
            frame: u64_at(bytes, 16),
            extra_len: u16::from_le_bytes([bytes[2], bytes[3]]),
            payload_len: u32_at(bytes, 4),
            kind,
        };
        head.check()?;
        Ok(head)
    }

    fn check(&self) -> Result<(), FrameError> {
        let announced = (ANNOUNCEMENT_LEN..=EXTRA_LEN_MAX).contains(&usize::from(self.extra_len));
        let payload = self.payload_len as usize;
        let fits = match self.kind {
            FrameKind::Block { .. } => announced && payload <= CHUNK_LEN,
            FrameKind::Hole { len, .. } => announced && payload == 0 && (1..=HOLE_LEN_MAX).contains(&len),
            FrameKind::Pack { entries } => {
                let entries = entries as usize;
                self.extra_len == 0
                    && (1..=PACK_ENTRIES_MAX).contains(&entries)
                    && (entries * ENTRY_HEAD_LEN..=PACK_LEN_MAX).contains(&payload)
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
            FrameKind::Block { offset, last, .. } => check_chunk(offset, payload, last),
            FrameKind::Hole { offset, len, last, .. } => check_hole(offset, len, last),
            FrameKind::Pack { .. } | FrameKind::Seal { .. } => Ok(()),
        }
    }
}

fn check_chunk(offset: u64, len: usize, last: bool) -> Result<(), FrameError> {
    let on_border = offset.is_multiple_of(CHUNK_LEN as u64) && offset.checked_add(CHUNK_LEN as u64).is_some();
    match on_border && (len == CHUNK_LEN || (last && (len > 0 || offset == 0))) {
        true => Ok(()),
        false => Err(FrameError::NotAChunk),
    }
}

fn check_hole(offset: u64, len: u64, last: bool) -> Result<(), FrameError> {
    let chunk = CHUNK_LEN as u64;
    let end = offset.checked_add(len.div_ceil(chunk) * chunk);
    match offset.is_multiple_of(chunk) && end.is_some() && (last || len.is_multiple_of(chunk)) {
        true => Ok(()),
        false => Err(FrameError::NotAChunk),
    }
}

/// What the blocks and the seal of a large file say of it, each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Where the file goes, below the job's path.
    pub path: RemotePath,
    /// Its length, unless it is read from a stream that has not ended.
    pub size: Option<u64>,
    /// Its modification time; nothing if it has none, as a stream.
    pub modified: Option<Timestamp>,
    /// Its permission bits.
    pub mode: u32,
    /// Which state of it is sent; zero in a seal of a file that could not be opened, and of a stream.
    pub source: SourceId,
}

impl Announcement {
    /// True if both are of one file of a job.
    #[must_use]
    pub fn is_of_same_file(&self, other: &Self) -> bool {
        let what = |it: &Self| (it.size, it.modified, it.mode);
        what(self) == what(other) && self.path == other.path
    }

    /// Appends the announcement to `bytes`.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.size.unwrap_or(u64::MAX).to_le_bytes());
        encode_time(self.modified, bytes);
        bytes.extend_from_slice(&self.mode.to_le_bytes());
        bytes.extend_from_slice(&self.source.0);
        bytes.extend_from_slice(self.path.as_bytes());
    }

    /// Reads an announcement that is all of `bytes`.
    ///
    /// # Errors
    /// If it is too short, or its metadata or path is out of range.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let (fixed, path) = bytes.split_at_checked(ANNOUNCEMENT_LEN).ok_or(FrameError::Length)?;
        let mut source = SourceId::default();
        source.0.copy_from_slice(&fixed[24..40]);
        Ok(Self {
            path: RemotePath::from_wire(path)?,
            size: Some(u64_at(fixed, 0)).filter(|size| *size != u64::MAX),
            modified: decode_time(u64_at(fixed, 8), u32_at(fixed, 16))?,
            mode: decode_mode(u32_at(fixed, 20))?,
            source,
        })
    }
}

/// The fixed part of a pack's entry. Path and content follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead {
    /// What the entry is.
    pub kind: EntryKind,
    /// Length of its path.
    pub path_len: u16,
    /// Length of its content: a file's bytes, a link's target, or the reason of a loss.
    pub content_len: u32,
    /// Modification time.
    pub modified: Option<Timestamp>,
    /// Permission bits.
    pub mode: u32,
    /// Root digest of the content.
    pub digest: Digest,
    /// A file that changed while it was read: it is what was read.
    pub as_is: bool,
}

/// What an entry of a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, whole.
    File,
    /// A folder whose items all have smaller frame numbers, or stand before it in this frame. It is made if it is missing,
    /// and its metadata is set once all of those are done.
    Folder,
    /// A symbolic link.
    Symlink,
    /// Something that the sender could not read; content: see [`encode_loss`].
    Lost,
}

impl EntryHead {
    /// Writes the head.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_HEAD_LEN] {
        let mut time = Vec::with_capacity(12);
        encode_time(self.modified, &mut time);
        let mut bytes = [0; ENTRY_HEAD_LEN];
        bytes[0] = match self.kind {
            EntryKind::File => 1,
            EntryKind::Folder => 2,
            EntryKind::Symlink => 3,
            EntryKind::Lost => 4,
        };
        bytes[1] = if self.as_is { AS_IS } else { 0 };
        bytes[2..4].copy_from_slice(&self.path_len.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.content_len.to_le_bytes());
        bytes[8..20].copy_from_slice(&time);
        bytes[20..24].copy_from_slice(&self.mode.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.digest.0);
        bytes
    }

    /// Reads a head.
    ///
    /// # Errors
    /// If no sender that follows the protocol writes such a head.
    pub fn decode(bytes: &[u8; ENTRY_HEAD_LEN]) -> Result<Self, FrameError> {
        let kind = match bytes[0] {
            1 => EntryKind::File,
            2 => EntryKind::Folder,
            3 => EntryKind::Symlink,
            4 => EntryKind::Lost,
            other => return Err(FrameError::UnknownKind(other)),
        };
        let allowed = if kind == EntryKind::File { AS_IS } else { 0 };
        let as_is = only(bytes[1], allowed, "pack's entry")? == AS_IS;
        let mut digest = Digest::default();
        digest.0.copy_from_slice(&bytes[24..56]);
        let head = Self {
            kind,
            path_len: u16::from_le_bytes([bytes[2], bytes[3]]),
            content_len: u32_at(bytes, 4),
            modified: decode_time(u64_at(bytes, 8), u32_at(bytes, 16))?,
            mode: decode_mode(u32_at(bytes, 20))?,
            digest,
            as_is,
        };
        let content = head.content_len as usize;
        let fits = match kind {
            EntryKind::File => content <= PACK_LEN_MAX,
            EntryKind::Folder => content == 0,
            EntryKind::Symlink => (1..=PATH_LEN_MAX).contains(&content),
            EntryKind::Lost => (2..=LOST_LEN_MAX).contains(&content),
        };
        match fits && usize::from(head.path_len) <= PATH_LEN_MAX {
            true => Ok(head),
            false => Err(FrameError::Length),
        }
    }
}

/// Writes why something could not be read: the failure's code, then its message.
#[must_use]
pub fn encode_loss(failure: &Failure) -> Vec<u8> {
    let failure = Failure::new(failure.code, failure.message.clone());
    [&u16::from(failure.code).to_le_bytes()[..], failure.message.as_bytes()].concat()
}

/// Reads what [`encode_loss`] wrote.
///
/// # Errors
/// If it is too short.
pub fn decode_loss(bytes: &[u8]) -> Result<Failure, FrameError> {
    let (code, message) = bytes.split_first_chunk::<2>().ok_or(FrameError::Length)?;
    let code = FailureCode::from(u16::from_le_bytes(*code));
    Ok(Failure::new(code, String::from_utf8_lossy(message)))
}

fn encode_time(time: Option<Timestamp>, bytes: &mut Vec<u8>) {
    let time = time.unwrap_or(Timestamp { seconds: 0, nanos: u32::MAX });
    bytes.extend_from_slice(&time.seconds.to_le_bytes());
    bytes.extend_from_slice(&time.nanos.to_le_bytes());
}

fn decode_time(seconds: u64, nanos: u32) -> Result<Option<Timestamp>, FrameError> {
    match nanos {
        u32::MAX => Ok(None),
        0..1_000_000_000 => Ok(Some(Timestamp { seconds: seconds.cast_signed(), nanos })),
        _ => Err(FrameError::Metadata),
    }
}

fn decode_mode(mode: u32) -> Result<u32, FrameError> {
    match mode & !MODE_BITS {
        0 => Ok(mode),
        _ => Err(FrameError::Metadata),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl From<Kind> for Option<EntryKind> {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Some(EntryKind::File),
            Kind::Folder => Some(EntryKind::Folder),
            Kind::Symlink => Some(EntryKind::Symlink),
            Kind::Special => None,
        }
    }
}

const BLOCK: u8 = 1;
const PACK: u8 = 2;
const SEAL: u8 = 3;
const HOLE: u8 = 4;
/// A failure's code and message.
const LOST_LEN_MAX: usize = 2 + crate::limits::FAILURE_MESSAGE_LEN_MAX;

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "limits fit their fields")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(offset: u64, len: u32, last: bool) -> FrameHead {
        let kind = FrameKind::Block { file: 1, offset, last, digest: Digest([7; 32]) };
        FrameHead { job: 2, frame: 3, extra_len: 46, payload_len: len, kind }
    }

    #[test]
    fn blocks_are_chunks() {
        let chunk = CHUNK_LEN as u64;
        for (head, fits) in [
            (block(0, 524_288, false), true),
            (block(chunk, 5, true), true),
            (block(chunk, 5, false), false),
            (block(5, 524_288, false), false),
            (block(0, 0, true), true),
            (block(chunk, 0, true), false),
            (block(u64::MAX - chunk + 1, 524_288, true), false),
            (block(0, 524_289, true), false),
        ] {
            assert_eq!(FrameHead::decode(&head.encode()).is_ok(), fits, "{head:?}");
        }
    }

    #[test]
    fn entries_of_a_pack_have_lengths_that_fit_their_kind() {
        let lost = LOST_LEN_MAX as u32;
        for (kind, content_len, path_len, as_is, fits) in [
            (EntryKind::File, PACK_LEN_MAX as u32, 1, false, true),
            (EntryKind::File, PACK_LEN_MAX as u32 + 1, 1, false, false),
            (EntryKind::File, 0, PATH_LEN_MAX as u16, true, true),
            (EntryKind::File, 0, PATH_LEN_MAX as u16 + 1, false, false),
            (EntryKind::Folder, 0, 0, false, true),
            (EntryKind::Folder, 1, 0, false, false),
            (EntryKind::Folder, 0, 0, true, false),
            (EntryKind::Symlink, 1, 1, false, true),
            (EntryKind::Symlink, 0, 1, false, false),
            (EntryKind::Symlink, PATH_LEN_MAX as u32, 1, false, true),
            (EntryKind::Symlink, PATH_LEN_MAX as u32 + 1, 1, false, false),
            (EntryKind::Lost, 1, 1, false, false),
            (EntryKind::Lost, 2, 1, false, true),
            (EntryKind::Lost, lost, 1, false, true),
            (EntryKind::Lost, lost + 1, 1, false, false),
        ] {
            let digest = Digest([3; 32]);
            let head = EntryHead { kind, path_len, content_len, modified: None, mode: 0, digest, as_is };
            assert_eq!(EntryHead::decode(&head.encode()).ok(), fits.then_some(head), "{head:?}");
        }
    }

    #[test]
    fn a_pack_of_nothing_or_too_much_is_refused() {
        for (entries, payload_len) in [(0, 0), (2, 56), (1, 524_289), (1025, 524_288), (u32::MAX, 524_288)] {
            let head =
                FrameHead { job: 1, frame: 0, extra_len: 0, payload_len, kind: FrameKind::Pack { entries } };
            assert_eq!(FrameHead::decode(&head.encode()), Err(FrameError::Length));
        }
    }

    /// Otherwise a receiver would have to read an announcement that is not there.
    #[test]
    fn a_frame_of_a_large_file_has_an_announcement_and_a_pack_has_none() {
        let digest = Digest::default();
        let seal = |end| FrameKind::Seal { file: 1, size: 0, root: digest, end };
        for (kind, payload_len) in [
            (seal(SealEnd::Whole), 0),
            (seal(SealEnd::AsIs), 0),
            (seal(SealEnd::Again), 0),
            (seal(SealEnd::GivenUp), 2),
            (FrameKind::Block { file: 1, offset: 0, last: true, digest }, 5),
            (FrameKind::Hole { file: 1, offset: 0, len: CHUNK_LEN as u64, last: true }, 0),
        ] {
            for (extra_len, fits) in [
                (0, false),
                (ANNOUNCEMENT_LEN - 1, false),
                (ANNOUNCEMENT_LEN, true),
                (EXTRA_LEN_MAX, true),
                (EXTRA_LEN_MAX + 1, false),
            ] {
                let extra_len = u16::try_from(extra_len).unwrap();
                let head = FrameHead { job: 1, frame: 0, extra_len, payload_len, kind };
                assert_eq!(FrameHead::decode(&head.encode()).is_ok(), fits, "{head:?}");
            }
        }
        let kind = FrameKind::Pack { entries: 1 };
        for (extra_len, fits) in [(0, true), (1, false)] {
            let head = FrameHead { job: 1, frame: 0, extra_len, payload_len: 57, kind };
            assert_eq!(FrameHead::decode(&head.encode()).is_ok(), fits, "{head:?}");
        }
    }

    #[test]
    fn only_a_file_that_was_given_up_has_a_reason() {
        let seal = |end, payload_len| {
            let kind = FrameKind::Seal { file: 1, size: 0, root: Digest::default(), end };
            let head = FrameHead { job: 1, frame: 0, extra_len: 46, payload_len, kind };
            FrameHead::decode(&head.encode()).is_ok()
        };
        for end in [SealEnd::Whole, SealEnd::AsIs, SealEnd::Again] {
            assert!(seal(end, 0) && !seal(end, 1) && !seal(end, 2), "{end:?}");
        }
        let longest = u32::try_from(LOST_LEN_MAX).unwrap();
        assert!(seal(SealEnd::GivenUp, 2) && seal(SealEnd::GivenUp, longest));
        assert!(!seal(SealEnd::GivenUp, 1) && !seal(SealEnd::GivenUp, longest + 1));
    }

    proptest! {
        #[test]
        fn heads_that_are_accepted_are_written_the_same(bytes in any::<[u8; 64]>(), kind in 1_u8..5, flags in 0_u8..16) {
            let mut bytes = bytes;
            (bytes[0], bytes[1]) = (kind, flags);
            if kind == 2 {
                bytes[24..].fill(0);
            }
            if kind == 4 {
                bytes[37..].fill(0);
            }
            if let Ok(head) = FrameHead::decode(&bytes) {
                prop_assert_eq!(FrameHead::decode(&head.encode()), Ok(head));
            }
        }

        #[test]
        fn entries_that_are_accepted_are_written_the_same(seed in any::<[u8; 56]>(), kind in 1_u8..5) {
            let mut bytes = seed;
            (bytes[0], bytes[1]) = (kind, 0);
            bytes[6..8].fill(0);
            bytes[18..24].fill(0);
            bytes[3] &= 15;
            if let Ok(head) = EntryHead::decode(&bytes) {
                prop_assert_eq!(head.encode(), bytes);
            }
        }

        #[test]
        fn announcements_survive(size in any::<Option<u32>>(), seconds in any::<i64>(), mode in 0_u32..0o10000) {
            let modified = Some(Timestamp { seconds, nanos: 999_999_999 });
            let path = RemotePath::from_user(b"a/\xff").unwrap();
            let source = SourceId([mode.to_le_bytes()[0]; 16]);
            let announcement = Announcement { path, size: size.map(u64::from), modified, mode, source };
            let mut bytes = Vec::new();
            announcement.encode(&mut bytes);
            prop_assert_eq!(Announcement::decode(&bytes), Ok(announcement));
        }
    }
}
