//! The context of a session's requests: the user's workspace, and how answers, pages and jobs' data go to the client.

use crate::auth::Revocation;
use crate::shared::ServerState;
use crate::workspace::Workspace;
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use wire::binding::SessionId;
use wire::engine::{Exchange, ItemQueue, TooMany};
use wire::ids::JobId;
use wire::limits::LISTING_PAGES_AHEAD;
use wire::message::{Request, Wanted, WantedItem};
use wire::net::control::Outbox;
use wire::sync::lock;

/// A session as its requests see it.
pub(crate) struct Context {
    pub(crate) workspace: Workspace,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) outbox: Outbox,
    pub(crate) session: SessionId,
    pub(crate) shared: Arc<ServerState>,
    /// The items that the client asks for in jobs of SELECT, by job.
    pub(crate) selections: Mutex<HashMap<u32, Arc<ItemQueue>>>,
    /// Listings that may be under way at the same time; further ones wait for their turn.
    pub(crate) listing: Semaphore,
    /// Pages of listings that may still go out before the client has taken some.
    pub(crate) listings: Mutex<HashMap<u32, Arc<Semaphore>>>,
}

impl Context {
    /// Makes room for what a listing or selection needs while it runs.
    pub(crate) fn begin(&self, id: u32, request: &Request) {
        if let Request::List(_) = request {
            lock(&self.listings).insert(id, Arc::new(Semaphore::new(LISTING_PAGES_AHEAD)));
        }
        if let Request::Select(_) = request {
            lock(&self.selections).insert(id, self.exchange.item_queue());
        }
    }

    /// Forgets a request that was answered.
    pub(crate) fn end(&self, id: u32) {
        self.exchange.dropped(JobId(id));
        lock(&self.selections).remove(&id);
        lock(&self.listings).remove(&id);
    }

    /// The items that the client asks for in the job `id`, if that is one of SELECT.
    pub(crate) fn wanted(&self, id: u32) -> Option<Arc<ItemQueue>> {
        lock(&self.selections).get(&id).cloned()
    }

    /// Returns the page credits of the listing `id`.
    pub(crate) fn turns(&self, id: u32) -> Option<Arc<Semaphore>> {
        lock(&self.listings).get(&id).cloned()
    }

    /// Grants credits for pages that the client has taken. Ignores a listing that is over.
    pub(crate) fn go_on(&self, id: u32, pages: u32) -> Result<(), SessionEnd> {
        let Some(turns) = self.turns(id) else { return Ok(()) };
        let pages = pages as usize;
        if turns.available_permits() + pages > LISTING_PAGES_AHEAD {
            return Err(SessionEnd::Violation("more pages taken than were sent".into()));
        }
        turns.add_permits(pages);
        Ok(())
    }

    /// Queues the items that the client asks for. Ignores a job that is over.
    pub(crate) fn want(&self, id: u32, wanted: Wanted) -> Result<(), SessionEnd> {
        let Some(queue) = self.wanted(id) else { return Ok(()) };
        for WantedItem { path, metadata } in wanted.items {
            if !metadata.is_possible() {
                return Err(SessionEnd::Violation("metadata out of range".into()));
            }
            queue.add(path, metadata).map_err(|rule| match rule {
                TooMany::Items => SessionEnd::Violation(rule.to_string()),
                TooMany::Memory => SessionEnd::NoRoom(rule.to_string()),
            })?;
        }
        if wanted.last {
            queue.close();
        }
        self.exchange.has_work();
        Ok(())
    }
}

/// The reason why a session ended, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionEnd {
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
