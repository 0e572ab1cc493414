//! Observes one job: counts its progress, and reports each item to people and scripts.

use super::json::Object;
use super::tally::Tally;
use super::{Output, shown};
use crate::cli::places;
use crate::cli::results::Record;
use ftp_client::Error;
use ftp_client::observer::{FileOutcome, FileReport, TransferEvent, TransferObserver};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use wire::checksum::{Checksum, Digest};
use wire::message::Totals;
use wire::sync::lock;
use wire::{Failure, FailureCode, RemotePath};

/// The observer of one job of a run.
pub(crate) struct Watcher {
    tally: Arc<Tally>,
    output: Arc<Output>,
    job: usize,
    /// The path of the job's source; items are reported below it. Empty for several sources, and for both sides of a mirror.
    source: Vec<u8>,
    /// The totals that the job reported last.
    totals: Mutex<Totals>,
    record: Option<Arc<Record>>,
    /// Its totals are part of another job's and not reported here.
    is_part: bool,
}

impl Watcher {
    pub(crate) fn new(tally: &Arc<Tally>, output: &Arc<Output>, job: usize, source: Vec<u8>) -> Self {
        Self {
            tally: Arc::clone(tally),
            output: Arc::clone(output),
            job,
            source,
            totals: Mutex::default(),
            record: None,
            is_part: false,
        }
    }

    /// Makes it the watcher of one source of a job of many, whose totals another watcher receives.
    pub(crate) fn part_of_many(self) -> Self {
        Self { is_part: true, ..self }
    }

    /// Keeps each outcome in a result file too.
    pub(crate) fn recorded(self, record: Option<Arc<Record>>) -> Self {
        Self { record, ..self }
    }

    /// Called when the job ended with an error. An error of the job alone is reported for its source; other errors are reported by the run.
    pub(crate) fn broken_off(&self, error: &Error) {
        if error.concerns_one_item() {
            self.tally.fail_source();
            let event = Object::event("file").path(&self.source).number("bytes", 0);
            self.output.event(event.text("outcome", "failed").text("reason", &error.to_string()));
        }
    }

    /// Called when a further round of a watch begins: its totals are counted anew.
    pub(super) fn begin_round(&self) {
        self.tally.begin_round();
        *lock(&self.totals) = Totals::default();
    }

    fn full_path(&self, below: &RemotePath) -> Vec<u8> {
        match (&self.source[..], below.as_bytes()) {
            (b"", b"") => b".".to_vec(), // the mirrored folder itself, as with rsync
            (b"", below) => below.to_vec(),
            (source, below) => places::joined(source, below),
        }
    }

    fn count(&self, totals: Totals) {
        let mut last = lock(&self.totals);
        // Totals only grow; wrapping makes the difference right even if a job takes something back.
        self.tally.total_files.fetch_add(totals.files.wrapping_sub(last.files), Relaxed);
        self.tally.total_bytes.fetch_add(totals.bytes.wrapping_sub(last.bytes), Relaxed);
        if totals.complete && !last.complete {
            self.tally.uncounted.fetch_sub(1, Relaxed);
        }
        *last = Totals { complete: totals.complete || last.complete, ..totals };
    }

    fn begin_file(&self, path: &RemotePath, bytes: Option<u64>) {
        self.tally.begin_file(self.job, path, shown(&self.full_path(path)), bytes);
        // A job of one file need not be counted.
        if let Some(bytes) = bytes.filter(|_| path.is_root() && !self.is_part) {
            self.count(Totals { files: 1, bytes, complete: true });
        }
    }

    fn add(&self, count: &AtomicU64, path: Option<&RemotePath>, bytes: u64) {
        count.fetch_add(bytes, Relaxed);
        if let Some(path) = path {
            self.tally.add_to_file(self.job, path, bytes);
        }
    }

    fn end_file(&self, report: &FileReport<'_>) {
        self.tally.end_file(self.job, report.path);
        self.tally.end_item(report);
        self.tell(report);
        if let Some(record) = &self.record {
            record.item(report);
        }
    }

    fn tell_removal(&self, path: &RemotePath, failure: Option<&Failure>) {
        let path = self.full_path(path);
        let event = Object::event("source").path(&path);
        match failure {
            None => self.output.event(event.text("outcome", "removed")),
            Some(failure) => {
                self.output.complain(&format!("{}: {failure}", shown(&path)));
                self.output.event(event.text("outcome", "kept").text("reason", &failure.to_string()));
            }
        }
    }

