//! A session after login: reads requests, lets the gate decide, runs what it admits, and keeps everything bounded.

use crate::auth::{Grant, Principal, Revocation};
use crate::commands;
use crate::config::ServerLimits;
use crate::connection::went_away;
use crate::disks::Opened;
use crate::events::EventSource;
use crate::grants::{self, GrantedPlace, GrantedSession};
use crate::server::Shared;
use crate::sessions::{Joinable, JoiningLane};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, debug, info, info_span, warn};
use wire::binding::SessionId;
use wire::budget::{Charge, Memory};
use wire::command::{Flow, Spec, spec_of};
use wire::control::Envelope;
use wire::disk::Disk;
use wire::engine::{Exchange, ItemQueue, LaneEnd, Role, TooMany, run_lane};
use wire::features::Features;
use wire::journal::JournalKey;
use wire::limits::{
    KEEPALIVE_INTERVAL, LISTING_PAGES_AHEAD, PEER_SILENCE_MAX, REQUESTS_MAX, STALL_TOLD_AFTER,
    WINDOW_FRAMES_MAX,
};
use wire::message::{Bye, Message, Ping, Pong, Stalled, Wanted, WantedItem, Welcome};
use wire::net::control::{self, ChannelError, Connection, Incoming, Outbox};
use wire::store::Storage;
use wire::sync::lock;
use wire::{Failure, FailureCode};

/// Who asks, and what their requests work on.
pub(crate) struct Context {
    pub(crate) principal: Principal,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) outbox: Outbox,
    pub(crate) session: SessionId,
    pub(crate) shared: Arc<Shared>,
    /// Makes an event of each request.
    pub(crate) events: Arc<EventSource>,
    pub(crate) journal_key: JournalKey,
    /// What the client asks for in jobs of SELECT.
    selections: Mutex<HashMap<u32, Arc<ItemQueue>>>,
    /// Listings that may be under way at the same time; further ones wait for their turn.
    pub(crate) listing: Semaphore,
    /// Pages of listings that may still go out before the client has taken some.
    listings: Mutex<HashMap<u32, Arc<Semaphore>>>,
}

impl Context {
    /// What the client asks for in the job `id`, if that is one of SELECT.
    pub(crate) fn wanted(&self, id: u32) -> Option<Arc<ItemQueue>> {
        lock(&self.selections).get(&id).cloned()
    }

    /// A turn for each page of the listing `id` that may go out.
    pub(crate) fn turns(&self, id: u32) -> Option<Arc<Semaphore>> {
        lock(&self.listings).get(&id).cloned()
    }

    /// The client has taken pages. A listing that is over needs no turns.
    fn go_on(&self, id: u32, pages: u32) -> Result<(), Ended> {
        let Some(turns) = self.turns(id) else { return Ok(()) };
        let pages = pages as usize;
        if turns.available_permits() + pages > LISTING_PAGES_AHEAD {
            return Err(Ended::Violation("more pages taken than were sent".into()));
        }
        turns.add_permits(pages);
        Ok(())
    }

    /// The client asks for items. A job that is over needs none.
    fn want(&self, id: u32, wanted: Wanted) -> Result<(), Ended> {
        let Some(queue) = self.wanted(id) else { return Ok(()) };
        for WantedItem { path, metadata } in wanted.items {
            if !metadata.is_possible() {
                return Err(Ended::Violation("metadata out of range".into()));
            }
            queue.add(path, metadata).map_err(|rule| match rule {
                TooMany::Items => Ended::Violation(rule.to_string()),
                TooMany::Memory => Ended::NoRoom(rule.to_string()),
            })?;
        }
        if wanted.last {
            queue.close();
        }
        self.exchange.has_work();
        Ok(())
    }
}

/// The login that a session began with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptedLogin {
    /// The id of its request.
    pub(crate) request: u32,
    /// Those that hold for the session.
    pub(crate) features: Features,
}

/// A session about to run.
pub(crate) struct Session<'a> {
    shared: &'a Arc<Shared>,
    grant: Grant,
    root: Opened,
    events: Arc<EventSource>,
    id: SessionId,
    stop: CancellationToken,
    memory: Memory,
    span: Span,
}

