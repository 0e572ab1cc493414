//! A large file in progress: written beside its target, under a reserved name, with a journal of the written chunks.
//!
//! State of the disk if we die at any line: the name has its old content, and beside it are the staged file and a journal that
//! lists no unwritten chunk. The next run [finds](resume) both by the file's name, and resumes. If the system itself dies, or
//! the disk is away for a while, written chunks may be lost; the journal then is of another boot or mount, and each chunk that
//! it lists is read and hashed before it counts.

use super::chunk_journal::{Journal, journal_len_max};
use super::content::{write_pieces, write_with_holes};
use super::preallocator::Preallocator;
use crate::checksum::{Checksum, ChunkPlace, Digest};
use crate::failure::{Failure, FailureCode};
use crate::frame::Announcement;
use crate::journal::{JOURNAL_HEAD_LEN, JOURNAL_RECORD_LEN, JournalHead, JournalKey, decode_records};
use crate::limits::CHUNK_LEN;
use crate::metadata::SourceId;
use crate::path::{Name, NameRef};
use crate::receiver::Publish;
use crate::store::admission::NameAdmission;
use crate::store::boot::boot_id;
use crate::store::busy::BusyPatience;
use crate::store::placing::{Placed, SharedPart, Staged, StagedEntry, Unsynced, check_going};
use crate::store::{DiskFolder, Sharing, SourceFile, StagedName, TargetFile, read_fully};
use crate::sync::lock;
use crate::verified::VerifiedChunk;
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;

/// How a target keeps partial files for resuming.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// The key of this end's journals.
    pub key: JournalKey,
    /// The sender: chunks of another sender are not used.
    pub origin: [u8; 16],
    /// The algorithm of the job's digests.
    pub checksum: Checksum,
}

/// Where a staged file goes, and how it gets its name.
pub(in crate::store) struct Placement {
    pub(in crate::store) folder: Arc<dyn DiskFolder>,
    pub(in crate::store) name: Name,
    pub(in crate::store) admission: NameAdmission,
    pub(in crate::store) mode: u32,
    pub(in crate::store) sparse: bool,
    /// The name is given in a commit, in which the content is synced.
    pub(in crate::store) waits: bool,
    /// The name is given in a commit even without a sync, in which the content is written out: it replaces another file, or the
    /// file's length is set before its content is there.
    pub(in crate::store) writes_out: bool,
    /// A partial file of this name by another sender may be removed.
    pub(in crate::store) takes_over: bool,
    /// Cancelled once the file may no longer get its name.
    pub(in crate::store) over: CancellationToken,
}

/// A large file under way.
pub(in crate::store) struct StagedFile {
    place: Placement,
    staged: StagedName,
    file: Arc<dyn TargetFile>,
    journal: Option<Journal>,
    /// Locked while a chunk is written. The system admits one writer at a time, but lets the others spin meanwhile.
    writing: Mutex<()>,
    /// Preallocates its space.
    preallocator: Option<Preallocator>,
    /// From this offset on the file contains only written data of this source, so that zeros need not be written.
    empty_from: u64,
    /// Bytes written since writing out last began.
    unwritten: AtomicU64,
    /// True once it is published or discarded.
    over: Mutex<bool>,
}

/// Existing chunks, with their digests.
pub type Chunks = Vec<(u64, Digest)>;

/// Starts a new file.
pub(in crate::store) fn begin(
    place: Placement,
    announcement: &Announcement,
    keeping: Option<&Keeping>,
) -> Result<StagedFile, Failure> {
    if let Some(keeping) = keeping.filter(|_| is_kept(announcement))
        && let Some((staged, file)) = own_staged(&place, keeping)
    {
        // Holes count as written. Otherwise an empty file keeps its length: ext4 would take a change for the beginning of a
        // replacement in place, and write all of it to the disk when it is closed.
        let sized = if place.sparse { file.set_len(announcement.size.unwrap_or(0)) } else { Ok(()) };
        let journal = sized
            .and_then(|()| head(announcement, keeping, &*file))
            .and_then(|head| Journal::create(&*place.folder, &staged, &keeping.key, &head, &[]));
        match journal {
            Ok(journal) => {
                return Ok(
                    StagedFile::new(place, staged, file, Some(journal), 0).with_preallocation(announcement)
                );
            }
            Err(_) => {
                let _ = place.folder.remove_staged(&staged); // a remaining staged file is swept later
            }
        }
    }
    let staged = StagedName::new();
    let file = place.folder.create_staged(&staged, place.mode)?;
    Ok(StagedFile::new(place, staged, file, None, 0).with_preallocation(announcement))
}

