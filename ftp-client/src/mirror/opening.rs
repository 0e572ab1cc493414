//! Opens the parts of a mirror with the first deed that needs them: the job, the hands for small changes, the local tree, the backup.

use super::executor::MirrorExecutor;
use super::job::MirrorJob;
use super::target::{MirrorDirection, TargetMutator};
use super::transfer_queue::TransferQueue;
use crate::error::Error;
use crate::local;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use wire::store::change::mode_beside;
use wire::store::{DiskFolder, Folder, FolderCache, LocalFolder};
use wire::{Failure, RemotePath};

impl MirrorExecutor<'_> {
    /// Opens the job, which makes the target if it is missing.
    pub(super) fn open_transfer(&mut self) -> Result<(), Error> {
        if self.transfer.is_none() {
            let folder = self.local_tree()?;
            let transfer = MirrorJob::open(self.trees, folder, self.options, self.reporter.clone())?;
            self.transfer = Some(TransferQueue::new(transfer)?);
        }
        Ok(())
    }

    pub(super) fn open_mutator(&self) -> Result<TargetMutator, Error> {
        let backup = self.options.backup.as_ref();
        match self.trees.direction {
            MirrorDirection::Upload => {
                let backup = backup.map(|path| remote_backup(path)).transpose()?;
                let (session, path) = (self.trees.session.clone(), self.trees.remote.clone());
                let (power, runtime) = (self.options.transfer.survive_power(), self.trees.runtime.clone());
                let follow = self.trees.follow_there;
                let versions = self.options.versions.filter(|_| backup.is_some());
                Ok(TargetMutator::Remote { session, path, backup, versions, follow, power, runtime })
            }
            MirrorDirection::Download => {
                let tree = self.local_tree()?;
                let backup = backup.map(|path| self.local_backup(path, &tree)).transpose()?;
                let changes = self.options.transfer.changes(tree, backup);
                let changes = changes
                    .and_then(|changes| changes.with_versions(self.options.versions))
                    .map_err(|failure| Error::local(&self.trees.shown, failure))?
                    .noting(self.trees.session.marks().cloned());
                Ok(TargetMutator::Local(Box::new(changes), self.trees.shown.clone()))
            }
        }
    }

    /// The local tree. A target that is missing is made: the folder above it must be there.
    fn local_tree(&self) -> Result<Arc<dyn Folder>, Error> {
        if let Some(local) = &self.trees.local {
            return Ok(local.clone());
        }
        let shown = &self.trees.shown;
        let failed = |error| local::error_at(shown, error);
        let (parent, name) = local::place(shown)?;
        let parent = LocalFolder::open_ambient(&parent).map_err(failed)?;
        let Some(name) = &name else { return Ok(Arc::new(parent)) };
        let parent: Arc<dyn DiskFolder> = Arc::new(parent);
        let mode = self.options.transfer.modes.of_unknown_folder();
        let above = FolderCache::new(parent.clone()).making(move |_| mode);
        let made = above.get(name.as_bytes(), true).map_err(failed)?;
        if self.options.transfer.survive_power() {
            parent.sync().map_err(failed)?;
        }
        Ok(made)
    }

    /// The backup folder, made if it is missing: open to no more people than the target. Within the target no link is followed: it may have
    /// come from the server.
    fn local_backup(&self, path: &Path, tree: &Arc<dyn Folder>) -> Result<Arc<dyn Folder>, Error> {
        let failed = |error| Error::local(path, error);
        let mode = mode_beside(&**tree);
        match &self.options.backup_below {
            Some(below) => {
                let tree = if self.options.keep_dir_links {
                    local::folder(&self.trees.shown)?
                } else {
                    tree.clone()
                };
                let tree = FolderCache::new(tree).making(move |_| mode);
                tree.get(below.as_bytes(), true).map_err(failed)
            }
            None => {
                DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)?;
                local::folder(path)
            }
        }
    }
}

fn remote_backup(path: &Path) -> Result<RemotePath, Error> {
    let parsed = RemotePath::from_user(path.as_os_str().as_bytes());
    parsed.map_err(|error| Error::local(path, Failure::from(error)))
}
