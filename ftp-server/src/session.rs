//! A session after login: its tasks, its context, and its end. Its work is in [`running`].

mod running;

use crate::auth::{Grant, Principal};
use crate::config::ServerLimits;
use crate::context::{Context, SessionEnd};
use crate::disks::OpenedRoot;
use crate::events::EventSource;
use crate::grants::GrantedSession;
use crate::sessions::{Joinable, JoiningLane};
use crate::shared::ServerState;
use crate::workspace::Workspace;
use running::ActiveSession;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, debug, info, info_span, warn};
use wire::binding::SessionId;
use wire::budget::{Charge, Memory};
use wire::control::Envelope;
use wire::engine::Exchange;
use wire::features::Features;
use wire::limits::WINDOW_FRAMES_MAX;
use wire::message::Welcome;
use wire::net::control::{self, ChannelError, Incoming, Outbox};
use wire::transport::Connection;

/// A message from the client with the memory that it takes, or why there is none.
type Received = Result<(Incoming, Charge), ChannelError>;

/// The login that a session began with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptedLogin {
    /// The id of its request.
    pub(crate) request: u32,
    /// The features that hold for the session.
    pub(crate) features: Features,
}

/// A session about to run.
pub(crate) struct PreparedSession<'a> {
    shared: &'a Arc<ServerState>,
    grant: Grant,
    root: OpenedRoot,
    events: Arc<EventSource>,
    id: SessionId,
    stop: CancellationToken,
    memory: Memory,
    span: Span,
}

impl<'a> PreparedSession<'a> {
    pub(crate) fn new(
        shared: &'a Arc<ServerState>,
        principal: Principal,
        root: OpenedRoot,
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

    /// Runs the session to its end. Leaves no task or state behind.
    pub(crate) async fn run(
        self,
        connection: impl Connection,
        login: AcceptedLogin,
        lanes: mpsc::Receiver<JoiningLane>,
    ) {
        let (span, listener, peer) = (self.span.clone(), self.shared.events.clone(), self.grant.peer);
        async {
            let (receiver, writer) = control::split(connection);
            let (outbox, messages) = control::outbox();
            let closing = CancellationToken::new();
            let writing = tokio::spawn(control::write_all(writer, messages, closing.clone()));
            let (incoming_tx, mut incoming) = mpsc::channel(INCOMING_MESSAGES);
            let receiver = receiver.with_budget(self.memory.messages.clone());
            let reading = tokio::spawn(read(receiver, incoming_tx));
            let ended = self.serve(outbox, login, &mut incoming, lanes).await;
            if matches!(ended, SessionEnd::Violation(_) | SessionEnd::NoRoom(_)) {
                warn!(reason = %ended, "session ended");
            } else {
                info!(reason = %ended, "session ended");
            }
            closing.cancel();
            // Sends the last messages and reads incoming ones meanwhile: closing with unread data would be a reset, which may overtake
            // them. But a client that does not read, or does not close, cannot hold us up.
            let farewell = async {
                let _ = writing.await; // errors no longer matter
                while incoming.recv().await.is_some() {}
            };
            if tokio::time::timeout(GOODBYE_TIMEOUT, farewell).await.is_err() {
                debug!("the client did not take the last messages, or did not close");
            }
            reading.abort();
            listener.on_session_end(peer, matches!(ended, SessionEnd::Bye));
        }
        .instrument(span)
        .await;
    }

    async fn serve(
        self,
        outbox: Outbox,
        login: AcceptedLogin,
        incoming: &mut mpsc::Receiver<Received>,
        mut lanes: mpsc::Receiver<JoiningLane>,
    ) -> SessionEnd {
        let OpenedRoot { storage, disk } = self.root;
        let transfers = self.memory.transfers.clone();
        let exchange = Exchange::new(outbox.clone(), self.shared.buffers.clone(), disk.clone(), transfers);
        exchange.agree(login.features);
        let limits = self.shared.limits();
        let welcome = welcome(&limits, &self.grant.principal, login.features);
        if outbox.send(Envelope::new(login.request, welcome)).await.is_err() {
            return SessionEnd::Gone;
        }
        let (grant, stop) = (self.grant.clone(), self.stop.clone());
        let place = self
            .shared
            .granted
            .add(self.id, GrantedSession::new(grant, exchange.clone(), outbox.clone(), stop));
        let workspace = Workspace {
            principal: self.grant.principal,
            storage,
            disk,
            events: self.events,
            journal_key: self.shared.journal_key.clone(),
            marks: self.shared.marks.clone(),
        };
        let context = Context {
            workspace,
            exchange: exchange.clone(),
            outbox,
            session: self.id,
            shared: self.shared.clone(),
            selections: Mutex::default(),
            listings: Mutex::default(),
            listing: Semaphore::new(LISTINGS_AT_ONCE),
        };
        let mut running = ActiveSession::new(self.shared, limits, context, &self.stop);
        let ended = tokio::select! {
            ended = running.serve(incoming, &mut lanes) => ended,
            () = self.stop.cancelled() => SessionEnd::Replaced,
        };
        // A notified client may be gone before any other event is noticed.
        let ended = place.revoked().map_or(ended, SessionEnd::Revoked);
        running.stop(&ended, &place).await;
        ended
    }
}

async fn read<S: tokio::io::AsyncRead + Unpin>(
    mut receiver: control::MessageReader<S>,
    incoming: mpsc::Sender<Received>,
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

/// Each keeps a folder open for each level of its tree, up to 257, for as long as the client likes.
const LISTINGS_AT_ONCE: usize = 4;
/// Messages that may wait between the reader and the session; then the client is not read from.
const INCOMING_MESSAGES: usize = 16;
/// How long the last messages may take.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);
