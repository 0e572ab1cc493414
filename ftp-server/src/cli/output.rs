//! Standard output: written so that errors are errors, and a closed pipe no panic.

use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

/// Prints one line and flushes it, so that whoever waits for it gets it now.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Prints one JSON object on a line of its own, its fields in the order of the type.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<()> {
    line(serde_json::to_string(value)?)
}
