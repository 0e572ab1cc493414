//! `--watch`: after the first run, mirrors local changes as they come, for years.
//!
//! ```text
//! system ──► watches ─┐
//! clock ──────────────┼─► agenda ──► run ──► what failed: back to the agenda
//! connection lost ────┘
//! ```
//!
//! The system tells which folders something changed in. Once no change has come for a moment, just those folders are
//! compared again, with all that is below them; all of the tree if there are many, or if the system lost count. What is
//! compared is always what is there by then, so an event that comes twice, late or in the wrong order does no harm, and one
//! that never comes is made up for by a comparison of all every so often.
//!
//! Failures are tried again. Only an error that cannot get better ends a watch: see [`WatchedTree::is_final`].

mod agenda;
mod failure_recorder;
mod mounts;
mod shared_agenda;
mod watches;

use super::{MirrorDirection, MirrorListener, MirrorOptions, MirrorOutcome, MirrorRequest, Mode};
use crate::error::Error;
use crate::local;
use crate::session::Session;
use agenda::{Due, Report};
use failure_recorder::FailureRecorder;
use shared_agenda::SharedAgenda;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, MissedTickBehavior, interval};
use watches::{Unwatched, Watches};
use wire::sync::lock;
use wire::{FailureCode, RemotePath};

impl Session {
    /// Mirrors a local tree, then its changes as they come, until an error ends that which does not get better by itself. What
    /// fails is tried again; all is compared again after each `rescan`.
    ///
    /// # Errors
    /// If the login is refused, the server breaks the protocol, or the first run fails.
    pub async fn watch(
        &self,
        request: MirrorRequest,
        rescan: Duration,
        listener: Arc<dyn MirrorListener>,
    ) -> Result<MirrorOutcome, Error> {
        Box::pin(watch(self, request, rescan, listener)).await
    }
}

/// Mirrors, and goes on doing so until an error ends it. All is compared again after each `rescan`.
async fn watch(
    session: &Session,
    request: MirrorRequest,
    rescan: Duration,
    listener: Arc<dyn MirrorListener>,
) -> Result<MirrorOutcome, Error> {
    let MirrorRequest { local, remote, options, .. } = request;
    let local = std::path::absolute(&local).map_err(|error| Error::local(&local, error))?;
    let changes = Arc::new(SharedAgenda::new(rescan));
    let (root, rules, seen) = (local.clone(), options.clone(), changes.clone());
    // Watched from before the first look, so that nothing falls between the two.
    let watches = local::blocking(move || Ok(Watches::new(root, rules, seen))).await?;
    let shared = SharedWatches {
        watches: Arc::new(Mutex::new(watches)),
        changes: changes.clone(),
        listener: listener.clone(),
        told: Arc::default(),
    };
    let mut watched = WatchedTree {
        session,
        local,
        remote,
        options,
        listener,
        changes,
        shared: shared.clone(),
        has_begun: false,
        was_refused: false,
    };
    tokio::select! {
        error = shared.follow() => Err(error),
        error = watched.run() => Err(error),
    }
}

/// The tree that is watched, and how it is mirrored again.
struct WatchedTree<'a> {
    session: &'a Session,
    local: PathBuf,
    remote: RemotePath,
    options: MirrorOptions,
    listener: Arc<dyn MirrorListener>,
    changes: Arc<SharedAgenda>,
    shared: SharedWatches,
    /// There was a run that got through.
    has_begun: bool,
    /// The guard of deletions refused those of the whole tree.
    was_refused: bool,
}

