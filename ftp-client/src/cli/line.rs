//! The lines of a script or of the shell: the commands of the command line, and some additional ones, whose work is in
//! `interpreter.rs` and `shell.rs`.

use crate::cli::args::values;
use crate::cli::commands::Command;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::ffi::OsString;

/// A command. Paths on the open server need no server name
#[derive(Parser)]
#[command(no_binary_name = true, disable_version_flag = true, subcommand_required = true, after_help = PATHS)]
#[command(override_usage = "COMMAND [OPTIONS] [PATHS]")]
pub(crate) struct TypedLine {
    #[command(subcommand)]
    pub(crate) word: Word,
}

/// The command of a line.
#[derive(Subcommand)]
pub(crate) enum Word {
    #[command(flatten)]
    Command(Command),
    Open(OpenArgs),
    Cd(CdArgs),
    Lcd(LcdArgs),
    Pwd(PwdArgs),
    Lpwd(LpwdArgs),
    Lls(LlsArgs),
    Limit(LimitArgs),
    Lanes(LanesArgs),
    Queue(QueueArgs),
    Jobs(JobsArgs),
    Wait(WaitArgs),
    Kill(KillArgs),
    History(HistoryArgs),
    #[command(visible_alias = "quit", alias = "bye")]
    Exit(ExitArgs),
}

/// Connect to a server and change to its folder
#[derive(Args)]
#[command(after_help = "Example:\n  open ann@files.example.org:/photos")]
pub(crate) struct OpenArgs {
    /// The server and the folder
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}

/// Change the folder on the server
#[derive(Args)]
#[command(after_help = "Example:\n  cd ../2026")]
pub(crate) struct CdArgs {
    /// The folder, '-' for the one before; if left out, the one that the server was opened with
    #[arg(value_name = "REMOTE")]
    pub(crate) folder: Option<OsString>,
}

/// Change the local folder
#[derive(Args)]
#[command(after_help = "Example:\n  lcd ~/photos")]
pub(crate) struct LcdArgs {
    /// The folder; the home folder if left out
    #[arg(value_name = "LOCAL", default_value = "~")]
    pub(crate) folder: OsString,
}

/// Print the folder on the server
#[derive(Args)]
#[command(after_help = "Example:\n  pwd")]
pub(crate) struct PwdArgs {}

/// Print the local folder
#[derive(Args)]
#[command(after_help = "Example:\n  lpwd")]
pub(crate) struct LpwdArgs {}

/// List a local folder
#[derive(Args)]
#[command(after_help = "Example:\n  lls ..")]
pub(crate) struct LlsArgs {
    /// The folder
    #[arg(value_name = "LOCAL", default_value = ".")]
    pub(crate) folder: OsString,
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

/// Show the typed lines
#[derive(Args)]
#[command(after_help = "Example:\n  history")]
pub(crate) struct HistoryArgs {}

/// Leave
#[derive(Args)]
#[command(after_help = "Example:\n  exit")]
pub(crate) struct ExitArgs {}

/// Returns the parser of lines. While a server is open, some paths may be left out.
pub(crate) fn line_parser() -> clap::Command {
    let here = |command: clap::Command| {
        command.mut_arg("remote", |argument| argument.required(false).default_value(""))
    };
    TypedLine::command()
        .mut_subcommand("ls", here)
        .mut_subcommand("df", here)
        .mut_subcommand("find", here)
        .mut_subcommand("du", |du| du.mut_arg("remotes", |paths| paths.required(false).default_value("")))
        .mut_subcommand("doctor", here)
        .mut_subcommand("put", |put| {
            put.mut_arg("paths", |paths| paths.num_args(1..))
                .override_usage("put [OPTIONS] <LOCAL>... [REMOTE]")
        })
        .mut_subcommand("get", |get| get.override_usage("get [OPTIONS] <REMOTE>... [LOCAL]"))
        .mut_subcommand("mirror", |mirror| mirror.override_usage("mirror [OPTIONS] <SOURCE> <TARGET>"))
}

const PATHS: &str = "\
Paths on the server begin in its current folder (cd, pwd), paths here in that of this machine (lcd, lpwd). Of several paths,
the last of get is local and the last of put is remote; mirror takes one path here and one as :PATH or NAME:PATH.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_h_is_about_sizes_where_there_are_sizes() {
        for line in ["ls -lh", "df -h"] {
            let parsed = line_parser().try_get_matches_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }
}
