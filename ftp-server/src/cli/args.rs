//! The arguments of the command line; their meaning is decided elsewhere. These types also make the completions and manual pages.

use super::ports::{Ports, parse_ports};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint};
use ftp_server::accounts::{ForceMode, Umask, UserName};
use ftp_server::config::{LogFormat, parse_listen};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use wire::Access;

/// Serves files to ftp-client: one port, always encrypted, every byte verified.
#[derive(Debug, Parser)]
#[command(name = "ftp-server", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: ServerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Share a folder or a file for a while; prints the command to run on the other machine.
    #[command(after_help = SHARE_EXAMPLES)]
    Share(ShareArgs),
    /// Serve the users that were added with `user add`, until stopped.
    #[command(after_help = SERVE_EXAMPLES, after_long_help = SERVE_EXPLANATION)]
    Serve(ServeArgs),
    /// Serve one user over ssh, which runs this command; ends with the connection.
    #[command(after_help = STDIO_EXAMPLES)]
    Stdio(StdioArgs),
    /// One more connection of a session over ssh.
    #[command(hide = true, after_help = PIPE_EXAMPLES)]
    Pipe {
        /// The name of the session's server.
        #[arg(value_name = "NAME")]
        word: String,
    },
    /// Add, list, change and remove users; a running server notices at once.
    #[command(after_help = USER_EXAMPLES)]
    User(UserArgs),
    /// Print the fingerprint of the server's key, which clients pin.
    #[command(after_help = FINGERPRINT_EXAMPLES)]
    Fingerprint(PlaceArgs),
    /// Check the configuration and print the values that would be used.
    #[command(after_help = CHECK_CONFIG_EXAMPLES, after_long_help = CHECK_CONFIG_EXPLANATION)]
    CheckConfig(PlaceArgs),
    /// Print a completion script for a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// Write one page per command into this folder instead.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ShareArgs {
    /// The folder or the file to share.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// Also allow adding and replacing files in the folder.
    #[arg(long)]
    pub(crate) write: bool,
    /// Time to share: 10m, 1h, 2days.
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = parse_time)]
    pub(crate) time: Duration,
    /// Let the token be used for one login only, and end the share after it.
    #[arg(long)]
    pub(crate) once: bool,
    /// Show the command and the token as a QR code too.
    #[arg(long, conflicts_with = "json")]
    pub(crate) qr: bool,
    /// Address to listen on [default: all addresses, port 2121 or, if that is taken, any free one].
    #[arg(long, value_name = "ADDR", value_parser = parse_listen)]
    pub(crate) listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// The root of users that were added without one.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
    /// Address to listen on, such as 192.168.1.5:2121 or 127.0.0.1:0; may be repeated [default: all addresses, port 2121].
    #[arg(long, value_name = "ADDR", value_parser = parse_listen)]
    pub(crate) listen: Vec<SocketAddr>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StdioArgs {
    /// The only folder that is served, which the client sees as / [default: all that the account may see].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
    /// The rights of the client.
    #[arg(long, default_value = "full", value_parser = access_parser())]
    pub(crate) access: Access,
    /// The ports to accept data connections on, as 40000-40100 [default: any free one].
    #[arg(long, value_name = "FIRST-LAST", value_parser = parse_ports)]
    pub(crate) ports: Option<Ports>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct OutputArgs {
    /// Print JSON events on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Format of log lines on standard error.
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) log_format: Option<LogFormatArg>,
}

