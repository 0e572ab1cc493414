//! A session at work: its requests, lanes and clocks, and the rules by which it ends.

use super::{GOODBYE_TIMEOUT, Received};
use crate::commands;
use crate::config::ServerLimits;
use crate::context::{Context, SessionEnd};
use crate::disconnect::went_away;
use crate::grants::{self, GrantedPlace};
use crate::sessions::JoiningLane;
use crate::shared::ServerState;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info};
use wire::budget::Charge;
use wire::command::Flow;
use wire::control::Envelope;
use wire::engine::{LaneEnd, Role};
use wire::ids::{JobId, LaneNo};
use wire::limits::{KEEPALIVE_INTERVAL, PEER_SILENCE_MAX, REQUESTS_MAX, STALL_TOLD_AFTER};
use wire::message::{Bye, Message, Ping, Pong, Request, Stalled};
use wire::net::control::{ChannelError, Incoming};
use wire::sync::lock;
use wire::{Failure, FailureCode, RemotePath};

/// A session that runs.
pub(super) struct ActiveSession<'a> {
    shared: &'a Arc<ServerState>,
    /// The limits that were sent to its client: the current ones may differ.
    limits: Arc<ServerLimits>,
    context: Arc<Context>,
    tasks: TaskTracker,
    requests: Arc<Mutex<HashMap<u32, CancellationToken>>>,
    job_greatest: Option<u32>,
    over: CancellationToken,
    lanes: usize,
    /// When it last had a request under way.
    busy: Instant,
    /// When a ping was sent that is not answered yet.
    pinged: Option<Instant>,
    lane_ends: (mpsc::Sender<EndOfLane>, mpsc::Receiver<EndOfLane>),
}

/// Which lane ended, and how.
type EndOfLane = (LaneNo, LaneEnd);

impl<'a> ActiveSession<'a> {
    /// A session without requests and lanes. It ends what it runs when `stop` is cancelled.
    pub(super) fn new(
        shared: &'a Arc<ServerState>,
        limits: Arc<ServerLimits>,
        context: Context,
        stop: &CancellationToken,
    ) -> Self {
        Self {
            shared,
            limits,
            context: Arc::new(context),
            tasks: TaskTracker::new(),
            requests: Arc::default(),
            job_greatest: None,
            over: stop.child_token(),
            lanes: 0,
            busy: Instant::now(),
            pinged: None,
            lane_ends: mpsc::channel(LANE_ENDS),
        }
    }

