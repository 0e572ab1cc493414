//! Encodes and decodes lane frames with the crate's heads and announcements, with an example of each kind.

use crate::parts::{Parts, parts};
use wire::checksum::{Checksum, ChunkPlace, Digest};
use wire::delta::recipe::{self, Step};
use wire::frame::*;
use wire::ids::{FileNo, FrameNo, JobId};
use wire::limits::CHUNK_LEN;
use wire::metadata::{SourceId, Timestamp};
use wire::{Failure, FailureCode, RemotePath};

/// A whole frame of a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LaneFrame {
    pub(crate) head: FrameHead,
    pub(crate) extra: Extra,
    pub(crate) payload: Payload,
}

/// The describing part of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Extra {
    Block(BlockExtra),
    /// For a compressed pack: the length of its entries.
    Pack(u32),
    /// For a hole or seal.
    Announcement(Announcement),
    Nothing,
}

/// The part of a frame behind its describing part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    Chunk(Vec<u8>),
    /// The zstd frame of a block or pack.
    Compressed(Vec<u8>),
    Entries(Vec<PackEntry>),
    Nothing,
    Loss(Failure),
}

/// A whole entry of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackEntry {
    pub(crate) head: EntryHead,
    pub(crate) path: RemotePath,
    pub(crate) content: Vec<u8>,
}

impl LaneFrame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head.encode().to_vec();
        self.extra.encode(&mut bytes);
        match &self.payload {
            Payload::Chunk(bytes_of) | Payload::Compressed(bytes_of) => bytes.extend_from_slice(bytes_of),
            Payload::Entries(entries) => bytes.extend(entries.iter().flat_map(PackEntry::encode)),
            Payload::Nothing => {}
            Payload::Loss(failure) => bytes.extend(encode_loss(failure)),
        }
        bytes
    }

    /// Decodes a frame that is all of `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>().ok_or("no whole head")?;
        let head = FrameHead::decode(head).map_err(|error| error.to_string())?;
        let (extra, payload) =
            rest.split_at_checked(head.extra_len.into()).ok_or("no whole describing part")?;
        if payload.len() != head.payload_len as usize {
            return Err("another payload than was announced".into());
        }
        let extra = match head.kind {
            FrameKind::Pack { encoding: Encoding::Plain | Encoding::Recipe, .. } => Ok(Extra::Nothing),
            FrameKind::Pack { encoding: Encoding::Zstd, .. } => content_len(&head, extra).map(Extra::Pack),
            FrameKind::Block { .. } => BlockExtra::decode(&head, extra).map(Extra::Block),
            FrameKind::Hole { .. } | FrameKind::Seal { .. } => {
                Announcement::decode(extra).map(Extra::Announcement)
            }
        };
        let extra = extra.map_err(|error| error.to_string())?;
        let payload = match head.kind {
            FrameKind::Block { encoding: Encoding::Zstd | Encoding::Recipe, .. }
            | FrameKind::Pack { encoding: Encoding::Zstd, .. } => Payload::Compressed(payload.to_vec()),
            FrameKind::Block { .. } => Payload::Chunk(payload.to_vec()),
            FrameKind::Pack { entries, .. } => Payload::Entries(decode_entries(entries, payload)?),
            FrameKind::Hole { .. }
            | FrameKind::Seal { end: SealEnd::Whole | SealEnd::Again | SealEnd::AsIs, .. } => {
                Payload::Nothing
            }
            FrameKind::Seal { end: SealEnd::GivenUp, .. } => {
                Payload::Loss(decode_loss(payload).map_err(|error| error.to_string())?)
            }
        };
        Ok(Self { head, extra, payload })
    }
}

impl Extra {
    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Block(block) => block.encode(bytes),
            Self::Pack(content_len) => bytes.extend(encode_pack_extra(*content_len)),
            Self::Announcement(announcement) => announcement.encode(bytes),
            Self::Nothing => {}
        }
    }
}

