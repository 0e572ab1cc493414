//! Events: the actions and refused attempts of users, with the outcome. Each request is one event, and so is each item of it that failed or
//! was destroyed. Listeners receive them; the first one is the log.
//!
//! An [`Operation`] is a request under way. It counts the work done, and makes its event at every kind of end:
//! one that is dropped early has been cancelled. Names and sentences of clients are values of fields, which the log quotes: none of
//! them can pass for another field.

mod log;

pub(crate) use log::Log;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use wire::engine::{JobObserver, SettledItem};
use wire::message::{Change, Listing, Request, Totals};
use wire::sync::lock;
use wire::{Failure, FailureCode, RemotePath};

/// Receives events. Called from tasks and blocking jobs; must be quick.
pub(crate) trait EventListener: Send + Sync {
    /// Called when a request or an item has ended.
    fn on_event(&self, event: &ServerEvent<'_>);
    /// Called when a session has ended.
    fn on_session_end(&self, _peer: IpAddr, _said_goodbye: bool) {}
}

/// The outcome of a request, or of one of its items.
#[derive(Debug)]
pub(crate) struct ServerEvent<'a> {
    /// The user who asked.
    pub(crate) user: &'a str,
    pub(crate) peer: SocketAddr,
    /// The request's name in the table of commands.
    pub(crate) command: &'static str,
    /// The action on an item; `None` for a whole request.
    pub(crate) item: Option<ItemAction>,
    /// Below the user's root.
    pub(crate) path: &'a RemotePath,
    /// A second path: where something was moved, or where a link leads.
    pub(crate) to: Option<&'a [u8]>,
    pub(crate) outcome: RequestOutcome,
    /// The reason if not all was done.
    pub(crate) failure: Option<&'a Failure>,
    /// It is the client that has failed: it could not read what it was to send.
    pub(crate) is_clients: bool,
    pub(crate) counts: OperationCounts,
    /// It goes on reading the file that the session has read before.
    pub(crate) is_continuation: bool,
    pub(crate) duration: Duration,
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// All of it.
    Done,
    /// Some of it.
    Partly,
    /// Nothing of it.
    Failed,
    /// Not tried: the user lacks access, or a limit is exceeded.
    Refused,
    /// Ended before its end by the client, or with its session.
    Cancelled,
}

/// An action on an item that has an event of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemAction {
    /// The action of the request itself.
    Request,
    Remove,
    Move,
    SetAside,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OperationCounts {
    /// Files and links.
    pub(crate) files: u64,
    pub(crate) folders: u64,
    /// Changes of a batch.
    pub(crate) changes: u64,
    /// Entries of a listing.
    pub(crate) entries: u64,
    /// Bytes of content.
    pub(crate) bytes: u64,
    /// Items that were skipped as requested, or that were removed before they could be read.
    pub(crate) skipped: u64,
    /// Items that failed.
    pub(crate) failures: u64,
}

/// The source of a session's events: it knows the user and the listener.
pub(crate) struct EventSource {
    user: String,
    peer: SocketAddr,
    listener: Arc<dyn EventListener>,
    /// The file of the latest READ.
    read_last: Mutex<Option<RemotePath>>,
}

/// A request under way.
pub(crate) struct Operation {
    source: Arc<EventSource>,
    command: &'static str,
    begin: Instant,
    is_continuation: bool,
    has_ended: AtomicBool,
    state: Mutex<OperationState>,
}

#[derive(Default)]
struct OperationState {
    path: RemotePath,
    to: Option<Vec<u8>>,
    counts: OperationCounts,
    /// The first failure of an item; it is the reason why the whole is not done.
    first_failure: Option<Failure>,
    /// The first failure of the client; it is the reason if there is no other.
    first_lost: Option<Failure>,
}

