//! Sessions over ssh, with nothing set up at the other end but the program `ftp-server`.
//!
//! ```text
//! ssh HOST ftp-server stdio ── stdin, stdout ──► the control connection: TLS within ssh
//! TCP to where that server listens ────────────► lanes, where it can be reached
//! ssh HOST ftp-server pipe (same connection) ──► lanes until then, or for ever behind a firewall
//! ```
//!
//! ssh decides about hosts, keys, agents, jumps and questions, and reads its configuration itself. What it brings from the other end,
//! the [greeting](StdioHello), proves that server: its key, and a token for the login. Everything behind the greeting is the ordinary
//! protocol, so a session over ssh can do what any other can.
//!
//! **Who owns what.** The [`SshTransport`] is of one run of a program. Each connection has a private folder with the socket by which
//! further channels share ssh's connection; it goes with the session's lanes. **What bounds it.** ssh may ask questions, so nothing is timed before
//! the greeting. Before it at most [`SHELL_NOISE_LEN_MAX`](wire::limits::SHELL_NOISE_LEN_MAX) bytes are read.

mod channel;
mod command;
mod lanes;
mod sending;

pub use command::{BadServerProgram, ServerProgram, SshOptions};

use crate::credentials::Credentials;
use crate::dial::{Agreed, DialTarget, Dialed, Dialing, Transport};
use crate::error::Error;
use crate::remote;
use crate::verifier::KeyVerifier;
use channel::{ControlChannel, NoGreeting};
use command::{Destination, SshCommand};
use lanes::SshLanes;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::stdio::StdioHello;
use wire::transport::Connection as _;
use wire::transport::tls_tcp::{TlsConnection, tls};

/// Reaches servers by ssh.
pub struct SshTransport {
    options: SshOptions,
    /// The user at the other end; `None` for the one that ssh's configuration names.
    user: Option<String>,
    /// A session has been made: another one asks nothing, and must not wait for ever.
    has_connected: AtomicBool,
}

impl SshTransport {
    /// Runs ssh as `options` say, for `user` at the other end.
    #[must_use]
    pub fn new(options: SshOptions, user: Option<String>) -> Self {
        Self { options, user, has_connected: AtomicBool::new(false) }
    }
}

impl Transport for SshTransport {
    fn dial<'a>(&'a self, target: DialTarget<'a>) -> Dialing<'a> {
        Box::pin(async move {
            let destination =
                Destination { host: target.host.to_owned(), port: target.port, user: self.user.clone() };
            if !self.has_connected.load(Ordering::Relaxed) {
                let dialed = dial(&self.options, destination, target).await?;
                self.has_connected.store(true, Ordering::Relaxed);
                return Ok(dialed);
            }
            let options = self.options.clone().unattended(target.timeout);
            let address = remote::address(target.host, target.port);
            let late = |_| Error::Unreachable {
                address,
                reason: "ssh did not connect in time".into(),
                passing: true,
            };
            timeout(target.timeout * 3, dial(&options, destination, target)).await.map_err(late)?
        })
    }
}

async fn dial(
    options: &SshOptions,
    destination: Destination,
    target: DialTarget<'_>,
) -> Result<Dialed, Error> {
    let address = remote::address(target.host, target.port);
    let failed = |reason: String, passing| Error::Unreachable { address: address.clone(), reason, passing };
    let broken = |error: io::Error| failed(error.to_string(), true);
    let ssh = SshCommand::prepare(options.clone(), destination)
        .await
        .map_err(|error| failed(error.to_string(), false))?;
    let unexplained = |error: NoGreeting| failed(options.explain(target.host, &error), error.is_passing());
    let greeted = match (greet(&ssh).await, &options.send) {
        (Err(error), Some(program)) if error.is_of_program() => {
            sending::send(&ssh, program).await.map_err(|reason| failed(reason, false))?;
            greet(&ssh).await
        }
        (greeted, _) => greeted,
    };
    let Greeted { handshake, hello } = greeted.map_err(unexplained)?;
    let within =
        timeout(target.timeout, handshake).await.map_err(|_| failed("no answer in time".into(), true))?;
    let connection = within.map_err(|error| broken(error.into()))?.map_err(broken)?;
    let channel = connection.login_channel().map_err(broken)?;
    if channel.server_key != hello.server_key {
        return Err(Error::Untrusted(format!(
            "{address}: the server does not hold the key that ssh has brought"
        )));
    }
    let agreed = {
        let tls = connection.tls();
        let cipher = tls.negotiated_cipher_suite().map(|suite| suite.suite());
        Agreed { checksum: tls::agreed_checksum(tls), cipher, round_trip: Duration::ZERO }
    };
    let lanes = SshLanes::new(ssh, &hello).map_err(|error| failed(error.to_string(), false))?;
    let direct = lanes.direct();
    let dialed = Dialed::new(connection, lanes, target.timeout, agreed).map_err(broken)?;
    Ok(dialed.logging_in(Credentials::Token { token: hello.token }).moving_once(direct))
}

/// A server that has said who it is.
struct Greeted {
    handshake: JoinHandle<io::Result<TlsConnection>>,
    hello: StdioHello,
}

/// Starts the server, and TLS with it.
async fn greet(ssh: &SshCommand) -> Result<Greeted, NoGreeting> {
    let opened = ControlChannel::open(&mut ssh.stdio());
    let ControlChannel { socket, greeting } = opened.map_err(NoGreeting::NotStarted)?;
    let config = tls::client_config(KeyVerifier::new(None)).map_err(NoGreeting::other)?;
    // Its first bytes wait at the other end, and need no round trip of their own.
    let handshake = tokio::spawn(TlsConnection::connect(config, socket, unnamed()));
    Ok(Greeted { handshake, hello: greeting.wait().await? })
}

/// TLS asks for a name. Here the key proves the server.
fn unnamed() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into())
}
