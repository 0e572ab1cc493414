//! The arguments of `script`. Its work is in `cli/script.rs`, above the commands that it runs.

use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run commands from a file, one a line, over one connection
#[derive(Clone, Args)]
#[command(
    after_help = "A line is a command with its own options, quoted as in a shell, or one of open, cd, lcd, pwd, lpwd, lls, limit, \
                  lanes and exit. Common options are given once, to `script`. '#' begins a comment; $NAME and ${NAME} are \
                  variables of the environment, each one word; a shell's operators, as ; and |, are refused unless they are \
                  quoted. Paths on the server are written without the server and begin in its current folder: \
                  get REMOTE... LOCAL, put LOCAL... REMOTE (with one path, the current folder is meant), and \
                  mirror SOURCE TARGET with one of both written :PATH or NAME:PATH.\n\n\
                  Nothing is run if any line makes no sense. The first failure ends the script with its exit code. \
                  With -k, what follows a failed cd, lcd or open is skipped until a later one succeeds that begins nowhere else: \
                  cd /PATH or cd alone, lcd /PATH or lcd ~, open.\n\n\
                  Example:\n  ftp-client script nightly.ftpx ann@files.example.org::/backup\n  \
                  echo 'put -r photos' | ftp-client script - work:"
)]
pub(crate) struct ScriptArgs {
    /// Continue after failures; the exit code is that of the first failure
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// Check all lines without running them
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// The commands; '-' for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The server to connect to first, and the folder there; `open` connects to others
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: Option<OsString>,
}