    fn tell(&self, report: &FileReport<'_>) {
        let path = self.full_path(report.path);
        match report.outcome {
            FileOutcome::Failed(failure) => {
                let advice = advice(failure);
                self.output.complain(&format!("{}: {failure}{advice}", shown(&path)));
            }
            FileOutcome::Done if report.as_is => {
                let path = shown(&path);
                self.output.warn(&format!("{path}: changed while it was read, and was sent as it was read"));
            }
            FileOutcome::Done => self.output.note(|| shown(&path)),
            FileOutcome::Skipped => self.output.note(|| format!("{}: left alone", shown(&path))),
            FileOutcome::Vanished => self.output.note(|| format!("{}: vanished", shown(&path))),
            FileOutcome::LeftOut => {
                self.output.warn(&format!("{}: {}", shown(&path), FailureCode::LeftOut.meaning()));
            }
        }
        if self.output.json() && !silent_folder(report) {
            self.output.event(event(&path, report));
        }
    }
}

impl TransferObserver for Watcher {
    fn on_event(&self, event: &TransferEvent<'_>) {
        match *event {
            TransferEvent::Totals(totals) => self.count(totals),
            TransferEvent::FileStarted { path, bytes } => self.begin_file(path, bytes),
            TransferEvent::Progress { path, bytes } => self.add(&self.tally.verified, path, bytes),
            // Existing content takes no time, so it is not part of the rate.
            TransferEvent::AlreadyThere { path, bytes } => self.add(&self.tally.left_alone, path, bytes),
            TransferEvent::FileFinished(report) => self.end_file(&report),
            TransferEvent::SourceRemoved { path } => self.tell_removal(path, None),
            TransferEvent::SourceKept { path, failure } => self.tell_removal(path, Some(failure)),
        }
    }
}

/// The advice about a failure.
fn advice(failure: &Failure) -> &'static str {
    if failure.code == FailureCode::SourceChanged {
        "; --changing as-is sends what can be read of it"
    } else {
        ""
    }
}

/// Returns true for a folder that did not fail: it has no event.
fn silent_folder(report: &FileReport<'_>) -> bool {
    match report.outcome {
        FileOutcome::Done | FileOutcome::Skipped => report.folder,
        FileOutcome::Vanished | FileOutcome::LeftOut | FileOutcome::Failed(_) => false,
    }
}

fn event(path: &[u8], report: &FileReport<'_>) -> Object {
    let object = Object::event("file").path(path).number("bytes", report.bytes);
    let object = match report.digest {
        Some((checksum, digest)) => object.text("digest", &digest_text(checksum, digest)),
        None => object,
    };
    match report.outcome {
        FileOutcome::Done if report.as_is => object.text("outcome", "done").truth("as_is", true),
        FileOutcome::Done => object.text("outcome", "done"),
        FileOutcome::Skipped => object.text("outcome", "skipped"),
        FileOutcome::Vanished => object.text("outcome", "vanished"),
        FileOutcome::LeftOut => {
            object.text("outcome", "skipped").text("reason", FailureCode::LeftOut.meaning())
        }
        FileOutcome::Failed(failure) => object.text("outcome", "failed").text("reason", &failure.to_string()),
    }
}

