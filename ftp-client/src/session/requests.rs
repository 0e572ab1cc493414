//! The requests of a session that one message answers.

#![allow(clippy::wildcard_enum_match_arm, reason = "a request has one answer; whatever else comes is none")]

use super::portions::portions;
use super::{Pages, Session};
use crate::control::{Control, EndReason};
use crate::error::Error;
use std::time::{Duration, Instant};
use wire::checksum::{Checksum, Digest};
use wire::fidelity::FidelityReport;
use wire::message::{
    Batch, Change, ChangeFailure, Details, Digests, Entry, Fidelity, Hash, Hashed, Link, List, MakeFolder,
    Message, Ping, Remove, Rename, SetMetadata, Space, SpaceReport, Stat, Sweep, Swept,
};
use wire::metadata::Kind;
use wire::{Failure, FailureCode, RemotePath};

impl Session {
    /// Metadata of one path; of what it leads to, with `follow`.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn stat(&self, path: &RemotePath, follow: bool) -> Result<Entry, Error> {
        match self.ask(path, Stat { path: path.clone(), follow, details: Details::default() }).await? {
            Message::Status(entry) => Ok(entry),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Lists a folder or a whole tree.
    ///
    /// # Errors
    /// If the connection is lost; what the server has to say comes with the first page.
    pub async fn list(&self, path: &RemotePath, recursive: bool) -> Result<Pages, Error> {
        self.list_with(path, recursive, Details::default()).await
    }

    /// As [`list`](Self::list), with what is asked for beside the metadata.
    pub(crate) async fn list_with(
        &self,
        path: &RemotePath,
        recursive: bool,
        details: Details,
    ) -> Result<Pages, Error> {
        let list = List { path: path.clone(), recursive, digests: None, details };
        self.once_accepted(|session| {
            let list = list.clone();
            Box::pin(async move { Pages::open(session.inner.control.clone(), list).await })
        })
        .await
    }

    /// Metadata of a folder, or of what a link to one leads to, with what was asked for beside it.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub(crate) async fn stat_folder(&self, path: &RemotePath, details: Details) -> Result<Entry, Error> {
        match self.ask(path, Stat { path: path.clone(), follow: true, details }).await? {
            Message::Status(entry) => Ok(entry),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Root digests of files below a folder; `None` for those that cannot be read.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub(crate) async fn digests(
        &self,
        path: &RemotePath,
        checksum: Checksum,
        paths: Vec<RemotePath>,
    ) -> Result<Vec<Option<Digest>>, Error> {
        let count = paths.len();
        match self.ask(path, Digests { path: path.clone(), checksum, paths }).await? {
            Message::Digested(digested) if digested.digests.len() == count => Ok(digested.digests),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Makes many small changes, one after the other; tells which of them failed.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub(crate) async fn batch(&self, batch: Batch) -> Result<Vec<ChangeFailure>, Error> {
        let path = batch.path.clone();
        match self.ask(&path, batch).await? {
            Message::BatchDone(done) => Ok(done.failures),
            other => Err(unexpected(&self.inner.control, &path, other)),
        }
    }

    /// Makes durable what is at `path` at the server, and below it, whoever wrote it.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn sync(&self, path: &RemotePath) -> Result<(), Error> {
        let (folder, below) = match path.split_last() {
            Some((folder, name)) => (folder, RemotePath::root().join(&name)),
            None => (RemotePath::root(), Ok(RemotePath::root())),
        };
        let below = below.map_err(|error| Error::remote(path, error))?;
        let changes = vec![Change::Sync { path: below }];
        let batch = Batch::new(folder, changes, true);
        match self.batch(batch).await?.into_iter().next() {
            Some(failed) => Err(Error::remote(path, failed.failure)),
            None => Ok(()),
        }
    }

    /// SHA-256 of a file's content.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn hash(&self, path: &RemotePath) -> Result<Hashed, Error> {
        match self.ask(path, Hash { path: path.clone() }).await? {
            Message::Hashed(hashed) => Ok(hashed),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// How long a round trip takes, as far as the server's program.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let (path, begin) = (RemotePath::root(), Instant::now());
        match self.ask(&path, Ping).await? {
            Message::Pong(_) => Ok(begin.elapsed()),
            other => Err(unexpected(&self.inner.control, &path, other)),
        }
    }

    /// How faithfully a folder keeps times and permissions; none if that cannot be found out.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn fidelity(&self, path: &RemotePath) -> Result<Option<FidelityReport>, Error> {
        match self.ask(path, Fidelity { path: path.clone() }).await {
            Ok(Message::FidelityReport(report)) => Ok(report.checked()),
            Ok(other) => Err(unexpected(&self.inner.control, path, other)),
            Err(error) if error.failure_code().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Free and used space.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn space(&self, path: &RemotePath) -> Result<SpaceReport, Error> {
        match self.ask(path, Space { path: path.clone() }).await? {
            Message::SpaceReport(report) => Ok(report),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn make_folder(&self, path: &RemotePath, parents: bool) -> Result<(), Error> {
        self.tell(path, MakeFolder { path: path.clone(), parents }).await
    }

    /// Removes a file, link or folder.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn remove(&self, path: &RemotePath, recursive: bool) -> Result<(), Error> {
        self.tell(path, Remove { path: path.clone(), recursive }).await
    }

    /// Removes files and links of one folder; tells which of them it could not remove, by their place in the list.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn remove_files(
        &self,
        folder: &RemotePath,
        names: Vec<RemotePath>,
    ) -> Result<Vec<(usize, Failure)>, Error> {
        let mut failures = Vec::new();
        let mut first = 0;
        for portion in portions(names, |name| name.as_bytes().len()) {
            let count = portion.len();
            let changes = portion.into_iter().map(|path| Change::RemoveFile { path, was: None }).collect();
            match self.batch(Batch::new(folder.clone(), changes, false)).await {
                Ok(failed) => failures
                    .extend(failed.into_iter().map(|failed| (first + failed.index as usize, failed.failure))),
                // The folder is missing, for instance: so is each file.
                Err(Error::Remote { failure, .. }) if failure.code != FailureCode::ShuttingDown => {
                    failures.extend((first..first + count).map(|index| (index, failure.clone())));
                }
                Err(error) => return Err(error),
            }
            first += count;
        }
        Ok(failures)
    }

    /// Renames.
    ///
    /// # Errors
    /// As the server has it, of whichever of both paths it is about; or if the connection is lost.
    pub async fn rename(&self, rename: Rename) -> Result<(), Error> {
        match self.tell(&rename.from, rename.clone()).await {
            Err(Error::Remote { failure, .. }) => {
                let path = self.path_of_failed_rename(&rename, failure.code).await;
                Err(Error::remote(&path, failure))
            }
            other => other,
        }
    }

    /// The path that the failure of a rename is about: a failure has none, and a rename has two.
    async fn path_of_failed_rename(&self, rename: &Rename, code: FailureCode) -> RemotePath {
        let Rename { from, to, into, .. } = rename;
        let is_into_itself = to.strip_prefix(from).is_some_and(|below| !below.is_root());
        let is_in_place =
            matches!(code, FailureCode::Exists | FailureCode::NotEmpty | FailureCode::IsAFolder);
        let is_of_either = matches!(
            code,
            FailureCode::NotFound
                | FailureCode::NotAFolder
                | FailureCode::InvalidPath
                | FailureCode::OutsideRoot
        );
        if is_into_itself || !(is_in_place || is_of_either && self.stat(from, false).await.is_ok()) {
            return from.clone();
        }
        match self.stat(to, true).await {
            Ok(entry) if entry.metadata.kind == Kind::Folder => {
                let within = into.as_ref().and_then(|name| to.join(name).ok());
                within.unwrap_or_else(|| to.clone())
            }
            Err(_) if matches!(code, FailureCode::NotFound | FailureCode::NotAFolder) => {
                to.split_last().map_or_else(|| to.clone(), |(folder, _)| folder)
            }
            Ok(_) | Err(_) => to.clone(),
        }
    }

    /// Changes metadata.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn set_metadata(&self, change: SetMetadata) -> Result<(), Error> {
        let path = change.path.clone();
        self.tell(&path, change).await
    }

    /// Removes what interrupted transfers have left in a folder and below, but for what is in use or has changed within `idle`.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn sweep(&self, path: &RemotePath, idle: Duration) -> Result<Swept, Error> {
        match self.ask(path, Sweep { path: path.clone(), idle: idle.as_secs() }).await? {
            Message::Swept(swept) => Ok(swept),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn link(&self, path: &RemotePath, target: &[u8]) -> Result<(), Error> {
        self.tell(path, Link { path: path.clone(), target: target.to_vec() }).await
    }

    /// Sends a request that has one answer, and waits for it.
    async fn ask(&self, path: &RemotePath, request: impl Into<Message>) -> Result<Message, Error> {
        if self.inner.control.was_welcome() {
            return self.ask_once(path, request.into()).await;
        }
        let (path, request) = (path.clone(), request.into());
        self.once_accepted(|session| {
            let (path, request) = (path.clone(), request.clone());
            Box::pin(async move { session.ask_once(&path, request).await })
        })
        .await
    }

    async fn ask_once(&self, path: &RemotePath, request: Message) -> Result<Message, Error> {
        let control = &self.inner.control;
        let _turn = self.inner.requests.acquire().await.map_err(|_| control.error())?;
        let mut answers = control.request(control.next_id(), request).await?;
        let answer = answers.recv().await.ok_or_else(|| control.error())?;
        match answer.message {
            Message::Failure(failure) => Err(Error::Remote { path: path.to_string(), failure }),
            message => Ok(message),
        }
    }

    async fn tell(&self, path: &RemotePath, request: impl Into<Message>) -> Result<(), Error> {
        match self.ask(path, request).await? {
            Message::Done(_) => Ok(()),
            other => Err(unexpected(&self.inner.control, path, other)),
        }
    }
}

/// The error for an answer that is a failure, or none to this request.
pub(crate) fn unexpected(control: &Control, path: &RemotePath, message: Message) -> Error {
    match message {
        Message::Failure(failure) => Error::Remote { path: path.to_string(), failure },
        other => violation(control, format!("an answer of kind {} to another request", other.kind())),
    }
}

/// The error for what a server may not do. The session ends, so that no request waits for it.
pub(crate) fn violation(control: &Control, reason: String) -> Error {
    control.end(EndReason::Protocol(reason.clone()));
    Error::Protocol { address: control.address.clone(), reason }
}
