//! The arguments of `shell`, and the commands that only the shell has.

use super::values;
use clap::Args;
use std::ffi::OsString;

/// Type commands, with completion and jobs in the background
#[derive(Args)]
#[command(
    after_help = "Commands are those of scripts; `help` lists them. A line that ends with & runs in the background, over a \
                  connection of its own; !COMMAND runs a command here. Ctrl-C stops what runs, Ctrl-D leaves. Without a \
                  terminal it is `script -`.\n\n\
                  Example:\n  ftp-client shell ann@files.example.org:/photos"
)]
pub(crate) struct ShellArgs {
    /// The server to connect to first, and the folder there
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: Option<OsString>,
}

/// Run a command in the background, after the commands queued before it
#[derive(Args)]
#[command(after_help = "Example:\n  queue put -r photos")]
pub(crate) struct QueueArgs {
    /// The command
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<OsString>,
}

/// List the jobs in the background
#[derive(Args)]
#[command(after_help = "Example:\n  jobs")]
pub(crate) struct JobsArgs {}

/// Wait for jobs in the background
#[derive(Args)]
#[command(after_help = "Example:\n  wait 1")]
pub(crate) struct WaitArgs {
    /// Numbers of the jobs; all jobs if none is given
    #[arg(value_name = "JOB")]
    pub(crate) jobs: Vec<usize>,
}

/// Stop jobs in the background
#[derive(Args)]
#[command(after_help = "Example:\n  kill 1")]
pub(crate) struct KillArgs {
    /// Numbers of the jobs
    #[arg(value_name = "JOB", required = true)]
    pub(crate) jobs: Vec<usize>,
}

/// Limit the rate of transfers started from now on
#[derive(Args)]
#[command(
    after_help = "The limit applies to each background job separately: two jobs at `limit 10M` may move 20M a second.\n\n\
                  Example:\n  limit 10M"
)]
pub(crate) struct LimitArgs {
    /// Bytes per second, as 500K or 10M; 0 for no limit
    #[arg(value_name = "RATE", value_parser = values::rate_or_none)]
    pub(crate) rate: u64,
}

/// Set the number of data connections of transfers started from now on
#[derive(Args)]
#[command(after_help = "Example:\n  lanes 4")]
pub(crate) struct LanesArgs {
    /// 1 to 64, or auto
    #[arg(value_name = "N|auto", value_parser = values::lanes)]
    pub(crate) lanes: u16,
}

/// Show the typed lines
#[derive(Args)]
#[command(after_help = "Example:\n  history")]
pub(crate) struct HistoryArgs {}

/// Leave
#[derive(Args)]
#[command(after_help = "Example:\n  exit")]
pub(crate) struct ExitArgs {}
