//! Lanes of a session over ssh: by TCP where the server can be reached, and through ssh until it is, or where it is not.

use super::channel::open_pipe;
use super::command::SshCommand;
use super::unnamed;
use crate::verifier::KeyVerifier;
use rustls::ClientConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::stdio::StdioHello;
use wire::sync::lock;
use wire::transport::Dialer;
use wire::transport::tls_tcp::{TlsConnection, TlsDialer, tls};

/// Opens the lanes of a session over ssh.
pub(super) struct SshLanes {
    ssh: SshCommand,
    /// The server's name for `ftp-server pipe`.
    pipe: String,
    config: Arc<ClientConfig>,
    direct: watch::Receiver<Option<SocketAddr>>,
    /// The connection that has shown that the server can be reached, until a lane takes it.
    first: Arc<Mutex<Option<TcpStream>>>,
    /// Until then a lane waits for a direct way.
    patience: Instant,
    next: AtomicU16,
    /// The direct way was found, and did not work.
    direct_fails: AtomicBool,
    _probing: DropGuard,
}

impl SshLanes {
    /// Lanes to the server that has said `hello`. Tries from now on whether it can be reached by TCP.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(super) fn new(ssh: SshCommand, hello: &StdioHello) -> Result<Self, rustls::Error> {
        let (found, direct) = watch::channel(None);
        let (first, over) = (Arc::new(Mutex::default()), CancellationToken::new());
        let (host, told, kept) = (ssh.host_name().map(str::to_owned), hello.addresses.clone(), first.clone());
        let ended = over.clone();
        tokio::spawn(async move {
            let probe = async {
                let Some(host) = host else { return };
                if let Some((address, socket)) = reachable(&told, &host).await {
                    *lock(&kept) = Some(socket);
                    let _ = found.send(Some(address)); // the session may be over
                }
                // Who waits for a direct way goes on waiting: it may be asked for as long as there are lanes.
                std::future::pending::<()>().await;
            };
            ended.run_until_cancelled(probe).await
        });
        Ok(Self {
            ssh,
            pipe: hello.pipe.clone(),
            config: tls::client_config(KeyVerifier::new(Some(hello.server_key)))?,
            direct,
            first,
            patience: Instant::now() + DIRECT_HEAD_START,
            next: AtomicU16::new(0),
            direct_fails: AtomicBool::new(false),
            _probing: over.drop_guard(),
        })
    }

    /// Becomes `Some` once the server can be reached by TCP.
    pub(super) fn direct(&self) -> watch::Receiver<Option<SocketAddr>> {
        self.direct.clone()
    }

    async fn dial_direct(&self, address: SocketAddr) -> io::Result<TlsConnection> {
        let first = lock(&self.first).take();
        if let Some(socket) = first
            && let Ok(connection) = TlsConnection::connect(self.config.clone(), socket, unnamed()).await
        {
            return Ok(connection); // else the server has closed it meanwhile: it was kept for too long
        }
        TlsDialer { address, config: self.config.clone() }.dial().await
    }

    async fn dial_ssh(&self) -> io::Result<TlsConnection> {
        let connection = self.next.fetch_add(1, Ordering::Relaxed) % self.ssh.connections();
        let opened = match open_pipe(&mut self.ssh.pipe(&self.pipe, connection), CHANNEL_PATIENCE).await {
            // Another connection may need an answer from the user; the first one is there.
            Err(_) if connection > 0 => open_pipe(&mut self.ssh.pipe(&self.pipe, 0), CHANNEL_PATIENCE).await,
            opened => opened,
        };
        TlsConnection::connect(self.config.clone(), opened?, unnamed()).await
    }
}

impl Dialer for SshLanes {
    type Connection = TlsConnection;

    async fn dial(&self) -> io::Result<TlsConnection> {
        let mut direct = self.direct.clone();
        let address = timeout_at(self.patience, direct.wait_for(Option::is_some)).await;
        let address = address.ok().and_then(Result::ok).and_then(|address| *address);
        if let Some(address) = address.filter(|_| !self.direct_fails.load(Ordering::Relaxed)) {
            match timeout(DIRECT_PATIENCE, self.dial_direct(address)).await {
                Ok(Ok(connection)) => return Ok(connection),
                // Something answers there that is not the server, or nothing does any more.
                Ok(Err(_)) | Err(_) => self.direct_fails.store(true, Ordering::Relaxed),
            }
        }
        self.dial_ssh().await
    }

    fn is_detour(&self, connection: &TlsConnection) -> bool {
        connection.socket().tcp().is_none() && !self.direct_fails.load(Ordering::Relaxed)
    }
}

/// Finds where the server can be reached: at the address that ssh's connection came to, or at the host's name.
async fn reachable(told: &[String], host: &str) -> Option<(SocketAddr, TcpStream)> {
    let told: Vec<SocketAddr> =
        told.iter().filter_map(|address| address.parse().ok()).take(ADDRESSES_MAX).collect();
    let port = told.first()?.port();
    let named = tokio::net::lookup_host((host, port)).await.into_iter().flatten().take(ADDRESSES_MAX);
    let mut addresses: Vec<SocketAddr> = named.collect();
    addresses.extend(told.iter().filter(|address| !addresses.contains(address)).copied().collect::<Vec<_>>());
    let mut tries = tokio::task::JoinSet::new();
    for address in addresses {
        tries.spawn(async move {
            let socket = timeout(REACHING_PATIENCE, TcpStream::connect(address)).await.ok()?.ok()?;
            Some((address, socket))
        });
    }
    while let Some(tried) = tries.join_next().await {
        if let Ok(Some(found)) = tried {
            return Some(found);
        }
    }
    None
}

/// How long the first lanes wait for a direct way before they go through ssh.
const DIRECT_HEAD_START: Duration = Duration::from_millis(200);
/// How long a lane may take to be set up on the direct way, which has answered before.
const DIRECT_PATIENCE: Duration = Duration::from_secs(3);
/// How long a direct way is tried.
const REACHING_PATIENCE: Duration = Duration::from_secs(20);
/// How long a further channel may take, which needs no new login.
const CHANNEL_PATIENCE: Duration = Duration::from_secs(6);
/// Most addresses of each kind that are tried.
const ADDRESSES_MAX: usize = 4;
