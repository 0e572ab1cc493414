//! The commands, and the arguments of most. Each command's help carries an example.

use super::help::LongHelp;
use super::mirror::{ApplyArgs, CompareWord, MirrorArgs};
use super::values::{self, OverwriteArg};
use super::{CarryingArgs, DoctorArgs, ProfileArgs, ScriptArgs, ShellArgs, explanations};
use clap::{Args, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// One variant per command.
#[derive(Subcommand)]
pub(crate) enum Command {
    Ls(LsArgs),
    Stat(StatArgs),
    Hash(HashArgs),
    Df(DfArgs),
    Get(GetArgs),
    Put(PutArgs),
    Mirror(Box<MirrorArgs>),
    Apply(ApplyArgs),
    Retry(RetryArgs),
    Cat(CatArgs),
    Mkdir(MkdirArgs),
    Rm(RmArgs),
    Mv(MvArgs),
    Cp(CpArgs),
    Touch(TouchArgs),
    Chmod(ChmodArgs),
    Ln(LnArgs),
    Shell(ShellArgs),
    Script(ScriptArgs),
    Profile(ProfileArgs),
    Gc(GcArgs),
    Doctor(DoctorArgs),
    Trust(TrustArgs),
    Completions(CompletionsArgs),
    CompleteLine(CompleteLineArgs),
    Man(ManArgs),
}

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
    /// Ignored, for compatibility with ls: names that begin with a dot are always listed
    #[arg(short, long, hide = true)]
    pub(crate) all: bool,
    /// The folder
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}

/// Show details of paths
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client stat ann@files.example.org:/photos/cat.jpg")]
pub(crate) struct StatArgs {
    /// Follow symbolic links
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
    /// Ignored, for compatibility: sizes are always shown as 1.5 MiB
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
    after_help = "A local last argument is the target: an existing folder receives the items, another path is the \
                  new name. Without it, items go into the current folder.\n\n\
                  Example:\n  ftp-client get -r ann@files.example.org:/photos ~/backup/",
    after_long_help = explanations::GET
)]
pub(crate) struct GetArgs {
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    /// Write to FILE, and never into a folder; '-' is standard output
    #[arg(short, long, value_name = "FILE", conflicts_with = "recursive")]
    pub(crate) output: Option<PathBuf>,
    /// Paths to fetch, and the target
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<OsString>,
}

/// Send files and, with -r, folders
#[derive(Args)]
#[command(
    override_usage = "ftp-client put [OPTIONS] <LOCAL>... <REMOTE>\n       ftp-client put [OPTIONS] - <REMOTE>",
    after_help = "The last argument is the target: an existing folder receives the items, another path is the new name. \
                  '-' sends standard input.\n\n\
                  Example:\n  ftp-client put report.pdf ann@files.example.org:/inbox/\n  \
                  pg_dump db | ftp-client put - ann@files.example.org:/backup/db.sql",
    after_long_help = explanations::PUT
)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    /// Skip files that already exist on the server (exit code 0)
    #[arg(long, conflicts_with_all = ["overwrite", "unless_same"])]
    pub(crate) if_absent: bool,
    /// Skip files that exist on the server with the same size and time, or with the same content (exit code 0)
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
          default_missing_value = "mtime", conflicts_with = "overwrite")]
    pub(crate) unless_same: Option<CompareWord>,
    /// Name of the source on the server, in the folder that the last argument names
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) called: Option<OsString>,
    /// Paths to send, and the target
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub(crate) paths: Vec<OsString>,
}

/// Options of transfers.
#[derive(Args)]
pub(crate) struct TransferArgs {
    /// Include folders and everything in them
    #[arg(short, long, visible_short_alias = 'R')]
    pub(crate) recursive: bool,
    /// When to replace files that exist
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always")]
    pub(crate) overwrite: OverwriteArg,
    #[command(flatten)]
    pub(crate) carrying: CarryingArgs,
    /// Write the outcome of each item to FILE, for scripts and for `ftp-client retry`
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
}

/// Retry the failed items of a result file
#[derive(Args)]
#[command(
    after_help = "Items go to their original targets. A transfer that broke off as a whole is repeated with --overwrite \
                  different, so that files that have arrived are not sent again.\n\n\
                  Example:\n  ftp-client retry night.result      (after: put -r --result night.result ...)"
)]
pub(crate) struct RetryArgs {
    /// The result file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write the outcome of each item to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) result: Option<PathBuf>,
}

