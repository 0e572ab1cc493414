//! Reloading of `serve` on SIGHUP: it reads configuration, certificate and users again.
//!
//! Configuration and certificate take effect together: if either is wrong, the old ones stay in force and the
//! log says so. Users are reloaded separately and stay as they were if their file is wrong. Changes that need a restart are named
//! in the log.

use super::args::{PlaceArgs, ServeArgs};
use super::failure::sentence;
use super::setup::Setup;
use anyhow::Context;
use ftp_server::ServerControl;
use ftp_server::accounts::Accounts;
use ftp_server::config::{Config, DrainTimeout};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// The parts that a reload changes.
pub(crate) struct Reload {
    place: PlaceArgs,
    /// The root of the command line, which wins over the file's.
    root: Option<PathBuf>,
    /// True if the addresses of the file are ignored.
    is_listen_typed: bool,
    /// The configuration at the start, for finding changes that need a restart.
    begun: Config,
    fingerprint: String,
    accounts: Arc<Accounts>,
    control: ServerControl,
}

impl Reload {
    pub(crate) fn new(
        args: &ServeArgs,
        setup: Setup,
        fingerprint: String,
        accounts: Arc<Accounts>,
        control: ServerControl,
    ) -> Self {
        Self {
            // The same file as at the start, also if another one has come first in the order of places since.
            place: PlaceArgs { config: setup.config_file, state: Some(setup.state.path().to_owned()) },
            root: args.root.clone(),
            is_listen_typed: !args.listen.is_empty(),
            begun: setup.config,
            fingerprint,
            accounts,
            control,
        }
    }

    /// Reloads on each request, on a thread of its own, since reading files may hang. The thread ends with the sender.
    pub(crate) fn on_request(mut self) -> anyhow::Result<SyncSender<()>> {
        let (request, requests) = sync_channel(1);
        thread::Builder::new()
            .name("reload".into())
            .spawn(move || requests.iter().for_each(|()| self.reload()))
            .context("cannot make a thread")?;
        Ok(request)
    }

    fn reload(&mut self) {
        match self.configure() {
            Ok(fixed) => {
                tracing::info!("configuration and certificate read again");
                if !fixed.is_empty() {
                    tracing::warn!("changed, and in force only after a restart: {}", fixed.join(", "));
                }
            }
            Err(error) => tracing::error!(
                "configuration not read again, the old one stays in force: {}",
                sentence(&error)
            ),
        }
        match self.accounts.reload() {
            Ok(()) => tracing::info!("users read again"),
            Err(error) => tracing::error!("users not read again, the old ones stay in force: {error}"),
        }
    }

    /// Reads all files before changing anything. Returns the changed keys that need a restart.
    fn configure(&mut self) -> anyhow::Result<Vec<&'static str>> {
        let setup = Setup::load(&self.place)?;
        let default_root = setup.default_root(self.root.as_deref())?;
        let identity = setup.known_identity()?;
        self.control.set_identity(&identity).context("the certificate cannot be used")?;
        if identity.fingerprint() != self.fingerprint {
            self.fingerprint = identity.fingerprint().to_owned();
            tracing::warn!(
                fingerprint = self.fingerprint,
                "the server has another key: clients that know the old one refuse it"
            );
        }
        let Config { limits, drain_timeout: DrainTimeout(drain_timeout), .. } = setup.config.clone();
        self.control.set_limits(limits, drain_timeout);
        self.accounts.set_default_root(default_root);
        Ok(self.fixed(&setup.config))
    }

    fn fixed(&self, new: &Config) -> Vec<&'static str> {
        let old = &self.begun;
        let all = [
            ("listen", !self.is_listen_typed && old.listen != new.listen),
            ("state", old.state != new.state),
            ("limits.connections", old.limits.connections != new.limits.connections),
            ("limits.logins_waiting", old.limits.logins_waiting != new.limits.logins_waiting),
            ("log.format", old.log.format != new.log.format),
            ("log.level", old.log.level != new.log.level),
        ];
        all.into_iter().filter_map(|(name, has_changed)| has_changed.then_some(name)).collect()
    }
}
