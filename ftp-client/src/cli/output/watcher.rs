//! Observes one job: counts its progress, and reports each item to people and scripts.

use super::json::Object;
use super::tally::Tally;
use super::{Output, shown};
use crate::cli::results::Record;
use ftp_client::Error;
use ftp_client::observer::{FileOutcome, FileReport, TransferObserver};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use wire::checksum::{Checksum, Digest};
use wire::sync::lock;
use wire::{Failure, FailureCode, RemotePath};

/// The observer of one job of a run.
pub(crate) struct Watcher {
    tally: Arc<Tally>,
    output: Arc<Output>,
    job: usize,
    /// The path of the job's source; items are reported below it.
    source: Vec<u8>,
    totals: Mutex<ReportedTotals>,
    record: Option<Arc<Record>>,
    /// Its totals are part of another job's and not reported here.
    is_part: bool,
}

/// The totals that the job reported last.
#[derive(Default)]
struct ReportedTotals {
    files: u64,
    bytes: u64,
    complete: bool,
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
            self.tally.failed.fetch_add(1, Relaxed);
            let event = Object::event("file").path(&self.source).number("bytes", 0);
            self.output.event(event.text("outcome", "failed").text("reason", &error.to_string()));
        }
    }

    /// Called when a further round of a watch begins: its totals are counted anew.
    pub(super) fn begin_round(&self) {
        self.tally.begin_round();
        *lock(&self.totals) = ReportedTotals::default();
    }

    /// Called when an item vanished before it was sent.
    pub(super) fn vanished(&self, path: &RemotePath) {
        let (folder, bytes, digest, as_is, outcome) = (false, 0, None, false, FileOutcome::Vanished);
        let report = FileReport { path, folder, bytes, digest, as_is, outcome };
        self.count(&report);
        self.tell(&report);
    }

    /// Called for a pipe, socket or device of the source, which is not sent.
    pub(super) fn left_out(&self, path: &RemotePath) {
        let (folder, bytes, digest, as_is, outcome) = (false, 0, None, false, FileOutcome::LeftOut);
        let report = FileReport { path, folder, bytes, digest, as_is, outcome };
        self.count(&report);
        self.tell(&report);
    }

    fn full_path(&self, below: &RemotePath) -> Vec<u8> {
        if below.is_root() {
            return self.source.clone();
        }
        if self.source.is_empty() {
            return below.as_bytes().to_vec(); // a mirror reports paths below both folders
        }
        let separator: &[u8] = if self.source.ends_with(b"/") { b"" } else { b"/" };
        [&self.source, separator, below.as_bytes()].concat()
    }

    fn count(&self, report: &FileReport<'_>) {
        match report.outcome {
            FileOutcome::Failed(_) => {
                self.tally.failed.fetch_add(1, Relaxed);
            }
            FileOutcome::Vanished => {
                self.tally.vanished.fetch_add(1, Relaxed);
            }
            FileOutcome::Done | FileOutcome::Skipped if report.folder => {}
            FileOutcome::Done => {
                self.tally.files.fetch_add(1, Relaxed);
                self.tally.bytes.fetch_add(report.bytes, Relaxed);
                self.tally.as_is.fetch_add(report.as_is.into(), Relaxed);
            }
            FileOutcome::Skipped | FileOutcome::LeftOut => {
                self.tally.skipped.fetch_add(1, Relaxed);
                self.tally.left_alone.fetch_add(report.bytes, Relaxed);
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
    fn totals(&self, files: u64, bytes: u64, complete: bool) {
        let mut last = lock(&self.totals);
        // Totals only grow; wrapping makes the difference right even if a job takes something back.
        self.tally.total_files.fetch_add(files.wrapping_sub(last.files), Relaxed);
        self.tally.total_bytes.fetch_add(bytes.wrapping_sub(last.bytes), Relaxed);
        if complete && !last.complete {
            self.tally.uncounted.fetch_sub(1, Relaxed);
        }
        *last = ReportedTotals { files, bytes, complete: complete || last.complete };
    }

    fn file_started(&self, path: &RemotePath, bytes: Option<u64>) {
        self.tally.begin_file(self.job, path, shown(&self.full_path(path)), bytes);
        // A job of one file need not be counted.
        if let Some(bytes) = bytes.filter(|_| path.is_root() && !self.is_part) {
            self.totals(1, bytes, true);
        }
    }

    fn progress(&self, path: Option<&RemotePath>, bytes: u64) {
        self.tally.verified.fetch_add(bytes, Relaxed);
        if let Some(path) = path {
            self.tally.add_to_file(self.job, path, bytes);
        }
    }

    /// Existing content takes no time, so it is not part of the rate.
    fn held(&self, path: Option<&RemotePath>, bytes: u64) {
        self.tally.left_alone.fetch_add(bytes, Relaxed);
        if let Some(path) = path {
            self.tally.add_to_file(self.job, path, bytes);
        }
    }

    fn file_finished(&self, report: &FileReport<'_>) {
        self.tally.end_file(self.job, report.path);
        self.count(report);
        self.tell(report);
        if let Some(record) = &self.record {
            record.item(report);
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
        a.totals(5, 100, false);
        b.totals(1, 1, true);
        a.totals(7, 150, true);
        a.totals(7, 150, true);
        let snapshot = tally.snapshot();
        assert_eq!((snapshot.total_files, snapshot.total_bytes, snapshot.counted), (8, 151, true));
    }

    #[test]
    fn each_round_of_a_watch_has_counts_of_its_own_and_the_summary_has_all() {
        let (tally, [a]) = watchers();
        let name = path("x");
        a.totals(2, 20, true);
        for round in 0..3 {
            if round > 0 {
                a.begin_round();
            }
            a.totals(1, 10, false);
            let snapshot = tally.snapshot();
            assert_eq!((snapshot.files, snapshot.bytes, snapshot.counted), (0, 0, round == 0), "{round}");
            a.totals(1, 10, true);
            a.progress(None, 10);
            a.file_finished(&report(&name, false, FileOutcome::Done));
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
        a.totals(1, 100, true);
        a.held(Some(&large), 60);
        a.progress(Some(&large), 40);
        assert_eq!((tally.snapshot().bytes, tally.verified()), (100, 40));
    }

    #[test]
    fn a_file_that_begins_once_more_goes_on() {
        let (tally, [a]) = watchers();
        let large = path("large");
        for _ in 0..2 {
            a.file_started(&large, Some(100));
            a.progress(Some(&large), 40);
        }
        let running = tally.snapshot().running;
        assert!(matches!(&running[..], [file] if file.done == 80), "{running:?}");
    }

    #[test]
    fn a_job_of_one_file_is_its_own_total() {
        let (tally, [a]) = watchers();
        a.file_started(&RemotePath::root(), Some(30));
        a.totals(1, 30, true);
        let snapshot = tally.snapshot();
        assert_eq!((snapshot.total_files, snapshot.total_bytes, snapshot.counted), (1, 30, true));
    }

    #[test]
    fn running_files_belong_to_their_job() {
        let (tally, [a, b]) = watchers();
        let name = path("big");
        a.file_started(&name, Some(30));
        b.file_started(&name, None);
        b.progress(Some(&name), 10);
        b.progress(None, 3);
        let snapshot = tally.snapshot();
        assert_eq!(snapshot.bytes, 13);
        assert_eq!(snapshot.running.iter().map(|file| file.done).collect::<Vec<_>>(), [0, 10]);
        assert_eq!(snapshot.running[0].name, "/dir/big");
        a.file_finished(&report(&name, false, FileOutcome::Done));
        assert_eq!(tally.snapshot().running.len(), 1);
    }

    #[test]
    fn folders_count_only_when_they_fail() {
        let (tally, [a]) = watchers();
        let (name, failure) = (path("x"), Failure::from(FailureCode::NoSpace));
        a.file_finished(&report(&name, true, FileOutcome::Done));
        a.file_finished(&report(&name, false, FileOutcome::Done));
        a.file_finished(&report(&name, false, FileOutcome::Skipped));
        a.file_finished(&report(&name, true, FileOutcome::Failed(&failure)));
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
