//! A connection until its kind is known: handshake, first message, login. All within a deadline and a budget of
//! bytes. Only a login or a lane's hello is parsed.

use crate::admission::ConnectionSlot;
use crate::auth::{LoginClaim, LoginRefusal, Principal};
use crate::config::ServerLimits;
use crate::disconnect::went_away;
use crate::disks::OpenedRoot;
use crate::login_queue::{LoginSlot, QueueFull};
use crate::repeats::RepeatKind;
use crate::session::{self, AcceptedLogin};
use crate::sessions::{JoiningLane, LaneRefusal};
use crate::shared::ServerState;
use crate::throttle::{LoginAttempt, ThrottleDecision};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{sleep_until, timeout_at};
use tracing::{debug, info, warn};
use wire::control::Envelope;
use wire::engine::AnyLane;
use wire::escape::Escaped;
use wire::features::Features;
use wire::limits::{AGENT_LEN_MAX, KEY_PROOF_LEN_MAX, LOGIN_KEYS_MAX, SECRET_LEN_MAX, USER_LEN_MAX};
use wire::message::{LaneHello, Login, LoginRequest, Message};
use wire::net::control::{ChannelError, Incoming, MessageReader, send};
use wire::transport::{Accepted, Connection};
use wire::{Failure, FailureCode};

/// The reason why a connection did not become a session or a lane, for the log.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error("{0}")]
    Channel(#[from] ChannelError),
    #[error("closed before its first message")]
    Silent,
    #[error("the first message was neither a login nor a lane's hello")]
    NoGreeting,
    #[error("{0}")]
    Lane(#[from] LaneRefusal),
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("login refused: {0}")]
    Login(String),
    /// The cause has already been logged.
    #[error("as logged")]
    Logged,
    #[error("the root {root:?} of the user {user} cannot be opened: {error}")]
    Root { user: String, root: PathBuf, error: io::Error },
}

/// The kind of a connection, by its first message.
enum Greeting<C> {
    Session { connection: Box<C>, principal: Principal, root: OpenedRoot, login: AcceptedLogin },
    Lane(AnyLane, mpsc::Sender<JoiningLane>),
}

/// A client that connects. At the end of its patience a login is refused, while there is time to say so.
#[derive(Clone, Copy)]
struct Caller {
    peer: SocketAddr,
    patience: Instant,
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    arrival: impl Accepted,
    peer: SocketAddr,
    mut place: ConnectionSlot,
    shared: Arc<ServerState>,
) {
    let limits = shared.limits();
    let connection = match tokio::time::timeout(limits.login_timeout, arrival.handshake()).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return log(peer, &Rejected::Handshake(error), &shared),
        Err(_) => return too_slow(peer, "handshake", &shared),
    };
    let Ok((session_id, secret)) = connection.session_binding() else { return };
    let (joinable, lanes) = shared.sessions.open(session_id, secret, limits.lanes_per_session);
    let caller = Caller { peer, patience: Instant::now() + limits.login_timeout * 3 / 4 };
    let greeting = tokio::time::timeout(limits.login_timeout, greet(connection, caller, &shared));
    match greeting.await {
        Err(_) => too_slow(peer, "login", &shared),
        Ok(Err(error)) => log(peer, &error, &shared),
        Ok(Ok(Greeting::Lane(lane, queue))) => {
            joinable.forget();
            join(JoiningLane { lane, place }, &queue, peer, &shared);
        }
        Ok(Ok(Greeting::Session { connection, principal, root, login })) => {
            let (user, max) = (principal.name().to_owned(), limits.sessions_per_user);
            let joining = shared.sessions.wait_to_join_user(&user, &limits, &shared.memory);
            let Ok(counted) = timeout_at(caller.patience.into(), joining).await else {
                warn!(%peer, user, limit = max, "rejected: too many sessions of this user");
                let told = format!("over a limit: this user has {max} sessions already (sessions_per_user)");
                return refuse(*connection, login.request, Failure::new(FailureCode::LimitExceeded, told))
                    .await;
            };
            place.logged_in();
            let memory = counted.memory.clone();
            let session = session::PreparedSession::new(&shared, principal, root, peer, &joinable, memory);
            session.run(*connection, login, lanes).await;
            drop(joinable);
        }
    }
}

/// Hands a lane to its session, if that is still there.
fn join(joining: JoiningLane, session: &mpsc::Sender<JoiningLane>, peer: SocketAddr, shared: &ServerState) {
    let number = joining.lane.number().0;
    match session.try_send(joining) {
        Ok(()) => debug!(%peer, number, "lane joined"),
        Err(TrySendError::Full(_)) => log(peer, &LaneRefusal::TooMany.into(), shared),
        Err(TrySendError::Closed(_)) => log(peer, &LaneRefusal::Over.into(), shared),
    }
}

