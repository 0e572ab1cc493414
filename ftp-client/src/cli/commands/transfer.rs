//! The part that `get` and `put` share: jobs that run at the same time, progress, and the exit code of all of them.

use super::CommandContext;
use super::job::TransferJob;
use super::limits::BottleneckWatch;
use super::progress::{Progress, sentence};
use super::together::{self, ByName};
use crate::cli::args::Permissions;
use crate::cli::output::{Tally, Watcher, of_transfer, shown};
use crate::cli::results::{Planned, Record, ResultHead, Results, Terms};
use ftp_client::observer::{TransferObserver, TransferSummary};
use ftp_client::{Error, Fetched, PutManyRequest};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use tokio::task::{JoinError, JoinSet};
use wire::RemotePath;
use wire::message::Overwrite;

/// A source that failed to start, with the error.
pub(super) struct FailedToStart {
    pub(super) source: Vec<u8>,
    /// The entry in a result file.
    pub(super) planned: Planned,
    pub(super) error: Error,
}

/// All of a transfer.
pub(super) struct TransferRun<'a> {
    pub(super) command: &'static str,
    pub(super) context: CommandContext<'a>,
    pub(super) overwrite: Overwrite,
    /// It is one file, asked for by its name.
    pub(super) named: bool,
    /// It is no failure that a file exists and was left alone.
    pub(super) forgiving: bool,
    /// The result file.
    pub(super) result: Option<&'a Path>,
    /// The folder, by a path without links, in which each source has a name: then several are one job.
    pub(super) together_in: Option<RemotePath>,
    /// As they were asked for; the jobs have them already.
    pub(super) permissions: Permissions,
}

impl<'a> TransferRun<'a> {
    /// Returns a transfer without the options that not all have.
    pub(super) fn new(
        command: &'static str,
        context: CommandContext<'a>,
        overwrite: Overwrite,
        permissions: Permissions,
    ) -> Self {
        let (named, forgiving, result, together_in) = (false, false, None, None);
        Self { command, context, overwrite, named, forgiving, result, together_in, permissions }
    }

    /// Runs all jobs, and reports sources that failed to start.
    pub(super) async fn run(&self, jobs: Vec<TransferJob>, unbegun: Vec<FailedToStart>) -> Result<u8, Error> {
        let mut progress = Progress::begin(self.command, self.context, jobs.len());
        let tally = progress.tally.clone();
        if jobs.iter().any(TransferJob::starts_over) {
            tally.set_starting_over();
        }
        let results = self.results(&jobs, &unbegun)?;
        let single = jobs.len() == 1 && unbegun.is_empty();
        let named = jobs.first().map(|job| shown(&job.source)).filter(|_| self.named);
        for FailedToStart { source, planned, error } in unbegun {
            Watcher::new(&tally, self.context.output, 0, source).broken_off(&error);
            if let Some(results) = &results {
                results.record(planned.clone()).end(Some(&error));
            }
            self.tell_failure(&error, &tally);
        }
        progress.draw();
        let limits = BottleneckWatch::watch(self.context.session, self.context.output);
        let together = self.context.session.begin_batch();
        let result = self.run_jobs(jobs, single, &tally, results.as_ref()).await;
        if result.is_ok() {
            together.end().await?;
        }
        progress.hide();
        limits.end();
        results.map_or(Ok(()), |results| results.finish())?;
        result?;
        let summary = progress.end(sentence);
        Ok(self.exit_code(&summary, named.as_deref()))
    }

    /// The first job does not wait for the answer to the login.
    async fn run_jobs(
        &self,
        jobs: Vec<TransferJob>,
        single: bool,
        tally: &Arc<Tally>,
        results: Option<&Arc<Results>>,
    ) -> Result<(), Error> {
        let mut running = JoinSet::new();
        // Jobs that were not started when the run breaks off have failed too.
        let record = |job: &TransferJob| results.map(|results| results.record(job.planned()));
        let many = self.together_in.as_ref().and_then(|folder| together::request(&jobs, folder));
        let jobs: Vec<_> = jobs.into_iter().map(|job| (record(&job), job)).collect();
        if let Some(many) = many {
            return self.run_together(jobs, many, tally).await;
        }
        let jobs = self.fetch_together(jobs, tally).await?;
        for (number, (record, job)) in jobs.into_iter().enumerate() {
            if !running.is_empty() && running.len() >= self.jobs_max().await? {
                self.settle(running.join_next().await, single, tally)?;
            }
            let watcher =
                Watcher::new(tally, self.context.output, number, job.source.clone()).recorded(record.clone());
            let watcher = Arc::new(watcher);
            let work =
                job.run(self.context.session.clone(), Arc::clone(&watcher) as Arc<dyn TransferObserver>);
            running.spawn(async move {
                let result = work.await;
                if let Some(record) = &record {
                    record.end(result.as_ref().err());
                }
                result.inspect_err(|error| watcher.broken_off(error))
            });
        }
        while !running.is_empty() {
            self.settle(running.join_next().await, single, tally)?;
        }
        Ok(())
    }

