//! `serve`: serves the users of the state folder until it is stopped.

use super::args::ServeArgs;
use super::failure::OrUsage;
use super::reload::Reload;
use super::running::ServerOptions;
use super::setup::Setup;
use super::signals::Hangup;
use super::{logging, running, service};
use anyhow::Context;
use ftp_server::accounts::Accounts;
use ftp_server::config::LogOptions;
use ftp_server::disks::LocalRoots;
use ftp_server::state::user_name;
use ftp_server::sweeper;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use wire::store::marks::Marks;

pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let sockets = service::sockets()?; // before anything else is opened
    let setup = Setup::load(&args.place)?;
    let default_root = setup.default_root(args.root.as_deref())?;
    let _logging = logging::start(&log_options(args, &setup)).context("cannot start the log")?;
    let identity = setup.identity()?;
    let fingerprint = identity.fingerprint().to_owned();
    let accounts = Arc::new(Accounts::new(setup.state.clone(), default_root.clone()));
    accounts.reload().or_usage()?; // in force until a later valid file
    warn_of_nobody(&accounts, default_root.as_deref(), setup.state.path())?;
    let roots = {
        let accounts = accounts.clone();
        move || roots(&accounts)
    };
    let options = ServerOptions {
        listen: if sockets.is_empty() { setup.listen(&args.listen) } else { Vec::new() },
        sockets,
        identity,
        authenticator: accounts.clone(),
        limits: setup.config.limits.clone(),
        drain_timeout: setup.config.drain_timeout.0,
        marks: Some(Marks::at(setup.state.file("marks"))),
        roots: Arc::new(LocalRoots),
        observer: None,
    };
    running::block_on(async {
        let listen = options.listen.clone();
        let server = running::bind(options).await.with_context(|| format!("cannot listen on {listen:?}"))?;
        let stop = CancellationToken::new();
        let _stopped = stop.clone().drop_guard();
        tokio::spawn(sweeper::run(server.disks(), roots, stop));
        let reload = Reload::new(args, setup, fingerprint.clone(), accounts, server.control());
        let hangup = Hangup::Reload(reload.on_request()?);
        let never = CancellationToken::new();
        running::until_stopped(server, &fingerprint, args.output.json, None, never, hangup, |_| Ok(())).await
    })
}

/// The folders that are served now, each once.
fn roots(accounts: &Accounts) -> Vec<PathBuf> {
    let of_users = accounts.list().unwrap_or_default().into_iter().filter_map(|(_, account)| account.root);
    let roots: BTreeSet<PathBuf> = of_users.chain(accounts.default_root()).collect();
    roots.into_iter().collect()
}

fn log_options(args: &ServeArgs, setup: &Setup) -> LogOptions {
    let configured = &setup.config.log;
    let format = args.output.log_format.map_or(configured.format, Into::into);
    LogOptions { format, level: configured.level }
}

/// Warns if no user can log in. This is not an error, since users may be added later, but it is seldom intended.
fn warn_of_nobody(accounts: &Accounts, default_root: Option<&Path>, state: &Path) -> anyhow::Result<()> {
    let users = accounts.list()?;
    let state = state.display();
    if users.is_empty() {
        tracing::warn!(
            "there are no users yet; add one with: {}ftp-server user add NAME --root DIR --state '{state}'",
            as_this_account()
        );
    }
    for (name, account) in users {
        if account.root.is_none() && default_root.is_none() {
            tracing::warn!(user = %name, "this user has no root and cannot log in; start with --root DIR");
        }
    }
    Ok(())
}

/// Returns the words before a command that run it as the account of a service, which has no login.
fn as_this_account() -> String {
    match rustix::process::geteuid().as_raw() {
        id @ 1..1000 => format!("runuser -u {} -- ", user_name(id)),
        _ => String::new(),
    }
}