/// A session that runs.
struct Running<'a> {
    shared: &'a Arc<Shared>,
    /// Those that its client was told of: others may hold by now.
    limits: Arc<ServerLimits>,
    context: Arc<Context>,
    tasks: TaskTracker,
    requests: Arc<Mutex<HashMap<u32, CancellationToken>>>,
    job_greatest: Option<u32>,
    over: CancellationToken,
    lanes: usize,
    /// When a ping was sent that is not answered yet.
    pinged: Option<Instant>,
    lane_ends: (mpsc::Sender<EndOfLane>, mpsc::Receiver<EndOfLane>),
}

/// Which lane ended, and how.
type EndOfLane = (u16, LaneEnd);

/// Why a session ended. For the log.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client said goodbye")]
    Bye,
    #[error("the client went away")]
    Gone,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("the client was silent for too long")]
    Silent,
    #[error("the session was idle for too long")]
    Idle,
    #[error("the server is shutting down")]
    Drained,
    #[error("the client goes on in another session")]
    Replaced,
    #[error("{0}")]
    Revoked(Revocation),
    #[error("over the limit of a session's memory: {0}")]
    NoRoom(String),
    #[error("protocol violation: {0}")]
    Violation(String),
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        principal: Principal,
        root: Opened,
        peer: SocketAddr,
        joinable: &Joinable<'_>,
        memory: Memory,
    ) -> Self {
        let span = info_span!("session", %peer, user = principal.name());
        let (id, stop) = (joinable.id(), joinable.stop().clone());
        let events = EventSource::new(principal.name(), peer, shared.events.clone());
        let grant = Grant { principal, peer: peer.ip() };
        Self { shared, grant, root, events, id, stop, memory, span }
    }

    /// Runs the session to its end. Nothing of it is left afterwards.
    pub(crate) async fn run(
        self,
        connection: Connection,
        login: AcceptedLogin,
        lanes: mpsc::Receiver<JoiningLane>,
    ) {
        let span = self.span.clone();
        async {
            let (receiver, writer) = control::split(connection);
            let (outbox, messages) = control::outbox();
            let closing = CancellationToken::new();
            let writing = tokio::spawn(control::write_all(writer, messages, closing.clone()));
            let (incoming_tx, mut incoming) = mpsc::channel(INCOMING_MESSAGES);
            let receiver = receiver.with_budget(self.memory.messages.clone());
            let reading = tokio::spawn(read(receiver, incoming_tx));
            let ended = self.serve(outbox, login, &mut incoming, lanes).await;
            if matches!(ended, Ended::Violation(_) | Ended::NoRoom(_)) {
                warn!(reason = %ended, "session ended")
            } else {
                info!(reason = %ended, "session ended")
            }
            closing.cancel();
            // The last messages go out, and what comes meanwhile is read: closing over it would be a reset, which may overtake
            // them. But a client that does not read, or does not close, cannot hold us up.
            let farewell = async {
                let _ = writing.await; // what broke is of no interest any more
                while incoming.recv().await.is_some() {}
            };
            if tokio::time::timeout(GOODBYE_TIMEOUT, farewell).await.is_err() {
                debug!("the client did not take the last messages, or did not close");
            }
            reading.abort();
        }
        .instrument(span)
        .await;
    }

    async fn serve(
        self,
        outbox: Outbox,
        login: AcceptedLogin,
        incoming: &mut mpsc::Receiver<Result<(Incoming, Charge), ChannelError>>,
        mut lanes: mpsc::Receiver<JoiningLane>,
    ) -> Ended {
        let Opened { storage, disk } = self.root;
        let transfers = self.memory.transfers.clone();
        let exchange = Exchange::new(outbox.clone(), self.shared.buffers.clone(), disk.clone(), transfers);
        let limits = self.shared.limits();
        let welcome = welcome(&limits, &self.grant.principal, login.features);
        if outbox.send(Envelope::new(login.request, welcome)).await.is_err() {
            return Ended::Gone;
        }
        let (grant, stop) = (self.grant.clone(), self.stop.clone());
        let place = self
            .shared
            .granted
            .add(self.id, GrantedSession::new(grant, exchange.clone(), outbox.clone(), stop));
        let context = Context {
            principal: self.grant.principal,
            storage: Arc::new(storage),
            disk,
            exchange: exchange.clone(),
            outbox,
            session: self.id,
            shared: self.shared.clone(),
            events: self.events,
            journal_key: self.shared.journal_key.clone(),
            selections: Mutex::default(),
            listings: Mutex::default(),
            listing: Semaphore::new(LISTINGS_AT_ONCE),
        };
        let mut running = Running {
            shared: self.shared,
            limits,
            context: Arc::new(context),
            tasks: TaskTracker::new(),
            requests: Arc::default(),
            job_greatest: None,
            over: self.stop.child_token(),
            lanes: 0,
            pinged: None,
            lane_ends: mpsc::channel(LANE_ENDS),
        };
        let ended = tokio::select! {
            ended = running.serve(incoming, &mut lanes) => ended,
            () = self.stop.cancelled() => Ended::Replaced,
        };
        // A client that was told may be gone before anything else is noticed.
        let ended = place.revoked().map_or(ended, Ended::Revoked);
        running.stop(&ended, &place).await;
        ended
    }
}

