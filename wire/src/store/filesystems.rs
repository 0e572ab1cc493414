//! Filesystems that are to be synced: a tree may reach over several.
//!
//! One that can be synced as a whole is held by one of its folders. Of another one each folder is held that is to be synced; if
//! there are too many, those that came first are synced on the way.

use super::Folder;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Filesystems and folders.
#[derive(Default)]
pub struct Filesystems {
    whole: BTreeMap<u64, Arc<dyn Folder>>,
    folders: Vec<Arc<dyn Folder>>,
}

impl Filesystems {
    /// Adds what `folder` is on.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn add(&mut self, folder: &Arc<dyn Folder>) -> io::Result<()> {
        if folder.syncs_as_a_whole() {
            self.whole.entry(folder.filesystem()?).or_insert_with(|| folder.clone());
            return Ok(());
        }
        if self.folders.iter().any(|held| Arc::ptr_eq(held, folder)) {
            return Ok(());
        }
        if self.folders.len() >= FOLDERS_MAX {
            // The latest are about to be changed; what the others are held for has been done.
            self.folders.drain(..FOLDERS_MAX / 2).try_for_each(|folder| folder.sync())?;
        }
        self.folders.push(folder.clone());
        Ok(())
    }

    /// True if `folder` is on one of them, or one of them.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn contains(&self, folder: &Arc<dyn Folder>) -> io::Result<bool> {
        if !folder.syncs_as_a_whole() {
            return Ok(self.folders.iter().any(|held| Arc::ptr_eq(held, folder)));
        }
        Ok(!self.whole.is_empty() && self.whole.contains_key(&folder.filesystem()?))
    }

    /// Takes over those of `others`.
    pub fn join(&mut self, others: Self) {
        self.whole.extend(others.whole);
        self.folders.extend(others.folders);
    }

    /// Makes durable all that was written to them: of a filesystem that is not synced as a whole, what the folders have.
    ///
    /// # Errors
    /// As a filesystem has it.
    pub fn sync(&self) -> io::Result<()> {
        self.whole.values().try_for_each(|folder| folder.sync_filesystem())?;
        self.folders.iter().try_for_each(|folder| folder.sync())
    }
}

/// Folders that are held open to be synced, beside a limit of 1,024 files.
const FOLDERS_MAX: usize = 64;
