//! The prompt: rustyline on a thread of its own, which reads a line on request.

use super::complete::{Completion, CompletionContext};
use crate::cli::output::{Voice, shown};
use etcetera::BaseStrategy;
use ftp_client::Error;
use ftp_client::remote::Remote;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor, ExternalPrinter};
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use tokio::sync::oneshot;
use wire::sync::lock;

/// The answer of a person.
pub(crate) enum PromptAnswer {
    /// A line; several that were pasted.
    Lines(Vec<String>),
    /// Ctrl-C: the line was given up.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// A request to the thread.
struct PromptRequest {
    text: String,
    /// Input that was typed ahead is dropped.
    afresh: bool,
    answer: oneshot::Sender<PromptAnswer>,
}

type Reader = Editor<Completion, FileHistory>;
/// Prints beside the line that is being edited.
type Printer = Arc<Mutex<Box<dyn ExternalPrinter + Send>>>;

/// The thread that asks.
pub(crate) struct Prompt {
    questions: Sender<PromptRequest>,
    voice: Voice,
    /// As the terminal was before.
    terminal: Option<Termios>,
    history: Arc<Mutex<Vec<String>>>,
}

impl Prompt {
    pub(crate) fn start(shared: CompletionContext) -> Result<Self, Error> {
        let failed = |error: ReadlineError| Error::Usage(format!("cannot use the terminal: {error}"));
        let terminal = tcgetattr(std::io::stdin()).ok();
        let (reader, printer) = reader(shared.clone()).map_err(failed)?;
        let printer: Printer = Arc::new(Mutex::new(printer));
        let spoken = Arc::clone(&printer);
        let voice: Voice = Arc::new(Mutex::new(move |line: &str| {
            let mut printer = lock(&spoken);
            let _ = printer.print(format!("{line}\n")); // a lost terminal is noticed by its reader
        }));
        let (questions, asked) = channel();
        let history = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&history);
        let answering = move || answer(reader, &shared, &printer, &asked, &lines);
        Builder::new()
            .name("prompt".to_owned())
            .spawn(answering)
            .map_err(|error| Error::local(Path::new("threads"), error))?;
        Ok(Self { questions, voice, terminal, history })
    }

    /// Returns the output of background jobs, which does not tear the line that is being typed.
    pub(crate) fn voice(&self) -> Voice {
        Arc::clone(&self.voice)
    }

    /// Asks for a line. `afresh` drops input that was typed ahead.
    pub(crate) async fn ask(&self, here: Option<&Remote>, afresh: bool) -> Result<PromptAnswer, Error> {
        let text = match here {
            Some(here) => format!("{}:{}> ", here.host, shown(&crate::cli::places::rooted(&here.path))),
            None => "> ".to_owned(),
        };
        let (answer, answered) = oneshot::channel();
        if self.questions.send(PromptRequest { text, afresh, answer }).is_err() {
            return Ok(PromptAnswer::End);
        }
        Ok(answered.await.unwrap_or(PromptAnswer::End))
    }

    /// The lines that were typed, numbered.
    pub(crate) fn history(&self) -> String {
        let lines = lock(&self.history);
        lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!("{:>5}  {}\n", index + 1, line.replace(char::is_control, "?")))
            .collect()
    }

    /// Restores the terminal, also while the prompt is waiting.
    pub(crate) fn restore(&self) {
        if let Some(terminal) = &self.terminal {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, terminal); // it may be gone
        }
    }
}

/// Makes the reader of the whole session: input that it has read beyond a line becomes the next line.
fn reader(shared: CompletionContext) -> Result<(Reader, Box<dyn ExternalPrinter + Send>), ReadlineError> {
    let config = Config::builder().completion_type(CompletionType::List).history_ignore_space(true).build();
    let mut reader = Reader::with_config(config)?;
    reader.set_max_history_size(HISTORY_LINES)?;
    reader.set_helper(Some(Completion::new(shared)));
    let printer = reader.create_external_printer()?;
    Ok((reader, Box::new(printer)))
}