    /// Fetches files of one folder in one job; returns the sources that need a job of their own. The error of one of several jobs
    /// is reported, and the others continue.
    async fn fetch_together(
        &self,
        jobs: Vec<(Option<Arc<Record>>, TransferJob)>,
        tally: &Arc<Tally>,
    ) -> Result<Vec<(Option<Arc<Record>>, TransferJob)>, Error> {
        let fetches = together::fetches(&jobs.iter().map(|(_, job)| job).collect::<Vec<_>>());
        let is_all = matches!(&fetches[..], [(_, numbers)] if numbers.len() == jobs.len());
        let mut jobs: Vec<_> = jobs.into_iter().map(Some).collect();
        for (many, numbers) in fetches {
            let watcher = |number: &usize| {
                let (record, job) = jobs[*number].as_ref()?;
                let watcher = Watcher::new(tally, self.context.output, *number, job.source.clone());
                Some(Arc::new(watcher.recorded(record.clone()).part_of_many()))
            };
            let watchers: Vec<_> = numbers.iter().filter_map(watcher).collect();
            let all = Arc::new(Watcher::new(tally, self.context.output, jobs.len(), Vec::new()));
            let names = many.names.clone();
            let observer = Arc::new(ByName::new(names.iter(), &watchers, all));
            let (left, error) = match self.context.session.get_many(many, observer).await {
                Ok(Fetched { summary, left }) => {
                    tally.end_job(&summary);
                    (left.into_iter().collect(), None)
                }
                Err(error) if is_all || !error.concerns_one_item() => return Err(error),
                Err(error) => {
                    watchers.iter().for_each(|watcher| watcher.broken_off(&error));
                    self.tell_failure(&error, tally);
                    (HashSet::new(), Some(error))
                }
            };
            tally.count_as_one(names.len() - left.len());
            for (number, _) in numbers.iter().zip(&names).filter(|(_, name)| !left.contains(*name)) {
                let ended = jobs[*number].take().and_then(|(record, _)| record);
                if let Some(record) = ended {
                    record.end(error.as_ref());
                }
            }
        }
        Ok(jobs.into_iter().flatten().collect())
    }

    /// One job for all of them.
    async fn run_together(
        &self,
        jobs: Vec<(Option<Arc<Record>>, TransferJob)>,
        many: PutManyRequest,
        tally: &Arc<Tally>,
    ) -> Result<(), Error> {
        let (records, jobs): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        let watcher = |(number, (job, record)): (usize, (TransferJob, &Option<Arc<Record>>))| {
            let watcher =
                Watcher::new(tally, self.context.output, number, job.source).recorded(record.clone());
            Arc::new(watcher.part_of_many())
        };
        let watchers: Vec<_> = jobs.into_iter().zip(&records).enumerate().map(watcher).collect();
        let all = Arc::new(Watcher::new(tally, self.context.output, watchers.len(), Vec::new()));
        tally.count_as_one(watchers.len());
        let observer = Arc::new(ByName::new(many.sources.iter().map(|source| &source.name), &watchers, all));
        let result = self.context.session.put_many(many, observer).await;
        records.iter().flatten().for_each(|record| record.end(result.as_ref().err()));
        match result {
            Ok(summary) => tally.end_job(&summary),
            Err(error) => {
                watchers.iter().for_each(|watcher| watcher.broken_off(&error));
                return Err(error);
            }
        }
        Ok(())
    }

    /// The error of a single job is that of the run. With several jobs, each error is reported and the others continue.
    fn settle(
        &self,
        ended: Option<Result<Result<TransferSummary, Error>, JoinError>>,
        single: bool,
        tally: &Tally,
    ) -> Result<(), Error> {
        match ended.transpose().map_err(broken)?.transpose() {
            Ok(summary) => tally.end_job(&summary.unwrap_or_default()),
            Err(error) if single || !error.concerns_one_item() => return Err(error),
            Err(error) => self.tell_failure(&error, tally),
        }
        Ok(())
    }

    fn tell_failure(&self, error: &Error, tally: &Tally) {
        self.context.output.complain(error);
        tally.end_job(&TransferSummary {
            failed: 1,
            gravest: error.failure_code(),
            ..TransferSummary::default()
        });
    }

    fn results(
        &self,
        jobs: &[TransferJob],
        unbegun: &[FailedToStart],
    ) -> Result<Option<Arc<Results>>, Error> {
        let Some(path) = self.result else { return Ok(None) };
        let planned = jobs.iter().map(TransferJob::planned);
        let planned = planned.chain(unbegun.iter().map(|source| source.planned.clone())).collect();
        let first = jobs.first().map(TransferJob::options);
        let terms = Terms {
            overwrite: self.overwrite.into(),
            remove_source: jobs.iter().any(|job| job.removes_source),
            power: jobs.iter().any(|job| job.options().survive_power()),
            changing: first.map(|options| options.changing).unwrap_or_default().into(),
            compress: first.map(|options| options.compress).unwrap_or_default().into(),
            delta: first.map(|options| options.delta).unwrap_or_default().into(),
            permissions: self.permissions.clone(),
            chosen: jobs.iter().find_map(TransferJob::chosen).cloned().map(Box::new),
        };
        let head = ResultHead::new(self.command, self.context.session, self.context.server, terms, planned);
        Results::create(path, &head).map(Some)
    }

    async fn jobs_max(&self) -> Result<usize, Error> {
        Ok(usize::from(self.context.session.welcome().await?.jobs_max).clamp(1, JOBS_MAX))
    }

    fn exit_code(&self, summary: &TransferSummary, named: Option<&str>) -> u8 {
        let code = of_transfer(summary, self.named, self.overwrite == Overwrite::Never && !self.forgiving);
        if code == 6 && summary.failed == 0 {
            let named = named.unwrap_or("the file");
            self.context.output.complain(&format!("{named}: exists, and was left alone (--overwrite never)"));
        }
        code
    }
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
