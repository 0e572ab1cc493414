//! A listing as its pages come: a few of them are under way, so that a large one needs little memory on either end.

#![allow(clippy::wildcard_enum_match_arm, reason = "a request has one answer; whatever else comes is none")]

use super::requests::{unexpected, violation};
use crate::control::Control;
use crate::error::Error;
use std::sync::Arc;
use tokio::sync::mpsc;
use wire::control::Envelope;
use wire::glob::{Glob, GlobError};
use wire::limits::LISTING_PAGE_ENTRIES_MAX;
use wire::message::{Cancel, Continue, List, Listing, Message};
use wire::{Failure, FailureCode, RemotePath};

/// A listing as its pages come.
pub struct Pages {
    control: Arc<Control>,
    path: RemotePath,
    id: u32,
    answers: mpsc::Receiver<Envelope>,
    /// The first page, if it has come and was not taken.
    first: Option<Envelope>,
    /// Pages that were taken, and the server does not know.
    taken: u32,
    over: bool,
    /// The only entries that there may be.
    expected: Option<ExpectedMatches>,
}

/// The entries that a pattern asks for: a server is not believed to send no others.
struct ExpectedMatches {
    pattern: RemotePath,
    glob: Glob,
    recursive: bool,
}

impl ExpectedMatches {
    fn of(list: &List) -> Result<Option<Self>, Error> {
        if list.pattern.is_root() {
            return Ok(None);
        }
        let too_many = |error: GlobError| {
            Error::remote(&list.pattern, Failure::new(FailureCode::LimitExceeded, error.to_string()))
        };
        let glob = Glob::new(&list.pattern).map_err(too_many)?;
        Ok(Some(Self { pattern: list.pattern.clone(), glob, recursive: list.recursive }))
    }

    fn include(&self, path: &RemotePath) -> bool {
        let found = self.glob.look(path);
        if self.recursive {
            found.is_covered || path.strip_prefix(&self.pattern).is_some()
        } else {
            found.is_match || *path == self.pattern
        }
    }
}

impl Pages {
    /// Asks for a listing. The first one of a session waits for its first page, which tells whether the server accepts the
    /// session.
    pub(super) async fn open(control: Arc<Control>, list: List) -> Result<Self, Error> {
        let expected = ExpectedMatches::of(&list)?;
        let (id, path) = (control.next_id(), list.path.clone());
        let mut answers = control.request(id, list.into()).await?;
        let first = if control.was_welcome() {
            None
        } else {
            Some(answers.recv().await.ok_or_else(|| control.error())?)
        };
        Ok(Self { control, path, id, answers, first, taken: 0, over: false, expected })
    }

    /// Returns the next page, and `None` after the last.
    ///
    /// # Errors
    /// If the folder cannot be listed or the connection is lost.
    pub async fn next(&mut self) -> Result<Option<Listing>, Error> {
        if self.over {
            return Ok(None);
        }
        if let Some(taken) = self.taken() {
            self.control.send(self.id, taken).await?;
        }
        let envelope = match self.first.take() {
            Some(first) => Some(first),
            None => self.answers.recv().await,
        };
        self.page(envelope).map(Some)
    }

    /// As [`next`](Self::next), where a thread may wait.
    pub(crate) fn next_blocking(&mut self) -> Result<Option<Listing>, Error> {
        if self.over {
            return Ok(None);
        }
        if let Some(taken) = self.taken() {
            let envelope = Envelope::new(self.id, taken);
            self.control.outbox.blocking_send(envelope).map_err(|_| self.control.error())?;
        }
        let envelope = self.first.take().or_else(|| self.answers.blocking_recv());
        self.page(envelope).map(Some)
    }

    /// The message about pages that were taken, once it is worth sending.
    fn taken(&mut self) -> Option<Continue> {
        (self.taken >= PAGES_A_TURN).then(|| Continue { pages: std::mem::take(&mut self.taken) })
    }

    /// The error for entries that do not come in the order of a walk.
    pub(crate) fn out_of_order(&self) -> Error {
        violation(&self.control, "a listing that is not in order".to_owned())
    }

    fn expects(&self, path: &RemotePath) -> bool {
        self.expected.as_ref().is_none_or(|expected| expected.include(path))
    }

    fn page(&mut self, envelope: Option<Envelope>) -> Result<Listing, Error> {
        let envelope = envelope.ok_or_else(|| self.control.error())?;
        self.over = !envelope.more;
        self.taken += 1;
        match envelope.message {
            Message::Listing(listing) if listing.entries.len() > LISTING_PAGE_ENTRIES_MAX => Err(violation(
                &self.control,
                "a page of a listing with more entries than it may have".to_owned(),
            )),
            Message::Listing(listing) if !listing.entries.iter().all(|entry| self.expects(&entry.path)) => {
                Err(violation(&self.control, "an entry of a listing that was not asked for".to_owned()))
            }
            Message::Listing(listing) => Ok(listing),
            other => Err(unexpected(&self.control, &self.path, other)),
        }
    }
}

/// Stops a listing that is not read to its end, so that another can take its place.
impl Drop for Pages {
    fn drop(&mut self) {
        if !self.over && !self.control.is_over() {
            let _ = self.control.outbox.try_send(Envelope::new(self.id, Cancel)); // a full queue: the session's end stops it
        }
    }
}

/// Pages between two messages about them: a quarter of what may be under way.
const PAGES_A_TURN: u32 = 4;
