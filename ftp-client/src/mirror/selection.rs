//! What takes part in a mirror: the rules, the list of files and the limits that were given, together.

use super::Options;
use super::filter::Verdict;
use wire::RemotePath;
use wire::message::Entry;
use wire::metadata::Kind;

/// Asks all filters.
pub(crate) struct Selection<'a>(&'a Options);

impl<'a> Selection<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Self(options)
    }

    /// The source's entry, and what is below it, does not take part.
    pub(crate) fn hides(&self, entry: &Entry) -> bool {
        if self.is_backup(entry) {
            return true;
        }
        let is_folder = entry.metadata.kind == Kind::Folder;
        if let Some(files) = &self.0.files {
            if files.is_parent(&entry.path) {
                return false;
            }
            if !files.verdict(&entry.path, is_folder) {
                return true;
            }
        }
        self.0.rules.hidden(&entry.path, is_folder)
    }

    /// The paths below a folder that were asked for by name, in the order of a walk.
    pub(crate) fn expected(&self, folder: &RemotePath) -> Box<dyn Iterator<Item = &'a RemotePath> + 'a> {
        match &self.0.files {
            Some(files) => Box::new(files.below(folder.clone())),
            None => Box::new(std::iter::empty()),
        }
    }

    /// The target's entry, which the source does not have, stays, and so does what is below it.
    pub(crate) fn protects(&self, entry: &Entry) -> bool {
        if self.is_backup(entry) {
            return true;
        }
        let is_folder = entry.metadata.kind == Kind::Folder;
        let listed = self
            .0
            .files
            .as_ref()
            .is_none_or(|files| files.is_parent(&entry.path) || files.verdict(&entry.path, is_folder));
        !listed || (!self.0.delete_excluded && self.0.rules.protected(&entry.path, is_folder))
    }

    /// It is the backup folder, or in it: whatever either side has there is no part of the mirror.
    fn is_backup(&self, entry: &Entry) -> bool {
        self.0.backup_below.as_ref().is_some_and(|backup| entry.path.strip_prefix(backup).is_some())
    }

    /// The content of the source's file is sent if it differs. Limits are for files only.
    pub(crate) fn sends(&self, entry: &Entry) -> bool {
        let metadata = &entry.metadata;
        metadata.kind != Kind::File
            || self.0.limits.verdict(metadata.size, metadata.modified) == Verdict::Included
    }
}
