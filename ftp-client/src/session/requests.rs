//! The requests of a session that one message answers.

#![allow(clippy::wildcard_enum_match_arm, reason = "a request has one answer; whatever else comes is none")]

use super::portions::portions;
use super::{Pages, Session};
use crate::control::{Control, EndReason};
use crate::error::Error;
use std::time::{Duration, Instant};
use wire::checksum::{Checksum, Digest};
use wire::features::Features;
use wire::fidelity::FidelityReport;
use wire::message::{
    Answer, Batch, BatchDone, Call, Change, Details, Digests, Done, Entry, Fidelity, FilePart, FollowLinks,
    List, Message, Ping, Pong, ReadFile, Rename, Stat,
};
use wire::metadata::Kind;
use wire::{Failure, FailureCode, RemotePath};

impl Session {
    /// Makes a request that has one answer, and waits for it. Listings and transfers have methods of their own.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn call<C: Call>(&self, request: C) -> Result<C::Answer, Error> {
        let path = request.path().cloned().unwrap_or_default();
        self.ask(&path, request.into()).await
    }

    /// Metadata of one path; of what it leads to, with `follow`.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn stat(&self, path: &RemotePath, follow: bool) -> Result<Entry, Error> {
        self.call(Stat { path: path.clone(), follow, details: Details::default() }).await
    }

    /// Lists a folder or a whole tree.
    ///
    /// # Errors
    /// If the connection is lost; what the server has to say comes with the first page.
    pub async fn list(&self, path: &RemotePath, recursive: bool) -> Result<Pages, Error> {
        self.list_with(path, recursive, Details::default()).await
    }

    /// As [`list`](Self::list), with what is asked for beside the metadata.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn list_with(
        &self,
        path: &RemotePath,
        recursive: bool,
        details: Details,
    ) -> Result<Pages, Error> {
        self.list_following(path, recursive, details, FollowLinks::Never).await
    }

    /// As [`list_with`](Self::list_with), with a rule for symbolic links.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn list_following(
        &self,
        path: &RemotePath,
        recursive: bool,
        details: Details,
        follow: FollowLinks,
    ) -> Result<Pages, Error> {
        let pattern = RemotePath::root();
        self.list_as(List { path: path.clone(), recursive, pattern, digests: None, details, follow }).await
    }

    /// Lists the entries of a folder whose paths match a pattern, with `recursive` also all that is below them. An entry whose path is
    /// the pattern itself is the only one.
    ///
    /// # Errors
    /// If the connection is lost; what the server has to say comes with the first page.
    pub async fn list_matching(
        &self,
        path: &RemotePath,
        pattern: &RemotePath,
        recursive: bool,
    ) -> Result<Pages, Error> {
        self.list_matching_with(path, pattern, recursive, Details::default()).await
    }

    /// As [`list_matching`](Self::list_matching), with what is asked for beside the metadata.
    ///
    /// # Errors
    /// As [`list_matching`](Self::list_matching).
    pub async fn list_matching_with(
        &self,
        path: &RemotePath,
        pattern: &RemotePath,
        recursive: bool,
        details: Details,
    ) -> Result<Pages, Error> {
        let (path, pattern) = (path.clone(), pattern.clone());
        let follow = FollowLinks::Never;
        self.list_as(List { path, recursive, pattern, digests: None, details, follow }).await
    }

    async fn list_as(&self, list: List) -> Result<Pages, Error> {
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
        self.call(Stat { path: path.clone(), follow: true, details }).await
    }

    /// Reads at most `length` bytes of a file from `offset` on, up to [`READ_LEN_MAX`](wire::limits::READ_LEN_MAX). A lost
    /// connection is made again.
    ///
    /// # Errors
    /// As the server has it, `Unsupported` from one of an older version, or if the connection is lost and cannot be made again.
    pub async fn read_part(&self, path: &RemotePath, offset: u64, length: u32) -> Result<FilePart, Error> {
        self.repeatedly(|session| {
            let read = ReadFile { path: path.clone(), offset, length };
            Box::pin(async move { session.read_part_once(read).await })
        })
        .await
    }

    async fn read_part_once(&self, read: ReadFile) -> Result<FilePart, Error> {
        let control = &self.inner.control;
        let (path, length) = (read.path.clone(), read.length as usize);
        if !Features::READING.are_all_in(control.welcome().await?.features) {
            let reason = "the server is of an older version, which does not read parts of files (`cat` reads all of a file)";
            return Err(Error::remote(&path, Failure::new(FailureCode::Unsupported, reason)));
        }
        let part: FilePart = self.ask_once(&path, read.into()).await?;
        if part.bytes.len() > length {
            return Err(violation(control, "more of a file than was asked for".to_owned()));
        }
        Ok(part)
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
        follow: FollowLinks,
    ) -> Result<Vec<Option<Digest>>, Error> {
        let count = paths.len();
        let digests = self.call(Digests { path: path.clone(), checksum, paths, follow }).await?.digests;
        if digests.len() == count {
            Ok(digests)
        } else {
            Err(violation(&self.inner.control, "digests of other files than were asked for".to_owned()))
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
        match self.call(batch).await?.failures.into_iter().next() {
            Some(failed) => Err(Error::remote(path, failed.failure)),
            None => Ok(()),
        }
    }

    /// How long a round trip takes, as far as the server's program.
    ///
    /// # Errors
    /// If the connection is lost.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let (path, begin) = (RemotePath::root(), Instant::now());
        let Pong = self.ask(&path, Ping.into()).await?;
        Ok(begin.elapsed())
    }

    /// How faithfully a folder keeps times and permissions; none if that cannot be found out.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(crate) async fn fidelity(&self, path: &RemotePath) -> Result<Option<FidelityReport>, Error> {
        match self.call(Fidelity { path: path.clone() }).await {
            Ok(report) => Ok(report.checked()),
            Err(error) if error.failure_code().is_some() => Ok(None),
            Err(error) => Err(error),
        }
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
            match self.call(Batch::new(folder.clone(), changes, false)).await {
                Ok(BatchDone { failures: failed }) => failures
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
        match self.call(rename.clone()).await {
            Err(Error::Remote { failure, .. }) => {
                let path = self.path_of_failed_rename(&rename, failure.code).await;
                Err(Error::remote(&path, failure))
            }
            other => other.map(|Done| ()),
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

    /// Sends a request that has one answer, and waits for it. It may be the session's first.
    async fn ask<A: Answer>(&self, path: &RemotePath, request: Message) -> Result<A, Error> {
        if self.inner.control.was_welcome() {
            return self.ask_once(path, request).await;
        }
        self.once_accepted(|session| {
            let (path, request) = (path.clone(), request.clone());
            Box::pin(async move { session.ask_once(&path, request).await })
        })
        .await
    }

    async fn ask_once<A: Answer>(&self, path: &RemotePath, request: Message) -> Result<A, Error> {
        let control = &self.inner.control;
        let _turn = self.inner.requests.acquire().await.map_err(|_| control.error())?;
        let mut answers = control.request(control.next_id(), request).await?;
        let answer = answers.recv().await.ok_or_else(|| control.error())?;
        A::try_from(answer.message).map_err(|other| unexpected(control, path, *other))
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
