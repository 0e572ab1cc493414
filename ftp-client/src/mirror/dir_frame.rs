//! A folder that the walk is in, and which of the two trees has it.

use super::folded_names::FoldedNames;
use std::sync::Arc;
use wire::RemotePath;
use wire::message::Entry;

/// A folder that the walk is in.
pub(super) struct DirFrame {
    pub(super) path: RemotePath,
    pub(super) presence: Presence,
    /// Something was made, replaced or renamed in the target's folder, so its time has changed.
    pub(super) changed: bool,
    /// Something that only the target has is in it, and stays.
    pub(super) retained: bool,
    /// Something right in it is deleted.
    pub(super) deleted_from: bool,
    /// Names that the source has in it.
    pub(super) names: FoldedNames,
    /// The target's folder takes names for one that differ in upper and lower case alone, if that was asked.
    pub(super) folds_case: Option<bool>,
}

/// The trees that have an entry.
pub(super) enum Presence {
    /// Both have it.
    Both(Arc<Entry>, Entry),
    /// The source has it.
    SourceOnly(Arc<Entry>),
    /// The target has it.
    TargetOnly(Entry),
    /// The target has it, and the source has a file or link there.
    Conflict(Entry, Entry),
}

impl DirFrame {
    pub(super) fn new(path: RemotePath, presence: Presence) -> Self {
        Self {
            path,
            presence,
            changed: false,
            retained: false,
            deleted_from: false,
            names: FoldedNames::default(),
            folds_case: None,
        }
    }
}