impl WatchedTree<'_> {
    /// Mirrors what is due, again and again. Returns the error that ends the watch.
    async fn run(&mut self) -> Error {
        loop {
            let due = tokio::select! {
                due = self.changes.due() => due,
                () = self.session.until_over_at_last(), if !self.session.is_over_at_last() => {
                    self.changes.lose_connection();
                    continue;
                }
            };
            if let Err(error) = self.round(due).await {
                return error;
            }
        }
    }

    /// Compares the folders that are due. An error ends the watch: all that is to be tried again is in the agenda by then.
    async fn round(&mut self, due: Due) -> Result<(), Error> {
        let begun = Instant::now();
        let mut folders = self.folders(&due).await?;
        folders.reverse();
        let mut has_done = !due.looks;
        let mut result = self.session.reconnected().await;
        while result.is_ok()
            && let Some(folder) = folders.last()
        {
            self.shared.open(folder.clone()).await?;
            result = self.catch_up(&folder.clone()).await.map(|done| has_done |= done);
            if result.is_ok() {
                folders.pop();
            }
        }
        match result {
            Err(error) if self.is_final(&error) => return Err(error),
            Err(error) => {
                let wait = self.changes.fail(folders);
                if self.session.is_over_at_last() {
                    self.changes.lose_connection();
                }
                self.listener.retrying(Some(&error), wait);
            }
            Ok(()) => {
                self.changes.succeed();
                if has_done {
                    self.listener.waiting();
                }
            }
        }
        if due.looks {
            self.changes.looked(begun.elapsed());
        }
        Ok(())
    }

    /// The folders, or the nearest ones above them that are still there.
    async fn folders(&self, due: &Due) -> Result<Vec<RemotePath>, Error> {
        if self.options.hard_links && !due.folders.is_empty() {
            return Ok(vec![RemotePath::root()]); // what was written to has other names, maybe in other folders
        }
        let (local, folders) = (self.local.clone(), due.folders.clone());
        local::blocking(move || {
            let there: agenda::FolderSet =
                folders.into_iter().map(|folder| existing(&local, folder)).collect();
            Ok(there.outermost())
        })
        .await
    }

    /// Mirrors a folder in which something changed; true if there was something to do.
    async fn catch_up(&mut self, folder: &RemotePath) -> Result<bool, Error> {
        let whole = folder.is_root();
        let outcome = self.mirror(folder).await;
        // The folder may have gone since, or the target's, with others; and what is much of a folder may be little of the tree.
        let look_again = match &outcome {
            Ok(outcome) => outcome.refusal.is_some() && !self.was_refused,
            Err(error) => {
                matches!(error.failure_code(), Some(FailureCode::NotFound | FailureCode::NotAFolder))
            }
        };
        let outcome = if look_again && !whole { self.mirror(&RemotePath::root()).await? } else { outcome? };
        if outcome.refusal.is_some() && !whole && !look_again {
            let failed = std::iter::once(RemotePath::root()).collect();
            self.changes.compared(folder, Report { failed, ..Report::default() }); // the whole, but not each time
        }
        let super::MirrorSummary { transfer, metadata, deleted, moved, linked, .. } = outcome.summary;
        Ok(transfer.files + transfer.failed + metadata + deleted + moved + linked > 0)
    }

    async fn mirror(&mut self, scope: &RemotePath) -> Result<MirrorOutcome, Error> {
        let request = MirrorRequest {
            direction: MirrorDirection::Upload,
            local: self.local.clone(),
            remote: self.remote.clone(),
            options: self.options.clone(),
            mode: Mode::Run,
            scope: scope.clone(),
        };
        let recorder = Arc::new(FailureRecorder::new(self.listener.clone(), scope.clone()));
        self.listener.next_round();
        let begun = Instant::now();
        let outcome = self.session.mirror(request, recorder.clone()).await?;
        if !self.has_begun && outcome.refusal.is_some_and(|refusal| refusal.is_first) {
            return Err(Error::Refused("nothing is watched: the first run was refused".to_owned()));
        }
        self.has_begun = true;
        self.options.established = true;
        if recorder.made_scope() {
            self.changes.add(RemotePath::root()); // the target has lost a folder, and maybe more
        }
        if scope.is_root() {
            self.was_refused = outcome.refusal.is_some();
        }
        if let Some(wait) = self.changes.compared(scope, recorder.report(begun.elapsed())) {
            self.listener.retrying(None, wait);
        }
        Ok(outcome)
    }

    /// True for what does not get better by itself: who is not let in any more, a server that breaks the protocol or is
    /// another one. Before anything got through, also what looks like a wrong command line, as a missing source.
    fn is_final(&self, error: &Error) -> bool {
        match error {
            Error::Untrusted(_)
            | Error::LoginRefused { .. }
            | Error::Revoked { .. }
            | Error::NoProof(_)
            | Error::NoLogin(_)
            | Error::Protocol { .. }
            | Error::Usage(_)
            | Error::Interrupted => true,
            Error::Unreachable { .. } | Error::Lost { .. } => {
                !self.session.reconnects() || !self.session.was_welcome_at_last()
            }
            Error::Local { .. } | Error::Refused(_) => !self.has_begun,
            Error::Remote { failure, .. } | Error::NotServed { failure, .. } => {
                is_final(failure.code, self.has_begun)
            }
        }
    }
}

