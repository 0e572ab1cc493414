//! Hand-made frames for jobs of either direction, valid ones and others.

use wire::checksum::{Checksum, ChunkPlace, Digest};
use wire::frame::{
    Announcement, BlockExtra, Encoding, EntryHead, EntryKind, FrameHead, FrameKind, HEAD_LEN, SealEnd,
    encode_loss, encode_pack_extra,
};
use wire::ids::{FileNo, FrameNo, JobId};
use wire::limits::CHUNK_LEN;
use wire::{Failure, FailureCode, RemotePath};

/// Makes frames of one job.
#[derive(Clone, Copy)]
pub(crate) struct Frames {
    pub(crate) job: u32,
    pub(crate) checksum: Checksum,
}

/// An entry of a pack: its kind, its path, its content.
pub(crate) type PackEntry<'a> = (EntryKind, &'a [u8], &'a [u8]);

impl Frames {
    /// A block of file 0 at `path`, whose announcement has `size`.
    pub(crate) fn block(
        &self,
        frame: u64,
        path: &str,
        size: Option<u64>,
        offset: u64,
        last: bool,
        payload: &[u8],
    ) -> Vec<u8> {
        let digest = self.checksum.of_chunk(ChunkPlace::at(offset, last), [payload]);
        let kind = FrameKind::Block { file: FileNo(0), offset, last, digest, encoding: Default::default() };
        let mut extra = Vec::new();
        let content_len = u32::try_from(payload.len()).unwrap();
        BlockExtra { content_len, announcement: announcement(path, size) }.encode(&mut extra);
        self.framed(frame, kind, &extra, payload)
    }

    /// Makes a compressed frame of one with a payload that is its content: of a block or pack that this has made.
    pub(crate) fn compressed(plain: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut head = FrameHead::decode(plain.first_chunk().unwrap()).unwrap();
        let content_len = head.payload_len;
        let (extra_len, is_pack) = (usize::from(head.extra_len), matches!(head.kind, FrameKind::Pack { .. }));
        let extra =
            if is_pack { encode_pack_extra(content_len) } else { plain[HEAD_LEN..][..extra_len].to_vec() };
        head.kind = head.kind.encoded(Encoding::Zstd);
        (head.extra_len, head.payload_len) =
            (u16::try_from(extra.len()).unwrap(), u32::try_from(payload.len()).unwrap());
        [&head.encode()[..], &extra, payload].concat()
    }

    /// Makes a block with a recipe of one with its chunk.
    pub(crate) fn recipe(plain: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut head = FrameHead::decode(plain.first_chunk().unwrap()).unwrap();
        let extra = plain[HEAD_LEN..][..usize::from(head.extra_len)].to_vec();
        head.kind = head.kind.encoded(Encoding::Recipe);
        head.payload_len = u32::try_from(payload.len()).unwrap();
        [&head.encode()[..], &extra, payload].concat()
    }

    /// A zstd frame of a short content as it is.
    pub(crate) fn zstd_of(content: &[u8]) -> Vec<u8> {
        let len = u32::try_from(content.len()).unwrap();
        let block = len << 3 | 1;
        let head = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &len.to_le_bytes(), &block.to_le_bytes()[..3]];
        [&head.concat(), content].concat()
    }

    /// A zstd frame of `content` in blocks that repeat its first byte, and are right only if it has no other.
    pub(crate) fn zstd_of_repeated(content: &[u8]) -> Vec<u8> {
        let mut frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &(content.len() as u32).to_le_bytes()].concat();
        let blocks = content.chunks(128 * 1024);
        let last = blocks.len() - 1;
        for (number, block) in blocks.enumerate() {
            let header = (block.len() as u32) << 3 | 1 << 1 | u32::from(number == last);
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            frame.push(content[0]);
        }
        frame
    }

    /// A hole somewhere in a large file, in the frame with the file's number.
    pub(crate) fn hole(&self, file: u32, path: &str) -> Vec<u8> {
        let (offset, len) = (CHUNK_LEN as u64, CHUNK_LEN as u64);
        let kind = FrameKind::Hole { file: FileNo(file), offset, len, last: false };
        self.announced(file.into(), kind, &announcement(path, Some(1 << 40)))
    }

    /// The seal of file 0 at `path`.
    pub(crate) fn seal(&self, frame: u64, path: &str, size: u64, root: Digest) -> Vec<u8> {
        let kind = FrameKind::Seal { file: FileNo(0), size, root, end: SealEnd::Whole };
        self.announced(frame, kind, &announcement(path, Some(size)))
    }

    /// The seal that gives file `file` at `path` up; its root should be zero.
    pub(crate) fn given_up(&self, frame: u64, file: u32, path: &str, root: Digest) -> Vec<u8> {
        let mut extra = Vec::new();
        announcement(path, Some(CHUNK_LEN as u64)).encode(&mut extra);
        let loss = encode_loss(&Failure::from(FailureCode::SourceChanged));
        let kind = FrameKind::Seal { file: FileNo(file), size: 0, root, end: SealEnd::GivenUp };
        self.framed(frame, kind, &extra, &loss)
    }

    /// A pack with a correct head.
    pub(crate) fn pack(&self, frame: u64, entries: &[PackEntry<'_>]) -> Vec<u8> {
        self.pack_claiming(frame, u32::try_from(entries.len()).unwrap(), &self.payload(entries))
    }

    /// A pack whose head claims `entries` entries.
    pub(crate) fn pack_claiming(&self, frame: u64, entries: u32, payload: &[u8]) -> Vec<u8> {
        self.framed(frame, FrameKind::Pack { entries, encoding: Default::default() }, &[], payload)
    }

    /// A pack's payload.
    pub(crate) fn payload(&self, entries: &[PackEntry<'_>]) -> Vec<u8> {
        entries
            .iter()
            .flat_map(|(kind, path, content)| [&self.head(*kind, path, content)[..], path, content].concat())
            .collect()
    }

    /// The root of a file of one chunk.
    pub(crate) fn root(&self, content: &[u8]) -> Digest {
        self.checksum.of_small_file([content])
    }

    fn head(&self, kind: EntryKind, path: &[u8], content: &[u8]) -> Vec<u8> {
        let digest = match kind {
            EntryKind::File => self.root(content),
            EntryKind::Folder | EntryKind::Symlink | EntryKind::Lost => Digest([0; 32]),
        };
        let (path_len, content_len) =
            (u16::try_from(path.len()).unwrap(), u32::try_from(content.len()).unwrap());
        let (payload_len, modified, mode, as_is) = (content_len, None, 0o644, false);
        EntryHead { kind, path_len, payload_len, content_len, modified, mode, digest, as_is }
            .encode()
            .to_vec()
    }

    fn announced(&self, frame: u64, kind: FrameKind, announcement: &Announcement) -> Vec<u8> {
        let mut extra = Vec::new();
        announcement.encode(&mut extra);
        self.framed(frame, kind, &extra, &[])
    }

    fn framed(&self, frame: u64, kind: FrameKind, extra: &[u8], payload: &[u8]) -> Vec<u8> {
        let (extra_len, payload_len) =
            (u16::try_from(extra.len()).unwrap(), u32::try_from(payload.len()).unwrap());
        let head = FrameHead { job: JobId(self.job), frame: FrameNo(frame), extra_len, payload_len, kind };
        [&head.encode()[..], extra, payload].concat()
    }
}

fn announcement(path: &str, size: Option<u64>) -> Announcement {
    let path = RemotePath::from_wire(path.as_bytes()).unwrap();
    Announcement { path, size, modified: None, mode: 0o644, source: Default::default() }
}