impl EventSource {
    /// The source of a session's events.
    pub(crate) fn new(user: &str, peer: SocketAddr, listener: Arc<dyn EventListener>) -> Arc<Self> {
        Arc::new(Self { user: user.to_owned(), peer, listener, read_last: Mutex::default() })
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>, request: &Request) -> Arc<Operation> {
        let (path, to) = (request.path().cloned().unwrap_or_default(), request.target().map(<[u8]>::to_vec));
        Arc::new(Operation {
            source: self.clone(),
            command: request.spec().name,
            begin: Instant::now(),
            is_continuation: self.is_continuation(request),
            has_ended: AtomicBool::new(false),
            state: Mutex::new(OperationState { path, to, ..OperationState::default() }),
        })
    }

    /// True for a READ of the same file as the last one that was answered with bytes.
    fn is_continuation(&self, request: &Request) -> bool {
        let Request::ReadFile(read) = request else { return false };
        lock(&self.read_last).as_ref() == Some(&read.path)
    }
}

impl Operation {
    /// Replaces the requested path, for instance for an item that goes into a folder.
    pub(crate) fn set_path(&self, path: &RemotePath) {
        self.state().path = path.clone();
    }

    /// Replaces the requested second path.
    pub(crate) fn set_target(&self, path: &RemotePath) {
        self.state().to = Some(path.as_bytes().to_owned());
    }

    /// Adds to the counts.
    pub(crate) fn count(&self, more: impl FnOnce(&mut OperationCounts)) {
        more(&mut self.state().counts);
    }

    /// An item failed: the path is below the request's.
    pub(crate) fn item_failed(&self, path: &RemotePath, failure: &Failure) {
        self.item_failed_at(path, failure, false);
    }

    /// An item failed; `is_clients` if at the client.
    fn item_failed_at(&self, path: &RemotePath, failure: &Failure, is_clients: bool) {
        let (is_whole, is_told) = {
            let mut state = self.state();
            let first = if is_clients { &mut state.first_lost } else { &mut state.first_failure };
            first.get_or_insert_with(|| failure.clone());
            state.counts.failures += 1;
            (path.is_root(), state.counts.failures <= FAILURES_TOLD_MAX)
        };
        if is_told && !is_whole {
            self.item(ItemAction::Request, path, None, Some(failure));
        }
    }

    /// Called after a change of a batch. Destroyed and moved items have events of their own.
    pub(crate) fn changed(&self, change: &Change) {
        self.count(|counts| counts.changes += 1);
        let (action, path, to) = match change {
            Change::RemoveFile { path, .. } | Change::RemoveFolder { path } => {
                (ItemAction::Remove, path, None)
            }
            Change::Move { from, to, .. } => (ItemAction::Move, from, Some(to)),
            Change::SetAside { path, keep: false, .. } => (ItemAction::SetAside, path, None),
            Change::SetAside { keep: true, .. }
            | Change::MakeFolder { .. }
            | Change::SetMetadata { .. }
            | Change::HardLink { .. }
            | Change::SetOwner { .. }
            | Change::SetXattrs { .. }
            | Change::Sync { .. }
            | Change::Prune { .. } => return,
        };
        self.item(action, path, to, None);
    }

    /// A page of a listing goes out.
    pub(crate) fn listed(&self, page: &Listing) {
        let mut state = self.state();
        state.counts.entries += page.entries.len() as u64;
        for failed in page.failures.iter().filter(|failed| failed.failure.code != FailureCode::Vanished) {
            state.counts.failures += 1;
            state.first_failure.get_or_insert_with(|| failed.failure.clone());
        }
    }

    /// It has ended. The first end counts.
    pub(crate) fn end(&self, result: Result<(), &Failure>) {
        let is_done =
            |counts: &OperationCounts| counts.files + counts.folders + counts.changes + counts.entries > 0;
        self.tell(result, |counts, failure| match failure.map(|failure| failure.code) {
            None => RequestOutcome::Done,
            Some(FailureCode::Cancelled) => RequestOutcome::Cancelled,
            Some(_) if is_done(counts) => RequestOutcome::Partly,
            Some(FailureCode::AccessDenied) => RequestOutcome::Refused,
            Some(_) => RequestOutcome::Failed,
        });
    }