fn too_slow(peer: SocketAddr, what: &str, shared: &ServerState) {
    if shared.is_news(RepeatKind::Rejected, peer) {
        info!(%peer, "rejected: no {what} in time");
    }
}

/// Logs why a connection was rejected. A client that went away is not at fault; strangers without TLS are common, and so are lanes
/// that come when their session is over, or that were opened before the client knew how many it may have.
fn log(peer: SocketAddr, rejected: &Rejected, shared: &ServerState) {
    let text = rejected.to_string();
    let error = Escaped(text.as_bytes()).to_string();
    if matches!(rejected, Rejected::Lane(LaneRefusal::Over) | Rejected::Logged) {
        return debug!(%peer, error, "rejected");
    }
    if !shared.is_news(RepeatKind::Rejected, peer) {
        return;
    }
    match rejected {
        Rejected::Handshake(cause) | Rejected::Channel(ChannelError::Io(cause)) | Rejected::Broken(cause)
            if went_away(cause) =>
        {
            info!(%peer, "the client went away before it logged in");
        }
        Rejected::Silent => info!(%peer, "the client went away before it logged in"),
        Rejected::Logged
        | Rejected::Handshake(_)
        | Rejected::Lane(LaneRefusal::NoSession | LaneRefusal::Over | LaneRefusal::TooMany) => {
            info!(%peer, error, "rejected");
        }
        Rejected::Channel(_)
        | Rejected::NoGreeting
        | Rejected::Lane(LaneRefusal::WrongProof | LaneRefusal::UsedNumber)
        | Rejected::Broken(_)
        | Rejected::Login(_)
        | Rejected::Root { .. } => warn!(%peer, error, "rejected"),
    }
}

async fn greet<C: Connection>(
    connection: C,
    caller: Caller,
    shared: &Arc<ServerState>,
) -> Result<Greeting<C>, Rejected> {
    let mut receiver = MessageReader::new(connection);
    let first = receiver.next().await?;
    let connection = receiver.into_inner();
    match first {
        Incoming::Closed => Err(Rejected::Silent),
        Incoming::Message(Envelope { message: Message::LaneHello(hello), .. }) => {
            lane(connection, hello, shared).await
        }
        Incoming::Message(Envelope { message: Message::Login(request), request: id @ 1.., .. }) => {
            login(connection, request, id, caller, shared).await
        }
        Incoming::Message(_) | Incoming::Unknown { .. } => Err(Rejected::NoGreeting),
    }
}

async fn lane<C: Connection>(
    connection: C,
    hello: LaneHello,
    shared: &ServerState,
) -> Result<Greeting<C>, Rejected> {
    let exported = connection.lane_binding()?;
    shared.sessions.wait_for(&hello.session).await?;
    let queue = shared.sessions.admit(&hello.session, hello.lane, &exported, &hello.proof)?;
    Ok(Greeting::Lane(AnyLane::new(connection.into_lane(hello.lane)?), queue))
}

async fn login<C: Connection>(
    mut connection: C,
    request: LoginRequest,
    id: u32,
    caller: Caller,
    shared: &Arc<ServerState>,
) -> Result<Greeting<C>, Rejected> {
    let (peer, channel) = (caller.peer, connection.login_channel()?);
    let claim = LoginClaim { login: request.login.clone(), channel, peer: peer.ip(), now: SystemTime::now() };
    let principal = match check(claim, request.agent.len(), caller, shared).await {
        Ok(principal) => principal,
        Err((failure, cause)) => {
            log(peer, &Rejected::Login(format!("{:?}: {cause}", request.login)), shared);
            refuse(connection, id, failure).await;
            return Err(Rejected::Logged);
        }
    };
    // The login slot is free again: a root that hangs must not delay other logins.
    let login_timeout = shared.limits().login_timeout;
    let left = (caller.patience + login_timeout / 8).saturating_duration_since(Instant::now());
    match shared.disks.open(principal.root(), principal.modes(), left.min(login_timeout / 2)).await {
        Ok(root) => {
            let (user, key) = (principal.name(), principal.key());
            info!(%peer, user, key, agent = Escaped(request.agent.as_bytes()).to_string(), "login");
            connection.become_control();
            let features = request.features.common(Features::KNOWN);
            let login = AcceptedLogin { request: id, features };
            Ok(Greeting::Session { connection: Box::new(connection), principal, root, login })
        }
        Err(error) => {
            let told = no_root(&error);
            let (user, root) = (principal.name().into(), principal.root().into());
            log(peer, &Rejected::Root { user, root, error }, shared);
            refuse(connection, id, told).await;
            Err(Rejected::Logged)
        }
    }
}

