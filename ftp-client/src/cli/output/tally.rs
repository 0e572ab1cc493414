//! Counts of a transfer so far: kept by many threads, read by the one that draws.

use ftp_client::observer::{FileOutcome, FileReport, TransferSummary};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use wire::RemotePath;
use wire::sync::lock;

/// Counts of all jobs of a run.
#[derive(Default)]
pub(crate) struct Tally {
    /// Counts of the items that were reported.
    seen: Mutex<TransferSummary>,
    /// Content that was verified, of files in their place or not.
    pub(super) verified: AtomicU64,
    /// Content of skipped files, and content of other files that was present already.
    pub(super) left_alone: AtomicU64,
    pub(super) total_files: AtomicU64,
    pub(super) total_bytes: AtomicU64,
    /// Jobs whose totals are not known yet.
    pub(super) uncounted: AtomicU64,
    running: Mutex<Vec<ActiveFile>>,
    ended: Mutex<TransferSummary>,
    mirror: Mutex<Option<ftp_client::mirror::MirrorSummary>>,
    /// Counts of earlier rounds of a watch.
    before: Mutex<EarlierRounds>,
    complete: AtomicBool,
    /// The same command would start over.
    starts_over: AtomicBool,
}

/// Counts of earlier rounds.
#[derive(Default)]
struct EarlierRounds {
    items: u64,
    verified: u64,
}

/// A large file under way.
struct ActiveFile {
    job: usize,
    path: RemotePath,
    name: String,
    done: u64,
    total: Option<u64>,
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Snapshot {
    /// Files that are finished, with any outcome.
    pub(crate) files: u64,
    /// Bytes that were verified, or are left alone.
    pub(crate) bytes: u64,
    /// Files there are, as far as they were counted.
    pub(crate) total_files: u64,
    /// Bytes there are, as far as they were counted.
    pub(crate) total_bytes: u64,
    /// All was counted.
    pub(crate) counted: bool,
    /// Bytes per second, lately.
    pub(crate) rate: u64,
    /// An estimate of the remaining time that takes files into account, where there is one.
    pub(crate) left: Option<Duration>,
    /// The state of a lost connection.
    pub(crate) outage: Option<String>,
    /// Large files under way, the oldest first.
    pub(crate) running: Vec<RunningFile>,
}

/// A large file under way, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunningFile {
    /// Escaped.
    pub(crate) name: String,
    /// Bytes that were verified.
    pub(crate) done: u64,
    /// Its length, where that is known.
    pub(crate) total: Option<u64>,
}

impl Tally {
    /// Before the first of so many jobs.
    pub(crate) fn of_jobs(jobs: usize) -> Self {
        Self { uncounted: AtomicU64::new(jobs as u64), ..Self::default() }
    }

    /// Notes that the same command starts over after an interruption.
    pub(crate) fn set_starting_over(&self) {
        self.starts_over.store(true, Relaxed);
    }

    /// True if the same command goes on after an interruption.
    pub(super) fn resumes(&self) -> bool {
        !self.starts_over.load(Relaxed)
    }

    /// Merges this many jobs into one, whose totals are reported once.
    pub(crate) fn count_as_one(&self, jobs: usize) {
        self.uncounted.fetch_sub(jobs.saturating_sub(1) as u64, Relaxed);
    }

    /// A job has ended; its own counts are the exact ones.
    pub(crate) fn end_job(&self, summary: &TransferSummary) {
        lock(&self.ended).add(summary);
    }

    /// A mirror has ended.
    pub(crate) fn end_mirror(&self, summary: &ftp_client::mirror::MirrorSummary) {
        *lock(&self.mirror) = Some(*summary);
    }

    /// Counts of a mirror beside the files that it sent.
    pub(super) fn mirror(&self) -> Option<ftp_client::mirror::MirrorSummary> {
        *lock(&self.mirror)
    }

    /// A further round of a watch begins: progress is that of the round, and the summary is that of all rounds. What was
    /// verified goes on growing, since the rate is measured by it.
    pub(crate) fn begin_round(&self) {
        let mut before = lock(&self.before);
        *before = EarlierRounds { items: lock(&self.seen).items(), verified: self.verified() };
        for count in [&self.left_alone, &self.total_files, &self.total_bytes] {
            count.store(0, Relaxed);
        }
        self.uncounted.store(1, Relaxed);
        lock(&self.running).clear();
    }

    /// All jobs have ended.
    pub(crate) fn end(&self) -> TransferSummary {
        self.complete.store(true, Relaxed);
        self.summary()
    }

    /// Returns the counts of the jobs, or those seen so far if they were interrupted.
    pub(crate) fn summary(&self) -> TransferSummary {
        let ended = *lock(&self.ended);
        if self.complete.load(Relaxed) {
            return ended;
        }
        TransferSummary {
            not_owned: ended.not_owned,
            bytes_transferred: self.verified(),
            bytes_compressed: ended.bytes_compressed,
            bytes_saved: ended.bytes_saved,
            bytes_copied: ended.bytes_copied,
            gravest: ended.gravest,
            ..*lock(&self.seen)
        }
    }

    /// Counts an item that has ended.
    pub(super) fn end_item(&self, report: &FileReport<'_>) {
        lock(&self.seen).count(report);
        if let FileOutcome::Skipped | FileOutcome::LeftOut = report.outcome {
            self.left_alone.fetch_add(report.bytes, Relaxed);
        }
    }

    /// Counts a source that failed as a whole.
    pub(super) fn fail_source(&self) {
        lock(&self.seen).failed += 1;
    }

    pub(super) fn begin_file(&self, job: usize, path: &RemotePath, name: String, total: Option<u64>) {
        let mut running = lock(&self.running);
        // After the connection was made anew, files under way begin once more, and go on where they were.
        if !running.iter().any(|running| running.is(job, path)) {
            running.push(ActiveFile { job, path: path.clone(), name, done: 0, total });
        }
    }

    pub(super) fn add_to_file(&self, job: usize, path: &RemotePath, bytes: u64) {
        if let Some(running) = lock(&self.running).iter_mut().find(|running| running.is(job, path)) {
            running.done += bytes;
        }
    }

    pub(super) fn end_file(&self, job: usize, path: &RemotePath) {
        lock(&self.running).retain(|running| !running.is(job, path));
    }

    /// Returns the bytes transferred so far, to measure the rate.
    pub(super) fn verified(&self) -> u64 {
        self.verified.load(Relaxed)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        // A round only begins under this lock, so the counts are the greater.
        let before = lock(&self.before);
        Snapshot {
            files: lock(&self.seen).items().saturating_sub(before.items),
            bytes: self.verified().saturating_sub(before.verified) + self.left_alone.load(Relaxed),
            total_files: self.total_files.load(Relaxed),
            total_bytes: self.total_bytes.load(Relaxed),
            counted: self.uncounted.load(Relaxed) == 0,
            rate: 0,
            left: None,
            outage: None,
            running: lock(&self.running).iter().map(ActiveFile::shown).collect(),
        }
    }
}

impl ActiveFile {
    fn is(&self, job: usize, path: &RemotePath) -> bool {
        self.job == job && self.path == *path
    }

    fn shown(&self) -> RunningFile {
        RunningFile { name: self.name.clone(), done: self.done, total: self.total }
    }
}
