//! All that people and scripts see: results on standard output, messages and progress on standard error.

mod bars;
mod check;
mod columns;
mod drawing;
mod exit;
mod json;
mod listing;
mod ls_colors;
mod mirror;
mod plain;
mod preview;
mod rate;
mod reconnecting;
mod sink;
mod tally;
mod text;
mod watcher;

pub(crate) use check::CheckWatcher;
pub(crate) use drawing::Drawing;
pub(crate) use exit::of_transfer;
pub(crate) use json::Object;
pub(crate) use listing::{Lister, Order, SortKey, Style, entry_object, full_time, kind_word, mode_text};
pub(crate) use ls_colors::LsColors;
pub(crate) use mirror::MirrorWatcher;
pub(crate) use preview::PreviewWatcher;
pub(crate) use sink::{STDOUT, again};
pub(crate) use tally::Tally;
pub(crate) use text::{duration_text, files_text};
pub(crate) use watcher::Watcher;

use crate::cli::args::{Color, Common};
use ftp_client::Error;
use indicatif::{MultiProgress, ProgressDrawTarget};
use json::Describe;
use reconnecting::Reconnecting;
use sink::{OfVoice, OutputWriter};
use std::borrow::Cow;
use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use tally::Snapshot;
use wire::escape::Escaped;
use wire::sync::lock;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProgressStyle {
    /// Bars on a terminal.
    Bars,
    /// A line now and then.
    Plain,
    /// Events on standard output.
    Json,
    /// No progress.
    None,
}

/// The output of the program: results, events, messages and progress.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
    color: bool,
    /// Results have colours.
    has_colored_results: bool,
    progress: ProgressStyle,
    started: Instant,
    stdout: Arc<OutputWriter>,
    bars: MultiProgress,
    /// The transfer that runs, and since when.
    transfer: OnceLock<(Instant, Arc<Tally>)>,
    /// Set while there is no connection.
    outage: Arc<Mutex<Option<Reconnecting>>>,
    line: Option<OfLine>,
    voice: Option<Voice>,
}

/// Prints the output of a background job, one line at a time, while the user types.
pub(crate) type Voice = Arc<Mutex<dyn FnMut(&str) + Send>>;

