//! Staged items that wait for a sync. Dropping one discards it, unless the next run can resume it.

use crate::engine::admission::NameAdmission;
use crate::failure::{Failure, FailureCode};
use crate::path::{Name, NameRef};
use crate::store::{DiskFolder, StagedName, TargetFile, sync};
use std::io;
use std::sync::Arc;

/// The outcome for an item that a sink took.
pub enum Placed {
    /// It is in its place.
    Done,
    /// It will be in its place when [`Sink::commit`](crate::engine::Sink::commit) reports it.
    Pending(PendingCommit),
}

/// An item that waits for a sync.
pub enum PendingCommit {
    /// A staged file or link. Dropping it discards it.
    Staged(Box<StagedEntry>),
    /// A folder whose metadata was set; its filesystem is to be synced.
    Folder,
}

/// A staged file or link without its final name.
pub struct StagedEntry {
    pub(in crate::engine) folder: Arc<dyn DiskFolder>,
    pub(in crate::engine) staged: StagedName,
    pub(in crate::engine) name: Name,
    /// `None` for a file that stays unchanged.
    pub(in crate::engine) admission: Option<NameAdmission>,
    pub(in crate::engine) content: Unsynced,
    /// It has a journal, which becomes invalid once the file has its name.
    pub(in crate::engine) journal: bool,
    pub(in crate::engine) is_named: bool,
    /// The next run cannot use it: it could not be synced, or may not have its name.
    pub(in crate::engine) is_useless: bool,
    /// Its handle stays open where others are closed.
    pub(in crate::engine) stays_open: bool,
}

/// The content to sync.
pub(in crate::engine) enum Unsynced {
    /// A file with an open handle.
    File(Arc<dyn TargetFile>),
    /// A link, which has no handle.
    Link,
    /// A file whose handle was closed because there are many. If its filesystem is not synced as a whole, it was synced
    /// separately after it was written. Another file of its folder stays open, and so locked, until the whole batch has its
    /// names: this shows others that files of the folder are in use.
    Closed,
    /// A file that stays unchanged. It has its name; an earlier run may have given it that without a sync.
    Kept,
}

impl Drop for StagedEntry {
    fn drop(&mut self) {
        if self.is_named {
            return;
        }
        if let Unsynced::File(file) = &self.content
            && self.journal
            && !self.is_useless
            && file.make_private().is_ok()
        {
            return; // it is complete, and its journal records that: the next run need not send it
        }
        let _ = self.folder.remove_staged(&self.staged); // errors cannot be reported any more
        self.remove_journal();
    }
}

impl StagedEntry {
    /// The existing file `name`, which stays: it is skipped once it is durable.
    pub(in crate::engine) fn kept(folder: Arc<dyn DiskFolder>, name: Name) -> io::Result<Self> {
        if !folder.syncs_as_a_whole() {
            sync::entry(&*folder, (&name).into())?;
        }
        let staged = StagedName::new(); // there is none
        let (content, is_named) = (Unsynced::Kept, true);
        Ok(Self {
            folder,
            staged,
            name,
            admission: None,
            content,
            journal: false,
            is_named,
            is_useless: false,
            stays_open: false,
        })
    }

    fn remove_journal(&self) {
        if self.journal {
            let _ = self.folder.remove_journal(&self.staged); // a remaining journal is swept later
        }
    }

    /// Syncs its content. On a filesystem that is not synced as a whole, files were synced after they had been written: in the
    /// lanes, many at a time. A file's failure is its own; an error of a folder or a filesystem concerns the whole batch.
    pub(super) fn sync(&self) -> io::Result<Result<(), Failure>> {
        let of_file = |synced: io::Result<()>| Ok(synced.map_err(Failure::from));
        match &self.content {
            _ if !self.folder.syncs_as_a_whole() => Ok(Ok(())), // a link's content is part of its folder, which is synced with the names
            Unsynced::File(file) => of_file(file.sync()),
            Unsynced::Link => self.folder.sync().map(Ok),
            Unsynced::Closed => self.folder.sync_filesystem().map(Ok),
            Unsynced::Kept => of_file(sync::entry(&*self.folder, (&self.name).into())),
        }
    }

    /// Writes out its content. On a filesystem that is not synced as a whole, a finished file is on the disk already.
    pub(super) fn write_out(&self) -> io::Result<()> {
        match &self.content {
            Unsynced::File(file) => file.write_out(),
            Unsynced::Closed => {
                self.folder.write_out(NameRef::new(self.staged.as_bytes()).map_err(Failure::from)?)
            }
            Unsynced::Link | Unsynced::Kept => Ok(()),
        }
    }

    pub(super) fn give_name(&mut self) -> Result<(), Failure> {
        let Some(admission) = &self.admission else { return Err(FailureCode::Skipped.into()) };
        let name = (&self.name).into();
        let give_name = |replace| self.folder.publish(&self.staged, name, replace);
        admission.publish(&*self.folder, name, give_name)?;
        self.is_named = true;
        self.remove_journal();
        Ok(())
    }
}