    /// Serves until the session ends; returns why.
    pub(super) async fn serve(
        &mut self,
        incoming: &mut mpsc::Receiver<Received>,
        lanes: &mut mpsc::Receiver<JoiningLane>,
    ) -> SessionEnd {
        let mut ticks = interval(KEEPALIVE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draining = interval(DRAIN_LOOK);
        let mut heard = Instant::now();
        loop {
            let step = tokio::select! {
                received = incoming.recv() => {
                    heard = Instant::now();
                    self.received(received).await
                }
                Some(lane) = lanes.recv() => {
                    self.lane(lane);
                    Ok(())
                }
                Some((number, end)) = self.lane_ends.1.recv() => {
                    heard = Instant::now();
                    self.lane_ended(number, end)
                }
                _ = ticks.tick() => self.tick(heard),
                _ = draining.tick(), if self.shared.drain.is_cancelled() => {
                    if self.is_busy() { Ok(()) } else { Err(SessionEnd::Drained) }
                }
                () = self.shared.drain.cancelled(), if !self.shared.drain.is_cancelled() => Ok(()),
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn received(&mut self, received: Option<Received>) -> Result<(), SessionEnd> {
        match received {
            None | Some(Ok((Incoming::Closed, _))) => Err(SessionEnd::Gone),
            Some(Err(ChannelError::Message(error))) => Err(SessionEnd::Violation(error.to_string())),
            Some(Err(ChannelError::Io(error))) if went_away(&error) => Err(SessionEnd::Gone),
            Some(Err(ChannelError::Io(error))) => Err(SessionEnd::Broken(error)),
            Some(Err(error @ ChannelError::NoRoom)) => Err(SessionEnd::NoRoom(error.to_string())),
            Some(Ok((Incoming::Unknown { request: 0, .. }, _))) => Ok(()), // an answer would end the session
            Some(Ok((Incoming::Unknown { request, .. }, _))) => {
                self.answer(request, Failure::from(FailureCode::Unsupported)).await;
                Ok(())
            }
            Some(Ok((Incoming::Message(envelope), charge))) => self.message(envelope, charge).await,
        }
    }

    fn lane_ended(&mut self, number: LaneNo, end: LaneEnd) -> Result<(), SessionEnd> {
        self.lanes -= 1;
        match end {
            LaneEnd::Violation(rule) => return Err(SessionEnd::Violation(format!("lane {number}: {rule}"))),
            // A client that has finished closes lanes without notice, perhaps before its job is seen to be done.
            LaneEnd::Lost(error) if went_away(&error) => debug!(number = number.0, "lane gone"),
            LaneEnd::Lost(error) => info!(number = number.0, %error, "lane lost"),
            LaneEnd::Closed => debug!(number = number.0, "lane closed"),
        }
        Ok(())
    }

    /// Ends a session that is silent or idle; otherwise sends a ping. `heard` is when the client was heard last.
    fn tick(&mut self, heard: Instant) -> Result<(), SessionEnd> {
        if heard.elapsed() > PEER_SILENCE_MAX {
            return Err(SessionEnd::Silent);
        }
        if self.is_busy() {
            self.busy = Instant::now();
        } else if self.busy.elapsed() > self.limits.idle_timeout {
            return Err(SessionEnd::Idle);
        }
        self.tell_stall();
        if self.context.outbox.try_send(Envelope::new(0, Ping)) {
            self.pinged.get_or_insert_with(Instant::now); // a full queue does not mean that the peer is silent
        }
        Ok(())
    }

    /// Notifies a client whose work waits for a disk, since the connection itself shows no problem.
    fn tell_stall(&self) {
        let stalled = self.context.workspace.disk.stalled();
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
            return info!(number = lane.number().0, "lane refused: too many");
        }
        place.logged_in();
        self.lanes += 1;
        let (exchange, over, ends) =
            (self.context.exchange.clone(), self.over.clone(), self.lane_ends.0.clone());
        let task = async move {
            let number = lane.number();
            let end = lane.run(exchange, over, CancellationToken::new()).await;
            drop(place);
            let _ = ends.send((number, end)).await; // the session may be over
        };
        self.tasks.spawn(task.in_current_span());
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "all others are a violation")]
    async fn message(&mut self, envelope: Envelope, charge: Charge) -> Result<(), SessionEnd> {
        if let Message::Cancel(_) = envelope.message
            && let Some(token) = lock(&self.requests).get(&envelope.request)
        {
            token.cancel();
        }
        let handled =
            self.context.exchange.handle_charged(envelope, charge).map_err(SessionEnd::Violation)?;
        let Some((envelope, charge)) = handled else { return Ok(()) };
        let id = envelope.request;
        let message = match Request::try_from(envelope.message) {
            Ok(request) => return self.request(id, request, charge).await,
            Err(message) => *message,
        };
        match message {
            Message::Ping(_) => self.answer(id, Pong).await,
            Message::Pong(_) => {
                if let Some(sent) = self.pinged.take() {
                    self.context.exchange.saw_round_trip(sent.elapsed());
                }
            }
            Message::Failure(_) => {}
            Message::Wanted(wanted) => self.context.want(id, wanted)?,
            Message::Continue(taken) => self.context.go_on(id, taken.pages)?,
            Message::Bye(_) => return Err(SessionEnd::Bye),
            message => {
                let name = Message::kind_name(message.kind()).unwrap_or("unknown");
                return Err(SessionEnd::Violation(format!("{name} is not for a server in a session")));
            }
        }
        Ok(())
    }

    /// Runs a request, if the gate admits it.
    async fn request(&mut self, id: u32, mut request: Request, charge: Charge) -> Result<(), SessionEnd> {
        let whole = |path: &RemotePath| self.context.workspace.principal.whole_path(path);
        request.map_paths(&whole);
        if let Request::Batch(batch) = &mut request {
            batch.backup = batch.backup.as_ref().map(whole);
        }
        let flow = request.spec().flow;
        if id == 0 {
            return Err(SessionEnd::Violation("request id 0, which is no request's".into()));
        }
        if lock(&self.requests).contains_key(&id) {
            return Err(SessionEnd::Violation("a request id that is in use".into()));
        }
        if flow != Flow::Control {
            if self.job_greatest >= Some(id) {
                return Err(SessionEnd::Violation("a job id that does not grow".into()));
            }
            self.job_greatest = Some(id);
            let role = if flow == Flow::ToServer { Role::Receiver } else { Role::Sender };
            self.context.exchange.opening(JobId(id), role);
        }
        if let Err(failure) = self.admit(&request) {
            self.context.workspace.events.begin(&request).refused(&failure);
            self.context.exchange.dropped(JobId(id));
            self.answer(id, failure).await;
            return Ok(());
        }
        self.busy = Instant::now();
        self.context.begin(id, &request);
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
                () = commands::run(&context, id, request, &token) => {}
                () = deadline => {}
            }
            context.end(id);
            lock(&requests).remove(&id);
        };
        self.tasks.spawn(task.in_current_span());
        Ok(())
    }

