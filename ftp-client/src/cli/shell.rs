//! The shell: reads lines from a person, and runs them as scripts' lines are run.
//!
//! ```text
//! prompt thread (rustyline) ─ line ─► loop ─► Executor, while the prompt waits; Ctrl-C drops what runs
//!        ▲                             └────► Jobs (`&`, queue), each over a connection of its own
//!        └──── external printer ◄──────────────── what jobs have to say
//! ```

mod complete;
mod jobs;
mod prompt;

use crate::cli::args::Word;
use crate::cli::executor::{Executor, Parsed, reads_stdin, stdin_taken};
use crate::cli::interrupts::Interrupts;
use crate::cli::output::{Output, shown};
use crate::cli::script::{self, Words};
use crate::cli::task::Task;
use complete::Shared;
use ftp_client::Error;
use jobs::Jobs;
use prompt::{Answer, Prompt};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::sync::Arc;
use tokio::task::block_in_place;

/// A person's session.
pub(crate) struct Shell<'a> {
    executor: &'a mut Executor,
    output: &'a Arc<Output>,
    prompt: Prompt,
    shared: Shared,
    jobs: Jobs,
    /// Somebody wants to leave, and was told of jobs that run.
    warned: bool,
}

/// Whether the shell goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Prompt,
    Leave,
}

impl<'a> Shell<'a> {
    pub(crate) fn new(executor: &'a mut Executor, output: &'a Arc<Output>) -> Result<Self, Error> {
        if output.json() {
            return Err(Error::Usage("the shell is for people: for --json, use script".to_owned()));
        }
        let shared = Shared::new();
        let prompt = Prompt::start(shared.clone())?;
        let jobs = Jobs::new(prompt.voice());
        Ok(Self { executor, output, prompt, shared, jobs, warned: false })
    }

    /// Reads and runs lines until the person leaves; what failed was told then, and is not the shell's exit code.
    pub(crate) async fn run(mut self, remote: Option<&OsStr>) -> Result<u8, Error> {
        if let Some(remote) = remote {
            Interrupts::listen()?.guard(Box::pin(self.executor.open(remote, self.output))).await?;
        }
        let mut end = Interrupts::listen()?;
        loop {
            let (scope, session) = self.executor.current();
            self.shared.look(scope, session);
            let answer = tokio::select! {
                answer = self.prompt.ask(self.executor.here().ok()) => answer?,
                () = end.ended() => break,
            };
            let next = match answer {
                Answer::Line(line) => self.line(&line).await,
                Answer::Interrupted => Ok(Next::Prompt),
                Answer::End => Ok(self.leave()),
            };
            match next {
                Ok(Next::Leave) => break,
                Ok(Next::Prompt) => {}
                Err(error) => self.output.complain(&error),
            }
        }
        self.jobs.kill_all().await;
        self.prompt.restore();
        Ok(0)
    }

    async fn line(&mut self, line: &str) -> Result<Next, Error> {
        if let Some(command) = line.trim_start().strip_prefix('!') {
            run_here(command)?;
            return Ok(Next::Prompt);
        }
        let Words { words, background } =
            script::split(line.as_bytes(), |name| env::var_os(name)).map_err(Error::Usage)?;
        if words.is_empty() {
            return Ok(Next::Prompt);
        }
        let Parsed(word) = match self.executor.understand(&words) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.output.say(error.to_string().trim_end());
                return Ok(Next::Prompt);
            }
        };
        if reads_stdin(&word) {
            return Err(stdin_taken());
        }
        let leaving = std::mem::take(&mut self.warned);
        match word {
            Word::Exit(_) if leaving => return Ok(Next::Leave),
            Word::Exit(_) => return Ok(self.leave()),
            Word::Queue(queue) => self.begin(&queue.words, true)?,
            Word::Jobs(_) => self.jobs.tell(self.output)?,
            Word::Wait(wait) => Interrupts::listen()?.guard(self.jobs.wait(&wait.jobs)).await?,
            Word::Kill(kill) => self.jobs.kill(&kill.jobs)?,
            Word::History(_) => self.output.print(self.prompt.history().as_bytes())?,
            _ if background => self.begin(&words, false)?,
            Word::Command(_)
            | Word::Open(_)
            | Word::Cd(_)
            | Word::Lcd(_)
            | Word::Pwd(_)
            | Word::Lpwd(_)
            | Word::Lls(_)
            | Word::Limit(_)
            | Word::Lanes(_) => self.foreground(word).await?,
        }
        self.output.flush()?;
        Ok(Next::Prompt)
    }

    /// Ctrl-C stops what runs. Its connection goes with it, so that the server stops too; the next command has a new one.
    async fn foreground(&mut self, word: Word) -> Result<(), Error> {
        let output = self.output.of_command();
        let mut interrupts = Interrupts::listen()?;
        let result = interrupts.guard(Box::pin(self.executor.run(Parsed(word), &output))).await;
        if matches!(result, Err(Error::Interrupted)) {
            self.executor.hang_up().await;
        }
        output.finish(result);
        Ok(())
    }

    fn begin(&mut self, words: &[OsString], queued: bool) -> Result<(), Error> {
        let Parsed(word) = self.executor.parse(words)?;
        if reads_stdin(&word) {
            return Err(stdin_taken());
        }
        let Word::Command(command) = word else {
            return Err(Error::Usage("this runs in the foreground only".to_owned()));
        };
        let text = words.iter().map(|word| shown(word.as_bytes())).collect::<Vec<_>>().join(" ");
        match self.executor.task(command, self.output)? {
            Task::Online(_, work) if work.is_transfer() => {
                let (server, options) = self.executor.dialing()?;
                self.jobs.begin(text, server, options, *work, self.output, queued);
                Ok(())
            }
            Task::Online(..) | Task::Offline(_) => {
                Err(Error::Usage("get, put and mirror run in the background; this does not".to_owned()))
            }
        }
    }

    /// Who leaves while jobs run is told once.
    fn leave(&mut self) -> Next {
        let running = self.jobs.running();
        if running == 0 || self.warned {
            return Next::Leave;
        }
        self.warned = true;
        self.output
            .say(&format!("{running} in the background: `wait` for them, or leave once more to stop them"));
        Next::Prompt
    }
}

/// Runs a command of this machine; Ctrl-C is its own.
fn run_here(command: &str) -> Result<(), Error> {
    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let ran = block_in_place(|| Command::new(&shell).arg("-c").arg(command).status());
    ran.map(|_| ()).map_err(|error| Error::local(shell.as_ref(), error))
}
