//! The exchange with a service manager, such as systemd: sockets that listen already, and notifications when the server serves
//! and when it stops. Both come through the environment; without it there is no notification.

use super::failure::OrUsage;
use anyhow::Context;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::net::TcpListener;

/// The sockets that were handed over, in their order.
pub(crate) fn sockets() -> anyhow::Result<Vec<TcpListener>> {
    let mut given = ListenFd::from_env();
    let sockets = (0..given.len()).filter_map(|index| given.take_tcp_listener(index).transpose());
    sockets.collect::<Result<_, _>>().context("cannot use a socket of LISTEN_FDS").or_usage()
}

/// Connections are accepted.
pub(crate) fn ready() {
    tell(&NotifyState::Ready);
}

/// The server drains.
pub(crate) fn stopping() {
    tell(&NotifyState::Stopping);
}

/// The server continues if the notification fails.
fn tell(state: &NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}
