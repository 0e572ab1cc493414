//! `--watch`: after the first run, mirrors local changes as they come.
//!
//! The system tells which folders something changed in. Once nothing has changed for a moment, just those folders are
//! compared again, with all that is below them; all of the tree if there are many, or if the system lost count. What is
//! compared is always what is there by then, so an event that comes twice, late or in the wrong order does no harm.

use super::{Direction, Listener, MirrorRequest, Mode, Options, Outcome};
use crate::error::Error;
use crate::session::Session;
use notify::{Event, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use wire::{FailureCode, RemotePath};

/// Mirrors, and goes on doing so until an error ends it.
pub(crate) async fn watch(
    session: &Session,
    request: MirrorRequest,
    listener: Arc<dyn Listener>,
) -> Result<Outcome, Error> {
    let changes = Arc::new(Changes::new(&request.local)?);
    // Watched from before the first look, so that nothing falls between the two.
    let _watcher = begin(&request.local, &changes)?;
    let MirrorRequest { local, remote, options, .. } = request;
    let watched = Watched { session, local, remote, options, listener };
    watched.mirror(RemotePath::root()).await?;
    loop {
        watched.listener.waiting();
        let latest = session.latest();
        let changed = tokio::select! {
            changed = changes.settled() => changed,
            error = latest.inner.control.revoked() => return Err(error),
        };
        // With hard links, what was written to has other names, maybe in other folders.
        let folders = if watched.options.hard_links { vec![RemotePath::root()] } else { changed };
        for folder in folders {
            watched.catch_up(folder).await?;
        }
    }
}

/// What is watched, and how it is mirrored again.
struct Watched<'a> {
    session: &'a Session,
    local: PathBuf,
    remote: RemotePath,
    options: Options,
    listener: Arc<dyn Listener>,
}

impl Watched<'_> {
    /// Mirrors a folder in which something changed. An error ends the watch: what is to be tried again is tried here.
    async fn catch_up(&self, folder: RemotePath) -> Result<(), Error> {
        let whole = folder.is_root();
        let outcome = self.mirror(folder).await;
        // The folder may have gone since; and what is much of a folder may be little of the tree.
        let look_again = match &outcome {
            Ok(outcome) => outcome.refusal.is_some(),
            Err(error) => error.failure_code() == Some(FailureCode::NotFound),
        };
        match look_again && !whole {
            true => self.mirror(RemotePath::root()).await.map(drop),
            false => outcome.map(drop),
        }
    }

    async fn mirror(&self, scope: RemotePath) -> Result<Outcome, Error> {
        let request = MirrorRequest {
            direction: Direction::Upload,
            local: self.local.clone(),
            remote: self.remote.clone(),
            options: self.options.clone(),
            mode: Mode::Run,
            scope,
        };
        self.session.mirror(request, self.listener.clone()).await
    }
}

fn begin(local: &Path, changes: &Arc<Changes>) -> Result<impl Watcher + use<>, Error> {
    let failed = |error: notify::Error| Error::local(local, std::io::Error::other(error));
    let told = changes.clone();
    let mut watcher = notify::recommended_watcher(move |event| told.heard(event)).map_err(failed)?;
    watcher.watch(local, RecursiveMode::Recursive).map_err(failed)?;
    Ok(watcher)
}

/// Folders in which something changed.
struct Changes {
    local: PathBuf,
    dirty: Mutex<BTreeSet<RemotePath>>,
    heard: Notify,
}

impl Changes {
    fn new(local: &Path) -> Result<Self, Error> {
        let local = local.canonicalize().map_err(|error| Error::local(local, error))?;
        Ok(Self { local, dirty: Mutex::default(), heard: Notify::new() })
    }

    fn heard(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.add(RemotePath::root()),
            Ok(event) if event.kind.is_access() => return,
            Ok(event) => event.paths.iter().for_each(|path| self.add(self.folder_of(path))),
            Err(_) => self.add(RemotePath::root()),
        }
        self.heard.notify_one();
    }

    /// The folder that holds what changed; the tree itself if that cannot be told.
    fn folder_of(&self, path: &Path) -> RemotePath {
        let below = path.parent().and_then(|parent| parent.strip_prefix(&self.local).ok());
        below.and_then(|below| RemotePath::from_user(below.as_os_str().as_bytes()).ok()).unwrap_or_default()
    }

    fn add(&self, folder: RemotePath) {
        let mut dirty = self.dirty();
        dirty.insert(folder);
        if dirty.len() > FOLDERS_MAX {
            *dirty = BTreeSet::from([RemotePath::root()]);
        }
    }

    fn dirty(&self) -> MutexGuard<'_, BTreeSet<RemotePath>> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for changes, and until there are no more for a moment; gives the folders to compare.
    async fn settled(&self) -> Vec<RemotePath> {
        while self.dirty().is_empty() {
            self.heard.notified().await;
        }
        let latest = Instant::now() + PATIENCE;
        while Instant::now() < latest {
            let quiet = (Instant::now() + QUIET).min(latest);
            if timeout_at(quiet, self.heard.notified()).await.is_err() {
                break;
            }
        }
        let dirty = std::mem::take(&mut *self.dirty());
        outermost(dirty.into_iter().map(|folder| existing(&self.local, folder)).collect())
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

/// Leaves out folders that lie in others.
fn outermost(folders: BTreeSet<RemotePath>) -> Vec<RemotePath> {
    let mut outer: Vec<RemotePath> = Vec::new();
    for folder in folders {
        if outer.last().is_none_or(|last| folder.strip_prefix(last).is_none()) {
            outer.push(folder);
        }
    }
    outer
}

/// Nothing changed for so long: what was being written is written.
const QUIET: Duration = Duration::from_millis(300);
/// Where something always changes, it is mirrored as it is after so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Folders that are compared one by one; more are compared as a whole.
const FOLDERS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, EventKind, Flag};

    fn path(text: &str) -> RemotePath {
        RemotePath::from_user(text.as_bytes()).unwrap()
    }

    fn changes(folder: &Path) -> Changes {
        Changes::new(folder).unwrap()
    }

    #[tokio::test]
    async fn changes_settle_into_their_folders() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let changes = changes(folder.path());
        let local = changes.local.clone();
        let event = |text: &str| Event::new(EventKind::Create(CreateKind::Any)).add_path(local.join(text));
        changes.heard(Ok(event("a/b/c")));
        changes.heard(Ok(event("gone/x/y")));
        assert_eq!(changes.settled().await, [path("")]);
        changes.heard(Ok(event("a/b/c")));
        changes.heard(Ok(event("a/c")));
        assert_eq!(changes.settled().await, [path("a")]);
        changes.heard(Ok(Event::new(EventKind::Access(AccessKind::Any)).add_path(local.join("a/b"))));
        assert!(changes.dirty().is_empty());
    }

    #[test]
    fn what_the_system_lost_is_looked_for_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        let changes = changes(folder.path());
        changes.heard(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert_eq!(*changes.dirty(), BTreeSet::from([path("")]));
        for number in 0..100 {
            changes.add(path(&format!("folder-{number}/x")));
        }
        assert!(changes.dirty().len() <= FOLDERS_MAX && changes.dirty().contains(&path("")));
    }

    #[test]
    fn folders_in_folders_are_compared_once() {
        let folders = ["a/b", "a", "a/b/c", "b/c", "ab"].map(path).into();
        assert_eq!(outermost(folders), [path("a"), path("ab"), path("b/c")]);
    }
}
