//! Frames of large files: reads and hashes their chunks, and checks at their ends whether they have changed.

use super::{Built, SendJob};
use crate::engine::lock;
use crate::engine::reading::{Broken, OpenFile, read_to_end};
use crate::failure::Failure;
use crate::frame::{Announcement, BlockExtra, FrameKind, SealEnd, encode_loss};
use crate::ids::FrameNo;
use crate::message::Changing;
use crate::metadata::SourceId;
use crate::sender::{Content, LargeFile};
use crate::transport::FrameBuffer;
use std::io::IoSliceMut;
use std::sync::Arc;

/// A chunk of a large file; `last` if the file ends with it.
#[derive(Clone, Copy)]
pub(super) struct ChunkRef {
    pub(super) offset: u64,
    pub(super) len: usize,
    pub(super) last: bool,
}

impl SendJob {
    /// Reads and hashes a chunk; on failure, returns the content to send instead.
    pub(super) fn block(
        &self,
        frame: FrameNo,
        file: &Arc<LargeFile>,
        chunk: ChunkRef,
        buffer: &mut FrameBuffer,
    ) -> Result<Built, Content> {
        let ChunkRef { offset, len, last } = chunk;
        if let Some(zeros) = self.zeros(frame, file, offset + len as u64, offset) {
            return Err(zeros);
        }
        let read = self.opened(file).and_then(|open| self.read_block(file, &open, chunk, buffer));
        read.map_err(|broken| self.instead(frame, file, broken))?;
        let checksum = lock(&self.machine).checksum();
        let place = crate::checksum::ChunkPlace::at(offset, last);
        let digest = checksum.of_chunk(place, buffer.payload(0, len));
        if lock(&self.machine).has_other_digest(frame, digest) {
            return Err(self.instead(frame, file, self.reading.changed(&file.announcement.path)));
        }
        lock(&self.machine).hashed(frame, digest)?;
        let kind = FrameKind::Block { file: file.number, offset, last, digest, encoding: Default::default() };
        let content_len = u32::try_from(len).unwrap_or(u32::MAX);
        let mut extra = Vec::new();
        BlockExtra { content_len, announcement: self.announced(file) }.encode(&mut extra);
        Ok(Built { kind, extra, payload_len: len }) // without encoding
    }

    /// Returns the content to send in the place of a block that lies in a hole.
    fn zeros(&self, frame: FrameNo, file: &Arc<LargeFile>, end: u64, offset: u64) -> Option<Content> {
        if !self.holes || file.announcement.size.is_none() {
            return None;
        }
        let open = self.opened(file).ok()?; // an error shows again when it is read
        let data = open.file.next_data(offset);
        if data < end { None } else { lock(&self.machine).found_zeros(frame, data) }
    }

    /// Reads a chunk. The last one shows whether the file has its announced length.
    fn read_block(
        &self,
        file: &LargeFile,
        open: &OpenFile,
        chunk: ChunkRef,
        buffer: &mut FrameBuffer,
    ) -> Result<(), Broken> {
        let ChunkRef { offset, len, last } = chunk;
        let mut one_more = [0];
        let looks_behind = last && file.announcement.size.is_some();
        let mut pieces: Vec<IoSliceMut<'_>> = buffer.payload_mut(0, len).map(IoSliceMut::new).collect();
        pieces.extend(looks_behind.then(|| IoSliceMut::new(&mut one_more)));
        let read = read_to_end(&*open.file, &mut pieces, offset, len)?;
        if read == len {
            return Ok(());
        }
        if open.file.identity()?.has_content_of(&open.identity) {
            Err(self.reading.has_no_true_size(open))
        } else if read > len {
            Ok(()) // it grew, which is checked again for its seal
        } else {
            Err(self.reading.changed(&file.announcement.path))
        }
    }

    /// Returns the open file. If it is not as announced, it is sent again with a new announcement.
    pub(super) fn opened(&self, file: &Arc<LargeFile>) -> Result<Arc<OpenFile>, Broken> {
        if let Some(open) = lock(&self.files).get(&file.number) {
            return Ok(open.clone());
        }
        let announced = &file.announcement;
        let mut open = self.reading.open(&announced.path)?;
        let found = &open.identity.metadata;
        let is_stream = announced.size.is_none();
        let same = announced.size == Some(found.size) && announced.modified == Some(found.modified);
        let was_offered = announced.source != SourceId::default();
        if !is_stream && (!same || (was_offered && open.source != announced.source)) {
            return Err(Broken::Again(open));
        }
        if is_stream {
            open.source = SourceId::default();
        }
        self.observer.file_started(&announced.path, announced.size);
        Ok(lock(&self.files).entry(file.number).or_insert(Arc::new(open)).clone())
    }

    /// Returns the end of a file's seal: the file may have changed since its first chunk was read.
    pub(super) fn seal_end<T>(
        &self,
        file: &Arc<LargeFile>,
        result: Result<T, Failure>,
    ) -> Result<(T, SealEnd), Broken> {
        let sealed = result?;
        let open = self.opened(file)?; // for the first time, if the receiver had all of it
        if let Some(end) = open.sealed.get() {
            return Ok((sealed, *end));
        }
        let end = if open.file.identity()?.has_content_of(&open.identity) {
            SealEnd::Whole
        } else if self.reading.changing == Changing::AsIs {
            SealEnd::AsIs
        } else {
            return Err(self.reading.changed(&file.announcement.path));
        };
        if end == SealEnd::AsIs {
            lock(&self.machine).seal_as_is(file);
        }
        Ok((sealed, *open.sealed.get_or_init(|| end)))
    }

    /// The describing part of a file's holes and seals.
    pub(super) fn announcement(&self, file: &LargeFile) -> Vec<u8> {
        let mut extra = Vec::new();
        self.announced(file).encode(&mut extra);
        extra
    }

    /// The file's description, with the state that is being read.
    fn announced(&self, file: &LargeFile) -> Announcement {
        let open = lock(&self.files).get(&file.number).cloned();
        let source = open.map_or(file.announcement.source, |open| open.source);
        Announcement { source, ..file.announcement.clone() }
    }

    pub(super) fn given_up(&self, file: &LargeFile, failure: &Failure, buffer: &mut FrameBuffer) -> Built {
        let loss = encode_loss(failure);
        buffer.put(0, &loss);
        let (size, root, end) = (0, Default::default(), SealEnd::GivenUp);
        let kind = FrameKind::Seal { file: file.number, size, root, end };
        Built { kind, extra: self.announcement(file), payload_len: loss.len() }
    }

    pub(super) fn begun_again(&self, file: &LargeFile) -> Built {
        let (size, root, end) = (0, Default::default(), SealEnd::Again);
        let kind = FrameKind::Seal { file: file.number, size, root, end };
        Built { kind, extra: self.announcement(file), payload_len: 0 }
    }

    /// Returns the content to send in the place of a frame of a file that is not read to its end.
    pub(super) fn instead(&self, frame: FrameNo, file: &Arc<LargeFile>, broken: Broken) -> Content {
        match broken {
            Broken::Failed(failure) => lock(&self.machine).give_up(frame, file, failure),
            Broken::Again(open) => {
                let metadata = open.identity.metadata;
                self.reading.keep(&file.announcement.path, open);
                lock(&self.machine).begin_again(frame, file, metadata)
            }
        }
    }
}