    /// It was not tried.
    pub(crate) fn refused(&self, failure: &Failure) {
        self.tell(Err(failure), |_, _| RequestOutcome::Refused);
    }

    fn tell(
        &self,
        result: Result<(), &Failure>,
        outcome: impl FnOnce(&OperationCounts, Option<&Failure>) -> RequestOutcome,
    ) {
        if self.has_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        let state = self.state();
        let own = result.err().or(state.first_failure.as_ref());
        let failure = own.or(state.first_lost.as_ref());
        if self.command == "READ" && state.counts.bytes > 0 {
            *lock(&self.source.read_last) = Some(state.path.clone());
        }
        self.source.listener.on_event(&ServerEvent {
            user: &self.source.user,
            peer: self.source.peer,
            command: self.command,
            item: None,
            path: &state.path,
            to: state.to.as_deref(),
            outcome: outcome(&state.counts, failure),
            failure,
            is_clients: own.is_none() && failure.is_some(),
            counts: state.counts,
            is_continuation: self.is_continuation,
            duration: self.begin.elapsed(),
        });
    }

    fn item(
        &self,
        action: ItemAction,
        path: &RemotePath,
        to: Option<&RemotePath>,
        failure: Option<&Failure>,
    ) {
        let base = self.state().path.clone();
        let whole = |path: &RemotePath| base.join_path(path).unwrap_or_else(|_| path.clone());
        let (path, to) = (whole(path), to.map(whole));
        self.source.listener.on_event(&ServerEvent {
            user: &self.source.user,
            peer: self.source.peer,
            command: self.command,
            item: Some(action),
            path: &path,
            to: to.as_ref().map(RemotePath::as_bytes),
            outcome: if failure.is_some() { RequestOutcome::Failed } else { RequestOutcome::Done },
            failure,
            is_clients: false,
            counts: OperationCounts::default(),
            is_continuation: false,
            duration: self.begin.elapsed(),
        });
    }

    /// Locks the state. A panic under the lock leaves slightly wrong counts at worst.
    fn state(&self) -> MutexGuard<'_, OperationState> {
        lock(&self.state)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.end(Err(&FailureCode::Cancelled.into()));
    }
}

/// Observes the items of a job.
impl JobObserver for Operation {
    fn file_started(&self, _: &RemotePath, _: Option<u64>) {}
    fn progress(&self, _: Option<&RemotePath>, _: u64) {}
    fn already_there(&self, _: Option<&RemotePath>, _: u64) {}
    fn totals(&self, _: Totals) {}

    fn settled(&self, item: &SettledItem<'_>) {
        match item.failure {
            Some(failure) if is_skipped(failure.code) => {
                self.count(|counts| counts.skipped += 1);
            }
            Some(failure) => self.item_failed_at(item.path, failure, item.is_lost),
            None if item.folder => self.count(|counts| counts.folders += 1),
            None => self.count(|counts| {
                counts.files += 1;
                counts.bytes += item.bytes;
            }),
        }
    }
}

/// True for an item that is no loss to anybody: left alone as asked, gone before it could be read, or never sent.
fn is_skipped(code: FailureCode) -> bool {
    matches!(code, FailureCode::Skipped | FailureCode::Vanished | FailureCode::LeftOut)
}

