//! Options that every command takes, before or after its own arguments.

use super::values::{self, ChecksumWord};
use clap::{Args, ValueEnum};
use ftp_client::fingerprint::ServerKey;
use ftp_client::ssh::ServerProgram;
use std::path::PathBuf;
use std::time::Duration;

/// Options of every command.
#[derive(Clone, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// Configuration file with the profiles
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Log in with the OpenSSH key in FILE, or with the agent's key for FILE.pub; may be repeated [default: the agent's keys,
    /// ~/.ssh/id_ed25519, ~/.ssh/id_ecdsa]
    #[arg(short, long, global = true, value_name = "FILE", conflicts_with_all = ["token", "password_file"])]
    pub(crate) identity: Vec<PathBuf>,
    /// Read the password from the first line of FILE (or set FTPX_PASSWORD)
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "token")]
    pub(crate) password_file: Option<PathBuf>,
    /// Log in with a token instead of a password (or set FTPX_TOKEN)
    #[arg(long, global = true)]
    pub(crate) token: Option<String>,
    /// Accept only the server with this key
    #[arg(long, global = true, value_name = "sha256:HEX", value_parser = values::pin)]
    pub(crate) pin: Option<ServerKey>,
    /// Trust unknown servers, and remember them
    #[arg(long, global = true)]
    pub(crate) accept_new: bool,
    /// The file of known servers
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) known_hosts: Option<PathBuf>,
    /// Number of data connections, 1 to 64, or auto
    #[arg(long, global = true, value_name = "N|auto", value_parser = values::lanes)]
    pub(crate) lanes: Option<u16>,
    /// Checksum that verifies the data
    #[arg(long, global = true, value_enum, value_name = "ALGORITHM")]
    pub(crate) checksum: Option<ChecksumWord>,
    /// Maximum bytes per second, as 500K, 10M or 1.5G
    #[arg(long, global = true, value_name = "RATE", value_parser = values::rate)]
    pub(crate) limit_rate: Option<u64>,
    /// Maximum time to connect, as 10s or 2m
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Maximum reconnection attempts [default: unlimited within --give-up-after]; if given, also wait for
    /// a server that is not reachable when the command starts
    #[arg(long, global = true, value_name = "N")]
    pub(crate) retry: Option<u32>,
    /// Maximum time to reconnect, or to wait for a server's disk that does not answer, as 30s or 1h [default: 10m];
    /// if given, also wait for a server that is not reachable when the command starts
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub(crate) give_up_after: Option<Duration>,
    /// Over ssh: the server's program at the other end, as ~/bin/ftp-server [default: ftp-server, where it is usually found]
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) server_path: Option<ServerProgram>,
    /// Over ssh: bring ftp-server to a host that lacks it, into ~/.local/bin
    #[arg(long, global = true)]
    pub(crate) send_server: bool,
    /// Over ssh: the command that runs ssh, with its options, as "ssh -J jump" (or set FTPX_SSH)
    #[arg(long, global = true, value_name = "COMMAND")]
    pub(crate) ssh_command: Option<String>,
    /// Over ssh: how many of its connections data may use where no other way is open, 1 to 8 [default: 1]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8))]
    pub(crate) ssh_connections: Option<u16>,
    /// Take *, ?, [ and { in remote paths as they are
    #[arg(long, global = true)]
    pub(crate) no_glob: bool,
    /// Write one JSON object per line to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Show more: the connection, and each finished file
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Show no progress
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Colour messages
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
}

/// Options for resuming an interrupted transfer.
#[derive(Clone, Args)]
pub(crate) struct Resuming {
    /// Resume an interrupted transfer (default)
    #[arg(long, overrides_with = "no_resume")]
    resume: bool,
    /// Start over and keep no partial files
    #[arg(long, overrides_with = "resume")]
    no_resume: bool,
}

impl Resuming {
    /// The option typed last applies.
    pub(crate) fn get(&self) -> bool {
        self.resume || !self.no_resume
    }
}

/// When messages are coloured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
