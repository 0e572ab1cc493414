//! Standard output, where write errors are reported and a closed pipe does not panic; and standard error, which may be closed, full, or
//! without a reader.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

/// Prints one line and flushes it, so that a waiting reader gets it at once.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints one JSON object on a line of its own, its fields in the order of the type.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<()> {
    line(serde_json::to_string(value)?)
}

/// Prints a line on standard error. Write errors do not affect the command: a pipe without a reader is waited
/// for only for a moment.
pub(crate) fn say(text: impl Display) {
    let line = format!("{text}\n");
    let stderr = io::stderr();
    let is_ready =
        poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&PATIENCE)).is_ok_and(|ready| ready > 0);
    if is_ready {
        let _ = stderr.lock().write_all(line.as_bytes()); // there is no other place to report it
    }
}

const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
