//! What `get` and `put` share: jobs that run at the same time, progress, and the exit code of all of them.

use super::advise_recursive;
use crate::cli::output::{
    Drawing, Object, Output, Progress, Tally, Watcher, duration_text, files_text, of_transfer,
};
use crate::cli::places::Server;
use ftp_client::observer::{Observer, Summary};
use ftp_client::session::{GetRequest, PutRequest};
use ftp_client::{Error, Session};
use indicatif::HumanBytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};
use wire::checksum::Checksum;
use wire::message::Overwrite;

/// One source of a transfer.
pub(super) struct Job {
    /// The source's path, for messages and events.
    pub(super) source: Vec<u8>,
    pub(super) request: Request,
}

pub(super) enum Request {
    Get(GetRequest),
    Put(PutRequest),
}

/// All of a transfer.
pub(super) struct Transfer<'a> {
    pub(super) command: &'static str,
    pub(super) session: &'a Session,
    pub(super) server: &'a Server,
    pub(super) output: &'a Arc<Output>,
    pub(super) overwrite: Overwrite,
    /// It is one file, asked for by its name.
    pub(super) named: bool,
}

impl Transfer<'_> {
    /// Runs all jobs; `failed` sources could not even begin, and were told of.
    pub(super) async fn run(&self, jobs: Vec<Job>, failed: u64) -> Result<u8, Error> {
        let started = Instant::now();
        let tally = Arc::new(Tally::of_jobs(jobs.len()));
        tally.end_job(&Summary { failed, ..Summary::default() });
        self.output.begin_transfer(&tally);
        tell_start(self.command, self.session, self.server, self.output);
        let drawing = Drawing::start(self.output, &tally);
        let result = self.run_jobs(jobs, failed == 0, &tally).await;
        drop(drawing);
        result?;
        let summary = tally.end();
        self.tell_end(&summary, started.elapsed());
        Ok(self.exit_code(&summary))
    }

    /// The first job does not wait for the answer to the login.
    async fn run_jobs(&self, jobs: Vec<Job>, all: bool, tally: &Arc<Tally>) -> Result<(), Error> {
        let single = jobs.len() == 1 && all;
        let mut running = JoinSet::new();
        for (number, job) in jobs.into_iter().enumerate() {
            if !running.is_empty() && running.len() >= self.jobs_max().await? {
                self.settle(running.join_next().await, single, tally)?;
            }
            let observer = Arc::new(Watcher::new(tally, self.output, number, job.source));
            running.spawn(job.request.run(self.session.clone(), observer));
        }
        while !running.is_empty() {
            self.settle(running.join_next().await, single, tally)?;
        }
        Ok(())
    }

    /// The error of a single job is that of the run; of several, each is told and the others go on.
    fn settle(
        &self,
        ended: Option<Result<Result<Summary, Error>, JoinError>>,
        single: bool,
        tally: &Tally,
    ) -> Result<(), Error> {
        match ended.transpose().map_err(broken)?.transpose() {
            Ok(summary) => tally.end_job(&summary.unwrap_or_default()),
            Err(error) if single || !error.concerns_one_item() => return Err(error),
            Err(error) => {
                self.output.complain(&error);
                tally.end_job(&Summary { failed: 1, gravest: error.failure_code(), ..Summary::default() });
            }
        }
        Ok(())
    }

    async fn jobs_max(&self) -> Result<usize, Error> {
        Ok(usize::from(self.session.welcome().await?.jobs_max).clamp(1, JOBS_MAX))
    }

    fn tell_end(&self, summary: &Summary, elapsed: Duration) {
        match self.output.progress() {
            Progress::Bars => self.output.say(&sentence(summary, elapsed)),
            Progress::Plain | Progress::Json | Progress::None => {}
        }
    }

    fn exit_code(&self, summary: &Summary) -> u8 {
        let code = of_transfer(summary, self.named, self.overwrite == Overwrite::Never);
        if code == 6 && summary.failed == 0 {
            self.output.complain(&"the file exists and was left alone (--overwrite never)");
        }
        code
    }
}

/// The first event of a transfer.
pub(super) fn tell_start(command: &'static str, session: &Session, server: &Server, output: &Output) {
    let event = Object::event("started").text("command", command);
    let event = event.text("address", &server.address());
    let checksum = match session.checksum() {
        Checksum::Sha256 => "sha256",
        Checksum::Blake3 => "blake3",
    };
    output.event(event.text("checksum", checksum));
}

impl Request {
    async fn run(self, session: Session, observer: Arc<dyn Observer>) -> Result<Summary, Error> {
        match self {
            Self::Get(request) => {
                let (path, recursive) = (request.path.clone(), request.recursive);
                let result = session.get(request, observer).await;
                result.map_err(|error| if recursive { error } else { advise_recursive(error, &path) })
            }
            Self::Put(request) => session.put(request, observer).await,
        }
    }
}

/// `12 files, 1.5 GiB in 0:07 (219 MiB/s), 1 failed`.
pub(super) fn sentence(summary: &Summary, elapsed: Duration) -> String {
    let millis = elapsed.as_millis().max(1);
    let rate = u64::try_from(u128::from(summary.bytes) * 1000 / millis).unwrap_or(u64::MAX);
    let mut text = format!(
        "{}, {} in {} ({}/s)",
        files_text(summary.files),
        HumanBytes(summary.bytes),
        duration_text(elapsed),
        HumanBytes(rate)
    );
    for (count, word) in [(summary.skipped, "left alone"), (summary.failed, "failed")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

/// A panic of a job is a defect of this program; the session cannot be relied on any more.
fn broken(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Error::Interrupted,
    }
}

/// Enough to hide round trips between small sources; more would only share the lanes.
const JOBS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_in_a_sentence() {
        let summary = Summary { files: 1, skipped: 0, failed: 2, bytes: 3 << 20, ..Summary::default() };
        assert_eq!(
            sentence(&summary, Duration::from_secs(2)),
            "1 file, 3.00 MiB in 0:02 (1.50 MiB/s), 2 failed"
        );
    }
}
