//! The arguments of `shell`. Its work is in `cli/shell.rs`, above the commands that it runs.

use clap::Args;
use std::ffi::OsString;

/// Type commands, with completion and jobs in the background; with -c, run some
#[derive(Clone, Args)]
#[command(
    after_help = "Commands are those of scripts; `help` lists them. A line that ends with & runs in the background, over a \
                  connection of its own; !COMMAND runs a command here. Ctrl-C stops what runs, Ctrl-D leaves. Without a \
                  terminal it is `script -`. With -c, commands are checked before the first is run, and the first failure ends it.\n\n\
                  Example:\n  ftp-client shell ann@files.example.org::/photos\n  \
                  ftp-client shell -c 'cd photos; ls -l; du -sh' ann@files.example.org::"
)]
pub(crate) struct ShellArgs {
    /// Run these commands instead, separated by ; or line breaks
    #[arg(short, long, value_name = "COMMANDS")]
    pub(crate) command: Option<OsString>,
    /// The server to connect to first, and the folder there
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: Option<OsString>,
}