fn is_final(code: FailureCode, has_begun: bool) -> bool {
    match code {
        FailureCode::LoginRefused
        | FailureCode::AccessDenied
        | FailureCode::Unsupported
        | FailureCode::BadMessage => true,
        FailureCode::PermissionDenied
        | FailureCode::NotFound
        | FailureCode::NotAFolder
        | FailureCode::IsAFolder
        | FailureCode::InvalidPath
        | FailureCode::OutsideRoot
        | FailureCode::Exists => !has_begun,
        FailureCode::Skipped
        | FailureCode::Busy
        | FailureCode::Drifted
        | FailureCode::NotOwner
        | FailureCode::Integrity
        | FailureCode::NoSpace
        | FailureCode::QuotaExceeded
        | FailureCode::ReadOnly
        | FailureCode::Io
        | FailureCode::ShuttingDown
        | FailureCode::NotEmpty
        | FailureCode::Vanished
        | FailureCode::TooManyOpenFiles
        | FailureCode::SpecialFile
        | FailureCode::LeftOut
        | FailureCode::SourceChanged
        | FailureCode::Cancelled
        | FailureCode::BadState
        | FailureCode::LimitExceeded
        | FailureCode::InUse
        | FailureCode::Unknown(_) => false,
    }
}

/// The watches, as several tasks use them.
#[derive(Clone)]
struct SharedWatches {
    watches: Arc<Mutex<Watches>>,
    changes: Arc<SharedAgenda>,
    listener: Arc<dyn MirrorListener>,
    /// It was reported that some folders are not watched.
    told: Arc<Mutex<bool>>,
}

impl SharedWatches {
    /// Takes what the system tells, for as long as it is waited for; never returns but with an error.
    async fn follow(&self) -> Error {
        let mut clock = interval(ROOT_INTERVAL);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut source: Option<AsyncFd<Arc<OwnedFd>>> = None;
        loop {
            let inotify = match self.with(|watches| watches.inotify()).await {
                Ok(inotify) => inotify,
                Err(error) => return error,
            };
            let is_same = match (&source, &inotify) {
                (Some(source), Some(inotify)) => Arc::ptr_eq(source.get_ref(), inotify),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !is_same {
                source = inotify.and_then(registered);
            }
            let taken = tokio::select! {
                told = readable(source.as_ref()) => {
                    let taken = self.with(Watches::take_events).await;
                    told.into_iter().for_each(|mut told| told.clear_ready());
                    taken
                }
                _ = clock.tick() => self.with(Watches::look_around).await,
            };
            if let Err(error) = taken {
                return error;
            }
        }
    }

    /// A folder is about to be compared: what is not watched of it is watched now, if that can be done by now; with the whole
    /// tree all is watched anew.
    async fn open(&self, folder: RemotePath) -> Result<(), Error> {
        let work = move |watches: &mut Watches| {
            if folder.is_root() { watches.watch(&folder) } else { watches.watch_missing(&folder) }
        };
        self.with(work).await
    }

    /// Works with the watches where that may block; tells, once, if some folders are not watched.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Watches) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.clone();
        local::blocking(move || {
            let mut watches = lock(&shared.watches);
            let done = work(&mut watches);
            let Unwatched { folders, first } = watches.unwatched();
            let before = std::mem::replace(&mut *lock(&shared.told), first.is_some());
            if let Some((path, errno)) = first
                && !before
            {
                shared.listener.unwatched(&path, &std::io::Error::from(errno));
            }
            shared.changes.set_unwatched(folders);
            Ok(done)
        })
        .await
    }
}

#[allow(
    deprecated,
    reason = "safe for a handle that stays open and the same for as long, as one in an Arc does"
)]
fn registered(inotify: Arc<OwnedFd>) -> Option<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::new(inotify).ok()
}

/// Waits until there is something to read.
async fn readable(
    source: Option<&AsyncFd<Arc<OwnedFd>>>,
) -> Option<tokio::io::unix::AsyncFdReadyGuard<'_, Arc<OwnedFd>>> {
    match source {
        Some(source) => source.readable().await.ok(),
        None => std::future::pending().await,
    }
}

/// The folder, or the nearest one above it that is still there.
fn existing(local: &Path, mut folder: RemotePath) -> RemotePath {
    let is_there = |folder: &RemotePath| {
        let path = local.join(std::ffi::OsStr::from_bytes(folder.as_bytes()));
        path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
    };
    while !is_there(&folder) {
        let Some((parent, _)) = folder.split_last() else { return folder };
        folder = parent;
    }
    folder
}

/// How often it is looked whether the root is still the same folder.
const ROOT_INTERVAL: Duration = Duration::from_secs(2);
