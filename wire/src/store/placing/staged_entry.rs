//! Staged items that wait for a sync. Dropping one discards it, unless the next run can resume it.

use crate::failure::{Failure, FailureCode};
use crate::path::{Name, NameRef};
use crate::store::admission::NameAdmission;
use crate::store::{DiskFolder, StagedName, TargetFile, sync};
use std::io;
use std::sync::Arc;

/// A staged file or link without its final name.
pub struct StagedEntry {
    pub(in crate::store) folder: Arc<dyn DiskFolder>,
    pub(in crate::store) staged: StagedName,
    pub(in crate::store) name: Name,
    /// `None` for a file that stays unchanged.
    pub(in crate::store) admission: Option<NameAdmission>,
    pub(in crate::store) content: Unsynced,
    /// It has a journal, which becomes invalid once the file has its name.
    pub(in crate::store) journal: bool,
    pub(in crate::store) is_named: bool,
    /// The next run cannot use it: it could not be synced, or may not have its name.
    pub(in crate::store) is_useless: bool,
    /// Its handle stays open where others are closed.
    pub(in crate::store) stays_open: bool,
}

/// The content to sync.
pub(crate) enum Unsynced {
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
    /// A staged file or link that is to get the name `name`, if `admission` still permits it then.
    pub(crate) fn new(
        folder: Arc<dyn DiskFolder>,
        staged: StagedName,
        name: Name,
        admission: Option<NameAdmission>,
        content: Unsynced,
    ) -> Self {
        Self {
            folder,
            staged,
            name,
            admission,
            content,
            journal: false,
            is_named: false,
            is_useless: false,
            stays_open: false,
        }
    }

    /// The existing file `name`, which stays: it is skipped once it is durable.
    pub(in crate::store) fn kept(folder: Arc<dyn DiskFolder>, name: Name) -> io::Result<Self> {
        if !folder.syncs_as_a_whole() {
            sync::entry(&*folder, (&name).into())?;
        }
        let staged = StagedName::new(); // there is none
        let mut kept = Self::new(folder, staged, name, None, Unsynced::Kept);
        kept.is_named = true;
        Ok(kept)
    }

    /// A number of its folder, as long as it is open.
    pub(crate) fn folder_id(&self) -> usize {
        Arc::as_ptr(&self.folder).cast::<()>() as usize
    }

    /// Keeps its handle open, if it has one. Returns whether it has.
    pub(crate) fn keep_open(&mut self) -> bool {
        self.stays_open = matches!(self.content, Unsynced::File(_));
        self.stays_open
    }

    /// Closes its handle, unless it is kept open.
    pub(crate) fn close(&mut self) {
        if matches!(self.content, Unsynced::File(_)) && !self.stays_open {
            self.content = Unsynced::Closed;
        }
    }

    fn remove_journal(&self) {
        if self.journal {
            let _ = self.folder.remove_journal(&self.staged); // a remaining journal is swept later
        }
    }

    /// Syncs its content. On a filesystem that is not synced as a whole, files were synced after they had been written: in the
    /// lanes, many at a time. A file's failure is its own; an error of a folder or a filesystem concerns the whole batch.
    pub(in crate::store) fn sync(&self) -> io::Result<Result<(), Failure>> {
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
    pub(in crate::store) fn write_out(&self) -> io::Result<()> {
        match &self.content {
            Unsynced::File(file) => file.write_out(),
            Unsynced::Closed => {
                self.folder.write_out(NameRef::new(self.staged.as_bytes()).map_err(Failure::from)?)
            }
            Unsynced::Link | Unsynced::Kept => Ok(()),
        }
    }

    pub(in crate::store) fn give_name(&mut self) -> Result<(), Failure> {
        let Some(admission) = &self.admission else { return Err(FailureCode::Skipped.into()) };
        let name = (&self.name).into();
        let give_name = |replace| self.folder.publish(&self.staged, name, replace);
        admission.publish(&*self.folder, name, give_name)?;
        self.is_named = true;
        self.remove_journal();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalFolder;

    #[test]
    fn only_files_have_handles_that_are_closed_or_stay_open() {
        let root = tempfile::tempdir().unwrap();
        let folder: Arc<dyn DiskFolder> = Arc::new(LocalFolder::open_ambient(root.path()).unwrap());
        let entry = |content| {
            let name = NameRef::new(b"name").unwrap().to_name();
            StagedEntry::new(folder.clone(), StagedName::new(), name, None, content)
        };
        let file = || Unsynced::File(folder.create_staged(&StagedName::new(), 0o600).unwrap().into());
        for stays_open in [false, true] {
            let mut file = entry(file());
            assert!(!stays_open || file.keep_open());
            file.close();
            assert_eq!(matches!(file.content, Unsynced::File(_)), stays_open);
            let mut link = entry(Unsynced::Link);
            assert!(!stays_open || !link.keep_open());
            link.close();
            assert!(matches!(link.content, Unsynced::Link));
        }
    }
}