/// The number that a script's line adds to messages and events.
struct OfLine {
    /// Before messages: `FILE:12: `.
    place: String,
    /// At the end of objects.
    tail: Vec<u8>,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            json: common.json,
            quiet: common.quiet,
            verbose: common.verbose,
            color: colored(common.color.unwrap_or(Color::Auto), terminal),
            has_colored_results: colored(common.color.unwrap_or(Color::Auto), io::stdout().is_terminal()),
            progress: progress(common, terminal),
            started: Instant::now(),
            stdout: Arc::new(OutputWriter::new(Box::new(io::stdout()))),
            bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(drawing::HERTZ)),
            transfer: OnceLock::new(),
            outage: Arc::default(),
            line: None,
            voice: None,
        }
    }

    /// The same for one line of a script: messages name its place, objects have its number and command.
    pub(crate) fn of_line(&self, place: &str, number: usize, command: &str) -> Arc<Self> {
        let tail = Object::tail_of_line(number, command);
        Arc::new(Self {
            started: Instant::now(),
            stdout: Arc::clone(&self.stdout),
            bars: self.bars.clone(),
            transfer: OnceLock::new(),
            outage: Arc::clone(&self.outage),
            line: Some(OfLine { place: place.to_owned(), tail }),
            voice: None,
            ..*self
        })
    }

    /// The same for one command of the shell.
    pub(crate) fn of_command(&self) -> Arc<Self> {
        self.of_line("", 0, "")
    }

    /// The same for a background job: it draws no progress, and all its messages and results go through the voice.
    pub(crate) fn of_job(&self, number: usize, voice: Voice) -> Arc<Self> {
        let tail = Object::tail_of_line(number, "");
        Arc::new(Self {
            started: Instant::now(),
            stdout: Arc::new(OutputWriter::new(Box::new(OfVoice(Arc::clone(&voice))))),
            bars: self.bars.clone(),
            transfer: OnceLock::new(),
            outage: Arc::default(),
            line: Some(OfLine { place: format!("[{number}] "), tail }),
            voice: Some(voice),
            progress: ProgressStyle::None,
            ..*self
        })
    }

    /// Returns the progress and the average rate of the transfer, in a few words.
    pub(crate) fn standing(&self) -> Option<String> {
        let (began, tally) = self.transfer.get()?;
        let snapshot = tally.snapshot();
        let millis = began.elapsed().as_millis().max(1);
        let rate = u64::try_from(u128::from(tally.verified()) * 1000 / millis).unwrap_or(u64::MAX);
        Some(text::standing(&Snapshot { rate, ..snapshot }))
    }

    /// The connection is lost, and is made again.
    pub(crate) fn outage_began(&self) {
        *lock(&self.outage) = Some(Reconnecting::begin());
    }

    /// So many tries to make the connection again have failed.
    pub(crate) fn outage_goes_on(&self, failed: u32) {
        let mut outage = lock(&self.outage);
        *outage = outage.map(|outage| outage.after(failed));
    }

    /// There is a connection again, which is said where bars have shown that there was none.
    pub(crate) fn outage_over(&self) {
        let over = lock(&self.outage).take();
        if let Some(outage) = over.filter(|_| self.has_bars()) {
            self.say(&outage.end_text());
        }
    }

    /// Returns the state of a lost connection.
    fn outage_text(&self) -> Option<String> {
        lock(&self.outage).as_ref().map(Reconnecting::text)
    }

    /// Returns true if this is the output of one line of a script.
    pub(crate) fn is_line(&self) -> bool {
        self.line.is_some()
    }

    /// Returns true with `--json`.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Returns true if only errors are shown.
    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Returns true with `--verbose`.
    pub(crate) fn verbose(&self) -> bool {
        self.verbose
    }

    /// Returns true if progress is shown, for which totals are counted.
    pub(crate) fn has_progress(&self) -> bool {
        self.progress != ProgressStyle::None
    }

    /// Returns true if progress is shown in bars on a terminal.
    pub(crate) fn has_bars(&self) -> bool {
        self.progress == ProgressStyle::Bars
    }

    /// Writes a result to the buffer of standard output; see [`flush`](Self::flush).
    pub(crate) fn print(&self, bytes: &[u8]) -> Result<(), Error> {
        self.stdout.write(&self.tagged(bytes)).map_err(sink::failed)
    }

    /// As [`print`](Self::print), for a line with foreign names that programs read as they are. On a terminal they are escaped.
    pub(crate) fn print_unescaped(&self, line: &[u8]) -> Result<(), Error> {
        match line.strip_suffix(b"\n").filter(|_| self.is_terminal()) {
            Some(line) => self.print(format!("{}\n", Escaped(line)).as_bytes()),
            None => self.print(line),
        }
    }

    /// Returns true if results go to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.voice.is_some() || io::stdout().is_terminal()
    }

    /// Returns true if results have colours.
    pub(crate) fn has_colored_results(&self) -> bool {
        self.has_colored_results && !self.json && self.voice.is_none()
    }

    /// Returns the width of the terminal that results go to; `None` if there is none.
    pub(crate) fn result_columns(&self) -> Option<usize> {
        if self.json || self.voice.is_some() || !io::stdout().is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(io::stdout());
        Some(size.map_or(0, |size| usize::from(size.ws_col))).map(|width| if width == 0 { 80 } else { width })
    }

    /// Flushes the printed results.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.stdout.flush().map_err(sink::failed)
    }

    /// Writes an event. A write error is reported at the end.
    pub(crate) fn event(&self, event: Object) {
        if self.json {
            // The writer keeps the error, and `finish` reports it.
            let _ = self.stdout.write(&self.tagged(&event.into_line()));
        }
    }

    /// Prints an error.
    pub(crate) fn complain(&self, message: &dyn Display) {
        self.say(&format!("{} {}{message}", self.prefix(), self.place()));
    }

    /// Prints a warning.
    pub(crate) fn warn(&self, message: &str) {
        if !self.quiet {
            self.say(&format!("{} {}warning: {message}", self.prefix(), self.place()));
        }
    }

    /// Prints a note, if there is one.
    pub(crate) fn remark(&self, note: Option<&str>) {
        if let Some(note) = note.filter(|_| !self.quiet) {
            self.say(&format!("{} {}note: {note}", self.prefix(), self.place()));
        }
    }

    /// Prints a message with `--verbose`.
    pub(crate) fn note(&self, message: impl FnOnce() -> String) {
        if self.verbose {
            self.say(&message());
        }
    }

    /// Begins a transfer, whose counts become part of the last event.
    pub(crate) fn begin_transfer(&self, tally: &Arc<Tally>) {
        let _ = self.transfer.set((Instant::now(), Arc::clone(tally)));
    }

    /// Returns true if standard output cannot be written, so that further results would be lost too.
    pub(crate) fn is_gone(error: &Error) -> bool {
        matches!(error, Error::Local { path, .. } if path == STDOUT)
    }

    /// Reports the result of the run and returns its exit code. Lost results of a listing fail the run; lost events of a
    /// transfer do not, since the files were transferred.
    pub(crate) fn finish(&self, result: Result<u8, Error>) -> u8 {
        let (code, error) = exit::of_run(result);
        if let Some(error) = &error {
            self.complain(error);
        }
        if let (Some(Error::Interrupted), Some(arrived)) = (&error, self.arrived()) {
            self.say(&arrived);
        }
        self.event(self.finished(code, error.as_ref()));
        let _ = self.stdout.flush();
        match self.stdout.take_error().map(sink::failed).map(|error| exit::of_run(Err(error))) {
            Some((worse, Some(lost))) => {
                if !error.as_ref().is_some_and(Self::is_gone) {
                    self.complain(&lost);
                }
                match (code, self.transfer.get()) {
                    (0, Some(_)) => 1,
                    (0, None) => worse,
                    (code, _) => code,
                }
            }
            Some((_, None)) | None => code,
        }
    }

    /// Returns what an interrupted transfer has done, and how it goes on, for people.
    fn arrived(&self) -> Option<String> {
        let (_, tally) = self.transfer.get()?;
        if self.quiet || self.json {
            return None;
        }
        let snapshot = tally.snapshot();
        if snapshot.bytes == 0 && snapshot.files == 0 {
            return None;
        }
        let more = if tally.resumes() { "; run the same command again to resume" } else { "" };
        Some(format!("{} arrived{more}", text::arrived(&snapshot)))
    }

    fn finished(&self, code: u8, error: Option<&Error>) -> Object {
        let object = match self.transfer.get() {
            Some((_, tally)) => {
                let object = tally.summary().describe(Object::event("finished"));
                tally.mirror().map_or(object.clone(), |mirror| mirror.describe(object))
            }
            None => Object::event("finished"),
        };
        let object = object.seconds("seconds", self.started.elapsed()).number("exit_code", code.into());
        match error {
            Some(error) => object.text("error", &error.to_string()),
            None => object,
        }
    }

    /// Writes a line to standard error. Ignores write errors, which do not affect the command.
    pub(crate) fn say(&self, line: &str) {
        if let Some(voice) = &self.voice {
            return lock(voice)(line);
        }
        self.bars.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{line}");
        });
    }

    /// Objects have no line break within them.
    fn tagged<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(line) = self.line.as_ref().filter(|_| self.json) else { return Cow::Borrowed(bytes) };
        let objects = bytes.split_inclusive(|byte| *byte == b'\n');
        let ended =
            objects.map(|object| [object.strip_suffix(b"}\n").unwrap_or(object), &line.tail].concat());
        Cow::Owned(ended.collect::<Vec<_>>().concat())
    }

    fn place(&self) -> &str {
        self.line.as_ref().map_or("", |line| &line.place)
    }

    fn prefix(&self) -> &'static str {
        if self.color { "\x1b[1;31mftp-client:\x1b[0m" } else { "ftp-client:" }
    }
}

