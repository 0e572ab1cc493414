//! The arguments of `complete-line`. Its work is in `cli/complete.rs`, above the commands that it completes.

use clap::Args;

/// Print the completions of the last word of a command line; for the scripts of `completions`
#[derive(Clone, Args)]
#[command(hide = true, after_help = "Example:\n  ftp-client complete-line 'ftp-client put --over'")]
pub(crate) struct CompleteLineArgs {
    /// Print candidates in the form that bash inserts in place of TEXT, the end of the line: bash completes parts of words and quotes nothing itself
    #[arg(long, value_name = "TEXT")]
    pub(crate) piece: Option<String>,
    /// Begin with a line of one dot where local paths are possible too
    #[arg(long)]
    pub(crate) mark_files: bool,
    /// The command line, up to the cursor
    #[arg(value_name = "LINE")]
    pub(crate) line: String,
}