impl PackEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.head.encode()[..], self.path.as_bytes(), &self.content].concat()
    }

    /// Decodes the entry at the front of `bytes`, and leaves the rest.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Result<Self, String> {
        let (head, rest) = bytes.split_first_chunk::<ENTRY_HEAD_LEN>().ok_or("no whole entry head")?;
        let head = EntryHead::decode(head).map_err(|error| error.to_string())?;
        let (path, rest) = rest.split_at_checked(head.path_len.into()).ok_or("no whole path")?;
        let path = RemotePath::from_wire(path).map_err(|error| error.to_string())?;
        let (content, rest) = rest.split_at_checked(head.payload_len as usize).ok_or("no whole payload")?;
        if head.kind == EntryKind::Lost {
            decode_loss(content).map_err(|error| error.to_string())?;
        }
        *bytes = rest;
        Ok(Self { head, path, content: content.to_vec() })
    }
}

fn decode_entries(count: u32, mut payload: &[u8]) -> Result<Vec<PackEntry>, String> {
    let entries = (0..count).map(|_| PackEntry::decode(&mut payload)).collect::<Result<_, _>>()?;
    if payload.is_empty() { Ok(entries) } else { Err("more payload than entries".into()) }
}

/// A frame, and its bytes by hand.
pub(crate) struct FrameExample {
    /// `frame-NAME`, also the name of its file.
    pub(crate) name: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) frame: LaneFrame,
    pub(crate) parts: Parts,
}

/// A pack entry, and its bytes by hand.
pub(crate) struct EntryExample {
    /// `entry-NAME`, also the name of its file.
    pub(crate) name: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) entry: PackEntry,
    pub(crate) parts: Parts,
}

/// All frames.
pub(crate) fn examples() -> Vec<FrameExample> {
    let plain = [block(), stream_block(), empty_block(), pack(), seal(), abandoned(), hole()];
    plain.into_iter().chain([compressed_block(), compressed_pack(), recipe_block()]).collect()
}

/// All pack entries.
pub(crate) fn entries() -> Vec<EntryExample> {
    vec![
        entry("entry-file", "a small file", EntryKind::File, "album/hello", b"hello\n"),
        entry("entry-symlink", "a symbolic link", EntryKind::Symlink, "album/link", b"hello"),
        entry("entry-folder", "the folder, after what is in it", EntryKind::Folder, "album", b""),
        entry(
            "entry-lost",
            "a file that could not be read",
            EntryKind::Lost,
            "secret",
            b"\x08\0not readable",
        ),
    ]
}

fn block() -> FrameExample {
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::Among { index: 1 }, [&b"\0"[..]]);
    let kind = FrameKind::Block {
        file: FileNo(7),
        offset: CHUNK_LEN as u64,
        last: true,
        digest,
        encoding: Default::default(),
    };
    FrameExample {
        name: "frame-block",
        comment: "the last chunk, one zero byte, of the file of the vector `vector-blake3`",
        frame: frame(9, kind, block_extra(1, zeros()), Payload::Chunk(vec![0])),
        parts: parts! {
            u8(1, "kind: block") u8(1, "flags: last") u16(53, "length of the describing part")
            u32(1, "length of the payload") u32(4, "job") u32(7, "file") u64(9, "frame") u64(524_288, "offset")
            raw(&digest.0, "digest of the chunk") u32(1, "length of the chunk") then(zeros_parts())
            raw(b"\0", "payload")
        },
    }
}

fn stream_block() -> FrameExample {
    let digest = Checksum::Sha256.of_chunk(ChunkPlace::Only, [&b"hello\n"[..]]);
    let kind =
        FrameKind::Block { file: FileNo(8), offset: 0, last: true, digest, encoding: Default::default() };
    FrameExample {
        name: "frame-block-stream",
        comment: "the only chunk of a stream; its path is the job's own",
        frame: frame(10, kind, block_extra(6, stream()), Payload::Chunk(b"hello\n".to_vec())),
        parts: parts! {
            u8(1, "kind: block") u8(1, "flags: last") u16(44, "length of the describing part")
            u32(6, "length of the payload") u32(4, "job") u32(8, "file") u64(10, "frame") u64(0, "offset")
            raw(&digest.0, "digest of the chunk") u32(6, "length of the chunk") then(stream_parts())
            raw(b"hello\n", "payload")
        },
    }
}

