//! A connection of TLS over TCP or over a local socket, at either end; who accepts it, and who dials it.

use super::aligned::RecordAlignedReader;
use super::congestion::{avoid_bbr_until_rtt_known, restore_default_congestion_control};
use super::lane::TlsLane;
use super::record::{Opener, Sealer};
use super::socket::Socket;
use super::tls;
use crate::binding::{LANE_LABEL, SESSION_ID_LABEL, SESSION_SECRET_LABEL, SessionId, SessionSecret};
use crate::checksum::Digest;
use crate::ids::LaneNo;
use crate::limits::{BYTES_BEFORE_LOGIN_MAX, KEEPALIVE_INTERVAL, LANE_SILENCE_MAX, PEER_SILENCE_MAX};
use crate::login::{Channel, LOGIN_LABEL};
use crate::transport::{Accepted, Acceptor, Connection, Dialer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, CommonState};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// A connection that is read record by record.
pub struct TlsConnection {
    pub(super) stream: TlsStream<RecordAlignedReader<Socket>>,
    server_key: Digest,
}

impl TlsConnection {
    /// Does the handshake of a client.
    ///
    /// # Errors
    /// If the connection breaks; `InvalidData` if the server speaks another protocol, or its certificate is not accepted.
    pub async fn connect(
        config: Arc<ClientConfig>,
        socket: impl Into<Socket>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let socket = socket.into();
        socket.set_nodelay()?;
        let io = RecordAlignedReader::new(socket, HANDSHAKE_LEN_MAX);
        let stream = TlsStream::from(TlsConnector::from(config).connect(name, io).await?);
        let state = stream.get_ref().1;
        tls::check_protocol(state).map_err(invalid)?;
        let certificate = state.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.ok_or_else(|| invalid(rustls::Error::NoCertificatesPresented))?;
        let server_key = tls::key_fingerprint(certificate).map_err(invalid)?;
        Ok(Self { stream, server_key })
    }

    /// Does the handshake of a server, which shows the certificate of the key `server_key`.
    ///
    /// # Errors
    /// If the connection breaks, or the client speaks another protocol.
    pub async fn accept(
        acceptor: &TlsAcceptor,
        server_key: Digest,
        socket: impl Into<Socket>,
    ) -> io::Result<Self> {
        let socket = socket.into();
        socket.set_nodelay()?;
        let stream = acceptor.accept(RecordAlignedReader::new(socket, BYTES_BEFORE_LOGIN_MAX)).await?;
        Ok(Self { stream: stream.into(), server_key })
    }

    /// Returns the state of TLS.
    #[must_use]
    pub fn tls(&self) -> &CommonState {
        self.stream.get_ref().1
    }

    /// Returns the socket.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        self.stream.get_ref().0.get_ref()
    }

    /// Returns the exporter's value for `label`, which only the two ends know.
    fn export<const LEN: usize>(&self, label: &[u8]) -> io::Result<[u8; LEN]> {
        match &self.stream {
            TlsStream::Client(stream) => stream.get_ref().1.export_keying_material([0; LEN], label, None),
            TlsStream::Server(stream) => stream.get_ref().1.export_keying_material([0; LEN], label, None),
        }
        .map_err(io::Error::other)
    }
}

impl Connection for TlsConnection {
    type Lane = TlsLane;

    fn session_binding(&self) -> io::Result<(SessionId, SessionSecret)> {
        let secret = SessionSecret::new(self.export(SESSION_SECRET_LABEL)?);
        Ok((self.export(SESSION_ID_LABEL)?, secret))
    }

    fn login_channel(&self) -> io::Result<Channel> {
        Ok(Channel { exported: self.export(LOGIN_LABEL)?, server_key: self.server_key })
    }

    fn lane_binding(&self) -> io::Result<[u8; 32]> {
        self.export(LANE_LABEL)
    }

    fn become_control(&mut self) {
        let io = self.stream.get_mut().0;
        io.lift_budget();
        if let Some(socket) = io.get_ref().tcp() {
            restore_default_congestion_control(socket);
        }
    }

