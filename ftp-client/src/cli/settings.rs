//! The meaning of the common options, with defaults for those that were not typed.

use crate::cli::args::Common;
use etcetera::BaseStrategy;
use ftp_client::Error;
use ftp_client::fingerprint::ServerKey;
use ftp_client::known_hosts::KnownHosts;
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
    /// Folder of resume records; `None` without a home folder.
    pub(crate) state: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn new(typed: Common) -> Result<Self, Error> {
        Ok(Self {
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
