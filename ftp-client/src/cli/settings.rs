//! The meaning of the common options, with defaults for those that were not typed.

use crate::cli::args::Common;
use crate::cli::environment::variable;
use etcetera::BaseStrategy;
use ftp_client::Error;
use ftp_client::fingerprint::ServerKey;
use ftp_client::known_hosts::KnownHosts;
use ftp_client::ssh::SshOptions;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use wire::checksum::Checksum;

/// The common options, ready to be used.
pub(crate) struct Settings {
    pub(crate) identities: Vec<PathBuf>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) token: Option<String>,
    pub(crate) pin: Option<ServerKey>,
    pub(crate) accept_new: bool,
    pub(crate) known_hosts: KnownHosts,
    pub(crate) lanes: u16,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) rate_limit: u64,
    pub(crate) timeout: Duration,
    pub(crate) retry: Option<u32>,
    pub(crate) give_up_after: Duration,
    /// Wait for a server that is not reachable yet; set if either of the two options was given.
    pub(crate) wait_for_server: bool,
    pub(crate) ssh: SshOptions,
    /// Folder of resume records; `None` without a home folder.
    pub(crate) state: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn new(typed: Common) -> Result<Self, Error> {
        Ok(Self {
            ssh: ssh_options(&typed)?,
            identities: typed.identity,
            password_file: typed.password_file,
            token: typed.token,
            pin: typed.pin,
            accept_new: typed.accept_new,
            known_hosts: typed.known_hosts.map_or_else(default_known_hosts, KnownHosts::at),
            lanes: typed.lanes.unwrap_or(0),
            checksum: typed.checksum.and_then(Option::from),
            rate_limit: typed.limit_rate.unwrap_or(0),
            timeout: typed.timeout.unwrap_or(CONNECT_TIMEOUT),
            retry: typed.retry,
            wait_for_server: typed.retry.is_some_and(|tries| tries > 0) || typed.give_up_after.is_some(),
            give_up_after: typed.give_up_after.unwrap_or(GIVE_UP_AFTER),
            state: default_state(),
        })
    }
}

/// How ssh is run. `--identity` is for it too.
fn ssh_options(typed: &Common) -> Result<SshOptions, Error> {
    let usual = SshOptions::default();
    let command = match typed.ssh_command.clone().or(variable("FTPX_SSH")?) {
        Some(line) => shlex::split(&line).filter(|words| !words.is_empty()).ok_or_else(|| {
            Error::Usage(format!(
                "--ssh-command {line:?} is no command: its quotes do not match, or it is empty"
            ))
        })?,
        None => Vec::new(),
    };
    let mut command: Vec<OsString> = command.into_iter().map(OsString::from).collect();
    if command.is_empty() {
        command.clone_from(&usual.command);
    }
    for identity in &typed.identity {
        command.extend(["-i".into(), identity.clone().into_os_string()]);
    }
    let connections = typed.ssh_connections.unwrap_or(usual.connections);
    let send = typed.send_server.then(own_server).transpose()?;
    Ok(SshOptions { command, server: typed.server_path.clone(), connections, send, is_unattended: false })
}

/// The server's program beside this one.
fn own_server() -> Result<PathBuf, Error> {
    let own = std::env::current_exe().ok().map(|own| own.with_file_name("ftp-server"));
    own.filter(|program| program.is_file()).ok_or_else(|| {
        Error::Usage("--send-server: there is no ftp-server in the folder of ftp-client".to_owned())
    })
}

/// Without a home folder, a server can be pinned.
fn default_known_hosts() -> KnownHosts {
    match etcetera::choose_base_strategy() {
        Ok(strategy) => KnownHosts::at(strategy.config_dir().join("ftp-client").join("known_hosts")),
        Err(_) => KnownHosts::nowhere(),
    }
}

/// Systems without a folder for state keep it with the data.
fn default_state() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("ftp-client"))
}

/// Long enough for a router or a server to start again.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10 * 60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
