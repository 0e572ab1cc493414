//! The permissions of files and folders that a sink places, and of files that stay.

use super::TreeSink;
use crate::failure::{Failure, FailureCode};
use crate::message::Overwrite;
use crate::metadata::{Kind, MODE_BITS, Metadata};
use crate::modes::{self, PERMISSIONS};
use crate::path::NameRef;
use crate::store::{Capability, Folder, set_carried};

impl TreeSink {
    /// Gives a file that stays, because it is the same, the permissions that it would have if it was sent with `mode`. Those of a file
    /// of another user stay.
    pub(super) fn carry_mode(
        &self,
        folder: &dyn Folder,
        name: NameRef<'_>,
        mode: u32,
    ) -> Result<(), Failure> {
        let is_same = self.options.overwrite == Overwrite::Different && !self.options.add_only;
        if !is_same || !folder.capabilities().has(Capability::Modes) {
            return Ok(());
        }
        let existing = folder.metadata(name)?;
        if existing.kind != Kind::File || self.has_mode(folder, mode, existing.mode) {
            return Ok(());
        }
        let mode = modes::kept(self.options.modes.wanted(mode, Kind::File), existing.mode);
        match set_carried(Some(mode), |mode| folder.set_metadata(name, None, mode)).map_err(Failure::from) {
            Err(failure) if failure.code != FailureCode::NotOwner => Err(failure),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    /// True if a file sent with `mode` would have the permissions `existing`.
    pub(super) fn has_mode(&self, folder: &dyn Folder, mode: u32, existing: u32) -> bool {
        let wanted = self.options.modes.wanted(mode, Kind::File);
        let existing = existing & PERMISSIONS;
        let kept = || self.rule.fidelity(folder);
        self.options.modes.only_new
            || wanted == existing
            || !kept().keeps_modes
            || kept().mode(wanted, false) & PERMISSIONS == existing
    }

    /// Returns the permissions of a file that is sent with `mode` and replaces `existing`.
    pub(super) fn mode_of_file(&self, folder: &dyn Folder, mode: u32, existing: Option<Metadata>) -> u32 {
        let wanted = self.options.modes.wanted(mode, Kind::File);
        match existing.filter(|existing| existing.kind == Kind::File) {
            _ if !self.options.modes.only_new => wanted,
            Some(existing) => existing.mode & PERMISSIONS,
            None => folder.mode_of_new(wanted),
        }
    }

    /// Returns the permissions of a folder that is sent with `mode` and has `existing`; `None` to keep them.
    pub(super) fn mode_of_folder(&self, mode: u32, existing: u32, is_new: bool) -> Option<u32> {
        let wanted = self.options.modes.wanted(mode, Kind::Folder);
        let special = MODE_BITS & !PERMISSIONS;
        let mode = match (self.options.modes.only_new, is_new) {
            (false, _) => modes::kept(wanted, existing),
            (true, true) => existing & (wanted | special) | wanted & special,
            (true, false) => existing,
        };
        (mode != existing).then_some(mode)
    }
}