fn empty_block() -> FrameExample {
    let digest = Checksum::Sha256.of_chunk(ChunkPlace::Only, [&b""[..]]);
    let kind =
        FrameKind::Block { file: FileNo(9), offset: 0, last: true, digest, encoding: Default::default() };
    FrameExample {
        name: "frame-block-empty",
        comment: "the only chunk of a stream that held nothing",
        frame: frame(11, kind, block_extra(0, stream()), Payload::Chunk(vec![])),
        parts: parts! {
            u8(1, "kind: block") u8(1, "flags: last") u16(44, "length of the describing part")
            u32(0, "length of the payload") u32(4, "job") u32(9, "file") u64(11, "frame") u64(0, "offset")
            raw(&digest.0, "digest of the chunk: SHA-256 of nothing") u32(0, "length of the chunk")
            then(stream_parts())
        },
    }
}

fn pack() -> FrameExample {
    let kind = FrameKind::Pack { entries: 4, encoding: Default::default() };
    let whole: Vec<PackEntry> = entries().into_iter().map(|example| example.entry).collect();
    let payload = entries().into_iter().fold(Parts::default(), |parts, example| parts.then(example.parts));
    let payload_len = u32::try_from(payload.bytes().len()).unwrap();
    FrameExample {
        name: "frame-pack",
        comment: "the four entries below in one frame",
        frame: frame(12, kind, Extra::Nothing, Payload::Entries(whole)),
        parts: parts! {
            u8(2, "kind: pack") u8(0, "flags") u16(0, "no announcement")
            u32(payload_len, "length of the payload") u32(4, "job") u32(4, "entries") u64(12, "frame") u64(0, "unused")
            raw(&[0; 32], "unused") then(payload)
        },
    }
}

fn seal() -> FrameExample {
    let zeros_root = Digest(*blake3::hash(&vec![0; CHUNK_LEN + 1]).as_bytes());
    let kind = FrameKind::Seal {
        file: FileNo(7),
        size: CHUNK_LEN as u64 + 1,
        root: zeros_root,
        end: SealEnd::Whole,
    };
    FrameExample {
        name: "frame-seal",
        comment: "the seal of the file of `frame-block`",
        frame: frame(13, kind, Extra::Announcement(zeros()), Payload::Nothing),
        parts: parts! {
            u8(3, "kind: seal") u8(0, "flags") u16(49, "length of the announcement")
            u32(0, "length of the payload") u32(4, "job") u32(7, "file") u64(13, "frame") u64(524_289, "size")
            raw(&zeros_root.0, "root") then(zeros_parts())
        },
    }
}

fn abandoned() -> FrameExample {
    let kind = FrameKind::Seal { file: FileNo(7), size: 0, root: Digest::default(), end: SealEnd::GivenUp };
    let failure = Failure::from(FailureCode::SourceChanged);
    FrameExample {
        name: "frame-seal-abandoned",
        comment: "the other end that the same file could have: it changed while it was read",
        frame: frame(13, kind, Extra::Announcement(zeros()), Payload::Loss(failure)),
        parts: parts! {
            u8(3, "kind: seal") u8(2, "flags: given up") u16(49, "length of the announcement")
            u32(2, "length of the payload") u32(4, "job") u32(7, "file") u64(13, "frame") u64(0, "size")
            raw(&[0; 32], "root") then(zeros_parts()) u16(17, "loss: SourceChanged, no message")
        },
    }
}

fn hole() -> FrameExample {
    let kind = FrameKind::Hole { file: FileNo(7), offset: 0, len: CHUNK_LEN as u64, last: false };
    FrameExample {
        name: "frame-hole",
        comment: "the first chunk of the same file, as a hole",
        frame: frame(14, kind, Extra::Announcement(zeros()), Payload::Nothing),
        parts: parts! {
            u8(4, "kind: hole") u8(0, "flags") u16(49, "length of the announcement")
            u32(0, "length of the payload") u32(4, "job") u32(7, "file") u64(14, "frame") u64(0, "offset")
            u64(524_288, "length") raw(&[0; 24], "unused") then(zeros_parts())
        },
    }
}