    fn admit(&self, request: &Request) -> Result<(), Failure> {
        if !request.spec().needs.met_by(self.context.workspace.principal.access()) {
            return Err(FailureCode::AccessDenied.into());
        }
        self.context.workspace.principal.check_path(request.path())?;
        if self.shared.drain.is_cancelled() {
            return Err(FailureCode::ShuttingDown.into());
        }
        let jobs = self.context.exchange.job_count();
        if jobs > self.limits.jobs_per_session || lock(&self.requests).len() >= REQUESTS_MAX {
            return Err(FailureCode::LimitExceeded.into());
        }
        if commands::has_times_in_range(request) {
            Ok(())
        } else {
            Err(Failure::new(FailureCode::BadMessage, "nanoseconds out of range"))
        }
    }

    async fn answer(&self, id: u32, message: impl Into<Message>) {
        let _ = self.context.outbox.send(Envelope::new(id, message)).await; // the writer may have ended; the reader reports that
    }

    /// Ends all running requests and lanes, and waits for them.
    pub(super) async fn stop(mut self, ended: &SessionEnd, place: &GrantedPlace<'_>) {
        self.over.cancel();
        let code = match ended {
            SessionEnd::Violation(_) => FailureCode::BadState,
            SessionEnd::NoRoom(_) => FailureCode::LimitExceeded,
            SessionEnd::Drained => FailureCode::ShuttingDown,
            SessionEnd::Revoked(_) => FailureCode::AccessDenied,
            SessionEnd::Bye
            | SessionEnd::Gone
            | SessionEnd::Broken(_)
            | SessionEnd::Silent
            | SessionEnd::Idle
            | SessionEnd::Replaced => FailureCode::Cancelled,
        };
        self.context.exchange.fail_all(&code.into());
        self.tasks.close();
        loop {
            tokio::select! {
                () = self.tasks.wait() => break,
                Some(_) = self.lane_ends.1.recv() => {} // drains the lanes' ends, which are no longer needed
            }
        }
        self.context.workspace.disk.disposed().await;
        let last = match ended {
            SessionEnd::Violation(rule) => Message::from(Failure::new(code, rule.clone())),
            SessionEnd::Revoked(_) if place.is_told() => return,
            SessionEnd::Revoked(reason) => grants::refusal(*reason).into(),
            SessionEnd::NoRoom(_) => Message::from(Failure::new(code, ended.to_string())),
            SessionEnd::Bye
            | SessionEnd::Gone
            | SessionEnd::Broken(_)
            | SessionEnd::Silent
            | SessionEnd::Idle
            | SessionEnd::Drained
            | SessionEnd::Replaced => Bye.into(),
        };
        let _ = self.context.outbox.try_send(Envelope::new(0, last));
    }
}

const LANE_ENDS: usize = 16;
const DRAIN_LOOK: Duration = Duration::from_millis(50);
