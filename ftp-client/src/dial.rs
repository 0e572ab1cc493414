//! Making connections: TCP, TLS, and the decision whether the server is the right one.

use crate::connect_options::ConnectOptions;
use crate::error::Error;
use crate::fingerprint::ServerKey;
use crate::trust::{ServerIdentity, ServerTrust};
use crate::verifier::{KeyVerifier, platform_trusts};
use rustls::CipherSuite;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, TlsStream};
use wire::binding::{SessionId, SessionSecret};
use wire::checksum::{Checksum, Digest};
use wire::control::Envelope;
use wire::ids::LaneNo;
use wire::login::Channel;
use wire::message::LaneHello;
use wire::net::control::send;
use wire::transport::tls_tcp::{Connection, RecordAlignedReader, TlsLane, avoid_bbr_until_rtt_known, tls};

/// A control connection to a trusted server, before login; and what its lanes need.
pub(crate) struct Dialed {
    pub(crate) connection: Connection,
    /// The server's.
    pub(crate) key: ServerKey,
    /// The channel that a login by key is signed for.
    pub(crate) channel: Channel,
    pub(crate) checksum: Checksum,
    /// The cipher suite of the connection and of its lanes.
    pub(crate) cipher: Option<CipherSuite>,
    /// How long TCP's own handshake took.
    pub(crate) round_trip: Duration,
    pub(crate) lanes: LaneDialer,
}

/// Opens lanes to the same server and session.
#[derive(Clone)]
pub(crate) struct LaneDialer {
    address: SocketAddr,
    connector: TlsConnector,
    pub(crate) session: SessionId,
    pub(crate) secret: SessionSecret,
    timeout: Duration,
}

/// Connects and decides about the server. Nothing secret has been sent when this returns.
pub(crate) async fn dial(options: &ConnectOptions, shown: &str) -> Result<Dialed, Error> {
    let failed = |reason: String, passing| Error::Unreachable { address: shown.to_owned(), reason, passing };
    let unreachable = |reason: String| failed(reason, false);
    let within = tokio::time::timeout(options.timeout, connect(options));
    let connection = within.await.map_err(|_| failed("no answer in time".into(), true))?;
    let (connection, round_trip) =
        connection.map_err(|error| failed(sentence(&error), is_passing(&error)))?;
    let TlsStream::Client(stream) = &connection else {
        return Err(unreachable("no client connection".into()));
    };
    let (io, tls) = stream.get_ref();
    let address = io.get_ref().peer_addr().map_err(|error| unreachable(error.to_string()))?;
    let chain: Vec<_> =
        tls.peer_certificates().unwrap_or_default().iter().map(|c| c.clone().into_owned()).collect();
    let protocol = |error: rustls::Error| unreachable(error.to_string());
    let first = chain.first().ok_or_else(|| unreachable("the server has no certificate".into()))?;
    let key = tls::key_fingerprint(first).map_err(protocol)?;
    let (session, secret) = tls::session_binding(tls).map_err(protocol)?;
    let channel = Channel { exported: tls::login_binding(tls).map_err(protocol)?, server_key: key };
    let checksum = tls::agreed_checksum(tls);
    let cipher = tls.negotiated_cipher_suite().map(|suite| suite.suite());
    decide(options, key, chain).await?;
    let config = tls::client_config(KeyVerifier::new(Some(key))).map_err(protocol)?;
    let connector = TlsConnector::from(config);
    let lanes = LaneDialer { address, connector, session, secret, timeout: options.timeout };
    Ok(Dialed { connection, key: key.0, channel, checksum, cipher, round_trip, lanes })
}

impl LaneDialer {
    /// Opens lane `number`.
    pub(crate) async fn dial(&self, number: LaneNo) -> io::Result<TlsLane> {
        let opening = tokio::time::timeout(self.timeout, self.open(number));
        opening.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn open(&self, number: LaneNo) -> io::Result<TlsLane> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        avoid_bbr_until_rtt_known(&socket);
        let socket = socket.connect(self.address).await?;
        let mut connection =
            handshake(&self.connector, socket, ServerName::IpAddress(self.address.ip().into())).await?;
        let exported = match &connection {
            TlsStream::Client(stream) => tls::lane_binding(stream.get_ref().1),
            TlsStream::Server(stream) => tls::lane_binding(stream.get_ref().1),
        };
        let proof = self.secret.prove(&self.session, number, &exported.map_err(io::Error::other)?);
        let hello = LaneHello { session: self.session, lane: number, proof };
        send(&mut connection, &Envelope::new(0, hello)).await.map_err(io::Error::other)?;
        TlsLane::take_over(number, connection).map_err(io::Error::other)
    }
}

/// Connects; tells how long TCP's own handshake took, which is a round trip.
async fn connect(options: &ConnectOptions) -> io::Result<(Connection, Duration)> {
    let addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((options.host.as_str(), options.port)).await?.collect();
    let begin = Instant::now();
    let socket = TcpStream::connect(&addresses[..]).await?;
    let round_trip = begin.elapsed();
    // The name is for SNI only; a server that is pinned by its key needs none.
    let name = ServerName::try_from(options.host.clone())
        .unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into()));
    let config = tls::client_config(KeyVerifier::new(None)).map_err(io::Error::other)?;
    Ok((handshake(&TlsConnector::from(config), socket, name).await?, round_trip))
}

async fn handshake(
    connector: &TlsConnector,
    socket: TcpStream,
    name: ServerName<'static>,
) -> io::Result<Connection> {
    socket.set_nodelay(true)?;
    let stream = connector.connect(name, RecordAlignedReader::new(socket, HANDSHAKE_LEN_MAX)).await?;
    let spoken = tls::check_protocol(stream.get_ref().1);
    spoken.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(TlsStream::Client(stream))
}

/// Lets the policy decide, which may ask a person.
async fn decide(
    options: &ConnectOptions,
    key: Digest,
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
) -> Result<(), Error> {
    let (trust, host, port): (Arc<dyn ServerTrust>, _, _) =
        (options.trust.clone(), options.host.clone(), options.port);
    let decided = tokio::task::spawn_blocking(move || {
        let platform = || platform_trusts(&chain, &host);
        trust.decide(&ServerIdentity { host: &host, port, key: key.0, platform: &platform })
    });
    decided.await.map_err(|panic| Error::Untrusted(panic.to_string()))?
}

/// Says in a sentence what went wrong.
#[allow(clippy::wildcard_enum_match_arm, reason = "the system's kinds are many, and grow")]
fn sentence(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: no server listens there".into(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the server closed the connection (if it was over a limit of connections, the server's log names that)".into()
        }
        io::ErrorKind::InvalidData => format!("no ftpx server, or one of another version ({error})"),
        _ => error.to_string(),
    }
}

/// True if the same may succeed a little later: a server that starts, a network that comes up.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkDown, NetworkUnreachable, TimedOut, UnexpectedEof,
    };
    let kinds = [
        AddrNotAvailable,
        BrokenPipe,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkDown,
        NetworkUnreachable,
        TimedOut,
        UnexpectedEof,
    ];
    // The standard library keeps no code of the resolver's errors. These are EAI_AGAIN's words in glibc and musl.
    let text = error.to_string();
    let of_resolver = text.ends_with("Temporary failure in name resolution") || text.ends_with(": Try again");
    kinds.contains(&error.kind()) || of_resolver
}

/// A handshake and the answer to a login fit easily; more is an attack.
const HANDSHAKE_LEN_MAX: u64 = 256 * 1024;