/// The blocks of these zstd frames are made by hand, as any version of zstd reads them.
fn compressed_block() -> FrameExample {
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::Among { index: 0 }, [&[0; CHUNK_LEN][..]]);
    let (file, offset, last, encoding) = (FileNo(7), 0, false, Encoding::Zstd);
    let kind = FrameKind::Block { file, offset, last, digest, encoding };
    let zstd = parts! {
        raw(&[0x28, 0xb5, 0x2f, 0xfd], "zstd: magic") u8(0xa0, "one segment, no window, dictionary or checksum; length in 4 bytes")
        u32(524_288, "length of the content") raw(&[0x02, 0x00, 0x10, 0x00], "131,072 times 0")
        raw(&[0x02, 0x00, 0x10, 0x00], "131,072 times 0") raw(&[0x02, 0x00, 0x10, 0x00], "131,072 times 0")
        raw(&[0x03, 0x00, 0x10, 0x00], "131,072 times 0, the last block")
    };
    let content_len = u32::try_from(CHUNK_LEN).unwrap();
    FrameExample {
        name: "frame-block-compressed",
        comment: "the first chunk of the same file, compressed",
        frame: frame(15, kind, block_extra(content_len, zeros()), Payload::Compressed(zstd.bytes())),
        parts: parts! {
            u8(1, "kind: block") u8(16, "flags: compressed") u16(53, "length of the describing part")
            u32(25, "length of the payload") u32(4, "job") u32(7, "file") u64(15, "frame") u64(0, "offset")
            raw(&digest.0, "digest of the chunk") u32(524_288, "length of the chunk") then(zeros_parts()) then(zstd)
        },
    }
}

fn compressed_pack() -> FrameExample {
    let content = [b'a'; 100];
    let EntryExample { entry, .. } = entry("", "", EntryKind::File, "a/a", &content);
    let head = entry.head.encode();
    let kind = FrameKind::Pack { entries: 1, encoding: Encoding::Zstd };
    let zstd = parts! {
        raw(&[0x28, 0xb5, 0x2f, 0xfd], "zstd: magic") u8(0x20, "one segment, no window, dictionary or checksum; length in 1 byte")
        u8(163, "length of the content") raw(&[0xf8, 0x01, 0x00], "63 bytes as they are") raw(&head, "the entry's head")
        raw(b"a/a", "its path") raw(&[0x23, 0x03, 0x00], "100 times, the last block") raw(b"a", "its content")
    };
    FrameExample {
        name: "frame-pack-compressed",
        comment: "a file of 100 times `a` in a compressed pack",
        frame: frame(16, kind, Extra::Pack(163), Payload::Compressed(zstd.bytes())),
        parts: parts! {
            u8(2, "kind: pack") u8(16, "flags: compressed") u16(4, "length of the describing part")
            u32(76, "length of the payload") u32(4, "job") u32(1, "entries") u64(16, "frame") u64(0, "unused")
            raw(&[0; 32], "unused") u32(163, "length of the entries") then(zstd)
        },
    }
}

fn recipe_block() -> FrameExample {
    let digest = Checksum::Blake3.of_chunk(ChunkPlace::Among { index: 0 }, [&[0; CHUNK_LEN][..]]);
    let kind =
        FrameKind::Block { file: FileNo(7), offset: 0, last: false, digest, encoding: Encoding::Recipe };
    let steps = [Step::Copy { offset: 0, len: 524_284 }, Step::Literal { len: 4 }];
    assert_eq!(recipe::encode(&steps, 0).unwrap(), [5, 0, 0, 0, 0xf9, 0xff, 0x3f, 0, 8]);
    let zstd = parts! {
        raw(&[0x28, 0xb5, 0x2f, 0xfd], "zstd: magic") u8(0x20, "one segment, no window, dictionary or checksum; length in 1 byte")
        u8(13, "length of the recipe") raw(&[0x69, 0x00, 0x00], "13 bytes as they are, the last block")
        u32(5, "length of the steps") raw(&[0xf9, 0xff, 0x3f], "a copy of 524,284 bytes") u8(0, "from where the chunk lies")
        u8(8, "4 literal bytes") raw(&[0; 4], "the literal bytes")
    };
    let content_len = u32::try_from(CHUNK_LEN).unwrap();
    FrameExample {
        name: "frame-block-recipe",
        comment: "the first chunk of the same file: its last 4 bytes are new",
        frame: frame(17, kind, block_extra(content_len, zeros()), Payload::Compressed(zstd.bytes())),
        parts: parts! {
            u8(1, "kind: block") u8(32, "flags: recipe") u16(53, "length of the describing part")
            u32(22, "length of the payload") u32(4, "job") u32(7, "file") u64(17, "frame") u64(0, "offset")
            raw(&digest.0, "digest of the chunk") u32(524_288, "length of the chunk") then(zeros_parts()) then(zstd)
        },
    }
}

