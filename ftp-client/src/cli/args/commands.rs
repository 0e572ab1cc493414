//! The commands' own arguments. Each command's help carries an example.

use super::help::LongHelp;
use super::mirror::CompareWord;
use super::values::{self, OverwriteWord};
use super::{CarryingArgs, explanations};
use clap::{Args, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// List a folder
#[derive(Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example:\n  ftp-client ls -lh ann@files.example.org:/photos"
)]
pub(crate) struct LsArgs {
    /// Show type, mode, size and time
    #[arg(short, long)]
    pub(crate) long: bool,
    /// List the whole tree, one path a line
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
    /// With -l: sizes as 1.5 MiB
    #[arg(short = 'h', long)]
    pub(crate) human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// Does nothing: names that begin with a dot are always listed
    #[arg(short, long, hide = true)]
    pub(crate) all: bool,
    /// The folder
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}

/// Show what is known of a path
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client stat ann@files.example.org:/photos/cat.jpg")]
pub(crate) struct StatArgs {
    /// Of what a symbolic link leads to
    #[arg(short = 'L', long)]
    pub(crate) follow: bool,
    /// The paths
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Print the SHA-256 of files, as sha256sum does
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client hash ann@files.example.org:disk.iso")]
pub(crate) struct HashArgs {
    /// The files
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Show free and used space
#[derive(Args)]
#[command(disable_help_flag = true, after_help = "Example:\n  ftp-client df ann@files.example.org:/")]
pub(crate) struct DfArgs {
    /// Does nothing: sizes are as 1.5 MiB anyway
    #[arg(short = 'h', long, hide = true)]
    human_readable: bool,
    #[command(flatten)]
    help: LongHelp,
    /// A path on the filesystem
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}

/// Fetch files and, with -r, folders
#[derive(Args)]
#[command(
    override_usage = "ftp-client get [OPTIONS] <REMOTE>... [LOCAL]",
    after_help = "The last argument, if it is local, is where things go: into it if it is a folder, otherwise under \
                  that name. Without one they go into the current folder.\n\n\
                  Example:\n  ftp-client get -r ann@files.example.org:/photos ~/backup/",
    after_long_help = explanations::GET
)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    /// Write to FILE, and never into a folder; '-' is standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "recursive")]
    pub(crate) output: Option<PathBuf>,
    /// What to fetch, and where to
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<OsString>,
}

/// Send files and, with -r, folders
#[derive(Args)]
#[command(
    override_usage = "ftp-client put [OPTIONS] <LOCAL>... <REMOTE>\n       ftp-client put [OPTIONS] - <REMOTE>",
    after_help = "The last argument is where things go: into it if it is a folder, otherwise under that name. \
                  '-' sends standard input.\n\n\
                  Example:\n  ftp-client put report.pdf ann@files.example.org:/inbox/\n  \
                  pg_dump db | ftp-client put - ann@files.example.org:/backup/db.sql",
    after_long_help = explanations::PUT
)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    /// Send only what is not there; that it is there is success
    #[arg(long, conflicts_with_all = ["overwrite", "unless_same"])]
    pub(crate) if_absent: bool,
    /// Send nothing that is there with the same size and time, or with the same content; that it is there is success
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
          default_missing_value = "mtime", conflicts_with = "overwrite")]
    pub(crate) unless_same: Option<CompareWord>,
    /// What the source is called on the server, in the folder that the last argument names
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) called: Option<OsString>,
    /// What to send, and where to
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub(crate) paths: Vec<OsString>,
}

/// Options of transfers.
#[derive(Args)]
pub(crate) struct TransferArgs {
    /// Folders too, with all that is in them
    #[arg(short, long, visible_short_alias = 'R')]
    pub(crate) recursive: bool,
    /// What happens to files that exist
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always")]
    pub(crate) overwrite: OverwriteWord,
    #[command(flatten)]
    pub(crate) carrying: CarryingArgs,
    /// Write what became of each item to FILE, for scripts and for `ftp-client retry`
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
}

/// Do again what failed in a run with --result
#[derive(Args)]
#[command(
    after_help = "Items go where they would have gone. What broke off as a whole is done again as with --overwrite \
                  different, so that what arrived is not sent twice.\n\n\
                  Example:\n  ftp-client retry night.result      (after: put -r --result night.result ...)"
)]
pub(crate) struct RetryArgs {
    /// The result file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write what became of each item to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
}

/// Remove what interrupted transfers have left, so that they begin anew
#[derive(Args)]
#[command(after_help = "Files that a transfer is writing right now stay.\n\nExample:\n  \
                        ftp-client gc ann@files.example.org:/\n  ftp-client gc --idle 7d ~/backup")]
