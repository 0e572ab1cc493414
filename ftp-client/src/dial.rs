//! Making connections over any transport: the control connection, and the lanes of its session.

use crate::credentials::Credentials;
use crate::error::Error;
use crate::trust::ServerTrust;
use rustls::CipherSuite;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use wire::binding::{SessionId, SessionSecret};
use wire::checksum::Checksum;
use wire::control::Envelope;
use wire::engine::AnyLane;
use wire::ids::LaneNo;
use wire::login::Channel;
use wire::message::LaneHello;
use wire::net::control::send;
use wire::transport::{Connection, Dialer};

/// How a client reaches servers.
pub trait Transport: Send + Sync {
    /// Connects, and decides about the server by `target.trust`. Nothing secret has been sent when this returns.
    fn dial<'a>(&'a self, target: DialTarget<'a>) -> Dialing<'a>;
}

/// The server to reach.
#[derive(Clone, Copy)]
pub struct DialTarget<'a> {
    /// Host name or address, without brackets.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// Decides about the server's key.
    pub trust: &'a Arc<dyn ServerTrust>,
    /// How long to wait for the server's answer.
    pub timeout: Duration,
}

/// A connection that is being made.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Dialed, Error>> + Send + 'a>>;

/// A control connection to a trusted server, before login; and what its lanes need.
pub struct Dialed {
    pub(crate) connection: Box<dyn ByteStream>,
    /// The channel that a login by key is signed for, with the server's key.
    pub(crate) channel: Channel,
    pub(crate) agreed: Agreed,
    pub(crate) lanes: LaneDialer,
    /// The login, where the transport brings it.
    pub(crate) login: Option<Credentials>,
}

/// The results of a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Agreed {
    /// The checksum of jobs that choose none.
    pub checksum: Checksum,
    /// The cipher suite of the connection and of its lanes, if it is TLS.
    pub cipher: Option<CipherSuite>,
    /// A round trip, or zero if it is unknown.
    pub round_trip: Duration,
}

/// A control connection of any transport.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> ByteStream for S {}

/// Opens lanes to the same server and session.
#[derive(Clone)]
pub(crate) struct LaneDialer {
    open: Arc<dyn Fn(LaneNo) -> OpeningLane + Send + Sync>,
    pub(crate) session: SessionId,
    pub(crate) secret: SessionSecret,
    timeout: Duration,
    /// Tells once lanes should move to a better way.
    better: Option<watch::Receiver<Option<SocketAddr>>>,
}

type OpeningLane = Pin<Box<dyn Future<Output = io::Result<DialedLane>> + Send>>;

/// A lane that has been opened.
pub(crate) struct DialedLane {
    pub(crate) lane: AnyLane,
    /// It goes a longer way than others may later.
    pub(crate) is_detour: bool,
}

impl Dialed {
    /// A connection to a server that is trusted, and the way to further ones to the same server, each of which may take as long
    /// as `timeout`.
    ///
    /// # Errors
    /// If the connection has no values to bind a session to.
    pub fn new<C: Connection>(
        connection: C,
        lanes: impl Dialer<Connection = C>,
        timeout: Duration,
        agreed: Agreed,
    ) -> io::Result<Self> {
        let mut connection = connection;
        let ((session, secret), channel) = (connection.session_binding()?, connection.login_channel()?);
        connection.become_control();
        let (lanes, for_lanes) = (Arc::new(lanes), secret.clone());
        let open = move |number| -> OpeningLane {
            let (lanes, secret) = (lanes.clone(), for_lanes.clone());
            Box::pin(async move { open_lane(&*lanes, session, &secret, number).await })
        };
        let lanes = LaneDialer { open: Arc::new(open), session, secret, timeout, better: None };
        Ok(Self { connection: Box::new(connection), channel, agreed, lanes, login: None })
    }

    /// The same, with a login that the transport brings.
    #[must_use]
    pub fn logging_in(self, login: Credentials) -> Self {
        Self { login: Some(login), ..self }
    }

    /// The same, whose lanes move once there is a better way for them, at the address that `better` tells.
    #[must_use]
    pub fn moving_once(self, better: watch::Receiver<Option<SocketAddr>>) -> Self {
        Self { lanes: LaneDialer { better: Some(better), ..self.lanes }, ..self }
    }
}

impl LaneDialer {
    /// Waits until there is a better way than that of a lane that goes a longer one; for ever if there is none.
    pub(crate) fn better_way(&self) -> impl Future<Output = ()> + use<> {
        let better = self.better.clone();
        async move {
            let Some(mut better) = better else { return std::future::pending().await };
            if better.wait_for(Option::is_some).await.is_err() {
                std::future::pending().await // the session is over
            }
        }
    }

    /// Opens lane `number`.
    pub(crate) async fn dial(&self, number: LaneNo) -> io::Result<DialedLane> {
        let opening = tokio::time::timeout(self.timeout, (self.open)(number));
        opening.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

async fn open_lane(
    dialer: &impl Dialer,
    session: SessionId,
    secret: &SessionSecret,
    number: LaneNo,
) -> io::Result<DialedLane> {
    let mut connection = dialer.dial().await?;
    let is_detour = dialer.is_detour(&connection);
    let proof = secret.prove(&session, number, &connection.lane_binding()?);
    let hello = LaneHello { session, lane: number, proof };
    send(&mut connection, &Envelope::new(0, hello)).await.map_err(io::Error::other)?;
    Ok(DialedLane { lane: AnyLane::new(connection.into_lane(number)?), is_detour })
}
