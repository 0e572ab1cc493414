//! Combines arguments and configuration: the command line takes precedence over the file,
//! the file over the platform's folders.

use super::args::PlaceArgs;
use super::failure::{OrUsage, usage};
use anyhow::Context;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use ftp_server::config::{Config, DEFAULT_PORT, TlsFiles};
use ftp_server::identity::HostIdentity;
use ftp_server::state::StateFolder;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

/// The configuration and the state folder of one run.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    /// The file that was read; `None` when there is none.
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) state: StateFolder,
}

impl Setup {
    pub(crate) fn load(place: &PlaceArgs) -> anyhow::Result<Self> {
        let config_file = place.config.clone().or_else(existing_default_config);
        let config = match &config_file {
            Some(path) => Config::load(path).or_usage()?,
            None => Config::default(),
        };
        let state = match place.state.as_ref().or(config.state.as_ref()) {
            Some(path) => absolute(path)?,
            None => default_state()?,
        };
        Ok(Self { config, config_file, state: StateFolder::at(state) })
    }

    /// The configured certificate, or the server's own identity, which is made when there is none yet.
    pub(crate) fn identity(&self) -> anyhow::Result<HostIdentity> {
        match &self.config.tls {
            Some(TlsFiles { certificate, key }) => HostIdentity::from_files(certificate, key).or_usage(),
            None => Ok(HostIdentity::load_or_create(&self.state)?),
        }
    }

    /// As [`identity`](Self::identity), but does not make a missing one.
    pub(crate) fn known_identity(&self) -> anyhow::Result<HostIdentity> {
        if self.config.tls.is_some() {
            return self.identity();
        }
        HostIdentity::load(&self.state)?.with_context(|| {
            let state = self.state.path().display();
            format!(
                "there is no key in {state} yet: the server makes it when it first starts (ftp-server serve)"
            )
        })
    }

    /// The addresses of the command line, else of the file, else all.
    pub(crate) fn listen(&self, typed: &[SocketAddr]) -> Vec<SocketAddr> {
        let chosen = if typed.is_empty() { &self.config.listen } else { typed };
        if chosen.is_empty() { vec![all_addresses(DEFAULT_PORT)] } else { chosen.to_vec() }
    }

    /// The root of users without their own, checked to be a folder now rather than at the first login.
    pub(crate) fn default_root(&self, typed: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
        typed.or(self.config.root.as_deref()).map(existing_folder).transpose()
    }
}

/// All addresses of the machine: IPv6's wildcard takes IPv4 too, but not every machine has IPv6.
pub(crate) fn all_addresses(port: u16) -> SocketAddr {
    let has_ipv6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok();
    if has_ipv6 { (Ipv6Addr::UNSPECIFIED, port).into() } else { (Ipv4Addr::UNSPECIFIED, port).into() }
}

/// The absolute path of a folder that is there.
pub(crate) fn existing_folder(path: &Path) -> anyhow::Result<PathBuf> {
    let path = absolute(path)?;
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(usage(format_args!("{} is not a folder", path.display()))),
        Err(error) => Err(usage(format_args!("cannot use the folder {}: {error}", path.display()))),
    }
}

pub(crate) fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot make {path:?} absolute")).or_usage()
}

fn existing_default_config() -> Option<PathBuf> {
    let folders = choose_native_strategy().ok()?;
    Some(folders.config_dir().join("ftp-server").join("config.toml")).filter(|path| path.exists())
}

/// Systems without a folder for state, such as macOS, keep it with the data.
fn default_state() -> anyhow::Result<PathBuf> {
    let folders = choose_native_strategy()
        .map_err(|error| usage(format_args!("{error}; say where the state is with --state DIR")))?;
    Ok(folders.state_dir().unwrap_or_else(|| folders.data_dir()).join("ftp-server"))
}
