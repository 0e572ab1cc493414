//! Jobs in the background: each with a connection of its own, so that one can be stopped without the others.

use crate::cli::commands::{CommandContext, OnlineCommand};
use crate::cli::connect;
use crate::cli::goodbye;
use crate::cli::output::{Output, Voice};
use crate::cli::server::ServerTarget;
use ftp_client::{ConnectOptions, Error};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The jobs of a shell.
pub(crate) struct BackgroundJobs {
    jobs: Vec<BackgroundJob>,
    next: usize,
    voice: Voice,
    /// The end of the job that was queued last.
    last_queued: Option<oneshot::Receiver<()>>,
}

struct BackgroundJob {
    number: usize,
    text: String,
    output: Arc<Output>,
    killed: CancellationToken,
    task: JoinHandle<()>,
}

impl BackgroundJobs {
    pub(crate) fn new(voice: Voice) -> Self {
        Self { jobs: Vec::new(), next: 1, voice, last_queued: None }
    }

    /// Starts a job; a queued job waits for those queued before it.
    pub(crate) fn begin(
        &mut self,
        text: String,
        server: ServerTarget,
        options: ConnectOptions,
        work: OnlineCommand,
        output: &Output,
        queued: bool,
    ) {
        self.jobs.retain(|job| !job.task.is_finished());
        let number = self.next;
        self.next += 1;
        let (ended, end) = oneshot::channel::<()>();
        let before = if queued { self.last_queued.replace(end) } else { None };
        let (of_job, killed) = (output.of_job(number, Arc::clone(&self.voice)), CancellationToken::new());
        let (told, stop, title) = (Arc::clone(&of_job), killed.clone(), text.clone());
        let options = ConnectOptions { outages: connect::telling(options.outages, &told), ..options };
        // A thread of its own: not all commands' futures may change threads.
        let runtime = Handle::current();
        let task = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let run = async {
                    if let Some(before) = before {
                        let _ = before.await; // waits for its end, whatever the result
                    }
                    in_own_session(options, &server, work, &told).await
                };
                let result = tokio::select! {
                    result = Box::pin(run) => result,
                    () = stop.cancelled() => Err(Error::Interrupted),
                };
                let code = match result {
                    Err(interrupted @ Error::Interrupted) => {
                        let _ = told.flush(); // writing to the prompt cannot fail
                        interrupted.exit_code() // reported below
                    }
                    result => told.finish(result),
                };
                told.say(&format!("[{number}] {title}: {}", how(code)));
                drop(ended);
            });
        });
        self.jobs.push(BackgroundJob { number, text, output: of_job, killed, task });
        output.say(&format!("[{number}] {}", if queued { "queued" } else { "begun" }));
    }

    pub(crate) fn running(&self) -> usize {
        self.jobs.iter().filter(|job| !job.task.is_finished()).count()
    }

    /// Prints one line per job.
    pub(crate) fn tell(&self, output: &Output) -> Result<(), Error> {
        for job in self.jobs.iter().filter(|job| !job.task.is_finished()) {
            let standing = job.output.standing().unwrap_or_else(|| "waiting".to_owned());
            output.print(format!("[{}] {}: {standing}\n", job.number, job.text).as_bytes())?;
        }
        Ok(())
    }

    /// Waits for jobs; for all if none is named.
    pub(crate) async fn wait(&mut self, numbers: &[usize]) -> Result<(), Error> {
        self.check(numbers)?;
        for job in self.jobs.iter_mut().filter(|job| numbers.is_empty() || numbers.contains(&job.number)) {
            if !job.task.is_finished() {
                let _ = (&mut job.task).await; // a job reports its own result
            }
        }
        Ok(())
    }

    /// Stops jobs.
    pub(crate) fn kill(&self, numbers: &[usize]) -> Result<(), Error> {
        self.check(numbers)?;
        self.jobs.iter().filter(|job| numbers.contains(&job.number)).for_each(|job| job.killed.cancel());
        Ok(())
    }

    /// Stops all jobs and gives them time to log out.
    pub(crate) async fn kill_all(&mut self) {
        self.jobs.iter().for_each(|job| job.killed.cancel());
        goodbye::in_time(self.wait(&[])).await;
    }

    fn check(&self, numbers: &[usize]) -> Result<(), Error> {
        match numbers.iter().find(|number| **number == 0 || **number >= self.next) {
            Some(number) => Err(Error::Usage(format!("there is no job {number}"))),
            None => Ok(()),
        }
    }
}

async fn in_own_session(
    options: ConnectOptions,
    server: &ServerTarget,
    work: OnlineCommand,
    output: &Arc<Output>,
) -> Result<u8, Error> {
    let session = connect::patiently(options).await?;
    let result = Box::pin(work.run(CommandContext { session: &session, server, output })).await;
    session.close().await;
    result
}

fn how(code: u8) -> String {
    match code {
        0 => "done".to_owned(),
        130 => "stopped".to_owned(),
        code => format!("failed ({code})"),
    }
}
