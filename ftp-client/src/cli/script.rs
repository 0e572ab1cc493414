//! Scripts: commands of a file, one a line, in one session.
//!
//! ```text
//! file ─ words ─► lines ─ parsed and checked, all of them ─► Interpreter ─ one line after the other ─► the commands' own `run`
//! ```
//!
//! The parser and the commands are those of the command line; the scope gives paths their meaning.

mod failed_moves;
mod words;

use words::commands;
pub(crate) use words::{Words, split};

use crate::cli::commands::{ScriptArgs, ShellArgs};
use crate::cli::input;
use crate::cli::interpreter::{Interpreter, Parsed};
use crate::cli::interrupts::Interrupts;
use crate::cli::line::{OpenArgs, Word};
use crate::cli::output::{Output, shown};
use failed_moves::{FailedMoves, Move};
use ftp_client::Error;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A line's words; the background is the shell's.
fn foreground(line: &[u8]) -> Result<Vec<OsString>, String> {
    match split(line, |name| env::var_os(name))? {
        Words { words, background: false } => Ok(words),
        Words { background: true, .. } => {
            Err(format!("only the shell runs commands in the background: {}", words::character_meant('&')))
        }
    }
}

/// The words of lines that are not empty, with the lines' numbers.
fn lines<'a>(name: &str, text: impl Iterator<Item = &'a [u8]>) -> Result<Vec<(usize, Vec<OsString>)>, Error> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let words = foreground(line).map_err(|reason| Error::Usage(format!("{name}:{number}: {reason}")))?;
        if !words.is_empty() {
            lines.push((number, words));
        }
    }
    Ok(lines)
}

/// A script whose lines could be split and read; its commands are checked before the first is run.
pub(crate) struct Script {
    /// How messages name it.
    name: String,
    lines: Vec<(usize, Vec<OsString>)>,
    keep_going: bool,
    dry_run: bool,
    from_stdin: bool,
    remote: Option<OsString>,
}

impl Script {
    pub(crate) fn read(typed: &ScriptArgs) -> Result<Self, Error> {
        let from_stdin = typed.file == Path::new("-");
        let name = Error::shown_path(if from_stdin { Path::new("standard input") } else { &typed.file });
        let text = input::read(&typed.file)?;
        let lines = lines(&name, text.split(|byte| *byte == b'\n'))?;
        let (keep_going, dry_run) = (typed.keep_going, typed.dry_run);
        Ok(Self { name, lines, keep_going, dry_run, from_stdin, remote: typed.remote.clone() })
    }

    /// The commands of `shell -c`.
    pub(crate) fn of_commands(text: &OsStr, remote: Option<OsString>) -> Result<Self, Error> {
        let name = "-c".to_owned();
        let lines = lines(&name, commands(text.as_bytes()).iter().map(Vec::as_slice))?;
        Ok(Self { name, lines, keep_going: false, dry_run: false, from_stdin: false, remote })
    }

    /// Standard input, where a person would have typed.
    pub(crate) fn of_stdin(typed: &ShellArgs) -> Result<Self, Error> {
        let (file, remote) = (PathBuf::from("-"), typed.remote.clone());
        Self::read(&ScriptArgs { keep_going: false, dry_run: false, file, remote })
    }

    /// Checks all lines, then runs them; gives the exit code of the first failure.
    pub(crate) async fn run(self, interpreter: &mut Interpreter, output: &Arc<Output>) -> Result<u8, Error> {
        self.check(interpreter, output)?;
        if self.dry_run {
            output.note(|| format!("{}: {} commands make sense", self.name, self.lines.len()));
            return Ok(0);
        }
        let mut interrupts = Interrupts::listen()?;
        if let Some(remote) = &self.remote {
            interrupts.guard(Box::pin(interpreter.open(remote, output))).await?;
        }
        let (mut first_failure, mut failed_moves) = (0, FailedMoves::default());
        for (number, words) in &self.lines {
            let command = shown(words[0].as_encoded_bytes());
            let of_line = output.of_line(&format!("{}:{number}: ", self.name), *number, &command);
            let mut leaves = false;
            let result = match interpreter.parse(words) {
                Ok(Parsed { word: Word::Exit(_), .. }) => {
                    leaves = true;
                    Ok(0)
                }
                Ok(parsed) => match failed_moves.check(&parsed.word) {
                    Ok(()) => {
                        let moved = Move::of(&parsed.word);
                        let result = interrupts.guard(Box::pin(interpreter.run(parsed, &of_line))).await;
                        failed_moves.on_line(moved, *number, result.is_ok());
                        result
                    }
                    Err(skipped) => Err(skipped),
                },
                Err(error) => Err(error),
            };
            let over = result.as_ref().is_err_and(|error| Output::is_gone(error) || error.exit_code() == 130);
            let code = of_line.finish(result);
            if first_failure == 0 {
                first_failure = code;
            }
            if leaves || over || (code != 0 && !self.keep_going) {
                break;
            }
        }
        Ok(first_failure)
    }

    /// Checks all lines before anything is done.
    fn check(&self, interpreter: &Interpreter, output: &Output) -> Result<(), Error> {
        let mut checker = interpreter.checker(self.from_stdin);
        if let Some(remote) = &self.remote {
            checker.check(Word::Open(OpenArgs { remote: remote.clone() }), output)?;
        }
        for (number, words) in &self.lines {
            let checked = checker.parse(words).and_then(|parsed| checker.check(parsed.word, output));
            checked.map_err(|error| Error::Usage(format!("{}:{number}: {error}", self.name)))?;
        }
        Ok(())
    }
}