impl Running<'_> {
    async fn serve(
        &mut self,
        incoming: &mut mpsc::Receiver<Result<(Incoming, Charge), ChannelError>>,
        lanes: &mut mpsc::Receiver<JoiningLane>,
    ) -> Ended {
        let mut ticks = interval(KEEPALIVE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining = interval(DRAIN_LOOK);
        let mut heard = Instant::now();
        let mut busy = Instant::now();
        loop {
            tokio::select! {
                message = incoming.recv() => {
                    heard = Instant::now();
                    let ended = match message {
                        None | Some(Ok((Incoming::Closed, _))) => Some(Ended::Gone),
                        Some(Err(ChannelError::Message(error))) => Some(Ended::Violation(error.to_string())),
                        Some(Err(ChannelError::Io(error))) if went_away(&error) => Some(Ended::Gone),
                        Some(Err(ChannelError::Io(error))) => Some(Ended::Broken(error)),
                        Some(Err(error @ ChannelError::NoRoom)) => Some(Ended::NoRoom(error.to_string())),
                        Some(Ok((Incoming::Unknown { request, .. }, _))) => {
                            self.answer(request, Failure::from(FailureCode::Unsupported)).await;
                            None
                        }
                        Some(Ok((Incoming::Message(envelope), charge))) => self.message(envelope, charge).await.err(),
                    };
                    if let Some(ended) = ended {
                        return ended;
                    }
                }
                Some(lane) = lanes.recv() => self.lane(lane),
                Some((number, end)) = self.lane_ends.1.recv() => {
                    self.lanes -= 1;
                    heard = Instant::now();
                    match end {
                        LaneEnd::Violation(rule) => return Ended::Violation(format!("lane {number}: {rule}")),
                        // A client that is done takes no leave of its lanes, and may be so before its job is seen to be.
                        LaneEnd::Lost(error) if went_away(&error) => debug!(number, "lane gone"),
                        LaneEnd::Lost(error) => info!(number, %error, "lane lost"),
                        LaneEnd::Closed => debug!(number, "lane closed"),
                    }
                }
                _ = ticks.tick() => {
                    if heard.elapsed() > PEER_SILENCE_MAX {
                        return Ended::Silent;
                    }
                    if self.is_busy() {
                        busy = Instant::now();
                    } else if busy.elapsed() > self.limits.idle_timeout {
                        return Ended::Idle;
                    }
                    self.tell_stall();
                    if self.context.outbox.try_send(Envelope::new(0, Ping)) {
                        self.pinged.get_or_insert_with(Instant::now); // a full queue is no silence of ours
                    }
                }
                _ = draining.tick(), if self.shared.drain.is_cancelled() => {
                    if !self.is_busy() {
                        return Ended::Drained;
                    }
                }
                () = self.shared.drain.cancelled(), if !self.shared.drain.is_cancelled() => {}
            }
        }
    }

    /// A client whose work waits for a disk hears of it: the connection alone would say that all is well.
    fn tell_stall(&self) {
        let stalled = self.context.disk.stalled();
        if stalled >= STALL_TOLD_AFTER {
            let seconds = u32::try_from(stalled.as_secs()).unwrap_or(u32::MAX);
            let _ = self.context.outbox.try_send(Envelope::new(0, Stalled { seconds })); // a full queue: at the next tick
        }
    }

    fn is_busy(&self) -> bool {
        !lock(&self.requests).is_empty() // a job is one until it has ended
    }

    fn lane(&mut self, JoiningLane { lane, mut place }: JoiningLane) {
        if self.lanes >= self.limits.lanes_per_session {
            // Opened before the client knew how many it may have, or in place of one that is not known to be lost yet.
            return info!(number = lane.number, "lane refused: too many");
        }
        place.logged_in();
        self.lanes += 1;
        let (exchange, over, ends) =
            (self.context.exchange.clone(), self.over.clone(), self.lane_ends.0.clone());
        let task = async move {
            let number = lane.number;
            let end = run_lane(lane, exchange, over, CancellationToken::new()).await;
            drop(place);
            let _ = ends.send((number, end)).await; // the session may be over
        };
        self.tasks.spawn(task.in_current_span());
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the table of commands decides about the others")]
    async fn message(&mut self, envelope: Envelope, charge: Charge) -> Result<(), Ended> {
        if let Message::Cancel(_) = envelope.message
            && let Some(token) = lock(&self.requests).get(&envelope.request)
        {
            token.cancel();
        }
        let handled = self.context.exchange.handle_charged(envelope, charge).map_err(Ended::Violation)?;
        let Some((envelope, charge)) = handled else { return Ok(()) };
        let id = envelope.request;
        let kind = envelope.message.kind();
        match envelope.message {
            Message::Ping(_) => self.answer(id, Pong).await,
            Message::Pong(_) => {
                if let Some(sent) = self.pinged.take() {
                    self.context.exchange.saw_round_trip(sent.elapsed());
                }
            }
            Message::Failure(_) => {}
            Message::Wanted(wanted) => self.context.want(id, wanted)?,
            Message::Continue(taken) => self.context.go_on(id, taken.pages)?,
            Message::Bye(_) => return Err(Ended::Bye),
            message => match spec_of(kind) {
                Some(spec) => self.request(spec, id, (message, charge)).await?,
                None => {
                    let name = Message::kind_name(kind).unwrap_or("unknown");
                    return Err(Ended::Violation(format!("{name} is not for a server in a session")));
                }
            },
        }
        Ok(())
    }

    /// Runs a request, if the gate admits it.
    async fn request(
        &mut self,
        spec: &'static Spec,
        id: u32,
        (message, charge): (Message, Charge),
    ) -> Result<(), Ended> {
        if id == 0 {
            return Err(Ended::Violation("request id 0, which is no request's".into()));
        }
        if lock(&self.requests).contains_key(&id) {
            return Err(Ended::Violation("a request id that is in use".into()));
        }
        if spec.flow != Flow::Control {
            if self.job_greatest >= Some(id) {
                return Err(Ended::Violation("a job id that does not grow".into()));
            }
            self.job_greatest = Some(id);
            let role = if spec.flow == Flow::ToServer { Role::Receiver } else { Role::Sender };
            self.context.exchange.opening(id, role);
        }
        if let Err(failure) = self.admit(spec, &message) {
            self.context.events.begin(spec.name, &message).refused(&failure);
            self.context.exchange.dropped(id);
            self.answer(id, failure).await;
            return Ok(());
        }
        if let Message::List(_) = message {
            lock(&self.context.listings).insert(id, Arc::new(Semaphore::new(LISTING_PAGES_AHEAD)));
        }
        if let Message::Select(_) = message {
            lock(&self.context.selections).insert(id, self.context.exchange.item_queue());
        }
        let token = self.over.child_token();
        lock(&self.requests).insert(id, token.clone());
        let (context, requests, over) = (self.context.clone(), self.requests.clone(), self.over.clone());
        let task = async move {
            let _until_answered = charge;
            // A client that does not read its answers cannot hold up the session's end.
            let deadline = async {
                over.cancelled().await;
                tokio::time::sleep(GOODBYE_TIMEOUT).await;
            };
            tokio::select! {
                () = commands::run(&context, spec, id, message, &token) => {}
                () = deadline => {}
            }
            context.exchange.dropped(id);
            lock(&context.selections).remove(&id);
            lock(&context.listings).remove(&id);
            lock(&requests).remove(&id);
        };
        self.tasks.spawn(task.in_current_span());
        Ok(())
    }

    fn admit(&self, spec: &Spec, message: &Message) -> Result<(), Failure> {
        if !spec.needs.met_by(self.context.principal.access()) {
            return Err(FailureCode::AccessDenied.into());
        }
        if self.shared.drain.is_cancelled() {
            return Err(FailureCode::ShuttingDown.into());
        }
        let jobs = self.context.exchange.job_count();
        if jobs > self.limits.jobs_per_session || lock(&self.requests).len() >= REQUESTS_MAX {
            return Err(FailureCode::LimitExceeded.into());
        }
        if commands::has_times_in_range(message) {
            Ok(())
        } else {
            Err(Failure::new(FailureCode::BadMessage, "nanoseconds out of range"))
        }
    }

    async fn answer(&self, id: u32, message: impl Into<Message>) {
        let _ = self.context.outbox.send(Envelope::new(id, message)).await; // the writer may have ended; the reader tells
    }

    /// Ends all that still runs and waits for it.
    async fn stop(mut self, ended: &Ended, place: &GrantedPlace<'_>) {
        self.over.cancel();
        let code = match ended {
            Ended::Violation(_) => FailureCode::BadState,
            Ended::NoRoom(_) => FailureCode::LimitExceeded,
            Ended::Drained => FailureCode::ShuttingDown,
            Ended::Revoked(_) => FailureCode::AccessDenied,
            Ended::Bye | Ended::Gone | Ended::Broken(_) | Ended::Silent | Ended::Idle | Ended::Replaced => {
                FailureCode::Cancelled
            }
        };
        self.context.exchange.fail_all(&code.into());
        self.tasks.close();
        loop {
            tokio::select! {
                () = self.tasks.wait() => break,
                Some(_) = self.lane_ends.1.recv() => {} // so that lanes can tell their end, which nobody needs now
            }
        }
        self.context.disk.disposed().await;
        let last = match ended {
            Ended::Violation(rule) => Message::from(Failure::new(code, rule.clone())),
            Ended::Revoked(_) if place.is_told() => return,
            Ended::Revoked(reason) => grants::refusal(*reason).into(),
            Ended::NoRoom(_) => Message::from(Failure::new(code, ended.to_string())),
            Ended::Bye
            | Ended::Gone
            | Ended::Broken(_)
            | Ended::Silent
            | Ended::Idle
            | Ended::Drained
            | Ended::Replaced => Bye.into(),
        };
        let _ = self.context.outbox.try_send(Envelope::new(0, last));
    }
}

async fn read<S: tokio::io::AsyncRead + Unpin>(
    mut receiver: control::Receiver<S>,
    incoming: mpsc::Sender<Result<(Incoming, Charge), ChannelError>>,
) {
    loop {
        let message = receiver.next_charged().await;
        let over = !matches!(message, Ok((Incoming::Message(_) | Incoming::Unknown { .. }, _)));
        if incoming.send(message).await.is_err() || over {
            return;
        }
    }
}

fn welcome(limits: &ServerLimits, principal: &Principal, features: Features) -> Welcome {
    Welcome {
        agent: concat!("ftp-server/", env!("CARGO_PKG_VERSION")).into(),
        features,
        user: principal.name().into(),
        access: principal.access(),
        lanes_max: u16::try_from(limits.lanes_per_session).unwrap_or(u16::MAX),
        jobs_max: u16::try_from(limits.jobs_per_session).unwrap_or(u16::MAX),
        window: WINDOW_FRAMES_MAX,
        memory: limits.memory_per_session as u64,
    }
}

/// Each holds a folder open for each level of its tree, up to 257, for as long as the client likes.
const LISTINGS_AT_ONCE: usize = 4;
/// Messages that may wait between the reader and the session; then the client is not read from.
const INCOMING_MESSAGES: usize = 16;
const LANE_ENDS: usize = 16;
const DRAIN_LOOK: std::time::Duration = std::time::Duration::from_millis(50);
const GOODBYE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);
