//! Filesystems that are to be synced: a tree may reach over several.

use super::Folder;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Filesystems, each by a folder on it.
#[derive(Default)]
pub struct Filesystems(BTreeMap<u64, Arc<dyn Folder>>);

impl Filesystems {
    /// Adds the filesystem that `folder` is on.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn add(&mut self, folder: &Arc<dyn Folder>) -> io::Result<()> {
        self.0.entry(folder.filesystem()?).or_insert_with(|| folder.clone());
        Ok(())
    }

    /// True if `folder` is on one of them.
    ///
    /// # Errors
    /// As the filesystem has it.
    pub fn contains(&self, folder: &Arc<dyn Folder>) -> io::Result<bool> {
        Ok(!self.0.is_empty() && self.0.contains_key(&folder.filesystem()?))
    }

    /// Takes over those of `others`.
    pub fn join(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Makes durable all that was written to them.
    ///
    /// # Errors
    /// As a filesystem has it.
    pub fn sync(&self) -> io::Result<()> {
        self.0.values().try_for_each(|folder| folder.sync_filesystem())
    }
}