/// The locations of configuration and state.
#[derive(Debug, ClapArgs)]
pub(crate) struct PlaceArgs {
    /// The configuration file [default: ftp-server/config.toml in the platform's configuration folder, if there].
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The folder of the server's identity and users [default: ftp-server in the platform's state folder].
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; asks for a password unless --password-file or --key is given.
    #[command(after_help = USER_ADD_EXAMPLES)]
    Add(UserAddArgs),
    /// List the users.
    #[command(after_help = USER_LIST_EXAMPLES)]
    List {
        /// Print one JSON object per user.
        #[arg(long)]
        json: bool,
    },
    /// Remove a user and end their sessions; their files stay.
    #[command(after_help = USER_REMOVE_EXAMPLES)]
    Remove {
        /// The user.
        name: UserName,
    },
    /// Set a user's password, and end the sessions that were opened with the old one.
    #[command(after_help = USER_PASSWD_EXAMPLES)]
    Passwd {
        /// The user.
        name: UserName,
        /// Remove the password: the user logs in by key only.
        #[arg(long, conflicts_with = "password_file")]
        remove: bool,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Set the rules for permissions of what a user makes and changes, from the next login on.
    #[command(after_help = USER_SET_EXAMPLES)]
    Set {
        /// The user.
        name: UserName,
        #[command(flatten)]
        modes: ModeArgs,
    },
    /// Give a user OpenSSH keys to log in with.
    #[command(after_help = USER_ADD_KEY_EXAMPLES)]
    AddKey {
        /// The user.
        name: UserName,
        /// Files of public keys, as id_ed25519.pub and authorized_keys (`-` for standard input).
        #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
    /// Take a key from a user, and end the sessions that were opened with it.
    #[command(after_help = USER_REMOVE_KEY_EXAMPLES)]
    RemoveKey {
        /// The user.
        name: UserName,
        /// The key's fingerprint, as `user list` and `ssh-keygen -l` print it.
        #[arg(value_name = "SHA256:…")]
        fingerprint: String,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UserAddArgs {
    /// The new user.
    pub(crate) name: UserName,
    /// The user's own root folder [default: the server's].
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
    /// Access of the user: read; write = read, add, replace; full = write, remove, rename, change the root; drop = only add, unseen.
    #[arg(long, default_value = "read", value_parser = access_parser())]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) modes: ModeArgs,
    /// Let the OpenSSH keys in FILE log in, as id_ed25519.pub and authorized_keys have them (`-` for standard input);
    /// may be repeated.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) key: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// Rules for permissions.
#[derive(Debug, ClapArgs)]
pub(crate) struct ModeArgs {
    /// Permission bits to remove from everything that the user makes or changes, as 027 (`none` for no rule).
    #[arg(long, value_name = "MASK", value_parser = or_none::<Umask>)]
    pub(crate) umask: Option<OrNone<Umask>>,
    /// Permission bits to add to everything that the user makes or changes, as 0660 or 2770: a folder also gets x where it
    /// gets r, and only folders get x, set-group-id and sticky bits (`none` for no rule).
    #[arg(long, value_name = "MODE", value_parser = or_none::<ForceMode>)]
    pub(crate) force_mode: Option<OrNone<ForceMode>>,
}

/// A rule, or `none` to remove it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OrNone<T>(pub(crate) Option<T>);

fn or_none<T: std::str::FromStr>(text: &str) -> Result<OrNone<T>, T::Err> {
    match text {
        "none" => Ok(OrNone(None)),
        text => text.parse().map(|rule| OrNone(Some(rule))),
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PasswordArgs {
    /// Take the password from the first line of a file (`-` for standard input) instead of asking.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) password_file: Option<PathBuf>,
}

/// The argument for the library's type, since the library has no command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormatArg {
    Text,
    Json,
}

impl From<LogFormatArg> for LogFormat {
    fn from(format: LogFormatArg) -> Self {
        match format {
            LogFormatArg::Text => Self::Text,
            LogFormatArg::Json => Self::Json,
        }
    }
}

fn access_parser() -> impl TypedValueParser<Value = Access> {
    PossibleValuesParser::new(Access::ALL.map(Access::word)).try_map(|word| word.parse::<Access>())
}

fn parse_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("a time of zero leaves no time to connect".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}; write it as 30m, 1h or 2days")),
    }
}

const EXAMPLES: &str = "\
Examples:
  ftp-server share ~/photos                   share a folder for an hour
  ftp-server user add alice --root /srv/alice --access write
  ftp-server serve                            serve all users on port 2121

Exit codes: 0 done, 2 wrong usage or configuration, 1 any other failure.";

const SHARE_EXAMPLES: &str = "\
Examples:
  ftp-server share ~/photos
  ftp-server share --once report.pdf
  ftp-server share inbox --write --for 10m --once";

const SERVE_EXPLANATION: &str = "\
Prints `listening on ADDRESS sha256:FINGERPRINT` when it accepts connections. SIGTERM and Ctrl-C let running transfers finish; a second signal ends it \
at once.

Changes of users take effect within two seconds. A session ends if its user was removed, may do less or has another root, if its password was \
changed, or if its key was removed or has expired. A mistake in the users file changes nothing: the log names the line until it is corrected.

SIGHUP makes it read configuration, certificate and users again while transfers run. If anything in them is wrong, everything stays as it was, and the \
log says so. The log also names changes that need a restart.

Under a service manager, sockets that it hands over (LISTEN_FDS) replace --listen, and it is told when the server is ready and when it \
stops (NOTIFY_SOCKET).

Examples:
  ftp-server serve
  ftp-server serve --root /srv/files --listen 192.168.1.5:2121
  ftp-server serve --listen 127.0.0.1:0 --state ./state --json";
const SERVE_EXAMPLES: &str = "\
Prints `listening on ADDRESS sha256:FINGERPRINT` when it accepts connections. SIGTERM and Ctrl-C let running transfers
finish; a second one ends at once. SIGHUP makes it read configuration, certificate and users again. Under a service manager, sockets that it hands over (LISTEN_FDS) take the place of
--listen, and it is told when the server is ready and when it stops (NOTIFY_SOCKET).

Examples:
  ftp-server serve
  ftp-server serve --root /srv/files --listen 192.168.1.5:2121
  ftp-server serve --listen 127.0.0.1:0 --state ./state --json";

const STDIO_EXAMPLES: &str = "\
ftp-client runs it by ssh, where a path is written [USER@]HOST:PATH. To let a key do nothing else, give it this command in ~/.ssh/authorized_keys:

  command=\"ftp-server stdio --root /srv/photos --access write\",restrict ssh-ed25519 AAAA… ann

Example:
  ssh host ftp-server stdio";

const PIPE_EXAMPLES: &str = "Example:\n  ssh host ftp-server pipe 2324de0ea31e39ee2324de0ea31e39ee";

const USER_EXAMPLES: &str = "\
Examples:
  ftp-server user add alice --root /srv/alice --access write
  ftp-server user list
  ftp-server user passwd alice
  ftp-server user add-key alice alice.pub
  ftp-server user remove alice";

const USER_ADD_EXAMPLES: &str = "\
A key's line may begin with from=\"PATTERNS\" (addresses, networks, * and ?, ! to except) and
expiry-time=\"YYYYMMDD[HHMM[SS]][Z]\", as in sshd's authorized_keys; other options are refused.

Examples:
  ftp-server user add alice --root /srv/alice --access write
  ftp-server user add bob --root /srv/bob --key bob.pub
  ftp-server user add backup --root /srv/backup --access full --password-file backup.password";

const USER_SET_EXAMPLES: &str = "\
Rules that are not given stay as they are.

Examples:
  ftp-server user set alice --umask 027
  ftp-server user set team --force-mode 2660       files rw-rw----, folders rwxrws---, at least
  ftp-server user set alice --umask none";
const USER_ADD_KEY_EXAMPLES: &str = "\
Examples:
  ftp-server user add-key alice ~alice/.ssh/id_ed25519.pub
  curl -s https://github.com/alice.keys | grep ed25519 | ftp-server user add-key alice -";
const USER_REMOVE_KEY_EXAMPLES: &str =
    "Example:\n  ftp-server user remove-key alice SHA256:gUQ0U7YgXF5QHpQzB3wJXpQ8xBQn2xZ9v5o1n3kqW2E";
const USER_LIST_EXAMPLES: &str = "Example:\n  ftp-server user list --json";
const USER_REMOVE_EXAMPLES: &str = "Example:\n  ftp-server user remove alice";
const USER_PASSWD_EXAMPLES: &str = "Example:\n  ftp-server user passwd alice --password-file new.password";
const FINGERPRINT_EXAMPLES: &str =
    "Example:\n  ftp-client ls \"ftpx://alice@host/?pin=$(ftp-server fingerprint)\"";
const CHECK_CONFIG_EXAMPLES: &str = "Example:\n  ftp-server check-config --config /etc/ftp-server.toml";
const CHECK_CONFIG_EXPLANATION: &str = "\
The file is TOML. Every key is optional, except that [tls] needs both of its keys. An unknown key is an error, and each error names file, line and key. The users and the server's key are \
checked too.

Keys:
  listen                   addresses to listen at
  root                     the root of users that were added without one
  state                    the folder of the server's key and users

Keys of [limits]:
  connections              connections in total
  connections_per_address  connections of one address (of IPv6: its /64)
  strangers_per_address    connections of one address before login
  sessions_per_user        sessions of one user
  logins_waiting           logins that wait to be checked
  failed_logins_max        failed logins after which an address is refused
  login_bar                how long it is refused
  lanes_per_session        data connections of one session
  jobs_per_session         transfers of one session at a time
  memory_per_session       memory that one session can make the server use
  memory_per_user          memory that one user can make the server use
  memory                   memory that all users together can make the server use; work above it waits
  login_timeout            time for a login
  idle_timeout             time for a session without work
  drain_timeout            time for running transfers when the server stops

Keys of [log]:
  format                   text or json
  level                    the least important level that is logged

Keys of [tls]:
  certificate, key         files of a certificate that clients need not pin

Example:
  ftp-server check-config --config /etc/ftp-server.toml";
const COMPLETIONS_EXAMPLES: &str =
    "Example:\n  ftp-server completions bash > ~/.local/share/bash-completion/completions/ftp-server";
const MAN_EXAMPLES: &str =
    "Examples:\n  ftp-server man | man -l -\n  ftp-server man --dir ~/.local/share/man/man1";

#[cfg(test)]
mod tests;
