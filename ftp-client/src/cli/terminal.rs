//! Questions to the person at the terminal.
//!
//! Asked through `/dev/tty`, because standard input may carry data (`put -`). And only where standard input or error
//! is a terminal: a script that has a terminal somewhere behind it does not expect questions.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

/// True if there is somebody to ask.
pub(crate) fn interactive() -> bool {
    (io::stdin().is_terminal() || io::stderr().is_terminal()) && open().is_ok()
}

/// Asks for yes or no, again until one of them comes; the end of input is a no.
pub(crate) fn confirm(question: &str) -> bool {
    ask_until_answered(question).unwrap_or(false)
}

/// Asks for a password, which is not shown.
pub(crate) fn password(prompt: &str) -> io::Result<String> {
    rpassword::prompt_password(prompt)
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