/// Returns the failure that is sent to the client if its root cannot be opened: it names the cause, not the path.
fn no_root(error: &io::Error) -> Failure {
    let failure = Failure::from(error);
    Failure::new(failure.code, format!("the user's root at the server cannot be opened: {failure}"))
}

/// Decides a login. A refusal has the failure for the peer and the cause for the log.
async fn check(
    claim: LoginClaim,
    agent_len: usize,
    caller: Caller,
    shared: &Arc<ServerState>,
) -> Result<Principal, Refused> {
    let peer = caller.peer;
    if !within_limits(&claim.login) || agent_len > AGENT_LEN_MAX {
        return Err((FailureCode::LoginRefused.into(), "over the limits of a login".into()));
    }
    let user = match &claim.login {
        Login::Password { user, .. } | Login::Keys { user, .. } => Some(user.as_str()),
        Login::Token { .. } => None,
    };
    let attempt = shared.throttle().attempt(peer.ip(), user, Instant::now());
    let turn = timeout_at(caller.patience.into(), turn(&attempt, peer, shared)).await;
    let _turn = turn
        .unwrap_or_else(|_| Err(busy("over a limit: too many logins are being checked; try again later")))?;
    let for_job = shared.clone();
    let authenticated = tokio::task::spawn_blocking(move || for_job.authenticator.authenticate(&claim));
    let refusal = match authenticated.await {
        Ok(Ok(principal)) => {
            shared.throttle().succeeded(&attempt);
            return Ok(principal);
        }
        Ok(Err(refusal)) => refusal,
        Err(panic) => return Err((FailureCode::Io.into(), panic.to_string())),
    };
    // A server-side error is not counted as a failed login. All other refusals count the same, so the throttle does not reveal the reason.
    let counts = !matches!(refusal, LoginRefusal::Unavailable(_));
    if counts && shared.throttle().failed(&attempt, Instant::now()) {
        let ServerLimits { failed_logins_max: rule, login_bar, .. } = *shared.limits();
        warn!(%peer, "address barred for {login_bar:?}: {rule} logins failed (failed_logins_max)");
    }
    Err((FailureCode::LoginRefused.into(), refusal.to_string()))
}

/// A refusal: the failure for the peer, and the cause for the log.
type Refused = (Failure, String);

/// Returns the refusal of a login that may succeed later.
fn busy(told: &str) -> Refused {
    (Failure::new(FailureCode::LimitExceeded, told), told.into())
}

/// Waits for a login slot, first as long as the throttle demands; a login that waits for the throttle takes no slot from others.
async fn turn(attempt: &LoginAttempt, peer: SocketAddr, shared: &ServerState) -> Result<LoginSlot, Refused> {
    loop {
        let verdict = shared.throttle().decide(attempt, Instant::now());
        match verdict {
            ThrottleDecision::Go => {}
            ThrottleDecision::Wait(until, rule) => {
                debug!(%peer, ?rule, "login slowed");
                sleep_until(until.into()).await;
                continue;
            }
            ThrottleDecision::Barred(until) => {
                let seconds = Duration::from_secs(until.duration_since(Instant::now()).as_secs() + 1);
                let told = format!("too many failed logins from this address; try again in {seconds:?}");
                return Err((Failure::new(FailureCode::LoginRefused, told.as_str()), told));
            }
        }
        let slot = shared.logins.slot(peer.ip().into()).await;
        let slot = slot.map_err(|QueueFull| busy("over a limit: too many logins wait (logins_waiting)"))?;
        // Other attempts from there may have failed meanwhile: however many come at once, they are looked at in turn.
        if shared.throttle().decide(attempt, Instant::now()) == ThrottleDecision::Go {
            return Ok(slot);
        }
    }
}

fn within_limits(login: &Login) -> bool {
    match login {
        Login::Password { user, password } => user.len() <= USER_LEN_MAX && password.len() <= SECRET_LEN_MAX,
        Login::Token { token } => token.len() <= SECRET_LEN_MAX,
        Login::Keys { user, proofs } => {
            user.len() <= USER_LEN_MAX
                && proofs.len() <= LOGIN_KEYS_MAX
                && proofs.iter().all(|proof| proof.len() <= KEY_PROOF_LEN_MAX)
        }
    }
}

async fn refuse(mut connection: impl Connection, id: u32, failure: Failure) {
    use tokio::io::AsyncWriteExt;
    if send(&mut connection, &Envelope::new(id, failure)).await.is_ok() {
        let _ = connection.shutdown().await; // the peer may be gone already
    }
}
