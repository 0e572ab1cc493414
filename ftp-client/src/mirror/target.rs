//! The target's tree and the source's: which of them is here, and which at the server.

use super::effects::{Digester, FileDigests};
use crate::error::Error;
use crate::report::Reporter;
use crate::session::Session;
use crate::session::portions::{ITEM_LEN, portions};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;
use wire::checksum::Checksum;
use wire::fidelity::FidelityReport;
use wire::message::{Batch, Change, ChangeFailure, FollowLinks, KeptVersions, Resume};
use wire::store::change::Changes;
use wire::store::{Folder, FolderCache, digest};
use wire::{Failure, FailureCode, RemotePath};

/// Which way a mirror goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorDirection {
    /// From here to the server.
    Upload,
    /// From the server to here.
    Download,
}

/// Both trees.
pub(crate) struct Trees {
    pub(crate) direction: MirrorDirection,
    pub(crate) session: Session,
    pub(crate) remote: RemotePath,
    /// The target is the user's root, which this user may not change itself: its own metadata stays as it is.
    pub(crate) leaves_root: bool,
    /// False if the folder at the server is a target that does not exist.
    pub(crate) is_at_server: bool,
    /// The folder here; none if it is a target that does not exist.
    pub(crate) local: Option<Arc<dyn Folder>>,
    /// The treatment of links in the tree at the server.
    pub(crate) follow_there: FollowLinks,
    pub(crate) shown: PathBuf,
    /// How the job treats what an interrupted run has left.
    pub(crate) resume: Resume,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) runtime: Handle,
}

impl Trees {
    /// True if the target was there when the mirror began.
    pub(crate) fn has_target(&self) -> bool {
        match self.direction {
            MirrorDirection::Upload => self.is_at_server,
            MirrorDirection::Download => self.local.is_some(),
        }
    }

    /// A failure of the target at `path`.
    pub(crate) fn target_error(&self, path: &RemotePath, failure: Failure) -> Error {
        match self.direction {
            MirrorDirection::Upload => {
                Error::remote(&self.remote.join_path(path).unwrap_or_default(), failure)
            }
            MirrorDirection::Download => Error::local(&self.shown, failure),
        }
    }

    fn local_digests(&self, paths: &[RemotePath], checksum: Checksum) -> FileDigests {
        let Some(local) = &self.local else { return vec![None; paths.len()] };
        let folders = FolderCache::new(local.clone());
        let of = |path: &RemotePath| {
            let (parent, name) = path.parent_and_name()?;
            let file = folders.get(parent, false).and_then(|folder| folder.open_file(name)).ok()?;
            digest::of_file(&*file, checksum, &|| false).ok() // what cannot be read is found out when it is sent
        };
        paths.iter().map(of).collect()
    }

    async fn remote_digests(&self, paths: Vec<RemotePath>, checksum: Checksum) -> Result<FileDigests, Error> {
        let mut digests = Vec::with_capacity(paths.len());
        for portion in portions(paths, |path| path.as_bytes().len()) {
            digests.extend(self.session.digests(&self.remote, checksum, portion, self.follow_there).await?);
        }
        Ok(digests)
    }
}

impl Digester for Trees {
    /// Each end reads its own files, at the same time.
    fn digests(
        &self,
        source: Vec<RemotePath>,
        target: Vec<RemotePath>,
    ) -> Result<(FileDigests, FileDigests), Error> {
        let checksum = self.session.checksum();
        let (local, remote) = match self.direction {
            MirrorDirection::Upload => (source, target),
            MirrorDirection::Download => (target, source),
        };
        std::thread::scope(|scope| {
            let here = scope.spawn(|| self.local_digests(&local, checksum));
            let there = self.runtime.block_on(self.remote_digests(remote, checksum))?;
            let here = here.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok(match self.direction {
                MirrorDirection::Upload => (here, there),
                MirrorDirection::Download => (there, here),
            })
        })
    }

    fn fidelity(&self, folder: &RemotePath) -> Result<Option<FidelityReport>, Error> {
        match (self.direction, &self.local) {
            (MirrorDirection::Upload, _) => {
                let path =
                    self.remote.join_path(folder).map_err(|error| Error::remote(&self.remote, error))?;
                self.runtime.block_on(self.session.fidelity(&path))
            }
            (MirrorDirection::Download, Some(local)) => {
                let found = FolderCache::new(local.clone()).get(folder.as_bytes(), false);
                Ok(found.and_then(|folder| folder.fidelity()).ok())
            }
            (MirrorDirection::Download, None) => Ok(None),
        }
    }
}

/// Makes small changes of the target.
pub(crate) enum TargetMutator {
    /// Here.
    Local(Box<Changes>, PathBuf),
    /// At the server.
    Remote {
        session: Session,
        path: RemotePath,
        backup: Option<RemotePath>,
        versions: Option<KeptVersions>,
        follow: FollowLinks,
        /// Changes must survive a loss of power.
        power: bool,
        runtime: Handle,
    },
}

impl TargetMutator {
    /// Makes all changes, one after the other; gives the failure of each.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> Result<Vec<Option<Failure>>, Error> {
        match self {
            Self::Local(local, shown) => {
                let failures = changes.iter().map(|change| local.make(change).err()).collect();
                local.sync().map_err(|error| Error::local(shown, error))?;
                Ok(failures)
            }
            Self::Remote { session, path, backup, versions, follow, power, runtime } => {
                let mut failures = Vec::with_capacity(changes.len());
                for changes in portions(changes, change_len) {
                    let begin = failures.len();
                    failures.resize(begin + changes.len(), None);
                    let batch = Batch::new(path.clone(), changes, *power);
                    let (backup, versions, follow) = (backup.clone(), *versions, *follow);
                    let batch = Batch { backup, versions, follow, ..batch };
                    let made = runtime
                        .block_on(session.call(batch))
                        .map_err(|error| vanished(path, error))?
                        .failures;
                    for ChangeFailure { index, failure } in made {
                        if let Some(place) = failures.get_mut(begin + index as usize) {
                            *place = Some(failure);
                        }
                    }
                }
                Ok(failures)
            }
        }
    }
}

/// The target was there when the mirror began.
fn vanished(target: &RemotePath, error: Error) -> Error {
    match error.failure_code() {
        Some(FailureCode::NotFound) => {
            let reason = "the target is gone: it was removed or renamed meanwhile; run again to make it anew";
            Error::remote(target, Failure::new(FailureCode::NotFound, reason))
        }
        Some(_) | None => error,
    }
}

/// About what a change takes on the wire beside its numbers.
fn change_len(change: &Change) -> usize {
    let len = |path: &RemotePath| path.as_bytes().len();
    match change {
        Change::RemoveFile { path, .. }
        | Change::RemoveFolder { path }
        | Change::MakeFolder { path }
        | Change::SetMetadata { path, .. }
        | Change::SetAside { path, .. }
        | Change::Sync { path, .. }
        | Change::Prune { path } => len(path),
        Change::Move { from: path, to: other, .. } | Change::HardLink { path, of: other } => {
            len(path) + len(other)
        }
        Change::SetOwner { path, owner } => len(path) + owner.user_name.len() + owner.group_name.len(),
        Change::SetXattrs { path, xattrs } => {
            let each = xattrs.iter().map(|xattr| ITEM_LEN + xattr.name.len() + xattr.value.len());
            len(path) + each.sum::<usize>()
        }
    }
}