/// Items of one request whose failure has an event of its own; the others are counted. A folder that cannot be written would otherwise
/// make a line for each file of a tree.
const FAILURES_TOLD_MAX: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use wire::message::{Hash, Rename};

    /// Records the events it receives, in short form.
    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl EventListener for Heard {
        fn on_event(&self, event: &ServerEvent<'_>) {
            let ServerEvent { command, item, path, outcome, counts, .. } = event;
            let whose = if event.is_clients { " at the client" } else { "" };
            let line =
                format!("{command} {item:?} {path} {outcome:?} {} {}{whose}", counts.files, counts.failures);
            self.0.lock().unwrap().push(line);
        }
    }

    fn begin(request: &Request) -> (Arc<Heard>, Arc<Operation>) {
        let heard = Arc::new(Heard::default());
        let source = EventSource::new("ann", "192.0.2.1:1".parse().unwrap(), heard.clone());
        (heard, source.begin(request))
    }

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    fn settle(operation: &Operation, at: &str, failure: Option<Failure>) {
        let failure = failure.as_ref();
        operation.settled(&SettledItem {
            path: &path(at),
            folder: false,
            bytes: 5,
            digest: None,
            as_is: false,
            failure,
            is_lost: false,
        });
    }

    #[test]
    fn what_failed_is_never_told_as_done() {
        let hash = Request::Hash(Hash { path: path("base") });
        let denied = || Some(Failure::from(FailureCode::PermissionDenied));
        for (items, expected) in [
            (vec![None, None], "HASH None /base Done 2 0"),
            (vec![None, denied()], "HASH None /base Partly 1 1"),
            (vec![denied(), denied()], "HASH None /base Failed 0 2"),
            (vec![Some(FailureCode::Skipped.into())], "HASH None /base Done 0 0"),
        ] {
            let (heard, operation) = begin(&hash);
            items.into_iter().for_each(|failure| settle(&operation, "item", failure));
            operation.end(Ok(()));
            drop(operation);
            let heard = heard.0.lock().unwrap();
            assert_eq!(heard.last().unwrap(), expected);
            assert!(
                heard[..heard.len() - 1]
                    .iter()
                    .all(|line| line == "HASH Some(Request) /base/item Failed 0 0")
            );
        }
    }

    /// The server's own failure is the reason of the whole, where there is one.
    #[test]
    fn what_the_client_could_not_read_is_told_as_its_failure() {
        let (source, whole) = (Failure::from(FailureCode::Io), Failure::from(FailureCode::NoSpace));
        for (own, expected) in
            [(None, "HASH None /base Partly 1 1 at the client"), (Some(&whole), "HASH None /base Failed 0 2")]
        {
            let (heard, operation) = begin(&Request::Hash(Hash { path: path("base") }));
            for (failure, is_lost) in [(Some(&source), true), (own, false)] {
                let path = &path("item");
                operation.settled(&SettledItem {
                    path,
                    folder: false,
                    bytes: 0,
                    digest: None,
                    as_is: false,
                    failure,
                    is_lost,
                });
            }
            operation.end(Ok(()));
            assert_eq!(heard.0.lock().unwrap().last().unwrap(), expected);
        }
    }

    #[test]
    fn a_request_has_one_event_and_one_that_is_dropped_was_cancelled() {
        let rename = Request::Rename(Rename { from: path("a"), to: path("b"), into: None, replace: false });
        let (heard, operation) = begin(&rename);
        drop(operation);
        assert_eq!(*heard.0.lock().unwrap(), ["RENAME None /a Cancelled 0 0"]);
        let (heard, operation) = begin(&rename);
        operation.refused(&FailureCode::AccessDenied.into());
        operation.end(Ok(()));
        drop(operation);
        assert_eq!(*heard.0.lock().unwrap(), ["RENAME None /a Refused 0 0"]);
    }

    #[test]
    fn a_job_has_a_bounded_number_of_lines() {
        let (heard, operation) = begin(&Request::Hash(Hash { path: path("base") }));
        (0..1000).for_each(|_| settle(&operation, "item", Some(FailureCode::Exists.into())));
        operation.end(Ok(()));
        let heard = heard.0.lock().unwrap();
        assert_eq!(heard.len() as u64, FAILURES_TOLD_MAX + 1);
        assert_eq!(heard.last().unwrap(), "HASH None /base Failed 0 1000");
    }
}
