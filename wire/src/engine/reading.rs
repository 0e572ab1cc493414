//! Reads a job's files: keeps track of the open ones, and of files that change meanwhile or whose size is not that of their
//! content.
//!
//! Only the content counts: a file has changed if its size or its modification time has, by the handle being read. Links,
//! permissions, a new name, and another file that takes its name do not change what the handle reads.

use super::compression::Backoff;
use super::lock;
use super::source::Source;
use super::unsized_file;
use crate::disk::beat;
use crate::failure::{Failure, FailureCode};
use crate::frame::SealEnd;
use crate::message::Changing;
use crate::metadata::SourceId;
use crate::path::RemotePath;
use crate::store::{Identity, SourceFile};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::sync::{Arc, Mutex, OnceLock};

/// A file that is being read.
pub(super) struct OpenFile {
    pub(super) file: Box<dyn SourceFile>,
    /// Its identity when it was opened.
    pub(super) identity: Identity,
    /// The state of the file that is sent; zero if a later run cannot recognise it.
    pub(super) source: SourceId,
    /// The end of its seal, once made: if it is sent again, it stays the same.
    pub(super) sealed: OnceLock<SealEnd>,
    /// Which of its chunks are worth compressing.
    pub(super) backoff: Mutex<Backoff>,
}

impl OpenFile {
    fn new(file: Box<dyn SourceFile>, identity: Identity, source: SourceId) -> Self {
        Self { file, identity, source, sealed: OnceLock::new(), backoff: Mutex::default() }
    }
}

/// Why a file is not read to its end.
pub(super) enum Broken {
    /// The file fails.
    Failed(Failure),
    /// The file is read from its beginning again, in its current state.
    Again(OpenFile),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Opens a job's files, and remembers those to be read again.
pub(super) struct Reading {
    pub(super) changing: Changing,
    source: Arc<dyn Source>,
    /// Files that were opened anew, until they are read.
    kept: Mutex<HashMap<RemotePath, OpenFile>>,
    /// Number of reads of files that changed meanwhile.
    reads: Mutex<HashMap<RemotePath, usize>>,
}

impl Reading {
    pub(super) fn new(source: Arc<dyn Source>, changing: Changing) -> Self {
        Self { changing, source, kept: Mutex::default(), reads: Mutex::default() }
    }

    /// Opens the file, or takes the handle that was kept.
    pub(super) fn open(&self, path: &RemotePath) -> Result<OpenFile, Failure> {
        match lock(&self.kept).remove(path) {
            Some(kept) => Ok(kept),
            None => self.open_anew(path),
        }
    }

    fn open_anew(&self, path: &RemotePath) -> Result<OpenFile, Failure> {
        let file = self.source.open(path)?;
        let identity = file.identity()?;
        Ok(OpenFile::new(file, identity, identity.source_id()))
    }

    /// Keeps a file open until it is read.
    pub(super) fn keep(&self, path: &RemotePath, open: OpenFile) {
        lock(&self.kept).insert(path.clone(), open);
    }

    /// Ends a file. Returns the handle that was kept.
    pub(super) fn forget(&self, path: &RemotePath) -> Option<OpenFile> {
        if !lock(&self.reads).is_empty() {
            lock(&self.reads).remove(path);
        }
        lock(&self.kept).remove(path)
    }

    /// Returns all handles that were kept.
    pub(super) fn take_kept(&self) -> HashMap<RemotePath, OpenFile> {
        std::mem::take(&mut *lock(&self.kept))
    }

    /// Handles a file that changed while it was read.
    pub(super) fn changed(&self, path: &RemotePath) -> Broken {
        match self.changing {
            Changing::Skip => Failure::new(FailureCode::Skipped, FailureCode::SourceChanged.meaning()).into(),
            Changing::Retry | Changing::AsIs => self.once_more(path),
        }
    }

    /// Has the file read again, unless it was read too often already.
    fn once_more(&self, path: &RemotePath) -> Broken {
        let reads = {
            let mut reads = lock(&self.reads);
            let count = reads.entry(path.clone()).or_insert(1);
            *count += 1;
            *count
        };
        if reads > READS_MAX {
            Failure::new(FailureCode::SourceChanged, "changed each time it was read").into()
        } else {
            self.open_anew(path).map_or_else(Broken::Failed, Broken::Again)
        }
    }

    /// Handles an unchanged file whose content does not have the length of its size.
    pub(super) fn has_no_true_size(&self, open: &OpenFile) -> Broken {
        match unsized_file::read(&*open.file, &open.identity) {
            Ok((file, identity)) => {
                Broken::Again(OpenFile::new(Box::new(file), identity, SourceId::default()))
            }
            Err(failure) => Broken::Failed(failure),
        }
    }
}

/// Reads an expected `len` bytes into pieces that have room for one more: if that is filled, the file is longer. Skips the look
/// for the file's end where exactly `len` bytes came at once, as from nearly every file.
pub(super) fn read_to_end(
    file: &dyn SourceFile,
    pieces: &mut [IoSliceMut<'_>],
    offset: u64,
    len: usize,
) -> io::Result<usize> {
    let (mut pieces, mut read) = (pieces, 0);
    while !pieces.is_empty() {
        let result = file.read_at(pieces, offset + read as u64);
        beat();
        match result {
            Ok(0) => break,
            Ok(count) => {
                read += count;
                IoSliceMut::advance_slices(&mut pieces, count);
                if read == len && count == len {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Most reads of a file that changes each time.
const READS_MAX: usize = 3;