/// Replaces the reader, the only way to drop its read-ahead; the history stays. Keeps the old reader if a new one cannot be made.
fn replace(old: &mut Reader, shared: CompletionContext, printer: &Mutex<Box<dyn ExternalPrinter + Send>>) {
    let Ok((mut new, speaks)) = reader(shared) else { return };
    std::mem::swap(new.history_mut(), old.history_mut());
    *old = new; // comes first: a thread that waits for the old reader holds the printer until that reader is dropped
    *lock(printer) = speaks;
}

fn answer(
    mut editor: Reader,
    shared: &CompletionContext,
    printer: &Mutex<Box<dyn ExternalPrinter + Send>>,
    asked: &Receiver<PromptRequest>,
    lines: &Mutex<Vec<String>>,
) {
    let file = history_file();
    if let Some(file) = &file {
        let _ = shorten(file).and_then(|()| fs::metadata(file)); // an unreadable history counts as empty
        let _ = editor.load_history(file);
    }
    remember(&editor, lines);
    while let Ok(PromptRequest { text, afresh, answer }) = asked.recv() {
        if afresh {
            replace(&mut editor, shared.clone(), printer);
        }
        let width = editor.dimensions().map_or(80, |(columns, _)| usize::from(columns));
        let read = editor.readline(&fitting(&text, width));
        let told = match read {
            Ok(text) => {
                let read: Vec<String> = text.lines().map(str::to_owned).collect();
                for line in &read {
                    let _ = editor.add_history_entry(line); // the line is run anyway
                }
                let _ = file.as_ref().map(|file| editor.append_history(file));
                remember(&editor, lines);
                PromptAnswer::Lines(read)
            }
            Err(ReadlineError::Interrupted) => PromptAnswer::Interrupted,
            Err(_) => PromptAnswer::End,
        };
        if answer.send(told).is_err() {
            return;
        }
    }
}

fn remember(editor: &Reader, lines: &Mutex<Vec<String>>) {
    let known = editor.history().iter().cloned().collect();
    *lock(lines) = known;
}

/// Shortens a long prompt to its end, so that half of a narrow terminal is left for typing.
fn fitting(text: &str, width: usize) -> String {
    let len = text.chars().count();
    if len > width / 2 && len > 4 {
        "…".chars().chain(text.chars().skip(len - (width / 2).max(4) + 1)).collect()
    } else {
        text.to_owned()
    }
}

fn history_file() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    let folder = strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("ftp-client");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    Some(folder.join("history"))
}

/// Keeps the end of a history that has grown huge.
fn shorten(path: &Path) -> std::io::Result<()> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    if len <= HISTORY_LEN_MAX {
        return Ok(());
    }
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(len - HISTORY_LEN_MAX / 2))?;
    file.take(HISTORY_LEN_MAX).read_to_end(&mut end)?;
    let start = end.iter().position(|byte| *byte == b'\n').map_or(end.len(), |index| index + 1);
    let staged = path.with_extension("new");
    let mut new = File::options().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
    new.write_all(b"#V2\n")?;
    new.write_all(&end[start..])?;
    fs::rename(staged, path)
}

const HISTORY_LINES: usize = 1000;
const HISTORY_LEN_MAX: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_leave_room() {
        assert_eq!(fitting("host:/a> ", 80), "host:/a> ");
        assert_eq!(fitting("host:/some/where/deep> ", 20), "…re/deep> ");
        assert_eq!(fitting("> ", 1), "> ");
    }

    #[test]
    fn a_huge_history_keeps_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        fs::write(&path, "some line\n".repeat(1_000_000) + "last\n").unwrap();
        shorten(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() < 200_000 && text.starts_with("#V2\nsome line\n") && text.ends_with("\nlast\n"));
    }
}
