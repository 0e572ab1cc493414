//! `stdio`: serves one user over standard input and output, as ssh runs it, with no port and no account of the server's own.
//!
//! ```text
//! ssh's channel ── stdin, stdout ── two threads ──┐
//! ssh's further channels ── `ftp-server pipe` ────┴─► local socket ─┐
//! TCP, where the client reaches it ─────────────► listening socket ─┴─► the server: TLS, login by the token, session, lanes
//! ```
//!
//! The greeting on standard output has the key, the token and the ways here. It goes through ssh, so whoever can read it is who ssh
//! has let in. The process ends with its standard input, or with the connection that is carried there. Nothing stays behind but the
//! key in the state folder, by which interrupted transfers are gone on with.

use super::args::StdioArgs;
use super::ports::Ports;
use super::setup::{Setup, existing_folder};
use super::signals::{Hangup, Signals, StopTokens};
use super::{logging, pipe, running};
use anyhow::Context;
use ftp_server::config::{LogFormat, LogLevel, LogOptions};
use ftp_server::disks::{LocalRoots, RootOpener, WholeRoot};
use ftp_server::identity::HostIdentity;
use ftp_server::server::{Server, ServerOptions};
use ftp_server::state::{StateFolder, user_name};
use ftp_server::token::{TokenGrant, Tokens};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use wire::RemotePath;
use wire::stdio::StdioHello;
use wire::store::marks::Marks;

pub(crate) fn run(args: &StdioArgs) -> anyhow::Result<()> {
    // Where sshd runs this command whatever was asked for, the client's further channels come here too.
    let asked = std::env::var("SSH_ORIGINAL_COMMAND").unwrap_or_default();
    if let Some(word) = pipe::asked_for(&asked) {
        return pipe::run(word);
    }
    let _logging = logging::start(&LogOptions { format: LogFormat::default(), level: LogLevel::Error })
        .context("cannot start the log")?;
    let state = Setup::load(&args.place).ok();
    let identity = state.as_ref().and_then(|setup| setup.identity().ok());
    let identity = match identity {
        Some(identity) => identity,
        None => HostIdentity::generate()?, // nothing is gone on with after an interruption
    };
    let Place { roots, root, home } = Place::of(args.root.as_deref())?;
    let tokens = Tokens::new();
    let expires_at = SystemTime::now() + TOKEN_TIME;
    let name = user_name(rustix::process::geteuid().as_raw());
    let token = tokens.issue(TokenGrant {
        name,
        root,
        access: args.access,
        expires_at,
        once: false,
        only: None,
        home: Some(home),
    })?;
    let ssh = SshConnection::of(&std::env::var("SSH_CONNECTION").unwrap_or_default());
    let options = ServerOptions {
        listen: Vec::new(),
        roots,
        marks: state.map(|setup| setup.state).as_ref().and_then(marks),
        drain_timeout: DRAIN_TIME,
        ..ServerOptions::new(ssh.server(), identity.clone(), Arc::new(tokens))
    };
    running::block_on(async {
        let mut server = running::bind(options).await?;
        let addresses = ssh.listen(args.ports, &mut server).await;
        let word = pipe::random_word()?;
        let listener = UnixListener::from_std(pipe::listen(&word)?)?;
        server.accept_local(listener, ssh.client());
        let server_key = identity.key();
        let hello = StdioHello { server_key, token: token.text().to_owned(), addresses, pipe: word.clone() };
        io::stdout().write_all(&hello.encode()?)?;
        io::stdout().flush()?;
        let own = pipe::connect(&word)?;
        until_over(server, pipe::carry(own)?).await
    })
}

/// Serves until the connection is over, or a signal says so.
async fn until_over(server: Server, over: CancellationToken) -> anyhow::Result<()> {
    let signals = Signals::catch(Hangup::Stop).context("cannot catch signals")?;
    let stop = StopTokens::default();
    let drain = stop.drain.clone();
    tokio::spawn(async move {
        over.cancelled().await;
        drain.cancel();
    });
    tokio::select! {
        ran = Box::pin(server.run(stop.drain.clone(), stop.abort.clone())) => ran.context("cannot serve"),
        never = signals.relay(stop.clone(), None, CancellationToken::new()) => match never {},
    }
}

/// The part of the filesystem that is served.
struct Place {
    roots: Arc<dyn RootOpener>,
    root: PathBuf,
    /// The folder that a path begins in.
    home: RemotePath,
}

impl Place {
    /// A folder and all below it; or everything, beginning in the current folder, which sshd sets to the user's home.
    fn of(root: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(root) = root {
            let root = existing_folder(root)?;
            return Ok(Self { roots: Arc::new(LocalRoots), root, home: RemotePath::root() });
        }
        let current = std::env::current_dir().context("cannot tell the current folder")?;
        let home = RemotePath::from_user(current.as_os_str().as_bytes())?;
        Ok(Self { roots: Arc::new(WholeRoot), root: "/".into(), home })
    }
}

/// Marks of files that were written and not synced, where they can be kept.
fn marks(state: &StateFolder) -> Option<Arc<Marks>> {
    state.path().is_dir().then(|| Marks::at(state.file("marks")))
}

/// Both ends of ssh's connection, as sshd tells them; without it, this machine's own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SshConnection {
    client: IpAddr,
    server: Option<IpAddr>,
}

impl SshConnection {
    /// Reads `CLIENT PORT SERVER PORT`.
    fn of(text: &str) -> Self {
        let mut words = text.split(' ');
        let (client, server) = (words.next(), words.nth(1));
        let address = |word: Option<&str>| word.and_then(|word| word.parse().ok());
        Self { client: address(client).unwrap_or(Ipv4Addr::LOCALHOST.into()), server: address(server) }
    }

    fn client(self) -> SocketAddr {
        (self.client, 0).into()
    }

    fn server(self) -> SocketAddr {
        (self.server.unwrap_or(Ipv4Addr::LOCALHOST.into()), 0).into()
    }

    /// Listens where ssh's connection has come to; returns the addresses, none if that does not work.
    async fn listen(self, ports: Option<Ports>, server: &mut Server) -> Vec<String> {
        let Some(address) = self.server else { return Vec::new() };
        let Ports { first, last } = ports.unwrap_or(Ports { first: 0, last: 0 });
        for port in first..=last {
            if let Ok(listener) = TcpListener::bind((address, port)).await
                && let Ok(bound) = listener.local_addr()
            {
                server.accept_tcp(listener);
                return vec![bound.to_string()];
            }
        }
        tracing::debug!(%address, "cannot listen; all data goes through ssh");
        Vec::new()
    }
}

/// The token lasts longer than any session: it ends with this process.
const TOKEN_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// How long work may go on whose client is gone.
const DRAIN_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sshd_tells_both_ends() {
        let ssh = SshConnection::of("192.0.2.7 50000 2001:db8::1 22");
        assert_eq!(
            (ssh.client().to_string().as_str(), ssh.server.unwrap().to_string().as_str()),
            ("192.0.2.7:0", "2001:db8::1")
        );
        for unknown in ["", "UNKNOWN 65535 UNKNOWN 65535"] {
            assert_eq!(SshConnection::of(unknown).server, None);
        }
    }
}
