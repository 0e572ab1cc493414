//! The configuration file: every key optional, every unknown key an error, every error with file, line and key.
//!
//! Bounds are checked while the file is parsed, so that a message can point at the line; a [`Config`] that exists can
//! be used as it is. Relative paths in the file start at the folder of the file.

mod error;
mod listen;
mod values;

pub use error::ConfigError;
pub use listen::{BadListen, DEFAULT_PORT, parse_listen};
pub use values::{LogFormat, LogLevel};

use listen::ListenList;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use values::{Between, ByteSize, Seconds};
use wire::limits::{
    JOBS_MAX, LANES_MAX, LOGIN_TIMEOUT, SERVER_MEMORY_MAX, SESSION_MEMORY_MAX, SESSION_MEMORY_MIN,
    USER_MEMORY_MAX,
};

/// The configuration of the operator, with defaults for what it leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Where to listen; empty means the default port on all addresses.
    pub listen: Vec<SocketAddr>,
    /// The root of users that have none of their own.
    pub root: Option<PathBuf>,
    /// The state folder; `None` means the platform's.
    pub state: Option<PathBuf>,
    /// The limits of peers.
    pub limits: ServerLimits,
    /// How long running files may take to finish once the server is stopping.
    pub drain_timeout: DrainTimeout,
    /// The options of the log.
    pub log: LogOptions,
    /// A certificate that clients need not pin; without it the server's own identity is used.
    pub tls: Option<TlsFiles>,
}

/// The limits of peers, together and each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// Sockets of all kinds, logged in or not; further ones are closed at once.
    pub connections: usize,
    /// Those of one address (of IPv6 its /64).
    pub connections_per_address: usize,
    /// Those of one address that have not logged in yet; never more than half of all.
    pub strangers_per_address: usize,
    /// Sessions that one user may have at a time.
    pub sessions_per_user: usize,
    /// Logins that wait to be checked, in turns of their addresses.
    pub logins_waiting: usize,
    /// Failed logins after which an address is barred; 0 disables barring and slowing.
    pub failed_logins_max: usize,
    /// The duration of the bar.
    pub login_bar: Duration,
    /// Lanes that one session may have at a time.
    pub lanes_per_session: usize,
    /// Jobs that one session may have open at a time.
    pub jobs_per_session: usize,
    /// Bytes of memory that one session may make the server keep.
    pub memory_per_session: usize,
    /// Bytes of memory that all sessions of a user together may.
    pub memory_per_user: usize,
    /// Bytes of memory that all sessions together may.
    pub memory: usize,
    /// From accepting a socket to the end of its login.
    pub login_timeout: Duration,
    /// How long a session may be silent while it has no job.
    pub idle_timeout: Duration,
}

/// Longest duration of a drain; a type of its own only for its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainTimeout(pub Duration);

/// The level and the format of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Text for people, JSON for machines.
    pub format: LogFormat,
    /// The least important level that is still logged.
    pub level: LogLevel,
}

/// PEM files of a certificate that was made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// The file cannot be read, or a line of it is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            read_bounded(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    /// Parses the text of a configuration file; `path` is for messages, and its folder for relative paths.
    ///
    /// # Errors
    /// A line is wrong.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: FileShape = toml::from_str(text).map_err(|error| ConfigError::at(path, text, &error))?;
        Ok(file.into_config(path.parent().unwrap_or(Path::new(""))))
    }

    /// The effective values in the form of a configuration file.
    ///
    /// # Errors
    /// A path is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(&FileShape::from(self))
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        LimitsShape::default().into_limits()
    }
}

impl Default for DrainTimeout {
    fn default() -> Self {
        Self(LimitsShape::default().drain_timeout.duration())
    }
}

/// The file as it is typed.
#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct FileShape {
    #[serde(skip_serializing_if = "ListenList::is_empty")]
    listen: ListenList,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<PathBuf>,
    limits: LimitsShape,
    log: LogShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<TlsShape>,
}

#[derive(Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsShape {
    connections: Between<1, 65_536>,
    connections_per_address: Between<1, 65_536>,
    strangers_per_address: Between<1, 65_536>,
    sessions_per_user: Between<1, 65_536>,
    logins_waiting: Between<1, 4_096>,
    failed_logins_max: Between<0, 10_000>,
    login_bar: Seconds<1, 86_400>,
    lanes_per_session: Between<1, { LANES_MAX as usize }>,
    jobs_per_session: Between<1, JOBS_MAX>,
    memory_per_session: ByteSize<SESSION_MEMORY_MIN>,
    memory_per_user: ByteSize<{ 2 * SESSION_MEMORY_MIN }>,
    memory: ByteSize<{ 4 * SESSION_MEMORY_MIN }>,
    login_timeout: Seconds<1, 600>,
    idle_timeout: Seconds<1, 604_800>,
    drain_timeout: Seconds<0, 86_400>,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default, deny_unknown_fields)]
