//! Selects the entries that take part in a mirror: by rules, a list of files, and limits.

use super::MirrorOptions;
use super::filter::FilterVerdict;
use wire::RemotePath;
use wire::message::Entry;
use wire::metadata::Kind;

/// Asks all filters.
pub(crate) struct EntrySelection<'a>(&'a MirrorOptions);

impl<'a> EntrySelection<'a> {
    pub(crate) fn new(options: &'a MirrorOptions) -> Self {
        Self(options)
    }

    /// The source's entry, and what is below it, does not take part.
    pub(crate) fn hides(&self, path: &RemotePath, is_folder: bool) -> bool {
        if self.is_backup(path) || (is_folder && self.is_marked(path)) {
            return true;
        }
        if let Some(files) = &self.0.files {
            if files.is_parent(path) {
                return false;
            }
            if !files.verdict(path, is_folder) {
                return true;
            }
        }
        self.0.rules.hidden(path, is_folder)
    }

    /// The target's folder is no concern of the mirror, whatever the source has: neither is it made equal to the source's, nor
    /// does it go.
    pub(crate) fn leaves_alone(&self, path: &RemotePath) -> bool {
        self.hides(path, true) && self.protects(path, true)
    }

    /// The paths below a folder that were asked for by name, in the order of a walk.
    pub(crate) fn expected(&self, folder: &RemotePath) -> Box<dyn Iterator<Item = &'a RemotePath> + 'a> {
        match &self.0.files {
            Some(files) => Box::new(files.below(folder.clone())),
            None => Box::new(std::iter::empty()),
        }
    }

    /// The target's entry, which the source does not have, stays, and so does what is below it.
    pub(crate) fn protects(&self, path: &RemotePath, is_folder: bool) -> bool {
        if self.is_backup(path) {
            return true;
        }
        let files = self.0.files.as_ref();
        let listed = files.is_none_or(|files| files.is_parent(path) || files.verdict(path, is_folder));
        let is_excluded = self.0.rules.protected(path, is_folder) || (is_folder && self.is_marked(path));
        !listed || (!self.0.delete_excluded && is_excluded)
    }

    /// The source's folder does not take part for what it is.
    fn is_marked(&self, path: &RemotePath) -> bool {
        self.0.marked_folders.as_ref().is_some_and(|marked| marked.leaves_out(path))
    }

    /// It is the backup folder, or in it: whatever either side has there is no part of the mirror.
    fn is_backup(&self, path: &RemotePath) -> bool {
        self.0.backup_below.as_ref().is_some_and(|backup| path.strip_prefix(backup).is_some())
    }

    /// The content of the source's file is sent if it differs. Limits are for files only.
    pub(crate) fn sends(&self, entry: &Entry) -> bool {
        let metadata = &entry.metadata;
        metadata.kind != Kind::File
            || self.0.limits.verdict(metadata.size, metadata.modified) == FilterVerdict::Included
    }
}