pub(crate) struct GcArgs {
    /// Only what has not changed for so long, as 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub(crate) idle: Option<Duration>,
    /// Folders, of a server or of this machine
    #[arg(value_name = "FOLDER", required = true)]
    pub(crate) folders: Vec<OsString>,
}

/// Write files to standard output
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client cat ann@files.example.org:backup.tar | tar t")]
pub(crate) struct CatArgs {
    /// The files
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Make folders
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client mkdir -p ann@files.example.org:/photos/2026/may")]
pub(crate) struct MkdirArgs {
    /// Make folders above it too, and be content if it exists
    #[arg(short, long)]
    pub(crate) parents: bool,
    /// The folders
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Remove files and, with -r, folders
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client rm -r ann@files.example.org:/photos/old")]
pub(crate) struct RmArgs {
    /// Folders too, with all that is in them
    #[arg(short, long, visible_short_alias = 'R')]
    pub(crate) recursive: bool,
    /// Be content if there is nothing to remove
    #[arg(short, long)]
    pub(crate) force: bool,
    /// What to remove
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Rename or move on the server
#[derive(Args)]
#[command(
    override_usage = "ftp-client mv [OPTIONS] <REMOTE>... <REMOTE>",
    after_help = "The last argument is where things go: into it if it is a folder, otherwise under that name.\n\n\
                  Example:\n  ftp-client mv ann@files.example.org:draft.txt ann@files.example.org:/final/report.txt"
)]
pub(crate) struct MvArgs {
    /// Never replace a file
    #[arg(short, long)]
    pub(crate) no_clobber: bool,
    /// Does nothing: files are replaced anyway
    #[arg(short, long, hide = true, conflicts_with = "no_clobber")]
    pub(crate) force: bool,
    /// What to move, and where to
    #[arg(value_name = "REMOTE", num_args = 2.., required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Set the modification time, and make missing files
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client touch -d 2026-05-01T12:00:00Z ann@files.example.org:stamp")]
pub(crate) struct TouchArgs {
    /// Make no files
    #[arg(short = 'c', long)]
    pub(crate) no_create: bool,
    /// This time instead of now: RFC 3339, or a local date and time
    #[arg(short, long)]
    pub(crate) date: Option<String>,
    /// The files
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Change permissions
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client chmod u+x,go-w ann@files.example.org:run.sh")]
pub(crate) struct ChmodArgs {
    /// Octal as 644, or symbolic as u+x,go-w (after -- if it begins with a dash)
    pub(crate) mode: String,
    /// The files and folders
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Make a symbolic link
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client ln -s 2026/may ann@files.example.org:/photos/latest")]
pub(crate) struct LnArgs {
    /// Symbolic: the only kind there is
    #[arg(short, long, required = true)]
    pub(crate) symbolic: bool,
    /// Where the link leads, seen from the link's folder
    #[arg(id = "leads_to", value_name = "TARGET")]
    pub(crate) target: OsString,
    /// The link
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}

/// Show or forget servers that are trusted
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client trust remove files.example.org:2121")]
pub(crate) struct TrustArgs {
    #[command(subcommand)]
    pub(crate) command: TrustSubcommand,
}

/// What to do with the file of known servers.
#[derive(Subcommand)]
pub(crate) enum TrustSubcommand {
    /// List the servers that are trusted, with their fingerprints
    #[command(after_help = "Example:\n  ftp-client trust list")]
    List,
    /// Forget servers, so that their next key is new
    #[command(after_help = "Example:\n  ftp-client trust remove files.example.org:2121")]
    Remove {
        /// Host and port; port 2121 if left out
        #[arg(value_name = "HOST[:PORT]", required = true)]
        servers: Vec<String>,
    },
}

/// Print a completion script for a shell
#[derive(Args)]
#[command(
    after_help = "Example:\n  ftp-client completions bash > ~/.local/share/bash-completion/completions/ftp-client"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// Print what the word at the end of a command line may become; for the scripts of `completions`
#[derive(Args)]
#[command(hide = true, after_help = "Example:\n  ftp-client complete-line 'ftp-client put --over'")]
pub(crate) struct CompleteLineArgs {
    /// As bash takes it, in place of TEXT, the end of the line: it completes parts of words and quotes nothing
    #[arg(long, value_name = "TEXT")]
    pub(crate) piece: Option<String>,
    /// Begin with a line of a dot where the shell's own paths may stand as well
    #[arg(long)]
    pub(crate) mark_files: bool,
    /// The command line, up to the cursor
    #[arg(value_name = "LINE")]
    pub(crate) line: String,
}

/// Print the manual page, or that of a command
#[derive(Args)]
#[command(
    after_help = "Example:\n  ftp-client man get | man -l -\n  ftp-client man --dir ~/.local/share/man/man1"
)]
pub(crate) struct ManArgs {
    /// The command
    pub(crate) command: Option<String>,
    /// Write one page per command into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(crate) dir: Option<PathBuf>,
}