/// Resumes a file left by an interrupted run; returns `None` if none of it can be proven to be of this source.
pub(in crate::store) fn resume(
    place: Placement,
    announcement: &Announcement,
    keeping: &Keeping,
) -> Option<(StagedFile, Chunks)> {
    if !is_kept(announcement) {
        return None;
    }
    let size = announcement.size?;
    let staged = StagedName::of((&place.name).into());
    let file = when_free(|| place.folder.open_staged(&staged))?;
    let (bytes, journal) = place.folder.open_journal(&staged, journal_len_max(size)).ok()?;
    let before = JournalHead::decode(&bytes, &keeping.key)?;
    let head = head(announcement, keeping, &*file).ok()?;
    if !before.is_of_same_source(&head) {
        return None;
    }
    let len = file.place().ok()?.len;
    let mut chunks = decode_records(&bytes, &keeping.key);
    chunks.retain(|(chunk, _)| chunk_end(*chunk, size) <= len);
    // A server or another program may have lost written data, even in the same boot.
    let journal = if before.is_of_same_boot(&head) && file.place().ok()?.is_local {
        if place.sparse {
            clear_behind(&*file, &chunks, size, len).ok()?;
        }
        let records = (bytes.len() - JOURNAL_HEAD_LEN) / JOURNAL_RECORD_LEN;
        let end = (JOURNAL_HEAD_LEN + records * JOURNAL_RECORD_LEN) as u64;
        let head = *bytes.first_chunk::<JOURNAL_HEAD_LEN>()?;
        Journal::reopened(&keeping.key, head, journal, end)
    } else {
        drop(journal);
        chunks = intact(&place, &staged, size, keeping.checksum, chunks);
        clear_behind(&*file, &chunks, size, len).ok()?;
        Journal::create(&*place.folder, &staged, &keeping.key, &head, &chunks).ok()?
    };
    chunks.sort_unstable_by_key(|(chunk, _)| *chunk);
    let empty_from = end_of(&chunks, size); // gaps between chunks may contain leftovers of a crash, even one before the last run
    Some((StagedFile::new(place, staged, file, Some(journal), empty_from), chunks))
}

/// Removes the leftovers of an interrupted run for a file that is complete by now.
pub(in crate::store) fn forget(
    folder: &dyn DiskFolder,
    name: NameRef<'_>,
    keeping: &Keeping,
    takes_over: bool,
) {
    let staged = StagedName::of(name);
    let is_ours = || takes_over || !is_of_another(folder, &staged, keeping);
    if folder.open_staged(&staged).is_ok_and(|_in_use| is_ours() && folder.remove_staged(&staged).is_ok()) {
        let _ = folder.remove_journal(&staged); // a remaining journal is swept later
    }
}

/// Retries for a moment while the file is in use: a killed process may not have closed it yet.
fn when_free<T>(open: impl Fn() -> io::Result<T>) -> Option<T> {
    let patience = BusyPatience::default();
    loop {
        match open() {
            Ok(opened) => return Some(opened),
            Err(error) => std::thread::sleep(patience.pause_after(&error.into())?),
        }
    }
}

/// True if the file can be resumed: one of a single chunk has no parts to resume from, and one of unknown state could be
/// another next time.
fn is_kept(announcement: &Announcement) -> bool {
    announcement.source != SourceId::default()
        && announcement.size.is_some_and(|size| size > CHUNK_LEN as u64)
}

/// Opens, empty, the staged file that the next run would find; returns `None` if it is in use, or not ours to take.
fn own_staged(place: &Placement, keeping: &Keeping) -> Option<(StagedName, Box<dyn TargetFile>)> {
    let staged = StagedName::of((&place.name).into());
    match place.folder.create_staged(&staged, OWNER_ONLY) {
        Ok(file) if file.is_locked() => Some((staged, file)),
        Ok(_) => {
            // Where use cannot be detected, the next writer would take it for a leftover.
            let _ = place.folder.remove_staged(&staged); // a remaining staged file is swept later
            None
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = place.folder.open_staged(&staged).ok()?;
            if !place.takes_over && is_of_another(&*place.folder, &staged, keeping) {
                return None;
            }
            match place.folder.remove_journal(&staged) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return None, // it would describe the content that is removed now
                Ok(()) | Err(_) => file.set_len(0).ok()?,
            }
            Some((staged, file))
        }
        Err(_) => None, // the same would fail under any other name, and is reported there
    }
}

