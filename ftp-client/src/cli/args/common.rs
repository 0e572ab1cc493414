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
    /// Log in with this OpenSSH key (may be repeated)
    ///
    /// The key in FILE, or with FILE.pub that key of the ssh-agent [default: the agent's keys, ~/.ssh/id_ed25519,
    /// ~/.ssh/id_ecdsa]
    #[arg(short, long, global = true, value_name = "FILE", conflicts_with_all = ["token", "password_file"])]
    pub(crate) identity: Vec<PathBuf>,
    /// Read the password from FILE (or FTPX_PASSWORD)
    ///
    /// It is the first line of FILE, or the environment variable FTPX_PASSWORD.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "token")]
    pub(crate) password_file: Option<PathBuf>,
    /// Log in with a token (or set FTPX_TOKEN)
    ///
    /// In place of a password. '-' takes it from the environment variable FTPX_TOKEN, or asks for it; other users of this machine
    /// see a typed one in the list of processes. A token that `ftp-server share` printed is also the server's pin.
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
    /// Checksum of the data: auto, sha256 or blake3
    ///
    /// It verifies each chunk and each file. auto is the faster one that both ends support.
    #[arg(long, global = true, value_enum, value_name = "ALGORITHM", hide_possible_values = true)]
    pub(crate) checksum: Option<ChecksumWord>,
    /// Maximum bytes per second, as 500K, 10M or 1.5G
    #[arg(long, global = true, value_name = "RATE", value_parser = values::rate)]
    pub(crate) limit_rate: Option<u64>,
    /// Maximum time to connect, as 10s or 2m
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Try so often to connect again
    ///
    /// By default, as often as --give-up-after allows. If given, also wait for a server that is not reachable when the command
    /// starts.
    #[arg(long, global = true, value_name = "N")]
    pub(crate) retry: Option<u32>,
    /// Try so long to connect again [default: 10m]
    ///
    /// As 30s or 1h; also the longest wait for a server's disk that does not answer. If given, also wait for a server that is
    /// not reachable when the command starts.
    #[arg(long, global = true, value_name = "TIME", value_parser = values::duration)]
    pub(crate) give_up_after: Option<Duration>,
    /// Over ssh: where ftp-server is on the server
    ///
    /// As ~/bin/ftp-server [default: ftp-server, where it is usually found].
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) server_path: Option<ServerProgram>,
    /// Over ssh: bring ftp-server to a host without it
    ///
    /// It is copied into ~/.local/bin there.
    #[arg(long, global = true)]
    pub(crate) send_server: bool,
    /// Over ssh: how to run ssh (or set FTPX_SSH)
    ///
    /// The command with its options, as "ssh -J jump".
    #[arg(long, global = true, value_name = "COMMAND")]
    pub(crate) ssh_command: Option<String>,
    /// Over ssh: its connections for data [default: 1]
    ///
    /// Where no other way is open, data may use 1 to 8 connections of ssh.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=8))]
    pub(crate) ssh_connections: Option<u16>,
    /// Take *, ? and [ in remote paths as they are
    ///
    /// The same holds for braces.
    #[arg(long, global = true)]
    pub(crate) no_glob: bool,
    /// Write one JSON object per line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Show more: the connection, each finished file
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Show no progress
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// Colour messages and listings: auto, always, never
    ///
    /// auto: on a terminal, unless NO_COLOR is set or TERM is dumb. Names are in the colours of LS_COLORS.
    #[arg(long, global = true, value_enum, value_name = "WHEN", hide_possible_values = true)]
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

/// When messages and listings are coloured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
