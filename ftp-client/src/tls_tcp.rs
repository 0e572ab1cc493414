//! Connections of TLS over TCP to a host and port, and the decision whether the server is the right one.

use crate::dial::{Agreed, DialTarget, Dialed, Dialing, Transport};
use crate::error::Error;
use crate::remote;
use crate::trust::{ServerIdentity, ServerTrust};
use crate::verifier::{KeyVerifier, platform_trusts};
use rustls::pki_types::{CertificateDer, ServerName};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use wire::checksum::Digest;
use wire::transport::Connection as _;
use wire::transport::tls_tcp::{TlsConnection, TlsDialer, tls};

/// Reaches servers by TLS over TCP.
pub(crate) struct TlsTcp;

impl Transport for TlsTcp {
    fn dial<'a>(&'a self, target: DialTarget<'a>) -> Dialing<'a> {
        Box::pin(dial(target))
    }
}

async fn dial(target: DialTarget<'_>) -> Result<Dialed, Error> {
    let address = remote::address(target.host, target.port);
    let failed = |reason: String, passing| Error::Unreachable { address: address.clone(), reason, passing };
    let unreachable = |error: io::Error| failed(error.to_string(), false);
    let within = tokio::time::timeout(target.timeout, connect(target));
    let connection = within.await.map_err(|_| failed("no answer in time".into(), true))?;
    let (connection, round_trip) =
        connection.map_err(|error| failed(sentence(&error), is_passing(&error)))?;
    let address = {
        let socket = connection.socket().tcp().ok_or_else(|| failed("no socket of TCP".into(), false))?;
        socket.peer_addr().map_err(unreachable)?
    };
    let key = connection.login_channel().map_err(unreachable)?.server_key;
    let (checksum, cipher) = {
        let tls = connection.tls();
        let chain = tls.peer_certificates().unwrap_or_default().iter().map(|c| c.clone().into_owned());
        decide(target, key, chain.collect()).await?;
        (tls::agreed_checksum(tls), tls.negotiated_cipher_suite().map(|suite| suite.suite()))
    };
    let config = tls::client_config(KeyVerifier::new(Some(key)));
    let config = config.map_err(|error| failed(error.to_string(), false))?;
    let agreed = Agreed { checksum, cipher, round_trip };
    Dialed::new(connection, TlsDialer { address, config }, target.timeout, agreed).map_err(unreachable)
}

/// Connects; tells how long TCP's own handshake took, which is a round trip.
async fn connect(target: DialTarget<'_>) -> io::Result<(TlsConnection, Duration)> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((target.host, target.port)).await?.collect();
    let begin = Instant::now();
    let socket = TcpStream::connect(&addresses[..]).await?;
    let round_trip = begin.elapsed();
    // The name is for SNI only; a server that is pinned by its key needs none.
    let name = ServerName::try_from(target.host.to_owned())
        .unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into()));
    let config = tls::client_config(KeyVerifier::new(None)).map_err(io::Error::other)?;
    Ok((TlsConnection::connect(config, socket, name).await?, round_trip))
}

/// Lets the policy decide, which may ask a person.
async fn decide(
    target: DialTarget<'_>,
    key: Digest,
    chain: Vec<CertificateDer<'static>>,
) -> Result<(), Error> {
    let (trust, host, port): (Arc<dyn ServerTrust>, _, _) =
        (target.trust.clone(), target.host.to_owned(), target.port);
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