/// Escapes foreign bytes as text that is safe to show.
pub(crate) fn shown(bytes: &[u8]) -> String {
    Escaped(bytes).to_string()
}

/// Quotes a shown path as a word of a shell's command line, for copying.
pub(crate) fn as_word(path: &str) -> String {
    shlex::try_quote(path).map_or_else(|_| path.to_owned(), Cow::into_owned)
}

fn progress(common: &Common, terminal: bool) -> ProgressStyle {
    match common {
        common if common.no_progress => ProgressStyle::None,
        common if common.json => ProgressStyle::Json,
        common if common.quiet => ProgressStyle::None,
        _ if terminal => ProgressStyle::Bars,
        _ => ProgressStyle::Plain,
    }
}

fn colored(wish: Color, terminal: bool) -> bool {
    match wish {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            terminal && !unwanted && env::var_os("TERM").is_none_or(|name| name != "dumb")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::Cli;
    use clap::Parser;
    use ftp_client::observer::{TransferEvent, TransferObserver};

    #[test]
    fn a_transfer_stands_somewhere_and_has_a_rate() {
        let output = Arc::new(Output::new(&Cli::parse_from(["ftp-client", "ls", "h:", "-q"]).common));
        assert_eq!(output.standing(), None);
        let tally = Arc::new(Tally::of_jobs(1));
        output.begin_transfer(&tally);
        let watcher = Watcher::new(&tally, &output, 0, b"file".to_vec());
        watcher.on_event(&TransferEvent::Progress { path: None, bytes: 1 << 40 });
        let standing = output.standing().unwrap();
        assert!(standing.starts_with("1.00 TiB, ") && !standing.contains(" 0 B/s"), "{standing}");
    }
}
