//! The shell: reads lines from a person, and runs them as scripts' lines are run.
//!
//! ```text
//! prompt thread (rustyline) ─ line ─► loop ─► Interpreter, while the prompt waits; Ctrl-C drops what runs
//!        ▲                             └────► Jobs (`&`, queue), each over a connection of its own
//!        └──── external printer ◄──────────────── what jobs have to say
//! ```

mod complete;
mod jobs;
mod prompt;

use crate::cli::advice::sentence;
use crate::cli::commands::Task;
use crate::cli::interpreter::{Checker, Interpreter, Parsed, reads_stdin, stdin_taken};
use crate::cli::interrupts::Interrupts;
use crate::cli::line::Word;
use crate::cli::output::{Output, shown};
use crate::cli::script::{self, Words};
use complete::CompletionContext;
use ftp_client::Error;
use jobs::BackgroundJobs;
use prompt::{Prompt, PromptAnswer};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use tokio::task::block_in_place;

/// A person's session.
pub(crate) struct Shell<'a> {
    interpreter: &'a mut Interpreter,
    output: &'a Arc<Output>,
    prompt: Prompt,
    shared: CompletionContext,
    jobs: BackgroundJobs,
    /// The user wanted to leave and was warned of running jobs.
    warned: bool,
}

/// How a line ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineOutcome {
    Done,
    /// The error was reported already.
    Failed,
    /// The person has stopped it.
    Interrupted,
    Leaving,
}

impl<'a> Shell<'a> {
    pub(crate) fn new(interpreter: &'a mut Interpreter, output: &'a Arc<Output>) -> Result<Self, Error> {
        if output.json() {
            return Err(Error::Usage("the shell is for people: for --json, use script".to_owned()));
        }
        let shared = CompletionContext::new();
        let prompt = Prompt::start(shared.clone())?;
        let jobs = BackgroundJobs::new(prompt.voice());
        Ok(Self { interpreter, output, prompt, shared, jobs, warned: false })
    }

    /// Reads and runs lines until the user leaves. Failures are reported at once and do not change the shell's exit code.
    pub(crate) async fn run(mut self, remote: Option<&OsStr>) -> Result<u8, Error> {
        if let Some(remote) = remote {
            Interrupts::listen()?.guard(Box::pin(self.interpreter.open(remote, self.output))).await?;
        }
        let mut end = Interrupts::listen()?;
        let mut interrupted = false;
        loop {
            let (scope, session) = self.interpreter.current();
            self.shared.look(scope, session);
            let answer = tokio::select! {
                answer = self.prompt.ask(self.interpreter.here().ok(), interrupted) => answer?,
                () = end.ended() => break,
            };
            let ended = match answer {
                PromptAnswer::Lines(lines) => self.lines(&lines).await,
                PromptAnswer::Interrupted => LineOutcome::Done,
                PromptAnswer::End => self.leave(),
            };
            if ended == LineOutcome::Leaving {
                break;
            }
            interrupted = ended == LineOutcome::Interrupted;
        }
        self.jobs.kill_all().await;
        self.prompt.restore();
        Ok(0)
    }

    /// Runs typed lines. Several lines are all checked before the first is run, and stop at the first failure.
    async fn lines(&mut self, lines: &[String]) -> LineOutcome {
        if lines.len() > 1
            && let Err(error) = self.check(lines)
        {
            self.output.complain(&error);
            return LineOutcome::Failed;
        }
        for (index, line) in lines.iter().enumerate() {
            let ended = self.line(line).await.unwrap_or_else(|error| self.failed(&error));
            if ended != LineOutcome::Done {
                self.tell_left(&lines[index + 1..]);
                return ended;
            }
        }
        LineOutcome::Done
    }

    fn tell_left(&self, lines: &[String]) {
        match lines.iter().filter(|line| !line.trim().is_empty()).count() {
            0 => {}
            1 => self.output.say("1 line after it was not run"),
            left => self.output.say(&format!("{left} lines after it were not run")),
        }
    }

    fn failed(&self, error: &Error) -> LineOutcome {
        self.output.complain(error);
        if matches!(error, Error::Interrupted) { LineOutcome::Interrupted } else { LineOutcome::Failed }
    }