struct LogShape {
    format: LogFormat,
    level: LogLevel,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TlsShape {
    certificate: PathBuf,
    key: PathBuf,
}

impl Default for LimitsShape {
    /// The default limits. The reason for each is beside it: each protects one resource of the server.
    fn default() -> Self {
        Self {
            // Four hundred sessions with eight lanes each. Open files: the server asks the system for twice as many.
            connections: Between::new(4096),
            // A hundred clients of one machine, or of many users behind one NAT, with 16 lanes each; others still get in.
            connections_per_address: Between::new(2048),
            // A hundred clients that begin at once open eight lanes each before their logins are checked. Strangers hold at most 16 KiB
            // frames and a handshake each.
            strangers_per_address: Between::new(1024),
            // `xargs -P 100`, with room. With all their lanes they are half of all connections: one user must not shut out the others.
            sessions_per_user: Between::new(128),
            // As many as one address may have; a check takes some ten milliseconds, so those of a burst get their turn in time.
            logins_waiting: Between::new(1024),
            // Somebody who looks for an old password needs fewer; a guesser gets 10 guesses in half a minute, then one in ten.
            failed_logins_max: Between::new(10),
            // 145 guesses a day; short enough to wait for if it was oneself.
            login_bar: Seconds::new(600),
            // More lanes than cores, disks and congestion windows can use.
            lanes_per_session: Between::new(16),
            // The protocol's own bound: clients pipeline up to it.
            jobs_per_session: Between::new(JOBS_MAX),
            // All lanes at full speed take a third of it.
            memory_per_session: ByteSize::new(SESSION_MEMORY_MAX),
            // Half of the total: one user leaves as much for the others.
            memory_per_user: ByteSize::new(USER_MEMORY_MAX),
            // A machine with 1 GiB has room for it.
            memory: ByteSize::new(SERVER_MEMORY_MAX),
            login_timeout: Seconds::of(LOGIN_TIMEOUT),
            // An interactive shell survives a coffee break, a vanished peer does not hold its session all day.
            idle_timeout: Seconds::new(900),
            // Below the 90 s that systemd waits before it kills.
            drain_timeout: Seconds::new(60),
        }
    }
}

impl LimitsShape {
    fn into_limits(self) -> ServerLimits {
        ServerLimits {
            connections: self.connections.get(),
            connections_per_address: self.connections_per_address.get(),
            strangers_per_address: self.strangers_per_address.get(),
            sessions_per_user: self.sessions_per_user.get(),
            logins_waiting: self.logins_waiting.get(),
            failed_logins_max: self.failed_logins_max.get(),
            login_bar: self.login_bar.duration(),
            lanes_per_session: self.lanes_per_session.get(),
            jobs_per_session: self.jobs_per_session.get(),
            memory_per_session: self.memory_per_session.get(),
            memory_per_user: self.memory_per_user.get(),
            memory: self.memory.get(),
            login_timeout: self.login_timeout.duration(),
            idle_timeout: self.idle_timeout.duration(),
        }
    }

    fn of(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            connections: Between::new(limits.connections),
            connections_per_address: Between::new(limits.connections_per_address),
            strangers_per_address: Between::new(limits.strangers_per_address),
            sessions_per_user: Between::new(limits.sessions_per_user),
            logins_waiting: Between::new(limits.logins_waiting),
            failed_logins_max: Between::new(limits.failed_logins_max),
            login_bar: Seconds::of(limits.login_bar),
            lanes_per_session: Between::new(limits.lanes_per_session),
            jobs_per_session: Between::new(limits.jobs_per_session),
            memory_per_session: ByteSize::new(limits.memory_per_session),
            memory_per_user: ByteSize::new(limits.memory_per_user),
            memory: ByteSize::new(limits.memory),
            login_timeout: Seconds::of(limits.login_timeout),
            idle_timeout: Seconds::of(limits.idle_timeout),
            drain_timeout: Seconds::of(config.drain_timeout.0),
        }
    }
}

impl FileShape {
    fn into_config(self, base: &Path) -> Config {
        let drain_timeout = DrainTimeout(self.limits.drain_timeout.duration());
        Config {
            listen: self.listen.0,
            root: self.root.map(|root| base.join(root)),
            state: self.state.map(|state| base.join(state)),
            limits: self.limits.into_limits(),
            drain_timeout,
            log: LogOptions { format: self.log.format, level: self.log.level },
            tls: self
                .tls
                .map(|tls| TlsFiles { certificate: base.join(tls.certificate), key: base.join(tls.key) }),
        }
    }
}

impl From<&Config> for FileShape {
    fn from(config: &Config) -> Self {
        Self {
            listen: ListenList(config.listen.clone()),
            root: config.root.clone(),
            state: config.state.clone(),
            limits: LimitsShape::of(config),
            log: LogShape { format: config.log.format, level: config.log.level },
            tls: config
                .tls
                .as_ref()
                .map(|tls| TlsShape { certificate: tls.certificate.clone(), key: tls.key.clone() }),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(CONFIG_LEN_MAX + 1).read_to_string(&mut text)?;
    if read as u64 > CONFIG_LEN_MAX {
        return Err(io::Error::other(format!("it is longer than {CONFIG_LEN_MAX} bytes")));
    }
    Ok(text)
}

/// A configuration is a page of text; a longer file is the wrong one.
const CONFIG_LEN_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
