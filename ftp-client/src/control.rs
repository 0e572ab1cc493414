//! The client's end of the control connection: sends requests, hands answers to who waits for them, and jobs' messages to
//! the exchange.

use crate::error::Error;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::AsyncRead;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wire::control::Envelope;
use wire::engine::Exchange;
use wire::features::Features;
use wire::limits::{
    JOBS_MAX, KEEPALIVE_INTERVAL, LANES_MAX, LISTING_PAGES_AHEAD, PEER_SILENCE_MAX, SESSION_MEMORY_MIN,
    STALL_TOLD_AFTER, WINDOW_FRAMES_MAX,
};
use wire::message::{LoginRequest, Message, Ping, Pong, Stalled, Welcome};
use wire::net::control::{ChannelError, Incoming, MessageReader, Outbox};
use wire::sync::lock;
use wire::{Failure, FailureCode};

/// Why a session is over.
#[derive(Debug, Clone)]
pub(crate) enum EndReason {
    /// The connection broke or was closed.
    Lost(String),
    /// The login was refused.
    LoginRefused(String),
    /// The login was accepted, and does not stand any more.
    Revoked(String),
    /// The server does not serve us, for another reason than the login.
    Refused(Failure),
    /// The server did what the protocol forbids.
    Protocol(String),
    /// We ended it.
    Closed,
}

/// The control connection, as the requests, jobs and lanes of a session share it.
pub(crate) struct Control {
    pub(crate) address: String,
    pub(crate) outbox: Outbox,
    pub(crate) exchange: Arc<Exchange>,
    /// Cancelled when the session is over.
    pub(crate) over: CancellationToken,
    /// The error if the login is refused without a reason.
    if_refused: String,
    waiting: Mutex<HashMap<u32, mpsc::Sender<Envelope>>>,
    next_id: AtomicU32,
    /// Held from the choice of a job's id until it is sent: jobs' ids must grow in the order in which they come.
    job_id_lock: tokio::sync::Mutex<()>,
    welcome: watch::Sender<Option<Welcome>>,
    ended: OnceLock<EndReason>,
    /// How long the server's disk may not answer.
    stall_max: Duration,
    /// When the login was sent.
    login_sent: OnceLock<Instant>,
}

/// The id of the login, which is the first request.
const LOGIN_ID: u32 = 1;
/// Answers that may wait for whoever asked: all pages of a listing that may be under way, so that the reader never waits.
const ANSWER_PAGES: usize = LISTING_PAGES_AHEAD + 1;

impl Control {
    pub(crate) fn new(
        address: String,
        outbox: Outbox,
        exchange: Arc<Exchange>,
        if_refused: String,
        give_up_after: Duration,
    ) -> Self {
        Self {
            address,
            outbox,
            exchange,
            over: CancellationToken::new(),
            if_refused,
            waiting: Mutex::default(),
            next_id: AtomicU32::new(LOGIN_ID + 1),
            job_id_lock: tokio::sync::Mutex::default(),
            welcome: watch::Sender::new(None),
            ended: OnceLock::new(),
            stall_max: give_up_after.max(STALL_TOLD_AFTER),
            login_sent: OnceLock::new(),
        }
    }

