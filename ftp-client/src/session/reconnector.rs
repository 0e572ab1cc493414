//! The part of a session that outlives a connection: how to make another one, and the memory of transfers.
//!
//! A transfer whose connection is lost is begun again over a new one, as one that was interrupted: whatever the receiver has
//! by then is not sent again. The new session first [takes the place](Replace) of the old one, since the server may not
//! know yet that the old one is lost, and would keep its files and folders in use.

use super::{ConnectOptions, Inner, Outages, Session};
use crate::error::Error;
use crate::local;
use crate::outages::{Outage, is_loss, is_outage};
use crate::resume_store::{ResumeRecord, ResumeStore};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::timeout;
use wire::RemotePath;
use wire::journal::JournalKey;
use wire::message::{Replace, Resume};
use wire::store::Folder;
use wire::store::marks::{Marks, Unproven};
use wire::sync::lock;

/// Connections to one server, one after the other.
pub(super) struct Reconnector {
    options: ConnectOptions,
    latest: std::sync::Mutex<Arc<Inner>>,
    /// Held while a new connection is made: one is enough for all transfers.
    connecting: Mutex<()>,
    resume_store: Arc<ResumeStore>,
    /// Files on the server that are there for this session only.
    pub(super) temp_files: std::sync::Mutex<Vec<RemotePath>>,
}

/// An attempt of a transfer.
pub(crate) type AttemptFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

impl Reconnector {
    pub(super) fn new(options: ConnectOptions, first: Arc<Inner>) -> Self {
        let resume_store = Arc::new(ResumeStore::new(options.state.clone()));
        let (latest, temp_files) = (std::sync::Mutex::new(first), std::sync::Mutex::default());
        Self { options, latest, connecting: Mutex::new(()), resume_store, temp_files }
    }

    /// How to make a connection of its own to the same server, with so many lanes.
    pub(super) fn options_beside(&self, lanes: u16) -> ConnectOptions {
        ConnectOptions { lanes, ..self.options.clone() }
    }

    fn latest(&self) -> Arc<Inner> {
        lock(&self.latest).clone()
    }

    async fn begin(&self, about: [u8; 16]) -> Result<ResumeRecord, Error> {
        let resume_store = self.resume_store.clone();
        local::blocking(move || Ok(resume_store.begin(about))).await
    }

    /// The connection that takes the place of `lost`, unless the time for that is over.
    async fn reconnect(&self, lost: &Inner, error: Error, outage: &mut Outage) -> Result<Arc<Inner>, Error> {
        let _one_at_a_time = self.connecting.lock().await;
        let latest = self.latest();
        if !latest.control.is_over() && !std::ptr::eq(&*latest, lost) {
            return Ok(latest); // another transfer was faster
        }
        let mut error = error;
        loop {
            outage.pause(&self.options.outages, error).await?;
            match self.connect(lost).await {
                Ok(inner) => {
                    outage.end(&self.options.outages);
                    *lock(&self.latest) = inner.clone();
                    return Ok(inner);
                }
                Err(again) if is_outage(&again) => error = again,
                Err(last) => return Err(last),
            }
        }
    }

    /// Connects, and waits until the server has accepted that. A session that was accepted before is replaced.
    async fn connect(&self, lost: &Inner) -> Result<Arc<Inner>, Error> {
        let inner = Arc::new(Inner::connect(&self.options).await?);
        let accepted = async {
            if lost.control.was_welcome() {
                inner.replace(lost).await
            } else {
                inner.control.welcome().await.map(drop)
            }
        };
        match timeout(self.options.timeout, accepted).await {
            Ok(accepted) => accepted.map(|()| inner.clone()),
            Err(_) => {
                let address = inner.control.address.clone();
                Err(Error::Lost { address, reason: "no answer in time".to_owned() })
            }
        }
    }
}

impl Inner {
    /// Makes the first connection of a session.
    pub(super) async fn first(options: &ConnectOptions) -> Result<Self, Error> {
        let (outages, mut outage) = (&options.outages, Outage::begin());
        loop {
            match Self::connect(options).await {
                Err(error) if outages.allow_first(&error) => outage.pause(outages, error).await?,
                Ok(inner) => {
                    outage.end(outages);
                    return Ok(inner);
                }
                error => return error,
            }
        }
    }

    /// Takes the place of a session that was lost. A server that does not know this request ends the old session by itself.
    async fn replace(&self, lost: &Self) -> Result<(), Error> {
        let (control, old, new) = (&self.control, &lost.dialer, &self.dialer);
        let proof = old.secret.prove_replacement(&old.session, &new.session);
        let replace = Replace { session: old.session, proof };
        let mut answers = control.request(control.next_id(), replace.into()).await?;
        answers.recv().await.map(drop).ok_or_else(|| control.error())
    }
}

impl Session {
    /// The session over the latest connection.
    pub(crate) fn latest(&self) -> Self {
        Self { inner: self.reconnector.latest(), reconnector: self.reconnector.clone() }
    }

    /// True if a connection that is lost is made anew.
    pub(crate) fn reconnects(&self) -> bool {
        let Outages { give_up_after, tries_max, .. } = &self.reconnector.options.outages;
        !give_up_after.is_zero() && *tries_max != Some(0)
    }

    /// True if the latest connection is over.
    pub(crate) fn is_over_at_last(&self) -> bool {
        self.reconnector.latest().control.is_over()
    }

    /// True if the server has accepted the login over the latest connection.
    pub(crate) fn was_welcome_at_last(&self) -> bool {
        self.reconnector.latest().control.was_welcome()
    }

