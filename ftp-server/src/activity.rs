//! Activity of users, for a program that shows it to the person who runs the server.

use crate::events::{EventListener, Log, RequestOutcome, ServerEvent};
use std::net::IpAddr;
use std::sync::Arc;
use wire::RemotePath;

/// Receives activity. It is called from tasks and blocking jobs, so it must be quick.
pub type ActivityObserver = Arc<dyn Fn(&Activity) + Send + Sync>;

/// An action of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The client's address.
    pub peer: IpAddr,
    /// The action.
    pub kind: ActivityKind,
}

/// The kind of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActivityKind {
    /// Files were sent to the client.
    Fetched(Moved),
    /// Files came from the client.
    Received(Moved),
    /// A session has ended.
    Left {
        /// The client ended it; otherwise the connection was lost, or the server ended it.
        said_goodbye: bool,
    },
}

/// Files that were moved by one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The path of the request.
    pub path: RemotePath,
    /// Number of files.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// All that was requested was moved.
    pub is_complete: bool,
}

/// Logs events, and passes them on.
pub(crate) struct Observed(pub(crate) ActivityObserver);

impl EventListener for Observed {
    fn on_event(&self, event: &ServerEvent<'_>) {
        Log.on_event(event);
        let is_complete = event.outcome == RequestOutcome::Done;
        let (files, bytes) = (event.counts.files, event.counts.bytes);
        if event.item.is_some() || event.is_continuation || (files == 0 && bytes == 0) {
            return;
        }
        let moved = Moved { path: event.path.clone(), files, bytes, is_complete };
        let kind = match event.command {
            "GET" | "SELECT" | "READ" => ActivityKind::Fetched(moved),
            "PUT" => ActivityKind::Received(moved),
            _ => return,
        };
        (self.0)(&Activity { peer: event.peer.ip().to_canonical(), kind });
    }

    fn on_session_end(&self, peer: IpAddr, said_goodbye: bool) {
        (self.0)(&Activity { peer: peer.to_canonical(), kind: ActivityKind::Left { said_goodbye } });
    }
}