/// Formats a digest. With SHA-256 it is the root over chunks, not the output of `sha256sum`; the name says so.
fn digest_text(checksum: Checksum, digest: Digest) -> String {
    match checksum {
        Checksum::Blake3 => format!("blake3:{digest}"),
        Checksum::Sha256 => format!("sha256-chunks:{digest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::Cli;
    use clap::Parser;
    use ftp_client::observer::TransferSummary;

    fn watchers<const N: usize>() -> (Arc<Tally>, [Watcher; N]) {
        let typed = Cli::parse_from(["ftp-client", "ls", "h:", "-q", "--no-progress"]);
        let (tally, output) = (Arc::new(Tally::of_jobs(N)), Arc::new(Output::new(&typed.common)));
        let watchers = std::array::from_fn(|job| Watcher::new(&tally, &output, job, b"/dir".to_vec()));
        (tally, watchers)
    }

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    fn report<'a>(path: &'a RemotePath, folder: bool, outcome: FileOutcome<'a>) -> FileReport<'a> {
        FileReport { path, folder, bytes: 10, digest: None, as_is: false, outcome }
    }

    #[test]
    fn totals_of_jobs_are_added_up() {
        let (tally, [a, b]) = watchers();
        a.count(Totals { files: 5, bytes: 100, complete: false });
        b.count(Totals { files: 1, bytes: 1, complete: true });
        a.count(Totals { files: 7, bytes: 150, complete: true });
        a.count(Totals { files: 7, bytes: 150, complete: true });
        let snapshot = tally.snapshot();
        assert_eq!((snapshot.total_files, snapshot.total_bytes, snapshot.counted), (8, 151, true));
    }

    #[test]
    fn each_round_of_a_watch_has_counts_of_its_own_and_the_summary_has_all() {
        let (tally, [a]) = watchers();
        let name = path("x");
        a.count(Totals { files: 2, bytes: 20, complete: true });
        for round in 0..3 {
            if round > 0 {
                a.begin_round();
            }
            a.count(Totals { files: 1, bytes: 10, complete: false });
            let snapshot = tally.snapshot();
            assert_eq!((snapshot.files, snapshot.bytes, snapshot.counted), (0, 0, round == 0), "{round}");
            a.count(Totals { files: 1, bytes: 10, complete: true });
            a.on_event(&TransferEvent::Progress { path: None, bytes: 10 });
            a.end_file(&report(&name, false, FileOutcome::Done));
            let snapshot = tally.snapshot();
            assert_eq!((snapshot.files, snapshot.total_files, snapshot.counted), (1, 1, true), "{round}");
            assert_eq!((snapshot.bytes, snapshot.total_bytes), (10, 10), "{round}");
        }
        let all = tally.summary();
        assert_eq!((all.files, all.bytes, all.bytes_transferred, tally.verified()), (3, 30, 30, 30));
    }

    #[test]
    fn what_was_there_is_progress_and_no_speed() {
        let (tally, [a]) = watchers();
        let large = path("large");
        a.count(Totals { files: 1, bytes: 100, complete: true });
        a.on_event(&TransferEvent::AlreadyThere { path: Some(&large), bytes: 60 });
        a.on_event(&TransferEvent::Progress { path: Some(&large), bytes: 40 });
        assert_eq!((tally.snapshot().bytes, tally.verified()), (100, 40));
    }

    #[test]
    fn a_file_that_begins_once_more_goes_on() {
        let (tally, [a]) = watchers();
        let large = path("large");
        for _ in 0..2 {
            a.begin_file(&large, Some(100));
            a.on_event(&TransferEvent::Progress { path: Some(&large), bytes: 40 });
        }
        let running = tally.snapshot().running;
        assert!(matches!(&running[..], [file] if file.done == 80), "{running:?}");
    }

    #[test]
    fn a_job_of_one_file_is_its_own_total() {
        let (tally, [a]) = watchers();
        a.begin_file(&RemotePath::root(), Some(30));
        a.count(Totals { files: 1, bytes: 30, complete: true });
        let snapshot = tally.snapshot();
        assert_eq!((snapshot.total_files, snapshot.total_bytes, snapshot.counted), (1, 30, true));
    }

    #[test]
    fn running_files_belong_to_their_job() {
        let (tally, [a, b]) = watchers();
        let name = path("big");
        a.begin_file(&name, Some(30));
        b.begin_file(&name, None);
        b.on_event(&TransferEvent::Progress { path: Some(&name), bytes: 10 });
        b.on_event(&TransferEvent::Progress { path: None, bytes: 3 });
        let snapshot = tally.snapshot();
        assert_eq!(snapshot.bytes, 13);
        assert_eq!(snapshot.running.iter().map(|file| file.done).collect::<Vec<_>>(), [0, 10]);
        assert_eq!(snapshot.running[0].name, "/dir/big");
        a.end_file(&report(&name, false, FileOutcome::Done));
        assert_eq!(tally.snapshot().running.len(), 1);
    }

    #[test]
    fn folders_count_only_when_they_fail() {
        let (tally, [a]) = watchers();
        let (name, failure) = (path("x"), Failure::from(FailureCode::NoSpace));
        a.end_file(&report(&name, true, FileOutcome::Done));
        a.end_file(&report(&name, false, FileOutcome::Done));
        a.end_file(&report(&name, false, FileOutcome::Skipped));
        a.end_file(&report(&name, true, FileOutcome::Failed(&failure)));
        let seen = tally.summary();
        assert_eq!((seen.files, seen.skipped, seen.failed, seen.bytes), (1, 1, 1, 10));
        tally.end_job(&TransferSummary { files: 4, ..TransferSummary::default() });
        assert_eq!(tally.summary().files, 1);
        assert_eq!(tally.end().files, 4);
    }

    #[test]
    fn events_name_the_whole_path() {
        let (_, [a]) = watchers();
        let (name, failure) = (path("x"), Failure::from(FailureCode::NoSpace));
        let mut done = report(&name, false, FileOutcome::Done);
        done.digest = Some((Checksum::Sha256, Digest([0xab; 32])));
        let line = String::from_utf8(event(&a.full_path(&name), &done).into_line()).unwrap();
        let digest = "ab".repeat(32);
        assert_eq!(
            line,
            format!(
                "{{\"event\":\"file\",\"v\":1,\"path\":\"/dir/x\",\"bytes\":10,\
                 \"digest\":\"sha256-chunks:{digest}\",\"outcome\":\"done\"}}\n"
            )
        );
        let failed = event(b"/dir/x", &report(&name, false, FileOutcome::Failed(&failure))).into_line();
        assert!(String::from_utf8(failed).unwrap().contains("\"reason\":\"no space left on the device\""));
    }
}