/// True if the staged file may belong to another sender: according to its journal, or because that has another key or is
/// unreadable. One whose journal has no complete head cannot be resumed by any sender.
fn is_of_another(folder: &dyn DiskFolder, staged: &StagedName, keeping: &Keeping) -> bool {
    match folder.open_journal(staged, JOURNAL_HEAD_LEN as u64) {
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok((bytes, _)) if bytes.len() < JOURNAL_HEAD_LEN => false,
        Ok((bytes, _)) => {
            JournalHead::decode(&bytes, &keeping.key).is_none_or(|head| head.origin != keeping.origin)
        }
    }
}

fn head(announcement: &Announcement, keeping: &Keeping, file: &dyn TargetFile) -> io::Result<JournalHead> {
    let place = file.place()?;
    Ok(JournalHead {
        checksum: keeping.checksum,
        size: announcement.size.unwrap_or(0),
        modified: announcement.modified.unwrap_or_default(),
        source: announcement.source,
        origin: keeping.origin,
        boot: boot_id(),
        mount: place.mount,
        inode: place.inode,
    })
}

/// Returns the chunks whose content, read and hashed, matches the journal.
fn intact(place: &Placement, staged: &StagedName, size: u64, checksum: Checksum, chunks: Chunks) -> Chunks {
    let Ok(source) = place.folder.staged_source(staged) else { return Vec::new() };
    let mut buffer = vec![0; CHUNK_LEN];
    let is_intact = |(chunk, digest): &(u64, Digest)| {
        let offset = chunk * CHUNK_LEN as u64;
        let last = chunk_end(*chunk, size) == size;
        let len = usize::try_from(chunk_end(*chunk, size) - offset).unwrap_or(CHUNK_LEN);
        let read = read_fully(&*source, &mut [IoSliceMut::new(&mut buffer[..len])], offset);
        read.is_ok_and(|read| read == len)
            && checksum.of_chunk(ChunkPlace::at(offset, last), [&buffer[..len]]) == *digest
    };
    let mut chunks = chunks;
    let mut is_intact = is_intact;
    chunks.retain(|chunk| is_intact(chunk));
    chunks
}

/// Returns the end offset of the last chunk.
fn end_of(chunks: &Chunks, size: u64) -> u64 {
    chunks.iter().map(|(chunk, _)| chunk_end(*chunk, size)).max().unwrap_or(0)
}

/// Removes the bytes behind the chunks, which are not proven to be of this file. It keeps its length.
fn clear_behind(file: &dyn TargetFile, chunks: &Chunks, size: u64, len: u64) -> io::Result<()> {
    file.set_len(end_of(chunks, size))?;
    file.set_len(len)
}

fn chunk_end(chunk: u64, size: u64) -> u64 {
    chunk.saturating_add(1).saturating_mul(CHUNK_LEN as u64).min(size)
}

impl StagedFile {
    fn new(
        place: Placement,
        staged: StagedName,
        file: Box<dyn TargetFile>,
        journal: Option<Journal>,
        empty_from: u64,
    ) -> Self {
        Self {
            place,
            staged,
            file: file.into(),
            journal,
            writing: Mutex::new(()),
            preallocator: None,
            empty_from,
            unwritten: AtomicU64::new(0),
            over: Mutex::new(false),
        }
    }

    /// Adds preallocation, except for files with holes, which need none, and streams, whose length is unknown.
    fn with_preallocation(mut self, announcement: &Announcement) -> Self {
        let size = announcement.size.filter(|_| !self.place.sparse);
        self.preallocator = size.map(Preallocator::new);
        self
    }

    /// Starts writing out data early where that must be done before the name is given, to shorten the wait then.
    fn write_out_ahead(&self, len: u64) {
        let unwritten = self.unwritten.fetch_add(len, Ordering::Relaxed) + len;
        if self.place.writes_out && unwritten >= WRITE_OUT_LEN {
            self.unwritten.store(0, Ordering::Relaxed);
            self.file.begin_write_out();
        }
    }

    /// Removes the staged file. A failure cannot be reported any more; the file is swept later.
    fn remove(&self) {
        let _ = self.place.folder.remove_staged(&self.staged);
        if self.journal.is_some() {
            let _ = self.place.folder.remove_journal(&self.staged);
        }
    }

    /// Writes bytes; `is_empty` if none were written there.
    fn write_at(&self, pieces: &[&[u8]], offset: u64, is_empty: bool) -> io::Result<()> {
        let _turn = lock(&self.writing);
        if self.place.sparse && is_empty && offset >= self.empty_from {
            write_with_holes(&*self.file, pieces, offset).map(drop)
        } else {
            write_pieces(&*self.file, pieces, offset)
        }
    }