fn frame(number: u64, kind: FrameKind, extra: Extra, payload: Payload) -> LaneFrame {
    let mut extra_bytes = Vec::new();
    extra.encode(&mut extra_bytes);
    let extra_len = u16::try_from(extra_bytes.len()).unwrap();
    let head = FrameHead { job: JobId(4), frame: FrameNo(number), extra_len, payload_len: 0, kind };
    let mut frame = LaneFrame { head, extra, payload };
    frame.head.payload_len = u32::try_from(frame.encode().len() - HEAD_LEN - extra_bytes.len()).unwrap();
    frame
}

fn block_extra(content_len: u32, announcement: Announcement) -> Extra {
    Extra::Block(BlockExtra { content_len, announcement })
}

fn entry(
    name: &'static str,
    comment: &'static str,
    kind: EntryKind,
    path: &str,
    content: &[u8],
) -> EntryExample {
    let (number, modified, mode, digest) = match kind {
        EntryKind::File => (1, Some(TIME), 0o644, Checksum::Blake3.of_small_file([content])),
        EntryKind::Folder => (2, Some(TIME), 0o755, Digest::default()),
        EntryKind::Symlink => (3, Some(TIME), 0o777, Digest::default()),
        EntryKind::Lost => (4, None, 0, Digest::default()),
    };
    let (path_len, content_len) = (u16::try_from(path.len()).unwrap(), u32::try_from(content.len()).unwrap());
    let payload_len = content_len;
    let time = modified.unwrap_or(Timestamp { seconds: 0, nanos: u32::MAX });
    let head = EntryHead { kind, path_len, payload_len, content_len, modified, mode, digest, as_is: false };
    let path_label = format!("path: {path:?}");
    let parts = parts! {
        u8(number, &format!("kind: {kind:?}")) u8(0, "flags") u16(path_len, "length of the path")
        u32(payload_len, "length of the payload") u32(content_len, "length of the content")
        time(time.seconds, time.nanos, "modified")
        u32(mode, &format!("mode: 0o{mode:o}")) raw(&digest.0, "digest") raw(path.as_bytes(), &path_label)
        raw(content, "payload: the content")
    };
    let path = RemotePath::from_wire(path.as_bytes()).unwrap();
    EntryExample { name, comment, entry: PackEntry { head, path, content: content.to_vec() }, parts }
}

fn zeros() -> Announcement {
    let path = RemotePath::from_wire(b"disk.zero").unwrap();
    Announcement {
        path,
        size: Some(CHUNK_LEN as u64 + 1),
        modified: Some(TIME),
        mode: 0o600,
        source: SourceId([0xa5; 16]),
    }
}

fn zeros_parts() -> Parts {
    parts! {
        u64(524_289, "size") time(1_700_000_000, 123_456_789, "modified") u32(0o600, "mode: 0o600")
        raw(&[0xa5; 16], "source") raw(b"disk.zero", "path: \"disk.zero\"")
    }
}

fn stream() -> Announcement {
    Announcement {
        path: RemotePath::root(),
        size: None,
        modified: None,
        mode: 0o644,
        source: SourceId::default(),
    }
}

fn stream_parts() -> Parts {
    parts! { u64(u64::MAX, "size: not known") time(0, u32::MAX, "modified: none") u32(0o644, "mode: 0o644")
        raw(&[0; 16], "source: none; no path")
    }
}

const TIME: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 };