    /// Takes over the connection from rustls. All plaintext that rustls has buffered must have been read.
    fn into_lane(self, number: LaneNo) -> io::Result<TlsLane> {
        let (io, secrets) = match self.stream {
            TlsStream::Client(stream) => {
                let (io, mut connection) = stream.into_inner();
                check_empty(connection.process_new_packets())?;
                (io, connection.dangerous_extract_secrets())
            }
            TlsStream::Server(stream) => {
                let (io, mut connection) = stream.into_inner();
                check_empty(connection.process_new_packets())?;
                (io, connection.dangerous_extract_secrets())
            }
        };
        let (socket, secrets) = (io.into_inner(), secrets.map_err(invalid)?);
        socket.set_nodelay()?;
        socket.tcp().map_or(Ok(()), notice_death)?;
        let sealer = Sealer::new(secrets.tx).map_err(invalid)?;
        let opener = Opener::new(secrets.rx).map_err(invalid)?;
        Ok(TlsLane { number, socket: Arc::new(socket), sealer, opener })
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts connections on a socket.
pub struct TlsListener {
    listener: TcpListener,
    identity: Arc<PresentedIdentity>,
}

/// The certificate and key that new connections are shown. They can be replaced at any time.
pub struct PresentedIdentity(RwLock<(TlsAcceptor, Digest)>);

impl PresentedIdentity {
    /// Shows `certificates`, the own one first, whose public key has the SHA-256 `server_key`.
    ///
    /// # Errors
    /// If key and certificate do not match.
    pub fn new(
        certificates: &[CertificateDer<'static>],
        key: &PrivateKeyDer<'static>,
        server_key: Digest,
    ) -> io::Result<Self> {
        let config = tls::server_config(certificates.to_vec(), key.clone_key()).map_err(io::Error::other)?;
        Ok(Self(RwLock::new((TlsAcceptor::from(config), server_key))))
    }

    /// Shows new connections the certificate of `other` from now on.
    pub fn replace(&self, other: Self) {
        let other = other.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
    }
}

impl TlsListener {
    /// Accepts what connects to `listener`.
    #[must_use]
    pub fn new(listener: TcpListener, identity: Arc<PresentedIdentity>) -> Self {
        avoid_bbr_until_rtt_known(&listener);
        Self { listener, identity }
    }
}

/// A connection of a socket, before its handshake.
pub struct TlsAccepted {
    socket: Socket,
    identity: Arc<PresentedIdentity>,
}

impl Acceptor for TlsListener {
    type Accepted = TlsAccepted;

    async fn accept(&self) -> io::Result<(TlsAccepted, SocketAddr)> {
        let (socket, peer) = self.listener.accept().await?;
        Ok((TlsAccepted { socket: socket.into(), identity: self.identity.clone() }, canonical(peer)))
    }
}

/// Accepts connections on a socket of this machine, of programs of the same account only.
pub struct LocalTlsListener {
    listener: UnixListener,
    identity: Arc<PresentedIdentity>,
    peer: SocketAddr,
}

impl LocalTlsListener {
    /// Accepts what connects to `listener`, and calls it by the address `peer`: that of the client whose bytes such programs bring.
    #[must_use]
    pub fn new(listener: UnixListener, identity: Arc<PresentedIdentity>, peer: SocketAddr) -> Self {
        Self { listener, identity, peer }
    }
}

impl Acceptor for LocalTlsListener {
    type Accepted = TlsAccepted;

    async fn accept(&self) -> io::Result<(TlsAccepted, SocketAddr)> {
        loop {
            let (socket, _) = self.listener.accept().await?;
            if socket.peer_cred()?.uid() == rustix::process::geteuid().as_raw() {
                return Ok((
                    TlsAccepted { socket: socket.into(), identity: self.identity.clone() },
                    self.peer,
                ));
            }
        }
    }
}

impl Accepted for TlsAccepted {
    type Connection = TlsConnection;

    async fn handshake(self) -> io::Result<TlsConnection> {
        let (acceptor, key) = self.identity.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        TlsConnection::accept(&acceptor, key, self.socket).await
    }
}

/// A socket for both shows an IPv4 address as an IPv6 address, which nobody knows their machines by.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        address @ IpAddr::V4(_) => SocketAddr::new(address, peer.port()),
        IpAddr::V6(_) => peer,
    }
}

/// Makes connections to an address whose server is known.
pub struct TlsDialer {
    /// The server's address.
    pub address: SocketAddr,
    /// Accepts that server's certificate only.
    pub config: Arc<ClientConfig>,
}

impl Dialer for TlsDialer {
    type Connection = TlsConnection;

    async fn dial(&self) -> io::Result<TlsConnection> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        avoid_bbr_until_rtt_known(&socket);
        let socket = socket.connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        TlsConnection::connect(self.config.clone(), socket, name).await
    }
}

/// Lets the system detect that the peer is gone, even while this end only reads. A lane has no pings of its own.
fn notice_death(socket: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(PEER_SILENCE_MAX / 2)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(2),
    )?;
    socket.set_tcp_user_timeout(Some(LANE_SILENCE_MAX))
}

fn check_empty(state: Result<rustls::IoState, rustls::Error>) -> io::Result<()> {
    let state = state.map_err(invalid)?;
    if state.plaintext_bytes_to_read() == 0 && state.tls_bytes_to_write() == 0 {
        Ok(())
    } else {
        Err(invalid("data before the lane was ready"))
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A handshake and the answer to a login fit easily; more is an attack.
const HANDSHAKE_LEN_MAX: u64 = 256 * 1024;