    fn written(&self, chunk: &VerifiedChunk<'_>, len: u64) {
        self.write_out_ahead(len);
        if let Some(journal) = &self.journal {
            let _ = journal.add(chunk); // a chunk missing in the journal is only sent again
        }
    }
}

impl Staged for StagedFile {
    fn write(&self, chunk: &VerifiedChunk<'_>) -> Result<(), Failure> {
        if let Some(preallocator) = &self.preallocator {
            preallocator.reserve_ahead(&*self.file, chunk);
        }
        self.write_at(chunk.pieces(), chunk.offset(), true)?;
        self.written(chunk, chunk.pieces().iter().map(|piece| piece.len() as u64).sum());
        Ok(())
    }

    fn write_sharing(
        &self,
        chunk: &VerifiedChunk<'_>,
        old: &dyn SourceFile,
        parts: &[SharedPart],
    ) -> Result<(), Failure> {
        let [content] = chunk.pieces() else { return self.write(chunk) };
        let bytes = |range: Range<u64>| {
            let at = |offset: u64| usize::try_from(offset - chunk.offset()).ok();
            content.get(at(range.start)?..at(range.end)?)
        };
        let (mut gaps, mut at, mut is_empty) = (Vec::new(), chunk.offset(), true);
        for part in parts {
            let end = part.offset + part.len;
            let Some(shared) = bytes(part.offset..end) else { continue };
            match self.file.share_blocks(old, part.old_offset, shared, part.offset)? {
                Sharing::Done => {
                    gaps.push(at..part.offset);
                    at = end;
                }
                Sharing::Impossible => {}
                Sharing::Failed => is_empty = false,
            }
        }
        gaps.push(at..chunk.offset() + content.len() as u64);
        let mut written = 0;
        for gap in gaps {
            let own = bytes(gap.clone()).unwrap_or_default();
            self.write_at(&[own], gap.start, is_empty)?;
            written += own.len() as u64;
        }
        self.written(chunk, written);
        Ok(())
    }

    /// Writes zeros, except where the file is empty. The journal does not record them: sending them again is cheap.
    fn hole(&self, offset: u64, len: u64) -> Result<(), Failure> {
        let filled = self.empty_from.saturating_sub(offset).min(len);
        match filled {
            0 => Ok(()),
            filled => Ok(self.file.clear(offset, filled)?),
        }
    }

    fn publish(&self, publish: &Publish) -> Result<Placed, Failure> {
        if self.place.sparse {
            self.file.set_len(publish.size())?;
        } else if self.file.place()?.len != publish.size() {
            return Err(Failure::new(
                FailureCode::Integrity,
                "another program has written to the staged file",
            ));
        }
        self.file.set_metadata(publish.announcement().modified, self.place.mode)?;
        self.file.finish(self.place.waits)?;
        let Placement { folder, name, admission, .. } = &self.place;
        if self.place.waits || (self.place.writes_out && publish.size() > 0) {
            self.file.begin_write_out();
            let content = Unsynced::File(self.file.clone());
            *lock(&self.over) = true; // another job's to discard
            let (staged, name, admission) = (self.staged.clone(), name.clone(), admission.clone());
            let mut entry = StagedEntry::new(folder.clone(), staged, name, Some(admission), content);
            entry.journal = self.journal.is_some();
            return Ok(Placed::pending(entry));
        }
        check_going(&self.place.over)?;
        let give_name = |replace| folder.publish(&self.staged, name.into(), replace);
        admission.publish(&**folder, name.into(), give_name)?;
        *lock(&self.over) = true;
        if self.journal.is_some() {
            let _ = folder.remove_journal(&self.staged); // it describes a file that is gone
        }
        Ok(Placed::Done)
    }

    fn discard(&self) {
        self.remove();
        *lock(&self.over) = true;
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        let kept = self.journal.as_ref().is_some_and(|journal| !journal.is_empty());
        if *lock(&self.over) {
            return;
        }
        if !kept || self.file.make_private().is_err() {
            self.remove();
        } else if self.preallocator.is_some()
            && let Ok(place) = self.file.place()
        {
            let _ = self.file.set_len(place.len); // frees the preallocated space behind its end, if the filesystem supports it
        }
    }
}

/// Bytes written out at a time: efficient for the disk, and little to wait for at the end.
const WRITE_OUT_LEN: u64 = 8 << 20;
/// Permissions of a staged file that is kept; the final ones are set together with its name.
const OWNER_ONLY: u32 = 0o600;

#[cfg(test)]
mod tests;
