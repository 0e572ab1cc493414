//! A set of filesystems to be synced: a tree may span several.
//!
//! A filesystem that can be synced as a whole is represented by one of its folders. On another one, each folder to be synced is
//! kept open; if there are too many, the oldest are synced on the way.

use super::{DiskFolder, Folder, disk_folder};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// The filesystems and folders to be synced.
#[derive(Default)]
pub struct Filesystems {
    whole: BTreeMap<u64, Arc<dyn DiskFolder>>,
    folders: Vec<Arc<dyn DiskFolder>>,
}

impl Filesystems {
    /// Adds the filesystem of `folder`, if it is on one.
    ///
    /// # Errors
    /// Of the filesystem.
    pub fn add(&mut self, folder: &Arc<dyn Folder>) -> io::Result<()> {
        disk_folder(folder).map_or(Ok(()), |folder| self.add_disk(&folder))
    }

    /// Adds the filesystem of `folder`.
    ///
    /// # Errors
    /// Of the filesystem.
    pub fn add_disk(&mut self, folder: &Arc<dyn DiskFolder>) -> io::Result<()> {
        if folder.syncs_as_a_whole() {
            self.whole.entry(folder.filesystem()?).or_insert_with(|| folder.clone());
            return Ok(());
        }
        if self.folders.iter().any(|held| Arc::ptr_eq(held, folder)) {
            return Ok(());
        }
        if self.folders.len() >= FOLDERS_MAX {
            // The latest are about to be changed; the work in the others is done.
            self.folders.drain(..FOLDERS_MAX / 2).try_for_each(|folder| folder.sync())?;
        }
        self.folders.push(folder.clone());
        Ok(())
    }

    /// True if `folder` is on one of the filesystems, or is one of the folders.
    ///
    /// # Errors
    /// Of the filesystem.
    pub fn contains(&self, folder: &Arc<dyn DiskFolder>) -> io::Result<bool> {
        if !folder.syncs_as_a_whole() {
            return Ok(self.folders.iter().any(|held| Arc::ptr_eq(held, folder)));
        }
        Ok(!self.whole.is_empty() && self.whole.contains_key(&folder.filesystem()?))
    }

    /// Adds those of `others`.
    pub fn join(&mut self, others: Self) {
        self.whole.extend(others.whole);
        self.folders.extend(others.folders);
    }

    /// Makes all writes to the filesystems durable; on one that is not synced as a whole, those in the folders.
    ///
    /// # Errors
    /// Of a filesystem.
    pub fn sync(&self) -> io::Result<()> {
        self.whole.values().try_for_each(|folder| folder.sync_filesystem())?;
        self.folders.iter().try_for_each(|folder| folder.sync())
    }
}

/// Most folders kept open to be synced, compared to a limit of 1,024 files.
const FOLDERS_MAX: usize = 64;