/// Remove the partial files of interrupted transfers, so that these start over
#[derive(Args)]
#[command(after_help = "Files that a running transfer is writing stay.\n\nExample:\n  \
                        ftp-client gc ann@files.example.org:/\n  ftp-client gc --idle 7d ~/backup")]
pub(crate) struct GcArgs {
    /// Only files that have not changed for this long, as 2h or 7d
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
    /// Make missing parent folders too, and accept folders that exist
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
    /// Include folders and everything in them
    #[arg(short, long, visible_short_alias = 'R')]
    pub(crate) recursive: bool,
    /// Ignore paths that do not exist
    #[arg(short, long)]
    pub(crate) force: bool,
    /// The files and folders to remove
    #[arg(value_name = "REMOTE", required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Rename or move on the server
#[derive(Args)]
#[command(
    override_usage = "ftp-client mv [OPTIONS] <REMOTE>... <REMOTE>",
    after_help = "The last argument is the target: an existing folder receives the items, another path is the new name.\n\n\
                  Example:\n  ftp-client mv ann@files.example.org:draft.txt ann@files.example.org:/final/report.txt"
)]
pub(crate) struct MvArgs {
    /// Never replace a file
    #[arg(short, long)]
    pub(crate) no_clobber: bool,
    /// Ignored, for compatibility with mv
    #[arg(short, long, hide = true, conflicts_with = "no_clobber")]
    pub(crate) force: bool,
    /// Paths to move, and the target
    #[arg(value_name = "REMOTE", num_args = 2.., required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Copy files on the server
#[derive(Args)]
#[command(
    override_usage = "ftp-client cp [OPTIONS] <REMOTE>... <REMOTE>",
    after_help = "The last argument is the target: an existing folder receives the copies, another path is the copy's name. \
                  A copy has the permissions and the time of its source. No content goes over the network; where the server's \
                  filesystem can, the copy shares the source's blocks. A link is followed. Folders are not copied.\n\n\
                  Example:\n  ftp-client cp ann@files.example.org:report.pdf ann@files.example.org:/final/"
)]
pub(crate) struct CpArgs {
    /// When to replace files that exist
    #[arg(long, value_enum, value_name = "WHEN", default_value = "always")]
    pub(crate) overwrite: OverwriteArg,
    /// Never replace a file: as --overwrite never
    #[arg(short, long, conflicts_with = "overwrite")]
    pub(crate) no_clobber: bool,
    /// Ignored, for compatibility with cp: permissions and times are always kept
    #[arg(short, long, hide = true)]
    preserve: bool,
    /// Files to copy, and the target
    #[arg(value_name = "REMOTE", num_args = 2.., required = true)]
    pub(crate) remotes: Vec<OsString>,
}

/// Set the modification time, and make missing files
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client touch -d 2026-05-01T12:00:00Z ann@files.example.org:stamp")]
pub(crate) struct TouchArgs {
    /// Do not create missing files
    #[arg(short = 'c', long)]
    pub(crate) no_create: bool,
    /// Set this time instead of now: RFC 3339, or a local date and time
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
    /// Make a symbolic link, the only supported kind
    #[arg(short, long, required = true)]
    pub(crate) symbolic: bool,
    /// The target of the link, relative to the link's folder
    #[arg(id = "leads_to", value_name = "TARGET")]
    pub(crate) target: OsString,
    /// The link
    #[arg(value_name = "REMOTE")]
    pub(crate) remote: OsString,
}

/// List or forget trusted servers
#[derive(Args)]
#[command(after_help = "Example:\n  ftp-client trust remove files.example.org:2121")]
pub(crate) struct TrustArgs {
    #[command(subcommand)]
    pub(crate) command: TrustSubcommand,
}

/// An action on the file of known servers.
#[derive(Subcommand)]
pub(crate) enum TrustSubcommand {
    /// List the trusted servers with their fingerprints
    #[command(after_help = "Example:\n  ftp-client trust list")]
    List,
    /// Forget servers, so that their next key is treated as new
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

/// Print the completions of the last word of a command line; for the scripts of `completions`
#[derive(Args)]
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

/// Print the manual page of the program or of a command
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