    /// A request id that was not used before; they grow.
    pub(crate) fn next_id(&self) -> u32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits until no other job is between the choice of its id and its request.
    pub(crate) async fn job_id_lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.job_id_lock.lock().await
    }

    /// Sends the login. The time until it is accepted counts as a round trip, which over ssh nothing else shows.
    pub(crate) async fn log_in(&self, request: LoginRequest) -> Result<(), Error> {
        let _ = self.login_sent.set(Instant::now()); // there is one login
        self.send(LOGIN_ID, request).await
    }

    /// Sends a message.
    pub(crate) async fn send(&self, id: u32, message: impl Into<Message>) -> Result<(), Error> {
        self.outbox.send(Envelope::new(id, message)).await.map_err(|_| self.error())
    }

    /// Sends a request. Its answers come through the returned queue.
    pub(crate) async fn request(&self, id: u32, message: Message) -> Result<mpsc::Receiver<Envelope>, Error> {
        let queue = self.answers(id);
        self.send(id, message).await?;
        Ok(queue)
    }

    /// The queue of the answers to a request that is about to be sent.
    pub(crate) fn answers(&self, id: u32) -> mpsc::Receiver<Envelope> {
        let (answers, queue) = mpsc::channel(ANSWER_PAGES);
        self.waiting().insert(id, answers);
        if self.over.is_cancelled() {
            self.forget(id); // nobody would answer
        }
        queue
    }

    /// Nobody waits for answers to this request any more.
    pub(crate) fn forget(&self, id: u32) {
        self.waiting().remove(&id);
    }

    /// Returns the server's answer to the login; waits for it.
    pub(crate) async fn welcome(&self) -> Result<Welcome, Error> {
        let mut welcome = self.welcome.subscribe();
        tokio::select! {
            biased;
            answer = welcome.wait_for(Option::is_some) => match answer.ok().and_then(|answer| (*answer).clone()) {
                Some(answer) => Ok(answer),
                None => Err(self.error()),
            },
            () = self.over.cancelled() => Err(self.error()),
        }
    }

    /// True if the server has accepted the login.
    pub(crate) fn was_welcome(&self) -> bool {
        self.welcome.borrow().is_some()
    }

    /// Why the session is over.
    pub(crate) fn error(&self) -> Error {
        let address = self.address.clone();
        match self.ended.get() {
            Some(EndReason::LoginRefused(reason)) => Error::LoginRefused { address, reason: reason.clone() },
            Some(EndReason::Revoked(reason)) => Error::Revoked { address, reason: reason.clone() },
            Some(EndReason::Protocol(reason)) => Error::Protocol { address, reason: reason.clone() },
            Some(EndReason::Refused(failure)) => Error::NotServed { address, failure: failure.clone() },
            Some(EndReason::Closed) => Error::Interrupted,
            Some(EndReason::Lost(reason)) => Error::Lost { address, reason: reason.clone() },
            None => Error::Lost { address, reason: "the connection was closed".into() },
        }
    }

    /// Ends the session; the first reason is the one to tell.
    pub(crate) fn end(&self, ended: EndReason) {
        let _ = self.ended.set(ended);
        self.over.cancel();
        self.waiting().clear();
        self.exchange.fail_all(&FailureCode::Cancelled.into());
    }

    /// True once the session is over.
    pub(crate) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Reads messages until the session is over.
    pub(crate) async fn read<S: AsyncRead + Unpin>(&self, mut receiver: MessageReader<S>) {
        let ended = loop {
            let next = tokio::select! {
                next = tokio::time::timeout(PEER_SILENCE_MAX, receiver.next()) => next,
                () = self.over.cancelled() => return,
            };
            let ended = match next {
                Err(_) => Some(EndReason::Lost("the server was silent for too long".into())),
                Ok(Err(ChannelError::Message(error))) => Some(EndReason::Protocol(error.to_string())),
                Ok(Err(error @ ChannelError::NoRoom)) => Some(EndReason::Lost(error.to_string())),
                Ok(Err(ChannelError::Io(error))) => Some(EndReason::Lost(broken(&error))),
                Ok(Ok(Incoming::Closed)) => Some(EndReason::Lost("the server closed the connection".into())),
                Ok(Ok(Incoming::Unknown { kind: Message::LOGIN_CHALLENGE, .. })) => {
                    Some(EndReason::LoginRefused(NO_CHALLENGE.into()))
                }
                Ok(Ok(Incoming::Unknown { .. })) => None, // of a later version; nobody waits for it
                Ok(Ok(Incoming::Message(envelope))) => self.message(envelope).await.err(),
            };
            if let Some(ended) = ended {
                break ended;
            }
        };
        self.end(ended);
    }

    /// Shows the server now and then that we are there.
    pub(crate) async fn keep_alive(&self) {
        while !self.is_over() {
            tokio::select! {
                () = tokio::time::sleep(KEEPALIVE_INTERVAL) => {}
                () = self.over.cancelled() => return,
            }
            let _ = self.outbox.try_send(Envelope::new(0, Ping)); // a full queue shows it as well
        }
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "all others are answers, which those who asked look at"
    )]
    async fn message(&self, envelope: Envelope) -> Result<(), EndReason> {
        let Some(envelope) = self.exchange.handle(envelope).map_err(EndReason::Protocol)? else {
            return Ok(());
        };
        match envelope.message {
            Message::Ping(_) => {
                let _ = self.outbox.try_send(Envelope::new(envelope.request, Pong)); // a full queue shows it as well
            }
            Message::Pong(_) if envelope.request == 0 => {}
            Message::Stalled(Stalled { seconds }) => {
                let stalled = Duration::from_secs(seconds.into());
                if stalled >= self.stall_max && self.is_waiting() {
                    let text = format!("the server's disk has not answered for {stalled:?}");
                    return Err(EndReason::Refused(Failure::new(FailureCode::Io, text)));
                }
            }
            Message::Bye(_) => return Err(EndReason::Lost("the server is shutting down".into())),
            Message::Welcome(welcome) => {
                check_welcome(&welcome).map_err(|rule| EndReason::Protocol(rule.into()))?;
                self.exchange.agree(welcome.features);
                if let Some(sent) = self.login_sent.get() {
                    self.exchange.saw_round_trip(sent.elapsed());
                }
                self.welcome.send_replace(Some(welcome));
            }
            Message::Failure(failure) if envelope.request == LOGIN_ID => {
                return Err(match failure {
                    Failure { code: FailureCode::LoginRefused, message } if message.is_empty() => {
                        EndReason::LoginRefused(self.if_refused.clone())
                    }
                    Failure { code: FailureCode::LoginRefused, .. } => {
                        EndReason::LoginRefused(failure.to_string())
                    }
                    failure => EndReason::Refused(failure),
                });
            }
            Message::Failure(failure) if envelope.request == 0 => {
                return Err(match failure.code {
                    FailureCode::ShuttingDown => EndReason::Lost("the server is shutting down".into()),
                    FailureCode::AccessDenied => EndReason::Revoked(failure.to_string()),
                    _ => EndReason::Refused(failure),
                });
            }
            _ => return self.answer(envelope),
        }
        Ok(())
    }

    /// Hands an answer to who waits for it. Nobody may wait any more. There is room for all that may be under way, so the reader
    /// never waits for who is slow, and may be waiting for another answer.
    fn answer(&self, envelope: Envelope) -> Result<(), EndReason> {
        let waiting = if envelope.more {
            self.waiting().get(&envelope.request).cloned()
        } else {
            self.waiting().remove(&envelope.request)
        };
        let Some(waiting) = waiting else { return Ok(()) };
        match waiting.try_send(envelope) {
            Err(TrySendError::Full(_)) => {
                Err(EndReason::Protocol("more pages of a listing than may be under way".into()))
            }
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// True if something was asked for that has not come.
    fn is_waiting(&self) -> bool {
        self.exchange.job_count() > 0 || !self.waiting().is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, mpsc::Sender<Envelope>>> {
        lock(&self.waiting)
    }
}

/// Why a connection broke, as a person would say it: TLS has a long sentence for one that ends without its goodbye.
fn broken(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        "the connection broke off".into()
    } else {
        error.to_string()
    }
}

/// Refuses limits that no server may set, before memory is reserved by them, and features that were not offered.
fn check_welcome(welcome: &Welcome) -> Result<(), &'static str> {
    let Welcome { features, lanes_max, jobs_max, window, memory, .. } = welcome;
    if !features.are_all_in(Features::KNOWN) {
        return Err("a welcome with features that were not offered");
    }
    let possible = (1..=LANES_MAX).contains(lanes_max)
        && (1..=JOBS_MAX).contains(&usize::from(*jobs_max))
        && (1..=WINDOW_FRAMES_MAX).contains(window)
        && *memory >= SESSION_MEMORY_MIN as u64;
    if possible { Ok(()) } else { Err("a welcome with limits out of range") }
}

/// A login of more than one step is for later versions.
const NO_CHALLENGE: &str = "the server asks for more than this version of the client can answer";
