//! A connection until it is known what it is: handshake, first message, login. All of it within a deadline and a budget of
//! bytes, and nothing but a login or a lane's hello is parsed.

use crate::auth::Principal;
use crate::server::Shared;
use crate::session;
use crate::sessions::LaneRefusal;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsStream;
use tracing::{debug, info, warn};
use wire::binding::SessionId;
use wire::control::Envelope;
use wire::escape::Escaped;
use wire::limits::{AGENT_LEN_MAX, BYTES_BEFORE_LOGIN_MAX, SECRET_LEN_MAX, USER_LEN_MAX};
use wire::message::{LaneHello, Login, LoginRequest, Message};
use wire::net::aligned::Aligned;
use wire::net::control::{ChannelError, Connection, Incoming, Receiver, send};
use wire::net::lane::{Lane, LaneError};
use wire::net::tls;
use wire::store::LocalStorage;
use wire::{Failure, FailureCode};

/// Why a connection did not become a session or a lane. For the log.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("{0}")]
    Channel(#[from] ChannelError),
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("closed before it said what it is")]
    Silent,
    #[error("the first message was neither a login nor a lane's hello")]
    NoGreeting,
    #[error("{0}")]
    Lane(#[from] LaneRefusal),
    #[error("{0}")]
    Broken(#[from] LaneError),
    #[error("login refused: {0}")]
    Login(String),
}

/// What a connection turned out to be.
enum Greeting {
    Session { connection: Box<Connection>, principal: Principal, storage: Arc<LocalStorage>, id: u32 },
    Lane(Lane, mpsc::Sender<Lane>),
}

/// Serves a connection to its end.
pub(crate) async fn serve(socket: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let handshake = tokio::time::timeout(shared.limits.login_timeout, handshake(socket, &shared));
    let connection = match handshake.await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return info!(%peer, error = %Escaped(error.to_string().as_bytes()), "rejected"),
        Err(_) => return info!(%peer, "rejected: no handshake in time"),
    };
    let Ok((session_id, secret)) = binding(&connection) else { return };
    let (joinable, lanes) = shared.sessions.open(session_id, secret, shared.limits.lanes_per_session);
    let greeting = tokio::time::timeout(shared.limits.login_timeout, greet(connection, peer, &shared));
    match greeting.await {
        Err(_) => info!(%peer, "rejected: no login in time"),
        Ok(Err(error)) => warn!(%peer, error = %Escaped(error.to_string().as_bytes()), "rejected"),
        Ok(Ok(Greeting::Lane(lane, queue))) => {
            drop(joinable);
            let number = lane.number;
            match queue.try_send(lane) {
                Ok(()) => debug!(%peer, number, "lane joined"),
                Err(_) => warn!(%peer, error = %LaneRefusal::TooMany, "rejected"),
            }
        }
        Ok(Ok(Greeting::Session { connection, principal, storage, id })) => {
            let user = principal.name().to_owned();
            let Some(_counted) = shared.sessions.join_user(&user, shared.limits.sessions_per_user) else {
                warn!(%peer, user, limit = shared.limits.sessions_per_user, "rejected: too many sessions of this user");
                return refuse(*connection, id, FailureCode::LimitExceeded.into()).await;
            };
            session::Session::new(&shared, principal, storage, peer).run(*connection, id, lanes).await;
            drop(joinable);
        }
    }
}

async fn handshake(socket: TcpStream, shared: &Shared) -> Result<Connection, Rejected> {
    socket.set_nodelay(true).map_err(Rejected::Handshake)?;
    let accepting = shared.tls.accept(Aligned::new(socket, BYTES_BEFORE_LOGIN_MAX));
    Ok(TlsStream::Server(accepting.await.map_err(Rejected::Handshake)?))
}

fn binding(connection: &Connection) -> Result<(SessionId, wire::binding::SessionSecret), rustls::Error> {
    match connection {
        TlsStream::Server(stream) => tls::session_binding(stream.get_ref().1),
        TlsStream::Client(stream) => tls::session_binding(stream.get_ref().1),
    }
}

