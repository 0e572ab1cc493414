//! The state that is shared by those who see changes and the one who mirrors them: the agenda, and a bell.

use super::agenda::{Agenda, Due, FolderSet, Report};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use wire::RemotePath;
use wire::sync::lock;

/// An agenda that several tasks know.
pub(super) struct SharedAgenda {
    agenda: Mutex<Agenda>,
    heard: Notify,
}

impl SharedAgenda {
    /// The whole tree is due, and again after each `rescan`.
    pub(super) fn new(rescan: Duration) -> Self {
        Self { agenda: Mutex::new(Agenda::new(rescan, Instant::now())), heard: Notify::new() }
    }

    /// Waits until something is due.
    pub(super) async fn due(&self) -> Due {
        loop {
            let next = self.agenda().next(Instant::now());
            match next {
                Ok(due) => return due,
                Err(later) => drop(timeout_at(later, self.heard.notified()).await),
            }
        }
    }

    /// Something changed in a folder.
    pub(super) fn add(&self, folder: RemotePath) {
        self.agenda().change(folder, Instant::now());
        self.heard.notify_one();
    }

    /// Another tree is in the place of the old one.
    pub(super) fn begin_anew(&self) {
        self.agenda().begin_anew(Instant::now());
        self.heard.notify_one();
    }

    /// The connection is lost.
    pub(super) fn lose_connection(&self) {
        self.agenda().lose_connection();
        self.heard.notify_one();
    }

    /// These folders cannot be watched.
    pub(super) fn set_unwatched(&self, folders: FolderSet) {
        self.agenda().set_unwatched(folders, Instant::now());
        self.heard.notify_one();
    }

    /// As [`Agenda::compared`].
    pub(super) fn compared(&self, folder: &RemotePath, report: Report) -> Option<Duration> {
        self.agenda().compared(folder, report, Instant::now())
    }

    /// As [`Agenda::looked`].
    pub(super) fn looked(&self, took: Duration) {
        self.agenda().looked(took, Instant::now());
    }

    /// As [`Agenda::succeed`].
    pub(super) fn succeed(&self) {
        self.agenda().succeed();
    }

    /// As [`Agenda::fail`].
    pub(super) fn fail(&self, folders: Vec<RemotePath>) -> Duration {
        self.agenda().fail(folders, Instant::now())
    }

    /// All folders in which something changed so far.
    #[cfg(test)]
    pub(super) fn take(&self) -> Vec<String> {
        let at_rest = Instant::now() + Duration::from_secs(10);
        let due = self.agenda().next(at_rest).map(|due| due.folders).unwrap_or_default();
        due.iter().map(|folder| folder.to_string()).collect()
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        lock(&self.agenda)
    }
}
