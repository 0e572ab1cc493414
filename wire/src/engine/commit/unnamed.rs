//! Items that are staged and wait for a sync. Dropping one discards it, unless the next run can go on from it.

use crate::engine::admission::NameAdmission;
use crate::failure::{Failure, FailureCode};
use crate::path::{Name, NameRef};
use crate::store::{Folder, StagedName, TargetFile, sync};
use std::io;
use std::sync::Arc;

/// The outcome for an item that a sink took.
pub enum Placed {
    /// It is in its place.
    Done,
    /// It is in its place when [`Sink::commit`](crate::engine::Sink::commit) says so.
    Waiting(Waiting),
}

/// An item that waits for a sync.
pub enum Waiting {
    /// A file or link that is staged. Dropping it discards it.
    Named(Box<Unnamed>),
    /// A folder whose metadata was set; its filesystem is to be synced.
    Folder,
}

/// A file or link that is staged and has no name yet.
pub struct Unnamed {
    pub(in crate::engine) folder: Arc<dyn Folder>,
    pub(in crate::engine) staged: StagedName,
    pub(in crate::engine) name: Name,
    /// None for what stays as it is.
    pub(in crate::engine) admission: Option<NameAdmission>,
    pub(in crate::engine) content: Unsynced,
    /// It has a journal, which tells of nothing any more once the file has its name.
    pub(in crate::engine) journal: bool,
    pub(in crate::engine) is_named: bool,
    /// Nothing of it is of use to the next run: it could not be synced, or may not have its name.
    pub(in crate::engine) is_useless: bool,
    /// Its handle stays open where those of others are closed.
    pub(in crate::engine) stays_open: bool,
}

/// The content that is to be synced.
pub(in crate::engine) enum Unsynced {
    /// A file, whose handle is open.
    File(Arc<dyn TargetFile>),
    /// A link, which has no handle.
    Link,
    /// A file whose handle was closed, since there are many; where its filesystem is not synced as a whole, it was synced by itself
    /// when it had been written. Another one of its folder is open, and so locked, until all of the
    /// batch have their names: by that others can tell that files of the folder are in use.
    Closed,
    /// A file that stays as it is. It has its name; an earlier run may have given it that without a sync.
    Kept,
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if self.is_named {
            return;
        }
        if let Unsynced::File(file) = &self.content
            && self.journal
            && !self.is_useless
            && file.make_private().is_ok()
        {
            return; // all of it is there, and its journal tells so: the next run need not send it
        }
        let _ = self.folder.remove_staged(&self.staged); // nobody is left to be told
        self.remove_journal();
    }
}

impl Unnamed {
    /// The file that is called `name` already, and stays: it is skipped once it is durable.
    pub(in crate::engine) fn kept(folder: Arc<dyn Folder>, name: Name) -> io::Result<Self> {
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
            let _ = self.folder.remove_journal(&self.staged); // it is found later as what it is
        }
    }

    /// Syncs its content. On a filesystem that is not synced as a whole, files were synced when they had been written: in the lanes, many
    /// at a time. A file's failure is its own; an error of a folder or a filesystem is about all of the batch.
    pub(super) fn sync(&self) -> io::Result<Result<(), Failure>> {
        let of_file = |synced: io::Result<()>| Ok(synced.map_err(Failure::from));
        match &self.content {
            _ if !self.folder.syncs_as_a_whole() => Ok(Ok(())), // what a link is, its folder tells, and that is synced with the names
            Unsynced::File(file) => of_file(file.sync()),
            Unsynced::Link => self.folder.sync().map(Ok),
            Unsynced::Closed => self.folder.sync_filesystem().map(Ok),
            Unsynced::Kept => of_file(sync::entry(&*self.folder, (&self.name).into())),
        }
    }

    /// On such a filesystem a file is on the disk when it has been finished.
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
        admission.publish(&*self.folder, &self.staged, (&self.name).into())?;
        self.is_named = true;
        self.remove_journal();
        Ok(())
    }
}