async fn greet(connection: Connection, peer: SocketAddr, shared: &Arc<Shared>) -> Result<Greeting, Rejected> {
    let mut receiver = Receiver::new(connection);
    let first = receiver.next().await?;
    let connection = receiver.into_inner();
    match first {
        Incoming::Closed => Err(Rejected::Silent),
        Incoming::Message(Envelope { message: Message::LaneHello(hello), .. }) => {
            lane(connection, hello, shared).await
        }
        Incoming::Message(Envelope { message: Message::Login(request), request: id, .. }) => {
            login(connection, request, id, peer, shared).await
        }
        Incoming::Message(_) | Incoming::Unknown { .. } => Err(Rejected::NoGreeting),
    }
}

async fn lane(connection: Connection, hello: LaneHello, shared: &Shared) -> Result<Greeting, Rejected> {
    let exported = match &connection {
        TlsStream::Server(stream) => tls::lane_binding(stream.get_ref().1)?,
        TlsStream::Client(stream) => tls::lane_binding(stream.get_ref().1)?,
    };
    shared.sessions.wait_for(&hello.session).await?;
    let queue = shared.sessions.admit(&hello.session, hello.lane, &exported, &hello.proof)?;
    Ok(Greeting::Lane(Lane::take_over(hello.lane, connection)?, queue))
}

async fn login(
    connection: Connection,
    request: LoginRequest,
    id: u32,
    peer: SocketAddr,
    shared: &Arc<Shared>,
) -> Result<Greeting, Rejected> {
    let login = request.login.clone();
    match check(login, request.agent.len(), shared).await {
        Ok((principal, storage)) => {
            info!(%peer, user = principal.name(), agent = %Escaped(request.agent.as_bytes()), "login");
            Ok(Greeting::Session { connection: Box::new(connection), principal, storage, id })
        }
        Err((failure, cause)) => {
            refuse(connection, id, failure).await;
            Err(Rejected::Login(format!("{:?}: {cause}", request.login)))
        }
    }
}

/// Decides a login; a refusal is what the peer is told, and the cause for the log.
async fn check(
    login: Login,
    agent_len: usize,
    shared: &Arc<Shared>,
) -> Result<(Principal, Arc<LocalStorage>), (Failure, String)> {
    let refused = |cause: String| (Failure::from(FailureCode::LoginRefused), cause);
    let (user_len, secret_len) = match &login {
        Login::Password { user, password } => (user.len(), password.len()),
        Login::Token { token } => (0, token.len()),
    };
    if user_len > USER_LEN_MAX || secret_len > SECRET_LEN_MAX || agent_len > AGENT_LEN_MAX {
        return Err(refused("over the limits of a login".into()));
    }
    let Ok(_waiting) = shared.waiting.try_acquire() else {
        return Err((FailureCode::LimitExceeded.into(), "too many logins at once".into()));
    };
    let Ok(_checking) = shared.checking.acquire().await else { return Err(refused("stopping".into())) };
    let for_job = shared.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let principal = for_job.authenticator.authenticate(&login, SystemTime::now());
        let principal = principal.map_err(|refusal| (FailureCode::LoginRefused, refusal.to_string()))?;
        match LocalStorage::open(principal.root()) {
            Ok(storage) => Ok((principal, Arc::new(storage))),
            Err(error) => Err((FailureCode::Io, format!("the user's root cannot be opened: {error}"))),
        }
    });
    match checked.await {
        Ok(Ok(checked)) => Ok(checked),
        Ok(Err((code, cause))) => Err((code.into(), cause)),
        Err(panic) => Err((FailureCode::Io.into(), panic.to_string())),
    }
}

async fn refuse(mut connection: Connection, id: u32, failure: Failure) {
    use tokio::io::AsyncWriteExt;
    if send(&mut connection, &Envelope::new(id, failure)).await.is_ok() {
        let _ = connection.shutdown().await; // the peer may be gone already
    }
}