    /// Waits until the latest connection is over.
    pub(crate) async fn until_over_at_last(&self) {
        let latest = self.reconnector.latest();
        latest.control.over.cancelled().await;
    }

    /// Makes the connection anew if it is over, unless the server has withdrawn the access.
    pub(crate) async fn reconnected(&self) -> Result<(), Error> {
        let latest = self.reconnector.latest();
        if !latest.control.is_over() {
            return Ok(());
        }
        let error = latest.control.error();
        if matches!(error, Error::Revoked { .. }) {
            return Err(error);
        }
        self.reconnector.reconnect(&latest, error, &mut Outage::begin()).await.map(drop)
    }

    /// The key of this end's journals, if there are any.
    pub(crate) fn journal_key(&self) -> Option<JournalKey> {
        self.reconnector.resume_store.key()
    }

    /// Marks of what was written here and not synced.
    pub(crate) fn marks(&self) -> Option<&Arc<Marks>> {
        self.reconnector.resume_store.unsynced()
    }

    /// A job that writes below `folder` here begins; gives what may have been lost of what is there. May block.
    pub(crate) fn begin_writing(&self, folder: &Arc<dyn Folder>, power: bool) -> Unproven {
        let begin = |marks: &Arc<Marks>| marks.begin(folder, power);
        self.marks().map(begin).unwrap_or_default()
    }

    /// The transfers from now on are parts of one: if that is interrupted, what had ended is not done again by the next run.
    #[must_use]
    pub fn begin_batch(&self) -> TransferBatch {
        self.reconnector.resume_store.begin_batch();
        TransferBatch(self.reconnector.resume_store.clone())
    }

    /// Makes an attempt of a transfer, and another one each time that the connection was lost meanwhile. `about` tells the
    /// transfer from others; `None` if it does not resume an interrupted run.
    pub(crate) async fn lasting<T>(
        &self,
        about: Option<[u8; 16]>,
        attempt: impl Fn(Self, Resume, Arc<ResumeRecord>) -> AttemptFuture<T>,
    ) -> Result<T, Error> {
        let record = Arc::new(match about {
            Some(about) => self.reconnector.begin(about).await?,
            None => ResumeRecord::none(),
        });
        let mut resume = match (about, record.place()) {
            (None, _) => Resume::Never,
            (Some(_), None) => Resume::New,
            (Some(_), Some(_)) => Resume::Again,
        };
        let mut session = self.latest();
        let mut outage = Outage::begin();
        let done = loop {
            let error = match attempt(session.clone(), resume, record.clone()).await {
                Err(error) if session.may_go_on_after(&error) => error,
                Err(error) => return Err(error),
                Ok(done) => break done,
            };
            if outage.is_new() || session.inner.control.exchange.frames_through() > 0 {
                outage = Outage::begin(); // it went on for a while
            }
            let inner = self.reconnector.reconnect(&session.inner, error, &mut outage).await?;
            session = Self { inner, reconnector: self.reconnector.clone() };
            if resume == Resume::New {
                resume = Resume::Again;
            }
        };
        let resume_store = self.reconnector.resume_store.clone();
        local::blocking(move || {
            resume_store.end(record);
            Ok(())
        })
        .await?;
        Ok(done)
    }

    /// Makes a request that has no effect unless the server accepts the session, and makes it once more over another
    /// connection if the server did not, where [`Outages`](super::Outages) allow that. So the first request need not wait for
    /// the answer to the login.
    pub(crate) async fn once_accepted<T>(
        &self,
        request: impl Fn(Self) -> AttemptFuture<T>,
    ) -> Result<T, Error> {
        let turned_away = self.inner.control.is_over() && !self.inner.control.was_welcome();
        let session = if turned_away { self.latest() } else { self.clone() };
        match request(session.clone()).await {
            Err(error) if !session.inner.control.was_welcome() && session.may_go_on_after(&error) => {
                let inner = self.reconnector.reconnect(&session.inner, error, &mut Outage::begin()).await?;
                request(Self { inner, reconnector: self.reconnector.clone() }).await
            }
            result => result,
        }
    }

    /// Makes a request that changes nothing, and makes it again each time that the connection was lost meanwhile.
    pub(crate) async fn repeatedly<T>(&self, request: impl Fn(Self) -> AttemptFuture<T>) -> Result<T, Error> {
        let (mut session, mut outage) = (self.latest(), Outage::begin());
        loop {
            let error = match request(session.clone()).await {
                Err(error) if session.may_go_on_after(&error) => error,
                result => return result,
            };
            let inner = self.reconnector.reconnect(&session.inner, error, &mut outage).await?;
            session = Self { inner, reconnector: self.reconnector.clone() };
        }
    }

    /// True if `error` ended the connection, and another one may be made.
    fn may_go_on_after(&self, error: &Error) -> bool {
        if self.inner.control.was_welcome() {
            is_loss(error)
        } else {
            self.reconnector.options.outages.allow_first(error)
        }
    }
}

/// Transfers that are parts of one. Dropped before its end, the whole was interrupted.
pub struct TransferBatch(Arc<ResumeStore>);

impl TransferBatch {
    /// All of them have ended.
    ///
    /// # Errors
    /// If this machine has no thread for it.
    pub async fn end(self) -> Result<(), Error> {
        let resume_store = self.0.clone();
        local::blocking(move || {
            resume_store.finish_batch(true);
            Ok(())
        })
        .await
    }
}

impl Drop for TransferBatch {
    fn drop(&mut self) {
        self.0.finish_batch(false); // nothing, after the end
    }
}
