//! Finds out if the server has a file already.

use crate::error::Error;
use crate::local::{self, error_at};
use crate::session::Session;
use std::path::Path;
use wire::message::FollowLinks;
use wire::metadata::{Kind, Timestamp};
use wire::store::{LocalFolder, digest};
use wire::{FailureCode, Name, RemotePath};

/// The rule by which two files are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipIf {
    /// Size and modification time.
    Time,
    /// Size and content: each end reads its own.
    Content,
}

impl Session {
    /// Where a file will be that is sent to `path`, or into it if that is a folder. Returns `path` for users who may not look.
    ///
    /// # Errors
    /// As the server has it, or if the connection is lost.
    pub async fn place(&self, path: &RemotePath, into: Option<&Name>) -> Result<RemotePath, Error> {
        let Some(name) = into else { return Ok(path.clone()) };
        match self.stat(path, true).await {
            Ok(entry) if entry.metadata.kind == Kind::Folder => {
                path.join(name).map_err(|error| Error::remote(path, error))
            }
            Ok(_) => Ok(path.clone()),
            Err(error) => match error.failure_code() {
                Some(FailureCode::NotFound | FailureCode::AccessDenied) => Ok(path.clone()),
                _ => Err(error),
            },
        }
    }

    /// The size of the local file, if the server has the same at `path`.
    ///
    /// # Errors
    /// If the local file cannot be read, or the connection is lost.
    pub async fn has_same(
        &self,
        local: &Path,
        path: &RemotePath,
        sameness: SkipIf,
    ) -> Result<Option<u64>, Error> {
        let (there, is_unproven) = match self.stat(path, false).await {
            Ok(entry) => (entry.metadata, entry.is_unproven()),
            Err(error) => match error.failure_code() {
                Some(FailureCode::NotFound) => return Ok(None),
                _ => return Err(error),
            },
        };
        let owned = local.to_owned();
        let identity = LocalFolder::open_ambient_file(local).and_then(|file| file.identity());
        let here = identity.map_err(|error| error_at(local, error))?.metadata;
        let comparable = there.kind == Kind::File && there.size == here.size;
        let same = comparable
            && match sameness {
                SkipIf::Time if is_unproven => false, // to send it costs no more than to read it
                SkipIf::Time => self.is_kept(path, here.modified, there.modified).await?,
                SkipIf::Content => {
                    let checksum = self.checksum();
                    let read = local::blocking(move || {
                        let file = LocalFolder::open_ambient_file(&owned)
                            .map_err(|error| error_at(&owned, error))?;
                        digest::of_file(&*file, checksum, &|| false)
                            .map_err(|failure| Error::local(&owned, failure))
                    });
                    let ours = read.await?;
                    let Some((folder, name)) = path.split_last() else { return Ok(None) };
                    let name = RemotePath::root().join(&name).map_err(|error| Error::remote(path, error))?;
                    let theirs = self.digests(&folder, checksum, vec![name], FollowLinks::Never).await?;
                    theirs.first().copied().flatten() == Some(ours)
                }
            };
        Ok(same.then_some(here.size))
    }

    /// True if `kept` is what the server's filesystem has made of `time`.
    async fn is_kept(&self, path: &RemotePath, time: Timestamp, kept: Timestamp) -> Result<bool, Error> {
        if time == kept {
            return Ok(true);
        }
        let folder = path.split_last().map(|(folder, _)| folder).unwrap_or_default();
        let fidelity = self.fidelity(&folder).await?;
        Ok(fidelity.is_some_and(|fidelity| fidelity.time(time) == kept))
    }
}
