//! Questions to the person at the terminal.
//!
//! Asked through `/dev/tty`, because standard input may carry data (`put -`). And only where standard input or error
//! is a terminal: a script that has a terminal somewhere behind it does not expect questions.

use crate::cli::interrupts::Caught;
use ftp_client::Error;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use tokio::runtime::Builder;
use tokio::signal::unix::SignalKind;
use wire::sync::lock;

/// True if there is somebody to ask.
pub(crate) fn interactive() -> bool {
    (io::stdin().is_terminal() || io::stderr().is_terminal()) && open().is_ok()
}

/// Asks for yes or no, again until one of them comes; the end of input is a no.
pub(crate) fn confirm(question: &str) -> bool {
    ask_until_answered(question).unwrap_or(false)
}

/// Asks for a password or passphrase without echo; `None` at the end of input.
pub(crate) fn secret(prompt: &str) -> Result<Option<String>, Error> {
    let failed = |source| Error::local(Path::new("/dev/tty"), source);
    // Ctrl-C raises a signal before the terminal is restored. Catching it keeps the program from ending there.
    let runtime = Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let _entered = runtime.enter();
    let _caught = Caught::new(SignalKind::interrupt())?;
    *asking() = open().and_then(|terminal| Ok(tcgetattr(terminal)?)).ok();
    let answer = rpassword::prompt_password(prompt);
    *asking() = None;
    match answer {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(Error::Interrupted),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Leaves the terminal as it was, where the program ends while it still asks: a signal does not wait for an answer.
pub(crate) fn restore() {
    if let (Some(before), Ok(terminal)) = (asking().as_ref(), open()) {
        let _ = tcsetattr(terminal, OptionalActions::Now, before); // it may be gone
    }
}

/// How the terminal was before a question that is not answered yet.
fn asking() -> MutexGuard<'static, Option<Termios>> {
    static ASKING: Mutex<Option<Termios>> = Mutex::new(None);
    lock(&ASKING)
}

fn ask_until_answered(question: &str) -> io::Result<bool> {
    let mut terminal = open()?;
    let mut answers = BufReader::new(terminal.try_clone()?);
    write!(terminal, "{question} (yes/no) ")?;
    loop {
        let mut answer = String::new();
        if answers.read_line(&mut answer)? == 0 {
            return Ok(false);
        }
        match answer.trim().to_ascii_lowercase().as_str() {
            "yes" => return Ok(true),
            "no" | "n" => return Ok(false),
            _ => write!(terminal, "Please type yes or no: ")?,
        }
    }
}

fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}