    /// Checks all lines before the first is run, as in a script.
    fn check(&self, lines: &[String]) -> Result<(), Error> {
        let mut checker = self.interpreter.checker(true);
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| command_here(line).is_none()) {
            let checked = words(line).and_then(|words| self.check_words(&words.words, &mut checker));
            checked.map_err(|error| Error::Usage(format!("line {}: {error}; no line was run", index + 1)))?;
        }
        Ok(())
    }

    fn check_words(&self, words: &[OsString], checker: &mut Checker) -> Result<(), Error> {
        if words.is_empty() {
            return Ok(());
        }
        match self.interpreter.understand(words) {
            Ok(Parsed { word: Word::Queue(queue), .. }) => {
                let queued = checker.parse(&queue.words)?;
                checker.check(queued.word, self.output)
            }
            Ok(Parsed { word: Word::Jobs(_) | Word::Wait(_) | Word::Kill(_) | Word::History(_), .. }) => {
                Ok(())
            }
            Ok(parsed) => checker.check(parsed.word, self.output),
            Err(help) if !help.use_stderr() => Ok(()),
            Err(error) => Err(Error::Usage(sentence(&error))),
        }
    }

    async fn line(&mut self, line: &str) -> Result<LineOutcome, Error> {
        if let Some(command) = command_here(line) {
            return run_here(command);
        }
        let Words { words, background } = words(line)?;
        if words.is_empty() {
            return Ok(LineOutcome::Done);
        }
        let Parsed { word, note } = match self.interpreter.understand(&words) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.output.say(error.to_string().trim_end());
                return Ok(if error.use_stderr() { LineOutcome::Failed } else { LineOutcome::Done });
            }
        };
        if reads_stdin(&word) {
            return Err(stdin_taken());
        }
        let leaving = std::mem::take(&mut self.warned);
        match word {
            Word::Exit(_) if leaving => return Ok(LineOutcome::Leaving),
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
            | Word::Lanes(_) => return self.foreground(Parsed { word, note }).await,
        }
        self.output.flush()?;
        Ok(LineOutcome::Done)
    }

    /// Runs a command until it ends or Ctrl-C is pressed. Ctrl-C also closes the connection, so that the server stops too; the next command connects anew.
    async fn foreground(&mut self, line: Parsed) -> Result<LineOutcome, Error> {
        let output = self.output.of_command();
        let mut interrupts = Interrupts::listen()?;
        let result = interrupts.guard(Box::pin(self.interpreter.run(line, &output))).await;
        let interrupted = matches!(result, Err(Error::Interrupted));
        if interrupted {
            self.interpreter.hang_up().await;
        }
        Ok(match output.finish(result) {
            _ if interrupted => LineOutcome::Interrupted,
            0 => LineOutcome::Done,
            _ => LineOutcome::Failed,
        })
    }

    fn begin(&mut self, words: &[OsString], queued: bool) -> Result<(), Error> {
        let Parsed { word, note } = self.interpreter.parse(words)?;
        if reads_stdin(&word) {
            return Err(stdin_taken());
        }
        let Word::Command(command) = word else {
            return Err(Error::Usage("this runs in the foreground only".to_owned()));
        };
        let text = words.iter().map(|word| shown(word.as_bytes())).collect::<Vec<_>>().join(" ");
        match self.interpreter.task(command, self.output)? {
            Task::Online(_, work) if work.is_transfer() => {
                let (server, options) = self.interpreter.dialing()?;
                self.output.remark(note.as_deref());
                self.jobs.begin(text, server, options, *work, self.output, queued);
                Ok(())
            }
            Task::Online(..) | Task::Offline(_) => {
                Err(Error::Usage("get, put and mirror run in the background; this does not".to_owned()))
            }
        }
    }

    /// Warns once before leaving while jobs run.
    fn leave(&mut self) -> LineOutcome {
        let running = self.jobs.running();
        if running == 0 || self.warned {
            return LineOutcome::Leaving;
        }
        self.warned = true;
        self.output
            .say(&format!("{running} in the background: `wait` for them, or leave once more to stop them"));
        LineOutcome::Failed
    }
}

fn words(line: &str) -> Result<Words, Error> {
    script::split(line.as_bytes(), |name| env::var_os(name)).map_err(Error::Usage)
}

/// `!COMMAND`.
fn command_here(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('!')
}

/// Runs a command of this machine; Ctrl-C is its own.
fn run_here(command: &str) -> Result<LineOutcome, Error> {
    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let ran = block_in_place(|| Command::new(&shell).arg("-c").arg(command).status());
    let status = ran.map_err(|error| Error::local(shell.as_ref(), error))?;
    Ok(match (status.code(), status.signal()) {
        (Some(0), _) => LineOutcome::Done,
        (Some(130), _) | (None, Some(SIGINT)) => LineOutcome::Interrupted,
        (Some(_) | None, _) => LineOutcome::Failed,
    })
}

const SIGINT: i32 = 2;
