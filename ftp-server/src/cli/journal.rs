//! Output to the system's journal, which adds the time of each line, and takes a line's priority from a
//! prefix (sd-daemon(3)).

use std::io;
use std::os::fd::AsFd;
use tracing::Level;

/// Returns true if `output` goes to the journal. The variable alone is not enough: it is inherited by programs that
/// send their output elsewhere, which is why it names the output's device and inode (systemd.exec(5)).
pub(crate) fn takes(output: impl AsFd) -> bool {
    let Ok(stat) = rustix::fs::fstat(output) else { return false };
    std::env::var("JOURNAL_STREAM").is_ok_and(|stream| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// True if log and announcements are lines of the same journal.
pub(crate) fn takes_all() -> bool {
    takes(io::stdout()) && takes(io::stderr())
}

/// The prefix of a line of the journal.
pub(crate) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}
