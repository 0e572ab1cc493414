//! Where `cat` writes: a stream, in order. Chunks that come ahead of their turn wait here; the job's window bounds them.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use wire::frame::{Announcement, EntryHead};
use wire::receiver::Publish;
use wire::store::{Placed, Sink, Staged};
use wire::sync::lock;
use wire::verified::{VerifiedChunk, VerifiedContent};
use wire::{Failure, FailureCode, RemotePath};

/// Writes one file to a stream. Clones write to the same.
#[derive(Clone)]
pub(crate) struct StreamSink(Arc<Mutex<Ordered>>);

struct Ordered {
    output: Box<dyn Write + Send>,
    next: u64,
    ahead: BTreeMap<u64, Vec<u8>>,
}

impl StreamSink {
    pub(crate) fn new(output: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(Ordered { output, next: 0, ahead: BTreeMap::new() })))
    }
}

impl Sink for StreamSink {
    fn stage(&self, _: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        let mut ordered = lock(&self.0);
        if ordered.next > 0 {
            return Err(FailureCode::SourceChanged.into()); // it comes once more, and some of it is written
        }
        ordered.ahead.clear();
        Ok(Box::new(StagedStream(self.0.clone())))
    }

    fn file(&self, _: &RemotePath, _: &EntryHead, content: &VerifiedContent<'_>) -> Result<Placed, Failure> {
        let mut ordered = lock(&self.0);
        if ordered.next > 0 {
            return Err(FailureCode::SourceChanged.into());
        }
        content.pieces().iter().try_for_each(|piece| ordered.output.write_all(piece))?;
        ordered.output.flush()?;
        Ok(Placed::Done)
    }
}

struct StagedStream(Arc<Mutex<Ordered>>);

impl Staged for StagedStream {
    fn write(&self, chunk: &VerifiedChunk<'_>) -> Result<(), Failure> {
        let mut ordered = lock(&self.0);
        ordered.ahead.insert(chunk.offset(), chunk.pieces().concat());
        loop {
            let next = ordered.next;
            let Some(bytes) = ordered.ahead.remove(&next) else { return Ok(()) };
            ordered.output.write_all(&bytes)?;
            ordered.next += bytes.len() as u64;
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    fn publish(&self, _: &Publish) -> Result<Placed, Failure> {
        let mut ordered = lock(&self.0);
        ordered.output.flush()?;
        Ok(Placed::Done)
    }
}
