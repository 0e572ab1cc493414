//! Options that every command takes, before or after its own arguments.

use super::values::{self, ChecksumWord};
use clap::{Args, ValueEnum};
use ftp_client::fingerprint::ServerKey;
use std::path::PathBuf;
use std::time::Duration;

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// The configuration with the profiles
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Log in with the OpenSSH key in FILE, or with that of FILE.pub in the agent; may be repeated [default: the agent's keys,
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
    /// Trust servers that are not known yet, and remember them
    #[arg(long, global = true)]
    pub(crate) accept_new: bool,
    /// The file of known servers
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) known_hosts: Option<PathBuf>,
    /// How many data connections, 1 to 64, or auto
    #[arg(long, global = true, value_name = "N|auto", value_parser = values::lanes)]
    pub(crate) lanes: Option<u16>,
    /// Which checksum verifies the data
    #[arg(long, global = true, value_enum, value_name = "ALGORITHM")]
    pub(crate) checksum: Option<ChecksumWord>,
    /// Most bytes per second, as 500K, 10M or 1.5G
    #[arg(long, global = true, value_name = "RATE", value_parser = values::rate)]
    pub(crate) limit_rate: Option<u64>,
    /// How long to wait while connecting, as 10s or 2m
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub(crate) timeout: Option<Duration>,
    /// How often to connect again after the connection was lost, as often as the time allows by default; if given, also
    /// to a server that is not there when the command begins
    #[arg(long, global = true, value_name = "N")]
    pub(crate) retry: Option<u32>,
    /// How long to try to connect again, or to wait for a server's disk that does not answer, before giving up, as 30s or 1h;
    /// 10m by default; if given, also to a server that is not there when the command begins
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub(crate) give_up_after: Option<Duration>,
    /// Write one JSON object a line to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Tell more: the connection, and each file that is done
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Show no progress
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Colour messages
    #[arg(long, global = true, value_enum, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
}

/// Whether what an interrupted run has left is used.
#[derive(Args)]
pub(crate) struct Resuming {
    /// Go on where an interrupted run was; so it is by default
    #[arg(long, overrides_with = "no_resume")]
    resume: bool,
    /// Begin anew, and leave nothing to go on with
    #[arg(long, overrides_with = "resume")]
    no_resume: bool,
}

impl Resuming {
    /// The last one that was typed counts.
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
