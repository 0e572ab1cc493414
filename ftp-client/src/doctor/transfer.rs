//! Uploads of content that is made up, and downloads that go nowhere.

use super::Measured;
use crate::error::Error;
use crate::get;
use crate::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver};
use crate::options::TransferOptions;
use crate::put::{self, PreparedSource};
use crate::report::Reporter;
use crate::resume_store::ResumeRecord;
use crate::session::Session;
use std::io::{self, IoSliceMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use wire::engine::FileSource;
use wire::frame::{Announcement, EntryHead};
use wire::limits::CHUNK_LEN;
use wire::message::{Compress, JobOptions, Overwrite};
use wire::metadata::{Kind, Metadata};
use wire::receiver::Publish;
use wire::store::{Identity, Placed, Sink, SourceFile, Staged};
use wire::sync::lock;
use wire::verified::{VerifiedChunk, VerifiedContent};
use wire::{Failure, FailureCode, RemotePath};

/// Sends content for a while and breaks off, so that it gets no name.
pub(super) async fn send_some(
    session: &Session,
    path: &RemotePath,
    bytes_max: u64,
    time: Duration,
) -> Result<Measured, Error> {
    let generated = GeneratedFile::new(bytes_max, Some(time))?;
    let sending = send(session, path, &generated, false);
    match timeout(time + GRACE, sending).await {
        Ok(Err(error)) if !error.concerns_one_item() || !generated.is_broken_off() => return Err(error),
        Ok(_) | Err(_) => {} // it broke off, or is so slow that this must do
    }
    Ok(generated.meter.rate())
}

/// Sends content under a name; tells how long it took from the last byte that was read on.
pub(super) async fn send_all(
    session: &Session,
    path: &RemotePath,
    size: u64,
    power: bool,
) -> Result<Duration, Error> {
    let generated = GeneratedFile::new(size, None)?;
    send(session, path, &generated, power).await?;
    Ok(generated.last_read().elapsed())
}

/// Fetches a file, again and again until the time is over.
pub(super) async fn fetch(session: &Session, path: &RemotePath, time: Duration) -> Result<Measured, Error> {
    let (begin, mut bytes, mut took) = (Instant::now(), 0, Duration::ZERO);
    while let Some(left) = time.checked_sub(begin.elapsed()).filter(|left| !left.is_zero()) {
        let meter = Arc::new(Meter::beginning(Instant::now()));
        match get::to_sink(session, path, Box::new(NullSink(meter.clone())), left).await {
            Err(error) if error.failure_code() == Some(FailureCode::Cancelled) && begin.elapsed() >= time => {
            }
            Err(error) => return Err(error),
            Ok(summary) if summary.failed > 0 => {
                return Err(Error::remote(path, summary.gravest.unwrap_or(FailureCode::Io)));
            }
            Ok(_) => {}
        }
        let (more, longer) = meter.seen();
        (bytes, took) = (bytes + more, took + longer);
    }
    Ok(measured(bytes, took))
}

/// Bytes per second.
pub(super) fn rate(bytes: u64, took: Duration) -> u64 {
    let nanos = took.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

fn measured(bytes: u64, took: Duration) -> Measured {
    match bytes {
        0 => Err("nothing came through in that time (--time)".to_owned()),
        bytes => Ok(rate(bytes, took)),
    }
}

async fn send(
    session: &Session,
    path: &RemotePath,
    generated: &Arc<GeneratedFile>,
    power: bool,
) -> Result<(), Error> {
    let opened = generated.clone();
    let open = move || Ok(Box::new(OpenGeneratedFile(opened.clone())) as Box<dyn SourceFile>);
    let source = Arc::new(FileSource::new(generated.metadata(), open));
    let overwrite = Overwrite::Never;
    let compress = Compress::Never; // the network is measured
    let options = TransferOptions { overwrite, compress, ..TransferOptions::default() }.surviving(power);
    let put = options.put(path.clone(), JobOptions::of(session.checksum()));
    let opening = PreparedSource { source, totals: None, folder: None };
    let reporter = Reporter::new(generated.clone(), session.checksum());
    let record = Arc::new(ResumeRecord::none());
    put::send(session, put, opening, options.sending(), &record, &reporter).await?;
    let failure = lock(&generated.failure).take();
    failure.map_or(Ok(()), |failure| Err(Error::remote(path, failure)))
}

/// Bytes, and since when. Of many bytes the first ones only start the clock, as the wait for them is no part of what the way carries.
/// Few bytes all count from the beginning, which is too slow by how long the way is, but never too fast: lanes that share a slow
/// way bring their chunks all at once, after one long wait.
struct Meter {
    begin: Instant,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    additions: u32,
    bytes: u64,
    /// The last ones came.
    last: Option<Instant>,
    /// When the clock was started, and what had come by then.
    started: Option<(Instant, u64)>,
}

impl Meter {
    fn beginning(begin: Instant) -> Self {
        Self { begin, counted: Mutex::default() }
    }

    fn add(&self, bytes: u64, now: Instant) {
        let mut counted = lock(&self.counted);
        counted.additions += 1;
        counted.bytes += bytes;
        counted.last = Some(now);
        if counted.additions == FEW {
            counted.started = Some((now, counted.bytes));
        }
    }

    fn seen(&self) -> (u64, Duration) {
        let counted = lock(&self.counted);
        match (counted.started, counted.last) {
            (Some((started, before)), Some(last)) if counted.additions >= 2 * FEW => {
                (counted.bytes - before, last - started)
            }
            (_, Some(last)) => (counted.bytes, last - self.begin),
            (_, None) => Default::default(),
        }
    }

    fn rate(&self) -> Measured {
        let (bytes, took) = self.seen();
        measured(bytes, took)
    }
}

/// A file that does not exist; what of it is verified at the server is counted.
struct GeneratedFile {
    content: Vec<u8>,
    size: u64,
    /// From here on it cannot be read, nor can its last chunk ever.
    end: Option<Instant>,
    broken_off: AtomicBool,
    last_read: Mutex<Instant>,
    meter: Meter,
    failure: Mutex<Option<Failure>>,
}

impl GeneratedFile {
    fn new(size: u64, time: Option<Duration>) -> Result<Arc<Self>, Error> {
        let mut content = vec![0; CONTENT_LEN];
        let filled = getrandom::fill(&mut content);
        filled
            .map_err(|error| Error::local(std::path::Path::new("random numbers"), io::Error::from(error)))?;
        let now = Instant::now();
        Ok(Arc::new(Self {
            content,
            size,
            end: time.map(|time| now + time),
            broken_off: AtomicBool::new(false),
            last_read: Mutex::new(now),
            meter: Meter::beginning(now),
            failure: Mutex::default(),
        }))
    }

    fn metadata(&self) -> Metadata {
        Metadata { kind: Kind::File, size: self.size, modified: Default::default(), mode: 0o600 }
    }

    fn last_read(&self) -> Instant {
        *lock(&self.last_read)
    }

    fn is_broken_off(&self) -> bool {
        self.broken_off.load(Ordering::Relaxed)
    }
}

impl TransferObserver for GeneratedFile {
    fn on_event(&self, event: &TransferEvent<'_>) {
        match event {
            TransferEvent::Progress { bytes, .. } | TransferEvent::AlreadyThere { bytes, .. } => {
                self.meter.add(*bytes, Instant::now());
            }
            TransferEvent::FileFinished(FileReport { outcome: FileOutcome::Failed(failure), .. }) => {
                *lock(&self.failure) = Some((*failure).clone());
            }
            TransferEvent::Totals(_)
            | TransferEvent::FileStarted { .. }
            | TransferEvent::FileFinished(_)
            | TransferEvent::SourceRemoved { .. }
            | TransferEvent::SourceKept { .. } => {}
        }
    }
}

struct OpenGeneratedFile(Arc<GeneratedFile>);

impl SourceFile for OpenGeneratedFile {
    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity { metadata: self.0.metadata(), changed: Default::default(), inode: 0 })
    }

    fn read_at(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<usize> {
        let is_last = offset + CHUNK_LEN as u64 >= self.0.size;
        if self.0.end.is_some_and(|end| is_last || Instant::now() >= end) {
            self.0.broken_off.store(true, Ordering::Relaxed);
            return Err(Failure::from(FailureCode::Cancelled).into()); // at the server this is no trouble of its storage
        }
        *lock(&self.0.last_read) = Instant::now();
        let mut left = usize::try_from(self.0.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut read = 0;
        for piece in pieces {
            for part in piece.chunks_mut(CONTENT_LEN) {
                let len = part.len().min(left);
                part[..len].copy_from_slice(&self.0.content[..len]);
                (left, read) = (left - len, read + len);
            }
        }
        Ok(read)
    }
}

/// Counts what comes, and drops it.
struct NullSink(Arc<Meter>);

impl Sink for NullSink {
    fn stage(&self, _: &Announcement) -> Result<Box<dyn Staged>, Failure> {
        Ok(Box::new(Self(self.0.clone())))
    }

    fn file(&self, _: &RemotePath, _: &EntryHead, _: &VerifiedContent<'_>) -> Result<Placed, Failure> {
        Ok(Placed::Done)
    }
}

impl Staged for NullSink {
    fn write(&self, chunk: &VerifiedChunk<'_>) -> Result<(), Failure> {
        let bytes = chunk.pieces().iter().map(|piece| piece.len() as u64).sum();
        self.0.add(bytes, Instant::now());
        Ok(())
    }

    fn publish(&self, _: &Publish) -> Result<Placed, Failure> {
        Ok(Placed::Done)
    }
}

/// The wait for an upload that is too slow to break off.
const GRACE: Duration = Duration::from_secs(2);
/// Random bytes that are repeated: longer than what a filesystem looks at when it compresses.
const CONTENT_LEN: usize = 1 << 20;
/// So many chunks may all come at once: twice as many as there are lanes, unless people ask for more.
const FEW: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = CHUNK_LEN as u64;

    #[test]
    fn chunks_that_come_at_once_after_a_long_wait_are_no_fast_way() {
        let begin = Instant::now();
        let meter = Meter::beginning(begin);
        for _ in 0..2 {
            meter.add(CHUNK, begin + Duration::from_secs(1));
        }
        assert_eq!(meter.rate(), Ok(2 * CHUNK));
    }

    #[test]
    fn the_wait_for_the_first_of_many_does_not_count() {
        let begin = Instant::now();
        let meter = Meter::beginning(begin);
        for number in 0..1000 {
            meter.add(CHUNK, begin + Duration::from_secs(5) + number * Duration::from_millis(10));
        }
        assert_eq!(meter.rate(), Ok(100 * CHUNK));
    }

    #[test]
    fn chunks_that_come_in_bursts_are_no_faster_than_their_bursts() {
        for (lanes, bursts) in [(8_u32, 3), (16, 1), (16, 2), (16, 100), (32, 2), (32, 50)] {
            let begin = Instant::now();
            let meter = Meter::beginning(begin);
            for burst in 1..=bursts {
                (0..lanes).for_each(|_| meter.add(CHUNK, begin + burst * Duration::from_secs(1)));
            }
            let rate = meter.rate().unwrap();
            assert_eq!(rate, u64::from(lanes) * CHUNK, "{lanes} lanes, {bursts} bursts");
        }
    }

    #[test]
    fn nothing_has_no_rate() {
        let begin = Instant::now();
        assert_eq!(Meter::beginning(begin).rate(), measured(0, Duration::ZERO));
    }
}
