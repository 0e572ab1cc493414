//! Connects with the typed options, and a second time where that helps.

use crate::cli::login::{self, PasswordPrompt};
use crate::cli::output::Output;
use crate::cli::server::{ServerTarget, one_pin};
use crate::cli::settings::Settings;
use crate::cli::terminal;
use ftp_client::known_hosts::KnownHosts;
use ftp_client::remote::Way;
use ftp_client::session::{OutageEvent, Outages};
use ftp_client::ssh::SshTransport;
use ftp_client::trust::{OnUnknown, Policy};
use ftp_client::{ConnectOptions, Credentials, Error, Session};
use std::sync::Arc;
use std::time::Instant;
use wire::limits::LOGIN_TIMEOUT;

/// How to connect.
pub(crate) struct Connecting {
    options: ConnectOptions,
    /// The password question for the case that the keys found by default are refused.
    otherwise: Option<PasswordPrompt>,
}

/// Returns the options of the connection. Without another credential, they ask for a password.
pub(crate) fn options(
    server: &ServerTarget,
    settings: &Settings,
    output: &Arc<Output>,
) -> Result<Connecting, Error> {
    if server.way == Way::Ssh {
        let typed = [settings.pin.is_some(), settings.token.is_some(), settings.password_file.is_some()];
        if typed.contains(&true) {
            let text = "ssh decides about the host and the login: --pin, --token and --password-file are for standing servers (HOST::PATH)";
            return Err(Error::Usage(text.to_owned()));
        }
        return Ok(Connecting { options: over_ssh(server, settings, output), otherwise: None });
    }
    let login = login::choose(server, settings, output)?;
    let pin = one_pin(one_pin(server.pin, settings.pin)?, login.pin)?;
    let policy =
        Policy::new(pin, settings.known_hosts.clone(), on_unknown(settings)).recorded(server.recorded);
    let options = ConnectOptions::new(server.host.clone(), Arc::new(policy), login.credentials);
    Ok(Connecting { options: with_settings(options, server, settings, output), otherwise: login.otherwise })
}

/// ssh decides about the host and who logs in there; its server brings the login.
fn over_ssh(server: &ServerTarget, settings: &Settings, output: &Arc<Output>) -> ConnectOptions {
    let policy = Policy::new(None, KnownHosts::nowhere(), OnUnknown::Refuse);
    let options = ConnectOptions {
        transport: Arc::new(SshTransport::new(settings.ssh.clone(), server.user.clone())),
        ..ConnectOptions::new(server.host.clone(), Arc::new(policy), Credentials::OfTransport)
    };
    with_settings(options, server, settings, output)
}

fn with_settings(
    options: ConnectOptions,
    server: &ServerTarget,
    settings: &Settings,
    output: &Arc<Output>,
) -> ConnectOptions {
    ConnectOptions {
        port: server.port,
        checksum: settings.checksum,
        lanes: settings.lanes,
        rate_limit: settings.rate_limit,
        timeout: settings.timeout,
        outages: outages(settings, output),
        state: settings.state.clone(),
        ..options
    }
}

/// Connects. Waits for the login's answer only if a password could be asked for after keys were refused.
pub(crate) async fn session(connecting: Connecting) -> Result<Session, Error> {
    lasting(connecting).await.map(|(session, _)| session)
}

/// As [`session`], and returns the options to connect again without a question.
pub(crate) async fn lasting(connecting: Connecting) -> Result<(Session, ConnectOptions), Error> {
    let Connecting { options, otherwise } = connecting;
    let mut again = options.clone();
    let Some(prompt) = otherwise else { return Ok((patiently(options).await?, again)) };
    let session = patiently(options).await?;
    match session.welcome().await {
        Err(Error::LoginRefused { .. }) => {
            session.close().await;
            again.credentials = prompt.credentials();
            Ok((patiently(again.clone()).await?, again))
        }
        Err(_) | Ok(_) => Ok((session, again)), // other failures show with the first request
    }
}

/// A user who is asked about the server's key, or for a password, may answer after the server's login timeout; then
/// the connection is made anew, without another question. A login that the server has answered is not repeated: it would
/// count a wrong password twice.
pub(crate) async fn patiently(options: ConnectOptions) -> Result<Session, Error> {
    let (again, started) = (options.clone(), Instant::now());
    let connected = Session::connect(options).await;
    let was_slow = started.elapsed() >= LOGIN_TIMEOUT / 2;
    match connected {
        Ok(session) if was_slow => match session.welcome().await {
            Err(Error::Lost { .. }) => session.close().await,
            Ok(_) | Err(_) => return Ok(session),
        },
        Err(Error::Lost { .. }) if was_slow => {}
        connected => return connected.map_err(|error| advise_waiting(error, &again.outages)),
    }
    Session::connect(again).await
}

/// Adds advice about the options that wait for a server, if neither was given.
fn advise_waiting(error: Error, outages: &Outages) -> Error {
    let neither = !outages.first && outages.tries_max.is_none() && !outages.give_up_after.is_zero();
    if let Error::Unreachable { address, reason, passing: true } = error {
        let advice =
            if neither { " (to wait for a server, give --give-up-after TIME or --retry N)" } else { "" };
        Error::Unreachable { address, reason: format!("{reason}{advice}"), passing: true }
    } else {
        error
    }
}

fn outages(settings: &Settings, output: &Arc<Output>) -> Outages {
    let (give_up_after, tries_max, first) =
        (settings.give_up_after, settings.retry, settings.wait_for_server);
    let on_outage = Arc::new(|_: OutageEvent<'_>| {});
    telling(Outages { give_up_after, tries_max, first, on_outage }, output)
}

/// The same, reported elsewhere.
pub(crate) fn telling(outages: Outages, output: &Arc<Output>) -> Outages {
    let (output, give_up_after, tries_max) = (Arc::clone(output), outages.give_up_after, outages.tries_max);
    let on_outage = move |event: OutageEvent<'_>| match event {
        OutageEvent::Began(error) => {
            let time = humantime::format_duration(give_up_after);
            let often = tries_max.map_or(String::new(), |max| format!(", {max} times at most"));
            output.warn(&format!("{error}; trying again for up to {time}{often}"));
            output.outage_began();
        }
        OutageEvent::Failed { tries } => output.outage_goes_on(tries),
        OutageEvent::Over => output.outage_over(),
    };
    Outages { on_outage: Arc::new(on_outage), ..outages }
}

fn on_unknown(settings: &Settings) -> OnUnknown {
    if settings.accept_new {
        OnUnknown::AcceptNew
    } else if terminal::interactive() {
        OnUnknown::Ask(Box::new(terminal::confirm))
    } else {
        OnUnknown::Refuse
    }
}
